//! The registry of a list: manifests out and in.

use super::entry::{Entry, platform};
use crate::{
    app::{App, DOCKER_VERSION},
    config::{ConfigFile, credentials},
    error::CliError,
    output::Json,
};
use corten_base::Redacted;
use corten_distribution::{
    Access, Begun, Config, Credentials, Error, FetchedManifest, InsecureRegistry, ProxyConfig,
    Registries, RegistryRules, Repository,
};
use corten_oci::{Descriptor, Digest, ManifestOrIndex, Platform, Reference};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

/// Where the stock client looks for certificates of registries.
const CERTIFICATES: &str = "/etc/docker/certs.d";
/// Attempts for a configuration.
const ATTEMPTS: u32 = 3;

/// What a name at a registry stands for.
pub(super) enum Remote {
    /// One manifest.
    Manifest(Box<Entry>),
    /// A list of them.
    List(Vec<Entry>),
}

/// Opens a name's repository with the user's credentials.
pub async fn open(
    app: &App,
    name: &Reference,
    insecure: bool,
    access: Access,
) -> Result<Arc<Repository>, CliError> {
    let (registries, known) = prepare(app, name, insecure)?;
    Ok(Arc::new(registries.repository(name, known, access).await))
}

/// What a name's repository is opened with.
pub fn prepare(
    app: &App,
    name: &Reference,
    insecure: bool,
) -> Result<(Registries, Option<Credentials>), CliError> {
    let listed = insecure.then(|| InsecureRegistry::Host(name.domain().to_owned()));
    let config = Config {
        insecure: listed.into_iter().collect(),
        certificates_dirs: vec![PathBuf::from(CERTIFICATES)],
        proxies: ProxyConfig::from_environment(),
        user_agent: format!("Docker-Client/{DOCKER_VERSION} (linux)"),
        registries: token_servers(app.config()),
        ..Config::default()
    };
    let registries = Registries::new(config).map_err(|error| CliError::Text(error.to_string()))?;
    let server = credentials::server_key(name.domain());
    let known = credentials::get(app.config(), server)?;
    let known = Credentials {
        username: known.username,
        password: Redacted::new(known.password),
        identity_token: Redacted::new(known.identitytoken),
        registry_token: Redacted::new(known.registrytoken),
        server_address: known.serveraddress,
    };
    Ok((registries, Some(known).filter(|known| !known.is_empty())))
}

/// `"tokenServers": {"quay.io": ["auth.example.com"]}` of `config.json`: which servers of
/// another domain may see the credentials for a registry. For what the engine asks,
/// `daemon.json` says it.
fn token_servers(config: &ConfigFile) -> BTreeMap<String, RegistryRules> {
    let given = config.document().members(&["tokenServers"]).iter();
    given
        .map(|(registry, servers)| {
            let servers = servers.list(&[]).iter();
            let rules = RegistryRules {
                token_servers: servers.map(|name| name.text(&[]).to_owned()).collect(),
                ..RegistryRules::default()
            };
            (registry.clone(), rules)
        })
        .collect()
}

/// What the registry has under a name.
pub(super) async fn look(app: &App, name: &Reference, insecure: bool) -> Result<Remote, CliError> {
    let repository = open(app, name, insecure, Access::Pull).await?;
    let fetched = repository.manifest(&target(name)).await;
    let fetched = fetched.map_err(|error| refused(error, name))?;
    let ManifestOrIndex::Index(index) = &fetched.document else {
        return manifest(&repository, name.clone(), fetched, None)
            .await
            .map(|entry| Remote::Manifest(Box::new(entry)));
    };
    let mut entries = Vec::new();
    for listed in &index.manifests {
        let digest = &listed.digest;
        let fetched = repository.manifest(&digest.to_string()).await;
        let fetched = fetched.map_err(|error| refused(error, name))?;
        let platform = listed.platform.clone().unwrap_or_default();
        let own = within(name, digest);
        entries.push(manifest(&repository, own, fetched, Some(platform)).await?);
    }
    Ok(Remote::List(entries))
}

