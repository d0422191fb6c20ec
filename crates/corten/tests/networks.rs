//! Networks: the stock client's commands, and that containers find each other.

use corten_testkit::{Engine, Options, run, until};

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

#[test]
fn a_container_that_ends_while_the_daemon_comes_up_keeps_its_networks() {
    let mut engine = Engine::with_images(&["busybox"]);
    engine.docker(["network", "create", "net"]).ok();
    let web = ["run", "-d", "--name", "web", "--network", "net", "busybox"];
    engine.docker([&web[..], &["sleep", "1000"]].concat()).ok();
    let inspected = engine.docker(["inspect", "-f", "{{.State.Pid}}", "web"]);
    let pid = inspected.ok();
    let steps = engine.steps();
    engine.kill_daemon();
    steps.halt_at("boot.networks");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            steps.halted();
            run(std::process::Command::new("kill").args(["-9", pid])).ok();
            // The shim has waited for it.
            let own = format!("/proc/{pid}");
            until("it is gone", 20, || !std::path::Path::new(&own).exists());
            steps.go_on();
        });
        engine.start_daemon();
    });
    engine.docker(["wait", "web"]).ok();
    engine.docker(["start", "web"]).ok();
    let networks = "{{range $name, $it := .NetworkSettings.Networks}}{{$name}}{{end}}";
    assert_eq!(
        engine.docker(["inspect", "-f", networks, "web"]).ok(),
        "net"
    );
    engine
        .docker(["exec", "web", "ip", "addr", "show", "eth0"])
        .ok();
    engine.docker(["rm", "-f", "web"]).ok();
    engine.docker(["network", "rm", "net"]).ok();
}

#[test]
fn a_shim_that_does_not_answer_keeps_the_daemon_from_nothing() {
    let mut engine = Engine::with_images(&["busybox"]);
    for name in ["stuck", "well"] {
        let words = ["run", "-d", "--name", name, "busybox", "sleep", "1000"];
        engine.docker(words).ok();
    }
    let stuck = engine.docker(["inspect", "-f", "{{.Id}}", "stuck"]);
    let shims = engine.leftovers().processes;
    let shim = shims.iter().find(|(_, words)| words.contains(stuck.ok()));
    let shim = shim.expect("its shim").0.to_string();
    let signal = |name: &str| {
        let mut kill = std::process::Command::new("kill");
        run(kill.args(["-s", name, &shim])).ok();
    };
    let steps = engine.steps();
    engine.kill_daemon();
    steps.halt_at("boot.networks");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            steps.halted();
            signal("STOP");
            steps.go_on();
        });
        engine.start_daemon();
    });
    assert_eq!(engine.docker(["exec", "well", "echo", "in"]).ok(), "in");
    signal("CONT");
    assert_eq!(engine.docker(["exec", "stuck", "echo", "in"]).ok(), "in");
    engine.docker(["rm", "-f", "stuck", "well"]).ok();
}

/// Whether something in the engine's network answers at a port of 127.0.0.1.
fn answers(engine: &Engine, port: u16) -> bool {
    let line = format!("exec 3<>/dev/tcp/127.0.0.1/{port} && read -t 5 -u 3 line && test $line");
    let mut command = engine.inside("timeout");
    run(command.args(["5", "bash", "-c", &line])).code == 0
}

