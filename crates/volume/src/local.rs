//! The options of the local driver, and the mount they ask for (moby: `volume/local`).
//!
//! A volume with `type` and `device` is mounted over its own `_data` while containers that
//! have it run, once for all of them: two containers see one tmpfs.

use crate::{VolumeError, messages, quota};
use corten_base::errno_text;
use corten_sys::mount::{self, Attributes, Parameter};
use rustix::{
    fs::{Mode, OFlags, ResolveFlags, openat2},
    io::Errno,
    mount::{UnmountFlags, unmount},
};
use std::{
    collections::BTreeMap,
    fs, io,
    net::{IpAddr, ToSocketAddrs},
    os::fd::{AsFd, OwnedFd},
    path::{Path, PathBuf},
};

/// What the local driver knows.
const OPTIONS: [&str; 4] = ["device", "o", quota::SIZE, "type"];

const BIND: u32 = 0x1000;
const RECURSIVE: u32 = 0x4000;
const READ_ONLY: u32 = 0x1;
const SLAVE: u64 = 0x8_0000;

/// A word of `o`: its flag of mount(2), whether it clears it, and whom it concerns.
type Word = (&'static str, u32, bool, Concern);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Concern {
    /// The mount: these bits of mount_setattr(2).
    Mount(u64),
    /// The file system, which takes the word itself.
    FileSystem,
    /// Both of them.
    Both(u64),
    /// Nobody: what a new mount is anyway.
    Nobody,
    /// How mounts travel, mount_namespaces(7).
    Propagation(u64),
}

/// mount(8), the words that are no data of the file system.
const WORDS: &[Word] = &[
    ("defaults", 0, false, Concern::Nobody),
    ("ro", READ_ONLY, false, Concern::Both(mount::RDONLY)),
    ("rw", READ_ONLY, true, Concern::Nobody),
    ("nosuid", 0x2, false, Concern::Mount(mount::NOSUID)),
    ("suid", 0x2, true, Concern::Nobody),
    ("nodev", 0x4, false, Concern::Mount(mount::NODEV)),
    ("dev", 0x4, true, Concern::Nobody),
    ("noexec", 0x8, false, Concern::Mount(mount::NOEXEC)),
    ("exec", 0x8, true, Concern::Nobody),
    ("sync", 0x10, false, Concern::FileSystem),
    ("async", 0x10, true, Concern::Nobody),
    ("mand", 0x40, false, Concern::FileSystem),
    ("nomand", 0x40, true, Concern::Nobody),
    ("dirsync", 0x80, false, Concern::FileSystem),
    ("noatime", 0x400, false, Concern::Mount(mount::NOATIME)),
    ("atime", 0x400, true, Concern::Nobody),
    (
        "nodiratime",
        0x800,
        false,
        Concern::Mount(mount::NODIRATIME),
    ),
    ("diratime", 0x800, true, Concern::Nobody),
    ("bind", BIND, false, Concern::Nobody),
    ("rbind", BIND | RECURSIVE, false, Concern::Nobody),
    (
        "unbindable",
        0x2_0000,
        false,
        Concern::Propagation(0x2_0000),
    ),
    ("private", 0x4_0000, false, Concern::Propagation(0x4_0000)),
    ("rprivate", 0x4_4000, false, Concern::Propagation(0x4_0000)),
    ("slave", 0x8_0000, false, Concern::Propagation(0x8_0000)),
    ("rslave", 0x8_4000, false, Concern::Propagation(0x8_0000)),
    ("shared", 0x10_0000, false, Concern::Propagation(0x10_0000)),
    ("rshared", 0x10_4000, false, Concern::Propagation(0x10_0000)),
    ("relatime", 0x20_0000, false, Concern::Nobody),
    (
        "norelatime",
        0x20_0000,
        true,
        Concern::Mount(mount::STRICTATIME),
    ),
    (
        "strictatime",
        0x100_0000,
        false,
        Concern::Mount(mount::STRICTATIME),
    ),
    ("nostrictatime", 0x100_0000, true, Concern::Nobody),
];

