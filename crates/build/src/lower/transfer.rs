//! `COPY` and `ADD`.

use super::{
    Lowering, StageState,
    step::{Names, absolute},
};
use crate::{
    Error, Result,
    context::Context,
    request::ContextSource,
    vertex::{CopyOp, Draft, HttpOp, Op, Vertex},
};
use corten_dockerfile::{Command, Location, Rule, Transfer};
use std::sync::Arc;

impl Lowering<'_> {
    pub(super) async fn transfer(
        &self,
        state: &mut StageState,
        transfer: &Transfer,
        keyword: &'static str,
        command: &Command,
        names: &mut Names,
        no_cache: bool,
    ) -> Result<()> {
        let at = command.location;
        let mut words = Vec::new();
        for word in &transfer.sources {
            words.extend(self.expand_words(state, word, at)?);
        }
        let given = self.expand(state, &transfer.destination, at)?;
        let several = words.len() + transfer.heredocs.len() > 1;
        if several
            && !given.ends_with('/')
            && !matches!(given.as_str(), "." | "..")
            && !given.ends_with("/.")
        {
            return Err(Error::Invalid(format!(
                "When using {keyword} with more than one source file, the destination must be a directory and end with a /"
            )));
        }
        let is_directory =
            given.ends_with('/') || given == "." || given.ends_with("/.") || given.is_empty();
        let mut destination = absolute(state, &given);
        if is_directory && destination != "/" {
            destination.push('/');
        }
        let optional = |word: &Option<String>| -> Result<Option<String>> {
            word.as_ref()
                .map(|word| self.expand(state, word, at))
                .transpose()
        };
        let mut chmod = optional(&transfer.chmod)?;
        let chown = optional(&transfer.chown)?;
        let mut inputs = vec![state.vertex.clone()];
        let mut sources = Vec::new();
        let mut history = String::from(keyword);
        if transfer.parents {
            history.push_str(" --parents");
        }
        if let Some(chown) = &chown {
            history.push_str(&format!(" --chown={chown}"));
        }
        if let Some(chmod) = &chmod {
            history.push_str(&format!(" --chmod={chmod}"));
        }
        let mut excludes = Vec::new();
        for word in &transfer.excludes {
            excludes.push(self.expand(state, word, at)?);
        }
        let mut unpack = keyword == "ADD" && transfer.unpack.unwrap_or(true);
        for word in &words {
            history.push_str(&format!(" {word}"));
            let remote = keyword == "ADD" && is_url(word);
            if keyword == "ADD" && is_git(word) {
                return Err(Error::Unsupported(format!(
                    "ADD of a git repository is not supported: {word}"
                )));
            }
            if remote {
                inputs.push(self.http(word, optional(&transfer.checksum)?, at));
                // A file of the network is for root alone, and stays as it is.
                chmod.get_or_insert_with(|| "0600".into());
                unpack = transfer.unpack.unwrap_or(false);
                sources.push((inputs.len() - 1, "/".to_owned() + &file_name(word)?));
                continue;
            }
            if transfer.checksum.is_some() {
                return Err(Error::Invalid(
                    "checksum can't be specified for non-HTTP(S) sources".into(),
                ));
            }
            if transfer.from.is_none()
                && self
                    .context
                    .ignore
                    .excludes(word.trim_start_matches("./").trim_matches('/'))
            {
                let message = format!(
                    "Attempting to {keyword} file {word:?} that is excluded by .dockerignore"
                );
                self.warn(Rule::CopyIgnoredFile, at, message);
            }
            let from = optional(&transfer.from)?;
            inputs.push(
                self.from(Some(from.as_deref().unwrap_or("")), word, at)
                    .await?,
            );
            sources.push((inputs.len() - 1, word.clone()));
        }
        if !transfer.heredocs.is_empty() {
            let mut files = Vec::new();
            for heredoc in &transfer.heredocs {
                let content = match heredoc.expand {
                    true => state.scope.expand_text(&heredoc.content, self.escape())?,
                    false => heredoc.content.clone(),
                };
                history.push_str(&format!(" <<{}", heredoc.name));
                files.push((heredoc.name.clone(), content));
            }
            let names: Vec<String> = files.iter().map(|(name, _)| format!("/{name}")).collect();
            let inline = Draft {
                name: "[internal] preparing inline document".into(),
                inputs: Vec::new(),
                op: Op::Inline { files },
                location: Some(at),
                no_cache: false,
            };
            inputs.push(inline.vertex());
            sources.extend(names.into_iter().map(|name| (inputs.len() - 1, name)));
        }
        history.push_str(&format!(" {destination_word}", destination_word = given));
        let op = CopyOp {
            sources,
            destination,
            chown,
            chmod,
            parents: transfer.parents,
            excludes,
            unpack,
            epoch: self.request.source_date_epoch,
        };
        let shown = names.next(&self.shown(state, &command.text));
        let vertex = match transfer.link {
            false => Draft {
                name: shown,
                inputs,
                op: Op::Copy(Box::new(op)),
                location: Some(at),
                no_cache,
            }
            .vertex(),
            true => self.linked(state, shown, inputs, op, at, no_cache),
        };
        state
            .config
            .add(format!("{history} # buildkit"), Some(vertex.digest.clone()));
        state.vertex = vertex;
        Ok(())
    }

    /// A copy onto nothing, put on top of the stage: it stays when what is below changes.
    fn linked(
        &self,
        state: &StageState,
        shown: String,
        mut inputs: Vec<Arc<Vertex>>,
        op: CopyOp,
        at: Location,
        no_cache: bool,
    ) -> Arc<Vertex> {
        // Names of users are looked up in the stage's own files.
        let needs_users = op.chown.as_deref().is_some_and(|owner| {
            owner
                .split(':')
                .any(|part| !part.bytes().all(|b| b.is_ascii_digit()))
        });
        if !needs_users {
            inputs[0] = Draft {
                name: String::new(),
                inputs: Vec::new(),
                op: Op::Scratch,
                location: None,
                no_cache: false,
            }
            .vertex();
        }
        let copy = Draft {
            name: shown.clone(),
            inputs,
            op: Op::Copy(Box::new(op)),
            location: Some(at),
            no_cache,
        }
        .vertex();
        if needs_users {
            return copy;
        }
        Draft {
            name: String::new(),
            inputs: vec![state.vertex.clone(), copy],
            op: Op::Merge,
            location: Some(at),
            no_cache: false,
        }
        .vertex()
    }

    /// Where files come from: the main context (an empty name or none), a stage, a named
    /// context or an image.
    pub(super) async fn from(
        &self,
        name: Option<&str>,
        path: &str,
        at: Location,
    ) -> Result<Arc<Vertex>> {
        let Some(name) = name.filter(|name| !name.is_empty()) else {
            self.context.reads(path);
            return Ok(self.context_vertex(&self.context));
        };
        if let Some(context) = self.named.get(&name.to_ascii_lowercase()) {
            if let ContextSource::Image(image) = &context.source {
                return self.image_input(image, at).await;
            }
            context.reads(path);
            return Ok(self.context_vertex(context));
        }
        if name == "scratch" {
            return Ok(self.image_vertex("FROM scratch", Vec::new(), at));
        }
        match self.stage_of(name) {
            Some(index) => match self.finished(index) {
                Some(state) => Ok(state.vertex.clone()),
                None => Err(Error::Invalid(format!(
                    "circular dependency detected on stage: {name}"
                ))),
            },
            None => self.image_input(name, at).await,
        }
    }

    async fn image_input(&self, name: &str, at: Location) -> Result<Arc<Vertex>> {
        let (image, shown) = self.image(name, &self.platform).await?;
        Ok(self.image_vertex(&format!("FROM {shown}"), image.layers().to_vec(), at))
    }

    pub(super) fn context_vertex(&self, context: &Arc<Context>) -> Arc<Vertex> {
        let name = match Arc::ptr_eq(context, &self.context) {
            true => "[internal] load build context".to_owned(),
            false => format!("[context {}] load from client", context.name),
        };
        Draft {
            name,
            inputs: Vec::new(),
            op: Op::Context(context.clone()),
            location: None,
            no_cache: false,
        }
        .vertex()
    }

    fn http(&self, url: &str, checksum: Option<String>, at: Location) -> Arc<Vertex> {
        Draft {
            name: format!("https {url}").replacen("https ", "", 1),
            inputs: Vec::new(),
            op: Op::Http(HttpOp {
                url: url.to_owned(),
                checksum,
            }),
            location: Some(at),
            no_cache: false,
        }
        .vertex()
    }
}

fn is_url(word: &str) -> bool {
    word.starts_with("http://") || word.starts_with("https://")
}

/// Git's own schemes, and repositories over HTTP.
fn is_git(word: &str) -> bool {
    let path = word.split(['#', '?']).next().unwrap_or_default();
    word.starts_with("git@")
        || word.starts_with("git://")
        || word.starts_with("ssh://")
        || (is_url(word) && path.ends_with(".git"))
}

/// The last component of a URL's path.
fn file_name(url: &str) -> Result<String> {
    let path = url.split(['#', '?']).next().unwrap_or_default();
    let path = path.split_once("://").map_or(path, |(_, rest)| rest);
    let name = path
        .split_once('/')
        .map(|(_, path)| path.rsplit('/').next().unwrap_or_default());
    match name {
        Some(name) if !name.is_empty() => Ok(name.to_owned()),
        _ => Err(Error::Invalid(format!(
            "cannot determine filename for source {url}"
        ))),
    }
}
