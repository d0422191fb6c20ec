//! Functions that expressions may call: those of bake's standard library.
//!
//! Each is a line of a table: its name, its parameters with their types (`*` takes all
//! further arguments), what it does. Arguments are converted before the function sees them.

mod collections;
mod encoding;
mod networks;
mod numbers;
mod patterns;
mod texts;
mod times;

use crate::{
    error::Diagnostic,
    value::{Type, Value},
};
use hcl_edit::expr::Expression;

/// Why a call gives no value.
#[derive(Debug)]
pub enum Failure {
    /// There is no such function.
    Unknown,
    /// An argument is missing.
    Missing(String),
    /// There are more arguments than parameters; the first of them.
    Extra(usize, String),
    /// An argument has the wrong type.
    Argument(usize, String),
    /// The function says why.
    Failed(String),
}

/// What a function makes of its arguments.
type Answer = Result<Value, String>;

/// A function: its name, its parameters, what it does.
type Entry = (&'static str, &'static str, fn(Vec<Value>) -> Answer);

const TABLES: [&[Entry]; 7] = [
    collections::TABLE,
    encoding::TABLE,
    networks::TABLE,
    numbers::TABLE,
    patterns::TABLE,
    texts::TABLE,
    times::TABLE,
];

fn all() -> impl Iterator<Item = &'static Entry> {
    TABLES.into_iter().flatten()
}

/// Names of all functions.
pub fn names() -> impl Iterator<Item = &'static str> {
    all().map(|(name, _, _)| *name)
}

/// Calls a function.
///
/// # Errors
/// See [`Failure`].
pub fn call(name: &str, arguments: Vec<Value>) -> Result<Result<Value, Diagnostic>, Failure> {
    let (_, parameters, work) = all()
        .find(|(known, _, _)| *known == name)
        .ok_or(Failure::Unknown)?;
    let parameters: Vec<(&str, &str)> = parameters
        .split_whitespace()
        .filter_map(|it| it.split_once(':'))
        .collect();
    let (fixed, rest) = match parameters.split_last() {
        Some((last, fixed)) if last.0.starts_with('*') => (fixed, Some(*last)),
        _ => (&parameters[..], None),
    };
    let given = arguments.len();
    if given < fixed.len() {
        let more = if rest.is_some() { "at least " } else { "" };
        let (missing, wanted) = (fixed[given].0, fixed.len());
        return Err(Failure::Missing(format!(
            "Function {name:?} expects {more}{wanted} argument(s). Missing value for {missing:?}."
        )));
    }
    if given > fixed.len() && rest.is_none() {
        let wanted = fixed.len();
        let detail = format!("Function {name:?} expects only {wanted} argument(s).");
        return Err(Failure::Extra(wanted, detail));
    }
    let mut converted = Vec::new();
    for (index, argument) in arguments.into_iter().enumerate() {
        let Some((parameter, kind)) = fixed.get(index).copied().or(rest) else {
            break;
        };
        let parameter = parameter.trim_start_matches('*');
        let invalid = |why: String| {
            let detail = format!("Invalid value for {parameter:?} parameter: {why}.");
            Failure::Argument(index, detail)
        };
        converted.push(argument_of(kind, argument).map_err(invalid)?);
    }
    work(converted).map(Ok).map_err(Failure::Failed)
}

/// An argument as its parameter has it; `?` after the type allows null.
fn argument_of(kind: &str, argument: Value) -> Result<Value, String> {
    let nullable = kind.ends_with('?');
    if argument == Value::Null {
        return if nullable {
            Ok(argument)
        } else {
            Err("argument must not be null".into())
        };
    }
    if kind == "bytes" {
        // cty has a type of bytes, but nothing that a file may say is of it.
        return Err("bytes required".into());
    }
    let of = match kind.trim_end_matches('?') {
        "string" => Type::Text,
        "number" => Type::Number,
        "bool" => Type::Bool,
        "strings" => Type::List(Box::new(Type::Text)),
        "list" => Type::List(Box::new(Type::Any)),
        "map" => Type::Map(Box::new(Type::Any)),
        _ => Type::Any,
    };
    argument.convert(&of)
}

/// `try` and `can`, whose arguments may fail: the answer, or what to say.
pub fn lazy<'e>(
    name: &str,
    mut arguments: impl Iterator<Item = &'e Expression>,
    evaluate: impl Fn(&'e Expression) -> Result<Value, Diagnostic>,
) -> Option<Result<Value, String>> {
    match name {
        "can" => {
            let answer = arguments.next().map(evaluate);
            Some(Ok(Value::Bool(matches!(answer, Some(Ok(_))))))
        }
        "try" => {
            let answer = arguments.find_map(|it| evaluate(it).ok());
            let failed = || "Call to function \"try\" failed: no expression succeeded.".to_owned();
            Some(answer.ok_or_else(failed))
        }
        _ => None,
    }
}

// What every table's functions begin with: arguments of the types that the table names.

fn text(value: &Value) -> &str {
    match value {
        Value::Text(text) => text,
        _ => "",
    }
}

fn number(value: &Value) -> f64 {
    match value {
        Value::Number(number) => *number,
        _ => 0.0,
    }
}

fn truth(value: &Value) -> bool {
    matches!(value, Value::Bool(true))
}

fn list(value: &Value) -> &[Value] {
    match value {
        Value::List(items) => items,
        _ => &[],
    }
}

/// A whole number of an argument.
fn whole(value: &Value) -> Result<i64, String> {
    let number = number(value);
    match number.fract() == 0.0 && number.abs() < 9e15 {
        true => Ok(number as i64),
        false => Err("a whole number is required".into()),
    }
}

fn said(text: impl Into<String>) -> Answer {
    Ok(Value::Text(text.into()))
}
