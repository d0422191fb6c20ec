//! What of the kernel and of the engine a default container can read, write and call.

use corten_testkit::{Engine, Options, Terminal, run, until};
use std::collections::BTreeSet;

/// In bash: which of the names on its input can be opened for writing.
const WRITABLE: &str = "while read -r f; do { : >>\"$f\"; } 2>/dev/null && echo \"$f\"; done; true";

// CVE-2015-3630, CVE-2022-0492
#[test]
fn root_of_a_default_container_can_open_only_these_kernel_files_for_writing() {
    let engine = Engine::with_images(&["debian"]);
    let files = |options: &[&str]| -> BTreeSet<String> {
        let list =
            "find /proc /sys -path '/proc/[0-9]*' -prune -o -type f -perm /222 -print 2>/dev/null";
        let script = format!("{list} | {WRITABLE}");
        let words = ["run", "--rm"].iter().chain(options);
        let ran = engine.docker(words.chain(&["debian", "bash", "-c", &script]));
        ran.ok().lines().map(str::to_owned).collect()
    };
    let found = files(&[]);
    let more = found.iter().filter(|it| !ALLOWED.contains(&it.as_str()));
    let more: Vec<_> = more.collect();
    assert!(more.is_empty(), "{more:#?}");
    // The search finds what there is to find.
    let open = files(&["--privileged"]);
    assert!(
        open.contains("/proc/sys/kernel/core_pattern"),
        "{}",
        open.len()
    );
    let tries = "mount -t cgroup -o release_agent=/x c /mnt; mount -t cgroup2 c /mnt; \
                 unshare -UrmC mount -t cgroup2 c /mnt; unshare -m true; \
                 mkdir /sys/fs/cgroup/x; mkdir /sys/fs/cgroup/*/x; \
                 mount -o remount,rw /sys; mount -o remount,rw /proc/sys; umount /proc/sys";
    for one in tries.split("; ") {
        let ran = engine.docker(["run", "--rm", "debian", "bash", "-c", one]);
        assert_ne!(ran.code, 0, "{one} was allowed");
    }
}

/// dockerd 28 leaves these open, too.
///
/// The first three are masked by /dev/null; a trigger of the pressure files takes notice
/// and nothing else.
const ALLOWED: &[&str] = &[
    "/proc/interrupts",
    "/proc/keys",
    "/proc/timer_list",
    "/proc/pressure/cpu",
    "/proc/pressure/io",
    "/proc/pressure/irq",
    "/proc/pressure/memory",
];

// GHSA-jq35-85cj-fj4p, GHSA-6fw5-f8r9-fgfm
#[test]
fn what_the_kernel_tells_of_the_host_is_empty_or_closed() {
    let engine = Engine::with_images(&["busybox"]);
    let script = "for f in /proc/kcore /proc/keys /proc/timer_list /proc/timer_stats /proc/sched_debug \
                  /proc/latency_stats /proc/interrupts /proc/scsi/scsi /proc/acpi/* /proc/asound/* \
                  /sys/firmware/* /sys/devices/virtual/powercap/* \
                  /sys/devices/system/cpu/cpu*/thermal_throttle/*; do \
                  n=$(head -c 9 \"$f\" 2>/dev/null | wc -c); [ $n = 0 ] || echo $f; done; \
                  head -c 9 /proc/uptime | wc -c";
    let shown = |options: &[&str]| {
        let words = ["run", "--rm"].iter().chain(options);
        engine
            .docker(words.chain(&["busybox", "sh", "-c", script]))
            .ok()
            .to_owned()
    };
    assert_eq!(shown(&[]), "9", "what is shown, and that reading works");
    let open = shown(&["--privileged"]);
    assert!(
        open.contains("/proc/interrupts") && open.contains("/proc/keys"),
        "{open}"
    );
    // A user's process and one that comes later see no more.
    engine
        .docker(["run", "-d", "--name", "cc", "busybox", "sleep", "1000"])
        .ok();
    assert_eq!(engine.docker(["exec", "cc", "sh", "-c", script]).ok(), "9");
}

/// Calls that a default container is refused: name, number on x86-64.
const REFUSED: [(&str, u32); 16] = [
    ("add_key", 248),
    ("request_key", 249),
    ("keyctl", 250),
    ("io_uring_setup", 425),
    ("io_uring_enter", 426),
    ("io_uring_register", 427),
    ("userfaultfd", 323),
    ("bpf", 321),
    ("perf_event_open", 298),
    ("open_by_handle_at", 304),
    ("kexec_load", 246),
    ("init_module", 175),
    ("unshare", 272),
    ("setns", 308),
    ("mount_setattr", 442),
    ("fsopen", 430),
];

