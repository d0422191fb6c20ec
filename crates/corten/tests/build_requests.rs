//! `POST /build` as programs send it that know neither buildx nor sessions.

use corten_testkit::{Engine, run};

/// Status and answer of a build whose context lies in `context`.
fn build(engine: &Engine, context: &str, query: &str) -> (String, String) {
    let archive = engine.path("context.tar").display().to_string();
    let directory = engine.path(context).display().to_string();
    run(engine
        .inside("tar")
        .args(["-C", &directory, "-cf", &archive, "."]))
    .ok();
    let socket = engine.path("cortend.sock").display().to_string();
    let (url, body) = (
        format!("http://localhost/v1.51/build?{query}"),
        format!("@{archive}"),
    );
    let mut curl = engine.inside("curl");
    curl.args(["-s", "--max-time", "60", "--unix-socket", &socket]);
    curl.args(["-H", "Content-Type: application/x-tar", "-X", "POST"]);
    curl.args([
        "--data-binary",
        &body,
        "-w",
        "\n%{http_code}",
        "--globoff",
        &url,
    ]);
    let ran = run(&mut curl);
    let (answer, status) = ran.ok().rsplit_once('\n').expect("a status");
    (status.to_owned(), answer.to_owned())
}

#[test]
fn buildkit_builds_what_comes_with_the_request_itself() {
    let engine = Engine::with_images(&["busybox"]);
    let file = "FROM busybox\nCOPY <<E /h\nheredoc\nE\nRUN --mount=type=tmpfs,target=/t cat /h\nCOPY f /f\n";
    engine.files("sent", &[("Dockerfile", file), ("f", "sent")]);
    let (status, answer) = build(&engine, "sent", "version=2&t=sent:1");
    assert_eq!(status, "200", "{answer}");
    assert!(answer.contains("moby.image.id"), "{answer}");
    let words = ["run", "--rm", "sent:1", "cat", "/h", "/f"];
    assert_eq!(engine.docker(words).ok(), "heredoc\nsent");
}

#[test]
fn what_a_classic_request_has_wrong_is_told_before_anything_is_built() {
    let engine = Engine::with_images(&["busybox"]);
    engine.files("classic", &[("Dockerfile", "FROM busybox\n")]);
    engine.files("empty", &[("Dockerfile", "")]);
    for (context, query, status, sentence) in [
        ("classic", "version=3", "400", "invalid version \\\"3\\\""),
        (
            "classic",
            "isolation=hyperv",
            "400",
            "unsupported isolation: \\\"hyperv\\\"",
        ),
        (
            "classic",
            "t=good&t=BAD",
            "500",
            "invalid reference format: repository name (library/BAD) must be lowercase",
        ),
        (
            "classic",
            "dockerfile=../x",
            "500",
            "forbidden path outside the build context: ../x ()",
        ),
        (
            "classic",
            "dockerfile=none",
            "500",
            "Cannot locate specified Dockerfile: none",
        ),
        (
            "empty",
            "",
            "400",
            "the Dockerfile (Dockerfile) cannot be empty",
        ),
        (
            "classic",
            "buildargs=bad",
            "400",
            "error reading build args: invalid character 'b' looking for beginning of value",
        ),
    ] {
        let (found, answer) = build(&engine, context, query);
        assert_eq!(found, status, "{query}: {answer}");
        assert!(answer.contains(sentence), "{query}: {answer}");
    }
    assert!(!engine.docker(["images"]).ok().contains("good"));
    let (_, answer) = build(&engine, "classic", "q=1");
    assert_eq!(answer.lines().count(), 1, "{answer}");
    assert!(answer.starts_with("{\"stream\":\"sha256:"), "{answer}");
}

#[test]
fn a_layer_has_the_bytes_of_its_files_each_once() {
    let engine = Engine::with_images(&["busybox"]);
    let file = "FROM busybox\nRUN ln -s /a/long/target /l && mkfifo /p\n\
        RUN echo five > /a && ln /a /b && ln -s a /c\nRUN rm /l\n";
    let directory = engine.files("sizes", &[("Dockerfile", file)]);
    let directory = directory.display().to_string();
    engine.install_buildx();
    let words = ["build", "-q", "-t", "sizes", &directory];
    run(&mut engine.docker_command(words)).ok();
    let words = ["history", "--human=false", "--format", "{{.Size}}", "sizes"];
    let told = engine.docker(words);
    let newest: Vec<&str> = told.ok().lines().take(3).collect();
    assert_eq!(newest, ["0", "5", "0"], "{}", told.stdout);
}
