//! The shim is killed: what is left, and what the engine finds.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use corten_shim_proto::Event;
use corten_shim_proto::client::{ShimClient, ShimError};
use rustix::process::{Pid, Signal, kill_process};
use std::time::{Duration, Instant};
use support::{Fixture, Running, everything, type_text, within};

/// The parent of the container's first process.
fn shim_of(running: &Running) -> Pid {
    let stat = format!("/proc/{}/stat", running.started.pid);
    let stat = std::fs::read_to_string(stat).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    Pid::from_raw(fields.split(' ').nth(1).unwrap().parse().unwrap()).unwrap()
}

#[tokio::test]
async fn an_exit_that_was_told_is_on_disk_even_if_the_shim_is_killed_at_once() {
    for code in 0..10_u8 {
        let mut fixture = Fixture::new(&format!("read line; echo said; exit {code}"));
        fixture.stdin = corten_shim_proto::Stdin::Open;
        fixture.attach = vec![everything()];
        let mut running = fixture.start().await;
        let shim = shim_of(&running);
        let mut stream = running.streams.remove(0);
        type_text(&mut stream, "go\n").await;
        let event = running.event().await;
        // It may be gone already.
        let _killed = kill_process(shim, Signal::KILL).is_ok();
        assert!(matches!(event, Event::Exit { exit } if exit.code == code));
        assert_eq!(fixture.record().unwrap().exit.code, code);
        assert_eq!(fixture.log_lines(), ["said\n"]);
    }
}

#[tokio::test]
async fn a_container_whose_shim_was_killed_is_found_and_ended_through_its_group() {
    let fixture = Fixture::new("sleep 1000");
    let mut running = fixture.start().await;
    kill_process(shim_of(&running), Signal::KILL).unwrap();
    assert!(
        within(running.events.next()).await.unwrap().is_none(),
        "no exit is told"
    );
    assert!(fixture.record().is_none());
    let gone = ShimClient::connect(&fixture.socket()).await.unwrap_err();
    assert!(matches!(gone, ShimError::Gone { .. }));
    let group = fixture.cgroup();
    assert_eq!(group.pids().unwrap().len(), 1);
    group.kill_all(9).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while !group.pids().unwrap().is_empty() {
        assert!(Instant::now() < deadline, "it still runs");
        tokio::task::yield_now().await;
    }
    group.delete().unwrap();
}

#[tokio::test]
async fn a_socket_left_by_a_killed_shim_does_not_keep_the_next_from_starting() {
    let fixture = Fixture::new("exit 3");
    std::os::unix::net::UnixListener::bind(fixture.container().join("s")).unwrap();
    std::fs::rename(fixture.container().join("s"), fixture.socket()).unwrap();
    let mut running = fixture.start().await;
    assert_eq!(running.exit().await.code, 3);
}

#[tokio::test]
async fn nonsense_on_the_socket_harms_nobody() {
    let mut fixture = Fixture::new("read line; exit 2");
    fixture.stdin = corten_shim_proto::Stdin::Open;
    let mut running = fixture.start().await;
    for bytes in [
        &b"\xff\xff\xff\xff"[..],
        b"\x04\0\0\0{}{}",
        b"\x02\0\0\0",
        b"GET / HTTP/1.1\r\n",
    ] {
        let link = fixture.container().join("link");
        let _gone = std::fs::remove_file(&link).is_ok();
        std::os::unix::fs::symlink(fixture.socket(), &link).unwrap();
        let mut socket = tokio::net::UnixStream::connect(&link).await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut socket, bytes)
            .await
            .unwrap();
    }
    let mut stream = running.client.attach(everything()).await.unwrap();
    type_text(&mut stream, "go\n").await;
    assert_eq!(running.exit().await.code, 2);
}
