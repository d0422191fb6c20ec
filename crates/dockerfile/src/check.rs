//! Build checks: what may be written and should not.
//!
//! Names and sentences: <https://docs.docker.com/reference/build-checks/>.

use crate::{Directives, Dockerfile, Instruction, Location, lines::Line};

/// Something that a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The check.
    pub rule: Rule,
    /// What it found.
    pub message: String,
    /// Where.
    pub location: Location,
}

macro_rules! rules {
    ($($name:ident $url:literal $experimental:literal $description:literal;)*) => {
        /// The checks.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Rule { $(#[doc = $description] $name,)* }

        impl Rule {
            /// Every check.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Its name, as in `# check=skip=`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// What it is about.
            pub fn description(self) -> &'static str {
                match self { $(Self::$name => $description,)* }
            }

            /// Where it is explained.
            pub fn url(self) -> &'static str {
                match self { $(Self::$name => concat!("https://docs.docker.com/go/dockerfile/rule/", $url, "/"),)* }
            }

            /// It runs only when it is asked for.
            pub fn is_experimental(self) -> bool {
                match self { $(Self::$name => $experimental,)* }
            }
        }
    };
}

rules! {
    StageNameCasing "stage-name-casing" false "Stage names should be lowercase";
    FromAsCasing "from-as-casing" false "The 'as' keyword should match the case of the 'from' keyword";
    NoEmptyContinuation "no-empty-continuation" false "Empty continuation lines will become errors in a future release";
    ConsistentInstructionCasing "consistent-instruction-casing" false "All commands within the Dockerfile should use the same casing (either upper or lower)";
    DuplicateStageName "duplicate-stage-name" false "Stage names should be unique";
    ReservedStageName "reserved-stage-name" false "Reserved words should not be used as stage names";
    JSONArgsRecommended "json-args-recommended" false "JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals";
    MaintainerDeprecated "maintainer-deprecated" false "The MAINTAINER instruction is deprecated, use a label instead to define an image author";
    UndefinedArgInFrom "undefined-arg-in-from" false "FROM command must use declared ARGs";
    WorkdirRelativePath "workdir-relative-path" false "Relative workdir without an absolute workdir declared within the build can have unexpected results if the base image changes";
    UndefinedVar "undefined-var" false "Variables should be defined before their use";
    MultipleInstructionsDisallowed "multiple-instructions-disallowed" false "Multiple instructions of the same type should not be used in the same stage";
    LegacyKeyValueFormat "legacy-key-value-format" false "Legacy key/value format with whitespace separator should not be used";
    RedundantTargetPlatform "redundant-target-platform" false "Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior";
    SecretsUsedInArgOrEnv "secrets-used-in-arg-or-env" false "Sensitive data should not be used in the ARG or ENV commands";
    InvalidDefaultArgInFrom "invalid-default-arg-in-from" false "Default value for global ARG results in an empty or invalid base image name";
    FromPlatformFlagConstDisallowed "from-platform-flag-const-disallowed" false "FROM --platform flag should not use a constant value";
    CopyIgnoredFile "copy-ignored-file" true "Attempting to Copy file that is excluded by .dockerignore";
    InvalidDefinitionDescription "invalid-definition-description" true "Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. If this is not intended to be a description comment, add an empty line or comment between the instruction and the comment.";
    ExposeProtoCasing "expose-proto-casing" false "Protocol in EXPOSE instruction should be lowercase";
    ExposeInvalidFormat "expose-invalid-format" false "IP address and host-port mapping should not be used in EXPOSE instruction. This will become an error in a future release";
}

impl Rule {
    /// It looks at instructions that are done, not at those of stages that nobody needs.
    pub fn is_of_reached_stages(self) -> bool {
        matches!(
            self,
            Self::JSONArgsRecommended
                | Self::SecretsUsedInArgOrEnv
                | Self::WorkdirRelativePath
                | Self::MultipleInstructionsDisallowed
                | Self::ExposeProtoCasing
                | Self::ExposeInvalidFormat
        )
    }

    /// Whether the file lets this check run.
    pub fn runs(self, directives: &Directives) -> bool {
        let named = |list: &[String]| {
            list.iter()
                .any(|it| it == "all" || it.eq_ignore_ascii_case(self.name()))
        };
        match self.is_experimental() {
            true => named(&directives.experimental_checks),
            false => !named(&directives.skip_checks),
        }
    }
}

/// What the checks see beside the tree.
pub(crate) struct Text<'a> {
    pub keywords: &'a [(String, Location)],
    /// `FROM` as written, `AS` as written, the name as written.
    pub stages: &'a [(Location, String, Option<String>, Option<String>)],
    pub empty_continuations: &'a [Location],
    pub lines: &'a [Line],
}

struct Found<'a> {
    directives: &'a Directives,
    warnings: Vec<Warning>,
}

