//! The prune commands, and the question before them.

use crate::{app::Call, error::CliError, filters::Filters, output::Json, terminal};
use corten_base::text;
use std::io::{BufRead, Write};

/// Asks unless `--force`; false means no.
pub fn confirmed(call: &Call<'_>, warning: &str) -> Result<bool, CliError> {
    if call.parsed.is_on("force") {
        return Ok(true);
    }
    call.app.out(&format!(
        "{warning}\nAre you sure you want to continue? [y/N] "
    ))?;
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    if !terminal::terminals().input && read.as_ref().is_ok_and(|n| *n == 0) {
        return Ok(false);
    }
    Ok(answer.trim().eq_ignore_ascii_case("y"))
}

fn filters(call: &Call<'_>) -> Filters {
    // The configuration may hold filters for every prune.
    let mut filters = Filters::parse(call.parsed.all("filter"));
    for filter in call.app.config().document().texts(&["pruneFilters"]) {
        if let Some((key, value)) = filter.split_once('=') {
            filters.add(key, value);
        }
    }
    filters
}

async fn post(call: &Call<'_>, path: &str, filters: &Filters) -> Result<Json, CliError> {
    let request = call
        .client()
        .await?
        .post(path)
        .query_if("filters", filters.json());
    Ok(request.send().await?.json().await?)
}

fn reclaimed(report: &Json) -> String {
    text::human_size(report.int(&["SpaceReclaimed"]).max(0) as u64)
}

/// `container prune`.
pub async fn containers(call: &Call<'_>) -> Result<u8, CliError> {
    if !confirmed(call, "WARNING! This will remove all stopped containers.")? {
        return Ok(0);
    }
    let (text, size) = prune_containers(call, &filters(call)).await?;
    if !text.is_empty() {
        call.app.line(&text)?;
    }
    call.app.line(&format!(
        "Total reclaimed space: {}",
        text::human_size(size)
    ))?;
    Ok(0)
}

async fn prune_containers(call: &Call<'_>, filters: &Filters) -> Result<(String, u64), CliError> {
    let report = post(call, "/containers/prune", filters).await?;
    let names = report.texts(&["ContainersDeleted"]);
    Ok((section("Deleted Containers:", &names), space(&report)))
}

fn space(report: &Json) -> u64 {
    report.int(&["SpaceReclaimed"]).max(0) as u64
}

fn section(title: &str, lines: &[&str]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    format!("{title}\n{}\n", lines.join("\n"))
}

/// `image prune`.
pub async fn images(call: &Call<'_>) -> Result<u8, CliError> {
    let all = call.parsed.is_on("all");
    let warning = if all {
        "WARNING! This will remove all images without at least one container associated to them."
    } else {
        "WARNING! This will remove all dangling images."
    };
    if !confirmed(call, warning)? {
        return Ok(0);
    }
    let (text, size) = prune_images(call, filters(call), all).await?;
    if !text.is_empty() {
        call.app.line(&text)?;
    }
    call.app.line(&format!(
        "Total reclaimed space: {}",
        text::human_size(size)
    ))?;
    Ok(0)
}

async fn prune_images(
    call: &Call<'_>,
    mut filters: Filters,
    all: bool,
) -> Result<(String, u64), CliError> {
    filters.add("dangling", if all { "false" } else { "true" });
    let report = post(call, "/images/prune", &filters).await?;
    let lines: Vec<String> = report
        .list(&["ImagesDeleted"])
        .iter()
        .map(|item| match item.text(&["Untagged"]) {
            "" => format!("deleted: {}", item.text(&["Deleted"])),
            name => format!("untagged: {name}"),
        })
        .collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    Ok((section("Deleted Images:", &lines), space(&report)))
}

/// `volume prune`.
pub async fn volumes(call: &Call<'_>) -> Result<u8, CliError> {
    let all = call.parsed.is_on("all");
    let warning = if all {
        "WARNING! This will remove all local volumes not used by at least one container."
    } else {
        "WARNING! This will remove anonymous local volumes not used by at least one container."
    };
    let mut filters = filters(call);
    if all {
        if filters.has("all") {
            return Err(CliError::Text(
                "conflicting options: cannot specify both --all and --filter all=1".into(),
            ));
        }
        filters.add("all", "true");
    }
    if !confirmed(call, warning)? {
        return Ok(0);
    }
    let (text, size) = prune_volumes(call, &filters).await?;
    if !text.is_empty() {
        call.app.line(&text)?;
    }
    call.app.line(&format!(
        "Total reclaimed space: {}",
        text::human_size(size)
    ))?;
    Ok(0)
}

