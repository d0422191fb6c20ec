//! What looks like a secret in text that is about to be published: keys and tokens with a
//! form of their own. It finds what was forgotten, not what was hidden.

use corten_compose::{Node, Value};
use std::fmt::Write;

/// The first secret of a kind in a text.
type Find = fn(&str) -> Option<&str>;

/// Kinds of secrets, under the names that stock Compose tells them by.
const KINDS: [(&str, Find); 5] = [
    ("AWS Client ID", aws),
    ("Github authentication", github),
    ("JSON Web Token", web_token),
    ("Private Key", private_key),
    ("URL with password", url),
];

/// What was found, a line for the kind and one for where it is.
#[derive(Default)]
pub struct Findings(pub String);

impl Findings {
    /// Looks at every text of a tree; `path` is what stands before the names in it.
    pub fn tree(&mut self, path: &str, node: &Node) {
        match &node.value {
            Value::Text(text) => self.text(path, text),
            Value::Map(entries) => {
                for (key, node) in entries {
                    let below = match path {
                        "" => key.clone(),
                        path => format!("{path}.{key}"),
                    };
                    self.tree(&below, node);
                }
            }
            Value::List(items) => {
                for (number, node) in items.iter().enumerate() {
                    self.tree(&format!("{path}[{number}]"), node);
                }
            }
            _ => {}
        }
    }

    /// Looks at one text, which is told as being at `path`.
    pub fn text(&mut self, path: &str, text: &str) {
        for (kind, find) in KINDS {
            if let Some(found) = find(text) {
                // Writing to a text does not fail.
                let _ = writeln!(self.0, "{kind}\n{path:?}: {found}");
            }
        }
    }
}

/// Longest runs of characters that `is_part` takes.
fn words(text: &str, is_part: fn(char) -> bool) -> impl Iterator<Item = &str> {
    text.split(move |c| !is_part(c))
}

fn aws(text: &str) -> Option<&str> {
    const PREFIXES: [&str; 9] = [
        "AKIA", "AGPA", "AIDA", "AROA", "AIPA", "ANPA", "ANVA", "ASIA", "A3T",
    ];
    words(text, |c| c.is_ascii_uppercase() || c.is_ascii_digit())
        .find(|word| word.len() == 20 && PREFIXES.iter().any(|it| word.starts_with(it)))
}

fn github(text: &str) -> Option<&str> {
    const PREFIXES: [&str; 5] = ["ghp_", "gho_", "ghu_", "ghs_", "ghr_"];
    words(text, |c| c.is_ascii_alphanumeric() || c == '_').find(|word| {
        let token = word.len() == 40 && PREFIXES.iter().any(|it| word.starts_with(it));
        token || (word.len() > 60 && word.starts_with("github_pat_"))
    })
}

fn web_token(text: &str) -> Option<&str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    words(text, is_part).find(|word| {
        let parts: Vec<&str> = word.split('.').collect();
        let object = |part: &&str| part.starts_with("ey") && part.len() > 16;
        parts.len() == 3 && parts[..2].iter().all(object) && parts[2].len() > 16
    })
}

fn private_key(text: &str) -> Option<&str> {
    let begin = text.find("-----BEGIN ")?;
    let line = text[begin..].lines().next()?;
    let is_key = line.ends_with("PRIVATE KEY-----") || line.contains("PRIVATE KEY BLOCK");
    is_key.then(|| text[begin..].trim_end())
}

/// `scheme://user:password@host`; a variable is no password.
fn url(text: &str) -> Option<&str> {
    words(text, |c| !c.is_whitespace() && !matches!(c, '"' | '\'')).find(|word| {
        let rest = word.split_once("://").map(|(_, rest)| rest);
        let authority = rest.and_then(|rest| rest.split('/').next());
        let login = authority.and_then(|it| it.rsplit_once('@'));
        let password = login.and_then(|(login, _)| login.split_once(':'));
        password.is_some_and(|(_, it)| !it.is_empty() && !it.starts_with('$'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_with_a_form_of_their_own_are_found_and_nothing_else() {
        let digits = "0123456789".repeat(4);
        for (text, kind) in [
            ("key AKIAIOSFODNN7EXAMPLE.".to_owned(), "AWS Client ID"),
            (format!("ghp_{}", &digits[..36]), "Github authentication"),
            (
                format!("Bearer ey{digits}.ey{digits}.{digits}"),
                "JSON Web Token",
            ),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nMII\n".to_owned(),
                "Private Key",
            ),
            (
                "postgres://app:sesame@db/app".to_owned(),
                "URL with password",
            ),
        ] {
            let mut found = Findings::default();
            found.text("services.a.environment.B", &text);
            let start = format!("{kind}\n\"services.a.environment.B\": ");
            assert!(found.0.starts_with(&start), "{text}: {}", found.0);
            assert_eq!(found.0.matches("services.").count(), 1, "{}", found.0);
        }
        for text in [
            "postgres://app:${PASSWORD}@db/app",
            "http://example.com/a:b@c",
            "AKIA",
            "-----BEGIN CERTIFICATE-----\nMII\n",
            "eyes.eyed.eye",
            "image@sha256:0123",
        ] {
            let mut found = Findings::default();
            found.text("", text);
            assert_eq!(found.0, "", "{text}");
        }
    }
}
