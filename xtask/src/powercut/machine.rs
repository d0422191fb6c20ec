//! What the daemon of a power-cut run stands on: a network namespace, a registry, a file
//! system on a loop device.

use crate::run;
use anyhow::{Context, Result, ensure};
use corten_testkit::{Ran, until};
use std::{
    cell::Cell,
    fs::File,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

/// Seconds for a daemon's first answer.
const READY_SECONDS: u64 = 60;
/// Where the registry of the test images listens.
pub const REGISTRY: &str = "127.0.0.1:5000";

/// A namespace with a registry in it.
pub struct Machine {
    holder: Child,
    registry: Child,
    directory: PathBuf,
    binaries: PathBuf,
    driver: String,
    /// Each daemon has an exec root of its own.
    daemons: Cell<usize>,
}

/// A running `cortend`; killed when dropped.
pub struct Daemon {
    child: Child,
    socket: PathBuf,
}

impl Daemon {
    /// As the power goes: without a word.
    pub fn kill(mut self) {
        self.end();
    }

    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.end();
    }
}

impl Machine {
    /// Makes the namespace and starts the registry; daemons will have this storage driver.
    pub fn new(directory: &Path, binaries: &Path, driver: &str) -> Result<Self> {
        let mut holder = Command::new("unshare")
            .args([
                "--net",
                "sh",
                "-c",
                "ip link set lo up && echo up && exec sleep infinity",
            ])
            .stdout(Stdio::piped())
            .spawn()
            .context("unshare")?;
        let mut line = String::new();
        if let Some(out) = holder.stdout.take() {
            std::io::BufRead::read_line(&mut std::io::BufReader::new(out), &mut line)?;
        }
        ensure!(line.trim() == "up", "no network namespace");
        let config = directory.join("registry.json");
        let storage = std::env::var("CORTEN_TEST_REGISTRY")
            .unwrap_or_else(|_| "/var/cache/corten-test/registry".to_owned());
        let text = serde_json::json!({
            "version": "0.1",
            "log": { "level": "error", "accesslog": { "disabled": true } },
            "storage": {
                "filesystem": { "rootdirectory": storage },
                "maintenance": { "uploadpurging": { "enabled": false } },
            },
            "http": { "addr": REGISTRY },
        });
        std::fs::write(&config, text.to_string())?;
        let registry = inside(&holder, Path::new("docker-registry"))
            .arg("serve")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("docker-registry")?;
        let machine = Self {
            holder,
            registry,
            directory: directory.to_owned(),
            binaries: binaries.to_owned(),
            driver: driver.to_owned(),
            daemons: Cell::new(0),
        };
        let url = format!("http://{REGISTRY}/v2/");
        until("the registry answers", 20, || {
            let mut ask = inside(&machine.holder, Path::new("curl"));
            corten_testkit::run(ask.args(["-sf", "--max-time", "2", &url])).code == 0
        });
        Ok(machine)
    }

    /// Starts a daemon on a data root.
    pub fn start(&self, root: &Path) -> Result<Daemon> {
        let number = self.daemons.get();
        self.daemons.set(number + 1);
        let own = self.directory.join(format!("daemon-{}", number % 2));
        if own.exists() {
            std::fs::remove_dir_all(&own)?;
        }
        std::fs::create_dir(&own)?;
        let file = own.join("daemon.json");
        let settings = serde_json::json!({
            "registry-mirrors": [format!("http://{REGISTRY}")],
            "storage-driver": self.driver,
        });
        std::fs::write(&file, settings.to_string())?;
        let socket = own.join("cortend.sock");
        let log = File::create(own.join("log"))?;
        let child = inside(&self.holder, &self.binaries.join("cortend"))
            .arg(format!("--host=unix://{}", socket.display()))
            .arg(format!("--config-file={}", file.display()))
            .arg(format!("--data-root={}", root.join("data").display()))
            .arg(format!("--exec-root={}", own.join("exec").display()))
            .arg(format!("--pidfile={}", own.join("pid").display()))
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cortend")?;
        let mut daemon = Daemon { child, socket };
        let mut ended = None;
        until("the daemon answers", READY_SECONDS, || {
            ended = daemon.child.try_wait().ok().flatten();
            ended.is_some() || self.corten(&daemon, &["version"]).code == 0
        });
        let text = std::fs::read_to_string(own.join("log")).unwrap_or_default();
        ensure!(ended.is_none(), "cortend did not start:\n{text}");
        Ok(daemon)
    }

    /// Our client with these words.
    pub fn corten(&self, daemon: &Daemon, words: &[&str]) -> Ran {
        let mut command = Command::new(self.binaries.join("corten"));
        command
            .args(words)
            .env("DOCKER_HOST", format!("unix://{}", daemon.socket.display()))
            .env("DOCKER_CONFIG", self.directory.join("client"))
            .stdin(Stdio::null());
        corten_testkit::run(&mut command)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        for child in [&mut self.registry, &mut self.holder] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn inside(holder: &Child, program: &Path) -> Command {
    let mut command = Command::new("nsenter");
    command
        .args(["-t", &holder.id().to_string(), "-n", "--"])
        .arg(program)
        .stdin(Stdio::null());
    command
}

/// A file system on a loop device on a file; unmounted when dropped.
pub struct Mounted {
    device: String,
    path: PathBuf,
}

impl Mounted {
    /// Mounts the file system in `disk` at `path`.
    pub fn new(disk: &Path, path: &Path) -> Result<Self> {
        std::fs::create_dir_all(path)?;
        let device = run::output(Command::new("losetup").args(["--find", "--show"]).arg(disk))?;
        let mounted = Self {
            device: device.trim().to_owned(),
            path: path.to_owned(),
        };
        run::output(
            Command::new("mount")
                .args(["-t", "ext4", "-o", "nodiscard", &mounted.device])
                .arg(path),
        )?;
        Ok(mounted)
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // What the daemon left mounted below goes along.
        let commands = [
            run::output(Command::new("umount").arg("--recursive").arg(&self.path)),
            run::output(Command::new("losetup").args(["--detach", &self.device])),
        ];
        for error in commands.into_iter().filter_map(Result::err) {
            eprintln!("{error:#}");
        }
    }
}
