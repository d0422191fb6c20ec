//! From a line to an instruction.

use crate::{
    Argument, CommandLine, Fault, Heredoc, Instruction, Location, Pair, Result, Run, RunMount,
    RunNetwork, Transfer, error::similar, flags::Flags, instruction::Healthcheck, lines::Line,
    words,
};
use corten_base::text::parse_go_duration;

/// All keywords but `FROM`.
const KEYWORDS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];
/// Least time that may be given for a probe, in nanoseconds.
const PROBE_TIME_MIN: i64 = 1_000_000;

/// `FROM`.
#[derive(Debug, Clone)]
pub(crate) struct From {
    pub base: String,
    pub name: Option<String>,
    /// The word between, as it is written.
    pub as_word: Option<String>,
    pub platform: Option<String>,
}

pub(crate) fn is_from(line: &Line) -> bool {
    line.keyword.eq_ignore_ascii_case("FROM")
}

pub(crate) fn from(line: &Line) -> std::result::Result<From, Fault> {
    let mut flags = Flags::new(&line.flags);
    let platform = flags.text("platform")?;
    flags.finish()?;
    let parts: Vec<&str> = line.rest.split_whitespace().collect();
    let (base, as_word, name) = match parts[..] {
        [base] => (base, None, None),
        [base, word, name] if word.eq_ignore_ascii_case("as") => (base, Some(word), Some(name)),
        _ => return Err(Fault::FromArguments),
    };
    if let Some(name) = name {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let starts = name.starts_with(|c: char| c.is_ascii_alphabetic());
        if !starts || !name.chars().all(allowed) {
            return Err(Fault::StageName(name.to_ascii_lowercase()));
        }
    }
    Ok(From {
        base: base.to_owned(),
        name: name.map(str::to_owned),
        as_word: as_word.map(str::to_owned),
        platform,
    })
}

/// The instruction of a line that is no `FROM`.
pub(crate) fn instruction(line: &Line, escape: char) -> std::result::Result<Instruction, Fault> {
    let mut flags = Flags::new(&line.flags);
    let keyword = line.keyword.to_ascii_uppercase();
    let rest = line.rest.as_str();
    let instruction = match keyword.as_str() {
        "ADD" => Instruction::Add(transfer("ADD", line, &mut flags, escape)?),
        "COPY" => Instruction::Copy(transfer("COPY", line, &mut flags, escape)?),
        "ARG" => Instruction::Arg(arguments(rest, escape)?),
        "CMD" => Instruction::Cmd(command(rest)?),
        "ENTRYPOINT" => Instruction::Entrypoint(command(rest)?),
        "ENV" => Instruction::Env(pairs("ENV", rest, escape)?),
        "LABEL" => Instruction::Label(pairs("LABEL", rest, escape)?),
        "EXPOSE" => match rest
            .split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
        {
            list if list.is_empty() => return Err(Fault::AtLeastOne("EXPOSE")),
            list => Instruction::Expose(list),
        },
        "HEALTHCHECK" => Instruction::Healthcheck(healthcheck(rest, &mut flags)?),
        "MAINTAINER" => Instruction::Maintainer(one("MAINTAINER", rest)?),
        "ONBUILD" => Instruction::OnBuild(trigger(&line.text)?),
        "RUN" => Instruction::Run(Box::new(run(line, &mut flags)?)),
        "SHELL" => match json(rest)? {
            Some(words) if !words.is_empty() => Instruction::Shell(words),
            Some(_) => return Err(Fault::AtLeastOne("SHELL")),
            None if rest.is_empty() => return Err(Fault::AtLeastOne("SHELL")),
            None => return Err(Fault::ShellForm),
        },
        "STOPSIGNAL" => Instruction::StopSignal(one("STOPSIGNAL", rest)?),
        "USER" => Instruction::User(one("USER", rest)?),
        "VOLUME" => {
            let list = match json(rest)? {
                Some(list) => list,
                None => rest.split_whitespace().map(str::to_owned).collect(),
            };
            if list.is_empty() {
                return Err(Fault::AtLeastOne("VOLUME"));
            }
            if list.iter().any(|path| path.trim().is_empty()) {
                return Err(Fault::EmptyVolume);
            }
            Instruction::Volume(list)
        }
        "WORKDIR" => Instruction::Workdir(one("WORKDIR", rest)?),
        _ => {
            return Err(Fault::UnknownInstruction {
                similar: similar(&keyword, KEYWORDS).map(|it| {
                    match line.keyword.chars().any(|c| c.is_ascii_uppercase()) {
                        true => it,
                        false => it.to_ascii_lowercase(),
                    }
                }),
                name: line.keyword.clone(),
            });
        }
    };
    // A trigger's flags are its own.
    if keyword != "ONBUILD" {
        flags.finish()?;
    }
    Ok(instruction)
}

