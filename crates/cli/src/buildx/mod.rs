//! `buildx`: the part of Docker's build plugin that one builder, the engine's own, has a
//! use for. Building itself is in `build` and `bake`.

pub mod builders;
pub mod cache;
pub mod history;

use crate::{app::Call, error::CliError};
use corten_client::build::Timestamp;

fn error(text: &str) -> CliError {
    CliError::Text(format!("ERROR: {text}"))
}

/// What Docker Desktop alone can do.
pub fn desktop(call: &Call<'_>) -> Result<u8, CliError> {
    let verb = call.command.path.rsplit(' ').next().unwrap_or_default();
    Err(error(&format!(
        "history {verb} hands build records to Docker Desktop, which Corten does not have; see `history inspect` and `history logs`"
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
