//! Filling a template in: `text/template`'s rules over [`Value`].

use super::functions::{self, Fail, Functions};
use super::value::{self, Row, Value};
use super::{print, shown};
use crate::flags::go_quote;
use gotmpl::parse::{BranchNode, CommandNode, DefineNode, Expr, ListNode, Node, Number, PipeNode};

/// Nested templates and bodies; far beyond any that people write.
const MAXIMUM_DEPTH: usize = 100;
/// Turns of all loops of one template, so that `range 99999999999` ends.
const MAXIMUM_TURNS: usize = 1_000_000;

/// Why a template could not be filled in: the place, the piece and the reason.
#[derive(Debug)]
pub struct Fault {
    pub offset: usize,
    pub at: String,
    pub why: String,
}

/// What breaks a body off.
enum Stop {
    Fault(Fault),
    Break,
    Continue,
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

pub struct Execution<'a> {
    pub defines: &'a [DefineNode],
    /// Whether a key that a map lacks is a fault, and what is nil as well.
    pub strict: bool,
    /// What may be called.
    pub functions: Functions,
    variables: Vec<(String, Value)>,
    out: String,
    depth: usize,
    turns: usize,
}

impl<'a> Execution<'a> {
    pub fn new(defines: &'a [DefineNode], strict: bool, functions: Functions) -> Self {
        Self {
            defines,
            strict,
            functions,
            variables: Vec::new(),
            out: String::new(),
            depth: 0,
            turns: 0,
        }
    }

    /// Fills `tree` in with `dot`; a fault comes with what was printed before it.
    pub fn run(mut self, tree: &ListNode, dot: &Value) -> Result<String, (String, Fault)> {
        self.variables.push(("$".into(), dot.clone()));
        match self.walk(tree, dot) {
            Ok(()) | Err(Stop::Break | Stop::Continue) => Ok(self.out),
            Err(Stop::Fault(fault)) => Err((self.out, fault)),
        }
    }

    fn walk(&mut self, list: &ListNode, dot: &Value) -> Result<(), Stop> {
        let known = self.variables.len();
        let done = list.nodes.iter().try_for_each(|node| self.node(node, dot));
        self.variables.truncate(known);
        done
    }

    fn node(&mut self, node: &Node, dot: &Value) -> Result<(), Stop> {
        match node {
            Node::Text(text) => self.out.push_str(&text.text),
            Node::Action(action) => {
                let value = self.pipeline(&action.pipe, dot)?;
                if action.pipe.decl.is_empty() {
                    self.out.push_str(&print::action(&value));
                }
            }
            Node::If(branch) => self.branch(branch, dot, false)?,
            Node::With(branch) => self.branch(branch, dot, true)?,
            Node::Range(branch) => self.range(branch, dot)?,
            Node::List(list) => self.walk(list, dot)?,
            Node::Define(_) => {}
            Node::Break(_) => return Err(Stop::Break),
            Node::Continue(_) => return Err(Stop::Continue),
            Node::Template(call) => {
                let name = call.name.as_str();
                let fault = |why: String| Fault {
                    // Go's place is the name's.
                    offset: call.pos.offset + "template ".len(),
                    at: format!("{{{{template {}}}}}", go_quote(name)),
                    why,
                };
                let Some(define) = self.defines.iter().find(|it| it.name == name) else {
                    return Err(fault(format!("template {} not defined", go_quote(name))).into());
                };
                let value = match &call.pipe {
                    Some(pipe) => self.pipeline(pipe, dot)?,
                    None => Value::Nil,
                };
                self.depth += 1;
                if self.depth > MAXIMUM_DEPTH {
                    return Err(fault(format!(
                        "exceeded maximum template depth ({MAXIMUM_DEPTH})"
                    ))
                    .into());
                }
                let outer = std::mem::take(&mut self.variables);
                self.variables.push(("$".into(), value.clone()));
                let done = self.walk(&define.body, &value);
                self.variables = outer;
                self.depth -= 1;
                done?;
            }
        }
        Ok(())
    }

    fn branch(&mut self, branch: &BranchNode, dot: &Value, is_with: bool) -> Result<(), Stop> {
        let known = self.variables.len();
        let value = self.pipeline(&branch.pipe, dot)?;
        let done = if value.is_true() {
            self.walk(&branch.body, if is_with { &value } else { dot })
        } else {
            self.otherwise(branch, dot)
        };
        self.variables.truncate(known);
        done
    }

    fn otherwise(&mut self, branch: &BranchNode, dot: &Value) -> Result<(), Stop> {
        let list = branch.else_body.as_ref();
        list.map_or(Ok(()), |list| self.walk(list, dot))
    }

