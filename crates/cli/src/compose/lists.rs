//! What a project has: `compose images`, `volumes`, `top`, `stats`, `events` and `wait`.

use super::{
    Compose,
    delegate::{Line, words},
    down,
    targets::{self, Choice, RUNNING},
};
use crate::{
    container::stats,
    error::CliError,
    filters::Filters,
    flags::go_quote,
    output::{human, tabs},
    times,
};
use corten_base::text;
use corten_client::Client;
use corten_compose::{ComposeError, json, labels, output::Out};
use corten_oci::Reference;
use serde_json::{Map, Value as J, json};
use std::collections::{BTreeMap, BTreeSet};

/// `compose images`.
pub async fn images(compose: &Compose<'_>) -> Result<u8, CliError> {
    let parsed = &compose.call.parsed;
    let name = compose.name()?;
    let choice = Choice {
        stopped: true,
        one_off: true,
    };
    let client = compose.call.client().await?;
    let targets = targets::containers(compose, &name, &parsed.args, choice).await?;
    let asked = targets.iter().map(|target| async {
        let image = target.summary["Image"].as_str().unwrap_or_default();
        let path = format!("/images/{}/json", Client::segment(image));
        let inspected: J = client.get(path).send().await?.json().await?;
        Ok::<_, CliError>((target.found.name.clone(), image.to_owned(), inspected))
    });
    let images = futures_util::future::try_join_all(asked).await?;
    if parsed.is_on("quiet") {
        let mut ids = BTreeSet::new();
        for (_, _, image) in &images {
            let id = image["Id"].as_str().unwrap_or_default();
            let id = id.split_once(':').map_or(id, |(_, digits)| digits);
            if ids.insert(id) {
                compose.call.app.line(id)?;
            }
        }
        return Ok(0);
    }
    let is_json = match parsed.text("format") {
        "json" => true,
        "" | "table" => false,
        other => {
            return Err(CliError::Text(format!(
                "format value {other:?} could not be parsed: parsing failed"
            )));
        }
    };
    let mut table = "CONTAINER\tREPOSITORY\tTAG\tPLATFORM\tIMAGE ID\tSIZE\tCREATED\n".to_owned();
    let mut list = Vec::new();
    for (container, image, inspected) in &images {
        let text = |key: &str| inspected[key].as_str().unwrap_or_default();
        let reference: Option<Reference> = image.parse().ok();
        let (repository, tag) = match &reference {
            Some(reference) => {
                let full = reference.clone().or_latest();
                (
                    full.familiar_name(),
                    full.tag().unwrap_or_default().to_owned(),
                )
            }
            None => Default::default(),
        };
        let mut platform = format!("{}/{}", text("Os"), text("Architecture"));
        if !text("Variant").is_empty() {
            platform.push_str(&format!("/{}", text("Variant")));
        }
        let size = inspected["Size"].as_u64().unwrap_or(0);
        // What came by `load` was never tagged, by dockerd's reckoning.
        let tagged = match inspected["Metadata"]["LastTagTime"].as_str() {
            Some(time) if !time.starts_with("0001-") => time,
            _ => text("Created"),
        };
        let or_none = |text: &str| if text.is_empty() { "<none>" } else { text }.to_owned();
        table.push_str(&format!(
            "{container}\t{}\t{}\t{platform}\t{}\t{}\t{}\n",
            or_none(&repository),
            or_none(&tag),
            human::short_id(text("Id")),
            text::human_size_with_precision(size as f64, 3),
            human::ago(seconds(tagged)),
        ));
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        let fields = [
            ("ID", Out::Text(text("Id").to_owned())),
            ("ContainerName", Out::Text(container.clone())),
            ("Repository", Out::Text(repository)),
            ("Tag", Out::Text(tag)),
            ("Platform", Out::Text(platform)),
            ("Size", Out::Int(size)),
            ("LastTagTime", Out::Text(tagged.to_owned())),
        ];
        let fields = fields.map(|(key, value)| (key.to_owned(), value));
        list.push(Out::Map(fields.into()));
    }
    let app = compose.call.app;
    if is_json {
        // Stock Compose ends it with an empty line.
        let text = match list.is_empty() {
            true => "null".to_owned(),
            false => json::compact(&Out::List(list)),
        };
        app.line(&format!("{text}\n"))?;
    } else {
        app.out(&tabs::align(&table, 20, 3))?;
    }
    Ok(0)
}

