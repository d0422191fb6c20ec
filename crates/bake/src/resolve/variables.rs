//! Variables: their defaults, what the environment says instead, and what is demanded of them.

use super::{Fault, Resolver, said};
use crate::{
    csv,
    definition::Variable,
    entry::truth,
    error::Diagnostic,
    hcl::read,
    value::{Type, Value, number},
};
use std::collections::{BTreeMap, BTreeSet};

impl Resolver<'_> {
    pub(super) fn all_variables(&mut self) -> Result<Vec<Variable>, Vec<Diagnostic>> {
        let names: Vec<String> = self.variables.keys().cloned().collect();
        let mut all = Vec::new();
        for name in names {
            let block = self.variables[&name];
            let fault = |it: Fault| it.at("Invalid value", &block.body.start);
            self.variable(&name).map_err(fault)?;
            let about = block.body.attribute("description").map(|it| &it.expr);
            let about = about.map(|it| self.value(it, &BTreeMap::new()));
            let about = about.transpose().map_err(fault)?;
            let value = &self.globals.variables[&name];
            let constraint = self.constraints.get(&name);
            let text = match (value, constraint) {
                (Value::Null, _) => None,
                (Value::Text(text), None | Some(Type::Text)) => Some(text.clone()),
                (value, _) => Some(value.json()),
            };
            all.push(Variable {
                about: about.and_then(|it| it.to_text()).unwrap_or_default(),
                kind: constraint.map(Type::name).unwrap_or_default(),
                value: text,
                name,
            });
        }
        Ok(all)
    }

    /// Gives a variable or an attribute of the top level its value.
    pub(super) fn variable(&mut self, name: &str) -> Result<(), Fault> {
        if self.globals.variables.contains_key(name) {
            return Ok(());
        }
        if !self.busy_variables.insert(name.to_owned()) {
            return said(format!("variable cycle not allowed for {name}"));
        }
        let value = match (self.attributes.get(name), self.variables.get(name)) {
            (Some(attribute), declared) => {
                let (expr, declared) = (attribute.expr.clone(), declared.is_some());
                self.needs(&expr, &BTreeSet::new(), true)?;
                let value = self.value(&expr, &BTreeMap::new())?;
                match declared.then(|| self.overridden(name, false)).flatten() {
                    Some((text, _)) => inferred(name, &text, &value)?,
                    None => value,
                }
            }
            (None, Some(_)) => self.declared(name)?,
            (None, None) => {
                return Err(Fault::Undefined(format!(
                    "variable {name:?} does not exist: undefined"
                )));
            }
        };
        self.globals.variables.insert(name.to_owned(), value);
        Ok(())
    }

    fn declared(&mut self, name: &str) -> Result<Value, Fault> {
        let block = self.variables[name];
        let constraint = match block.body.attribute("type") {
            Some(it) => Some(read::constraint(&it.expr.node, &it.expr)?),
            None => None,
        };
        if let Some(constraint) = &constraint {
            self.constraints.insert(name.to_owned(), constraint.clone());
        }
        let default = block.body.attribute("default").map(|it| it.expr.clone());
        let given = self.overridden(name, constraint.is_some());
        let mut value = None;
        if let Some(expr) = &default {
            self.needs(expr, &BTreeSet::new(), true)?;
            let found = self.value(expr, &BTreeMap::new())?;
            let of = constraint.as_ref().unwrap_or(&Type::Any);
            value = Some(found.convert(of).map_err(|why| {
                Fault::Said(format!(
                    "invalid type {} for variable {name} default value: {why}",
                    of.name()
                ))
            })?);
        }
        let Some((text, json)) = given else {
            // Without a type, a variable that nobody sets is an empty text.
            let unset = if constraint.is_some() {
                Value::Null
            } else {
                Value::Text(String::new())
            };
            return Ok(value.unwrap_or(unset));
        };
        match (&constraint, json) {
            (Some(of), true) => {
                let parsed: serde_json::Value = serde_json::from_str(&text).map_err(|error| {
                    Fault::Said(format!(
                        "failed to convert variable {name} from JSON: {error}"
                    ))
                })?;
                let converted = Value::from_json(&parsed).convert(of);
                converted.map_err(|why| {
                    Fault::Said(format!(
                        "failed to convert variable {name} from JSON: {why}"
                    ))
                })
            }
            (Some(of @ (Type::List(_) | Type::Set(_) | Type::Tuple(_) | Type::Map(_))), _) => {
                commas(name, &text, of).map_err(|why| {
                    Fault::Said(format!("failed to convert variable {name} from CSV: {why}"))
                })
            }
            (Some(of), _) if of.is_primitive() => primitive(name, &text, of).map_err(Fault::Said),
            (Some(of), _) => said(format!(
                "unsupported type {} for variable {name}",
                of.name()
            )),
            (None, _) => inferred(name, &text, &value.unwrap_or(Value::Null)),
        }
    }

    /// What the environment says, and whether that is JSON.
    fn overridden(&self, name: &str, typed: bool) -> Option<(String, bool)> {
        let environment = self.surroundings.environment;
        let plain = environment(name);
        let json = format!("{name}_JSON");
        let free =
            !self.variables.contains_key(&json) && !self.surroundings.builtin.contains_key(&json);
        if (plain.is_none() || typed)
            && free
            && let Some(text) = environment(&json)
        {
            return Some((text, true));
        }
        plain.map(|text| (text, false))
    }

    /// What `validation` blocks demand.
    pub(super) fn validate(&mut self) -> Result<(), Vec<Diagnostic>> {
        let mut found = Vec::new();
        let rules: Vec<_> = self
            .variables
            .values()
            .flat_map(|it| &it.body.blocks)
            .filter(|it| it.kind == "validation")
            .collect();
        for rule in rules {
            let missing = |name: &str| Diagnostic {
                summary: "Missing required argument".into(),
                detail: format!("The argument {name:?} is required, but no definition was found."),
                span: rule.span.clone(),
            };
            let (Some(condition), Some(message)) = (
                rule.body.attribute("condition"),
                rule.body.attribute("error_message"),
            ) else {
                let name = match rule.body.attribute("condition") {
                    Some(_) => "error_message",
                    None => "condition",
                };
                found.push(missing(name));
                continue;
            };
            let none = BTreeMap::new();
            for expr in [&condition.expr, &message.expr] {
                let needed = self.needs(expr, &BTreeSet::new(), true);
                needed.map_err(|fault| fault.at("Invalid expression", &expr.span()))?;
            }
            let span = condition.expr.span();
            let mut wrong = |summary: &str, detail: String| {
                found.push(Diagnostic {
                    summary: summary.into(),
                    detail,
                    span: span.clone(),
                });
            };
            match self.value(&condition.expr, &none) {
                Err(fault) => found.extend(fault.at("Invalid expression", &span)),
                Ok(Value::Null) => wrong(
                    "Invalid condition result",
                    "Condition expression must return either true or false, not null.".into(),
                ),
                Ok(value) => match value.to_bool() {
                    Some(true) => {}
                    None => wrong(
                        "Invalid condition result",
                        "Invalid condition result value: bool required".into(),
                    ),
                    Some(false) => match self.value(&message.expr, &none) {
                        Ok(text) => wrong(
                            "Validation failed",
                            text.to_text().unwrap_or_else(|| {
                                "This check failed, but has an invalid error message.".into()
                            }),
                        ),
                        Err(fault) => found.extend(fault.at("Invalid expression", &span)),
                    },
                },
            }
        }
        if found.is_empty() { Ok(()) } else { Err(found) }
    }
}

