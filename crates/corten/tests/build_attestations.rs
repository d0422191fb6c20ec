//! What is said about a result on request: provenance and the list of its packages, by the
//! stock plugin and by `corten build`.

use corten_testkit::{Engine, Ran, docker_current, run};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};

const DOCKERFILE: &str = "FROM busybox AS tool
ARG WORD
RUN --mount=type=secret,id=key,env=KEY echo \"$WORD\" > /tool
FROM busybox
COPY --from=tool /tool /tool
COPY status /var/lib/dpkg/status
COPY package.json /app/node_modules/left-pad/package.json
RUN ln -s /proc/self/environ /lib/apk-installed && mkdir -p /lib/apk/db && ln -s ../../../../../etc/passwd /lib/apk/db/installed
";
const STATUS: &str =
    "Package: bash\nStatus: install ok installed\nArchitecture: amd64\nVersion: 5.2-1\n";
const PACKAGE: &str = r#"{"name":"left-pad","version":"1.3.0","license":"WTFPL"}"#;
const SECRET: &str = "neverseenagain";

fn engine() -> Engine {
    let engine = Engine::with_registries();
    engine.install_buildx();
    engine.load("busybox");
    let files = [
        ("Dockerfile", DOCKERFILE),
        ("status", STATUS),
        ("package.json", PACKAGE),
        ("key", SECRET),
    ];
    engine.files("it", &files);
    engine
}

/// `docker buildx build …` or `corten build …`.
fn build(engine: &Engine, program: &str, words: &[&str]) -> Ran {
    let directory = engine.path("it").display().to_string();
    let secret = format!("id=key,src={directory}/key");
    let own = ["build", "--build-arg", "WORD=hello", "--secret", &secret];
    let words = [&own, words, &[directory.as_str()]].concat();
    let mut command = match program {
        "docker" => engine.docker_command([&["buildx"], &words[..]].concat()),
        _ => engine.corten_command(words),
    };
    command.env("BUILDX_GIT_INFO", "false");
    run(&mut command)
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON")
}

fn unpacked(engine: &Engine, archive: &Path, name: &str) -> PathBuf {
    let directory = engine.path(name);
    fs::create_dir(&directory).expect("a directory");
    let mut tar = engine.inside("tar");
    run(tar.arg("-C").arg(&directory).arg("-xf").arg(archive)).ok();
    directory
}

fn blob(layout: &Path, digest: &Value) -> Value {
    let digest = digest.as_str().expect("a digest").replace(':', "/");
    json(&layout.join("blobs").join(digest))
}

/// What is said in an OCI layout, by the type of what is said.
fn said(layout: &Path) -> Vec<(String, Value)> {
    let top = json(&layout.join("index.json"));
    let index = blob(layout, &top["manifests"][0]["digest"]);
    let list = index["manifests"].as_array().expect("an index");
    assert_eq!(list.len(), 2, "{index}");
    let (image, about) = (&list[0], &list[1]);
    assert_eq!(about["platform"]["architecture"], "unknown");
    let annotations = &about["annotations"];
    assert_eq!(
        annotations["vnd.docker.reference.type"],
        "attestation-manifest"
    );
    assert_eq!(annotations["vnd.docker.reference.digest"], image["digest"]);
    let manifest = blob(layout, &about["digest"]);
    let layers = manifest["layers"].as_array().expect("layers");
    let one = |layer: &Value| {
        let kind = layer["annotations"]["in-toto.io/predicate-type"].as_str();
        let statement = blob(layout, &layer["digest"]);
        let subject = statement["subject"][0]["digest"]["sha256"].as_str();
        assert_eq!(
            Some(format!("sha256:{}", subject.expect("a subject"))).as_deref(),
            image["digest"].as_str()
        );
        (
            kind.expect("a type").to_owned(),
            statement["predicate"].clone(),
        )
    };
    layers.iter().map(one).collect()
}

/// The layers of the image in an OCI layout.
fn image_layers(layout: &Path) -> Vec<Value> {
    let top = json(&layout.join("index.json"));
    let index = blob(layout, &top["manifests"][0]["digest"]);
    let manifest = blob(layout, &index["manifests"][0]["digest"]);
    manifest["layers"].as_array().expect("layers").clone()
}

