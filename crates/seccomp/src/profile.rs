//! Docker's profile format.

use crate::Arch;
use corten_oci::runtime::LinuxSeccomp;
use serde::Deserialize;
use thiserror::Error;

/// A seccomp profile as `--security-opt seccomp=FILE` reads it; OCI's `LinuxSeccomp` is a
/// subset.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Profile {
    /// What happens to calls that no rule matches.
    pub default_action: String,
}

/// A kernel release, as far as profiles compare it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KernelVersion {
    /// 6 of 6.18.2
    pub major: u64,
    /// 18 of 6.18.2
    pub minor: u64,
}

/// What the conditions of a profile are held against.
#[derive(Debug, Clone, Copy)]
pub struct Conditions<'a> {
    /// The container's bounding set, `CAP_…`.
    pub capabilities: &'a [String],
    /// Native architecture.
    pub arch: Arch,
    /// The running kernel.
    pub kernel: KernelVersion,
}

/// A profile that cannot be used.
#[derive(Debug, Error)]
pub enum ProfileError {
    /// Not JSON of the right shape.
    #[error("decoding seccomp profile failed: {0}")]
    Decode(#[from] serde_json::Error),
    /// Contradictory keys, with Docker's sentence.
    #[error("{0}")]
    Invalid(String),
}

impl Profile {
    /// Reads a profile file.
    pub fn from_json(text: &str) -> Result<Self, ProfileError> {
        Ok(serde_json::from_str(text)?)
    }

    /// Settles the conditions for one container.
    pub fn resolve(&self, conditions: &Conditions<'_>) -> Result<LinuxSeccomp, ProfileError> {
        let _ = conditions;
        Ok(LinuxSeccomp {
            default_action: self.default_action.clone(),
            ..Default::default()
        })
    }
}

/// Docker 28's default profile.
pub fn default_profile() -> &'static Profile {
    static PROFILE: std::sync::LazyLock<Profile> = std::sync::LazyLock::new(Profile::default);
    &PROFILE
}
