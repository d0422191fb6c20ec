//! What a Dockerfile has to offer, without building it: its stages, and what a stage may be
//! given (arguments, secrets, agents). BuildKit's front end calls these `targets` and
//! `outline`. Nothing is fetched: what an image says of itself is not known here.

use crate::{BuildRequest, Builder, Error, Failure, ProgressSender, session::Session};
use corten_dockerfile::{
    Argument, Dockerfile, Instruction, Location, RunMount, RunMountKind, words::Shell,
};
use std::collections::{BTreeMap, BTreeSet};

/// What is asked of a Dockerfile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// What may be given to the stage that a build's target names.
    Outline,
    /// The stages.
    Targets,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Described {
    /// To [`Question::Outline`].
    Outline(Outline),
    /// To [`Question::Targets`].
    Targets(Vec<StageOutline>),
}

/// A stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageOutline {
    /// Its name, if it has one.
    pub name: String,
    /// It is built when no target is named.
    pub is_default: bool,
    /// What the comment above it says.
    pub description: String,
    /// What it stands on, as it is written.
    pub base: String,
    /// `--platform`, as it is written.
    pub platform: String,
    /// Where its `FROM` stands.
    pub location: Location,
}

/// What may be given to a stage, and to those that it needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    /// The stage's name.
    pub name: String,
    /// What the comment above it says.
    pub description: String,
    /// `--build-arg`, in the order of the file.
    pub arguments: Vec<ArgumentOutline>,
    /// `--secret`: name, whether it has to be there, where it is used.
    pub secrets: Vec<(String, bool, Location)>,
    /// `--ssh`, likewise.
    pub agents: Vec<(String, bool, Location)>,
}

/// An argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgumentOutline {
    /// Its name.
    pub name: String,
    /// What a comment above it says.
    pub description: String,
    /// What it is, as far as that is known.
    pub value: String,
    /// Where it is defined.
    pub location: Location,
}

type Answer<T> = std::result::Result<T, Failure>;

impl Builder {
    /// Answers a question about a build's Dockerfile; the second value is its text.
    ///
    /// # Errors
    /// A Dockerfile that cannot be read or understood, a target that it does not have.
    pub async fn describe(
        &self,
        request: &BuildRequest,
        question: Question,
        session: &dyn Session,
        progress: &ProgressSender,
    ) -> Answer<(Described, String)> {
        let here = self.remote_context(request, session, progress);
        let here = here.await.map_err(Failure::early)?;
        let request = here.as_ref().map_or(request, |it| &it.request);
        let loaded = self.load(request, session, progress).await;
        let (text, _) = loaded.map_err(Failure::early)?;
        let failed = |error: Error| Failure {
            error,
            file: request.filename.clone(),
            source: corten_dockerfile::source_lines(&text).into(),
            warnings: Vec::new(),
        };
        let file = Dockerfile::parse(&text).map_err(|error| failed(error.into()))?;
        let described = match question {
            Question::Targets => Described::Targets(targets(&file)),
            Question::Outline => {
                let index = match request.target.as_str() {
                    "" => file.stages.len() - 1,
                    name => file
                        .stage(name)
                        .ok_or_else(|| failed(crate::lower::no_target(&file, name)))?,
                };
                Described::Outline(outline(&file, index, &request.arguments))
            }
        };
        Ok((described, text))
    }
}

/// The stages in the order of the file.
fn targets(file: &Dockerfile) -> Vec<StageOutline> {
    let last = file.stages.len() - 1;
    let stages = file.stages.iter().enumerate();
    stages
        .map(|(index, stage)| StageOutline {
            name: stage.name.clone().unwrap_or_default(),
            is_default: index == last,
            description: comment(file, stage.location, stage.name.as_deref()),
            base: stage.base.clone(),
            platform: stage.platform.clone().unwrap_or_default(),
            location: stage.location,
        })
        .collect()
}

/// A line of the comment right above that begins with the name.
fn comment(file: &Dockerfile, location: Location, name: Option<&str>) -> String {
    let Some(name) = name else {
        return String::new();
    };
    let above = file.source[..location.start.saturating_sub(1)].iter().rev();
    let lines: Vec<&str> = above
        .map_while(|line| line.trim_start().strip_prefix('#'))
        .map(str::trim)
        .collect();
    let found = lines.iter().rev().find_map(|line| {
        let (word, rest) = line.split_once(' ')?;
        word.eq_ignore_ascii_case(name)
            .then(|| rest.trim().to_owned())
    });
    found.unwrap_or_default()
}

