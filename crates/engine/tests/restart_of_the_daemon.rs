//! The daemon goes away and comes back. Needs root.

mod support;

use corten_engine::{LogsOptions, StartOptions, StopOptions};
use corten_model::{RestartPolicyName, Status};
use support::{alone, logs, remove, shell, until};

#[test]
fn containers_go_on_without_the_daemon_and_are_found_again() {
    alone(|home| async move {
        let engine = home.open_with_busybox().await;
        let script = "trap 'exit 4' TERM; echo began; while :; do sleep 0.05; done";
        engine
            .container_create(shell("lives", script))
            .await
            .expect("creates");
        engine
            .container_start("lives", StartOptions::default())
            .await
            .expect("starts");
        until("it has begun", async || {
            logs(&engine, "lives").await.contains("began")
        })
        .await;
        let before = engine
            .container_inspect("lives", false)
            .await
            .expect("inspects")
            .container;
        engine.close().await;
        drop(engine);

        let engine = home.open().await;
        let after = engine
            .container_inspect("lives", false)
            .await
            .expect("inspects")
            .container;
        assert_eq!(
            (after.state.status, after.state.pid, after.state.started_at),
            (Status::Running, before.state.pid, before.state.started_at)
        );
        engine
            .container_stop("lives", StopOptions::default())
            .await
            .expect("stops");
        let after = engine
            .container_inspect("lives", false)
            .await
            .expect("inspects")
            .container;
        assert_eq!(
            (after.state.status, after.state.exit_code),
            (Status::Exited, 4)
        );
        remove(&engine, "lives").await;
    });
}

#[test]
fn an_exit_while_the_daemon_was_away_is_not_lost() {
    alone(|home| async move {
        let marker = home.path().join("marker");
        std::fs::create_dir(&marker).expect("a directory");
        let engine = home.open_with_busybox().await;
        let mut request = shell("ends", "while [ ! -e /m/go ]; do sleep 0.02; done; exit 9");
        request.host_config.binds = Some(vec![format!("{}:/m", marker.display())]);
        engine.container_create(request).await.expect("creates");
        engine
            .container_start("ends", StartOptions::default())
            .await
            .expect("starts");
        let id = engine
            .container_inspect("ends", false)
            .await
            .expect("inspects")
            .container
            .id;
        engine.close().await;
        drop(engine);
        std::fs::write(marker.join("go"), "").expect("goes");
        let record = home.path().join(format!("data/containers/{id}/exit.json"));
        until("its status is durable", async || record.exists()).await;

        let engine = home.open().await;
        let seen = engine
            .container_inspect("ends", false)
            .await
            .expect("inspects")
            .container;
        assert_eq!(
            (seen.state.status, seen.state.exit_code),
            (Status::Exited, 9)
        );
        remove(&engine, "ends").await;
    });
}

#[test]
fn policies_start_containers_with_the_daemon_unless_they_were_stopped() {
    alone(|home| async move {
        let engine = home.open_with_busybox().await;
        for (name, policy) in [
            ("always", RestartPolicyName::Always),
            ("unless", RestartPolicyName::UnlessStopped),
        ] {
            let mut request = shell(name, "sleep 1000");
            request.host_config.restart_policy.name = policy;
            engine.container_create(request).await.expect("creates");
            engine
                .container_start(name, StartOptions::default())
                .await
                .expect("starts");
            let options = StopOptions {
                timeout_seconds: Some(0),
                signal: None,
            };
            engine.container_stop(name, options).await.expect("stops");
        }
        engine.close().await;
        drop(engine);
        let engine = home.open().await;
        let status = async |name: &str| {
            engine
                .container_inspect(name, false)
                .await
                .expect("inspects")
                .container
                .state
                .status
        };
        until("the policy has started it", async || {
            status("always").await == Status::Running
        })
        .await;
        assert_eq!(status("unless").await, Status::Exited);
        remove(&engine, "always").await;
        remove(&engine, "unless").await;
    });
}

#[test]
fn logs_and_names_survive_the_daemon() {
    alone(|home| async move {
        let engine = home.open_with_busybox().await;
        support::run(&engine, shell("one", "echo kept")).await;
        engine.close().await;
        drop(engine);
        let engine = home.open().await;
        assert_eq!(logs(&engine, "one").await, "kept\n");
        let options = LogsOptions::default();
        let error = engine
            .container_logs("one", options)
            .await
            .err()
            .expect("no stream");
        assert_eq!(
            error.to_string(),
            "Bad parameters: you must choose at least one stream"
        );
        remove(&engine, "one").await;
        let leftovers = std::fs::read_dir(home.path().join("data/containers")).expect("lists");
        assert_eq!(leftovers.count(), 0);
    });
}
