//! Layers merged into one must look, mounted on what is below them, as they did before.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::{
    Overlay, directory, file, hard_link,
    random::{cases, layers},
    stack, symlink, tree,
};
use corten_archive::{
    DiffOptions, Limits, LowerView, diff, merge,
    tar::{Entry, Reader},
};
use proptest::prelude::*;
use std::{
    collections::BTreeMap,
    fs::File,
    os::{fd::AsFd, unix::fs::MetadataExt},
    path::{Path, PathBuf},
};

/// The topmost of `roots` (bottom first), from `from` on, made one; its place and its bytes.
fn squash(place: &Path, roots: &[PathBuf], from: usize) -> (PathBuf, u64) {
    let into = place.join("squashed");
    std::fs::create_dir(&into).unwrap();
    let view = |roots: &[PathBuf]| LowerView::open(&roots.iter().rev().collect::<Vec<_>>());
    let directory = File::open(&into).unwrap();
    let (below, own) = roots.split_at(from);
    let own = view(own).unwrap();
    let size = merge(directory.as_fd(), &own, &view(below).unwrap()).unwrap();
    (into, size)
}

/// What all show, and what is shown with those from `from` on made one.
fn both(layers: &[Vec<Entry>], from: usize) -> Option<[BTreeMap<String, String>; 2]> {
    let place = common::place();
    let roots = stack(place.path(), layers).ok()?;
    let from = from.min(roots.len() - 1);
    let (squashed, _) = squash(place.path(), &roots, from);
    let mut fewer = roots[..from].to_vec();
    fewer.push(squashed);
    let shown = |roots: &[PathBuf]| tree(&Overlay::new(roots, None).path(), true);
    Some([shown(&roots), shown(&fewer)])
}

#[track_caller]
fn same(layers: &[Vec<Entry>], from: usize) {
    let [before, after] = both(layers, from).unwrap();
    assert_eq!(after, before);
}

/// The names in the layer that the topmost become.
fn members(layers: &[Vec<Entry>], from: usize) -> Vec<String> {
    let place = common::place();
    let roots = stack(place.path(), layers).unwrap();
    let (squashed, _) = squash(place.path(), &roots, from);
    let directory = File::open(&squashed).unwrap();
    let tar = diff(directory.as_fd(), Vec::new(), &DiffOptions::default()).unwrap();
    let mut reader = Reader::new(&tar[..], Limits::default());
    let mut names = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        names.push(String::from_utf8(entry.path).unwrap());
    }
    names
}

#[test]
fn what_came_and_went_is_not_in_it() {
    let layers = [
        vec![directory("etc"), file("etc/base")],
        vec![file("etc/secret"), file("big")],
        vec![file("etc/.wh.secret"), file(".wh.big"), file("kept")],
    ];
    same(&layers, 1);
    assert_eq!(members(&layers, 1), ["etc/", "kept"]);
}

#[test]
fn what_the_base_has_and_a_layer_removed_stays_removed() {
    let layers = [
        vec![directory("etc"), file("etc/base"), file("top")],
        vec![file("etc/.wh.base"), file(".wh.top")],
        vec![file("etc/new")],
    ];
    same(&layers, 1);
    assert_eq!(
        members(&layers, 1),
        ["etc/", "etc/.wh.base", "etc/new", ".wh.top"]
    );
    // On nothing there is nothing to hide.
    assert_eq!(members(&layers, 0), ["etc/", "etc/new"]);
}

#[test]
fn a_directory_made_anew_in_between_shows_nothing_of_the_bases() {
    let base = || vec![directory("d"), file("d/old"), directory("d/e")];
    let gone = || vec![file(".wh.d")];
    let again = || vec![directory("d"), file("d/new")];
    same(&[base(), gone(), again()], 1);
    same(
        &[base(), vec![file("d/.wh..wh..opq"), file("d/one")], again()],
        1,
    );
    same(
        &[
            base(),
            vec![file(".wh.d"), file("d")],
            vec![file(".wh.d"), directory("d")],
        ],
        1,
    );
    same(&[base(), gone(), again(), gone()], 1);
}

#[test]
fn names_of_one_file_stay_names_of_one_file_whichever_is_replaced() {
    let links = || vec![file("a"), hard_link("b", "a"), hard_link("d/c", "a")];
    same(&[vec![], links(), vec![file("other")]], 1);
    same(&[vec![], links(), vec![file("a")]], 1);
    same(&[vec![], links(), vec![file(".wh.a")]], 1);
    let place = common::place();
    let roots = stack(
        place.path(),
        &[links(), vec![file(".wh.a"), symlink("s", "b")]],
    )
    .unwrap();
    let (squashed, size) = squash(place.path(), &roots, 0);
    let inode = |name| squashed.join(name).symlink_metadata().unwrap().ino();
    assert_eq!(inode("b"), inode("d/c"));
    // The file (its content is its first name), and where the link leads to.
    assert_eq!(size, 1 + 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(),
        max_global_rejects: 10_000_000,
        failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn merged_layers_show_what_they_showed(layers in layers(), from in 0_usize..3) {
        let shown = both(&layers, from);
        prop_assume!(shown.is_some());
        let [before, after] = shown.unwrap();
        prop_assert_eq!(after, before);
    }
}
