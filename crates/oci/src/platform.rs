//! Platforms: `os/architecture/variant`, their spellings and which can run which.
//!
//! Normalisation and the order of preference are those of containerd's platforms
//! package, which dockerd uses.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use thiserror::Error;

/// An operating system and processor. OCI image-spec 1.1, image-index § platform.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Platform {
    /// The processor as Go names it: `amd64`, `arm64`.
    #[serde(default)]
    pub architecture: String,
    /// The operating system as Go names it: `linux`.
    #[serde(default)]
    pub os: String,
    /// Its version (Windows).
    #[serde(
        default,
        rename = "os.version",
        skip_serializing_if = "Option::is_none"
    )]
    pub os_version: Option<String>,
    /// Its features (Windows).
    #[serde(
        default,
        rename = "os.features",
        skip_serializing_if = "Option::is_none"
    )]
    pub os_features: Option<Vec<String>>,
    /// The processor's variant: `v7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// A text that names no platform. The sentences are containerd's.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PlatformError {
    /// `*` is not supported.
    #[error("{0:?}: wildcards not yet supported: not implemented")]
    Wildcard(String),
    /// A component has characters that none may have.
    #[error(
        "{component:?} is an invalid component of {platform:?}: platform specifier component must \
         match \"^[A-Za-z0-9_-]+$\": invalid argument"
    )]
    Component {
        /// The component at fault.
        component: String,
        /// The whole text.
        platform: String,
    },
    /// A single word that is neither an operating system nor a processor.
    #[error("{0:?}: unknown operating system or architecture: invalid argument")]
    Unknown(String),
    /// More than three components.
    #[error("{0:?}: cannot parse platform specifier: invalid argument")]
    Form(String),
}

impl Platform {
    /// Linux on this machine's processor.
    pub fn host() -> Self {
        let architecture = match std::env::consts::ARCH {
            "x86" => "386",
            "powerpc64" => "ppc64le",
            other => other,
        };
        Self::new("linux", architecture, "")
    }

    /// A normalised platform; an empty `variant` means none.
    pub fn new(os: &str, architecture: &str, variant: &str) -> Self {
        let (architecture, variant) = normalise_architecture(architecture, variant);
        Self {
            os: normalise_os(os),
            architecture,
            variant: (!variant.is_empty()).then_some(variant),
            os_version: None,
            os_features: None,
        }
    }

    /// The same platform in the usual spelling.
    pub fn normalised(&self) -> Self {
        Self {
            os_version: self.os_version.clone(),
            os_features: self.os_features.clone(),
            ..Self::new(
                &self.os,
                &self.architecture,
                self.variant.as_deref().unwrap_or_default(),
            )
        }
    }

    /// How well a machine of this platform runs something made for `other`: 0 is best,
    /// `None` means not at all.
    pub fn preference(&self, other: &Platform) -> Option<usize> {
        let other = other.normalised();
        let variant = |p: &Platform| p.variant.clone().unwrap_or_default();
        self.normalised().runs().iter().position(|own| {
            own.os == other.os
                && own.architecture == other.architecture
                && variant(own) == variant(&other)
        })
    }

    /// Whether a machine of this platform runs something made for `other`.
    pub fn matches(&self, other: &Platform) -> bool {
        self.preference(other).is_some()
    }

    /// Everything this platform runs, the best first.
    fn runs(&self) -> Vec<Platform> {
        let mut list = vec![self.clone()];
        let mut push = |architecture: &str, variant: String| {
            list.push(Platform::new(&self.os, architecture, &variant));
        };
        let number = |default: u32| {
            let variant = self.variant.as_deref().unwrap_or_default();
            variant
                .trim_start_matches('v')
                .parse::<u32>()
                .unwrap_or(default)
        };
        match self.architecture.as_str() {
            "amd64" => {
                (1..number(1))
                    .rev()
                    .for_each(|v| push("amd64", format!("v{v}")));
                push("386", String::new());
            }
            "arm" => (5..number(7))
                .rev()
                .for_each(|v| push("arm", format!("v{v}"))),
            "arm64" => {
                (8..number(8))
                    .rev()
                    .for_each(|v| push("arm64", format!("v{v}")));
                (5..=8).rev().for_each(|v| push("arm", format!("v{v}")));
            }
            _ => {}
        }
        list
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match self.variant.as_deref() {
            Some(variant) if !variant.is_empty() => write!(f, "/{variant}"),
            _ => Ok(()),
        }
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        if text.contains('*') {
            return Err(PlatformError::Wildcard(text.to_owned()));
        }
        let parts: Vec<&str> = text.split('/').collect();
        let is_component = |part: &&&str| {
            part.is_empty()
                || !part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
        };
        if let Some(component) = parts.iter().find(is_component) {
            let component = (*component).to_owned();
            return Err(PlatformError::Component {
                component,
                platform: text.to_owned(),
            });
        }
        match parts[..] {
            [one] => {
                let host = Platform::host();
                if is_known_os(&normalise_os(one)) {
                    return Ok(Platform::new(one, &host.architecture, ""));
                }
                let platform = Platform::new(&host.os, one, "");
                if is_known_architecture(&platform.architecture) {
                    return Ok(platform);
                }
                Err(PlatformError::Unknown(text.to_owned()))
            }
            [os, architecture] => Ok(Platform::new(os, architecture, "")),
            [os, architecture, variant] => Ok(Platform::new(os, architecture, variant)),
            _ => Err(PlatformError::Form(text.to_owned())),
        }
    }
}

