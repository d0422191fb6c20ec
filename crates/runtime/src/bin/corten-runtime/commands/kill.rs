//! `kill`.

use super::find;
use crate::arguments::Arguments;
use crate::error::CommandError;
use corten_cgroup::Cgroup;
use corten_oci::runtime::Status;
use std::path::Path;

/// Names in the order of their numbers on x86 and ARM, signal(7).
const NAMES: &[&str] = &[
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

pub(super) fn kill(root: &Path, words: &[String]) -> Result<u8, CommandError> {
    let arguments = Arguments::parse(words, &[("all", Some('a'), false)])?;
    let usage = || CommandError::Usage("\"kill\" requires a minimum of 1 argument".to_owned());
    let id = arguments.rest.first().ok_or_else(usage)?;
    let signal = arguments.rest.get(1).map_or("TERM", String::as_str);
    let number =
        number(signal).ok_or_else(|| CommandError::Usage(format!("unknown signal {signal:?}")))?;
    let (directory, record) = find(root, id)?;
    if arguments.has("all") {
        let group = Cgroup::open(&record.cgroup)?;
        group.kill_all(number)?;
        return Ok(0);
    }
    let gone = || CommandError::State("container not running".to_owned());
    if record.status(&directory) == Status::Stopped {
        return Err(gone());
    }
    let pidfd = record.process().ok_or_else(gone)?;
    match corten_sys::signal::pidfd_send_signal(&pidfd, number) {
        Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Err(gone()),
        result => result
            .map(|()| 0)
            .map_err(CommandError::call("signalling the container")),
    }
}

/// `9`, `KILL`, `SIGKILL`, `RTMIN+3`.
fn number(text: &str) -> Option<i32> {
    if let Ok(number) = text.parse() {
        return (1..=64).contains(&number).then_some(number);
    }
    let upper = text.to_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some(index) = NAMES.iter().position(|known| *known == name) {
        return i32::try_from(index + 1).ok();
    }
    let (base, offset) = match name {
        "RTMIN" => (34, 0),
        "RTMAX" => (64, 0),
        _ => match name.strip_prefix("RTMIN+") {
            Some(offset) => (34, offset.parse().ok()?),
            None => (64, -name.strip_prefix("RTMAX-")?.parse::<i32>().ok()?),
        },
    };
    let number: i32 = base + offset;
    (34..=64).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn signals_have_many_names() {
        assert_eq!(number("9"), Some(9));
        assert_eq!(number("sigterm"), Some(15));
        assert_eq!(number("WINCH"), Some(28));
        assert_eq!(number("SIGSYS"), Some(31));
        assert_eq!(number("RTMIN+3"), Some(37));
        assert_eq!(number("RTMAX-14"), Some(50));
        for text in ["", "0", "65", "NIX", "RTMIN+99"] {
            assert_eq!(number(text), None, "{text}");
        }
    }
}
