//! What a file consists of, whichever form it is written in.

use super::{Uses, eval, scope::Scope};
use crate::{error::Diagnostic, source::Span, value::Value};
use hcl_edit::{Span as _, expr::Expression};
use std::{ops::Range, rc::Rc};

/// An expression and where it stands.
#[derive(Debug, Clone)]
pub struct Expr {
    /// What it says.
    pub node: Rc<Expression>,
    /// The file.
    pub file: usize,
    /// In JSON the parts of an expression have no places of their own: that of the whole.
    pub whole: Option<Range<usize>>,
}

impl Expr {
    /// Where it stands.
    pub fn span(&self) -> Span {
        self.place(&self.node)
    }

    /// Where a part of it stands.
    pub fn place(&self, part: &Expression) -> Span {
        let range = self
            .whole
            .clone()
            .or_else(|| part.span())
            .unwrap_or_default();
        Span {
            file: self.file,
            range,
        }
    }

    /// Where it begins, as hashicorp/hcl has it: a bracket, a name, a text without quotes.
    pub fn start(&self) -> Span {
        self.start_of(&self.node)
    }

    /// Where a part of it begins.
    pub fn start_of(&self, part: &Expression) -> Span {
        let mut node = part;
        loop {
            node = match node {
                Expression::BinaryOp(it) => &it.lhs_expr,
                Expression::Conditional(it) => &it.cond_expr,
                Expression::Traversal(it) => &it.expr,
                _ => break,
            };
        }
        let mut span = self.place(node);
        if self.whole.is_some() || span.range.len() < 2 {
            return span;
        }
        let start = span.range.start;
        span.range = match node {
            Expression::String(_) => start + 1..span.range.end - 1,
            Expression::Array(_) | Expression::Object(_) | Expression::ForExpr(_) => {
                start..start + 1
            }
            Expression::StringTemplate(it) => {
                let first = it.iter().next().and_then(hcl_edit::Span::span);
                first.unwrap_or(start + 1..start + 1)
            }
            Expression::FuncCall(it) => it.name.name.span().unwrap_or(start..start),
            _ => span.range,
        };
        span
    }

    /// Its value.
    pub fn value(&self, scope: &Scope<'_>) -> Result<Value, Diagnostic> {
        eval::Evaluator {
            expr: self,
            scope: *scope,
        }
        .expression(&self.node)
    }

    /// What it needs to know.
    pub fn uses(&self) -> Uses {
        Uses::of(&self.node)
    }

    /// The name, if it is nothing else.
    pub fn keyword(&self) -> Option<String> {
        match &*self.node {
            Expression::Variable(name) => Some(name.to_string()),
            // The JSON form writes names as texts.
            Expression::String(text) if self.whole.is_some() => Some(text.to_string()),
            _ => None,
        }
    }

    /// The elements of a list that is written as one.
    pub fn list(&self) -> Option<Vec<Self>> {
        let items = self.node.as_array()?.iter();
        let items = items.map(|item| Self {
            node: Rc::new(item.clone()),
            file: self.file,
            whole: self.whole.clone(),
        });
        Some(items.collect())
    }
}

/// A named expression.
#[derive(Debug, Clone)]
pub struct Attribute {
    /// Its name.
    pub name: String,
    /// Its value.
    pub expr: Expr,
    /// Where name and value stand.
    pub span: Span,
}

/// A body with a kind and labels.
#[derive(Debug, Clone)]
pub struct Block {
    /// `target`, `variable`, …
    pub kind: String,
    /// What follows the kind.
    pub labels: Vec<String>,
    /// Where each label stands.
    pub label_spans: Vec<Span>,
    /// Where kind and labels stand.
    pub span: Span,
    /// What is in it.
    pub body: Body,
}

/// Attributes and blocks in the order of the file.
#[derive(Debug, Clone, Default)]
pub struct Body {
    /// Named expressions.
    pub attributes: Vec<Attribute>,
    /// Bodies inside.
    pub blocks: Vec<Block>,
    /// Where what it lacks would stand.
    pub start: Span,
}

impl Body {
    /// The attribute of a name.
    pub fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|it| it.name == name)
    }
}
