//! Builds of the past and builds of several targets, by the stock plugin.

use corten_testkit::{Engine, Ran, run};
use std::fs;

fn buildx(engine: &Engine, words: &[&str]) -> Ran {
    engine.install_buildx();
    let all = [&["buildx"], words].concat();
    let mut command = engine.docker_command(all.iter().copied());
    command.env("BUILDX_GIT_INFO", "false");
    run(&mut command)
}

#[test]
fn builds_are_listed_shown_and_forgotten_also_by_the_daemon_that_comes_after() {
    let mut engine = Engine::with_images(&["busybox"]);
    let file = "FROM busybox\nRUN echo it was said\nRUN exit 3\n";
    let directory = engine.files("past", &[("Dockerfile", file)]);
    let path = directory.display().to_string();
    let failed = buildx(&engine, &["build", &path]);
    assert_ne!(failed.code, 0);
    fs::write(
        directory.join("Dockerfile"),
        "FROM busybox\nRUN echo again\n",
    )
    .expect("a file");
    let metadata = engine.path("metadata.json");
    let file = metadata.display().to_string();
    buildx(&engine, &["build", "--metadata-file", &file, &path]).ok();
    let said: serde_json::Value =
        serde_json::from_slice(&fs::read(&metadata).expect("a file")).expect("JSON");
    let reference = said["buildx.build.ref"].as_str().expect("a build's name");
    let reference = reference.rsplit('/').next().unwrap_or_default();

    let format = ["history", "ls", "--format", "{{.Ref}} {{.Status}}"];
    let listed = |engine: &Engine| buildx(engine, &format).ok().to_owned();
    let before = listed(&engine);
    assert_eq!(before.lines().count(), 2, "{before}");
    assert!(
        before.contains("Error") && before.contains("Completed"),
        "{before}"
    );

    engine.stop_daemon();
    engine.start_daemon();
    assert_eq!(listed(&engine), before);
    let logs = buildx(&engine, &["history", "logs", reference]);
    logs.ok();
    assert!(logs.stderr.contains("RUN echo again"), "{}", logs.stderr);
    let shown = buildx(&engine, &["history", "inspect", reference]);
    let steps = shown
        .ok()
        .lines()
        .find_map(|it| it.strip_prefix("Build Steps:"));
    let steps = steps.and_then(|it| it.split_whitespace().next()?.split_once('/'));
    assert!(
        steps.is_some_and(|(done, all)| done == all),
        "{}",
        shown.stdout
    );
    buildx(&engine, &["history", "rm", reference]).ok();
    let after = listed(&engine);
    assert!(
        after.lines().count() == 1 && after.contains("Error"),
        "{after}"
    );
}

#[test]
fn builds_have_the_names_and_places_that_either_client_gave_them() {
    let engine = Engine::with_images(&["busybox"]);
    let file = "FROM busybox AS one\nRUN true\n";
    let files = [
        ("x/Dockerfile", file),
        ("x/sub/Other", file),
        ("y/Far", file),
    ];
    let root = engine.files("named", &files);
    engine.install_buildx();
    let run_in = |program: &str, directory: &str, words: &[&str]| {
        let mut command = match program {
            "corten" => engine.corten_command([&["buildx"], words].concat()),
            _ => engine.docker_command([&["buildx"], words].concat()),
        };
        run(command.current_dir(root.join(directory)))
    };
    let lines = [
        &["."][..],
        &["-f", "sub/Other", "."],
        &["-f", "../y/Far", "sub"],
        &["--target", "one", "-f", "sub/Other", "sub"],
    ];
    let mut seen = Vec::new();
    for program in ["docker", "corten"] {
        for words in &lines {
            run_in(program, "x", &[&["build", "-q"], *words].concat()).ok();
        }
        let list = ["history", "ls", "--format", "{{.Name}}"];
        let names = run_in("docker", "", &list);
        assert_eq!(
            run_in("corten", "", &list).stdout,
            names.stdout,
            "{program}"
        );
        let mut places = String::new();
        for directory in ["x", "x/sub"] {
            for back in ["", "^1", "^2", "^3"] {
                let format = "{{.Name}} {{.Context}} {{.Dockerfile}} {{.Target}}";
                let words = ["history", "inspect", "--format", format, back];
                let words = &words[..if back.is_empty() { 4 } else { 5 }];
                let stock = run_in("docker", directory, words);
                assert_eq!(
                    run_in("corten", directory, words).ok(),
                    stock.ok(),
                    "{words:?}"
                );
                places += &stock.stdout;
            }
        }
        assert!(places.contains("x/sub/Other .. sub/Other"), "{places}");
        seen.push((names.stdout.clone(), places));
        // The other client's builds have the same names: they are the newest four again.
        run_in("docker", "", &["history", "rm", "--all"]).ok();
    }
    assert_eq!(seen[0], seen[1]);
}

