//! `include`: other projects' resources, each loaded with its own directory and `.env`.

use super::{Session, Text};
use crate::dotenv::{self, Env};
use crate::error::ComposeError;
use crate::node::{Map, Node, Value};
use std::path::{Path, PathBuf};

/// Loads what `document` includes and adds its resources.
pub(super) fn apply(
    session: &Session<'_>,
    document: &mut Node,
    text: &Text,
    directory: &Path,
    included: &[String],
) -> Result<(), ComposeError> {
    let Some(include) = document.map_mut().and_then(|map| map.remove("include")) else {
        return Ok(());
    };
    let mut above = included.to_vec();
    above.push(text.name.clone());
    for entry in include.list().unwrap_or_default() {
        let imported = one(session, entry, directory, &above)?;
        import(document, &imported)?;
    }
    Ok(())
}

fn one(
    session: &Session<'_>,
    entry: &Node,
    directory: &Path,
    above: &[String],
) -> Result<Node, ComposeError> {
    let base = session.base(directory);
    let mut files = Vec::new();
    for item in texts(entry.get("path")) {
        let path = match session.files.fetched(&item) {
            Some(Ok(path)) => path,
            Some(Err(why)) => {
                return Err(ComposeError::Read {
                    path: item,
                    needed_at: Some(entry.place.clone()),
                    why,
                });
            }
            None => PathBuf::from(base.absolute(&item)),
        };
        files.push(path);
    }
    let Some(main) = files.first() else {
        return Err(ComposeError::attribute(
            &entry.place,
            "include",
            "path is required",
        ));
    };
    let main_name = main.to_string_lossy().into_owned();
    if above.contains(&main_name) {
        let mut chain = above.to_vec();
        chain.push(main_name);
        return Err(ComposeError::Cycle(format!(
            "include cycle detected:\n{}\n include {}",
            chain[0],
            chain[1..].join("\n include ")
        )));
    }
    let directory = match entry.text_at(&["project_directory"]) {
        Some(given) => PathBuf::from(base.absolute(given)),
        None => main.parent().unwrap_or(Path::new("/")).to_path_buf(),
    };
    let mut inner = Session {
        env: session.env.clone(),
        steps: session.steps,
        files: session.files,
        warnings: session.warnings,
    };
    for (name, value) in env_files(session, entry, &base, &directory)? {
        inner.env.entry(name).or_insert(value);
    }
    let texts = files
        .iter()
        .map(|path| session.read(path, Some(entry)))
        .collect::<Result<Vec<_>, _>>()?;
    inner.model(&texts, &directory, above)
}

/// The variables of the included project's own env files, by default its `.env`.
fn env_files(
    session: &Session<'_>,
    entry: &Node,
    base: &crate::paths::Base<'_>,
    directory: &Path,
) -> Result<Env, ComposeError> {
    let given = texts(entry.get("env_file"));
    let (paths, must_exist) = if given.is_empty() {
        (vec![directory.join(".env")], false)
    } else {
        let paths = given
            .iter()
            .map(|file| base.absolute(file).into())
            .collect();
        (paths, true)
    };
    let mut env = Env::new();
    for path in paths {
        let text = match session.files.read(&path) {
            Ok(text) => text,
            Err(_) if !must_exist => continue,
            Err(why) => {
                return Err(ComposeError::Read {
                    path: path.display().to_string(),
                    needed_at: Some(entry.place.clone()),
                    why,
                });
            }
        };
        let outside = |name: &str| session.env.get(name).or_else(|| env.get(name)).cloned();
        let more = dotenv::parse(&text, &outside).map_err(|error| ComposeError::EnvFile {
            path: path.display().to_string(),
            line: error.line,
            message: error.message,
        })?;
        env.extend(more);
    }
    Ok(env)
}

fn texts(node: Option<&Node>) -> Vec<String> {
    match node.map(|node| &node.value) {
        Some(Value::List(items)) => items
            .iter()
            .filter_map(|item| item.text().map(str::to_owned))
            .collect(),
        Some(Value::Text(text)) => vec![text.clone()],
        _ => Vec::new(),
    }
}

/// Adds the resources of `imported`; one that is there already must say the same.
fn import(document: &mut Node, imported: &Node) -> Result<(), ComposeError> {
    for kind in [
        "services", "volumes", "networks", "secrets", "configs", "models",
    ] {
        let Some(resources) = imported.get(kind).and_then(Node::map) else {
            continue;
        };
        let place = document.place.clone();
        let Some(map) = document.map_mut() else {
            continue;
        };
        let target = map
            .entry(kind.into())
            .or_insert_with(|| Node::at(&place, Value::Map(Map::new())));
        if target.is_null() {
            target.value = Value::empty_map();
        }
        for (name, resource) in resources {
            let Some(known) = target.map_mut() else {
                continue;
            };
            match known.get(name) {
                Some(same) if same == resource => {}
                Some(other) => {
                    return Err(ComposeError::attribute(
                        &other.place,
                        format!("{kind}.{name}"),
                        format!("conflicts with imported resource of {}", resource.place),
                    )
                    .advise("override an included resource in a file of its own"));
                }
                None => {
                    known.insert(name.clone(), resource.clone());
                }
            }
        }
    }
    Ok(())
}
