//! Mount options of the specification, sorted into what the kernel's mount calls take
//! (config.md § Mounts, config-linux.md § Mount options).

use corten_sys::mount::{
    ATIME_MASK, NOATIME, NODEV, NODIRATIME, NOEXEC, NOSUID, NOSYMFOLLOW, Parameter, RDONLY,
    STRICTATIME,
};

/// The options of one mount.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct MountOptions {
    /// `MOUNT_ATTR_…` bits for this mount.
    pub set: u64,
    pub clear: u64,
    /// The same for this mount and those below it (`rro`, …).
    pub recursive_set: u64,
    pub recursive_clear: u64,
    /// `MS_SHARED`, …, and whether it holds for the mounts below.
    pub propagation: Option<(u64, bool)>,
    /// A bind mount; true with the mounts below the source.
    pub bind: Option<bool>,
    /// `idmap` or `ridmap` (true).
    pub id_map: Option<bool>,
    /// A tmpfs that starts with the content of the directory it covers.
    pub copy_up: bool,
    /// What the file system itself is told.
    pub parameters: Vec<Parameter>,
}

/// Attribute options: name, bits set, bits cleared. With an `r` before it, the name
/// means the mounts below as well.
const ATTRIBUTES: &[(&str, u64, u64)] = &[
    ("ro", RDONLY, 0),
    ("rw", 0, RDONLY),
    ("nosuid", NOSUID, 0),
    ("suid", 0, NOSUID),
    ("nodev", NODEV, 0),
    ("dev", 0, NODEV),
    ("noexec", NOEXEC, 0),
    ("exec", 0, NOEXEC),
    ("nodiratime", NODIRATIME, 0),
    ("diratime", 0, NODIRATIME),
    ("nosymfollow", NOSYMFOLLOW, 0),
    ("symfollow", 0, NOSYMFOLLOW),
    ("noatime", NOATIME, ATIME_MASK),
    ("atime", 0, ATIME_MASK),
    ("relatime", 0, ATIME_MASK),
    ("norelatime", STRICTATIME, ATIME_MASK),
    ("strictatime", STRICTATIME, ATIME_MASK),
    ("nostrictatime", 0, ATIME_MASK),
];

const PROPAGATIONS: &[(&str, u64)] = &[
    ("shared", libc::MS_SHARED),
    ("slave", libc::MS_SLAVE),
    ("private", libc::MS_PRIVATE),
    ("unbindable", libc::MS_UNBINDABLE),
];

/// Words without an effect of their own on a new mount.
const WITHOUT_EFFECT: &[&str] = &[
    "defaults",
    "remount",
    "loud",
    "silent",
    "async",
    "nolazytime",
    "nomand",
    "iversion",
    "noiversion",
];

/// `shared`, `rslave`, …: the flag and whether it holds for the mounts below.
pub(crate) fn propagation(word: &str) -> Option<(u64, bool)> {
    let find = |word| {
        PROPAGATIONS
            .iter()
            .find(|entry| entry.0 == word)
            .map(|entry| entry.1)
    };
    find(word)
        .map(|flag| (flag, false))
        .or_else(|| Some((find(word.strip_prefix('r')?)?, true)))
}

/// The mount options this runtime acts on, sorted.
pub fn mount_option_names() -> Vec<String> {
    let others = ["bind", "rbind", "idmap", "ridmap", "tmpcopyup"];
    let plain = ATTRIBUTES.iter().map(|entry| entry.0);
    let propagations = PROPAGATIONS.iter().map(|entry| entry.0);
    let doubled = plain
        .chain(propagations)
        .flat_map(|name| [name.to_owned(), format!("r{name}")]);
    let single = others
        .iter()
        .chain(WITHOUT_EFFECT)
        .map(|name| (*name).to_owned());
    let mut names: Vec<String> = doubled.chain(single).collect();
    names.sort_unstable();
    names.dedup();
    names
}

impl MountOptions {
    /// Sorts `words`. Those that are no option of mounts go to the file system, which
    /// refuses what it does not know.
    pub(crate) fn parse(words: &[String]) -> Self {
        let mut options = Self::default();
        for word in words {
            options.add(word);
        }
        options
    }

    fn add(&mut self, word: &str) {
        let attribute = |word: &str| ATTRIBUTES.iter().find(|entry| entry.0 == word);
        if let Some(&(_, set, clear)) = attribute(word) {
            self.set = (self.set & !clear) | set;
            self.clear = (self.clear & !set) | clear;
        } else if let Some(value) = propagation(word) {
            self.propagation = Some(value);
        } else if let Some(&(_, set, clear)) = word.strip_prefix('r').and_then(attribute) {
            self.recursive_set = (self.recursive_set & !clear) | set;
            self.recursive_clear = (self.recursive_clear & !set) | clear;
        } else if !WITHOUT_EFFECT.contains(&word) {
            match word {
                "bind" => self.bind = Some(self.bind.unwrap_or(false)),
                "rbind" => self.bind = Some(true),
                "idmap" => self.id_map = Some(false),
                "ridmap" => self.id_map = Some(true),
                "tmpcopyup" => self.copy_up = true,
                _ => self.parameters.push(match word.split_once('=') {
                    Some((key, value)) => Parameter::Text(key.to_owned(), value.to_owned()),
                    None => Parameter::Flag(word.to_owned()),
                }),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> MountOptions {
        MountOptions::parse(&text.split(',').map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_sorted_by_who_acts_on_them() {
        let options = parse("nosuid,noexec,mode=1777,size=64m,rslave,newinstance");
        assert_eq!(options.set, NOSUID | NOEXEC);
        assert_eq!(options.propagation, Some((libc::MS_SLAVE, true)));
        assert_eq!(options.parameters.len(), 3);
        assert_eq!(parse("rbind,rro").recursive_set, RDONLY);
        assert_eq!(parse("rbind,ro").bind, Some(true));
        assert_eq!(parse("bind,ro").bind, Some(false));
    }

    #[test]
    fn the_last_of_two_opposite_options_wins() {
        assert_eq!(parse("ro,rw").set, 0);
        assert_eq!(parse("rw,ro").set, RDONLY);
        assert_eq!(parse("noatime,strictatime").set, STRICTATIME);
        assert_eq!(
            parse("relatime").clear,
            ATIME_MASK,
            "relatime is no recursive atime"
        );
    }
}
