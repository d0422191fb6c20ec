//! Go templates for `--format`, behind our own small interface.
//!
//! The language is read by the `gotmpl` crate; filling in is done here, because what a
//! template prints depends on Go's types: structs show their fields in order, pointers may
//! be nil, a map may lack a key and a struct may not. The types of the API stand in
//! `go_types.txt`.
//!
//! Specification: Go's `text/template` and `fmt`; docker/cli's `templates` package.

mod check;
mod compare;
mod execute;
mod functions;
mod print;
mod shown;
mod types;
pub mod value;

use super::json::Json;
use execute::{Execution, Fault};
pub use functions::Functions;
use gotmpl::TemplateError;
use gotmpl::parse::{DefineNode, ListNode, Parser};
use thiserror::Error;
pub use types::find;
pub use value::Value;

/// A template that could not be read or filled in.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum FormatError {
    /// The text is no template.
    #[error("template: {name}:1: {why}")]
    Parse { name: &'static str, why: String },
    /// What the value does not have, or a function that fails.
    #[error("template: {name}:{line}:{column}: executing \"{name}\" at <{at}>: {why}")]
    Execute {
        name: &'static str,
        line: usize,
        column: usize,
        at: String,
        why: String,
    },
}

/// A parsed template.
pub struct Format {
    name: &'static str,
    source: String,
    tree: ListNode,
    defines: Vec<DefineNode>,
    functions: Functions,
}

impl Format {
    /// Reads a template.
    pub fn parse(source: &str) -> Result<Self, FormatError> {
        Self::named("", source)
    }

    /// Reads a template that bears a name in messages.
    pub fn named(name: &'static str, source: &str) -> Result<Self, FormatError> {
        Self::with(Functions::Docker, name, source)
    }

    /// Reads a template that may call certain functions only.
    pub fn with(
        functions: Functions,
        name: &'static str,
        source: &str,
    ) -> Result<Self, FormatError> {
        let refused = |why| FormatError::Parse { name, why };
        let (tree, defines) = Parser::new(source, "{{", "}}")
            .and_then(Parser::parse)
            .map_err(|error| refused(parse_message(source, error)))?;
        if let Some(why) = check::complaint(&tree, &defines, functions) {
            return Err(refused(why));
        }
        Ok(Self {
            name,
            source: source.to_owned(),
            tree,
            defines,
            functions,
        })
    }

    /// The same for the heading of a table: functions give their argument back.
    pub fn heading(mut self) -> Self {
        self.functions = Functions::Heading;
        self
    }

    /// Fills the template in.
    pub fn execute(&self, data: &Value) -> Result<String, FormatError> {
        self.run(data, false)
    }

    /// The same, with what was printed before an error.
    pub fn execute_partly(&self, data: &Value) -> (String, Option<FormatError>) {
        match self.execution(false).run(&self.tree, data) {
            Ok(text) => (text, None),
            Err((text, fault)) => (text, Some(self.error(fault))),
        }
    }

    /// Fills the template in with what the engine sent as a struct named `ty`. Where the
    /// struct does not have what the template asks for, the bare JSON is asked, as the
    /// stock client does.
    pub fn inspect(&self, ty: &'static str, json: &Json) -> Result<String, FormatError> {
        self.run(&value::typed(ty, Some(json)), false)
            .or_else(|_| self.run(&value::bare(json), true))
    }

    fn run(&self, data: &Value, strict: bool) -> Result<String, FormatError> {
        self.execution(strict)
            .run(&self.tree, data)
            .map_err(|(_, fault)| self.error(fault))
    }

    fn execution(&self, strict: bool) -> Execution<'_> {
        Execution::new(&self.defines, strict, self.functions)
    }

    fn error(&self, fault: Fault) -> FormatError {
        let before = self.source.get(..fault.offset).unwrap_or_default();
        FormatError::Execute {
            name: self.name,
            line: before.matches('\n').count() + 1,
            column: fault.offset - before.rfind('\n').map_or(0, |at| at + 1),
            at: fault.at,
            why: fault.why,
        }
    }
}

fn parse_message(source: &str, error: TemplateError) -> String {
    match error {
        TemplateError::Parse { message, .. } if message == "empty command" => {
            format!("missing value for {}", empty_action(source))
        }
        TemplateError::Parse { message, .. } | TemplateError::Lex { message, .. } => message,
        other => other.to_string(),
    }
}

/// The keyword of the first action without a value.
fn empty_action(source: &str) -> &'static str {
    let actions = source.split("{{").skip(1);
    let mut inner = actions.filter_map(|it| it.split("}}").next());
    inner
        .find_map(|it| match it.trim_matches(['-', ' ']) {
            "if" | "else if" => Some("if"),
            "range" => Some("range"),
            "with" | "else with" => Some("with"),
            _ => None,
        })
        .unwrap_or("command")
}

#[cfg(test)]
mod tests;
