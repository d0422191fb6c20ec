//! Log drivers as users see them: real receivers on unix sockets, `docker logs` for each.

use corten_testkit::{Engine, until};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::time::Duration;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn run(engine: &Engine, name: &str, options: &[&str], script: &str) -> corten_testkit::Ran {
    let words = ["run", "--name", name].into_iter();
    let words = words
        .chain(options.iter().copied())
        .chain(["busybox", "sh", "-c", script]);
    engine.docker(words)
}

#[test]
fn a_syslog_receiver_gets_lines_and_docker_logs_reads_them_back() {
    let engine = Engine::with_images(&["busybox"]);
    let path = engine.path("syslog");
    let receiver = UnixDatagram::bind(&path).expect("a receiver");
    receiver.set_read_timeout(Some(PATIENCE)).expect("a limit");
    let address = format!("syslog-address=unixgram://{}", path.display());
    let options = [
        "--log-driver=syslog",
        "--log-opt",
        &address,
        "--log-opt",
        "tag={{.ImageName}}/{{.Name}}",
    ];
    run(&engine, "sy", &options, "echo out; echo error >&2").ok();
    let mut buffer = [0; 2048];
    let mut seen: Vec<String> = (0..2)
        .map(|_| {
            let count = receiver.recv(&mut buffer).expect("a message");
            String::from_utf8_lossy(&buffer[..count]).into_owned()
        })
        .collect();
    seen.sort();
    // daemon is 3; 3 * 8 + 3 and + 6.
    assert!(
        seen[0].starts_with("<27>") && seen[0].ends_with("]: error\n"),
        "{seen:?}"
    );
    assert!(
        seen[1].starts_with("<30>") && seen[1].contains(" busybox/sy["),
        "{seen:?}"
    );
    let read = engine.docker(["logs", "sy"]);
    assert_eq!(
        (read.stdout.as_str(), read.stderr.as_str()),
        ("out\n", "error\n")
    );
    assert_eq!(
        engine.docker(["inspect", "-f", "{{.LogPath}}", "sy"]).ok(),
        ""
    );

    let disabled = [&options[..], &["--log-opt", "cache-disabled=true"]].concat();
    run(&engine, "di", &disabled, "echo out").ok();
    engine
        .docker(["logs", "di"])
        .fails(1, "configured logging driver does not support reading");
    run(&engine, "no", &["--log-driver=none"], "echo out").ok();
    engine
        .docker(["logs", "no"])
        .fails(1, "configured logging driver does not support reading");
}

#[test]
fn a_receiver_that_is_not_there_fails_the_start_as_dockers_does() {
    let engine = Engine::with_images(&["busybox"]);
    for (options, sentence) in [
        (
            vec![
                "--log-driver=fluentd",
                "--log-opt=fluentd-address=unix:///nope",
            ],
            "failed to initialize logging driver: dial unix /nope: connect: no such file or directory",
        ),
        (
            vec![
                "--log-driver=gelf",
                "--log-opt=gelf-address=tcp://127.0.0.1:1",
            ],
            "gelf: cannot connect to GELF endpoint: 127.0.0.1:1 dial tcp 127.0.0.1:1: connect: connection refused",
        ),
        (
            vec!["--log-opt=tag={{.Bogus}}"],
            "executing \"log-tag\" at <.Bogus>: can't evaluate field Bogus in type *logger.Info",
        ),
        (
            vec!["--log-driver=gelf"],
            "gelf-address is a required parameter",
        ),
    ] {
        let ran = run(&engine, "xx", &options, "echo never");
        assert!(ran.stderr.contains(sentence), "{}", ran.stderr);
        engine.docker(["rm", "-f", "xx"]);
    }
}

#[test]
fn a_blocking_container_waits_for_its_receiver_and_a_non_blocking_one_does_not() {
    let engine = Engine::with_images(&["busybox"]);
    let path = engine.path("fluent");
    let receiver = UnixListener::bind(&path).expect("a receiver");
    let address = format!("--log-opt=fluentd-address=unix://{}", path.display());
    let common = [
        "-d",
        "--log-driver=fluentd",
        "--log-opt=cache-disabled=true",
        &address,
    ];
    // 8 MB: more than all the buffers on the way.
    let script = "i=0; while [ $i -lt 80 ]; do head -c 100000 /dev/zero | tr '\\0' x | fold -w 999; i=$((i+1)); done; echo; echo done";
    let running = |name: &str| {
        engine
            .docker(["inspect", "-f", "{{.State.Running}}", name])
            .ok()
            == "true"
    };

    let non_blocking = [&common[..], &["--log-opt=mode=non-blocking"]].concat();
    run(&engine, "fast", &non_blocking, script).ok();
    let (silent, _) = receiver.accept().expect("the logger connects");
    until("the container that does not wait has ended", 30, || {
        !running("fast")
    });
    drop(silent);

    run(&engine, "slow", &common, script).ok();
    let (stream, _) = receiver.accept().expect("the logger connects");
    let shim_is_quiet = || blocked_writers(&engine, "slow");
    until("the container waits in a write", 30, shim_is_quiet);
    assert!(running("slow"));
    let received = std::thread::spawn(move || count(stream));
    until("it goes on when its receiver does", 60, || !running("slow"));
    assert_eq!(
        received.join().expect("the receiver").trim_end(),
        "8000000 bytes, and done"
    );
}

