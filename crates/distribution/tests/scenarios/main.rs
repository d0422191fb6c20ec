//! Hostile registries by the dozen. Each scenario is one row of a table: what the registry
//! and a second server answer, what the client is asked to do, how that must end. After each,
//! the second server must not have seen a byte of the user's credentials.
//!
//! The tables: [`redirects`], [`tokens`], [`answers`], [`wires`] and [`downgrades`].
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;

mod answers;
mod downgrades;
mod redirects;
mod tokens;
mod wires;

use bytes::Bytes;
use common::{Asked, Fake};
use corten_base::Redacted;
use corten_distribution::{
    Access, Begun, Config, Credentials, Registries, Repository, UploadBody, limits::Timeouts,
};
use corten_oci::{Descriptor, Digest, Reference, media_type};
use http::Response;
use http_body_util::Full;
use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

/// The registry's address: to the client it is a public one.
const PUBLIC: &str = "203.0.113.5";
/// Another public server, of somebody else.
const OTHER: &str = "198.51.100.7";
/// A server in the network of the client.
const INSIDE: &str = "10.0.0.5";

/// What must never be seen elsewhere: the user's password by itself, as `Basic` has it, and
/// tokens that were got with it.
const SECRETS: [&str; 4] = ["pa55word", "bWU6cGE1NXdvcmQ=", "T0K3N", "R3FR35H"];

/// Addresses of the servers of a scenario.
pub struct Places {
    /// The registry.
    pub registry: String,
    /// Its host has another server, at another port.
    pub neighbour: String,
    /// Nobody who may see anything.
    pub thief: String,
    /// At an address of the local network.
    pub inside: String,
}

pub type Answer = fn(&Asked, &Places) -> Response<Full<Bytes>>;

/// What the client is asked to do.
#[derive(Debug, Clone, Copy)]
pub enum Verb {
    Manifest,
    /// HEAD of a tag, then the manifest that it named.
    Resolve,
    Blob,
    Tags,
    /// A blob.
    Push,
    PutManifest,
    Login,
    Search,
}

/// How it must end.
#[derive(Debug, Clone, Copy)]
pub enum End {
    Well,
    /// With these words in the error.
    Badly(&'static str),
}

pub struct Scenario {
    pub name: &'static str,
    pub verb: Verb,
    pub registry: Answer,
    pub thief: Answer,
    pub end: End,
}

pub const LAYER: &[u8] = b"layer";

pub fn manifest() -> String {
    let config = Digest::of(b"{}");
    format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"{}","digest":"{config}","size":2}},"layers":[]}}"#,
        media_type::OCI_CONFIG
    )
}

/// The user's name and password, or an identity token.
pub fn credentials(identity: bool) -> Credentials {
    let secret = |text: &str| Redacted::new(text.to_owned());
    match identity {
        true => Credentials {
            identity_token: secret("R3FR35H"),
            ..Credentials::default()
        },
        false => Credentials {
            username: "me".into(),
            password: secret("pa55word"),
            ..Credentials::default()
        },
    }
}

pub fn quick() -> Timeouts {
    Timeouts {
        stall: Duration::from_millis(300),
        response: Duration::from_millis(500),
        retry_pause: Duration::from_millis(1),
        ..Timeouts::default()
    }
}

/// Does what a verb says.
pub async fn act(
    registries: &Registries,
    address: &str,
    verb: Verb,
    credentials: Option<Credentials>,
) -> Result<(), String> {
    let told = |error: corten_distribution::Error| corten_base::chain(&error);
    let name: Reference = format!("{address}/app").parse().unwrap();
    let access = match verb {
        Verb::Push | Verb::PutManifest => Access::Push,
        _ => Access::Pull,
    };
    let repository = registries.repository(&name, credentials.clone(), access);
    let repository: Arc<Repository> = Arc::new(repository.await);
    match verb {
        Verb::Manifest => repository.manifest("v1").await.map(drop).map_err(told),
        Verb::Resolve => {
            let found = repository.resolve("v1").await.map_err(told)?;
            let digest = found.ok_or("it names nothing")?.digest.to_string();
            repository.manifest(&digest).await.map(drop).map_err(told)
        }
        Verb::Blob => {
            let blob = Descriptor::of(media_type::OCI_LAYER, LAYER);
            read(&repository, &blob, 0).await.map(drop)
        }
        Verb::Tags => repository.tags().await.map(drop).map_err(told),
        Verb::Push => {
            let digest = Digest::of(LAYER);
            let begun = repository.begin_upload(&digest, None).await.map_err(told)?;
            let Begun::Upload(at) = begun else {
                return Ok(());
            };
            let body = || {
                let bytes = futures_util::stream::iter([Ok(Bytes::from_static(LAYER))]);
                Ok(UploadBody::new(bytes, LAYER.len() as u64))
            };
            repository.upload(at, &digest, body).await.map_err(told)
        }
        Verb::PutManifest => {
            let put = repository.put_manifest("v1", media_type::OCI_MANIFEST, manifest().into());
            put.await.map_err(told)
        }
        Verb::Login => {
            let credentials = Credentials {
                server_address: address.to_owned(),
                ..credentials.unwrap_or_default()
            };
            registries.login(credentials).await.map(drop).map_err(told)
        }
        Verb::Search => {
            let term = format!("{address}/word");
            let hits = registries.search(&term, 5, credentials).await;
            hits.map(drop).map_err(told)
        }
    }
}