/// Gathers what stages may be given.
struct Gather<'a> {
    file: &'a Dockerfile,
    given: &'a BTreeMap<String, String>,
    globals: BTreeMap<String, ArgumentOutline>,
    seen: BTreeSet<usize>,
    outline: Outline,
}

/// What a stage knows: its arguments by name, and all variables.
#[derive(Clone, Default)]
struct Known {
    arguments: BTreeMap<String, ArgumentOutline>,
    variables: BTreeMap<String, String>,
}

fn outline(file: &Dockerfile, index: usize, given: &BTreeMap<String, String>) -> Outline {
    let mut gather = Gather {
        file,
        given,
        globals: BTreeMap::new(),
        seen: BTreeSet::new(),
        outline: Outline::default(),
    };
    let mut variables = BTreeMap::new();
    for (argument, location) in &file.global_arguments {
        let argument = gather.argument(argument, *location, &variables);
        variables.insert(argument.name.clone(), argument.value.clone());
        gather.globals.insert(argument.name.clone(), argument);
    }
    let known = gather.stage(index);
    let mut outline = gather.outline;
    outline.arguments.extend(known.arguments.into_values());
    outline.arguments.sort_by_key(|it| it.location.start);
    let mut names = BTreeSet::new();
    outline.arguments.retain(|it| names.insert(it.name.clone()));
    let stage = &file.stages[index];
    outline.name = stage.name.clone().unwrap_or_default();
    outline.description = comment(file, stage.location, stage.name.as_deref());
    outline
}

