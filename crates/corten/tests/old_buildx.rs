//! buildx 0.13 of early 2024, which many distributions still have: by the engine's own
//! builder, and by its remote driver on the engine's socket.

use corten_testkit::{Engine, Ran, buildx_13, run};
use std::fs;

const SECRET: &str = "neverseenagain";
const DOCKERFILE: &str = "FROM busybox AS tool
RUN --mount=type=secret,id=key cat /run/secrets/key | md5sum > /sum
FROM busybox
COPY a /a
RUN cat /proc/sys/kernel/random/uuid > /once
COPY --from=tool /sum /sum
";
const BAKE: &str = r#"
group "default" { targets = ["app", "data"] }
target "app" {
  contexts = { below = "target:base" }
  dockerfile-inline = "FROM below\nRUN cat /a /a > /twice\n"
  tags = ["baked"]
}
target "base" { dockerfile-inline = "FROM busybox\nCOPY a /a\n" }
target "data" {
  dockerfile-inline = "FROM scratch\nCOPY a /data\n"
  output = ["type=local,dest=baked"]
}
"#;

/// An engine, and the plugin with the words that choose its builder.
struct Bench {
    engine: Engine,
    builder: &'static str,
}

impl Bench {
    fn new(builder: &'static str) -> Self {
        let engine = Engine::with_images(&["busybox"]);
        let plugins = engine.path("docker-config/cli-plugins");
        fs::create_dir_all(&plugins).expect("a directory for plugins");
        let plugin = plugins.join("docker-buildx");
        std::os::unix::fs::symlink(buildx_13(), plugin).expect("the plugin");
        let files = [
            ("Dockerfile", DOCKERFILE),
            ("a", "a\n"),
            ("key", SECRET),
            ("docker-bake.hcl", BAKE),
        ];
        engine.files("it", &files);
        let bench = Self { engine, builder };
        let version = bench.call(&["version"]);
        assert!(version.ok().contains(" 0.13."), "{}", version.stdout);
        bench
    }

    /// `docker buildx …` in the directory of the files.
    fn call(&self, words: &[&str]) -> Ran {
        let words = [&["buildx"], words].concat();
        let mut command = self.engine.docker_command(words);
        command
            .current_dir(self.engine.path("it"))
            .env("BUILDX_BUILDER", self.builder)
            .env("BUILDX_GIT_INFO", "false");
        run(&mut command)
    }

    fn build(&self, words: &[&str]) -> Ran {
        let own = [
            "build",
            "--progress=plain",
            "--secret=id=key,src=key",
            "--load",
        ];
        let built = self.call(&[&own[..], words, &["."]].concat());
        built.ok();
        built
    }

    fn content(&self) -> String {
        let words = ["run", "--rm", "built", "cat", "/once", "/sum"];
        self.engine.docker(words).ok().to_owned()
    }

    fn forget(&self) {
        self.engine.docker(["image", "rm", "-f", "built"]);
        self.call(&["prune", "-a", "-f"]).ok();
    }

    fn read(&self, path: &str) -> String {
        let path = self.engine.path("it").join(path);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

/// Whether the step whose title has these words was there already.
fn is_cached(ran: &Ran, words: &str) -> bool {
    let mut lines = ran.stderr.lines();
    let title = lines.find(|line| line.contains(words)).expect("the step");
    let number = title.split(' ').next().unwrap_or_default();
    let cached = format!("{number} CACHED");
    ran.stderr.lines().any(|line| line == cached)
}

/// What such a plugin is used for every day.
fn everyday(bench: &Bench) {
    let first = bench.build(&["-t", "built"]);
    let (secret, once) = ("RUN --mount=type=secret", "RUN cat /proc");
    let cached = |ran: &Ran| (is_cached(ran, secret), is_cached(ran, once));
    assert_eq!(cached(&first), (false, false), "{}", first.stderr);
    let content = bench.content();
    let sum =
        run(std::process::Command::new("sh").args(["-c", "printf %s \"$0\" | md5sum", SECRET]));
    assert!(content.ends_with(sum.ok()), "{content}");
    let again = bench.build(&["-t", "built"]);
    assert_eq!(cached(&again), (true, true), "{}", again.stderr);
    assert_eq!(bench.content(), content);

    let own = ["build", "--secret=id=key,src=key"];
    let out = |to: &str| bench.call(&[&own[..], &["-o", to, "."]].concat());
    out("type=local,dest=out").ok();
    assert_eq!(
        bench.read("out/once").trim(),
        content.lines().next().unwrap_or_default()
    );
    out("type=tar,dest=out.tar").ok();
    let tar = bench.engine.path("it/out.tar").display().to_string();
    let read = run(bench.engine.inside("tar").args(["-xOf", &tar, "once"]));
    assert_eq!(read.stdout, bench.read("out/once"));

    let used = bench.call(&["du"]);
    assert!(used.ok().contains("Reclaimable:"), "{}", used.stdout);
    let baked = bench.call(&["bake", "--set=app.output=type=docker"]);
    baked.ok();
    let seen = bench
        .engine
        .docker(["run", "--rm", "baked", "cat", "/twice"]);
    assert_eq!(seen.ok(), "a\na");
    assert_eq!(bench.read("baked/data"), "a\n");

    bench.build(&["-t", "built", "--cache-to=type=local,dest=kept,mode=max"]);
    bench.forget();
    let from = bench.build(&["-t", "built", "--cache-from=type=local,src=kept"]);
    assert_eq!(bench.content(), content, "{}", from.stderr);
    bench.forget();
    let used = bench.call(&["du"]);
    assert_eq!(
        used.ok().lines().last(),
        Some("Total:\t\t0B"),
        "{}",
        used.stdout
    );
}

#[test]
fn the_engines_own_builder_does_all_that_buildx_0_13_wants() {
    everyday(&Bench::new("default"));
}

#[test]
fn the_remote_driver_of_buildx_0_13_does_as_much() {
    let bench = Bench::new("far");
    let host = bench.engine.host();
    let create = ["create", "--name=far", "--driver=remote", &host];
    bench.call(&create).ok();
    everyday(&bench);
}
