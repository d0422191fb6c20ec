//! AppArmor: which profile confines a container, and the default one.
//!
//! As dockerd (moby: `daemon/oci_linux.go`, `WithApparmor`): the profile of
//! `--security-opt apparmor=`, none for privileged containers, and [`DEFAULT`] for the
//! others, which is loaded when it is missing, by the host's `apparmor_parser`.
//! apparmor(7), <https://gitlab.com/apparmor/apparmor/-/wikis/AppArmorInterfaces>

use crate::{EngineError, Result, messages, spec::security::SecurityOptions};
use corten_model::HostConfig;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// dockerd's name, so that either daemon uses what the other has loaded.
pub(crate) const DEFAULT: &str = "docker-default";
/// No profile.
pub(crate) const UNCONFINED: &str = "unconfined";

const ENABLED: &str = "/sys/module/apparmor/parameters/enabled";
const PROFILES: &str = "/sys/kernel/security/apparmor/profiles";
const PARSER: &str = "apparmor_parser";

/// Where it is if PATH does not say.
const PARSER_DIRECTORIES: [&str; 2] = ["/sbin", "/usr/sbin"];

/// Compiling the profile takes a tenth of a second.
const PARSER_SECONDS: i64 = 30;

/// AppArmor of this host.
#[derive(Debug, Default)]
pub(crate) struct AppArmor {
    enabled: bool,
    /// Held by who loads the profile.
    loading: Mutex<()>,
    warned: AtomicBool,
}

impl AppArmor {
    /// Looks whether the kernel has it and shows its profiles.
    pub(crate) fn of_host() -> Self {
        let on = fs::read_to_string(ENABLED).is_ok_and(|it| it.starts_with('Y'));
        Self {
            enabled: on && fs::read(PROFILES).is_ok(),
            ..Self::default()
        }
    }

    /// Whether containers can be confined.
    pub(crate) fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// What a container that has not started yet is to be confined by; empty if only the
    /// start will tell.
    pub(crate) fn asked(&self, host_config: &HostConfig) -> Result<String> {
        let asked = SecurityOptions::parse(host_config)?.apparmor;
        Ok(asked.filter(|_| self.enabled).unwrap_or_default())
    }

    /// What a container is confined by from now on; empty on a host without AppArmor.
    /// Blocking: loads the default profile where that is meant.
    pub(crate) fn profile(&self, host_config: &HostConfig) -> Result<String> {
        if !self.enabled {
            return Ok(String::new());
        }
        let asked = SecurityOptions::parse(host_config)?.apparmor;
        let given = asked.is_some();
        let profile = match asked {
            Some(profile) => profile,
            None if host_config.privileged => UNCONFINED.to_owned(),
            None => DEFAULT.to_owned(),
        };
        if profile != DEFAULT || self.have_default()? || given {
            return Ok(profile);
        }
        Ok(UNCONFINED.to_owned())
    }

    /// Loads the default profile if it is not there: upgrades of a host's policy may take
    /// it away. False where nothing can load it. Blocking.
    pub(crate) fn have_default(&self) -> Result<bool> {
        if is_loaded() {
            return Ok(true);
        }
        let _alone = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        if is_loaded() {
            return Ok(true);
        }
        let Some(parser) = parser() else {
            if !self.warned.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    "{PARSER} is not installed: containers run without the AppArmor profile {DEFAULT}"
                );
            }
            return Ok(false);
        };
        load(&parser, &default_profile(&own_profile()))
            .map_err(|reason| EngineError::Failed(messages::apparmor_default(DEFAULT, reason)))?;
        tracing::info!(profile = DEFAULT, "the AppArmor profile is loaded");
        Ok(true)
    }
}

/// Whether the kernel has the default profile: a line is `docker-default (enforce)`.
fn is_loaded() -> bool {
    let list = fs::read_to_string(PROFILES).unwrap_or_default();
    list.lines().any(|line| name(line) == DEFAULT)
}

/// A label without its mode: `a b (enforce)` is `a b`.
fn name(label: &str) -> &str {
    let label = label.trim_end_matches(['\0', '\n']);
    label.rsplit_once(" (").map_or(label, |(name, _)| name)
}

/// What this daemon is confined by itself.
fn own_profile() -> String {
    let label = fs::read_to_string("/proc/self/attr/apparmor/current").unwrap_or_default();
    match name(&label) {
        "" => UNCONFINED.to_owned(),
        name => name.to_owned(),
    }
}