/// Refuses what Docker refuses when a volume is made below `root`.
pub(crate) fn check(
    name: &str,
    options: &BTreeMap<String, String>,
    root: &Path,
) -> Result<(), VolumeError> {
    if let Some(option) = options.keys().find(|it| !OPTIONS.contains(&it.as_str())) {
        return Err(VolumeError::InvalidOption {
            name: name.to_owned(),
            option: option.clone(),
        });
    }
    for (option, needed) in [
        ("device", "type"),
        ("type", "device"),
        ("o", "device"),
        ("o", "type"),
    ] {
        if options.contains_key(option) && !options.contains_key(needed) {
            return Err(VolumeError::MissingOption {
                name: name.to_owned(),
                option: needed,
            });
        }
    }
    let Some(size) = options.get(quota::SIZE) else {
        return Ok(());
    };
    match corten_base::text::parse_ram_bytes(size) {
        Some(0) => Ok(()),
        Some(bytes) if bytes > 0 && !quota::is_supported(root) => Err(VolumeError::NoQuota {
            name: name.to_owned(),
        }),
        // dockerd gives the mount's own directory to the project, which may be the user's.
        Some(bytes) if bytes > 0 && LocalMount::of(Some(options)).is_some() => {
            Err(VolumeError::SizeOfMount {
                name: name.to_owned(),
            })
        }
        Some(bytes) if bytes > 0 => Ok(()),
        _ => Err(VolumeError::InvalidSize {
            name: name.to_owned(),
            size: size.clone(),
        }),
    }
}

/// A mount that a volume's options ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LocalMount {
    kind: String,
    device: String,
    options: String,
}

impl LocalMount {
    /// `None`: the volume is a plain directory.
    pub(crate) fn of(options: Option<&BTreeMap<String, String>>) -> Option<Self> {
        let text = |key: &str| options.and_then(|it| it.get(key)).cloned();
        let device = text("device").filter(|it| !it.is_empty());
        let kind = text("type").filter(|it| !it.is_empty());
        if device.is_none() && kind.is_none() {
            return None;
        }
        Some(Self {
            kind: kind.unwrap_or_default(),
            device: device.unwrap_or_default(),
            options: text("o").unwrap_or_default(),
        })
    }

    /// Mounts it over the directory `target`.
    pub(crate) fn mount(&self, target: &Path) -> Result<(), VolumeError> {
        let failed = |reason: String| VolumeError::Mount {
            path: target.to_owned(),
            reason,
        };
        if self.device.is_empty() {
            return Err(failed(messages::MISSING_DEVICE.to_owned()));
        }
        let options = self.resolved().map_err(failed)?;
        let parsed = Parsed::of(&options);
        let made = self.detached(&parsed).and_then(|tree| {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let directory = rustix::fs::open(target, flags, Mode::empty())?;
            mount::attach(tree.as_fd(), directory.as_fd())
        });
        made.map_err(|error| {
            let data = hide_password(&parsed.data.join(","));
            failed(messages::mount_failed(
                &self.device,
                target,
                parsed.flags,
                &data,
                &errno_text(&error),
            ))
        })
    }

    fn detached(&self, parsed: &Parsed<'_>) -> io::Result<OwnedFd> {
        let tree = if parsed.flags & BIND != 0 {
            let tree = mount::clone_tree(Path::new(&self.device), parsed.flags & RECURSIVE != 0)?;
            // What is mounted below the volume by anybody never travels to the user's tree.
            let propagation = parsed.propagation.unwrap_or(SLAVE);
            mount::set_attributes(
                tree.as_fd(),
                Attributes {
                    set: parsed.attributes,
                    propagation,
                    recursive: parsed.flags & RECURSIVE != 0,
                    ..Attributes::default()
                },
            )?;
            return Ok(tree);
        } else {
            mount::new_filesystem(
                &self.kind,
                Some(Path::new(&self.device)),
                &parsed.parameters(),
                parsed.attributes,
            )?
        };
        if let Some(propagation) = parsed.propagation {
            let change = Attributes {
                propagation,
                ..Attributes::default()
            };
            mount::set_attributes(tree.as_fd(), change)?;
        }
        Ok(tree)
    }

    /// The options with the server's name replaced by its address: the kernel resolves none.
    fn resolved(&self) -> Result<String, String> {
        if !["nfs", "nfs4", "cifs"].contains(&self.kind.as_str()) {
            return Ok(self.options.clone());
        }
        let address = self
            .options
            .split(',')
            .find_map(|it| it.strip_prefix("addr="));
        let Some(name) = address.filter(|it| it.parse::<IpAddr>().is_err()) else {
            return Ok(self.options.clone());
        };
        let found = (name, 0)
            .to_socket_addrs()
            .map(|mut all| all.next())
            .map_err(|_| messages::unknown_server(name))?
            .ok_or_else(|| messages::unknown_server(name))?;
        Ok(self
            .options
            .replacen(&format!("addr={name}"), &format!("addr={}", found.ip()), 1))
    }
}

