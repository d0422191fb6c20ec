//! Registries that stall, break off, lie or ask for tokens.
#![allow(clippy::unwrap_used)]

mod common;

use bytes::Bytes;
use common::{Asked, Fake, answer, raw};
use corten_base::Redacted;
use corten_distribution::{Access, Config, Credentials, Registries, Repository, limits::Timeouts};
use corten_oci::{Descriptor, Digest, Reference, media_type};
use std::{sync::Arc, time::Duration};

fn quick() -> Timeouts {
    Timeouts {
        stall: Duration::from_millis(200),
        response: Duration::from_millis(500),
        retry_pause: Duration::from_millis(1),
        ..Timeouts::default()
    }
}

async fn repository(address: &str, credentials: Option<Credentials>) -> Arc<Repository> {
    let registries = Registries::with_timeouts(Config::default(), quick()).unwrap();
    let name: Reference = format!("{address}/app").parse().unwrap();
    Arc::new(
        registries
            .repository(&name, credentials, Access::Pull)
            .await,
    )
}

async fn read(repository: &Arc<Repository>, blob: &Descriptor) -> Result<Vec<u8>, String> {
    let mut reader = repository
        .blob(blob, 0, 3)
        .await
        .map_err(|e| e.to_string())?;
    let mut all = Vec::new();
    while let Some(chunk) = reader.next().await.map_err(|e| e.to_string())? {
        all.extend_from_slice(&chunk);
    }
    Ok(all)
}

#[tokio::test]
async fn a_download_that_breaks_off_goes_on_where_it_broke() {
    let blob: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
    let descriptor = Descriptor::of(media_type::OCI_LAYER, &blob);
    let served = blob.clone();
    let address = raw(move |count, head| {
        let start = head
            .to_lowercase()
            .split_once("range: bytes=")
            .and_then(|(_, rest)| rest.split('-').next()?.parse::<usize>().ok());
        let from = start.unwrap_or(0);
        let status = match start {
            None => "200 OK".to_owned(),
            Some(from) => format!(
                "206 Partial Content\r\nContent-Range: bytes {from}-{}/{}",
                served.len() - 1,
                served.len()
            ),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n",
            served.len() - from
        );
        // Each answer brings a third and breaks off, or stalls.
        let end = (from + served.len() / 3 + 1).min(served.len());
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&served[from..end]);
        (bytes, count % 2 == 1)
    })
    .await;
    let repository = repository(&address, None).await;
    assert!(read(&repository, &descriptor).await.unwrap() == blob);
}

#[tokio::test]
async fn a_registry_that_stalls_is_noticed() {
    let descriptor = Descriptor::new(media_type::OCI_LAYER, Digest::of(b"x"), 1000);
    let silent = raw(|_, _| (Vec::new(), true)).await;
    let repository_of_silent = repository(&silent, None).await;
    let error = read(&repository_of_silent, &descriptor).await.unwrap_err();
    assert!(
        error.contains("timeout awaiting response headers"),
        "{error}"
    );

    let stalling = raw(|_, _| {
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc".to_vec(),
            true,
        )
    })
    .await;
    let error = read(&repository(&stalling, None).await, &descriptor)
        .await
        .unwrap_err();
    assert!(error.contains("no data received"), "{error}");
}

#[tokio::test]
async fn a_truncated_blob_and_one_too_long_are_refused() {
    let descriptor = Descriptor::new(media_type::OCI_LAYER, Digest::of(b"x"), 1000);
    let short = raw(|_, _| {
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789".to_vec(),
            false,
        )
    })
    .await;
    let error = read(&repository(&short, None).await, &descriptor)
        .await
        .unwrap_err();
    assert!(error.contains("EOF"), "{error}");
    let long = Fake::start(|_| answer(200, &[], vec![0; 2000])).await;
    let error = read(&repository(&long.address, None).await, &descriptor)
        .await
        .unwrap_err();
    assert!(error.contains("instead of 1000"), "{error}");
}

