//! One suite for every kind of storage; and replicas over one bucket.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/s3.rs"]
mod s3;

use bytes::Bytes;
use common::Server;
use corten_oci::{Digest, Hasher};
use corten_registry::{
    BucketConfig, Config, StorageConfig,
    limits::PART_BYTES,
    storage::{Bucket, ByteStream, Files, Parts, Storage, Sum},
};
use corten_testkit::ObjectStore;
use futures_util::{StreamExt, TryStreamExt, stream};
use s3::S3;
use std::{io, path::Path};

fn bucket(s3: &S3, secret: &Path) -> BucketConfig {
    std::fs::write(secret, "secret\n").unwrap();
    serde_json::from_value(serde_json::json!({
        "bucket": s3::BUCKET,
        "prefix": "registry",
        "endpoint": format!("http://{}", s3.address),
        "access-key-id": s3::KEY,
        "secret-access-key-file": secret,
    }))
    .unwrap()
}

fn bytes(chunks: &[&[u8]]) -> ByteStream {
    let chunks: Vec<_> = chunks
        .iter()
        .map(|c| Ok(Bytes::copy_from_slice(c)))
        .collect();
    stream::iter(chunks).boxed()
}

async fn all(stream: ByteStream) -> Vec<u8> {
    stream.try_collect::<Vec<_>>().await.unwrap().concat()
}

/// What every storage promises.
async fn suite(storage: &Storage) {
    assert_eq!(storage.read("a/b", 10).await.unwrap(), None);
    assert_eq!(storage.stat("a/b").await.unwrap(), None);
    assert!(!storage.remove("a/b").await.unwrap());
    for (key, text) in [
        ("a/b", "one"),
        ("a/b", "other"),
        ("a/c", ""),
        ("a/d/e", "deep"),
    ] {
        storage.write(key, Bytes::from(text)).await.unwrap();
    }
    assert_eq!(storage.read("a/b", 10).await.unwrap().unwrap(), "other");
    assert_eq!(storage.stat("a/b").await.unwrap().unwrap().size, 5);
    assert!(storage.read("a/b", 4).await.is_err());
    let names = |list: Vec<corten_registry::storage::Entry>| {
        list.into_iter().map(|entry| entry.name).collect::<Vec<_>>()
    };
    assert_eq!(names(storage.entries("a").await.unwrap()), ["b", "c"]);
    assert_eq!(storage.directories("a").await.unwrap(), ["d"]);
    assert_eq!(
        storage.directories("a/d").await.unwrap(),
        Vec::<String>::new()
    );
    assert_eq!(all(storage.open("a/b", 1..4).await.unwrap()).await, b"the");
    assert!(storage.remove("a/d/e").await.unwrap());
    assert_eq!(
        storage.directories("a").await.unwrap(),
        Vec::<String>::new()
    );
    storage.write("a/d/e", Bytes::from("again")).await.unwrap();

    uploads(storage).await;
}

/// What two replicas promise that take bytes for the same place of an upload: the pieces
/// that were hashed become the blob, whatever the other one has written meanwhile.
async fn two_at_one_place(one: &Storage, two: &Storage) {
    let mut good = Sum::starting(Hasher::sha256(), Parts::default());
    let mut evil = Sum::starting(Hasher::sha256(), Parts::default());
    for (storage, text, sum) in [(one, b"good", &mut good), (two, b"evil", &mut evil)] {
        let append = storage.upload_append("u6", bytes(&[text]), sum, u64::MAX);
        append.await.unwrap();
    }
    let wanted = Digest::of(b"good");
    assert_eq!(good.hasher.finish(), wanted);
    if let Some(noted) = two.upload_digest("u6", &good.parts).await.unwrap() {
        assert_eq!(noted, wanted);
    }
    assert_eq!(
        two.upload_digest("u6", &evil.parts).await.unwrap(),
        Some(Digest::of(b"evil"))
    );
    // Whoever comes later goes on behind one of them.
    let seen = two.upload_parts("u6").await.unwrap();
    assert!(seen == good.parts || seen == evil.parts, "{seen:?}");
    one.upload_commit("u6", &good.parts, "blobs/good")
        .await
        .unwrap();
    assert_eq!(one.read("blobs/good", 100).await.unwrap().unwrap(), "good");
}

