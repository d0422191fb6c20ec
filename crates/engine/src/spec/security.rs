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
    /// `apparmor=`: `unconfined` or a profile's name; `None`: the default.
    pub(crate) apparmor: Option<String>,
    /// The first `label=` that asks for something: not `label=disable`.
    pub(crate) label: Option<String>,
    /// `writable-cgroups=true`.
    pub(crate) writable_cgroups: bool,
}

impl SecurityOptions {
    /// As dockerd: `apparmor` has no effect on a host without AppArmor, and `label` none on
    /// one without SELinux; where SELinux is, [`SecurityOptions::check_label`] refuses it.
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
                "label" if value == "disable" => {}
                "label" => {
                    options.label.get_or_insert_with(|| option.clone());
                }
                "apparmor" => options.apparmor = Some(value.to_owned()).filter(|it| !it.is_empty()),
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

    /// Refuses labels on a host that has SELinux: nobody would set them.
    pub(crate) fn check_label(&self, has_selinux: bool) -> Result<()> {
        match &self.label {
            Some(option) if has_selinux => {
                Err(EngineError::Invalid(messages::label_unsupported(option)))
            }
            _ => Ok(()),
        }
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
    fn labels_are_refused_where_selinux_is() {
        let check = |list: &[&str], has_selinux| {
            let options = parse(list).expect("known");
            options
                .check_label(has_selinux)
                .map_err(|it| it.to_string())
        };
        let refused = "security option \"label=type:x_t\" is not supported by Corten on a host with SELinux: leave it out, or use label=disable";
        assert_eq!(check(&["label=type:x_t"], true), Err(refused.to_owned()));
        assert_eq!(check(&["label=type:x_t"], false), Ok(()));
        assert_eq!(
            check(&["label=disable", "label:disable", "disable"], true),
            Ok(())
        );
    }

    #[test]
    fn both_separators_are_understood_and_nonsense_is_named() {
        let options = parse(&[
            "no-new-privileges:true",
            "seccomp=unconfined",
            "label:disable",
            "apparmor:web",
        ])
        .expect("known");
        assert_eq!(options.no_new_privileges, Some(true));
        assert_eq!(options.seccomp.as_deref(), Some("unconfined"));
        assert_eq!(options.apparmor.as_deref(), Some("web"));
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
