//! What happens after an exit.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use thiserror::Error;

/// When an exited container is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RestartPolicyName {
    /// Never.
    #[default]
    No,
    /// After every exit that nobody asked for, and when the daemon starts.
    Always,
    /// As `Always`, but a container that was stopped by hand stays down over a restart
    /// of the daemon.
    UnlessStopped,
    /// After an exit with another status than 0.
    OnFailure,
    /// As `OnFailure`; and a container whose health check fails is stopped and started
    /// again. Corten's own.
    OnUnhealthy,
}

/// A restart policy as users write it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RestartPolicy {
    /// When.
    pub name: RestartPolicyName,
    /// How often in a row, for `OnFailure` and `OnUnhealthy`; 0: without limit.
    pub maximum_retry_count: i64,
}

/// A policy name that Docker does not have.
#[derive(Debug, Error, PartialEq, Eq)]
#[error(
    "invalid restart policy: unknown policy '{0}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'"
)]
pub struct UnknownRestartPolicy(pub String);

impl RestartPolicyName {
    /// `no`, `always`, `unless-stopped`, `on-failure`, `on-unhealthy`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Always => "always",
            Self::UnlessStopped => "unless-stopped",
            Self::OnFailure => "on-failure",
            Self::OnUnhealthy => "on-unhealthy",
        }
    }
}

impl fmt::Display for RestartPolicyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RestartPolicyName {
    type Err = UnknownRestartPolicy;

    /// The empty name is `no`.
    fn from_str(text: &str) -> Result<Self, UnknownRestartPolicy> {
        match text {
            "" | "no" => Ok(Self::No),
            "always" => Ok(Self::Always),
            "unless-stopped" => Ok(Self::UnlessStopped),
            "on-failure" => Ok(Self::OnFailure),
            "on-unhealthy" => Ok(Self::OnUnhealthy),
            _ => Err(UnknownRestartPolicy(text.to_owned())),
        }
    }
}

impl RestartPolicy {
    /// Whether a container that exited with `exit_code` after `restart_count` restarts
    /// in a row is started again. `stopped_by_user`: a stop or kill was asked for.
    pub fn wants_restart(&self, exit_code: i64, restart_count: i64, stopped_by_user: bool) -> bool {
        if stopped_by_user {
            return false;
        }
        match self.name {
            RestartPolicyName::No => false,
            RestartPolicyName::Always | RestartPolicyName::UnlessStopped => true,
            RestartPolicyName::OnFailure | RestartPolicyName::OnUnhealthy => {
                exit_code != 0 && self.may_retry(restart_count)
            }
        }
    }

    /// Whether a container that has become unhealthy is started anew.
    pub fn wants_health(&self, restart_count: i64, stopped_by_user: bool) -> bool {
        let asked = self.name == RestartPolicyName::OnUnhealthy;
        asked && !stopped_by_user && self.may_retry(restart_count)
    }

    fn may_retry(&self, restart_count: i64) -> bool {
        self.maximum_retry_count == 0 || restart_count < self.maximum_retry_count
    }

    /// Whether the daemon starts the container when it comes up itself.
    pub fn wants_start_on_boot(
        &self,
        exit_code: i64,
        restart_count: i64,
        stopped_by_user: bool,
    ) -> bool {
        match self.name {
            RestartPolicyName::No => false,
            RestartPolicyName::Always => true,
            RestartPolicyName::UnlessStopped => !stopped_by_user,
            RestartPolicyName::OnFailure | RestartPolicyName::OnUnhealthy => {
                self.wants_restart(exit_code, restart_count, stopped_by_user)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(name: RestartPolicyName, maximum_retry_count: i64) -> RestartPolicy {
        RestartPolicy {
            name,
            maximum_retry_count,
        }
    }

    #[test]
    fn a_container_stopped_by_hand_stays_down() {
        assert!(!policy(RestartPolicyName::Always, 0).wants_restart(0, 0, true));
        assert!(policy(RestartPolicyName::Always, 0).wants_restart(0, 9, false));
    }

    #[test]
    fn on_failure_counts_its_retries_and_ignores_success() {
        let twice = policy(RestartPolicyName::OnFailure, 2);
        assert!(!twice.wants_restart(0, 0, false));
        assert!(twice.wants_restart(1, 1, false));
        assert!(!twice.wants_restart(1, 2, false));
    }

    #[test]
    fn retries_used_up_are_used_up_after_a_restart_of_the_daemon_too() {
        let twice = policy(RestartPolicyName::OnFailure, 2);
        assert!(twice.wants_start_on_boot(1, 1, false));
        assert!(!twice.wants_start_on_boot(1, 2, false));
        assert!(!twice.wants_start_on_boot(0, 0, false));
        assert!(policy(RestartPolicyName::OnFailure, 0).wants_start_on_boot(1, 99, false));
    }

    #[test]
    fn an_unhealthy_container_starts_anew_so_often_as_it_may() {
        let twice = policy(RestartPolicyName::OnUnhealthy, 2);
        assert!(twice.wants_health(1, false) && twice.wants_restart(1, 1, false));
        assert!(!twice.wants_health(2, false) && !twice.wants_health(0, true));
        assert!(!policy(RestartPolicyName::Always, 0).wants_health(0, false));
    }

    #[test]
    fn only_unless_stopped_remembers_a_stop_over_a_restart_of_the_daemon() {
        assert!(policy(RestartPolicyName::Always, 0).wants_start_on_boot(0, 0, true));
        assert!(!policy(RestartPolicyName::UnlessStopped, 0).wants_start_on_boot(0, 0, true));
    }
}
