//! Credentials for registries: in `config.json`, or with a helper program.
//!
//! A missing helper is an error: credentials are never sent or kept elsewhere instead.

use super::ConfigFile;
use crate::{
    error::{CliError, errno_text},
    output::Json,
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE},
};
use corten_api::auth::AuthConfig;
use std::{
    collections::BTreeMap,
    io::Write,
    process::{Command, Stdio},
};

/// Key of Docker Hub's credentials.
pub const HUB: &str = "https://index.docker.io/v1/";

/// The registry's key for credentials.
pub fn server_key(registry: &str) -> &str {
    match registry {
        "docker.io" | "index.docker.io" | "registry-1.docker.io" => HUB,
        other => other,
    }
}

/// Host without scheme and path, as older files have it in keys.
fn bare(server: &str) -> &str {
    let server = server
        .strip_prefix("https://")
        .or(server.strip_prefix("http://"))
        .unwrap_or(server);
    server.split('/').next().unwrap_or(server)
}

fn helper_name(config: &ConfigFile, server: &str) -> Option<String> {
    let own = config
        .document()
        .at(&["credHelpers", server])
        .map(|h| h.text(&[]).to_owned());
    own.filter(|h| !h.is_empty())
        .or_else(|| config.text("credsStore").map(str::to_owned))
}

/// Credentials for a registry; empty ones where none are kept.
pub fn get(config: &ConfigFile, server: &str) -> Result<AuthConfig, CliError> {
    if let Some(helper) = helper_name(config, server) {
        return from_helper(&helper, server);
    }
    let auths = config.document().members(&["auths"]);
    let entry = auths
        .iter()
        .find(|(key, _)| key == server)
        .or_else(|| auths.iter().find(|(key, _)| bare(key) == bare(server)));
    let Some((_, entry)) = entry else {
        return Ok(AuthConfig::default());
    };
    let decoded = STANDARD.decode(entry.text(&["auth"])).unwrap_or_default();
    let decoded = String::from_utf8_lossy(&decoded).into_owned();
    let (username, password) = decoded.split_once(':').unwrap_or(("", ""));
    Ok(AuthConfig {
        username: username.to_owned(),
        password: password.trim_end_matches('\0').to_owned(),
        identitytoken: entry.text(&["identitytoken"]).to_owned(),
        registrytoken: entry.text(&["registrytoken"]).to_owned(),
        serveraddress: server.to_owned(),
        ..AuthConfig::default()
    })
}

/// Value of `X-Registry-Auth`.
pub fn header(auth: &AuthConfig) -> String {
    URL_SAFE.encode(serde_json::to_vec(auth).unwrap_or_default())
}

/// Value of `X-Registry-Config`: what is kept for every registry that the file names.
pub fn all(config: &ConfigFile) -> Result<String, CliError> {
    Ok(URL_SAFE.encode(serde_json::to_vec(&known(config)?).unwrap_or_default()))
}

/// What is kept for every registry that the file names.
pub fn known(config: &ConfigFile) -> Result<BTreeMap<String, AuthConfig>, CliError> {
    let mut known = BTreeMap::new();
    let named = config.document().members(&["auths"]).iter();
    let helped = config.document().members(&["credHelpers"]).iter();
    for (server, _) in named.chain(helped) {
        known.insert(server.clone(), get(config, server)?);
    }
    Ok(known)
}

/// Keeps credentials; says where, when it is a file in clear text.
pub fn store(config: &mut ConfigFile, auth: &AuthConfig) -> Result<Option<String>, CliError> {
    let server = auth.serveraddress.clone();
    if let Some(helper) = helper_name(config, &server) {
        let (user, secret) = if auth.identitytoken.is_empty() {
            (auth.username.as_str(), auth.password.as_str())
        } else {
            ("<token>", auth.identitytoken.as_str())
        };
        let object = Json::Object(vec![
            ("ServerURL".into(), server.as_str().into()),
            ("Username".into(), user.into()),
            ("Secret".into(), secret.into()),
        ]);
        run_helper(&helper, "store", &object.compact(false))?;
        // As Docker does: the server's name stays in the file, without a secret.
        config.set(&["auths", &server], Some(Json::Object(Vec::new())));
        config.save().map_err(CliError::Text)?;
        return Ok(None);
    }
    let text = STANDARD.encode(format!("{}:{}", auth.username, auth.password));
    config.set(&["auths", &server], Some(Json::Object(Vec::new())));
    if auth.identitytoken.is_empty() {
        config.set(&["auths", &server, "auth"], Some(text.into()));
    } else {
        let user = STANDARD.encode(format!("{}:", auth.username));
        config.set(&["auths", &server, "auth"], Some(user.into()));
        let token = auth.identitytoken.as_str();
        config.set(&["auths", &server, "identitytoken"], Some(token.into()));
    }
    config.save().map_err(CliError::Text)?;
    Ok(Some(config.path().display().to_string()))
}

