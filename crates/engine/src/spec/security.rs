//! `--security-opt`, the seccomp filter, hidden and read-only paths.

use crate::{EngineConfig, EngineError, Result, messages};
use corten_model::HostConfig;
use corten_oci::runtime::LinuxSeccomp;
use corten_seccomp::{Arch, Conditions, KernelVersion, Profile, default_profile};

/// Docker 28's masked paths.
pub(crate) const MASKED_PATHS: [&str; 12] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
    "/sys/devices/virtual/powercap",
];

/// Docker 28's read-only paths.
pub(crate) const READONLY_PATHS: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// What `--security-opt` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct SecurityOptions {
    /// `no-new-privileges[=bool]`; `None`: as the daemon.
    pub(crate) no_new_privileges: Option<bool>,
    /// `seccomp=`: `unconfined`, `builtin` or a profile's JSON; `None`: as the daemon.
    pub(crate) seccomp: Option<String>,
    /// `writable-cgroups=true`.
    pub(crate) writable_cgroups: bool,
}

impl SecurityOptions {
    /// As dockerd: `apparmor` and `label` are taken and have no effect on a host without
    /// AppArmor and SELinux, which is the only kind of host Corten supports so far.
    pub(crate) fn parse(host_config: &HostConfig) -> Result<Self> {
        let mut options = Self::default();
        for option in host_config.security_opt.iter().flatten() {
            match option.as_str() {
                "no-new-privileges" => {
                    options.no_new_privileges = Some(true);
                    continue;
                }
                "disable" => continue,
                _ => {}
            }
            let invalid =
                |count| EngineError::Failed(messages::invalid_security_option(count, option));
            let (name, value) = option
                .split_once('=')
                .or_else(|| option.split_once(':'))
                .ok_or_else(|| invalid(1))?;
            match name {
                "label" | "apparmor" => {}
                "seccomp" => options.seccomp = Some(value.to_owned()),
                "no-new-privileges" => {
                    options.no_new_privileges = Some(boolean(value).ok_or_else(|| invalid(2))?);
                }
                "writable-cgroups" => {
                    options.writable_cgroups = boolean(value).ok_or_else(|| invalid(2))?;
                }
                _ => return Err(invalid(2)),
            }
        }
        Ok(options)
    }
}

/// Go's `strconv.ParseBool`.
fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// The filter of a container; `None`: unconfined.
pub(crate) fn seccomp(
    host_config: &HostConfig,
    options: &SecurityOptions,
    settings: &EngineConfig,
    capabilities: &[String],
    kernel: KernelVersion,
) -> Result<Option<LinuxSeccomp>> {
    let wanted = options.seccomp.as_deref();
    if (host_config.privileged && wanted.is_none()) || wanted == Some("unconfined") {
        return Ok(None);
    }
    let wrong = |reason: String| EngineError::Failed(messages::seccomp_profile(reason));
    let decode = |text: &str| {
        Profile::from_json(text).map_err(|error| {
            let text = error.to_string();
            // The sentence around it says so already.
            wrong(
                text.trim_start_matches("decoding seccomp profile failed: ")
                    .to_owned(),
            )
        })
    };
    let profile = match wanted {
        Some("builtin") => None,
        Some(text) => Some(decode(text)?),
        None => match settings.seccomp_profile.as_str() {
            "" | "builtin" => None,
            "unconfined" => return Ok(None),
            path => {
                let text = std::fs::read_to_string(path).map_err(|source| EngineError::File {
                    operation: "reading the seccomp profile",
                    path: path.into(),
                    source,
                })?;
                Some(decode(&text)?)
            }
        },
    };
    let arch = Arch::native().ok_or_else(|| {
        EngineError::Unsupported(messages::unsupported("seccomp", std::env::consts::ARCH))
    })?;
    profile
        .as_ref()
        .unwrap_or_else(|| default_profile())
        .resolve(&Conditions {
            capabilities,
            arch,
            kernel,
        })
        .map(Some)
        .map_err(|error| wrong(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(list: &[&str]) -> Result<SecurityOptions> {
        SecurityOptions::parse(&HostConfig {
            security_opt: Some(list.iter().map(|it| (*it).to_owned()).collect()),
            ..HostConfig::default()
        })
    }

    #[test]
    fn both_separators_are_understood_and_nonsense_is_named() {
        let options = parse(&[
            "no-new-privileges:true",
            "seccomp=unconfined",
            "label:disable",
        ])
        .expect("known");
        assert_eq!(options.no_new_privileges, Some(true));
        assert_eq!(options.seccomp.as_deref(), Some("unconfined"));
        for (option, sentence) in [
            ("foo", "invalid --security-opt 1: \"foo\""),
            ("foo=bar", "invalid --security-opt 2: \"foo=bar\""),
            (
                "no-new-privileges:maybe",
                "invalid --security-opt 2: \"no-new-privileges:maybe\"",
            ),
        ] {
            assert_eq!(
                parse(&[option]).expect_err("nonsense").to_string(),
                sentence
            );
        }
    }
}
