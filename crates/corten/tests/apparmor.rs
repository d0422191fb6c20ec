//! What confines a container: AppArmor's profiles. On kernels without it the options have
//! no effect, as with dockerd; `cargo xtask guest` boots one that has it.

use corten_testkit::{Engine, Ran, run_with_input};
use std::process::Command;

const PROFILES: &str = "/sys/kernel/security/apparmor/profiles";

/// Denies what the tests try, and nothing else.
const OWN: &str = "corten-test-own";

/// Words that a container runs.
const LABEL: &str = "cat /proc/self/attr/current";
const WRITE: [&str; 3] = ["sh", "-c", "echo written >/root/closed && cat /root/closed"];

fn has_apparmor() -> bool {
    std::fs::read_to_string(PROFILES).is_ok()
}

/// The parser with words and a text.
#[track_caller]
fn parser(word: &str, text: &str) {
    run_with_input(
        Command::new("apparmor_parser").args(["--skip-cache", word]),
        text.as_bytes(),
    )
    .ok();
}

/// `corten` with the words of a line: the stock client is slow to begin in an emulated
/// machine.
#[track_caller]
fn corten(engine: &Engine, line: &str) -> Ran {
    engine.corten(line.split_whitespace())
}

/// Tries to write what [`OWN`] denies, after the words of a line.
#[track_caller]
fn write(engine: &Engine, line: &str) -> Ran {
    engine.corten(line.split_whitespace().chain(WRITE))
}

const DENIED: &str = "can't create /root/closed: Permission denied";

#[test]
fn a_container_and_its_execs_are_confined_by_the_profile_that_is_named() {
    let mut engine = Engine::with_images(&["busybox"]);
    let named = format!("--security-opt apparmor={OWN}");
    if !has_apparmor() {
        corten(&engine, &format!("run -d --name web {named} busybox top")).ok();
        assert_eq!(write(&engine, "exec web").ok(), "written");
        let shown = "inspect -f <{{.AppArmorProfile}}> web";
        assert_eq!(corten(&engine, shown).ok(), "<>");
        let info = corten(&engine, "info -f {{.SecurityOptions}}");
        assert!(!info.ok().contains("apparmor"), "{info:?}");
        return;
    }
    let rules = format!("profile {OWN} {{ file, capability, signal, deny /root/closed w, }}");
    parser("--replace", &rules);

    write(&engine, &format!("run --rm {named} busybox")).fails(1, DENIED);
    let both = format!("run --rm --privileged {named} busybox");
    write(&engine, &both).fails(1, DENIED);
    for free in ["--security-opt apparmor=unconfined", "--privileged"] {
        let line = format!("run --rm {free} busybox");
        assert_eq!(write(&engine, &line).ok(), "written");
        let line = format!("run --rm {free} busybox {LABEL}");
        assert_eq!(corten(&engine, &line).ok(), "unconfined");
    }

    corten(&engine, &format!("create --name web {named} busybox top")).ok();
    let shown = "inspect -f {{.AppArmorProfile}} web";
    assert_eq!(corten(&engine, shown).ok(), OWN);
    corten(&engine, "start web").ok();
    write(&engine, "exec web").fails(1, DENIED);
    // The container's profile, as dockerd has it.
    write(&engine, "exec --privileged web").fails(1, DENIED);
    engine.kill_daemon();
    engine.start_daemon();
    assert_eq!(corten(&engine, shown).ok(), OWN);
    write(&engine, "exec web").fails(1, DENIED);

    let unknown = "run --name other --security-opt apparmor=no-such busybox true";
    let refused = "unable to apply apparmor profile: \"no-such\" is not loaded";
    corten(&engine, unknown).fails(127, refused);
    let state = "inspect -f {{.State.Status}} other";
    assert_eq!(corten(&engine, state).ok(), "created");
    parser("--remove", &rules);
}

#[test]
fn without_an_option_the_default_profile_keeps_a_container_from_the_kernel() {
    if !has_apparmor() {
        return;
    }
    let engine = Engine::with_images(&["busybox"]);
    let info = corten(&engine, "info -f {{.SecurityOptions}}");
    assert!(info.ok().starts_with("[name=apparmor "), "{info:?}");

    let label = format!("run --rm busybox {LABEL}");
    assert_eq!(corten(&engine, &label).ok(), "docker-default (enforce)");
    // An upgrade of the host's policy takes away what it does not know.
    parser("--remove", "profile docker-default { }");
    corten(&engine, "run -d --name web busybox top").ok();
    let shown = "inspect -f {{.AppArmorProfile}} web";
    assert_eq!(corten(&engine, shown).ok(), "docker-default");
    let label = format!("exec --privileged web {LABEL}");
    assert_eq!(corten(&engine, &label).ok(), "docker-default (enforce)");
    corten(&engine, "stop web").ok();

    let users = format!("run --rm --userns auto busybox {LABEL}");
    assert_eq!(corten(&engine, &users).ok(), "docker-default (enforce)");

    let free = "--security-opt apparmor=unconfined";
    let mount = |options: &str| {
        let line = format!("run --rm --cap-add SYS_ADMIN {options} busybox");
        corten(&engine, &format!("{line} mount -t tmpfs none /tmp"))
    };
    mount("").fails(255, "mounting none on /tmp failed: Permission denied");
    mount(free).ok();

    // With nothing hidden by mounts the profile is what is left.
    let set = |options: &str, name: &str| {
        let line = format!("run --rm --security-opt systempaths=unconfined {options} busybox");
        let script = format!("cat {name} >/tmp/was && cat /tmp/was >{name}");
        engine.corten(line.split_whitespace().chain(["sh", "-c", &script]))
    };
    for closed in [
        "/proc/sys/kernel/hostname",
        "/proc/sys/net/ipv4/ip_default_ttl",
    ] {
        let told = format!("can't create {closed}: Permission denied");
        set("", closed).fails(1, &told);
        set(free, closed).ok();
    }
    // What belongs to its own namespaces.
    set("", "/proc/sys/kernel/shmmni").ok();
    set("", "/proc/sys/kernel/sem").ok();
    set("", "/proc/self/oom_score_adj").ok();

    // A build's steps, too.
    let file = format!("FROM busybox\nRUN {LABEL} >/label\n");
    let context = engine.files("context", &[("Dockerfile", &file)]);
    let context = context.display();
    corten(&engine, &format!("build -q -t built {context}")).ok();
    let built = corten(&engine, "run --rm built cat /label");
    assert_eq!(built.ok(), "docker-default (enforce)");
}
