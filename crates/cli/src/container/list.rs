//! `ps`.

use super::{ports, reach};
use crate::{
    app::Call,
    error::CliError,
    filters::Filters,
    flags::go_quote,
    output::{
        Json, human,
        list::{Look, Row, check, render},
    },
};

/// How `ps` looks without options.
pub const LOOK: Look = Look {
    go_type: "*formatter.ContainerContext",
    headings: &[
        ("ID", "CONTAINER ID"),
        ("Names", "NAMES"),
        ("Image", "IMAGE"),
        ("Command", "COMMAND"),
        ("CreatedAt", "CREATED AT"),
        ("RunningFor", "CREATED"),
        ("Ports", "PORTS"),
        ("State", "STATE"),
        ("Status", "STATUS"),
        ("Size", "SIZE"),
        ("Labels", "LABELS"),
        ("Mounts", "MOUNTS"),
        ("LocalVolumes", "LOCAL VOLUMES"),
        ("Networks", "NETWORKS"),
        ("Platform", "PLATFORM"),
    ],
    table: "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}",
};

/// How `ps --reach` looks.
const REACH: Look = Look {
    go_type: LOOK.go_type,
    headings: &[
        ("ID", "CONTAINER ID"),
        ("Names", "NAMES"),
        ("Image", "IMAGE"),
        ("Status", "STATUS"),
        ("Ports", "PORTS"),
        ("Networks", "NETWORKS"),
        ("Reach", "REACH"),
    ],
    table: "{{.ID}}\t{{.Image}}\t{{.Status}}\t{{.Names}}\t{{.Reach}}",
};

/// Lists containers.
pub async fn run(call: &Call<'_>) -> Result<u8, CliError> {
    let parsed = &call.parsed;
    let last = parsed.int("last").unwrap_or(-1);
    let limit = if parsed.is_on("latest") && last == -1 {
        1
    } else {
        last
    };
    let quiet = parsed.is_on("quiet");
    let format = if quiet && !parsed.given("format") {
        "{{.ID}}".to_owned()
    } else {
        call.app.format(parsed, "psFormat")
    };
    if !format.is_empty() {
        check(&LOOK, &format, shown_row(&Json::Null, false))?;
    }
    // The engine measures sizes only where they are shown.
    let size = parsed.is_on("size") || (!quiet && mentions_size(&format));
    let list: Json = call
        .client()
        .await?
        .get("/containers/json")
        .flag("all", parsed.is_on("all"))
        .query_if(
            "limit",
            if limit > 0 {
                limit.to_string()
            } else {
                String::new()
            },
        )
        .flag("size", size)
        .query_if("filters", Filters::parse(parsed.all("filter")).json())
        .send()
        .await?
        .json()
        .await?;
    let whole = parsed.is_on("no-trunc");
    if parsed.is_on("reach") {
        let client = call.client().await?;
        let asked = list.list(&[]).iter().map(|container| async move {
            let ways = reach::of(client, container.text(&["Id"])).await?;
            Ok::<_, CliError>(shown_row(container, whole).field("Reach", reach::column(&ways)))
        });
        let rows = futures_util::future::try_join_all(asked).await?;
        call.app.out(&render(&REACH, &format, rows)?)?;
        return Ok(0);
    }
    let table = if parsed.is_on("size") {
        Look {
            table: concat!(
                "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}",
                "\t{{.Size}}"
            ),
            ..LOOK
        }
    } else {
        LOOK
    };
    let rows = list.list(&[]).iter().map(|c| shown_row(c, whole)).collect();
    call.app.out(&render(&table, &format, rows)?)?;
    Ok(0)
}

fn mentions_size(format: &str) -> bool {
    format.contains(".Size") || format.contains("json .}}") || format.contains("json . }}")
}

/// A container as a row of other lists, shortened.
pub fn plain_row(container: &Json) -> Row {
    let written = human::size(container.int(&["SizeRw"]));
    shown_row(container, false).replaced("Size", written)
}

/// A container as a row; `whole` shortens nothing.
pub fn shown_row(container: &Json, whole: bool) -> Row {
    let id = container.text(&["Id"]);
    let created = container.int(&["Created"]);
    let command = container.text(&["Command"]);
    let command = if whole {
        command.to_owned()
    } else {
        human::ellipsis(command, 20)
    };
    Row::new()
        .field("ID", if whole { id } else { human::short_id(id) })
        .field("Names", names(container, whole))
        .field("Image", image(container, whole))
        .field("Command", go_quote(&command))
        .field("CreatedAt", human::go_time(created))
        .field("RunningFor", human::ago(created))
        .field("Ports", ports::shown(container.list(&["Ports"])))
        .field("State", container.text(&["State"]))
        .field("Status", container.text(&["Status"]))
        .field("Size", size(container))
        .labels(container.members(&["Labels"]))
        .field("Mounts", mounts(container, whole))
        .field("LocalVolumes", local_volumes(container))
        .field("Networks", networks(container))
        .field("Platform", Json::Null)
}

fn names(container: &Json, whole: bool) -> String {
    let names = container.texts(&["Names"]);
    names
        .iter()
        .map(|name| name.strip_prefix('/').unwrap_or(name))
        // A name with a slash is that of a link.
        .filter(|name| whole || !name.contains('/'))
        .collect::<Vec<_>>()
        .join(",")
}

fn image(container: &Json, whole: bool) -> String {
    let image = container.text(&["Image"]);
    if image.is_empty() {
        return "<no image>".into();
    }
    if whole {
        return image.to_owned();
    }
    let id = human::short_id(container.text(&["ImageID"]));
    if !id.is_empty() && human::short_id(image) == id {
        return id.to_owned();
    }
    match image.split_once('@') {
        Some((name, _)) if name.rsplit('/').next().is_some_and(|n| n.contains(':')) => {
            name.to_owned()
        }
        _ => image.to_owned(),
    }
}

fn size(container: &Json) -> String {
    let (written, whole) = (container.int(&["SizeRw"]), container.int(&["SizeRootFs"]));
    let text = human::size(written);
    if whole > 0 {
        format!("{text} (virtual {})", human::size(whole))
    } else {
        text
    }
}

fn mounts(container: &Json, whole: bool) -> String {
    container
        .list(&["Mounts"])
        .iter()
        .map(|mount| {
            let name = match mount.text(&["Name"]) {
                "" => mount.text(&["Source"]),
                name => name,
            };
            if whole {
                name.to_owned()
            } else {
                human::ellipsis(name, 15)
            }
        })
        .collect::<Vec<_>>()
        .join(",")
}

fn local_volumes(container: &Json) -> String {
    let local = |mount: &&Json| mount.text(&["Driver"]) == "local";
    container
        .list(&["Mounts"])
        .iter()
        .filter(local)
        .count()
        .to_string()
}

fn networks(container: &Json) -> String {
    let networks = container.members(&["NetworkSettings", "Networks"]);
    networks
        .iter()
        .map(|(name, _)| name.as_str())
        .collect::<Vec<_>>()
        .join(",")
}