fn one(keyword: &'static str, rest: &str) -> std::result::Result<String, Fault> {
    match rest.is_empty() {
        true => Err(Fault::ExactlyOne(keyword)),
        false => Ok(rest.to_owned()),
    }
}

/// The words of an array; none when it is no array.
fn json(text: &str) -> std::result::Result<Option<Vec<String>>, Fault> {
    let text = text.trim();
    if !text.starts_with('[') {
        return Ok(None);
    }
    match serde_json::from_str::<Vec<serde_json::Value>>(text) {
        Err(_) => Ok(None),
        Ok(values) => values
            .into_iter()
            .map(|value| match value {
                serde_json::Value::String(text) => Ok(text),
                _ => Err(Fault::NotStrings),
            })
            .collect::<std::result::Result<_, _>>()
            .map(Some),
    }
}

fn command(rest: &str) -> std::result::Result<CommandLine, Fault> {
    Ok(match json(rest)? {
        Some(words) => CommandLine {
            words,
            shell: false,
        },
        None if rest.is_empty() => CommandLine::default(),
        None => CommandLine {
            words: vec![rest.to_owned()],
            shell: true,
        },
    })
}

fn arguments(rest: &str, escape: char) -> std::result::Result<Vec<Argument>, Fault> {
    let list = words::split(rest, escape);
    if list.is_empty() {
        return Err(Fault::AtLeastOne("ARG"));
    }
    list.iter()
        .map(|word| match word.split_once('=') {
            Some(("", _)) => Err(Fault::BlankName("ARG")),
            Some((name, value)) => Ok(Argument {
                name: name.to_owned(),
                value: Some(value.to_owned()),
            }),
            None => Ok(Argument {
                name: word.clone(),
                value: None,
            }),
        })
        .collect()
}

fn pairs(keyword: &'static str, rest: &str, escape: char) -> std::result::Result<Vec<Pair>, Fault> {
    let list = words::split(rest, escape);
    let Some(first) = list.first() else {
        return Err(Fault::AtLeastOne(keyword));
    };
    if !first.contains('=') {
        let (name, value) = rest
            .split_once([' ', '\t', '\u{b}', '\u{c}', '\r'])
            .ok_or(Fault::TwoArguments(keyword))?;
        return Ok(vec![Pair {
            name: name.to_owned(),
            value: value.trim_start().to_owned(),
            legacy: true,
        }]);
    }
    list.iter()
        .map(|word| match word.split_once('=') {
            None => Err(Fault::NoEqualSign(word.clone())),
            Some(("", _)) => Err(Fault::BlankName(keyword)),
            Some((name, value)) => Ok(Pair {
                name: name.to_owned(),
                value: value.to_owned(),
                legacy: false,
            }),
        })
        .collect()
}

fn run(line: &Line, flags: &mut Flags) -> std::result::Result<Run, Fault> {
    let mounts = flags.texts("mount")?;
    for mount in &mounts {
        RunMount::check(mount)?;
    }
    let word = |flag, value: String| Fault::FlagWord { flag, value };
    let network = match flags.text("network")?.as_deref() {
        None | Some("default") => RunNetwork::Default,
        Some("none") => RunNetwork::None,
        Some("host") => RunNetwork::Host,
        Some(other) => return Err(Fault::NetworkMode(other.to_owned())),
    };
    let insecure = match flags.text("security")?.as_deref() {
        None | Some("sandbox") => false,
        Some("insecure") => true,
        Some(other) => return Err(word("security", other.to_owned())),
    };
    let devices = flags.texts("device")?;
    let command = command(&line.rest)?;
    let command = match command.words.is_empty() {
        true if !line.rest.trim().is_empty() => return Err(Fault::NoArguments),
        // The shell is asked to do nothing.
        true => CommandLine {
            words: vec![String::new()],
            shell: true,
        },
        false => command,
    };
    Ok(Run {
        command,
        heredocs: line.heredocs.clone(),
        mounts,
        network,
        insecure,
        devices,
    })
}

