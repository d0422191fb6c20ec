//! Command lines into words, as Compose splits them: quotes and backslashes as a shell
//! reads them, no expansion, and an end at the first operator outside quotes.

use super::{Done, Walk};
use crate::node::{Node, Value};

impl Walk {
    pub(super) fn command(&self, node: Node) -> Done {
        match &node.value {
            Value::Null => Ok(node),
            Value::Text(text) => {
                let list = split(text).map(|words| list(&node, words));
                self.converted(node, list)
            }
            Value::List(_) => self.texts(node, false),
            _ => Err(self.must_be(&node, "a string or list")),
        }
    }

    pub(super) fn test(&self, node: Node) -> Done {
        match &node.value {
            Value::Null => Ok(node),
            Value::Text(text) => {
                let value = list(&node, vec!["CMD-SHELL".into(), text.clone()]);
                Ok(Node { value, ..node })
            }
            Value::List(_) => self.texts(node, false),
            _ => Err(self.must_be(&node, "a string or list")),
        }
    }
}

fn list(node: &Node, words: Vec<String>) -> Value {
    Value::List(words.into_iter().map(|word| node.text_here(word)).collect())
}

/// The words of `line`.
fn split(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (Some('\''), c) => word.get_or_insert_default().push(c),
            (_, '\\') => {
                let next = chars.next().ok_or_else(|| {
                    "invalid command line string: it ends with a backslash".to_owned()
                })?;
                word.get_or_insert_default().push(next);
            }
            (Some(_), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, ';' | '&' | '|' | '<' | '>') => break,
            (None, '(' | ')') => {
                return Err(format!(
                    "invalid command line string: {c:?} outside of quotes"
                ));
            }
            (None, c) => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err("invalid command line string: a quote is not closed".into());
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_split_as_compose_splits_it() {
        for (line, words) in [
            (
                "echo 'a b' \"c d\" e\\ f",
                vec!["echo", "a b", "c d", "e f"],
            ),
            ("  ", vec![]),
            ("a ''", vec!["a", ""]),
            ("echo a && b", vec!["echo", "a"]),
            ("sh -c 'a; b' > x", vec!["sh", "-c", "a; b"]),
            ("\"a\\\"b\"", vec!["a\"b"]),
            ("a=\"b c\"d", vec!["a=b cd"]),
        ] {
            assert_eq!(split(line).unwrap(), words, "{line}");
        }
        assert!(split("echo (x)").is_err());
        assert!(split("'a").unwrap_err().contains("not closed"));
        assert!(split("a\\").is_err());
    }
}