fn parser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(PARSER_DIRECTORIES.map(PathBuf::from))
        .map(|directory| directory.join(PARSER))
        .find(|file| file.is_absolute() && file.is_file())
}

/// The default profile: everything but what reaches the host's kernel past the
/// container's namespaces. What it denies dockerd's denies (moby: `profiles/apparmor`).
/// It includes no file, so that it is the same on all hosts.
///
/// The runtime masks most of these paths as well; the profile also holds where a process
/// has the capability to unmount or to mount anew.
fn default_profile(daemon: &str) -> String {
    // Signals of a daemon that is confined itself; its name may have spaces.
    let of_daemon = match daemon {
        UNCONFINED => String::new(),
        name => format!("  signal (receive) peer=\"{}\",\n", name.replace('"', "")),
    };
    format!(
        r"profile {DEFAULT} flags=(attach_disconnected,mediate_deleted) {{
  capability,
  file,
  network,
  umount,
  signal (receive) peer=unconfined,
{of_daemon}  signal (send,receive) peer={DEFAULT},
  ptrace (trace,read,tracedby,readby) peer={DEFAULT},

  deny mount,

  # Of /proc only processes can be written to, and of /proc/sys what belongs to an IPC
  # namespace.
  deny /proc/* w,
  deny /proc/{{[^1-9s],s[^y],sy[^s],sys[^/]}}*/** w,
  deny /proc/sys/{{[^k],k[^e],ke[^r]}}** w,
  deny /proc/sys/kernel/{{[^s],s[^he],sh[^m],se[^m]}}** w,
  deny /proc/{{kcore,sysrq-trigger}} rwklx,

  # Of /sys only control groups.
  deny /sys/{{[^f],f[^s],fs[^/]}}*/** wklx,
  deny /sys/fs/{{[^c],c[^g],cg[^r]}}*/** wklx,
  deny /sys/{{firmware,devices/virtual/powercap,kernel/security}}/** rwklx,
}}
"
    )
}

/// Has `parser` put a profile into the kernel.
fn load(parser: &Path, profile: &str) -> std::result::Result<(), String> {
    let run = || -> io::Result<std::result::Result<(), String>> {
        let mut child = Command::new(parser)
            .args(["--replace", "--skip-cache"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take()
            // One that has failed already says why by itself.
            && let Err(error) = stdin.write_all(profile.as_bytes())
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            return Err(error);
        }
        let pid = Pid::from_child(&child);
        let ended = pidfd_open(pid, PidfdFlags::empty())?;
        let deadline = Timespec {
            tv_sec: PARSER_SECONDS,
            tv_nsec: 0,
        };
        let events = poll(&mut [PollFd::new(&ended, PollFlags::IN)], Some(&deadline));
        let over = matches!(events, Ok(1..));
        if !over {
            child.kill()?;
        }
        let status = child.wait()?;
        if status.success() {
            return Ok(Ok(()));
        }
        if !over {
            return Ok(Err(format!("it took more than {PARSER_SECONDS} s")));
        }
        let mut said = String::new();
        if let Some(stderr) = child.stderr.take() {
            // More than a screen helps nobody.
            stderr.take(4 << 10).read_to_string(&mut said)?;
        }
        Ok(Err(format!("{status}: {}", said.trim())))
    };
    let result = run().unwrap_or_else(|error| Err(error.to_string()));
    result.map_err(|reason| format!("{}: {reason}", parser.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_label_is_read_without_its_mode() {
        assert_eq!(name("docker-default (enforce)\n"), "docker-default");
        assert_eq!(name("a (b) c (complain)"), "a (b) c");
        assert_eq!(name("unconfined\0"), "unconfined");
    }

    #[test]
    fn a_confined_daemon_may_send_signals() {
        let plain = default_profile(UNCONFINED);
        assert_eq!(plain.matches("signal (receive)").count(), 1);
        assert!(default_profile("my d").contains("  signal (receive) peer=\"my d\",\n"));
    }

    #[test]
    fn what_the_parser_says_is_told() {
        let directory = tempfile::tempdir().expect("a directory");
        let program = directory.path().join("parser");
        let script = "#!/bin/sh\ncat >&2\nexit 3\n";
        fs::write(&program, script).expect("a script");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("a mode");
        let said = load(&program, "wrong").expect_err("it fails");
        let expected = format!("{}: exit status: 3: wrong", program.display());
        assert_eq!(said, expected);
        assert_eq!(load(Path::new("/bin/true"), "right"), Ok(()));
    }
}
