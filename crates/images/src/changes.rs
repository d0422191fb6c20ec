//! `--change` of commit and import: Dockerfile instructions applied to a configuration.
//!
//! The sentences are dockerd's.

use crate::{Error, Result, healthcheck::healthcheck};
use corten_dockerfile::{is_signal, words};
use corten_oci::RunConfig;

/// Instructions that may change an image without building it.
const VALID: &[&str] = &[
    "CMD",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "HEALTHCHECK",
    "LABEL",
    "ONBUILD",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];
/// A single instruction has no directive that would change it.
const ESCAPE: char = '\\';
/// The shell of shell-form commands.
const SHELL: [&str; 2] = ["/bin/sh", "-c"];
/// Applies `changes` in order.
pub(crate) fn apply(config: &mut RunConfig, changes: &[String]) -> Result<()> {
    let lines = lines(changes);
    if lines.is_empty() && !changes.is_empty() {
        return invalid("file with no instructions".to_owned());
    }
    // All names first: one that is not valid changes nothing.
    for line in &lines {
        let name = line.split_whitespace().next().unwrap_or_default();
        if !VALID.contains(&name.to_ascii_uppercase().as_str()) {
            return invalid(format!("{name} is not a valid change command"));
        }
    }
    let mut cmd_set = false;
    for line in &lines {
        let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        match name.to_ascii_uppercase().as_str() {
            "CMD" => {
                config.cmd = Some(command(config, rest));
                cmd_set = true;
            }
            "ENTRYPOINT" => {
                config.entrypoint = Some(command(config, rest)).filter(|_| !rest.is_empty());
                if !cmd_set {
                    config.cmd = None;
                }
            }
            "ENV" => env(config, rest)?,
            "EXPOSE" => expose(config, rest)?,
            "HEALTHCHECK" => config.healthcheck = Some(healthcheck(rest)?),
            "LABEL" => {
                for (name, value) in pairs("LABEL", config, rest)? {
                    config.labels.get_or_insert_default().insert(name, value);
                }
            }
            "ONBUILD" => on_build(config, rest)?,
            "STOPSIGNAL" => {
                let signal = one("STOPSIGNAL", config, rest)?;
                if !is_signal(&signal) {
                    return invalid(format!("invalid signal: {signal}"));
                }
                config.stop_signal = Some(signal);
            }
            "USER" => config.user = Some(one("USER", config, rest)?),
            "VOLUME" => volume(config, rest)?,
            _ => workdir(config, rest)?,
        }
    }
    Ok(())
}

pub(crate) fn invalid<T>(sentence: String) -> Result<T> {
    Err(Error::Invalid(sentence))
}

/// Instructions without comments and empty lines, continued lines joined.
fn lines(changes: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open = String::new();
    for line in changes.iter().flat_map(|change| change.lines()) {
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with('#') {
            continue;
        }
        match trimmed.strip_suffix('\\') {
            Some(start) => open.push_str(start),
            None => lines.push(std::mem::take(&mut open) + trimmed),
        }
    }
    if !open.is_empty() {
        lines.push(open);
    }
    lines
}

/// A JSON list, or text for the shell.
fn command(config: &RunConfig, text: &str) -> Vec<String> {
    if let Some(list) = json_list(text) {
        return list;
    }
    let shell = config.shell.clone().filter(|shell| !shell.is_empty());
    let mut command = shell.unwrap_or_else(|| SHELL.map(str::to_owned).to_vec());
    command.extend((!text.is_empty()).then(|| text.to_owned()));
    command
}

pub(crate) fn json_list(text: &str) -> Option<Vec<String>> {
    text.starts_with('[')
        .then(|| serde_json::from_str(text).ok())?
}

/// The value of a variable: the last that was given.
fn variable(config: &RunConfig, name: &str) -> Option<String> {
    let pairs = config
        .env
        .iter()
        .flatten()
        .rev()
        .filter_map(|pair| pair.split_once('='));
    pairs
        .filter(|(known, _)| *known == name)
        .map(|(_, value)| value.to_owned())
        .next()
}

