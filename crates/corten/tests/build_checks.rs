//! What the stock client shows of a Dockerfile's checks, and of lines at fault: as against
//! BuildKit in dockerd 28.5.

use corten_testkit::{Engine, Ran, run};

fn build(engine: &Engine, file: &str, words: &[&str]) -> Ran {
    engine.install_buildx();
    let files = [("Dockerfile", file), (".dockerignore", "*.txt\n")];
    let directory = engine.files("checked", &files).display().to_string();
    let mut command = engine.docker_command([&["build"], words, &[&directory]].concat());
    run(command.env("BUILDX_GIT_INFO", "false"))
}

#[test]
fn checks_are_answered_once_and_only_for_stages_that_are_needed() {
    let engine = Engine::with_images(&["busybox"]);
    let check = |file: &str, words: &[&str]| {
        let ran = build(&engine, file, &[&["--check"], words].concat());
        assert!(!ran.stderr.contains("found"), "{}", ran.stderr);
        ran
    };
    // An experimental check is asked for, or silent.
    let copies = "FROM busybox\nCOPY a.txt /\n";
    let found = check(copies, &[]);
    assert_eq!(found.ok(), "Check complete, no warnings found.");
    let all = format!("# check=experimental=all\n{copies}");
    let found = check(&all, &[]);
    assert!(found.stdout.contains("CopyIgnoredFile"), "{}", found.stdout);
    assert_eq!(found.code, 1);

    let stages = "FROM busybox AS a\nFROM busybox\nCMD one\nFROM a AS b\nENTRYPOINT two\n";
    let found = check(stages, &["--target", "b"]);
    assert!(
        found
            .stdout
            .starts_with("Check complete, 1 warning has been found!")
            && found
                .stdout
                .contains("   5 | >>> ENTRYPOINT two\n   6 |     \n"),
        "{}",
        found.stdout
    );
    let silent = "FROM busybox AS a\nCMD one\nFROM busybox AS b\n";
    let found = check(silent, &[]);
    assert_eq!(found.ok(), "Check complete, no warnings found.");
}

#[test]
fn a_file_that_cannot_be_built_is_checked_as_far_as_that_goes() {
    let engine = Engine::with_images(&["busybox"]);
    let file = "FROM busybox AS One\nFROM 127.0.0.1:9/three\n";
    let found = build(&engine, file, &["--check"]);
    assert_eq!(found.code, 1, "{}", found.stdout);
    assert!(
        found.stdout.contains("WARNING: StageNameCasing"),
        "{}",
        found.stdout
    );
    let said = format!("{}{}", found.stdout, found.stderr);
    let sentence = "ERROR: 127.0.0.1:9/three: failed to resolve source metadata for 127.0.0.1:9/three:latest: ";
    assert!(said.contains(sentence), "{said}");
    assert!(!said.contains("failed to solve"), "{said}");
    let found = build(&engine, "FROM busybox\nFOO\n", &["--check"]);
    let said = format!("{}{}", found.stdout, found.stderr);
    let sentence =
        "ERROR: dockerfile parse error on line 2: unknown instruction: FOO (did you mean FROM?)";
    assert!(said.contains(sentence), "{said}");
    assert!(!said.contains("failed to solve"), "{said}");

    // A build tells them, too, before it fails.
    let built = build(&engine, file, &[]);
    assert!(
        built.stderr.contains(" - StageNameCasing: "),
        "{}",
        built.stderr
    );
    let ordered = "# check=error=true\nFROM busybox AS One\nCMD x\n";
    let built = build(&engine, ordered, &[]);
    let sentence = "lint violation found for rules: StageNameCasing, JSONArgsRecommended";
    assert!(built.stderr.contains(sentence), "{}", built.stderr);
}

#[test]
fn what_is_written_about_a_build_names_the_image_in_full_and_what_was_read() {
    let engine = Engine::with_images(&["busybox"]);
    let metadata = engine.path("metadata.json").display().to_string();
    let words = [
        "-t",
        "named",
        "--build-arg",
        "X=1",
        "--metadata-file",
        &metadata,
    ];
    let plain = [&["--progress", "plain"], &words[..]].concat();
    let built = build(
        &engine,
        "FROM busybox\nARG X\nRUN echo $X\nCOPY Dockerfile /\n",
        &plain,
    );
    built.ok();
    for line in [
        "naming to docker.io/library/named done",
        "transferring dockerfile: ",
    ] {
        assert!(built.stderr.contains(line), "{line}: {}", built.stderr);
    }
    assert!(
        !built.stderr.contains("transferring dockerfile:\n"),
        "{}",
        built.stderr
    );
    let text = std::fs::read_to_string(metadata).expect("the metadata");
    let said: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(said["image.name"], "docker.io/library/named");
    let parameters = &said["buildx.build.provenance"]["invocation"]["parameters"];
    assert_eq!(
        parameters["locals"],
        serde_json::json!([{"name": "context"}, {"name": "dockerfile"}]),
        "{text}"
    );
}
