//! `corten bake`: several images from definitions in files.

use corten_testkit::{Engine, Ran};
use std::{fs, path::Path};

fn bake(engine: &Engine, directory: &Path, words: &[&str]) -> Ran {
    let mut command = engine.corten_command([&["bake"], words].concat());
    command.current_dir(directory);
    corten_testkit::run(&mut command)
}

fn refused(ran: &Ran) -> &str {
    assert_eq!(ran.code, 1, "{}: {}", ran.call, ran.stderr);
    &ran.stderr
}

const GROUPS: &str = r#"
variable "TAG" { default = "1" }
group "default" { targets = ["app", "data"] }
target "base" {
  dockerfile = "Dockerfile.base"
  args = { WHO = "base ${TAG}" }
}
target "app" {
  contexts = { below = "target:base" }
  dockerfile-inline = "FROM below\nCOPY a /a\nRUN cat /who /a > /both\n"
  tags = ["baked-app:${TAG}"]
  labels = { "of" = "bake" }
}
target "data" {
  dockerfile-inline = "FROM scratch\nCOPY a /data\n"
  output = ["type=local,dest=out"]
}
target "broken" {
  dockerfile-inline = "FROM scratch\nCOPY nope /x\n"
}
"#;

#[test]
fn a_group_is_built_with_targets_that_stand_on_each_other() {
    let engine = Engine::with_images(&["busybox"]);
    let base = "FROM busybox\nARG WHO\nENV FROM=base\nRUN echo $WHO > /who\n";
    let files = [
        ("docker-bake.hcl", GROUPS),
        ("Dockerfile.base", base),
        ("a", "a\n"),
    ];
    let directory = engine.files("baked", &files);
    let built = bake(&engine, &directory, &["--metadata-file", "told.json"]);
    built.ok();
    assert!(
        built.stderr.contains("] load local bake definitions"),
        "{}",
        built.stderr
    );
    assert!(built.stderr.contains("[base "), "{}", built.stderr);
    let seen = engine.docker([
        "run",
        "--rm",
        "baked-app:1",
        "sh",
        "-c",
        "cat /both; echo $FROM",
    ]);
    assert_eq!(seen.ok(), "base 1\na\nbase");
    let label = "{{.Config.Labels.of}}";
    assert_eq!(
        engine
            .docker(["image", "inspect", "-f", label, "baked-app:1"])
            .ok(),
        "bake"
    );
    assert_eq!(
        fs::read_to_string(directory.join("out/data")).expect("the output"),
        "a\n"
    );
    // What others only stand on is no image.
    assert_eq!(engine.docker(["images", "-q", "base"]).ok(), "");
    let told = fs::read_to_string(directory.join("told.json")).expect("the metadata");
    let told: serde_json::Value = serde_json::from_str(&told).expect("JSON");
    let id = engine.docker(["image", "inspect", "-f", "{{.Id}}", "baked-app:1"]);
    assert_eq!(told["app"]["containerimage.digest"], id.ok());
    assert!(told["data"]["buildx.build.ref"].is_string(), "{told}");

    // A failure names its target, its step and the lines.
    let broken = bake(&engine, &directory, &["broken", "data"]);
    let text = refused(&broken);
    for part in [
        " > [broken 1/1] COPY nope /x:",
        "   2 | >>> COPY nope /x",
        "ERROR: target broken: failed to solve: ",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    let alone = bake(&engine, &directory, &["broken"]);
    assert!(
        refused(&alone).contains("\nERROR: failed to solve: "),
        "{}",
        alone.stderr
    );
}

#[test]
fn what_leads_out_of_the_directory_has_to_be_allowed() {
    let engine = Engine::start();
    let outside = engine.files("outside", &[("f", "f\n")]);
    let definition = format!(
        "target \"default\" {{\n  context = {:?}\n  dockerfile-inline = \"FROM scratch\\nCOPY f /\"\n  output = [\"type=local,dest=out\"]\n}}\ntarget \"host\" {{\n  network = \"host\"\n  dockerfile-inline = \"FROM scratch\"\n}}\n",
        outside.display().to_string()
    );
    let directory = engine.files("inside", &[("docker-bake.hcl", &definition)]);
    let outside = bake(&engine, &directory, &[]);
    let text = refused(&outside);
    assert!(text.contains(" - Read access to path ../outside"), "{text}");
    assert!(
        text.trim_end()
            .ends_with("ERROR: additional privileges requested"),
        "{text}"
    );
    bake(&engine, &directory, &["--allow", "fs.read=../outside"]).ok();
    assert_eq!(
        fs::read_to_string(directory.join("out/f")).expect("the output"),
        "f\n"
    );
    let host = bake(&engine, &directory, &["host"]);
    let text = refused(&host);
    assert!(
        text.contains(" - Running build containers that can access host network"),
        "{text}"
    );
    bake(&engine, &directory, &["host", "--allow", "network.host"]).ok();
}

#[test]
fn plans_lists_and_findings_are_printed_as_by_the_stock_plugin() {
    let engine = Engine::start();
    let lists = r#"
variable "A" {
  default = "x"
  description = "what A is"
}
variable "A_LONGER_NAME" {
  type = list(string)
  default = ["x"]
}
variable "N" { type = number }
group "default" { targets = ["db", "app"] }
group "some" {
  description = "some of them"
  targets = ["app"]
}
target "app" { description = "the application" }
target "db" {}
target "_base" {}
"#;
    let files = [
        ("docker-bake.hcl", lists),
        ("wrong.hcl", "target \"default\" { tags = [B] }\n"),
    ];
    let directory = engine.files("lists", &files);
    let stock = |words: &[&str]| {
        let mut command = std::process::Command::new(corten_testkit::buildx());
        command.arg("bake").args(words).current_dir(&directory);
        corten_testkit::run(&mut command)
    };
    let lines = [
        vec!["--print"],
        vec![
            "--print",
            "some",
            "--set",
            "app.args.X=1",
            "--no-cache",
            "--push",
        ],
        vec!["--list", "targets"],
        vec!["--list", "variables"],
        vec!["--list", "type=targets,format=json"],
        vec!["--list", "type=variables,format=json"],
        vec!["--list", "nothing"],
        vec!["--print", "--list", "targets"],
        vec!["--print", "nothing"],
        vec!["-f", "missing.hcl", "--print"],
        vec!["-f", "wrong.hcl", "--print"],
    ];
    for words in lines {
        let (ours, theirs) = (bake(&engine, &directory, &words), stock(&words));
        assert_eq!(ours.stdout, theirs.stdout, "{words:?}");
        // Steps are told with times.
        let told = |ran: &Ran| {
            let lines = ran
                .stderr
                .lines()
                .filter(|it| !it.starts_with('#') && !it.is_empty());
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(told(&ours), told(&theirs), "{words:?}");
        assert_eq!(ours.code, theirs.code, "{words:?}");
    }
}

const OUTLINE: &str = "ARG GLOBAL=1\n# VAR is used in from\nARG VAR=scratch\n\n# one is the first\nFROM ${VAR} AS one\nARG GLOBAL\nARG X=${GLOBAL}-x\n# Y has a comment\nARG Y=1 Z\n\nFROM one AS two\nARG X=again\nRUN --mount=type=secret,id=s1 --mount=type=ssh,id=k,required true\n";

// As BuildKit in dockerd 28.5 answers.
const ANSWERED: &str = "TARGET: two\n\nBUILD ARG   VALUE     DESCRIPTION\nGLOBAL      1         \nVAR         scratch   is used in from\nY           9         has a comment\nZ                     \nX           again     \n\nSECRET   REQUIRED\ns1       \n\nSSH   REQUIRED\nk     true\n\n";

#[test]
fn a_dockerfile_tells_what_it_may_be_given_and_which_stages_it_has() {
    let engine = Engine::start();
    engine.install_buildx();
    let directory = engine.files("asked", &[("Dockerfile", OUTLINE)]);
    let path = directory.display().to_string();
    let call = |of: &str| format!("--call={of}");
    let both = |words: &[&str]| {
        let ours = engine.corten([&["build"], words, &[&path]].concat());
        let stock = engine.docker([&["buildx", "build"], words, &[&path]].concat());
        assert_eq!(
            ours.stdout, stock.stdout,
            "{words:?}: {} {}",
            ours.stderr, stock.stderr
        );
        assert_eq!(ours.code, stock.code, "{words:?}");
        ours
    };
    let outline = both(&[&call("outline"), "--target", "two", "--build-arg", "Y=9"]);
    assert_eq!(outline.stdout, ANSWERED, "{}", outline.stderr);
    let targets = both(&[&call("targets")]);
    assert_eq!(
        targets.stdout,
        "TARGET        DESCRIPTION\none           is the first\ntwo (default) \n"
    );
    for of in ["outline,format=json", "targets,format=json"] {
        let told: serde_json::Value =
            serde_json::from_str(&both(&[&call(of)]).stdout).expect("JSON");
        assert!(told["sources"][0].is_string(), "{told}");
    }
    let missing = engine.corten(["build", &call("outline"), "--target", "nope", &path]);
    let sentence =
        "ERROR: failed to build: failed to solve: target stage \"nope\" could not be found";
    assert!(refused(&missing).contains(sentence), "{}", missing.stderr);

    // What the checks find is told with its lines, and by the exit code.
    let wrong = engine.files(
        "checked",
        &[("Dockerfile", "FROM scratch as x\nCOPY a /\n")],
    );
    let wrong = wrong.display().to_string();
    let found = engine.corten(["build", "--check", &wrong]);
    assert_eq!(found.code, 1, "{}", found.stderr);
    let text = "Check complete, 1 warning has been found!\n\nWARNING: FromAsCasing - https://docs.docker.com/go/dockerfile/rule/from-as-casing/\n'as' and 'FROM' keywords' casing do not match\n\nDockerfile:1\n--------------------\n   1 | >>> FROM scratch as x\n   2 |     COPY a /\n   3 |     \n";
    assert!(found.stdout.starts_with(text), "{}", found.stdout);
}

#[test]
fn the_builder_its_cache_and_its_past_are_shown_and_cleared() {
    let engine = Engine::start();
    let directory = engine.files(
        "past",
        &[("Dockerfile", "FROM scratch\nCOPY a /\n"), ("a", "a\n")],
    );
    let path = directory.display().to_string();
    let buildx = |words: &[&str]| engine.corten([&["buildx"], words].concat());
    engine
        .corten(["buildx", "build", "-t", "past:1", &path])
        .ok();
    assert!(
        buildx(&["ls"])
            .ok()
            .starts_with("NAME/NODE     DRIVER/ENDPOINT   STATUS")
    );
    assert!(
        buildx(&["inspect"])
            .ok()
            .contains("Status:           running")
    );
    let listed = buildx(&["history", "ls", "--format", "json"]);
    let record: serde_json::Value = serde_json::from_str(listed.ok()).expect("JSON");
    assert_eq!(record["status"], "Completed");
    let logs = buildx(&["history", "logs"]);
    logs.ok();
    assert!(logs.stderr.contains("] COPY a /"), "{}", logs.stderr);
    assert!(
        buildx(&["history", "inspect"])
            .ok()
            .contains("Build Steps:")
    );
    let used = buildx(&["du", "--verbose"]);
    assert!(used.ok().contains("Reclaimable:  true"), "{}", used.stdout);
    let none = buildx(&["prune", "-f", "--filter", "id=nothing"]);
    assert_eq!(none.ok(), "Total:\t0B");
    let pruned = buildx(&["prune", "-f", "-a"]);
    assert!(pruned.ok().starts_with("ID\t"), "{}", pruned.stdout);
    buildx(&["history", "rm", "--all"]).ok();
    assert_eq!(buildx(&["history", "ls", "--format", "json"]).ok(), "");
    let open = buildx(&["history", "open"]);
    assert!(refused(&open).contains("Docker Desktop"), "{}", open.stderr);
}