/// A manifest of the list that a name stands for: the tag stays in its name.
fn within(name: &Reference, digest: &Digest) -> Reference {
    let tagged = name.tag().filter(|_| name.digest().is_none());
    tagged
        .and_then(|_| format!("{name}@{digest}").parse().ok())
        .unwrap_or_else(|| name.with_digest(digest.clone()))
}

/// A manifest with the platform that the list says, or its image's configuration.
async fn manifest(
    repository: &Arc<Repository>,
    name: Reference,
    fetched: FetchedManifest,
    listed: Option<Platform>,
) -> Result<Entry, CliError> {
    let ManifestOrIndex::Manifest(document) = &fetched.document else {
        return Err(CliError::Text(format!(
            "unsupported manifest type: {}",
            fetched.descriptor.media_type
        )));
    };
    let kind = fetched.descriptor.media_type.clone();
    let own = match listed {
        Some(platform) => platform,
        None => {
            let bytes = blob(repository, &document.config, &name).await?;
            let config: Json = serde_json::from_slice(&bytes)
                .map_err(|error| CliError::Text(format!("{name}: {error}")))?;
            platform(&config)
        }
    };
    let mut entry = Entry::new(name, kind, fetched.bytes.to_vec())?;
    entry.platform = Some(own);
    Ok(entry)
}

async fn blob(
    repository: &Arc<Repository>,
    descriptor: &Descriptor,
    name: &Reference,
) -> Result<Vec<u8>, CliError> {
    if descriptor.size > corten_oci::manifest::MANIFEST_BYTES_MAX {
        return Err(CliError::Text(format!(
            "the configuration of {name} has {} bytes",
            descriptor.size
        )));
    }
    let failed = |error| refused(error, name);
    let mut reader = repository
        .blob(descriptor, 0, ATTEMPTS)
        .await
        .map_err(failed)?;
    let mut bytes = Vec::new();
    while let Some(piece) = reader.next().await.map_err(failed)? {
        bytes.extend_from_slice(&piece);
    }
    if !descriptor.digest.matches(&bytes) {
        return Err(CliError::Text(format!(
            "image config verification failed for digest {}",
            descriptor.digest
        )));
    }
    Ok(bytes)
}

/// Has the target's repository take a blob of another one; whether it did.
pub(super) async fn mount(
    repository: &Repository,
    digest: &Digest,
    from: &str,
    target: &Reference,
) -> Result<bool, CliError> {
    let begun = repository.begin_upload(digest, Some(from)).await;
    begun.map(|begun| begun == Begun::Mounted).map_err(|error| {
        CliError::Text(format!(
            "failed to mount blob {from}@{digest} to {target}: {error}"
        ))
    })
}

/// Records a manifest or a list under a name.
pub async fn put(
    repository: &Repository,
    name: &Reference,
    kind: &str,
    bytes: Vec<u8>,
) -> Result<Digest, CliError> {
    let digest = Digest::of(&bytes);
    repository
        .put_manifest(&target(name), kind, bytes.into())
        .await
        .map_err(|error| CliError::Text(format!("failed to put manifest {name}: {error}")))?;
    Ok(digest)
}

fn target(name: &Reference) -> String {
    match name.digest() {
        Some(digest) => digest.to_string(),
        None => name.tag().unwrap_or_default().to_owned(),
    }
}

/// The stock client's words: what may be a closed or unknown name is an unknown name.
fn refused(error: Error, name: &Reference) -> CliError {
    let unknown = match &error {
        Error::Registry(refusal) => matches!(
            refusal.code(),
            "UNAUTHORIZED" | "MANIFEST_UNKNOWN" | "NAME_UNKNOWN"
        ),
        Error::NoCredentials { .. } => true,
        _ => false,
    };
    if unknown {
        return CliError::Text(format!("no such manifest: {name}"));
    }
    if matches!(&error, Error::Transport { .. }) {
        return CliError::Text(format!(
            "failed to configure transport: error pinging v2 registry: {error}"
        ));
    }
    CliError::Text(error.to_string())
}
