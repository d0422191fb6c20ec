//! Where a build's files come from, besides a directory of the client: the network, git,
//! standard input, named contexts; and where its result goes.

use corten_testkit::{
    Engine, GIT_DAEMON, Ran, Registry, docker_20, program, run, run_with_input, until,
};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The stock client with buildx, without progress that moves.
fn buildx_build(engine: &Engine, words: &[&str]) -> Command {
    engine.install_buildx();
    let all = [&["build", "--progress", "plain"], words].concat();
    let mut command = engine.docker_command(all);
    command.env("BUILDX_GIT_INFO", "false");
    command
}

fn build(engine: &Engine, words: &[&str]) -> Ran {
    run(&mut buildx_build(engine, words))
}

/// The client of 20.10, which finds BuildKit by itself.
fn build_20(engine: &Engine, words: &[&str]) -> Command {
    let all = [&["build"], words].concat();
    let mut command = program(docker_20(), all);
    command
        .env("DOCKER_HOST", engine.host())
        .env("DOCKER_CONFIG", engine.path("docker-config-20"))
        .env("HOME", engine.path(""));
    command
}

fn tar_of(directory: &Path) -> Vec<u8> {
    let made = Command::new("tar")
        .args(["--owner=5", "--group=6", "-C"])
        .arg(directory)
        .args(["-c", "."])
        .output();
    made.expect("tar runs").stdout
}

fn listed(tar: &Path) -> String {
    run(Command::new("tar").arg("-tvf").arg(tar))
        .ok()
        .to_owned()
}

/// A web server and a git daemon at loopback in the engine's network namespace. Answers the
/// directory they serve.
fn serve(engine: &mut Engine) -> PathBuf {
    let directory = engine.path("www");
    fs::create_dir_all(&directory).expect("a directory");
    let work = engine.files(
        "repository",
        &[
            ("Dockerfile", "FROM scratch\nCOPY name /name\n"),
            ("name", "first\n"),
            ("sub/Dockerfile", "FROM scratch\nCOPY name /below\n"),
            ("sub/name", "below\n"),
        ],
    );
    let git = |words: &[&str]| {
        let mut command = Command::new("git");
        command.current_dir(&work).args(words);
        command
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_AUTHOR_NAME", "a")
            .env("GIT_AUTHOR_EMAIL", "a@b")
            .env("GIT_COMMITTER_NAME", "a")
            .env("GIT_COMMITTER_EMAIL", "a@b");
        run(&mut command).ok().to_owned()
    };
    git(&["init", "-q", "-b", "main"]);
    git(&["add", "."]);
    git(&["commit", "-qm", "one"]);
    git(&["tag", "v1"]);
    fs::write(work.join("name"), "second\n").expect("a change");
    git(&["commit", "-qam", "two"]);
    let bare = directory.join("r.git").display().to_string();
    git(&["clone", "-q", "--bare", ".", &bare]);
    let mut daemon = engine.inside("sh");
    daemon
        .args(GIT_DAEMON)
        .args(["--export-all", "--listen=127.0.0.1"]);
    daemon.arg(format!("--base-path={}", directory.display()));
    engine.beside(daemon);
    let mut web = engine.inside("python3");
    web.args(["-m", "http.server", "-b", "127.0.0.1", "8099"]);
    web.current_dir(&directory);
    engine.beside(web);
    for (what, words) in [
        ("the web server", ["curl", "-sf", "http://127.0.0.1:8099/"]),
        (
            "the git daemon",
            ["git", "ls-remote", "git://127.0.0.1/r.git"],
        ),
    ] {
        until(&format!("{what} answers"), 20, || {
            run(engine.inside(words[0]).args(&words[1..])).code == 0
        });
    }
    directory
}

