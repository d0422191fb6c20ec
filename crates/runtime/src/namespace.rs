//! Kinds of namespaces, by name and by flag.

/// The CLONE_NEW… flag of a namespace kind of the specification.
pub(crate) fn flag(kind: &str) -> Option<u32> {
    Some(match kind {
        "pid" => libc::CLONE_NEWPID as u32,
        "network" => libc::CLONE_NEWNET as u32,
        "mount" => libc::CLONE_NEWNS as u32,
        "ipc" => libc::CLONE_NEWIPC as u32,
        "uts" => libc::CLONE_NEWUTS as u32,
        "user" => libc::CLONE_NEWUSER as u32,
        "cgroup" => libc::CLONE_NEWCGROUP as u32,
        "time" => 0x80, // CLONE_NEWTIME, Linux 5.6
        _ => return None,
    })
}
