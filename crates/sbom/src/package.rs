//! A package, and how others name it.

use crate::release::Release;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What is left as it is in a package URL's parts (purl-spec § Character encoding).
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'.')
    .remove(b'-')
    .remove(b'_')
    .remove(b'~')
    .remove(b':');
/// Names of SPDX elements have only these beside letters and digits.
const OF_IDS: [char; 2] = ['.', '-'];

/// Who keeps the record of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// dpkg.
    Deb,
    /// apk.
    Apk,
    /// Python's installers.
    Python,
    /// npm and its like.
    Npm,
}

impl Kind {
    /// The type in package URLs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Deb => "deb",
            Self::Apk => "apk",
            Self::Python => "pypi",
            Self::Npm => "npm",
        }
    }
}

/// An installed package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Package {
    /// Whose record it is.
    pub kind: Kind,
    /// Its name; with its scope (`@babel/core`) for npm.
    pub name: String,
    /// Its version; may be empty.
    pub version: String,
    /// The processor it is for; empty where that is not said.
    pub architecture: String,
    /// Who looks after it; empty where that is not said.
    pub supplier: String,
    /// As it stands there; empty where that is not said.
    pub license: String,
    /// The record, in the tree.
    pub record: String,
}

impl Package {
    /// The package URL.
    pub fn url(&self, release: &Release) -> String {
        let encode = |text: &str| utf8_percent_encode(text, PLAIN).to_string();
        let kind = self.kind.name();
        let (scope, name) = match (self.kind, self.name.split_once('/')) {
            (Kind::Npm, Some((scope, name))) => (scope.to_owned(), name.to_owned()),
            // purl-spec, type pypi: one spelling.
            (Kind::Python, _) => (
                String::new(),
                self.name.to_ascii_lowercase().replace('_', "-"),
            ),
            (Kind::Deb | Kind::Apk, _) => (release.id.clone(), self.name.clone()),
            _ => (String::new(), self.name.clone()),
        };
        let mut url = format!("pkg:{kind}/");
        if !scope.is_empty() {
            url += &format!("{}/", encode(&scope));
        }
        url += &encode(&name);
        if !self.version.is_empty() {
            url += &format!("@{}", encode(&self.version));
        }
        let mut qualifiers = Vec::new();
        if !self.architecture.is_empty() {
            qualifiers.push(format!("arch={}", encode(&self.architecture)));
        }
        if matches!(self.kind, Kind::Deb | Kind::Apk) && !release.id.is_empty() {
            let distro = match release.version.is_empty() {
                true => release.id.clone(),
                false => format!("{}-{}", release.id, release.version),
            };
            qualifiers.push(format!("distro={}", encode(&distro)));
        }
        match qualifiers.is_empty() {
            true => url,
            false => format!("{url}?{}", qualifiers.join("&")),
        }
    }

    /// The name of its element, without what SPDX does not allow.
    pub(crate) fn element(&self, number: usize) -> String {
        let plain = |c: char| match c.is_ascii_alphanumeric() || OF_IDS.contains(&c) {
            true => c,
            false => '-',
        };
        let name: String = self.name.chars().map(plain).collect();
        let kind = self.kind.name();
        format!("SPDXRef-Package-{kind}-{}-{number}", name.trim_matches('-'))
    }
}

/// Text of somebody else's without what no document should have.
pub(crate) fn clean(text: &str) -> String {
    /// Characters of one field.
    const LENGTH_MAX: usize = 1024;
    let shown = text.trim().chars().filter(|c| !c.is_control());
    shown.take(LENGTH_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_has_the_url_that_other_tools_give_it() {
        let package = |kind, name: &str, version: &str, architecture: &str| Package {
            kind,
            name: name.into(),
            version: version.into(),
            architecture: architecture.into(),
            supplier: String::new(),
            license: String::new(),
            record: String::new(),
        };
        let debian = Release {
            id: "debian".into(),
            version: "13".into(),
        };
        for (package, url) in [
            (
                package(Kind::Deb, "libstdc++6", "1:2.0+b1", "amd64"),
                "pkg:deb/debian/libstdc%2B%2B6@1:2.0%2Bb1?arch=amd64&distro=debian-13",
            ),
            (
                package(Kind::Npm, "@babel/core", "7.0.0", ""),
                "pkg:npm/%40babel/core@7.0.0",
            ),
            (
                package(Kind::Python, "Typing_Extensions", "4", ""),
                "pkg:pypi/typing-extensions@4",
            ),
        ] {
            assert_eq!(package.url(&debian), url);
        }
        let scoped = package(Kind::Npm, "@babel/core", "7", "");
        assert_eq!(scoped.element(3), "SPDXRef-Package-npm-babel-core-3");
    }
}
