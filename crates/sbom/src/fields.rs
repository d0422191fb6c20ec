//! Records that are lines of `Name: value`, paragraphs apart by empty lines.

use std::collections::HashMap;

/// The paragraphs. Lines that begin with a blank go on with the value before; those are
/// left out here: no field that is wanted has them.
pub(crate) fn paragraphs(text: &str) -> impl Iterator<Item = HashMap<&str, &str>> {
    let mut lines = text.lines();
    std::iter::from_fn(move || {
        let mut fields = HashMap::new();
        for line in lines.by_ref() {
            if line.trim().is_empty() {
                match fields.is_empty() {
                    true => continue,
                    false => return Some(fields),
                }
            }
            if line.starts_with([' ', '\t']) {
                continue;
            }
            if let Some((name, value)) = line.split_once(':') {
                fields.entry(name).or_insert(value.trim());
            }
        }
        (!fields.is_empty()).then_some(fields)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_are_apart_by_empty_lines_and_long_values_are_cut() {
        let text = "\n\nPackage: a\nDescription: one\n two: x\n\n\nPackage:b\nPackage: c\n";
        let found: Vec<_> = paragraphs(text).collect();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].get("Description"), Some(&"one"));
        assert_eq!(found[0].get(" two"), None);
        assert_eq!(found[1].get("Package"), Some(&"b"));
        assert_eq!(paragraphs("").count(), 0);
    }
}
