//! What a kept directory was brought in line with: a list that says the same again is
//! believed without a look at the files, and so is what was found out about them.

use crate::{FileStat, key::Key};
use corten_base::Id;
use corten_oci::Digest;
use rustix::fs::Stat;
use std::collections::HashSet;

/// Files told one after the other, of one directory, that are compared at once.
pub(crate) const RUN_FILES: usize = 256;

/// A directory as the last list left it. Kept in memory only, since nobody but us writes
/// there while we run.
#[derive(Debug)]
pub struct Inventory {
    /// The runs of the list (see [`seal`]), but those with hard links, which change with
    /// files elsewhere.
    pub(crate) runs: HashSet<u128>,
    /// Stands for all of the files: another one when any of them changed.
    pub(crate) content: Digest,
    top: Top,
}

/// The directory itself: its inode, and when an entry of it was made or removed last.
#[derive(Debug, PartialEq, Eq)]
struct Top {
    inode: u64,
    changed: (i64, u64),
}

impl Top {
    fn of(stat: &Stat) -> Self {
        Self {
            inode: stat.st_ino,
            changed: (stat.st_ctime, stat.st_ctime_nsec),
        }
    }
}

impl Inventory {
    /// Of a directory that has `stat` now. `content` is what it stood for before, if
    /// nothing changed.
    pub(crate) fn new(runs: HashSet<u128>, content: Option<Digest>, stat: &Stat) -> Self {
        let anew = || Digest::of(Id::random().to_string().as_bytes());
        Self {
            runs,
            content: content.unwrap_or_else(anew),
            top: Top::of(stat),
        }
    }

    /// Whether it is of the directory that has `stat`: not when somebody emptied or
    /// replaced that.
    pub(crate) fn is_of(&self, stat: &Stat) -> bool {
        self.top == Top::of(stat)
    }
}

/// A directory brought in line.
#[derive(Debug)]
pub struct Synced {
    /// Bytes that came.
    pub bytes: u64,
    /// For the next time.
    pub inventory: Inventory,
}

/// A number for what is told of these files: no two runs have the same.
pub(crate) fn seal(run: &[FileStat]) -> u128 {
    let mut key = Key::new("run of files");
    for stat in run {
        key.text(&stat.path).text(&stat.link);
        key.number(stat.mode.into()).number(stat.size);
        key.number(stat.modified as u64);
    }
    let digest = key.finish();
    let digits = digest.hex().get(..32).unwrap_or_default();
    u128::from_str_radix(digits, 16).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TreeSync;
    use std::{fs, path::Path};

    const FILE: u32 = 0o100_644;
    const DIRECTORY: u32 = 0o040_755;

    fn stat(path: &str, mode: u32, content: &str) -> FileStat {
        FileStat {
            path: path.into(),
            mode,
            size: content.len() as u64,
            // The time says what is in it.
            modified: content.bytes().map(i64::from).sum(),
            link: String::new(),
            owner: (0, 0),
            device: (0, 0),
        }
    }

    /// Brings `into` in line with these paths and contents (`/`: a directory; `=PATH`: a
    /// hard link). Answers which were asked for.
    fn sync(
        into: &Path,
        last: Option<Inventory>,
        list: &[(&str, &str)],
    ) -> (Vec<String>, Inventory) {
        let mut sync = TreeSync::begin(into, last).unwrap();
        for (path, content) in list {
            sync.add(match content.split_at(content.len().min(1)) {
                ("/", _) => stat(path, DIRECTORY, ""),
                ("=", target) => FileStat {
                    link: target.into(),
                    ..stat(path, FILE, "")
                },
                _ => stat(path, FILE, content),
            })
            .unwrap();
        }
        let asked = sync.plan().unwrap();
        let name = |number: &u32| list[*number as usize].0.to_owned();
        for number in &asked {
            sync.data(*number, list[*number as usize].1.as_bytes())
                .unwrap();
            sync.data(*number, &[]).unwrap();
        }
        assert!(sync.is_complete());
        let names = asked.iter().map(name).collect();
        (names, sync.finish().unwrap().inventory)
    }

    #[test]
    fn a_list_that_says_the_same_is_believed_and_any_other_is_carried_out() {
        let directory = tempfile::tempdir().unwrap();
        let into = directory.path();
        let read = |path: &str| fs::read_to_string(into.join(path)).ok();
        let list = [("a", "/"), ("a/x", "one"), ("a/y", "two"), ("b", "three")];
        let (asked, first) = sync(into, None, &list);
        assert_eq!(asked, ["a/x", "a/y", "b"]);
        let content = first.content.clone();
        let (asked, again) = sync(into, Some(first), &list);
        assert!(asked.is_empty() && again.content == content);
        // One file is another one.
        let changed = [("a", "/"), ("a/x", "one"), ("a/y", "2"), ("b", "three")];
        let (asked, inventory) = sync(into, Some(again), &changed);
        assert_eq!(asked, ["a/y"]);
        assert_eq!(read("a/y").as_deref(), Some("2"));
        assert_ne!(inventory.content, content);
        // One is gone, and all of its directory.
        let content = inventory.content.clone();
        let fewer = [("a", "/"), ("a/x", "one"), ("a/y", "2")];
        let (asked, inventory) = sync(into, Some(inventory), &fewer);
        assert!(asked.is_empty() && inventory.content != content);
        assert_eq!(read("b"), None);
        // A directory is a file now.
        let (asked, inventory) = sync(into, Some(inventory), &[("a", "four")]);
        assert_eq!(asked, ["a"]);
        assert_eq!(read("a").as_deref(), Some("four"));
        // Somebody took all away.
        fs::remove_file(into.join("a")).unwrap();
        let (asked, _) = sync(into, Some(inventory), &[("a", "four")]);
        assert_eq!(asked, ["a"]);
        assert_eq!(read("a").as_deref(), Some("four"));
    }

    #[test]
    fn a_hard_link_follows_the_file_that_changed_elsewhere() {
        let directory = tempfile::tempdir().unwrap();
        let into = directory.path();
        let (first, second) = (
            [("a", "/"), ("a/x", "one"), ("b", "/"), ("b/y", "=a/x")],
            [("a", "/"), ("a/x", "three"), ("b", "/"), ("b/y", "=a/x")],
        );
        let (_, inventory) = sync(into, None, &first);
        sync(into, Some(inventory), &second);
        assert_eq!(fs::read_to_string(into.join("b/y")).unwrap(), "three");
    }

    #[test]
    fn runs_of_many_files_are_told_apart() {
        let directory = tempfile::tempdir().unwrap();
        let into = directory.path();
        let names: Vec<String> = (0..3 * RUN_FILES).map(|n| format!("f{n:05}")).collect();
        let mut list: Vec<(&str, &str)> = names.iter().map(|it| (&**it, "x")).collect();
        let (asked, inventory) = sync(into, None, &list);
        assert_eq!(asked.len(), list.len());
        list[RUN_FILES].1 = "other";
        let (asked, _) = sync(into, Some(inventory), &list);
        assert_eq!(asked, [names[RUN_FILES].clone()]);
    }
}
