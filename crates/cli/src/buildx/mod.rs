//! `buildx`: the part of Docker's build plugin that one builder, the engine's own, has a
//! use for. Building itself is in `build` and `bake`.

pub mod builders;
pub mod cache;
pub mod carry;
pub mod history;
pub mod imagetools;
pub mod inspect;
mod inspected;
pub mod refs;
mod tokens;
pub mod trace;

use crate::{
    app::Call,
    error::CliError,
    tables::{self, Found},
};
use corten_client::build::Timestamp;

/// The plugin's own options may stand before its commands; here they go behind them, where
/// the commands look for them.
pub fn options_last(words: Vec<String>) -> Vec<String> {
    if words.first().is_none_or(|it| it != "buildx") {
        return words;
    }
    let (mut path, mut options) = (vec![words[0].clone()], Vec::new());
    let mut rest = words[1..].iter();
    while let Some(word) = rest.as_slice().first() {
        let is_option = word == "--builder"
            || word.starts_with("--builder=")
            || matches!(word.as_str(), "-D" | "--debug")
            || word.starts_with("--debug=");
        let named = |path: &[String]| match tables::find(path) {
            Some((Found::Command(_), used)) => used,
            _ => 0,
        };
        let longer = [&path[..], std::slice::from_ref(word)].concat();
        let is_command = named(&path) > 0 && named(&longer) < longer.len();
        if is_command || (word.starts_with('-') && !is_option) {
            break;
        }
        let into = if is_option { &mut options } else { &mut path };
        into.push(word.clone());
        rest.next();
        if word == "--builder" {
            options.extend(rest.next().cloned());
        }
    }
    path.into_iter()
        .chain(options)
        .chain(rest.cloned())
        .collect()
}

fn error(text: &str) -> CliError {
    CliError::Text(format!("ERROR: {text}"))
}

/// What Docker Desktop alone can do.
pub fn desktop(call: &Call<'_>) -> Result<u8, CliError> {
    let verb = call.command.path.rsplit(' ').next().unwrap_or_default();
    Err(error(&format!(
        "history {verb} shows build records in Docker Desktop, which Corten does not have; see `history inspect` and `history logs`"
    )))
}

/// Seconds that have gone by since then.
fn since(at: &Timestamp) -> std::time::Duration {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    let then = std::time::Duration::new(
        u64::try_from(at.seconds).unwrap_or(0),
        u32::try_from(at.nanos).unwrap_or(0),
    );
    now.saturating_sub(then)
}

/// In the user's time zone.
fn local(at: &Timestamp) -> jiff::Zoned {
    let time = jiff::Timestamp::new(at.seconds, at.nanos).unwrap_or_default();
    time.to_zoned(jiff::tz::TimeZone::system())
}

fn ago(at: &Timestamp) -> String {
    format!("{} ago", corten_base::text::human_duration(since(at)))
}

/// As Go prints a time: `2026-11-22 00:53:00.1 +0000 UTC`.
fn printed(at: &Timestamp) -> String {
    let time = jiff::Timestamp::new(at.seconds, at.nanos).unwrap_or_default();
    let fraction = format!("{:09}", at.nanos);
    let fraction = fraction.trim_end_matches('0');
    let dot = if fraction.is_empty() { "" } else { "." };
    format!(
        "{}{dot}{fraction} +0000 UTC",
        time.strftime("%Y-%m-%d %H:%M:%S")
    )
}

#[cfg(test)]
mod tests {
    use super::options_last;

    #[test]
    fn options_before_a_command_come_behind_it() {
        for (given, read) in [
            ("buildx ls --format json", "buildx ls --format json"),
            ("buildx --builder a ls -D", "buildx ls --builder a -D"),
            (
                "buildx -D history --builder=a inspect ^1 --builder b",
                "buildx history inspect -D --builder=a ^1 --builder b",
            ),
            ("buildx --help ls", "buildx --help ls"),
            ("buildx --builder", "buildx --builder"),
            ("run --builder a", "run --builder a"),
        ] {
            let words = given.split(' ').map(str::to_owned).collect();
            assert_eq!(options_last(words).join(" "), read);
        }
    }
}
