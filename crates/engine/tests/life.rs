//! A container's life, as a user of the engine sees it. Needs root.

mod support;

use corten_base::{Kind, KindOf};
use corten_engine::{
    EventsOptions, ExecStartOptions, ExecStarted, RemoveOptions, StartOptions, StopOptions,
    WaitCondition,
};
use corten_model::{EventKind, ExecConfig, Status};
use futures_util::StreamExt;
use support::{alone, logs, read_attached, remove, run, shell, unframed, until};
use tokio::io::AsyncReadExt;

#[test]
fn a_container_runs_and_leaves_its_exit_code_and_its_output() {
    alone(|home| async move {
        let engine = home.open_with_busybox().await;
        assert_eq!(
            run(&engine, shell("one", "echo out; echo err >&2; exit 3")).await,
            3
        );
        let seen = engine
            .container_inspect("one", false)
            .await
            .expect("inspects")
            .container;
        assert_eq!(
            (seen.state.status, seen.state.exit_code),
            (Status::Exited, 3)
        );
        let text = logs(&engine, "one").await;
        assert!(text.contains("out\n") && text.contains("err\n"), "{text}");
        remove(&engine, "one").await;
        let error = engine
            .container_inspect("one", false)
            .await
            .expect_err("is gone");
        assert_eq!(error.to_string(), "No such container: one");
    });
}

#[test]
fn a_client_that_attaches_before_the_start_misses_nothing() {
    alone(|home| async move {
        let engine = home.open_with_busybox().await;
        engine
            .container_create(shell("one", "echo first; echo last"))
            .await
            .expect("creates");
        let reading = read_attached(&engine, "one").await;
        engine
            .container_start("one", StartOptions::default())
            .await
            .expect("starts");
        assert_eq!(reading.await.expect("joins"), "first\nlast\n");
        remove(&engine, "one").await;
    });
}

#[test]
fn a_start_that_fails_says_why_and_can_be_tried_again() {
    alone(|home| async move {
        let engine = home.open_with_busybox().await;
        for (command, code, phrase) in [
            ("nosuch", 127, "executable file not found in $PATH"),
            ("/nosuch/x", 127, "no such file or directory"),
            ("/etc", 126, "permission denied"),
        ] {
            let mut request = shell("bad", "");
            request.config.cmd = Some(vec![command.into()]);
            engine.container_create(request).await.expect("creates");
            for _ in 0..2 {
                let error = engine
                    .container_start("bad", StartOptions::default())
                    .await
                    .expect_err("cannot start");
                assert_eq!(error.kind(), Kind::InvalidParameter, "{error}");
                assert!(error.to_string().contains(phrase), "{error}");
            }
            let seen = engine
                .container_inspect("bad", false)
                .await
                .expect("inspects")
                .container;
            assert_eq!(
                (seen.state.status, seen.state.exit_code),
                (Status::Created, code)
            );
            remove(&engine, "bad").await;
        }
    });
}

#[test]
fn start_stop_pause_and_remove_refuse_what_the_state_does_not_allow() {
    alone(|home| async move {
        let engine = home.open_with_busybox().await;
        let id = engine
            .container_create(shell("one", "sleep 1000"))
            .await
            .expect("creates")
            .id;
        let sentence = |error: corten_engine::EngineError| (error.kind(), error.to_string());
        let error = engine
            .container_stop("one", StopOptions::default())
            .await
            .expect_err("idle");
        assert_eq!(error.kind(), Kind::NotModified);
        engine
            .container_start("one", StartOptions::default())
            .await
            .expect("starts");
        let error = engine
            .container_start("one", StartOptions::default())
            .await
            .expect_err("runs");
        assert_eq!(error.kind(), Kind::NotModified);
        let error = engine
            .container_remove("one", RemoveOptions::default())
            .await
            .expect_err("runs");
        assert_eq!(
            sentence(error),
            (
                Kind::Conflict,
                "cannot remove container \"one\": container is running: stop the container before removing or force remove".into()
            )
        );
        engine.container_pause("one").await.expect("pauses");
        let error = engine
            .container_start("one", StartOptions::default())
            .await
            .expect_err("is paused");
        assert_eq!(
            sentence(error),
            (
                Kind::Conflict,
                "cannot start a paused container, try unpause instead".into()
            )
        );
        let error = engine.container_pause("one").await.expect_err("is paused");
        assert_eq!(
            sentence(error),
            (Kind::Conflict, format!("Container {id} is already paused"))
        );
        engine.container_unpause("one").await.expect("unpauses");
        let options = StopOptions {
            timeout_seconds: Some(0),
            signal: None,
        };
        engine.container_stop("one", options).await.expect("stops");
        let seen = engine
            .container_inspect("one", false)
            .await
            .expect("inspects")
            .container;
        assert_eq!(
            (seen.state.status, seen.state.exit_code),
            (Status::Exited, 137)
        );
        remove(&engine, "one").await;
    });
}

