//! The status column: `Up 3 minutes (healthy)` (moby: `container/state.go`).

use corten_base::{Timestamp, text::human_duration};
use corten_model::{HealthStatus, State, Status};
use std::time::Duration;

pub(crate) fn status_text(state: &State) -> String {
    let since = |time: Timestamp| {
        let nanoseconds = Timestamp::now().unix_nanoseconds() - time.unix_nanoseconds();
        human_duration(Duration::from_nanos(nanoseconds.max(0) as u64))
    };
    match state.status {
        Status::Running => {
            let up = format!("Up {}", since(state.started_at));
            match state.health.as_ref().map(|health| health.status) {
                None | Some(HealthStatus::None) => up,
                Some(HealthStatus::Starting) => format!("{up} (health: starting)"),
                Some(status) => format!("{up} ({})", status.as_str()),
            }
        }
        Status::Paused => format!("Up {} (Paused)", since(state.started_at)),
        Status::Restarting => {
            format!(
                "Restarting ({}) {} ago",
                state.exit_code,
                since(state.finished_at)
            )
        }
        Status::Removing => "Removal In Progress".into(),
        Status::Dead => "Dead".into(),
        Status::Created => "Created".into(),
        Status::Exited if state.finished_at.is_zero() => String::new(),
        Status::Exited => format!(
            "Exited ({}) {} ago",
            state.exit_code,
            since(state.finished_at)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_reads_like_dockers() {
        let at = |status| State {
            status,
            exit_code: 3,
            started_at: Timestamp::now(),
            finished_at: Timestamp::now(),
            ..State::default()
        };
        assert_eq!(status_text(&at(Status::Running)), "Up Less than a second");
        assert_eq!(
            status_text(&at(Status::Paused)),
            "Up Less than a second (Paused)"
        );
        assert_eq!(
            status_text(&at(Status::Exited)),
            "Exited (3) Less than a second ago"
        );
        assert_eq!(status_text(&State::default()), "Created");
    }
}