/// A text of the environment as the default's type has it.
fn inferred(name: &str, text: &str, default: &Value) -> Result<Value, Fault> {
    let of = match default {
        Value::Null | Value::Text(_) => Type::Text,
        Value::Bool(_) => Type::Bool,
        Value::Number(_) => Type::Number,
        other => {
            let kind = other.kind_name();
            return said(format!("unsupported type {kind} for variable {name}"));
        }
    };
    primitive(name, text, &of).map_err(Fault::Said)
}

fn primitive(name: &str, text: &str, of: &Type) -> Result<Value, String> {
    match of {
        Type::Bool => truth(text).map(Value::Bool).ok_or_else(|| {
            format!("failed to parse {name} as bool: strconv.ParseBool: parsing {text:?}: invalid syntax")
        }),
        Type::Number => number(text).map(Value::Number).ok_or_else(|| {
            format!("failed to parse {name} as number: strconv.ParseFloat: parsing {text:?}: invalid syntax")
        }),
        Type::Text => Ok(Value::Text(text.to_owned())),
        other => Err(format!("{name} of type {} is not a primitive", other.name())),
    }
}

/// A list, set, tuple or map of primitives from fields separated by commas.
fn commas(name: &str, text: &str, of: &Type) -> Result<Value, String> {
    let fields =
        csv::fields(text).map_err(|why| format!("failed to parse {text} as CSV: {why}"))?;
    let unsupported = || {
        Err(format!(
            "unsupported type {} for CSV specification",
            of.name()
        ))
    };
    let element = |field: &str, kind: &Type| {
        primitive(name, field, kind)
            .map_err(|why| format!("failed to parse element of type {}: {why}", of.name()))
    };
    match of {
        Type::List(kind) | Type::Set(kind) if kind.is_primitive() => {
            let items = fields.iter().map(|it| element(it, kind));
            let items = items.collect::<Result<Vec<_>, _>>()?;
            Ok(if matches!(of, Type::Set(_)) {
                Value::set(items)
            } else {
                Value::List(items)
            })
        }
        Type::Tuple(kinds) if kinds.len() != fields.len() => Err(format!(
            "tuple expects {} elements but only {} provided",
            kinds.len(),
            fields.len()
        )),
        Type::Tuple(kinds) if kinds.iter().all(Type::is_primitive) => {
            let items = fields
                .iter()
                .zip(kinds)
                .map(|(field, kind)| element(field, kind));
            Ok(Value::List(items.collect::<Result<_, _>>()?))
        }
        Type::Map(kind) if kind.is_primitive() => {
            let entries = fields.iter().map(|field| {
                let parts = csv::separated(field, ':')?;
                match &parts[..] {
                    [key, value] => Ok((key.clone(), element(value, kind)?)),
                    parts => Err(format!(
                        "expected one k/v pair but got {} pieces from {field}",
                        parts.len()
                    )),
                }
            });
            Ok(Value::Map(entries.collect::<Result<_, _>>()?))
        }
        _ => unsupported(),
    }
}
