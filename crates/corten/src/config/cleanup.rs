//! `image-cleanup`: which images go by themselves.

use crate::settings::Settings;
use corten_base::text::{parse_go_duration, parse_ram_bytes};
use corten_engine::{CleanupOptions, CleanupPolicy};
use serde_json::Value;
use std::time::Duration;

/// Between two clean-ups when the settings do not say.
const PERIOD_SECONDS: u64 = 3600;

pub(super) fn cleanup(settings: &Settings) -> Result<CleanupOptions, String> {
    let Some(given) = settings.get("image-cleanup").and_then(Value::as_object) else {
        return Ok(CleanupOptions::default());
    };
    let mut policy = CleanupPolicy::default();
    let mut period_seconds = PERIOD_SECONDS;
    for (name, value) in given {
        let wrong = |what: &str| format!("image-cleanup: {name}: {value} is no {what}");
        let duration = || {
            let nanoseconds = value.as_str().and_then(parse_go_duration);
            let nanoseconds = nanoseconds.and_then(|it| u64::try_from(it).ok());
            let duration = nanoseconds.map(Duration::from_nanos);
            duration.ok_or_else(|| wrong("duration, as 720h is"))
        };
        let texts = || {
            let list = value.as_array().ok_or_else(|| wrong("list of texts"))?;
            let texts = list.iter().map(|text| text.as_str().map(str::to_owned));
            texts
                .collect::<Option<Vec<_>>>()
                .ok_or_else(|| wrong("list of texts"))
        };
        match name.as_str() {
            "every" => period_seconds = duration()?.as_secs(),
            "older-than" => policy.older_than = Some(duration()?),
            "max-size" => {
                let bytes = value.as_str().and_then(parse_ram_bytes);
                let bytes = bytes.and_then(|it| u64::try_from(it).ok());
                policy.max_bytes = Some(bytes.ok_or_else(|| wrong("size, as 50g is"))?);
            }
            "keep-last" => {
                let count = value.as_u64().and_then(|it| usize::try_from(it).ok());
                policy.keep_last = count.ok_or_else(|| wrong("count"))?;
            }
            "disk-percent" => {
                let percent = value.as_u64().and_then(|it| u8::try_from(it).ok());
                let percent = percent.filter(|it| (1..=100).contains(it));
                policy.disk_percent = Some(percent.ok_or_else(|| wrong("number from 1 to 100"))?);
            }
            "protect-labels" => policy.protected_labels = texts()?,
            "protect-images" => policy.protected_names = texts()?,
            other => {
                return Err(format!(
                    "image-cleanup: there is no {other:?}, only every, older-than, max-size, \
                     keep-last, disk-percent, protect-labels and protect-images"
                ));
            }
        }
    }
    if policy.older_than.is_none() && policy.max_bytes.is_none() && policy.disk_percent.is_none() {
        return Err(
            "image-cleanup: nothing would ever go: set older-than, max-size or disk-percent".into(),
        );
    }
    Ok(CleanupOptions {
        policy: Some(policy),
        period_seconds,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<CleanupOptions, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("daemon.json");
        std::fs::write(&path, format!(r#"{{"image-cleanup": {text}}}"#)).unwrap();
        let settings = Settings::read(&path, true).map_err(|error| error.to_string())?;
        cleanup(&settings)
    }

    #[test]
    fn a_policy_is_read_and_one_that_makes_no_sense_refused() {
        let options = parsed(
            r#"{"every": "10m", "older-than": "720h", "max-size": "50g", "keep-last": 2,
                "disk-percent": 85, "protect-labels": ["keep"], "protect-images": ["team/*"]}"#,
        )
        .unwrap();
        assert_eq!(options.period_seconds, 600);
        let policy = options.policy.unwrap();
        assert_eq!(policy.older_than, Some(Duration::from_secs(720 * 3600)));
        assert_eq!(policy.max_bytes, Some(50 << 30));
        assert_eq!((policy.keep_last, policy.disk_percent), (2, Some(85)));
        for (text, sentence) in [
            (
                r#"{"older": "1h"}"#,
                "image-cleanup: there is no \"older\", only every, older-than, max-size, keep-last, disk-percent, protect-labels and protect-images",
            ),
            (
                r#"{"keep-last": 2}"#,
                "image-cleanup: nothing would ever go: set older-than, max-size or disk-percent",
            ),
            (
                r#"{"older-than": "soon"}"#,
                "image-cleanup: older-than: \"soon\" is no duration, as 720h is",
            ),
            (
                r#"{"disk-percent": 101}"#,
                "image-cleanup: disk-percent: 101 is no number from 1 to 100",
            ),
        ] {
            assert_eq!(parsed(text).unwrap_err(), sentence);
        }
        assert_eq!(
            cleanup(&Settings::default()).unwrap(),
            CleanupOptions::default()
        );
    }
}
