//! What a build leaves behind for programs: files of metadata, with how the result came
//! about, the engine's counts, and what is told of files that come to the client.

use corten_testkit::{Engine, run};
use serde_json::{Value, json};
use std::{fs, os::unix::fs::PermissionsExt};

const FILE: &str =
    "FROM busybox AS base\nARG A\nRUN echo $A > /f\nFROM scratch\nCOPY --from=base /f /f\n";

/// The file of a build by `program`, without what differs from build to build.
fn metadata(engine: &Engine, program: &str, mode: &str) -> Value {
    engine.install_buildx();
    let directory = engine.path("told").display().to_string();
    let file = engine.path("metadata.json").display().to_string();
    let words = ["build", "--metadata-file", &file, "--build-arg", "A=seven"];
    let words = [&words[..], &["-t", "told", &directory]].concat();
    let mut command = match program {
        "corten" => engine.corten_command(words),
        _ => engine.docker_command(words),
    };
    run(command.env("BUILDX_METADATA_PROVENANCE", mode)).ok();
    let text = fs::read_to_string(file).expect("a file");
    let mut found: Value = serde_json::from_str(&text).expect("JSON");
    found["buildx.build.ref"].take();
    if let Some(metadata) = found.pointer_mut("/buildx.build.provenance/metadata") {
        for name in ["buildInvocationID", "buildStartedOn", "buildFinishedOn"] {
            assert_ne!(metadata[name].take(), Value::Null, "{name}: {text}");
        }
    }
    found
}

#[test]
fn metadata_tells_how_a_result_came_about_to_either_client_as_much_as_is_wanted() {
    let engine = Engine::with_images(&["busybox"]);
    engine.files("told", &[("Dockerfile", FILE)]);
    // Of everything, the stock client writes what it knows in its own form.
    for mode in ["", "min", "disabled", "0"] {
        let stock = metadata(&engine, "docker", mode);
        assert_eq!(metadata(&engine, "corten", mode), stock, "{mode}");
    }
    assert_eq!(
        metadata(&engine, "corten", "0").get("buildx.build.provenance"),
        None
    );
    let little = metadata(&engine, "corten", "");
    let little = &little["buildx.build.provenance"];
    let request = json!({
        "frontend": "dockerfile.v0",
        "args": {"build-arg:A": "seven"},
        "locals": [{"name": "context"}, {"name": "dockerfile"}],
    });
    assert_eq!(little["invocation"]["parameters"], request, "{little:#}");
    assert_eq!(little.get("metadata"), None);
    let all = metadata(&engine, "corten", "max");
    let all = &all["buildx.build.provenance"];
    let env = "/buildConfig/llbDefinition/1/op/Op/exec/meta/env/1";
    assert_eq!(all.pointer(env), Some(&json!("A=seven")), "{all:#}");
    let more = &all["metadata"]["https://mobyproject.org/buildkit@v1#metadata"];
    let lines = "/source/locations/step1/locations/0/ranges/0/start/line";
    assert_eq!(more.pointer(lines), Some(&json!(3)), "{all:#}");
    let layer = &more["layers"]["step2:0"][0][0];
    let kind = "application/vnd.docker.image.rootfs.diff.tar";
    assert_eq!(layer["mediaType"], kind, "{all:#}");
    let words = [
        "image",
        "inspect",
        "-f",
        "{{index .RootFS.Layers 0}}",
        "told",
    ];
    assert_eq!(layer["digest"], engine.docker(words).ok().trim());
}