// CVE-2026-31431
#[test]
fn calls_beyond_the_profile_are_refused_and_containers_have_keyrings_of_their_own() {
    let engine = Engine::with_images(&["debian"]);
    let perl = |options: &[&str], script: &str| {
        let words = ["run", "--rm"].iter().chain(options);
        engine
            .docker(words.chain(&["debian", "perl", "-e", script]))
            .ok()
            .to_owned()
    };
    // AF_ALG and AF_VSOCK beside a family that is open to all.
    let sockets = "for my $f (38, 40, 2, 16) { print socket(my $s, $f, 2, 0) ? 0 : $!+0, ' ' }";
    let answers = perl(&[], sockets);
    assert!(answers.starts_with("1 1 0 0"), "{answers}");
    let bare = ["--security-opt", "seccomp=unconfined"];
    let answers = perl(&bare, sockets);
    assert!(
        !answers.starts_with('1'),
        "it is the filter that refuses: {answers}"
    );
    let numbers = REFUSED.map(|(_, number)| number.to_string()).join(",");
    let calls = format!(
        "for my $n ({numbers}) {{ print syscall($n, -1, 0, 0, 0, 0) < 0 ? $!+0 : 0, ' ' }}"
    );
    let answers = perl(&[], &calls);
    let wrong: Vec<_> = REFUSED
        .iter()
        .zip(answers.split_whitespace())
        .filter(|(_, errno)| *errno != "1")
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    assert_eq!(answers.split_whitespace().count(), REFUSED.len());
    assert_ne!(perl(&bare, &calls), answers);
    // KEYCTL_GET_KEYRING_ID of the session.
    let id = "print syscall(250, 0, -3, 0)";
    let ids = [perl(&bare, id), perl(&bare, id)];
    let host = run(&mut corten_testkit::program("perl", ["-e", id]));
    assert!(
        ids[0] != ids[1] && !ids.contains(&host.stdout),
        "{ids:?} {host:?}"
    );
    assert!(
        ids.iter().all(|id| id.parse().is_ok_and(|id: i64| id > 0)),
        "{ids:?}"
    );
}

// CVE-2020-15257, CVE-2021-41091
#[test]
fn the_engines_sockets_and_directories_are_out_of_reach() {
    let engine = Engine::with_images(&["busybox"]);
    let run_in_host = [
        "run",
        "-d",
        "--name",
        "hh",
        "--network",
        "host",
        "busybox",
        "sleep",
        "1000",
    ];
    engine.docker(run_in_host).ok();
    engine
        .docker([
            "run", "-d", "--name", "cc", "-v", "vol:/v", "busybox", "sleep", "1000",
        ])
        .ok();
    // unix(7): an abstract name, which no file's mode keeps anybody from.
    let abstract_names = "grep -c ' @' /proc/net/unix; true";
    let found = engine.docker(["exec", "hh", "sh", "-c", abstract_names]);
    assert_eq!(found.ok(), "0");
    let (data, exec) = (engine.path("data"), engine.path("exec"));
    let as_nobody = |line: &str| {
        let words = [
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
            "--",
            "sh",
            "-c",
            line,
        ];
        run(&mut corten_testkit::program("setpriv", words))
    };
    assert_eq!(as_nobody("true").code, 0);
    let id = engine.docker(["inspect", "-f", "{{.Id}}", "cc"]);
    let socket = engine.path("cortend.sock").display().to_string();
    for attempt in [
        format!("ls {}", exec.display()),
        format!("ls {}/layers", data.display()),
        format!("ls {}/content", data.display()),
        format!("ls {}/containers/{}", data.display(), id.ok()),
        format!("ls {}/volumes/vol/_data", data.display()),
        format!("cat {}/state.db", data.display()),
        format!("curl -sf --unix-socket {socket} http://d/_ping"),
    ] {
        assert_ne!(as_nobody(&attempt).code, 0, "{attempt}");
    }
    let sockets = ["-type", "s", "-perm", "/077"];
    let words = [exec.display().to_string(), data.display().to_string()];
    let open = run(&mut corten_testkit::program(
        "find",
        words.iter().map(String::as_str).chain(sockets),
    ));
    assert_eq!(open.ok(), "", "sockets that others may connect to");
    let found = run(&mut corten_testkit::program(
        "find",
        [words[0].as_str(), "-type", "s"],
    ));
    assert_ne!(found.ok(), "", "there are some");
    // Setuid programs of an image cannot be reached by the host's users.
    let setuid = run(&mut corten_testkit::program(
        "stat",
        ["-c", "%a", &format!("{}/layers", data.display())],
    ));
    assert!(["700", "711", "710"].contains(&setuid.ok()), "{setuid:?}");
}

