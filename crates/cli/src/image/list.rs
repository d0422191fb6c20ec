//! `images`.

use super::pull;
use crate::{
    app::Call,
    error::CliError,
    filters::Filters,
    output::{
        Json, human,
        list::{Look, Row, render},
    },
};
use corten_base::text;
use corten_oci::Reference;

const HEADINGS: &[(&str, &str)] = &[
    ("ID", "IMAGE ID"),
    ("Repository", "REPOSITORY"),
    ("Tag", "TAG"),
    ("Digest", "DIGEST"),
    ("CreatedSince", "CREATED"),
    ("CreatedAt", "CREATED AT"),
    ("Size", "SIZE"),
    ("Containers", "CONTAINERS"),
    ("VirtualSize", "SIZE"),
    ("SharedSize", "SHARED SIZE"),
    ("UniqueSize", "UNIQUE SIZE"),
];

const TABLE: &str = "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}";
const TABLE_WITH_DIGEST: &str =
    "{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}";
pub(super) const NONE: &str = "<none>";

/// Lists images.
pub async fn run(call: &Call<'_>) -> Result<u8, CliError> {
    let parsed = &call.parsed;
    let mut filters = Filters::parse(parsed.all("filter"));
    if !call.arg(0).is_empty() {
        filters.add("reference", call.arg(0));
    }
    if parsed.is_on("tree") {
        return super::tree::run(call, &filters).await;
    }
    let quiet = parsed.is_on("quiet");
    let format = if quiet && !parsed.given("format") {
        "{{.ID}}".to_owned()
    } else {
        call.app.format(parsed, "imagesFormat")
    };
    let digests = parsed.is_on("digests");
    let list: Json = call
        .client()
        .await?
        .get("/images/json")
        .flag("all", parsed.is_on("all"))
        .query_if("filters", filters.json())
        .send()
        .await?
        .json()
        .await?;
    let whole = parsed.is_on("no-trunc");
    let needs_digest = digests || format.contains(".Digest");
    let rows = list
        .list(&[])
        .iter()
        .flat_map(|image| {
            names(image, digests, needs_digest)
                .into_iter()
                .map(move |n| row(image, n, whole))
        })
        .collect();
    let look = Look {
        go_type: "*formatter.imageContext",
        headings: HEADINGS,
        table: if digests { TABLE_WITH_DIGEST } else { TABLE },
    };
    call.app.out(&render(&look, &format, rows)?)?;
    Ok(0)
}

/// Repository, tag and digest of each row of an image.
fn names(image: &Json, digests: bool, needs_digest: bool) -> Vec<[String; 3]> {
    let parse = |key| -> Vec<Reference> {
        image
            .texts(&[key])
            .into_iter()
            .filter_map(|text| pull::reference(text).ok())
            .collect()
    };
    let (tags, by_digest) = (parse("RepoTags"), parse("RepoDigests"));
    let mut rows = Vec::new();
    for tag in &tags {
        let repository = tag.familiar_name();
        let name = tag.tag().unwrap_or(NONE).to_owned();
        let own: Vec<String> = by_digest
            .iter()
            .filter(|d| needs_digest && d.name() == tag.name())
            .filter_map(|d| d.digest().map(ToString::to_string))
            .collect();
        if own.is_empty() {
            rows.push([repository, name, NONE.into()]);
        } else {
            rows.extend(
                own.into_iter()
                    .map(|d| [repository.clone(), name.clone(), d]),
            );
        }
    }
    let mut seen: Vec<String> = Vec::new();
    for digest in &by_digest {
        let repository = digest.familiar_name();
        if tags.iter().any(|tag| tag.name() == digest.name()) {
            continue;
        }
        let text = digest.digest().map(ToString::to_string).unwrap_or_default();
        if digests {
            rows.push([repository, NONE.into(), text]);
        } else if !seen.contains(&repository) {
            seen.push(repository.clone());
            rows.push([repository, NONE.into(), text]);
        }
    }
    if rows.is_empty() {
        rows.push([NONE.into(), NONE.into(), NONE.into()]);
    }
    rows
}

fn row(image: &Json, [repository, tag, digest]: [String; 3], whole: bool) -> Row {
    let id = image.text(&["Id"]);
    let created = image.int(&["Created"]);
    let size = image.int(&["Size"]);
    let known = |key: &str, text: fn(i64) -> String| match image.int(&[key]) {
        -1 => "N/A".to_owned(),
        n => text(n),
    };
    let shared = image.int(&["SharedSize"]);
    let unique = if shared == -1 {
        "N/A".into()
    } else {
        text::human_size((size - shared).max(0) as u64)
    };
    Row::new()
        .field("ID", if whole { id } else { human::short_id(id) })
        .field("Repository", repository)
        .field("Tag", tag)
        .field("Digest", digest)
        .field(
            "CreatedSince",
            if created == 0 {
                "N/A".into()
            } else {
                human::ago(created)
            },
        )
        .field("CreatedAt", human::go_time(created))
        .field("Size", human::size(size))
        .field("VirtualSize", text::human_size(size.max(0) as u64))
        .field("Containers", known("Containers", |n| n.to_string()))
        .field(
            "SharedSize",
            known("SharedSize", |n| text::human_size(n.max(0) as u64)),
        )
        .field("UniqueSize", unique)
}
