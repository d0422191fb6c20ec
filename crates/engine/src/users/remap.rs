//! The setting `userns-remap`: whose subordinate IDs all containers have
//! (moby 28: `daemon/daemon_unix.go`, `parseRemappedRoot`).

use super::{
    ranges,
    subordinate::{Account, HostIds, Subordinate},
};
use crate::messages::{self, Sentence};
use corten_model::{IdMap, IdRange};

/// The word for a user that the daemon chooses, and whom dockerd chooses.
const DEFAULT: &str = "default";
const DEFAULT_USER: &str = "dockremap";

/// What dockerd logs of a setting that names root.
pub fn remapped_to_itself() -> String {
    messages::remap_root().to_string()
}

/// Reads the setting against the host's files: `default`, `user`, `user:group`, numbers in
/// the place of either. `Ok(None)`: it is empty, or names root ([`remapped_to_itself`]), and
/// containers have the host's users.
///
/// `default` is the user `dockremap`, as dockerd makes it. Where the system has none,
/// a range stands for it that no user of the host has, and none is made.
///
/// # Errors
/// dockerd's sentence of what is wrong.
pub fn remapped(setting: &str) -> Result<Option<IdMap>, String> {
    if setting.is_empty() {
        return Ok(None);
    }
    map(setting, &HostIds::read()).map_err(|sentence| sentence.to_string())
}

fn map(setting: &str, host: &HostIds) -> Result<Option<IdMap>, Sentence> {
    let words: Vec<&str> = setting.split(':').collect();
    let (user, group) = match words.as_slice() {
        [user] => (*user, None),
        [user, group] => (*user, Some(*group)),
        _ => return Err(messages::remap_format(setting)),
    };
    let missing_default = user == DEFAULT && !host.users.iter().any(|it| it.name == DEFAULT_USER);
    if missing_default {
        let map = ranges::of_default();
        let taken = map.uids.iter().find(|it| host.any_in(it.host, it.size));
        return match taken {
            Some(range) => Err(messages::remap_default_taken(range.host)),
            None => Ok(Some(map)),
        };
    }
    let account = match user.parse::<i32>() {
        Ok(number) => by_id(&host.users, number)
            .ok_or_else(|| messages::remap_no_uid(number, no_entry(number, "passwd")))?,
        Err(_) => {
            let name = if user == DEFAULT { DEFAULT_USER } else { user };
            by_name(&host.users, name)
                .ok_or_else(|| messages::remap_no_user(name, no_entry(name, "passwd")))?
        }
    };
    // The group is looked up and no more, as dockerd does: the user's name has the ranges.
    check_group(group.unwrap_or(user), group.is_some(), host)?;
    if account.name == "root" {
        return Ok(None);
    }
    let ranges = |list: &[Subordinate], kind: &str| {
        let number = account.id.to_string();
        let own = list
            .iter()
            .filter(|it| it.user == account.name || it.user == number);
        let ranges = joined(own);
        match ranges.is_empty() {
            true => Err(messages::remap_no_ranges(kind, &account.name)),
            false => Ok(ranges),
        }
    };
    Ok(Some(IdMap {
        uids: ranges(&host.subuids, "subuid")?,
        gids: ranges(&host.subgids, "subgid")?,
    }))
}

fn check_group(word: &str, given: bool, host: &HostIds) -> Result<(), Sentence> {
    let found = match word.parse::<i32>() {
        Ok(number) if by_id(&host.groups, number).is_none() => {
            return Err(match given {
                true => messages::remap_no_gid_given(number, no_entry(number, "group")),
                false => messages::remap_no_gid(number, no_entry(number, "group")),
            });
        }
        Ok(_) => return Ok(()),
        Err(_) if word == DEFAULT => by_name(&host.groups, DEFAULT_USER),
        Err(_) => by_name(&host.groups, word),
    };
    let what = if given { "groupname" } else { "gid" };
    found
        .map(drop)
        .ok_or_else(|| messages::remap_no_group(what, word, no_entry(word, "group")))
}

