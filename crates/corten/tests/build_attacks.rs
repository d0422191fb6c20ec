//! Builds that want to reach the host, each other, or what they were not given: one test for
//! each kind of attack that builders have had advisories for.

use corten_testkit::{Engine, Options, Ran, run, run_with_input};
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

/// What nobody may see.
const CANARY: &str = "c4n4ry-0f-the-h0st";

/// Builds `text` with the files that the directory `name` has; `kind` is `DOCKER_BUILDKIT`.
fn build_as(engine: &Engine, kind: &str, name: &str, text: &str, words: &[&str]) -> Ran {
    engine.install_buildx();
    let directory = engine.files(name, &[("Dockerfile", text)]);
    let directory = directory.display().to_string();
    let plain: &[&str] = if kind == "1" {
        &["--progress", "plain"]
    } else {
        &[]
    };
    let all = [&["build"], plain, words, &[directory.as_str()]].concat();
    let mut command = engine.docker_command(all);
    command.env("DOCKER_BUILDKIT", kind);
    run(command.env("BUILDX_GIT_INFO", "false"))
}

fn build(engine: &Engine, text: &str, words: &[&str]) -> Ran {
    build_as(engine, "1", "attack", text, words)
}

/// A directory of the host with a file that nobody may see or change.
fn host_directory(engine: &Engine) -> PathBuf {
    let directory = engine.path("host");
    fs::create_dir_all(directory.join("b/c")).expect("a directory");
    fs::write(directory.join("canary"), CANARY).expect("a file");
    directory
}

#[track_caller]
fn is_untouched(directory: &Path) {
    let mut names: Vec<_> = fs::read_dir(directory)
        .expect("it is there")
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["b", "canary"]);
    assert!(directory.join("b/c").is_dir());
    let text = fs::read_to_string(directory.join("canary"));
    assert_eq!(text.expect("it is there"), CANARY);
}

/// Files below the engine's own directories, and its log, that hold `text`.
fn places_of(engine: &Engine, text: &str) -> String {
    let mut grep = Command::new("grep");
    grep.args(["-r", "-l", "-a", text]);
    for place in ["data", "exec", "cortend.log"] {
        grep.arg(engine.path(place));
    }
    run(&mut grep).stdout
}

// CVE-2024-23651, CVE-2024-9675, CVE-2024-1753, CVE-2024-9407, CVE-2024-11218
#[test]
fn mounts_through_links_reach_nothing_of_the_host() {
    let engine = Engine::with_images(&["busybox"]);
    let host = host_directory(&engine);
    let at = host.display();
    let links = format!(
        "FROM busybox AS evil\nRUN ln -s {at} /dir && ln -s ../../../../../../../..{at} /up && ln -s /proc/1/root{at} /proc-link && ln -s / /top\n"
    );
    // Sources of a stage.
    for source in ["/dir", "/up", "/top/../../.."] {
        for mount in [
            format!("type=bind,from=evil,source={source},target=/m,rw"),
            format!("type=cache,id=from-{source},from=evil,source={source},target=/m"),
        ] {
            let file = format!(
                "{links}FROM busybox\nRUN --mount={mount} ! grep -rq {CANARY} /m/ 2> /dev/null && (touch /m/written || true)\n"
            );
            // Whether there is such a source or not: nothing of the host is in it.
            let ran = build(&engine, &file, &[]);
            assert!(
                ran.code == 0 || ran.stderr.contains("not found"),
                "{mount}: {}",
                ran.stderr
            );
            is_untouched(&host);
        }
    }
    // Targets.
    for kind in ["cache", "tmpfs", "bind"] {
        for target in ["/dir/new", "/up"] {
            let file = format!(
                "{links}FROM evil\nRUN --mount=type={kind},target={target} touch {target}/written 2> /dev/null; ! grep -q {CANARY} {target}/canary {at}/canary 2> /dev/null\n"
            );
            build(&engine, &file, &[]);
            is_untouched(&host);
        }
    }
    // Sources of the client's own.
    let directory = engine.files("attack", &[("x", "x\n")]);
    symlink(&host, directory.join("link")).expect("a link");
    let file = "FROM busybox\nRUN --mount=type=bind,source=link,target=/m cat /m/canary\n";
    let ran = build(&engine, file, &[]);
    assert_ne!(ran.code, 0);
    assert!(!ran.stderr.contains(CANARY), "{}", ran.stderr);
}

