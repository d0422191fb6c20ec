//! Build definitions: bake's files, and what is to be built by them.
//!
//! **What it is for.** `docker-bake.hcl`, its JSON form and Compose files become targets:
//! [`read`] evaluates everything that the files say (variables that the environment may set,
//! functions, matrices, attributes of other targets), [`Definition::plan`] selects targets
//! and groups, lets them inherit, and puts `--set` over them. A [`Plan`] prints as stock
//! `docker buildx bake --print` prints it.
//!
//! **Invariants.** Nothing is built, and nothing is read but the files that are named and
//! what Compose files refer to. The same files, environment and options give the same plan.
//! A finding names file, line and columns and shows the lines. Files may be hostile: nesting,
//! matrices, ranges and products are bounded, and variables and functions that need each
//! other in a circle are refused.
//!
//! **What it never knows.** The daemon, the command line, how a target is built.
//!
//! Specification: docker/buildx 0.29 bake file reference; hashicorp/hcl native syntax and
//! JSON; zclconf/go-cty's standard library.
#![forbid(unsafe_code)]

mod compose;
pub mod csv;
mod definition;
mod entry;
mod error;
mod functions;
mod hcl;
mod overrides;
mod paths;
mod resolve;
mod source;
mod target;
mod value;

pub use compose::attestation;
pub use definition::{Definition, Group, Plan, Variable};
pub use entry::{Options, Secret, Ssh, flag, truth};
pub use error::{BakeError, Diagnostic};
pub use paths::{clean, is_remote, matches};
pub use source::{Source, Span, excerpt};
pub use target::{Field, Target};

use corten_compose::dotenv::{self, Env};
use hcl::Body;
use resolve::{Resolved, Surroundings};
use std::{collections::BTreeMap, path::PathBuf};

/// Files that are looked for where none is named, later ones over earlier ones; all that
/// exist are read.
pub const DEFAULT_FILES: [&str; 8] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
    "docker-bake.json",
    "docker-bake.hcl",
    "docker-bake.override.json",
    "docker-bake.override.hcl",
];

/// What the files' world is.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// The environment of the process.
    pub environment: BTreeMap<String, String>,
    /// The directory that relative paths stand in; absolute.
    pub directory: PathBuf,
    /// Variables that no file may set, such as `BAKE_CMD_CONTEXT`.
    pub builtin: BTreeMap<String, String>,
}

/// The text of `.env`, if there is one, over which the environment goes.
fn compose_environment(world: &World) -> Result<Env, BakeError> {
    let mut env: Env = world.environment.clone();
    let path = world.directory.join(".env");
    let Ok(text) = std::fs::read_to_string(&path) else {
        return Ok(env);
    };
    let outside = |name: &str| world.environment.get(name).cloned();
    let own = dotenv::parse(&text, &outside).map_err(|error| {
        BakeError::said(format!(
            "failed to read {}: line {}: {}",
            path.display(),
            error.line,
            error.message
        ))
    })?;
    for (name, value) in own {
        env.entry(name).or_insert(value);
    }
    Ok(env)
}

/// What a file turned out to be.
enum Form {
    Compose,
    Body(Body),
}

fn form(number: usize, sources: &[Source], world: &World, env: &Env) -> Result<Form, BakeError> {
    let source = &sources[number];
    let name = source.name.to_lowercase();
    let found = |it| BakeError::found(sources, &[it]);
    if name.ends_with(".yml") || name.ends_with(".yaml") {
        return Ok(Form::Compose);
    }
    if source.name.ends_with(".json") {
        return hcl::read::json(number, source)
            .map(Form::Body)
            .map_err(found);
    }
    if source.name.ends_with(".hcl") {
        return hcl::read::native(number, source)
            .map(Form::Body)
            .map_err(found);
    }
    let project = compose::project(&[source], &world.directory, env);
    if project.is_ok_and(|it| !it.services().is_empty()) {
        return Ok(Form::Compose);
    }
    let native = hcl::read::native(number, source);
    native
        .or_else(|first| hcl::read::json(number, source).map_err(|_| first))
        .map(Form::Body)
        .map_err(found)
}

/// Reads files, later ones over earlier ones.
///
/// # Errors
/// What is wrong, with its place where it has one.
pub fn read(sources: &[Source], world: &World) -> Result<Definition, BakeError> {
    let env = compose_environment(world)?;
    let (mut projects, mut bodies) = (Vec::new(), Vec::new());
    for (number, source) in sources.iter().enumerate() {
        match form(number, sources, world, &env)? {
            Form::Compose => projects.push(source),
            Form::Body(body) => bodies.push(body),
        }
    }
    let mut resolved = Resolved::default();
    if !projects.is_empty() {
        let project = compose::project(&projects, &world.directory, &env)?;
        (resolved.targets, resolved.groups) = compose::targets(&project, &env)?;
    }
    if !bodies.is_empty() {
        let environment = |name: &str| world.environment.get(name).cloned();
        let surroundings = Surroundings {
            environment: &environment,
            builtin: &world.builtin,
        };
        resolved = resolve::resolve(&bodies, &surroundings, resolved)
            .map_err(|list| BakeError::found(sources, &list))?;
    }
    Ok(Definition {
        groups: resolved.groups,
        targets: resolved.targets,
        variables: resolved.variables,
        notices: resolved.notices,
    })
}