    fn range(&mut self, branch: &BranchNode, dot: &Value) -> Result<(), Stop> {
        let known = self.variables.len();
        let value = self.pipeline_value(&branch.pipe, dot)?;
        let fault = |why: String| Fault {
            offset: branch.pipe.pos.offset,
            at: shown::pipeline(&branch.pipe),
            why,
        };
        let pairs: Vec<(Value, Value)> = match value.pointee() {
            Value::Missing | Value::Nil => Vec::new(),
            Value::List(list) => (0..)
                .map(Value::Int)
                .zip(list.items.iter().cloned())
                .collect(),
            Value::Map(map) => map
                .members
                .iter()
                .map(|(key, value)| (Value::Text(key.clone(), map.key), value.clone()))
                .collect(),
            Value::Int(count) => (0..*count)
                .take(MAXIMUM_TURNS + 1)
                .map(|at| (Value::Int(at), Value::Int(at)))
                .collect(),
            other => {
                let shown = print::sprint(other, false);
                return Err(fault(format!("range can't iterate over {shown}")).into());
            }
        };
        if pairs.is_empty() {
            return self.otherwise(branch, dot);
        }
        let decl = &branch.pipe.decl;
        for (key, item) in pairs {
            self.turns += 1;
            if self.turns > MAXIMUM_TURNS {
                return Err(fault(format!("more than {MAXIMUM_TURNS} turns")).into());
            }
            self.variables.truncate(known);
            let values = match decl.len() {
                0 => vec![],
                1 => vec![item.clone()],
                _ => vec![key, item.clone()],
            };
            for (name, value) in decl.iter().zip(values) {
                self.set(name, value, branch.pipe.is_assign);
            }
            match self.walk(&branch.body, &item) {
                Ok(()) | Err(Stop::Continue) => {}
                Err(Stop::Break) => break,
                Err(fault) => return Err(fault),
            }
        }
        self.variables.truncate(known);
        Ok(())
    }

    fn set(&mut self, name: &str, value: Value, is_assign: bool) {
        let known = self.variables.iter_mut().rev().find(|(it, _)| it == name);
        match known {
            Some(slot) if is_assign => slot.1 = value,
            _ => self.variables.push((name.to_owned(), value)),
        }
    }

    fn pipeline(&mut self, pipe: &PipeNode, dot: &Value) -> Result<Value, Fault> {
        let value = self.pipeline_value(pipe, dot)?;
        for name in &pipe.decl {
            self.set(name, value.clone(), pipe.is_assign);
        }
        Ok(value)
    }

    fn pipeline_value(&mut self, pipe: &PipeNode, dot: &Value) -> Result<Value, Fault> {
        let mut last = None;
        for command in &pipe.commands {
            last = Some(self.command(command, dot, last)?);
        }
        Ok(last.unwrap_or(Value::Missing))
    }

    /// One command; `last` is what the one before it gave, its last argument.
    fn command(
        &mut self,
        command: &CommandNode,
        dot: &Value,
        last: Option<Value>,
    ) -> Result<Value, Fault> {
        let Some(first) = command.args.first() else {
            return Ok(Value::Missing);
        };
        if let Expr::Identifier(_, name) = first {
            return self.call(name, command, dot, last);
        }
        if matches!(
            first,
            Expr::Field(..) | Expr::Variable(..) | Expr::Chain(..)
        ) {
            let mut arguments = Vec::new();
            for argument in &command.args[1..] {
                arguments.push(self.expression(argument, dot)?);
            }
            arguments.extend(last);
            return self.fields(first, dot, &arguments);
        }
        if matches!(first, Expr::Nil(_)) {
            return Err(Fault {
                offset: first.pos().offset,
                at: "nil".into(),
                why: "nil is not a command".into(),
            });
        }
        if command.args.len() > 1 || last.is_some() {
            return Err(Fault {
                offset: first.pos().offset,
                at: shown::command(command),
                why: format!(
                    "can't give argument to non-function {}",
                    shown::expression(first)
                ),
            });
        }
        self.expression(first, dot)
    }

    fn expression(&mut self, expr: &Expr, dot: &Value) -> Result<Value, Fault> {
        Ok(match expr {
            Expr::Dot(_) => dot.clone(),
            Expr::Nil(_) => Value::Nil,
            Expr::String(_, text) => value::text(text),
            Expr::Bool(_, it) => Value::Bool(*it),
            Expr::Number(_, Number::Int(it)) => Value::Int(*it),
            Expr::Number(_, Number::Uint(it)) => Value::Uint(*it),
            Expr::Number(_, Number::Float(it)) => Value::Float(*it),
            Expr::Pipe(_, pipe) => self.pipeline(pipe, dot)?,
            Expr::Identifier(pos, name) => {
                let command = CommandNode {
                    pos: *pos,
                    args: vec![expr.clone()],
                };
                self.call(name, &command, dot, None)?
            }
            Expr::Field(..) | Expr::Variable(..) | Expr::Chain(..) => {
                self.fields(expr, dot, &[])?
            }
        })
    }

