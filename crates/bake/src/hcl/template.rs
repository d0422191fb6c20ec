//! Texts with values in them: `${…}`, `%{ if … }`, `%{ for … }`.

use super::eval::{Answer, Evaluator};
use crate::{error::Diagnostic, value::Value};
use hcl_edit::{
    expr::Expression,
    template::{Directive, Element, Strip},
};
use std::collections::BTreeMap;

/// A template being written: blanks around a `~` go.
#[derive(Default)]
struct Written {
    text: String,
    /// The next literal loses the blanks it begins with.
    trim_next: bool,
    /// In a here document blanks go no further than to the line's end.
    here: bool,
    /// So many blanks every line of a here document loses.
    indent: usize,
    /// Directives around the literal: inside of them, lines still have their indent.
    depth: usize,
}

impl Written {
    fn literal(&mut self, text: &str) {
        let mut text = match self.depth > 0 && self.indent > 0 {
            true => self.dedented(text),
            false => text.to_owned(),
        };
        if std::mem::take(&mut self.trim_next) {
            text = match self.here {
                false => text.trim_start().to_owned(),
                true => {
                    let rest = text.trim_start_matches([' ', '\t']);
                    match rest.strip_prefix('\n') {
                        // A line whose break is gone is not seen as one: it keeps its indent.
                        Some(line) if !line.is_empty() && !line.starts_with('\n') => {
                            format!("{}{line}", " ".repeat(self.indent))
                        }
                        Some(line) => line.to_owned(),
                        None => rest.to_owned(),
                    }
                }
            };
        }
        self.text.push_str(&text);
    }

    fn dedented(&self, text: &str) -> String {
        let mut lines = text.split('\n');
        let mut out = lines.next().unwrap_or_default().to_owned();
        for line in lines {
            let blanks = line.len() - line.trim_start_matches([' ', '\t']).len();
            out.push('\n');
            out.push_str(&line[blanks.min(self.indent)..]);
        }
        out
    }

    fn opens(&mut self, strip: Strip) {
        if matches!(strip, Strip::Start | Strip::Both) {
            let kept = match self.here {
                true => self.text.trim_end_matches([' ', '\t']).len(),
                false => self.text.trim_end().len(),
            };
            self.text.truncate(kept);
        }
        self.trim_next = false;
    }

    fn closes(&mut self, strip: Strip) {
        self.trim_next = matches!(strip, Strip::End | Strip::Both);
    }
}

impl Evaluator<'_> {
    /// The text of a template; a template of one value only is that value.
    pub(super) fn template<'e>(
        &self,
        elements: impl Iterator<Item = &'e Element>,
        whole: &Expression,
    ) -> Answer {
        let elements: Vec<&Element> = elements.collect();
        if let ([Element::Interpolation(one)], Expression::StringTemplate(_)) =
            (&elements[..], whole)
        {
            return self.expression(&one.expr);
        }
        let mut written = Written::default();
        if let Expression::HeredocTemplate(heredoc) = whole {
            written.here = true;
            written.indent = heredoc.indent().unwrap_or(0);
        }
        self.elements(elements.into_iter(), &mut written)?;
        Ok(Value::Text(written.text))
    }

    fn elements<'e>(
        &self,
        elements: impl Iterator<Item = &'e Element>,
        written: &mut Written,
    ) -> Result<(), Diagnostic> {
        for element in elements {
            match element {
                Element::Literal(text) => written.literal(text),
                Element::Interpolation(it) => {
                    written.opens(it.strip);
                    let value = self.expression(&it.expr)?;
                    let summary = "Invalid template interpolation value";
                    match value.to_text() {
                        Some(text) => written.text.push_str(&text),
                        None if value == Value::Null => {
                            let detail = "The expression result is null. Cannot include a null value in a string template.";
                            return self.wrong(&it.expr, summary, detail);
                        }
                        None => {
                            let detail = "Cannot include the given value in a string template: string required.";
                            return self.wrong(&it.expr, summary, detail);
                        }
                    }
                    written.closes(it.strip);
                }
                Element::Directive(directive) => self.directive(directive, written)?,
            }
        }
        Ok(())
    }

    fn directive(&self, directive: &Directive, written: &mut Written) -> Result<(), Diagnostic> {
        written.depth += 1;
        match directive {
            Directive::If(it) => {
                let condition = &it.if_expr.cond_expr;
                let Some(truth) = self.expression(condition)?.to_bool() else {
                    let detail = "The condition expression must be of type bool.";
                    return self.wrong(condition, "Incorrect condition type", detail);
                };
                written.opens(it.if_expr.strip);
                if truth {
                    written.closes(it.if_expr.strip);
                    self.elements(it.if_expr.template.iter(), written)?;
                    let next = it
                        .else_expr
                        .as_ref()
                        .map_or(it.endif_expr.strip, |it| it.strip);
                    written.opens(next);
                } else if let Some(other) = &it.else_expr {
                    written.closes(other.strip);
                    self.elements(other.template.iter(), written)?;
                    written.opens(it.endif_expr.strip);
                }
                written.closes(it.endif_expr.strip);
            }
            Directive::For(it) => {
                let each = &it.for_expr;
                let collection = self.expression(&each.collection_expr)?;
                let pairs = self.pairs(collection, &each.collection_expr)?;
                written.opens(each.strip);
                for (key, value) in pairs {
                    let mut local = BTreeMap::new();
                    if let Some(name) = &each.key_var {
                        local.insert(name.to_string(), key);
                    }
                    local.insert(each.value_var.to_string(), value);
                    let inner = Evaluator {
                        expr: self.expr,
                        scope: self.scope.with(&local),
                    };
                    written.closes(each.strip);
                    inner.elements(each.template.iter(), written)?;
                    written.opens(it.endfor_expr.strip);
                }
                written.closes(it.endfor_expr.strip);
            }
        }
        written.depth -= 1;
        Ok(())
    }
}
