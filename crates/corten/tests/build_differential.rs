//! Many small Dockerfiles, built by the stock client: the files, configuration and history
//! are those that BuildKit in dockerd 28.5 gave, recorded in `data/dockerfiles.json`.
//!
//! To record what the file lacks: set `CORTEN_RECORD_DOCKERFILES` to the address of a
//! dockerd that has the test image `busybox`, and run this test.

use corten_testkit::{Engine, run, run_with_input};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The variable with the address of a dockerd.
const RECORD: &str = "CORTEN_RECORD_DOCKERFILES";
/// Builds at the same time.
const THREADS: usize = 2;
/// What an image's configuration is compared by.
const CONFIG: [&str; 13] = [
    "Cmd",
    "Entrypoint",
    "Env",
    "ExposedPorts",
    "Healthcheck",
    "Labels",
    "OnBuild",
    "Shell",
    "StopSignal",
    "User",
    "Volumes",
    "WorkingDir",
    "ArgsEscaped",
];

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(name)
}

/// Names and Dockerfiles; behind a line `---` stands the Dockerfile's own `.dockerignore`.
fn table() -> Vec<(String, String)> {
    let text = fs::read_to_string(data("dockerfiles.txt")).expect("the table");
    let parts = text.split("### ").skip(1);
    parts
        .map(|part| {
            let (name, file) = part.split_once('\n').expect("a name");
            (name.to_owned(), file.to_owned())
        })
        .collect()
}

/// The same context for all.
fn context(directory: &Path) {
    let write = |name: &str, text: &str, mode: u32| {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(&path, text).expect("a file");
        fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("its mode");
    };
    write("a.txt", "a\n", 0o644);
    write("b.txt", "b\n", 0o600);
    write("script.sh", "#!/bin/sh\n", 0o755);
    write("d/x", "x\n", 0o644);
    write("d/y/z", "z\n", 0o640);
    write("a b.txt", "a b\n", 0o644);
    write("package.json", "{}\n", 0o644);
    write("package-lock.json", "{\"lockfileVersion\": 3}\n", 0o644);
    write("src/index.js", "run()\n", 0o644);
    write("src/lib/deep.js", "deep()\n", 0o644);
    write("src/README.md", "words\n", 0o644);
    fs::create_dir_all(directory.join("empty")).expect("a directory");
    for name in ["d", "d/y", "empty", "src", "src/lib", ""] {
        fs::set_permissions(directory.join(name), PermissionsExt::from_mode(0o755))
            .expect("a mode");
    }
    symlink("a.txt", directory.join("link")).expect("a link");
    symlink("y/z", directory.join("d/ll")).expect("a link");
    let made = Command::new("tar")
        .args([
            "--owner=0",
            "--group=0",
            "--mtime=2001-01-01",
            "--format=gnu",
            "-C",
        ])
        .arg(directory)
        .args(["-cf"])
        .arg(directory.join("archive.tar"))
        .args(["d", "a.txt"])
        .status();
    assert!(made.expect("tar runs").success());
    run(Command::new("gzip")
        .args(["-n"])
        .arg(directory.join("archive.tar")))
    .ok();
}

/// The stock client with buildx at `host`.
struct Client<'a> {
    engine: &'a Engine,
    host: String,
}

impl Client<'_> {
    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.engine.docker_command(words);
        command
            .env("DOCKER_HOST", &self.host)
            .env("BUILDX_GIT_INFO", "false");
        command
    }

    fn ask(&self, method: &str, path: &str) -> Value {
        let socket = self.host.trim_start_matches("unix://");
        let url = format!("http://d{path}");
        let mut curl = Command::new("curl");
        curl.args(["-s", "-X", method, "--unix-socket", socket, &url]);
        serde_json::from_str(run(&mut curl).ok()).expect("JSON")
    }

    /// Everything that is compared of one Dockerfile.
    fn build(&self, name: &str, file: &Path, context: &Path) -> Value {
        let (file, context) = (file.display().to_string(), context.display().to_string());
        let image = format!("corten-differential-{name}");
        let secret = format!("id=s,src={context}/b.txt");
        let given = ["--build-arg", "GIVEN=given", "--secret", &secret];
        let rest = ["-f", &file, &context];
        let words = [
            &["build", "--progress", "plain", "-t", &image],
            &given[..],
            &rest,
        ]
        .concat();
        let built = run(&mut self.command(&words));
        if built.code != 0 {
            let last = built.stderr.lines().last().unwrap_or_default();
            return json!({ "error": without_places(last) });
        }
        let words = [&["build", "-q", "-o", "type=tar,dest=-"], &given[..], &rest].concat();
        let tar = self.command(&words).stderr(Stdio::null()).output();
        let mut listing = Command::new("python3");
        listing.arg(data("listing.py"));
        let listing = run_with_input(&mut listing, &tar.expect("the client runs").stdout);
        let inspected = self.ask("GET", &format!("/images/{image}/json"));
        let mut config = serde_json::Map::new();
        for name in CONFIG {
            let value = &inspected["Config"][name];
            if !value.is_null() {
                config.insert(name.to_owned(), value.clone());
            }
        }
        let history = self.ask("GET", &format!("/images/{image}/history"));
        let history: Vec<String> = history
            .as_array()
            .into_iter()
            .flatten()
            // As clients show it.
            .map(|it| {
                it["CreatedBy"]
                    .as_str()
                    .unwrap_or_default()
                    .replace('\t', " ")
            })
            .collect();
        self.ask("DELETE", &format!("/images/{image}?force=1"));
        json!({
            "files": listing.ok().lines().collect::<Vec<_>>(),
            "config": config,
            "history": history,
            "layers": inspected["RootFS"]["Layers"].as_array().map_or(0, Vec::len),
            "author": inspected["Author"],
        })
    }
}

