//! Users and groups as people write them, found in the container's own files.
//!
//! Docker's rules: a number is a number, whatever names the files have (CVE-2016-3697);
//! what is neither a number nor a known name is an error and never user 0.

use crate::{Stage, StartError, UserText};
use corten_sys::root::Root;
use std::path::Path;

/// Of `/etc/passwd` and of `/etc/group`, bytes.
const FILE_LIMIT: u64 = 4 << 20;
/// Docker's range of IDs.
const LAST_ID: u32 = i32::MAX as u32;

/// Who a process is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its user.
    pub uid: u32,
    /// Its primary group.
    pub gid: u32,
    /// All of its groups.
    pub groups: Vec<u32>,
    /// The user's home directory; `/` when the files do not say.
    pub home: String,
}

fn unknown(path: &str, sentence: String) -> StartError {
    StartError::refused(Stage::User, path, sentence)
}

/// Finds `text` in `/etc/passwd` and `/etc/group` below `root`.
///
/// # Errors
/// [`Stage::User`] for names that the files do not have, and for files that cannot be read.
pub fn find_user(root: &Root, text: UserText<'_>) -> Result<Identity, StartError> {
    let passwd = read(root, "/etc/passwd")?;
    let group = read(root, "/etc/group")?;
    let mut identity = find(text.user, &passwd, &group)?;
    for name in text.groups {
        let gid = additional_group(name, &group)?;
        if !identity.groups.contains(&gid) {
            identity.groups.push(gid);
        }
    }
    // The primary group is listed as well (CVE-2022-36109).
    if !identity.groups.contains(&identity.gid) {
        identity.groups.insert(0, identity.gid);
    }
    Ok(identity)
}

/// The home directory of `uid`, `/` when nobody knows.
pub(crate) fn home(root: &Root, uid: u32) -> String {
    let passwd = read(root, "/etc/passwd").unwrap_or_default();
    let mut entries = passwd.lines().filter_map(Entry::parse);
    entries
        .find(|entry| entry.uid == uid && !entry.home.is_empty())
        .map_or_else(|| "/".to_owned(), |entry| entry.home.to_owned())
}

/// A file that is missing has no entries.
fn read(root: &Root, path: &str) -> Result<String, StartError> {
    match root.read_regular(Path::new(path), FILE_LIMIT) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENOTDIR)) => {
            Ok(String::new())
        }
        Err(error) => Err(StartError::new(
            Stage::User,
            error.raw_os_error().unwrap_or(libc::EIO),
            path,
            "reading",
        )),
    }
}

/// A line of passwd(5).
struct Entry<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

impl<'a> Entry<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.trim().split(':');
        let (name, _, uid, gid) = (
            fields.next()?,
            fields.next()?,
            fields.next()?,
            fields.next()?,
        );
        let home = fields.nth(1).unwrap_or_default();
        Some(Self {
            name,
            uid: uid.parse().ok()?,
            gid: gid.parse().ok()?,
            home,
        })
    }
}

/// A line of group(5).
struct Group<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

impl<'a> Group<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let mut fields = line.trim().split(':');
        let (name, _, gid) = (fields.next()?, fields.next()?, fields.next()?);
        Some(Self {
            name,
            gid: gid.parse().ok()?,
            members: fields.next().unwrap_or_default(),
        })
    }
}

/// A decimal number without a space; Docker takes a sign as well. `None`: a name.
fn number(text: &str) -> Result<Option<u32>, StartError> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    match text.parse() {
        Ok(id) if id <= LAST_ID => Ok(Some(id)),
        _ => Err(unknown(
            text,
            format!("uids and gids must be in range 0-{LAST_ID}"),
        )),
    }
}

