//! Options before the command, and where failures are told.

use crate::arguments::{Arguments, OptionShape};
use crate::error::CommandError;
use corten_base::{Timestamp, chain};
use std::io::Write;
use std::path::PathBuf;

const SHAPES: &[OptionShape] = &[
    ("root", None, true),
    ("log", None, true),
    ("log-format", None, true),
    ("rootless", None, true),
    ("criu", None, true),
    ("debug", None, false),
    ("systemd-cgroup", None, false),
    ("version", Some('v'), false),
    ("help", Some('h'), false),
];

pub(crate) struct GlobalOptions {
    /// Directory of the records.
    pub root: PathBuf,
    pub version: bool,
    pub help: bool,
    /// The command and its words.
    pub rest: Vec<String>,
}

impl GlobalOptions {
    pub(crate) fn parse(words: &[String]) -> Result<Self, CommandError> {
        let arguments = Arguments::parse(words, SHAPES)?;
        if arguments.has("systemd-cgroup") {
            let sentence = "--systemd-cgroup is not supported: cgroups are made by cgroupfs";
            return Err(CommandError::Usage(sentence.to_owned()));
        }
        if let Some(format) = arguments.value("log-format")
            && !matches!(format, "text" | "json")
        {
            return Err(CommandError::Usage(format!("invalid log-format: {format}")));
        }
        Ok(Self {
            root: arguments
                .value("root")
                .unwrap_or("/run/corten-runtime")
                .into(),
            version: arguments.has("version"),
            help: arguments.has("help"),
            rest: arguments.rest,
        })
    }
}

/// Tells a failure on standard error, and in the log file as runc's callers expect it
/// (the last line's `msg`).
pub(crate) fn report(words: &[String], error: &CommandError) {
    let text = chain(error);
    let arguments = Arguments::parse(words, SHAPES).unwrap_or_default();
    let time = Timestamp::now();
    let line = |json: bool| {
        if json {
            let fields = serde_json::json!({
                "level": "error", "msg": text, "time": time.to_string(),
            });
            fields.to_string()
        } else {
            format!("time=\"{time}\" level=error msg={text:?}")
        }
    };
    if let Some(path) = arguments.value("log") {
        let file = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path);
        if let Ok(mut file) = file {
            let _ = writeln!(
                file,
                "{}",
                line(arguments.value("log-format") == Some("json"))
            );
        }
    }
    eprintln!("{}", line(false));
}
