//! Debian's docker-registry on a loopback port of its own.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// How the registry is set up.
#[derive(Debug, Clone, Default)]
pub struct RegistryOptions {
    /// Ask for the user [`Registry::USER`] and the password [`Registry::PASSWORD`].
    pub htpasswd: bool,
    /// Serve TLS with this certificate and this key, PEM files.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Be a read-through cache of this registry (`http://host:port`).
    pub mirror_of: Option<String>,
}

/// A registry with a directory of its own; it ends when dropped.
pub struct Registry {
    child: Child,
    address: String,
    directory: tempfile::TempDir,
}

impl Registry {
    /// The user of [`RegistryOptions::htpasswd`].
    pub const USER: &'static str = "corten";
    /// That user's password.
    pub const PASSWORD: &'static str = "secret";
    /// bcrypt of the password.
    const HASH: &'static str = "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";

    /// The line of a password file that admits that user.
    pub fn htpasswd() -> String {
        format!("{}:{}\n", Self::USER, Self::HASH)
    }

    /// Starts an open registry.
    pub fn start() -> Self {
        Self::with(&RegistryOptions::default())
    }

    /// Starts a registry and waits until it listens. Panics when `docker-registry` is not
    /// installed or does not come up.
    pub fn with(options: &RegistryOptions) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let config = config(directory.path(), options);
        let path = directory.path().join("config.yml");
        std::fs::write(&path, config).expect("the registry's configuration is written");
        let mut child = Command::new("docker-registry")
            .arg("serve")
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("docker-registry is installed");
        let stderr = child.stderr.take().expect("stderr is piped");
        let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
        let listening = lines.by_ref().find_map(|line| {
            let (_, rest) = line.split_once("listening on ")?;
            Some(rest.split(['"', ',', ' ']).next()?.to_owned())
        });
        let Some(address) = listening else {
            let status = child.wait();
            panic!("docker-registry did not come up: {status:?}");
        };
        // The pipe must not fill up.
        std::thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            address,
            directory,
        }
    }

    /// `127.0.0.1:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The file of a blob (`sha256:…`), to be damaged.
    pub fn blob_path(&self, digest: &str) -> PathBuf {
        let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
        let blobs = self
            .directory
            .path()
            .join("data/docker/registry/v2/blobs/sha256");
        blobs.join(&hex[..2]).join(hex).join("data")
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // Ended already is ended too.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn config(directory: &Path, options: &RegistryOptions) -> String {
    let data = directory.join("data");
    let mut text = format!(
        "version: 0.1\nlog: {{level: info, formatter: text, accesslog: {{disabled: true}}}}\n\
         storage:\n  filesystem: {{rootdirectory: {}}}\n  delete: {{enabled: true}}\n\
         http:\n  addr: 127.0.0.1:0\n  secret: test\n",
        data.display()
    );
    if let Some((certificate, key)) = &options.tls {
        text += &format!(
            "  tls:\n    certificate: {}\n    key: {}\n",
            certificate.display(),
            key.display()
        );
    }
    if options.htpasswd {
        let file = directory.join("htpasswd");
        std::fs::write(&file, Registry::htpasswd()).expect("the password file is written");
        text += &format!(
            "auth:\n  htpasswd:\n    realm: test\n    path: {}\n",
            file.display()
        );
    }
    if let Some(url) = &options.mirror_of {
        text += &format!("proxy:\n  remoteurl: {url}\n");
    }
    text
}