/// The words of `o`, sorted into what the kernel's calls take.
#[derive(Debug, Default)]
struct Parsed<'a> {
    flags: u32,
    attributes: u64,
    propagation: Option<u64>,
    words: Vec<&'a str>,
    data: Vec<&'a str>,
}

impl<'a> Parsed<'a> {
    fn of(options: &'a str) -> Self {
        let mut parsed = Self::default();
        for word in options.split(',').filter(|it| !it.is_empty()) {
            let Some((_, flag, clear, concern)) = WORDS.iter().find(|it| it.0 == word) else {
                parsed.data.push(word);
                continue;
            };
            if *clear {
                parsed.flags &= !flag;
                if *flag == READ_ONLY {
                    parsed.attributes &= !mount::RDONLY;
                    parsed.words.retain(|it| *it != "ro");
                }
            } else {
                parsed.flags |= flag;
            }
            match concern {
                Concern::Mount(bits) => parsed.attributes |= bits,
                Concern::FileSystem => parsed.words.push(word),
                Concern::Both(bits) => {
                    parsed.attributes |= bits;
                    parsed.words.push(word);
                }
                Concern::Propagation(bits) => parsed.propagation = Some(*bits),
                Concern::Nobody => {}
            }
        }
        parsed
    }

    fn parameters(&self) -> Vec<Parameter> {
        let all = self.words.iter().chain(&self.data);
        let parameter = |word: &&str| match word.split_once('=') {
            Some((key, value)) => Parameter::Text(key.to_owned(), value.to_owned()),
            None => Parameter::Flag((*word).to_owned()),
        };
        all.map(parameter).collect()
    }
}

/// Whether something is mounted on the directory `path` itself.
pub(crate) fn is_mounted(path: &Path) -> bool {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return false;
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(parent) = rustix::fs::open(parent, flags, Mode::empty()) else {
        return false;
    };
    let resolve = ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS;
    matches!(
        openat2(parent, name, flags, Mode::empty(), resolve),
        Err(Errno::XDEV)
    )
}

/// Takes every mount off the directory; one that is busy goes when its last user does.
pub(crate) fn take_off(path: &Path) -> Result<(), VolumeError> {
    while is_mounted(path) {
        unmount(path, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW).map_err(|errno| {
            VolumeError::Io {
                operation: "unmounting",
                path: path.to_owned(),
                source: errno.into(),
            }
        })?;
    }
    Ok(())
}

/// The first mount point strictly below a directory, of those this process sees, proc(5).
pub(crate) fn mount_below(directory: &Path) -> Option<PathBuf> {
    let directory = fs::canonicalize(directory).ok()?;
    let table = fs::read_to_string("/proc/thread-self/mountinfo").ok()?;
    table.lines().find_map(|line| {
        let path = PathBuf::from(unescaped(line.split(' ').nth(4)?));
        (path != directory && path.starts_with(&directory)).then_some(path)
    })
}

/// `\040` is a space, proc(5).
fn unescaped(text: &str) -> std::ffi::OsString {
    use std::os::unix::ffi::OsStringExt;
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let octal = text
            .get(at + 1..at + 4)
            .filter(|_| bytes[at] == b'\\')
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match octal {
            Some(byte) => {
                out.push(byte);
                at += 4;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    std::ffi::OsString::from_vec(out)
}

fn hide_password(data: &str) -> String {
    let words = data.split(',').map(|word| match word.split_once('=') {
        Some(("password", _)) => "password=********",
        _ => word,
    });
    words.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_go_to_the_mount_and_the_rest_to_the_file_system() {
        let parsed = Parsed::of("ro,noexec,size=1m,uid=1000");
        assert_eq!(parsed.flags, 0x9);
        assert_eq!(parsed.attributes, mount::RDONLY | mount::NOEXEC);
        assert_eq!(parsed.data, ["size=1m", "uid=1000"]);
        let parsed = Parsed::of("rbind,ro,rw");
        assert_eq!((parsed.flags, parsed.attributes), (0x5000, 0));
    }

    #[test]
    fn errors_read_as_dockers_and_hide_passwords() {
        let error = io::Error::from_raw_os_error(19);
        assert_eq!(errno_text(&error), "no such device");
        assert_eq!(
            hide_password("user=a,password=b"),
            "user=a,password=********"
        );
    }

    #[test]
    fn an_escaped_mount_point_is_read() {
        assert_eq!(unescaped("/a\\040b\\134"), "/a b\\");
    }
}
