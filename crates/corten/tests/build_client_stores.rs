//! Blobs that stay with the client: caches of `type=local`, and contexts that are OCI
//! layouts. The stock plugin serves both in its session.

use corten_testkit::{Engine, Ran, run};
use serde_json::Value;
use std::{fs, path::Path};

const DOCKERFILE: &str = "FROM busybox AS tool
RUN cat /proc/sys/kernel/random/uuid > /tool
FROM busybox
COPY a /a
RUN cat /proc/sys/kernel/random/uuid > /once
COPY --from=tool /tool /tool
";

fn engine() -> Engine {
    let engine = Engine::with_registries();
    engine.install_buildx();
    engine.load("busybox");
    engine.files("it", &[("Dockerfile", DOCKERFILE), ("a", "a")]);
    engine
}

fn build(engine: &Engine, words: &[&str]) -> Ran {
    let own = ["buildx", "build", "--progress", "plain"];
    run(engine
        .docker_command([&own, words].concat())
        .env("BUILDX_GIT_INFO", "false"))
}

fn content(engine: &Engine) -> String {
    let words = ["run", "--rm", "built", "cat", "/once", "/tool"];
    engine.docker(words).ok().to_owned()
}

/// What was built, and all that is known of it.
fn forget(engine: &Engine) {
    engine.docker(["image", "rm", "-f", "built"]);
    engine.docker(["builder", "prune", "-a", "-f"]).ok();
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON")
}

fn blob(layout: &Path, digest: &Value) -> Value {
    let digest = digest.as_str().expect("a digest").replace(':', "/");
    json(&layout.join("blobs").join(digest))
}

#[test]
fn a_cache_in_a_directory_of_the_client_saves_the_steps() {
    let engine = engine();
    let context = engine.path("it").display().to_string();
    for (name, options) in [
        ("max", ",mode=max"),
        ("index", ",mode=max,image-manifest=false,tag=other"),
    ] {
        forget(&engine);
        let directory = engine.path(name);
        let to = format!("type=local,dest={}{options}", directory.display());
        let built = build(&engine, &["-t", "built", "--cache-to", &to, &context]);
        built.ok();
        let title = "exporting cache to client directory";
        assert!(built.stderr.contains(title), "{}", built.stderr);
        let first = content(&engine);
        // The directory is an OCI layout, as the plugin keeps it.
        let listed = json(&directory.join("index.json"));
        let top = &listed["manifests"][0];
        let tag = &top["annotations"]["org.opencontainers.image.ref.name"];
        assert_eq!(tag, if name == "max" { "latest" } else { "other" });
        let manifest = blob(&directory, &top["digest"]);
        let kind = "application/vnd.buildkit.cacheconfig.v0";
        assert!(manifest.to_string().contains(kind), "{manifest}");
        forget(&engine);
        let tag = if name == "max" { "" } else { ",tag=other" };
        let from = format!("type=local,src={}{tag}", directory.display());
        let again = build(&engine, &["-t", "built", "--cache-from", &from, &context]);
        again.ok();
        assert_eq!(content(&engine), first, "{}", again.stderr);
        engine.corten(["image", "verify"]).ok();
        // A second export of the same writes nothing anew.
        build(&engine, &["-t", "built", "--cache-to", &to, &context]).ok();
        assert_eq!(json(&directory.join("index.json")), listed);
    }
    // A cache that somebody has damaged is told and does no harm.
    forget(&engine);
    let directory = engine.path("max");
    let listed = json(&directory.join("index.json"));
    let manifest = blob(&directory, &listed["manifests"][0]["digest"]);
    for layer in manifest["layers"].as_array().expect("layers") {
        let digest = layer["digest"].as_str().expect("a digest");
        let path = directory.join("blobs").join(digest.replace(':', "/"));
        fs::write(path, "nonsense").expect("a blob");
    }
    let from = format!("type=local,src={}", directory.display());
    build(&engine, &["-t", "built", "--cache-from", &from, &context]).ok();
    assert_eq!(content(&engine).lines().count(), 2);
    engine.corten(["image", "verify"]).ok();
}