fn transfer(
    keyword: &'static str,
    line: &Line,
    flags: &mut Flags,
    escape: char,
) -> std::result::Result<Transfer, Fault> {
    let mut list = match json(&line.rest)? {
        Some(list) => list,
        None => words::split(&line.rest, escape),
    };
    let mut found = Transfer {
        chown: flags.text("chown")?,
        chmod: flags.text("chmod")?,
        link: flags.boolean("link")?.unwrap_or(false),
        excludes: flags.texts("exclude")?,
        ..Transfer::default()
    };
    match keyword {
        "COPY" => {
            found.from = flags.text("from")?;
            found.parents = flags.boolean("parents")?.unwrap_or(false);
        }
        _ => {
            found.checksum = flags.text("checksum")?;
            found.keep_git_dir = flags.boolean("keep-git-dir")?;
            found.unpack = flags.boolean("unpack")?;
        }
    }
    if list.len() < 2 {
        return Err(Fault::NoDestination(keyword));
    }
    found.destination = list.pop().unwrap_or_default();
    if Heredoc::begin(&found.destination, escape).is_some() && !line.heredocs.is_empty() {
        return Err(Fault::HeredocDestination(keyword));
    }
    let is_heredoc =
        |word: &String| !line.heredocs.is_empty() && Heredoc::begin(word, escape).is_some();
    list.retain(|word| !is_heredoc(word));
    found.sources = list;
    found.heredocs = line.heredocs.clone();
    Ok(found)
}

fn healthcheck(rest: &str, flags: &mut Flags) -> std::result::Result<Healthcheck, Fault> {
    let mut time = |name: &'static str| -> std::result::Result<i64, Fault> {
        let Some(text) = flags.text(name)? else {
            return Ok(0);
        };
        let time =
            parse_go_duration(&text).ok_or_else(|| Fault::HealthcheckTime(no_duration(&text)))?;
        match time {
            0 => Ok(0),
            time if time < PROBE_TIME_MIN => Err(Fault::HealthcheckTime(format!(
                "Interval {name:?} cannot be less than 1ms"
            ))),
            time => Ok(time),
        }
    };
    let mut check = Healthcheck {
        interval: time("interval")?,
        timeout: time("timeout")?,
        start_period: time("start-period")?,
        start_interval: time("start-interval")?,
        ..Healthcheck::default()
    };
    if let Some(text) = flags.text("retries")? {
        check.retries = match text.parse::<i32>() {
            Ok(retries) if retries >= 0 => retries as u32,
            _ => return Err(Fault::HealthcheckRetries(text)),
        };
    }
    let (kind, arguments) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    let arguments = arguments.trim();
    match kind.to_ascii_uppercase().as_str() {
        "" => Err(Fault::AtLeastOne("HEALTHCHECK")),
        "NONE" if arguments.is_empty() => Ok(check),
        "NONE" => Err(Fault::HealthcheckNone),
        "CMD" if arguments.is_empty() => Err(Fault::HealthcheckCommand),
        "CMD" => {
            check.command = Some(command(arguments)?);
            Ok(check)
        }
        other => Err(Fault::HealthcheckType(other.to_owned())),
    }
}

/// What Go's `time` says of a text that is no duration.
fn no_duration(text: &str) -> String {
    let digits = text.trim_start_matches(['-', '+']);
    let number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    match number {
        true => format!("time: missing unit in duration {text:?}"),
        false => format!("time: invalid duration {text:?}"),
    }
}

/// What stands after `ONBUILD`, checked for what cannot be a trigger.
fn trigger(text: &str) -> std::result::Result<String, Fault> {
    let rest = text
        .split_once(char::is_whitespace)
        .map_or("", |(_, rest)| rest)
        .trim();
    let keyword = rest
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_ascii_uppercase();
    match keyword.as_str() {
        "" => Err(Fault::AtLeastOne("ONBUILD")),
        "ONBUILD" => Err(Fault::OnBuildChain),
        "FROM" | "MAINTAINER" => Err(Fault::OnBuildTrigger(keyword)),
        _ => Ok(rest.to_owned()),
    }
}

/// The instruction of a trigger that an image carries.
///
/// # Errors
/// As for a file of this one line.
pub fn parse_trigger(text: &str) -> Result<Instruction> {
    let lines = crate::lines::lines(text)?;
    let at = Location::default();
    match lines.lines.first() {
        Some(line) if !is_from(line) => {
            instruction(line, lines.directives.escape).map_err(|fault| fault.at(at))
        }
        _ => Err(Fault::OnBuildTrigger("FROM".into()).at(at)),
    }
}

/// `80`, `80-81/udp`, `127.0.0.1:80:80/tcp`: the container's ports as `80/tcp`.
///
/// # Errors
/// Docker's sentence.
pub fn parse_exposed(text: &str) -> std::result::Result<Vec<String>, String> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = protocol.to_ascii_lowercase();
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return Err(format!("invalid port: {text:?}: invalid proto: {protocol}"));
    }
    let container = ports.rsplit(':').next().unwrap_or_default();
    let (first, last) = container.split_once('-').unwrap_or((container, container));
    let (Ok(first), Ok(last)) = (first.parse::<u16>(), last.parse::<u16>()) else {
        return Err(format!("invalid containerPort: {container}"));
    };
    if first > last {
        return Err(format!("invalid containerPort: {container}"));
    }
    Ok((first..=last)
        .map(|port| format!("{port}/{protocol}"))
        .collect())
}
