//! No attribute of the specification is without a case: `src/schema/attributes.tsv` says of
//! each what becomes of it and which test of its effect holds it, and here that is checked.

use corten_compose::{Node, Value, yaml};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const TABLE: &str = include_str!("../src/schema/attributes.tsv");

/// Attribute, what becomes of it, the files that hold it, a note.
fn rows() -> Vec<[&'static str; 4]> {
    let rows = TABLE.lines().map(|line| {
        let cells: Vec<&str> = line.split('\t').collect();
        cells
            .try_into()
            .unwrap_or_else(|_| panic!("four cells: {line:?}"))
    });
    rows.collect()
}

fn attributes() -> BTreeSet<&'static str> {
    rows().iter().map(|row| row[0]).collect()
}

/// Notes every attribute that a tree gives, in the notation of the table.
fn walk(node: &Node, path: &str, known: &BTreeSet<&str>, found: &mut BTreeSet<String>) {
    match &node.value {
        Value::Map(entries) => {
            for (key, entry) in entries {
                let own = match path {
                    "" => key.clone(),
                    _ => format!("{path}.{key}"),
                };
                for next in [own, format!("{path}.<name>")] {
                    if known.iter().any(|attribute| attribute.starts_with(&next)) {
                        walk(entry, &next, known, found);
                        found.insert(next);
                    }
                }
            }
        }
        Value::List(items) => {
            let next = format!("{path}[]");
            items
                .iter()
                .for_each(|item| walk(item, &next, known, found));
        }
        _ => {}
    }
}

/// The attributes that a file of Compose gives.
fn given(path: &Path) -> BTreeSet<String> {
    let text = std::fs::read_to_string(path).expect("a file");
    let documents = yaml::read(&path.display().to_string(), &text).expect("YAML");
    let mut found = BTreeSet::new();
    for document in documents {
        walk(&document, "", &attributes(), &mut found);
    }
    found
}

fn tests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")
}

/// Files below a directory that people would write, not recordings.
fn written(directory: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            written(&path, into);
        } else if [".yaml", ".yml"].iter().any(|end| name.ends_with(end))
            && !name.starts_with("expected")
        {
            into.push(path);
        }
    }
}

#[test]
fn each_attribute_is_in_a_file_whose_config_is_compared_with_stock_composes() {
    let mut files = Vec::new();
    written(&tests().join("cases"), &mut files);
    let all: BTreeSet<String> = files.iter().flat_map(|file| given(file)).collect();
    let missing: Vec<&str> = attributes()
        .into_iter()
        .filter(|attribute| !all.contains(*attribute))
        .collect();
    assert!(missing.is_empty(), "no case has {missing:#?}");
}

#[test]
fn each_attribute_is_in_the_test_that_holds_what_becomes_of_it() {
    let directories = [tests(), tests().join("../../corten/tests/compose")];
    let mut trees: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let mut wrong = Vec::new();
    for [attribute, becomes, held_by, note] in rows() {
        let known = [
            "loading",
            "container",
            "network",
            "volume",
            "compose",
            "build",
            "refused",
            "nothing",
        ];
        assert!(known.contains(&becomes), "{attribute}: {becomes:?}");
        if held_by.is_empty() && !["loading", "nothing"].contains(&becomes) {
            wrong.push(format!("{attribute}: nothing holds it"));
        }
        if becomes == "nothing" && note.is_empty() {
            wrong.push(format!("{attribute}: nothing says why it does nothing"));
        }
        for name in held_by.split(", ").filter(|name| !name.is_empty()) {
            let mut paths = directories.iter().map(|directory| directory.join(name));
            let Some(path) = paths.find(|path| path.exists()) else {
                wrong.push(format!("{attribute}: there is no {name}"));
                continue;
            };
            let held = if name.ends_with(".yaml") {
                let tree = trees.entry(name).or_insert_with(|| given(&path));
                tree.contains(attribute)
            } else {
                let key = attribute.rsplit('.').next().unwrap_or(attribute);
                let text = std::fs::read_to_string(&path).expect("a file");
                text.contains(&format!("{key}:"))
            };
            if !held {
                wrong.push(format!("{attribute}: not in {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
