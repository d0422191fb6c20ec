//! The words of a Dockerfile instruction: quotes, escapes and variables.
//!
//! Rules of the Dockerfile reference, "Environment replacement": a backslash escapes the
//! next character, single quotes keep everything, double quotes keep blanks.

/// Splits at blanks outside quotes. Quotes and escapes stay in the words.
pub(crate) fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quote = None;
    let mut chars = text.trim().chars();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', None | Some('"')) => {
                word.push(c);
                word.extend(chars.next());
                continue;
            }
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            (c, None) if c.is_whitespace() => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            _ => {}
        }
        word.push(c);
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Takes quotes and escapes away and puts variables in.
pub(crate) fn expand(
    word: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<String, String> {
    let mut out = String::new();
    let mut chars = word.chars().peekable();
    let mut quoted = false;
    while let Some(c) = chars.next() {
        match c {
            '\'' if !quoted => out.extend(chars.by_ref().take_while(|c| *c != '\'')),
            '"' => quoted = !quoted,
            '\\' => match chars.next() {
                // Within double quotes only these are escaped.
                Some(next) if quoted && !matches!(next, '"' | '$' | '\\') => {
                    out.extend(['\\', next])
                }
                Some(next) => out.push(next),
                None => out.push('\\'),
            },
            '$' if chars.peek() == Some(&'{') => {
                chars.next();
                out.push_str(&braced(&mut chars, word, variable)?);
            }
            '$' => {
                let mut name = String::new();
                while let Some(c) = chars.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
                    name.push(c);
                }
                match name.is_empty() {
                    true => out.push('$'),
                    false => out.push_str(&variable(&name).unwrap_or_default()),
                }
            }
            c => out.push(c),
        }
    }
    Ok(out)
}

/// What stands after `${`: a name, maybe with a word to use when it is unset or set.
fn braced(
    chars: &mut std::iter::Peekable<std::str::Chars<'_>>,
    word: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<String, String> {
    let mut inner = String::new();
    let mut depth = 1;
    loop {
        let missing = || format!("failed to process {word:?}: syntax error: missing '}}'");
        let c = chars.next().ok_or_else(missing)?;
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        inner.push(c);
    }
    let end = inner
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .unwrap_or(inner.len());
    let (name, modifier) = inner.split_at(end);
    let value = variable(name);
    let is_set = value.as_ref().is_some_and(|value| !value.is_empty());
    match modifier {
        "" => Ok(value.unwrap_or_default()),
        _ => match (modifier.strip_prefix(":-"), modifier.strip_prefix(":+")) {
            (Some(other), _) if !is_set => expand(other, variable),
            (Some(_), _) => Ok(value.unwrap_or_default()),
            (_, Some(other)) if is_set => expand(other, variable),
            (_, Some(_)) => Ok(String::new()),
            _ => Err(format!(
                "failed to process {word:?}: unsupported modifier ({modifier}) in substitution"
            )),
        },
    }
}
