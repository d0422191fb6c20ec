//! Kernel parameters of the container's own namespaces.

use crate::plan::{Plan, failed};
use crate::{Stage, StartError};
use corten_oci::runtime::Linux;

/// Parameters of the ipc namespace that do not begin with `fs.mqueue.`.
const IPC: &[&str] = &[
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
    "kernel.shm_rmid_forced",
];

/// Refuses what belongs to the host, and text that is no parameter.
pub(crate) fn check(linux: &Linux) -> Result<(), StartError> {
    for (name, value) in &linux.sysctl {
        let refused = |sentence: String| Err(StartError::refused(Stage::Sysctl, name, sentence));
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
        if name.is_empty() || !name.chars().all(plain) || name.split('.').any(str::is_empty) {
            return refused(format!("sysctl {name:?} is not a name"));
        }
        if value.chars().any(|c| c.is_control() && c != '\t') {
            return refused(format!(
                "sysctl {name:?} has a control character in its value"
            ));
        }
        let dotted = dotted(name);
        let namespace = if IPC.contains(&dotted.as_str()) || dotted.starts_with("fs.mqueue.") {
            "ipc"
        } else if dotted.starts_with("net.") {
            "network"
        } else if dotted == "kernel.domainname" {
            "uts"
        } else if dotted == "kernel.hostname" {
            return refused(format!(
                "sysctl {name:?} is not allowed as it conflicts with the OCI hostname field"
            ));
        } else {
            return refused(format!(
                "sysctl {name:?} is not in a separate kernel namespace"
            ));
        };
        if linux.namespace(namespace).is_none() {
            return refused(format!(
                "sysctl {name:?} is not allowed in the hosts {namespace} namespace"
            ));
        }
    }
    Ok(())
}

/// With slashes, dots are part of a name (`net/ipv4/conf/eth0.1/rp_filter`).
fn dotted(name: &str) -> String {
    if name.contains('/') {
        name.replace('/', ".")
    } else {
        name.to_owned()
    }
}

/// Writes them, in the new namespaces, through the host's procfs: the files show the
/// namespaces of who opens them.
pub(crate) fn write(plan: &Plan<'_>) -> Result<(), StartError> {
    for (name, value) in &plan.linux.sysctl {
        let path = if name.contains('/') {
            name.clone()
        } else {
            name.replace('.', "/")
        };
        plan.procfs
            .write(&format!("sys/{path}"), value.as_bytes())
            .map_err(|error| failed(Stage::Sysctl, &error, name, "writing sysctl"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_oci::runtime::Namespace;

    fn verdict(name: &str, value: &str) -> Result<(), StartError> {
        let namespaces = ["network", "ipc"].map(|kind| Namespace {
            kind: kind.into(),
            path: None,
        });
        let sysctl = [(name.to_owned(), value.to_owned())].into();
        check(&Linux {
            namespaces: namespaces.into(),
            sysctl,
            ..Linux::default()
        })
    }

    #[test]
    fn only_parameters_of_the_containers_own_namespaces_are_taken() {
        assert!(verdict("net.ipv4.ip_forward", "1").is_ok());
        assert!(verdict("net/ipv4/conf/eth0.1/rp_filter", "1").is_ok());
        assert!(verdict("kernel.shmmax", "1000").is_ok());
        for name in [
            "kernel.core_pattern",
            "vm.swappiness",
            "net.../x",
            "kernel.hostname",
            "",
        ] {
            assert!(verdict(name, "1").is_err(), "{name}");
        }
        assert!(verdict("net.ipv4.ip_forward", "1\nnet.x=2").is_err());
        assert!(verdict("net.ipv4.ip_forward", "1\0").is_err());
        assert!(
            check(&Linux {
                sysctl: [("net.core.somaxconn".to_owned(), "1".to_owned())].into(),
                ..Linux::default()
            })
            .is_err()
        );
    }
}
