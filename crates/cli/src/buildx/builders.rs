//! The one builder: `buildx ls`, `inspect`, `version`.

use super::error;
use crate::{
    app::Call,
    error::CliError,
    output::list::{Look, Row, render},
};
use corten_client::build::{Control, ListWorkersRequest, ListWorkersResponse};
use std::collections::BTreeMap;

/// What is known of the builder.
struct Builder {
    version: String,
    platforms: Vec<String>,
    labels: Vec<(String, String)>,
}

async fn builder(control: &mut Control) -> Result<Builder, CliError> {
    let request = ListWorkersRequest::default();
    let workers: ListWorkersResponse = control.ask("ListWorkers", &request).await?;
    let mut builder = Builder {
        version: String::new(),
        platforms: Vec::new(),
        labels: Vec::new(),
    };
    for worker in workers.record {
        builder.version = worker.buildkit_version.unwrap_or_default().version;
        builder.labels.extend(worker.labels);
        builder
            .platforms
            .extend(worker.platforms.into_iter().map(|it| {
                let variant = if it.variant.is_empty() {
                    String::new()
                } else {
                    format!("/{}", it.variant)
                };
                format!("{}/{}{variant}", it.os, it.architecture)
            }));
    }
    builder.labels.sort();
    Ok(builder)
}

const LOOK: Look = Look {
    go_type: "*commands.lsContext",
    headings: &[
        ("Name", "NAME/NODE"),
        ("DriverEndpoint", "DRIVER/ENDPOINT"),
        ("LastActivity", "LAST ACTIVITY"),
        ("Status", "STATUS"),
        ("Buildkit", "BUILDKIT"),
        ("Platforms", "PLATFORMS"),
    ],
    table: "{{.Name}}\t{{.DriverEndpoint}}\t{{.Status}}\t{{.Buildkit}}\t{{.Platforms}}",
};

/// `buildx ls`.
pub async fn list(call: &Call<'_>) -> Result<u8, CliError> {
    let mut control = call.client().await?.control().await?;
    let found = builder(&mut control).await?;
    let format = call.parsed.text("format");
    if format == "json" {
        let document = serde_json::json!({
            "Current": true, "Driver": "docker", "Dynamic": false, "Name": "default",
            "LastActivity": "0001-01-01T00:00:00Z",
            "Nodes": [{
                "Endpoint": "default", "Name": "default", "Status": "running",
                "Version": found.version, "Platforms": found.platforms,
            }],
        });
        call.app.line(&document.to_string())?;
        return Ok(0);
    }
    let is_table = matches!(format, "" | "table") || format.starts_with("table ");
    let (star, indent) = if is_table { ("*", " \\_ ") } else { ("", "") };
    let platforms = match is_table && !call.parsed.is_on("no-trunc") {
        true => shortened(&found.platforms),
        false => found.platforms.join(", "),
    };
    let row = |[name, endpoint, status, version, platforms]: [&str; 5]| {
        Row::new()
            .field("Name", name)
            .field("DriverEndpoint", endpoint)
            .field("LastActivity", "")
            .field("Status", status)
            .field("Buildkit", version)
            .field("Platforms", platforms)
            .field("Error", "")
    };
    let node = format!("{indent}default");
    let rows = vec![
        row([&format!("default{star}"), "docker", "", "", ""]),
        row([&node, &node, "running", &found.version, &platforms]),
    ];
    call.app.out(&render(&LOOK, format, rows)?)?;
    Ok(0)
}

/// The platforms with the variants of each processor as one, and what is beyond a few of
/// them as a number.
fn shortened(platforms: &[String]) -> String {
    const SHOWN: usize = 4;
    /// Those that come first.
    const MAJOR: [&str; 7] = [
        "linux/amd64",
        "linux/arm64",
        "linux/arm",
        "linux/ppc64le",
        "linux/s390x",
        "linux/riscv64",
        "linux/mips64",
    ];
    let processor = |text: &str| text.split('/').take(2).collect::<Vec<_>>().join("/");
    let mut groups: BTreeMap<String, Vec<&String>> = BTreeMap::new();
    for platform in platforms {
        groups
            .entry(processor(platform))
            .or_default()
            .push(platform);
    }
    let major = MAJOR.iter().filter(|it| groups.contains_key(**it));
    let others = groups.keys().map(String::as_str);
    let others = others.filter(|it| !MAJOR.contains(it));
    let (mut shown, mut count) = (Vec::new(), 0);
    for name in major.copied().chain(others).take(SHOWN) {
        let group = &groups[name];
        count += group.len();
        shown.push(match &group[..] {
            [one] => (*one).clone(),
            several => format!("{name} (+{})", several.len()),
        });
    }
    let left = platforms.len() - count;
    if left > 0 {
        shown.push(format!("({left} more)"));
    }
    shown.join(", ")
}

/// `buildx inspect`.
pub async fn inspect(call: &Call<'_>) -> Result<u8, CliError> {
    crate::build::refuse_builder(call)?;
    if !matches!(call.arg(0), "" | "default") {
        return Err(error(&format!("no builder {:?} found", call.arg(0))));
    }
    let mut control = call.client().await?.control().await?;
    let found = builder(&mut control).await?;
    let mut text = "Name:   default\nDriver: docker\n\nNodes:\n".to_owned();
    for (name, value) in [
        ("Name", "default"),
        ("Endpoint", "default"),
        ("Status", "running"),
        ("BuildKit version", &found.version),
        ("Platforms", &found.platforms.join(", ")),
    ] {
        text.push_str(&format!("{:<18}{value}\n", format!("{name}:")));
    }
    if !found.labels.is_empty() {
        text.push_str("Labels:\n");
        for (name, value) in found.labels {
            text.push_str(&format!(" {name}: {value}\n"));
        }
    }
    call.app.out(&text)?;
    Ok(0)
}

/// `buildx version`.
pub fn version(call: &Call<'_>) -> Result<u8, CliError> {
    let own = env!("CARGO_PKG_VERSION");
    call.app.line(&format!(
        "corten buildx {own} (command line of docker/buildx 0.29.1)"
    ))?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn variants_of_a_processor_are_counted_and_the_rest_is_a_number() {
        let list = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        for (given, shown) in [
            ("linux/amd64", "linux/amd64"),
            (
                "linux/amd64 linux/amd64/v2 linux/386",
                "linux/amd64 (+2), linux/386",
            ),
            (
                "linux/386 linux/riscv64 linux/arm/v7 linux/arm/v6 linux/amd64 linux/arm64 linux/s390x",
                "linux/amd64, linux/arm64, linux/arm (+2), linux/s390x, (2 more)",
            ),
        ] {
            assert_eq!(shortened(&list(given)), shown);
        }
    }
}