fn expand(config: &RunConfig, word: &str) -> Result<String> {
    let shell = words::Shell {
        escape: ESCAPE,
        variable: &|name| variable(config, name),
        raw_quotes: false,
        raw_escapes: false,
    };
    let expanded = shell.expand(word);
    expanded
        .map(|expanded| expanded.text)
        .map_err(|reason| Error::Invalid(format!("failed to process {word:?}: {reason}")))
}

fn one(name: &str, config: &RunConfig, text: &str) -> Result<String> {
    match text {
        "" => invalid(format!("{name} requires exactly one argument")),
        text => expand(config, text),
    }
}

/// `name value …` or `name=value name=value …`.
fn pairs(name: &str, config: &RunConfig, text: &str) -> Result<Vec<(String, String)>> {
    let list = words::split(text, ESCAPE);
    let Some(first) = list.first() else {
        return invalid(format!("{name} requires at least one argument"));
    };
    if !first.contains('=') {
        let rest = text[first.len()..].trim();
        if rest.is_empty() {
            return invalid(format!("{name} must have two arguments"));
        }
        return Ok(vec![(expand(config, first)?, expand(config, rest)?)]);
    }
    list.iter()
        .map(|word| {
            let Some((key, value)) = word.split_once('=') else {
                let sentence = format!(
                    "Syntax error - can't find = in {word:?}. Must be of the form: name=value"
                );
                return invalid(sentence);
            };
            if key.is_empty() {
                return invalid(format!("{name} names can not be blank"));
            }
            Ok((expand(config, key)?, expand(config, value)?))
        })
        .collect()
}

fn env(config: &mut RunConfig, text: &str) -> Result<()> {
    for (name, value) in pairs("ENV", config, text)? {
        let env = config.env.get_or_insert_default();
        let known = env
            .iter_mut()
            .find(|pair| pair.split('=').next() == Some(&name));
        let pair = format!("{name}={value}");
        match known {
            Some(known) => *known = pair,
            None => env.push(pair),
        }
    }
    Ok(())
}

fn expose(config: &mut RunConfig, text: &str) -> Result<()> {
    let list = words::split(text, ESCAPE);
    if list.is_empty() {
        return invalid("EXPOSE requires at least one argument".into());
    }
    for word in list {
        let word = expand(config, &word)?;
        let (ports, protocol) = word.split_once('/').unwrap_or((&word, "tcp"));
        let protocol = protocol.to_ascii_lowercase();
        if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
            return invalid(format!("invalid proto: {protocol}"));
        }
        let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
        let bounds = (first.parse::<u16>(), last.parse::<u16>());
        let (Ok(first), Ok(last)) = bounds else {
            return invalid(format!("Invalid containerPort: {ports}"));
        };
        if first > last {
            return invalid(format!("invalid range specified for port: {ports}"));
        }
        let exposed = config.exposed_ports.get_or_insert_default();
        exposed.extend((first..=last).map(|port| format!("{port}/{protocol}")));
    }
    Ok(())
}

fn on_build(config: &mut RunConfig, text: &str) -> Result<()> {
    let trigger = text
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_ascii_uppercase();
    match trigger.as_str() {
        "" => return invalid("ONBUILD requires at least one argument".into()),
        "ONBUILD" => {
            return invalid("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed".into());
        }
        "MAINTAINER" | "FROM" => {
            return invalid(format!("{trigger} isn't allowed as an ONBUILD trigger"));
        }
        _ => {}
    }
    config
        .on_build
        .get_or_insert_default()
        .push(text.to_owned());
    Ok(())
}

fn volume(config: &mut RunConfig, text: &str) -> Result<()> {
    let list = json_list(text).unwrap_or_else(|| words::split(text, ESCAPE));
    if list.is_empty() {
        return invalid("VOLUME requires at least one argument".into());
    }
    for path in list {
        let path = expand(config, &path)?;
        if path.trim().is_empty() {
            return invalid("VOLUME specified can not be an empty string".into());
        }
        config.volumes.get_or_insert_default().insert(path);
    }
    Ok(())
}

