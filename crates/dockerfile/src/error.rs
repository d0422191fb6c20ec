//! What is wrong with a Dockerfile, in BuildKit's sentences.

use crate::Location;
use thiserror::Error;

/// What a parse answers.
pub type Result<T> = std::result::Result<T, Error>;

/// A fault and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}{fault}", self.place())]
pub struct Error {
    /// What is wrong.
    pub fault: Fault,
    /// Where, unless it is the file as a whole.
    pub location: Option<Location>,
}

/// What can be wrong.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fault {
    /// No instruction at all.
    #[error("file with no instructions")]
    Empty,
    /// No byte at all.
    #[error("the Dockerfile cannot be empty")]
    NoText,
    /// Arguments, and no `FROM`.
    #[error("dockerfile contains no stages to build")]
    NoStages,
    /// Larger than [`crate::FILE_BYTES_MAX`].
    #[error("the Dockerfile is larger than {} bytes", crate::FILE_BYTES_MAX)]
    TooLarge,
    /// Longer than [`crate::LINE_BYTES_MAX`].
    #[error(
        "dockerfile line greater than maximum allowed size of {}",
        crate::LINE_BYTES_MAX
    )]
    LineTooLong,
    /// A word that is no instruction.
    #[error("unknown instruction: {name}{}", did_you_mean(.similar))]
    UnknownInstruction {
        /// The word.
        name: String,
        /// An instruction that looks like it.
        similar: Option<String>,
    },
    /// A heredoc without its end.
    #[error("unterminated heredoc")]
    UnterminatedHeredoc,
    /// A directive given twice.
    #[error("only one {0} parser directive can be used")]
    DirectiveTwice(&'static str),
    /// Neither backslash nor backtick.
    #[error("invalid escape token '{0}' does not match ` or \\")]
    EscapeToken(String),
    /// `check=` that cannot be read.
    #[error("failed to parse check directive: {0}")]
    CheckDirective(String),
    /// An array with other things than texts.
    #[error("when using JSON array syntax, arrays must be comprised of strings only")]
    NotStrings,
    /// `ENV a` and the like.
    #[error("{0} must have two arguments")]
    TwoArguments(&'static str),
    /// Word without `=` in a list of pairs.
    #[error("Syntax error - can't find = in {0:?}. Must be of the form: name=value")]
    NoEqualSign(String),
    /// `=x`.
    #[error("{0} names can not be blank")]
    BlankName(&'static str),
    /// At least one argument.
    #[error("{0} requires at least one argument")]
    AtLeastOne(&'static str),
    /// Exactly one argument.
    #[error("{0} requires exactly one argument")]
    ExactlyOne(&'static str),
    /// Sources and a destination.
    #[error(
        "{0} requires at least two arguments, but only one was provided. Destination could not be determined"
    )]
    NoDestination(&'static str),
    /// `FROM` with two or more than three words.
    #[error("FROM requires either one or three arguments")]
    FromArguments,
    /// A stage's name that is none.
    #[error(
        "invalid name for build stage: {0:?}, name can't start with a number or contain symbols"
    )]
    StageName(String),
    /// Something before the first `FROM`.
    #[error("no build stage in current context")]
    NoStage,
    /// Flag that the instruction does not have.
    #[error("unknown flag: --{name}{}", did_you_mean(.similar))]
    UnknownFlag {
        /// Without the dashes.
        name: String,
        /// A flag that looks like it.
        similar: Option<String>,
    },
    /// Flag given twice.
    #[error("duplicate flag specified: --{0}")]
    DuplicateFlag(String),
    /// Flag that wants a value.
    #[error("missing a value on flag: --{0}")]
    FlagValue(String),
    /// A boolean flag with another value.
    #[error("expecting boolean value for flag --{name}, not: {value}")]
    FlagBoolean {
        /// Without the dashes.
        name: String,
        /// What was given.
        value: String,
    },
    /// `SHELL` without an array.
    #[error("SHELL requires the arguments to be in JSON form")]
    ShellForm,
    /// Trigger within a trigger.
    #[error("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")]
    OnBuildChain,
    /// Trigger that makes no sense.
    #[error("{0} isn't allowed as an ONBUILD trigger")]
    OnBuildTrigger(String),
    /// `HEALTHCHECK FOO`.
    #[error("Unknown type {0:?} in HEALTHCHECK (try CMD)")]
    HealthcheckType(String),
    /// `HEALTHCHECK NONE x`.
    #[error("HEALTHCHECK NONE takes no arguments")]
    HealthcheckNone,
    /// `HEALTHCHECK CMD`.
    #[error("Missing command after HEALTHCHECK CMD")]
    HealthcheckCommand,
    /// A time that cannot be read, or is too short.
    #[error("{0}")]
    HealthcheckTime(String),
    /// `--retries` out of range.
    #[error("--retries cannot be negative ({0})")]
    HealthcheckRetries(String),
    /// Empty path of a volume.
    #[error("VOLUME specified can not be an empty string")]
    EmptyVolume,
    /// A heredoc where none may be.
    #[error("{0} cannot have a heredoc as a destination")]
    HeredocDestination(&'static str),
    /// A mount of `RUN` that makes no sense.
    #[error("{0}")]
    Mount(String),
    /// `RUN []`.
    #[error("failed to marshal LLB definition: arguments are required")]
    NoArguments,
    /// `--network=` of another word.
    #[error("invalid network mode {0:?}")]
    NetworkMode(String),
    /// `--security=` of another word.
    #[error("unexpected value {value:?} for flag {flag}")]
    FlagWord {
        /// The flag.
        flag: &'static str,
        /// What was given.
        value: String,
    },
    /// A word whose variables cannot be put in.
    #[error("failed to process {word:?}: {reason}")]
    Words {
        /// The word.
        word: String,
        /// Why.
        reason: String,
    },
}

impl Error {
    /// The line, where BuildKit names it: faults that show before an instruction is taken
    /// apart, and those of mounts, stand alone.
    fn place(&self) -> String {
        let alone = matches!(
            self.fault,
            Fault::UnterminatedHeredoc
                | Fault::DirectiveTwice(_)
                | Fault::EscapeToken(_)
                | Fault::CheckDirective(_)
                | Fault::TwoArguments(_)
                | Fault::NoEqualSign(_)
                | Fault::Mount(_)
                | Fault::NoArguments
        );
        match self.location {
            Some(at) if !alone => format!("dockerfile parse error on line {}: ", at.start),
            _ => String::new(),
        }
    }
}

impl Fault {
    pub(crate) fn at(self, location: Location) -> Error {
        Error {
            fault: self,
            location: Some(location),
        }
    }
}

fn did_you_mean(similar: &Option<String>) -> String {
    similar
        .as_ref()
        .map(|it| format!(" (did you mean {it}?)"))
        .unwrap_or_default()
}

/// The candidate nearest to `word`, at most two edits away.
pub fn similar<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let upper = word.to_ascii_lowercase();
    candidates
        .into_iter()
        .map(|it| (distance(&upper, &it.to_ascii_lowercase()), it))
        .filter(|(edits, _)| *edits <= 2)
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, it)| it.to_owned())
}

/// Levenshtein's distance; words are short.
fn distance(a: &str, b: &str) -> usize {
    const LONGEST: usize = 64;
    if a.len() > LONGEST || b.len() > LONGEST {
        return usize::MAX;
    }
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = before + usize::from(x != *y);
            before = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(before + 1);
        }
    }
    row[b.len()]
}