/// Forgets credentials; whether there were any.
pub fn erase(config: &mut ConfigFile, server: &str) -> Result<bool, CliError> {
    let known = config
        .document()
        .members(&["auths"])
        .iter()
        .any(|(key, _)| key == server);
    if let Some(helper) = helper_name(config, server) {
        run_helper(&helper, "erase", server)?;
        if server != HUB {
            // As Docker does: older clients kept them with a scheme. What is not there
            // need not be erased.
            for older in ["", "http://", "https://"] {
                let older = format!("{older}{server}");
                if let Some(helper) = helper_name(config, &older) {
                    drop(run_helper(&helper, "erase", &older));
                }
            }
        }
    }
    if known {
        config.set(&["auths", server], None);
        config.save().map_err(CliError::Text)?;
    }
    Ok(known)
}

fn from_helper(helper: &str, server: &str) -> Result<AuthConfig, CliError> {
    let output = match run_helper(helper, "get", server) {
        Ok(output) => output,
        Err(CliError::Text(why)) if why.contains("credentials not found") => {
            return Ok(AuthConfig {
                serveraddress: server.to_owned(),
                ..AuthConfig::default()
            });
        }
        Err(error) => return Err(error),
    };
    let json: Json = serde_json::from_str(&output)
        .map_err(|error| CliError::Text(format!("docker-credential-{helper}: {error}")))?;
    let (user, secret) = (
        json.text(&["Username"]).to_owned(),
        json.text(&["Secret"]).to_owned(),
    );
    let mut auth = AuthConfig {
        serveraddress: server.to_owned(),
        ..AuthConfig::default()
    };
    if user == "<token>" {
        auth.identitytoken = secret;
    } else {
        auth.username = user;
        auth.password = secret;
    }
    Ok(auth)
}

/// Runs `docker-credential-NAME VERB` with `input`; its output is the answer.
fn run_helper(helper: &str, verb: &str, input: &str) -> Result<String, CliError> {
    let program = format!("docker-credential-{helper}");
    let failed =
        |why: String| CliError::Text(format!("error getting credentials - err: {why}, out: ``"));
    // A helper is a name, never a path: nothing beside PATH is run.
    if helper.contains('/') {
        return Err(failed(format!("{program}: not a name")));
    }
    let mut child = Command::new(&program)
        .arg(verb)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => failed(format!(
                "exec: \"{program}\": executable file not found in $PATH"
            )),
            _ => failed(errno_text(&error)),
        })?;
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that does not read its input says so by its status.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child
        .wait_with_output()
        .map_err(|error| failed(errno_text(&error)))?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() {
        return Ok(text);
    }
    let code = output.status.code().unwrap_or(-1);
    Err(CliError::Text(format!(
        "error getting credentials - err: exit status {code}, out: `{text}`"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_survive_the_file_and_are_found_by_host() {
        let directory = tempfile::tempdir().unwrap();
        let mut config = ConfigFile::load(directory.path()).unwrap();
        let auth = AuthConfig {
            username: "me".into(),
            password: "se:cret".into(),
            serveraddress: "https://reg.example/v1/".into(),
            ..AuthConfig::default()
        };
        assert!(store(&mut config, &auth).unwrap().is_some());
        let config = ConfigFile::load(directory.path()).unwrap();
        let found = get(&config, "reg.example").unwrap();
        assert_eq!(
            (found.username.as_str(), found.password.as_str()),
            ("me", "se:cret")
        );
        assert_eq!(get(&config, "other").unwrap().username, "");
    }

    #[test]
    fn a_missing_helper_is_an_error_and_nothing_is_sent() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(
            directory.path().join("config.json"),
            r#"{"credsStore":"no-such-helper","auths":{"reg":{"auth":"YTpi"}}}"#,
        )
        .unwrap();
        let config = ConfigFile::load(directory.path()).unwrap();
        let error = get(&config, "reg").unwrap_err().to_string();
        assert!(
            error.contains("executable file not found in $PATH"),
            "{error}"
        );
    }
}