fn workdir(config: &mut RunConfig, text: &str) -> Result<()> {
    let path = one("WORKDIR", config, text)?;
    let base = config
        .working_dir
        .clone()
        .filter(|_| !path.starts_with('/'));
    let joined = format!("{}/{path}", base.unwrap_or_default());
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    config.working_dir = Some(format!("/{}", parts.join("/")));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(changes: &[&str]) -> Result<serde_json::Value> {
        let mut config = RunConfig::default();
        let changes: Vec<String> = changes.iter().map(|c| (*c).to_owned()).collect();
        apply(&mut config, &changes)?;
        Ok(serde_json::to_value(config).unwrap())
    }

    #[test]
    fn instructions_change_the_configuration_as_docker_does() {
        for (changes, expected) in [
            (
                &["CMD echo hi"][..],
                r#"{"Cmd":["/bin/sh","-c","echo hi"]}"#,
            ),
            (&[r#"cmd ["a", "b"]"#], r#"{"Cmd":["a","b"]}"#),
            (
                &["CMD x", "ENTRYPOINT y"],
                r#"{"Cmd":["/bin/sh","-c","x"],"Entrypoint":["/bin/sh","-c","y"]}"#,
            ),
            (
                &["ENV a=b c='d e' f=\"g h\""],
                r#"{"Env":["a=b","c=d e","f=g h"]}"#,
            ),
            (
                &["ENV a b c", "ENV d=${a}-$x-${x:-y}-${a:+z}"],
                r#"{"Env":["a=b c","d=b c--y-z"]}"#,
            ),
            (&["ENV a=1\nENV a=2"], r#"{"Env":["a=2"]}"#),
            (
                &["EXPOSE 80-81/udp 443"],
                r#"{"ExposedPorts":{"443/tcp":{},"80/udp":{},"81/udp":{}}}"#,
            ),
            (&["LABEL a=b \\\n c=d"], r#"{"Labels":{"a":"b","c":"d"}}"#),
            (&["USER a b"], r#"{"User":"a b"}"#),
            (
                &[r#"VOLUME ["a","b"]"#, "VOLUME /c /d"],
                r#"{"Volumes":{"a":{},"b":{},"/c":{},"/d":{}}}"#,
            ),
            (&["WORKDIR a/b", "WORKDIR ../c"], r#"{"WorkingDir":"/a/c"}"#),
            (&["STOPSIGNAL 9"], r#"{"StopSignal":"9"}"#),
            (&["ONBUILD RUN x"], r#"{"OnBuild":["RUN x"]}"#),
            (
                &["HEALTHCHECK NONE"],
                r#"{"Healthcheck":{"Test":["NONE"]}}"#,
            ),
            (
                &["HEALTHCHECK --interval=1s --retries=3 CMD true"],
                r#"{"Healthcheck":{"Test":["CMD-SHELL","true"],"Interval":1000000000,"Retries":3}}"#,
            ),
        ] {
            let expected: serde_json::Value = serde_json::from_str(expected).unwrap();
            assert_eq!(after(changes).unwrap(), expected, "{changes:?}");
        }
    }

    #[test]
    fn what_docker_refuses_is_refused_with_its_sentence() {
        for (change, sentence) in [
            ("FROM x", "FROM is not a valid change command"),
            ("RUN x", "RUN is not a valid change command"),
            ("EXPOSE abc", "Invalid containerPort: abc"),
            ("EXPOSE 70000", "Invalid containerPort: 70000"),
            ("USER", "USER requires exactly one argument"),
            ("WORKDIR", "WORKDIR requires exactly one argument"),
            ("ENV", "ENV requires at least one argument"),
            ("ENV a", "ENV must have two arguments"),
            ("LABEL x", "LABEL must have two arguments"),
            ("ONBUILD FROM x", "FROM isn't allowed as an ONBUILD trigger"),
            (
                "ONBUILD ONBUILD RUN x",
                "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed",
            ),
            ("STOPSIGNAL SIGFOO", "invalid signal: SIGFOO"),
            (
                "HEALTHCHECK foo",
                "Unknown type \"FOO\" in HEALTHCHECK (try CMD)",
            ),
            ("HEALTHCHECK CMD", "Missing command after HEALTHCHECK CMD"),
            ("HEALTHCHECK", "HEALTHCHECK requires at least one argument"),
            ("HEALTHCHECK --foo=0 CMD x", "unknown flag: --foo"),
            ("VOLUME", "VOLUME requires at least one argument"),
        ] {
            assert_eq!(
                after(&[change]).unwrap_err().to_string(),
                sentence,
                "{change}"
            );
        }
    }
}
