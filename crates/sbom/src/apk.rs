//! apk's installed database: a letter, a colon, a value.

use crate::{
    fields::paragraphs,
    package::{Kind, Package, clean},
};

/// The packages of the database at `record`.
pub(crate) fn packages(text: &str, record: &str) -> Vec<Package> {
    let one = |fields: std::collections::HashMap<&str, &str>| {
        let field = |name: &str| clean(fields.get(name).copied().unwrap_or_default());
        let name = field("P");
        (!name.is_empty()).then(|| Package {
            kind: Kind::Apk,
            name,
            version: field("V"),
            architecture: field("A"),
            supplier: field("m"),
            license: field("L"),
            record: record.to_owned(),
        })
    };
    paragraphs(text).filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_of_apk_tells_names_versions_and_licenses() {
        let text = "C:Q1x=\nP:musl\nV:1.2.5-r9\nA:x86_64\nL:MIT\nF:lib\nR:ld\n\nP:zlib\nV:1.3\n";
        let found = packages(text, "/lib/apk/db/installed");
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].license, "MIT");
        assert_eq!(
            (found[1].name.as_str(), found[1].version.as_str()),
            ("zlib", "1.3")
        );
    }
}
