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

/// A classic build's lines, its identities taken away.
fn classic(engine: &Engine, words: &[&str]) -> (i32, String, String) {
    let mut command = engine.docker_command(words.iter().copied());
    let ran = run(command.env("DOCKER_BUILDKIT", "0"));
    let shown = ran.stdout.lines().filter_map(|line| {
        let masked = |at: usize, sign: &str| line[..at].to_owned() + sign;
        match (
            line.find(" ---> "),
            line.strip_prefix("Successfully built "),
        ) {
            _ if line.starts_with("Sending build context") => None,
            (Some(_), _) if line.ends_with("Using cache") => Some(line.to_owned()),
            (Some(at), _) => Some(masked(at, " ---> ID")),
            (_, Some(_)) => Some("Successfully built ID".to_owned()),
            _ => Some(line.to_owned()),
        }
    });
    let shown: Vec<String> = shown.collect();
    (ran.code, shown.join("\n"), ran.stderr)
}

#[test]
fn a_classic_build_tells_each_instruction_in_its_order_whether_it_is_cached_or_not() {
    let engine = Engine::with_images(&["busybox"]);
    let file = "ARG G=busybox\nFROM $G AS one\nENV A b\nRUN echo out\nRUN echo err >&2\n\
        FROM busybox AS unneeded\nRUN false\nFROM one\nARG B\nCOPY f /f\n";
    engine.files("told", &[("Dockerfile", file), ("f", "x")]);
    let path = engine.path("told").display().to_string();
    let words = ["build", "-t", "told:1", "--build-arg", "B=1", "--build-arg"];
    let words = [
        &words[..],
        &["NOPE=2", "--build-arg", "https_proxy=x", &path],
    ]
    .concat();
    let told = |first: &str, second: &str, last: &str| {
        format!(
            "Step 1/10 : ARG G=busybox\nStep 2/10 : FROM $G AS one\n ---> ID\n\
             Step 3/10 : ENV A b\nStep 4/10 : RUN echo out\n{first}\n ---> ID\n\
             Step 5/10 : RUN echo err >&2\n{second} ---> ID\n\
             Step 8/10 : FROM one\nStep 9/10 : ARG B\nStep 10/10 : COPY f /f\n{last} ---> ID\n\
             [Warning] One or more build-args [NOPE] were not consumed\n\
             Successfully built ID\nSuccessfully tagged told:1"
        )
    };
    let (code, found, error) = classic(&engine, &words);
    assert_eq!(code, 0, "{error}");
    assert_eq!(found, told("out", "\u{1b}[91merr\n\u{1b}[0m", ""));
    let (code, found, error) = classic(&engine, &words);
    assert_eq!(code, 0, "{error}");
    let cached = " ---> Using cache";
    let line = format!("{cached}\n");
    assert_eq!(found, told(cached, &line, &line));
}

#[test]
fn a_classic_build_that_fails_says_what_it_had_told_quiet_or_not() {
    let engine = Engine::with_images(&["busybox"]);
    let file = "FROM busybox\nRUN echo last words; exit 7\nRUN echo never\n";
    engine.files("fails", &[("Dockerfile", file)]);
    let path = engine.path("fails").display().to_string();
    let sentence = "The command '/bin/sh -c echo last words; exit 7' returned a non-zero code: 7";
    let expected =
        "Step 1/3 : FROM busybox\n ---> ID\nStep 2/3 : RUN echo last words; exit 7\nlast words";
    let (code, found, error) = classic(&engine, &["build", &path]);
    assert_eq!((code, &*found), (7, expected), "{error}");
    assert!(error.contains(sentence), "{error}");
    // The stock client shows what it was sent behind the sentence.
    let (code, _, error) = classic(&engine, &["build", "-q", &path]);
    assert_eq!(code, 7);
    assert!(
        error.contains("RUN echo last words; exit 7\nlast words"),
        "{error}"
    );
    // What is wrong with an instruction is told below it.
    let file = "FROM busybox\nENV A=b\nCOPY none /\n";
    engine.files("fails", &[("Dockerfile", file)]);
    let (code, found, error) = classic(&engine, &["build", &path]);
    assert_eq!(code, 1);
    assert!(found.ends_with("Step 3/3 : COPY none /"), "{found}");
    assert!(error.contains("\"/none\": not found"), "{error}");
}