/// The container's IDs go on from one range to the next; the kernel takes 340 lines.
fn joined<'a>(ranges: impl Iterator<Item = &'a Subordinate>) -> Vec<IdRange> {
    const LINES: usize = 340;
    let mut sorted: Vec<&Subordinate> = ranges.collect();
    sorted.sort_by_key(|it| it.first);
    let mut container = 0u32;
    let mut list = Vec::new();
    for range in sorted.into_iter().take(LINES) {
        let Some(next) = container.checked_add(range.size) else {
            break;
        };
        list.push(IdRange {
            container,
            host: range.first,
            size: range.size,
        });
        container = next;
    }
    list
}

fn by_id(list: &[Account], id: i32) -> Option<&Account> {
    list.iter().find(|it| i64::from(it.id) == i64::from(id))
}

fn by_name<'a>(list: &'a [Account], name: &str) -> Option<&'a Account> {
    list.iter().find(|it| it.name == name)
}

/// As getent is quoted by dockerd.
fn no_entry(key: impl std::fmt::Display, database: &str) -> String {
    format!("getent unable to find entry \"{key}\" in {database} database")
}

#[cfg(test)]
mod tests {
    use super::super::subordinate::{accounts, subordinates};
    use super::*;

    fn host() -> HostIds {
        HostIds {
            users: accounts("root:x:0:0::/:\nweb:x:1000:1000::/:\nnone:x:1001:1001::/:\n"),
            groups: accounts("root:x:0:\nweb:x:1000:\nnone:x:1001:\nstaff:x:50:\n"),
            subuids: subordinates("web:300000:1000\n1000:100000:65536\n"),
            subgids: subordinates("web:200000:65536\n"),
        }
    }

    #[test]
    fn a_user_has_its_ranges_by_name_and_by_number_one_after_the_other() {
        for setting in ["web", "1000", "web:staff", "1000:50"] {
            let map = map(setting, &host()).expect("known").expect("a map");
            let lines: Vec<_> = map
                .uids
                .iter()
                .map(|it| (it.container, it.host, it.size))
                .collect();
            assert_eq!(lines, [(0, 100_000, 65536), (65536, 300_000, 1000)]);
            assert_eq!(map.gids[0].host, 200_000);
        }
    }

    #[test]
    fn root_leaves_containers_the_hosts_users() {
        for setting in ["root", "0", "root:staff", "0:50"] {
            assert_eq!(map(setting, &host()), Ok(None), "{setting}");
        }
        assert!(map("root:none-such", &host()).is_err());
    }

    #[test]
    fn what_names_nobody_is_refused_in_dockerds_words() {
        let said = |setting| map(setting, &host()).expect_err("refused").to_string();
        assert_eq!(
            said("a:b:c"),
            "Invalid user/group specification in --userns-remap: \"a:b:c\""
        );
        assert_eq!(
            said("nobody-here"),
            "Error during uid lookup for \"nobody-here\": getent unable to find entry \"nobody-here\" in passwd database"
        );
        assert_eq!(
            said("77"),
            "Uid 77 has no entry in /etc/passwd: getent unable to find entry \"77\" in passwd database"
        );
        assert_eq!(
            said("web:x"),
            "Error during groupname lookup for \"x\": getent unable to find entry \"x\" in group database"
        );
        assert_eq!(
            said("none"),
            "Can't create ID mappings: no subuid ranges found for user \"none\""
        );
    }

    #[test]
    fn default_needs_no_user_of_the_host() {
        let map = map("default", &host()).expect("known").expect("a map");
        assert_eq!(map.uids[0].size, ranges::IDS);
        let mut taken = host();
        let line = format!("web:{}:1\n", map.uids[0].host + 7);
        taken.subgids = subordinates(&line);
        assert!(super::map("default", &taken).is_err());
    }
}