fn find(text: &str, passwd: &str, group: &str) -> Result<Identity, StartError> {
    let (user, wanted_group) = text.split_once(':').unwrap_or((text, ""));
    let no_user = || {
        unknown(
            user,
            format!("unable to find user {user}: no matching entries in passwd file"),
        )
    };
    let no_group = || {
        let sentence =
            format!("unable to find group {wanted_group}: no matching entries in group file");
        unknown(wanted_group, sentence)
    };
    let uid = if user.is_empty() {
        Some(0)
    } else {
        number(user)?
    };
    let entry = passwd
        .lines()
        .filter_map(Entry::parse)
        .find(|entry| match uid {
            Some(uid) => entry.uid == uid,
            None => entry.name == user,
        });
    let mut identity = match (&entry, uid) {
        (Some(entry), _) => Identity {
            uid: entry.uid,
            gid: entry.gid,
            groups: Vec::new(),
            home: entry.home.to_owned(),
        },
        (None, Some(uid)) => Identity {
            uid,
            gid: 0,
            groups: Vec::new(),
            home: "/".to_owned(),
        },
        (None, None) => return Err(no_user()),
    };
    if !wanted_group.is_empty() {
        let gid = number(wanted_group)?;
        let found = group
            .lines()
            .filter_map(Group::parse)
            .find(|group| match gid {
                Some(gid) => group.gid == gid,
                None => group.name == wanted_group,
            });
        identity.gid = found.map(|group| group.gid).or(gid).ok_or_else(no_group)?;
    } else if let Some(entry) = &entry {
        identity.groups = group
            .lines()
            .filter_map(Group::parse)
            .filter(|group| group.members.split(',').any(|member| member == entry.name))
            .map(|group| group.gid)
            .collect();
    }
    if identity.uid > LAST_ID || identity.gid > LAST_ID {
        return Err(unknown(
            text,
            format!("uids and gids must be in range 0-{LAST_ID}"),
        ));
    }
    Ok(identity)
}

fn additional_group(text: &str, group: &str) -> Result<u32, StartError> {
    let gid = number(text)?;
    let found = group
        .lines()
        .filter_map(Group::parse)
        .find(|group| match gid {
            Some(gid) => group.gid == gid,
            None => group.name == text,
        });
    let missing = || unknown(text, format!("Unable to find group {text}"));
    found.map(|group| group.gid).or(gid).ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n\
                          1000:x:0:0:trap:/root:/bin/sh\n\
                          web:x:33:34::/srv:/bin/sh\n\
                          broken\n";
    const GROUP: &str = "root:x:0:\nwww:x:34:\nlog:x:40:bin,web\n1000:x:0:web\nadm:x:41:web\n";

    fn ids(text: &str) -> (u32, u32) {
        let identity = find(text, PASSWD, GROUP).unwrap();
        (identity.uid, identity.gid)
    }

    #[test]
    fn a_number_is_never_looked_up_as_a_name() {
        assert_eq!(ids("1000"), (1000, 0));
        assert_eq!(ids("1000:1000"), (1000, 1000));
        assert_eq!(ids("1000:"), (1000, 0));
        assert_eq!(ids("+1000"), (1000, 0), "as Docker reads it");
        assert_eq!(ids("0"), (0, 0));
    }

    #[test]
    fn names_and_groups_are_found() {
        assert_eq!(ids("web"), (33, 34));
        assert_eq!(ids("33"), (33, 34));
        assert_eq!(ids("web:log"), (33, 40));
        assert_eq!(ids(""), (0, 0));
        assert_eq!(ids(":log"), (0, 40));
        let web = find("web", PASSWD, GROUP).unwrap();
        assert_eq!(
            (web.groups.as_slice(), web.home.as_str()),
            (&[40, 0, 41][..], "/srv")
        );
        assert_eq!(find("web:www", PASSWD, GROUP).unwrap().groups, [0u32; 0]);
        assert_eq!(additional_group("adm", GROUP).unwrap(), 41);
        assert_eq!(additional_group("77", GROUP).unwrap(), 77);
    }

    #[test]
    fn what_is_no_exact_number_and_no_name_is_an_error_and_never_root() {
        let long = "9".repeat(10_000);
        for text in [
            " 1000",
            "1000 ",
            "0x3e8",
            "1000:0:0",
            "4294967296",
            "4294968296",
            "-1",
            "2147483648",
            "nobody-knows",
            "web:nothing",
            "web:-1",
            &long,
            "1e3",
            "١٠٠٠",
        ] {
            assert!(find(text, PASSWD, GROUP).is_err(), "{text:.20}");
        }
        assert_eq!(
            find("nix", PASSWD, GROUP).unwrap_err().to_string(),
            "unable to find user nix: no matching entries in passwd file"
        );
        assert_eq!(
            find("web:nix", PASSWD, GROUP).unwrap_err().to_string(),
            "unable to find group nix: no matching entries in group file"
        );
        assert_eq!(
            find("4294967296", PASSWD, GROUP).unwrap_err().to_string(),
            "uids and gids must be in range 0-2147483647"
        );
    }
}
