//! What users of the store rely on, in their words.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use corten_content::{Begun, ContentStore, Error, Ingest, IngestRequest};
use corten_oci::Digest;
use std::{
    collections::HashSet, fs, io::Read, os::unix::fs::MetadataExt, path::Path, time::Duration,
};

fn store() -> (tempfile::TempDir, ContentStore) {
    let directory = tempfile::tempdir().unwrap();
    let store = ContentStore::open(directory.path()).unwrap();
    (directory, store)
}

fn request(bytes: &[u8]) -> IngestRequest {
    let size = Some(bytes.len() as u64);
    IngestRequest {
        expected: Some(Digest::of(bytes)),
        size,
        limit: 1 << 20,
    }
}

fn begin(store: &ContentStore, request: &IngestRequest) -> Ingest {
    match store.ingest(request).unwrap() {
        Begun::Write(ingest) => ingest,
        Begun::Exists(blob) => panic!("{blob:?} is there already"),
    }
}

fn files(directory: &Path) -> usize {
    fs::read_dir(directory).unwrap().count()
}

#[test]
fn a_blob_is_there_once_it_is_committed_and_not_before() {
    let (_directory, store) = store();
    let mut ingest = begin(&store, &request(b"hello"));
    ingest.add(b"hel").unwrap();
    ingest.add(b"lo").unwrap();
    assert!(!store.exists(&Digest::of(b"hello")).unwrap());
    let blob = ingest.commit().unwrap();
    assert_eq!(
        (
            store.size(&blob.digest).unwrap(),
            store.read(&blob.digest, 5).unwrap()
        ),
        (5, b"hello".to_vec())
    );
    let mut text = String::new();
    store
        .open_blob(&blob.digest)
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "hello");
    assert!(
        matches!(store.ingest(&request(b"hello")).unwrap(), Begun::Exists(found) if found == blob)
    );
    assert_eq!(store.put(b"hello").unwrap(), blob);
}

#[test]
fn wrong_bytes_never_get_the_name_and_do_not_come_back() {
    let (_directory, store) = store();
    let mut ingest = begin(&store, &request(b"hello"));
    ingest.add(b"hellx").unwrap();
    assert!(matches!(ingest.commit(), Err(Error::WrongDigest { .. })));
    assert!(!store.exists(&Digest::of(b"hello")).unwrap());
    assert_eq!(begin(&store, &request(b"hello")).offset(), 0);
}

#[test]
fn an_interrupted_blob_goes_on_where_it_stopped_even_in_a_new_process() {
    let (directory, store) = store();
    let mut ingest = begin(&store, &request(b"hello"));
    ingest.add(b"hel").unwrap();
    drop(ingest);
    drop(store);
    let store = ContentStore::open(directory.path()).unwrap();
    let mut ingest = begin(&store, &request(b"hello"));
    assert_eq!(ingest.offset(), 3);
    ingest.add(b"lo").unwrap();
    assert_eq!(ingest.commit().unwrap().digest, Digest::of(b"hello"));
    assert_eq!(files(&directory.path().join("ingest")), 0);
}

#[test]
fn a_source_that_cannot_go_on_in_the_middle_starts_anew() {
    let (_directory, store) = store();
    begin(&store, &request(b"hello")).add(b"hel").unwrap();
    let mut ingest = begin(&store, &request(b"hello"));
    ingest.restart().unwrap();
    ingest.add(b"hello").unwrap();
    ingest.commit().unwrap();
}

#[test]
fn too_many_and_too_few_bytes_are_refused() {
    let (_directory, store) = store();
    let mut ingest = begin(&store, &request(b"hello"));
    assert!(matches!(
        ingest.add(b"hello!"),
        Err(Error::TooLarge { limit: 5 })
    ));
    ingest.add(b"hell").unwrap();
    assert!(matches!(
        ingest.finish(),
        Err(Error::WrongSize {
            found: 4,
            expected: 5
        })
    ));
    assert_eq!(
        begin(&store, &request(b"hello")).offset(),
        4,
        "few bytes can be resumed"
    );
    let unknown = IngestRequest {
        expected: None,
        size: None,
        limit: 4,
    };
    assert!(begin(&store, &unknown).add(b"hello").is_err());
    let announced = IngestRequest {
        size: Some(9),
        ..unknown
    };
    assert!(matches!(
        store.ingest(&announced),
        Err(Error::TooLarge { limit: 4 })
    ));
}

