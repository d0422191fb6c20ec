//! Which capabilities a container has (dockerd: `oci/caps`).

use crate::{EngineError, Result, messages};
use corten_model::HostConfig;

/// Every capability, capabilities(7), Linux 5.9.
pub(crate) const ALL: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// Docker 28's default set.
const DEFAULT: [&str; 14] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
];

const EVERYTHING: &str = "ALL";

/// `net_admin` → `CAP_NET_ADMIN`; `all` → `ALL`. Unknown names are refused.
pub(crate) fn normalise(field: &str, names: &Option<Vec<String>>) -> Result<Vec<String>> {
    let mut list = Vec::new();
    for name in names.iter().flatten() {
        let mut name = name.to_ascii_uppercase();
        if name != EVERYTHING {
            if !name.starts_with("CAP_") {
                name.insert_str(0, "CAP_");
            }
            if !ALL.contains(&name.as_str()) {
                return Err(EngineError::Invalid(messages::unknown_capability(
                    field, name,
                )));
            }
        }
        list.push(name);
    }
    Ok(list)
}

/// The bounding set of a container.
pub(crate) fn of(host_config: &HostConfig) -> Result<Vec<String>> {
    if host_config.privileged {
        return Ok(ALL.map(String::from).to_vec());
    }
    let add = normalise("CapAdd", &host_config.cap_add)?;
    let drop = normalise("CapDrop", &host_config.cap_drop)?;
    let named = |list: &[String], name: &str| list.iter().any(|it| it == name);
    if named(&add, EVERYTHING) {
        let kept = ALL.iter().filter(|name| !named(&drop, name));
        return Ok(kept.map(|name| (*name).to_owned()).collect());
    }
    if named(&drop, EVERYTHING) {
        return Ok(add);
    }
    let kept = DEFAULT
        .iter()
        .filter(|name| !named(&drop, name))
        .map(|name| (*name).to_owned());
    let mut list: Vec<String> = kept.collect();
    for name in add {
        if !list.contains(&name) {
            list.push(name);
        }
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(add: &[&str], drop: &[&str]) -> HostConfig {
        let list = |names: &[&str]| Some(names.iter().map(|it| (*it).to_owned()).collect());
        HostConfig {
            cap_add: list(add),
            cap_drop: list(drop),
            ..HostConfig::default()
        }
    }

    #[test]
    fn names_are_taken_in_any_spelling_and_unknown_ones_are_refused() {
        let list = of(&with(&["net_admin"], &["CAP_CHOWN"])).expect("known");
        assert!(list.contains(&"CAP_NET_ADMIN".to_owned()));
        assert!(!list.contains(&"CAP_CHOWN".to_owned()));
        let error = of(&with(&["foo"], &[])).expect_err("unknown");
        assert_eq!(
            error.to_string(),
            "invalid CapAdd: unknown capability: \"CAP_FOO\""
        );
    }

    #[test]
    fn all_can_be_dropped_but_for_one_and_added_but_for_one() {
        assert_eq!(of(&with(&["KILL"], &["all"])).expect("known"), ["CAP_KILL"]);
        assert_eq!(
            of(&with(&["ALL"], &["KILL"])).expect("known").len(),
            ALL.len() - 1
        );
    }
}
