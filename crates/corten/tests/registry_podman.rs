//! `corten registry serve` and Podman: it logs in, pushes and pulls, also lists of platforms,
//! and what it pushed the engine runs.

use corten_testkit::{
    Engine, Ran, Registry, binary, image, podman, program, run, run_with_input, until,
};
use serde_json::Value;

const SERVER: &str = "127.0.0.1:5055";

/// Our registry with a password beside an engine, and Podman with a store of its own.
struct Shop {
    engine: Engine,
}

impl Shop {
    fn open() -> Self {
        let mut engine = Engine::start();
        let users = engine.path("users");
        std::fs::write(&users, Registry::htpasswd()).expect("the registry's users");
        for name in [
            "pod/containers",
            "pod/run",
            "pod/tmp",
            "pod/net",
            "pod/user",
        ] {
            std::fs::create_dir_all(engine.path(name)).expect("a directory of Podman's");
        }
        let insecure = format!("[[registry]]\nlocation = \"{SERVER}\"\ninsecure = true\n");
        std::fs::write(engine.path("pod/registries.conf"), insecure).expect("its registries");
        let mut registry = engine.inside(binary("corten"));
        registry.args(["registry", "serve", "--listen", SERVER, "--root"]);
        registry.arg(engine.path("own-registry"));
        registry.arg("--htpasswd").arg(users);
        engine.beside(registry);
        let url = format!("http://{SERVER}/v2/");
        until("our registry answers", 20, || {
            // 401 is an answer, too.
            run(engine.inside("curl").args(["-s", "--max-time", "2", &url])).code == 0
        });
        Self { engine }
    }

    fn command(&self, words: &[&str]) -> std::process::Command {
        let own = |name: &str| self.engine.path("pod").join(name);
        // What Podman remembers of places has no flag: it gets a directory of the test's.
        let line = "mkdir -p /var/lib/containers && mount --bind \"$0\" /var/lib/containers && exec \"$@\"";
        let mut command = self.engine.inside("unshare");
        command
            .args(["-m", "--", "sh", "-c", line])
            .arg(own("containers"))
            .arg(podman().join("usr/bin/podman"))
            .arg("--conmon")
            .arg(podman().join("usr/bin/conmon"))
            .arg("--runroot")
            .arg(own("run"))
            .arg("--tmpdir")
            .arg(own("tmp"))
            .arg("--network-config-dir")
            .arg(own("net"))
            .args(["--storage-driver=vfs", "--cgroup-manager=cgroupfs"])
            .arg("--events-backend=none")
            .args(words)
            .env("LD_LIBRARY_PATH", podman().join("usr/lib/x86_64-linux-gnu"))
            .env("XDG_RUNTIME_DIR", own("user"))
            .env("CONTAINERS_REGISTRIES_CONF", own("registries.conf"))
            .env("HOME", own(""));
        command
    }

    fn podman(&self, words: &[&str]) -> Ran {
        run(&mut self.command(words))
    }

    fn login(&self, password: &str) -> Ran {
        let words = ["login", "-u", Registry::USER, "--password-stdin", SERVER];
        run_with_input(&mut self.command(&words), password.as_bytes())
    }

    fn engine_logged_in(&self) -> &Engine {
        let words = ["login", "-u", Registry::USER, "--password-stdin", SERVER];
        let password = Registry::PASSWORD.as_bytes();
        self.engine.docker_with_input(words, password).ok();
        &self.engine
    }

    fn load(&self) {
        let archive = image("busybox").display().to_string();
        self.podman(&["load", "-q", "-i", &archive]).ok();
    }

    fn inspect(&self, field: &str, name: &str) -> String {
        let format = format!("{{{{.{field}}}}}");
        let ran = self.podman(&["image", "inspect", "-f", &format, name]);
        ran.ok().to_owned()
    }
}

