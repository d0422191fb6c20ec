//! Real images, made from Debian's packages, doing the work they are there for.

use corten_testkit::{Engine, program, run, until};

fn inside(engine: &Engine, words: &[&str]) -> corten_testkit::Ran {
    run(engine.inside(words[0]).args(&words[1..]))
}

#[test]
fn nginx_serves_a_page_through_a_published_port() {
    let engine = Engine::with_images(&["nginx"]);
    engine
        .docker(["run", "-d", "--name", "web", "-p", "8080:80", "nginx"])
        .ok();
    assert_eq!(
        engine.docker(["port", "web"]).ok().lines().next(),
        Some("80/tcp -> 0.0.0.0:8080")
    );
    until("the page comes through localhost", 20, || {
        inside(
            &engine,
            &["curl", "-sf", "--max-time", "2", "http://127.0.0.1:8080/"],
        )
        .code
            == 0
    });
    let address = engine
        .docker(["inspect", "-f", "{{.NetworkSettings.IPAddress}}", "web"])
        .ok()
        .to_owned();
    assert_eq!(
        inside(
            &engine,
            &[
                "curl",
                "-sf",
                "--max-time",
                "5",
                &format!("http://{address}/")
            ]
        )
        .code,
        0
    );
    let gateway = engine
        .docker(["inspect", "-f", "{{.NetworkSettings.Gateway}}", "web"])
        .ok()
        .to_owned();
    for url in [
        format!("http://{address}/"),
        format!("http://{gateway}:8080/"),
    ] {
        let ran = engine.docker([
            "run",
            "--rm",
            "nginx",
            "curl",
            "-sf",
            "--max-time",
            "5",
            &url,
        ]);
        assert!(ran.ok().contains("html"), "{url}: {}", ran.stdout);
    }
    engine
        .docker(["run", "-d", "-p", "8080:80", "nginx"])
        .fails(125, "port is already allocated");
    engine.docker(["rm", "-f", "web"]).ok();
    assert_ne!(
        inside(
            &engine,
            &["curl", "-s", "--max-time", "2", "http://127.0.0.1:8080/"]
        )
        .code,
        0
    );
}

#[test]
fn redis_keeps_its_data_in_a_volume_across_rm() {
    let engine = Engine::with_images(&["redis"]);
    let run_redis = || {
        engine.docker([
            "run",
            "-d",
            "--name",
            "db",
            "-v",
            "db:/data",
            "redis",
            "redis-server",
            "--appendonly",
            "yes",
        ])
    };
    let answers = || {
        until("redis answers", 20, || {
            engine
                .docker(["exec", "db", "redis-cli", "ping"])
                .stdout
                .trim()
                == "PONG"
        })
    };
    run_redis().ok();
    answers();
    assert_eq!(
        engine
            .docker(["exec", "db", "redis-cli", "set", "k", "kept"])
            .ok(),
        "OK"
    );
    engine.docker(["stop", "db"]).ok();
    engine.docker(["rm", "db"]).ok();
    run_redis().ok();
    answers();
    assert_eq!(
        engine.docker(["exec", "db", "redis-cli", "get", "k"]).ok(),
        "kept"
    );
}

#[test]
fn python_and_node_run_a_script() {
    let engine = Engine::with_images(&["python", "node"]);
    assert_eq!(
        engine
            .docker(["run", "--rm", "python", "python3", "-c", "print(6 * 7)"])
            .ok(),
        "42"
    );
    assert_eq!(
        engine
            .docker_with_input(
                ["run", "-i", "--rm", "python", "python3", "-"],
                b"print('from stdin')"
            )
            .ok(),
        "from stdin"
    );
    assert_eq!(
        engine
            .docker(["run", "--rm", "node", "node", "-e", "console.log(6 * 7)"])
            .ok(),
        "42"
    );
}

#[test]
fn a_container_is_root_of_its_own_small_world() {
    let engine = Engine::with_images(&["debian"]);
    let world = engine.docker([
        "run", "--rm", "-h", "box", "debian", "sh", "-c",
        "hostname; id -u; ls /proc | grep -c '^[0-9]'; cat /proc/1/comm; ls /sys/firmware | wc -l; \
         (echo x > /proc/sysrq-trigger) 2>/dev/null || echo refused; mount -t tmpfs t /mnt 2>/dev/null || echo refused",
    ]);
    let lines: Vec<&str> = world.ok().lines().collect();
    assert_eq!((lines[0], lines[1]), ("box", "0"));
    assert!(
        lines[2].parse::<u32>().unwrap() <= 4,
        "few processes are seen: {lines:?}"
    );
    assert_eq!(&lines[3..], ["sh", "0", "refused", "refused"]);
}

#[test]
fn image_commands_answer_as_dockerds() {
    let engine = Engine::with_images(&["busybox"]);
    engine.agrees_with(include_str!("transcripts/images.txt"));
}

#[test]
fn a_tree_is_imported_from_a_url_that_the_daemon_fetches() {
    let mut engine = Engine::start();
    let files = engine.files("served", &[("tree/etc/name", "from afar")]);
    let pack = ["-czf", "tree.tgz", "-C", "tree", "."];
    run(program("tar", pack).current_dir(&files)).ok();
    let mut server = engine.inside("python3");
    server.args(["-m", "http.server", "8099", "--bind", "127.0.0.1"]);
    server.current_dir(&files);
    engine.beside(server);
    let url = "http://127.0.0.1:8099/tree.tgz";
    let answers = || run(engine.inside("curl").args(["-sf", "-o", "/dev/null", url])).code == 0;
    until("the server answers", 20, answers);
    let imported = engine.docker(["import", "-c", "CMD [\"x\"]", url, "afar:1"]);
    let lines: Vec<&str> = imported.ok().lines().collect();
    assert_eq!(lines[0], format!("Downloading from {url}"), "{imported:?}");
    let id = engine.docker([
        "image",
        "inspect",
        "-f",
        "{{.Id}} {{.Config.Cmd}}",
        "afar:1",
    ]);
    assert_eq!(id.ok(), format!("{} [x]", lines[lines.len() - 1]));
    // Without a scheme it is plain HTTP.
    engine.docker(["create", "--name", "cc", "afar:1"]).ok();
    let text = engine.docker(["cp", "cc:/etc/name", "-"]);
    assert!(text.ok().contains("from afar"), "{text:?}");
    let path = "/images/create?fromSrc=127.0.0.1:8099/nothing&repo=no";
    let (status, text) = engine.request("POST", path, "");
    assert_eq!(status, 404, "{text}");
    assert!(
        text.contains("failed to GET http://127.0.0.1:8099/nothing with status 404"),
        "{text}"
    );
    let refused = engine.docker(["import", "http://127.0.0.1:1/x", "no"]);
    refused.fails(1, "dial tcp 127.0.0.1:1: connect: connection refused");
}
