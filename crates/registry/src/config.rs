//! What the registry is told: a JSON file, every member optional but the storage.

use serde::Deserialize;
use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};
use thiserror::Error;

/// The whole configuration. Unknown members are refused.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// Addresses `host:port` to serve (default `127.0.0.1:5000`).
    #[serde(default = "default_listen")]
    pub listen: Vec<String>,
    /// Where blobs and records lie.
    pub storage: StorageConfig,
    /// TLS; without it plain HTTP.
    #[serde(default)]
    pub tls: Option<TlsConfig>,
    /// A file of `user:bcrypt` lines as htpasswd(1) -B writes them; read again when it
    /// changes.
    #[serde(default)]
    pub htpasswd: Option<PathBuf>,
    /// Bearer tokens of an external token server, in place of passwords.
    #[serde(default)]
    pub token: Option<TokenConfig>,
    /// With passwords: who may do what. Without rules every user may do everything.
    #[serde(default)]
    pub access: Vec<AccessRule>,
    /// Whether manifests, tags and blobs may be deleted by clients.
    #[serde(default = "yes")]
    pub delete: bool,
    /// Registries this one caches.
    #[serde(default)]
    pub upstreams: Vec<UpstreamConfig>,
    /// Who is told of pushes, pulls and deletes.
    #[serde(default)]
    pub hooks: Vec<HookConfig>,
    /// Which tags and manifests are removed by themselves.
    #[serde(default)]
    pub retention: Vec<Retention>,
    /// Seconds between two collections (default an hour); 0 turns them off.
    #[serde(default = "default_collect_seconds")]
    pub collect_seconds: u64,
    /// Seconds for which nothing without a reference is collected (default an hour).
    #[serde(default = "default_grace_seconds")]
    pub grace_seconds: u64,
    /// An address for `/metrics` and `/health` alone.
    #[serde(default)]
    pub metrics_listen: Option<String>,
    /// Seconds without a byte, in or out, after which a client that is in the middle of a
    /// request or of its answer is cut off (default a minute).
    #[serde(default = "default_stall_seconds")]
    pub stall_seconds: u64,
    /// Whether `/` shows a page of repositories.
    #[serde(default = "yes")]
    pub page: bool,
}

/// A directory or a bucket.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StorageConfig {
    /// A directory of this machine.
    Directory(PathBuf),
    /// An S3-compatible bucket.
    Bucket(BucketConfig),
}

/// An S3-compatible bucket.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BucketConfig {
    /// Its name.
    pub bucket: String,
    /// A prefix of all names in it.
    #[serde(default)]
    pub prefix: String,
    /// The region.
    #[serde(default = "default_region")]
    pub region: String,
    /// The service's URL, when it is not Amazon's.
    #[serde(default)]
    pub endpoint: Option<String>,
    /// The key's name; else `AWS_ACCESS_KEY_ID`.
    #[serde(default)]
    pub access_key_id: Option<String>,
    /// A file with the key; else `AWS_SECRET_ACCESS_KEY`.
    #[serde(default)]
    pub secret_access_key_file: Option<PathBuf>,
    /// Whether the bucket's name is part of the host's.
    #[serde(default)]
    pub virtual_hosted: bool,
    /// A PEM file of certificates to trust beside the system's.
    #[serde(default)]
    pub authority: Option<PathBuf>,
}

impl BucketConfig {
    /// The key of [`BucketConfig::secret_access_key_file`], if one is named.
    pub fn secret(&self) -> io::Result<Option<String>> {
        let read = |path: &PathBuf| std::fs::read_to_string(path);
        let secret = self.secret_access_key_file.as_ref().map(read).transpose()?;
        Ok(secret.map(|text| text.trim().to_owned()))
    }
}

