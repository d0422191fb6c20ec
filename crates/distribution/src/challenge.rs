//! `WWW-Authenticate`: what a server wants to see. RFC 9110 § 11.6.1, RFC 6750 § 3.

use http::{HeaderMap, header};
use std::collections::BTreeMap;

/// One challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// Lower case: `basic`, `bearer`.
    pub scheme: String,
    /// Names in lower case.
    pub parameters: BTreeMap<String, String>,
}

/// All challenges of a response, in order.
pub fn challenges(headers: &HeaderMap) -> Vec<Challenge> {
    let values = headers.get_all(header::WWW_AUTHENTICATE).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(parse)
        .collect()
}

fn parse(text: &str) -> Vec<Challenge> {
    let mut found: Vec<Challenge> = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (word, after) = token(rest);
        if word.is_empty() {
            // Not a token: skip a separator, or give up on what makes no sense.
            let Some(after) = rest.strip_prefix(',') else {
                break;
            };
            rest = after.trim_start();
            continue;
        }
        let after_space = after.trim_start();
        if let Some(value) = after_space.strip_prefix('=') {
            let (value, after) = parameter_value(value.trim_start());
            if let Some(challenge) = found.last_mut() {
                challenge
                    .parameters
                    .insert(word.to_ascii_lowercase(), value);
            }
            rest = after.trim_start();
        } else {
            let scheme = word.to_ascii_lowercase();
            found.push(Challenge {
                scheme,
                parameters: BTreeMap::new(),
            });
            rest = after_space;
        }
    }
    found
}

fn token(text: &str) -> (&str, &str) {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    text.split_at(text.find(|c| !is_token(c)).unwrap_or(text.len()))
}

fn parameter_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
            c => value.push(c),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_challenges_in_one_header_are_told_apart() {
        let found = parse(
            r#"Bearer realm="https://auth.io/token",service="r.io", scope="repository:a/b:pull,push",error="insufficient_scope", Basic realm="with \"quotes\""#,
        );
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].scheme, "bearer");
        assert_eq!(found[0].parameters["realm"], "https://auth.io/token");
        assert_eq!(found[0].parameters["scope"], "repository:a/b:pull,push");
        assert_eq!(found[0].parameters["error"], "insufficient_scope");
        assert_eq!(found[1].parameters["realm"], "with \"quotes\"");
        assert_eq!(parse("Basic realm=plain")[0].parameters["realm"], "plain");
        for hostile in [
            "",
            ",,,",
            "=",
            "\"",
            "Bearer realm=\"",
            "Bearer \u{7f}",
            "a=b=c",
        ] {
            parse(hostile);
        }
    }
}
