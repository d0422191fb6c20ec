//! Networks: the stock client's commands, and that containers find each other.

use corten_testkit::{Engine, until};

#[test]
fn network_commands_answer_as_dockerds() {
    let engine = Engine::with_images(&["busybox"]);
    engine.agrees_with(include_str!("transcripts/networks.txt"));
}

#[test]
fn containers_find_each_other_by_name_also_after_the_daemon_died() {
    let mut engine = Engine::with_images(&["busybox"]);
    engine.docker(["network", "create", "net"]).ok();
    let server = "while :; do echo hello | nc -l -p 80; done";
    let run = [
        "run",
        "-d",
        "--name",
        "web",
        "--network",
        "net",
        "--network-alias",
        "www",
    ];
    let command = ["busybox", "sh", "-c", server];
    engine.docker(run.into_iter().chain(command)).ok();
    let run = [
        "run",
        "-d",
        "--name",
        "asks",
        "--network",
        "net",
        "busybox",
        "sleep",
        "1000",
    ];
    engine.docker(run).ok();
    let asks = |engine: &Engine, name: &str| {
        let line = format!("nc -w 2 {name} 80");
        engine.docker(["exec", "asks", "sh", "-c", &line]).stdout == "hello\n"
    };
    for name in ["web", "www"] {
        until("the name leads to the container", 20, || {
            asks(&engine, name)
        });
    }
    engine.kill_daemon();
    engine.start_daemon();
    until("the name leads there again", 20, || asks(&engine, "web"));
    engine.docker(["rename", "web", "site"]).ok();
    until("the new name leads there", 20, || asks(&engine, "site"));
    assert!(!asks(&engine, "web"), "the old name is forgotten");
    engine.docker(["network", "disconnect", "net", "site"]).ok();
    assert!(!asks(&engine, "site"), "who left the network is not found");
    engine
        .docker(["network", "connect", "--alias", "www", "net", "site"])
        .ok();
    until("who came back is found", 20, || asks(&engine, "www"));
}

#[test]
fn a_linked_container_that_moves_is_found_under_its_alias() {
    let engine = Engine::with_images(&["busybox"]);
    let sleeper = |name: &str, extra: &[&str]| {
        let run = ["run", "-d", "--name", name].into_iter();
        let run = run.chain(extra.iter().copied());
        engine
            .docker(run.chain(["busybox", "sleep", "1000"]))
            .ok()
            .to_owned()
    };
    sleeper("db", &[]);
    sleeper("web", &["--link", "db:base"]);
    engine.docker(["stop", "-t", "0", "db"]).ok();
    // Somebody else has the address meanwhile.
    sleeper("other", &[]);
    engine.docker(["start", "db"]).ok();
    let format = "{{.NetworkSettings.IPAddress}}";
    let address = engine.docker(["inspect", "db", "--format", format]);
    let address = address.ok();
    let hosts = engine.docker(["exec", "web", "grep", "base", "/etc/hosts"]);
    assert!(
        hosts.ok().starts_with(&format!("{address}\tbase ")),
        "{}",
        hosts.stdout
    );
}

/// Networks of the container by its record, by the networks, and interfaces in the kernel.
fn places(engine: &Engine) -> (Vec<String>, bool, usize) {
    let format = "{{range $n, $e := .NetworkSettings.Networks}}{{$n}} {{end}}";
    let record = engine.docker(["inspect", "web", "--format", format]);
    let networks = record.ok().split_whitespace().map(str::to_owned).collect();
    let format = "{{range .Containers}}{{.Name}}{{end}}";
    let found = engine.docker(["network", "inspect", "net", "--format", format]);
    let links = engine.docker(["exec", "web", "ls", "/sys/class/net"]);
    let links = links.ok().split_whitespace();
    let count = links.filter(|it| it.starts_with("eth")).count();
    (networks, found.ok() == "web", count)
}

#[test]
fn a_daemon_killed_at_any_step_of_connecting_leaves_kernel_and_records_in_accord() {
    let mut engine = Engine::with_images(&["busybox"]);
    engine.docker(["network", "create", "net"]).ok();
    engine
        .docker(["run", "-d", "--name", "web", "busybox", "sleep", "1000"])
        .ok();
    let steps = engine.steps();
    let alone = (vec!["bridge".to_owned()], false, 1);
    let both = (vec!["bridge".to_owned(), "net".to_owned()], true, 2);
    for (verb, step, before) in [
        ("connect", "network-connect.endpoint", &alone),
        ("connect", "network-connect.record", &alone),
        ("connect", "network-connect.done", &alone),
        ("disconnect", "network-disconnect.endpoint", &both),
        ("disconnect", "disconnect.links", &both),
        ("disconnect", "disconnect.firewall", &both),
        ("disconnect", "network-disconnect.record", &both),
        ("disconnect", "network-disconnect.done", &both),
    ] {
        if places(&engine) != *before {
            let back = if *before == alone {
                "disconnect"
            } else {
                "connect"
            };
            engine.docker(["network", back, "net", "web"]).ok();
        }
        assert_eq!(places(&engine), *before, "before {step}");
        steps.kill_at(step, 1);
        let ran = engine.docker(["network", verb, "net", "web"]);
        assert!(ran.code != 0 && steps.killed(), "{step} was not reached");
        engine.kill_daemon();
        engine.start_daemon();
        let after = places(&engine);
        assert!(after == alone || after == both, "after {step}: {after:?}");
        // What was not answered may be asked again.
        engine.docker(["network", "connect", "net", "web"]);
        assert_eq!(places(&engine), both, "after {step}");
    }
    engine.docker(["rm", "-f", "web"]).ok();
    engine.docker(["network", "rm", "net"]).ok();
}
