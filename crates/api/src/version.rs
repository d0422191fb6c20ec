//! API versions: what this build speaks, how they are written and compared.

use std::{fmt, str::FromStr};
use thiserror::Error;

/// The newest API version spoken.
pub const MAXIMUM: ApiVersion = ApiVersion {
    major: 1,
    minor: 51,
};
/// The oldest API version spoken.
pub const MINIMUM: ApiVersion = ApiVersion {
    major: 1,
    minor: 24,
};

/// `major.minor`, as in the path prefix `/v1.51`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ApiVersion {
    /// Before the dot.
    pub major: u32,
    /// After the dot.
    pub minor: u32,
}

/// A text that is not `major.minor`.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("invalid API version {0:?}: expected MAJOR.MINOR")]
pub struct ParseVersionError(String);

impl ApiVersion {
    /// `1.minor`.
    pub const fn v1(minor: u32) -> Self {
        Self { major: 1, minor }
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for ApiVersion {
    type Err = ParseVersionError;

    fn from_str(text: &str) -> Result<Self, ParseVersionError> {
        let parsed = text.split_once('.').and_then(|(major, minor)| {
            Some(Self {
                major: major.parse().ok()?,
                minor: minor.parse().ok()?,
            })
        });
        parsed.ok_or_else(|| ParseVersionError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert!(ApiVersion::v1(9) < ApiVersion::v1(24));
        assert_eq!("1.51".parse(), Ok(MAXIMUM));
        assert!("1".parse::<ApiVersion>().is_err());
        assert!("1.x".parse::<ApiVersion>().is_err());
    }
}