#[test]
fn the_client_of_20_10_builds_with_buildkit_by_itself() {
    let engine = Engine::with_images(&["busybox"]);
    let file = "FROM busybox\nARG A\nCOPY a /a\nRUN --mount=type=secret,id=s test \"$(cat /run/secrets/s)\" = hidden && echo $A > /b\n";
    let files = [("Dockerfile", file), ("a", "hi\n"), ("secret", "hidden")];
    let directory = engine.files("twenty", &files);
    let path = directory.display().to_string();
    let secret = format!("id=s,src={path}/secret");
    let words = [
        "--progress",
        "plain",
        "-t",
        "twenty",
        "--build-arg",
        "A=arg",
        "--label",
        "l=1",
        "--add-host",
        "h:1.2.3.4",
        "--secret",
        &secret,
        &path,
    ];
    let built = run(&mut build_20(&engine, &words));
    built.ok();
    assert!(
        built.stderr.contains("[stage-0 3/3] RUN --mount"),
        "{}",
        built.stderr
    );
    let seen = engine.docker(["run", "--rm", "twenty", "cat", "/a", "/b"]);
    assert_eq!(seen.ok(), "hi\narg");
    // Everything is here already, and the ID is the image's.
    let again = run(&mut build_20(&engine, &[&["-q"], &words[2..]].concat()));
    let id = engine.docker(["image", "inspect", "-f", "{{.Id}}", "twenty"]);
    assert_eq!(again.ok(), id.ok());
    // The files of the result, by the client's session.
    let out = engine.path("out-20").display().to_string();
    run(&mut build_20(
        &engine,
        &["-o", &out, "--secret", &secret, &path],
    ))
    .ok();
    assert_eq!(
        fs::read_to_string(format!("{out}/a")).expect("the file"),
        "hi\n"
    );
    assert!(Path::new(&out).join("bin/sh").exists());
    // A context from standard input comes by a request of its own.
    let small = engine.files(
        "small",
        &[("Dockerfile", "FROM busybox\nCOPY x /x\n"), ("x", "x")],
    );
    let mut from_input = build_20(&engine, &["-t", "input", "-"]);
    let sent = run_with_input(&mut from_input, &tar_of(&small));
    sent.ok();
    let owner = engine.docker(["run", "--rm", "input", "stat", "-c", "%u:%g", "/x"]);
    assert_eq!(owner.ok(), "5:6");
    // Failures are BuildKit's sentences.
    let mut broken = build_20(&engine, &["--progress", "plain", "-f", "-", &path]);
    let failed = run_with_input(&mut broken, b"FROM busybox\nCOPY nope /\n");
    assert_ne!(failed.code, 0);
    assert!(
        failed.stderr.contains("\"/nope\": not found"),
        "{}",
        failed.stderr
    );
    let failed = run(&mut build_20(&engine, &["--network", "foo", &path]));
    assert!(
        failed
            .stderr
            .contains("Error response from daemon: network mode \"foo\" not supported by buildkit"),
        "{}",
        failed.stderr
    );
}

#[test]
fn files_of_the_network_are_added_as_buildkit_adds_them() {
    let mut engine = Engine::start();
    let www = serve(&mut engine);
    fs::write(www.join("f.txt"), "file\n").expect("a file");
    run(Command::new("touch")
        .args(["-d", "2001-02-03T04:05:06Z"])
        .arg(www.join("f.txt")))
    .ok();
    let inner = engine.files("inner", &[("x", "x")]);
    fs::write(www.join("c.tar"), tar_of(&inner)).expect("an archive");
    let tar = engine.path("o.tar");
    let option = format!("type=tar,dest={}", tar.display());
    let made = |file: &str| {
        let directory = engine.files("add", &[("Dockerfile", file)]);
        let path = directory.display().to_string();
        build(&engine, &["-o", &option, &path])
    };
    const URL: &str = "http://127.0.0.1:8099";
    const DIGEST: &str = "sha256:8b911a8716b94442f9ca3dff20584048536e4c2f47b8b5bb9096cbd43c3432d5";
    made(&format!(
        "FROM scratch\nADD --checksum={DIGEST} {URL}/f.txt /x/\n"
    ))
    .ok();
    assert!(
        listed(&tar).contains("-rw------- 0/0               5 2001-02-03 04:05 x/f.txt"),
        "{}",
        listed(&tar)
    );
    made(&format!("FROM scratch\nADD --chmod=755 --chown=3:4 {URL}/f.txt /y\nADD {URL}/ /d/\nADD {URL}/c.tar /raw\nADD --unpack=true {URL}/c.tar /open/\n")).ok();
    let all = listed(&tar);
    for line in [
        "-rwxr-xr-x 3/4 ",
        " y",
        " d/__unnamed__\n",
        " raw\n",
        " open/x",
    ] {
        assert!(all.contains(line), "{line}: {all}");
    }
    for (file, sentence) in [
        (
            format!("ADD {URL}/nope /x"),
            "failed to load cache key: invalid response status 404",
        ),
        (
            "ADD http://127.0.0.1:1/f /x".into(),
            "dial tcp 127.0.0.1:1: connect: connection refused",
        ),
        (
            format!("ADD --checksum=sha256:{} {URL}/f.txt /x", "0".repeat(64)),
            &format!("digest mismatch {DIGEST}: sha256:{}", "0".repeat(64)),
        ),
    ] {
        let failed = made(&format!("FROM scratch\n{file}\n"));
        assert!(failed.stderr.contains(sentence), "{}", failed.stderr);
    }
    // A server's new file is a new layer.
    fs::write(www.join("f.txt"), "other\n").expect("a file");
    made(&format!("FROM scratch\nADD {URL}/f.txt /x/\n")).ok();
    let text = run(Command::new("tar").arg("-xOf").arg(&tar).arg("x/f.txt"));
    assert_eq!(text.ok(), "other");
}

