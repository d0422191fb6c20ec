//! `corten build`, and caches that travel inside of images.

use corten_testkit::{Engine, Ran, run, run_with_input};
use std::{fs, path::Path, process::Command};

fn build(engine: &Engine, words: &[&str]) -> Ran {
    engine.corten([&["build"], words].concat())
}

#[test]
fn corten_builds_with_every_flag_that_takes_files_secrets_and_names() {
    let engine = Engine::with_images(&["busybox"]);
    let file = "FROM busybox AS first\nARG A\nLABEL from=file\nCOPY --from=more y /y\nCOPY a sub/ /c/\nRUN --mount=type=secret,id=s test \"$(cat /run/secrets/s)\" = hidden && echo $A > /arg\nFROM first\nRUN false\n";
    let files = [
        ("Dockerfile.own", file),
        (".dockerignore", "**/*.log\n"),
        ("a", "a\n"),
        ("sub/b", "b\n"),
        ("sub/x.log", "no\n"),
        ("secret", "hidden"),
    ];
    let directory = engine.files("own", &files);
    std::os::unix::fs::symlink("b", directory.join("sub/link")).expect("a link");
    let more = engine.files("more", &[("y", "y\n")]);
    let at = |name: &str| directory.join(name).display().to_string();
    let (path, secret) = (at(""), format!("id=s,src={}", at("secret")));
    let (file, id) = (at("Dockerfile.own"), at("iid"));
    let metadata = at("metadata.json");
    let context = format!("more={}", more.display());
    let words = [
        "-f",
        &file,
        "-t",
        "own:1",
        "-t",
        "own:2",
        "--target",
        "first",
        "--build-arg",
        "A=arg",
        "--label",
        "l=1",
        "--secret",
        &secret,
        "--build-context",
        &context,
        "--iidfile",
        &id,
        "--metadata-file",
        &metadata,
        &path,
    ];
    let built = build(&engine, &words);
    built.ok();
    assert!(
        built.stderr.contains("#1 [internal] load build definition"),
        "{}",
        built.stderr
    );
    let seen = engine.docker([
        "run",
        "--rm",
        "own:2",
        "sh",
        "-c",
        "cat /c/a /c/b /c/link /y /arg; ls /c",
    ]);
    assert_eq!(seen.ok(), "a\nb\nb\ny\narg\na\nb\nlink");
    let image = engine.docker([
        "image",
        "inspect",
        "-f",
        "{{.Id}} {{.Config.Labels.from}} {{.Config.Labels.l}}",
        "own:1",
    ]);
    let written = fs::read_to_string(&id).expect("the ID");
    assert_eq!(image.ok(), format!("{written} file 1"));
    let told = fs::read_to_string(&metadata).expect("the metadata");
    assert!(
        told.contains(&format!("\"containerimage.digest\": \"{written}\"")),
        "{told}"
    );
    // Quiet, and from the cache.
    assert_eq!(
        build(&engine, &[&["-q"], &words[..]].concat()).ok(),
        written
    );
    // A failure shows the step, its lines and the Dockerfile's.
    let failed = build(
        &engine,
        &[
            "-f",
            &file,
            "--build-context",
            &context,
            "--secret",
            &secret,
            &path,
        ],
    );
    assert_eq!(failed.code, 1);
    for part in [
        "#",
        "   8 | >>> RUN false",
        "ERROR: failed to build: failed to solve: process \"/bin/sh -c false\" did not complete successfully: exit code: 1",
    ] {
        assert!(failed.stderr.contains(part), "{part}: {}", failed.stderr);
    }
    let checked = build(
        &engine,
        &["--check", "-f", &file, "--build-context", &context, &path],
    );
    assert_eq!(checked.code, 0, "{}", checked.stderr);
    for (words, sentence) in [
        (
            &["--provenance=true", &path][..],
            "attestations are kept with an image that has a name",
        ),
        (
            &["--cache-to", "type=gha", "-f", &file, &path],
            "unknown cache exporter: \"gha\"",
        ),
        (
            &["--secret", "id=z,src=/no/such/file", &path],
            "failed to stat /no/such/file",
        ),
        (
            &["/no/such/directory"],
            "path \"/no/such/directory\" not found",
        ),
        (&["--progress", "odd", &path], "invalid progress mode odd"),
    ] {
        let refused = build(&engine, words);
        assert_ne!(refused.code, 0, "{sentence}");
        assert!(
            refused.stderr.contains(sentence),
            "{sentence}: {}",
            refused.stderr
        );
    }
}

