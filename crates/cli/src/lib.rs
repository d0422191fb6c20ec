//! The command line: `corten`, and `docker` when called so.
//!
//! Purpose: commands, flags, tables, templates, progress and exit codes of Docker 28's
//! client, over the Docker Engine API. The name comes from `argv[0]`: called as `docker`
//! the output is Docker's to the byte, and as `docker-compose` it is Compose, alone or as
//! a plugin of the stock client.
//!
//! Entry point: [`main`]. The command tables are data (`commands.txt`, read by
//! [`tables`]); one file a verb below `container`, `image`, `system`, …
//!
//! Invariants: a flag is honoured or refused with a sentence; only the asked command's
//! flags are read; nothing is printed by more than one place.
//!
//! Never knows: the engine, its disk, the kernel.
//!
//! Specification: docker/cli 28.5's behaviour, recorded; Docker Engine API 1.51.
#![forbid(unsafe_code)]

mod app;
mod autostart;
mod bake;
mod build;
mod buildx;
mod cache_mounts;
mod complete;
mod compose;
mod config;
mod container;
mod context_archive;
mod contexts;
mod device_login;
mod dispatch;
mod elsewhere;
mod error;
mod files;
mod filters;
pub mod flags;
mod hello;
pub mod help;
mod image;
mod inspect;
mod manifest;
mod messages;
mod network;
pub mod output;
mod plugin;
mod plugins;
mod prune;
#[cfg(test)]
mod recorded;
mod registry;
mod system;
pub mod tables;
mod terminal;
mod times;
mod volume;
mod volume_copies;

use app::{App, Call};
use error::CliError;
use flags::{FlagError, Grammar, Parsed};
use help::Look;
use std::{ffi::OsString, path::Path};
use tables::{Command, Found};

/// Exit code of a line that is not understood.
const USAGE_CODE: u8 = 125;
/// Exit code after stdout was closed: that of a process ended by SIGPIPE.
const CLOSED_CODE: u8 = 141;

/// Runs a whole command line (`argv`, with the program's name first) and returns the
/// exit code.
pub fn main(argv: impl IntoIterator<Item = OsString>) -> u8 {
    let mut words = argv
        .into_iter()
        .map(|word| word.to_string_lossy().into_owned());
    let name = words.next().unwrap_or_default();
    let name = Path::new(&name).file_name().and_then(|n| n.to_str());
    let program = match name {
        Some("docker" | "docker-compose") => "docker",
        _ => "corten",
    };
    let mut words: Vec<String> = words.collect();
    if name == Some("docker-compose") {
        if words
            .first()
            .is_some_and(|it| it == "docker-cli-plugin-metadata")
        {
            println!("{}", compose::metadata());
            return 0;
        }
        // As a plugin of the stock client it is called with the client's whole line.
        if app::environment("DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND").is_none() {
            words.insert(0, "compose".to_owned());
        }
    }
    match line(program, &words) {
        Ok(code) => code,
        Err(CliError::Closed) => CLOSED_CODE,
        Err(error) => {
            let text = error.to_string();
            if !text.is_empty() {
                eprintln!("{}", printable(&text));
            }
            error.code()
        }
    }
}

