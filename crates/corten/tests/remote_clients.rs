//! Engines elsewhere: contexts that the stock client and ours share, ssh, and what
//! config.json puts into containers.

use corten_testkit::{Engine, Ran, binary, run};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// An `ssh` that records its words and runs the command on this machine, as sshd does: by
/// a shell, with the words joined.
const SSH: &str = r#"#!/bin/sh
echo "$*" >> "$SSH_RECORD"
while [ "$1" != -- ]; do shift; done
shift 2
exec sh -c "$*"
"#;

fn far_end(engine: &Engine) -> (String, String) {
    let directory = engine.path("far");
    std::fs::create_dir(&directory).expect("a directory");
    let ssh = directory.join("ssh");
    std::fs::write(&ssh, SSH).expect("ssh");
    std::fs::set_permissions(&ssh, PermissionsExt::from_mode(0o755)).expect("its mode");
    // The far end has our client, under Docker's name.
    std::os::unix::fs::symlink(binary("corten"), directory.join("docker")).expect("docker");
    let path = std::env::var("PATH").unwrap_or_default();
    let record = engine.path("ssh-record").display().to_string();
    (format!("{}:{path}", directory.display()), record)
}

#[test]
fn an_engine_behind_ssh_is_reached_by_both_clients() {
    let engine = Engine::with_images(&["busybox"]);
    let (path, record) = far_end(&engine);
    let socket = engine.path("cortend.sock").display().to_string();
    let over_ssh = |mut command: Command| -> Ran {
        let host = format!("ssh://me@far.test:2222{socket}");
        run(command
            .env("DOCKER_HOST", host)
            .env("PATH", &path)
            .env("SSH_RECORD", &record))
    };
    let words = ["run", "--rm", "-i", "busybox", "echo", "through"];
    assert_eq!(over_ssh(engine.corten_command(words)).ok(), "through");
    let words = std::fs::read_to_string(&record).expect("ssh was called");
    let first = words.lines().next().unwrap_or_default();
    assert!(first.starts_with("-l me -p 2222 "), "{first}");
    assert!(
        first.ends_with(&format!(
            "-- far.test docker --host 'unix://{socket}' system dial-stdio"
        )),
        "{first}"
    );
    let ids = over_ssh(engine.docker_command(["images", "-q"]));
    assert_eq!(ids.ok(), engine.docker(["images", "-q"]).ok());
}

#[test]
fn contexts_are_one_store_for_both_clients() {
    let engine = Engine::start();
    let host = engine.host();
    let stock = |words: &[&str]| run(engine.docker_command(words).env_remove("DOCKER_HOST"));
    let ours = |words: &[&str]| run(engine.corten_command(words).env_remove("DOCKER_HOST"));
    let docker = format!("host={host}");
    ours(&[
        "context",
        "create",
        "mine",
        "--description",
        "made by ours",
        "--docker",
        &docker,
    ])
    .ok();
    stock(&[
        "context",
        "create",
        "theirs",
        "--description",
        "x",
        "--docker",
        &docker,
    ])
    .ok();
    for name in ["mine", "theirs"] {
        let format = ["context", "inspect", name, "-f", "{{json .}}"];
        assert_eq!(ours(&format).ok(), stock(&format).ok());
        let version = ["--context", name, "version", "-f", "{{.Server.Version}}"];
        assert_eq!(ours(&version).ok(), stock(&version).ok());
    }
    ours(&["context", "use", "theirs"]).ok();
    assert_eq!(stock(&["context", "show"]).ok(), "theirs");
    let file = engine.path("mine.tar").display().to_string();
    ours(&["context", "export", "mine", &file]).ok();
    stock(&["context", "import", "copy", &file]).ok();
    let file = engine.path("theirs.tar").display().to_string();
    stock(&["context", "export", "theirs", &file]).ok();
    ours(&["context", "import", "copied", &file]).ok();
    ours(&["context", "import", "copied", &file]).fails(1, "context \"copied\" already exists");
    let format = "{{.Name}} {{.DockerEndpoint}} {{.Description}}";
    let list = ["context", "ls", "--format", format];
    // The default one is each program's own.
    let others = |ran: Ran| {
        let mut lines: Vec<String> = ran.ok().lines().map(str::to_owned).collect();
        lines.retain(|line| !line.starts_with("default "));
        lines
    };
    assert_eq!(others(ours(&list)), others(stock(&list)));
    assert!(ours(&list).stdout.contains("made by ours"));
    ours(&["context", "update", "mine", "--description", "changed"]).ok();
    assert!(stock(&list).stdout.contains("mine ") && stock(&list).stdout.contains(" changed"));
    stock(&["context", "rm", "-f", "mine", "theirs", "copy", "copied"]).ok();
    let left = ours(&["context", "ls", "-q"]);
    assert!(
        !left.stdout.contains("mine") && !left.stdout.contains("cop"),
        "{}",
        left.stdout
    );
}

#[test]
fn proxies_of_the_configuration_reach_containers_as_from_the_stock_client() {
    let engine = Engine::with_images(&["busybox"]);
    let directory = engine.path("docker-config");
    std::fs::create_dir_all(&directory).expect("a directory");
    let config = r#"{"proxies":{"default":{"httpProxy":"http://p:1","noProxy":"a,b"}},"psFormat":"{{.Names}}","plugins":{"x":{}}}"#;
    std::fs::write(directory.join("config.json"), config).expect("config.json");
    let environment = |ran: Ran| {
        let mut lines: Vec<String> = ran.ok().lines().map(str::to_owned).collect();
        lines.retain(|line| !line.starts_with("HOSTNAME="));
        lines.sort();
        lines
    };
    let words = ["run", "--rm", "busybox", "env"];
    let stock = environment(engine.docker(words));
    assert!(
        stock.contains(&"http_proxy=http://p:1".to_owned()),
        "{stock:?}"
    );
    assert_eq!(environment(engine.corten_as_docker(words)), stock);
    engine.docker(["create", "--name", "shown", "busybox"]).ok();
    assert_eq!(engine.corten_as_docker(["ps", "-a"]).ok(), "shown");
}
