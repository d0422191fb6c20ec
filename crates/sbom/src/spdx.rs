//! Packages as an SPDX 2.3 document.

use crate::{Found, Kind, Package, release::Release};
use corten_base::Timestamp;
use corten_oci::Digest;
use serde_json::{Value, json};

/// Where SPDX wants a value and there is none.
const UNKNOWN: &str = "NOASSERTION";

/// What a document says of itself.
#[derive(Debug, Clone)]
pub struct About {
    /// What was looked through.
    pub name: String,
    /// When.
    pub created: Timestamp,
    /// By which program: name and version.
    pub tool: String,
}

/// The document.
pub fn document(found: &Found, about: &About) -> Value {
    let mut packages = Vec::new();
    let mut relationships = Vec::new();
    for (number, package) in found.packages.iter().enumerate() {
        let element = package.element(number);
        relationships.push(json!({
            "spdxElementId": "SPDXRef-DOCUMENT",
            "relatedSpdxElement": element,
            "relationshipType": "DESCRIBES",
        }));
        packages.push(described(package, &element, &found.release));
    }
    // The namespace names this list and no other.
    let list = serde_json::to_vec(&packages).expect("JSON is always text");
    let namespace = format!("urn:corten:sbom:{}", Digest::of(&list));
    json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": about.name,
        "documentNamespace": namespace,
        "creationInfo": {
            "created": Timestamp::from_unix(about.created.unix_seconds(), 0).to_string(),
            "creators": [format!("Tool: {}", about.tool)],
        },
        "packages": packages,
        "relationships": relationships,
    })
}

fn described(package: &Package, element: &str, release: &Release) -> Value {
    let or_unknown = |text: &str| match text.is_empty() {
        true => UNKNOWN.to_owned(),
        false => text.to_owned(),
    };
    let supplier = match package.supplier.is_empty() {
        true => UNKNOWN.to_owned(),
        false => format!("Person: {}", package.supplier),
    };
    // A license expression or nothing: free text is no expression.
    let license = match is_expression(&package.license) {
        true => package.license.clone(),
        false => UNKNOWN.to_owned(),
    };
    let whose = match package.kind {
        Kind::Deb => "DPKG DB",
        Kind::Apk => "APK DB",
        Kind::Python => "installed python package manifest file",
        Kind::Npm => "installed node module manifest file",
    };
    json!({
        "name": package.name,
        "SPDXID": element,
        "versionInfo": or_unknown(&package.version),
        "supplier": supplier,
        "downloadLocation": UNKNOWN,
        "filesAnalyzed": false,
        "licenseConcluded": UNKNOWN,
        "licenseDeclared": license,
        "copyrightText": UNKNOWN,
        "sourceInfo": format!("acquired package info from {whose}: {}", package.record),
        "externalRefs": [{
            "referenceCategory": "PACKAGE-MANAGER",
            "referenceType": "purl",
            "referenceLocator": package.url(release),
        }],
    })
}

/// Words and operators of SPDX's license expressions (annex D); whether a word names a
/// license that there is, is not looked at.
fn is_expression(text: &str) -> bool {
    let word = |word: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || ".-+".contains(c);
        !word.is_empty() && word.chars().all(plain)
    };
    let mut want_word = true;
    for part in text.replace(['(', ')'], " ").split_whitespace() {
        let operator = matches!(part, "AND" | "OR" | "WITH");
        if operator == want_word || !operator && !word(part) {
            return false;
        }
        want_word = operator;
    }
    !want_word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_expressions_are_told_as_licenses() {
        for good in ["MIT", "MIT OR Apache-2.0", "(GPL-2.0+ AND MIT) OR ISC"] {
            assert!(is_expression(good), "{good}");
        }
        for bad in ["", "BSD and GPL", "MIT OR", "OR MIT", "see LICENSE", "a/b"] {
            assert!(!is_expression(bad), "{bad}");
        }
    }

    #[test]
    fn a_document_describes_each_package_once_and_is_named_after_them() {
        let package = |name: &str| Package {
            kind: Kind::Apk,
            name: name.into(),
            version: "1".into(),
            architecture: String::new(),
            supplier: String::new(),
            license: "MIT".into(),
            record: "/lib/apk/db/installed".into(),
        };
        let about = |seconds| About {
            name: "sbom".into(),
            created: Timestamp::from_unix(seconds, 5),
            tool: "corten-1".into(),
        };
        let found = |names: &[&str]| Found {
            packages: names.iter().map(|name| package(name)).collect(),
            release: Release::default(),
        };
        let one = document(&found(&["a", "b"]), &about(7));
        assert_eq!(one["packages"].as_array().unwrap().len(), 2);
        assert_eq!(one["creationInfo"]["created"], "1970-01-01T00:00:07Z");
        assert_eq!(
            one["relationships"][1]["relatedSpdxElement"],
            one["packages"][1]["SPDXID"]
        );
        let again = document(&found(&["a", "b"]), &about(8));
        assert_eq!(one["documentNamespace"], again["documentNamespace"]);
        let other = document(&found(&["a"]), &about(7));
        assert_ne!(one["documentNamespace"], other["documentNamespace"]);
    }
}
