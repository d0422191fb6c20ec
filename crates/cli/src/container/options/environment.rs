//! Variables and labels from flags and files.

use crate::error::CliError;
use std::{collections::BTreeMap, path::Path};

/// Largest file of variables or labels that is read, in bytes.
const FILE_LIMIT_BYTES: u64 = 16 << 20;

fn lines(path: &str) -> Result<Vec<String>, CliError> {
    let opened = |error: &std::io::Error| CliError::open(path, error);
    let length = std::fs::metadata(Path::new(path))
        .map_err(|e| opened(&e))?
        .len();
    if length > FILE_LIMIT_BYTES {
        return Err(CliError::Text(format!(
            "{path} is larger than {FILE_LIMIT_BYTES} bytes"
        )));
    }
    let bytes = std::fs::read(path).map_err(|e| opened(&e))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| CliError::Text(format!("env file {path} contains invalid utf8 bytes")))?;
    Ok(text
        .trim_start_matches('\u{feff}')
        .split('\n')
        .map(str::to_owned)
        .collect())
}

/// `KEY=value` of every line; `KEY` alone takes its value from `lookup`.
fn entries(
    path: &str,
    lookup: Option<fn(&str) -> Option<String>>,
) -> Result<Vec<String>, CliError> {
    let mut out = Vec::new();
    for line in lines(path)? {
        let line = line.trim_end_matches('\r').trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (key, value) = match line.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (line, None),
        };
        let key = key.trim_start();
        if key.is_empty() {
            let why = format!("no variable name on line '{line}'");
            return Err(CliError::Text(format!("invalid env file ({path}): {why}")));
        }
        if key.contains([' ', '\t']) {
            let why = format!("variable '{key}' contains whitespaces");
            return Err(CliError::Text(format!("invalid env file ({path}): {why}")));
        }
        match (value, lookup) {
            (Some(value), _) => out.push(format!("{key}={value}")),
            (None, Some(lookup)) => {
                if let Some(value) = lookup(key) {
                    out.push(format!("{key}={value}"));
                }
            }
            (None, None) => out.push(key.to_owned()),
        }
    }
    Ok(out)
}

fn from_environment(key: &str) -> Option<String> {
    std::env::var(key).ok()
}

/// Variables of files first, then those of flags; `-e NAME` takes the caller's value.
pub fn variables<'a>(
    files: impl Iterator<Item = &'a str>,
    flags: impl Iterator<Item = &'a str>,
) -> Result<Vec<String>, CliError> {
    let mut all = Vec::new();
    for file in files {
        all.extend(entries(file, Some(from_environment))?);
    }
    for flag in flags {
        if flag.contains('=') {
            all.push(flag.to_owned());
        } else {
            match from_environment(flag) {
                Some(value) => all.push(format!("{flag}={value}")),
                None => all.push(flag.to_owned()),
            }
        }
    }
    Ok(all)
}

/// Labels of files first, then those of flags.
pub fn labels<'a>(
    files: impl Iterator<Item = &'a str>,
    flags: impl Iterator<Item = &'a str>,
) -> Result<BTreeMap<String, String>, CliError> {
    let mut all = BTreeMap::new();
    for file in files {
        all.extend(entries(file, None)?.iter().map(|e| pair(e)));
    }
    all.extend(flags.map(pair));
    Ok(all)
}

/// `key=value`, or `key` with an empty value.
pub fn pair(text: &str) -> (String, String) {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    (key.to_owned(), value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_file_of_variables_keeps_comments_out_and_blanks_in_values() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"# no\n\n  A=1 2\nB=\nNOT_SET_ANYWHERE_X\r\n")
            .unwrap();
        let path = file.path().to_str().unwrap().to_owned();
        let path = path.as_str();
        let all = variables([path].into_iter(), ["C=3"].into_iter()).unwrap();
        assert_eq!(all, ["A=1 2", "B=", "C=3"]);
        file.write_all(b"bad key=1\n").unwrap();
        let error = variables([path].into_iter(), [].into_iter())
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("variable 'bad key' contains whitespaces"),
            "{error}"
        );
        assert_eq!(
            variables(["/nonexistent"].into_iter(), [].into_iter())
                .unwrap_err()
                .to_string(),
            "open /nonexistent: no such file or directory"
        );
    }
}
