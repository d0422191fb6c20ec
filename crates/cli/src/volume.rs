//! Commands on volumes.

use crate::{
    app::Call,
    container::{each::told, options::environment::pair},
    error::CliError,
    filters::Filters,
    output::{
        Json,
        list::{Look, Row, render},
    },
};
use corten_api::volume::{CreateRequest, Volume};
use corten_client::Client;

const LOOK: Look = Look {
    go_type: "*formatter.volumeContext",
    headings: &[
        ("Name", "VOLUME NAME"),
        ("Driver", "DRIVER"),
        ("Scope", "SCOPE"),
        ("Mountpoint", "MOUNTPOINT"),
        ("Labels", "LABELS"),
        ("Links", "LINKS"),
        ("Size", "SIZE"),
        ("Group", "GROUP"),
        ("Availability", "AVAILABILITY"),
        ("Status", "STATUS"),
    ],
    table: "{{.Driver}}\t{{.Name}}",
};

/// `volume create`: prints the name.
pub async fn create(call: &Call<'_>) -> Result<u8, CliError> {
    let parsed = &call.parsed;
    let flag = parsed.text("name");
    let name = call.arg(0);
    if !flag.is_empty() && !name.is_empty() {
        return Err(CliError::Text(
            "conflicting options: cannot specify a volume-name through both --name and as a positional arg".into(),
        ));
    }
    let request = CreateRequest {
        driver: parsed.get("driver").unwrap_or("local").to_owned(),
        driver_opts: parsed.all("opt").map(pair).collect(),
        labels: parsed.all("label").map(pair).collect(),
        name: if name.is_empty() { flag } else { name }.to_owned(),
        ..CreateRequest::default()
    };
    let volume: Volume = call
        .client()
        .await?
        .post("/volumes/create")
        .json(&request)
        .send()
        .await?
        .json()
        .await?;
    call.app.line(&volume.name)?;
    Ok(0)
}

/// `volume ls`.
pub async fn list(call: &Call<'_>) -> Result<u8, CliError> {
    let parsed = &call.parsed;
    let answer: Json = call
        .client()
        .await?
        .get("/volumes")
        .query_if("filters", Filters::parse(parsed.all("filter")).json())
        .send()
        .await?
        .json()
        .await?;
    let format = if parsed.is_on("quiet") && !parsed.given("format") {
        "{{.Name}}".to_owned()
    } else {
        call.app.format(parsed, "volumesFormat")
    };
    let mut volumes: Vec<&Json> = answer.list(&["Volumes"]).iter().collect();
    volumes.sort_by_key(|v| natural(v.text(&["Name"])));
    let rows = volumes.into_iter().map(row).collect();
    call.app.out(&render(&LOOK, &format, rows)?)?;
    Ok(0)
}

/// Key of a natural order: numbers in names by their value.
pub fn natural(name: &str) -> Vec<(String, u64)> {
    let mut parts = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let text = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (word, after) = rest.split_at(text);
        let digits = after
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(after.len());
        let (number, after) = after.split_at(digits);
        parts.push((word.to_owned(), number.parse().unwrap_or(u64::MAX)));
        rest = after;
    }
    parts
}

/// One volume as a row; also for `system df`.
pub fn row(volume: &Json) -> Row {
    let usage = volume.get("UsageData").filter(|u| !matches!(u, Json::Null));
    let links = usage.map_or("N/A".to_owned(), |u| u.int(&["RefCount"]).to_string());
    let size = usage.map_or("N/A".to_owned(), |u| {
        corten_base::text::human_size(u.int(&["Size"]).max(0) as u64)
    });
    Row::new()
        .field("Name", volume.text(&["Name"]))
        .field("Driver", volume.text(&["Driver"]))
        .field("Scope", volume.text(&["Scope"]))
        .field("Mountpoint", volume.text(&["Mountpoint"]))
        .labels(volume.members(&["Labels"]))
        .field("Links", links)
        .field("Size", size)
        .field("Group", "N/A")
        .field("Availability", "N/A")
        .field("Status", "N/A")
}

/// `volume rm`.
pub async fn remove(call: &Call<'_>) -> Result<u8, CliError> {
    let client = call.client().await?;
    let mut failures = Vec::new();
    for name in &call.parsed.args {
        let request = client
            .delete(format!("/volumes/{}", Client::segment(name)))
            .flag("force", call.parsed.is_on("force"));
        match request.send().await {
            Ok(_) => call.app.line(name)?,
            Err(error) => failures.push(error.to_string()),
        }
    }
    told(failures)
}

/// `volume update`: only volumes of a cluster can change.
pub async fn update(call: &Call<'_>) -> Result<u8, CliError> {
    let client = call.client().await?;
    let path = format!("/volumes/{}", Client::segment(call.arg(0)));
    client.get(path).send().await?.bytes().await?;
    Err(CliError::Text("can only update cluster volumes".into()))
}
