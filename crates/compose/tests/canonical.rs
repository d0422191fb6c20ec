//! What stock Compose 2.40.3 made of each case (`docker compose config` as YAML and JSON,
//! and `--hash`, recorded in a directory `/project/CASE` with `HOME=/home/user`) is what we
//! make of it.

use corten_compose::{
    Files, Project, Request, Source, Steps, dotenv, hash, json, load, normalized_name, output, yaml,
};
use std::path::{Path, PathBuf};

/// `/project` is the directory of cases.
struct Cases;

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases")
}

impl Files for Cases {
    fn read(&self, path: &Path) -> std::io::Result<String> {
        let below = path
            .strip_prefix("/project")
            .map_err(|_| std::io::Error::from(std::io::ErrorKind::NotFound))?;
        std::fs::read_to_string(cases().join(below))
    }

    fn fetched(&self, _reference: &str) -> Option<std::io::Result<PathBuf>> {
        None
    }
}

fn loaded(case: &str, steps: Steps) -> Project {
    let directory = Path::new("/project").join(case);
    let files = ["compose.yaml", "compose.override.yaml"]
        .into_iter()
        .filter(|file| cases().join(case).join(file).exists())
        .map(|file| Source::File(directory.join(file)))
        .collect();
    let request = Request {
        files,
        fallback_name: normalized_name(case),
        directory,
        name: None,
        env: environment(case),
        profiles: Vec::new(),
        steps,
    };
    match load(&request, &Cases) {
        Ok(loaded) => loaded.project,
        Err(error) => panic!("{case}: {error}"),
    }
}

/// The environment of the recordings, and the case's `.env` below it.
fn environment(case: &str) -> dotenv::Env {
    let mut env: dotenv::Env = [("HOME".to_owned(), "/home/user".to_owned())].into();
    if let Ok(text) = std::fs::read_to_string(cases().join(case).join(".env")) {
        let more = dotenv::parse(&text, &|name| env.get(name).cloned());
        let more = more.unwrap_or_else(|error| panic!("{case}: {}", error.message));
        for (name, value) in more {
            env.entry(name).or_insert(value);
        }
    }
    env
}

/// Every case that has a recording of that name.
fn recorded(name: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = std::fs::read_dir(cases())
        .expect("the cases are there")
        .flatten()
        .filter_map(|entry| {
            let text = std::fs::read_to_string(entry.path().join(name)).ok()?;
            Some((entry.file_name().to_string_lossy().into_owned(), text))
        })
        .collect();
    found.sort();
    assert!(
        found.len() >= 120,
        "{name}: only {} recordings",
        found.len()
    );
    found
}

fn first_difference(ours: &str, theirs: &str) -> String {
    let lines = ours.lines().zip(theirs.lines()).enumerate();
    let different = lines.into_iter().find(|(_, (ours, theirs))| ours != theirs);
    match different {
        Some((number, (ours, theirs))) => {
            format!("line {}: ours {ours:?}, Compose's {theirs:?}", number + 1)
        }
        None => format!(
            "{} lines, Compose {}",
            ours.lines().count(),
            theirs.lines().count()
        ),
    }
}

/// Compares each recording with what `ours` makes of the case and names all that differ.
fn compare(name: &str, ours: impl Fn(&str) -> String) {
    let differences: Vec<String> = recorded(name)
        .into_iter()
        .filter_map(|(case, theirs)| {
            let ours = ours(&case);
            (ours != theirs).then(|| format!("{case}: {}", first_difference(&ours, &theirs)))
        })
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// `config` escapes what would be a variable to the next reader.
fn escaped(text: &str) -> String {
    text.replace('$', "$$")
}

#[test]
fn the_yaml_form_is_that_of_stock_compose() {
    compare("expected.yaml", |case| {
        let mut project = loaded(case, Steps::default());
        project.drop_unused();
        escaped(&yaml::write(&output::project_yaml(&project.tree)))
    });
}

#[test]
fn the_json_form_is_that_of_stock_compose() {
    compare("expected.json", |case| {
        let mut project = loaded(case, Steps::default());
        project.drop_unused();
        escaped(&json::pretty(&output::project_json(&project.tree))) + "\n"
    });
}

#[test]
fn services_have_the_hashes_of_stock_compose() {
    compare("expected.hashes", |case| {
        let steps = Steps {
            environment: false,
            ..Steps::default()
        };
        let project = loaded(case, steps);
        let line = |(name, service): (&String, &corten_compose::Node)| {
            format!("{name} {}\n", hash::service(service))
        };
        project.services().iter().map(line).collect()
    });
}

#[test]
fn what_is_printed_is_read_back_as_the_same_project() {
    for (case, theirs) in recorded("expected.yaml") {
        // It speaks of a service that is off and therefore not printed.
        if case == "profiles" {
            continue;
        }
        let request = Request {
            files: vec![Source::Text {
                name: "-".into(),
                text: theirs.clone(),
            }],
            directory: Path::new("/project").join(&case),
            name: None,
            fallback_name: String::new(),
            env: Default::default(),
            profiles: Vec::new(),
            steps: Steps::default(),
        };
        let again = match load(&request, &Cases) {
            Ok(loaded) => loaded.project,
            Err(error) => panic!("{case}: {error}"),
        };
        let ours = escaped(&yaml::write(&output::project_yaml(&again.tree)));
        assert_eq!(ours, theirs, "{case}: {}", first_difference(&ours, &theirs));
    }
}
