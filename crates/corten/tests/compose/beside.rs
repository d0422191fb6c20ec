//! Hooks and programs that lend a hand.

use super::*;

const HOOKED: &str = r#"
services:
  db:
    provider: { type: lender, options: { size: 3 } }
  web:
    image: busybox
    command: sh -c "echo lent $DB_URL; exec sleep 1000"
    stop_signal: SIGKILL
    depends_on: [db]
    volumes: ["notes:/notes"]
    post_start:
      - command: sh -c "echo started > /notes/log"
    pre_stop:
      - command: sh -c "echo $WHY >> /notes/log"
        environment: { WHY: stopping }
volumes: { notes: }
"#;

const LENDER: &str = "#!/bin/sh\n\
    [ \"$2\" = metadata ] && exit 1\n\
    echo \"$*\" >> CALLS\n\
    echo '{\"type\": \"info\", \"message\": \"lending\"}'\n\
    echo '{\"type\": \"setenv\", \"message\": \"URL=db://lent\"}'\n";

#[test]
fn hooks_run_and_providers_lend_their_variables() {
    use std::os::unix::fs::PermissionsExt;
    let engine = Engine::with_images(&["busybox"]);
    let calls = engine.path("calls").display().to_string();
    let lender = LENDER.replace("CALLS", &calls);
    let files = [
        (
            "compose.yaml",
            &*HOOKED
                .replace("$DB_URL", "$$DB_URL")
                .replace("$WHY", "$$WHY"),
        ),
        ("bin/lender", &lender),
    ];
    let hooked = engine.files("hooked", &files);
    let program = hooked.join("bin/lender");
    fs::set_permissions(program, PermissionsExt::from_mode(0o755)).expect("its mode");
    let path = format!("{}:/usr/bin:/bin", hooked.join("bin").display());
    let compose = |words: &[&str]| {
        let mut command = ours_command(&engine, &hooked, words);
        run(command.env("PATH", &path))
    };
    compose(&["up", "-d"]).ok();
    until("the variable is lent", 10, || {
        compose(&["logs", "web"]).ok() == "web-1  | lent db://lent"
    });
    compose(&["stop"]).ok();
    let mount = "hooked_notes:/notes";
    let log = engine.docker(["run", "--rm", "-v", mount, "busybox", "cat", "/notes/log"]);
    assert_eq!(log.ok(), "started\nstopping");
    compose(&["down", "-v"]).ok();
    let told = fs::read_to_string(&calls).expect("it was called");
    let words = "compose --project-name=hooked up --size=3 db\n\
        compose --project-name=hooked down --size=3 db\n";
    assert_eq!(told, words);
    nothing_is_left(&engine);
}
