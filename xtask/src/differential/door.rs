//! One engine's API socket, spoken to by curl.

use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::{Command, Stdio};

/// The image every call uses, under a name that belongs to this tool.
pub const IMAGE: &str = "corten-differential:1";

/// The same, as Docker's own tar names it.
const LOADED: &str = "busybox:latest";

/// Volumes that calls of the list name.
const VOLUMES: [&str; 4] = ["cdiff-volume", "cdiff-v2", "cdiff-v", "cdiff-mv"];

/// Longer than any call of the list may take.
const MAX_SECONDS: &str = "40";

/// An answer of an engine.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// The HTTP status; 0: none came in time.
    pub status: u16,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The body as it came.
    pub body: Vec<u8>,
}

/// An engine's socket, with the image loaded and what calls have to remember.
pub struct Door {
    socket: String,
    directory: tempfile::TempDir,
    /// Whether the image's usual name was there before.
    had_image: bool,
    /// The engine's data root, which is made equal in answers.
    pub root: String,
    /// What answers left for later calls, by name.
    pub remembered: BTreeMap<String, String>,
}

impl Door {
    /// Loads the image and looks at the engine.
    pub fn open(socket: &str) -> Result<Self> {
        let mut door = Self {
            socket: socket.trim_start_matches("unix://").to_owned(),
            directory: tempfile::tempdir()?,
            had_image: false,
            root: String::new(),
            remembered: BTreeMap::new(),
        };
        let info = door.send("GET", "/info", None)?;
        let info: Value = serde_json::from_slice(&info.body).context("GET /info")?;
        door.root = info["DockerRootDir"].as_str().unwrap_or("?").to_owned();
        let there = door.send("GET", &format!("/images/{LOADED}/json"), None)?;
        door.had_image = there.status == 200;
        if !door.had_image {
            let tar = std::fs::read(corten_testkit::image("busybox"))?;
            let loaded = door.send("POST", "/images/load?quiet=1", Some(&tar))?;
            if loaded.status != 200 {
                bail!("loading the image: {loaded:?}");
            }
        }
        let (repository, tag) = IMAGE.split_once(':').unwrap_or((IMAGE, "latest"));
        let path = format!("/images/{LOADED}/tag?repo={repository}&tag={tag}");
        door.send("POST", &path, None)?;
        Ok(door)
    }

    /// Takes the image and the calls' volumes away again.
    pub fn close(&mut self) -> Result<()> {
        for volume in VOLUMES {
            self.send("DELETE", &format!("/volumes/{volume}?force=1"), None)?;
        }
        self.send("DELETE", &format!("/images/{IMAGE}?force=1"), None)?;
        if !self.had_image {
            self.send("DELETE", &format!("/images/{LOADED}?force=1"), None)?;
        }
        Ok(())
    }

    /// One request. A tar is told from JSON by its first byte.
    pub fn send(&self, method: &str, path: &str, body: Option<&[u8]>) -> Result<Answer> {
        let (sent, received) = (
            self.directory.path().join("sent"),
            self.directory.path().join("received"),
        );
        std::fs::write(&received, "")?;
        let mut command = Command::new("curl");
        command
            .args(["-s", "--max-time", MAX_SECONDS, "--unix-socket"])
            .arg(&self.socket)
            .args(["-D", "-", "-o"])
            .arg(&received)
            .args(["-H", "Expect:"])
            .stdin(Stdio::null());
        if method == "HEAD" {
            command.arg("-I");
        } else {
            command.args(["-X", method]);
        }
        if let Some(body) = body {
            std::fs::write(&sent, body)?;
            let kind = match body.first() {
                Some(b'{' | b'[') => "application/json",
                _ => "application/x-tar",
            };
            command
                .args(["-H", &format!("Content-Type: {kind}"), "--data-binary"])
                .arg(format!("@{}", sent.display()));
        }
        command.arg(format!("http://localhost{path}"));
        let output = command.output().context("curl")?;
        let mut answer = Answer {
            body: std::fs::read(&received)?,
            ..Answer::default()
        };
        if method == "HEAD" {
            answer.body.clear();
        }
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            if let Some((name, value)) = line.split_once(": ") {
                answer
                    .headers
                    .insert(name.to_ascii_lowercase(), value.trim().to_owned());
            } else if let Some(status) = line.strip_prefix("HTTP/1.1 ") {
                let digits = status.split(' ').next().unwrap_or_default();
                answer.status = digits.parse().unwrap_or(0);
            }
        }
        Ok(answer)
    }
}
