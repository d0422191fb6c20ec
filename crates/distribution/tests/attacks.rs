//! Registries that want their clients' credentials, their neighbours or their time.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Asked, Fake, answer, in_a_network_with};
use corten_base::Redacted;
use corten_distribution::{Access, Config, Credentials, Registries, Repository, limits::Timeouts};
use corten_oci::{Descriptor, Reference, media_type};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

fn credentials() -> Credentials {
    Credentials {
        username: "me".into(),
        password: Redacted::new("secret".into()),
        ..Credentials::default()
    }
}

async fn repository(address: &str, config: Config) -> Arc<Repository> {
    repository_for(address, config, Some(credentials())).await
}

async fn repository_for(
    address: &str,
    config: Config,
    credentials: Option<Credentials>,
) -> Arc<Repository> {
    let quick = Timeouts {
        stall: Duration::from_millis(300),
        response: Duration::from_millis(500),
        retry_pause: Duration::from_millis(1),
        ..Timeouts::default()
    };
    let registries = Registries::with_timeouts(config, quick).unwrap();
    let name: Reference = format!("{address}/app").parse().unwrap();
    let access = Access::Pull;
    Arc::new(registries.repository(&name, credentials, access).await)
}

async fn read(repository: &Arc<Repository>, blob: &Descriptor) -> Result<Vec<u8>, String> {
    let reader = repository.blob(blob, 0, 2).await;
    let mut reader = reader.map_err(|e| corten_base::chain(&e))?;
    let mut all = Vec::new();
    while let Some(chunk) = reader.next().await.map_err(|e| corten_base::chain(&e))? {
        all.extend_from_slice(&chunk);
    }
    Ok(all)
}

// CVE-2020-15157: the host of a foreign layer asked for credentials, and got them.
#[tokio::test]
async fn the_urls_of_a_foreign_layer_are_not_asked() {
    let thief =
        Fake::start(|_| answer(401, &[("www-authenticate", "Basic realm=\"x\"")], "")).await;
    let registry = Fake::start(|_| answer(404, &[], "{}")).await;
    let mut foreign = Descriptor::of(media_type::OCI_LAYER, b"layer");
    foreign.urls = Some(vec![format!("http://{}/layer", thief.address)]);
    let repository = repository(&registry.address, Config::default()).await;
    read(&repository, &foreign).await.unwrap_err();
    assert!(
        registry
            .asked()
            .iter()
            .any(|one| one.target.contains("/blobs/sha256:"))
    );
    assert!(thief.asked().is_empty(), "{:?}", thief.asked());
}

#[tokio::test]
async fn who_is_redirected_to_shows_no_credentials_when_asked_for_them() {
    for challenge in ["Basic realm=\"x\"", "bearer"] {
        let tokens = Fake::start(|_| answer(200, &[], r#"{"token":"T"}"#)).await;
        let challenge = match challenge {
            "bearer" => format!("Bearer realm=\"http://{}/t\"", tokens.address),
            basic => basic.to_owned(),
        };
        let thief =
            Fake::start(move |_| answer(401, &[("www-authenticate", &challenge)], "")).await;
        let location = format!("http://{}/blob", thief.address);
        let registry = Fake::start(move |asked: &Asked| match asked.header("authorization") {
            "" => answer(401, &[("www-authenticate", "Basic realm=\"own\"")], ""),
            _ => answer(307, &[("location", &location)], ""),
        })
        .await;
        let repository = repository(&registry.address, Config::default()).await;
        let blob = Descriptor::of(media_type::OCI_LAYER, b"layer");
        read(&repository, &blob).await.unwrap_err();
        assert!(
            registry
                .asked()
                .iter()
                .any(|one| !one.header("authorization").is_empty())
        );
        assert!(!thief.asked().is_empty());
        assert!(
            thief
                .asked()
                .iter()
                .all(|one| one.header("authorization").is_empty())
        );
        assert!(tokens.asked().is_empty(), "{:?}", tokens.asked());
    }
}

// CVE-2026-33540 and CVE-2026-33990: by redirects and by the address of the token server.
#[test]
fn a_public_registry_leads_nobody_into_the_local_network() {
    let near = ["127.0.0.1", "10.0.0.5", "169.254.169.254"];
    let public = "203.0.113.5";
    let all = [public, "10.0.0.5", "169.254.169.254"];
    if !in_a_network_with(
        &all,
        "a_public_registry_leads_nobody_into_the_local_network",
    ) {
        return;
    }
    let threads = tokio::runtime::Runtime::new().unwrap();
    threads.block_on(async {
        for host in near {
            let inside = Fake::start_at(host, |_| answer(200, &[], r#"{"token":"T"}"#)).await;
            let location = format!("http://{}/x", inside.address);
            let realm = format!("Bearer realm=\"{location}\"");
            let registry = Fake::start_at(public, move |asked: &Asked| {
                match asked.target.ends_with("redirected") {
                    true => answer(307, &[("location", &location)], ""),
                    false => answer(401, &[("www-authenticate", &realm)], ""),
                }
            })
            .await;
            let trusted = Config {
                insecure: vec!["203.0.113.0/24".parse().unwrap()],
                ..Config::default()
            };
            let address = "refusing to follow the registry to";
            for (tag, known, words) in [
                ("redirected", Some(credentials()), address),
                ("challenged", None, address),
                ("challenged", Some(credentials()), "token-servers"),
            ] {
                let repository = repository_for(&registry.address, trusted.clone(), known).await;
                let error = corten_base::chain(&repository.manifest(tag).await.unwrap_err());
                assert!(error.contains(words), "{host} {tag}: {error}");
            }
            assert!(inside.asked().is_empty(), "{host}: {:?}", inside.asked());
            // CVE-2014-5277: a registry that speaks no TLS is not spoken to without, unless
            // it was called insecure.
            let asked = registry.asked().len();
            let repository = repository(&registry.address, Config::default()).await;
            repository.manifest("redirected").await.unwrap_err();
            assert_eq!(registry.asked().len(), asked);
        }
    });
}

/// A server that sends a head and then `piece` again and again, a pause between.
async fn dribbling(head: &'static [u8], piece: &'static [u8], pause: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut first = [0; 1024];
                let read = stream.read(&mut first).await.unwrap_or_default();
                // A TLS hello: say no.
                if read == 0 || first[0] == 0x16 {
                    let _ = stream.write_all(b"HTTP/1.0 400 Bad Request\r\n\r\n").await;
                    return;
                }
                let _ = stream.write_all(head).await;
                let mut ticks = tokio::time::interval(pause);
                while stream.write_all(piece).await.is_ok() {
                    ticks.tick().await;
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn a_registry_that_sends_a_byte_at_a_time_or_headers_without_end_is_given_up() {
    let pause = Duration::from_millis(20);
    let blob = Descriptor::new(media_type::OCI_LAYER, corten_oci::Digest::of(b"x"), 1 << 20);
    for (what, head, piece, words) in [
        (
            "bytes",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n".as_slice(),
            b"x".as_slice(),
            "no data received",
        ),
        (
            "headers",
            b"HTTP/1.1 200 OK\r\n",
            b"X-More: x\r\n",
            "headers",
        ),
        ("a head", b"HTTP/1.1 200 OK\r\nX-Long: ", b"x", "headers"),
    ] {
        let address = dribbling(head, piece, pause).await;
        let repository = repository(&address, Config::default()).await;
        let read = tokio::time::timeout(Duration::from_secs(20), read(&repository, &blob));
        let error = read.await.expect("it is given up").unwrap_err();
        assert!(error.contains(words), "{what}: {error}");
    }
}
