//! What people meet when what they ask of `run`, `kill` and `update` is odd: dockerd 28's
//! exit codes, sentences and outcomes.

use corten_testkit::{Engine, until};

const DAEMON: &str = "docker: Error response from daemon: ";

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(' ')
}

#[test]
fn refusals_have_dockerds_words_and_exit_codes() {
    let engine = Engine::with_images(&["busybox"]);
    engine
        .docker(words("run -d --name web -p 80 busybox sleep 1000"))
        .ok();
    let id = engine.docker(words("inspect -f {{.Id}} web"));
    let not_shareable = format!(
        "failed to join IPC namespace: container {}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)",
        id.ok()
    );
    let cases = [
        (
            "-w /etc/passwd busybox true",
            "Cannot mkdir: /etc/passwd is not a directory",
        ),
        (
            "-u 4294967296 busybox true",
            "uids and gids must be in range 0-2147483647",
        ),
        (
            "--group-add 4294967296 busybox true",
            "uids and gids must be in range 0-2147483647",
        ),
        (
            "--tmpfs /a:foo busybox true",
            "invalid tmpfs option \"foo\"",
        ),
        (
            "-v vol:/a:rshared busybox true",
            "invalid volume specification: 'vol:/a:rshared': invalid mount config for type \"volume\": field BindOptions must not be specified",
        ),
        (
            "-v /usr:/a:nocopy busybox true",
            "invalid volume specification: '/usr:/a:nocopy': invalid mount config for type \"bind\": field VolumeOptions must not be specified",
        ),
        (
            "--ipc host --sysctl kernel.shmmax=1000 busybox true",
            "failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: sysctl \"kernel.shmmax\" is not allowed in the hosts ipc namespace",
        ),
        (
            "--network container:web --dns 1.1.1.1 busybox true",
            "conflicting options: dns and the network mode",
        ),
        (
            "--network container:web --add-host a:1.1.1.1 busybox true",
            "conflicting options: custom host-to-IP mapping and the network mode",
        ),
        (
            "--network container:web --link web busybox true",
            "conflicting options: container type network can't be used with links. This would result in undefined behavior",
        ),
        (
            "--network container:web --ip 172.17.0.9 busybox true",
            "invalid config for network container:web: invalid endpoint settings:\nuser specified IP address is supported on user defined networks only",
        ),
        ("--ipc container:web busybox true", not_shareable.as_str()),
    ];
    for (line, sentence) in cases {
        let ran = engine.docker(words("run --rm").chain(words(line)));
        ran.fails(125, &format!("{DAEMON}{sentence}\n"));
    }
    let long = "h".repeat(80);
    let named = engine.docker(["run", "--rm", "--hostname", &long, "busybox", "true"]);
    named.fails(
        125,
        "error during container init: sethostname: invalid argument\n",
    );
    let empty = engine.docker(["run", "--rm", "busybox", ""]);
    empty.fails(127, "exec: \"\": executable file not found in $PATH");
    let device = words("run --rm --device-read-bps /dev/nosuch:1mb busybox true");
    let device = engine.docker(device);
    device.fails(
        127,
        &format!("{DAEMON}stat /dev/nosuch: no such file or directory\n"),
    );
    let left = engine.docker(words("ps -aq --no-trunc"));
    assert_eq!(left.ok(), id.ok(), "nothing of them stays");

    engine
        .docker(words("run -d --rm --name own busybox sleep 1000"))
        .ok();
    let id = engine.docker(words("inspect -f {{.Id}} own"));
    engine.docker(words("update --restart always own")).fails(
        1,
        &format!(
            "Cannot update container {}: Restart policy cannot be updated because AutoRemove is enabled for the container",
            id.ok()
        ),
    );
}

#[test]
fn who_joins_the_network_of_a_container_that_does_not_run_is_told_and_removed() {
    let engine = Engine::with_images(&["busybox"]);
    engine.docker(words("create --name web busybox true")).ok();
    let mut command = engine.docker_command(words(
        "run --rm --name guest --network container:web busybox true",
    ));
    let mut client = command
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("a client");
    let mut ended = None;
    until("the client is told", 20, || {
        ended = client.try_wait().expect("a child");
        ended.is_some()
    });
    assert_eq!(ended.and_then(|it| it.code()), Some(125));
    until("the container is gone", 20, || {
        engine
            .docker(words("ps -aq --filter name=guest"))
            .stdout
            .is_empty()
    });
    engine
        .docker(words(
            "create --name guest --network container:web busybox true",
        ))
        .ok();
    let sentence =
        "cannot join network namespace of a non running container: container web is created";
    engine.docker(words("start guest")).fails(1, sentence);
    let shown = engine.docker(words(
        "inspect -f {{.State.ExitCode}}:{{.State.Error}} guest",
    ));
    assert_eq!(shown.ok(), format!("128:{sentence}"));
}

