//! Projects from registries and git, and the program under other names.

use super::*;

const PUBLISHED: &str = r#"
name: published
services:
  web:
    image: busybox:${TAG:-latest}
    command: cat /etc/motd
    env_file: web.env
    configs: [{ source: motd, target: /etc/motd }]
configs:
  motd: { content: "published\n" }
"#;

#[test]
fn a_published_project_runs_from_the_registry_with_either_tool() {
    let engine = Engine::with_registries();
    engine.load("busybox");
    let files = [("compose.yaml", PUBLISHED), ("web.env", "GREETING=hello\n")];
    let published = engine.files("published", &files);
    let elsewhere = engine.files("elsewhere", &[("empty", "")]);
    let corten = binary("corten");
    let name = "127.0.0.1:5001/apps/published:1";
    let words = ["compose", "publish", name];
    let refused = inside(&engine, &corten, &published, &words);
    refused.fails(1, "service \"web\" has env_file declared.");
    let words = ["compose", "publish", "-y", name];
    inside(&engine, &corten, &published, &words).ok();
    let oci = format!("oci://{name}");
    let ours = inside(
        &engine,
        &corten,
        &elsewhere,
        &["compose", "-f", &oci, "config"],
    );
    assert!(ours.ok().contains("GREETING: hello"), "{}", ours.stdout);
    assert!(
        ours.ok().contains("image: busybox:latest"),
        "{}",
        ours.stdout
    );
    let stock = corten_testkit::compose();
    let theirs = inside(&engine, &stock, &elsewhere, &["-f", &oci, "config"]);
    assert_eq!(ours.ok(), theirs.ok());
    // Before anything of it runs, the user sees where it lies and its variables.
    let words = ["compose", "-f", &oci, "up", "-d"];
    let asked = inside(&engine, &corten, &elsewhere, &words);
    asked.fails(1, "operation cancelled by user");
    assert!(
        asked.stdout.contains("TAG        latest   compose file"),
        "{asked:?}"
    );
    let theirs = inside(&engine, &stock, &elsewhere, &words[1..]);
    let below = |told: &Ran| {
        told.stdout
            .lines()
            .skip(1)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!((asked.code, below(&asked)), (theirs.code, below(&theirs)));
    nothing_is_left(&engine);
    let agreed = ["compose", "-f", &oci, "up", "-d", "--y"];
    let agreed = inside(&engine, &corten, &elsewhere, &agreed);
    assert!(agreed.stderr.contains("--y is deprecated"), "{agreed:?}");
    agreed.ok();
    let words = ["compose", "-p", "published", "down"];
    inside(&engine, &corten, &elsewhere, &words).ok();
    let including = format!("include: ['{oci}']\nservices: {{ own: {{ image: busybox }} }}\n");
    fs::write(elsewhere.join("compose.yaml"), including).expect("a file");
    let words = ["compose", "run", "--rm", "-T", "web"];
    let ran = inside(&engine, &corten, &elsewhere, &words);
    assert_eq!(ran.ok(), "published");
    let words = ["compose", "-p", "elsewhere", "down"];
    inside(&engine, &corten, &elsewhere, &words).ok();
}

const WHOLE: &str = r#"
name: whole
services:
  web: { image: "127.0.0.1:5000/busybox", command: "true" }
  multi: { image: "127.0.0.1:5001/apps/multi", command: "true" }
  own: { image: "127.0.0.1:5001/apps/own:1", build: . }
"#;

/// Everything below a manifest of the test's second registry is there.
fn is_whole(engine: &Engine, digest: &str) -> serde_json::Value {
    let url = |kind: &str, digest: &str| {
        let digest = digest.trim_matches('"');
        format!("http://127.0.0.1:5001/v2/apps/whole/{kind}/{digest}")
    };
    let accept = "Accept: application/vnd.oci.image.index.v1+json, \
        application/vnd.oci.image.manifest.v1+json, \
        application/vnd.docker.distribution.manifest.v2+json, \
        application/vnd.docker.distribution.manifest.list.v2+json";
    let url_of = url("manifests", digest);
    let said = run(engine.inside("curl").args(["-sf", "-H", accept, &url_of]));
    let manifest: serde_json::Value = serde_json::from_str(said.ok()).expect("JSON");
    for listed in manifest["manifests"].as_array().into_iter().flatten() {
        is_whole(engine, &listed["digest"].to_string());
    }
    let layers = manifest["layers"].as_array().into_iter().flatten();
    for blob in layers.chain(manifest.get("config")) {
        let url = url("blobs", &blob["digest"].to_string());
        run(engine.inside("curl").args(["-sfI", &url])).ok();
    }
    manifest
}

#[test]
fn an_application_is_published_with_its_images() {
    let engine = Engine::with_registries();
    let files = [
        ("compose.yaml", WHOLE),
        ("Dockerfile", "FROM scratch\nCOPY compose.yaml /\n"),
    ];
    let whole = engine.files("whole", &files);
    let corten = binary("corten");
    ours(&engine, &whole, &["build"]).ok();
    let (context, platforms) = (whole.display().to_string(), "linux/amd64,linux/arm64");
    let multi = [
        "build",
        "--platform",
        platforms,
        "--push",
        "-t",
        "127.0.0.1:5001/apps/multi",
        &context,
    ];
    engine.corten(multi).ok();
    let name = "127.0.0.1:5001/apps/whole:1";
    let words = ["compose", "publish", "--app", name];
    let told = inside(&engine, &corten, &whole, &words);
    assert!(
        told.stderr.contains("Pushing 127.0.0.1:5001/apps/own:1: "),
        "{told:?}"
    );
    told.ok();
    let project = is_whole(&engine, "1");
    let file = |number: usize| &project["layers"][number]["annotations"]["com.docker.compose.file"];
    assert_eq!(
        (file(0), file(1)),
        (&"compose.yaml".into(), &"image-digests.yaml".into())
    );
    // Only the digest of the index names it: who looks for it asks for its subject.
    let revisions =
        "registry/docker/registry/v2/repositories/apps/whole/_manifests/revisions/sha256";
    let revisions = fs::read_dir(engine.path(revisions)).expect("a repository");
    let names = revisions.map(|it| it.expect("an entry").file_name());
    let manifests = names.map(|hex| {
        let digest = format!("sha256:{}", hex.to_string_lossy());
        is_whole(&engine, &digest)
    });
    let index = manifests.into_iter().find(|it| it.get("subject").is_some());
    let index = index.expect("the images are there");
    assert_eq!(index["manifests"].as_array().map(Vec::len), Some(3));
    let kind = &index["subject"]["artifactType"];
    assert_eq!(kind, "application/vnd.docker.compose.project");
    let stock = corten_testkit::compose();
    let oci = format!("oci://{name}");
    let elsewhere = engine.files("elsewhere", &[("empty", "")]);
    let theirs = inside(
        &engine,
        &stock,
        &elsewhere,
        &["-f", &oci, "config", "--images"],
    );
    assert_eq!(
        theirs.ok().matches("@sha256:").count(),
        3,
        "{}",
        theirs.stdout
    );
}

const PRIVATE: &str = r#"
services:
  web:
    image: busybox
    environment: [A=b, "DATABASE=postgres://app:sesame@db/app"]
    env_file: [web.env]
    volumes: ["./data:/data"]
    secrets: [key]
secrets: { key: { file: ./key } }
"#;

#[test]
fn what_may_be_private_is_asked_about_before_it_is_published() {
    let engine = Engine::with_registries();
    let key = "-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\n";
    let files = [
        ("compose.yaml", PRIVATE),
        ("web.env", "KEY=value\n"),
        ("key", key),
    ];
    let private = engine.files("private", &files);
    let publish = |answers: &str, more: &str| {
        let program = binary("corten");
        let line = format!(
            "printf '{answers}' | {} compose publish {more} 127.0.0.1:5001/apps/private",
            program.display()
        );
        inside(&engine, Path::new("sh"), &private, &["-c", &line])
    };
    const BINDS: &str = "Are you ok to publish these bind mount declarations? [y/N] ";
    const SECRETS: &str = "Are you ok to publish these sensitive data? [y/N] ";
    const VARIABLES: &str = "Are you ok to publish these environment variables? [y/N] ";
    let tags = || {
        let url = "http://127.0.0.1:5001/v2/apps/private/tags/list";
        run(engine.inside("curl").args(["-s", url])).stdout
    };
    let all = |ran: &Ran| [BINDS, SECRETS, VARIABLES].map(|it| ran.stdout.contains(it));
    let first = publish("", "--with-env");
    assert_eq!(
        (first.code, all(&first)),
        (0, [true, false, false]),
        "{first:?}"
    );
    let second = publish("y\\nn\\n", "--with-env");
    assert_eq!(
        (second.code, all(&second)),
        (0, [true, true, false]),
        "{second:?}"
    );
    for found in [
        "Private Key\n",
        "URL with password\n\"services.web.environment.DATABASE\": ",
    ] {
        assert!(
            second.stdout.contains(found),
            "{found:?} in {}",
            second.stdout
        );
    }
    publish("y\\ny\\n", "").fails(1, "service \"web\" has env_file declared.");
    assert!(
        tags().contains("NAME_UNKNOWN"),
        "nothing was published: {}",
        tags()
    );
    let last = publish("y\\nyes\\nY\\n", "--with-env");
    assert_eq!((last.code, all(&last)), (0, [true, true, true]), "{last:?}");
    assert!(last.stdout.contains("\nKEY=value\n"), "{}", last.stdout);
    assert!(tags().contains("latest"), "{}", tags());
}

#[test]
fn projects_are_included_from_git_and_stay_in_their_repository() {
    let mut engine = Engine::start();
    let files = [
        (
            "app/compose.yaml",
            "services: { app: { image: app, env_file: app.env } }\n",
        ),
        ("app/app.env", "FROM=git\n"),
    ];
    let repository = engine.files("served/app.git", &files);
    std::os::unix::fs::symlink("/etc/passwd", repository.join("out.yaml")).expect("a link");
    let git = |words: &[&str]| {
        let user = ["-c", "user.name=a", "-c", "user.email=a@example.com"];
        let words = user.iter().chain(words);
        inside(
            &engine,
            Path::new("git"),
            &repository,
            &words.copied().collect::<Vec<_>>(),
        )
        .ok();
    };
    git(&["init", "--quiet", "--initial-branch=main"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "-m", "app"]);
    let mut daemon = engine.inside("sh");
    daemon.args(GIT_DAEMON);
    daemon.args(["--export-all", "--listen=127.0.0.1", "--port=9418"]);
    daemon.arg(format!("--base-path={}", engine.path("served").display()));
    daemon
        .arg(engine.path("served"))
        .env("HOME", engine.path("home"));
    daemon.env("GIT_CONFIG_COUNT", "1");
    daemon
        .env("GIT_CONFIG_KEY_0", "safe.directory")
        .env("GIT_CONFIG_VALUE_0", "*");
    engine.beside(daemon);
    let corten = binary("corten");
    let here = engine.path("here");
    let with = |reference: &str| {
        let text = format!("include: ['git://127.0.0.1/app.git#{reference}']\n");
        engine.files("here", &[("compose.yaml", &text)]);
        inside(&engine, &corten, &here, &["compose", "config"])
    };
    until("the repository is served", 20, || {
        with("main:app").code == 0
    });
    assert!(with(":app").ok().contains("FROM: git"));
    with("main:../..").fails(1, "git subdirectory path traversal detected: ../..");
    with("main:/etc").fails(1, "git subdirectory must be relative, got: /etc");
    with("main:out.yaml").fails(1, "git subdirectory escapes base directory: out.yaml");
    with("--upload-pack=touch").fails(1, "git ls-remote failed");
}

#[test]
fn it_is_docker_compose_alone_and_as_a_plugin_of_the_stock_client() {
    let engine = Engine::with_images(&["busybox"]);
    let pair = engine.files("pair", &[("compose.yaml", PAIR)]);
    let plugins = engine.path("docker-config/cli-plugins");
    fs::create_dir_all(&plugins).expect("a directory for plugins");
    let program = plugins.join("docker-compose");
    std::os::unix::fs::symlink(binary("corten"), &program).expect("a link");
    let mut plugin = engine.docker_command(["compose", "up", "-d", "one"]);
    run(plugin.current_dir(&pair)).ok();
    let alone = inside(&engine, &program, &pair, &["ps", "--services"]);
    assert_eq!(alone.ok(), "one");
    let mut plugin = engine.docker_command(["compose", "down", "-t", "0"]);
    run(plugin.current_dir(&pair)).ok();
    nothing_is_left(&engine);
}