#[test]
fn metadata_tells_what_the_checks_found_to_either_client_where_that_is_wanted() {
    let engine = Engine::with_images(&["busybox"]);
    engine.install_buildx();
    let file = "FROM busybox AS One\nCMD echo a\n";
    let bake = r#"{"target": {"default": {"context": "."}, "more": {"context": "."}}}"#;
    let directory = engine.files("told", &[("Dockerfile", file), ("docker-bake.json", bake)]);
    let told = |program: &str, words: &[&str], wanted: &str| {
        let path = engine.path("metadata.json").display().to_string();
        let words = [words, &["--metadata-file", &path]].concat();
        let mut command = match program {
            "corten" => engine.corten_command(words),
            _ => engine.docker_command([&["buildx"], &words[..]].concat()),
        };
        command.env("BUILDX_METADATA_WARNINGS", wanted);
        run(command.current_dir(&directory)).ok();
        let text = fs::read_to_string(&path).expect("a file");
        let mut found: Value = serde_json::from_str(&text).expect("JSON");
        let mut list = found["buildx.build.warnings"].take();
        if let Some(list) = list.as_array_mut() {
            // The step that it is told with is the build's own.
            for warning in &mut *list {
                assert!(!warning["vertex"].take().is_null(), "{text}");
            }
            // They are told in no order.
            list.sort_by_key(|it| it["url"].to_string());
        }
        list
    };
    for words in [&["build", "."][..], &["bake", "default", "more"]] {
        assert_eq!(told("corten", words, "0"), Value::Null);
        let stock = told("docker", words, "1");
        assert_eq!(
            stock[1]["url"],
            "https://docs.docker.com/go/dockerfile/rule/stage-name-casing/"
        );
        assert_eq!(told("corten", words, "1"), stock, "{words:?}");
    }
}

#[test]
fn files_that_come_to_a_directory_are_told_as_such_with_their_bytes() {
    let engine = Engine::with_images(&["busybox"]);
    engine.files("told", &[("Dockerfile", FILE)]);
    engine.install_buildx();
    let directory = engine.path("told").display().to_string();
    for (program, bytes) in [("docker", "25B"), ("corten", "B")] {
        let out = engine.path("out").join(program);
        let to = out.display().to_string();
        let words = ["build", "--progress", "plain", "-o", &to, &directory];
        let built = match program {
            "corten" => run(&mut engine.corten_command(words)),
            _ => run(&mut engine.docker_command(words)),
        };
        assert_eq!(built.code, 0, "{}", built.stderr);
        let told = &built.stderr;
        assert!(told.contains("exporting to client directory"), "{told}");
        assert!(!told.contains("tarball"), "{told}");
        let line = told.lines().rfind(|line| line.contains("copying files"));
        let words: Vec<&str> = line.unwrap_or_default().split(' ').collect();
        // `#7 copying files 25B done`, with the time where it took any.
        assert!(words[3].ends_with('B'), "{told}");
        assert!(
            words[3].ends_with(bytes) && words.last() == Some(&"done"),
            "{told}"
        );
        let mode = fs::metadata(&out)
            .expect("a directory")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700, "{program}");
        assert_eq!(fs::read_to_string(out.join("f")).expect("a file"), "\n");
    }
}

/// The record of the step whose description has this.
fn record(engine: &Engine, described: &str) -> Option<Value> {
    let answer = engine.get("/system/df").expect("an answer");
    let mut answer: Value = serde_json::from_str(&answer).expect("JSON");
    let records = answer["BuildCache"].take();
    let mut records = records.as_array().cloned().unwrap_or_default().into_iter();
    records.find(|it| {
        let description = it["Description"].as_str();
        description.is_some_and(|it| it.contains(described))
    })
}

