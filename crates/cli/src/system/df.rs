//! `system df`: what takes space.

use crate::{
    app::Call,
    error::CliError,
    output::{
        Json, human,
        list::{Look, Row, render},
    },
    volume,
};
use corten_base::text;

const LOOK: Look = Look {
    go_type: "*formatter.diskUsageContext",
    headings: &[
        ("Type", "TYPE"),
        ("TotalCount", "TOTAL"),
        ("Active", "ACTIVE"),
        ("Size", "SIZE"),
        ("Reclaimable", "RECLAIMABLE"),
    ],
    table: "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}",
};

/// Prints the sums, or everything with `--verbose`.
pub async fn run(call: &Call<'_>) -> Result<u8, CliError> {
    let usage: Json = call
        .client()
        .await?
        .get("/system/df")
        .send()
        .await?
        .json()
        .await?;
    let format = call.parsed.text("format");
    if call.parsed.is_on("verbose") {
        if !matches!(format, "" | "table") {
            return Err(CliError::Text(
                "the verbose and the format options conflict".into(),
            ));
        }
        call.app.out(&verbose(&usage)?)?;
        return Ok(0);
    }
    let rows = vec![
        images(&usage),
        containers(&usage),
        volumes(&usage),
        cache(&usage),
    ];
    call.app.out(&render(&LOOK, format, rows)?)?;
    Ok(0)
}

fn size(bytes: i64) -> String {
    text::human_size(bytes.max(0) as u64)
}

fn three_digits(bytes: i64) -> String {
    human::size(bytes)
}

/// `154MB (98%)`; without the share where nothing is used.
fn share(part: i64, whole: i64, text: String) -> String {
    if whole > 0 {
        format!("{text} ({}%)", part * 100 / whole)
    } else {
        text
    }
}

fn row(kind: &str, total: usize, active: usize, size: String, reclaimable: String) -> Row {
    Row::new()
        .field("Type", kind)
        .field("TotalCount", total.to_string())
        .field("Active", active.to_string())
        .field("Size", size)
        .field("Reclaimable", reclaimable)
}

fn images(usage: &Json) -> Row {
    let list = usage.list(&["Images"]);
    let whole = usage.int(&["LayersSize"]);
    let active = list.iter().filter(|i| i.int(&["Containers"]) > 0);
    let used: i64 = active
        .clone()
        .filter(|i| i.int(&["Size"]) != -1 && i.int(&["SharedSize"]) != -1)
        .map(|i| i.int(&["Size"]) - i.int(&["SharedSize"]))
        .sum();
    let free = whole - used;
    row(
        "Images",
        list.len(),
        active.count(),
        three_digits_sum(whole),
        share(free, whole, three_digits_sum(free)),
    )
}

fn three_digits_sum(bytes: i64) -> String {
    size(bytes)
}

fn containers(usage: &Json) -> Row {
    let list = usage.list(&["Containers"]);
    let is_active = |c: &&Json| {
        ["running", "paused", "restarting"]
            .iter()
            .any(|s| c.text(&["State"]).contains(s))
    };
    let total: i64 = list.iter().map(|c| c.int(&["SizeRw"])).sum();
    let free: i64 = list
        .iter()
        .filter(|c| !is_active(c))
        .map(|c| c.int(&["SizeRw"]))
        .sum();
    row(
        "Containers",
        list.len(),
        list.iter().filter(is_active).count(),
        size(total),
        share(free, total, size(free)),
    )
}

fn volumes(usage: &Json) -> Row {
    let list = usage.list(&["Volumes"]);
    let bytes = |v: &Json| v.int(&["UsageData", "Size"]).max(0);
    let is_active = |v: &&Json| v.int(&["UsageData", "RefCount"]) > 0;
    let total: i64 = list.iter().map(bytes).sum();
    let free: i64 = list
        .iter()
        .filter(|v| v.int(&["UsageData", "RefCount"]) == 0)
        .map(bytes)
        .sum();
    row(
        "Local Volumes",
        list.len(),
        list.iter().filter(is_active).count(),
        size(total),
        share(free, total, size(free)),
    )
}

fn cache(usage: &Json) -> Row {
    let list = usage.list(&["BuildCache"]);
    let total: i64 = list.iter().map(|c| c.int(&["Size"])).sum();
    let used: i64 = list
        .iter()
        .filter(|c| c.bool(&["InUse"]) && !c.bool(&["Shared"]))
        .map(|c| c.int(&["Size"]))
        .sum();
    let active = list.iter().filter(|c| c.bool(&["InUse"])).count();
    row(
        "Build Cache",
        list.len(),
        active,
        size(total),
        size(total - used),
    )
}