#[test]
fn results_of_corten_build_go_to_directories_and_archives_and_its_input_may_be_piped() {
    let engine = Engine::start();
    let files = [("Dockerfile", "FROM scratch\nCOPY d /d\n"), ("d/a", "a\n")];
    let directory = engine.files("out", &files);
    let path = directory.display().to_string();
    let out = engine.path("result").display().to_string();
    build(&engine, &["-o", &out, &path]).ok();
    assert_eq!(
        fs::read_to_string(format!("{out}/d/a")).expect("the file"),
        "a\n"
    );
    let archive = |kind: &str| {
        let to = engine.path(&format!("{kind}.tar")).display().to_string();
        let option = format!("type={kind},dest={to}");
        build(&engine, &["-t", "named:1", "-o", &option, &path]).ok();
        run(Command::new("tar").arg("-tf").arg(&to)).ok().to_owned()
    };
    assert!(archive("tar").contains("d/a"));
    for kind in ["docker", "oci"] {
        let names = archive(kind);
        assert!(
            names.contains("index.json") && names.contains("manifest.json"),
            "{names}"
        );
    }
    assert_eq!(engine.docker(["images", "-q"]).ok(), "");
    let docker = engine.path("docker.tar").display().to_string();
    let loaded = engine.docker(["load", "-i", &docker]);
    assert_eq!(loaded.ok(), "Loaded image: named:1");
    // A Dockerfile and a whole context from standard input.
    let mut piped = engine.corten_command(["build", "-q", "-f", "-", &path]);
    let built = run_with_input(&mut piped, b"FROM scratch\nCOPY d/a /x\n");
    assert!(built.ok().starts_with("sha256:"), "{}", built.stdout);
    let tar = Command::new("tar").args(["-C", &path, "-c", "."]).output();
    let mut piped = engine.corten_command(["build", "-q", "-"]);
    let built = run_with_input(&mut piped, &tar.expect("tar runs").stdout);
    assert!(built.ok().starts_with("sha256:"), "{}", built.stdout);
    let mut piped = engine.corten_command(["build", "-q", "-"]);
    let built = run_with_input(&mut piped, b"FROM scratch\nLABEL a=b\n");
    assert!(built.ok().starts_with("sha256:"), "{}", built.stdout);
}

#[test]
fn one_build_has_several_outputs_with_options_of_their_own() {
    let engine = Engine::start();
    engine.install_buildx();
    let files = [("Dockerfile", "FROM scratch\nCOPY a /a\n"), ("a", "a\n")];
    let directory = engine.files("several", &files);
    let context = directory.display().to_string();
    for program in ["docker", "corten"] {
        let at = |name: &str| engine.path(&format!("{program}-{name}"));
        let to = |kind: &str, name: &str| format!("{kind},dest={}", at(name).display());
        let outputs = [
            to("type=local", "first"),
            to("type=local,attestation-prefix=x-", "second"),
            to("type=tar", "third.tar"),
            to("type=oci", "fourth.tar"),
        ];
        let mut words = vec!["build", "--provenance=true", "-t", "several:1"];
        outputs.iter().for_each(|it| words.extend(["-o", it]));
        words.push(&context);
        let ran = match program {
            "docker" => run(engine
                .docker_command([&["buildx"], &words[..]].concat())
                .env("BUILDX_GIT_INFO", "false")),
            _ => engine.corten(words),
        };
        ran.ok();
        let text = |name: &str| fs::read_to_string(at(name)).expect("a file");
        assert_eq!(text("first/a"), "a\n");
        assert_eq!(text("second/a"), "a\n");
        assert!(at("first/provenance.json").exists());
        assert!(at("second/x-provenance.json").exists());
        let listed = |name: &str| {
            let mut tar = engine.inside("tar");
            run(tar.arg("-tf").arg(at(name))).ok().to_owned()
        };
        assert!(listed("third.tar").contains("provenance.json"));
        assert!(listed("fourth.tar").contains("oci-layout"));
    }
    let twice = ["-o", "type=tar,dest=-", "-o", "-", context.as_str()];
    let refused = build(&engine, &twice);
    refused.fails(1, "only one output can go to standard output");
}

/// A line of `--progress rawjson` with what differs from build to build taken out: the
/// names of members, and whether times look like times.
fn shape(line: &serde_json::Value, into: &mut std::collections::BTreeSet<String>, at: &str) {
    use serde_json::Value;
    match line {
        Value::Object(members) => members.iter().for_each(|(key, value)| {
            shape(value, into, &format!("{at}.{key}"));
        }),
        Value::Array(list) => list.iter().for_each(|it| shape(it, into, at)),
        Value::String(text) => {
            let is_time = text.starts_with("20") && text.ends_with('Z') && text.contains('T');
            into.insert(format!("{at} {}", if is_time { "time" } else { "text" }));
        }
        other => drop(into.insert(format!("{at} {}", other.is_number()))),
    }
}

