//! From text to bodies: the native syntax and its JSON form.

use super::{Attribute, Block, Body, Expr};
use crate::{
    error::Diagnostic,
    source::{Source, Span},
    value::Type,
};
use corten_compose::{Node, Place, Value as Json, yaml};
use hcl_edit::{
    Span as _,
    expr::{Array, Expression, FuncCall, Object, ObjectKey},
    structure::{BlockLabel, Structure},
    template::{StringTemplate, Template},
};
use std::{ops::Range, rc::Rc};

/// Brackets within each other; expressions are read and walked by recursion.
const DEPTH_MAX: usize = 200;

/// Blocks of a file's top level, and how many labels each has.
const TOP: [(&str, usize); 4] = [
    ("variable", 1),
    ("function", 1),
    ("group", 1),
    ("target", 1),
];

fn wrong(file: usize, range: Range<usize>, summary: &str, detail: impl Into<String>) -> Diagnostic {
    Diagnostic {
        summary: summary.into(),
        detail: detail.into(),
        span: Span { file, range },
    }
}

/// The body of a file in the native syntax.
///
/// # Errors
/// Where reading stopped, and what was expected.
pub fn native(number: usize, source: &Source) -> Result<Body, Diagnostic> {
    let text = &source.text;
    bounded(number, text)?;
    let parsed = hcl_edit::parser::parse_body(text).map_err(|error| {
        let start = error.location().offset().min(text.len());
        let end = text[start..]
            .chars()
            .next()
            .map_or(start, |c| start + c.len_utf8());
        let mut detail = error.message().trim().replace("; ", ", ");
        if let Some(first) = detail.get(..1) {
            detail.replace_range(..1, &first.to_uppercase());
        }
        wrong(number, start..end, "Invalid syntax", format!("{detail}."))
    })?;
    Ok(body(number, &parsed, text, 0..text.len()))
}

fn bounded(file: usize, text: &str) -> Result<(), Diagnostic> {
    let mut depth = 0usize;
    for (at, c) in text.bytes().enumerate() {
        match c {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            let detail = format!("More than {DEPTH_MAX} brackets stand within each other.");
            return Err(wrong(file, at..at + 1, "Too deeply nested", detail));
        }
    }
    Ok(())
}

/// `whole` is the block that the body belongs to, from the end of its labels.
fn body(file: usize, parsed: &hcl_edit::structure::Body, text: &str, whole: Range<usize>) -> Body {
    let inside = &text[whole.clone()];
    // A block of one line begins with its attribute, any other one with its bracket.
    let only = match parsed.iter().next() {
        Some(Structure::Attribute(it)) if !inside.contains('\n') => it.key.span(),
        _ => None,
    };
    let bracket = whole.start + inside.find('{').unwrap_or(0);
    let start = only.map_or(bracket, |it| it.start);
    let mut made = Body {
        start: Span {
            file,
            range: start..start,
        },
        ..Body::default()
    };
    let span = |range: Option<Range<usize>>| Span {
        file,
        range: range.unwrap_or_default(),
    };
    for structure in parsed.iter() {
        match structure {
            Structure::Attribute(it) => made.attributes.push(Attribute {
                name: it.key.to_string(),
                expr: Expr {
                    node: Rc::new(it.value.clone()),
                    file,
                    whole: None,
                },
                span: span(it.span()),
            }),
            Structure::Block(it) => {
                let label_spans: Vec<Span> = it
                    .labels
                    .iter()
                    .map(|label| match label {
                        BlockLabel::Ident(name) => span(name.span()),
                        BlockLabel::String(text) => span(text.span()),
                    })
                    .collect();
                let start = it.ident.span().unwrap_or_default();
                let end = label_spans.last().map_or(start.end, |it| it.range.end);
                made.blocks.push(Block {
                    kind: it.ident.to_string(),
                    labels: it.labels.iter().map(|it| it.as_str().to_owned()).collect(),
                    label_spans,
                    span: Span {
                        file,
                        range: start.start..end,
                    },
                    body: body(
                        file,
                        &it.body,
                        text,
                        end..it.span().map_or(end, |it| it.end),
                    ),
                });
            }
        }
    }
    made
}