// CVE-2024-23652
#[test]
fn mount_points_are_taken_away_inside_of_the_root_only() {
    let engine = Engine::with_images(&["busybox"]);
    let host = host_directory(&engine);
    let at = host.display();
    let file = format!(
        "FROM busybox\nRUN --mount=type=tmpfs,target=/a/b/c mv /a /old && ln -s {at} /a\nRUN test -L /a && test ! -e /a/canary\n"
    );
    build(&engine, &file, &["-t", "stub"]).ok();
    is_untouched(&host);
}

// CVE-2024-23653, buildkit 64bbec8
#[test]
fn what_the_client_does_not_allow_is_refused_when_it_would_run() {
    let engine = Engine::with_images(&["busybox"]);
    for (flag, name) in [
        ("--security=insecure", "security.insecure"),
        ("--network=host", "network.host"),
    ] {
        let file = format!("FROM busybox\nRUN {flag} touch /x\n");
        let ran = build(&engine, &file, &[]);
        assert_ne!(ran.code, 0, "{flag}");
        let sentence = format!("failed to solve: failed to load LLB: {name} is not allowed");
        assert!(ran.stderr.contains(&sentence), "{flag}: {}", ran.stderr);
        assert!(!ran.stderr.contains(">>>"), "{flag}: {}", ran.stderr);
    }
    // Neither can a process get what only an insecure one has.
    let file = "FROM busybox\nRUN ! mount -t tmpfs none /tmp 2> /dev/null && ! mkdir /sys/fs/cgroup/x 2> /dev/null\n";
    build(&engine, file, &[]).ok();
}

// CVE-2024-24557
#[test]
fn an_image_that_claims_to_be_a_cached_step_is_not_used() {
    let engine = Engine::with_images(&["busybox"]);
    let fake = [
        "run",
        "--name",
        "crafting",
        "busybox",
        "sh",
        "-c",
        "echo fake > /f",
    ];
    engine.docker(fake).ok();
    let claim = r#"CMD ["/bin/sh","-c","echo real > /f"]"#;
    engine
        .docker(["commit", "--change", claim, "crafting", "crafted"])
        .ok();
    let file = "FROM busybox\nRUN echo real > /f\n";
    for kind in ["0", "1"] {
        let words = ["-t", "built", "--cache-from", "crafted"];
        build_as(&engine, kind, "poison", file, &words).ok();
        let seen = engine.docker(["run", "--rm", "built", "cat", "/f"]);
        assert_eq!(seen.ok(), "real", "DOCKER_BUILDKIT={kind}");
        engine.docker(["builder", "prune", "-a", "-f"]).ok();
    }
}

// CVE-2024-36621, CVE-2024-36623
#[test]
fn builds_that_share_layers_lose_none_while_the_cache_is_pruned() {
    /// Builds of each thread.
    const ROUNDS: usize = 5;
    let engine = Engine::with_images(&["busybox"]);
    engine.install_buildx();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (engine, done) = (&engine, &done);
        let building: Vec<_> = (0..4)
            .map(|number| {
                scope.spawn(move || {
                    for round in 0..ROUNDS {
                        // The first steps are the same for all, the last is nobody else's.
                        let file = format!("FROM busybox\nRUN echo {round} > /shared\nCOPY Dockerfile /d\nRUN echo {number} > /own\n");
                        let (name, tag) = (format!("share-{number}"), format!("share:{number}"));
                        let kind = if number % 2 == 0 { "0" } else { "1" };
                        build_as(engine, kind, &name, &file, &["-t", &tag]).ok();
                        let seen = engine.docker(["run", "--rm", &tag, "cat", "/shared", "/own"]);
                        assert_eq!(seen.ok(), format!("{round}\n{number}"));
                    }
                })
            })
            .collect();
        scope.spawn(move || {
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let (status, said) = engine.request("POST", "/build/prune?all=1", "");
                assert_eq!(status, 200, "{said}");
                engine.request("POST", "/images/prune", "");
            }
        });
        let ended: Vec<_> = building.into_iter().map(|it| it.join()).collect();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(ended.iter().all(Result::is_ok), "{}", engine.log());
    });
    engine.corten(["image", "verify"]).ok();
}

