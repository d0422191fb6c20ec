//! From bodies to variables, groups and targets: everything is evaluated when it is asked
//! for, in whatever order the files have it.

mod blocks;
mod names;
mod variables;

use crate::{
    definition::{Group, Variable},
    error::Diagnostic,
    hcl::{Attribute, Block, Body, Expr, Globals, Scope, UserFunction},
    source::Span,
    target::Target,
    value::{Type, Value},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

/// Names whose blocks become targets and groups.
const KINDS: [&str; 2] = ["group", "target"];

/// Why something has no value.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// A name means nothing.
    Undefined(String),
    /// A sentence, whose place the caller knows.
    Said(String),
    /// Findings with their places.
    Found(Vec<Diagnostic>),
}

impl From<Diagnostic> for Fault {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::Found(vec![diagnostic])
    }
}

impl Fault {
    /// As findings; a bare sentence is put at `span`.
    fn at(self, summary: &str, span: &Span) -> Vec<Diagnostic> {
        match self {
            Self::Found(list) => list,
            Self::Undefined(detail) | Self::Said(detail) => {
                vec![Diagnostic {
                    summary: summary.into(),
                    detail,
                    span: span.clone(),
                }]
            }
        }
    }
}

fn said<T>(text: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Said(text.into()))
}

/// What the world says.
pub(crate) struct Surroundings<'a> {
    /// A variable of the environment.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// Variables that no file may set.
    pub builtin: &'a BTreeMap<String, String>,
}

/// What the files say.
#[derive(Debug, Default)]
pub(crate) struct Resolved {
    pub groups: Vec<Group>,
    pub targets: Vec<(String, Target)>,
    pub variables: Vec<Variable>,
    /// What a user should know.
    pub notices: Vec<String>,
}

/// One of the targets or groups that a block makes: several by its matrix.
struct Instance {
    name: String,
    local: BTreeMap<String, Value>,
    target: Target,
    /// Attributes that have been evaluated.
    done: BTreeSet<String>,
    /// Attributes that are being evaluated.
    busy: BTreeSet<String>,
}

pub(crate) struct Resolver<'a> {
    surroundings: &'a Surroundings<'a>,
    variables: BTreeMap<String, &'a Block>,
    constraints: BTreeMap<String, Type>,
    attributes: BTreeMap<String, &'a Attribute>,
    functions: BTreeMap<String, &'a Block>,
    blocks: Vec<&'a Block>,
    /// Blocks by kind and name, once all names are known.
    named: BTreeMap<(String, String), Vec<usize>>,
    instances: BTreeMap<usize, Vec<Instance>>,
    globals: Globals,
    busy_variables: BTreeSet<String>,
    busy_functions: BTreeSet<String>,
    notices: BTreeSet<String>,
}

/// Resolves bodies over what Compose files gave.
pub(crate) fn resolve(
    bodies: &[Body],
    surroundings: &Surroundings<'_>,
    resolved: Resolved,
) -> Result<Resolved, Vec<Diagnostic>> {
    let mut resolver = Resolver {
        surroundings,
        variables: BTreeMap::new(),
        constraints: BTreeMap::new(),
        attributes: BTreeMap::new(),
        functions: BTreeMap::new(),
        blocks: Vec::new(),
        named: BTreeMap::new(),
        instances: BTreeMap::new(),
        globals: Globals::default(),
        busy_variables: BTreeSet::new(),
        busy_functions: BTreeSet::new(),
        notices: BTreeSet::new(),
    };
    resolver.sort(bodies)?;
    resolver.all(resolved)
}

impl<'a> Resolver<'a> {
    /// Sorts what the files hold by what it is.
    fn sort(&mut self, bodies: &'a [Body]) -> Result<(), Vec<Diagnostic>> {
        let reserved =
            |name: &str| KINDS.contains(&name) || self.surroundings.builtin.contains_key(name);
        for body in bodies {
            for block in &body.blocks {
                let kind = block.kind.as_str();
                let label = block.labels.first().cloned().unwrap_or_default();
                let invalid = |summary: &str, detail: String| {
                    vec![Diagnostic {
                        summary: summary.into(),
                        detail,
                        span: block.label_spans.get(1).unwrap_or(&block.span).clone(),
                    }]
                };
                match kind {
                    "variable" | "function" | "group" | "target" if block.labels.len() != 1 => {
                        let (summary, detail) = match block.labels.len() {
                            0 => (
                                format!("Missing name for {kind}"),
                                format!("All {kind} blocks must have 1 labels (name)."),
                            ),
                            _ => (
                                format!("Extraneous label for {kind}"),
                                format!("Only 1 labels (name) are expected for {kind} blocks."),
                            ),
                        };
                        return Err(invalid(&summary, detail));
                    }
                    "variable" if !reserved(&label) => drop(self.variables.insert(label, block)),
                    "function" if !reserved(&label) => drop(self.functions.insert(label, block)),
                    "group" | "target" => self.blocks.push(block),
                    "variable" | "function" => {}
                    other => drop(
                        self.notices
                            .insert(format!("blocks of type {other:?} mean nothing to bake")),
                    ),
                }
            }
            for attribute in &body.attributes {
                let name = &attribute.name;
                if KINDS.contains(&name.as_str()) {
                    return Err(vec![Diagnostic {
                        summary: "Invalid attribute".into(),
                        detail: "global attributes currently not supported".into(),
                        span: attribute.span.clone(),
                    }]);
                }
                if !reserved(name) {
                    self.attributes.insert(name.clone(), attribute);
                }
            }
        }
        Ok(())
    }