/// Certificate and key, PEM files; read again when they change.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificates, the server's own first.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// An external token server.
/// <https://distribution.github.io/distribution/spec/auth/token/>
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TokenConfig {
    /// Its URL, told to clients.
    pub realm: String,
    /// This registry's name with it: a token's audience.
    pub service: String,
    /// A token's issuer.
    pub issuer: String,
    /// PEM files with certificates or public keys that sign tokens; a certificate also
    /// vouches for those that a token carries.
    #[serde(default)]
    pub certificates: Vec<PathBuf>,
    /// A JWK set (RFC 7517) with such keys.
    #[serde(default)]
    pub keys: Option<PathBuf>,
}

/// What some users may do with some repositories.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct AccessRule {
    /// Names of users; `*` is every user with a password, `anonymous` everybody else.
    pub users: Vec<String>,
    /// Patterns of names: `*` stands for any characters, slashes too.
    pub repositories: Vec<String>,
    /// What they may do.
    pub rights: Vec<Right>,
}

/// What a client may do with a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Right {
    /// Read.
    Pull,
    /// Write.
    Push,
    /// Delete.
    Delete,
}

impl Right {
    /// As it stands in tokens.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
        }
    }
}

/// A registry that is cached.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct UpstreamConfig {
    /// The first part of the names it serves here: `hub` for `hub/library/nginx`. Empty:
    /// every name that no other upstream serves, as Docker's mirrors are asked.
    #[serde(default)]
    pub prefix: String,
    /// The registry: `docker.io`, `ghcr.io`, `localhost:5000`.
    pub registry: String,
    /// A user there.
    #[serde(default)]
    pub username: String,
    /// A file with that user's password.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// Seconds for which a tag is served without asking again (default five minutes).
    #[serde(default = "default_tag_seconds")]
    pub tag_seconds: u64,
    /// Seconds after which a tag nobody asked for is forgotten (default seven days).
    #[serde(default = "default_keep_seconds")]
    pub keep_seconds: u64,
    /// Servers of another domain that may see the password when the registry names them as
    /// its token server: `host[:port]`.
    #[serde(default)]
    pub token_servers: Vec<String>,
    /// Whether plain HTTP or an unknown certificate will do.
    #[serde(default)]
    pub insecure: bool,
}

/// A web hook.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct HookConfig {
    /// Where events are posted.
    pub url: String,
    /// Headers to send along.
    #[serde(default)]
    pub headers: std::collections::BTreeMap<String, String>,
    /// Which actions are told (`push`, `pull`, `delete`, `mount`); all when empty.
    #[serde(default)]
    pub actions: Vec<String>,
    /// A PEM file of certificates to trust beside the system's.
    #[serde(default)]
    pub authority: Option<PathBuf>,
}

/// A rule of retention; a tag goes when any rule says so and no rule protects it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Retention {
    /// Patterns of repositories it is for.
    pub repositories: Vec<String>,
    /// Of each repository, keep this many tags, the newest.
    #[serde(default)]
    pub keep_last: Option<usize>,
    /// Remove tags older than this many days.
    #[serde(default)]
    pub older_than_days: Option<u64>,
    /// Patterns of tags that stay whatever this or another rule says.
    #[serde(default)]
    pub protect: Vec<String>,
    /// Remove manifests that no tag, index or subject leads to and that are older than
    /// this many days. Without it they stay: somebody may pull them by digest.
    #[serde(default)]
    pub untagged_after_days: Option<u64>,
}

/// The configuration cannot be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("reading {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no such JSON.
    #[error("{path}: {reason}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A member has no use.
    #[error("{member}: {reason}")]
    Member {
        /// Which.
        member: &'static str,
        /// Why not.
        reason: String,
    },
}