/// The body of a file in JSON.
///
/// # Errors
/// Where reading stopped, and what was expected.
pub fn json(number: usize, source: &Source) -> Result<Body, Diagnostic> {
    bounded(number, &source.text)?;
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&source.text) {
        let at = source.byte(error.line(), error.column().max(1));
        let text = error.to_string();
        let text = text
            .split(" at line ")
            .next()
            .unwrap_or_default()
            .to_owned();
        return Err(wrong(number, at..at, "Invalid JSON", format!("{text}.")));
    }
    let read = yaml::read(&source.name, &source.text)
        .map_err(|error| wrong(number, 0..0, "Invalid JSON", error.to_string()))?;
    let tree = Tree { number, source };
    match read.first() {
        Some(node) => tree.body(node, &TOP),
        None => Ok(Body::default()),
    }
}

struct Tree<'a> {
    number: usize,
    source: &'a Source,
}

impl Tree<'_> {
    fn range(&self, place: &Place) -> Range<usize> {
        let start = self.source.byte(place.line as usize, place.column as usize);
        let end = self.source.text[start..].chars().next();
        start..start + end.map_or(0, char::len_utf8)
    }

    fn span(&self, node: &Node) -> Span {
        Span {
            file: self.number,
            range: self.range(&node.place),
        }
    }

    /// A mapping's entries in the order of the file.
    fn entries<'n>(&self, node: &'n Node) -> Result<Vec<(&'n String, &'n Node)>, Diagnostic> {
        let entries = node.map().ok_or_else(|| {
            let range = self.range(&node.place);
            let detail = "A JSON object is required here.";
            wrong(self.number, range, "Incorrect JSON value type", detail)
        })?;
        let mut entries: Vec<_> = entries.iter().collect();
        entries.sort_by_key(|(_, node)| (node.place.line, node.place.column));
        Ok(entries)
    }

    fn body(&self, node: &Node, blocks: &[(&str, usize)]) -> Result<Body, Diagnostic> {
        let mut made = Body {
            start: self.span(node),
            ..Body::default()
        };
        // Several objects make one body.
        let parts = match node.list() {
            Some(list) => list,
            None => std::slice::from_ref(node),
        };
        for (name, value) in parts
            .iter()
            .map(|it| self.entries(it))
            .collect::<Result<Vec<_>, _>>()?
            .concat()
        {
            match blocks.iter().find(|(kind, _)| kind == name) {
                Some((kind, labels)) => self.blocks(kind, value, *labels, &[], &mut made.blocks)?,
                None if name == "//" => {}
                None => made.attributes.push(Attribute {
                    name: name.clone(),
                    expr: self.expr(value)?,
                    span: self.span(value),
                }),
            }
        }
        Ok(made)
    }

    fn blocks(
        &self,
        kind: &str,
        node: &Node,
        labels: usize,
        above: &[(String, Span)],
        blocks: &mut Vec<Block>,
    ) -> Result<(), Diagnostic> {
        if let Some(list) = node.list() {
            return list
                .iter()
                .try_for_each(|it| self.blocks(kind, it, labels, above, blocks));
        }
        if labels > above.len() {
            for (name, value) in self.entries(node)? {
                let mut named = above.to_vec();
                named.push((name.clone(), self.span(value)));
                self.blocks(kind, value, labels, &named, blocks)?;
            }
            return Ok(());
        }
        let inner: &[(&str, usize)] = if kind == "variable" {
            &[("validation", 0)]
        } else {
            &[]
        };
        blocks.push(Block {
            kind: kind.to_owned(),
            labels: above.iter().map(|(name, _)| name.clone()).collect(),
            label_spans: above.iter().map(|(_, span)| span.clone()).collect(),
            span: self.span(node),
            body: self.body(node, inner)?,
        });
        Ok(())
    }

    fn expr(&self, node: &Node) -> Result<Expr, Diagnostic> {
        let expression = self.expression(node)?;
        let whole = Some(self.range(&node.place));
        Ok(Expr {
            node: Rc::new(expression),
            file: self.number,
            whole,
        })
    }

    fn expression(&self, node: &Node) -> Result<Expression, Diagnostic> {
        Ok(match &node.value {
            Json::Null => Expression::null(),
            Json::Bool(value) => Expression::from(*value),
            Json::Int(value) => Expression::from(*value),
            Json::Float(value) => Expression::from(*value),
            Json::Text(text) => self.text(text, node)?,
            Json::List(items) => {
                let mut array = Array::new();
                for item in items {
                    array.push(self.expression(item)?);
                }
                Expression::Array(array)
            }
            Json::Map(_) => {
                let mut object = Object::new();
                for (key, value) in self.entries(node)? {
                    let key = ObjectKey::Expression(self.text(key, value)?);
                    object.insert(key, self.expression(value)?);
                }
                Expression::Object(object)
            }
        })
    }

    /// Texts are templates.
    fn text(&self, text: &str, node: &Node) -> Result<Expression, Diagnostic> {
        if !text.contains("${") && !text.contains("%{") {
            return Ok(Expression::from(text));
        }
        // A backslash is one: JSON has read its own.
        let template: Template = text.parse().map_err(|error: hcl_edit::parser::Error| {
            let detail = error.message().trim().to_owned();
            wrong(
                self.number,
                self.range(&node.place),
                "Invalid template",
                format!("{detail}."),
            )
        })?;
        Ok(Expression::StringTemplate(StringTemplate::from(template)))
    }
}

