//! `create`, and the part of `run` before the start.

use super::{options, run::before_start};
use crate::{
    app::Call,
    error::{CliError, errno_text},
    image,
};
use corten_api::container::{CreateRequest, CreateResponse};
use corten_client::{Client, ClientError};
use corten_oci::Reference;
use std::{io::Write, net::IpAddr, path::Path};

/// `docker create`: prints the new ID.
pub async fn run(call: &Call<'_>) -> Result<u8, CliError> {
    let request = prepared(call).map_err(|error| before_start(call, error))?;
    check_platform(call)?;
    let id = create(call, &request).await?;
    call.app.line(&id)?;
    Ok(0)
}

/// The request of the line, with the proxy variables of the configuration.
pub fn prepared(call: &Call<'_>) -> Result<CreateRequest, CliError> {
    let policy = call.parsed.get("pull").unwrap_or("missing");
    if !matches!(policy, "always" | "missing" | "never") {
        return Err(CliError::Text(format!(
            "invalid pull option: '{policy}': must be one of \"always\", \"missing\" or \"never\""
        )));
    }
    if call.parsed.is_on("use-api-socket") {
        return Err(CliError::Text(
            "--use-api-socket is not part of Corten yet".into(),
        ));
    }
    if !call.parsed.flag_or("disable-content-trust", true) {
        return Err(CliError::Text(
            "content trust is not part of Corten yet".into(),
        ));
    }
    // A range of its own for a container is beyond Docker.
    if call.app.is_docker() && call.parsed.text("userns") == "auto" {
        return Err(CliError::Text("--userns: invalid USER mode".into()));
    }
    let mut request = options::request(&call.parsed)?;
    let host = call.app.default_host();
    for (name, value) in call.app.config().proxy_variables(&host) {
        let env = request.config.env.get_or_insert_default();
        let given = |e: &String| e.split('=').next() == Some(name.as_str());
        if !env.iter().any(given) {
            env.push(format!("{name}={value}"));
        }
    }
    Ok(request)
}

/// What the daemon would be asked for is checked after all else.
pub fn check_platform(call: &Call<'_>) -> Result<(), CliError> {
    let wanted = platform(call);
    if wanted.is_empty() {
        return Ok(());
    }
    match wanted.parse::<corten_oci::Platform>() {
        Ok(_) => Ok(()),
        Err(error) => Err(CliError::Text(format!(
            "error parsing specified platform: {error}"
        ))),
    }
}

/// Creates the container, pulling its image when that is missing and allowed.
pub async fn create(call: &Call<'_>, request: &CreateRequest) -> Result<String, CliError> {
    warn(call, request);
    let mut cidfile = CidFile::open(call.parsed.text("cidfile"))?;
    let image = &request.config.image;
    // An image may also be named by a part of its ID, which is no reference to pull.
    let reference: Option<Reference> = if is_id(image) {
        None
    } else {
        Some(
            image
                .parse()
                .map_err(|error| CliError::Text(format!("{error}")))?,
        )
    };
    let policy = call.parsed.get("pull").unwrap_or("missing");
    if policy == "always"
        && let Some(reference) = &reference
    {
        pull(call, reference).await?;
    }
    let client = call.client().await?;
    let response = match post(call, client, request).await {
        Err(error) if error.is_not_found() && policy == "missing" => match &reference {
            Some(reference) if is_missing_image(&error) => {
                if !call.parsed.is_on("quiet") {
                    let name = reference.clone().or_latest().familiar();
                    call.app
                        .warn(&format!("Unable to find image '{name}' locally"));
                }
                pull(call, reference).await?;
                post(call, client, request).await?
            }
            _ => return Err(error.into()),
        },
        other => other?,
    };
    for warning in &response.warnings {
        call.app.warn(&format!("WARNING: {warning}"));
    }
    cidfile.write(&response.id)?;
    Ok(response.id)
}

async fn pull(call: &Call<'_>, reference: &Reference) -> Result<(), CliError> {
    let options = image::pull::Options {
        platform: platform(call),
        quiet: call.parsed.is_on("quiet"),
    };
    match image::pull::pull(call.app, reference, &options, std::io::stderr()).await {
        Err(error) if crate::hello::applies(call.app, reference, &error) => {
            crate::hello::load(call.app, &error).await
        }
        other => other,
    }
}

fn is_missing_image(error: &ClientError) -> bool {
    // A container of `--volumes-from` that is missing is no reason to pull.
    error
        .api_message()
        .is_some_and(|message| !message.starts_with("No such container"))
}

/// 64 hexadecimal digits, with or without the algorithm.
fn is_id(image: &str) -> bool {
    let digits = image.strip_prefix("sha256:").unwrap_or(image);
    digits.len() == 64 && digits.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The flag's platform, else `DOCKER_DEFAULT_PLATFORM`.
pub fn platform(call: &Call<'_>) -> String {
    call.parsed
        .get("platform")
        .map(str::to_owned)
        .or_else(|| crate::app::environment("DOCKER_DEFAULT_PLATFORM"))
        .unwrap_or_default()
}

async fn post(
    call: &Call<'_>,
    client: &Client,
    request: &CreateRequest,
) -> Result<CreateResponse, ClientError> {
    client
        .post("/containers/create")
        .query_if("name", call.parsed.text("name"))
        .query_if("platform", platform(call))
        .json(request)
        .send()
        .await?
        .json()
        .await
}

fn warn(call: &Call<'_>, request: &CreateRequest) {
    let host = &request.host_config;
    if host.oom_kill_disable == Some(true) && host.memory == 0 {
        call.app.warn("WARNING: Disabling the OOM killer on containers without setting a '-m/--memory' limit may be dangerous.");
    }
    let local = host
        .dns
        .iter()
        .flatten()
        .find(|dns| dns.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()));
    if let Some(dns) = local {
        call.app.warn(&format!(
            "WARNING: Localhost DNS ({dns}) may fail in containers."
        ));
    }
}

/// The file of `--cidfile`: refused when it is there already, gone again when nothing
/// was written.
struct CidFile {
    path: String,
    file: Option<std::fs::File>,
    written: bool,
}

impl CidFile {
    fn open(path: &str) -> Result<Self, CliError> {
        if path.is_empty() {
            return Ok(Self {
                path: String::new(),
                file: None,
                written: true,
            });
        }
        if Path::new(path).exists() {
            return Err(CliError::Text(format!(
                "container ID file found, make sure the other container isn't running or delete {path}"
            )));
        }
        let file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(path)
            .map_err(|error| {
                CliError::Text(format!(
                    "failed to create the container ID file: open {path}: {}",
                    errno_text(&error)
                ))
            })?;
        Ok(Self {
            path: path.to_owned(),
            file: Some(file),
            written: false,
        })
    }

    fn write(&mut self, id: &str) -> Result<(), CliError> {
        if let Some(file) = &mut self.file {
            file.write_all(id.as_bytes()).map_err(|error| {
                CliError::Text(format!(
                    "failed to write the container ID ({id}) to file: {}",
                    errno_text(&error)
                ))
            })?;
            self.written = true;
        }
        Ok(())
    }
}

impl Drop for CidFile {
    fn drop(&mut self) {
        if !self.written {
            // The file is empty and ours; it may be gone already.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