#[test]
fn a_layout_has_what_was_asked_for_beside_the_image() {
    let engine = engine();
    for program in ["docker", "corten"] {
        let tar = engine.path(&format!("{program}.tar"));
        let output = format!("type=oci,dest={}", tar.display());
        let words = ["--provenance=mode=max", "--sbom=true", "-o", &output];
        build(&engine, program, &words).ok();
        let layout = unpacked(&engine, &tar, program);
        let found = said(&layout);
        let kinds: Vec<&str> = found.iter().map(|it| it.0.as_str()).collect();
        assert_eq!(
            kinds,
            [
                "https://spdx.dev/Document",
                "https://slsa.dev/provenance/v1"
            ]
        );
        // Packages are read, no link is followed out.
        let packages = found[0].1["packages"].as_array().expect("packages");
        let urls = packages
            .iter()
            .map(|it| &it["externalRefs"][0]["referenceLocator"]);
        let urls: Vec<&str> = urls.filter_map(Value::as_str).collect();
        assert_eq!(
            urls,
            [
                "pkg:deb/busybox/bash@5.2-1?arch=amd64&distro=busybox-1.36",
                "pkg:npm/left-pad@1.3.0"
            ]
        );
        let predicate = &found[1].1;
        let definition = &predicate["buildDefinition"];
        let material = &definition["resolvedDependencies"][0];
        let uri = material["uri"].as_str().expect("a URL");
        assert_eq!(uri, "pkg:docker/busybox@latest?platform=linux%2Famd64");
        assert_eq!(
            material["digest"]["sha256"].as_str().map(str::len),
            Some(64)
        );
        let request = &definition["externalParameters"]["request"];
        assert_eq!(request["args"]["build-arg:WORD"], "hello");
        assert_eq!(request["secrets"][0]["id"], "key");
        assert_eq!(request["locals"][0]["name"], "context");
        let steps = &definition["internalParameters"]["buildConfig"]["llbDefinition"];
        assert!(steps.as_array().is_some_and(|it| it.len() >= 7), "{steps}");
        let args = steps.to_string();
        assert!(args.contains("ln -s /proc/self/environ"), "{args}");
        let source = &predicate["runDetails"]["metadata"]["buildkit_metadata"]["source"];
        assert_eq!(source["infos"][0]["filename"], "Dockerfile");
        let layers = &predicate["runDetails"]["metadata"]["buildkit_metadata"]["layers"];
        let layers = layers.as_object().expect("layers of steps");
        let of_image = image_layers(&layout);
        let mut counts: Vec<usize> = Vec::new();
        for (output, chains) in layers {
            let step = output.strip_suffix(":0").expect("an output");
            let known = steps.as_array().into_iter().flatten();
            assert!(known.clone().any(|it| it["id"] == step), "{output}");
            let chain = chains[0].as_array().expect("a chain");
            assert_eq!(chain[..], of_image[..chain.len()], "{output}");
            counts.push(chain.len());
        }
        // The base, three copies and a process.
        assert_eq!(counts.len(), 5, "{layers:?}");
        assert_eq!(counts.iter().max(), Some(&of_image.len()), "{layers:?}");
        assert!(!predicate.to_string().contains(SECRET));

        // Less is said by default, and nothing when nobody asks.
        let words = [
            "--provenance=mode=min,version=v0.2,reproducible=true",
            "-o",
            &output,
        ];
        build(&engine, program, &words).ok();
        let layout = unpacked(&engine, &tar, &format!("{program}-min"));
        let (kind, predicate) = &said(&layout)[0];
        assert_eq!(kind, "https://slsa.dev/provenance/v0.2");
        assert_eq!(predicate["materials"][0]["uri"], uri);
        assert_eq!(predicate["metadata"]["reproducible"], true);
        assert_eq!(predicate["metadata"]["completeness"]["parameters"], false);
        assert!(!predicate.to_string().contains("WORD"), "{predicate}");
        build(&engine, program, &["-o", &output]).ok();
        let layout = unpacked(&engine, &tar, &format!("{program}-none"));
        let top = json(&layout.join("index.json"));
        let kind = "application/vnd.oci.image.manifest.v1+json";
        assert_eq!(top["manifests"][0]["mediaType"], kind);
    }
}

