//! `inspect`, for one kind of object or for any.

use crate::{
    app::Call,
    error::CliError,
    output::{
        Json,
        template::{Format, FormatError, value},
    },
};
use corten_client::{Client, ClientError};

/// Kinds that `docker inspect` looks through, in this order.
const KINDS: [Kind; 4] = [Kind::Container, Kind::Image, Kind::Network, Kind::Volume];

/// A kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Container,
    Image,
    Network,
    Volume,
}

impl Kind {
    fn path(self, name: &str) -> String {
        let name = Client::segment(name);
        match self {
            Self::Container => format!("/containers/{name}/json"),
            Self::Image => format!("/images/{name}/json"),
            Self::Network => format!("/networks/{name}"),
            Self::Volume => format!("/volumes/{name}"),
        }
    }

    /// The struct that Go's templates see.
    fn go_type(self) -> &'static str {
        match self {
            Self::Container => "container.InspectResponse",
            Self::Image => "image.InspectResponse",
            Self::Network => "network.Inspect",
            Self::Volume => "volume.Volume",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Image => "image",
            Self::Network => "network",
            Self::Volume => "volume",
        }
    }
}

/// `docker inspect`.
pub async fn run(call: &Call<'_>) -> Result<u8, CliError> {
    let kinds: Vec<Kind> = match call.parsed.get("type") {
        None => KINDS.to_vec(),
        Some("") => return Err(CliError::Text(
            "type is empty: must be one of \"config\", \"container\", \"image\", \"network\", \"node\", \"plugin\", \"secret\", \"service\", \"task\", \"volume\"".into(),
        )),
        Some(kind) => match KINDS.iter().find(|k| k.word() == kind) {
            Some(kind) => vec![*kind],
            None if ["config", "node", "plugin", "secret", "service", "task"].contains(&kind) => {
                return crate::elsewhere::inspect(call, kind).await;
            }
            None => {
                return Err(CliError::Text(format!(
                    "unknown type: {kind:?}: must be one of \"config\", \"container\", \"image\", \"network\", \"node\", \"plugin\", \"secret\", \"service\", \"task\", \"volume\""
                )));
            }
        },
    };
    if call.parsed.is_on("size") && kinds.len() == 1 && kinds[0] != Kind::Container {
        call.app
            .warn(&format!("WARNING: --size ignored for {}", kinds[0].word()));
    }
    print(call, &kinds).await
}

/// `docker container inspect` and its like.
pub async fn one_kind(call: &Call<'_>, kind: Kind) -> Result<u8, CliError> {
    print(call, &[kind]).await
}

async fn print(call: &Call<'_>, kinds: &[Kind]) -> Result<u8, CliError> {
    let format = call.parsed.text("format");
    let template = match format {
        "" | "json" => None,
        source => Some(Format::parse(source).map_err(|error| CliError::Coded {
            message: format!("template parsing error: {error}"),
            code: 64,
        })?),
    };
    let mut found = Vec::new();
    let mut lines = String::new();
    let mut failures = Vec::new();
    for name in &call.parsed.args {
        match fetch(call, kinds, name).await {
            Ok((kind, object)) => match &template {
                None => found.push(object),
                Some(template) => match fill(template, kind, kinds, &object) {
                    Ok(text) => lines.push_str(&format!("{text}\n")),
                    Err(error) => {
                        failures.push(format!("template parsing error: {error}"));
                        lines.push('\n');
                        break;
                    }
                },
            },
            Err(error) => failures.push(error.to_string()),
        }
    }
    match (&template, format) {
        (Some(_), _) => {
            // Docker prints an empty line where nothing was found.
            let text = if lines.is_empty() {
                "\n".to_owned()
            } else {
                lines
            };
            call.app.out(&text)?;
        }
        (None, "json") => call.app.line(&Json::List(found).compact(false))?,
        _ => call.app.line(&Json::List(found).pretty("    "))?,
    }
    crate::container::each::told(failures)
}

/// `volume inspect` does not look at the bare JSON; `inspect` does for volumes, too.
fn fill(
    template: &Format,
    kind: Kind,
    kinds: &[Kind],
    object: &Json,
) -> Result<String, FormatError> {
    if kinds == [Kind::Volume] {
        return template.execute(&value::typed(kind.go_type(), Some(object)));
    }
    template.inspect(kind.go_type(), object)
}

async fn fetch(call: &Call<'_>, kinds: &[Kind], name: &str) -> Result<(Kind, Json), CliError> {
    let client = call.client().await?;
    for kind in kinds {
        let mut request = client.get(kind.path(name));
        match kind {
            Kind::Container => request = request.flag("size", call.parsed.is_on("size")),
            Kind::Network if call.parsed.is_on("verbose") => {
                request = request.query("verbose", "true");
            }
            Kind::Image => {
                let platform = super::image::pull::push_platform(call.parsed.text("platform"))?;
                request = request.query_if("platform", platform);
                // Docker's client of today shows it, that of the API's version here does not.
                request = request.flag("identity", !call.app.is_docker());
            }
            _ => {}
        }
        match answer(request).await {
            Ok(object) => return Ok((*kind, object)),
            Err(error) if error.is_not_found() && kinds.len() > 1 => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(CliError::Text(format!("Error: No such object: {name}")))
}

async fn answer(request: corten_client::Request<'_>) -> Result<Json, ClientError> {
    request.send().await?.json().await
}
