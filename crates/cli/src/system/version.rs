//! `version`: of this program and of the engine.

use crate::{
    app::{App, Call, DOCKER_VERSION},
    error::CliError,
    output::{
        Json, human, tabs,
        template::{Format, value},
    },
};
use corten_base::Timestamp;

/// Prints both versions, or the client's alone and why the engine does not answer.
pub async fn run(call: &Call<'_>) -> Result<u8, CliError> {
    let format = call.parsed.text("format");
    let template = match format {
        "" | "json" => None,
        source => Some(
            Format::named("version", source).map_err(|error| CliError::Coded {
                message: format!("template parsing error: {error}"),
                code: 64,
            })?,
        ),
    };
    let answer = server(call).await;
    let negotiated = match call.client().await {
        Ok(client) => client.api_version().map(str::to_owned),
        Err(_) => None,
    };
    let client = client_version(call.app, negotiated.as_deref());
    let server = answer.as_ref().ok();
    let both = Json::Object(vec![
        ("Client".into(), client.clone()),
        ("Server".into(), server.cloned().unwrap_or(Json::Null)),
    ]);
    match (&template, format) {
        (Some(template), _) => {
            let value = value::typed("system.versionInfo", Some(&both));
            let (text, error) = template.execute_partly(&value);
            call.app.line(&text)?;
            error.map_or(Ok(()), |it| Err(CliError::Text(it.to_string())))?;
        }
        (None, "json") => call.app.line(&both.compact(false))?,
        _ => {
            let mut text = client_text(&client);
            if let Some(server) = server {
                text.push_str(&server_text(server));
            }
            call.app.out(&tabs::align(&text, 20, 1))?;
        }
    }
    answer.map(|_| 0)
}

async fn server(call: &Call<'_>) -> Result<Json, CliError> {
    Ok(call
        .client()
        .await?
        .get("/version")
        .send()
        .await?
        .json()
        .await?)
}

/// Name of the machine's architecture as Go has it.
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn client_version(app: &App, api_version: Option<&str>) -> Json {
    let latest = corten_client::MAXIMUM_API_VERSION;
    let version = if app.is_docker() {
        DOCKER_VERSION
    } else {
        env!("CARGO_PKG_VERSION")
    };
    let members = [
        ("Version", version),
        ("ApiVersion", api_version.unwrap_or(latest)),
        ("DefaultAPIVersion", latest),
        ("GitCommit", concat!("corten-", env!("CARGO_PKG_VERSION"))),
        ("GoVersion", "none"),
        ("Os", "linux"),
        ("Arch", architecture()),
        ("BuildTime", ""),
        ("Context", &app.context_name()),
    ];
    Json::Object(
        members
            .iter()
            .map(|(k, v)| ((*k).to_owned(), Json::from(*v)))
            .collect(),
    )
}

fn client_text(client: &Json) -> String {
    let text = |key: &str| client.text(&[key]);
    let mut api = text("ApiVersion").to_owned();
    if api != text("DefaultAPIVersion") {
        api.push_str(&format!(" (downgraded from {})", text("DefaultAPIVersion")));
    }
    format!(
        "Client:\n Version:\t{}\n API version:\t{api}\n Go version:\t{}\n Git commit:\t{}\n Built:\t{}\n OS/Arch:\t{}/{}\n Context:\t{}\n",
        text("Version"),
        text("GoVersion"),
        text("GitCommit"),
        text("BuildTime"),
        text("Os"),
        text("Arch"),
        text("Context"),
    )
}

fn server_text(server: &Json) -> String {
    let mut text = "\nServer:".to_owned();
    if !server.text(&["Platform", "Name"]).is_empty() {
        text.push_str(&format!(" {}", server.text(&["Platform", "Name"])));
    }
    text.push('\n');
    for component in server.list(&["Components"]) {
        let detail = |key: &str| component.text(&["Details", key]);
        text.push_str(&format!(" {}:\n", component.text(&["Name"])));
        text.push_str(&format!("  Version:\t{}\n", component.text(&["Version"])));
        if component.text(&["Name"]) == "Engine" {
            text.push_str(&format!(
                "  API version:\t{} (minimum version {})\n  Go version:\t{}\n  Git commit:\t{}\n  Built:\t{}\n  OS/Arch:\t{}/{}\n  Experimental:\t{}\n",
                detail("ApiVersion"),
                detail("MinAPIVersion"),
                detail("GoVersion"),
                detail("GitCommit"),
                date(detail("BuildTime")),
                detail("Os"),
                detail("Arch"),
                detail("Experimental"),
            ));
        } else {
            for (key, value) in component.members(&["Details"]) {
                text.push_str(&format!("  {key}:\t{}\n", value.text(&[])));
            }
        }
    }
    text
}

/// `Tue Sep 15 11:02:57 2026`, as C's asctime(3); other texts stay.
fn date(text: &str) -> String {
    match text.parse::<Timestamp>() {
        Ok(time) => human::local(time.unix_seconds(), 0, "%a %b %e %H:%M:%S %Y"),
        Err(_) => text.to_owned(),
    }
}
