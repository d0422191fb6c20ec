//! `history`.

use crate::{
    app::Call,
    error::CliError,
    output::{
        human,
        list::{Look, Row, render},
    },
};
use corten_api::image::HistoryItem;
use corten_client::Client;

const LOOK: Look = Look {
    go_type: "*formatter.historyContext",
    headings: &[
        ("ID", "IMAGE"),
        ("CreatedSince", "CREATED"),
        ("CreatedAt", "CREATED AT"),
        ("CreatedBy", "CREATED BY"),
        ("Size", "SIZE"),
        ("Comment", "COMMENT"),
    ],
    table: "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}",
};

/// With `--human=false` the column holds a time.
const EXACT_HEADINGS: [(&str, &str); 6] = [
    ("ID", "IMAGE"),
    ("CreatedSince", "CREATED AT"),
    ("CreatedAt", "CREATED AT"),
    ("CreatedBy", "CREATED BY"),
    ("Size", "SIZE"),
    ("Comment", "COMMENT"),
];

/// The layers of an image, newest first.
pub async fn run(call: &Call<'_>) -> Result<u8, CliError> {
    let parsed = &call.parsed;
    let items: Vec<HistoryItem> = call
        .client()
        .await?
        .get(format!("/images/{}/history", Client::segment(call.arg(0))))
        .query_if(
            "platform",
            super::pull::push_platform(parsed.text("platform"))?,
        )
        .send()
        .await?
        .json()
        .await?;
    let (whole, humane) = (parsed.is_on("no-trunc"), parsed.flag_or("human", true));
    let format = if parsed.is_on("quiet") && !parsed.given("format") {
        "{{.ID}}".to_owned()
    } else {
        parsed.text("format").to_owned()
    };
    let look = if humane {
        LOOK
    } else {
        Look {
            headings: &EXACT_HEADINGS,
            ..LOOK
        }
    };
    let rows = items.iter().map(|item| row(item, whole, humane)).collect();
    call.app.out(&render(&look, &format, rows)?)?;
    Ok(0)
}

fn row(item: &HistoryItem, whole: bool, humane: bool) -> Row {
    let command = item.created_by.replace('\t', " ");
    let created = human::seconds_local(item.created);
    let since = if item.created == 0 || item.created < -62_135_596_000 {
        "N/A".to_owned()
    } else if humane {
        human::ago(item.created)
    } else {
        created.clone()
    };
    Row::new()
        .field(
            "ID",
            if whole {
                item.id.as_str()
            } else {
                human::short_id(&item.id)
            },
        )
        .field("CreatedSince", since)
        .field("CreatedAt", created)
        .field(
            "CreatedBy",
            if whole {
                command
            } else {
                human::ellipsis(&command, 45)
            },
        )
        .field(
            "Size",
            if humane {
                human::size(item.size)
            } else {
                item.size.to_string()
            },
        )
        .field("Comment", item.comment.as_str())
}
