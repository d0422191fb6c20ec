//! From start to exit: status, output, log, record.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use corten_base::Id;
use corten_oci::runtime::{LinuxResources, Memory};
use corten_shim_proto::client::{ShimClient, ShimError};
use corten_shim_proto::{AttachOptions, Event, FailureStage, Status};
use std::time::{Duration, Instant};
use support::{Fixture, everything, exec, expect_bytes, rest, type_text, unframe, within};

fn output() -> AttachOptions {
    AttachOptions {
        stdout: true,
        stderr: true,
        ..AttachOptions::default()
    }
}

#[tokio::test]
async fn output_reaches_the_client_and_the_log_before_the_exit_is_told() {
    let mut fixture = Fixture::new("echo out; echo err >&2; printf end; exit 7");
    fixture.attach = vec![output()];
    let mut running = fixture.start().await;
    let exit = running.exit().await;
    assert_eq!((exit.code, exit.oom_killed), (7, false));
    let mut lines = fixture.log_lines();
    lines.sort();
    assert_eq!(lines, ["end", "err\n", "out\n"]);
    let record = fixture.record().unwrap();
    assert_eq!(
        (record.id, record.pid, record.exit),
        (fixture.id, running.started.pid, exit)
    );
    let (stdout, stderr) = unframe(&rest(&mut running.streams[0]).await);
    assert_eq!((stdout.as_str(), stderr.as_str()), ("out\nend", "err\n"));
    assert!(
        within(running.events.next()).await.unwrap().is_none(),
        "the shim goes away"
    );
    assert!(!fixture.socket().exists());
    assert!(
        fixture
            .cgroup()
            .directories()
            .all(|directory| !directory.exists())
    );
}

#[tokio::test]
async fn a_signal_that_ends_the_container_shows_in_its_exit_code() {
    for (signal, code) in [(9, 137), (15, 143)] {
        let fixture = Fixture::new("trap 'kill -9 $$' USR1; sleep 1000");
        // A shell as process 1 ignores what it does not handle; a plain program with the
        // default action cannot be ended by TERM there either, so no pid namespace.
        let mut fixture = fixture;
        let linux = fixture.spec.linux.as_mut().unwrap();
        linux.namespaces.retain(|namespace| namespace.kind != "pid");
        fixture.spec.process.as_mut().unwrap().args = vec!["sleep".into(), "1000".into()];
        let mut running = fixture.start().await;
        running.client.kill(None, signal).await.unwrap();
        assert_eq!(running.exit().await.code, code);
        let again = running.client.kill(None, signal).await;
        assert!(again.is_err(), "an ended process takes no signal");
    }
}

#[tokio::test]
async fn a_program_that_is_not_there_is_told_with_its_errno_and_leaves_nothing() {
    let mut fixture = Fixture::new("");
    fixture.spec.process.as_mut().unwrap().args = vec!["nonesuch".into()];
    let Err(ShimError::Failed(failure)) = fixture.try_start().await else {
        panic!("it cannot start");
    };
    assert_eq!(failure.stage, FailureStage::Exec);
    assert_eq!(failure.errno, Some(2));
    assert_eq!(
        failure.message,
        "exec: \"nonesuch\": executable file not found in $PATH"
    );
    assert!(
        fixture
            .cgroup()
            .directories()
            .all(|directory| !directory.exists())
    );
    assert!(fixture.record().is_none());
    assert!(!fixture.socket().exists());
}

#[tokio::test]
async fn a_container_that_runs_out_of_memory_is_told_and_recorded() {
    let mut fixture = Fixture::new("head -c 60000000 /dev/zero | tail; exit 3");
    let memory = Memory {
        limit: Some(16 << 20),
        swap: Some(16 << 20),
        ..Memory::default()
    };
    fixture.spec.linux.as_mut().unwrap().resources = Some(LinuxResources {
        memory: Some(memory),
        ..LinuxResources::default()
    });
    let mut running = fixture.start().await;
    let events = running.events().await;
    assert!(matches!(events[0], Event::Oom { .. }), "{events:?}");
    assert!(fixture.record().unwrap().exit.oom_killed);
}

