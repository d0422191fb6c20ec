//! Pieces of a template as Go's messages show them.

use gotmpl::parse::{CommandNode, Expr, Number, PipeNode};
use std::fmt::Write;

use super::print;
use crate::flags::go_quote;

/// Where an expression stands for Go: a chain of fields at its second one, a field of a
/// variable at the field.
pub fn offset(expr: &Expr) -> usize {
    let start = expr.pos().offset;
    match expr {
        Expr::Field(_, names) if names.len() > 1 => start + 1 + names[0].len(),
        Expr::Variable(_, name, fields) if !fields.is_empty() => start + name.len(),
        _ => start,
    }
}

pub fn expression(expr: &Expr) -> String {
    let chain = |fields: &[gotmpl::parse::SmolStr]| {
        fields.iter().fold(String::new(), |mut out, name| {
            _ = write!(out, ".{name}");
            out
        })
    };
    match expr {
        Expr::Dot(_) => ".".into(),
        Expr::Nil(_) => "nil".into(),
        Expr::Field(_, names) => chain(names),
        Expr::Variable(_, name, fields) => format!("{name}{}", chain(fields)),
        Expr::Identifier(_, name) => name.to_string(),
        Expr::String(_, text) => go_quote(text),
        Expr::Bool(_, it) => it.to_string(),
        Expr::Number(_, Number::Int(it)) => it.to_string(),
        Expr::Number(_, Number::Uint(it)) => it.to_string(),
        Expr::Number(_, Number::Float(it)) => print::float(*it),
        Expr::Pipe(_, pipe) => format!("({})", pipeline(pipe)),
        Expr::Chain(_, inner, fields) => format!("{}{}", expression(inner), chain(fields)),
    }
}

pub fn command(command: &CommandNode) -> String {
    let words: Vec<String> = command.args.iter().map(expression).collect();
    words.join(" ")
}

pub fn pipeline(pipe: &PipeNode) -> String {
    let commands: Vec<String> = pipe.commands.iter().map(command).collect();
    let commands = commands.join(" | ");
    if pipe.decl.is_empty() {
        return commands;
    }
    let sign = if pipe.is_assign { "=" } else { ":=" };
    format!("{} {sign} {commands}", pipe.decl.join(", "))
}
