//! Bake files of many kinds, each with what stock buildx 0.29 printed for it.
//!
//! A file of `cases/` has the files of a directory (`--- NAME`), the line's options
//! (`--- args`), variables (`--- env`) and at the end what came of it (`=== ok` or
//! `=== error`). `CORTEN_RECORD=1` writes the last part anew from the stock plugin.

use corten_bake::{BakeError, DEFAULT_FILES, Source, World, read};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::net::UnixListener,
    path::{Path, PathBuf},
    process::Command,
};

struct Case {
    path: PathBuf,
    files: Vec<(String, String)>,
    args: Vec<String>,
    env: BTreeMap<String, String>,
    ok: bool,
    wanted: String,
}

fn cases() -> Vec<Case> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut paths: Vec<PathBuf> = fs::read_dir(directory)
        .expect("a case in order")
        .map(|it| it.expect("a case in order").path())
        .collect();
    paths.sort();
    paths.into_iter().map(case).collect()
}

fn case(path: PathBuf) -> Case {
    let text = fs::read_to_string(&path).expect("a case in order");
    let (input, outcome) = text.split_once("\n=== ").unwrap_or((&text, "ok\n"));
    let (kind, wanted) = outcome.split_once('\n').expect("a case in order");
    let mut case = Case {
        path,
        files: Vec::new(),
        args: Vec::new(),
        env: BTreeMap::new(),
        ok: kind == "ok",
        wanted: wanted.to_owned(),
    };
    for part in format!("\n{input}\n").split("\n--- ").skip(1) {
        let (name, body) = part.split_once('\n').unwrap_or((part, ""));
        match name {
            "args" => case.args.extend(body.split_whitespace().map(str::to_owned)),
            "env" => {
                let pairs = body.lines().filter_map(|it| it.split_once('='));
                case.env
                    .extend(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())));
            }
            name => {
                let body = body.strip_suffix('\n').unwrap_or(body);
                case.files.push((name.to_owned(), format!("{body}\n")));
            }
        }
    }
    case
}

/// What this crate makes of a case.
fn ours(case: &Case) -> (bool, String) {
    let place = tempfile::tempdir().expect("a case in order");
    let (mut names, mut set, mut targets) = (Vec::new(), Vec::new(), Vec::new());
    let mut args = case.args.iter();
    while let Some(word) = args.next() {
        match word.as_str() {
            "-f" => names.push(args.next().expect("a case in order").clone()),
            "--set" => set.push(args.next().expect("a case in order").clone()),
            target => targets.push(target.to_owned()),
        }
    }
    if names.is_empty() {
        let there = |name: &&str| case.files.iter().any(|(file, _)| file == *name);
        names = DEFAULT_FILES
            .iter()
            .copied()
            .filter(there)
            .map(str::to_owned)
            .collect();
    }
    if targets.is_empty() {
        targets.push("default".into());
    }
    let text = |name: &String| {
        let found = case.files.iter().find(|(file, _)| file == name);
        found
            .unwrap_or_else(|| panic!("{}: no {name}", case.path.display()))
            .1
            .clone()
    };
    let sources: Vec<Source> = names
        .iter()
        .map(|name| Source {
            name: name.clone(),
            text: text(name),
        })
        .collect();
    let world = World {
        environment: case.env.clone(),
        directory: place.path().to_owned(),
        builtin: BTreeMap::from([
            ("BAKE_CMD_CONTEXT".to_owned(), "cwd://".to_owned()),
            ("BAKE_LOCAL_PLATFORM".to_owned(), "linux/amd64".to_owned()),
        ]),
    };
    let environment = |name: &str| case.env.get(name).cloned();
    let made = read(&sources, &world).and_then(|it| it.plan(&targets, &set, &environment));
    match made {
        Ok(plan) => (true, format!("{}\n", plan.json())),
        Err(BakeError::Place { text, excerpt }) => (false, format!("{excerpt}ERROR: {text}\n")),
        Err(BakeError::Sentence(text)) => (false, format!("ERROR: {text}\n")),
    }
}

/// What the stock plugin makes of a case.
fn stock(case: &Case) -> (bool, String) {
    let place = tempfile::tempdir().expect("a case in order");
    for (name, body) in &case.files {
        let path = place.path().join(name);
        fs::create_dir_all(path.parent().expect("a case in order")).expect("a case in order");
        fs::write(path, body).expect("a case in order");
    }
    // Stock bake looks at agents before it prints.
    let _agent = UnixListener::bind(place.path().join("agent")).expect("a case in order");
    let ran = Command::new(corten_testkit::buildx())
        .arg("bake")
        .arg("--print")
        .args(&case.args)
        .env_clear()
        .envs(&case.env)
        .env("HOME", place.path())
        .env("PATH", "/usr/bin:/bin")
        .current_dir(place.path())
        .output()
        .expect("a case in order");
    match ran.status.success() {
        true => (
            true,
            String::from_utf8(ran.stdout).expect("a case in order"),
        ),
        false => {
            let told = String::from_utf8(ran.stderr).expect("a case in order");
            let lines = told
                .lines()
                .filter(|it| !it.starts_with('#') && !it.is_empty());
            (false, lines.map(|it| format!("{it}\n")).collect())
        }
    }
}

#[test]
fn plans_and_findings_are_those_that_stock_buildx_printed() {
    let cases = cases();
    assert!(cases.len() >= 25, "only {} cases", cases.len());
    let mut wrong = Vec::new();
    for case in &cases {
        let (ok, printed) = ours(case);
        if (ok, &printed) != (case.ok, &case.wanted) {
            let name = case
                .path
                .file_name()
                .expect("a case in order")
                .to_string_lossy()
                .into_owned();
            wrong.push(format!("{name}: wanted\n{}\ngot\n{printed}", case.wanted));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} differ\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

#[test]
fn recordings_are_what_the_stock_plugin_prints_today() {
    // Without the plugin there is nothing to compare with; the other test stands.
    if !corten_testkit::buildx().exists() {
        return;
    }
    // The plugin takes its time to start: each run looks at a part of the cases.
    const PART: usize = 6;
    let record = std::env::var_os("CORTEN_RECORD").is_some();
    let step = if record { 1 } else { PART };
    for case in cases().into_iter().step_by(step) {
        let (ok, printed) = stock(&case);
        if record {
            let text = fs::read_to_string(&case.path).expect("a case in order");
            let input = text.split_once("\n=== ").map_or(&*text, |(input, _)| input);
            let kind = if ok { "ok" } else { "error" };
            let input = input.trim_end_matches('\n');
            fs::write(&case.path, format!("{input}\n\n=== {kind}\n{printed}"))
                .expect("a case in order");
        } else {
            assert_eq!(
                (ok, printed),
                (case.ok, case.wanted),
                "{}",
                case.path.display()
            );
        }
    }
}
