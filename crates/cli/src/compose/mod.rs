//! `compose`: an application of several containers, as its files describe it.
//!
//! The flags of the group itself stand before the command's name: `compose -f x up -d`.

mod config;
mod display;
mod down;
mod environment;
mod list;
mod ps;
mod selection;
mod up;

use crate::{
    app::{App, Call},
    error::CliError,
    flags::{self, Grammar, Parsed},
    messages,
    tables::{self, Command, Found},
};
use corten_compose::{ComposeError, Disk, Loaded, Project, Steps, apply::ApplyError, load};

impl From<ComposeError> for CliError {
    fn from(error: ComposeError) -> Self {
        Self::Text(corten_base::chain(&error))
    }
}

impl From<ApplyError> for CliError {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Engine(error) => Self::Client(error),
            other => Self::Text(corten_base::chain(&other)),
        }
    }
}

/// A command of the group, with the group's own flags.
pub struct Compose<'a> {
    /// The command.
    pub call: Call<'a>,
    /// Flags that stand before the command's name.
    pub group: Parsed,
}

/// Runs the words after `compose`.
pub fn line(app: &App, words: &[String]) -> Result<u8, CliError> {
    let Some((Found::Group(group), _)) = tables::find(&["compose".to_owned()]) else {
        return Err(CliError::Text(messages::not_here(app.program, "compose")));
    };
    let grammar = Grammar {
        flags: &group.flags,
        stops_at_first_argument: true,
        check: crate::no_check,
    };
    let parsed = flags::parse(&grammar, words)
        .map_err(|error| CliError::Text(messages::flag(app.program, "compose", "", &error)))?;
    let name = parsed.args.first().cloned().unwrap_or_default();
    if parsed.help || name.is_empty() || name == "help" {
        return crate::command_help(app, &group);
    }
    let path = ["compose".to_owned(), name.clone()];
    match tables::find(&path) {
        Some((Found::Command(command), 2)) => command_line(app, &command, parsed),
        _ => Err(CliError::Text(format!(
            "unknown {} command: \"compose {name}\"",
            app.program
        ))),
    }
}

fn command_line(app: &App, command: &Command, group: Parsed) -> Result<u8, CliError> {
    let words = group.args[1..].to_vec();
    crate::run_with(app, command, &words, |call| async {
        let compose = Compose { call, group };
        dispatch(&compose).await
    })
}

async fn dispatch(compose: &Compose<'_>) -> Result<u8, CliError> {
    match compose.call.command.path {
        "compose config" => Box::pin(config::run(compose)).await,
        "compose create" => Box::pin(up::create(compose)).await,
        "compose down" => Box::pin(down::run(compose)).await,
        "compose ls" => Box::pin(list::run(compose)).await,
        "compose ps" => Box::pin(ps::run(compose)).await,
        "compose up" => Box::pin(up::run(compose)).await,
        "compose version" => config::version(compose),
        path => Err(CliError::Text(messages::not_here(
            compose.call.app.program,
            path,
        ))),
    }
}

impl Compose<'_> {
    /// The project, its files' warnings told.
    pub fn project(&self, steps: Steps) -> Result<Project, CliError> {
        let request = environment::request(&self.group, steps)?;
        let Loaded { project, warnings } = load(&request, &Disk)?;
        for warning in warnings {
            self.warn(&warning);
        }
        Ok(project)
    }

    /// The project's name alone, for commands that need no files where a name is given.
    pub fn project_name(&self) -> Result<(String, Option<Project>), CliError> {
        match environment::given_name(&self.group) {
            Some(name) => Ok((name, self.project(Steps::default()).ok())),
            None => {
                let project = self.project(Steps::default())?;
                Ok((project.name.clone(), Some(project)))
            }
        }
    }

    /// A warning as stock Compose's logger writes it.
    pub fn warn(&self, sentence: &str) {
        let now = jiff::Zoned::now().strftime("%Y-%m-%dT%H:%M:%S%:z");
        self.call
            .app
            .warn(&format!("time=\"{now}\" level=warning msg={sentence:?}"));
    }

    /// Whether the plan is only printed.
    pub fn is_dry(&self) -> bool {
        self.group.is_on("dry-run") || self.call.parsed.is_on("dry-run")
    }
}
