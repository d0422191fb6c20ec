//! `--security-opt`: profiles are read here and sent as text.

use crate::error::CliError;

/// What the options come to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Security {
    /// For the engine, as given but with the profile's text.
    pub options: Vec<String>,
    /// `systempaths=unconfined`: nothing is masked or read-only.
    pub unmask_paths: bool,
}

/// Largest seccomp profile, in bytes.
const PROFILE_LIMIT_BYTES: usize = 4 << 20;

/// Reads all values.
pub fn parse<'a>(values: impl Iterator<Item = &'a str>) -> Result<Security, CliError> {
    let mut security = Security::default();
    for value in values {
        if value == "systempaths=unconfined" {
            security.unmask_paths = true;
            continue;
        }
        let (key, rest) = match value.split_once('=') {
            Some(pair) => pair,
            None if value == "no-new-privileges" => {
                security.options.push(value.to_owned());
                continue;
            }
            // The older spelling with a colon.
            None => match value.split_once(':') {
                Some(pair) => pair,
                None => {
                    return Err(CliError::Text(format!("Invalid --security-opt: {value:?}")));
                }
            },
        };
        if key == "seccomp" && rest != "unconfined" && rest != "builtin" {
            let failed = |why: String| {
                CliError::Text(format!("opening seccomp profile ({rest}) failed: {why}"))
            };
            let bytes = std::fs::read(rest)
                .map_err(|error| failed(CliError::open(rest, &error).to_string()))?;
            if bytes.len() > PROFILE_LIMIT_BYTES {
                return Err(failed(format!("larger than {PROFILE_LIMIT_BYTES} bytes")));
            }
            let json: crate::output::Json = serde_json::from_slice(&bytes).map_err(|error| {
                CliError::Text(format!(
                    "compacting json for seccomp profile ({rest}) failed: {error}"
                ))
            })?;
            security
                .options
                .push(format!("seccomp={}", json.compact(false)));
        } else {
            security.options.push(value.to_owned());
        }
    }
    Ok(security)
}
