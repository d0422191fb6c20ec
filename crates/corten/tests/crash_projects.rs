//! A machine goes down under a project, and comes up: what depends on others waits for
//! them, as it does with `up`.

use corten_testkit::{Engine, run, until};

const PROJECT: &str = r#"
services:
  job:
    image: busybox
    command: sh -c "sleep 1; echo done >> /log/order"
    restart: on-failure
    volumes: ["log:/log"]
  db:
    image: busybox
    command: sh -c "sleep 2; echo ready >> /log/order; touch /run/up; exec sleep 1000"
    stop_signal: SIGKILL
    restart: always
    # Gone with each run: what a run left behind makes the next one healthy at once.
    tmpfs: [/run]
    healthcheck: { test: test -f /run/up, interval: 100ms, retries: 1000 }
    volumes: ["log:/log"]
  web:
    image: busybox
    command: sh -c "echo web >> /log/order; exec sleep 1000"
    stop_signal: SIGKILL
    restart: unless-stopped
    volumes: ["log:/log"]
    depends_on:
      db: { condition: service_healthy }
      job: { condition: service_completed_successfully }
  stopped:
    image: busybox
    command: sleep 1000
    stop_signal: SIGKILL
    restart: unless-stopped
    depends_on: [db]
volumes: { log: }
"#;

#[test]
fn after_a_reboot_a_dependent_starts_when_its_dependency_is_healthy() {
    let mut engine = Engine::with_images(&["busybox"]);
    let directory = engine.files("app", &[("compose.yaml", PROJECT)]);
    let mut up = engine.corten_command(["compose", "up", "-d"]);
    run(up.current_dir(&directory)).ok();
    engine.docker(["stop", "app-stopped-1"]).ok();
    until("only the shims of db and web are left", 10, || {
        engine.leftovers().processes.len() == 2
    });
    engine.kill_daemon();
    for (pid, _) in engine.leftovers().processes {
        let pid = rustix::process::Pid::from_raw(pid as i32).expect("a process");
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("a shim");
    }
    // A daemon that finds a shim finds its container running, as after no reboot.
    until("nothing runs any more", 10, || {
        engine.leftovers().processes.is_empty()
    });
    engine.start_daemon();
    let order = || {
        let words = [
            "run",
            "--rm",
            "-v",
            "app_log:/log",
            "busybox",
            "cat",
            "/log/order",
        ];
        engine.docker(words).ok().replace('\n', " ")
    };
    until("the dependent runs again", 30, || {
        order().matches("web").count() == 2
    });
    // Which of the two dependencies is first says nothing: on a busy machine the job, which
    // sleeps for less, may be started later.
    let told = order();
    let known = ["done ready web ready web", "ready done web ready web"];
    assert!(known.contains(&&*told), "{told}");
    let state = ["inspect", "-f", "{{.State.Running}}", "app-stopped-1"];
    assert_eq!(engine.docker(state).ok(), "false");
    let mut down = engine.corten_command(["compose", "down", "-v", "-t", "0"]);
    run(down.current_dir(&directory)).ok();
}
