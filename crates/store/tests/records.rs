//! What the other rooms rely on.

use corten_store::{FORMAT_VERSION, Record, Store, StoreError, read_json, replace_json};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Ship {
    name: String,
}

impl Record for Ship {
    const KIND: &'static str = "ship";
}

/// The same kind one version later: `name` became `title`.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct NewShip {
    title: String,
}

impl Record for NewShip {
    const KIND: &'static str = "ship";
    const VERSION: u32 = 2;

    fn migrate(_from: u32, value: Value) -> Result<Value, String> {
        let name = value.get("name").ok_or("no name")?;
        Ok(json!({ "title": name }))
    }
}

fn ship(name: &str) -> Ship {
    Ship { name: name.into() }
}

fn store() -> (tempfile::TempDir, Store) {
    let directory = tempfile::tempdir().expect("temporary directory");
    let store = Store::open(&directory.path().join("state.db")).expect("opens");
    (directory, store)
}

#[test]
fn records_survive_a_reopening() {
    let (directory, store) = store();
    store.put("a", &ship("Anna")).expect("put");
    store.put("b", &ship("Berta")).expect("put");
    assert!(store.delete::<Ship>("b").expect("delete"));
    assert!(!store.delete::<Ship>("b").expect("delete"));
    drop(store);
    let store = Store::open(&directory.path().join("state.db")).expect("opens again");
    assert_eq!(
        store.all::<Ship>().expect("all"),
        [("a".into(), ship("Anna"))]
    );
    assert_eq!(store.get::<Ship>("b").expect("get"), None);
}

#[test]
fn a_failed_transaction_leaves_nothing() {
    let (_directory, store) = store();
    let result: Result<(), StoreError> = store.transaction(|transaction| {
        transaction.put("a", &ship("Anna"))?;
        assert!(transaction.get::<Ship>("a")?.is_some());
        transaction.get::<Ship>("a")?;
        Err(StoreError::NewerRecord {
            kind: "ship",
            key: "a".into(),
            found: 2,
            known: 1,
        })
    });
    assert!(result.is_err());
    assert_eq!(store.get::<Ship>("a").expect("get"), None);
}

#[test]
fn an_old_record_is_brought_up_and_a_newer_one_is_refused() {
    let (_directory, store) = store();
    store.put("a", &ship("Anna")).expect("put");
    let new = store
        .get::<NewShip>("a")
        .expect("migrates")
        .expect("is there");
    assert_eq!(
        new,
        NewShip {
            title: "Anna".into()
        }
    );
    store.put("a", &new).expect("put");
    let error = store.get::<Ship>("a").expect_err("is newer");
    assert!(
        matches!(
            error,
            StoreError::NewerRecord {
                found: 2,
                known: 1,
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn a_file_of_a_newer_format_is_refused_with_what_to_do() {
    let (directory, store) = store();
    drop(store);
    let path = directory.path().join("state.db");
    let connection = rusqlite::Connection::open(&path).expect("opens");
    connection
        .pragma_update(None, "user_version", FORMAT_VERSION + 1)
        .expect("updates");
    drop(connection);
    let error = Store::open(&path).err().expect("refused");
    assert!(error.to_string().contains("--data-root"), "{error}");
}

#[test]
fn files_that_an_earlier_version_left_open_to_all_are_the_engines_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (directory, store) = store();
    store.put("a", &ship("Anna")).expect("put");
    let names = ["state.db", "state.db-wal", "state.db-shm", "state.reserve"];
    let paths = names.map(|name| directory.path().join(name));
    for path in &paths {
        let open = std::fs::Permissions::from_mode(0o644);
        std::fs::set_permissions(path, open).expect("its mode");
    }
    // As after a kill: the log has not been taken into the file.
    std::mem::forget(store);
    let store = Store::open(&directory.path().join("state.db")).expect("opens");
    for path in &paths {
        let found = std::fs::metadata(path).expect("is there");
        let mode = found.permissions().mode();
        assert_eq!(mode & 0o7777, 0o600, "{}", path.display());
    }
    let found = store.get::<Ship>("a").expect("get");
    assert_eq!(found, Some(ship("Anna")));
}

#[test]
fn a_json_file_is_replaced_whole_and_its_absence_is_no_error() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("config.json");
    assert_eq!(read_json::<Ship>(&path).expect("reads"), None);
    for (name, durable) in [("Anna", true), ("Berta", false)] {
        replace_json(&path, &ship(name), durable).expect("replaces");
        assert_eq!(read_json::<Ship>(&path).expect("reads"), Some(ship(name)));
    }
    assert_eq!(
        std::fs::read_dir(directory.path()).expect("lists").count(),
        1
    );
}
