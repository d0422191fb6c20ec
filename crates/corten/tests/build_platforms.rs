//! One build for several platforms: by the stock plugin, whose default driver finds an
//! engine that can, and by `corten build`.

use corten_testkit::{Engine, Ran, run};
use serde_json::Value;
use std::{fs, path::Path};

const CROSS: &str = "FROM --platform=$BUILDPLATFORM busybox AS build
ARG BUILDPLATFORM TARGETPLATFORM TARGETOS TARGETARCH TARGETVARIANT
WORKDIR /shared
RUN echo \"$BUILDPLATFORM makes $TARGETPLATFORM ($TARGETOS $TARGETARCH $TARGETVARIANT)\" > /out
FROM scratch
COPY --from=build /out /out
";

/// `docker buildx build …` or `corten build …`.
fn build(engine: &Engine, program: &str, words: &[&str]) -> Ran {
    let mut command = match program {
        "docker" => {
            engine.install_buildx();
            let all = [&["buildx", "build", "--progress", "plain"], words].concat();
            engine.docker_command(all.iter().copied())
        }
        _ => {
            let all = [&["build", "--progress", "plain"], words].concat();
            engine.corten_command(all.iter().copied())
        }
    };
    command.env("BUILDX_GIT_INFO", "false");
    command.env("BUILDX_NO_DEFAULT_ATTESTATIONS", "1");
    run(&mut command)
}

/// A blob of the OCI layout that was unpacked here.
fn blob(layout: &Path, digest: &Value) -> Value {
    let digest = digest.as_str().expect("a digest").replace(':', "/");
    let text = fs::read_to_string(layout.join("blobs").join(digest)).expect("a blob");
    serde_json::from_str(&text).expect("JSON")
}

/// A manifest at the test's registry.
fn manifest(engine: &Engine, name: &str, tag: &str) -> Value {
    let url = format!("http://127.0.0.1:5001/v2/{name}/manifests/{tag}");
    let accept = "Accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";
    let said = run(engine.inside("curl").args(["-sf", "-H", accept, &url]));
    serde_json::from_str(said.ok()).expect("JSON")
}

fn platforms(index: &Value) -> Vec<String> {
    let list = index["manifests"].as_array().expect("an index");
    let name = |it: &Value| {
        let own = &it["platform"];
        let part = |key: &str| own[key].as_str().unwrap_or_default().to_owned();
        let text = format!(
            "{}/{}/{}",
            part("os"),
            part("architecture"),
            part("variant")
        );
        text.trim_end_matches('/').to_owned()
    };
    list.iter().map(name).collect()
}

#[test]
fn whether_platforms_have_directories_of_their_own_may_be_chosen() {
    let engine = Engine::with_images(&["busybox"]);
    let files = "FROM scratch\nARG TARGETARCH\nCOPY only-$TARGETARCH* /\n";
    let same = format!("{files}COPY same /\n");
    let given = [
        ("Dockerfile", files),
        ("Same", &same),
        ("only-amd64", "a"),
        ("only-arm64", "b"),
        ("same", "c"),
    ];
    let context = engine.files("split", &given).display().to_string();
    let both = ["--platform", "linux/amd64,linux/arm64", &context];
    for (program, kind) in [("docker", "local"), ("corten", "local"), ("docker", "tar")] {
        let out = engine.path(&format!("out-{program}-{kind}"));
        let attempt = |split: bool, words: &[&str]| {
            let _ = fs::remove_dir_all(&out);
            let _ = fs::remove_file(&out);
            let place = out.display();
            let option = format!("type={kind},dest={place},platform-split={split}");
            build(&engine, program, &[&["-o", &option], words].concat())
        };
        let found = || -> Vec<String> {
            let listed = match kind {
                "tar" => run(engine.inside("tar").arg("-tf").arg(&out)),
                _ => run(engine
                    .inside("find")
                    .arg(&out)
                    .args(["-type", "f", "-printf", "%P\n"])),
            };
            let lines = listed.ok().lines().filter(|it| !it.ends_with('/'));
            let mut names: Vec<String> = lines.map(str::to_owned).collect();
            names.sort();
            names
        };
        attempt(true, &[&context]).ok();
        assert_eq!(found(), ["linux_amd64/only-amd64"], "{program} {kind}");
        attempt(false, &[&context]).ok();
        assert_eq!(found(), ["only-amd64"], "{program} {kind}");
        attempt(false, &both).ok();
        assert_eq!(found(), ["only-amd64", "only-arm64"], "{program} {kind}");
        let dockerfile = format!("{context}/Same");
        let refused = attempt(false, &[&both[..], &["-f", &dockerfile]].concat());
        let sentence =
            "cannot overwrite same from linux/amd64 with linux/arm64 when split option is disabled";
        assert!(
            refused.code != 0 && refused.stderr.contains(sentence),
            "{}",
            refused.stderr
        );
    }
}

