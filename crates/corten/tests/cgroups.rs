//! What containers, their owners and dashboards see of control groups, whichever version the
//! host has; `cargo xtask guest` runs these where it is version 2 only.

use corten_testkit::{Engine, Options, Ran, until};
use serde_json::Value;
use std::path::Path;

fn is_v2() -> bool {
    Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
}

/// Our own client: it is static and begins fast where the machine is emulated.
#[track_caller]
fn corten(engine: &Engine, line: &str) -> Ran {
    engine.corten(line.split(' '))
}

#[track_caller]
fn shell(engine: &Engine, options: &str, script: &str) -> Ran {
    let words = options.split(' ').chain(["busybox", "sh", "-c", script]);
    engine.corten(["run"].into_iter().chain(words))
}

fn stats(engine: &Engine, container: &str) -> Value {
    let path = format!("/containers/{container}/stats?stream=false");
    serde_json::from_str(&engine.get(&path).expect("an answer")).expect("JSON")
}

#[test]
fn statistics_have_the_shape_of_the_hosts_version() {
    let engine = Engine::with_images(&["busybox"]);
    let limits = "-d --name web -m 64m --pids-limit 40";
    shell(&engine, limits, "while :; do :; done").ok();
    until("it has used a processor", 60, || {
        let used = &stats(&engine, "web")["cpu_stats"]["cpu_usage"]["total_usage"];
        used.as_u64().is_some_and(|it| it > 0)
    });
    let found = stats(&engine, "web");
    let (memory, cpu) = (&found["memory_stats"], &found["cpu_stats"]);
    assert_eq!(memory["limit"], 64 << 20);
    assert!(memory["usage"].as_u64().is_some_and(|it| it > 0));
    assert_eq!(found["pids_stats"]["limit"], 40);
    assert_eq!(found["pids_stats"]["current"], 1);
    assert!(cpu["online_cpus"].as_u64().is_some_and(|it| it > 0));
    assert!(cpu["system_cpu_usage"].as_u64().is_some_and(|it| it > 0));
    assert!(found["networks"]["eth0"]["rx_bytes"].is_u64());
    let names = memory["stats"].as_object().expect("memory's statistics");
    // moby, `daemon/stats_unix.go`: the kernel's names of each version.
    let (own, others) = match is_v2() {
        true => ("inactive_file anon file pgfault slab", "total_rss cache"),
        false => ("total_inactive_file total_rss cache pgfault", "anon slab"),
    };
    for name in own.split(' ') {
        assert!(names.contains_key(name), "{name} of {names:?}");
    }
    for name in others.split(' ') {
        assert!(!names.contains_key(name), "{name} of {names:?}");
    }
    assert_eq!(memory.get("max_usage").is_none(), is_v2());
    assert_eq!(cpu["cpu_usage"].get("percpu_usage").is_none(), is_v2());
    let line = corten(
        &engine,
        "stats --no-stream --format {{.MemUsage}},{{.PIDs}} web",
    );
    let line = line.ok();
    assert!(line.ends_with(" / 64MiB,1"), "{line}");
}

#[test]
fn containers_stand_where_their_cgroup_parent_says_and_see_what_their_namespace_says() {
    let engine = Engine::with_images(&["busybox"]);
    let parent = format!("/corten-parent-{}", std::process::id());
    let run = format!("run -d --name web --cgroup-parent {parent} busybox sleep 1000");
    let id = corten(&engine, &run).ok().to_owned();
    let pid = corten(&engine, "inspect -f {{.State.Pid}} web");
    let groups = std::fs::read_to_string(format!("/proc/{}/cgroup", pid.ok())).expect("it runs");
    let line = if is_v2() { "0::" } else { ":memory:" };
    assert!(
        groups.contains(&format!("{line}{parent}/{id}\n")),
        "{groups}"
    );
    let own = |mode: &str| {
        let options = format!("--rm --cgroupns {mode} --cgroup-parent {parent}");
        let ran = shell(
            &engine,
            &options,
            "cat /proc/self/cgroup; ls /sys/fs/cgroup",
        );
        ran.ok().to_owned()
    };
    let (private, host) = (own("private"), own("host"));
    let root = if is_v2() { "0::/\n" } else { ":memory:/\n" };
    assert!(private.contains(root), "{private}");
    assert!(host.contains(&format!("{line}{parent}/")), "{host}");
    let file = if is_v2() { "cgroup.procs" } else { "memory" };
    assert!(
        private.contains(file) && host.contains(file),
        "{private} {host}"
    );
    corten(&engine, "rm -f web").ok();
    let hierarchy = if is_v2() { "" } else { "memory" };
    let directory = Path::new("/sys/fs/cgroup")
        .join(hierarchy)
        .join(&parent[1..]);
    let below = || {
        std::fs::read_dir(&directory)
            .map_or(0, |it| it.flatten().filter(|it| it.path().is_dir()).count())
    };
    assert_eq!(below(), 0, "groups of containers are left");
    for hierarchy in std::fs::read_dir("/sys/fs/cgroup")
        .expect("groups")
        .flatten()
    {
        let _ = std::fs::remove_dir(hierarchy.path().join(&parent[1..]));
    }
    let _ = std::fs::remove_dir(&directory);
}

