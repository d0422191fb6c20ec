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
      - command: sh -c "echo started > /notes/log; chmod 666 /notes/log"
      - command: [sh, -c, "echo $(id -u) $(pwd) $WHY $(grep -c $DEFAULT /proc/self/status) >> /notes/log"]
        user: "1000"
        privileged: true
        working_dir: /notes
        environment: [WHY=begin]
    pre_stop:
      - command: [sh, -c, "echo $(id -u) $(pwd) $WHY $(grep -c $DEFAULT /proc/self/status) >> /notes/log"]
        user: "1001"
        privileged: true
        working_dir: /tmp
        environment: { WHY: stopping }
      - command: [sh, -c, "echo $(id -u) $(pwd) $(grep -c $DEFAULT /proc/self/status) >> /notes/log"]
volumes: { notes: }
"#;

/// The bounding set of a process without privileges, in `/proc/self/status`.
const BOUNDED: &str = "CapBnd:.*a80425fb";

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
            &*HOOKED.replace('$', "$$").replace("$$DEFAULT", BOUNDED),
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
    let told = "started\n1000 /notes begin 0\n1001 /tmp stopping 0\n0 / 1";
    assert_eq!(log.ok(), told);
    compose(&["down", "-v"]).ok();
    let told = fs::read_to_string(&calls).expect("it was called");
    let words = "compose --project-name=hooked up --size=3 db\n\
        compose --project-name=hooked down --size=3 db\n";
    assert_eq!(told, words);
    nothing_is_left(&engine);
}