#[test]
fn a_list_of_platforms_gives_a_directory_for_each_and_an_index_of_all() {
    let engine = Engine::with_registries();
    engine.load("busybox");
    let directory = engine.files("cross", &[("Dockerfile", CROSS)]);
    let context = directory.display().to_string();
    let list = ["--platform", "linux/amd64,linux/arm64,linux/arm/v7"];
    for program in ["docker", "corten"] {
        let out = engine.path(&format!("out-{program}"));
        let option = format!("type=local,dest={}", out.display());
        let told = build(
            &engine,
            program,
            &[&list[..], &["-o", &option, &context]].concat(),
        );
        told.ok();
        let text = |name: &str| fs::read_to_string(out.join(name).join("out")).expect("a file");
        assert_eq!(
            text("linux_amd64"),
            "linux/amd64 makes linux/amd64 (linux amd64 )\n"
        );
        assert_eq!(
            text("linux_arm64"),
            "linux/amd64 makes linux/arm64 (linux arm64 )\n"
        );
        assert_eq!(
            text("linux_arm_v7"),
            "linux/amd64 makes linux/arm/v7 (linux arm v7)\n"
        );
        let step = "[linux/amd64->arm64 build 3/3] RUN";
        assert!(told.stderr.contains(step), "{}", told.stderr);

        let tar = engine.path(&format!("{program}.tar"));
        let option = format!("type=oci,dest={}", tar.display());
        build(
            &engine,
            program,
            &[&list[..], &["-o", &option, &context]].concat(),
        )
        .ok();
        let layout = engine.path(&format!("layout-{program}"));
        fs::create_dir(&layout).expect("a directory");
        run(engine
            .inside("tar")
            .arg("-C")
            .arg(&layout)
            .arg("-xf")
            .arg(&tar))
        .ok();
        let top = fs::read_to_string(layout.join("index.json")).expect("an index");
        let top: Value = serde_json::from_str(&top).expect("JSON");
        let index = blob(&layout, &top["manifests"][0]["digest"]);
        assert_eq!(
            platforms(&index),
            ["linux/amd64", "linux/arm64", "linux/arm/v7"]
        );
        let image = blob(&layout, &index["manifests"][2]["digest"]);
        let config = blob(&layout, &image["config"]["digest"]);
        assert_eq!(config["variant"], "v7");

        let name = format!("127.0.0.1:5001/team/{program}:1");
        let metadata = engine.path(&format!("{program}.json"));
        let file = metadata.display().to_string();
        let push = ["--push", "-t", &name, "--metadata-file", &file, &context];
        build(&engine, program, &[&list[..], &push].concat()).ok();
        let index = manifest(&engine, &format!("team/{program}"), "1");
        assert_eq!(platforms(&index).len(), 3);
        let said: Value =
            serde_json::from_slice(&fs::read(&metadata).expect("a file")).expect("JSON");
        let digest = said["containerimage.digest"].as_str().expect("a digest");
        assert_eq!(manifest(&engine, &format!("team/{program}"), digest), index);
        // What runs here has the name here.
        let template = "{{.Architecture}}";
        let here = engine.docker(["image", "inspect", "-f", template, &name]);
        assert_eq!(here.ok().trim(), "amd64");
        let refused = build(
            &engine,
            program,
            &[&list[..], &["-o", "type=docker,dest=-", &context]].concat(),
        );
        // The plugin's own sentence has changed over its versions.
        let told = refused.stderr.contains("support exporting manifest lists");
        assert!(refused.code != 0 && told, "{}", refused.stderr);
    }
}