impl Config {
    /// A registry without protection in a directory, with every default.
    pub fn in_directory(path: &Path) -> Self {
        let storage = StorageConfig::Directory(path.to_owned());
        Self {
            listen: default_listen(),
            storage,
            tls: None,
            htpasswd: None,
            token: None,
            access: Vec::new(),
            delete: true,
            upstreams: Vec::new(),
            hooks: Vec::new(),
            retention: Vec::new(),
            collect_seconds: default_collect_seconds(),
            grace_seconds: default_grace_seconds(),
            metrics_listen: None,
            stall_seconds: default_stall_seconds(),
            page: true,
        }
    }

    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        let config: Self = serde_json::from_slice(&text).map_err(|error| ConfigError::Parse {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
        config.check()?;
        Ok(config)
    }

    /// Refuses what does not fit together.
    pub fn check(&self) -> Result<(), ConfigError> {
        let refuse = |member, reason: &str| {
            let reason = reason.to_owned();
            Err(ConfigError::Member { member, reason })
        };
        if self.listen.is_empty() {
            return refuse("listen", "no address to serve");
        }
        if self.stall_seconds == 0 {
            return refuse("stall-seconds", "a client needs some time");
        }
        if self.htpasswd.is_some() && self.token.is_some() {
            return refuse("token", "either passwords or tokens, not both");
        }
        if !self.access.is_empty() && self.htpasswd.is_none() {
            return refuse(
                "access",
                "rules need htpasswd; a token carries its rights itself",
            );
        }
        for upstream in &self.upstreams {
            let prefix = upstream.prefix.as_str();
            let twice = self.upstreams.iter().filter(|u| u.prefix == prefix).count() > 1;
            let is_name = prefix.is_empty()
                || (!prefix.contains('/') && crate::RepositoryName::parse(prefix).is_ok());
            if twice || !is_name {
                return refuse(
                    "upstreams",
                    "a prefix is one part of a name, and no other's",
                );
            }
        }
        for hook in &self.hooks {
            let is_url = hook.url.starts_with("http://") || hook.url.starts_with("https://");
            if !is_url || hook.url.parse::<http::Uri>().is_err() {
                return refuse("hooks", "a url begins with http:// or https://");
            }
            let known = ["push", "pull", "delete", "mount"];
            if hook
                .actions
                .iter()
                .any(|action| !known.contains(&action.as_str()))
            {
                return refuse("hooks", "actions are push, pull, delete and mount");
            }
        }
        Ok(())
    }

    /// See [`Config::stall_seconds`].
    pub fn stall(&self) -> Duration {
        Duration::from_secs(self.stall_seconds)
    }

    /// See [`Config::grace_seconds`].
    pub fn grace(&self) -> Duration {
        Duration::from_secs(self.grace_seconds)
    }
}

/// Whether `text` is what a pattern with `*` stands for.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

fn yes() -> bool {
    true
}
fn default_listen() -> Vec<String> {
    vec!["127.0.0.1:5000".into()]
}
fn default_region() -> String {
    "us-east-1".into()
}
fn default_collect_seconds() -> u64 {
    3600
}
fn default_grace_seconds() -> u64 {
    crate::limits::COLLECT_GRACE.as_secs()
}
fn default_stall_seconds() -> u64 {
    crate::limits::STALL.as_secs()
}
fn default_tag_seconds() -> u64 {
    300
}
fn default_keep_seconds() -> u64 {
    7 * 24 * 3600
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, text, expected) in [
            ("*", "a/b", true),
            ("team/*", "team/x/y", true),
            ("team/*", "team", false),
            ("team/*", "other/team/x", false),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "acb", false),
            ("v*", "v1", true),
            ("x", "x", true),
            ("x", "xy", false),
            ("*-rc*", "v1-rc2", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let config = |text: &str| {
            let whole = format!(r#"{{"storage":{{"directory":"/x"}}{text}}}"#);
            serde_json::from_str::<Config>(&whole)
                .map_err(|error| error.to_string())
                .and_then(|config| config.check().map_err(|error| error.to_string()))
        };
        assert_eq!(config(""), Ok(()));
        for bad in [
            r#","listen":[]"#,
            r#","unknown":1"#,
            r#","access":[{"users":["*"],"repositories":["*"],"rights":["pull"]}]"#,
            r#","upstreams":[{"prefix":"a/b","registry":"r"}]"#,
            r#","hooks":[{"url":"ftp://x"}]"#,
            r#","hooks":[{"url":"http://x","actions":["burn"]}]"#,
        ] {
            assert!(config(bad).is_err(), "{bad}");
        }
    }
}
