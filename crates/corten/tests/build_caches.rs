//! Caches of builds that travel by registry, and cache mounts that travel as archives.

use corten_testkit::{Engine, Ran, until};
use serde_json::Value;

const DOCKERFILE: &str = "FROM busybox AS tool
RUN cat /proc/sys/kernel/random/uuid > /tool
FROM busybox
COPY a /a
RUN cat /proc/sys/kernel/random/uuid > /once
COPY --from=tool /tool /tool
";

/// Builds by our own client: the stock one asks only builders of containerd's store for
/// caches at registries.
fn build(engine: &Engine, words: &[&str]) -> Ran {
    let directory = engine.path("cache").display().to_string();
    engine.corten(
        [
            &["build", "--progress", "plain"],
            words,
            &[directory.as_str()],
        ]
        .concat(),
    )
}

fn content(engine: &Engine) -> String {
    let words = ["run", "--rm", "built", "cat", "/once", "/tool"];
    engine.docker(words).ok().to_owned()
}

fn forget(engine: &Engine) {
    engine.docker(["image", "rm", "-f", "built"]);
    engine.docker(["builder", "prune", "-a", "-f"]).ok();
}

/// The document of the cache `name:1` at the second registry.
fn document(engine: &Engine, name: &str) -> Value {
    let get = |path: &str| {
        let url = format!("http://127.0.0.1:5001/v2/{name}/{path}");
        let accept = "Accept: application/vnd.oci.image.manifest.v1+json";
        let mut curl = engine.inside("curl");
        let ran = corten_testkit::run(curl.args(["-s", "-H", accept, &url]));
        serde_json::from_str::<Value>(ran.ok()).expect("JSON")
    };
    let manifest = get("manifests/1");
    let config = &manifest["config"];
    assert_eq!(
        config["mediaType"],
        "application/vnd.buildkit.cacheconfig.v0"
    );
    let digest = config["digest"].as_str().expect("a digest");
    get(&format!("blobs/{digest}"))
}

#[test]
fn a_cache_at_a_registry_saves_the_steps_elsewhere() {
    let engine = Engine::with_registries();
    engine.install_buildx();
    engine.load("busybox");
    engine.files("cache", &[("Dockerfile", DOCKERFILE), ("a", "a")]);
    let to = |name: &str, more: &str| format!("type=registry,ref=127.0.0.1:5001/{name}{more}");
    let (all, few) = (to("all:1", ",mode=max"), to("few:1", ",mode=min"));
    let words = ["-t", "built", "--cache-to", &all, "--cache-to", &few];
    let built = build(&engine, &words);
    built.ok();
    assert!(
        built.stderr.contains("exporting cache to registry"),
        "{}",
        built.stderr
    );
    let first = content(&engine);
    forget(&engine);
    let again = build(&engine, &["-t", "built", "--cache-from", &to("all:1", "")]);
    again.ok();
    assert_eq!(content(&engine), first, "{}", again.stderr);
    engine.corten(["image", "verify"]).ok();
    // What the result does not stand on is left out.
    forget(&engine);
    build(&engine, &["-t", "built", "--cache-from", &to("few:1", "")]).ok();
    assert_eq!(content(&engine), first);
    // The documents are BuildKit's.
    let (all, few) = (document(&engine, "all"), document(&engine, "few"));
    let records = |it: &Value| it["records"].as_array().map_or(0, Vec::len);
    assert!(records(&few) >= 3, "{few}");
    assert!(records(&all) > records(&few), "{all} {few}");
    let annotations = &all["layers"][0]["annotations"];
    assert!(annotations["diffID"].is_string(), "{all}");
}

#[test]
fn caches_of_other_kinds_and_unknown_options_are_refused_by_name() {
    let engine = Engine::with_images(&["busybox"]);
    engine.files("cache", &[("Dockerfile", DOCKERFILE), ("a", "a")]);
    for (cache, sentence) in [
        ("type=gha", "unknown cache exporter: \"gha\""),
        ("type=s3,bucket=b", "unknown cache exporter: \"s3\""),
        ("type=azblob", "unknown cache exporter: \"azblob\""),
        ("type=registry", "ref required for registry cache exporter"),
        (
            "type=registry,ref=127.0.0.1:1/x,mode=most",
            "invalid value \"most\"",
        ),
        (
            "type=registry,ref=127.0.0.1:1/x,compression=estargz",
            "compression=estargz of a cache is not supported",
        ),
    ] {
        let ran = build(&engine, &["-t", "built", "--cache-to", cache]);
        assert_ne!(ran.code, 0, "{cache}");
        assert!(ran.stderr.contains(sentence), "{cache}: {}", ran.stderr);
    }
    // A registry that is not there fails the build, unless that is not wanted.
    let there = "type=registry,ref=127.0.0.1:1/x";
    assert_ne!(
        build(&engine, &["-t", "built", "--cache-to", there]).code,
        0
    );
    let ignored = format!("{there},ignore-error=true");
    build(&engine, &["-t", "built", "--cache-to", &ignored]).ok();
}