/// Seconds since 1970 of a time in the engine's words.
fn seconds(text: &str) -> i64 {
    let time: Option<jiff::Timestamp> = text.parse().ok();
    time.map_or(0, jiff::Timestamp::as_second)
}

/// `compose volumes`.
pub async fn volumes(compose: &Compose<'_>) -> Result<u8, CliError> {
    let parsed = &compose.call.parsed;
    let (name, project) = compose.project_or_name()?;
    if let Some(project) = &project {
        for service in &parsed.args {
            if !project.services().contains_key(service) {
                return Err(ComposeError::NoSuchService(service.clone()).into());
            }
        }
    }
    let mut line = words(["volume", "ls"]);
    line.push(format!("--filter=label={}={name}", labels::PROJECT));
    if !parsed.args.is_empty() {
        let running = Choice::default();
        let targets = targets::containers(compose, &name, &parsed.args, running).await?;
        let mounts = targets.iter().flat_map(|target| &target.found.mounts);
        let names: BTreeSet<&str> = mounts
            .filter(|mount| mount.kind == "volume")
            .map(|mount| mount.source.as_str())
            .collect();
        if names.is_empty() {
            // No volume is called nothing: the list is empty, its heading is there.
            line.push("--filter=name=^$".into());
        }
        line.extend(names.iter().map(|name| format!("--filter=name=^{name}$")));
    }
    line.extend(
        parsed
            .get("format")
            .map(|format| format!("--format={format}")),
    );
    if parsed.is_on("quiet") {
        line.push("--quiet".into());
    }
    Line::new(line)?.run(compose.call.app).await
}

/// `compose top`.
pub async fn top(compose: &Compose<'_>) -> Result<u8, CliError> {
    let name = compose.name()?;
    let services = &compose.call.parsed.args;
    let targets = targets::containers(compose, &name, services, RUNNING).await?;
    let client = compose.call.client().await?;
    let mut titles: Vec<String> = vec!["SERVICE".into(), "#".into()];
    let mut rows: Vec<BTreeMap<String, String>> = Vec::new();
    for target in &targets {
        let path = format!("/containers/{}/top", target.found.id);
        let top: J = client.get(path).send().await?.json().await?;
        let texts = |value: &J| -> Vec<String> {
            let items = value.as_array().into_iter().flatten();
            items
                .map(|item| item.as_str().unwrap_or_default().to_owned())
                .collect()
        };
        let heads = texts(&top["Titles"]);
        for process in top["Processes"].as_array().into_iter().flatten() {
            let mut row: BTreeMap<String, String> =
                heads.iter().cloned().zip(texts(process)).collect();
            row.insert("SERVICE".into(), target.found.service.clone());
            let number = target.found.labels.get(labels::NUMBER);
            row.insert("#".into(), number.cloned().unwrap_or_default());
            rows.push(row);
        }
        for head in heads {
            if !titles.contains(&head) {
                titles.push(head);
            }
        }
    }
    if rows.is_empty() {
        return Ok(0);
    }
    // The command is as long as it is: it comes last.
    titles.sort_by_key(|title| title == "CMD");
    let mut table = titles.join("\t") + "\n";
    for row in rows {
        let cell = |title: &String| row.get(title).map_or("-", String::as_str);
        let cells: Vec<&str> = titles.iter().map(cell).collect();
        table.push_str(&(cells.join("\t") + "\n"));
    }
    compose.call.app.out(&tabs::align(&table, 4, 2))?;
    Ok(0)
}

/// `compose stats`.
pub async fn statistics(compose: &Compose<'_>) -> Result<u8, CliError> {
    let parsed = &compose.call.parsed;
    let name = compose.name()?;
    let mut line = words(["stats"]);
    for flag in ["all", "no-stream", "no-trunc", "format"] {
        line.extend(parsed.get(flag).map(|value| format!("--{flag}={value}")));
    }
    let mut filters = Filters::default();
    filters.add("label", &format!("{}={name}", labels::PROJECT));
    if let Some(service) = parsed.args.first() {
        filters.add("label", &format!("{}={service}", labels::SERVICE));
    }
    let line = Line::new(line)?;
    stats::run_of(&line.call(compose.call.app)?, filters).await
}

