//! The Dockerfile instruction `HEALTHCHECK`.

use crate::{
    Result,
    changes::{invalid, json_list},
};
use corten_base::text::parse_go_duration;
use corten_oci::Healthcheck;

/// Least time that may be given for a probe, in nanoseconds.
const PROBE_TIME_MIN: i64 = 1_000_000;

/// Reads what stands after `HEALTHCHECK`.
pub(crate) fn healthcheck(text: &str) -> Result<Healthcheck> {
    let mut check = Healthcheck::default();
    let mut rest = text;
    while let Some(flag) = rest.strip_prefix("--") {
        let (flag, after) = flag.split_once(char::is_whitespace).unwrap_or((flag, ""));
        let (name, value) = flag.split_once('=').unwrap_or((flag, ""));
        match name {
            "interval" => check.interval = probe_time(name, value)?,
            "timeout" => check.timeout = probe_time(name, value)?,
            "start-period" => check.start_period = probe_time(name, value)?,
            "start-interval" => check.start_interval = probe_time(name, value)?,
            "retries" => match value.parse::<i32>() {
                Ok(retries) if retries >= 0 => check.retries = retries.into(),
                Ok(retries) => {
                    return invalid(format!("--retries cannot be negative (passed {retries})"));
                }
                Err(_) => {
                    return invalid(format!(
                        "strconv.ParseInt: parsing {value:?}: invalid syntax"
                    ));
                }
            },
            name => return invalid(format!("unknown flag: --{name}")),
        }
        rest = after.trim_start();
    }
    let (kind, arguments) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let arguments = arguments.trim();
    check.test = Some(match kind.to_ascii_uppercase().as_str() {
        "" => return invalid("HEALTHCHECK requires at least one argument".into()),
        "NONE" if arguments.is_empty() => vec!["NONE".into()],
        "NONE" => return invalid("HEALTHCHECK NONE takes no arguments".into()),
        "CMD" if arguments.is_empty() => {
            return invalid("Missing command after HEALTHCHECK CMD".into());
        }
        "CMD" => match json_list(arguments) {
            Some(list) => [vec!["CMD".to_owned()], list].concat(),
            None => vec!["CMD-SHELL".into(), arguments.to_owned()],
        },
        other => {
            let sentence = format!("Unknown type {other:?} in HEALTHCHECK (try CMD)");
            return invalid(sentence);
        }
    });
    Ok(check)
}

fn probe_time(flag: &str, value: &str) -> Result<i64> {
    let Some(time) = parse_go_duration(value) else {
        return invalid(format!("time: invalid duration {value:?}"));
    };
    if time != 0 && time < PROBE_TIME_MIN {
        return invalid(format!("Interval {flag:?} cannot be less than 1ms"));
    }
    Ok(time)
}
