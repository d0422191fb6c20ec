//! An S3 service on a loopback port: moto's, which takes only what its key has signed.

use crate::setting;
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

/// A service with one empty bucket; it ends when dropped.
pub struct ObjectStore {
    child: Child,
    told: Value,
}

impl ObjectStore {
    /// Starts the service and waits until it has its bucket. Panics when moto is not
    /// installed or does not come up.
    pub fn start() -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/object-store.py");
        let moto = setting("CORTEN_TEST_S3", "/var/cache/corten-test/s3-python");
        let mut child = Command::new("python3")
            .arg(script)
            .env("PYTHONPATH", moto)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("python3 is installed");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout is piped");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("the object store's answer");
        let told = serde_json::from_str(&line).expect("the object store came up");
        Self { child, told }
    }

    /// The member `bucket` of a registry's `storage`; the secret goes to the file `secret`.
    pub fn bucket(&self, secret: &Path) -> Value {
        let text = self.told["secret"].as_str().expect("a secret");
        std::fs::write(secret, text).expect("the secret is written");
        json!({
            "bucket": self.told["bucket"],
            "endpoint": self.told["endpoint"],
            "access-key-id": self.told["key"],
            "secret-access-key-file": secret,
            "prefix": "registry",
        })
    }
}

impl Drop for ObjectStore {
    fn drop(&mut self) {
        // Ended already is ended too.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
