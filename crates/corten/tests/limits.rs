//! Limits, freezing, accounting and what a crash leaves, as the kernel has them.
//!
//! On a host with version 1 of control groups these run as they are; `cargo xtask guest`
//! runs them in a machine that has version 2 only.

use corten_testkit::{Engine, Ran, until};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Pure version 2.
fn is_v2() -> bool {
    Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
}

/// The stock client, and with version 2, which is often an emulated machine where that one
/// is slow to begin, our own: these tests are about the kernel's side.
#[track_caller]
fn call<S: AsRef<str>>(engine: &Engine, words: impl IntoIterator<Item = S>) -> Ran {
    if is_v2() {
        engine.corten(words)
    } else {
        engine.docker(words)
    }
}

/// A container's control groups, found by its first process.
struct Groups {
    /// The hierarchies' controllers (empty: version 2) and the directory in each.
    directories: Vec<(String, PathBuf)>,
}

impl Groups {
    fn of(engine: &Engine, container: &str) -> Self {
        let pid = call(engine, ["inspect", "-f", "{{.State.Pid}}", container]);
        let table = std::fs::read_to_string(format!("/proc/{}/cgroup", pid.ok()))
            .expect("the container runs");
        let directories = table.lines().filter_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            let (controllers, path) = (parts.next()?, parts.next()?);
            let hierarchy = Path::new("/sys/fs/cgroup").join(controllers);
            let directory = hierarchy.join(path.trim_start_matches('/'));
            Some((controllers.to_owned(), directory))
        });
        Self {
            directories: directories.collect(),
        }
    }

    /// A file's first line: `(controller, file)` of version 1, or the file of version 2.
    fn line(&self, v1: (&str, &str), v2: &str) -> String {
        let (controller, file) = if is_v2() { ("", v2) } else { v1 };
        let (_, directory) = self
            .directories
            .iter()
            .find(|(names, _)| names.split(',').any(|name| name == controller))
            .unwrap_or_else(|| panic!("no hierarchy has {controller:?}"));
        let text = std::fs::read_to_string(directory.join(file))
            .unwrap_or_else(|error| panic!("{file} in {}: {error}", directory.display()));
        text.lines().next().unwrap_or_default().to_owned()
    }

    /// One of the three, as the two versions call them and count them.
    fn expect(&self, v1: (&str, &str, &str), v2: (&str, &str)) {
        let found = self.line((v1.0, v1.1), v2.0);
        let wanted = if is_v2() { v2.1 } else { v1.2 };
        assert_eq!(found, wanted, "{} / {}", v1.1, v2.0);
    }
}

fn inspect(engine: &Engine, container: &str) -> Value {
    let ran = call(engine, ["inspect", container]);
    let list: Value = serde_json::from_str(ran.ok()).expect("JSON");
    list[0].clone()
}

