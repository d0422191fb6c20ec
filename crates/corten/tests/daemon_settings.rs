//! The daemon as its operator sees it: settings read again, metrics, the service manager.

use corten_testkit::{Engine, Options, binary, until};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    rustix::process::kill_process(pid.expect("a process"), signal).expect("it is ours");
}

#[test]
fn hang_up_reads_settings_again_and_a_wrong_file_changes_nothing() {
    let engine = Engine::start();
    let file = engine.path("daemon.json");
    let reload = |text: &str| {
        std::fs::write(&file, text).expect("daemon.json");
        signal(engine.daemon_pid(), rustix::process::Signal::HUP);
    };
    let info = |format: &str| engine.docker(["info", "-f", format]).ok().to_owned();
    reload(
        r#"{"labels":["rack=7"],"debug":true,"insecure-registries":["10.1.0.0/16"],"registry-mirrors":["https://mirror.test"],"max-concurrent-uploads":2}"#,
    );
    until("the label is there", 20, || {
        info("{{.Labels}}") == "[rack=7]"
    });
    assert_eq!(info("{{.Debug}}"), "true");
    assert_eq!(
        info("{{.RegistryConfig.Mirrors}}"),
        "[https://mirror.test/]"
    );
    assert!(info("{{.RegistryConfig.InsecureRegistryCIDRs}}").contains("10.1.0.0/16"));
    // The client asks for whole seconds: the event is in the past with the next one.
    let events = || {
        engine.docker([
            "events",
            "--since",
            "5m",
            "--until",
            "0s",
            "-f",
            "type=daemon",
            "--format",
            "{{.Action}} {{index .Actor.Attributes \"labels\"}} {{index .Actor.Attributes \"max-concurrent-uploads\"}}",
        ])
    };
    until("the events tell of it", 20, || {
        events().ok() == "reload [\"rack=7\"] 2"
    });

    reload(r#"{"labels":["rack=8"],"nonsense":1}"#);
    let complaint = "the following directives don't match any configuration option: nonsense";
    until("the log says why", 20, || engine.log().contains(complaint));
    assert_eq!(info("{{.Labels}}"), "[rack=7]");
    reload(r#"{"labels":["rack=8"],"log-level":"info"}"#);
    let complaint = "are specified both as a flag and in the configuration file: log-level: (from flag: debug, from file: info)";
    until("the log says why", 20, || engine.log().contains(complaint));
    assert_eq!(info("{{.Labels}}"), "[rack=7]");
}

#[test]
fn prometheus_reads_figures_under_dockerds_names() {
    let engine = Engine::start_with(Options {
        arguments: ["--metrics-addr", "127.0.0.1:9323"]
            .map(String::from)
            .into(),
        ..Options::default()
    });
    engine.load("busybox");
    engine
        .docker(["run", "--name", "one", "busybox", "true"])
        .ok();
    let url = "http://127.0.0.1:9323/metrics";
    let read = engine
        .inside("curl")
        .args(["-s", "--max-time", "10", url])
        .output();
    let text = String::from_utf8(read.expect("curl").stdout).expect("text");
    for wanted in [
        "engine_daemon_container_states_containers{state=\"stopped\"} 1\n",
        "engine_daemon_container_states_containers{state=\"running\"} 0\n",
        "engine_daemon_container_actions_seconds_count{action=\"create\"} 1\n",
        "engine_daemon_container_actions_seconds_count{action=\"start\"} 1\n",
        "# TYPE engine_daemon_events_total counter\n",
        "engine_daemon_engine_info{architecture=\"x86_64\"",
        "process_open_fds ",
    ] {
        assert!(text.contains(wanted), "{wanted:?} is not in\n{text}");
    }
}

#[test]
fn what_containers_are_shown_is_readable_whatever_umask_the_daemon_was_started_with() {
    let narrow = rustix::fs::Mode::from_raw_mode(0o077);
    let own = rustix::process::umask(narrow);
    let engine = Engine::with_images(&["busybox"]);
    rustix::process::umask(own);
    let made = engine.path("made").display().to_string();
    let bind = format!("{made}:/made");
    let script = "cat /etc/resolv.conf /etc/hosts /etc/hostname >/dev/null && ls /made /volume";
    let words = [
        "run", "--rm", "--user", "5", "-v", &bind, "-v", "/volume", "busybox", "sh", "-c", script,
    ];
    engine.docker(words).ok();
    let dockerfile = "FROM busybox\nCOPY Dockerfile /a/b/\nUSER 5\nRUN --mount=type=secret,id=s,uid=5 cat /run/secrets/s /a/b/Dockerfile\n";
    let context = engine.files("context", &[("Dockerfile", dockerfile)]);
    let secret = format!("id=s,src={}", context.join("Dockerfile").display());
    engine.install_buildx();
    let context = context.display().to_string();
    engine.docker(["build", "--secret", &secret, &context]).ok();
}

/// A daemon whose socket the test has bound, as a service manager does.
struct Activated {
    engine: Engine,
    daemon: Child,
    manager: UnixDatagram,
}

impl Activated {
    fn start() -> Self {
        let engine = Engine::start();
        let listener = UnixListener::bind(engine.path("given.sock")).expect("a socket");
        let manager = UnixDatagram::bind(engine.path("notify")).expect("a socket");
        let limit = Some(Duration::from_secs(20));
        manager.set_read_timeout(limit).expect("a limit");
        let path = |name: &str| engine.path(name).display().to_string();
        let script = "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\"";
        let mut command = engine.inside("sh");
        command
            .args(["-c", script, "sh"])
            .arg(binary("cortend"))
            .args(["--host", "fd://", "--config-file", &path("daemon.json")])
            .args(["--host", &format!("unix://{}", path("second.sock"))])
            .args([
                "--data-root",
                &path("given-data"),
                "--exec-root",
                &path("given-exec"),
            ])
            .args(["--pidfile", &path("given.pid"), "--bridge", "none"])
            .env("NOTIFY_SOCKET", engine.path("notify"))
            .stdin(Stdio::from(OwnedFd::from(listener)))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let daemon = command.spawn().expect("cortend starts");
        Self {
            engine,
            daemon,
            manager,
        }
    }

    fn told(&self) -> String {
        let mut buffer = [0; 256];
        let count = self
            .manager
            .recv(&mut buffer)
            .expect("the daemon says something");
        String::from_utf8_lossy(&buffer[..count]).into_owned()
    }

    fn version(&self, socket: &str) -> String {
        let host = format!("unix://{}", self.engine.path(socket).display());
        let words = ["-H", &host, "version", "-f", "{{.Server.Version}}"];
        self.engine.docker(words).ok().to_owned()
    }
}

impl Drop for Activated {
    fn drop(&mut self) {
        // It may have ended in the test already.
        let _ended = self.daemon.kill().is_ok();
        let _reaped = self.daemon.wait().is_ok();
    }
}

#[test]
fn a_service_manager_hands_over_the_socket_and_is_told_of_every_turn() {
    let mut activated = Activated::start();
    assert_eq!(activated.told(), "READY=1");
    let version = activated.version("given.sock");
    assert!(!version.is_empty());
    assert_eq!(activated.version("second.sock"), version);
    signal(activated.daemon.id(), rustix::process::Signal::HUP);
    assert!(activated.told().starts_with("RELOADING=1\nMONOTONIC_USEC="));
    assert_eq!(activated.told(), "READY=1");
    signal(activated.daemon.id(), rustix::process::Signal::TERM);
    assert_eq!(activated.told(), "STOPPING=1");
    assert!(activated.daemon.wait().expect("it ends").success());
    // Its own socket is gone; the other belongs to the service manager.
    assert!(!activated.engine.path("second.sock").exists());
    assert!(activated.engine.path("given.sock").exists());
}

#[test]
fn a_configuration_is_validated_without_starting_anything() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("daemon.json");
    let validate = |text: &str| {
        std::fs::write(&file, text).expect("daemon.json");
        let mut command = Command::new(binary("cortend"));
        command.args(["--validate", "--config-file"]).arg(&file);
        corten_testkit::run(&mut command)
    };
    let fine =
        validate(r#"{"log-driver":"local","log-opts":{"max-size":"5m"},"shutdown-timeout":30}"#);
    fine.fails(0, "configuration OK");
    for (text, complaint) in [
        (
            r#"{"nope":1}"#,
            "the following directives don't match any configuration option: nope",
        ),
        (
            r#"{"log-driver":"nope"}"#,
            "error looking up logging plugin nope: plugin \"nope\" not found",
        ),
        (
            r#"{"log-opts":{"nope":"1"}}"#,
            "unknown log opt 'nope' for json-file log driver",
        ),
        (
            r#"{"hosts":["fd://x"]}"#,
            "failed to parse systemd fd address: should be a number: x",
        ),
    ] {
        validate(text).fails(1, complaint);
    }
}

/// Whether this process, and with it the daemon, has CAP_SYS_RESOURCE.
fn may_raise_limits() -> bool {
    let effective = rustix::thread::capabilities(None)
        .expect("its capabilities")
        .effective;
    effective.contains(rustix::thread::CapabilitySet::SYS_RESOURCE)
}

#[test]
fn the_daemon_may_open_all_the_kernel_allows_and_containers_what_it_was_started_with() {
    let engine = Engine::with_images(&["busybox"]);
    let path = format!("/proc/{}/limits", engine.daemon_pid());
    let limits = std::fs::read_to_string(path).expect("its limits");
    let line = limits.lines().find(|it| it.starts_with("Max open files"));
    let own = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let (soft, hard) = (own.current.expect("a limit"), own.maximum.expect("a limit"));
    let bound = match may_raise_limits() {
        true => std::fs::read_to_string("/proc/sys/fs/nr_open").expect("the kernel's bound"),
        false => hard.to_string(),
    };
    let words: Vec<&str> = line.unwrap_or_default().split_whitespace().collect();
    assert_eq!(words[3..5], [bound.trim(), bound.trim()], "{limits}");
    let told = engine.docker([
        "run",
        "--rm",
        "busybox",
        "sh",
        "-c",
        "ulimit -Sn; ulimit -Hn",
    ]);
    assert_eq!(told.ok(), format!("{soft}\n{hard}"));
}
