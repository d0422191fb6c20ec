//! `COPY` and `ADD`.

use super::{
    Lowering, StageState,
    image::layers_op,
    step::{Names, absolute},
};
use crate::{
    Error, Result,
    context::Context,
    git::GitSource,
    owner::needs_no_table,
    request::ContextSource,
    vertex::{CopyOp, Draft, GitOp, HttpOp, Op, Vertex},
};
use corten_dockerfile::{Command, Location, Rule, Transfer};
use corten_oci::Digest;
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
            words.push(self.expand(state, word, at)?);
        }
        let given = self.expand(state, &transfer.destination, at)?;
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
        let chmod = optional(&transfer.chmod)?;
        let chown = optional(&transfer.chown)?;
        let scratch = matches!(state.vertex.op, Op::Scratch);
        if scratch && chown.as_ref().is_some_and(|it| !needs_no_table(it)) {
            return Err(Error::Invalid("invalid user index: -1".into()));
        }
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
            let mut repository = GitSource::parse(word, false);
            if keyword == "COPY" {
                if is_url(word) {
                    return Err(Error::Invalid("source can't be a URL for COPY".into()));
                }
                repository = None;
            }
            if let Some(source) = repository {
                let mut source = source?;
                if let Some(checksum) = optional(&transfer.checksum)? {
                    source = source.with_checksum(checksum)?;
                }
                let path = format!("/{}", source.subdir.trim_matches('/'));
                let keep = transfer.keep_git_dir.or(source.keep_git_dir);
                source.keep_git_dir = keep;
                inputs.push(fetched(
                    word,
                    Op::Git(GitOp {
                        source,
                        keep_git_dir: keep.unwrap_or(false),
                    }),
                    at,
                ));
                unpack = false;
                sources.push((inputs.len() - 1, path));
                continue;
            }
            if keyword == "ADD" && is_url(word) {
                let name = file_name(word);
                let checksum = optional(&transfer.checksum)?.map(|text| {
                    text.parse::<Digest>()
                        .map_err(|error| Error::Invalid(error.to_string()))
                });
                // A file of the network stays as it is.
                unpack = transfer.unpack.unwrap_or(false);
                sources.push((inputs.len(), format!("/{name}")));
                inputs.push(fetched(
                    word,
                    Op::Http(HttpOp {
                        url: word.clone(),
                        name,
                        checksum: checksum.transpose()?,
                    }),
                    at,
                ));
                continue;
            }
            if transfer.checksum.is_some() {
                return Err(Error::Invalid(
                    "checksum requires HTTP(S) or Git sources".into(),
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
            if transfer.from.as_ref().is_some_and(|it| it.contains('$')) {
                return Err(Error::Invalid(
                    "variable expansion is not supported for --from, define a new stage with \
                     FROM using ARG from global scope as a workaround"
                        .into(),
                ));
            }
            let from = transfer.from.clone();
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
        // `--link` says how the layer could be made, not what is in it. BuildKit in dockerd
        // makes the same layer with it and without, on images of dockerd's own store.
        let vertex = Draft {
            name: shown,
            inputs,
            op: Op::Copy(Box::new(op)),
            location: Some(at),
            no_cache,
        }
        .vertex();
        state
            .config
            .add(format!("{history} # buildkit"), Some(vertex.digest.clone()));
        state.vertex = vertex;
        Ok(())
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
            if let ContextSource::Result { layers, .. } = &context.source {
                let name = format!("[context {}] result", context.name);
                return Ok(self.image_vertex(&name, layers_op(layers.clone()), at));
            }
            context.reads(path);
            return Ok(self.context_vertex(context));
        }
        if name == "scratch" {
            return Ok(self.image_vertex("FROM scratch", Op::Scratch, at));
        }
        match self.stage_of(name) {
            Some(index) => match self.finished(index) {
                Some(state) => Ok(state.vertex.clone()),
                None => Err(Error::Invalid(format!(
                    "circular dependency detected on stage: {name}"
                ))),
            },
            None if name.parse::<i64>().is_ok() => {
                Err(Error::Invalid(format!("invalid stage index {name}")))
            }
            None => self.image_input(name, at).await,
        }
    }

    async fn image_input(&self, name: &str, at: Location) -> Result<Arc<Vertex>> {
        let (image, shown) = self.image(name, &self.platform).await?;
        Ok(self.image_vertex(&format!("FROM {shown}"), image.op(), at))
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
}

/// A source that comes from the network.
fn fetched(word: &str, op: Op, at: Location) -> Arc<Vertex> {
    Draft {
        name: format!("[internal] load {word}"),
        inputs: Vec::new(),
        op,
        location: Some(at),
        no_cache: false,
    }
    .vertex()
}

fn is_url(word: &str) -> bool {
    word.starts_with("http://") || word.starts_with("https://")
}

/// The last component of a URL's path, or what BuildKit calls a file that has none.
fn file_name(url: &str) -> String {
    let path = url.split(['#', '?']).next().unwrap_or_default();
    let path = path.split_once("://").map_or(path, |(_, rest)| rest);
    let name = path
        .split_once('/')
        .map(|(_, path)| path.rsplit('/').find(|part| !part.is_empty()))
        .unwrap_or_default();
    match name.map(|it| percent_encoding::percent_decode_str(it).decode_utf8_lossy()) {
        Some(name) if !matches!(&*name, "." | "..") && !name.contains(['/', '\0']) => {
            name.into_owned()
        }
        _ => "__unnamed__".into(),
    }
}