#[test]
fn limits_stand_in_the_kernels_files_and_update_changes_them() {
    let engine = Engine::with_images(&["busybox"]);
    let run = "run -d --name web --memory 64m --memory-swap 96m --memory-reservation 32m --cpus 0.5 --cpu-shares 512 --pids-limit 50 --cpuset-cpus 0 busybox sleep 1000";
    call(&engine, run.split(' ')).ok();
    let groups = Groups::of(&engine, "web");
    let mib = |count: u64| (count << 20).to_string();
    groups.expect(
        ("memory", "memory.limit_in_bytes", &mib(64)),
        ("memory.max", &mib(64)),
    );
    // Version 1 counts memory and swap together.
    groups.expect(
        ("memory", "memory.memsw.limit_in_bytes", &mib(96)),
        ("memory.swap.max", &mib(32)),
    );
    groups.expect(
        ("memory", "memory.soft_limit_in_bytes", &mib(32)),
        ("memory.low", &mib(32)),
    );
    groups.expect(
        ("cpu", "cpu.cfs_quota_us", "50000"),
        ("cpu.max", "50000 100000"),
    );
    groups.expect(("cpu", "cpu.shares", "512"), ("cpu.weight", "20"));
    groups.expect(("pids", "pids.max", "50"), ("pids.max", "50"));
    groups.expect(("cpuset", "cpuset.cpus", "0"), ("cpuset.cpus", "0"));

    let stats = call(
        &engine,
        [
            "stats",
            "--no-stream",
            "--format",
            "{{.PIDs}} {{.MemUsage}}",
            "web",
        ],
    );
    assert!(
        stats.ok().starts_with("1 ") && stats.ok().ends_with(" / 64MiB"),
        "{stats:?}"
    );

    let update = "update --memory 80m --memory-swap 128m --cpus 0.25 --pids-limit 60 web";
    assert_eq!(call(&engine, update.split(' ')).ok(), "web");
    groups.expect(
        ("memory", "memory.limit_in_bytes", &mib(80)),
        ("memory.max", &mib(80)),
    );
    groups.expect(
        ("memory", "memory.memsw.limit_in_bytes", &mib(128)),
        ("memory.swap.max", &mib(48)),
    );
    groups.expect(
        ("cpu", "cpu.cfs_quota_us", "25000"),
        ("cpu.max", "25000 100000"),
    );
    groups.expect(("pids", "pids.max", "60"), ("pids.max", "60"));
    groups.expect(("cpu", "cpu.shares", "512"), ("cpu.weight", "20"));
    let config = &inspect(&engine, "web")["HostConfig"];
    assert_eq!(config["Memory"], 80 << 20);
    assert_eq!(config["PidsLimit"], 60);
    call(&engine, ["rm", "-f", "web"]).ok();
}

#[test]
fn a_container_out_of_memory_ends_with_137_and_says_so() {
    let engine = Engine::with_images(&["busybox"]);
    let run = "run --name hungry --memory 16m --memory-swap 16m busybox tail /dev/zero";
    assert_eq!(engine.docker(run.split(' ')).code, 137);
    let state = &inspect(&engine, "hungry")["State"];
    assert_eq!(state["OOMKilled"], true);
    assert_eq!(state["ExitCode"], 137);
    until("the events tell of it", 20, || {
        let events = call(&engine, ["events", "--since", "5m", "--until", "0s"]);
        events.ok().contains(" container oom ")
    });
    call(&engine, ["rm", "hungry"]).ok();
}

#[test]
fn a_paused_container_stands_still_in_the_kernels_eyes() {
    let engine = Engine::with_images(&["busybox"]);
    call(
        &engine,
        ["run", "-d", "--name", "web", "busybox", "sleep", "1000"],
    )
    .ok();
    let groups = Groups::of(&engine, "web");
    call(&engine, ["pause", "web"]).ok();
    groups.expect(
        ("freezer", "freezer.state", "FROZEN"),
        ("cgroup.freeze", "1"),
    );
    assert_eq!(inspect(&engine, "web")["State"]["Status"], "paused");
    call(&engine, ["exec", "web", "true"]).fails(1, "is paused, unpause the container before exec");
    call(&engine, ["unpause", "web"]).ok();
    groups.expect(
        ("freezer", "freezer.state", "THAWED"),
        ("cgroup.freeze", "0"),
    );
    let said = call(
        &engine,
        [
            "exec",
            "-i",
            "-e",
            "K=V",
            "web",
            "sh",
            "-c",
            "echo $K; exit 3",
        ],
    );
    assert_eq!((said.stdout.as_str(), said.code), ("V\n", 3));
    // The added process is in the container's groups, too.
    let own = call(&engine, ["exec", "web", "cat", "/proc/self/cgroup"]);
    let first = call(&engine, ["exec", "web", "cat", "/proc/1/cgroup"]);
    assert_eq!(own.ok(), first.ok());
    call(&engine, ["stop", "-t", "0", "web"]).ok();
    assert_eq!(inspect(&engine, "web")["State"]["ExitCode"], 137);
}

