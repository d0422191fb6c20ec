//! One file a verb, or a few that belong together.

mod create;
mod delete;
mod exec;
mod kill;
mod limits;
mod run;
mod show;
mod spec;

use crate::error::CommandError;
use crate::options::GlobalOptions;
use crate::record::{Record, RecordDirectory};

/// Commands in the order of the help text, with their one line.
const COMMANDS: &[(&str, &str)] = &[
    ("create", "make a container"),
    ("delete", "remove what is left of a container"),
    ("events", "show statistics and out-of-memory notices"),
    ("exec", "run a further process in a container"),
    ("features", "show what this runtime can do"),
    ("kill", "send a signal to a container (default: SIGTERM)"),
    ("list", "list containers"),
    ("pause", "stop all processes of a container"),
    ("ps", "list the processes of a container"),
    ("resume", "let the processes of a container go on"),
    ("run", "make and run a container"),
    ("spec", "write a bundle's config.json"),
    ("start", "run the program of a container that was made"),
    ("state", "show the state of a container"),
    ("update", "change a container's limits"),
];

pub(crate) fn dispatch(words: &[String]) -> Result<u8, CommandError> {
    let options = GlobalOptions::parse(words)?;
    if options.version {
        println!("corten-runtime version {}", env!("CARGO_PKG_VERSION"));
        println!("spec: {}", corten_oci::runtime::SPEC_VERSION);
        return Ok(0);
    }
    let Some((command, words)) = options.rest.split_first().filter(|_| !options.help) else {
        help();
        return Ok(0);
    };
    if matches!(command.as_str(), "create" | "run" | "exec") {
        crate::own_file::protect()?;
    }
    let root = options.root.as_path();
    match command.as_str() {
        "create" => create::create(root, words),
        "start" => create::start(root, words),
        "run" => run::run(root, words),
        "exec" => exec::exec(root, words),
        "kill" => kill::kill(root, words),
        "delete" => delete::delete(root, words),
        "pause" => limits::pause(root, words),
        "resume" => limits::resume(root, words),
        "update" => limits::update(root, words),
        "state" => show::state(root, words),
        "list" => show::list(root, words),
        "ps" => show::ps(root, words),
        "events" => show::events(root, words),
        "spec" => spec::spec(words),
        "features" => spec::features(),
        "help" => {
            help();
            Ok(0)
        }
        _ => Err(CommandError::Usage(format!(
            "No help topic for '{command}'"
        ))),
    }
}

fn help() {
    println!(
        "usage: corten-runtime [--root DIR] [--log FILE] [--log-format text|json] COMMAND …\n"
    );
    for (name, line) in COMMANDS {
        println!("  {name:<10}{line}");
    }
}

/// The record of an existing container.
pub(crate) fn find(
    root: &std::path::Path,
    id: &str,
) -> Result<(RecordDirectory, Record), CommandError> {
    let directory = RecordDirectory::open(root, id)?;
    let record = directory.load()?;
    Ok((directory, record))
}