#[tokio::test]
async fn a_paused_container_stands_still_and_takes_no_exec() {
    let mut fixture = Fixture::new("while :; do echo x; done");
    fixture.log = None;
    let mut running = fixture.start().await;
    running.client.pause().await.unwrap();
    assert_eq!(running.client.state().await.unwrap().status, Status::Paused);
    let before = fixture.cgroup().stats().unwrap().cpu.usage_ns;
    let refused = running
        .client
        .exec(exec(Id::random(), &["true"], None))
        .await
        .unwrap_err();
    assert_eq!(refused.to_string(), "the container is paused");
    assert_eq!(fixture.cgroup().stats().unwrap().cpu.usage_ns, before);
    running.client.resume().await.unwrap();
    assert_eq!(
        running.client.state().await.unwrap().status,
        Status::Running
    );
    running.client.pause().await.unwrap();
    running.client.shutdown().await.unwrap();
    assert_eq!(running.exit().await.code, 137);
}

#[tokio::test]
async fn limits_change_while_the_container_runs() {
    let fixture = Fixture::new("sleep 1000");
    let mut running = fixture.start().await;
    let memory = Memory {
        limit: Some(64 << 20),
        swap: Some(64 << 20),
        ..Memory::default()
    };
    let resources = LinuxResources {
        memory: Some(memory),
        ..LinuxResources::default()
    };
    running.client.update(resources).await.unwrap();
    assert_eq!(
        fixture.cgroup().stats().unwrap().memory.limit_bytes,
        64 << 20
    );
    running.client.shutdown().await.unwrap();
    running.exit().await;
}

#[tokio::test]
async fn an_engine_that_comes_back_finds_the_state_and_hears_the_exit() {
    let mut fixture = Fixture::new("read line; exit 5");
    fixture.stdin = corten_shim_proto::Stdin::Open;
    let running = fixture.start().await;
    // The engine is gone: every connection of it is closed.
    let pid = running.started.pid;
    drop(running);
    let client = ShimClient::connect(&fixture.socket()).await.unwrap();
    let (state, mut events) = client.subscribe().await.unwrap();
    assert_eq!(
        (state.id, state.pid, state.status),
        (Some(fixture.id), Some(pid), Status::Running)
    );
    let mut stream = client.attach(everything()).await.unwrap();
    type_text(&mut stream, "go\n").await;
    let event = within(events.next()).await.unwrap();
    assert!(matches!(event, Some(Event::Exit { exit }) if exit.code == 5));
    let gone = ShimClient::connect(&fixture.socket()).await.unwrap_err();
    assert!(matches!(gone, ShimError::Gone { .. }));
}

#[tokio::test]
async fn an_exit_while_no_engine_is_there_is_recorded() {
    let mut fixture = Fixture::new("read line; echo last words; exit 9");
    fixture.stdin = corten_shim_proto::Stdin::Open;
    fixture.attach = vec![everything()];
    let mut running = fixture.start().await;
    let mut stream = running.streams.remove(0);
    type_text(&mut stream, "go\n").await;
    drop(running);
    drop(stream);
    let deadline = Instant::now() + Duration::from_secs(30);
    while fixture.record().is_none() {
        assert!(Instant::now() < deadline, "no record came");
        tokio::task::yield_now().await;
    }
    assert_eq!(fixture.record().unwrap().exit.code, 9);
    assert_eq!(fixture.log_lines(), ["last words\n"]);
}