#[test]
fn limits_that_this_kernel_does_not_have_are_discarded_with_a_warning() {
    let engine = Engine::with_images(&["busybox"]);
    let create = "create --name odd --memory-swappiness 10 --oom-kill-disable busybox true";
    let created = engine.docker(create.split(' '));
    created.ok();
    let config = &inspect(&engine, "odd")["HostConfig"];
    let discarded = [
        "Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.",
        "Your kernel does not support OomKillDisable. OomKillDisable discarded.",
    ];
    let unwise = "OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.";
    let warned: Vec<&str> = created
        .stderr
        .lines()
        .filter_map(|line| line.strip_prefix("WARNING: "))
        .collect();
    if is_v2() {
        assert_eq!(warned, discarded);
        assert_eq!(config["MemorySwappiness"], Value::Null);
        assert_eq!(config["OomKillDisable"], Value::Null);
    } else {
        assert_eq!(warned, [unwise]);
        assert_eq!(config["MemorySwappiness"], 10);
        assert_eq!(config["OomKillDisable"], true);
    }
    call(&engine, ["start", "-a", "odd"]).ok();

    let info: Value =
        serde_json::from_str(engine.docker(["info", "--format", "{{json .}}"]).ok()).expect("JSON");
    assert_eq!(info["CgroupVersion"], if is_v2() { "2" } else { "1" });
    assert_eq!(info["OomKillDisable"], !is_v2());
    assert_eq!(info["Warnings"], Value::Null);
    for limit in [
        "MemoryLimit",
        "SwapLimit",
        "CpuCfsQuota",
        "CPUShares",
        "CPUSet",
        "PidsLimit",
    ] {
        assert_eq!(info[limit], true, "{limit}");
    }

    // moby: with version 2 the namespace is private, for privileged containers, too.
    let mode = |words: &[&str]| {
        let id = call(&engine, [&["create"], words, &["busybox"]].concat());
        inspect(&engine, id.ok())["HostConfig"]["CgroupnsMode"].clone()
    };
    let wanted = if is_v2() { "private" } else { "host" };
    assert_eq!(mode(&[]), wanted);
    assert_eq!(mode(&["--privileged"]), wanted);
}

#[test]
fn a_published_container_outlives_the_daemon_and_leaves_nothing() {
    let mut engine = Engine::with_images(&["busybox"]);
    call(&engine, ["run", "--rm", "busybox", "true"]).ok();
    let idle = engine.leftovers_of_the_idle();
    let serve = "mkdir /www; echo hello >/www/index.html; echo ready; exec httpd -f -p 80 -h /www";
    call(
        &engine,
        [
            "run", "-d", "--name", "web", "-p", "8080:80", "busybox", "sh", "-c", serve,
        ],
    )
    .ok();
    until("the server is ready", 30, || {
        call(&engine, ["logs", "web"]).ok() == "ready"
    });
    let fetch = |engine: &Engine, host: &str| {
        let url = format!("http://{host}:8080/");
        let mut curl = engine.inside("curl");
        curl.args(["-s", "--max-time", "20", &url]);
        corten_testkit::run(&mut curl).stdout
    };
    assert_eq!(fetch(&engine, "127.0.0.1"), "hello\n");
    let gateway = call(
        &engine,
        [
            "inspect",
            "-f",
            "{{.NetworkSettings.Networks.bridge.Gateway}}",
            "web",
        ],
    );
    let gateway = gateway.ok().to_owned();
    assert_eq!(fetch(&engine, &gateway), "hello\n");
    // From a second container, through the bridge and out again to the published port.
    let url = format!("http://{gateway}:8080/");
    let other = call(
        &engine,
        ["run", "--rm", "busybox", "wget", "-q", "-O", "-", &url],
    );
    assert_eq!(other.ok(), "hello");

    engine.kill_daemon();
    assert_eq!(
        fetch(&engine, &gateway),
        "hello\n",
        "it serves without a daemon"
    );
    engine.start_daemon();
    assert_eq!(fetch(&engine, "127.0.0.1"), "hello\n");
    assert_eq!(
        call(&engine, ["port", "web"]).ok().lines().next(),
        Some("80/tcp -> 0.0.0.0:8080")
    );
    assert_eq!(
        engine
            .docker(["exec", "web", "cat", "/www/index.html"])
            .ok(),
        "hello"
    );
    call(&engine, ["stop", "-t", "1", "web"]).ok();
    assert_eq!(inspect(&engine, "web")["State"]["ExitCode"], 137);
    call(&engine, ["rm", "web"]).ok();
    until("nothing is left", 20, || engine.leftovers() == idle);
}