async fn prune_volumes(call: &Call<'_>, filters: &Filters) -> Result<(String, u64), CliError> {
    let report = post(call, "/volumes/prune", filters).await?;
    let names = report.texts(&["VolumesDeleted"]);
    Ok((section("Deleted Volumes:", &names), space(&report)))
}

/// `network prune`.
pub async fn networks(call: &Call<'_>) -> Result<u8, CliError> {
    let warning =
        "WARNING! This will remove all custom networks not used by at least one container.";
    if !confirmed(call, warning)? {
        return Ok(0);
    }
    let text = prune_networks(call, &filters(call)).await?;
    if !text.is_empty() {
        call.app.line(&text)?;
    }
    Ok(0)
}

async fn prune_networks(call: &Call<'_>, filters: &Filters) -> Result<String, CliError> {
    let report = post(call, "/networks/prune", filters).await?;
    Ok(section(
        "Deleted Networks:",
        &report.texts(&["NetworksDeleted"]),
    ))
}

/// `builder prune`.
pub async fn builder(call: &Call<'_>) -> Result<u8, CliError> {
    let all = call.parsed.is_on("all");
    let warning = if all {
        "WARNING! This will remove all build cache."
    } else {
        "WARNING! This will remove all dangling build cache."
    };
    for flag in [
        "keep-storage",
        "reserved-space",
        "max-used-space",
        "min-free-space",
        "verbose",
        "timeout",
    ] {
        if call.parsed.given(flag) {
            return Err(CliError::Text(format!(
                "--{flag} is not part of Corten yet"
            )));
        }
    }
    if !confirmed(call, warning)? {
        return Ok(0);
    }
    let mut request = call
        .client()
        .await?
        .post("/build/prune")
        .query_if("filters", filters(call).json());
    if all {
        request = request.query("all", "1");
    }
    let report: Json = request.send().await?.json().await?;
    call.app
        .line(&format!("Total reclaimed space: {}", reclaimed(&report)))?;
    Ok(0)
}

/// `system prune`: containers, networks, volumes if asked for, images, build cache.
pub async fn system(call: &Call<'_>) -> Result<u8, CliError> {
    let (all, volumes) = (call.parsed.is_on("all"), call.parsed.is_on("volumes"));
    let filters = filters(call);
    if volumes && filters.has("until") {
        return Err(CliError::Text(
            "the \"until\" filter is not supported with \"--volumes\"".into(),
        ));
    }
    let mut warning = "WARNING! This will remove:\n  - all stopped containers\n  - all networks not used by at least one container\n".to_owned();
    if volumes {
        warning.push_str("  - all anonymous volumes not used by at least one container\n");
    }
    warning.push_str(if all {
        "  - all images without at least one container associated to them\n  - all build cache\n"
    } else {
        "  - all dangling images\n  - unused build cache\n"
    });
    if !call.parsed.is_on("force") && !confirmed(call, &warning)? {
        return Ok(0);
    }
    let mut total = 0;
    let mut show = |call: &Call<'_>, text: String, size: u64| {
        total += size;
        if text.is_empty() {
            Ok(())
        } else {
            call.app.line(&text)
        }
    };
    let (text, size) = prune_containers(call, &filters).await?;
    show(call, text, size)?;
    let text = prune_networks(call, &filters).await?;
    show(call, text, 0)?;
    if volumes {
        let (text, size) = prune_volumes(call, &filters).await?;
        show(call, text, size)?;
    }
    let (text, size) = prune_images(call, self::filters(call), all).await?;
    show(call, text, size)?;
    let mut request = call
        .client()
        .await?
        .post("/build/prune")
        .query_if("filters", filters.json());
    if all {
        request = request.query("all", "1");
    }
    match request.send().await {
        Ok(response) => {
            let report: Json = response.json().await?;
            let caches = report.texts(&["CachesDeleted"]);
            let text = section("Deleted build cache objects:", &caches);
            show(call, text, space(&report))?;
        }
        // An engine without a builder has no cache.
        Err(error) if error.is_not_found() => {}
        Err(corten_client::ClientError::Api { status: 501, .. }) => {}
        Err(error) => return Err(error.into()),
    }
    call.app.line(&format!(
        "Total reclaimed space: {}",
        text::human_size(total)
    ))?;
    // Nothing buffered may be lost when the process ends.
    let _ = std::io::stdout().flush();
    Ok(0)
}
