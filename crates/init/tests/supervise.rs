//! The built program, supervising real ones.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

fn init(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_corten-init"));
    command.args(words).stdin(Stdio::null());
    command
}

#[test]
fn it_ends_as_its_program_ended() {
    let code = |words: &[&str]| init(words).stderr(Stdio::null()).status().unwrap().code();
    assert_eq!(code(&["--", "sh", "-c", "exit 7"]), Some(7));
    assert_eq!(code(&["sh", "-c", "kill -9 $$"]), Some(137));
    assert_eq!(code(&["--", "/no/such/program"]), Some(127));
    assert_eq!(code(&["--", "/etc/passwd"]), Some(126));
    assert_eq!(code(&[]), Some(2));
}

#[test]
fn a_signal_is_passed_on() {
    let script = "trap 'echo got; exit 3' TERM; echo ready; while :; do sleep 0.01; done";
    let mut child = init(&["--", "sh", "-c", script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    let pid = rustix::process::Pid::from_raw(child.id() as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    line.clear();
    output.read_to_string(&mut line).unwrap();
    assert_eq!(
        (line.as_str(), child.wait().unwrap().code()),
        ("got\n", Some(3))
    );
}

#[test]
fn an_orphan_is_reaped_and_does_not_end_it() {
    // The inner shell ends at once and leaves its child behind, which init inherits.
    let script = "sh -c 'sleep 0.05 & echo $!'; orphan=$(sh -c 'sleep 0.05 >/dev/null & echo $!'); \
                  while [ -d /proc/$orphan ]; do sleep 0.01; done; exit 5";
    assert_eq!(
        init(&["--", "sh", "-c", script])
            .stdout(Stdio::null())
            .status()
            .unwrap()
            .code(),
        Some(5)
    );
}