/// Whether every process of the container waits for somebody.
fn blocked_writers(engine: &Engine, name: &str) -> bool {
    let pid = engine.docker(["inspect", "-f", "{{.State.Pid}}", name]);
    let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", pid.ok()));
    let children = children.unwrap_or_default();
    children.split_whitespace().any(|child| {
        std::fs::read_to_string(format!("/proc/{child}/wchan"))
            .is_ok_and(|place| place.contains("pipe"))
    })
}

/// Reads what a Fluentd would, without looking closely: the x's of the lines and the last.
fn count(mut stream: UnixStream) -> String {
    let mut everything = Vec::new();
    stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
    stream.read_to_end(&mut everything).expect("the records");
    let mut bytes = 0;
    let mut rest = &everything[..];
    while let Some(at) = rest.windows(4).position(|window| window == b"\xa3log") {
        rest = &rest[at + 4..];
        // One to three bytes of length stand before the text.
        let text = rest.iter().skip_while(|byte| **byte != b'x');
        bytes += text.take_while(|byte| **byte == b'x').count();
    }
    let done = everything.windows(8).any(|window| window == b"log\xa4done");
    format!("{bytes} bytes{}\n", if done { ", and done" } else { "" })
}

#[test]
fn local_logs_are_rotated_compressed_and_read_to_the_last_line() {
    let engine = Engine::with_images(&["busybox"]);
    let options = [
        "--log-driver=local",
        "--log-opt=max-size=10k",
        "--log-opt=max-file=3",
    ];
    run(&engine, "lo", &options, "seq 1 1000").ok();
    let read = engine.docker(["logs", "lo"]);
    let lines: Vec<&str> = read.stdout.lines().collect();
    assert_eq!(lines.last(), Some(&"1000"));
    assert!(lines.len() > 100, "{} lines", lines.len());
    let first: usize = lines[0].parse().expect("a whole line");
    let whole: Vec<String> = (first..=1000).map(|n| n.to_string()).collect();
    assert_eq!(lines, whole, "no record is cut or lost in between");
    let id = engine.docker(["inspect", "-f", "{{.Id}}", "lo"]);
    let directory = engine.path(&format!("data/containers/{}/local-logs", id.ok()));
    let mut names: Vec<String> = std::fs::read_dir(directory)
        .expect("local-logs")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    assert_eq!(
        names,
        ["container.log", "container.log.1.gz", "container.log.2.gz"]
    );
    assert_eq!(engine.docker(["logs", "-n", "1", "lo"]).ok(), "1000");
}

#[test]
fn records_carry_labels_variables_and_tag_as_dockers_do() {
    let engine = Engine::with_images(&["busybox"]);
    let options = [
        "--label=a=1",
        "--label=team.x=2",
        "-e=X=a b",
        "--log-opt=labels=a",
        "--log-opt=labels-regex=^team",
        "--log-opt=env-regex=^X$",
        "--log-opt=tag={{.Name}}|{{.ImageName}}",
    ];
    run(&engine, "ta", &options, "echo line").ok();
    assert_eq!(
        engine.docker(["logs", "--details", "ta"]).ok(),
        "X=a+b,a=1,tag=ta%7Cbusybox,team.x=2 line"
    );
}

#[test]
fn a_logger_that_is_killed_is_replaced() {
    let engine = Engine::with_images(&["busybox"]);
    let path = engine.path("syslog");
    let receiver = UnixListener::bind(&path).expect("a receiver");
    let address = format!("--log-opt=syslog-address=unix://{}", path.display());
    let options = ["-d", "--log-driver=syslog", &address];
    let script = "while :; do echo tick; sleep 0.2; done";
    run(&engine, "ki", &options, script).ok();
    let (stream, _) = receiver.accept().expect("the logger connects");
    let mut lines = BufReader::new(stream.try_clone().expect("a copy")).lines();
    assert!(
        lines
            .next()
            .expect("a line")
            .expect("a line")
            .ends_with("tick")
    );
    let peer = rustix::net::sockopt::socket_peercred(&stream).expect("its process");
    rustix::process::kill_process(peer.pid, rustix::process::Signal::KILL).expect("ours");
    let (stream, _) = receiver.accept().expect("the next logger connects");
    let mut lines = BufReader::new(stream).lines();
    assert!(
        lines
            .next()
            .expect("a line")
            .expect("a line")
            .ends_with("tick")
    );
    engine.docker(["rm", "-f", "ki"]).ok();
}