#[test]
fn builds_are_chosen_by_filters_by_either_client() {
    let engine = Engine::with_images(&["busybox"]);
    engine.files("good", &[("Dockerfile", "FROM busybox\nRUN true\n")]);
    engine.files("bad", &[("Dockerfile", "FROM busybox\nRUN false\n")]);
    for name in ["good", "bad"] {
        let directory = engine.path(name).display().to_string();
        assert_eq!(
            buildx(&engine, &["build", &directory]).code == 0,
            name == "good"
        );
    }
    let all = buildx(&engine, &["history", "ls", "--format", "{{.Ref}}"]);
    let one = format!("ref={}", all.ok().lines().next().expect("a build"));
    for filters in [
        &["status=completed"][..],
        &["status!=completed"],
        &["status=completed", "status=error"],
        &[&one],
        &[&one, "status=completed"],
        &["duration>0s", "startedAt>2020-01-01T00:00:00Z"],
        &["completedAt<1h"],
        &["nope=1"],
        &["status"],
        &["status<a"],
        &["duration=1s"],
    ] {
        let mut words = vec!["history", "ls", "--format", "{{.Name}}"];
        filters.iter().for_each(|it| words.extend(["--filter", it]));
        let stock = buildx(&engine, &words);
        let own = engine.corten([&["buildx"], &words[..]].concat());
        assert_eq!(own.code, stock.code, "{filters:?}");
        assert_eq!(own.stdout, stock.stdout, "{filters:?}");
        assert_eq!(own.stderr, stock.stderr, "{filters:?}");
    }
}

#[test]
fn what_is_said_about_a_result_can_be_read_after_the_build_by_either_client() {
    let mut engine = Engine::with_images(&["busybox"]);
    let file = "FROM busybox\nARG WORD\nRUN echo $WORD > /said\n";
    let directory = engine.files("said", &[("Dockerfile", file)]);
    let path = directory.display().to_string();
    let words = [
        "build",
        "--build-arg",
        "WORD=unspoken",
        "--label",
        "a=b",
        &path,
    ];
    buildx(&engine, &words).ok();
    engine.stop_daemon();
    engine.start_daemon();
    let both = |words: &[&str]| {
        let mine = engine.corten([&["buildx"], words].concat());
        assert_eq!(buildx(&engine, words).stdout, mine.stdout, "{words:?}");
        assert_eq!(mine.code, buildx(&engine, words).code, "{words:?}");
        mine
    };
    let reference = both(&["history", "ls", "--format", "{{.Ref}}"])
        .ok()
        .to_owned();
    let kind = ["--type", "provenance"];
    let attachment = ["history", "inspect", "attachment"];
    let said = both(&[&attachment[..], &kind, &[&reference]].concat());
    let said: serde_json::Value = serde_json::from_str(said.ok()).expect("JSON");
    let material = &said["materials"][0]["uri"];
    let material = material.as_str().expect("a URI");
    assert!(material.starts_with("pkg:docker/busybox@latest"), "{said}");
    // As with BuildKit, whose records have the arguments, too.
    let word = "/invocation/parameters/args/build-arg:WORD";
    assert_eq!(said.pointer(word), Some(&"unspoken".into()), "{said}");
    for format in [
        "{{range .Materials}}{{.URI}} {{.Digests}}{{end}}",
        "{{range .Attachments}}{{.Digest}} {{.Type}}{{end}}",
        "{{.Ref}} {{.Status}} {{.NumCompletedSteps}}/{{.NumTotalSteps}} {{.NumCachedSteps}}",
        "{{.Labels}} {{.BuildArgs}} {{.Duration}} {{.Error}} {{.CompletedAt}}",
        "{{.Foo}}",
        "{{upper .Ref}}",
    ] {
        both(&["history", "inspect", "--format", format, &reference]);
    }
    let arguments = [
        "history",
        "inspect",
        "--format",
        "{{.BuildArgs}}",
        &reference,
    ];
    assert_eq!(both(&arguments).ok(), "[{WORD unspoken}]");
    let digest = both(&[
        "history",
        "inspect",
        "--format",
        "{{(index .Attachments 0).Digest}}",
        &reference,
    ]);
    both(&[&attachment[..], &[&reference, digest.ok()]].concat()).ok();
    assert_eq!(
        both(&[&attachment[..], &["--type", "sbom", &reference]].concat()).code,
        1
    );
    assert_eq!(both(&[&attachment[..], &[&reference]].concat()).code, 1);
    // Lists of builders, with the plugin's option before the command.
    let format = "{{.Name}} {{.DriverEndpoint}} {{.Status}} {{.Platforms}}";
    both(&["--builder", "default", "ls", "--format", format]).ok();
    let refused = engine.corten(["buildx", "--builder", "other", "du"]);
    refused.fails(1, "no builder \"other\" found");
    // What is forgotten is gone.
    buildx(&engine, &["history", "rm", &reference]).ok();
    assert_eq!(
        both(&[&attachment[..], &kind, &[&reference]].concat()).code,
        1
    );
}