#[test]
fn devices_are_those_that_rules_allow_also_for_added_processes() {
    let engine = Engine::with_images(&["busybox"]);
    // /dev/loop-control, which is in no container's /dev and in no default rule.
    let open = "mknod /k c 10 237 && head -c 0 /k; echo $?";
    let refused = shell(&engine, "--rm", open);
    assert_eq!(refused.stdout.trim(), "1", "{refused:?}");
    let rule = "--rm --device-cgroup-rule";
    let words = ["run"].into_iter().chain(rule.split(' '));
    let words = words.chain(["c 10:237 rm", "busybox", "sh", "-c"]);
    let open = format!("{open}; (true >/k) 2>/dev/null || echo no writing");
    let allowed = engine.corten(words.chain([open.as_str()]));
    assert_eq!(allowed.stdout, "0\nno writing\n", "{allowed:?}");
    let run = "run -d --name web --device /dev/loop-control:/dev/k:r busybox sleep 1000";
    corten(&engine, run).ok();
    corten(&engine, "exec web head -c 0 /dev/k").ok();
    let writing = engine.corten(["exec", "web", "sh", "-c", "true >/dev/k"]);
    assert_ne!(writing.code, 0, "{writing:?}");
    // A change of other limits leaves the rules.
    corten(&engine, "update --pids-limit 30 web").ok();
    corten(&engine, "exec web head -c 0 /dev/k").ok();
    let made = [
        "exec",
        "--privileged",
        "web",
        "sh",
        "-c",
        "mknod /p c 1 2 && head -c 0 /p",
    ];
    let other = engine.corten(made);
    assert!(other.stderr.contains("not permitted"), "{other:?}");
    let free = shell(
        &engine,
        "--rm --privileged",
        "head -c 0 /dev/loop-control; echo $?",
    );
    assert_eq!(free.ok(), "0");
}

#[test]
fn a_fork_bomb_stays_in_its_container_and_ends_with_it() {
    let engine = Engine::with_images(&["busybox"]);
    let bomb = "f() { f | f & }; f; sleep 1000";
    shell(&engine, "-d --name bomb --pids-limit 30 --cpus 0.3", bomb).ok();
    let pids = || stats(&engine, "bomb")["pids_stats"]["current"].as_u64();
    until("it is at its limit or falls back", 60, || pids() >= Some(2));
    assert!(pids() <= Some(30));
    assert_eq!(shell(&engine, "--rm", "echo free").ok(), "free");
    corten(&engine, "kill bomb").ok();
    assert_eq!(corten(&engine, "wait bomb").ok(), "137");
    corten(&engine, "rm bomb").ok();
}

#[test]
fn a_process_that_memory_runs_out_for_is_told_of_and_its_container_goes_on() {
    let engine = Engine::with_images(&["busybox"]);
    let script = "tail /dev/zero; echo ended $?; sleep 1000";
    let run = "-d --name web -m 16m --memory-swap 16m";
    shell(&engine, run, script).ok();
    until("the process has ended", 60, || {
        corten(&engine, "logs web").stdout.contains("ended 137")
    });
    let told = || {
        let events = corten(&engine, "events --since 1h --until 0s --filter event=oom");
        events.stdout.contains("container oom")
    };
    until("it is told", 20, told);
    let state = "inspect -f {{.State.Status}} web";
    assert_eq!(corten(&engine, state).ok(), "running");
    corten(&engine, "stop -t 0 web").ok();
}