async fn uploads(storage: &Storage) {
    let sum = || Sum::starting(Hasher::sha256(), Parts::default());
    // Large enough for several parts of a multipart upload, and an odd end.
    let large: Vec<u8> = (0..20_000_001_u32).map(|n| (n >> 7) as u8).collect();
    let mut known = sum();
    let chunks: Vec<&[u8]> = large.chunks(1_000_003).collect();
    storage
        .upload_append("u1", bytes(&chunks), &mut known, u64::MAX)
        .await
        .unwrap();
    assert_eq!(known.parts.size, 20_000_001);
    assert_eq!(known.hasher.finish(), Digest::of(&large));
    assert_eq!(storage.upload_parts("u1").await.unwrap(), known.parts);
    if let Some(noted) = storage.upload_digest("u1", &known.parts).await.unwrap() {
        assert_eq!(noted, Digest::of(&large));
    }
    storage
        .upload_commit("u1", &known.parts, "blobs/large")
        .await
        .unwrap();
    assert_eq!(storage.upload_parts("u1").await.unwrap().size, 0);
    let end = 20_000_001;
    assert_eq!(
        all(storage.open("blobs/large", 0..end).await.unwrap()).await,
        large
    );
    let tail = all(storage.open("blobs/large", 19_999_990..end).await.unwrap()).await;
    assert_eq!(tail, large[19_999_990..]);

    // In pieces, by somebody who did not see the first.
    let mut first = sum();
    storage
        .upload_append("u2", bytes(&[b"hello "]), &mut first, u64::MAX)
        .await
        .unwrap();
    let there = storage.upload_parts("u2").await.unwrap();
    let mut second = Sum::starting(Hasher::sha256(), there);
    storage
        .upload_append("u2", bytes(&[b"wor", b"ld"]), &mut second, u64::MAX)
        .await
        .unwrap();
    assert_eq!(
        all(storage.upload_open("u2", &second.parts).await.unwrap()).await,
        b"hello world"
    );
    storage
        .upload_commit("u2", &second.parts, "blobs/small")
        .await
        .unwrap();
    assert_eq!(
        storage.read("blobs/small", 100).await.unwrap().unwrap(),
        "hello world"
    );

    // A stream that breaks: what is told to be there is there, and it goes on from there.
    let mut broken = sum();
    let parts = vec![Ok(Bytes::from("abc")), Err(io::Error::other("gone"))];
    let stream = stream::iter(parts).boxed();
    assert!(
        storage
            .upload_append("u3", stream, &mut broken, u64::MAX)
            .await
            .is_err()
    );
    let there = storage.upload_parts("u3").await.unwrap().size;
    assert_eq!(broken.parts.size, there);
    let rest = &b"abcdef"[there as usize..];
    storage
        .upload_append("u3", bytes(&[rest]), &mut broken, u64::MAX)
        .await
        .unwrap();
    assert_eq!(broken.hasher.finish(), Digest::of(b"abcdef"));
    storage
        .upload_commit("u3", &broken.parts, "blobs/third")
        .await
        .unwrap();
    assert_eq!(
        storage.read("blobs/third", 100).await.unwrap().unwrap(),
        "abcdef"
    );

    // Nothing at all, too much, given up.
    storage
        .upload_commit("u4", &Parts::default(), "blobs/empty")
        .await
        .unwrap();
    assert_eq!(storage.stat("blobs/empty").await.unwrap().unwrap().size, 0);
    assert!(
        storage
            .upload_append("u5", bytes(&[b"12345"]), &mut sum(), 4)
            .await
            .is_err()
    );
    storage.upload_remove("u5").await.unwrap();
    assert_eq!(storage.upload_parts("u5").await.unwrap().size, 0);
}

#[tokio::test]
async fn a_directory_keeps_the_promises_of_a_storage() {
    let directory = tempfile::tempdir().unwrap();
    suite(&Storage::Files(Files::open(directory.path()).unwrap())).await;
    // Another opening sees the same, and no half-written file.
    let again = Storage::Files(Files::open(directory.path()).unwrap());
    assert_eq!(again.read("a/b", 10).await.unwrap().unwrap(), "other");
}

#[tokio::test]
async fn a_bucket_keeps_the_promises_of_a_storage() {
    let s3 = S3::start().await;
    let directory = tempfile::tempdir().unwrap();
    let config = bucket(&s3, &directory.path().join("secret"));
    suite(&Storage::Bucket(Bucket::open(&config).unwrap())).await;
    let replica = || Storage::Bucket(Bucket::open(&config).unwrap());
    two_at_one_place(&replica(), &replica()).await;
    let state = s3.state.lock().unwrap();
    assert!(state.objects.keys().all(|key| key.starts_with("registry/")));
}

#[tokio::test]
async fn a_bucket_of_another_makers_s3_keeps_the_promises_of_a_storage() {
    let store = ObjectStore::start();
    let directory = tempfile::tempdir().unwrap();
    let config = store.bucket(&directory.path().join("secret"));
    let config: BucketConfig = serde_json::from_value(config).unwrap();
    // Of 20 MB one upload becomes several pieces, each of several parts.
    let bucket = || {
        let bucket = Bucket::open(&config).unwrap();
        Storage::Bucket(bucket.with_piece_bytes(2 * PART_BYTES as u64))
    };
    suite(&bucket()).await;
    two_at_one_place(&bucket(), &bucket()).await;
    // More objects than one page of a list has.
    let storage = bucket();
    let writes = (0..1005).map(|n| {
        let (storage, key) = (&storage, format!("many/{n:04}"));
        async move { storage.write(&key, Bytes::new()).await.unwrap() }
    });
    stream::iter(writes)
        .buffer_unordered(16)
        .collect::<Vec<_>>()
        .await;
    assert_eq!(storage.entries("many").await.unwrap().len(), 1005);
    // A key that the service does not know is refused, and told.
    let mut other = config.clone();
    other.access_key_id = Some("AKIAOTHER".into());
    let refused = Storage::Bucket(Bucket::open(&other).unwrap());
    let error = refused.read("a/b", 10).await.unwrap_err();
    assert!(
        corten_base::chain(&error).contains("InvalidAccessKeyId"),
        "{}",
        corten_base::chain(&error)
    );
}