// CVE-2021-3602, CVE-2020-14370, CVE-2025-0495
#[test]
fn secrets_of_the_daemon_and_of_proxies_are_in_no_step_image_or_log() {
    let engine = Engine::start_with(Options {
        environment: vec![("DAEMON_SECRET".into(), CANARY.into())],
        ..Options::default()
    });
    engine.load("busybox");
    let proxy = format!("HTTP_PROXY=http://user:{CANARY}@127.0.0.1:1");
    let file =
        "FROM busybox\nARG PLAIN\nRUN test -z \"$DAEMON_SECRET\" && test -n \"$HTTP_PROXY\"\n";
    for kind in ["0", "1"] {
        let words = ["-t", "built", "--no-cache", "--build-arg", &proxy];
        let ran = build_as(&engine, kind, "canaries", file, &words);
        ran.ok();
        assert!(!ran.stdout.contains(CANARY) && !ran.stderr.contains(CANARY));
        for words in [
            &["image", "inspect", "built"][..],
            &["history", "--no-trunc", "built"],
        ] {
            assert!(!engine.docker(words).ok().contains(CANARY), "{words:?}");
        }
    }
    assert_eq!(places_of(&engine, CANARY), "");
}

#[test]
fn a_secret_that_was_mounted_is_in_no_file_of_the_engine_afterwards() {
    let engine = Engine::with_images(&["busybox"]);
    let secret = engine.path("the-secret");
    fs::write(&secret, CANARY).expect("a secret");
    let option = format!("id=s,src={}", secret.display());
    let file = format!(
        "FROM busybox\nRUN --mount=type=secret,id=s test $(wc -c < /run/secrets/s) = {}\nRUN --mount=type=secret,id=s,env=S test -n \"$S\" && cat /proc/self/environ > /dev/null\nRUN --mount=type=secret,id=s,target=/etc/passwd test -s /etc/passwd; exit 1\n",
        CANARY.len()
    );
    // The last step fails on purpose: what it had goes all the same.
    let ran = build(&engine, &file, &["-t", "s", "--secret", &option]);
    assert!(ran.stderr.contains("exit code: 1"), "{}", ran.stderr);
    fs::remove_file(&secret).expect("the secret goes");
    assert_eq!(places_of(&engine, CANARY), "");
}

// buildkit 0f87fc8, zip slip
#[test]
fn an_archive_that_is_added_stays_inside_of_the_root() {
    let engine = Engine::with_images(&["busybox"]);
    let host = host_directory(&engine);
    let directory = engine.files("archives", &[]);
    fs::create_dir_all(&directory).expect("a directory");
    let script = format!(
        r#"
import io, tarfile
tar = tarfile.open({path:?}, "w")
def file(name):
    member = tarfile.TarInfo(name); member.size = 2
    tar.addfile(member, io.BytesIO(b"x\n"))
def link(name, target, kind=tarfile.SYMTYPE):
    member = tarfile.TarInfo(name); member.type = kind; member.linkname = target
    tar.addfile(member)
link("abs", {host:?})
file("abs/written")
link("up", "../../../../../../../.." + {host:?})
file("up/written")
file("../../../../../../../.." + {host:?} + "/written")
file({host:?} + "/written")
tar.close()
"#,
        path = directory.join("a.tar").display().to_string(),
        host = host.display().to_string()
    );
    run_with_input(&mut Command::new("python3"), script.as_bytes()).ok();
    let file = "FROM busybox\nADD a.tar /x/\n";
    for kind in ["0", "1"] {
        // Refused or kept inside, as the kernel resolves it in the root.
        build_as(&engine, kind, "archives", file, &["-t", "x"]);
        is_untouched(&host);
    }
}

