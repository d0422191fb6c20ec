//! `--mount type=bind,…,idmap`: files that the container makes keep an owner of the host.
//!
//! - `idmap`: root in the container is the caller;
//! - `idmap=UID[:GID]`: root in the container is that user;
//! - `idmap=uids=C-H-N#…;gids=C-H-N#…`: N users from C on in the container are those from H
//!   on of the host, and no others.
//!
//! In the first two forms every other ID stays itself.

use corten_api::container::{IdMap, IdRange};

/// The last ID is nobody's, credentials(7).
const IDS: u32 = u32::MAX;

/// Root in the container is whoever calls.
pub fn caller() -> IdMap {
    let (uid, gid) = (rustix::process::getuid(), rustix::process::getgid());
    IdMap {
        uids: root_is(uid.as_raw()),
        gids: root_is(gid.as_raw()),
    }
}

/// Reads the value of `idmap=`.
pub fn parse(text: &str) -> Result<IdMap, String> {
    let wrong = || {
        format!(
            "invalid value for idmap: {text} (must be \"UID\", \"UID:GID\", or \"uids=C-H-N#...;gids=C-H-N#...\")"
        )
    };
    if !text.contains('=') {
        let (uid, gid) = text.split_once(':').unwrap_or((text, text));
        let id = |text: &str| text.parse().ok().filter(|id| *id < IDS).ok_or_else(wrong);
        return Ok(IdMap {
            uids: root_is(id(uid)?),
            gids: root_is(id(gid)?),
        });
    }
    let mut map = IdMap::default();
    for part in text.split(';') {
        let (kind, ranges) = part.split_once('=').ok_or_else(wrong)?;
        let ranges = ranges
            .split('#')
            .map(|text| range(text).ok_or_else(wrong))
            .collect::<Result<_, _>>()?;
        match kind {
            "uids" => map.uids = ranges,
            "gids" => map.gids = ranges,
            _ => return Err(wrong()),
        }
    }
    if map.uids.is_empty() || map.gids.is_empty() {
        return Err(wrong());
    }
    Ok(map)
}

fn range(text: &str) -> Option<IdRange> {
    let numbers: Vec<u32> = text.split('-').map_while(|it| it.parse().ok()).collect();
    match numbers[..] {
        [container, host, size] => Some(IdRange {
            container,
            host,
            size,
        }),
        _ => None,
    }
}

/// 0 in the container is `id` of the host; the others are themselves, but for the host's
/// root and the container's `id`, which are nobody.
fn root_is(id: u32) -> Vec<IdRange> {
    let same = |from: u32, to: u32| {
        (from < to).then_some(IdRange {
            container: from,
            host: from,
            size: to - from,
        })
    };
    let root = IdRange {
        container: 0,
        host: id,
        size: 1,
    };
    [Some(root), same(1, id.max(1)), same(id + 1, IDS)]
        .into_iter()
        .flatten()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn triples(map: &[IdRange]) -> Vec<(u32, u32, u32)> {
        map.iter()
            .map(|it| (it.container, it.host, it.size))
            .collect()
    }

    #[test]
    fn root_becomes_a_user_and_the_others_stay() {
        let map = parse("1000:7").expect("two IDs");
        assert_eq!(
            triples(&map.uids),
            [(0, 1000, 1), (1, 1, 999), (1001, 1001, IDS - 1001)]
        );
        assert_eq!(triples(&map.gids)[0], (0, 7, 1));
        assert_eq!(triples(&root_is(0)), [(0, 0, 1), (1, 1, IDS - 1)]);
        assert_eq!(triples(&root_is(1)), [(0, 1, 1), (2, 2, IDS - 2)]);
    }

    #[test]
    fn ranges_are_read_and_what_is_none_is_refused() {
        let map = parse("uids=0-1000-1#5-6-7;gids=0-0-1").expect("ranges");
        assert_eq!(triples(&map.uids), [(0, 1000, 1), (5, 6, 7)]);
        for text in [
            "",
            "x",
            "1:2:3",
            "uids=0-1-2",
            "uids=0-1;gids=0-1-1",
            "4294967295",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
