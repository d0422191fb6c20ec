//! Layers unpacked side by side and settled must look, mounted, as if they had been
//! unpacked one after the other into one tree.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;
mod model;

use common::{
    Overlay, apply_to, archive, directory, file, hard_link,
    random::{cases, layers},
    stack, symlink, tree,
};
use corten_archive::{ApplyOptions, Error, Limit, LowerView, settle, tar::Entry};
use model::Model;
use proptest::prelude::*;
use std::{collections::BTreeMap, fs::File, os::fd::AsFd};

/// The merged tree of layers unpacked independently and settled afterwards.
fn merged(layers: &[Vec<Entry>]) -> Result<BTreeMap<String, String>, Error> {
    let place = common::place();
    let roots = stack(place.path(), layers)?;
    Ok(tree(&Overlay::new(&roots, None).path(), false))
}

fn sequential(layers: &[Vec<Entry>]) -> Result<BTreeMap<String, String>, String> {
    let mut model = Model::new();
    for layer in layers {
        model.layer(layer)?;
    }
    Ok(model.tree())
}

#[track_caller]
fn same(layers: &[Vec<Entry>]) {
    assert_eq!(merged(layers).unwrap(), sequential(layers).unwrap());
}

#[test]
fn a_parent_without_an_entry_keeps_the_lower_mode_and_owner() {
    let parent = Entry {
        mode: 0o1770,
        uid: 7,
        gid: 8,
        ..directory("srv")
    };
    same(&[
        vec![parent, file("srv/a")],
        vec![file("srv/b"), file("new/c")],
    ]);
}

#[test]
fn a_parent_that_replaces_a_deleted_one_is_a_plain_directory() {
    let lower = || {
        let parent = Entry {
            mode: 0o1770,
            ..directory("srv")
        };
        vec![parent, file("srv/a")]
    };
    same(&[lower(), vec![file(".wh.srv"), file("srv/b")]]);
    same(&[lower(), vec![file("srv/b"), file(".wh.srv")]]);
    same(&[lower(), vec![file("srv/b"), file(".wh..wh..opq")]]);
}

#[test]
fn what_reaches_through_a_lower_link_lands_where_the_link_leads() {
    let lower = || {
        vec![
            directory("usr/"),
            directory("usr/bin/"),
            symlink("bin", "usr/bin"),
        ]
    };
    same(&[lower(), vec![file("bin/tool")]]);
    same(&[
        lower(),
        vec![
            directory("bin/sub/"),
            file("bin/sub/tool"),
            file("usr/bin/other"),
        ],
    ]);
    same(&[
        lower(),
        vec![file("usr/bin/tool"), hard_link("bin/alias", "bin/tool")],
    ]);
    same(&[lower(), vec![file(".wh.bin"), file("bin/tool")]]);
    same(&[
        vec![symlink("top", "/")],
        vec![file("top/usr/tool"), file("top/here")],
    ]);
    same(&[vec![symlink("a/c", "/a")], vec![file("a/c/c")]]);
    same(&[
        vec![symlink("a", "../b")],
        vec![symlink("a/c", "a"), file("b/c/a")],
    ]);
    same(&[lower(), vec![directory("bin/"), file("bin/tool")]]);
    same(&[
        lower(),
        vec![file("bin/tool"), directory("bin/"), file("bin/after")],
    ]);
    same(&[
        vec![file("usr/bin/old")],
        vec![symlink("bin", "/usr/bin")],
        vec![file("bin/.wh.old")],
    ]);
}

#[test]
fn hard_links_to_lower_files_share_one_file_in_the_merged_tree() {
    let lower = || {
        vec![
            directory("d/"),
            Entry {
                mode: 0o4755,
                uid: 3,
                ..file("d/tool")
            },
        ]
    };
    same(&[lower(), vec![hard_link("alias", "d/tool")]]);
    same(&[
        lower(),
        vec![hard_link("one", "d/tool"), hard_link("two", "one")],
    ]);
    same(&[lower(), vec![hard_link("alias", "d/tool"), file("d/tool")]]);
    same(&[
        lower(),
        vec![hard_link("alias", "d/tool"), file("d/.wh.tool")],
    ]);
    same(&[lower(), vec![hard_link("d/tool", "d/tool")]]);
}

