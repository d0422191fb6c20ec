//! Records beside the software itself: Python's metadata and npm's descriptions.

use crate::{
    fields::paragraphs,
    package::{Kind, Package, clean},
};
use serde_json::Value;

/// What Python's core metadata (PEP 566) describes: a head like that of a message.
pub(crate) fn python(text: &str, record: &str) -> Option<Package> {
    let fields = paragraphs(text).next()?;
    let field = |name: &str| clean(fields.get(name).copied().unwrap_or_default());
    let license = match field("License-Expression") {
        text if text.is_empty() => field("License"),
        text => text,
    };
    let name = field("Name");
    (!name.is_empty()).then(|| Package {
        kind: Kind::Python,
        name,
        version: field("Version"),
        architecture: String::new(),
        supplier: field("Author"),
        license: match license.as_str() {
            "UNKNOWN" => String::new(),
            _ => license,
        },
        record: record.to_owned(),
    })
}

/// What a `package.json` describes.
pub(crate) fn npm(bytes: &[u8], record: &str) -> Option<Package> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    let field = |name: &str| clean(value[name].as_str().unwrap_or_default());
    let name = field("name");
    (!name.is_empty()).then(|| Package {
        kind: Kind::Npm,
        name,
        version: field("version"),
        architecture: String::new(),
        supplier: match &value["author"] {
            Value::Object(author) => clean(
                author
                    .get("name")
                    .and_then(Value::as_str)
                    .unwrap_or_default(),
            ),
            _ => field("author"),
        },
        license: field("license"),
        record: record.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_of_python_ends_where_its_text_begins() {
        let text = "Metadata-Version: 2.1\nName: six\nVersion: 1.16\nLicense: UNKNOWN\n\nName: x\n";
        let found = python(text, "/six.dist-info/METADATA").unwrap();
        assert_eq!(
            (found.name.as_str(), found.version.as_str()),
            ("six", "1.16")
        );
        assert_eq!(found.license, "");
        assert!(python("Version: 1\n", "").is_none());
    }

    #[test]
    fn a_description_of_npm_may_be_anything() {
        let text =
            br#"{"name":"@a/b","version":"1","license":{"type":"MIT"},"author":{"name":"x"}}"#;
        let found = npm(text, "").unwrap();
        assert_eq!(
            (found.name.as_str(), found.supplier.as_str()),
            ("@a/b", "x")
        );
        assert_eq!(found.license, "");
        for bad in [&b"{"[..], b"[]", b"{\"name\":7}", b"\"x\""] {
            assert!(npm(bad, "").is_none());
        }
    }
}