#[tokio::test]
async fn a_record_of_an_earlier_run_does_not_survive_the_next_start() {
    let fixture = Fixture::new("sleep 1000");
    std::fs::write(fixture.container().join("exit.json"), "{}").unwrap();
    let mut running = fixture.start().await;
    assert!(!fixture.container().join("exit.json").exists());
    running.client.shutdown().await.unwrap();
    assert_eq!(running.exit().await.code, 137);
    assert_eq!(fixture.record().unwrap().exit.code, 137);
}

#[tokio::test]
async fn a_shim_without_a_container_goes_away_with_its_engine() {
    let fixture = Fixture::new("true");
    let client = fixture.spawn().await;
    assert_eq!(client.state().await.unwrap().status, Status::Empty);
    drop(client);
    // Its descriptor 1 closes when it ends; the reaper of the client waits for that, and
    // nothing else of it can be seen. A second one shows that the first left nothing.
    let client = fixture.spawn().await;
    client.shutdown().await.unwrap();
}

#[tokio::test]
async fn logs_are_rotated_while_the_container_writes() {
    let mut fixture = Fixture::new("seq 1 5000");
    let log = fixture.log.as_mut().unwrap();
    log.max_size_bytes = Some(50_000);
    log.max_files = 20;
    log.compress = true;
    let mut running = fixture.start().await;
    running.exit().await;
    let expected: Vec<String> = (1..=5000).map(|number| format!("{number}\n")).collect();
    assert_eq!(fixture.log_lines(), expected);
    let names = std::fs::read_dir(fixture.container()).unwrap().count();
    assert!(names > 5, "{names} files");
}

#[tokio::test]
async fn a_process_in_the_hosts_pid_namespace_takes_its_children_along() {
    let mut fixture = Fixture::new("sleep 1000 & exit 4");
    let linux = fixture.spec.linux.as_mut().unwrap();
    linux.namespaces.retain(|namespace| namespace.kind != "pid");
    let mut running = fixture.start().await;
    assert_eq!(running.exit().await.code, 4);
    assert!(fixture.cgroup().pids().unwrap().is_empty());
}

#[tokio::test]
async fn much_output_comes_whole_and_in_order() {
    let mut fixture = Fixture::new("seq 1 300000");
    fixture.attach = vec![output()];
    let mut running = fixture.start().await;
    let mut stream = running.streams.remove(0);
    let reader = tokio::spawn(async move { rest(&mut stream).await });
    running.exit().await;
    let (stdout, _) = unframe(&reader.await.unwrap());
    assert_eq!(stdout.lines().count(), 300_000);
    assert!(
        stdout
            .lines()
            .enumerate()
            .all(|(at, line)| line == (at + 1).to_string())
    );
    assert_eq!(fixture.log_lines().concat(), stdout);
}

#[tokio::test]
async fn a_client_that_does_not_read_loses_nothing_when_the_container_ends() {
    // A first frame of 200 bytes has a length that is no text.
    let mut fixture = Fixture::new("printf '%0199d\\n' 0; sleep 0.2; seq 2 200000; exit 6");
    fixture.attach = vec![output()];
    let mut running = fixture.start().await;
    let mut stream = running.streams.remove(0);
    // The container is held back until somebody reads.
    let mut all = expect_bytes(&mut stream, "\n").await;
    all.extend(rest(&mut stream).await);
    assert_eq!(running.exit().await.code, 6);
    assert_eq!(unframe(&all).0.lines().count(), 200_000);
}

#[tokio::test]
async fn a_run_begins_when_the_one_before_has_been_cleaned_up() {
    let fixture = std::sync::Arc::new(Fixture::new("exit 4"));
    // As the shim of the run before holds it, while it removes the control group.
    let before = std::fs::File::open(fixture.container()).unwrap();
    before.lock().unwrap();
    let starting = fixture.clone();
    let mut start = tokio::spawn(async move { starting.start().await });
    let early = tokio::time::timeout(Duration::from_millis(300), &mut start);
    assert!(early.await.is_err(), "nothing starts meanwhile");
    drop(before);
    assert_eq!(start.await.unwrap().exit().await.code, 4);
}