#[test]
fn a_cache_mount_is_listed_carried_away_and_brought_back() {
    let engine = Engine::with_images(&["busybox"]);
    engine.install_buildx();
    let file = "FROM busybox\nRUN --mount=type=cache,id=go,target=/c echo carried > /c/f && chown 5:6 /c/f\n";
    engine.files("cache", &[("Dockerfile", file)]);
    build(&engine, &["-t", "built"]).ok();
    let listed = engine.corten(["builder", "mounts"]);
    assert!(listed.ok().starts_with("go  "), "{}", listed.stdout);
    let usage = engine.docker([
        "buildx",
        "du",
        "--verbose",
        "--filter",
        "type=exec.cachemount",
    ]);
    assert!(
        usage.ok().contains("with id \"/go\"") && usage.stdout.contains("exec.cachemount"),
        "{}",
        usage.stdout
    );
    let usage = engine.get("/system/df").expect("an answer");
    assert!(usage.contains("exec.cachemount"), "{usage}");
    let archive = engine.path("go.tar").display().to_string();
    engine
        .corten(["builder", "export", "go", "-o", &archive])
        .ok();
    engine
        .corten(["builder", "import", "go", &archive])
        .fails(1, "cache mount \"go\" is there already");
    let words = ["buildx", "prune", "-f", "--filter", "id=nothing"];
    assert!(engine.docker(words).ok().contains("0B"));
    let words = ["buildx", "prune", "-f", "--filter", "type=exec.cachemount"];
    engine.docker(words).ok();
    assert_eq!(engine.corten(["builder", "mounts"]).ok(), "");
    engine
        .corten(["builder", "export", "go", "-o", &archive])
        .fails(1, "no such cache mount: go");
    engine.corten(["builder", "import", "go", &archive]).ok();
    let file = "FROM busybox\nRUN --mount=type=cache,id=go,target=/c cat /c/f > /seen && stat -c %u:%g /c/f >> /seen\n";
    engine.files("cache", &[("Dockerfile", file)]);
    build(&engine, &["-t", "built"]).ok();
    let seen = engine.docker(["run", "--rm", "built", "cat", "/seen"]);
    assert_eq!(seen.ok(), "carried\n5:6");
}

#[test]
fn what_is_kept_of_a_context_is_listed_and_removed_with_the_cache() {
    let mut engine = Engine::with_images(&["busybox"]);
    engine.install_buildx();
    let big = "x".repeat(300_000);
    engine.files(
        "cache",
        &[("Dockerfile", "FROM busybox\nCOPY big /\n"), ("big", &big)],
    );
    build(&engine, &["-t", "built"]).ok();
    let listed = |engine: &Engine| {
        let filter = [
            "--filter",
            "type=source.local",
            "--format",
            "{{.Size}} {{.Description}}",
        ];
        let usage = engine.docker(["buildx", "du"].iter().chain(&filter).copied());
        usage.ok().to_owned()
    };
    // The bytes are counted when the build is over.
    until("the bytes of the context", 20, || {
        listed(&engine) == "303.1kB local source for context"
    });
    // It is not a cache mount that could be carried away.
    assert_eq!(engine.corten(["builder", "mounts"]).ok(), "");
    engine.stop_daemon();
    engine.start_daemon();
    let again = build(&engine, &["-t", "built"]);
    again.ok();
    assert!(
        !again.stderr.contains("transferring context: 30"),
        "sent again: {}",
        again.stderr
    );
    assert!(
        engine
            .get("/system/df")
            .expect("an answer")
            .contains("source.local")
    );
    let pruned = engine.docker(["builder", "prune", "-f"]);
    assert!(pruned.ok().contains("303.1kB"), "{}", pruned.stdout);
    assert_eq!(listed(&engine), "");
    let built = build(&engine, &["-t", "built", "--no-cache"]);
    built.ok();
    assert!(
        built.stderr.contains("transferring context: 30"),
        "{}",
        built.stderr
    );
}

#[test]
fn the_cache_keeps_to_its_bound_and_loses_nothing_of_the_running_build() {
    let mut engine = Engine::start();
    engine.stop_daemon();
    let bound = r#"{"builder": {"gc": {"enabled": true, "defaultKeepStorage": "24MB"}}}"#;
    std::fs::write(engine.path("daemon.json"), bound).expect("written");
    engine.start_daemon();
    engine.load("busybox");
    // Each build has two steps of 8 MB: with the next one, the oldest have to go.
    let bytes = |engine: &Engine| -> u64 {
        let usage = engine
            .get("/system/df?type=build-cache")
            .expect("an answer");
        let usage: Value = serde_json::from_str(&usage).expect("JSON");
        let records = usage["BuildCache"].as_array().cloned().unwrap_or_default();
        records.iter().filter_map(|it| it["Size"].as_u64()).sum()
    };
    for number in 0..5 {
        let step = format!("RUN dd if=/dev/urandom of=/n{number} bs=1M count=8 2> /dev/null\n");
        let file = format!("FROM busybox\n{step}{}", step.replace("of=/n", "of=/m"));
        engine.files("cache", &[("Dockerfile", &file)]);
        build(&engine, &["-t", "built"]).ok();
        let words = format!("test -s /n{number} && test -s /m{number}");
        engine
            .docker(["run", "--rm", "built", "sh", "-c", &words])
            .ok();
        assert!(bytes(&engine) <= 24 << 20, "{}", bytes(&engine));
    }
    assert!(bytes(&engine) >= 16 << 20, "what there is room for stays");
    // The last build is still there as a whole.
    let again = build(&engine, &["-t", "built"]);
    let cached = again
        .stderr
        .lines()
        .filter(|line| line.ends_with(" CACHED"));
    assert_eq!(cached.count(), 3, "{}", again.stderr);
}
