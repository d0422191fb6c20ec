//! `images --tree`: each image under all of its names, with its platforms below.
//!
//! Of an image with one platform our engine sends no manifests, as dockerd with its own image
//! store: then there are no branches, and no content sizes.

use super::list::NONE;
use crate::{
    app::Call,
    error::CliError,
    filters::Filters,
    output::{Json, human},
    terminal,
};
use std::cmp::Reverse;

const WARNING: &str =
    "WARNING: This is an experimental feature. The output may change and shouldn't be depended on.";
/// Titles and widths of the columns behind the names, and whether they stand to the right.
const COLUMNS: [(&str, usize, bool); 4] = [
    ("ID", 12, false),
    ("DISK USAGE", 10, true),
    ("CONTENT SIZE", 12, true),
    ("EXTRA", 5, false),
];
const SPACING: usize = 3;
/// The names' column is not narrower; columns behind it go first.
const NARROWEST_NAME: usize = 12;

// ECMA-48 § 8.3.117, select graphic rendition.
const TITLE: &str = "\x1b[39m\x1b[1m";
const NAME: &str = "\x1b[34m\x1b[1m";
const PLAIN: &str = "\x1b[39m";
const FAINT: &str = "\x1b[39m\x1b[2m";
const YELLOW: &str = "\x1b[93m";
const OFF: &str = "\x1b[0m";
const CHIP: &str = "\x1b[38;5;0m\x1b[48;5;14m U \x1b[0m";
const INFO: &str = "\x1b[1m\x1b[106m\x1b[30mi\x1b[0m\x1b[0m \x1b[96mInfo → \x1b[0m\x1b[0m";

/// One line: an image, or a platform of one.
struct Line {
    id: String,
    size: i64,
    content: i64,
    in_use: bool,
}

struct Image {
    names: Vec<String>,
    line: Line,
    /// Platform, whether its content is here, and the rest.
    platforms: Vec<(String, bool, Line)>,
    created: i64,
}

/// Prints the tree.
pub async fn run(call: &Call<'_>, filters: &Filters) -> Result<u8, CliError> {
    for (flag, told) in [
        ("quiet", "quiet"),
        ("no-trunc", "no-trunc"),
        ("digests", "show-digest"),
    ] {
        if call.parsed.is_on(flag) {
            return Err(unsupported(told));
        }
    }
    if !call.parsed.text("format").is_empty() {
        return Err(unsupported("format"));
    }
    let all = call.parsed.is_on("all");
    let list: Json = call
        .client()
        .await?
        .get("/images/json")
        .flag("all", all)
        .flag("manifests", true)
        .query_if("filters", filters.json())
        .send()
        .await?
        .json()
        .await?;
    let images = list.list(&[]).iter();
    let mut images: Vec<Image> = images
        .filter(|it| all || !is_dangling(it))
        .map(image)
        .collect();
    images.sort_by_key(|it| Reverse(it.created));
    let look = Look::new(&images, call.app.is_docker());
    call.app.out(&look.tree(&images))?;
    Ok(0)
}

fn unsupported(flag: &str) -> CliError {
    CliError::Text(format!("--{flag} is not yet supported with --tree"))
}

fn is_dangling(image: &Json) -> bool {
    let none = |key, name: &str| match image.texts(&[key])[..] {
        [] => true,
        [only] => only == name,
        _ => false,
    };
    none("RepoTags", &format!("{NONE}:{NONE}")) && none("RepoDigests", &format!("{NONE}@{NONE}"))
}

fn image(image: &Json) -> Image {
    let manifests = image.list(&["Manifests"]);
    let platforms: Vec<(String, bool, Line)> = manifests
        .iter()
        .filter(|it| it.text(&["Kind"]) == "image")
        .map(platform)
        .collect();
    let mut names: Vec<String> = image
        .texts(&["RepoTags"])
        .into_iter()
        .map(str::to_owned)
        .collect();
    names.sort_by_key(|it| Reverse(it.len()));
    Image {
        names,
        line: Line {
            id: image.text(&["Id"]).to_owned(),
            size: image.int(&["Size"]),
            content: manifests
                .iter()
                .map(|it| it.int(&["Size", "Content"]))
                .sum(),
            in_use: image.int(&["Containers"]) > 0 || platforms.iter().any(|it| it.2.in_use),
        },
        platforms,
        created: image.int(&["Created"]),
    }
}

fn platform(manifest: &Json) -> (String, bool, Line) {
    let part = |key| manifest.text(&["ImageData", "Platform", key]);
    let parts = [part("os"), part("architecture"), part("variant")];
    let named: Vec<&str> = parts.into_iter().filter(|it| !it.is_empty()).collect();
    let line = Line {
        id: manifest.text(&["ID"]).to_owned(),
        size: manifest.int(&["Size", "Total"]),
        content: manifest.int(&["Size", "Content"]),
        in_use: !manifest.list(&["ImageData", "Containers"]).is_empty(),
    };
    (named.join("/"), manifest.bool(&["Available"]), line)
}