#[test]
fn what_is_made_for_a_container_is_where_and_whose_dockerds_is() {
    let engine = Engine::with_images(&["busybox"]);
    let run = |line: &str, script: &str| {
        let before = words("run --rm").chain(words(line));
        let ran = engine.docker(before.chain(["busybox", "sh", "-c", script]));
        ran.ok().to_owned()
    };
    let mode = "stat -c %a /cache && touch /cache/mine";
    assert_eq!(run("-u 1000 --tmpfs /cache", mode), "1777");
    // Over a directory of the image it has that one's.
    let mode = "stat -c %a /root; stat -c %a /tmp";
    assert_eq!(run("--tmpfs /root --tmpfs /tmp", mode), "700\n1777");
    assert_eq!(run("-w /a/b/../c/./d/", "pwd"), "/a/c/d");
    let names = "tail -n 1 /etc/hosts | cut -f 2; ping -c 1 -w 5 web > /dev/null && echo reached";
    let wanted = "web.example.com web\nreached";
    assert_eq!(run("--hostname web.example.com", names), wanted);
    assert_eq!(
        run("--hostname web --domainname example.com", names),
        wanted
    );
}

#[test]
fn a_kill_ends_the_restarts_of_a_container_that_waits_for_the_next() {
    let engine = Engine::with_images(&["busybox"]);
    engine
        .docker(words("run -d --name web --restart always busybox false"))
        .ok();
    let shows = |format: &str| engine.docker(["inspect", "-f", format, "web"]).stdout;
    // By then it waits for more than three seconds.
    until("it waits for its next start", 30, || {
        shows("{{gt .RestartCount 4}} {{.State.Status}}") == "true restarting\n"
    });
    assert_eq!(engine.docker(words("kill web")).ok(), "web");
    assert_eq!(
        shows("{{.State.Status}} {{.State.Running}}"),
        "exited false\n"
    );
    let count = shows("{{.RestartCount}}");
    engine.docker(words("rename web done")).ok();
    let waited = engine.docker(words("wait done"));
    assert_eq!(waited.ok(), "1");
    let after = engine.docker(words("inspect -f {{.RestartCount}} done"));
    assert_eq!(format!("{}\n", after.ok()), count);
}

#[test]
fn swap_alone_is_updated_where_there_is_a_memory_limit() {
    let engine = Engine::with_images(&["busybox"]);
    engine
        .docker(words(
            "run -d --name web -m 64m --memory-swap 80m busybox sleep 1000",
        ))
        .ok();
    engine.docker(words("update --memory-swap 128m web")).ok();
    let limits = "{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}}";
    let limits = engine.docker(["inspect", "-f", limits, "web"]);
    assert_eq!(limits.ok(), format!("{} {}", 64 << 20, 128 << 20));
    let group = "cat /sys/fs/cgroup/memory/memory.memsw.limit_in_bytes 2> /dev/null || cat /sys/fs/cgroup/memory.swap.max";
    let group = engine.docker(["exec", "web", "sh", "-c", group]);
    let written = [128 << 20, 64 << 20].map(|it: u64| it.to_string());
    assert!(
        written.iter().any(|it| it == group.ok()),
        "{}",
        group.stdout
    );
    engine.docker(words("update --memory-swap 32m web")).fails(
        1,
        "Minimum memoryswap limit should be larger than memory limit, see usage",
    );
    engine.docker(words("create --name free busybox")).ok();
    engine.docker(words("update --memory-swap 32m free")).fails(
        1,
        "You should always set the Memory limit when using Memoryswap limit, see usage",
    );
}

#[test]
fn a_container_that_has_ended_is_not_healthy() {
    let engine = Engine::with_images(&["busybox"]);
    engine
        .docker(words(
            "run -d --name web --health-cmd true --health-interval 100ms busybox sleep 1000",
        ))
        .ok();
    let health = || {
        let words = words("inspect -f {{.State.Health.Status}} web");
        engine.docker(words).stdout
    };
    until("it is well", 20, || health() == "healthy\n");
    engine.docker(words("stop -t 0 web")).ok();
    assert_eq!(health(), "unhealthy\n");
    let listed = words("ps -a --filter health=unhealthy --format {{.Names}}");
    assert_eq!(engine.docker(listed).ok(), "web");
}
