//! `/etc/subuid` and `/etc/subgid`, subuid(5), and the two files with the host's users.

use std::{fs, path::Path};

/// Longest file read, bytes: a site's users at most.
const FILE_MAX_BYTES: u64 = 16 << 20;

/// IDs that a user may hand out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Subordinate {
    /// The user, by name or by number.
    pub(crate) user: String,
    /// The first ID.
    pub(crate) first: u32,
    /// How many; never beyond the last ID there is.
    pub(crate) size: u32,
}

/// A user or a group of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) id: u32,
}

/// The four files, parsed. Lines that say nothing are passed over, as the tools do that
/// write them.
#[derive(Debug, Clone, Default)]
pub(crate) struct HostIds {
    pub(crate) users: Vec<Account>,
    pub(crate) groups: Vec<Account>,
    pub(crate) subuids: Vec<Subordinate>,
    pub(crate) subgids: Vec<Subordinate>,
}

impl HostIds {
    /// As they are now. A file that is not there names nobody.
    pub(crate) fn read() -> Self {
        let text = |path: &str| match fs::metadata(path) {
            Ok(found) if found.len() <= FILE_MAX_BYTES => read(Path::new(path)),
            _ => String::new(),
        };
        Self {
            users: accounts(&text("/etc/passwd")),
            groups: accounts(&text("/etc/group")),
            subuids: subordinates(&text("/etc/subuid")),
            subgids: subordinates(&text("/etc/subgid")),
        }
    }

    /// Whether any ID from `first` on is somebody's on the host.
    pub(crate) fn any_in(&self, first: u32, size: u32) -> bool {
        let last = first.saturating_add(size - 1);
        let accounts = self.users.iter().chain(&self.groups);
        let subordinates = self.subuids.iter().chain(&self.subgids);
        accounts
            .map(|it| (it.id, it.id))
            .chain(subordinates.map(|it| (it.first, it.first.saturating_add(it.size - 1))))
            .any(|(from, to)| from <= last && first <= to)
    }
}

fn read(path: &Path) -> String {
    let bytes = fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// `name:first:count`; other lines are nobody's.
pub(crate) fn subordinates(text: &str) -> Vec<Subordinate> {
    let line = |line: &str| {
        let mut fields = line.trim().split(':');
        let user = fields
            .next()
            .filter(|it| !it.is_empty() && !it.starts_with('#'))?;
        let first: u32 = fields.next()?.parse().ok()?;
        let size: u32 = fields.next()?.parse().ok()?;
        let fits = size > 0 && first.checked_add(size).is_some() && fields.next().is_none();
        fits.then(|| Subordinate {
            user: user.to_owned(),
            first,
            size,
        })
    };
    text.lines().filter_map(line).collect()
}

/// `name:password:id:…`, passwd(5) and group(5).
pub(crate) fn accounts(text: &str) -> Vec<Account> {
    let line = |line: &str| {
        let mut fields = line.trim().split(':');
        let name = fields.next().filter(|it| !it.is_empty())?.to_owned();
        let id = fields.nth(1)?.parse().ok()?;
        Some(Account { name, id })
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_say_nothing_are_passed_over() {
        let text = "# a remark\n\nweb:100000:65536\nweb:x:1\nweb:1:0\nweb:4294967295:2\n1000:5:6\na:1:2:3\n";
        let found: Vec<_> = subordinates(text)
            .into_iter()
            .map(|it| (it.user, it.first, it.size))
            .collect();
        let wanted = [("web", 100_000, 65536), ("1000", 5, 6)];
        assert_eq!(found, wanted.map(|(user, a, b)| (user.to_owned(), a, b)));
        assert_eq!(accounts("root:x:0:0::/:\nbad\nweb:x:33:\n")[1].id, 33);
    }
}