fn normalise_os(os: &str) -> String {
    match os.to_ascii_lowercase().as_str() {
        "" => "linux".into(),
        "macos" => "darwin".into(),
        other => other.into(),
    }
}

fn normalise_architecture(architecture: &str, variant: &str) -> (String, String) {
    let (architecture, variant) = (
        architecture.to_ascii_lowercase(),
        variant.to_ascii_lowercase(),
    );
    let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
        ("i386", _) => ("386", ""),
        ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
        ("x86_64" | "x86-64" | "amd64", variant) => ("amd64", variant),
        ("aarch64" | "arm64", "8" | "v8" | "v8.0") => ("arm64", ""),
        ("aarch64" | "arm64", variant) => ("arm64", variant),
        ("armhf", _) => ("arm", "v7"),
        ("armel", _) => ("arm", "v6"),
        ("arm", "" | "7") => ("arm", "v7"),
        ("arm", "5") => ("arm", "v5"),
        ("arm", "6") => ("arm", "v6"),
        ("arm", "8") => ("arm", "v8"),
        (architecture, variant) => (architecture, variant),
    };
    (architecture.to_owned(), variant.to_owned())
}

fn is_known_os(os: &str) -> bool {
    const KNOWN: &[&str] = &[
        "aix",
        "android",
        "darwin",
        "dragonfly",
        "freebsd",
        "hurd",
        "illumos",
        "ios",
        "js",
        "linux",
        "nacl",
        "netbsd",
        "openbsd",
        "plan9",
        "solaris",
        "windows",
        "zos",
    ];
    KNOWN.contains(&os)
}

fn is_known_architecture(architecture: &str) -> bool {
    const KNOWN: &[&str] = &[
        "386",
        "amd64",
        "amd64p32",
        "arm",
        "armbe",
        "arm64",
        "arm64be",
        "ppc64",
        "ppc64le",
        "loong64",
        "mips",
        "mipsle",
        "mips64",
        "mips64le",
        "mips64p32",
        "mips64p32le",
        "ppc",
        "riscv",
        "riscv64",
        "s390",
        "s390x",
        "sparc",
        "sparc64",
        "wasm",
    ];
    KNOWN.contains(&architecture)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_are_normalised_as_containerd_does() {
        for (text, normal) in [
            ("linux/amd64", "linux/amd64"),
            ("Linux/x86_64", "linux/amd64"),
            ("linux/amd64/v1", "linux/amd64"),
            ("linux/amd64/v3", "linux/amd64/v3"),
            ("linux/aarch64", "linux/arm64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/armhf", "linux/arm/v7"),
            ("linux/arm/6", "linux/arm/v6"),
            ("arm64", "linux/arm64"),
            ("i386", "linux/386"),
            ("macos/arm64", "darwin/arm64"),
        ] {
            assert_eq!(
                text.parse::<Platform>().unwrap().to_string(),
                normal,
                "{text}"
            );
        }
        for text in ["", "foo", "a/b/c/d", "linux/*", "linux/", "linux/am d64"] {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_machine_prefers_its_own_variant_and_runs_older_ones() {
        let platform = |text: &str| text.parse::<Platform>().unwrap();
        let arm64 = platform("linux/arm64");
        assert_eq!(arm64.preference(&platform("linux/arm64/v8")), Some(0));
        assert!(
            arm64.preference(&platform("linux/arm/v7"))
                < arm64.preference(&platform("linux/arm/v6"))
        );
        assert!(platform("linux/amd64").matches(&platform("linux/386")));
        assert!(!platform("linux/amd64").matches(&platform("linux/amd64/v3")));
        assert!(platform("linux/amd64/v3").matches(&platform("linux/amd64/v2")));
        assert!(!platform("linux/amd64").matches(&platform("windows/amd64")));
        assert!(!platform("linux/arm/v6").matches(&platform("linux/arm/v7")));
    }
}
