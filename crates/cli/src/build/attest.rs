//! `--attest`, `--provenance` and `--sbom` as options of the front end.

use super::arguments::fields;
use crate::error::CliError;
use std::collections::BTreeMap;

/// What is asked to be said about the result, by kind; the last one of a kind counts.
pub(super) fn options(
    attests: &[&str],
    provenance: &str,
    sbom: &str,
) -> Result<BTreeMap<String, String>, CliError> {
    let mut all: Vec<String> = attests.iter().map(|it| (*it).to_owned()).collect();
    for (kind, text) in [("provenance", provenance), ("sbom", sbom)] {
        match switch(text) {
            _ if text.is_empty() => {}
            Some(on) => all.push(format!("type={kind},disabled={}", !on)),
            None => all.push(format!("type={kind},{text}")),
        }
    }
    let mut options = BTreeMap::new();
    for text in all {
        let mut kind = None;
        let mut disabled = false;
        for (key, value) in fields(&text) {
            let wrong = || CliError::Text(format!("invalid value {key}"));
            let value = value.ok_or_else(wrong)?;
            match key.as_str() {
                "type" => kind = Some(value),
                "disabled" => disabled = switch(&value).ok_or_else(wrong)?,
                _ => {}
            }
        }
        let kind = kind.filter(|it| !it.is_empty());
        let kind = kind.ok_or_else(|| CliError::Text("attestation type not specified".into()))?;
        let key = format!("attest:{kind}");
        match disabled {
            true => drop(options.remove(&key)),
            false => drop(options.insert(key, text)),
        }
    }
    Ok(options)
}

/// Go's reading of a truth value.
fn switch(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_about_an_attestation_counts() {
        let read = |attests: &[&str], provenance, sbom| options(attests, provenance, sbom);
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let both = read(&["type=provenance,mode=min"], "max", "true");
        assert!(both.is_err(), "a mode needs its name");
        let both = read(&["type=provenance,mode=min"], "mode=max", "true").unwrap();
        let wanted = [
            pair("attest:provenance", "type=provenance,mode=max"),
            pair("attest:sbom", "type=sbom,disabled=false"),
        ];
        assert_eq!(both.into_iter().collect::<Vec<_>>(), wanted);
        assert!(read(&["type=sbom"], "", "false").unwrap().is_empty());
        assert!(read(&["mode=max"], "", "").is_err());
    }
}
