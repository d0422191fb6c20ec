//! What does not leave with a build's record: credentials of caches, and tokens on command
//! lines of its trace.

use serde_json::{Map, Value};

/// Ends of names whose values are secrets, and what stands in their place.
const SECRET: [&str; 3] = ["token", "access_key_id", "secret_access_key"];
const HIDDEN: &str = "xxxxx";
/// How GitHub's tokens begin, and how many letters, digits or `_` follow.
const GITHUB: [(&str, usize); 3] = [("ghu_", 36), ("ghs_", 36), ("github_pat_", 82)];

/// Sources of caches with their names only: credentials are left out.
pub fn places_of_caches(text: &str) -> String {
    let Ok(Value::Array(mut list)) = serde_json::from_str(text) else {
        return String::new();
    };
    for one in &mut list {
        if let Some(Value::Object(attrs)) = one.get_mut("Attrs") {
            let kept = std::mem::take(attrs).into_iter();
            *attrs = kept
                .filter(|(key, _)| matches!(key.as_str(), "ref" | "scope"))
                .collect::<Map<_, _>>();
        }
    }
    Value::Array(list).to_string()
}

/// A trace, JSON objects one after the other, whose attributes hold no tokens.
///
/// # Errors
/// It is no trace.
pub fn trace_without_tokens(bytes: &[u8]) -> Result<Vec<u8>, serde_json::Error> {
    let mut clean = Vec::new();
    for span in serde_json::Deserializer::from_slice(bytes).into_iter::<Value>() {
        let mut span = span?;
        let attributes = span.get_mut("Attributes").and_then(Value::as_array_mut);
        for attribute in attributes.into_iter().flatten() {
            if let Some(Value::String(text)) = attribute.pointer_mut("/Value/Value") {
                *text = without_tokens(text);
            }
        }
        serde_json::to_writer_pretty(&mut clean, &span)?;
        clean.push(b'\n');
    }
    Ok(clean)
}

fn without_tokens(text: &str) -> String {
    let mut clean = String::new();
    let mut rest = text;
    while let Some((name, value)) = rest.split_once('=') {
        clean.push_str(name);
        clean.push('=');
        rest = value;
        let name = name.to_ascii_lowercase();
        let end = value.find([' ', ',']).unwrap_or(value.len());
        if end > 0 && SECRET.iter().any(|it| name.ends_with(it)) {
            clean.push_str(HIDDEN);
            rest = &value[end..];
        }
    }
    clean.push_str(rest);
    for (start, length) in GITHUB {
        let mut from = 0;
        while let Some(at) = clean[from..].find(start).map(|it| it + from) {
            let digits = clean[at + start.len()..].bytes();
            let is_word = |it: &u8| it.is_ascii_alphanumeric() || *it == b'_';
            match digits.take(length).filter(is_word).count() == length {
                true => {
                    clean.replace_range(at..at + start.len() + length, HIDDEN);
                    from = at + HIDDEN.len();
                }
                false => from = at + start.len(),
            }
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_hidden_and_the_rest_stays() {
        let github = format!("a ghs_{} b ghs_short", "x".repeat(36));
        for (given, left) in [
            ("a=b token=c,d", "a=b token=xxxxx,d"),
            ("type=gha,GHTOKEN=1 e=f", "type=gha,GHTOKEN=xxxxx e=f"),
            ("x secret_access_key=a=b", "x secret_access_key=xxxxx"),
            ("session_token= a", "session_token= a"),
            ("tokens=1", "tokens=1"),
            (&github, "a xxxxx b ghs_short"),
        ] {
            assert_eq!(without_tokens(given), left);
        }
        let caches = r#"[{"Type":"s3","Attrs":{"ref":"a","secret_access_key":"b"}}]"#;
        let left = r#"[{"Attrs":{"ref":"a"},"Type":"s3"}]"#;
        assert_eq!(places_of_caches(caches), left);
    }
}