#[test]
fn a_blob_has_one_writer_and_others_can_wait_for_it() {
    let (_directory, store) = store();
    let digest = Digest::of(b"hello");
    let mut ingest = begin(&store, &request(b"hello"));
    assert!(matches!(
        store.ingest(&request(b"hello")),
        Err(Error::Busy { .. })
    ));
    assert!(!store.wait_free(&digest, Duration::ZERO));
    let other = store.clone();
    let waiter = std::thread::spawn(move || {
        let free = other.wait_free(&Digest::of(b"hello"), Duration::from_secs(60));
        free && other.exists(&Digest::of(b"hello")).unwrap()
    });
    ingest.add(b"hello").unwrap();
    ingest.commit().unwrap();
    assert!(waiter.join().unwrap());
}

#[test]
fn several_blobs_become_durable_together() {
    let (directory, store) = store();
    let finished = [b"one".as_slice(), b"two"].map(|bytes| {
        let mut ingest = begin(&store, &request(bytes));
        ingest.add(bytes).unwrap();
        let finished = ingest.finish().unwrap();
        assert_eq!(finished.reader().unwrap().metadata().unwrap().len(), 3);
        finished
    });
    assert_eq!(store.walk().unwrap().len(), 0);
    assert_eq!(store.commit(finished.into()).unwrap().len(), 2);
    assert_eq!(store.walk().unwrap().len(), 2);
    assert_eq!(files(&directory.path().join("ingest")), 0);
    assert!(matches!(
        store.ingest(&request(b"one")).unwrap(),
        Begun::Exists(_)
    ));
}

#[test]
fn collection_never_takes_what_a_lease_holds_a_name_keeps_or_somebody_writes() {
    let (_directory, store) = store();
    let blobs = [b"named".as_slice(), b"leased", b"spared", b"free"]
        .map(|bytes| store.put(bytes).unwrap().digest);
    let [named, leased, spared, free] = blobs;
    let lease = store.lease();
    lease.hold(&leased);
    let short = store.lease();
    short.hold(&spared);
    let writing = begin(&store, &request(b"being written"));
    let collection = store.begin_collection();
    // Its work recorded a name just now, which the keep set below does not know.
    drop(short);
    let collected = collection.finish(&HashSet::from([named.clone()])).unwrap();
    assert_eq!((collected.digests, collected.bytes), (vec![free], 4));
    drop(writing);
    drop(lease);
    let collected = store
        .begin_collection()
        .finish(&HashSet::from([named]))
        .unwrap();
    assert_eq!(collected.digests.len(), 2);
}

#[test]
fn what_cannot_be_resumed_is_cleaned_at_the_next_start() {
    let (directory, store) = store();
    let unknown = IngestRequest {
        expected: None,
        size: None,
        limit: 9,
    };
    let mut ingest = begin(&store, &unknown);
    ingest.add(b"x").unwrap();
    std::mem::forget(ingest); // as kill -9 would
    fs::write(directory.path().join("ingest/rubbish"), "").unwrap();
    ContentStore::open(directory.path()).unwrap();
    assert_eq!(files(&directory.path().join("ingest")), 0);
    drop(begin(&store, &unknown));
    assert_eq!(files(&directory.path().join("ingest")), 0);
}

#[test]
fn nobody_but_root_may_look_into_the_store() {
    let (directory, store) = store();
    store.put(b"x").unwrap();
    for path in ["blobs/sha256", "ingest"] {
        let mode = fs::metadata(directory.path().join(path)).unwrap().mode();
        assert_eq!(mode & 0o077, 0, "{path}");
    }
}

#[test]
fn a_damaged_manifest_is_noticed_when_it_is_read() {
    let (directory, store) = store();
    let blob = store.put(b"manifest").unwrap();
    fs::write(
        directory
            .path()
            .join("blobs/sha256")
            .join(blob.digest.hex()),
        b"manifesx",
    )
    .unwrap();
    assert!(matches!(
        store.read(&blob.digest, 100),
        Err(Error::WrongDigest { .. })
    ));
    assert!(matches!(
        store.read(&blob.digest, 7),
        Err(Error::TooLarge { limit: 7 })
    ));
    assert!(store.delete(&blob.digest).unwrap());
    assert!(matches!(
        store.read(&blob.digest, 100),
        Err(Error::NotFound { .. })
    ));
}
