//! `squash=true` of an output and `corten build --squash`: one layer on top of the base.

use corten_testkit::{Engine, run};
use serde_json::Value;

const DOCKERFILE: &str = "FROM busybox
RUN echo it-came-and-went > /gone && mkdir /d && echo old > /d/f && ln /d/f /d/same
RUN rm /gone /etc/group && echo new > /d/g
COPY a /d/
LABEL a=b
";

/// What a container of the image has, with modes, owners, sizes and names of one file.
fn files(engine: &Engine, image: &str) -> String {
    // overlay counts no links of directories that several layers have.
    let list = "find /d /etc /gone -type d -exec stat -c '%n %f %u:%g %Y' {} + 2>&1 | sort;
        find /d /etc -type f -exec stat -c '%n %f %u:%g %s %h %Y' {} + | sort";
    let ran = engine.docker(["run", "--rm", "--network=none", image, "sh", "-c", list]);
    let own = ["hostname", "hosts", "resolv.conf", "/etc "];
    let lines = ran.ok().lines();
    let lines = lines.filter(|line| !own.iter().any(|it| line.contains(it)));
    lines.collect::<Vec<_>>().join("\n")
}

fn inspect(engine: &Engine, image: &str) -> Value {
    let ran = engine.docker(["image", "inspect", image]);
    let list: Value = serde_json::from_str(ran.ok()).expect("JSON");
    list[0].clone()
}

fn layers(inspected: &Value) -> &[Value] {
    inspected["RootFS"]["Layers"].as_array().expect("layers")
}

#[test]
fn the_layers_of_a_build_become_one_with_every_client() {
    let engine = Engine::with_images(&["busybox"]);
    engine.install_buildx();
    engine.files("it", &[("Dockerfile", DOCKERFILE), ("a", "a\n")]);
    let directory = engine.path("it").display().to_string();
    engine
        .docker(["buildx", "build", "-t", "plain", &directory])
        .ok();
    let output = "type=image,name=stock,squash=true";
    engine
        .docker(["buildx", "build", "-o", output, &directory])
        .ok();
    engine
        .corten(["build", "--squash", "-t", "own", &directory])
        .ok();

    let [plain, stock, own] = ["plain", "stock", "own"].map(|it| inspect(&engine, it));
    assert_eq!(own["Id"], stock["Id"]);
    assert_eq!(own["Config"], plain["Config"]);
    let base = inspect(&engine, "busybox");
    let base = layers(&base);
    assert_eq!(layers(&plain).len(), base.len() + 3);
    assert_eq!(layers(&own).len(), base.len() + 1);
    assert!(layers(&own).starts_with(base), "{own}");
    let shown = files(&engine, "plain");
    assert!(
        shown.contains("/d/same") && !shown.contains("/etc/group"),
        "{shown}"
    );
    assert_eq!(files(&engine, "own"), shown);

    // Each step is told, none but the merge has bytes.
    let format = "{{.Comment}}|{{.Size}}|{{.CreatedBy}}";
    let history = engine.docker(["history", "--no-trunc", "--format", format, "own"]);
    let lines: Vec<&str> = history.ok().lines().collect();
    assert_eq!(lines[0], "merge of 3 layers|10B|", "{history:?}");
    assert_eq!(
        lines[1], "buildkit.dockerfile.v0|0B|LABEL a=b",
        "{history:?}"
    );
    assert!(lines[4].starts_with("buildkit.dockerfile.v0|0B|RUN /bin/sh -c echo it-came"));

    // What is gone is in no layer, and what the base had and a step removed stays so elsewhere.
    let archive = engine.path("own.tar");
    let path = archive.display().to_string();
    engine.docker(["save", "-o", &path, "own"]).ok();
    let bytes = std::fs::read(&archive).expect("an archive");
    let has = |text: &[u8]| bytes.windows(text.len()).any(|it| it == text);
    assert!(!has(b"it-came-and-went\n") && has(b"etc/.wh.group"));
    engine.docker(["rmi", "-f", "own", "stock", "plain"]).ok();
    engine.docker(["load", "-i", &path]).ok();
    assert_eq!(files(&engine, "own"), shown);

    // A second time it is the very same, from the cache, and for an archive, too.
    let again = engine.corten(["build", "--squash", "-q", &directory]);
    assert_eq!(again.ok(), own["Id"].as_str().expect("an ID"));
    let file = engine.path("oci.tar").display().to_string();
    let output = format!("type=oci,dest={file},squash=true");
    engine.corten(["build", "-o", &output, &directory]).ok();
    let mut tar = engine.inside("tar");
    let list = run(tar.args(["-tf", &file]));
    let blobs = list
        .ok()
        .lines()
        .filter(|it| it.starts_with("blobs/sha256/") && !it.ends_with('/'));
    assert_eq!(blobs.count(), base.len() + 1 + 2, "{list:?}");
}

#[test]
fn what_cannot_be_squashed_is_told() {
    let engine = Engine::with_images(&["busybox"]);
    engine.files("it", &[("Dockerfile", DOCKERFILE), ("a", "a\n")]);
    let directory = engine.path("it").display().to_string();
    let local = [
        "build",
        "--squash",
        "-o",
        "type=local,dest=there",
        &directory,
    ];
    let sentence = "--squash makes the layers of an image one: an output of type tar has none";
    engine.corten(local).fails(1, sentence);
    let cache = [
        "build",
        "--squash",
        "--cache-to",
        "type=inline",
        "-t",
        "it",
        &directory,
    ];
    let told = engine.corten(cache);
    told.ok();
    let sentence = "an image that is squashed has no layers that an inline cache could tell of";
    assert!(told.stderr.contains(sentence), "{told:?}");
    // One layer, or none, is what it is.
    engine.files(
        "one",
        &[
            ("Dockerfile", "FROM busybox\nCOPY a /\nENV a=b\n"),
            ("a", "a\n"),
        ],
    );
    let directory = engine.path("one").display().to_string();
    let ids = [&["build", "-q"][..], &["build", "-q", "--squash"]].map(|words| {
        let ran = engine.corten([words, &[&directory]].concat());
        ran.ok().to_owned()
    });
    assert_eq!(ids[0], ids[1]);
}