    fn all(mut self, mut resolved: Resolved) -> Result<Resolved, Vec<Diagnostic>> {
        for (name, value) in self.surroundings.builtin {
            self.globals
                .variables
                .insert(name.clone(), Value::Text(value.clone()));
        }
        resolved.variables = self.all_variables()?;
        self.validate()?;
        let functions: Vec<String> = self.functions.keys().cloned().collect();
        for name in functions {
            let block = self.functions[&name];
            let span = block
                .body
                .attribute("params")
                .map_or(&block.span, |it| &it.span);
            self.function(&name)
                .map_err(|fault| fault.at("Invalid function", span))?;
        }
        let renamed = self.all_names()?;
        self.all_blocks(&mut resolved)?;
        let attributes: Vec<String> = self.attributes.keys().cloned().collect();
        for name in attributes {
            let span = &self.attributes[&name].span;
            let fault = |it: Fault| it.at("Invalid attribute", span);
            self.variable(&name).map_err(fault)?;
        }
        resolved.groups.extend(renamed);
        resolved.notices.extend(self.notices);
        Ok(resolved)
    }

    /// Evaluates what an expression stands upon.
    fn needs(
        &mut self,
        expr: &Expr,
        local: &BTreeSet<String>,
        may_miss: bool,
    ) -> Result<(), Fault> {
        let uses = expr.uses();
        let span = expr.span();
        let wrapped = |fault: Fault| match fault {
            Fault::Undefined(_) if may_miss => Ok(()),
            fault => Err(Fault::Found(fault.at("Invalid expression", &span))),
        };
        for name in &uses.functions {
            self.function(name).or_else(wrapped)?;
        }
        for (path, followed) in &uses.variables {
            let name = path[0].as_str();
            if local.contains(name) {
                continue;
            }
            if !KINDS.contains(&name) {
                self.variable(name).or_else(wrapped)?;
                continue;
            }
            let Some(of) = path.get(1) else {
                let detail = match followed {
                    true => format!("cannot traverse {name} without attribute"),
                    false => format!("cannot access {name} as a variable"),
                };
                wrapped(Fault::Said(detail))?;
                continue;
            };
            let blocks = self.named.get(&(name.to_owned(), of.clone())).cloned();
            for block in blocks.unwrap_or_default() {
                self.block(block, path.get(2).map(String::as_str))
                    .or_else(wrapped)?;
            }
        }
        Ok(())
    }

    fn value(&self, expr: &Expr, local: &BTreeMap<String, Value>) -> Result<Value, Fault> {
        let global = Scope::global(&self.globals);
        Ok(expr.value(&global.with(local))?)
    }

    /// Makes a function of the files known.
    fn function(&mut self, name: &str) -> Result<(), Fault> {
        if self.globals.functions.contains_key(name)
            || crate::functions::names().any(|known| known == name)
            || ["try", "can", "convert"].contains(&name)
        {
            return Ok(());
        }
        let Some(block) = self.functions.get(name).copied() else {
            return Err(Fault::Undefined(format!(
                "function {name:?} does not exist: undefined"
            )));
        };
        if !self.busy_functions.insert(name.to_owned()) {
            return said(format!("function cycle not allowed for {name}"));
        }
        let Some(result) = block.body.attribute("result") else {
            return said(format!("empty result not allowed for {name}"));
        };
        let Some(params) = block.body.attribute("params") else {
            return said(format!("empty params not allowed for {name}"));
        };
        let invalid = |span: Span, summary: &str, detail: &str| {
            Fault::from(Diagnostic {
                summary: summary.into(),
                detail: detail.into(),
                span,
            })
        };
        let words = params.expr.list().ok_or_else(|| {
            let detail = "A static list expression is required.";
            invalid(params.expr.span(), "Invalid expression", detail)
        })?;
        let word = |expr: &Expr| {
            let detail = "Each parameter name must be an identifier.";
            expr.keyword()
                .ok_or_else(|| invalid(expr.span(), "Invalid param element", detail))
        };
        let params = words.iter().map(word).collect::<Result<Vec<_>, _>>()?;
        let variadic = block
            .body
            .attribute("variadic_params")
            .map(|it| word(&it.expr));
        let variadic = variadic.transpose()?;
        let local: BTreeSet<String> = params.iter().chain(&variadic).cloned().collect();
        self.needs(&result.expr, &local, false)?;
        let function = UserFunction {
            params,
            variadic,
            result: result.expr.clone(),
        };
        self.globals
            .functions
            .insert(name.to_owned(), Rc::new(function));
        Ok(())
    }
}
