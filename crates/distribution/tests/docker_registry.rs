//! The client against Debian's docker-registry.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use corten_base::Redacted;
use corten_distribution::{Access, Begun, Config, Credentials, Registries, Repository, UploadBody};
use corten_oci::{Descriptor, Digest, Manifest, Reference, media_type};
use corten_testkit::{Registry, RegistryOptions};
use std::sync::Arc;

fn registries() -> Registries {
    Registries::new(Config::default()).unwrap()
}

fn name(registry: &Registry, repository: &str) -> Reference {
    format!("{}/{repository}", registry.address())
        .parse()
        .unwrap()
}

async fn push_blob(repository: &Repository, bytes: &[u8]) -> Descriptor {
    let descriptor = Descriptor::of(media_type::OCI_LAYER, bytes);
    match repository
        .begin_upload(&descriptor.digest, None)
        .await
        .unwrap()
    {
        Begun::Mounted => panic!("nothing to mount from"),
        Begun::Upload(at) => {
            let bytes = Bytes::copy_from_slice(bytes);
            let body = || {
                let size = bytes.len() as u64;
                let halves = [
                    bytes.slice(..bytes.len() / 2),
                    bytes.slice(bytes.len() / 2..),
                ];
                Ok(UploadBody::new(
                    futures_util::stream::iter(halves.map(Ok)),
                    size,
                ))
            };
            repository
                .upload(at, &descriptor.digest, body)
                .await
                .unwrap();
        }
    }
    descriptor
}

async fn push_image(repository: &Repository, tag: &str, layer: &[u8]) -> Digest {
    let config = push_blob(repository, br#"{"os":"linux","architecture":"amd64"}"#).await;
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(media_type::OCI_MANIFEST.into()),
        config: Descriptor {
            media_type: media_type::OCI_CONFIG.into(),
            ..config
        },
        layers: vec![push_blob(repository, layer).await],
        subject: None,
        artifact_type: None,
        annotations: None,
    };
    let bytes = serde_json::to_vec(&manifest).unwrap();
    repository
        .put_manifest(tag, media_type::OCI_MANIFEST, bytes.clone().into())
        .await
        .unwrap();
    Digest::of(&bytes)
}

async fn read(repository: &Arc<Repository>, blob: &Descriptor, offset: u64) -> Vec<u8> {
    let mut reader = repository.blob(blob, offset, 3).await.unwrap();
    let mut all = Vec::new();
    while let Some(chunk) = reader.next().await.unwrap() {
        all.extend_from_slice(&chunk);
    }
    all
}

#[tokio::test]
async fn what_is_pushed_comes_back_by_tag_by_digest_and_from_the_middle() {
    let registry = Registry::start();
    let registries = registries();
    let name = name(&registry, "team/app");
    let push = registries.repository(&name, None, Access::Push).await;
    let layer: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let digest = push_image(&push, "v1", &layer).await;

    let pull = Arc::new(registries.repository(&name, None, Access::Pull).await);
    let resolved = pull.resolve("v1").await.unwrap().unwrap();
    assert_eq!(resolved.digest, digest);
    let by_tag = pull.manifest("v1").await.unwrap();
    let by_digest = pull.manifest(&digest.to_string()).await.unwrap();
    assert_eq!(by_tag.bytes, by_digest.bytes);
    let corten_oci::ManifestOrIndex::Manifest(manifest) = by_tag.document else {
        panic!()
    };
    let blob = &manifest.layers[0];
    assert!(read(&pull, blob, 0).await == layer);
    assert!(read(&pull, blob, 5_000_000).await == layer[5_000_000..]);
    assert!(read(&pull, blob, blob.size).await.is_empty());
    assert_eq!(
        pull.blob_size(&blob.digest).await.unwrap(),
        Some(layer.len() as u64)
    );
    assert_eq!(
        pull.blob_size(&Digest::of(b"not there")).await.unwrap(),
        None
    );
}