    fn call(
        &mut self,
        name: &str,
        command: &CommandNode,
        dot: &Value,
        last: Option<Value>,
    ) -> Result<Value, Fault> {
        let short = matches!(name, "and" | "or");
        let mut arguments = Vec::new();
        for argument in &command.args[1..] {
            let value = self.expression(argument, dot)?;
            if short && value.is_true() == (name == "or") {
                return Ok(value);
            }
            arguments.push(value);
        }
        arguments.extend(last);
        let whole = |why| Fault {
            offset: command.pos.offset,
            at: shown::command(command),
            why,
        };
        functions::call(name, &arguments, self.functions).map_err(|fail| match fail {
            Fail::Count(why) => Fault {
                offset: command.pos.offset,
                at: name.to_owned(),
                why,
            },
            Fail::Argument(index, why) => match command.args.get(index + 1) {
                Some(expr) => Fault {
                    offset: shown::offset(expr),
                    at: shown::expression(expr),
                    why,
                },
                None => whole(why),
            },
            Fail::Call(why) => whole(format!("error calling {name}: {why}")),
        })
    }

    /// A chain of fields; `arguments` go to the last one if it is a method.
    fn fields(&mut self, expr: &Expr, dot: &Value, arguments: &[Value]) -> Result<Value, Fault> {
        let (mut value, names) = match expr {
            Expr::Field(_, names) => (dot.clone(), names),
            Expr::Variable(_, name, names) => {
                let known = self.variables.iter().rev().find(|(it, _)| it == name);
                (known.map_or(Value::Missing, |it| it.1.clone()), names)
            }
            Expr::Chain(_, inner, names) => (self.expression(inner, dot)?, names),
            other => return self.expression(other, dot),
        };
        let fault = |why| Fault {
            offset: shown::offset(expr),
            at: shown::expression(expr),
            why,
        };
        let mut in_any = false;
        for (index, name) in names.iter().enumerate() {
            let given = if index + 1 == names.len() {
                arguments
            } else {
                &[]
            };
            let next = self.field(&value, name, given, in_any).map_err(fault)?;
            in_any = matches!(value.pointee(), Value::Map(map) if map.element == "any");
            value = next;
        }
        if names.is_empty() && !arguments.is_empty() {
            return Err(fault(format!(
                "can't give argument to non-function {}",
                shown::expression(expr)
            )));
        }
        Ok(value)
    }

    fn field(
        &self,
        of: &Value,
        name: &str,
        arguments: &[Value],
        in_any: bool,
    ) -> Result<Value, String> {
        let type_name = || match in_any {
            true => "interface {}".to_owned(),
            false => of.type_name(),
        };
        if let Some(done) = functions::method(of.pointee(), name, arguments) {
            return done;
        }
        let unable = || {
            Err(format!(
                "can't evaluate field {name} in type {}",
                type_name()
            ))
        };
        match of.pointee() {
            Value::Missing if self.strict => {
                Err(format!("nil data; no entry for key {}", go_quote(name)))
            }
            Value::Missing => Ok(Value::Missing),
            Value::Nil => Err(format!("nil pointer evaluating interface {{}}.{name}")),
            Value::Pointer(None, to) => {
                let lacks = super::types::find(to).is_some_and(|it| !has_field(it, name));
                if lacks {
                    return unable();
                }
                Err(format!("nil pointer evaluating {}.{name}", type_name()))
            }
            Value::Struct(object) => match object.field(name) {
                Some(_) if !arguments.is_empty() => Err(format!(
                    "{name} has arguments but cannot be invoked as function"
                )),
                Some(value) => Ok(value),
                None => unable(),
            },
            Value::Map(_) if !arguments.is_empty() => {
                Err(format!("{name} is not a method but has arguments"))
            }
            Value::Map(map) => match map.members.get(name) {
                Some(value) => Ok(value.clone()),
                None if self.strict => Err(format!("map has no entry for key {}", go_quote(name))),
                None => Ok(Value::Missing),
            },
            Value::Row(row) => self.row_field(row, name).map_or_else(unable, Ok),
            _ => unable(),
        }
    }

    fn row_field(&self, row: &Row, name: &str) -> Option<Value> {
        let mut fields = row.fields.iter();
        let field = fields.find(|(it, _)| it == name).map(|it| it.1.clone());
        // The heading is a map: what it lacks is no fault.
        field.or_else(|| row.is_heading.then_some(Value::Missing))
    }
}

fn has_field(of: &super::types::Struct, name: &str) -> bool {
    of.fields.iter().any(|field| {
        field.name == name
            || field.json.is_empty()
                && super::types::find(field.ty.trim_start_matches('*'))
                    .is_some_and(|inner| has_field(inner, name))
    })
}
