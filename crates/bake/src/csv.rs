//! Fields separated by commas, as RFC 4180 has them: quotes keep a comma together.

/// The fields of a line.
///
/// # Errors
/// A quote that is not closed, or stands in the middle of a field.
pub fn fields(line: &str) -> Result<Vec<String>, String> {
    separated(line, ',')
}

/// The fields of a line with another separator.
///
/// # Errors
/// As [`fields`].
pub fn separated(line: &str, separator: char) -> Result<Vec<String>, String> {
    let mut all = vec![String::new()];
    let mut letters = line.chars().peekable();
    let mut quoted = false;
    while let Some(c) = letters.next() {
        let at_start = all.last().is_some_and(String::is_empty);
        match c {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                push(&mut all, '"');
            }
            '"' if quoted => {
                quoted = false;
                if letters.peek().is_some_and(|next| *next != separator) {
                    return Err("extraneous or missing \" in quoted-field".into());
                }
            }
            '"' if at_start => quoted = true,
            '"' => return Err("bare \" in non-quoted-field".into()),
            c if c == separator && !quoted => all.push(String::new()),
            c => push(&mut all, c),
        }
    }
    match quoted {
        true => Err("extraneous or missing \" in quoted-field".into()),
        false => Ok(all),
    }
}

fn push(all: &mut [String], c: char) {
    if let Some(last) = all.last_mut() {
        last.push(c);
    }
}

/// A field as it is written among others.
pub fn written(key: &str, value: &str) -> String {
    let pair = format!("{key}={value}");
    match pair.contains([',', '"']) {
        true => format!("\"{}\"", pair.replace('"', "\"\"")),
        false => pair,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_keep_a_comma_together_and_come_back_as_written() {
        let field = written("a", "b,\"c\"");
        assert_eq!(
            fields(&format!("{field},d=e")).unwrap(),
            ["a=b,\"c\"", "d=e"]
        );
        assert!(fields("a=\"b").is_err());
        assert!(fields("\"b").is_err());
    }
}
