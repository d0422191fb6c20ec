//! What a Dockerfile means, case by case: behaviour that the tests of BuildKit's own front
//! end state, as data in `data/frontend.txt`, built by the stock client.
//!
//! The cases hold for BuildKit itself: set `CORTEN_FRONTEND_HOST` to the address of a dockerd
//! that has the test image `busybox`, and this test asks that one. Cases marked `#parents`
//! need a front end that is newer than the one in dockerd 28.5, and are left out there.

use corten_testkit::{Engine, run};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The variable with the address of a dockerd.
const HOST: &str = "CORTEN_FRONTEND_HOST";
/// Builds at the same time.
const THREADS: usize = 2;

#[derive(Default)]
struct Case {
    name: String,
    dockerfile: String,
    options: Vec<String>,
    /// What is in the context: path and text, or target of a link.
    files: Vec<(String, String)>,
    links: Vec<(String, String)>,
    /// What the result has: path and text.
    gives: Vec<(String, String)>,
    lacks: Vec<String>,
    /// A member of the configuration.
    config: Vec<(String, String)>,
    fails: Option<String>,
}

fn cases() -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/frontend.txt");
    let text = fs::read_to_string(path).expect("the table");
    let mut cases = Vec::new();
    for part in text.split("### ").skip(1) {
        let (name, rest) = part.split_once('\n').expect("a name");
        let mut sections = rest.split("\n=== ");
        let dockerfile = sections.next().expect("a Dockerfile").to_owned() + "\n";
        let mut case = Case {
            name: name.to_owned(),
            dockerfile,
            ..Case::default()
        };
        for section in sections {
            let (head, body) = section.split_once('\n').unwrap_or((section, ""));
            let (kind, subject) = head.split_once(' ').unwrap_or((head, ""));
            let (subject, body) = (subject.to_owned(), body.trim_end_matches('\n').to_owned());
            match kind {
                "options" => case.options = body.split(' ').map(str::to_owned).collect(),
                "file" => case.files.push((subject, body + "\n")),
                "link" => case.links.push((subject, body)),
                "gives" => case.gives.push((subject, body)),
                "lacks" => case.lacks.push(subject),
                "config" => case.config.push((subject, body)),
                "fails" => case.fails = Some(body),
                other => panic!("{name}: there is no section {other}"),
            }
        }
        cases.push(case);
    }
    cases
}

/// Builds at `host`, in directories below `base`.
struct Bench<'a> {
    engine: &'a Engine,
    host: String,
    base: PathBuf,
}

impl Bench<'_> {
    /// What differs from what the case says; nothing is right.
    fn differs(&self, number: usize, case: &Case) -> Option<String> {
        let (context, out) = (
            self.base.join(format!("{number}")),
            self.base.join(format!("{number}.out")),
        );
        fs::create_dir_all(&context).expect("a directory");
        fs::write(context.join("Dockerfile"), &case.dockerfile).expect("a Dockerfile");
        for (path, text) in &case.files {
            let path = context.join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            fs::write(path, text).expect("a file");
        }
        for (path, target) in &case.links {
            std::os::unix::fs::symlink(target, context.join(path)).expect("a link");
        }
        let image = format!("corten-frontend-{number}");
        let (directory, output) = (
            context.display().to_string(),
            format!("type=local,dest={}", out.display()),
        );
        let exported = !case.gives.is_empty() || !case.lacks.is_empty();
        let to: [&str; 2] = match exported {
            true => ["-o", &output],
            false => ["-t", &image],
        };
        let mut words = vec!["build", "--progress", "plain", to[0], to[1]];
        words.extend(case.options.iter().map(String::as_str));
        words.push(&directory);
        let mut command = self.engine.docker_command(&words);
        command
            .env("DOCKER_HOST", &self.host)
            .env("BUILDX_GIT_INFO", "false");
        let built = run(&mut command);
        if let Some(sentence) = &case.fails {
            let told = built.code != 0 && built.stderr.contains(sentence);
            return (!told).then(|| format!("code {}: {}", built.code, tail(&built.stderr)));
        }
        if built.code != 0 {
            return Some(tail(&built.stderr));
        }
        for (path, text) in &case.gives {
            let found = fs::read_to_string(out.join(path)).unwrap_or_else(|it| it.to_string());
            if found.trim_end_matches('\n') != text {
                return Some(format!("{path} is {found:?}"));
            }
        }
        for path in &case.lacks {
            if out.join(path).symlink_metadata().is_ok() {
                return Some(format!("{path} is there"));
            }
        }
        let mut differing = None;
        if !exported {
            let config = self.ask("GET", &format!("/images/{image}/json"));
            for (member, text) in &case.config {
                let expected: Value = serde_json::from_str(text).expect("JSON");
                let found = &config["Config"][member];
                if *found != expected {
                    differing = Some(format!("{member} is {found}"));
                }
            }
            self.ask("DELETE", &format!("/images/{image}?force=1"));
        }
        differing
    }

    fn ask(&self, method: &str, path: &str) -> Value {
        let socket = self.host.trim_start_matches("unix://");
        let url = format!("http://d{path}");
        let mut curl = std::process::Command::new("curl");
        curl.args(["-s", "-X", method, "--unix-socket", socket, &url]);
        serde_json::from_str(run(&mut curl).ok()).expect("JSON")
    }
}

/// The last line, which says what went wrong.
fn tail(text: &str) -> String {
    text.trim_end()
        .lines()
        .last()
        .unwrap_or_default()
        .to_owned()
}

#[test]
fn every_case_of_the_table_is_as_buildkits_own_tests_say() {
    let engine = Engine::with_images(&["busybox"]);
    engine.install_buildx();
    let host = std::env::var(HOST).ok();
    let bench = Bench {
        engine: &engine,
        host: host.clone().unwrap_or_else(|| engine.host()),
        base: engine.path("cases"),
    };
    let mut cases = cases();
    assert!(cases.len() >= 60, "{}", cases.len());
    if host.is_some() {
        cases.retain(|case| !case.dockerfile.starts_with("#parents"));
    }
    let differing: Vec<String> = std::thread::scope(|scope| {
        let (cases, bench) = (&cases, &bench);
        let running: Vec<_> = (0..THREADS)
            .map(|first| {
                scope.spawn(move || {
                    let mine = cases.iter().enumerate().skip(first).step_by(THREADS);
                    mine.filter_map(|(number, case)| {
                        let differing = bench.differs(number, case)?;
                        Some(format!("{}: {differing}", case.name))
                    })
                    .collect::<Vec<_>>()
                })
            })
            .collect();
        let ended = running.into_iter().map(|it| it.join().expect("it ends"));
        ended.flatten().collect()
    });
    assert!(differing.is_empty(), "{}", differing.join("\n"));
}
