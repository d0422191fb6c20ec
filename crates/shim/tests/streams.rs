//! Terminals, attaching, input, execs.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod support;

use corten_base::Id;
use corten_shim_proto::client::ShimError;
use corten_shim_proto::{AttachOptions, Event, FailureStage, Stdin, TerminalSize};
use support::{Fixture, everything, exec, expect, rest, type_text, unframe, within};
use tokio::io::AsyncWriteExt;

#[tokio::test]
async fn a_terminal_echoes_and_knows_its_size() {
    let mut fixture = Fixture::terminal("stty size; read line; stty size; echo got $line");
    let process = fixture.spec.process.as_mut().unwrap();
    process.console_size = Some(corten_oci::runtime::ConsoleSize {
        height: 30,
        width: 100,
    });
    fixture.attach = vec![everything()];
    let mut running = fixture.start().await;
    let mut stream = running.streams.remove(0);
    expect(&mut stream, "30 100\r\n").await;
    running
        .client
        .resize(
            None,
            TerminalSize {
                columns: 120,
                rows: 40,
            },
        )
        .await
        .unwrap();
    type_text(&mut stream, "hello\n").await;
    let rest = String::from_utf8(rest(&mut stream).await).unwrap();
    assert_eq!(rest, "hello\r\n40 120\r\ngot hello\r\n");
    assert_eq!(running.exit().await.code, 0);
    assert_eq!(fixture.log_lines().concat(), format!("30 100\r\n{rest}"));
}

#[tokio::test]
async fn two_clients_see_the_same_and_one_detaches() {
    let mut fixture = Fixture::terminal("while read line; do echo [$line]; done");
    fixture.attach = vec![everything()];
    let mut running = fixture.start().await;
    let mut one = running.streams.remove(0);
    let mut two = running.client.attach(everything()).await.unwrap();
    type_text(&mut one, "first\n").await;
    expect(&mut one, "[first]\r\n").await;
    expect(&mut two, "[first]\r\n").await;
    type_text(&mut one, "\x10").await;
    type_text(&mut one, "\x11").await;
    assert!(rest(&mut one).await.is_empty());
    assert_eq!(running.event().await, Event::Detached { exec: None });
    type_text(&mut two, "second\n").await;
    expect(&mut two, "[second]\r\n").await;
    running.client.shutdown().await.unwrap();
    assert_eq!(running.exit().await.code, 137);
}

#[tokio::test]
async fn the_end_of_input_ends_the_containers_where_it_is_asked_once() {
    let mut fixture = Fixture::new("cat; echo done");
    fixture.stdin = Stdin::Once;
    fixture.attach = vec![everything()];
    let mut running = fixture.start().await;
    let mut stream = running.streams.remove(0);
    type_text(&mut stream, "some input\n").await;
    stream.shutdown().await.unwrap();
    let (stdout, _) = unframe(&rest(&mut stream).await);
    assert_eq!(stdout, "some input\ndone\n");
    assert_eq!(running.exit().await.code, 0);
}

#[tokio::test]
async fn much_input_goes_through_a_container() {
    let mut fixture = Fixture::new("cat");
    fixture.stdin = Stdin::Once;
    fixture.attach = vec![everything()];
    fixture.log = None;
    let mut running = fixture.start().await;
    let (mut reader, mut writer) = running.streams.remove(0).into_split();
    let input: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let sent = input.clone();
    let sending = tokio::spawn(async move {
        writer.write_all(&sent).await.unwrap();
        writer.shutdown().await.unwrap();
    });
    let mut framed = Vec::new();
    within(tokio::io::AsyncReadExt::read_to_end(
        &mut reader,
        &mut framed,
    ))
    .await
    .unwrap();
    sending.await.unwrap();
    let mut output = Vec::new();
    let mut rest = framed.as_slice();
    while let Some((head, body)) = rest.split_first_chunk::<8>() {
        let length = u32::from_be_bytes([head[4], head[5], head[6], head[7]]) as usize;
        output.extend_from_slice(&body[..length]);
        rest = &body[length..];
    }
    assert!(output == input);
    running.exit().await;
}

#[tokio::test]
async fn input_stays_open_for_the_next_client_where_it_is_asked() {
    let mut fixture = Fixture::new("while read line; do echo [$line]; done; echo over");
    fixture.stdin = Stdin::Open;
    let mut running = fixture.start().await;
    let mut one = running.client.attach(everything()).await.unwrap();
    type_text(&mut one, "first\n").await;
    expect(&mut one, "[first]").await;
    drop(one);
    let mut two = running.client.attach(everything()).await.unwrap();
    type_text(&mut two, "second\n").await;
    expect(&mut two, "[second]").await;
    // As with Docker, the end of a client's input ends the client there.
    two.shutdown().await.unwrap();
    rest(&mut two).await;
    assert_eq!(
        running.client.state().await.unwrap().pid,
        Some(running.started.pid)
    );
    running.client.shutdown().await.unwrap();
    running.exit().await;
}

