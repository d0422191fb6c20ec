//! What can be wrong with a project, said with file, line and key.

use crate::advice;
use crate::place::Place;
use corten_base::{Kind, KindOf, errno_text};

/// A project cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ComposeError {
    /// The text is not YAML, or not of the kind that a project is made of.
    #[error("{place}: {message}{}", syntax_hint(message))]
    Syntax {
        /// Where reading stopped.
        place: Place,
        /// What is wrong.
        message: String,
    },
    /// An attribute has the wrong type, an unknown name or an impossible value.
    #[error("{place}: {key}: {message}{}", hint(.advice, message))]
    Attribute {
        /// Where the attribute is written.
        place: Place,
        /// Its dotted path, such as `services.web.ports`.
        key: String,
        /// What is wrong with it.
        message: String,
        /// What to write instead, where that can be said.
        advice: Option<String>,
    },
    /// Attributes that are each well formed contradict each other.
    #[error("{}{message}: invalid compose project{}", prefix(.place), hint(&None, message))]
    Inconsistent {
        /// Where the one that is to change is written, if it is written at all.
        place: Option<Place>,
        /// What contradicts what.
        message: String,
    },
    /// Files refer to each other in a circle.
    #[error("{}", with_hint(.0))]
    Cycle(String),
    /// A file that the project needs cannot be read.
    #[error(
        "{}{} {path}: {}{}",
        prefix(.needed_at), read(.needed_at), errno_text(.why), missing(.needed_at)
    )]
    Read {
        /// The file.
        path: String,
        /// Where it is named, if in a file.
        needed_at: Option<Place>,
        /// What the kernel, or who fetches it from elsewhere, says.
        why: std::io::Error,
    },
    /// A file of variables or labels, named in a service, cannot be read.
    #[error(
        "{needed_at}: {kind} {path} not found: stat {path}: {}; {}",
        errno_text(.why), correct(kind)
    )]
    ServiceFile {
        /// `env file` or `label file`.
        kind: &'static str,
        /// The file.
        path: String,
        /// Where it is named.
        needed_at: Place,
        /// What the kernel says.
        why: std::io::Error,
    },
    /// A line of an env file cannot be understood.
    #[error("failed to read {path}: line {line}: {message}")]
    EnvFile {
        /// The file.
        path: String,
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// There is no file to load.
    #[error("no configuration file provided: not found")]
    NoFile,
    /// All files together say nothing.
    #[error("empty compose file")]
    Empty,
    /// A name of a project that Docker does not accept.
    #[error(
        "invalid project name {0:?}: must consist only of lowercase alphanumeric characters, \
         hyphens, and underscores as well as start with a letter or number"
    )]
    ProjectName(String),
    /// Neither an option, the environment, a file nor the directory gives a name.
    #[error("project name must not be empty")]
    NoProjectName,
    /// A service was asked for that the project does not have.
    #[error("no such service: {0}")]
    NoSuchService(String),
    /// A service that exists only when one of its profiles is on.
    #[error(
        "service {name:?} is required by {by:?} but is disabled. Can be enabled by profiles [{profiles}]"
    )]
    Disabled {
        /// The service that is off.
        name: String,
        /// Who needs it.
        by: String,
        /// Its profiles, separated by blanks.
        profiles: String,
    },
    /// `DOCKER_DEFAULT_PLATFORM` is none of those that an image is built for.
    #[error(
        "service {service:?} build.platforms does not support value set by \
         DOCKER_DEFAULT_PLATFORM: {platform}"
    )]
    DefaultPlatform {
        /// Whose image.
        service: String,
        /// What the variable says.
        platform: String,
    },
    /// A service runs on a platform that its image is not built for.
    #[error("service {service:?} build configuration does not support platform: {platform}")]
    Platform {
        /// The service.
        service: String,
        /// Where it runs.
        platform: String,
    },
}

fn hint(given: &Option<String>, message: &str) -> String {
    let advice = given.as_deref().or_else(|| advice::of(message));
    advice
        .map(|advice| format!("; {advice}"))
        .unwrap_or_default()
}

fn with_hint(message: &str) -> String {
    format!("{message}{}", hint(&None, message))
}

fn syntax_hint(message: &str) -> String {
    match hint(&None, message) {
        none if none.is_empty() && !message.contains("; ") => format!("; {}", advice::SYNTAX),
        hint => hint,
    }
}

/// Of a file that the user names on the command line, only the kernel's word.
fn missing(needed_at: &Option<Place>) -> String {
    let named = needed_at.as_ref();
    named
        .map(|_| format!("; {}", advice::MISSING))
        .unwrap_or_default()
}

fn correct(kind: &str) -> &'static str {
    match kind {
        "env file" => advice::MISSING_ENV_FILE,
        _ => advice::MISSING,
    }
}

/// What is done to a file: of one that the user names, the kernel's word.
fn read(needed_at: &Option<Place>) -> &'static str {
    match needed_at {
        Some(_) => "cannot read",
        None => "open",
    }
}

fn prefix(place: &Option<Place>) -> String {
    place
        .as_ref()
        .map(|place| format!("{place}: "))
        .unwrap_or_default()
}

impl ComposeError {
    /// An attribute that is wrong, without advice.
    pub(crate) fn attribute(place: &Place, key: impl ToString, message: impl Into<String>) -> Self {
        Self::Attribute {
            place: place.clone(),
            key: key.to_string(),
            message: message.into(),
            advice: None,
        }
    }

    /// The same error with what to write instead.
    pub(crate) fn advise(mut self, text: impl Into<String>) -> Self {
        if let Self::Attribute { advice, .. } = &mut self {
            *advice = Some(text.into());
        }
        self
    }

    /// Where it is, as far as a file has a part in it.
    pub fn place(&self) -> Option<&Place> {
        match self {
            Self::Syntax { place, .. } | Self::Attribute { place, .. } => Some(place),
            Self::Inconsistent { place, .. } => place.as_ref(),
            Self::Read { needed_at, .. } => needed_at.as_ref(),
            Self::ServiceFile { needed_at, .. } => Some(needed_at),
            _ => None,
        }
    }
}

impl KindOf for ComposeError {
    fn kind(&self) -> Kind {
        match self {
            Self::NoFile
            | Self::NoSuchService(_)
            | Self::Read { .. }
            | Self::ServiceFile { .. } => Kind::NotFound,
            _ => Kind::InvalidParameter,
        }
    }
}