#[test]
fn images_for_several_platforms_are_kept_under_their_name_for_pushes_and_archives() {
    let engine = Engine::with_registries();
    engine.load("busybox");
    let directory = engine.files("kept", &[("Dockerfile", CROSS)]);
    let context = directory.display().to_string();
    let list = ["--platform", "linux/amd64,linux/arm64"];
    for program in ["docker", "corten"] {
        let name = format!("127.0.0.1:5001/kept/{program}:1");
        build(
            &engine,
            program,
            &[&list[..], &["-t", &name, &context]].concat(),
        )
        .ok();
        // The steps may go: what was built stays whole, also under another name.
        engine.docker(["builder", "prune", "-af"]).ok();
        let copy = format!("127.0.0.1:5001/kept/{program}:copy");
        engine.docker(["tag", &name, &copy]).ok();
        engine.docker(["image", "rm", &name]).ok();
        let pushed = engine.docker(["push", &copy]);
        let index = manifest(&engine, &format!("kept/{program}"), "copy");
        assert_eq!(platforms(&index), ["linux/amd64", "linux/arm64"]);
        let digests = ["image", "inspect", "-f", "{{index .RepoDigests 0}}", &copy];
        let digests = engine.docker(digests);
        let (_, digest) = digests.ok().trim().rsplit_once('@').expect("a digest");
        assert!(pushed.ok().contains(digest), "{}", pushed.stdout);
        assert_eq!(manifest(&engine, &format!("kept/{program}"), digest), index);

        let tar = engine.path(&format!("kept-{program}.tar"));
        let file = tar.display().to_string();
        engine.docker(["save", "-o", &file, &copy]).ok();
        let layout = engine.path(&format!("kept-{program}"));
        fs::create_dir(&layout).expect("a directory");
        let mut unpack = engine.inside("tar");
        run(unpack.arg("-C").arg(&layout).arg("-xf").arg(&tar)).ok();
        let top = fs::read_to_string(layout.join("index.json")).expect("an index");
        let top: Value = serde_json::from_str(&top).expect("JSON");
        assert_eq!(top["manifests"][0]["digest"], digest);
        let index = blob(&layout, &top["manifests"][0]["digest"]);
        for listed in index["manifests"].as_array().expect("an index") {
            let image = blob(&layout, &listed["digest"]);
            let config = blob(&layout, &image["config"]["digest"]);
            let (own, wanted) = (&config["architecture"], &listed["platform"]["architecture"]);
            assert_eq!(own, wanted);
            let layer = image["layers"][0]["digest"].as_str().expect("a digest");
            assert!(layout.join("blobs").join(layer.replace(':', "/")).exists());
        }
        engine.docker(["image", "rm", &copy]).ok();
        engine.docker(["load", "-i", &file]).ok();
        let here = engine.docker(["image", "inspect", "-f", "{{.Architecture}}", &copy]);
        assert_eq!(here.ok().trim(), "amd64");
    }
    let blobs = || {
        let content = run(engine
            .inside("sh")
            .args(["-c", "find \"$0\" -path '*blobs/sha256/*'"])
            .arg(engine.path("data")));
        content.ok().lines().count()
    };
    let before = blobs();
    for program in ["docker", "corten"] {
        let copy = format!("127.0.0.1:5001/kept/{program}:copy");
        engine.docker(["image", "rm", &copy]).ok();
    }
    assert!(before > blobs(), "{before}");
}

#[test]
fn a_base_of_another_platform_leaves_the_name_alone_and_its_programs_say_what_they_need() {
    let engine = Engine::with_registries();
    engine.load("busybox");
    // The head of a program for aarch64: the kernel needs no more to refuse it.
    let mut program = b"\x7fELF\x02\x01\x01".to_vec();
    program.resize(64, 0);
    program[16] = 2;
    program[18] = 183;
    let base = engine.files(
        "base",
        &[(
            "Dockerfile",
            "FROM scratch\nARG TARGETARCH\nCOPY --chmod=755 $TARGETARCH /bin/sh\n",
        )],
    );
    fs::write(base.join("arm64"), &program).expect("a file");
    fs::write(base.join("amd64"), "x").expect("a file");
    let context = base.display().to_string();
    let name = "127.0.0.1:5001/base:1";
    let list = ["--platform", "linux/amd64,linux/arm64"];
    build(
        &engine,
        "docker",
        &[&list[..], &["--push", "-t", name, &context]].concat(),
    )
    .ok();
    let id = |name: &str| {
        let out = engine.docker(["image", "inspect", "-f", "{{.Id}}", name]);
        out.ok().to_owned()
    };
    let before = id(name);
    let file = format!("FROM {name}\nRUN true\n");
    let directory = engine.files("foreign", &[("Dockerfile", &file)]);
    let context = directory.display().to_string();
    let said = build(&engine, "docker", &["--platform", "linux/arm64", &context]);
    assert_ne!(said.code, 0);
    for part in [
        "exec /bin/sh: exec format error",
        "the step is for linux/arm64, this machine is linux/amd64",
        "qemu-user-static",
    ] {
        assert!(said.stderr.contains(part), "{part}: {}", said.stderr);
    }
    assert_eq!(id(name), before);
    // Nothing has to run for files to be put on it.
    let file = format!("FROM {name}\nCOPY Dockerfile /\n");
    fs::write(directory.join("Dockerfile"), file).expect("a file");
    build(
        &engine,
        "docker",
        &["--platform", "linux/arm64", "-t", "arm", &context],
    )
    .ok();
    let architecture = engine.docker(["image", "inspect", "-f", "{{.Architecture}}", "arm"]);
    assert_eq!(architecture.ok().trim(), "arm64");
}

