//! How an image came to this machine: what a tag cannot change.

use corten_base::Timestamp;
use serde::{Deserialize, Serialize};

/// Where an image is from, as this machine saw it. The newest last.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origins {
    /// Repositories that it was pulled from, with their domain: `docker.io/library/nginx`;
    /// of a mirror the repository that it stands for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pulls: Vec<String>,
    /// Builds that gave it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub builds: Vec<BuildOrigin>,
}

/// A build that gave an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildOrigin {
    /// What the history of builds has it under; none, where it is in none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// When it ended.
    pub at: Timestamp,
}

/// One way for an image to come.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    Pull(String),
    Build(BuildOrigin),
}

impl Origins {
    /// How many of each kind are remembered.
    const MOST: usize = 16;

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.pulls.is_empty() && self.builds.is_empty()
    }

    /// Remembers one more; false if it was the last one already.
    pub(crate) fn add(&mut self, origin: Origin) -> bool {
        match origin {
            Origin::Pull(repository) => latest(&mut self.pulls, repository, PartialEq::eq),
            Origin::Build(build) => latest(&mut self.builds, build, |one, other| {
                one.reference.is_some() && one.reference == other.reference
            }),
        }
    }
}

fn latest<T: PartialEq>(list: &mut Vec<T>, new: T, same: impl Fn(&T, &T) -> bool) -> bool {
    if list.last() == Some(&new) {
        return false;
    }
    list.retain(|known| !same(known, &new));
    list.push(new);
    let excess = list.len().saturating_sub(Origins::MOST);
    list.drain(..excess);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_of_many_are_remembered_once_each() {
        let mut origins = Origins::default();
        for number in 0..40 {
            assert!(origins.add(Origin::Pull(format!("r/{number}"))));
        }
        assert!(origins.add(Origin::Pull("r/30".into())));
        assert!(!origins.add(Origin::Pull("r/30".into())));
        assert_eq!(origins.pulls.len(), Origins::MOST);
        assert_eq!(origins.pulls[0], "r/24");
        assert_eq!(origins.pulls[14..], ["r/39", "r/30"]);
        let build = |at| BuildOrigin {
            reference: Some("b".into()),
            at: Timestamp::from_unix(at, 0),
        };
        assert!(origins.add(Origin::Build(build(1))) && origins.add(Origin::Build(build(2))));
        assert_eq!(origins.builds, [build(2)]);
    }
}