/// The type that an expression describes.
///
/// # Errors
/// It describes none.
pub fn constraint(described: &Expression, expr: &Expr) -> Result<Type, Diagnostic> {
    let invalid = |at: &Expression, detail: String| Diagnostic {
        summary: "Invalid type specification".into(),
        detail,
        span: expr.place(at),
    };
    let unknown = |at: &Expression, name: &str| {
        invalid(
            at,
            format!("The keyword {name:?} is not a valid type specification."),
        )
    };
    match described {
        Expression::String(text) if expr.whole.is_some() => {
            let parsed = text.parse::<Expression>().map_err(|error| {
                invalid(described, format!("{}.", error.message().trim()))
            })?;
            constraint(&parsed, expr)
        }
        Expression::Variable(name) => match name.as_str() {
            "any" => Ok(Type::Any),
            "string" => Ok(Type::Text),
            "number" => Ok(Type::Number),
            "bool" => Ok(Type::Bool),
            kind @ ("list" | "set" | "map") => Err(invalid(
                described,
                format!("The {kind} type constructor requires one argument specifying the element type."),
            )),
            other => Err(unknown(described, other)),
        },
        Expression::FuncCall(call) => constructor(call, described, expr),
        other => Err(invalid(
            other,
            "A type specification is either a primitive type keyword (bool, number, string) or a complex type constructor call, like list(string).".into(),
        )),
    }
}

fn constructor(call: &FuncCall, whole: &Expression, expr: &Expr) -> Result<Type, Diagnostic> {
    let invalid = |detail: String| Diagnostic {
        summary: "Invalid type specification".into(),
        detail,
        span: expr.place(whole),
    };
    let name = call.name.name.as_str();
    let one = || match (call.args.len(), call.args.get(0)) {
        (1, Some(of)) => constraint(of, expr).map(Box::new),
        _ => Err(invalid(format!(
            "The {name} type constructor requires one argument specifying the element type."
        ))),
    };
    match name {
        "list" => one().map(Type::List),
        "set" => one().map(Type::Set),
        "map" => one().map(Type::Map),
        "tuple" => match call.args.get(0).and_then(Expression::as_array) {
            Some(items) => {
                let items = items.iter().map(|it| constraint(it, expr));
                Ok(Type::Tuple(items.collect::<Result<_, _>>()?))
            }
            None => Err(invalid("Tuple type constructor requires a list of element types.".into())),
        },
        "object" => match call.args.get(0).and_then(Expression::as_object) {
            Some(entries) => {
                let mut fields = Vec::new();
                for (key, value) in entries.iter() {
                    let name = match key {
                        ObjectKey::Ident(name) => name.to_string(),
                        ObjectKey::Expression(Expression::Variable(name)) => name.to_string(),
                        ObjectKey::Expression(Expression::String(name)) => name.to_string(),
                        ObjectKey::Expression(_) => {
                            return Err(invalid("Object constructor map keys must be attribute names.".into()));
                        }
                    };
                    match value.expr() {
                        Expression::FuncCall(inner) if inner.name.name.as_str() == "optional" => {
                            let of = inner.args.get(0).ok_or_else(|| {
                                invalid("Optional attribute modifier requires the attribute type as its argument.".into())
                            })?;
                            fields.push((name, constraint(of, expr)?, true));
                        }
                        of => fields.push((name, constraint(of, expr)?, false)),
                    }
                }
                Ok(Type::Object(fields))
            }
            None => Err(invalid("Object type constructor requires a map whose keys are attribute names and whose values are the corresponding attribute types.".into())),
        },
        other => Err(invalid(format!("Keyword {other:?} is not a valid type constructor."))),
    }
}