#[test]
fn layers_are_compressed_and_manifests_annotated_as_asked() {
    let engine = Engine::with_registries();
    let files = [("Dockerfile", "FROM scratch\nCOPY a /a\n"), ("a", "text\n")];
    let directory = engine.files("options", &files);
    let context = directory.display().to_string();
    for program in ["docker", "corten"] {
        for (compression, kind) in [
            ("zstd", "application/vnd.oci.image.layer.v1.tar+zstd"),
            ("gzip", "application/vnd.oci.image.layer.v1.tar+gzip"),
            ("uncompressed", "application/vnd.oci.image.layer.v1.tar"),
        ] {
            let name = format!("127.0.0.1:5001/{program}/{compression}");
            let option = format!(
                "type=registry,name={name},compression={compression},force-compression=true,oci-mediatypes=true"
            );
            let annotation = "manifest:org.opencontainers.image.title=it";
            let words = ["-o", &option, "--annotation", annotation, &context];
            build(&engine, program, &words).ok();
            let pushed = manifest(&engine, &format!("{program}/{compression}"), "latest");
            assert_eq!(pushed["layers"][0]["mediaType"], kind);
            assert_eq!(
                pushed["annotations"]["org.opencontainers.image.title"],
                "it"
            );
            engine.docker(["pull", &name]).ok();
        }
        let name = format!("127.0.0.1:5001/{program}/index:1");
        let words = [
            "--platform",
            "linux/amd64,linux/arm64",
            "--annotation",
            "index,manifest-descriptor[linux/arm64]:a.b=c",
            "--push",
            "-t",
            &name,
            &context,
        ];
        build(&engine, program, &words).ok();
        let index = manifest(&engine, &format!("{program}/index"), "1");
        assert_eq!(index["annotations"]["a.b"], "c");
        assert_eq!(index["manifests"][0]["annotations"], Value::Null);
        assert_eq!(index["manifests"][1]["annotations"]["a.b"], "c");
        let option = format!("type=image,name={name},colour=blue");
        let refused = build(&engine, program, &["-o", &option, &context]);
        let sentence = "the option \"colour\" of exporter \"moby\" is not supported by Corten";
        assert!(refused.stderr.contains(sentence), "{}", refused.stderr);
    }
}

#[test]
fn what_is_pushed_lists_the_very_layers_that_the_registry_has_of_its_base() {
    let engine = Engine::with_registries();
    engine.load("busybox");
    let base = "127.0.0.1:5001/base:1";
    for words in [
        &["tag", "busybox", base][..],
        &["push", base],
        &["rmi", base, "busybox"],
        &["image", "prune", "-af"],
        // Nothing of what was compressed for the push is left, and the pull keeps no blob.
        &["pull", base],
    ] {
        engine.docker(words).ok();
    }
    let layers = |manifest: &Value| {
        let list = manifest["layers"].as_array().expect("layers").iter();
        let list = list.map(|it| it["digest"].as_str().expect("a digest").to_owned());
        list.collect::<Vec<String>>()
    };
    let there = layers(&manifest(&engine, "base", "1"));
    let file = format!("FROM {base}\nCOPY Dockerfile /\n");
    let directory = engine.files("top", &[("Dockerfile", &file)]);
    let context = directory.display().to_string();
    for program in ["docker", "corten"] {
        // Not kept here: mounted there.
        let alone = format!("type=registry,oci-mediatypes=true,name=127.0.0.1:5001/{program}/a:1");
        build(&engine, program, &["-o", &alone, &context]).ok();
        let pushed = layers(&manifest(&engine, &format!("{program}/a"), "1"));
        assert_eq!(pushed[..there.len()], there[..], "{program}");
        assert_eq!(pushed.len(), there.len() + 1);
    }
    for program in ["docker", "corten"] {
        let name = format!("127.0.0.1:5001/{program}/b:1");
        let words = ["--provenance=true", "--push", "-t", &name, &context];
        build(&engine, program, &words).ok();
        let index = manifest(&engine, &format!("{program}/b"), "1");
        let digest = index["manifests"][0]["digest"].as_str().expect("a digest");
        let pushed = layers(&manifest(&engine, &format!("{program}/b"), digest));
        assert_eq!(pushed[..there.len()], there[..], "{program}");
        // The index is kept whole: it goes to other names, and archives.
        let copy = format!("127.0.0.1:5001/{program}/copy:1");
        engine.docker(["tag", &name, &copy]).ok();
        let told = engine.docker(["push", &copy]);
        assert!(told.ok().contains("Mounted from"), "{}", told.stdout);
        assert_eq!(manifest(&engine, &format!("{program}/copy"), "1"), index);
    }
}
