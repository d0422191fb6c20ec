//! What a name of several platforms can do on this machine: seen in lists, run, inspected,
//! saved, loaded, pushed and removed, each platform by itself.

use corten_testkit::{Engine, docker_current, run};
use serde_json::Value;

const DOCKERFILE: &str = "FROM scratch
ARG TARGETARCH
ENV ARCH=$TARGETARCH
COPY common /common
COPY --chmod=755 $TARGETARCH /program
CMD [\"/program\"]
";
const NAME: &str = "127.0.0.1:5001/kept:1";
const BOTH: [&str; 2] = ["linux/amd64", "linux/arm64"];

/// An engine with an image for two platforms. The head of a program for aarch64 is enough
/// for the kernel to refuse it.
fn engine() -> Engine {
    let engine = Engine::with_registries();
    engine.install_buildx();
    let directory = engine.files("it", &[("Dockerfile", DOCKERFILE), ("common", "common\n")]);
    let mut program = b"\x7fELF\x02\x01\x01".to_vec();
    program.resize(64, 0);
    program[16] = 2;
    program[18] = 183;
    std::fs::write(directory.join("arm64"), &program).expect("a file");
    std::fs::write(directory.join("amd64"), "#!/nothing\n").expect("a file");
    build(&engine, "it", NAME, &[]);
    engine
}

fn build(engine: &Engine, directory: &str, name: &str, more: &[&str]) {
    let directory = engine.path(directory).display().to_string();
    let platforms = BOTH.join(",");
    let own = ["buildx", "build", "--platform", &platforms, "-t", name];
    let mut command = engine.docker_command([&own, more, &[directory.as_str()]].concat());
    command.env("BUILDX_GIT_INFO", "false");
    run(command.env("BUILDX_NO_DEFAULT_ATTESTATIONS", "1")).ok();
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

/// The line of a name in the list with manifests.
fn listed(engine: &Engine, name: &str) -> Value {
    let list = engine
        .get("/v1.51/images/json?manifests=1")
        .expect("a list");
    let list = json(&list);
    let mut lines = list.as_array().expect("a list").iter();
    let has = |line: &&Value| {
        line["RepoTags"]
            .as_array()
            .is_some_and(|it| it.contains(&name.into()))
    };
    lines.find(has).unwrap_or_else(|| panic!("{list}")).clone()
}

/// Platform, and whether it is here, of each image of a line.
fn platforms(line: &Value) -> Vec<(String, bool)> {
    let list = line["Manifests"].as_array().map_or(&[][..], |it| &it[..]);
    let images = list.iter().filter(|it| it["Kind"] == "image");
    let one = |it: &Value| {
        let own = &it["ImageData"]["Platform"];
        let text = |key: &str| own[key].as_str().unwrap_or_default().to_owned();
        let name = format!("{}/{}", text("os"), text("architecture"));
        (name, it["Available"].as_bool().expect("a truth"))
    };
    images.map(one).collect()
}

fn both(here: [bool; 2]) -> Vec<(String, bool)> {
    let pair = BOTH.into_iter().zip(here);
    pair.map(|(name, here)| (name.to_owned(), here)).collect()
}

/// A field of the image that a name has for a platform.
fn field(engine: &Engine, name: &str, platform: &str, field: &str) -> String {
    let words = [
        "image",
        "inspect",
        "--platform",
        platform,
        "-f",
        field,
        name,
    ];
    engine.docker(words).ok().trim().to_owned()
}

fn manifest(engine: &Engine, name: &str) -> Value {
    let url = format!("http://127.0.0.1:5001/v2/{name}");
    let accept = "Accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";
    json(run(engine.inside("curl").args(["-sf", "-H", accept, &url])).ok())
}

#[test]
fn a_name_shows_the_platforms_that_it_keeps() {
    let engine = engine();
    let line = listed(&engine, NAME);
    assert_eq!(platforms(&line), both([true, true]));
    let manifests = line["Manifests"].as_array().expect("manifests");
    for it in manifests {
        assert_eq!(it["ID"], it["Descriptor"]["digest"]);
        let sizes = &it["Size"];
        let content = sizes["Content"].as_i64().expect("bytes");
        let unpacked = it["ImageData"]["Size"]["Unpacked"].as_i64().expect("bytes");
        assert!(content > 500, "{it}");
        assert_eq!(sizes["Total"].as_i64(), Some(content + unpacked));
    }
    let sum = manifests
        .iter()
        .filter_map(|it| it["Size"]["Total"].as_i64());
    assert_eq!(line["Size"].as_i64(), Some(sum.sum()));
    let shown = json(
        &engine
            .get(&format!("/v1.51/images/{NAME}/json?manifests=1"))
            .expect("it"),
    );
    assert_eq!(shown["Manifests"], line["Manifests"]);
    let index = "application/vnd.oci.image.index.v1+json";
    assert_eq!(shown["Descriptor"]["mediaType"], index);
    assert_eq!(line["Descriptor"], shown["Descriptor"]);
    // Who does not ask gets what every client knows.
    let plain = json(&engine.get("/v1.51/images/json").expect("a list"));
    assert!(plain[0].get("Manifests").is_none(), "{plain}");
    assert!(
        json(
            &engine
                .get("/v1.46/images/json?manifests=1")
                .expect("a list")
        )[0]
        .get("Manifests")
        .is_none()
    );
    for tree in [
        engine.docker(["images", "--tree"]),
        engine.corten(["images", "--tree"]),
    ] {
        for platform in BOTH {
            assert!(tree.ok().contains(platform), "{}", tree.stdout);
        }
    }

    let id = "{{.Id}} {{.Architecture}} {{index .Config.Env 1}}";
    let [own, other] = BOTH.map(|platform| field(&engine, NAME, platform, id));
    assert!(own.ends_with("amd64 ARCH=amd64"), "{own}");
    assert!(other.ends_with("arm64 ARCH=arm64"), "{other}");
    assert_ne!(own[..71], other[..71]);
    let words = ["image", "inspect", "--platform", "linux/s390x", NAME];
    let sentence = "does not match the specified platform (linux/s390x)";
    engine.docker(words).fails(1, sentence);
    let words = ["history", "--no-trunc", "--platform", "linux/arm64", NAME];
    let steps = engine.docker(words);
    assert!(steps.ok().contains("ENV ARCH=arm64"), "{}", steps.stdout);
    // Nothing was unpacked for a look.
    let all = engine.docker(["images", "-aq"]);
    assert_eq!(all.ok().lines().count(), 1);
}

#[test]
fn a_container_is_made_of_the_platform_that_is_asked_for() {
    let engine = engine();
    let words = ["create", "--platform", "linux/arm64", "--name", "arm", NAME];
    engine.docker(words).ok();
    engine.docker(["create", "--name", "own", NAME]).ok();
    let image = |name: &str| {
        let format = "{{.Image}} {{.ImageManifestDescriptor.Platform.Architecture}}";
        let words = ["container", "inspect", "-f", format, name];
        engine.docker(words).ok().trim().to_owned()
    };
    assert!(image("arm").ends_with(" arm64"), "{}", image("arm"));
    assert!(image("own").ends_with(" amd64"), "{}", image("own"));
    let arm = field(&engine, NAME, "linux/arm64", "{{.Id}}");
    assert_eq!(image("arm").split(' ').next(), Some(arm.as_str()));
    for (name, head) in [("arm", "\u{7f}ELF"), ("own", "#!/nothing")] {
        let out = engine.path(name);
        let (from, to) = (format!("{name}:/program"), out.display().to_string());
        engine.docker(["cp", &from, &to]).ok();
        let bytes = std::fs::read(&out).expect("a file");
        assert!(bytes.starts_with(head.as_bytes()), "{name}");
    }
    let started = engine.docker(["start", "-a", "arm"]);
    assert_ne!(started.code, 0);
    assert!(
        started.stderr.contains("exec format error"),
        "{}",
        started.stderr
    );
    // Neither container has lost the name of its image, and both are seen to use it.
    let shown = engine.docker(["ps", "-a", "--format", "{{.Image}}"]);
    assert_eq!(shown.ok().trim(), format!("{NAME}\n{NAME}"));
    let line = listed(&engine, NAME);
    for it in line["Manifests"].as_array().expect("manifests") {
        let users = it["ImageData"]["Containers"].as_array();
        assert_eq!(users.map(Vec::len), Some(1), "{it}");
    }
    // What was unpacked is no image of its own to anybody.
    assert_eq!(engine.docker(["images", "-q"]).ok().lines().count(), 1);
    engine.docker(["image", "prune", "-f"]).ok();
    engine.docker(["rm", "own"]).ok();
    let refused = engine.docker(["image", "rm", NAME]);
    refused.fails(1, "unable to remove repository reference");
    engine.docker(["rm", "arm"]).ok();
    engine.docker(["image", "rm", NAME]).ok();
    assert_eq!(engine.docker(["images", "-aq"]).ok(), "");
    let missing = engine.docker(["create", "--platform", "linux/s390x", "busybox"]);
    assert_ne!(missing.code, 0);
}

#[test]
fn single_platforms_are_removed_and_the_rest_stays_of_use() {
    let engine = engine();
    let other = "127.0.0.1:5001/kept:2";
    engine.docker(["tag", NAME, other]).ok();
    let digest = |line: &Value, place: usize| {
        let digest = line["Manifests"][place]["ID"].as_str();
        digest.expect("a digest").to_owned()
    };
    let line = listed(&engine, NAME);
    let remove = |platform: &str| engine.docker(["image", "rm", "--platform", platform, NAME]);
    remove("linux/s390x").fails(1, "does not provide the specified platform (linux/s390x)");
    let removed = remove("linux/arm64");
    assert_eq!(
        removed.ok().trim(),
        format!("Deleted: {}", digest(&line, 1))
    );
    for name in [NAME, other] {
        assert_eq!(platforms(&listed(&engine, name)), both([true, false]));
    }
    let words = ["image", "inspect", "--platform", "linux/arm64", NAME];
    assert_ne!(engine.docker(words).code, 0);
    // The index cannot be pushed any more: what is left can.
    let pushed = engine.docker(["push", NAME]);
    let note = "Not all multiplatform-content is present and only the available single-platform image was pushed";
    let told = format!("{}{}", pushed.ok(), pushed.stderr);
    assert!(told.contains(note), "{told}");
    let image = manifest(&engine, &format!("kept/manifests/{}", digest(&line, 0)));
    assert_eq!(manifest(&engine, "kept/manifests/1"), image);

    // Without this machine's own image the name means the one that is left. The index is the
    // same one: it is whole again under all of its names.
    let again = "127.0.0.1:5001/kept:3";
    build(&engine, "it", again, &[]);
    for name in [NAME, other, again] {
        assert_eq!(platforms(&listed(&engine, name)), both([true, true]));
    }
    let words = ["image", "rm", "--platform", "linux/amd64", again];
    engine.docker(words).ok();
    assert_eq!(platforms(&listed(&engine, again)), both([false, true]));
    let words = ["image", "inspect", "-f", "{{.Architecture}}", again];
    assert_eq!(engine.docker(words).ok().trim(), "arm64");
    // The last one takes the name along.
    let words = ["image", "rm", "--platform", "linux/arm64", again];
    engine.docker(words).ok();
    engine
        .docker(["image", "inspect", again])
        .fails(1, "No such image");
    engine.docker(["image", "rm", NAME, other]).ok();
    assert_eq!(engine.docker(["images", "-aq"]).ok(), "");
}

#[test]
fn what_a_name_keeps_is_counted_verified_and_mended_from_its_registry() {
    let engine = engine();
    let usage = || {
        let usage = json(&engine.get("/v1.51/system/df?type=image").expect("it"));
        usage["LayersSize"].as_i64().expect("bytes")
    };
    let line = listed(&engine, NAME);
    let manifests = line["Manifests"].as_array().expect("manifests");
    let is_far = |it: &&Value| it["ImageData"]["Platform"]["architecture"] == "arm64";
    let far = manifests.iter().find(is_far).expect("the other platform");
    let content = far["Size"]["Content"].as_i64().expect("bytes");
    let all = usage();
    let whole = engine.corten(["image", "verify", NAME]);
    let told = whole.ok().lines().last().unwrap_or_default().to_owned();
    assert!(
        told.starts_with("Verified 2 images, ") && told.ends_with(": 0 damaged, 0 repaired"),
        "{told}"
    );

    engine.docker(["push", NAME]).ok();
    let index = manifest(&engine, "kept/manifests/1");
    let manifests = index["manifests"].as_array().expect("manifests").iter();
    let mut arm = manifests.map(|it| it["digest"].as_str().expect("a digest").to_owned());
    let far = arm.next_back().expect("one");
    let of_far = manifest(&engine, &format!("kept/manifests/{far}"));
    let layers = of_far["layers"].as_array().expect("layers");
    let config = of_far["config"]["digest"].as_str().expect("a digest");
    let layer = layers.last().expect("one")["digest"]
        .as_str()
        .expect("a digest");
    let file = |digest: &str| {
        let name = digest.replace(':', "/");
        engine.path("data/content/blobs").join(name)
    };
    std::fs::remove_file(file(&far)).expect("a manifest");
    std::fs::write(file(config), "{}").expect("a configuration");
    let mut bytes = std::fs::read(file(layer)).expect("a layer");
    bytes[20] ^= 1;
    std::fs::write(file(layer), bytes).expect("a layer");
    let found = engine.corten(["image", "verify"]);
    found.fails(1, "damaged parts: 3");
    for text in [
        format!("manifest {far}: it is missing"),
        format!("document {config}: it has 2 bytes instead of"),
        format!("blob {layer}: its bytes have the digest"),
    ] {
        assert!(found.stdout.contains(&text), "{text}: {}", found.stdout);
    }
    let mended = engine.corten(["image", "verify", "--repair", NAME]);
    assert!(
        mended.ok().ends_with(": 3 damaged, 3 repaired"),
        "{}",
        mended.stdout
    );
    engine.corten(["image", "verify"]).ok();

    engine
        .docker(["image", "rm", "--platform", BOTH[1], NAME])
        .ok();
    let gone = all - usage();
    assert!(0 < gone && gone <= content, "{gone} of {content}");
}

#[test]
fn an_archive_brings_all_of_its_platforms_back() {
    let engine = engine();
    let archive = engine.path("kept.tar").display().to_string();
    engine.docker(["save", "-o", &archive, NAME]).ok();
    let line = listed(&engine, NAME);
    let id = |platform: &str| field(&engine, NAME, platform, "{{.Id}}");
    let ids = BOTH.map(id);
    engine.docker(["builder", "prune", "-af"]).ok();
    engine.docker(["image", "rm", NAME]).ok();
    let loaded = engine.docker(["load", "-i", &archive]);
    assert!(loaded.ok().contains(&format!("Loaded image: {NAME}")));
    let back = listed(&engine, NAME);
    assert_eq!(platforms(&back), both([true, true]));
    assert_eq!(back["Descriptor"]["digest"], line["Descriptor"]["digest"]);
    assert_eq!(BOTH.map(id), ids);
    engine.docker(["push", NAME]).ok();
    let index = manifest(&engine, "kept/manifests/1");
    assert_eq!(index["manifests"].as_array().map(Vec::len), Some(2));
    let words = ["create", "--platform", "linux/arm64", "--name", "arm", NAME];
    engine.docker(words).ok();
    engine.docker(["rm", "arm"]).ok();

    // One platform by itself is that image and nothing else, at either end.
    engine.docker(["image", "rm", NAME]).ok();
    let words = ["load", "--platform", "linux/arm64", "-i", &archive];
    engine.docker(words).ok();
    let words = ["image", "inspect", "-f", "{{.Id}}", NAME];
    assert_eq!(engine.docker(words).ok().trim(), ids[1]);
    assert_eq!(platforms(&listed(&engine, NAME)), []);
    engine.docker(["image", "rm", NAME]).ok();
    engine.docker(["load", "-i", &archive]).ok();
    let words = ["save", "--platform", "linux/arm64", "-o", &archive, NAME];
    engine.docker(words).ok();
    engine.docker(["image", "rm", NAME]).ok();
    engine.docker(["load", "-i", &archive]).ok();
    let words = ["image", "inspect", "-f", "{{.Id}}", NAME];
    assert_eq!(engine.docker(words).ok().trim(), ids[1]);
}

#[test]
fn an_uncompressed_layout_is_kept_with_the_digests_that_it_has() {
    let engine = engine();
    let archive = engine.path("plain.tar").display().to_string();
    let output = format!("type=oci,compression=uncompressed,force-compression=true,dest={archive}");
    build(&engine, "it", "plain:1", &["-o", &output]);
    engine.docker(["image", "rm", NAME]).ok();
    engine.docker(["load", "-i", &archive]).ok();
    assert_eq!(platforms(&listed(&engine, "plain:1")), both([true, true]));
    let name = "127.0.0.1:5001/plain:1";
    engine.docker(["tag", "plain:1", name]).ok();
    engine.docker(["push", name]).ok();
    let index = manifest(&engine, "plain/manifests/1");
    let digest = index["manifests"][1]["digest"].as_str().expect("a digest");
    let image = manifest(&engine, &format!("plain/manifests/{digest}"));
    let kind = "application/vnd.oci.image.layer.v1.tar";
    assert_eq!(image["layers"][0]["mediaType"], kind);
}

#[test]
fn a_build_stands_on_the_platforms_that_a_name_keeps() {
    let engine = engine();
    let file = format!("FROM {NAME}\nCOPY Dockerfile /own\n");
    engine.files("child", &[("Dockerfile", &file)]);
    // The registry has no such name: what is here is taken.
    build(&engine, "child", "child:1", &[]);
    for (platform, architecture) in BOTH.into_iter().zip(["amd64", "arm64"]) {
        let variable = field(&engine, "child:1", platform, "{{index .Config.Env 1}}");
        assert_eq!(variable, format!("ARCH={architecture}"));
    }
}

#[test]
fn what_is_said_about_an_image_is_kept_with_its_name() {
    let engine = engine();
    let name = "127.0.0.1:5001/said:1";
    let directory = engine.path("it").display().to_string();
    for program in ["docker", "corten"] {
        let words = [
            "build",
            "--provenance=mode=max",
            "--sbom=true",
            "-t",
            name,
            &directory,
        ];
        let mut command = match program {
            "docker" => engine.docker_command([&["buildx"], &words[..]].concat()),
            _ => engine.corten_command(words),
        };
        run(command.env("BUILDX_GIT_INFO", "false")).ok();
        let line = listed(&engine, name);
        let kinds: Vec<&Value> = line["Manifests"]
            .as_array()
            .expect("manifests")
            .iter()
            .map(|it| &it["Kind"])
            .collect();
        assert_eq!(kinds, ["image", "attestation"]);
        let about = &line["Manifests"][1]["AttestationData"]["For"];
        assert_eq!(*about, line["Manifests"][0]["ID"]);
        let tree = engine.docker(["images", "--tree"]);
        assert!(!tree.ok().contains("unknown"), "{}", tree.stdout);
        engine.docker(["push", name]).ok();
        let inspect = |format: &str| {
            let words = ["buildx", "imagetools", "inspect", "--format", format, name];
            let mut docker = engine.inside(docker_current());
            docker.args(words).env("HOME", engine.path(""));
            docker.env("DOCKER_CONFIG", engine.path("docker-config"));
            docker.env("DOCKER_HOST", engine.host());
            json(run(&mut docker).ok())
        };
        let provenance = inspect("{{json .Provenance}}");
        let build = &provenance["SLSA"]["buildDefinition"]["buildType"];
        assert!(build.is_string(), "{provenance}");
        let packages = inspect("{{json .SBOM}}");
        assert_eq!(packages["SPDX"]["spdxVersion"], "SPDX-2.3");
        // An archive has it, too.
        let archive = engine.path("said.tar").display().to_string();
        engine.docker(["save", "-o", &archive, name]).ok();
        engine.docker(["image", "rm", name]).ok();
        engine.docker(["load", "-i", &archive]).ok();
        assert_eq!(listed(&engine, name)["Manifests"], line["Manifests"]);
        engine.docker(["image", "rm", name]).ok();
    }
}