fn verbose(usage: &Json) -> Result<String, CliError> {
    let images = Look {
        go_type: "*formatter.diskUsageImageContext",
        headings: &[
            ("Repository", "REPOSITORY"),
            ("Tag", "TAG"),
            ("ID", "IMAGE ID"),
            ("CreatedSince", "CREATED"),
            ("Size", "SIZE"),
            ("SharedSize", "SHARED SIZE"),
            ("UniqueSize", "UNIQUE SIZE"),
            ("Containers", "CONTAINERS"),
        ],
        table: "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}",
    };
    let containers = Look {
        go_type: "*formatter.diskUsageContainersContext",
        headings: &[
            ("ID", "CONTAINER ID"),
            ("Image", "IMAGE"),
            ("Command", "COMMAND"),
            ("LocalVolumes", "LOCAL VOLUMES"),
            ("Size", "SIZE"),
            ("RunningFor", "CREATED"),
            ("Status", "STATUS"),
            ("Names", "NAMES"),
        ],
        table: "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.RunningFor}}\t{{.Status}}\t{{.Names}}",
    };
    let volumes = Look {
        go_type: "*formatter.volumeContext",
        headings: &[
            ("Name", "VOLUME NAME"),
            ("Links", "LINKS"),
            ("Size", "SIZE"),
        ],
        table: "{{.Name}}\t{{.Links}}\t{{.Size}}",
    };
    let cache = Look {
        go_type: "*formatter.buildCacheContext",
        headings: &[
            ("ID", "CACHE ID"),
            ("CacheType", "CACHE TYPE"),
            ("Size", "SIZE"),
            ("CreatedSince", "CREATED"),
            ("LastUsedSince", "LAST USED"),
            ("UsageCount", "USAGE"),
            ("Shared", "SHARED"),
        ],
        table: "{{.ID}}\t{{.CacheType}}\t{{.Size}}\t{{.CreatedSince}}\t{{.LastUsedSince}}\t{{.UsageCount}}\t{{.Shared}}",
    };
    let mut out = String::from("Images space usage:\n\n");
    out += &render(
        &images,
        "",
        usage.list(&["Images"]).iter().map(image_row).collect(),
    )?;
    out += "\nContainers space usage:\n\n";
    let rows = usage
        .list(&["Containers"])
        .iter()
        .map(crate::container::list::plain_row)
        .collect();
    out += &render(&containers, "", rows)?;
    out += "\nLocal Volumes space usage:\n\n";
    out += &render(
        &volumes,
        "",
        usage.list(&["Volumes"]).iter().map(volume::row).collect(),
    )?;
    let total: i64 = usage
        .list(&["BuildCache"])
        .iter()
        .map(|c| c.int(&["Size"]))
        .sum();
    out += &format!("\nBuild cache usage: {}\n\n", size(total));
    out += &render(
        &cache,
        "",
        usage.list(&["BuildCache"]).iter().map(cache_row).collect(),
    )?;
    Ok(out)
}

fn image_row(image: &Json) -> Row {
    let tag = image
        .texts(&["RepoTags"])
        .first()
        .map(|t| (*t).to_owned())
        .unwrap_or_default();
    let (repository, tag) = match tag.rsplit_once(':') {
        Some((repository, tag)) => (repository.to_owned(), tag.to_owned()),
        None => ("<none>".to_owned(), "<none>".to_owned()),
    };
    let (whole, shared) = (image.int(&["Size"]), image.int(&["SharedSize"]).max(0));
    Row::new()
        .field("Repository", repository)
        .field("Tag", tag)
        .field("ID", human::short_id(image.text(&["Id"])))
        .field("CreatedSince", human::ago(image.int(&["Created"])))
        .field("Size", three_digits(whole))
        .field("SharedSize", size(shared))
        .field("UniqueSize", size(whole - shared))
        .field("Containers", image.int(&["Containers"]).to_string())
}

fn cache_row(cache: &Json) -> Row {
    let since = |key: &str| {
        cache
            .text(&[key])
            .parse::<corten_base::Timestamp>()
            .map_or_else(|_| String::new(), |time| human::ago(time.unix_seconds()))
    };
    Row::new()
        .field(
            "ID",
            cache.text(&["ID"]).chars().take(12).collect::<String>(),
        )
        .field("CacheType", cache.text(&["Type"]))
        .field("Size", size(cache.int(&["Size"])))
        .field("CreatedSince", since("CreatedAt"))
        .field("LastUsedSince", since("LastUsedAt"))
        .field("UsageCount", cache.int(&["UsageCount"]).to_string())
        .field("Shared", cache.bool(&["Shared"]).to_string())
}
