//! The container state machine, as a pure function.
//!
//! ```text
//!              create                start                    exit, no restart
//!                │        ┌──────────────────────┐      ┌──────────────────────────┐
//!                ▼        │                      ▼      │                          ▼
//!            ┌───────┐    │                  ┌─────────┐  exit, restart  ┌──────────┐
//!            │created│────┘   ┌────────────▶ │ running │◀───────────────▶│restarting│
//!            └───────┘        │ start        └─────────┘   start again   └──────────┘
//!                │        ┌──────┐           pause│ ▲unpause                  │ stop
//!                │        │exited│◀───────────┐   ▼ │                         │
//!                │        └──────┘    exit    │ ┌──────┐                      │
//!                │            │ ▲             └─│paused│                      │
//!                │            │ └───────────────┴──────┘◀─────────────────────┘ (to exited)
//!                ▼            ▼
//!             ┌────────────────┐   done    (record gone)
//!             │    removing    │──────────▶
//!             └────────────────┘
//!                     │ failed
//!                     ▼
//!                 ┌──────┐
//!                 │ dead │  (remove may be tried again)
//!                 └──────┘
//! ```

use corten_base::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use thiserror::Error;

/// Docker's status word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Made, never started.
    #[default]
    Created,
    /// The first process runs.
    Running,
    /// Frozen.
    Paused,
    /// Exited; the restart policy will start it again.
    Restarting,
    /// Being removed.
    Removing,
    /// The first process ended.
    Exited,
    /// Could not be removed.
    Dead,
}

/// Where a container stands.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// The word.
    pub status: Status,
    /// The kernel ended a process for lack of memory during the last run.
    pub oom_killed: bool,
    /// Of the first process, as the host sees it; 0 while it does not run.
    pub pid: i32,
    /// Of the last run; 128 + n after a signal.
    pub exit_code: i64,
    /// Why the last start failed.
    pub error: String,
    /// Last start.
    pub started_at: Timestamp,
    /// Last exit.
    pub finished_at: Timestamp,
    /// Result of health checks, where there are any.
    pub health: Option<Health>,
}

/// What happened, or is about to be done, to a container.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The first process runs as `pid`.
    Started {
        /// Process on the host.
        pid: i32,
        /// When.
        at: Timestamp,
    },
    /// A start failed before the first process ran.
    StartFailed {
        /// 125, 126, 127, or 128: what `inspect` shows.
        exit_code: i64,
        /// The message.
        error: String,
    },
    /// The first process ended.
    Exited {
        /// Its status.
        exit_code: i64,
        /// A process of the container was ended for lack of memory.
        oom_killed: bool,
        /// When.
        at: Timestamp,
        /// The restart policy will start it again.
        restarting: bool,
    },
    /// Frozen.
    Paused,
    /// Thawed.
    Unpaused,
    /// A pending restart was called off.
    RestartCancelled,
    /// Removal begins. `force`: whatever the state.
    Remove {
        /// Kill first where it runs.
        force: bool,
    },
    /// Removal failed; the record stays.
    RemoveFailed,
}

/// Why a change is not possible. The engine puts the container's name to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Starting or resuming what runs.
    #[error("container is already running")]
    AlreadyRunning,
    /// The operation needs a running container.
    #[error("container is not running")]
    NotRunning,
    /// It is frozen.
    #[error("container is paused")]
    Paused,
    /// It is not frozen.
    #[error("container is not paused")]
    NotPaused,
    /// It waits for its next start.
    #[error("container is restarting")]
    Restarting,
    /// It is on its way out.
    #[error("container is marked for removal")]
    Removing,
    /// It could not be removed.
    #[error("container is dead")]
    Dead,
}