#[test]
fn progress_as_raw_json_is_what_the_stock_plugin_prints() {
    let engine = Engine::with_images(&["busybox"]);
    engine.install_buildx();
    let file = "FROM busybox\nCOPY a $Y/a\nRUN echo told\n";
    let directory = engine.files("raw", &[("Dockerfile", file), ("a", "a\n")]);
    let context = directory.display().to_string();
    let words = ["build", "--no-cache", "--progress", "rawjson", &context];
    let stock = run(engine
        .docker_command([&["buildx"], &words[..]].concat())
        .env("BUILDX_NO_DEFAULT_ATTESTATIONS", "1")
        .env("BUILDX_GIT_INFO", "false"));
    let own = engine.corten(words);
    let shapes = [stock, own].map(|ran| {
        ran.ok();
        let mut found = std::collections::BTreeSet::new();
        let lines = ran.stderr.lines();
        for line in lines.filter_map(|it| serde_json::from_str(it).ok()) {
            shape(&line, &mut found, "");
        }
        found
    });
    assert!(shapes[1].contains(".logs.timestamp time"), "{shapes:?}");
    assert!(
        shapes[1].contains(".warnings.range.start.line true"),
        "{shapes:?}"
    );
    assert_eq!(shapes[0], shapes[1]);
}

#[test]
fn a_cache_inside_of_an_image_saves_the_steps_elsewhere() {
    let engine = Engine::with_registries();
    engine.load("busybox");
    let file = "FROM busybox\nCOPY a /a\nRUN cat /proc/sys/kernel/random/uuid > /once\n";
    let directory = engine.files("cache", &[("Dockerfile", file), ("a", "a")]);
    let path = directory.display().to_string();
    const NAME: &str = "127.0.0.1:5001/cache:1";
    engine.install_buildx();
    let buildx = |words: &[&str]| {
        let all = [&["build", "--progress", "plain"], words, &[&path]].concat();
        run(&mut engine.docker_command(all))
    };
    let once = |image: &str| {
        engine
            .docker(["run", "--rm", image, "cat", "/once"])
            .ok()
            .to_owned()
    };
    let forget = || {
        for image in [NAME, "without-cache", "with-cache", "x-cache"] {
            engine.docker(["rmi", "-f", image]);
        }
        engine.docker(["builder", "prune", "-af"]).ok();
        assert!(!engine.docker(["images"]).ok().contains("cache"));
    };
    buildx(&["--cache-to", "type=inline", "--push", "-t", NAME]).ok();
    let first = once(NAME);
    forget();
    // Without it the step is done again.
    buildx(&["-t", "without-cache"]).ok();
    assert_ne!(once("without-cache"), first);
    forget();
    let from = format!("type=registry,ref={NAME}");
    let built = buildx(&["--cache-from", &from, "-t", "with-cache"]);
    built.ok();
    assert!(
        built
            .stderr
            .contains(&format!("importing cache manifest from {NAME}")),
        "{}",
        built.stderr
    );
    assert!(built.stderr.contains("CACHED"), "{}", built.stderr);
    assert_eq!(once("with-cache"), first);
    assert!(
        !engine
            .docker(["images"])
            .ok()
            .contains("127.0.0.1:5001/cache")
    );
    // A cache that is not there is told, and no failure.
    let built = buildx(&["--cache-from", "127.0.0.1:5001/nope", "-t", "x-cache"]);
    built.ok();
    assert!(
        built
            .stderr
            .contains("importing cache manifest from 127.0.0.1:5001/nope"),
        "{}",
        built.stderr
    );
    let why = "failed to configure registry cache importer: 127.0.0.1:5001/nope:latest: not found";
    assert!(built.stderr.contains(why), "{}", built.stderr);
    // An image of this machine that no registry has.
    forget();
    engine.docker(["pull", "-q", NAME]).ok();
    engine.docker(["tag", NAME, "x-cache"]).ok();
    engine.docker(["rmi", NAME]).ok();
    let built = buildx(&["--cache-from", "x-cache", "-t", "with-cache"]);
    built.ok();
    assert!(!built.stderr.contains("ERROR"), "{}", built.stderr);
    assert_eq!(once("with-cache"), first);
    // The classic request looks into images of this machine.
    forget();
    engine.docker(["pull", "-q", NAME]).ok();
    let mut classic =
        engine.docker_command(["build", "--cache-from", NAME, "-t", "classic-cache", &path]);
    run(classic.env("DOCKER_BUILDKIT", "0")).ok();
    assert_eq!(once("classic-cache"), first);
    assert!(Path::new(&path).exists());
}