#[test]
fn a_pushed_image_tells_the_plugin_how_it_came_about() {
    let engine = engine();
    for program in ["docker", "corten"] {
        let name = format!("127.0.0.1:5001/{program}:1");
        let words = ["--provenance=true", "--sbom=true", "--push", "-t", &name];
        build(&engine, program, &words).ok();
        let inspect = |format: &str| {
            let words = ["buildx", "imagetools", "inspect", "--format", format, &name];
            // The plugin asks the registry itself: where that is.
            let mut docker = engine.inside(docker_current());
            docker.args(words).env("HOME", engine.path(""));
            docker.env("DOCKER_CONFIG", engine.path("docker-config"));
            docker.env("DOCKER_HOST", engine.host());
            serde_json::from_str::<Value>(run(&mut docker).ok()).expect("JSON")
        };
        let provenance = inspect("{{json .Provenance}}");
        let definition = &provenance["SLSA"]["buildDefinition"];
        let uri = "pkg:docker/busybox@latest?platform=linux%2Famd64";
        assert_eq!(definition["resolvedDependencies"][0]["uri"], uri);
        let sbom = inspect("{{json .SBOM}}");
        assert_eq!(sbom["SPDX"]["spdxVersion"], "SPDX-2.3");
        assert_eq!(sbom["SPDX"]["packages"][0]["name"], "bash");
        // The image itself is there to be run, and what is said about it is not in its way.
        engine.docker(["image", "rm", &name]).ok();
        let said = engine.docker(["run", "--rm", &name, "cat", "/tool"]);
        assert_eq!(said.ok(), "hello");
    }
}

#[test]
fn files_have_what_is_said_at_their_top() {
    let engine = engine();
    for program in ["docker", "corten"] {
        let to = engine.path(program);
        let local = format!("type=local,dest={}", to.display());
        let asked = ["--provenance=true", "--sbom=true"];
        build(&engine, program, &[&asked[..], &["-o", &local]].concat()).ok();
        let provenance = json(&to.join("provenance.json"));
        assert_eq!(
            provenance["predicateType"],
            "https://slsa.dev/provenance/v1"
        );
        let subjects = provenance["subject"].as_array().expect("subjects");
        let tool = subjects.iter().find(|it| it["name"] == "tool");
        // sha256sum of "hello\n".
        let digest = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
        assert_eq!(tool.expect("the file")["digest"]["sha256"], digest);
        assert!(to.join("sbom.spdx.json").is_file());
        let tar = engine.path(&format!("{program}.tar"));
        let output = format!("type=tar,attestation-prefix=x-,dest={}", tar.display());
        build(&engine, program, &[&asked[..], &["-o", &output]].concat()).ok();
        let listed = run(engine.inside("tar").arg("-tvf").arg(&tar));
        let line = |name: &str| listed.stdout.lines().find(|it| it.ends_with(name));
        let line = line(" x-provenance.json").expect("the file");
        assert!(line.starts_with("-rw-------"), "{line}");
        assert!(listed.stdout.contains(" x-sbom.spdx.json"));
    }
}

#[test]
fn what_cannot_be_said_or_kept_is_refused() {
    let engine = engine();
    for program in ["docker", "corten"] {
        for (words, sentence) in [
            (
                &["--provenance=true"][..],
                "attestations are kept with an image that has a name",
            ),
            (
                &["--attest=type=vuln", "-o", "out"],
                "unknown attestation type \"vuln\"",
            ),
            (
                &["--provenance=mode=mid", "-o", "out"],
                "invalid mode \"mid\"",
            ),
            (
                &["--sbom=generator=own/scanner", "-o", "out"],
                "generator=own/scanner",
            ),
        ] {
            let ran = build(&engine, program, words);
            assert_ne!(ran.code, 0, "{program} {words:?}");
            assert!(
                ran.stderr.contains(sentence),
                "{program} {words:?}: {}",
                ran.stderr
            );
        }
    }
}