/// `compose events`.
pub async fn events(compose: &Compose<'_>) -> Result<u8, CliError> {
    let parsed = &compose.call.parsed;
    let name = compose.name()?;
    let filters = json!({ "label": [format!("{}={name}", labels::PROJECT)] });
    let mut lines = compose
        .call
        .client()
        .await?
        .get("/events")
        .query_if("since", moment_asked(parsed.text("since"))?)
        .query_if("until", moment_asked(parsed.text("until"))?)
        .query("filters", filters.to_string())
        .send()
        .await?
        .lines();
    while let Some(event) = lines.next::<J>().await? {
        let none = Map::new();
        let attributes = event["Actor"]["Attributes"].as_object().unwrap_or(&none);
        let label = |key: &str| attributes.get(key).and_then(J::as_str).unwrap_or_default();
        let service = label(labels::SERVICE);
        let other = !parsed.args.is_empty() && !parsed.args.iter().any(|name| name == service);
        if event["Type"] != "container" || label(labels::ONE_OFF) == "True" || other {
            continue;
        }
        let own: Map<String, J> = attributes
            .iter()
            .filter(|(key, _)| !key.starts_with("com.docker.compose."))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        let nanoseconds = event["timeNano"].as_i64().unwrap_or(0);
        let id = event["Actor"]["ID"].as_str().unwrap_or_default();
        let action = event["Action"].as_str().unwrap_or_default();
        let text = if parsed.is_on("json") {
            json!({
                "action": action,
                "attributes": own,
                "id": id,
                "service": service,
                "time": human::nano_local(nanoseconds),
                "type": "container",
            })
            .to_string()
        } else {
            let own: Vec<String> = own
                .iter()
                .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
                .collect();
            // Compose leaves an empty line after each.
            format!(
                "{} container {action} {id} ({})\n",
                moment(nanoseconds),
                own.join(", ")
            )
        };
        compose.call.app.line(&text)?;
    }
    // Events never end by themselves: stock Compose takes the end for a failure.
    Err(CliError::Text("EOF".into()))
}

/// A time as the engine wants it; stock Compose does not say which flag has it wrong.
fn moment_asked(given: &str) -> Result<String, CliError> {
    times::for_query(given).map_err(|_| {
        let given = go_quote(given);
        CliError::Text(format!(
            "failed to parse value as time or duration: {given}"
        ))
    })
}

/// `2026-11-21 14:24:06.993210`.
fn moment(nanoseconds: i64) -> String {
    let time = jiff::Timestamp::from_nanosecond(nanoseconds.into()).unwrap_or_default();
    let local = time.to_zoned(jiff::tz::TimeZone::system());
    local.strftime("%Y-%m-%d %H:%M:%S.%6f").to_string()
}

/// `compose wait`.
pub async fn wait(compose: &Compose<'_>) -> Result<u8, CliError> {
    let parsed = &compose.call.parsed;
    let (name, _) = compose.project_or_name()?;
    let targets = targets::containers(compose, &name, &parsed.args, RUNNING).await?;
    if targets.is_empty() {
        return Err(CliError::Text(format!(
            "no containers for project {name:?}"
        )));
    }
    let client = compose.call.client().await?;
    let app = compose.call.app;
    let mut waits: futures_util::stream::FuturesUnordered<_> = targets
        .iter()
        .map(|target| async move {
            let id = &target.found.id;
            let request = client.post(format!("/containers/{id}/wait"));
            let answer: J = request.send().await?.json().await?;
            let code = answer["StatusCode"].as_i64().unwrap_or(0);
            app.line(&format!("container {id:?} exited with status code {code}"))?;
            Ok::<_, CliError>(code)
        })
        .collect();
    let mut code = 0;
    use futures_util::StreamExt;
    while let Some(ended) = waits.next().await {
        code = ended?;
        if parsed.is_on("down-project") {
            down::everything(compose).await?;
            break;
        }
    }
    Ok((code & 0xff) as u8)
}