/// A blob's bytes from an offset on.
pub async fn read(
    repository: &Arc<Repository>,
    blob: &Descriptor,
    offset: u64,
) -> Result<Vec<u8>, String> {
    let told = |error: corten_distribution::Error| corten_base::chain(&error);
    let mut reader = repository.blob(blob, offset, 3).await.map_err(told)?;
    let mut all = Vec::new();
    while let Some(chunk) = reader.next().await.map_err(told)? {
        all.extend_from_slice(&chunk);
    }
    Ok(all)
}

/// Where the secrets are in what a server was asked.
pub fn seen_secrets(asked: &[Asked]) -> Vec<String> {
    let texts = asked.iter().map(|one| {
        let body = String::from_utf8_lossy(&one.body).into_owned();
        format!(
            "{} {} {:?} {body}",
            one.method,
            one.target,
            header_text(one)
        )
    });
    texts
        .filter(|text| SECRETS.iter().any(|secret| text.contains(secret)))
        .collect()
}

/// All headers, also those that do not print themselves.
fn header_text(asked: &Asked) -> Vec<String> {
    let values = asked.headers.iter();
    values
        .map(|(name, value)| format!("{name}: {}", String::from_utf8_lossy(value.as_bytes())))
        .collect()
}

/// Plays every scenario of a table; `config` is made for the registry's address.
pub async fn play(
    table: &[Scenario],
    credentials: Option<Credentials>,
    config: impl Fn(&Places) -> Config,
) {
    for Scenario {
        name,
        verb,
        registry,
        thief,
        end,
    } in table
    {
        let places: Arc<OnceLock<Places>> = Arc::default();
        let (registry, thief) = (*registry, *thief);
        let start = |host, answer: Answer| {
            let places = Arc::clone(&places);
            Fake::start_at(host, move |asked: &Asked| {
                answer(asked, places.get().unwrap())
            })
        };
        let registry = start(PUBLIC, registry).await;
        let neighbour = start(PUBLIC, thief).await;
        let elsewhere = start(OTHER, thief).await;
        let inside = start(INSIDE, thief).await;
        let told = Places {
            registry: registry.address.clone(),
            neighbour: neighbour.address.clone(),
            thief: elsewhere.address.clone(),
            inside: inside.address.clone(),
        };
        assert!(places.set(told).is_ok());
        let config = config(places.get().unwrap());
        let registries = Registries::with_timeouts(config, quick()).unwrap();
        let acting = act(&registries, &registry.address, *verb, credentials.clone());
        let ended = tokio::time::timeout(Duration::from_secs(20), acting).await;
        let ended = ended.unwrap_or_else(|_| panic!("{name}: it never ends"));
        match (end, &ended) {
            (End::Well, Ok(())) => {}
            (End::Badly(words), Err(error)) if error.contains(words) => {}
            _ => panic!("{name}: {ended:?} instead of {end:?}"),
        }
        assert!(!registry.asked().is_empty(), "{name}: it was not asked");
        for other in [&neighbour, &elsewhere, &inside] {
            let seen = seen_secrets(&other.asked());
            assert!(seen.is_empty(), "{name}: {seen:?}");
        }
        assert!(inside.asked().is_empty(), "{name}: {:?}", inside.asked());
    }
}

/// The public addresses may be spoken to in plain HTTP.
pub fn insecure() -> Config {
    let networks = ["203.0.113.0/24", "198.51.100.0/24"];
    Config {
        insecure: networks.map(|it| it.parse().unwrap()).into(),
        ..Config::default()
    }
}

/// Runs `test` in the network that has the addresses.
pub fn in_network(test: &str, work: impl Future<Output = ()>) {
    if common::in_a_network_with(&[PUBLIC, OTHER, INSIDE], test) {
        tokio::runtime::Runtime::new().unwrap().block_on(work);
    }
}