#[test]
fn flags_and_annotations_shape_networks_and_ports() {
    let mut engine = Engine::start_with(Options {
        arguments: [
            "--ipv6",
            "--bip6=fd55::1/64",
            "--default-network-opt=bridge=com.docker.network.driver.mtu=1350",
        ]
        .map(String::from)
        .to_vec(),
        ..Options::default()
    });
    engine.load("busybox");
    engine.docker(["network", "create", "own"]).ok();
    let told = |network: &str, format: &str| {
        let line = ["network", "inspect", "--format", format, network];
        engine.docker(line).ok().trim().to_owned()
    };
    let subnets = "{{.EnableIPv6}}{{range .IPAM.Config}} {{.Subnet}} {{.Gateway}}{{end}}";
    assert!(
        told("bridge", subnets).ends_with(" fd55::/64 fd55::1"),
        "{}",
        told("bridge", subnets)
    );
    assert_eq!(
        told("own", "{{json .Options}}"),
        r#"{"com.docker.network.driver.mtu":"1350"}"#
    );

    let publish = |annotation: &str| {
        let line = [
            "run",
            "-d",
            "-p",
            "8080:80",
            "-p",
            "8081:81",
            "--annotation",
        ];
        let server = "serve() { while :; do echo hello | nc -l -p $1; done; }; serve 80 & serve 81";
        let command = [annotation, "busybox", "sh", "-c", server];
        engine.docker(line.into_iter().chain(command))
    };
    publish("corten.port_firewall.80/tcp=closed").fails(
        125,
        "invalid Annotations: corten.port_firewall.80/tcp=closed: the name is corten.port_firewall or corten.port_firewall.PORT/PROTOCOL",
    );
    publish("corten.port_firewall.80/tcp=host").ok();
    until("both ports answer", 20, || {
        answers(&engine, 8080) && answers(&engine, 8081)
    });
    let rules = "nft add table inet host; nft add chain inet host input '{ type filter hook input priority 0; }'
        nft add rule inet host input tcp dport 8080-8081 drop";
    let denied = run(engine.inside("sh").args(["-ec", rules]));
    assert_eq!(denied.code, 0, "{}", denied.stderr);
    for _ in 0..2 {
        assert!(!answers(&engine, 8080), "the host's INPUT rules hold");
        assert!(
            answers(&engine, 8081),
            "the other port is open as with Docker"
        );
        engine.kill_daemon();
        engine.start_daemon();
    }
}

#[test]
fn ps_and_port_tell_from_where_a_container_is_reached() {
    let engine = Engine::with_images(&["busybox"]);
    let sleeper = |name: &str, extra: &[&str]| {
        let run = ["run", "-d", "--name", name].into_iter();
        let run = run.chain(extra.iter().copied());
        engine.docker(run.chain(["busybox", "sleep", "1000"])).ok();
    };
    let ports = ["-p", "8080:80", "-p", "127.0.0.1:8081:81"];
    sleeper("open", &ports);
    sleeper(
        "rules",
        &["--annotation", "corten.port_firewall=host", "-p", "8082:82"],
    );
    sleeper("all", &["--network", "host"]);
    sleeper("none", &[]);
    let mode = "com.docker.network.bridge.gateway_mode_ipv4=routed";
    let subnet = ["--subnet", "10.77.0.0/24", "--ipv4", "routes"];
    let create = ["network", "create", "-o", mode].into_iter().chain(subnet);
    engine.docker(create).ok();
    sleeper("routed", &["--network", "routes", "-p", "80"]);
    sleeper("guest", &["--network", "container:open"]);

    let port = |words: &[&str]| {
        let all = ["port", "--reach"].iter().chain(words);
        engine.corten(all).ok().to_owned()
    };
    let only_ipv4 = |text: String| -> String {
        let lines = text.lines().filter(|line| !line.contains('['));
        lines.collect::<Vec<_>>().join("\n")
    };
    let open = "80/tcp -> 0.0.0.0:8080 (from outside)\n\
                81/tcp -> 127.0.0.1:8081 (from this host only)";
    assert_eq!(only_ipv4(port(&["open"])), open);
    assert_eq!(only_ipv4(port(&["guest"])), open, "it shares the network");
    assert_eq!(
        port(&["open", "81"]),
        "81/tcp -> 127.0.0.1:8081 (from this host only)"
    );
    assert_eq!(
        only_ipv4(port(&["rules"])),
        "82/tcp -> 0.0.0.0:8082 (from outside, if the host's INPUT rules allow)"
    );
    assert_eq!(
        port(&["all"]),
        "every port -> 0.0.0.0:* (from outside, if the host's INPUT rules allow)"
    );
    assert_eq!(port(&["none"]), "");
    assert_eq!(
        only_ipv4(port(&["routed"])),
        "80/tcp -> 10.77.0.2:80 (by who has a route to it)"
    );

    let shown = engine.corten(["ps", "--reach"]).ok().to_owned();
    assert!(shown.lines().next().unwrap().ends_with("REACH"), "{shown}");
    assert!(
        shown.contains("from this host only: 127.0.0.1:8081->81/tcp"),
        "{shown}"
    );
    let docker = engine.corten_as_docker(["port", "--reach", "open"]);
    assert!(
        docker.stderr.contains("unknown flag: --reach"),
        "{docker:?}"
    );
}
