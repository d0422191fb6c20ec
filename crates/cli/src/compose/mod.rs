//! `compose`: an application of several containers, as its files describe it.
//!
//! The flags of the group itself stand before the command's name: `compose -f x up -d`.

mod api_socket;
mod ask;
mod attached;
mod bake;
mod build;
mod config;
mod delegate;
mod digests;
mod display;
mod down;
mod elsewhere;
mod environment;
mod foreign;
mod images;
mod legacy;
mod list;
mod lists;
mod logs;
mod menu;
mod message;
mod monitor;
mod printer;
mod provider;
mod ps;
mod publish;
mod pull;
mod push;
mod remote;
mod run;
mod screen;
mod selection;
mod single;
mod targets;
mod up;
mod verbs;
mod volumes;
mod watch;
mod watch_files;

use crate::{
    app::{App, Call},
    error::CliError,
    flags::{self, Grammar, Parsed},
    messages,
    tables::{self, Command, Found},
};
use corten_compose::{
    ComposeError, Project, Request, Steps, apply::ApplyError, dotenv::Env, load_telling,
};
use remote::Fetcher;
use std::cell::{Cell, RefCell};

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
    /// The process's variables, and what an env file says of those that are Compose's own.
    pub env: Env,
    /// Whether files were read that came from elsewhere without a flag naming them.
    pub includes_foreign: Cell<bool>,
    /// Whether it was told that the project is named after a symbolic link.
    pub told_of_link: Cell<bool>,
}

/// What the stock client asks a plugin.
pub fn metadata() -> String {
    serde_json::json!({
        "SchemaVersion": "0.1.0",
        "Vendor": "Corten",
        "Version": format!("v{}", env!("CARGO_PKG_VERSION")),
        "ShortDescription": "Docker Compose",
    })
    .to_string()
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
    let parsed =
        flags::parse(&grammar, words).map_err(|error| CliError::Text(error.to_string()))?;
    let mut name = parsed.args.first().cloned().unwrap_or_default();
    if parsed.is_on("version") && !parsed.help {
        name = "version".into();
    }
    if parsed.help || name.is_empty() || name == "help" {
        return crate::command_help(app, &group);
    }
    // The name that `config` had once.
    if name == "convert" {
        name = "config".into();
    }
    let path = ["compose".to_owned(), name.clone()];
    match tables::find(&path) {
        Some((Found::Command(command), 2)) => command_line(app, &command, parsed),
        _ => {
            if let Some(refused) = elsewhere::refuse(app.program, &parsed.args) {
                return Err(refused);
            }
            crate::command_help(app, &group)?;
            Err(CliError::Text(format!(
                "unknown {} command: \"compose {name}\"",
                app.program
            )))
        }
    }
}

fn command_line(app: &App, command: &Command, group: Parsed) -> Result<u8, CliError> {
    let words = group.args.get(1..).unwrap_or_default();
    let (words, notices) = legacy::words(command.path, words);
    crate::run_with(app, command, &words, |call| async {
        let env = environment::own(&group);
        let compose = Compose {
            call,
            group,
            env,
            includes_foreign: Cell::new(false),
            told_of_link: Cell::new(false),
        };
        for notice in notices {
            compose.warn(&notice);
        }
        let done = dispatch(&compose).await;
        done.map_err(|error| display::error(&compose, error))
    })
}

async fn dispatch(compose: &Compose<'_>) -> Result<u8, CliError> {
    // Which version this is can be asked whatever else is said.
    if compose.call.command.path != "compose version" {
        display::check(compose)?;
        legacy::tell(compose);
        up::parallel(compose)?;
    }
    match compose.call.command.path {
        "compose attach" => Box::pin(single::attach(compose)).await,
        "compose build" => Box::pin(build::run(compose)).await,
        "compose commit" => Box::pin(single::commit(compose)).await,
        "compose config" => Box::pin(config::run(compose)).await,
        "compose cp" => Box::pin(single::copy(compose)).await,
        "compose create" => Box::pin(up::create(compose)).await,
        "compose down" => Box::pin(down::run(compose)).await,
        "compose events" => Box::pin(lists::events(compose)).await,
        "compose exec" => Box::pin(single::exec(compose)).await,
        "compose export" => Box::pin(single::export(compose)).await,
        "compose images" => Box::pin(lists::images(compose)).await,
        "compose kill" => Box::pin(verbs::kill(compose)).await,
        "compose logs" => Box::pin(logs::run(compose)).await,
        "compose ls" => Box::pin(list::run(compose)).await,
        "compose pause" => Box::pin(verbs::pause(compose)).await,
        "compose port" => Box::pin(single::port(compose)).await,
        "compose ps" => Box::pin(ps::run(compose)).await,
        "compose publish" => Box::pin(publish::run(compose)).await,
        "compose pull" => Box::pin(pull::run(compose)).await,
        "compose push" => Box::pin(push::run(compose)).await,
        "compose restart" => Box::pin(verbs::restart(compose)).await,
        "compose rm" => Box::pin(verbs::remove(compose)).await,
        "compose run" => Box::pin(run::run(compose)).await,
        "compose scale" => Box::pin(up::scale(compose)).await,
        "compose start" => Box::pin(verbs::start(compose)).await,
        "compose stats" => Box::pin(lists::statistics(compose)).await,
        "compose stop" => Box::pin(verbs::stop(compose)).await,
        "compose top" => Box::pin(lists::top(compose)).await,
        "compose unpause" => Box::pin(verbs::unpause(compose)).await,
        "compose up" => Box::pin(up::run(compose)).await,
        "compose version" => config::version(compose),
        "compose volumes" => Box::pin(lists::volumes(compose)).await,
        "compose watch" => Box::pin(watch::run(compose)).await,
        "compose wait" => Box::pin(lists::wait(compose)).await,
        path => Err(CliError::Text(messages::not_here(
            compose.call.app.program,
            path,
        ))),
    }
}

