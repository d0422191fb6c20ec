//! Programs of others that do a part of the engine's work: Docker's legacy plugins.
//!
//! Purpose: [`find`] a plugin by name in the directories that Docker looks into, and
//! [`post`] a call to it. A plugin `foo` is `foo.sock` or `foo/foo.sock` in a directory of
//! sockets, or an address in `foo.spec` or `foo.json`. It answers `POST /Plugin.Activate`
//! with what it implements, and the calls of that.
//!
//! Invariants: one request a connection, each with a deadline and an answer of bounded
//! length; nothing of a plugin is run or loaded.
//!
//! Never knows: what plugins are for.
//!
//! Source: docs.docker.com, "Docker Plugin API".
#![forbid(unsafe_code)]

mod http;

pub use http::{Address, post};

use serde::Deserialize;
use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

/// Where Docker looks for sockets, and then for addresses.
pub const DIRECTORIES: [&str; 3] = [
    "/run/docker/plugins",
    "/etc/docker/plugins",
    "/usr/lib/docker/plugins",
];

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Activated {
    implements: Vec<String>,
}

/// Where the plugin of this name listens, if there is one.
pub fn find(directories: &[PathBuf], name: &str) -> Option<Address> {
    if name.is_empty() || name.contains('/') || name.starts_with('.') {
        return None;
    }
    directories
        .iter()
        .find_map(|directory| address_in(directory, name))
}

/// What a plugin says it implements (`VolumeDriver`, `NetworkDriver`, …).
pub fn activate(address: &Address, patience: Duration) -> io::Result<Vec<String>> {
    let (status, body) = post(address, "/Plugin.Activate", b"{}", patience)?;
    if status != 200 {
        return Err(io::Error::other(format!("status {status}")));
    }
    let activated: Activated = serde_json::from_slice(&body)?;
    Ok(activated.implements)
}

fn address_in(directory: &Path, name: &str) -> Option<Address> {
    let file = |suffix: &str| directory.join(format!("{name}{suffix}"));
    let nested = directory.join(name).join(format!("{name}.sock"));
    for path in [file(".sock"), nested] {
        if path.exists() {
            return Some(Address::Unix(path));
        }
    }
    if let Ok(text) = fs::read_to_string(file(".spec")) {
        return Address::parse(text.trim());
    }
    let text = fs::read_to_string(file(".json")).ok()?;
    let json: serde_json::Value = serde_json::from_str(&text).ok()?;
    if json.get("TLSConfig").is_some_and(|it| !it.is_null()) {
        tracing::warn!(
            plugin = name,
            "TLS to a plugin is not supported: use a socket"
        );
        return None;
    }
    Address::parse(json.get("Addr")?.as_str()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_is_a_socket_or_a_file_with_an_address() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = |name: &str| directory.path().join(name);
        fs::write(path("a.sock"), "").expect("written");
        fs::create_dir(path("b")).expect("made");
        fs::write(path("b/b.sock"), "").expect("written");
        fs::write(path("c.spec"), "tcp://host:1\n").expect("written");
        fs::write(path("d.json"), r#"{"Name":"d","Addr":"unix:///d"}"#).expect("written");
        fs::write(path("e.json"), r#"{"Addr":"tcp://x:1","TLSConfig":{}}"#).expect("written");
        let directories = [directory.path().to_owned()];
        let found = |name| find(&directories, name);
        assert_eq!(found("a"), Some(Address::Unix(path("a.sock"))));
        assert_eq!(found("b"), Some(Address::Unix(path("b/b.sock"))));
        assert_eq!(found("c"), Some(Address::Tcp("host:1".into())));
        assert_eq!(found("d"), Some(Address::Unix("/d".into())));
        for name in ["e", "f", "", "../a", "b/b"] {
            assert_eq!(found(name), None, "{name}");
        }
    }
}
