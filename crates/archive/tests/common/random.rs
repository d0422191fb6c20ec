//! Layers of few names, so that they often mean the same place.

use super::{directory, file, hard_link, symlink};
use corten_archive::tar::Entry;
use proptest::prelude::*;

fn path_of_words() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..4)
        .prop_map(|words| words.join("/"))
}

fn entry() -> impl Strategy<Value = Entry> {
    let split = |path: &str| {
        let at = path.rfind('/').map_or(0, |slash| slash + 1);
        (path[..at].to_owned(), path[at..].to_owned())
    };
    let target = prop_oneof![
        path_of_words(),
        path_of_words().prop_map(|path| format!("/{path}")),
        path_of_words().prop_map(|path| format!("../{path}")),
    ];
    prop_oneof![
        3 => (path_of_words(), 0_u32..8).prop_map(|(path, mode)| Entry { mode: 0o700 | mode, uid: mode, ..directory(&path) }),
        4 => path_of_words().prop_map(|path| file(&path)),
        2 => (path_of_words(), target).prop_map(|(path, target)| symlink(&path, &target)),
        1 => (path_of_words(), path_of_words()).prop_map(|(path, target)| hard_link(&path, &target)),
        1 => path_of_words().prop_map(move |path| { let (parent, name) = split(&path); file(&format!("{parent}.wh.{name}")) }),
        1 => path_of_words().prop_map(move |path| { let (parent, _) = split(&path); file(&format!("{parent}.wh..wh..opq")) }),
    ]
}

pub fn layers() -> impl Strategy<Value = Vec<Vec<Entry>>> {
    prop::collection::vec(prop::collection::vec(entry(), 1..6), 1..4)
}

/// How many each run tries; more by hand, with PROPTEST_CASES.
pub fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").map_or(150, |cases| cases.parse().unwrap())
}