#[test]
fn making_a_step_is_its_first_use_and_what_is_named_is_pruned_whole() {
    const STEP: &str = "COPY --from=base";
    let engine = Engine::with_images(&["busybox"]);
    engine.files("told", &[("Dockerfile", FILE)]);
    let directory = engine.path("told").display().to_string();
    for uses in [1, 2] {
        let words = ["build", "--progress", "plain", "-t", "told", &directory];
        engine.corten(words).ok();
        let step = record(&engine, STEP).expect("the step");
        assert_eq!(step["UsageCount"], uses, "{step:#}");
    }
    engine.docker(["rmi", "told"]).ok();
    let step = record(&engine, STEP).expect("the step");
    let id = step["ID"].as_str().unwrap_or_default();
    let filter = format!("id={id}");
    let words = ["builder", "prune", "-f", "-a", "--filter", &filter];
    let pruned = engine.docker(words);
    assert_eq!(pruned.ok().matches(id).count(), 1, "{}", pruned.stdout);
    assert_eq!(record(&engine, STEP), None);
    let words = ["build", "--progress", "plain", &directory];
    let built = engine.corten(words);
    built.ok();
    let step = built.stderr.lines().find(|line| line.contains(STEP));
    let number = step.and_then(|it| it.split(' ').next()).expect("the step");
    let cached = format!("{number} CACHED");
    assert!(!built.stderr.contains(&cached), "{}", built.stderr);
}

/// A step of each kind, with what BuildKit's clients have types of their own for.
const KINDS: &str = "FROM busybox
USER nobody:9
WORKDIR /w
COPY --chown=1:2 --chmod=755 f /c1
COPY --chown=nobody --exclude=*.x . /c2/
COPY --chmod=u+x f /c3
ADD f /c4
COPY <<X /h1
hello
X
USER root
RUN --mount=type=cache,target=/cc,sharing=locked,id=cid --mount=type=tmpfs,target=/t,size=100000 \\
    --mount=type=secret,id=s --mount=type=bind,target=/bb,source=f --mount=type=ssh --network=none true
";

#[test]
fn buildx_reads_what_is_told_of_every_kind_of_step() {
    let engine = Engine::with_images(&["busybox"]);
    engine.files("kinds", &[("Dockerfile", KINDS), ("f", "x")]);
    engine.install_buildx();
    let directory = engine.path("kinds").display().to_string();
    let file = engine.path("metadata.json").display().to_string();
    let limits = ["--add-host", "web:1.2.3.4", "--ulimit", "nofile=500"];
    let words = ["build", "--metadata-file", &file, &directory];
    let mut command = engine.docker_command([&words[..], &limits].concat());
    run(command.env("BUILDX_METADATA_PROVENANCE", "max")).ok();
    let text = fs::read_to_string(file).expect("a file");
    let told: Value = serde_json::from_str(&text).expect("JSON");
    let steps = &told["buildx.build.provenance"]["buildConfig"]["llbDefinition"];
    let steps = steps.as_array().expect("steps").iter();
    let file_action = |step: &Value, kind: &str| {
        let action = step.pointer("/op/Op/file/actions/0/Action");
        action.map(|it| it[kind].clone()).filter(|it| !it.is_null())
    };
    let made: Vec<Value> = steps
        .clone()
        .filter_map(|it| file_action(it, "mkdir"))
        .collect();
    let nobody =
        json!({"user": {"User": {"byName": {"name": "nobody"}}}, "group": {"User": {"byId": 9}}});
    assert_eq!(made[0]["owner"], nobody, "{text}");
    let copied: Vec<Value> = steps
        .clone()
        .filter_map(|it| file_action(it, "copy"))
        .collect();
    let numbers = json!({"user": {"User": {"byId": 1}}, "group": {"User": {"byId": 2}}});
    assert_eq!(
        (&copied[0]["owner"], &copied[0]["mode"]),
        (&numbers, &json!(493))
    );
    assert_eq!(copied[1]["exclude_patterns"], json!(["*.x"]), "{text}");
    assert_eq!(copied[2]["modeStr"], "u+x", "{text}");
    let run = steps.clone().find_map(|it| it.pointer("/op/Op/exec"));
    let run = run.expect("a process");
    let hosts = json!([{"Host": "web", "IP": "1.2.3.4"}]);
    assert_eq!(run["meta"]["extraHosts"], hosts, "{text}");
    let limit = json!([{"Name": "nofile", "Soft": 500, "Hard": 500}]);
    assert_eq!(run["meta"]["ulimit"], limit, "{text}");
    assert_eq!(run["mounts"].as_array().map(Vec::len), Some(6), "{text}");
}