impl Status {
    /// As in Docker's JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Removing => "removing",
            Self::Exited => "exited",
            Self::Dead => "dead",
        }
    }

    /// Every word, in Docker's order.
    pub const ALL: [Self; 7] = [
        Self::Created,
        Self::Running,
        Self::Paused,
        Self::Restarting,
        Self::Removing,
        Self::Exited,
        Self::Dead,
    ];
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl State {
    /// Docker's `Running`: also true while paused and between two restarts.
    pub fn is_running(&self) -> bool {
        matches!(
            self.status,
            Status::Running | Status::Paused | Status::Restarting
        )
    }

    /// A first process exists.
    pub fn has_process(&self) -> bool {
        matches!(self.status, Status::Running | Status::Paused)
    }

    /// The state after `change`, or why it cannot be.
    pub fn after(&self, change: Change) -> Result<Self, Refusal> {
        let mut next = self.clone();
        match change {
            Change::Started { pid, at } => {
                self.may_start()?;
                next = Self {
                    status: Status::Running,
                    pid,
                    started_at: at,
                    finished_at: self.finished_at,
                    ..Self::default()
                };
            }
            Change::StartFailed { exit_code, error } => {
                self.may_start()?;
                // Docker 28: a container that never ran stays `created`.
                if self.status != Status::Created {
                    next.status = Status::Exited;
                }
                next.pid = 0;
                next.exit_code = exit_code;
                next.error = error;
            }
            Change::Exited {
                exit_code,
                oom_killed,
                at,
                restarting,
            } => {
                if !self.has_process() {
                    return Err(Refusal::NotRunning);
                }
                next.status = if restarting {
                    Status::Restarting
                } else {
                    Status::Exited
                };
                next.pid = 0;
                next.exit_code = exit_code;
                next.oom_killed = oom_killed;
                next.finished_at = at;
                // As dockerd: nobody checks it any more, so it is not healthy.
                if let Some(health) = &mut next.health {
                    health.status = HealthStatus::Unhealthy;
                }
            }
            Change::Paused => match self.status {
                Status::Running => next.status = Status::Paused,
                Status::Paused => return Err(Refusal::Paused),
                Status::Restarting => return Err(Refusal::Restarting),
                _ => return Err(Refusal::NotRunning),
            },
            Change::Unpaused => match self.status {
                Status::Paused => next.status = Status::Running,
                _ => return Err(Refusal::NotPaused),
            },
            Change::RestartCancelled => match self.status {
                Status::Restarting => next.status = Status::Exited,
                _ => return Err(Refusal::NotRunning),
            },
            Change::Remove { force } => match self.status {
                Status::Removing => return Err(Refusal::Removing),
                Status::Paused if !force => return Err(Refusal::Paused),
                Status::Restarting if !force => return Err(Refusal::Restarting),
                Status::Running if !force => return Err(Refusal::AlreadyRunning),
                _ => next.status = Status::Removing,
            },
            Change::RemoveFailed => next.status = Status::Dead,
        }
        Ok(next)
    }

    /// Whether a start is possible now. A restarting container may be started by hand.
    pub fn may_start(&self) -> Result<(), Refusal> {
        match self.status {
            Status::Created | Status::Exited | Status::Restarting => Ok(()),
            Status::Running => Err(Refusal::AlreadyRunning),
            Status::Paused => Err(Refusal::Paused),
            Status::Removing => Err(Refusal::Removing),
            Status::Dead => Err(Refusal::Dead),
        }
    }
}

/// A container's health.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Health {
    /// The word.
    pub status: HealthStatus,
    /// Failures in a row.
    pub failing_streak: i64,
    /// The last five probes.
    pub log: Vec<HealthResult>,
}

/// Docker's words for health.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// No check.
    #[default]
    None,
    /// No verdict yet.
    Starting,
    /// The last probe passed.
    Healthy,
    /// Too many probes failed.
    Unhealthy,
}

/// One probe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HealthResult {
    /// Begin.
    pub start: Timestamp,
    /// End.
    pub end: Timestamp,
    /// Status of the probe's process.
    pub exit_code: i64,
    /// At most 4096 bytes of its output.
    pub output: String,
}

impl HealthStatus {
    /// As in Docker's JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_status(status: Status) -> State {
        State {
            status,
            pid: 7,
            ..State::default()
        }
    }

    #[test]
    fn a_start_clears_what_the_last_run_left() {
        let before = State {
            status: Status::Exited,
            exit_code: 3,
            error: "x".into(),
            oom_killed: true,
            finished_at: Timestamp::from_unix(5, 0),
            ..State::default()
        };
        let after = before
            .after(Change::Started {
                pid: 9,
                at: Timestamp::from_unix(6, 0),
            })
            .expect("an exited container starts");
        assert_eq!(
            (after.pid, after.exit_code, after.error.as_str()),
            (9, 0, "")
        );
        assert!(!after.oom_killed);
        assert_eq!(after.finished_at, Timestamp::from_unix(5, 0));
    }

    #[test]
    fn a_failed_first_start_leaves_the_container_created() {
        let after = State::default()
            .after(Change::StartFailed {
                exit_code: 127,
                error: "no".into(),
            })
            .expect("a created container may fail to start");
        assert_eq!((after.status, after.exit_code), (Status::Created, 127));
    }

    #[test]
    fn only_running_containers_pause_and_only_paused_ones_unpause() {
        for status in Status::ALL {
            assert_eq!(
                in_status(status).after(Change::Paused).is_ok(),
                status == Status::Running,
                "{status}"
            );
            assert_eq!(
                in_status(status).after(Change::Unpaused).is_ok(),
                status == Status::Paused,
                "{status}"
            );
        }
    }

    #[test]
    fn a_paused_container_can_die() {
        let exit = Change::Exited {
            exit_code: 137,
            oom_killed: false,
            at: Timestamp::from_unix(1, 0),
            restarting: false,
        };
        let after = in_status(Status::Paused)
            .after(exit.clone())
            .expect("it has a process");
        assert_eq!((after.status, after.pid), (Status::Exited, 0));
        assert_eq!(after.after(exit), Err(Refusal::NotRunning));
    }

    #[test]
    fn removal_of_a_living_container_needs_force() {
        for status in [Status::Running, Status::Paused, Status::Restarting] {
            assert!(
                in_status(status)
                    .after(Change::Remove { force: false })
                    .is_err()
            );
            assert!(
                in_status(status)
                    .after(Change::Remove { force: true })
                    .is_ok()
            );
        }
        assert_eq!(
            in_status(Status::Removing).after(Change::Remove { force: true }),
            Err(Refusal::Removing)
        );
        let dead = in_status(Status::Removing)
            .after(Change::RemoveFailed)
            .expect("may fail");
        assert!(dead.after(Change::Remove { force: false }).is_ok());
    }
}
