//! Docker's profile format, and the conditions in it.

use crate::Arch;
use corten_oci::runtime::{LinuxSeccomp, SeccompArg, SeccompSyscall};
use serde::Deserialize;
use std::{str::FromStr, sync::LazyLock};
use thiserror::Error;

/// A seccomp profile as `--security-opt seccomp=FILE` reads it; OCI's `LinuxSeccomp` is a
/// subset. Unknown keys are passed over, as Docker does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Profile {
    /// What happens to calls that no rule matches.
    pub default_action: String,
    /// Error number of the default action; absent means EPERM.
    pub default_errno_ret: Option<u32>,
    /// Architectures; excludes `arch_map`.
    #[serde(deserialize_with = "null_is_empty")]
    pub architectures: Vec<String>,
    /// Architectures by the native one.
    #[serde(deserialize_with = "null_is_empty")]
    pub arch_map: Vec<ArchMapEntry>,
    /// `SECCOMP_FILTER_FLAG_…` names.
    #[serde(deserialize_with = "null_is_empty")]
    pub flags: Vec<String>,
    /// Socket of a listener for `SCMP_ACT_NOTIFY`.
    pub listener_path: String,
    /// Text for the listener.
    pub listener_metadata: String,
    /// The rules.
    #[serde(deserialize_with = "null_is_empty")]
    pub syscalls: Vec<ProfileRule>,
}

/// Which further architectures a native one brings along.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ArchMapEntry {
    /// The native architecture.
    pub architecture: String,
    /// The others.
    #[serde(deserialize_with = "null_is_empty")]
    pub sub_architectures: Vec<String>,
}

/// One rule with its conditions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProfileRule {
    /// One name, the older form; excludes `names`.
    pub name: String,
    /// Names.
    #[serde(deserialize_with = "null_is_empty")]
    pub names: Vec<String>,
    /// Such as `SCMP_ACT_ALLOW`.
    pub action: String,
    /// Error number of the action; absent means EPERM.
    pub errno_ret: Option<u32>,
    /// Conditions on the arguments.
    #[serde(deserialize_with = "null_is_empty")]
    pub args: Vec<SeccompArg>,
    /// Why, for the reader.
    pub comment: String,
    /// The rule counts only where all of this holds.
    #[serde(deserialize_with = "null_is_empty")]
    pub includes: Filter,
    /// The rule does not count where any of this holds.
    #[serde(deserialize_with = "null_is_empty")]
    pub excludes: Filter,
}

/// Conditions of a rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Filter {
    /// Capabilities.
    #[serde(deserialize_with = "null_is_empty")]
    pub caps: Vec<String>,
    /// Architectures, by Go's names.
    #[serde(deserialize_with = "null_is_empty")]
    pub arches: Vec<String>,
    /// Oldest kernel, `4.8`.
    pub min_kernel: Option<KernelVersion>,
}

// Go writes an empty list as `null`.
fn null_is_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A kernel release, as far as profiles compare it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KernelVersion {
    /// 6 of 6.18.2
    pub major: u64,
    /// 18 of 6.18.2
    pub minor: u64,
}

impl FromStr for KernelVersion {
    type Err = ProfileError;

    /// Reads `4.8` as well as a whole release such as `6.18.2-arch1`.
    fn from_str(text: &str) -> Result<Self, ProfileError> {
        let digits = |part: &str| {
            part.split(|c: char| !c.is_ascii_digit())
                .next()
                .and_then(|d| d.parse().ok())
        };
        let (major, rest) = text.split_once('.').unwrap_or_default();
        match (major.parse().ok(), digits(rest)) {
            (Some(major), Some(minor)) => Ok(Self { major, minor }),
            _ => Err(ProfileError::Invalid(format!(
                "invalid kernel version: {text:?}, expected \"<kernel>.<major>\""
            ))),
        }
    }
}

impl<'de> Deserialize<'de> for KernelVersion {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
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
    /// Contradictory or malformed keys, with Docker's sentence where there is one.
    #[error("{0}")]
    Invalid(String),
}

impl Profile {
    /// Reads a profile file.
    pub fn from_json(text: &str) -> Result<Self, ProfileError> {
        let profile: Self = serde_json::from_str(text)?;
        if !profile.architectures.is_empty() && !profile.arch_map.is_empty() {
            return Err(ProfileError::Invalid(
                "both 'architectures' and 'archMap' are specified in the seccomp profile, use either 'architectures' or 'archMap'".into(),
            ));
        }
        if profile
            .syscalls
            .iter()
            .any(|rule| !rule.name.is_empty() && !rule.names.is_empty())
        {
            return Err(ProfileError::Invalid(
                "both 'name' and 'names' are specified in the seccomp profile, use either 'name' or 'names'".into(),
            ));
        }
        Ok(profile)
    }

    /// Settles the conditions for one container.
    pub fn resolve(&self, conditions: &Conditions<'_>) -> Result<LinuxSeccomp, ProfileError> {
        let mut architectures = self.architectures.clone();
        let native = conditions.arch.scmp_name();
        for entry in self
            .arch_map
            .iter()
            .filter(|entry| entry.architecture == native)
        {
            architectures.push(entry.architecture.clone());
            architectures.extend(entry.sub_architectures.iter().cloned());
        }
        let rules = self.syscalls.iter().filter(|rule| rule.applies(conditions));
        Ok(LinuxSeccomp {
            default_action: self.default_action.clone(),
            default_errno_ret: self.default_errno_ret,
            architectures,
            flags: self.flags.clone(),
            listener_path: self.listener_path.clone(),
            listener_metadata: self.listener_metadata.clone(),
            syscalls: rules.map(ProfileRule::to_oci).collect(),
        })
    }
}

impl ProfileRule {
    // Docker: every included condition must hold, and no excluded one.
    fn applies(&self, conditions: &Conditions<'_>) -> bool {
        let has = |name: &String| conditions.capabilities.contains(name);
        let arch = |name: &String| name == conditions.arch.go_name();
        let Filter {
            caps,
            arches,
            min_kernel,
        } = &self.includes;
        let included = caps.iter().all(has)
            && (arches.is_empty() || arches.iter().any(arch))
            && min_kernel.is_none_or(|oldest| conditions.kernel >= oldest);
        let Filter {
            caps,
            arches,
            min_kernel,
        } = &self.excludes;
        let excluded = caps.iter().any(has)
            || arches.iter().any(arch)
            || min_kernel.is_some_and(|oldest| conditions.kernel >= oldest);
        included && !excluded
    }

    fn to_oci(&self) -> SeccompSyscall {
        let names = if self.name.is_empty() {
            self.names.clone()
        } else {
            vec![self.name.clone()]
        };
        SeccompSyscall {
            names,
            action: self.action.clone(),
            errno_ret: self.errno_ret,
            args: self.args.clone(),
        }
    }
}

/// Docker 28's default profile.
pub fn default_profile() -> &'static Profile {
    static PROFILE: LazyLock<Profile> = LazyLock::new(|| {
        Profile::from_json(include_str!("default_profile.json"))
            .expect("the built-in profile is read by a test")
    });
    &PROFILE
}
