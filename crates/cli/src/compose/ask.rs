//! Questions to the user.

use crate::{app::App, error::CliError, terminal};
use std::io::BufRead;

/// Asks for yes or no. On a terminal nothing typed is `default`; elsewhere it is no, as is
/// the end of what can be read.
pub fn confirmed(app: &App, question: &str, default: bool) -> Result<bool, CliError> {
    let on_terminal = terminal::terminals().input;
    match (on_terminal, default) {
        (true, true) => app.out(&format!("? {question} (Y/n) "))?,
        (true, false) => app.out(&format!("? {question} (y/N) "))?,
        (false, _) => app.out(question)?,
    }
    let mut answer = String::new();
    let read = std::io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| CliError::Text(format!("reading the answer: {error}")))?;
    match answer.trim() {
        "" => Ok(on_terminal && default),
        answer => Ok(super::up::is_true(answer)),
    }
}
