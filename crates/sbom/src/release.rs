//! Which distribution a tree is, os-release(5).

/// A distribution.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Release {
    /// `debian`; empty where the tree does not say.
    pub id: String,
    /// `13`; empty for rolling ones.
    pub version: String,
}

impl Release {
    pub(crate) fn parse(text: &str) -> Self {
        let value = |name: &str| {
            let found = text.lines().find_map(|line| {
                let (key, value) = line.split_once('=')?;
                (key == name).then(|| value.trim().trim_matches(['"', '\'']))
            });
            crate::package::clean(found.unwrap_or_default())
        };
        Self {
            id: value("ID"),
            version: value("VERSION_ID"),
        }
    }
}