/// What a replica that is killed within a large upload leaves in the bucket is seen in no
/// list; another replica's collection finds it by its note.
#[test]
fn parts_that_a_killed_replica_left_in_the_bucket_are_given_up_by_another() {
    let threads = tokio::runtime::Runtime::new().unwrap();
    let s3 = threads.block_on(S3::start());
    let directory = tempfile::tempdir().unwrap();
    let mut config = Config::in_directory(directory.path());
    config.storage = StorageConfig::Bucket(bucket(&s3, &directory.path().join("secret")));
    let killed = Server::of(config.clone());
    let at = killed.send("POST", "/v2/r/blobs/uploads/", &[], b"");
    let mut client = std::net::TcpStream::connect(killed.address).unwrap();
    let size = 4 * PART_BYTES;
    let head = format!(
        "PATCH {} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n",
        at.header("location")
    );
    let half = [head.as_bytes(), &vec![1; size / 2 + 1]].concat();
    io::Write::write_all(&mut client, &half).unwrap();
    let parts = || {
        let state = s3.state.lock().unwrap();
        state
            .uploads
            .values()
            .map(|(_, parts)| parts.len())
            .sum::<usize>()
    };
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while parts() < 2 {
        assert!(
            std::time::Instant::now() < deadline,
            "two parts never arrive"
        );
        std::thread::sleep(std::time::Duration::from_millis(10)); // poll
    }
    // Its tasks end where they are.
    let Server { threads: its, .. } = killed;
    its.shutdown_background();
    drop(client);
    let another = Server::of(config);
    let day = std::time::Duration::from_secs(24 * 3600);
    s3.make_old(day * 6);
    another.collect();
    assert_eq!(parts(), 2, "it may still be going on");
    s3.make_old(day * 2);
    assert_eq!(another.collect().uploads, 1);
    assert_eq!(s3.state.lock().unwrap().uploads.len(), 0);
    let noted = |key: &String| key.contains("/multiparts/");
    assert!(!s3.state.lock().unwrap().objects.keys().any(noted));
    // What ends well leaves no note.
    let bytes = vec![2; 2 * PART_BYTES + 1];
    let digest = another.push_blob("r", &bytes);
    assert!(!s3.state.lock().unwrap().objects.keys().any(noted));
    assert_eq!(s3.state.lock().unwrap().uploads.len(), 0);
    assert!(another.get(&format!("/v2/r/blobs/{digest}")).body == bytes);
}

#[test]
fn two_replicas_serve_one_bucket_and_share_an_upload() {
    let threads = tokio::runtime::Runtime::new().unwrap();
    let s3 = threads.block_on(S3::start());
    let directory = tempfile::tempdir().unwrap();
    let mut config = Config::in_directory(directory.path());
    config.storage = StorageConfig::Bucket(bucket(&s3, &directory.path().join("secret")));
    let (one, two) = (Server::of(config.clone()), Server::of(config));
    let digest = one.push_image("team/app", "v1", b"layer");
    assert_eq!(
        two.get("/v2/team/app/manifests/v1")
            .header("docker-content-digest"),
        digest.to_string()
    );
    let blob = format!("/v2/team/app/blobs/{}", Digest::of(b"layer"));
    assert_eq!(
        two.send("GET", &blob, &[("Range", "bytes=1-3")], b"")
            .text(),
        "aye"
    );
    // An upload begun at one goes on at the other and ends at the first.
    let at = one
        .send("POST", "/v2/r/blobs/uploads/", &[], b"")
        .header("location")
        .to_owned();
    assert_eq!(
        two.send("PATCH", &at, &[("Content-Range", "0-4")], b"hello")
            .status,
        202
    );
    assert_eq!(one.get(&at).header("range"), "0-4");
    assert_eq!(
        one.send("PATCH", &at, &[("Content-Range", "5-9")], b"world")
            .status,
        202
    );
    let digest = Digest::of(b"helloworld");
    let end = two.send("PUT", &format!("{at}?digest={digest}"), &[], b"");
    assert_eq!(end.status, 201, "{}", end.text());
    assert_eq!(
        one.get(&format!("/v2/r/blobs/{digest}")).text(),
        "helloworld"
    );
    // What nothing refers to goes, what is referred to stays.
    s3.make_old(std::time::Duration::from_secs(7200));
    let first = two.collect();
    assert_eq!((first.links, first.blobs), (1, 0));
    let second = one.collect();
    let names: Vec<String> = s3.state.lock().unwrap().objects.keys().cloned().collect();
    assert_eq!((second.links, second.blobs), (0, 1), "{names:?}");
    assert_eq!(one.get(&format!("/v2/r/blobs/{digest}")).status, 404);
    assert_eq!(one.get(&blob).text(), "layer");
}