#[test]
fn a_cache_at_a_registry_is_written_and_read_for_the_stock_plugin() {
    let engine = engine();
    let context = engine.path("it").display().to_string();
    let mut name = 0;
    for options in [
        "mode=max",
        "mode=max,image-manifest=true,oci-mediatypes=true,compression=zstd",
        "mode=max,image-manifest=false",
        "mode=max,compression=gzip,force-compression=true",
    ] {
        name += 1;
        forget(&engine);
        let place = format!("type=registry,ref=127.0.0.1:5001/cache:{name}");
        let to = format!("{place},{options}");
        let built = build(&engine, &["-t", "built", "--cache-to", &to, &context]);
        built.ok();
        let first = content(&engine);
        forget(&engine);
        let again = build(&engine, &["-t", "built", "--cache-from", &place, &context]);
        again.ok();
        assert_eq!(content(&engine), first, "{options}: {}", again.stderr);
    }
}

#[test]
fn a_layout_of_the_client_is_a_base_and_a_place_to_copy_from() {
    let engine = engine();
    let context = engine.path("it").display().to_string();
    let tar = engine.path("base.tar");
    let base = engine.files(
        "base",
        &[(
            "Dockerfile",
            "FROM busybox\nENV BASE=yes\nRUN echo base > /base\n",
        )],
    );
    let output = format!("type=oci,dest={}", tar.display());
    let base = base.display().to_string();
    build(&engine, &["-o", &output, "-t", "base:1", &base]).ok();
    let layout = engine.path("layout");
    fs::create_dir(&layout).expect("a directory");
    run(engine
        .inside("tar")
        .arg("-C")
        .arg(&layout)
        .arg("-xf")
        .arg(&tar))
    .ok();
    engine.docker(["builder", "prune", "-a", "-f"]).ok();
    let file =
        "FROM other\nRUN test $BASE = yes && cp /base /again\nCOPY --from=other /base /copy\n";
    fs::write(engine.path("it").join("Dockerfile"), file).expect("a file");
    let named = format!("other=oci-layout://{}:1", layout.display());
    let images = engine.docker(["images", "-aq"]).ok().to_owned();
    let built = build(
        &engine,
        &["-t", "built", "--build-context", &named, &context],
    );
    built.ok();
    let said = engine.docker(["run", "--rm", "built", "cat", "/again", "/copy"]);
    assert_eq!(said.ok(), "base\nbase");
    // The layout is no image of this machine.
    engine.docker(["image", "rm", "built"]).ok();
    assert_eq!(engine.docker(["images", "-aq"]).ok(), images);
    // By digest, and what is not there is told.
    let listed = json(&layout.join("index.json"));
    let digest = listed["manifests"][0]["digest"].as_str().expect("a digest");
    let named = format!("other=oci-layout://{}@{digest}", layout.display());
    build(
        &engine,
        &["-t", "built", "--build-context", &named, &context],
    )
    .ok();
    engine.docker(["builder", "prune", "-a", "-f"]).ok();
    let missing = format!("sha256:{}", "0".repeat(64));
    let named = format!("other=oci-layout://{}@{missing}", layout.display());
    let ran = build(&engine, &["--build-context", &named, &context]);
    assert_ne!(ran.code, 0);
    assert!(ran.stderr.contains("not found"), "{}", ran.stderr);
}

fn own(engine: &Engine, words: &[&str]) -> Ran {
    run(&mut engine.corten_command([&["build", "--progress", "plain"], words].concat()))
}

