//! Typed identifiers.

use corten_base::{Id, IdError};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

macro_rules! typed_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Id);

        impl $name {
            /// A new random ID.
            pub fn random() -> Self {
                Self(Id::random())
            }

            /// The untyped ID.
            pub fn id(&self) -> Id {
                self.0
            }

            /// The first twelve digits, as tables show it.
            pub fn short(&self) -> String {
                self.0.short()
            }
        }

        impl From<Id> for $name {
            fn from(id: Id) -> Self {
                Self(id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                text.parse().map(Self)
            }
        }
    };
}

typed_id! {
    /// A container's ID.
    ContainerId
}
typed_id! {
    /// The ID of an exec process.
    ExecId
}
typed_id! {
    /// A network's ID.
    NetworkId
}

/// An image's ID: the digest of its configuration, `sha256:<hex>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(transparent)]
pub struct ImageId(String);

impl ImageId {
    /// From the text of a digest.
    pub fn new(digest: impl fmt::Display) -> Self {
        Self(digest.to_string())
    }

    /// `sha256:<hex>`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve digits after the algorithm.
    pub fn short(&self) -> &str {
        let hex = self
            .0
            .split_once(':')
            .map_or(self.0.as_str(), |(_, hex)| hex);
        hex.get(..Id::SHORT_LENGTH).unwrap_or(hex)
    }
}

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