impl Gather<'_> {
    fn expanded(
        &self,
        word: &str,
        variables: &BTreeMap<String, String>,
    ) -> (String, BTreeSet<String>) {
        let variable = |name: &str| variables.get(name).cloned();
        let shell = Shell {
            escape: self.file.directives.escape,
            variable: &variable,
            raw_quotes: false,
            raw_escapes: false,
        };
        match shell.expand(word) {
            Ok(expanded) => (expanded.text, expanded.used),
            Err(_) => (word.to_owned(), BTreeSet::new()),
        }
    }

    fn argument(
        &self,
        argument: &Argument,
        location: Location,
        variables: &BTreeMap<String, String>,
    ) -> ArgumentOutline {
        let default = argument.value.as_deref().unwrap_or_default();
        let value = match self.given.get(&argument.name) {
            Some(value) => value.clone(),
            None => self.expanded(default, variables).0,
        };
        ArgumentOutline {
            description: comment(self.file, location, Some(&argument.name)),
            name: argument.name.clone(),
            value,
            location,
        }
    }

    /// A stage that `name` means, if it stands before `index`.
    fn earlier(&self, name: &str, index: usize) -> Option<usize> {
        self.file.stage(name).filter(|it| *it < index)
    }

    fn stage(&mut self, index: usize) -> Known {
        let file = self.file;
        let stage = &file.stages[index];
        let globals: BTreeMap<String, String> = self
            .globals
            .iter()
            .map(|(name, it)| (name.clone(), it.value.clone()))
            .collect();
        let (base, used) = self.expanded(&stage.base, &globals);
        let mut known = match self.earlier(&base, index) {
            Some(base) => self.stage(base),
            None => Known::default(),
        };
        for name in used {
            if let Some(argument) = self.globals.get(&name) {
                known.arguments.insert(name, argument.clone());
            }
        }
        let first = self.seen.insert(index);
        for command in &stage.commands {
            match &command.instruction {
                Instruction::Arg(list) => {
                    for argument in list {
                        let global = self.globals.get(&argument.name);
                        let outlined = match (global, &argument.value) {
                            (Some(global), None) => global.clone(),
                            _ => self.argument(argument, command.location, &known.variables),
                        };
                        known
                            .variables
                            .insert(outlined.name.clone(), outlined.value.clone());
                        known.arguments.insert(outlined.name.clone(), outlined);
                    }
                }
                Instruction::Env(pairs) => {
                    for pair in pairs {
                        let (value, _) = self.expanded(&pair.value, &known.variables);
                        known.variables.insert(pair.name.clone(), value);
                    }
                }
                Instruction::Copy(transfer) if first => {
                    if let Some(from) = &transfer.from {
                        self.needs(from, index);
                    }
                }
                Instruction::Run(run) if first => {
                    for mount in &run.mounts {
                        let (mount, _) = self.expanded(mount, &known.variables);
                        if let Ok(mount) = RunMount::parse(&mount) {
                            self.mount(&mount, command.location, index);
                        }
                    }
                }
                _ => {}
            }
        }
        known
    }

    fn needs(&mut self, from: &str, index: usize) {
        if let Some(other) = self
            .earlier(from, index)
            .filter(|it| !self.seen.contains(it))
        {
            let known = self.stage(other);
            self.outline.arguments.extend(known.arguments.into_values());
        }
    }

    fn mount(&mut self, mount: &RunMount, location: Location, index: usize) {
        let named = |default: &str| {
            let name = mount.id.clone().filter(|it| !it.is_empty());
            name.unwrap_or_else(|| default.to_owned())
        };
        let list = match mount.kind {
            RunMountKind::Secret => {
                let last = mount.target.rsplit('/').next().unwrap_or_default();
                let entry = (named(last), mount.required, location);
                (&mut self.outline.secrets, entry)
            }
            RunMountKind::Ssh => (
                &mut self.outline.agents,
                (named("default"), mount.required, location),
            ),
            _ => {
                if let Some(from) = &mount.from {
                    self.needs(from, index);
                }
                return;
            }
        };
        let (list, entry) = list;
        match list.iter_mut().find(|(name, _, _)| *name == entry.0) {
            Some(known) => known.1 |= entry.1,
            None => list.push(entry),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "ARG GLOBAL=1\n# VAR is used in from\nARG VAR=scratch\nARG UNUSED=2\n\
        FROM ${VAR} AS one\nARG GLOBAL\nARG X=${GLOBAL}-x\nENV E=$X\n# Y has a comment\n# that is long\n\
        ARG Y=1 Z\n\nFROM one AS two\nARG X=again\nRUN --mount=type=secret,id=s1 \
        --mount=type=secret,target=/run/secrets/named --mount=type=ssh,id=k,required true\n\n\
        FROM scratch AS three\nARG W\nCOPY --from=two / /\n";

    // As BuildKit in dockerd 28.5 answers.
    #[test]
    fn an_outline_tells_what_the_stage_and_those_below_may_be_given() {
        let file = Dockerfile::parse(FILE).unwrap();
        let given = BTreeMap::from([("W".to_owned(), "w".to_owned())]);
        let two = outline(&file, 1, &given);
        let rows: Vec<_> = two
            .arguments
            .iter()
            .map(|it| {
                (
                    it.name.as_str(),
                    it.value.as_str(),
                    it.description.as_str(),
                    it.location.start,
                )
            })
            .collect();
        assert_eq!(
            rows,
            [
                ("GLOBAL", "1", "", 1),
                ("VAR", "scratch", "is used in from", 3),
                ("Y", "1", "has a comment", 11),
                ("Z", "", "", 11),
                ("X", "again", "", 14),
            ]
        );
        let secrets: Vec<_> = two.secrets.iter().map(|it| it.0.as_str()).collect();
        assert_eq!(secrets, ["s1", "named"]);
        assert_eq!(
            two.agents,
            [("k".to_owned(), true, Location { start: 15, end: 15 })]
        );
        let three = outline(&file, 2, &given);
        let names: Vec<_> = three.arguments.iter().map(|it| it.name.as_str()).collect();
        assert_eq!(names, ["GLOBAL", "VAR", "Y", "Z", "X", "W"]);
        assert_eq!(three.secrets.len(), 2);
    }

    #[test]
    fn targets_are_the_stages_with_their_comments() {
        let text = "# base is below\n# all others\nFROM scratch AS base\nFROM --platform=$BUILDPLATFORM base\n";
        let stages = targets(&Dockerfile::parse(text).unwrap());
        assert_eq!(
            (stages[0].name.as_str(), stages[0].description.as_str()),
            ("base", "is below")
        );
        assert!(stages[1].is_default && stages[1].name.is_empty());
        assert_eq!(
            (stages[1].base.as_str(), stages[1].platform.as_str()),
            ("base", "$BUILDPLATFORM")
        );
    }
}