#[tokio::test]
async fn manifests_with_wrong_bytes_types_or_sizes_are_refused() {
    let registry = Fake::start(|asked: &Asked| {
        let target = asked.target.rsplit('/').next().unwrap_or_default();
        match target {
            "huge" => answer(
                200,
                &[("content-type", media_type::OCI_MANIFEST)],
                vec![b' '; 5 << 20],
            ),
            "html" => answer(200, &[("content-type", "text/html")], "<html>"),
            "liar" => {
                let other = Digest::of(b"other").to_string();
                answer(200, &[("docker-content-digest", &other)], "{}")
            }
            _ => answer(200, &[("content-type", media_type::OCI_MANIFEST)], "{}"),
        }
    })
    .await;
    let repository = repository(&registry.address, None).await;
    let error = async |target: &str| repository.manifest(target).await.unwrap_err().to_string();
    assert!(error("huge").await.contains("larger than"));
    assert!(error("html").await.contains("invalid manifest"));
    assert!(error("liar").await.contains("manifest verification failed"));
    let digest = Digest::of(b"asked for").to_string();
    assert_eq!(
        error(&digest).await,
        format!("manifest verification failed for digest {digest}")
    );
}

#[tokio::test]
async fn a_token_is_fetched_once_and_sent_to_the_registry_only() {
    let cdn = Fake::start(|_| answer(200, &[], "layer")).await;
    let tokens = Fake::start(|_| answer(200, &[], r#"{"token":"T0K3N","expires_in":300}"#)).await;
    let realm = format!(
        "Bearer realm=\"http://{}/token\",service=\"reg\",scope=\"repository:app:pull\"",
        tokens.address
    );
    let location = format!("http://{}/blob", cdn.address);
    let registry = Fake::start(move |asked: &Asked| match asked.header("authorization") {
        "Bearer T0K3N" => answer(307, &[("location", &location)], Bytes::new()),
        _ => answer(401, &[("www-authenticate", &realm)], "{}"),
    })
    .await;
    let credentials = Credentials {
        username: "me".into(),
        password: Redacted::new("pass".into()),
        ..Credentials::default()
    };
    let repository = repository(&registry.address, Some(credentials)).await;
    let blob = Descriptor::of(media_type::OCI_LAYER, b"layer");
    for _ in 0..2 {
        assert_eq!(read(&repository, &blob).await.unwrap(), b"layer");
    }
    let asked = tokens.asked();
    assert_eq!(asked.len(), 1, "one token for both");
    assert!(
        asked[0].target.contains("scope=repository%3Aapp%3Apull"),
        "{}",
        asked[0].target
    );
    assert!(asked[0].target.contains("service=reg") && asked[0].target.contains("account=me"));
    assert!(asked[0].header("authorization").starts_with("Basic "));
    assert!(
        cdn.asked()
            .iter()
            .all(|one| one.header("authorization").is_empty())
    );
}

#[tokio::test]
async fn an_identity_token_is_exchanged_and_refusals_speak_docker() {
    let tokens = Fake::start(|asked: &Asked| match asked.method.as_str() {
        "POST" => answer(200, &[], r#"{"access_token":"A"}"#),
        _ => answer(401, &[], r#"{"details":"incorrect username or password"}"#),
    })
    .await;
    let realm = format!("Bearer realm=\"http://{}/token\"", tokens.address);
    let denied = format!("{realm},error=\"insufficient_scope\"");
    let registry = Fake::start(move |asked: &Asked| match asked.header("authorization") {
        "Bearer A" => answer(401, &[("www-authenticate", &denied)], ""),
        _ => answer(401, &[("www-authenticate", &realm)], ""),
    })
    .await;
    let with_token = Credentials {
        identity_token: Redacted::new("refresh".into()),
        ..Credentials::default()
    };
    let error = repository(&registry.address, Some(with_token))
        .await
        .manifest("v1")
        .await;
    let error = error.unwrap_err();
    assert_eq!(error.registry().unwrap().code(), "DENIED");
    assert_eq!(
        error.to_string(),
        "denied: requested access to the resource is denied"
    );

    let wrong = Credentials {
        username: "me".into(),
        password: Redacted::new("wrong".into()),
        ..Credentials::default()
    };
    let error = repository(&registry.address, Some(wrong))
        .await
        .manifest("v1")
        .await;
    let error = error.unwrap_err().to_string();
    assert!(
        error.ends_with("unauthorized: incorrect username or password"),
        "{error}"
    );
}

#[tokio::test]
async fn redirects_end_somewhere_and_rate_limits_are_told() {
    let registry = Fake::start(|asked: &Asked| {
        if asked.target.ends_with("manifests/limited") {
            let body = r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit."}]}"#;
            return answer(429, &[], body);
        }
        answer(307, &[("location", "/again")], "")
    })
    .await;
    let repository = repository(&registry.address, None).await;
    let error = repository.manifest("v1").await.unwrap_err().to_string();
    assert!(error.contains("stopped after 10 redirects"), "{error}");
    let error = repository
        .manifest("limited")
        .await
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "toomanyrequests: You have reached your pull rate limit."
    );
}

#[tokio::test]
async fn a_mirror_is_asked_first_and_replaced_when_it_fails() {
    let manifest = format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"{}","digest":"{}","size":0}},"layers":[]}}"#,
        media_type::OCI_CONFIG,
        Digest::of(b"")
    );
    let good = Fake::start(move |_| {
        answer(
            200,
            &[("content-type", media_type::OCI_MANIFEST)],
            manifest.clone(),
        )
    })
    .await;
    let bad = Fake::start(|_| answer(404, &[], "{}")).await;
    let config = Config {
        mirrors: vec![
            format!("http://{}/prefix", bad.address),
            format!("http://{}", good.address),
        ],
        ..Config::default()
    };
    let registries = Registries::with_timeouts(config, quick()).unwrap();
    let repository = registries
        .repository(&"nginx".parse().unwrap(), None, Access::Pull)
        .await;
    repository.manifest("latest").await.unwrap();
    assert_eq!(
        bad.asked()[0].target,
        "/prefix/v2/library/nginx/manifests/latest"
    );
    assert_eq!(good.asked()[0].target, "/v2/library/nginx/manifests/latest");
    let wrong = Config {
        mirrors: vec!["ftp://x".into()],
        ..Config::default()
    };
    assert!(Registries::new(wrong).is_err());
}

