//! The daemon is killed at each step of a build: the next build takes up what was finished,
//! gives the whole image, and nothing is left behind.

mod steps;

use corten_testkit::{Engine, Leftovers, run};
use std::path::PathBuf;
use steps::{Step, at_rest, become_as, steps_of};

/// Two stages, a cache mount, and files of the client. Each process writes a word that no
/// other one writes, so that a step which is done again can be told from one that is not.
const DOCKERFILE: &str = "FROM busybox AS tool
RUN cat /proc/sys/kernel/random/uuid > /tool
FROM busybox
COPY a.txt /a
RUN --mount=type=cache,id=made,target=/made,from=tool,source=/etc date >> /made/dates && cat /proc/sys/kernel/random/uuid > /first
COPY --from=tool /tool /tool
RUN cat /proc/sys/kernel/random/uuid > /second
";
/// Its steps that the cache can have.
const STEPS: usize = 5;

/// Who asks for the build.
#[derive(Clone, Copy, PartialEq)]
enum Client {
    Classic,
    Buildx,
    /// Buildx, the layers of the build made one.
    Squashed,
}

fn context(engine: &Engine) -> PathBuf {
    engine.files("context", &[("Dockerfile", DOCKERFILE), ("a.txt", "a\n")])
}

/// What the client said, if the build was acknowledged.
fn build(engine: &Engine, client: Client) -> Option<String> {
    let directory = engine.path("context").display().to_string();
    let words = match client {
        Client::Classic => vec!["build", "-t", "built", &directory],
        Client::Buildx => vec!["build", "--progress", "plain", "-t", "built", &directory],
        Client::Squashed => {
            let output = "type=image,name=built,squash=true";
            vec!["build", "--progress", "plain", "-o", output, &directory]
        }
    };
    let mut command = engine.docker_command(words);
    let kind = if client == Client::Classic { "0" } else { "1" };
    let ran = run(command
        .env("DOCKER_BUILDKIT", kind)
        .env("BUILDX_GIT_INFO", "false"));
    (ran.code == 0).then(|| ran.stdout + &ran.stderr)
}

/// Steps that came from the cache; base images are shown as if they did.
fn cached(client: Client, said: &str) -> usize {
    let (mark, bases) = match client {
        Client::Classic => (" ---> Using cache", 0),
        Client::Buildx | Client::Squashed => (" CACHED", 2),
    };
    let lines = said.lines().filter(|line| line.ends_with(mark));
    lines.count() - bases
}

/// Without the image, the cache, and what the client's context was kept as.
fn forget(engine: &Engine) {
    let _absent = engine.docker(["image", "rm", "-f", "built"]);
    engine.docker(["builder", "prune", "-a", "-f"]).ok();
}

fn without_kept_contexts(mut leftovers: Leftovers) -> Leftovers {
    // The builds of the past are kept on purpose, a bounded number of them.
    let kept = |path: &PathBuf| {
        let path = path.display().to_string();
        path.contains("/contexts/") || path.contains("/build/history/")
    };
    leftovers.files.retain(|path| !kept(path));
    leftovers
}

fn is_whole(engine: &Engine, step: &Step) {
    let words = "cat /a && test -s /tool && test -s /first && test -s /second && ! test -e /made";
    let ran = engine.docker(["run", "--rm", "built", "sh", "-c", words]);
    assert_eq!(ran.ok(), "a", "{step:?}");
    engine.corten(["image", "verify"]).ok();
}

