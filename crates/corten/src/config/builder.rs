//! `builder`: how large the build cache may become.

use crate::settings::Settings;
use corten_base::text::parse_ram_bytes;
use corten_engine::EngineConfig;
use serde_json::Value;

// Docker 28: `defaultKeepStorage` is the older name of `defaultReservedSpace`.
pub(super) fn cache_bytes_max(settings: &Settings) -> Result<u64, String> {
    let mut bytes = EngineConfig::default().build_cache_bytes_max;
    let given = settings.get("builder").and_then(Value::as_object);
    for (name, value) in given.into_iter().flatten() {
        let (true, Some(gc)) = (name == "gc", value.as_object()) else {
            return Err(format!(
                "builder: {name:?} is not supported by Corten, only gc"
            ));
        };
        let mut enabled = true;
        for (name, value) in gc {
            let wrong = |what: &str| format!("builder: gc: {name}: {value} is no {what}");
            match name.as_str() {
                "enabled" => enabled = value.as_bool().ok_or_else(|| wrong("truth value"))?,
                "defaultKeepStorage" | "defaultReservedSpace" => {
                    let size = value.as_str().and_then(parse_ram_bytes);
                    let size = size.and_then(|it| u64::try_from(it).ok());
                    bytes = size.ok_or_else(|| wrong("size, as 20GB is"))?;
                }
                other => {
                    return Err(format!(
                        "builder: gc: {other:?} is not supported by Corten, only enabled and \
                         defaultKeepStorage"
                    ));
                }
            }
        }
        if !enabled {
            bytes = 0;
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_of_the_build_cache_is_a_size_or_none() {
        let directory = tempfile::tempdir().unwrap();
        let parsed = |text: &str| {
            let path = directory.path().join("daemon.json");
            std::fs::write(&path, format!(r#"{{"builder": {text}}}"#)).unwrap();
            let settings = Settings::read(&path, false).unwrap();
            cache_bytes_max(&settings)
        };
        for (text, expected) in [
            ("{}", Ok(20 << 30)),
            (r#"{"gc": {"defaultKeepStorage": "1GB"}}"#, Ok(1 << 30)),
            (
                r#"{"gc": {"enabled": true, "defaultReservedSpace": "5m"}}"#,
                Ok(5 << 20),
            ),
            (r#"{"gc": {"enabled": false}}"#, Ok(0)),
            (
                r#"{"gc": {"defaultKeepStorage": 7}}"#,
                Err("builder: gc: defaultKeepStorage: 7 is no size, as 20GB is"),
            ),
            (
                r#"{"gc": {"policy": []}}"#,
                Err(
                    "builder: gc: \"policy\" is not supported by Corten, only enabled and defaultKeepStorage",
                ),
            ),
            (
                r#"{"entitlements": {}}"#,
                Err("builder: \"entitlements\" is not supported by Corten, only gc"),
            ),
        ] {
            assert_eq!(parsed(text), expected.map_err(str::to_owned), "{text}");
        }
    }
}
