//! Registries and proxies: `registry-mirrors`, `insecure-registries`, `registries`,
//! `proxies`.

use crate::settings::Settings;
use corten_base::Redacted;
use corten_engine::{ProxyConfig, RegistryOptions, RegistryRules};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, path::PathBuf};

pub(super) fn registries(settings: &Settings) -> Result<RegistryOptions, String> {
    let defaults = RegistryOptions::default();
    let mirrors = settings.list("registry-mirrors");
    mirrors.iter().try_for_each(|mirror| check_mirror(mirror))?;
    let attempts = settings.number("max-download-attempts");
    let attempts = attempts.filter(|attempts| *attempts != 0).map(|attempts| {
        let invalid = || format!("invalid max download attempts: {attempts}");
        let attempts = u32::try_from(attempts).map_err(|_| invalid())?;
        Ok::<_, String>(attempts)
    });
    Ok(RegistryOptions {
        mirrors,
        insecure: settings.list("insecure-registries"),
        rules: rules(settings)?,
        proxies: proxies(settings, defaults.proxies),
        download_attempts: attempts.transpose()?.unwrap_or(defaults.download_attempts),
        certificates: defaults.certificates,
    })
}

/// Those of the settings; where they say nothing, those of the environment.
fn proxies(settings: &Settings, environment: ProxyConfig) -> ProxyConfig {
    let text = |key: &str| settings.text(key).filter(|text| !text.is_empty());
    let url = |key: &str| text(key).map(|text| Redacted::new(text.to_owned()));
    ProxyConfig {
        http: url("http-proxy").or(environment.http),
        https: url("https-proxy").or(environment.https),
        no_proxy: text("no-proxy").map_or(environment.no_proxy, str::to_owned),
    }
}

fn check_mirror(mirror: &str) -> Result<(), String> {
    if mirror.starts_with("https://") || mirror.starts_with("http://") {
        return Ok(());
    }
    Err(format!(
        "invalid mirror: no scheme specified for {mirror:?}: must use either 'https://' or 'http://'"
    ))
}

/// `"registries": {"quay.io": {"mirrors": […], "insecure": …, "token-servers": […], "ca": […], "cert": …, "key": …}}`
fn rules(settings: &Settings) -> Result<BTreeMap<String, RegistryRules>, String> {
    let given = settings.get("registries").and_then(Value::as_object);
    given
        .into_iter()
        .flatten()
        .map(|(name, rules)| {
            let wrong = |why: String| format!("registries: {name}: {why}");
            if name.is_empty() || name.contains('/') {
                return Err(wrong("a registry is named by its host and port".into()));
            }
            let rules = rules.as_object();
            let rules = rules.ok_or_else(|| wrong("an object is needed".into()))?;
            rules_of_one(rules)
                .map(|rules| (name.clone(), rules))
                .map_err(wrong)
        })
        .collect()
}

fn rules_of_one(given: &Map<String, Value>) -> Result<RegistryRules, String> {
    let mut rules = RegistryRules::default();
    let (mut certificate, mut key) = (None, None);
    for (name, value) in given {
        match name.as_str() {
            "mirrors" => {
                rules.mirrors = list(name, value)?;
                rules.mirrors.iter().try_for_each(|url| check_mirror(url))?;
            }
            "insecure" => {
                let flag = value.as_bool();
                rules.insecure = flag.ok_or_else(|| format!("{name} is true or false"))?;
            }
            "ca" => {
                let files = match value {
                    Value::String(file) => vec![file.clone()],
                    list_of => list(name, list_of)?,
                };
                rules.authorities = files.into_iter().map(PathBuf::from).collect();
            }
            "token-servers" => rules.token_servers = list(name, value)?,
            "cert" => certificate = Some(file(name, value)?),
            "key" => key = Some(file(name, value)?),
            other => {
                return Err(format!(
                    "there is no {other:?}, only mirrors, insecure, token-servers, ca, cert and key"
                ));
            }
        }
    }
    rules.client = match (certificate, key) {
        (None, None) => None,
        (Some(certificate), Some(key)) => Some((certificate, key)),
        _ => return Err("cert and key go together".into()),
    };
    Ok(rules)
}

fn list(name: &str, value: &Value) -> Result<Vec<String>, String> {
    let texts = value.as_array().and_then(|list| {
        let texts = list.iter().map(|text| text.as_str().map(str::to_owned));
        texts.collect::<Option<Vec<_>>>()
    });
    texts.ok_or_else(|| format!("{name} is a list of texts"))
}

fn file(name: &str, value: &Value) -> Result<PathBuf, String> {
    let path = value.as_str().map(PathBuf::from);
    path.ok_or_else(|| format!("{name} is a file's path"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<RegistryOptions, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("daemon.json");
        std::fs::write(&path, text).unwrap();
        let settings = Settings::read(&path, true).map_err(|error| error.to_string())?;
        registries(&settings)
    }

    #[test]
    fn each_registry_has_rules_of_its_own() {
        let options = parsed(
            r#"{"registry-mirrors": ["https://hub.example"],
                "registries": {
                    "quay.io": {"mirrors": ["https://cache.example/v2/quay"]},
                    "lab:5000": {"insecure": true, "token-servers": ["auth.lab.example"]},
                    "corp.example": {"ca": "/etc/corp.pem", "cert": "/c.pem", "key": "/k.pem"}}}"#,
        )
        .unwrap();
        assert_eq!(options.mirrors, ["https://hub.example"]);
        assert_eq!(
            options.rules["quay.io"].mirrors,
            ["https://cache.example/v2/quay"]
        );
        assert!(options.rules["lab:5000"].insecure);
        let servers = &options.rules["lab:5000"].token_servers;
        assert_eq!(servers, &["auth.lab.example"]);
        let corporate = &options.rules["corp.example"];
        assert_eq!(corporate.authorities, [PathBuf::from("/etc/corp.pem")]);
        assert_eq!(corporate.client, Some(("/c.pem".into(), "/k.pem".into())));
    }

    #[test]
    fn rules_that_make_no_sense_are_refused_by_name() {
        for (text, sentence) in [
            (
                r#"{"registries": {"quay.io": {"mirror": []}}}"#,
                "registries: quay.io: there is no \"mirror\", only mirrors, insecure, token-servers, ca, cert and key",
            ),
            (
                r#"{"registries": {"quay.io": {"mirrors": ["cache"]}}}"#,
                "registries: quay.io: invalid mirror: no scheme specified for \"cache\": must use either 'https://' or 'http://'",
            ),
            (
                r#"{"registries": {"quay.io": {"cert": "/c.pem"}}}"#,
                "registries: quay.io: cert and key go together",
            ),
            (
                r#"{"registries": {"quay.io/team": {}}}"#,
                "registries: quay.io/team: a registry is named by its host and port",
            ),
            (
                r#"{"proxies": {"ftp-proxy": "x"}}"#,
                "the following directives don't match any configuration option: ftp-proxy",
            ),
        ] {
            assert_eq!(parsed(text).unwrap_err(), sentence);
        }
    }

    #[test]
    fn proxies_of_the_file_stand_before_those_of_the_environment() {
        let options = parsed(
            r#"{"proxies": {"http-proxy": "http://user:word@proxy:3128", "no-proxy": "localhost"}}"#,
        )
        .unwrap();
        let url = options.proxies.http.unwrap();
        assert_eq!(url.expose(), "http://user:word@proxy:3128");
        assert_eq!(options.proxies.no_proxy, "localhost");
        let printed = format!("{url:?}");
        assert!(!printed.contains("word"), "{printed}");
    }
}
