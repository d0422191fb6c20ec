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
    let including = format!("include: ['{oci}']\nservices: {{ own: {{ image: busybox }} }}\n");
    fs::write(elsewhere.join("compose.yaml"), including).expect("a file");
    let words = ["compose", "run", "--rm", "-T", "web"];
    let ran = inside(&engine, &corten, &elsewhere, &words);
    assert_eq!(ran.ok(), "published");
    let words = ["compose", "-p", "elsewhere", "down"];
    inside(&engine, &corten, &elsewhere, &words).ok();
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