/// One direction of `SOCK_STREAM` over SCTP, made in the network namespace of `pid`, or
/// the kernel's refusal.
fn sctp_socket(pid: u32) -> rustix::io::Result<std::os::fd::OwnedFd> {
    use rustix::{net, thread};
    let namespace = std::fs::File::open(format!("/proc/{pid}/ns/net")).expect("it runs");
    // Each test is a process, and each socket is made by a thread of its own.
    std::thread::spawn(move || {
        use std::os::fd::AsFd;
        let network = thread::LinkNameSpaceType::Network;
        thread::move_into_link_name_space(namespace.as_fd(), Some(network))?;
        net::socket_with(
            net::AddressFamily::INET,
            net::SocketType::STREAM,
            net::SocketFlags::CLOEXEC,
            Some(net::ipproto::SCTP),
        )
    })
    .join()
    .expect("the thread ends")
}

#[test]
fn a_published_sctp_port_is_reached_where_the_kernel_has_sctp() {
    use rustix::net;
    use std::net::{Ipv4Addr, SocketAddrV4};
    let engine = Engine::with_images(&["busybox"]);
    // The first container on the bridge makes what stays in the table.
    call(&engine, ["run", "--rm", "busybox", "true"]).ok();
    let before = engine.leftovers().firewall_elements;
    let run = [
        "run",
        "-d",
        "--name",
        "peer",
        "-p",
        "9899:9899/sctp",
        "busybox",
        "sleep",
        "1000",
    ];
    let ran = call(&engine, run);
    if matches!(
        sctp_socket(std::process::id()),
        Err(rustix::io::Errno::PROTONOSUPPORT)
    ) {
        // dockerd fails, too, when its proxy cannot listen, with the kernel's word.
        ran.fails(125, "9899/sctp: protocol not supported");
        assert_eq!(engine.leftovers().firewall_elements, before);
        return;
    }
    ran.ok();
    let listed = call(&engine, ["ps", "--format", "{{.Ports}}"]);
    assert!(
        listed.ok().starts_with("0.0.0.0:9899->9899/sctp"),
        "{listed:?}"
    );
    let pid = inspect(&engine, "peer")["State"]["Pid"]
        .as_u64()
        .expect("a pid") as u32;
    let server = sctp_socket(pid).expect("a socket in the container");
    net::bind(&server, &SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 9899)).expect("bind");
    net::listen(&server, 1).expect("listen");
    let client = sctp_socket(engine.holder_pid()).expect("a socket beside the engine");
    let address = call(
        &engine,
        [
            "inspect",
            "-f",
            "{{.NetworkSettings.Networks.bridge.Gateway}}",
            "peer",
        ],
    );
    let address: Ipv4Addr = address.ok().parse().expect("an address");
    net::connect(&client, &SocketAddrV4::new(address, 9899)).expect("connect");
    net::send(&client, b"hello", net::SendFlags::empty()).expect("send");
    let accepted = net::accept(&server).expect("accept");
    let mut bytes = [0u8; 16];
    let (received, _) =
        net::recv(&accepted, &mut bytes[..], net::RecvFlags::empty()).expect("recv");
    assert_eq!(&bytes[..received], b"hello");
}