#[test]
fn repositories_are_sources_and_contexts_and_cannot_run_anything() {
    let mut engine = Engine::start();
    serve(&mut engine);
    let tar = engine.path("o.tar");
    let option = format!("type=tar,dest={}", tar.display());
    let content = |name: &str| {
        let out = run(Command::new("tar").arg("-xOf").arg(&tar).arg(name));
        out.ok().to_owned()
    };
    let added = |line: &str| {
        let file = format!("FROM scratch\nADD {line}\n");
        let directory = engine.files("add", &[("Dockerfile", &file)]);
        let path = directory.display().to_string();
        build(&engine, &["-o", &option, &path])
    };
    added("git://127.0.0.1/r.git /x/").ok();
    assert_eq!(
        (content("x/name"), content("x/sub/name")),
        ("second".into(), "below".into())
    );
    assert!(!listed(&tar).contains(".git"), "{}", listed(&tar));
    added("--keep-git-dir=true git://127.0.0.1/r.git#v1 /x").ok();
    assert_eq!(content("x/name"), "first");
    assert!(listed(&tar).contains("x/.git/HEAD"), "{}", listed(&tar));
    added("git://127.0.0.1/r.git#main:sub /x/").ok();
    assert_eq!(content("x/name"), "below");
    // Whole contexts.
    build(&engine, &["-o", &option, "git://127.0.0.1/r.git"]).ok();
    assert_eq!(content("name"), "second");
    build(&engine, &["-o", &option, "git://127.0.0.1/r.git#v1:sub"]).ok();
    assert_eq!(content("below"), "below");
    let (status, said) = engine.request(
        "POST",
        "/v1.41/build?remote=git://127.0.0.1/r.git%23v1&t=classic",
        "",
    );
    assert_eq!(status, 200, "{said}");
    assert!(
        said.contains("Successfully tagged classic:latest"),
        "{said}"
    );
    // What is not there, and what would be an option.
    let failed = added("git://127.0.0.1/r.git#nope /x/");
    assert!(
        failed.stderr.contains("does not contain ref"),
        "{}",
        failed.stderr
    );
    let canary = engine.path("canary").display().to_string();
    for line in [
        format!("git://127.0.0.1/r.git#--upload-pack=touch${{IFS}}{canary} /x/"),
        format!("ssh://-oProxyCommand=touch%20{canary}/r.git /x/"),
        format!("git@-oProxyCommand=touch:{canary} /x/"),
    ] {
        assert_ne!(added(&line).code, 0, "{line}");
    }
    assert!(!Path::new(&canary).exists());
}

#[test]
fn a_context_may_come_from_standard_input_and_from_an_url() {
    let mut engine = Engine::start();
    let www = serve(&mut engine);
    let directory = engine.files(
        "context",
        &[("Dockerfile", "FROM scratch\nCOPY x /x\n"), ("x", "x")],
    );
    fs::write(www.join("c.tar"), tar_of(&directory)).expect("an archive");
    fs::write(www.join("single"), "FROM scratch\nLABEL from=url\n").expect("a Dockerfile");
    let tar = engine.path("o.tar");
    let option = format!("type=tar,dest={}", tar.display());
    let mut from_input = buildx_build(&engine, &["-o", &option, "-"]);
    run_with_input(&mut from_input, &tar_of(&directory)).ok();
    assert!(listed(&tar).contains("-rw-r--r-- 5/6"), "{}", listed(&tar));
    build(&engine, &["-o", &option, "http://127.0.0.1:8099/c.tar"]).ok();
    assert!(listed(&tar).contains("-rw-r--r-- 5/6"), "{}", listed(&tar));
    build(&engine, &["-t", "single", "http://127.0.0.1:8099/single"]).ok();
    let label = engine.docker([
        "image",
        "inspect",
        "-f",
        "{{.Config.Labels.from}}",
        "single",
    ]);
    assert_eq!(label.ok(), "url");
    for (query, status, expected) in [
        ("http://127.0.0.1:8099/c.tar", 200, "Successfully built"),
        ("http://127.0.0.1:8099/single", 200, "Successfully built"),
        (
            "http://127.0.0.1:8099/single",
            200,
            r#"{"status":"http://127.0.0.1:8099/single","progressDetail":{},"id":"Downloading context"}"#,
        ),
        (
            "http://127.0.0.1:8099/nope",
            404,
            "error downloading remote context http://127.0.0.1:8099/nope: failed to GET http://127.0.0.1:8099/nope with status 404 Not Found",
        ),
        ("foo", 500, "remoteURL (foo) could not be recognized as URL"),
    ] {
        let (code, said) = engine.request("POST", &format!("/v1.41/build?remote={query}"), "");
        assert!(said.contains(expected), "{query}: {said}");
        assert_eq!(code, status, "{query}");
    }
}