impl Found<'_> {
    fn add(&mut self, rule: Rule, location: Location, message: String) {
        if rule.runs(self.directives) {
            self.warnings.push(Warning {
                rule,
                message,
                location,
            });
        }
    }
}

/// Runs the checks that need nothing but the text.
pub(crate) fn check(file: &Dockerfile, text: &Text<'_>) -> Vec<Warning> {
    let mut found = Found {
        directives: &file.directives,
        warnings: Vec::new(),
    };
    for at in text.empty_continuations {
        found.add(
            Rule::NoEmptyContinuation,
            *at,
            "Empty continuation line".into(),
        );
    }
    casing(&mut found, text);
    stages(&mut found, file, text);
    for stage in &file.stages {
        instructions(&mut found, stage);
    }
    descriptions(&mut found, text);
    found.warnings.sort_by_key(|it| it.location.start);
    found.warnings
}

fn casing(found: &mut Found<'_>, text: &Text<'_>) {
    let own = |word: &str| {
        let lower = word.chars().all(|c| c.is_ascii_lowercase());
        let upper = word.chars().all(|c| c.is_ascii_uppercase());
        (lower, upper)
    };
    let lower = text.keywords.iter().filter(|(word, _)| own(word).0).count();
    let upper = text.keywords.iter().filter(|(word, _)| own(word).1).count();
    let majority_is_lower = lower > upper;
    for (word, at) in text.keywords {
        let (lower, upper) = own(word);
        let fits = if majority_is_lower { lower } else { upper };
        if !fits {
            let majority = if majority_is_lower {
                "lowercase"
            } else {
                "uppercase"
            };
            let message = format!(
                "Command '{word}' should match the case of the command majority ({majority})"
            );
            found.add(Rule::ConsistentInstructionCasing, *at, message);
        }
    }
}

fn stages(found: &mut Found<'_>, file: &Dockerfile, text: &Text<'_>) {
    let mut names: Vec<&str> = Vec::new();
    for ((at, from, as_word, name), stage) in text.stages.iter().zip(&file.stages) {
        if let Some(word) = as_word {
            let lower = |word: &str| word.chars().all(|c| c.is_ascii_lowercase());
            let upper = |word: &str| word.chars().all(|c| c.is_ascii_uppercase());
            if lower(from) != lower(word) || upper(from) != upper(word) {
                let message = format!("'{word}' and '{from}' keywords' casing do not match");
                found.add(Rule::FromAsCasing, *at, message);
            }
        }
        let Some(name) = name else { continue };
        if name.chars().any(|c| c.is_ascii_uppercase()) {
            let message = format!("Stage name '{name}' should be lowercase");
            found.add(Rule::StageNameCasing, *at, message);
        }
        let lower = stage.name.as_deref().unwrap_or_default();
        if matches!(lower, "scratch" | "context") {
            let message =
                format!("Stage name should not use the same name as reserved stage {lower:?}");
            found.add(Rule::ReservedStageName, *at, message);
        }
        if names.contains(&lower) {
            let message = format!("Duplicate stage name {lower:?}, stage names should be unique");
            found.add(Rule::DuplicateStageName, *at, message);
        }
        names.push(lower);
    }
    for stage in &file.stages {
        let Some(platform) = &stage.platform else {
            continue;
        };
        let bare = platform.trim_start_matches('$').trim_matches(['{', '}']);
        if platform.starts_with('$') && bare == "TARGETPLATFORM" {
            let message = format!(
                "Setting platform to predefined {platform} in FROM is redundant as this is the default behavior"
            );
            found.add(Rule::RedundantTargetPlatform, stage.location, message);
        }
        if !platform.contains('$') {
            // A stage whose name says the platform may be for that one only.
            let named = stage.name.as_deref().unwrap_or_default();
            let pieces: Vec<&str> = platform.split('/').collect();
            if !pieces
                .iter()
                .any(|piece| !piece.is_empty() && named.contains(piece))
            {
                let message =
                    format!("FROM --platform flag should not use constant value {platform:?}");
                found.add(
                    Rule::FromPlatformFlagConstDisallowed,
                    stage.location,
                    message,
                );
            }
        }
    }
}

