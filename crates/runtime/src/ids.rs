//! User and group maps of a user namespace, user_namespaces(7).

use corten_oci::runtime::IdMapping;
use corten_sys::procfs::Procfs;
use std::io;

/// Writes both maps of process `pid`, each whole in one write.
///
/// # Errors
/// EINVAL for maps that overlap or are longer than the kernel takes (340 lines, one
/// page): never written in part.
pub(crate) fn write_maps(
    procfs: &Procfs,
    pid: i32,
    uids: &[IdMapping],
    gids: &[IdMapping],
) -> io::Result<()> {
    procfs.write(&format!("{pid}/gid_map"), lines(gids).as_bytes())?;
    procfs.write(&format!("{pid}/uid_map"), lines(uids).as_bytes())
}

/// As `uid_map` wants them.
fn lines(maps: &[IdMapping]) -> String {
    maps.iter().map(|map| format!("{map}\n")).collect()
}
