//! Identity and privileges of a process: user, groups, the five capability sets.

use crate::plan::failed;
use crate::user::Identity;
use crate::{Stage, StartError};
use corten_oci::runtime::Capabilities;
use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets as KernelSets, Gid, Uid, capabilities,
    clear_ambient_capability_set, configure_capability_in_ambient_set,
    remove_capability_from_bounding_set, set_capabilities, set_keep_capabilities,
    set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

/// Names in the order of their numbers, capabilities(7).
const NAMES: &[&str] = &[
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// The capabilities this runtime knows, as a specification names them.
pub fn capability_names() -> Vec<String> {
    NAMES.iter().map(|name| format!("CAP_{name}")).collect()
}

/// The sets as bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CapabilitySets {
    bounding: u64,
    effective: u64,
    inheritable: u64,
    permitted: u64,
    ambient: u64,
}

impl CapabilitySets {
    /// Without an entry, all sets are empty.
    pub(crate) fn new(sets: Option<&Capabilities>) -> Result<Self, StartError> {
        let Some(sets) = sets else {
            return Ok(Self::default());
        };
        Ok(Self {
            bounding: bits(&sets.bounding)?,
            effective: bits(&sets.effective)?,
            inheritable: bits(&sets.inheritable)?,
            permitted: bits(&sets.permitted)?,
            ambient: bits(&sets.ambient)?,
        })
    }
}

fn bits(names: &[String]) -> Result<u64, StartError> {
    names.iter().try_fold(0, |bits, name| {
        let known = name.strip_prefix("CAP_").and_then(|name| {
            NAMES
                .iter()
                .position(|known| name.eq_ignore_ascii_case(known))
        });
        let sentence = || format!("unknown capability {name:?}");
        let number =
            known.ok_or_else(|| StartError::refused(Stage::Spec, name.as_str(), sentence()))?;
        Ok(bits | 1 << number)
    })
}

fn set(bits: u64) -> CapabilitySet {
    CapabilitySet::from_bits_retain(bits)
}

/// Becomes the user, and keeps every capability it holds until [`restrict`].
pub(crate) fn become_user(identity: &Identity, sets: &CapabilitySets) -> Result<(), StartError> {
    let fail = |error: Errno, what: &str| failed(Stage::Privilege, &error.into(), "", what);
    drop_bounding(sets.bounding).map_err(|error| fail(error, "dropping the bounding set"))?;
    set_keep_capabilities(true).map_err(|error| fail(error, "keeping capabilities"))?;
    let groups: Vec<Gid> = identity
        .groups
        .iter()
        .map(|&gid| Gid::from_raw(gid))
        .collect();
    match set_thread_groups(&groups) {
        // A user namespace may forbid it; that nobody is added is all that is asked.
        Err(Errno::PERM) if groups.is_empty() => {}
        result => result.map_err(|error| fail(error, "setting the groups"))?,
    }
    let (uid, gid) = (Uid::from_raw(identity.uid), Gid::from_raw(identity.gid));
    set_thread_res_gid(gid, gid, gid).map_err(|error| fail(error, "setting the group"))?;
    set_thread_res_uid(uid, uid, uid).map_err(|error| fail(error, "setting the user"))?;
    set_keep_capabilities(false).map_err(|error| fail(error, "keeping capabilities"))?;
    let held = capabilities(None).map_err(|error| fail(error, "reading the capabilities"))?;
    let all = KernelSets {
        effective: held.permitted,
        ..held
    };
    set_capabilities(None, all).map_err(|error| fail(error, "setting the capabilities"))
}

/// Takes on the sets that the program gets. What this process does not hold itself
/// cannot be given and is left out.
pub(crate) fn restrict(sets: &CapabilitySets) -> Result<(), StartError> {
    let fail = |error: Errno| failed(Stage::Privilege, &error.into(), "", "unable to apply caps");
    let held = capabilities(None).map_err(fail)?.permitted;
    let permitted = set(sets.permitted) & held;
    let wanted = KernelSets {
        permitted,
        effective: set(sets.effective) & permitted,
        inheritable: set(sets.inheritable) & held,
    };
    clear_ambient_capability_set().map_err(fail)?;
    set_capabilities(None, wanted).map_err(fail)?;
    for number in (0..64).filter(|number| sets.ambient & 1 << number != 0) {
        let one = set(1 << number);
        if wanted.permitted.contains(one) && wanted.inheritable.contains(one) {
            configure_capability_in_ambient_set(one, true).map_err(fail)?;
        }
    }
    Ok(())
}

fn drop_bounding(keep: u64) -> Result<(), Errno> {
    for number in 0..64 {
        if keep & 1 << number == 0 {
            match remove_capability_from_bounding_set(set(1 << number)) {
                Ok(()) => {}
                // Behind the kernel's last capability.
                Err(Errno::INVAL) => break,
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capability_names_have_the_kernels_numbers() {
        assert_eq!(bits(&["CAP_CHOWN".to_owned()]).unwrap(), 1);
        assert_eq!(bits(&["CAP_SYS_ADMIN".to_owned()]).unwrap(), 1 << 21);
        assert_eq!(
            bits(&["CAP_CHECKPOINT_RESTORE".to_owned()]).unwrap(),
            1 << 40
        );
        assert!(bits(&["CAP_FLY".to_owned()]).is_err());
        assert!(bits(&["CHOWN".to_owned()]).is_err());
    }
}
