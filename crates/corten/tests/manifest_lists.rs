//! `manifest` commands of the stock client and of ours, called as `docker`, beside each
//! other: what they print, what they keep on disk, what they push.

use corten_testkit::{Engine, Ran, binary, docker_current, run};
use std::{collections::BTreeMap, path::Path};

const REGISTRY: &str = "127.0.0.1:5001";

/// A client with a directory of its own, standing where the registries are.
struct Client<'a> {
    engine: &'a Engine,
    ours: bool,
}

impl Client<'_> {
    fn home(&self) -> std::path::PathBuf {
        self.engine.path(if self.ours { "ours" } else { "stock" })
    }

    fn run(&self, line: &str) -> Ran {
        let program = if self.ours {
            // By its name the client knows whose words to use.
            let link = self.engine.path("docker");
            if !link.exists() {
                std::os::unix::fs::symlink(binary("corten"), &link).expect("a link");
            }
            link
        } else {
            docker_current()
        };
        let mut command = self.engine.inside("/usr/bin/env");
        command
            .arg(program)
            .arg("manifest")
            .args(line.split_whitespace())
            .env("HOME", self.home())
            .env_remove("DOCKER_CONFIG");
        run(&mut command)
    }

    /// Every file below `manifests`, by its name.
    fn files(&self) -> BTreeMap<String, String> {
        let mut files = BTreeMap::new();
        let root = self.home().join(".docker/manifests");
        for list in entries(&root) {
            for file in entries(&list) {
                let name = file.strip_prefix(&root).expect("below it");
                let text = std::fs::read_to_string(&file).expect("a text");
                files.insert(name.display().to_string(), text);
            }
        }
        files
    }
}

fn entries(directory: &Path) -> Vec<std::path::PathBuf> {
    let found = std::fs::read_dir(directory).into_iter().flatten().flatten();
    found.map(|entry| entry.path()).collect()
}

#[test]
fn lists_are_put_together_shown_and_pushed_as_by_the_stock_client() {
    let engine = Engine::with_registries();
    for name in ["busybox", "debian"] {
        engine.docker(["pull", "-q", name]).ok();
        for repository in ["team/one", "team/two"] {
            let target = format!("{REGISTRY}/{repository}:{name}");
            engine.docker(["tag", name, &target]).ok();
            engine.docker(["push", "-q", &target]).ok();
        }
    }
    let stock = Client {
        engine: &engine,
        ours: false,
    };
    let ours = Client {
        engine: &engine,
        ours: true,
    };
    let (one, two) = (
        format!("{REGISTRY}/team/one"),
        format!("{REGISTRY}/team/two"),
    );
    let lines = [
        format!("inspect --insecure {one}:busybox"),
        format!("inspect --insecure -v {one}:busybox"),
        format!("inspect --insecure {one}:none"),
        "inspect --insecure 127.0.0.1:5000/library/busybox".into(),
        "inspect --insecure -v 127.0.0.1:5000/library/busybox".into(),
        "inspect --insecure UPPER".into(),
        format!("create --insecure {one}:all {one}:busybox {two}:debian"),
        format!("create --insecure {one}:all {one}:busybox"),
        format!("create --insecure --amend {one}:all {one}:debian"),
        format!("create --insecure {one}:x 127.0.0.1:5000/library/busybox"),
        "create --insecure BAD:x busybox".into(),
        format!("annotate {one}:all {two}:debian --arch arm --variant v7 --os-features a,b"),
        format!("annotate {one}:all {two}:debian --os-version 10.1 --os-features b,c"),
        format!("annotate {one}:all {two}:debian --arch sparc"),
        format!("annotate {one}:all {two}:none --arch arm"),
        format!("annotate {one}:gone {two}:debian --arch arm"),
        format!("inspect {one}:all"),
        format!("inspect -v {one}:all"),
        format!("inspect {one}:all {two}:debian"),
        format!("inspect -v {one}:all {two}:debian"),
        format!("inspect {one}:all {two}:none"),
        format!("push --insecure {one}:none"),
        format!("push --insecure {one}:all"),
        format!("rm {one}:none {one}:all {one}:other"),
        format!("inspect --insecure {one}:all"),
        format!("create --insecure {one}:mixed 127.0.0.1:5000/library/ubuntu"),
        format!("push --insecure --purge {one}:mixed"),
    ];
    for line in &lines {
        let (theirs, mine) = (stock.run(line), ours.run(line));
        let told = |ran: &Ran| (ran.code, ran.stdout.clone(), ran.stderr.clone());
        assert_eq!(told(&mine), told(&theirs), "docker manifest {line}");
        assert_eq!(ours.files(), stock.files(), "after docker manifest {line}");
    }
    // The list is an image of the registry now.
    let pulled = format!("{one}:all");
    engine.docker(["pull", "-q", &pulled]).ok();
    engine.docker(["run", "--rm", &pulled, "true"]).ok();
}