#[tokio::test]
async fn an_exec_has_its_own_streams_and_exit_code() {
    let fixture = Fixture::new("sleep 1000");
    let mut running = fixture.start().await;
    let script = "cat; echo err >&2; exit 3";
    let (id, mut stream) = running.exec(&["sh", "-c", script], everything()).await;
    type_text(&mut stream, "in").await;
    stream.shutdown().await.unwrap();
    let (stdout, stderr) = unframe(&rest(&mut stream).await);
    assert_eq!((stdout.as_str(), stderr.as_str()), ("in", "err\n"));
    let event = running.event().await;
    assert!(matches!(event, Event::ExecExit { exec, exit } if exec == id && exit.code == 3));
    assert!(
        fixture.log_lines().is_empty(),
        "an exec's output is not logged"
    );
    running.client.shutdown().await.unwrap();
    running.exit().await;
}

#[tokio::test]
async fn an_exec_has_its_own_terminal() {
    let fixture = Fixture::new("sleep 1000");
    let mut running = fixture.start().await;
    let id = Id::random();
    let mut request = exec(
        id,
        &["sh", "-c", "tty; read x; stty size"],
        Some(everything()),
    );
    request.process.terminal = true;
    let (_, stream) = running.client.exec(request).await.unwrap();
    let mut stream = stream.unwrap();
    expect(&mut stream, "/dev/pts/").await;
    let size = TerminalSize {
        columns: 77,
        rows: 11,
    };
    running.client.resize(Some(id), size).await.unwrap();
    type_text(&mut stream, "\n").await;
    assert!(
        String::from_utf8(rest(&mut stream).await)
            .unwrap()
            .ends_with("11 77\r\n")
    );
    assert!(matches!(running.event().await, Event::ExecExit { exec, .. } if exec == id));
    running.client.shutdown().await.unwrap();
    running.exit().await;
}

#[tokio::test]
async fn an_exec_can_be_killed_and_dies_with_the_container() {
    let fixture = Fixture::new("sleep 1000");
    let mut running = fixture.start().await;
    let (id, _one) = running.exec(&["sleep", "1000"], everything()).await;
    running.client.kill(Some(id), 9).await.unwrap();
    let event = running.event().await;
    assert!(matches!(event, Event::ExecExit { exec, exit } if exec == id && exit.code == 137));
    let (id, _two) = running.exec(&["sleep", "1000"], everything()).await;
    assert_eq!(running.client.state().await.unwrap().execs[0].id, id);
    running.client.kill(None, 9).await.unwrap();
    let events = running.events().await;
    assert!(
        matches!(&events[..], [Event::ExecExit { .. }, Event::Exit { .. }]),
        "{events:?}"
    );
}

#[tokio::test]
async fn an_exec_that_cannot_run_says_why_and_harms_nobody() {
    let fixture = Fixture::new("sleep 1000");
    let mut running = fixture.start().await;
    for (program, errno) in [("nonesuch", 2), ("/etc", 13)] {
        let request = exec(Id::random(), &[program], None);
        let Err(ShimError::Failed(failure)) = running.client.exec(request).await else {
            panic!("{program} cannot run");
        };
        assert_eq!(failure.stage, FailureStage::Exec, "{failure}");
        assert_eq!(failure.errno.map(|_| ()), Some(()), "{errno}");
    }
    let missing = running
        .client
        .kill(Some(Id::random()), 9)
        .await
        .unwrap_err();
    assert!(missing.to_string().starts_with("no such exec"), "{missing}");
    running.client.shutdown().await.unwrap();
    running.exit().await;
}

#[tokio::test]
async fn a_slow_client_does_not_hold_up_another_for_good() {
    let mut fixture = Fixture::new("seq 1 400000");
    let output = AttachOptions {
        stdout: true,
        ..AttachOptions::default()
    };
    fixture.attach = vec![output.clone(), output];
    let mut running = fixture.start().await;
    let _stuck = running.streams.remove(0);
    let mut reading = running.streams.remove(0);
    let (stdout, _) = unframe(&rest(&mut reading).await);
    assert_eq!(stdout.lines().count(), 400_000);
    running.exit().await;
}