fn instructions(found: &mut Found<'_>, stage: &crate::Stage) {
    let mut absolute = false;
    let (mut cmd, mut entrypoint, mut health) = (Vec::new(), Vec::new(), Vec::new());
    let own_shell = stage
        .commands
        .iter()
        .any(|it| matches!(it.instruction, Instruction::Shell(_)));
    for command in &stage.commands {
        let at = command.location;
        match &command.instruction {
            Instruction::Maintainer(_) => {
                let message = "Maintainer instruction is deprecated in favor of using label";
                found.add(Rule::MaintainerDeprecated, at, message.into());
            }
            Instruction::Workdir(path) => {
                absolute |= path.starts_with(['/', '$', '"', '\'']);
                if !absolute {
                    let message = format!(
                        "Relative workdir {path:?} can have unexpected results if the base image changes"
                    );
                    found.add(Rule::WorkdirRelativePath, at, message);
                }
                absolute = true;
            }
            Instruction::Env(list) | Instruction::Label(list) => {
                let keyword = command.instruction.keyword();
                if list.iter().any(|pair| pair.legacy) {
                    let message = format!(
                        "\"{keyword} key=value\" should be used instead of legacy \"{keyword} key value\" format"
                    );
                    found.add(Rule::LegacyKeyValueFormat, at, message);
                }
                if keyword == "ENV" {
                    for pair in list.iter().filter(|pair| is_secret(&pair.name)) {
                        secret(found, at, keyword, &pair.name);
                    }
                }
            }
            Instruction::Arg(list) => {
                for argument in list.iter().filter(|it| is_secret(&it.name)) {
                    secret(found, at, "ARG", &argument.name);
                }
            }
            Instruction::Cmd(line) => cmd.push((at, line.shell)),
            Instruction::Entrypoint(line) => entrypoint.push((at, line.shell)),
            Instruction::Healthcheck(_) => health.push((at, false)),
            Instruction::Expose(list) => expose(found, at, list),
            _ => {}
        }
    }
    for (keyword, list) in [
        ("CMD", cmd),
        ("ENTRYPOINT", entrypoint),
        ("HEALTHCHECK", health),
    ] {
        if let Some((_, earlier)) = list.split_last() {
            for (at, _) in earlier {
                let message = format!(
                    "Multiple {keyword} instructions should not be used in the same stage because only the last one will be used"
                );
                found.add(Rule::MultipleInstructionsDisallowed, *at, message);
            }
        }
        for (at, _) in list.iter().filter(|(_, shell)| *shell && !own_shell) {
            let message = format!(
                "JSON arguments recommended for {keyword} to prevent unintended behavior related to OS signals"
            );
            found.add(Rule::JSONArgsRecommended, *at, message);
        }
    }
}

fn expose(found: &mut Found<'_>, at: Location, list: &[String]) {
    for port in list {
        let (ports, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
        if !protocol.contains('$') && protocol != protocol.to_ascii_lowercase() {
            let message =
                format!("Defined protocol '{port}' in EXPOSE instruction should be lowercase");
            found.add(Rule::ExposeProtoCasing, at, message);
        }
        if ports.contains(':') && !ports.contains('$') {
            let message = format!(
                "EXPOSE instruction should not define an IP address or host-port mapping, found '{port}'"
            );
            found.add(Rule::ExposeInvalidFormat, at, message);
        }
    }
}

fn secret(found: &mut Found<'_>, at: Location, keyword: &str, name: &str) {
    let message =
        format!("Do not use ARG or ENV instructions for sensitive data ({keyword} {name:?})");
    found.add(Rule::SecretsUsedInArgOrEnv, at, message);
}

/// Names that promise a secret, unless a part says it is public.
fn is_secret(name: &str) -> bool {
    const SECRET: [&str; 9] = [
        "apikey",
        "auth",
        "credential",
        "credentials",
        "key",
        "password",
        "pword",
        "passwd",
        "secret",
    ];
    let lower = name.to_ascii_lowercase();
    let parts: Vec<&str> = lower.split('_').collect();
    let secret = parts
        .iter()
        .any(|part| SECRET.contains(part) || *part == "token");
    secret && !parts.contains(&"public")
}

fn descriptions(found: &mut Found<'_>, text: &Text<'_>) {
    for line in text.lines {
        let name = match line.keyword.to_ascii_uppercase().as_str() {
            "FROM" => line.rest.split_whitespace().nth(2),
            "ARG" => line.rest.split(['=', ' ', '\t']).next(),
            _ => None,
        };
        let (Some(name), Some(comment)) = (name, line.comments.last()) else {
            continue;
        };
        if comment
            .split_whitespace()
            .next()
            .is_some_and(|word| word.eq_ignore_ascii_case(name))
        {
            continue;
        }
        let keyword = line.keyword.to_ascii_uppercase();
        let what = if keyword == "FROM" {
            "stage"
        } else {
            "argument"
        };
        let message = format!(
            "Comment for {what} should follow the format: `# {name} <description>`. If this is not intended to be a description comment, add an empty line or comment between the instruction and the comment."
        );
        found.add(Rule::InvalidDefinitionDescription, line.location, message);
    }
}

/// `# name text` above the `FROM` of the stage `name`.
pub(crate) fn description(line: &Line, name: Option<&str>) -> Option<String> {
    let (name, comment) = (name?, line.comments.last()?);
    let (word, rest) = comment.split_once(char::is_whitespace)?;
    word.eq_ignore_ascii_case(name)
        .then(|| rest.trim().to_owned())
}