#[test]
fn our_client_serves_the_same_directories_and_the_plugin_reads_what_it_wrote() {
    let engine = engine();
    let context = engine.path("it").display().to_string();
    let directory = engine.path("cache");
    let to = format!("type=local,dest={},mode=max", directory.display());
    let from = format!("type=local,src={}", directory.display());
    // A cache that is not there yet is told of and keeps nobody from building.
    let words = [
        "-t",
        "built",
        "--cache-from",
        &from,
        "--cache-to",
        &to,
        &context,
    ];
    let built = own(&engine, &words);
    built.ok();
    let skipped = format!("local cache import at {} skipped", directory.display());
    assert!(built.stderr.contains(&skipped), "{}", built.stderr);
    let first = content(&engine);
    let listed = json(&directory.join("index.json"));
    let tag = &listed["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"];
    assert_eq!(tag, "latest");
    let left = fs::read_dir(directory.join("ingest")).expect("a directory");
    assert_eq!(left.count(), 0);
    // The plugin reads it, and an engine that has never seen the build reads it from us.
    forget(&engine);
    let again = build(&engine, &["-t", "built", "--cache-from", &from, &context]);
    again.ok();
    assert_eq!(content(&engine), first, "{}", again.stderr);
    let other = Engine::with_images(&["busybox"]);
    let again = own(&other, &["-t", "built", "--cache-from", &from, &context]);
    again.ok();
    assert!(again.stderr.contains("CACHED"), "{}", again.stderr);
    assert_eq!(content(&other), first, "{}", again.stderr);
    // A second tag beside the first, by a definition of bake.
    let name = directory.display();
    let bake = format!(
        "target \"default\" {{\n  cache-from = [\"{from}\"]\n  cache-to = [\"type=local,dest={name},tag=other\"]\n  tags = [\"built\"]\n}}\n"
    );
    fs::write(engine.path("it/docker-bake.hcl"), bake).expect("a definition");
    let words = ["bake", "--allow", "fs=*"];
    run(engine.corten_command(words).current_dir(engine.path("it"))).ok();
    let listed = json(&directory.join("index.json"));
    assert_eq!(listed["manifests"].as_array().map(Vec::len), Some(2));
    // One that somebody has damaged does no harm, nor one that is no index.
    fs::write(directory.join("index.json"), "{").expect("an index");
    let built = own(&engine, &["-t", "built", "--cache-from", &from, &context]);
    built.ok();
    assert!(built.stderr.contains(&skipped), "{}", built.stderr);
    let refused = own(&engine, &["--cache-to", "type=local", &context]);
    assert_eq!(refused.code, 1);
    let why = "local cache exporter requires dest";
    assert!(refused.stderr.contains(why), "{}", refused.stderr);
}

#[test]
fn a_layout_is_a_context_for_our_client_too() {
    let engine = engine();
    let context = engine.path("it").display().to_string();
    let tar = engine.path("base.tar");
    let file = "FROM busybox\nENV BASE=yes\nRUN echo base > /base\n";
    let base = engine.files("base", &[("Dockerfile", file)]);
    let output = format!("type=oci,dest={}", tar.display());
    let base = base.display().to_string();
    own(&engine, &["-o", &output, "-t", "base:1", &base]).ok();
    let layout = engine.path("layout");
    fs::create_dir(&layout).expect("a directory");
    let mut unpack = engine.inside("tar");
    run(unpack.arg("-C").arg(&layout).arg("-xf").arg(&tar)).ok();
    engine.docker(["builder", "prune", "-a", "-f"]).ok();
    let file =
        "FROM other\nRUN test $BASE = yes && cp /base /again\nCOPY --from=other /base /copy\n";
    fs::write(engine.path("it").join("Dockerfile"), file).expect("a file");
    let listed = json(&layout.join("index.json"));
    let digest = listed["manifests"][0]["digest"].as_str().expect("a digest");
    let layout = layout.display();
    for place in [":1".to_owned(), format!("@{digest}"), String::new()] {
        let named = format!("other=oci-layout://{layout}{place}");
        let words = ["-t", "built", "--build-context", &named, &context];
        own(&engine, &words).ok();
        let said = engine.docker(["run", "--rm", "built", "cat", "/again", "/copy"]);
        assert_eq!(said.ok(), "base\nbase");
    }
    let named = "other=oci-layout:///nowhere:1";
    let refused = own(&engine, &["--build-context", named, &context]);
    assert_eq!(refused.code, 1);
    let why = "oci-layout reference \"oci-layout:///nowhere:1\" could not be resolved";
    assert!(refused.stderr.contains(why), "{}", refused.stderr);
}
