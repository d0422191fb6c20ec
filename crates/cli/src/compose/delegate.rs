//! Commands on one container are those of the client itself, with other words.

use crate::{
    app::{App, Call},
    dispatch,
    error::CliError,
    flags::{self, Grammar},
    messages,
    tables::{self, Command, Found},
};

/// A command line of the client itself, such as `exec -i ID sh`.
pub struct Line {
    command: Command,
    words: Vec<String>,
}

impl Line {
    /// The line that begins with these words.
    pub fn new(words: impl IntoIterator<Item = String>) -> Result<Self, CliError> {
        let mut words: Vec<String> = words.into_iter().collect();
        match tables::find(&words) {
            Some((Found::Command(command), used)) => {
                words.drain(..used);
                Ok(Self { command, words })
            }
            _ => Err(CliError::Text(format!(
                "{} is no command of this client",
                words.join(" ")
            ))),
        }
    }

    /// What the command's function is called with.
    pub fn call<'a>(&'a self, app: &'a App) -> Result<Call<'a>, CliError> {
        let grammar = Grammar {
            flags: &self.command.flags,
            stops_at_first_argument: dispatch::stops_at_first_argument(self.command.path),
            check: crate::no_check,
        };
        let parsed = flags::parse(&grammar, &self.words).map_err(|error| {
            let called = &self.command.called;
            CliError::Text(messages::flag(app.program, called, "", &error))
        })?;
        Ok(Call {
            app,
            command: &self.command,
            parsed,
        })
    }

    /// Runs it.
    pub async fn run(&self, app: &App) -> Result<u8, CliError> {
        let call = self.call(app)?;
        Box::pin(dispatch::run(&call)).await
    }
}

/// The words of a command line, from texts.
pub fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).into()
}