// CVE-2022-31030, CVE-2022-1708
#[test]
fn a_probe_or_exec_that_says_much_is_cut_and_costs_no_memory() {
    let engine = Engine::with_images(&["busybox"]);
    let much = "yes 0123456789abcdef | head -c 100000000";
    let words = [
        "run",
        "-d",
        "--name",
        "cc",
        "--health-interval",
        "1s",
        "--health-cmd",
        much,
    ];
    let resident = || {
        let path = format!("/proc/{}/status", engine.daemon_pid());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let words: Vec<&str> = line.unwrap().split_whitespace().collect();
        words[0].parse::<u64>().unwrap() / 1024
    };
    let before = resident();
    engine
        .docker(words.iter().chain(&["busybox", "sleep", "1000"]))
        .ok();
    let template = "{{range .State.Health.Log}}{{len .Output}} {{end}}";
    let mut lengths = String::new();
    until("two probes have run", 60, || {
        lengths = engine.docker(["inspect", "-f", template, "cc"]).stdout;
        lengths.split_whitespace().count() >= 2
    });
    // dockerd: 4096 bytes and three dots.
    assert!(
        lengths
            .split_whitespace()
            .all(|it| it.parse::<usize>().is_ok_and(|it| it <= 4099)),
        "{lengths}"
    );
    engine.docker(["exec", "-d", "cc", "sh", "-c", much]).ok();
    let mut command = engine.docker_command(["exec", "cc", "sh", "-c", much]);
    let output = command
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    assert!(output.success());
    let after = resident();
    assert!(after < before + 32, "{before} MiB became {after} MiB");
}

/// The engine may be told to give every container the host's groups: even so they are
/// for reading.
#[test]
fn the_hosts_groups_cannot_be_written_to() {
    let engine = Engine::start_with(Options::default());
    engine.load("busybox");
    let script = "for d in /sys/fs/cgroup /sys/fs/cgroup/*; do mkdir $d/made 2>&1; \
                  (echo 1 >$d/cgroup.procs) 2>&1; done; true";
    for space in ["host", "private"] {
        let ran = engine.docker([
            "run",
            "--rm",
            "--cgroupns",
            space,
            "busybox",
            "sh",
            "-c",
            script,
        ]);
        let lines: Vec<&str> = ran.ok().lines().collect();
        let refused = [
            "Read-only file system",
            "Permission denied",
            "nonexistent",
            "Not a directory",
            "No such file",
        ];
        let open = lines
            .iter()
            .find(|line| !refused.iter().any(|it| line.contains(it)));
        assert!(open.is_none() && lines.len() >= 2, "{space}: {lines:#?}");
    }
}

// CVE-2023-28100 and its kin: TIOCSTI and TIOCLINUX, ioctl_tty(2)
#[test]
fn what_a_container_pushes_into_its_terminal_stays_there() {
    let engine = Engine::with_images(&["debian"]);
    let push = r#"ioctl(STDIN, 0x5412, my $b = $_) for split //, "echo stolen\n"; ioctl(STDIN, 0x541c, my $c = "\x03") and print "console\n""#;
    let words = ["run", "--rm", "-it", "debian", "perl", "-e"];
    let words: Vec<String> = words.into_iter().chain([push]).map(quoted).collect();
    let docker = engine.docker_command([""; 0]);
    let program = quoted(&docker.get_program().display().to_string());
    let line = format!(
        "{program} {}; echo code $?; read -t 2 left; echo \"left <$left>\"",
        words.join(" ")
    );
    let terminal = Terminal::run(&line, &[("DOCKER_HOST", engine.host())]);
    terminal.shows("code 0");
    terminal.shows("left <>");
    assert!(
        !terminal.screen().contains("console"),
        "{}",
        terminal.screen()
    );
    terminal.ends();
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}