#[test]
fn named_contexts_are_directories_images_urls_and_bases() {
    let mut engine = Engine::with_images(&["busybox"]);
    serve(&mut engine);
    let file = "FROM base\nCOPY --from=files x /x\nCOPY --from=image /bin/busybox /b\nCOPY --from=code name /name\n";
    let directory = engine.files("main", &[("Dockerfile", file)]);
    let files = engine.files("files", &[("x", "x"), ("sub/y", "y")]);
    let path = directory.display().to_string();
    let files = files.display().to_string();
    let tar = engine.path("o.tar");
    let words = [
        "-o".to_owned(),
        format!("type=tar,dest={}", tar.display()),
        format!("--build-context=files={files}"),
        format!("--build-context=base={files}"),
        "--build-context=image=docker-image://busybox".into(),
        "--build-context=code=git://127.0.0.1/r.git#v1".into(),
        path,
    ];
    build(
        &engine,
        &words.iter().map(String::as_str).collect::<Vec<_>>(),
    )
    .ok();
    let all = listed(&tar);
    for name in [" b\n", " name\n", " sub/y\n", " x"] {
        assert!(all.contains(name), "{name}: {all}");
    }
}

#[test]
fn a_result_goes_to_a_directory_and_to_a_registry_with_the_clients_credentials() {
    let engine = Engine::with_registries();
    engine.load("busybox");
    let file = "FROM scratch\nCOPY d /d\n";
    let files = [("Dockerfile", file), ("d/a", "a\n"), ("d/e/b", "b\n")];
    let directory = engine.files("out", &files);
    std::os::unix::fs::symlink("a", directory.join("d/link")).expect("a link");
    fs::hard_link(directory.join("d/a"), directory.join("d/same")).expect("a link");
    let path = directory.display().to_string();
    let out = engine.path("result");
    let option = format!("type=local,dest={}", out.display());
    build(&engine, &["-o", &option, &path]).ok();
    let text = |name: &str| fs::read_to_string(out.join(name)).expect("a file");
    assert_eq!(
        (text("d/a"), text("d/e/b"), text("d/link"), text("d/same")),
        ("a\n".into(), "b\n".into(), "a\n".into(), "a\n".into())
    );
    let pushed = build(&engine, &["--push", "-t", "127.0.0.1:5001/team/x:1", &path]);
    pushed.ok();
    assert!(
        pushed
            .stderr
            .contains("pushing 127.0.0.1:5001/team/x:1 with docker"),
        "{}",
        pushed.stderr
    );
    let (status, said) = engine.request("GET", "/distribution/127.0.0.1:5001/team/x:1/json", "");
    assert_eq!(status, 200, "{said}");
    let refused = build(&engine, &["--push", "-t", "127.0.0.1:5002/x", &path]);
    assert!(
        refused.stderr.contains("no basic auth credentials"),
        "{}",
        refused.stderr
    );
    let login = [
        "login",
        "-u",
        Registry::USER,
        "-p",
        Registry::PASSWORD,
        "127.0.0.1:5002",
    ];
    engine.docker(login).ok();
    build(&engine, &["--push", "-t", "127.0.0.1:5002/x", &path]).ok();
}

#[test]
fn a_link_of_the_context_keeps_its_time() {
    let engine = Engine::start();
    let directory = engine.files(
        "linked",
        &[("Dockerfile", "FROM scratch\nCOPY d /d\n"), ("d/x", "x")],
    );
    std::os::unix::fs::symlink("x", directory.join("d/link")).expect("a link");
    run(Command::new("touch")
        .args(["-h", "-d", "2001-02-03T04:05:06Z"])
        .arg(directory.join("d/link")))
    .ok();
    let tar = engine.path("o.tar");
    let option = format!("type=tar,dest={}", tar.display());
    build(&engine, &["-o", &option, &directory.display().to_string()]).ok();
    let listed = listed(&tar);
    assert!(listed.contains("2001-02-03 04:05 d/link -> x"), "{listed}");
}