#[test]
fn builds_leave_in_a_file_of_either_client_and_come_back_with_all_that_is_known_of_them() {
    let mut engine = Engine::with_images(&["busybox"]);
    let file = "FROM busybox\nRUN echo it was said\nRUN exit 3\n";
    let directory = engine.files("leaving", &[("Dockerfile", file)]);
    let path = directory.display().to_string();
    assert_ne!(buildx(&engine, &["build", &path]).code, 0);
    fs::write(
        directory.join("Dockerfile"),
        "FROM busybox\nRUN echo again\n",
    )
    .expect("a file");
    buildx(&engine, &["build", &path]).ok();
    let corten = |engine: &Engine, words: &[&str]| engine.corten([&["buildx"], words].concat());
    let seen = |engine: &Engine| {
        let format = ["history", "ls", "--format", "{{.Ref}} {{.Status}}"];
        let list = buildx(engine, &format).ok().to_owned();
        let names = list.lines().filter_map(|it| it.split(' ').next());
        let each = names.map(|name| {
            let logs = buildx(engine, &["history", "logs", name]);
            let shown = buildx(engine, &["history", "inspect", "--format", "json", name]);
            // Not every build of the stock plugin has this one.
            let trace = corten(engine, &["history", "trace", name]);
            let read: serde_json::Value = serde_json::from_str(trace.ok()).expect("JSON");
            let spans = read["data"][0]["spans"].as_array().expect("spans").iter();
            let spans: Vec<_> = spans.map(|it| it["operationName"].to_string()).collect();
            format!("{} {} {spans:?}", logs.stderr, shown.ok())
        });
        (each.collect::<Vec<_>>(), list)
    };
    let before = seen(&engine);
    assert_eq!(before.1.lines().count(), 2, "{}", before.1);
    let told = before.0.concat();
    for text in [
        "it was said",
        "RUN exit 3",
        "RUN echo again",
        "Control/Solve",
        "exporting layers",
    ] {
        assert!(told.contains(text), "{told}");
    }

    let file = |name: &str| engine.path(name).display().to_string();
    let (theirs, ours) = (file("theirs.dockerbuild"), file("ours.dockerbuild"));
    buildx(&engine, &["history", "export", "--all", "-o", &theirs]).ok();
    corten(&engine, &["history", "export", "--all", "-o", &ours]).ok();
    let newest = file("newest.dockerbuild");
    corten(&engine, &["history", "export", "-o", &newest]).ok();
    for bundle in [&theirs, &ours] {
        buildx(&engine, &["history", "rm", "--all"]).ok();
        assert_eq!(seen(&engine).1, "");
        let taken = corten(&engine, &["history", "import", "-f", &newest]);
        assert!(before.1.starts_with(taken.ok()), "{}", taken.stdout);
        // What is there stays; the other one comes.
        let taken = corten(&engine, &["history", "import", "-f", bundle]);
        assert_eq!(taken.ok().lines().count(), 2, "{}", taken.stdout);
        assert_eq!(taken.stderr.lines().count(), 1, "{}", taken.stderr);
        assert_eq!(seen(&engine), before);
        engine.stop_daemon();
        engine.start_daemon();
        assert_eq!(seen(&engine), before);
    }

    buildx(&engine, &["history", "rm", "--all"]).ok();
    let bytes = fs::read(&ours).expect("a file");
    fs::write(&ours, &bytes[..bytes.len() / 2]).expect("a file");
    let refused = corten(&engine, &["history", "import", "-f", &ours]);
    refused.fails(1, "failed to import build: reading the bundle");
    assert_eq!(seen(&engine).1, "");
    let refused = corten(&engine, &["history", "export", "-o", &ours]);
    refused.fails(1, "no records found");
    let refused = corten(&engine, &["history", "trace", "--addr", "127.0.0.1:1"]);
    refused.fails(1, "--addr is not supported by Corten");
}