#[tokio::test]
async fn https_goes_through_a_proxy_by_connect() {
    // The proxy says no, so that it is seen what it was asked.
    let proxy = raw(|_, head| {
        assert!(
            head.starts_with("CONNECT registry.example:443 HTTP/1.1\r\n"),
            "{head}"
        );
        assert!(
            head.contains("Proxy-Authorization: Basic dTpw\r\n"),
            "{head}"
        );
        (b"HTTP/1.1 403 Forbidden\r\n\r\n".to_vec(), false)
    })
    .await;
    let proxies = corten_distribution::ProxyConfig {
        https: Some(Redacted::new(format!("http://u:p@{proxy}"))),
        ..Default::default()
    };
    let config = Config {
        proxies,
        ..Config::default()
    };
    let registries = Registries::with_timeouts(config, quick()).unwrap();
    let name: Reference = "registry.example/app".parse().unwrap();
    let repository = registries.repository(&name, None, Access::Pull).await;
    let error = repository.manifest("v1").await.unwrap_err().to_string();
    assert_eq!(
        error,
        "Get \"https://registry.example/v2/\": proxyconnect tcp: 403 Forbidden"
    );
}

#[tokio::test]
async fn a_connection_serves_the_next_pull_and_is_closed_when_none_comes() {
    let manifest = br#"{"schemaVersion":2,"config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":0},"layers":[]}"#;
    let registry = Fake::start(|_| {
        let answer = http::Response::builder().header("content-type", media_type::OCI_MANIFEST);
        answer
            .body(Bytes::from_static(manifest).into())
            .expect("a response")
    })
    .await;
    let timeouts = Timeouts {
        idle: Duration::from_millis(300),
        ..quick()
    };
    let registries = Registries::with_timeouts(Config::default(), timeouts).unwrap();
    let mut opened = Vec::new();
    for name in ["first", "second"] {
        let name: Reference = format!("{}/{name}", registry.address).parse().unwrap();
        let repository = registries.repository(&name, None, Access::Pull).await;
        repository.manifest("1").await.unwrap();
        opened.push(registry.opened());
    }
    assert_eq!(registry.asked().len(), 2);
    // The first began with a try of TLS.
    assert_eq!(opened, [2, 2], "the second came over the first's");
    registry.left_alone().await;
}