fn killed_at_each_step(client: Client, wanted: impl Fn(&str) -> bool) {
    let mut engine = Engine::with_images(&["busybox"]);
    engine.install_buildx();
    context(&engine);
    // What a first build leaves for good: the place for kept contexts and the like.
    build(&engine, client).expect("it builds");
    is_whole(&engine, &("nothing".into(), 0));
    forget(&engine);
    let before = without_kept_contexts(at_rest(&engine));
    let steps: Vec<Step> = steps_of(&engine, |engine| {
        build(engine, client).expect("it builds");
    });
    let steps: Vec<Step> = steps.into_iter().filter(|it| wanted(&it.0)).collect();
    let least = if client == Client::Squashed { 2 } else { 10 };
    assert!(steps.len() > least, "{steps:?}");
    forget(&engine);
    as_before_but_contexts(&engine, &before, &("nothing".into(), 0));
    for step in steps {
        engine.steps().settled();
        engine.steps().forget();
        engine.steps().kill_at(&step.0, step.1);
        let acknowledged = build(&engine, client).is_some();
        engine.daemon_dies();
        assert!(engine.steps().killed(), "{step:?}");
        let passed = engine.steps().passed();
        let finished = passed.iter().filter(|it| *it == "build.recorded").count();
        engine.start_daemon();
        if acknowledged {
            let found = engine.get("/images/built/json");
            assert!(found.is_some(), "{step:?}: it was acknowledged");
        }
        let again = build(&engine, client);
        let again = again.unwrap_or_else(|| panic!("{step:?}: {}", engine.log()));
        let found = cached(client, &again);
        assert!(
            (finished..=STEPS).contains(&found),
            "{step:?}: {finished} steps were finished, {found} were used\n{again}"
        );
        is_whole(&engine, &step);
        forget(&engine);
        as_before_but_contexts(&engine, &before, &step);
    }
}

#[track_caller]
fn as_before_but_contexts(engine: &Engine, before: &Leftovers, step: &Step) {
    become_as(before, step, || without_kept_contexts(engine.leftovers()));
}

#[test]
fn a_daemon_killed_at_each_step_of_a_build_goes_on_from_what_was_finished() {
    let own = [
        "build.",
        "built.",
        "step.",
        "cache_mount.",
        "layer.",
        "blob.",
    ];
    killed_at_each_step(Client::Buildx, |name| {
        own.iter().any(|room| name.starts_with(room))
    });
}

#[test]
fn a_daemon_killed_at_each_step_of_a_classic_build_goes_on_from_what_was_finished() {
    let own = [
        "build.ran",
        "build.move",
        "build.record",
        "built.",
        "layer.name",
    ];
    killed_at_each_step(Client::Classic, |name| {
        own.iter().any(|begin| name.starts_with(begin))
    });
}

#[test]
fn a_daemon_killed_while_layers_become_one_has_the_layers_and_the_next_build_the_one() {
    killed_at_each_step(Client::Squashed, |name| {
        name.starts_with("build.squash") || name == "layer.name"
    });
}

#[test]
fn a_daemon_killed_while_a_step_runs_leaves_neither_the_process_nor_its_files() {
    let mut engine = Engine::with_images(&["busybox"]);
    let endless = "FROM busybox\nCOPY a.txt /a\nRUN --mount=type=tmpfs,target=/t --mount=type=cache,target=/c echo running > /c/x && sleep 1000\n";
    let files = [("Dockerfile", endless), ("a.txt", "a\n")];
    let directory = engine.files("context", &files);
    // The parent of its control groups stays.
    engine.docker(["run", "--rm", "busybox", "true"]).ok();
    let before = at_rest(&engine);
    for kind in ["0", "1"] {
        engine.install_buildx();
        engine.steps().forget();
        let path = directory.display().to_string();
        let mut command = engine.docker_command(["build", "-t", "built", &path]);
        let mut client = command
            .env("DOCKER_BUILDKIT", kind)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .expect("the client starts");
        corten_testkit::until("the step runs", 20, || {
            engine.steps().passed().iter().any(|it| it == "step.runs")
        });
        engine.kill_daemon();
        client.wait().expect("it ends with its daemon");
        engine.start_daemon();
        engine.docker(["builder", "prune", "-a", "-f"]).ok();
        let step = (format!("running, DOCKER_BUILDKIT={kind}"), 1);
        become_as(&before, &step, || without_kept_contexts(engine.leftovers()));
    }
}