#[test]
fn podman_logs_in_pushes_lists_and_pulls() {
    let shop = Shop::open();
    shop.load();
    let repository = format!("{SERVER}/team/box");
    let one = format!("{repository}:1");
    shop.podman(&["tag", "busybox", &one]).ok();
    let refused = "unauthorized: authentication required";
    shop.podman(&["push", &one]).fails(125, refused);
    let wrong = "invalid username/password";
    shop.login("wrong").fails(125, wrong);
    assert_eq!(shop.login(Registry::PASSWORD).ok(), "Login Succeeded!");

    let told = shop.engine.path("digest");
    let file = format!("--digestfile={}", told.display());
    shop.podman(&["push", &file, &one]).ok();
    let digest = std::fs::read_to_string(told).expect("a digest");
    // The same again in the shapes that Podman knows, elsewhere and under other tags.
    let docker = format!("{repository}:docker");
    shop.podman(&["push", "--format=v2s2", &one, &docker]).ok();
    let zstd = format!("{SERVER}/other/box:zstd");
    let format = ["--format=oci", "--compression-format=zstd"];
    let push = [&["push"], &format[..], &[&one, &zstd]].concat();
    shop.podman(&push).ok();

    let listed = shop.podman(&["search", "--list-tags", &repository]);
    let lines = listed.ok().lines().skip(1);
    let tags: Vec<_> = lines
        .filter_map(|it| it.split_whitespace().nth(1))
        .collect();
    assert_eq!(tags, ["1", "docker"], "{}", listed.stdout);
    let found = shop.podman(&["search", "--format={{.Name}}", &format!("{SERVER}/box")]);
    assert_eq!(found.ok(), format!("{SERVER}/other/box\n{repository}"));

    let (id, layers) = (
        shop.inspect("Id", &one),
        shop.inspect("RootFS.Layers", &one),
    );
    let by_digest = format!("{repository}@{digest}");
    for (name, kind) in [
        (&one, "docker.distribution.manifest.v2"),
        (&by_digest, "docker.distribution.manifest.v2"),
        (&docker, "docker.distribution.manifest.v2"),
        (&zstd, "oci.image.manifest.v1"),
    ] {
        shop.podman(&["rmi", "-f", "-a"]).ok();
        shop.podman(&["pull", "-q", name]).ok();
        assert_eq!(shop.inspect("RootFS.Layers", name), layers, "{name}");
        let manifest = shop.inspect("ManifestType", name);
        assert!(manifest.contains(kind), "{name}: {manifest}");
        assert_eq!(shop.inspect("Id", name) == id, *name != zstd, "{name}");
    }
    // What Podman pushed with zstd runs.
    let ran = shop
        .engine_logged_in()
        .docker(["run", "--rm", "-q", &zstd, "echo", "hello"]);
    assert_eq!(ran.ok(), "hello");

    shop.podman(&["logout", SERVER]).ok();
    shop.podman(&["pull", &one]).fails(125, refused);
}

#[test]
fn podman_pushes_a_list_of_platforms_and_pulls_one_of_them() {
    let shop = Shop::open();
    shop.login(Registry::PASSWORD).ok();
    shop.load();
    let files = shop.engine.files("tree", &[("etc/motd", "on arm")]);
    let tree = shop.engine.path("tree.tar").display().to_string();
    let words = ["-C", &files.display().to_string(), "-cf", &tree, "."];
    run(&mut program("tar", words)).ok();
    let (intel, arm) = (
        format!("{SERVER}/team/box:intel"),
        format!("{SERVER}/team/box:arm"),
    );
    shop.podman(&["import", "-q", "--arch=arm64", &tree, &arm])
        .ok();
    shop.podman(&["tag", "busybox", &intel]).ok();
    shop.podman(&["manifest", "create", "list"]).ok();
    for name in [&intel, &arm] {
        shop.podman(&["push", name]).ok();
        shop.podman(&["manifest", "add", "list", &format!("docker://{name}")])
            .ok();
    }
    // To another repository, which gets what they consist of.
    let name = format!("{SERVER}/other/both:1");
    let place = format!("docker://{name}");
    shop.podman(&["manifest", "push", "--all", "list", &place])
        .ok();
    shop.podman(&["manifest", "rm", "list"]).ok();

    let shown = shop.podman(&["manifest", "inspect", &name]);
    let shown: Value = serde_json::from_str(shown.ok()).expect("JSON");
    let list = shown["manifests"].as_array().expect("a list");
    let of = |it: &Value| it["platform"]["architecture"].clone();
    assert_eq!(list.iter().map(of).collect::<Vec<_>>(), ["amd64", "arm64"]);
    for (arch, entry) in ["amd64", "arm64"].into_iter().zip(list) {
        shop.podman(&["rmi", "-f", "-a"]).ok();
        shop.podman(&["pull", "-q", "--arch", arch, &name]).ok();
        assert_eq!(shop.inspect("Architecture", &name), arch);
        let digest = entry["digest"].as_str().expect("a digest");
        let digests = shop.inspect("RepoDigests", &name);
        assert!(digests.contains(digest), "{arch}: {digests}");
    }
    // The same list for the stock client.
    let engine = shop.engine_logged_in();
    let pull = ["pull", "-q", "--platform=linux/arm64", &name];
    engine.docker(pull).ok();
    let arch = engine.docker(["image", "inspect", "-f", "{{.Architecture}}", &name]);
    assert_eq!(arch.ok(), "arm64");
}