impl Compose<'_> {
    /// The project, its files' warnings told.
    pub fn project(&self, steps: Steps) -> Result<Project, CliError> {
        let fetcher = Fetcher::new(self.call.app);
        let request = environment::request(self, steps, &fetcher)?;
        self.loaded(&request, &fetcher)
    }

    /// The project, its services' env files not read yet: only those that a command is
    /// about must be there ([`selection::ready`]).
    pub fn lazy_project(&self) -> Result<Project, CliError> {
        self.project(Steps {
            environment: false,
            drop_env_files: false,
            ..Steps::default()
        })
    }

    /// What was asked for, loaded; its files' warnings are told also where that fails.
    pub fn loaded(&self, request: &Request, fetcher: &Fetcher<'_>) -> Result<Project, CliError> {
        let warnings = RefCell::default();
        let loaded = load_telling(request, fetcher, &warnings);
        let named = self.group.list("file");
        let foreign = fetcher.references();
        let included = foreign.iter().any(|reference| !named.contains(reference));
        self.includes_foreign
            .set(included || self.includes_foreign.get());
        for warning in warnings.take() {
            self.warn(&warning);
        }
        let mut project = loaded?;
        let old_names = project.env.get("COMPOSE_COMPATIBILITY");
        let old_names = old_names.is_some_and(|value| up::is_true(value));
        if self.group.is_on("compatibility") || old_names {
            project.separator = '_';
        }
        Ok(project)
    }

    /// The project's name and, unless a name alone was given, the project.
    pub fn project_or_name(&self) -> Result<(String, Option<Project>), CliError> {
        let named = self
            .group
            .get("project-name")
            .filter(|name| !name.is_empty());
        if let (Some(name), false) = (named, self.group.given("file")) {
            return Ok((name.to_owned(), None));
        }
        match self.lazy_project() {
            Ok(project) => Ok((project.name.clone(), Some(project))),
            // Without files the name in the environment is enough.
            Err(error) => match environment::given_name(self) {
                Some(name) => Ok((name, None)),
                None => Err(error),
            },
        }
    }

    /// The project's name; files are only read where nothing else gives it.
    pub fn name(&self) -> Result<String, CliError> {
        match environment::given_name(self) {
            Some(name) => Ok(name),
            None => Ok(self.lazy_project()?.name),
        }
    }

    /// The value of a variable in the project's environment.
    pub fn variable(&self, name: &str) -> Result<Option<String>, CliError> {
        let fetcher = Fetcher::new(self.call.app);
        let request = environment::request(self, Steps::default(), &fetcher)?;
        Ok(request.env.get(name).cloned())
    }

    /// A warning as stock Compose's logger writes it.
    pub fn warn(&self, sentence: &str) {
        self.call.app.warn(&self.warning(sentence));
    }

    /// The line of such a warning.
    fn warning(&self, sentence: &str) -> String {
        let now = jiff::Zoned::now();
        let form = match now.offset().is_zero() {
            true => "%Y-%m-%dT%H:%M:%SZ",
            false => "%Y-%m-%dT%H:%M:%S%:z",
        };
        let now = now.strftime(form).to_string();
        match display::is_json(self) {
            true => {
                serde_json::json!({ "level": "warning", "msg": sentence, "time": now }).to_string()
            }
            false => format!("time=\"{now}\" level=warning msg={sentence:?}"),
        }
    }

    /// Whether a variable of the process, or of Compose's own in an env file, says yes.
    pub fn says_yes(&self, variable: &str) -> bool {
        self.env
            .get(variable)
            .is_some_and(|value| up::is_true(value))
    }

    /// Whether the plan is only printed.
    pub fn is_dry(&self) -> bool {
        self.group.is_on("dry-run") || self.call.parsed.is_on("dry-run")
    }
}
