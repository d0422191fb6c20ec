//! `bake`: several images from definitions in files. The definitions are read by
//! `corten-bake`; each target becomes a line of this client's own `build`, and all of them
//! are built at the same time, those that others stand on first.

mod allowed;
mod builds;
mod files;
mod line;
mod list;
mod results;

use crate::{
    app::Call,
    build::progress::{self, Mode},
    error::CliError,
};
use corten_bake::{BakeError, Field, Plan, World};
use corten_client::build;
use std::collections::BTreeMap;

/// `bake`.
pub async fn run(call: &Call<'_>) -> Result<u8, CliError> {
    let parsed = &call.parsed;
    crate::build::refuse_builder(call)?;
    let listed = list::wanted(parsed)?;
    if parsed.is_on("print") && listed.is_some() {
        return Err(error("--print and --list are mutually exclusive"));
    }
    if let Some(url) = parsed.args.first().filter(|it| corten_bake::is_remote(it)) {
        return Err(error(&format!(
            "definitions are not read from {url} by Corten: fetch the repository and bake in it"
        )));
    }
    let mode = Mode::read(call)?;
    let (told, messages) = build::progress();
    let showing = progress::show(mode, messages);
    let work = async {
        // Dropped with this block: then everything has been shown.
        let told = told;
        let sources = files::read(parsed, &told).await?;
        let world = world()?;
        let definition = corten_bake::read(&sources, &world).map_err(told_error)?;
        for notice in &definition.notices {
            call.app.warn(&format!("WARNING: {notice}"));
        }
        if let Some(listed) = listed {
            return Ok::<_, CliError>(Outcome::Print(list::text(&definition, &listed)));
        }
        let mut names = parsed.args.clone();
        if names.is_empty() {
            names.push("default".into());
        }
        let environment = |name: &str| world.environment.get(name).cloned();
        let plan = definition.plan(&names, &overrides(call)?, &environment);
        let mut plan = plan.map_err(told_error)?;
        dated(&mut plan, &world);
        line::check(&plan)?;
        if parsed.is_on("print") {
            return Ok(Outcome::Print(plan.json() + "\n"));
        }
        allowed::check(call, &plan)?;
        let built = builds::all(call, &plan, &told).await;
        Ok(Outcome::Built(plan, built))
    };
    let (outcome, shown) = tokio::join!(work, showing);
    match outcome? {
        Outcome::Print(text) => {
            call.app.out(&text)?;
            Ok(0)
        }
        Outcome::Built(plan, built) => {
            let single = plan.targets.len() == 1;
            let solved = built.map_err(|failed| failed.told(&shown, single))?;
            results::metadata(parsed, &solved)?;
            results::answers(call, &plan, &solved)
        }
    }
}

enum Outcome {
    Print(String),
    Built(
        Plan,
        Result<BTreeMap<String, build::Solved>, builds::Failed>,
    ),
}

/// Names of what the files here define; none where they cannot be read.
pub fn names() -> Vec<String> {
    let Ok(sources) = files::usual() else {
        return Vec::new();
    };
    let definition = world()
        .ok()
        .and_then(|it| corten_bake::read(&sources, &it).ok());
    let definition = definition.unwrap_or_default();
    let names = definition.names().into_iter();
    names
        .filter(|it| !it.starts_with('_'))
        .map(str::to_owned)
        .collect()
}

fn error(text: &str) -> CliError {
    CliError::Text(format!("ERROR: {text}"))
}

fn told_error(found: BakeError) -> CliError {
    match found {
        BakeError::Place { text, excerpt } => CliError::Text(format!("{excerpt}ERROR: {text}")),
        BakeError::Sentence(text) => error(&text),
    }
}

fn world() -> Result<World, CliError> {
    let directory = std::env::current_dir()
        .map_err(|why| error(&format!("getwd: {}", crate::error::errno_text(&why))))?;
    let platform = corten_oci::Platform::host().to_string();
    Ok(World {
        environment: std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
        directory,
        builtin: BTreeMap::from([
            ("BAKE_CMD_CONTEXT".to_owned(), "cwd://".to_owned()),
            ("BAKE_LOCAL_PLATFORM".to_owned(), platform),
        ]),
    })
}

/// `--set`, and the flags that stand for it.
fn overrides(call: &Call<'_>) -> Result<Vec<String>, CliError> {
    let parsed = &call.parsed;
    let mut lines = parsed.list("set");
    for (flag, line) in [("push", "*.push=true"), ("load", "*.load=true")] {
        lines.extend(parsed.is_on(flag).then(|| line.to_owned()));
    }
    let asked = crate::build::asked(parsed)?;
    if let Some(asked) = asked.filter(|_| parsed.given("call") || parsed.given("check")) {
        lines.push(format!("*.call={}", asked.name));
    }
    for flag in ["no-cache", "pull"] {
        if parsed.given(flag) {
            lines.push(format!("*.{flag}={}", parsed.is_on(flag)));
        }
    }
    for kind in ["sbom", "provenance"] {
        let value = parsed.text(kind);
        if !value.is_empty() {
            lines.push(format!(
                "*.attest={}",
                corten_bake::attestation(kind, value)
            ));
        }
    }
    Ok(lines)
}

/// `SOURCE_DATE_EPOCH` of the environment is an argument of every target without its own.
fn dated(plan: &mut Plan, world: &World) {
    const EPOCH: &str = "SOURCE_DATE_EPOCH";
    let Some(value) = world.environment.get(EPOCH).filter(|it| !it.is_empty()) else {
        return;
    };
    for target in plan.targets.values_mut() {
        let mut args = target.map("args");
        args.entry(EPOCH.to_owned())
            .or_insert_with(|| value.clone());
        target.set("args", Field::Map(args));
    }
}