#[test]
fn the_highest_number_of_an_owner_ends_no_build() {
    let engine = Engine::with_images(&["busybox"]);
    let script = format!(
        r#"
import io, tarfile
tar = tarfile.open({path:?}, "w", format=tarfile.PAX_FORMAT)
for name, kind in [("f", tarfile.REGTYPE), ("d", tarfile.DIRTYPE), ("l", tarfile.SYMTYPE)]:
    member = tarfile.TarInfo(name); member.type = kind; member.linkname = "f" if name == "l" else ""
    member.uid = member.gid = 4294967295
    tar.addfile(member)
tar.close()
"#,
        path = engine.files("owners", &[]).join("a.tar")
    );
    std::fs::create_dir_all(engine.files("owners", &[])).expect("a directory");
    run_with_input(&mut Command::new("python3"), script.as_bytes()).ok();
    let file = "FROM busybox\nADD a.tar /x/\nCOPY --chown=4294967295 a.tar /y\nRUN --mount=type=cache,target=/c,uid=4294967295,gid=4294967295 stat -c %u:%g /c /x/f /x/d /x/l /y\n";
    let built = build_as(&engine, "1", "owners", file, &[]);
    built.ok();
    assert_eq!(
        built.stderr.matches(" 0:0\n").count(),
        5,
        "{}",
        built.stderr
    );
}

#[test]
fn texts_that_grow_are_refused_in_bounded_time_and_memory() {
    let engine = Engine::with_images(&["busybox"]);
    let mut bomb = String::from("FROM busybox\nARG v0=0123456789\n");
    for level in 1..14 {
        let eight = format!("$v{}", level - 1).repeat(8);
        bomb.push_str(&format!("ARG v{level}={eight}\n"));
    }
    bomb.push_str("RUN echo $v13\n");
    let nested = (0..20_000).map(|n| format!("<<E{n} ")).collect::<String>();
    let ends = (0..20_000).map(|n| format!("E{n}\n")).collect::<String>();
    let heredocs = format!("FROM busybox\nCOPY {nested} /x/\n{ends}");
    let long = format!("FROM busybox\nRUN {}\n", "x".repeat(40 << 20));
    let stars = format!("FROM scratch\nCOPY {}b /\n", "*a".repeat(200));
    for text in [bomb, long, stars, heredocs] {
        let start = std::time::Instant::now();
        build(&engine, &text, &[]);
        assert!(start.elapsed().as_secs() < 60, "{}", &text[..60]);
        assert_eq!(engine.get("/_ping").as_deref(), Some("OK"));
    }
    let status = fs::read_to_string(format!("/proc/{}/status", engine.daemon_pid()));
    let status = status.expect("it runs");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak.and_then(|it| it.trim().split(' ').next()?.parse::<u64>().ok());
    assert!(peak.is_some_and(|it| it < 1 << 20), "{peak:?} KiB");
}

// CVE-2024-23650, CVE-2026-33747
#[test]
fn calls_that_make_no_sense_are_refused_and_end_nothing() {
    let engine = Engine::with_images(&["busybox"]);
    let socket = engine.path("cortend.sock").display().to_string();
    let garbage: Vec<u8> = (0..4096_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let mut framed = vec![0];
    framed.extend((garbage.len() as u32).to_be_bytes());
    framed.extend(&garbage);
    // A length that never comes, an empty message, a wrong flag.
    let short = vec![0, 0xff, 0xff, 0xff, 0xff, 1];
    let empty = vec![0, 0, 0, 0, 0];
    let body = engine.path("body");
    for service in [
        "moby.buildkit.v1.Control/Solve",
        "moby.buildkit.v1.Control/Status",
        "moby.buildkit.v1.Control/Prune",
        "moby.buildkit.v1.frontend.LLBBridge/Solve",
        "moby.buildkit.v1.frontend.LLBBridge/Return",
        "moby.buildkit.v1.Control/Nothing",
    ] {
        for bytes in [&framed, &garbage, &short, &empty] {
            fs::write(&body, bytes).expect("written");
            let (data, url) = (
                format!("@{}", body.display()),
                format!("http://d/{service}"),
            );
            let mut curl = Command::new("curl");
            curl.args(["-s", "-m", "20", "--http2-prior-knowledge", "--unix-socket"]);
            curl.args([&socket, "-H", "content-type: application/grpc", "-H"]);
            curl.args(["te: trailers", "--data-binary", &data, &url]);
            run(&mut curl);
            assert_eq!(engine.get("/_ping").as_deref(), Some("OK"), "{service}");
        }
    }
    build(&engine, "FROM busybox\nRUN true\n", &[]).ok();
}
