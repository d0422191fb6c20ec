//! Whether a mount of the host passes on what is mounted below it.

use crate::{EngineError, Result, messages};
use corten_model::Propagation;
use std::path::Path;

/// dockerd: a bind that shall be shared needs a shared mount of the host, one that shall
/// be a slave a shared or slave one (mount_namespaces(7)).
pub(super) fn check(source: &Path, propagation: Propagation) -> Result<()> {
    let shared = matches!(propagation, Propagation::Shared | Propagation::Rshared);
    let slave = matches!(propagation, Propagation::Slave | Propagation::Rslave);
    if !shared && !slave {
        return Ok(());
    }
    let table = "/proc/self/mountinfo";
    let text = std::fs::read_to_string(table).map_err(|source| EngineError::File {
        operation: "reading",
        path: table.into(),
        source,
    })?;
    let source = std::fs::canonicalize(source).unwrap_or_else(|_| source.to_owned());
    let Some((mount, options)) = mount_of(&text, &source) else {
        return Ok(());
    };
    let has = |word: &str| options.split(' ').any(|option| option.starts_with(word));
    let path = source.display();
    if shared && !has("shared:") {
        return Err(EngineError::Failed(messages::not_shared(path, mount)));
    }
    if slave && !has("shared:") && !has("master:") {
        let sentence = messages::not_shared_or_slave(path, mount);
        return Err(EngineError::Failed(sentence));
    }
    Ok(())
}

/// Where the mount that holds `path` is mounted, and its optional fields (proc(5),
/// mountinfo). Of several at one place the last covers the others.
fn mount_of(table: &str, path: &Path) -> Option<(String, String)> {
    let mut best: Option<(usize, String, String)> = None;
    for line in table.lines() {
        let Some((fields, _)) = line.split_once(" - ") else {
            continue;
        };
        let mut words = fields.split(' ');
        let Some(mount) = words.nth(4) else {
            continue;
        };
        let mount = mount.replace("\\040", " ");
        let depth = Path::new(&mount).components().count();
        let better = best.as_ref().is_none_or(|(other, ..)| depth >= *other);
        if path.starts_with(&mount) && better {
            let options = words.skip(1).collect::<Vec<_>>().join(" ");
            best = Some((depth, mount, options));
        }
    }
    best.map(|(_, mount, options)| (mount, options))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:5 / /dev rw,nosuid - devtmpfs udev rw
31 30 0:6 / /dev/shm rw master:3 - tmpfs tmpfs rw
";

    #[test]
    fn the_innermost_mount_decides() {
        let of = |path: &str| mount_of(TABLE, Path::new(path)).expect("a mount");
        assert_eq!(of("/srv/x"), ("/".into(), "shared:1".into()));
        assert_eq!(of("/dev/null"), ("/dev".into(), String::new()));
        assert_eq!(of("/dev/shm"), ("/dev/shm".into(), "master:3".into()));
    }
}