/// Names in an engine's message may hold control characters; a terminal must not obey
/// them.
fn printable(text: &str) -> String {
    if !terminal::terminals().error {
        return text.to_owned();
    }
    text.chars()
        .map(|c| {
            if c.is_control() && !matches!(c, '\n' | '\t') {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

fn no_check(_: &tables::Flag, _: &str) -> Result<(), String> {
    Ok(())
}

fn line(program: &'static str, words: &[String]) -> Result<u8, CliError> {
    let root = tables::root();
    let grammar = Grammar {
        flags: &root.flags,
        stops_at_first_argument: true,
        check: no_check,
    };
    let globals = flags::parse(&grammar, words).map_err(|error| {
        let usage = format!("Usage:  {program} [OPTIONS] COMMAND [ARG...]");
        usage_error(messages::flag(program, "", &usage, &error))
    })?;
    let rest = globals.args.clone();
    let app = App::new(program, globals);
    for notice in &app.globals.notices {
        app.line(notice)?;
    }
    if app.globals.is_on("version") || rest.first().is_some_and(|w| w == "--version") {
        app.line(&version_line(program))?;
        return Ok(0);
    }
    if app.globals.help || rest.is_empty() {
        return root_help(&app, &root);
    }
    if rest[0] == "help" {
        return help_command(&app, &root, &rest[1..]);
    }
    if matches!(rest[0].as_str(), "__complete" | "__completeNoDesc") {
        // Nobody who presses the tabulator asks for an engine.
        return complete::run(&app.starting_nothing(), &rest[1..]);
    }
    if rest[0] == "completion" && (rest.len() == 1 || rest.iter().any(|it| it == "--help")) {
        app.out(&complete::usage(program))?;
        return Ok(0);
    }
    if rest[0] == "completion" && rest.len() == 2 {
        return complete::script(&app, &rest[1]);
    }
    if rest[0] == "compose" {
        return compose::line(&app, &rest[1..]);
    }
    // As `docker`, an installed plugin comes first; without one, there is our own.
    if app.is_docker()
        && matches!(rest[0].as_str(), "buildx" | "bake")
        && let Some(path) = plugins::find(&app, "buildx")
    {
        let mut words = rest.clone();
        if words[0] == "bake" {
            words.insert(0, "buildx".to_owned());
        }
        return plugins::run(&app, &path, &words);
    }
    let rest = buildx::options_last(rest);
    match tables::find_for(program, &rest) {
        Some((Found::Command(command), used)) => run(&app, &command, &rest[used..]),
        Some((Found::Group(group), used)) => run_group(&app, &group, &rest[used..]),
        None => unknown(&app, &root, &rest),
    }
}

fn usage_error(message: String) -> CliError {
    CliError::Coded {
        message,
        code: USAGE_CODE,
    }
}

/// What `--version` prints.
pub fn version_line(program: &str) -> String {
    let own = env!("CARGO_PKG_VERSION");
    if program == "docker" {
        format!("Docker version {}, build corten-{own}", app::DOCKER_VERSION)
    } else {
        format!(
            "Corten version {own} (Docker {} command line)",
            app::DOCKER_VERSION
        )
    }
}

fn with_look<T>(app: &App, f: impl FnOnce(&Look<'_>) -> T) -> T {
    let directory = app.config_directory.to_string_lossy();
    let terminal = terminal::terminals();
    let mut plugins = plugins::names(app);
    // What is a plugin of docker's is built in here, and listed with it.
    for own in ["buildx", "compose"] {
        plugins.extend((!plugins.iter().any(|name| name == own)).then(|| own.to_owned()));
    }
    f(&Look {
        program: app.program,
        columns: terminal
            .input
            .then(|| terminal::size().map_or(80, |s| s.columns.into())),
        config_directory: &directory,
        plugins: &plugins,
    })
}

fn root_help(app: &App, root: &Command) -> Result<u8, CliError> {
    app.out(&with_look(app, |look| help::root(root, look)))?;
    Ok(0)
}

fn command_help(app: &App, command: &Command) -> Result<u8, CliError> {
    app.out(&with_look(app, |look| help::help(command, look)))?;
    Ok(0)
}

fn help_command(app: &App, root: &Command, words: &[String]) -> Result<u8, CliError> {
    if words.is_empty() {
        return root_help(app, root);
    }
    match tables::find_for(app.program, words) {
        Some((Found::Command(command) | Found::Group(command), _)) => command_help(app, &command),
        None => Err(CliError::Text(format!(
            "unknown help topic: {}",
            words.join(" ")
        ))),
    }
}

fn usage(app: &App, command: &Command) -> String {
    with_look(app, |look| help::usage(command, look))
}

fn run_group(app: &App, group: &Command, words: &[String]) -> Result<u8, CliError> {
    let grammar = Grammar {
        flags: &group.flags,
        stops_at_first_argument: false,
        check: no_check,
    };
    let plain = format!("Usage:  {} {}", app.program, group.called);
    let parsed = flags::parse(&grammar, words)
        .map_err(|error| usage_error(messages::flag(app.program, &group.called, &plain, &error)))?;
    for notice in &parsed.notices {
        app.line(notice)?;
    }
    if parsed.help {
        return command_help(app, group);
    }
    if parsed.args.is_empty() {
        app.warn(with_look(app, |look| help::help(group, look)).trim_end_matches('\n'));
        return Ok(0);
    }
    let path = format!("{} {}", group.called, parsed.args[0]);
    Err(CliError::Text(format!(
        "{}\n\n{plain}\n\n{}",
        messages::unknown_command(app.program, &path),
        messages::read_on(app.program, &group.called)
    )))
}

fn unknown(app: &App, root: &Command, words: &[String]) -> Result<u8, CliError> {
    let name = &words[0];
    if let Some(path) = plugins::find(app, name) {
        return plugins::run(app, &path, words);
    }
    let listed = root.entries.iter().any(|entry| {
        matches!(entry, tables::Entry::Command(known, _) if !known.ends_with('*') && known == name)
    });
    if listed {
        return Err(CliError::Text(messages::not_here(app.program, name)));
    }
    if name == "checkpoint" {
        let verb = words.get(1).map(String::as_str);
        let verb = verb.filter(|verb| ["create", "ls", "list", "rm", "remove"].contains(verb));
        let path = verb.map_or_else(|| name.clone(), |verb| format!("{name} {verb}"));
        let path = format!("{} {path}", app.program);
        let message = messages::experimental(&path);
        if words.iter().any(|word| word == "--help") {
            app.line(&message)?;
            return Ok(0);
        }
        return Err(CliError::Text(message));
    }
    Err(CliError::Text(format!(
        "{}\n\n{}",
        messages::unknown_command(app.program, name),
        messages::read_on(app.program, "")
    )))
}

fn run(app: &App, command: &Command, words: &[String]) -> Result<u8, CliError> {
    run_with(app, command, words, |call| async move {
        dispatch::run(&call).await
    })
}

/// Reads a command's words and runs `work` with them.
fn run_with<'a, F: Future<Output = Result<u8, CliError>>>(
    app: &'a App,
    command: &'a Command,
    words: &[String],
    work: impl FnOnce(Call<'a>) -> F,
) -> Result<u8, CliError> {
    let grammar = Grammar {
        flags: &command.flags,
        stops_at_first_argument: dispatch::stops_at_first_argument(command.path),
        // Compose's flags of the same names are services' names and the like.
        check: match command.path.starts_with("compose ") {
            true => no_check,
            false => container::options::checks::check,
        },
    };
    let is_compose = command.path.starts_with("compose ");
    let parsed: Result<Parsed, FlagError> = flags::parse(&grammar, words);
    let parsed = parsed.map_err(|error| match is_compose {
        true => CliError::Text(error.to_string()),
        false => usage_error(messages::flag(
            app.program,
            &command.called,
            &usage(app, command),
            &error,
        )),
    })?;
    for notice in &parsed.notices {
        app.line(notice)?;
    }
    if parsed.help {
        return command_help(app, command);
    }
    let given = parsed.args.len();
    let text = |arity| {
        messages::arity(
            app.program,
            &command.called,
            &usage(app, command),
            arity,
            given,
        )
    };
    if let Some(message) = text(command.arity) {
        let short = messages::compose_arity(app.program, command, &parsed.args);
        return Err(CliError::Text(short.unwrap_or(message)));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CliError::Text(format!("starting the runtime: {error}")))?;
    let call = Call {
        app,
        command,
        parsed,
    };
    let result = runtime.block_on(work(call));
    // A thread that still reads stdin must not hold the process.
    runtime.shutdown_background();
    result
}