#[test]
fn a_daemon_that_comes_back_has_its_containers_in_hand() {
    let mut engine = Engine::with_images(&["busybox"]);
    shell(
        &engine,
        "-d --name web -m 64m",
        "trap 'exit 7' TERM; while :; do sleep 1; done",
    )
    .ok();
    shell(&engine, "-d --name still", "sleep 1000").ok();
    corten(&engine, "pause still").ok();
    engine.kill_daemon();
    engine.start_daemon();
    let names = corten(&engine, "ps --format {{.Names}}:{{.State}}");
    let mut names: Vec<&str> = names.ok().lines().collect();
    names.sort_unstable();
    assert_eq!(names, ["still:paused", "web:running"]);
    assert_eq!(stats(&engine, "web")["memory_stats"]["limit"], 64 << 20);
    corten(&engine, "update -m 80m --memory-swap 80m web").ok();
    assert_eq!(stats(&engine, "web")["memory_stats"]["limit"], 80 << 20);
    assert_eq!(corten(&engine, "exec web echo in").ok(), "in");
    assert!(corten(&engine, "top web").ok().contains("sleep 1"));
    corten(&engine, "unpause still").ok();
    assert_eq!(corten(&engine, "exec still echo on").ok(), "on");
    corten(&engine, "pause web").ok();
    corten(&engine, "unpause web").ok();
    corten(&engine, "stop -t 30 web").ok();
    let code = corten(&engine, "inspect -f {{.State.ExitCode}} web");
    assert_eq!(code.ok(), "7");
    corten(&engine, "rm -f still").ok();
}

#[test]
fn steps_of_a_build_have_a_group_of_their_own_and_its_limits() {
    let engine = Engine::with_images(&["busybox"]);
    let file = "FROM busybox\nRUN cat /proc/self/cgroup > /groups && echo made > /made\n";
    let directory = engine.files("context", &[("Dockerfile", file)]);
    let path = directory.display().to_string();
    corten(&engine, "run --rm busybox true").ok();
    let before = engine.leftovers_of_the_idle().cgroups;
    engine.corten(["build", "-t", "built", path.as_str()]).ok();
    assert_eq!(corten(&engine, "run --rm built cat /made").ok(), "made");
    let groups = corten(&engine, "run --rm built cat /groups");
    assert!(!groups.ok().is_empty());
    until("its groups are gone", 20, || {
        engine.leftovers().cgroups == before
    });
}

/// First ID on the host of the user namespace that a container's processes are in.
#[track_caller]
fn first_id(engine: &Engine, container: &str) -> u32 {
    let pid = corten(
        engine,
        &format!("inspect -f {{{{.State.Pid}}}} {container}"),
    );
    let map = std::fs::read_to_string(format!("/proc/{}/uid_map", pid.ok()));
    let map = map.expect("it runs");
    let first = map.split_whitespace().nth(1).expect("a map of one range");
    first.parse().expect("a number")
}

#[test]
fn remapped_users_own_their_files_and_widen_no_limit() {
    let mut engine = Engine::start_with(Options {
        arguments: ["--userns-remap", "default"].map(String::from).to_vec(),
        ..Options::default()
    });
    engine.load("busybox");
    let limits = "-d --name web -m 64m --pids-limit 40 -v vol:/v";
    shell(&engine, limits, "exec sleep 1000").ok();
    shell(&engine, "-d --name own --userns auto", "exec sleep 1000").ok();
    let (web, own) = (first_id(&engine, "web"), first_id(&engine, "own"));
    assert!(web >= 1 << 31 && own > 0 && own != web, "{web} {own}");
    let exec = |engine: &Engine, script: &str| engine.corten(["exec", "web", "sh", "-c", script]);
    let owners = "touch /v/mine /top && stat -c %u:%g /v/mine /top /bin/sh /v";
    assert_eq!(exec(&engine, owners).ok(), "0:0\n0:0\n0:0\n0:0");
    let widen = match is_v2() {
        true => "echo max >/sys/fs/cgroup/memory.max",
        false => "echo -1 >/sys/fs/cgroup/memory/memory.limit_in_bytes",
    };
    assert_ne!(exec(&engine, widen).code, 0);
    assert_eq!(stats(&engine, "web")["memory_stats"]["limit"], 64 << 20);
    corten(&engine, "update -m 80m --memory-swap 80m web").ok();
    engine.kill_daemon();
    engine.start_daemon();
    assert_eq!(stats(&engine, "web")["memory_stats"]["limit"], 80 << 20);
    assert_eq!(exec(&engine, "id -u && cat /v/mine && id -g").ok(), "0\n0");
    corten(&engine, "pause web").ok();
    corten(&engine, "unpause web").ok();
    corten(&engine, "stop -t 0 web own").ok();
    corten(&engine, "start own").ok();
    assert_eq!(first_id(&engine, "own"), own, "its range is its own");
    corten(&engine, "rm -fv web own").ok();
}
