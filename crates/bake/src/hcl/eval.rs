//! From an expression to its value.

use super::{Expr, Scope, operators};
use crate::{error::Diagnostic, functions, source::Span, value::Value};
use hcl_edit::{
    Decorated, Ident, Span as _,
    expr::{Expression, ForExpr, FuncCall, ObjectKey, TraversalOperator, UnaryOperator},
};
use std::collections::BTreeMap;

pub(super) type Answer = Result<Value, Diagnostic>;

/// Evaluates parts of one expression.
#[derive(Clone, Copy)]
pub struct Evaluator<'a> {
    /// The whole, which knows where its parts stand.
    pub expr: &'a Expr,
    /// What names mean.
    pub scope: Scope<'a>,
}

/// The name that a step of a path gives, if it is written plainly.
pub(super) fn step(operator: &Decorated<TraversalOperator>) -> Option<String> {
    match operator.value() {
        TraversalOperator::GetAttr(name) => Some(name.to_string()),
        _ => None,
    }
}

impl Evaluator<'_> {
    /// An error at a part of the expression.
    pub(super) fn wrong<T>(
        &self,
        at: &Expression,
        summary: &str,
        detail: impl Into<String>,
    ) -> Result<T, Diagnostic> {
        Err(self.at(self.expr.place(at), summary, detail))
    }

    pub(super) fn at(&self, span: Span, summary: &str, detail: impl Into<String>) -> Diagnostic {
        Diagnostic {
            summary: summary.into(),
            detail: detail.into(),
            span,
        }
    }

    fn part(&self, part: Option<std::ops::Range<usize>>) -> Span {
        let range = self.expr.whole.clone().or(part).unwrap_or_default();
        Span {
            file: self.expr.file,
            range,
        }
    }

    /// The bracket that closes a call.
    fn last(&self, call: &Expression) -> Span {
        let mut span = self.expr.place(call);
        if self.expr.whole.is_none() {
            span.range.start = span.range.end.saturating_sub(1);
        }
        span
    }

    /// The value of a part.
    pub fn expression(&self, expression: &Expression) -> Answer {
        match expression {
            Expression::Null(_) => Ok(Value::Null),
            Expression::Bool(value) => Ok(Value::Bool(*value.value())),
            Expression::Number(number) => {
                Ok(Value::Number(number.value().as_f64().unwrap_or_default()))
            }
            Expression::String(text) => Ok(Value::Text(text.to_string())),
            Expression::Array(items) => {
                let items = items.iter().map(|item| self.expression(item));
                Ok(Value::List(items.collect::<Result<_, _>>()?))
            }
            Expression::Object(entries) => {
                let mut map = BTreeMap::new();
                for (key, value) in entries.iter() {
                    map.insert(self.key(key)?, self.expression(value.expr())?);
                }
                Ok(Value::Map(map))
            }
            Expression::StringTemplate(template) => self.template(template.iter(), expression),
            Expression::HeredocTemplate(heredoc) => {
                self.template(heredoc.template.iter(), expression)
            }
            Expression::Parenthesis(inner) => self.expression(inner.inner()),
            Expression::Variable(name) => self.variable(name, expression),
            Expression::Conditional(it) => self.conditional(it),
            Expression::FuncCall(call) => self.call(call, expression),
            Expression::Traversal(it) => {
                let value = self.expression(&it.expr)?;
                self.traverse(value, &it.operators)
            }
            Expression::UnaryOp(it) => {
                let value = self.expression(&it.expr)?;
                let answer = match it.operator.value() {
                    UnaryOperator::Neg => operators::number(&value).map(|it| Value::Number(-it)),
                    UnaryOperator::Not => operators::truth(&value).map(|it| Value::Bool(!it)),
                };
                answer.or_else(|why| {
                    let why = format!("Unsuitable value for unary operand: {why}.");
                    self.wrong(&it.expr, "Invalid operand", why)
                })
            }
            Expression::BinaryOp(it) => self.binary(it),
            Expression::ForExpr(it) => self.each(it, expression),
        }
    }

    fn key(&self, key: &ObjectKey) -> Result<String, Diagnostic> {
        let expression = match key {
            ObjectKey::Ident(name) => return Ok(name.to_string()),
            // A bare name is itself; in parentheses it is a variable.
            ObjectKey::Expression(Expression::Variable(name)) => return Ok(name.to_string()),
            ObjectKey::Expression(expression) => expression,
        };
        let value = self.expression(expression)?;
        let detail = match &value {
            Value::Null => "Can't use a null value as a key.".to_owned(),
            value => match value.to_text() {
                Some(text) => return Ok(text),
                None => "Can't use this value as a key: string required.".to_owned(),
            },
        };
        let summary = if value == Value::Null {
            "Null value as key"
        } else {
            "Incorrect key type"
        };
        self.wrong(expression, summary, detail)
    }

    fn variable(&self, name: &Decorated<Ident>, at: &Expression) -> Answer {
        if let Some(value) = self.scope.variable(name) {
            return Ok(value.clone());
        }
        let like = self.scope.like(name);
        let like = like.map_or_else(String::new, |like| format!(" Did you mean {like:?}?"));
        let name = name.as_str();
        let detail = format!("There is no variable named {name:?}.{like}");
        self.wrong(at, "Unknown variable", detail)
    }

    fn conditional(&self, it: &hcl_edit::expr::Conditional) -> Answer {
        let condition = self.expression(&it.cond_expr)?;
        if condition == Value::Null {
            let detail = "The condition value is null. Conditions must either be true or false.";
            return self.wrong(&it.cond_expr, "Null condition", detail);
        }
        let Some(truth) = condition.to_bool() else {
            let detail = "The condition expression must be of type bool.";
            return self.wrong(&it.cond_expr, "Incorrect condition type", detail);
        };
        let (yes, no) = (
            self.expression(&it.true_expr),
            self.expression(&it.false_expr),
        );
        let (chosen, other) = if truth { (yes?, no) } else { (no?, yes) };
        // Both sides become one type where they can.
        Ok(match other {
            Ok(Value::Text(_)) if chosen.is_primitive() => {
                chosen.to_text().map_or(chosen, Value::Text)
            }
            _ => chosen,
        })
    }

    fn call(&self, call: &FuncCall, whole: &Expression) -> Answer {
        let name = call.name.name.as_str();
        let mut arguments = Vec::new();
        let last = call.args.len().saturating_sub(1);
        // `try` and `can` look at arguments that fail.
        if let Some(answer) = functions::lazy(name, call.args.iter(), |it| self.expression(it)) {
            return answer.or_else(|detail| self.wrong(whole, "Error in function call", detail));
        }
        for (number, argument) in call.args.iter().enumerate() {
            if name == "convert" && number == 1 {
                break;
            }
            let value = self.expression(argument)?;
            match value {
                Value::List(items) if call.args.expand_final() && number == last => {
                    arguments.extend(items);
                }
                _ if call.args.expand_final() && number == last => {
                    let detail = "The expanding argument (indicated by ...) must be of a tuple, list, or set type.";
                    return self.wrong(argument, "Invalid expanding argument value", detail);
                }
                value => arguments.push(value),
            }
        }
        if let ("convert", Some(of)) = (name, call.args.get(1)) {
            let value = arguments.pop().unwrap_or(Value::Null);
            let of = super::read::constraint(of, self.expr)?;
            return value.convert(&of).or_else(|why| {
                let detail = format!("Invalid value for \"value\" parameter: {why}.");
                self.wrong(whole, "Invalid function argument", detail)
            });
        }
        if let Some(function) = self.scope.function(name) {
            return self.own(name, function, arguments, whole);
        }
        let called = self.part(call.name.name.span());
        functions::call(name, arguments).unwrap_or_else(|failure| match failure {
            functions::Failure::Unknown => {
                let names = functions::names();
                let like = super::scope::suggestion(name, names);
                let like = like.map_or_else(String::new, |like| format!(" Did you mean {like:?}?"));
                let detail = format!("There is no function named {name:?}.{like}");
                Err(self.at(called, "Call to unknown function", detail))
            }
            functions::Failure::Missing(detail) => {
                Err(self.at(self.last(whole), "Not enough function arguments", detail))
            }
            functions::Failure::Extra(index, detail) => {
                let at = call.args.get(index).map(|it| self.expr.place(it));
                let at = at.unwrap_or_else(|| self.part(call.args.span()));
                Err(self.at(at, "Too many function arguments", detail))
            }
            functions::Failure::Argument(index, detail) => {
                let at = call.args.get(index).or_else(|| call.args.get(last));
                let at =
                    at.map_or_else(|| self.part(call.args.span()), |it| self.expr.start_of(it));
                Err(self.at(at, "Invalid function argument", detail))
            }
            functions::Failure::Failed(why) => {
                let detail = format!("Call to function {name:?} failed: {why}.");
                self.wrong(whole, "Error in function call", detail)
            }
        })
    }

    fn own(
        &self,
        name: &str,
        function: &super::UserFunction,
        arguments: Vec<Value>,
        whole: &Expression,
    ) -> Answer {
        let wanted = function.params.len();
        if arguments.len() < wanted {
            let missing = &function.params[arguments.len()];
            let detail = format!(
                "Function {name:?} expects {wanted} argument(s). Missing value for {missing:?}."
            );
            return Err(self.at(self.last(whole), "Not enough function arguments", detail));
        }
        if arguments.len() > wanted && function.variadic.is_none() {
            let detail = format!("Function {name:?} expects only {wanted} argument(s).");
            return self.wrong(whole, "Too many function arguments", detail);
        }
        let mut arguments = arguments.into_iter();
        let mut local: BTreeMap<String, Value> = function
            .params
            .iter()
            .cloned()
            .zip(arguments.by_ref())
            .collect();
        if let Some(rest) = &function.variadic {
            local.insert(rest.clone(), Value::List(arguments.collect()));
        }
        let outermost = self.scope.outermost();
        let scope = outermost.with(&local);
        function.result.value(&scope).or_else(|why| {
            let detail = format!(
                "Call to function {name:?} failed: {}.",
                why.detail.trim_end_matches('.')
            );
            self.wrong(whole, "Error in function call", detail)
        })
    }

    fn traverse(&self, value: Value, operators: &[Decorated<TraversalOperator>]) -> Answer {
        let Some((first, rest)) = operators.split_first() else {
            return Ok(value);
        };
        let span = self.part(first.span());
        let value = match first.value() {
            TraversalOperator::GetAttr(name) => self.attribute(value, name, span)?,
            TraversalOperator::Index(index) => {
                let index = self.expression(index)?;
                self.index(value, &index, span)?
            }
            TraversalOperator::LegacyIndex(index) => {
                self.index(value, &Value::Number(*index.value() as f64), span)?
            }
            TraversalOperator::FullSplat(_) | TraversalOperator::AttrSplat(_) => {
                let items = match value {
                    Value::List(items) => items,
                    Value::Null => Vec::new(),
                    other => vec![other],
                };
                // What a splat with only names takes ends where another step begins.
                let attributes = matches!(first.value(), TraversalOperator::AttrSplat(_));
                let taken = match attributes {
                    true => rest
                        .iter()
                        .take_while(|it| matches!(it.value(), TraversalOperator::GetAttr(_)))
                        .count(),
                    false => rest.len(),
                };
                let items = items
                    .into_iter()
                    .map(|item| self.traverse(item, &rest[..taken]));
                let items = Value::List(items.collect::<Result<_, _>>()?);
                return self.traverse(items, &rest[taken..]);
            }
        };
        self.traverse(value, rest)
    }

    fn attribute(&self, value: Value, name: &str, span: Span) -> Answer {
        match value {
            Value::Map(mut entries) => entries.remove(name).ok_or_else(|| {
                let detail = format!("This object does not have an attribute named {name:?}.");
                self.at(span, "Unsupported attribute", detail)
            }),
            Value::Null => {
                let detail = "This value is null, so it does not have any attributes.";
                Err(self.at(span, "Attempt to get attribute from null value", detail))
            }
            _ => {
                let detail = "This value does not have any attributes.";
                Err(self.at(span, "Unsupported attribute", detail))
            }
        }
    }

    pub(super) fn index(&self, value: Value, index: &Value, span: Span) -> Answer {
        let invalid = |detail: &str| Err(self.at(span.clone(), "Invalid index", detail));
        match value {
            Value::List(mut items) => {
                let Some(number) = index.to_number() else {
                    return invalid(
                        "The given key does not identify an element in this collection value: a number is required.",
                    );
                };
                if number < 0.0 {
                    return invalid(
                        "The given key does not identify an element in this collection value: a negative number is not a valid index for a sequence.",
                    );
                }
                if number.fract() != 0.0 {
                    return invalid(
                        "The given key does not identify an element in this collection value: indexing a sequence requires a whole number, but the given index has a fractional part.",
                    );
                }
                match (number as usize) < items.len() {
                    true => Ok(items.swap_remove(number as usize)),
                    false => invalid(
                        "The given key does not identify an element in this collection value.",
                    ),
                }
            }
            Value::Map(mut entries) => match index.to_text() {
                Some(key) => match entries.remove(&key) {
                    Some(value) => Ok(value),
                    None => invalid(
                        "The given key does not identify an element in this collection value.",
                    ),
                },
                None => invalid(
                    "The given key does not identify an element in this collection value: string required.",
                ),
            },
            Value::Null => {
                let detail = "This value is null, so it does not have any indices.";
                Err(self.at(span, "Attempt to index null value", detail))
            }
            _ => invalid("This value does not have any indices."),
        }
    }

    /// Keys and values of a collection, in its order.
    pub(super) fn pairs(
        &self,
        value: Value,
        at: &Expression,
    ) -> Result<Vec<(Value, Value)>, Diagnostic> {
        match value {
            Value::List(items) => Ok(items
                .into_iter()
                .enumerate()
                .map(|(number, item)| (Value::Number(number as f64), item))
                .collect()),
            Value::Map(entries) => Ok(entries
                .into_iter()
                .map(|(key, value)| (Value::Text(key), value))
                .collect()),
            Value::Null => {
                let detail = "A null value cannot be used as the collection in a 'for' expression.";
                self.wrong(at, "Iteration over null value", detail)
            }
            other => {
                let kind = other.kind_name();
                let detail = format!(
                    "A value of type {kind} cannot be used as the collection in a 'for' expression."
                );
                self.wrong(at, "Iteration over non-iterable value", detail)
            }
        }
    }

    fn each(&self, it: &ForExpr, whole: &Expression) -> Answer {
        let collection = self.expression(&it.intro.collection_expr)?;
        let pairs = self.pairs(collection, &it.intro.collection_expr)?;
        let mut list = Vec::new();
        let mut map = BTreeMap::<String, Value>::new();
        for (key, value) in pairs {
            let mut local = BTreeMap::new();
            if let Some(name) = &it.intro.key_var {
                local.insert(name.to_string(), key);
            }
            local.insert(it.intro.value_var.to_string(), value);
            let inner = Evaluator {
                expr: self.expr,
                scope: self.scope.with(&local),
            };
            if let Some(condition) = &it.cond {
                let truth = inner.expression(&condition.expr)?;
                match truth.to_bool() {
                    Some(true) => {}
                    Some(false) => continue,
                    None => {
                        let detail = "The 'if' clause value is invalid: bool required.";
                        return self.wrong(&condition.expr, "Invalid 'for' condition", detail);
                    }
                }
            }
            let value = inner.expression(&it.value_expr)?;
            let Some(key) = &it.key_expr else {
                list.push(value);
                continue;
            };
            let name = inner.expression(key)?;
            let Some(name) = name.to_text() else {
                let detail = "Invalid key expression result: string required.";
                return self.wrong(key, "Invalid object key", detail);
            };
            if it.grouping {
                let group = map.entry(name).or_insert_with(|| Value::List(Vec::new()));
                if let Value::List(items) = group {
                    items.push(value);
                }
            } else if map.insert(name.clone(), value).is_some() {
                let detail = format!(
                    "Two different items produced the key {name:?} in this 'for' expression. If duplicates are expected, use the ellipsis (...) after the value expression to enable grouping by key."
                );
                return self.wrong(whole, "Duplicate object key", detail);
            }
        }
        Ok(if it.key_expr.is_some() {
            Value::Map(map)
        } else {
            Value::List(list)
        })
    }

    fn binary(&self, it: &hcl_edit::expr::BinaryOp) -> Answer {
        let (left, right) = (
            self.expression(&it.lhs_expr)?,
            self.expression(&it.rhs_expr)?,
        );
        operators::binary(*it.operator.value(), &left, &right).or_else(|failure| {
            let (at, side) = match failure.left {
                true => (&it.lhs_expr, "left"),
                false => (&it.rhs_expr, "right"),
            };
            match failure.summary {
                Some(summary) => Err(self.at(self.part(it.span()), summary, failure.why)),
                None => {
                    let detail = format!("Unsuitable value for {side} operand: {}.", failure.why);
                    self.wrong(at, "Invalid operand", detail)
                }
            }
        })
    }
}
