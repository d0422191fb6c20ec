//! Services that are built for several platforms, and those that run on one.

use super::*;

const CROSS: &str = r#"
name: cross
services:
  app:
    image: 127.0.0.1:5001/team/cross:1
    build:
      context: .
      platforms: [linux/amd64, linux/arm64]
      tags: ["127.0.0.1:5001/team/cross:again"]
  local:
    build: { context: ., platforms: [linux/amd64, linux/arm64] }
"#;

/// The architectures of an image at the test's registry.
fn pushed(engine: &Engine, tag: &str) -> Vec<String> {
    let url = format!("http://127.0.0.1:5001/v2/team/cross/manifests/{tag}");
    let accept = "Accept: application/vnd.oci.image.index.v1+json";
    let said = run(engine.inside("curl").args(["-sf", "-H", accept, &url]));
    let index: serde_json::Value = serde_json::from_str(said.ok()).expect("JSON");
    let list = index["manifests"].as_array().expect("an index").iter();
    list.map(|it| it["platform"]["architecture"].as_str().expect("a text"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn build_makes_every_platform_and_up_the_one_that_runs() {
    let engine = Engine::with_registries();
    engine.load("busybox");
    engine.install_buildx();
    let dockerfile = "FROM --platform=$BUILDPLATFORM busybox\nARG TARGETARCH\n\
        RUN echo for $TARGETARCH > /for\nCMD cat /for\n";
    let files = [("compose.yaml", CROSS), ("Dockerfile", dockerfile)];
    let cross = engine.files("cross", &files);
    ours(&engine, &cross, &["build", "--push"]).ok();
    assert_eq!(pushed(&engine, "1"), ["amd64", "arm64"]);
    assert_eq!(pushed(&engine, "again"), ["amd64", "arm64"]);
    let told = ours(
        &engine,
        &cross,
        &["up", "--build", "--no-color", "--no-log-prefix"],
    );
    assert_eq!(
        lines(told.ok())
            .iter()
            .filter(|it| **it == "for amd64")
            .count(),
        2,
        "{told:?}"
    );
    ours(&engine, &cross, &["down"]).ok();

    let printed = |words: &[&str], default: &str, own: bool| {
        let mut command = match own {
            true => ours_command(&engine, &cross, words),
            false => engine.compose_command(words),
        };
        let ran = run(command
            .current_dir(&cross)
            .env("DOCKER_DEFAULT_PLATFORM", default));
        let text = ran.stdout.replace(env!("CARGO_PKG_VERSION"), "2.40.3");
        let file: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        (ran.code, file["target"].clone(), ran.stderr)
    };
    // One service: stock Compose takes several in whatever order.
    let alone = CROSS.split("  local:").next().expect("the first");
    let one = "services: { a: { platform: linux/arm64, build: . }, b: { build: . } }\n";
    for file in [alone, one] {
        fs::write(cross.join("compose.yaml"), file).expect("a file");
        for default in ["", "linux/arm64", "linux/s390x"] {
            for words in [&["build", "--print"][..], &["build", "--print", "--push"]] {
                let stock = printed(words, default, false);
                let own = printed(words, default, true);
                assert_eq!(own.0, stock.0, "{words:?} {default}: {}", own.2);
                assert_eq!((own.1, own.2), (stock.1, stock.2), "{words:?} {default}");
            }
        }
    }
    nothing_is_left(&engine);
}
