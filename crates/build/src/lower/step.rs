//! One instruction after the other.

use super::{Lowering, StageState};
use crate::{
    Error, Result, config,
    vertex::{Draft, Op},
};
use corten_dockerfile::{
    Argument, Command, CommandLine, Instruction, Location, Pair, Rule, is_signal, words::Expanded,
};
use corten_oci::Healthcheck;

/// Names of a stage's steps as they are shown.
pub(crate) struct Names {
    /// With a blank behind it, or empty.
    pub platform: String,
    /// With a blank behind it, or empty.
    pub stage: String,
    pub total: usize,
    pub next: usize,
}

impl Names {
    pub fn next(&mut self, text: &str) -> String {
        let number = self.next;
        self.next += 1;
        let width = self.total.to_string().len();
        let (platform, stage, total) = (&self.platform, &self.stage, self.total);
        format!("[{platform}{stage}{number:>width$}/{total}] {text}")
    }
}

impl Lowering<'_> {
    pub(super) async fn command(
        &self,
        state: &mut StageState,
        command: &Command,
        names: &mut Names,
        no_cache: bool,
    ) -> Result<()> {
        let at = command.location;
        match &command.instruction {
            Instruction::Run(run) => self.run(state, run, command, names, no_cache).await,
            Instruction::Copy(copy) => {
                self.transfer(state, copy, "COPY", command, names, no_cache)
                    .await
            }
            Instruction::Add(add) => {
                self.transfer(state, add, "ADD", command, names, no_cache)
                    .await
            }
            Instruction::Workdir(path) => self.workdir(state, path, at, names, no_cache),
            Instruction::Arg(list) => self.arguments(state, list, at),
            Instruction::Env(list) => {
                let pairs = self.pairs(state, list, at)?;
                let mut text = String::from("ENV");
                for (name, value) in pairs {
                    text.push_str(&format!(" {name}={value}"));
                    state.scope.set_env(&name, &value);
                }
                state.config.run.env = Some(state.scope.env.clone());
                state.config.add(text, None);
                Ok(())
            }
            Instruction::Label(list) => {
                let mut text = String::from("LABEL");
                for (name, value) in self.pairs(state, list, at)? {
                    text.push_str(&format!(" {name}={value}"));
                    state
                        .config
                        .run
                        .labels
                        .get_or_insert_default()
                        .insert(name, value);
                }
                state.config.add(text, None);
                Ok(())
            }
            Instruction::Maintainer(name) => {
                state.config.author = Some(name.clone());
                state.config.add(format!("MAINTAINER {name}"), None);
                Ok(())
            }
            Instruction::Cmd(line) => {
                let words = with_shell(state, line);
                state
                    .config
                    .add(format!("CMD {}", config::quoted(&words)), None);
                state.config.run.args_escaped = Some(true);
                state.config.run.cmd = (!words.is_empty()).then_some(words);
                state.cmd_set = true;
                Ok(())
            }
            Instruction::Entrypoint(line) => {
                let words = with_shell(state, line);
                state
                    .config
                    .add(format!("ENTRYPOINT {}", config::quoted(&words)), None);
                state.config.run.entrypoint = (!words.is_empty()).then_some(words);
                if !state.cmd_set {
                    state.config.run.cmd = None;
                }
                Ok(())
            }
            Instruction::Healthcheck(check) => {
                let test = match &check.command {
                    None => vec!["NONE".to_owned()],
                    Some(CommandLine { words, shell: true }) => {
                        vec!["CMD-SHELL".to_owned(), words[0].clone()]
                    }
                    Some(CommandLine {
                        words,
                        shell: false,
                    }) => [vec!["CMD".to_owned()], words.clone()].concat(),
                };
                let check = Healthcheck {
                    test: Some(test),
                    interval: check.interval,
                    timeout: check.timeout,
                    start_period: check.start_period,
                    start_interval: check.start_interval,
                    retries: check.retries.into(),
                };
                let text = format!("HEALTHCHECK {}", config::quoted_healthcheck(&check));
                state.config.add(text, None);
                state.config.run.healthcheck = Some(check);
                Ok(())
            }
            Instruction::Expose(list) => self.expose(state, list, at),
            Instruction::OnBuild(text) => {
                state
                    .config
                    .run
                    .on_build
                    .get_or_insert_default()
                    .push(text.clone());
                Ok(())
            }
            Instruction::Shell(words) => {
                state
                    .config
                    .add(format!("SHELL [{}]", words.join(" ")), None);
                state.config.run.shell = Some(words.clone());
                Ok(())
            }
            Instruction::StopSignal(word) => {
                let signal = self.expand(state, word, at)?;
                if !is_signal(&signal) {
                    return Err(Error::Invalid(format!("invalid signal: {signal}")));
                }
                state.config.add(format!("STOPSIGNAL {signal}"), None);
                state.config.run.stop_signal = Some(signal);
                Ok(())
            }
            Instruction::User(word) => {
                let user = self.expand(state, word, at)?;
                state.config.add(format!("USER {user}"), None);
                state.config.run.user = Some(user);
                Ok(())
            }
            Instruction::Volume(list) => {
                let mut paths = Vec::new();
                for word in list {
                    paths.push(self.expand(state, word, at)?);
                }
                if paths.is_empty() || paths.iter().any(String::is_empty) {
                    return Err(Error::Invalid(
                        "VOLUME specified can not be an empty string".into(),
                    ));
                }
                state
                    .config
                    .add(format!("VOLUME [{}]", paths.join(" ")), None);
                state
                    .config
                    .run
                    .volumes
                    .get_or_insert_default()
                    .extend(paths);
                Ok(())
            }
        }
    }

    /// Expands a word and tells of variables that nobody has set.
    pub(super) fn expand(&self, state: &StageState, word: &str, at: Location) -> Result<String> {
        let expanded = state.scope.expand(word, self.escape())?;
        self.undefined(state, &expanded, at);
        Ok(expanded.text)
    }

    pub(super) fn expand_words(
        &self,
        state: &StageState,
        word: &str,
        at: Location,
    ) -> Result<Vec<String>> {
        let (words, expanded) = state.scope.expand_words(word, self.escape())?;
        self.undefined(state, &expanded, at);
        Ok(words)
    }

    fn undefined(&self, state: &StageState, expanded: &Expanded, at: Location) {
        for name in &expanded.unset {
            let declared = state.scope.arguments.iter().any(|(known, _)| known == name);
            if !declared {
                let message = format!("Usage of undefined variable '${name}'");
                self.warn(Rule::UndefinedVar, at, message);
            }
        }
    }

    fn pairs(
        &self,
        state: &StageState,
        list: &[Pair],
        at: Location,
    ) -> Result<Vec<(String, String)>> {
        list.iter()
            .map(|pair| {
                Ok((
                    self.expand(state, &pair.name, at)?,
                    self.expand(state, &pair.value, at)?,
                ))
            })
            .collect()
    }

    fn arguments(&self, state: &mut StageState, list: &[Argument], at: Location) -> Result<()> {
        let mut texts = Vec::new();
        for argument in list {
            let name = self.expand(state, &argument.name, at)?;
            let default = match &argument.value {
                Some(word) => Some(self.expand(state, word, at)?),
                None => None,
            };
            let given = self.request.arguments.get(&name).cloned();
            let value = given.or(default).or_else(|| self.global(&name));
            // The history has the value, wherever it comes from.
            texts.push(match &value {
                Some(value) => format!("{name}={value}"),
                None => name.clone(),
            });
            state.scope.set_argument(&name, value);
        }
        state.config.add(format!("ARG {}", texts.join(" ")), None);
        Ok(())
    }

    fn expose(&self, state: &mut StageState, list: &[String], at: Location) -> Result<()> {
        let mut ports = Vec::new();
        for word in list {
            for text in self.expand_words(state, word, at)? {
                ports.extend(corten_dockerfile::parse_exposed(&text).map_err(Error::Invalid)?);
            }
        }
        let shown: Vec<String> = ports.clone();
        state
            .config
            .add(format!("EXPOSE [{}]", shown.join(" ")), None);
        state
            .config
            .run
            .exposed_ports
            .get_or_insert_default()
            .extend(ports);
        Ok(())
    }

    fn workdir(
        &self,
        state: &mut StageState,
        word: &str,
        at: Location,
        names: &mut Names,
        no_cache: bool,
    ) -> Result<()> {
        let given = self.expand(state, word, at)?;
        let path = absolute(state, &given);
        // An absolute path stands in the image as it was written, BuildKit 0.23.
        let kept = match given.starts_with('/') {
            true => given,
            false => path.clone(),
        };
        state.config.run.working_dir = Some(kept.clone());
        let vertex = Draft {
            name: names.next(&format!("WORKDIR {kept}")),
            inputs: vec![state.vertex.clone()],
            op: Op::Directory {
                path,
                user: state.config.run.user.clone().unwrap_or_default(),
            },
            location: Some(at),
            no_cache,
        }
        .vertex();
        state
            .config
            .add(format!("WORKDIR {kept}"), Some(vertex.digest.clone()));
        state.vertex = vertex;
        Ok(())
    }
}

/// A path seen from the working directory, without `.` and `..`.
pub(crate) fn absolute(state: &StageState, path: &str) -> String {
    let base = match path.starts_with('/') {
        true => "",
        false => state.config.run.working_dir.as_deref().unwrap_or("/"),
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// The words of a command, the shell's in front where it is for the shell.
pub(crate) fn with_shell(state: &StageState, line: &CommandLine) -> Vec<String> {
    if !line.shell {
        return line.words.clone();
    }
    let shell = state.config.run.shell.clone();
    let mut words = shell.unwrap_or_else(|| vec!["/bin/sh".into(), "-c".into()]);
    words.push(line.words.join(" "));
    words
}