#[test]
fn targets_of_bake_stand_on_each_other_whatever_language_their_file_is_in() {
    let engine = Engine::with_images(&["busybox"]);
    let hcl = r#"
variable "TAG" { default = "one" }
group "default" { targets = ["app"] }
target "base" {
  dockerfile-inline = "FROM busybox\nENV FROM_BASE=yes\nRUN echo base > /base\n"
}
target "app" {
  matrix = { kind = ["small", "large"] }
  name = "app-${kind}"
  args = { KIND = upper(kind) }
  contexts = { base = "target:base" }
  dockerfile-inline = "FROM base AS made\nARG KIND\nRUN echo $KIND-$FROM_BASE > /made\nFROM busybox\nCOPY --from=base /base /\nCOPY --from=made /made /\n"
  tags = ["app-${kind}:${TAG}"]
}
"#;
    let compose = "services:\n  web:\n    image: web:one\n    build:\n      context: .\n      dockerfile_inline: \"FROM busybox\\nRUN echo web > /web\\n\"\n";
    let files = [("docker-bake.hcl", hcl), ("compose.yaml", compose)];
    let directory = engine.files("bake", &files);
    engine.install_buildx();
    let bake = |words: &[&str]| {
        let all = [&["buildx", "bake"], words].concat();
        let mut command = engine.docker_command(all.iter().copied());
        run(command
            .env("BUILDX_GIT_INFO", "false")
            .env("TAG", "two")
            .current_dir(&directory))
    };
    bake(&["-f", "docker-bake.hcl"]).ok();
    for (kind, text) in [("small", "SMALL-yes"), ("large", "LARGE-yes")] {
        let image = format!("app-{kind}:two");
        let said = engine.docker(["run", "--rm", &image, "cat", "/made", "/base"]);
        assert_eq!(said.ok(), format!("{text}\nbase"));
    }
    bake(&["-f", "compose.yaml", "web"]).ok();
    let said = engine.docker(["run", "--rm", "web:one", "cat", "/web"]);
    assert_eq!(said.ok(), "web");
}

#[test]
fn builds_of_the_past_are_filtered_as_buildkit_filters_them() {
    let engine = Engine::with_images(&["busybox"]);
    let files = [
        ("good", "FROM busybox\nRUN echo good\n"),
        ("bad", "FROM busybox\nRUN exit 3\n"),
    ];
    let directory = engine.files("filtered", &files);
    let path = directory.display().to_string();
    for (file, code) in [("good", 0), ("bad", 1)] {
        let file = directory.join(file).display().to_string();
        let built = buildx(&engine, &["build", "-f", &file, &path]);
        assert_eq!(built.code, code, "{}", built.stderr);
    }
    let listed = |filters: &[&str]| {
        let mut words = vec!["history", "ls", "--format", "{{.Status}}"];
        words.extend(filters.iter().flat_map(|it| ["--filter", *it]));
        let ran = buildx(&engine, &words);
        let mut lines: Vec<String> = ran.stdout.lines().map(str::to_owned).collect();
        lines.sort();
        lines.join(" ") + &ran.stderr
    };
    for (filters, expected) in [
        (&["status=error"][..], "Error"),
        (&["status!=error"], "Completed"),
        (&["startedAt>1h"], "Completed Error"),
        (&["startedAt<1h"], ""),
        (&["duration<1h", "status=completed"], "Completed"),
        (&["ref=nothing"], ""),
        (&["startedAt>soon"], "ERROR: invalid time soon\n"),
    ] {
        assert_eq!(listed(filters), expected, "{filters:?}");
    }
    // What is not there is not there afterwards either.
    let removed = buildx(&engine, &["history", "rm", "nothing"]);
    assert_eq!((removed.code, &*removed.stderr), (0, ""));
}