/// A message without the names of places on the machine that it speaks of.
fn without_places(text: &str) -> String {
    let words = text
        .split(' ')
        .map(|word| match word.split_once("/merged/") {
            Some((place, rest)) if place.contains("/overlay2/") => format!("/{rest}"),
            _ => word.to_owned(),
        });
    let words: Vec<String> = words.collect();
    let mut kept: Vec<&str> = Vec::new();
    for word in &words {
        match (kept.last(), word.strip_suffix(':')) {
            (Some(&"ref"), Some(_)) => {
                kept.pop();
                kept.push("ref:");
            }
            _ => kept.push(word),
        }
    }
    kept.join(" ")
}

/// Without what comes from the base image, which is the same in all.
fn own(mut result: Value, base: &Value) -> Value {
    let base = base["files"].as_array().cloned().unwrap_or_default();
    if let Some(files) = result["files"].as_array_mut() {
        let shared = base.iter().filter(|it| files.contains(it)).count();
        if shared * 2 > base.len() {
            let gone: Vec<Value> = base
                .iter()
                .filter(|it| !files.contains(it))
                .cloned()
                .collect();
            files.retain(|it| !base.contains(it));
            result["not_of_the_base"] = gone.into();
        }
    }
    result
}

#[test]
fn every_dockerfile_of_the_table_gives_what_buildkit_gave() {
    let engine = Engine::with_images(&["busybox"]);
    engine.install_buildx();
    let record = std::env::var(RECORD).ok();
    let client = Client {
        engine: &engine,
        host: record.clone().unwrap_or_else(|| engine.host()),
    };
    let directory = engine.path("context");
    context(&directory);
    let files = engine.path("dockerfiles");
    fs::create_dir_all(&files).expect("a directory");
    let recorded = data("dockerfiles.json");
    let known = fs::read_to_string(&recorded).expect("the record");
    let mut known: BTreeMap<String, Value> = serde_json::from_str(&known).expect("JSON");
    let mut table = table();
    if record.is_some() {
        known.retain(|name, _| table.iter().any(|it| it.0 == *name));
        table.retain(|(name, _)| !known.contains_key(name));
    }
    for (name, text) in table
        .iter()
        .chain([&("base".to_owned(), "FROM busybox\n".to_owned())])
    {
        let (text, ignore) = match text.split_once("\n---\n") {
            Some((text, ignore)) => (format!("{text}\n"), Some(ignore)),
            None => (text.clone(), None),
        };
        fs::write(files.join(name), text).expect("a Dockerfile");
        if let Some(ignore) = ignore {
            fs::write(files.join(format!("{name}.dockerignore")), ignore).expect("its own");
        }
    }
    let base = client.build("base", &files.join("base"), &directory);
    let results: BTreeMap<String, Value> = std::thread::scope(|scope| {
        let (table, files, directory, client, base) = (&table, &files, &directory, &client, &base);
        let running: Vec<_> = (0..THREADS)
            .map(|first| {
                scope.spawn(move || {
                    let mine = table.iter().skip(first).step_by(THREADS);
                    mine.map(|(name, _)| {
                        let built = client.build(name, &files.join(name), directory);
                        (name.clone(), own(built, base))
                    })
                    .collect::<Vec<_>>()
                })
            })
            .collect();
        running
            .into_iter()
            .flat_map(|it| it.join().expect("it ends"))
            .collect()
    });
    if record.is_some() {
        known.extend(results);
        let text = serde_json::to_string_pretty(&known).expect("JSON");
        fs::write(recorded, text + "\n").expect("the record");
        return;
    }
    let mut differing = Vec::new();
    for (name, _) in &table {
        let (ours, theirs) = (&results[name], known.get(name).unwrap_or(&Value::Null));
        for key in [
            "error",
            "files",
            "not_of_the_base",
            "config",
            "history",
            "layers",
            "author",
        ] {
            if ours[key] != theirs[key] {
                differing.push(format!(
                    "{name}: {key}\n  ours   {}\n  theirs {}",
                    ours[key], theirs[key]
                ));
            }
        }
    }
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}
