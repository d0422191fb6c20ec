//! The whole file: global arguments and stages.

use crate::{
    Argument, Directives, Error, Fault, Instruction, Location, Result, Warning, check, lines, parse,
};

/// A Dockerfile taken apart.
#[derive(Debug, Clone)]
pub struct Dockerfile {
    /// What the top of it says.
    pub directives: Directives,
    /// `ARG`s before the first `FROM`, each with its lines.
    pub global_arguments: Vec<(Argument, Location)>,
    /// The stages, at least one.
    pub stages: Vec<Stage>,
    /// What the checks found that need nothing but the text.
    pub warnings: Vec<Warning>,
    /// The text, line by line, for messages.
    pub source: Vec<String>,
    /// Every instruction in its order: its text, continuation marks and here documents left
    /// out, and its lines.
    pub instructions: Vec<(String, Location)>,
}

/// One stage.
#[derive(Debug, Clone)]
pub struct Stage {
    /// The name in lower case.
    pub name: Option<String>,
    /// Image, stage, or `scratch`; variables not put in.
    pub base: String,
    /// `--platform`, variables not put in.
    pub platform: Option<String>,
    /// What it does.
    pub commands: Vec<Command>,
    /// Where its `FROM` stands.
    pub location: Location,
    /// The text of the `FROM`.
    pub text: String,
    /// The comment above the `FROM` that describes the stage.
    pub description: Option<String>,
}

/// One instruction of a stage.
#[derive(Debug, Clone)]
pub struct Command {
    /// What it does.
    pub instruction: Instruction,
    /// Where it stands.
    pub location: Location,
    /// The text, continuation marks taken away; here documents are left out.
    pub text: String,
}

impl Dockerfile {
    /// Parses a file.
    ///
    /// # Errors
    /// BuildKit's sentence, with the lines.
    pub fn parse(text: &str) -> Result<Self> {
        let found = lines::lines(text)?;
        let escape = found.directives.escape;
        let mut global_arguments = Vec::new();
        let mut stages: Vec<Stage> = Vec::new();
        let mut casings = Vec::new();
        for line in &found.lines {
            let location = line.location;
            if parse::is_from(line) {
                let from = parse::from(line).map_err(|fault| fault.at(location))?;
                casings.push((
                    location,
                    line.keyword.clone(),
                    from.as_word.clone(),
                    from.name.clone(),
                ));
                let name = from.name.map(|name| name.to_ascii_lowercase());
                let description = check::description(line, name.as_deref());
                stages.push(Stage {
                    name,
                    base: from.base,
                    platform: from.platform,
                    commands: Vec::new(),
                    location,
                    text: line.text.clone(),
                    description,
                });
                continue;
            }
            let instruction =
                parse::instruction(line, escape).map_err(|fault| fault.at(location))?;
            match (stages.last_mut(), instruction) {
                (Some(stage), instruction) => stage.commands.push(Command {
                    instruction,
                    location,
                    text: line.text.clone(),
                }),
                (None, Instruction::Arg(list)) => {
                    global_arguments.extend(list.into_iter().map(|argument| (argument, location)));
                }
                (None, _) => {
                    // BuildKit tells no line.
                    return Err(Error {
                        fault: Fault::NoStage,
                        location: None,
                    });
                }
            }
        }
        if stages.is_empty() {
            return Err(Error {
                fault: Fault::NoStages,
                location: None,
            });
        }
        let mut file = Self {
            directives: found.directives,
            global_arguments,
            stages,
            warnings: Vec::new(),
            source: crate::source_lines(text),
            instructions: Vec::new(),
        };
        let keywords: Vec<(String, Location)> = found
            .lines
            .iter()
            .map(|line| (line.keyword.clone(), line.location))
            .collect();
        file.warnings = check::check(
            &file,
            &check::Text {
                keywords: &keywords,
                stages: &casings,
                empty_continuations: &found.empty_continuations,
                lines: &found.lines,
            },
        );
        let told = found.lines.into_iter();
        file.instructions = told.map(|line| (line.text, line.location)).collect();
        Ok(file)
    }

    /// The stage that `name` means: a name, or a number.
    pub fn stage(&self, name: &str) -> Option<usize> {
        let lower = name.to_ascii_lowercase();
        let named = self
            .stages
            .iter()
            .rposition(|stage| stage.name.as_deref() == Some(lower.as_str()));
        named.or_else(|| name.parse().ok().filter(|index| *index < self.stages.len()))
    }
}
