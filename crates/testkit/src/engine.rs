//! An engine under test, in a network namespace and directories of its own.

use crate::process::{self, Ran};
use crate::{Leftovers, Registry, Steps, binary, docker_20, docker_current, image, setting, until};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

/// Seconds within which the daemon must answer its first ping in the dev profile.
const READY_SECONDS: u64 = 20;

/// How an engine under test is started.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Further words for `cortend`.
    pub arguments: Vec<String>,
    /// Environment of `cortend`.
    pub environment: Vec<(String, String)>,
    /// A directory that the daemon sees as `/etc`.
    pub etc: Option<PathBuf>,
    /// The data root, where it is not in the engine's own directory.
    pub data_root: Option<PathBuf>,
    /// Three of Debian's registries in the engine's network namespace: 127.0.0.1:5000 holds
    /// the test images and is the mirror of Docker's hub, 127.0.0.1:5001 is empty,
    /// and 127.0.0.1:5002 asks for [`Registry::USER`].
    pub registries: bool,
}

/// A running `cortend` with everything it needs; ended and cleaned when dropped.
pub struct Engine {
    directory: TempDir,
    holder: Child,
    daemon: Option<Child>,
    options: Options,
    cgroup_parent: String,
    children: Vec<Child>,
    client: PathBuf,
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

impl Engine {
    /// Starts an engine and waits until it answers.
    pub fn start() -> Self {
        Self::start_with(Options::default())
    }