#[test]
fn whiteouts_hide_lower_entries_and_never_those_of_their_own_layer() {
    let lower = || {
        vec![
            directory("d/"),
            file("d/a"),
            file("d/b"),
            directory("d/e/"),
            file("d/e/f"),
        ]
    };
    same(&[lower(), vec![file("d/.wh.a")]]);
    same(&[lower(), vec![file("d/.wh.a"), file("d/a")]]);
    same(&[lower(), vec![directory("d/"), file("d/new"), file(".wh.d")]]);
    same(&[lower(), vec![file(".wh.d"), directory("d/"), file("d/new")]]);
    same(&[
        lower(),
        vec![directory("d/"), file("d/.wh..wh..opq"), file("d/new")],
    ]);
    same(&[lower(), vec![file("d/e/new"), file("d/.wh..wh..opq")]]);
    same(&[lower(), vec![file(".wh..wh..opq"), file("new")]]);
    // A directory that only a whiteout made is nothing that the layer has.
    same(&[lower(), vec![file("d/.wh.a"), file(".wh.d")]]);
    same(&[lower(), vec![file("d/e/.wh.f"), file("d/.wh..wh..opq")]]);
    let gone_and_back = vec![file(".wh.d"), file("d/.wh.a"), file(".wh.d")];
    same(&[lower(), gone_and_back]);
}

#[test]
fn a_directory_that_replaces_a_file_of_its_own_layer_shows_nothing_of_lower_ones() {
    same(&[
        vec![file("d/old")],
        vec![file("d"), directory("d/"), file("d/new")],
    ]);
}

#[test]
fn a_hard_link_to_what_no_layer_has_is_refused() {
    for bad in [
        vec![hard_link("a", "none")],
        vec![file(".wh.lower"), hard_link("a", "lower")],
        vec![hard_link("a", "d")],
    ] {
        let error = merged(&[vec![file("lower"), directory("d/")], bad]).unwrap_err();
        assert!(matches!(error, Error::LinkTarget { .. }), "{error}");
    }
}

#[test]
fn a_layers_own_links_lead_on_from_where_lower_links_led() {
    same(&[
        vec![symlink("c", "a/a")],
        vec![symlink("c/c", "../a"), file("c/c/a")],
    ]);
    same(&[
        vec![symlink("b", "a")],
        vec![
            symlink("a/a", "/a"),
            symlink("b/a/a", "a"),
            symlink("a/a", "a"),
        ],
    ]);
    same(&[
        vec![symlink("c/b", "/b"), symlink("b", "a")],
        vec![file("c/b/a"), file("b")],
    ]);
}

#[test]
fn what_a_layer_did_before_it_named_a_directory_is_not_in_it() {
    same(&[
        vec![symlink("a", "b")],
        vec![file("a/.wh..wh..opq"), directory("a"), directory("a/a/a")],
    ]);
    same(&[
        vec![symlink("lib", "usr/lib")],
        vec![file("lib/x"), symlink("lib", "other")],
    ]);
}

#[test]
fn a_layer_that_makes_no_sense_alone_is_unpacked_on_those_below() {
    same(&[
        vec![symlink("b", "../c")],
        vec![file("c/c"), directory("b/c"), symlink("c/c/a", "a")],
    ]);
}

#[test]
fn a_link_below_that_leads_in_a_circle_is_refused() {
    let below = vec![symlink("a", "b"), symlink("b", "a")];
    let error = merged(&[below, vec![file("a/x")]]).unwrap_err();
    assert!(
        matches!(
            error,
            Error::OverLimit {
                limit: Limit::SymlinksFollowed,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_layer_that_changed_before_it_was_read_again_is_refused() {
    let place = common::place();
    let lower = place.path().join("lower");
    let root = place.path().join("root");
    for path in [&lower, &root] {
        std::fs::create_dir(path).unwrap();
    }
    apply_to(&archive(&[symlink("bin", "usr/bin")]), &lower).unwrap();
    let mut applied = apply_to(&archive(&[file("bin/tool")]), &root).unwrap();
    let other = archive(&[file("bin/other")]);
    let error = settle(
        File::open(&root).unwrap().as_fd(),
        &mut applied,
        &LowerView::open(&[&lower]).unwrap(),
        &ApplyOptions::default(),
        || Ok::<_, Error>(&other[..]),
    )
    .unwrap_err();
    assert!(matches!(error, Error::Changed), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(),
        max_global_rejects: 10_000_000,
        failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn independent_layers_equal_sequential_application(layers in layers()) {
        prop_assume!(!model::links_to_lower_links(&layers));
        // What cannot be unpacked one after the other may be refused or not.
        let expected = sequential(&layers);
        prop_assume!(expected.is_ok());
        let found = merged(&layers);
        prop_assert!(found.is_ok(), "{:?}", found);
        prop_assert_eq!(found.unwrap(), expected.unwrap());
    }

    #[test]
    fn layers_unpacked_anew_equal_sequential_application(layers in layers()) {
        prop_assume!(!model::links_to_lower_links(&layers));
        // A layer with a hard link to a lower file is unpacked in view of those below it.
        let mut layers = layers;
        layers.iter_mut().for_each(|layer| layer.push(hard_link("y", "z")));
        layers.insert(0, vec![file("z")]);
        let expected = sequential(&layers);
        prop_assume!(expected.is_ok());
        let found = merged(&layers);
        prop_assert!(found.is_ok(), "{:?}", found);
        prop_assert_eq!(found.unwrap(), expected.unwrap());
    }
}