#[test]
fn a_name_is_taken_once_and_can_be_changed() {
    alone(|home| async move {
        let engine = home.open_with_busybox().await;
        let id = engine
            .container_create(shell("one", "true"))
            .await
            .expect("creates")
            .id;
        let error = engine
            .container_create(shell("one", "true"))
            .await
            .expect_err("is taken");
        assert_eq!(
            error.to_string(),
            format!(
                "Conflict. The container name \"/one\" is already in use by container \"{id}\". You have to remove (or rename) that container to be able to reuse that name."
            )
        );
        engine
            .container_rename("one", "two")
            .await
            .expect("renames");
        engine
            .container_create(shell("one", "true"))
            .await
            .expect("the name is free");
        let seen = engine
            .container_inspect(&id.short(), false)
            .await
            .expect("by short ID");
        assert_eq!(seen.container.name, "two");
        remove(&engine, "one").await;
        remove(&engine, "two").await;
    });
}

#[test]
fn an_exec_has_its_own_output_and_exit_code() {
    alone(|home| async move {
        let engine = home.open_with_busybox().await;
        let mut request = shell("one", "sleep 1000");
        request.config.env = Some(vec!["COLOUR=rust".into()]);
        engine.container_create(request).await.expect("creates");
        engine
            .container_start("one", StartOptions::default())
            .await
            .expect("starts");
        let config = ExecConfig {
            attach_stdout: true,
            attach_stderr: true,
            cmd: ["sh", "-c", "echo $COLOUR; exit 7"]
                .map(String::from)
                .to_vec(),
            ..ExecConfig::default()
        };
        let id = engine
            .exec_create("one", config)
            .await
            .expect("creates")
            .to_string();
        let started = engine
            .exec_start(&id, ExecStartOptions::default())
            .await
            .expect("starts");
        let ExecStarted::Attached(mut stream) = started else {
            panic!("not attached")
        };
        let mut bytes = Vec::new();
        stream.io.read_to_end(&mut bytes).await.expect("reads");
        assert_eq!(unframed(&bytes), "rust\n");
        // The stream's end says that the exit is known.
        let seen = engine.exec_inspect(&id).await.expect("inspects");
        assert_eq!((seen.state.running, seen.state.exit_code), (false, Some(7)));
        let error = engine
            .exec_start(&id, ExecStartOptions::default())
            .await
            .err()
            .expect("has run");
        assert_eq!(
            error.to_string(),
            format!("exec command {id} has already run")
        );
        remove(&engine, "one").await;
    });
}

#[test]
fn a_container_with_rm_is_gone_after_its_end_with_its_anonymous_volumes() {
    alone(|home| async move {
        let engine = home.open_with_busybox().await;
        let mut request = shell("one", "touch /data/x; exit 5");
        request.host_config.auto_remove = true;
        request.config.volumes = Some(["/data".to_owned()].into());
        engine.container_create(request).await.expect("creates");
        let gone = engine
            .container_wait("one", WaitCondition::Removed)
            .await
            .expect("waits");
        engine
            .container_start("one", StartOptions::default())
            .await
            .expect("starts");
        assert_eq!(gone.await.exit_code, 5);
        assert!(engine.container_inspect("one", false).await.is_err());
        let volumes = engine.volume_list(Default::default()).await.expect("lists");
        assert!(volumes.is_empty(), "{volumes:?}");
    });
}

#[test]
fn a_policy_restarts_until_its_count_is_reached() {
    alone(|home| async move {
        let engine = home.open_with_busybox().await;
        let mut request = shell("one", "exit 1");
        request.host_config.restart_policy.name = corten_model::RestartPolicyName::OnFailure;
        request.host_config.restart_policy.maximum_retry_count = 2;
        run(&engine, request).await;
        until("the container stays down", async || {
            let seen = engine
                .container_inspect("one", false)
                .await
                .expect("inspects")
                .container;
            seen.state.status == Status::Exited && seen.restart_count == 2
        })
        .await;
        remove(&engine, "one").await;
    });
}

#[test]
fn events_come_in_dockers_order() {
    alone(|home| async move {
        let engine = home.open_with_busybox().await;
        let mut events = engine
            .events(EventsOptions::default())
            .await
            .expect("events");
        run(&engine, shell("one", "true")).await;
        remove(&engine, "one").await;
        let mut actions = Vec::new();
        while actions.last().map(String::as_str) != Some("destroy") {
            let event = events.next().await.expect("an event");
            if event.kind == EventKind::Container {
                actions.push(event.action);
            }
        }
        assert_eq!(actions, ["create", "start", "die", "destroy"]);
    });
}