    /// As [`Engine::start`], with options.
    pub fn start_with(options: Options) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("corten-test-")
            .tempdir_in("/var/tmp")
            .expect("a directory");
        std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o711))
            .expect("its mode");
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let mut engine = Self {
            cgroup_parent: format!("/corten-test-{}-{number}", std::process::id()),
            holder: hold_network_namespace(),
            daemon: None,
            options,
            children: Vec::new(),
            client: docker_current(),
            directory,
        };
        if engine.options.registries {
            engine.serve_registries();
        }
        std::fs::create_dir(engine.path("steps")).expect("a directory for its steps");
        std::fs::write(engine.path("daemon.json"), "{}").expect("the daemon's configuration");
        engine.start_daemon();
        engine
    }

    /// Starts an engine beside two registries (see [`Options::registries`]).
    pub fn with_registries() -> Self {
        Self::start_with(Options {
            registries: true,
            ..Options::default()
        })
    }

    fn serve_registries(&mut self) {
        let open = || serde_json::json!({});
        let filled = setting("CORTEN_TEST_REGISTRY", "/var/cache/corten-test/registry");
        self.serve(5000, &filled, open());
        self.serve(5001, &self.path("registry"), open());
        let users = self.path("htpasswd");
        std::fs::write(&users, Registry::htpasswd()).expect("the registry's users");
        let auth = serde_json::json!({ "htpasswd": { "realm": "test", "path": users } });
        self.serve(5002, &self.path("registry-closed"), auth);
        let mirror = ["--registry-mirror", "http://127.0.0.1:5000"];
        self.options.arguments.extend(mirror.map(String::from));
    }

    fn serve(&mut self, port: u16, storage: &Path, auth: serde_json::Value) {
        let config = self.path(&format!("registry-{port}.json"));
        let text = serde_json::json!({
            "auth": auth,
            "version": "0.1",
            "log": { "level": "warn", "accesslog": { "disabled": true } },
            "storage": {
                "filesystem": { "rootdirectory": storage },
                "delete": { "enabled": true },
                "maintenance": { "uploadpurging": { "enabled": false } },
            },
            "http": { "addr": format!("127.0.0.1:{port}") },
        });
        std::fs::write(&config, text.to_string()).expect("the registry's configuration");
        let mut command = self.inside("docker-registry");
        command.arg("serve").arg(&config);
        self.beside(command);
        let url = format!("http://127.0.0.1:{port}/v2/");
        until("the registry answers", 20, || {
            // 401 is an answer, too.
            process::run(self.inside("curl").args(["-s", "--max-time", "2", &url])).code == 0
        });
    }

    /// Starts an engine that has the images of these names.
    pub fn with_images(names: &[&str]) -> Self {
        let engine = Self::start();
        for name in names {
            engine.load(name);
        }
        engine
    }

    /// The same engine, with another stock client behind [`Engine::docker`].
    pub fn with_client(mut self, client: PathBuf) -> Self {
        self.client = client;
        self
    }

    /// Loads a test image by the stock client.
    pub fn load(&self, name: &str) {
        self.docker(["load", "-q", "-i", &image(name).display().to_string()])
            .ok();
    }

    /// Starts the daemon (again) and waits until it answers.
    pub fn start_daemon(&mut self) {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.log_path())
            .expect("a log");
        let mut command = match &self.options.etc {
            Some(etc) => {
                let mut command = self.inside("unshare");
                let line = "mount --bind \"$0\" /etc && exec \"$@\"";
                command.args(["-m", "--", "sh", "-c", line]);
                command.arg(etc).arg(binary("cortend"));
                command
            }
            None => self.inside(binary("cortend")),
        };
        command
            .args([
                "--host",
                &self.host(),
                "--config-file",
                &self.path("daemon.json").display().to_string(),
            ])
            .args(["--data-root", &self.data_root().display().to_string()])
            .args(["--exec-root", &self.path("exec").display().to_string()])
            .args(["--pidfile", &self.path("cortend.pid").display().to_string()])
            .args([
                "--cgroup-parent",
                &self.cgroup_parent,
                "--log-level",
                "debug",
            ])
            .args(&self.options.arguments)
            .env(Steps::VARIABLE, self.path("steps"))
            .envs(
                self.options
                    .environment
                    .iter()
                    .map(|(name, value)| (name, value)),
            )
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a second handle"))
            .stderr(log);
        let mut daemon = command.spawn().expect("cortend starts");
        until("the daemon answers", READY_SECONDS, || {
            if let Ok(Some(status)) = daemon.try_wait() {
                panic!("cortend ended with {status}:\n{}", self.log());
            }
            self.get("/_ping").is_some_and(|body| body == "OK")
        });
        self.daemon = Some(daemon);
    }

    /// `kill -9` of the daemon; its containers go on.
    pub fn kill_daemon(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.kill().expect("the daemon is ours");
            daemon.wait().expect("it ends");
        }
    }

    /// Asks the daemon to end (SIGTERM) and waits.
    pub fn stop_daemon(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            terminate(&daemon);
            daemon.wait().expect("it ends");
        }
    }

    /// The daemon's process ID.
    pub fn daemon_pid(&self) -> u32 {
        self.daemon
            .as_ref()
            .map(Child::id)
            .expect("the daemon runs")
    }

    /// The process ID of the holder of the engine's network namespace.
    pub fn holder_pid(&self) -> u32 {
        self.holder.id()
    }

    /// The stock client, the current one unless chosen otherwise, with these words.
    #[track_caller]
    pub fn docker<S: AsRef<str>>(&self, words: impl IntoIterator<Item = S>) -> Ran {
        process::run(&mut self.docker_command(words))
    }

    /// The same, not yet started.
    pub fn docker_command<S: AsRef<str>>(&self, words: impl IntoIterator<Item = S>) -> Command {
        self.client_command(&self.client, words)
    }

    /// The stock client 20.10 with these words.
    #[track_caller]
    pub fn docker_20<S: AsRef<str>>(&self, words: impl IntoIterator<Item = S>) -> Ran {
        process::run(&mut self.client_command(&docker_20(), words))
    }

    /// Our own client with these words.
    #[track_caller]
    pub fn corten<S: AsRef<str>>(&self, words: impl IntoIterator<Item = S>) -> Ran {
        process::run(&mut self.client_command(&binary("corten"), words))
    }

    /// The same, not yet started.
    pub fn corten_command<S: AsRef<str>>(&self, words: impl IntoIterator<Item = S>) -> Command {
        self.client_command(&binary("corten"), words)
    }

    /// Our own client under the name `docker`, whose output must be the stock client's.
    #[track_caller]
    pub fn corten_as_docker<S: AsRef<str>>(&self, words: impl IntoIterator<Item = S>) -> Ran {
        let mut command = self.client_command(&binary("corten"), words);
        process::run(command.arg0("docker"))
    }

    /// The stock Compose with these words, not yet started.
    pub fn compose_command<S: AsRef<str>>(&self, words: impl IntoIterator<Item = S>) -> Command {
        self.client_command(&crate::compose(), words)
    }

    /// The stock client with `input` on its standard input.
    #[track_caller]
    pub fn docker_with_input<S: AsRef<str>>(
        &self,
        words: impl IntoIterator<Item = S>,
        input: &[u8],
    ) -> Ran {
        process::run_with_input(&mut self.docker_command(words), input)
    }

    fn client_command<S: AsRef<str>>(
        &self,
        client: &Path,
        words: impl IntoIterator<Item = S>,
    ) -> Command {
        let words: Vec<String> = words
            .into_iter()
            .map(|word| word.as_ref().to_owned())
            .collect();
        let mut command = process::program(client, &words);
        command
            .env("DOCKER_HOST", self.host())
            .env("DOCKER_CONFIG", self.path("docker-config"))
            .env("HOME", self.directory.path())
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC");
        command
    }

    /// A program in the engine's network namespace, where its published ports are.
    pub fn inside(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["-t", &self.holder.id().to_string(), "-n", "--"])
            .arg(program.as_ref());
        command.stdin(Stdio::null());
        command
    }

    /// Keeps `command` running beside the engine until it is dropped.
    pub fn beside(&mut self, mut command: Command) -> u32 {
        let child = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        self.children.push(child);
        self.children.last().map(Child::id).expect("just pushed")
    }

    /// The body of `GET path` on the API socket, or `None` without an answer of 2xx.
    pub fn get(&self, path: &str) -> Option<String> {
        let socket = self.path("cortend.sock").display().to_string();
        let url = format!("http://localhost{path}");
        let ran = process::run(&mut process::program(
            "curl",
            ["-sf", "--max-time", "20", "--unix-socket", &socket, &url],
        ));
        (ran.code == 0).then_some(ran.stdout)
    }

    /// Status and body of a request with a JSON body on the API socket.
    pub fn request(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let socket = self.path("cortend.sock").display().to_string();
        let url = format!("http://localhost{path}");
        let words = [
            "-s",
            "-g",
            "--max-time",
            "60",
            "--unix-socket",
            &socket,
            "-X",
            method,
            "-H",
        ];
        let words = words.into_iter().chain([
            "Content-Type: application/json",
            "-w",
            "\n%{http_code}",
            "-d",
            body,
            &url,
        ]);
        let ran = process::run(&mut process::program("curl", words));
        let (answer, status) = ran.stdout.rsplit_once('\n').unwrap_or(("", "0"));
        (status.parse().unwrap_or(0), answer.trim_end().to_owned())
    }

    /// `unix://…` of the engine's socket.
    pub fn host(&self) -> String {
        format!("unix://{}", self.path("cortend.sock").display())
    }

    /// A directory `name` of this engine's own with these files: path and text.
    pub fn files(&self, name: &str, files: &[(&str, &str)]) -> PathBuf {
        let directory = self.path(name);
        for (path, text) in files {
            let path = directory.join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            std::fs::write(path, text).expect("a file");
        }
        directory
    }

    /// Gives the stock client its plugin for building.
    pub fn install_buildx(&self) {
        let plugins = self.path("docker-config/cli-plugins");
        std::fs::create_dir_all(&plugins).expect("a directory for plugins");
        let plugin = plugins.join("docker-buildx");
        if !plugin.exists() {
            std::os::unix::fs::symlink(crate::buildx(), plugin).expect("the plugin");
        }
    }

    /// A path in the engine's own directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn data_root(&self) -> PathBuf {
        let own = || self.path("data");
        self.options.data_root.clone().unwrap_or_else(own)
    }

    /// What the daemon has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// The steps that its processes pass, and at which they can be killed.
    pub fn steps(&self) -> Steps {
        Steps::new(self.path("steps"))
    }

    /// Waits until the daemon is dead (see [`Steps::kill_at`]).
    #[track_caller]
    pub fn daemon_dies(&mut self) {
        // Kept until then: one that lives on is ended with the engine.
        if let Some(daemon) = &mut self.daemon {
            until("the daemon is dead", 20, || {
                matches!(daemon.try_wait(), Ok(Some(_)))
            });
        }
        self.daemon = None;
    }

    /// What of the engine is on the machine while no container runs: the control groups of a
    /// run go a moment after its client has its answer.
    #[track_caller]
    pub fn leftovers_of_the_idle(&self) -> Leftovers {
        let of_container = |group: &PathBuf| group.file_name().is_some_and(|name| name.len() == 64);
        let mut found = Leftovers::default();
        crate::until("no container is left", 20, || {
            found = self.leftovers();
            found.processes.is_empty() && !found.cgroups.iter().any(of_container)
        });
        found
    }

    /// What of the engine is on the machine now.
    pub fn leftovers(&self) -> Leftovers {
        Leftovers::look(
            self.directory.path(),
            &self.cgroup_parent,
            self.holder.id(),
            self.daemon.as_ref().map(Child::id),
        )
    }

    fn log_path(&self) -> PathBuf {
        self.path("cortend.log")
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let tail = log.len().saturating_sub(6000);
            eprintln!(
                "--- the daemon's log, its end ---\n{}",
                log.get(tail..).unwrap_or(&log)
            );
        }
        self.kill_daemon();
        self.leftovers().sweep();
        for child in self.children.iter_mut().chain([&mut self.holder]) {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

fn hold_network_namespace() -> Child {
    let mut holder = Command::new("unshare")
        .args([
            "-n",
            "--",
            "sh",
            "-c",
            "ip link set lo up && echo ready && exec sleep 3600",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("unshare starts");
    let mut line = String::new();
    let stdout = holder.stdout.take().expect("stdout is piped");
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line)
        .expect("it answers");
    assert_eq!(line, "ready\n", "the network namespace was not made");
    holder
}

fn terminate(child: &Child) {
    if let Some(pid) = rustix::process::Pid::from_raw(child.id() as i32) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
}