#[tokio::test]
async fn a_blob_of_another_repository_is_mounted_and_tags_are_listed() {
    let registry = Registry::start();
    let registries = registries();
    let first = registries
        .repository(&name(&registry, "first"), None, Access::Push)
        .await;
    push_image(&first, "a", b"layer").await;
    for tag in ["b", "c"] {
        push_image(&first, tag, b"layer").await;
    }
    let mut tags = first.tags().await.unwrap();
    tags.sort();
    assert_eq!(tags, ["a", "b", "c"]);
    let second = registries
        .repository(&name(&registry, "second"), None, Access::Push)
        .await;
    let digest = Digest::of(b"layer");
    assert_eq!(
        second.begin_upload(&digest, Some("first")).await.unwrap(),
        Begun::Mounted
    );
    assert_eq!(second.blob_size(&digest).await.unwrap(), Some(5));
}

#[tokio::test]
async fn an_unknown_name_gets_the_registrys_sentence() {
    let registry = Registry::start();
    let pull = registries()
        .repository(&name(&registry, "nope"), None, Access::Pull)
        .await;
    assert_eq!(pull.resolve("x").await.unwrap(), None);
    let error = pull.manifest("x").await.unwrap_err();
    assert_eq!(error.to_string(), "manifest unknown: manifest unknown");
    let tags = pull.tags().await.unwrap_err();
    assert_eq!(tags.registry().unwrap().code(), "NAME_UNKNOWN");
}

#[tokio::test]
async fn a_registry_with_passwords_lets_in_who_knows_one() {
    let registry = Registry::with(&RegistryOptions {
        htpasswd: true,
        ..Default::default()
    });
    let registries = registries();
    let name = name(&registry, "private");
    let credentials = |password: &str| Credentials {
        username: Registry::USER.into(),
        password: Redacted::new(password.into()),
        server_address: registry.address().into(),
        ..Credentials::default()
    };
    let push = registries
        .repository(&name, Some(credentials(Registry::PASSWORD)), Access::Push)
        .await;
    push_image(&push, "v1", b"layer").await;
    assert!(push.resolve("v1").await.unwrap().is_some());

    let anonymous = registries.repository(&name, None, Access::Pull).await;
    let error = anonymous.manifest("v1").await.unwrap_err().to_string();
    assert!(error.ends_with("no basic auth credentials"), "{error}");
    let wrong = registries
        .repository(&name, Some(credentials("wrong")), Access::Pull)
        .await;
    let error = wrong.manifest("v1").await.unwrap_err().to_string();
    assert_eq!(error, "unauthorized: authentication required");

    assert_eq!(
        registries
            .login(credentials(Registry::PASSWORD))
            .await
            .unwrap(),
        ""
    );
    let error = registries
        .login(credentials("wrong"))
        .await
        .unwrap_err()
        .to_string();
    let sentence = format!(
        "login attempt to http://{}/v2/ failed with status: 401 Unauthorized",
        registry.address()
    );
    assert_eq!(error, sentence);
}

#[tokio::test]
async fn loopback_may_have_a_certificate_nobody_vouches_for() {
    let directory = tempfile::tempdir().unwrap();
    let key =
        rcgen::generate_simple_self_signed(vec!["localhost".into(), "127.0.0.1".into()]).unwrap();
    let (pem, secret) = (
        directory.path().join("cert.pem"),
        directory.path().join("key.pem"),
    );
    std::fs::write(&pem, key.cert.pem()).unwrap();
    std::fs::write(&secret, key.signing_key.serialize_pem()).unwrap();
    let registry = Registry::with(&RegistryOptions {
        tls: Some((pem.clone(), secret)),
        ..Default::default()
    });
    // Loopback is insecure: any certificate will do, and TLS is what is tried first.
    let name = name(&registry, "app");
    let push = registries().repository(&name, None, Access::Push).await;
    push_image(&push, "v1", b"layer").await;
    assert!(push.resolve("v1").await.unwrap().is_some());
}
