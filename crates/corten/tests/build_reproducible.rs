//! `SOURCE_DATE_EPOCH` and `rewrite-timestamp`: the same inputs give the same bytes.

use corten_testkit::{Engine, run};
use serde_json::Value;
use std::{fs, path::Path};

const EPOCH: &str = "1000000";
const AT: &str = "1970-01-12T13:46:40Z";
const DOCKERFILE: &str = "FROM busybox
WORKDIR /work
COPY a /a
RUN mkdir -p /made/in && cat /a > /made/in/it && ln -s it /made/in/link && rm /etc/group
LABEL a=b
";

/// A cold build with this output.
fn build(engine: &Engine, program: &str, words: &[&str]) {
    let directory = engine.path("it").display().to_string();
    let words = [&["build", "--no-cache"], words, &[directory.as_str()]].concat();
    let mut command = match program {
        "docker" => engine.docker_command([&["buildx"], &words[..]].concat()),
        _ => engine.corten_command(words),
    };
    command.env("BUILDX_GIT_INFO", "false");
    command.env("SOURCE_DATE_EPOCH", EPOCH);
    run(&mut command).ok();
}

fn unpacked(engine: &Engine, archive: &Path, name: &str) -> std::path::PathBuf {
    let directory = engine.path(name);
    fs::create_dir(&directory).expect("a directory");
    let mut tar = engine.inside("tar");
    run(tar.arg("-C").arg(&directory).arg("-xf").arg(archive)).ok();
    directory
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON")
}

fn blob(layout: &Path, digest: &Value) -> std::path::PathBuf {
    let digest = digest.as_str().expect("a digest").replace(':', "/");
    layout.join("blobs").join(digest)
}

/// What two archives have in them.
fn members(archives: &[std::path::PathBuf]) -> String {
    let list = |archive: &std::path::PathBuf| {
        let mut tar = std::process::Command::new("tar");
        run(tar.arg("-tvf").arg(archive)).ok().to_owned()
    };
    archives.iter().map(list).collect()
}

#[test]
fn two_cold_builds_of_the_same_inputs_are_the_same_bytes() {
    let engine = Engine::with_registries();
    engine.install_buildx();
    engine.load("busybox");
    engine.files("it", &[("Dockerfile", DOCKERFILE), ("a", "a\n")]);
    for program in ["docker", "corten"] {
        for kind in ["oci", "docker"] {
            let mut made = Vec::new();
            for turn in ["1", "2"] {
                let to = engine.path(&format!("{program}-{kind}-{turn}.tar"));
                let output = format!("type={kind},rewrite-timestamp=true,dest={}", to.display());
                build(&engine, program, &["-o", &output, "-t", "it:1"]);
                made.push(to);
            }
            // Not by assert_eq: nobody reads a million numbers.
            let same =
                fs::read(&made[0]).expect("an archive") == fs::read(&made[1]).expect("an archive");
            assert!(same, "{program} {kind}: {}", members(&made));
            let layout = unpacked(&engine, &made[0], &format!("{program}-{kind}"));
            let top = json(&layout.join("index.json"));
            let manifest = json(&blob(&layout, &top["manifests"][0]["digest"]));
            let config = json(&blob(&layout, &manifest["config"]["digest"]));
            assert_eq!(config["created"], AT);
            let history = config["history"].as_array().expect("a history");
            let own = history.iter().filter(|it| it["created"] == AT).count();
            assert_eq!(own, 4, "{history:?}");
            let layers = manifest["layers"].as_array().expect("layers");
            let times = |layer: &Value| {
                let path = blob(&layout, &layer["digest"]);
                let mut tar = engine.inside("tar");
                tar.args(["--utc", "--full-time", "-tvf"]).arg(path);
                run(&mut tar).ok().to_owned()
            };
            for layer in &layers[layers.len() - 3..] {
                let listed = times(layer);
                // The marks of files that are gone have no time.
                let early =
                    |line: &str| line.contains(" 1970-01-12 13:46:40 ") || line.contains(".wh.");
                assert!(listed.lines().all(early), "{listed}");
            }
            // What it stands on stays as it is.
            assert!(!times(&layers[0]).contains("1970-01-12"));
        }
        let digest = |turn: &str| {
            let name = format!("127.0.0.1:5001/{program}:{turn}");
            let output = format!("type=image,name={name},push=true,rewrite-timestamp=true");
            build(&engine, program, &["-o", &output]);
            let ids = engine.docker(["image", "inspect", "-f", "{{.Id}}", &name]);
            let id = ids.ok().trim().to_owned();
            let url = format!("http://127.0.0.1:5001/v2/{program}/manifests/{turn}");
            let accept = "Accept: application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";
            let text = run(engine.inside("curl").args(["-sf", "-H", accept, &url]));
            let manifest: Value = serde_json::from_str(text.ok()).expect("JSON");
            // What is here is what was pushed.
            assert_eq!(manifest["config"]["digest"], id.as_str());
            text.ok().to_owned()
        };
        assert_eq!(digest("1"), digest("2"));
        let words = ["run", "--rm", &format!("127.0.0.1:5001/{program}:2")];
        let shell = ["stat", "-c", "%Y %N", "/made/in/it", "/a", "/work"];
        let said = engine.docker([&words[..], &shell].concat());
        assert_eq!(said.ok().matches(EPOCH).count(), 3, "{}", said.stdout);
    }
}

#[test]
fn files_that_go_to_the_client_have_the_time_that_was_asked_for() {
    let engine = Engine::with_images(&["busybox"]);
    engine.install_buildx();
    engine.files("it", &[("Dockerfile", DOCKERFILE), ("a", "a\n")]);
    for program in ["docker", "corten"] {
        let tar = engine.path(&format!("{program}.tar"));
        let output = format!("type=tar,dest={}", tar.display());
        build(&engine, program, &["-o", &output]);
        let mut listing = engine.inside("tar");
        listing.args(["--utc", "--full-time", "-tvf"]).arg(&tar);
        let listed = run(&mut listing);
        let early = |line: &str| line.contains(" 1970-01-12 13:46:40 ");
        assert!(listed.ok().lines().all(early), "{}", listed.stdout);
        let local = engine.path(program);
        let output = format!("type=local,dest={}", local.display());
        build(&engine, program, &["-o", &output]);
        let modified = fs::metadata(local.join("made/in/it"))
            .and_then(|it| it.modified())
            .expect("a file");
        let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
        assert_eq!(modified, at);
        // The exporter's own option goes first.
        let output = format!("type=tar,source-date-epoch=7,dest={}", tar.display());
        build(&engine, program, &["-o", &output]);
        let mut listing = engine.inside("tar");
        listing.args(["--utc", "--full-time", "-tvf"]).arg(&tar);
        let listed = run(&mut listing);
        assert!(listed.ok().contains(" 1970-01-01 00:00:07 "));
    }
}