struct Look {
    /// Columns of the screen.
    screen: usize,
    /// Whether the output is a terminal.
    colours: bool,
    /// Docker's client colours titles even into a pipe.
    titles: bool,
    name: usize,
    /// How many columns stand behind the name.
    columns: usize,
    /// Whether any image is in use, so that the letter for it has a place.
    chips: bool,
}

impl Look {
    fn new(images: &[Image], is_docker: bool) -> Self {
        let colours = terminal::terminals().output;
        let size = colours.then(terminal::size).flatten();
        let screen = size.map_or(80, |it| usize::from(it.columns)).max(20);
        let mut name = screen;
        let mut columns = 0;
        for (_, width, _) in COLUMNS {
            if name < width + SPACING + NARROWEST_NAME {
                break;
            }
            name -= width + SPACING;
            columns += 1;
        }
        let widest = images.iter().flat_map(|image| {
            let names = image.names.iter().map(String::len);
            // The branch before a platform is counted in bytes, as Docker's client does.
            names.chain(image.platforms.iter().map(|it| it.0.len() + "└─ ".len()))
        });
        Self {
            screen,
            colours,
            titles: colours || is_docker,
            name: name.min(widest.max().unwrap_or(0).max("IMAGE".len())),
            columns,
            chips: images.iter().any(|image| image.line.in_use),
        }
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        match self.colours {
            true => format!("{colour}{text}{OFF}"),
            false => text.to_owned(),
        }
    }

    fn tree(&self, images: &[Image]) -> String {
        let mut out = self.paint(YELLOW, WARNING) + "\n";
        let (info, chip) = if self.colours {
            (INFO, CHIP)
        } else {
            (" Info -> ", "U")
        };
        let legend = if self.colours {
            "i Info →   U  In Use "
        } else {
            " Info ->  U In Use "
        };
        let blanks = self.screen.saturating_sub(legend.chars().count());
        out.push_str(&format!("{}{info} {chip} In Use \n\n", " ".repeat(blanks)));
        let title = |text: &str, width, right| match self.titles {
            true => cell(text, width, right).replacen(text, &format!("{TITLE}{text}{OFF}"), 1),
            false => cell(text, width, right),
        };
        out.push_str(&title("IMAGE", self.name, false));
        for (name, width, right) in COLUMNS.iter().take(self.columns) {
            out.push_str(&" ".repeat(SPACING));
            out.push_str(&title(name, *width, *right));
        }
        out.push('\n');
        let spaced = images.iter().any(|it| !it.platforms.is_empty());
        for image in images {
            self.image(&mut out, image);
            if spaced {
                out.push('\n');
            }
            let last = image.platforms.len().saturating_sub(1);
            for (at, (platform, available, line)) in image.platforms.iter().enumerate() {
                let colour = if *available { PLAIN } else { FAINT };
                let branch = if at == last { "└─" } else { "├─" };
                let name = cell(&format!("{branch} {platform}"), self.name, false);
                out.push_str(&self.paint(colour, &name));
                self.details(&mut out, colour, line);
                out.push('\n');
            }
            out.push('\n');
        }
        out
    }

    fn image(&self, out: &mut String, image: &Image) {
        match image.names.split_last() {
            None => out.push_str(&self.paint(FAINT, &cell("<untagged>", self.name, false))),
            Some((last, others)) => {
                for name in others {
                    out.push_str(&self.paint(NAME, name));
                    out.push('\n');
                }
                out.push_str(&self.paint(NAME, &cell(last, self.name, false)));
            }
        }
        self.details(out, PLAIN, &image.line);
    }

    fn details(&self, out: &mut String, colour: &str, line: &Line) {
        let chip = match (self.chips, line.in_use) {
            (false, _) => "",
            (true, true) if self.colours => CHIP,
            (true, true) => "U",
            (true, false) => " ",
        };
        let values = [
            human::short_id(&line.id).to_owned(),
            human::size(line.size),
            human::size(line.content),
            String::new(),
        ];
        let columns = COLUMNS.iter().zip(values).take(self.columns);
        for ((title, width, right), value) in columns {
            out.push_str(&" ".repeat(SPACING));
            if *title == "EXTRA" {
                let shown = if chip == CHIP { 3 } else { chip.len() };
                out.push_str(chip);
                out.push_str(&" ".repeat(width.saturating_sub(shown)));
            } else {
                out.push_str(&self.paint(colour, &cell(&value, *width, *right)));
            }
        }
    }
}

/// A text in a column, cut with an ellipsis where it is too long.
fn cell(text: &str, width: usize, right: bool) -> String {
    let length = text.chars().count();
    if length > width {
        let kept: String = text.chars().take(width.saturating_sub(1)).collect();
        return kept + "…";
    }
    let blanks = " ".repeat(width - length);
    match right {
        true => blanks + text,
        false => text.to_owned() + &blanks,
    }
}
