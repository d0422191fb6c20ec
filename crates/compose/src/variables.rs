//! Which variables files name, and what is said of them there: `config --variables`.

use crate::node::{Node, Value};
use crate::template::{closing_brace, name_end};
use std::collections::BTreeMap;

/// A variable as it stands in the files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variable {
    /// The text after `-` or `:-`, not filled in.
    pub default: String,
    /// The text after `+` or `:+`, not filled in.
    pub presence: String,
    /// Loading fails without it (`?`, `:?`).
    pub required: bool,
}

/// The variables of all texts below a node that is not filled in, by name. Where one stands
/// several times the first counts.
pub fn variables(node: &Node) -> BTreeMap<String, Variable> {
    let mut all = BTreeMap::new();
    collect(node, &mut all);
    all
}

fn collect(node: &Node, all: &mut BTreeMap<String, Variable>) {
    match &node.value {
        Value::Map(entries) => entries.values().for_each(|node| collect(node, all)),
        Value::List(items) => items.iter().for_each(|node| collect(node, all)),
        Value::Text(text) => in_text(text, all),
        _ => {}
    }
}

fn in_text(text: &str, all: &mut BTreeMap<String, Variable>) {
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let after = &rest[at + 1..];
        if let Some(tail) = after.strip_prefix('$') {
            rest = tail;
        } else if let Some(inside) = after.strip_prefix('{') {
            let Some(end) = closing_brace(inside) else {
                return;
            };
            braced(&inside[..end], all);
            rest = &inside[end + 1..];
        } else if let Some(end) = name_end(after) {
            all.entry(after[..end].to_owned()).or_default();
            rest = &after[end..];
        } else {
            rest = after;
        }
    }
}

fn braced(inside: &str, all: &mut BTreeMap<String, Variable>) {
    let Some(end) = name_end(inside) else {
        return;
    };
    let (name, operator) = inside.split_at(end);
    let operator = operator.strip_prefix(':').unwrap_or(operator);
    let mut letters = operator.chars();
    let kind = letters.next();
    let word = letters.as_str();
    let mut variable = Variable::default();
    match kind {
        Some('-') => variable.default = word.to_owned(),
        Some('+') => variable.presence = word.to_owned(),
        Some('?') => variable.required = true,
        _ => {}
    }
    all.entry(name.to_owned()).or_insert(variable);
    in_text(word, all);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_says_what_it_says_of_its_variable() {
        let mut all = BTreeMap::new();
        in_text(
            "$A ${B:-b${C-}} ${D:?no} ${E+e} $$F $${G} ${H ${}",
            &mut all,
        );
        let variable = |default: &str, presence: &str, required| Variable {
            default: default.into(),
            presence: presence.into(),
            required,
        };
        let wanted = [
            ("A", variable("", "", false)),
            ("B", variable("b${C-}", "", false)),
            ("C", variable("", "", false)),
            ("D", variable("", "", true)),
            ("E", variable("", "e", false)),
        ];
        let wanted = wanted.map(|(name, variable)| (name.to_owned(), variable));
        assert_eq!(all, wanted.into());
    }
}
