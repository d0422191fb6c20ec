//! What is known of a vertex before it is made: its definition with those below it, and the
//! content of files that nothing here has made. Enough to ask the cache, which may answer
//! before anything below was pulled or done.

use crate::{
    Error, Result,
    graph::{Known, Node},
    key::Key,
    materials::{Material, redacted},
    put::set_mode,
    solve::{Files, Output, Solver},
    tree::{Item, Source},
    vertex::{CopyOp, GitOp, HttpOp, MountOp, Op, Vertex},
};
use corten_oci::Digest;
use std::sync::{Arc, Mutex};

/// What patterns select in an input, and how many words of a path `--parents` cuts.
pub(crate) type Selected = ((Source, Vec<Item>), usize);

/// An input as a key sees it.
pub(crate) struct InputKey<'a> {
    /// What it is called by.
    pub key: &'a Digest,
    /// Its files, where they say what it is.
    pub files: Option<&'a Arc<Output>>,
}

impl Files {
    /// Whether it is known what they are without looking at them.
    fn are_known(&self) -> bool {
        !matches!(self, Self::Context { content: None, .. })
    }

    fn are_of_a_context(&self) -> bool {
        matches!(self, Self::Context { .. })
    }
}

impl InputKey<'_> {
    /// What says what its files are, once they [are known](Files::are_known).
    fn content(&self) -> &Digest {
        match self.files.map(|output| &output.files) {
            Some(Files::Context {
                content: Some(content),
                ..
            }) => content,
            _ => self.key,
        }
    }
}

/// The inputs of a vertex that is not made yet.
pub(crate) fn by_definition(inputs: &[Arc<Known>]) -> Vec<InputKey<'_>> {
    let keys = inputs.iter().map(|known| InputKey {
        key: known
            .output
            .as_ref()
            .map_or(&known.definition, |it| &it.key),
        files: known.output.as_ref(),
    });
    keys.collect()
}

/// The inputs of a vertex that is being made.
pub(crate) fn by_content(inputs: &[Arc<Output>]) -> Vec<InputKey<'_>> {
    let keys = inputs.iter().map(|output| InputKey {
        key: &output.key,
        files: (!matches!(output.files, Files::Layers)).then_some(output),
    });
    keys.collect()
}

/// Source files outside of layers: of no layer, known by `key`.
pub(crate) fn files(key: Digest, files: Files) -> Output {
    Output {
        key,
        layers: Vec::new(),
        files,
        made: None,
        anew: false,
    }
}

impl Solver<'_> {
    /// Finds out what is known of a vertex, those it stands on being known.
    pub(crate) async fn know(&self, node: &Node, inputs: &[Arc<Known>]) -> Result<Known> {
        let vertex = &node.vertex;
        let definition = Known::definition;
        let mut key = Key::new("step 1");
        vertex.op.add_to(&mut key);
        let inputs = by_definition(inputs);
        Ok(match &vertex.op {
            Op::Scratch | Op::Image { .. } => definition(key.finish()),
            Op::Directory { .. } => {
                key.digest(inputs[0].key);
                definition(key.finish())
            }
            Op::Exec(_) => definition(self.exec_key(vertex, &inputs).await?),
            Op::Copy(copy) => {
                let copying = Box::pin(self.copy_definition(vertex, copy, &inputs));
                let (key, selected) = copying.await?;
                Known {
                    selected: Mutex::new(selected),
                    ..definition(key)
                }
            }
            // What a checksum names needs no looking at.
            Op::Http(HttpOp {
                url,
                checksum: Some(checksum),
                ..
            }) => {
                self.note(vertex, Material::sha256(redacted(url), checksum));
                definition(key.finish())
            }
            Op::Context(_) | Op::Inline { .. } | Op::Http(_) | Op::Git(_) => {
                node.show();
                let looking = async { Ok((self.source(vertex).await?, false)) };
                let output = Arc::new(self.announced(vertex, looking).await?);
                Known {
                    output: Some(Arc::clone(&output)),
                    ..definition(output.key.clone())
                }
            }
        })
    }

    /// Files that no step has made.
    pub(crate) async fn source(&self, vertex: &Arc<Vertex>) -> Result<Output> {
        let mut key = Key::new("step 1");
        vertex.op.add_to(&mut key);
        match &vertex.op {
            Op::Context(context) => {
                let content = context
                    .content(&self.inner, self.session, &vertex.digest, self.progress)
                    .await?;
                let lasting = content.as_ref().filter(|it| it.lasting);
                let key = lasting.map_or(&vertex.digest, |it| &it.digest).clone();
                let context = context.clone();
                let content = content.map(|it| it.digest);
                Ok(files(key, Files::Context { context, content }))
            }
            Op::Inline { files: list } => {
                let directory = self.inner.contexts.temporary()?;
                for (name, content) in list {
                    let path = directory
                        .0
                        .join(name.rsplit('/').next().unwrap_or_default());
                    std::fs::write(&path, content)
                        .map_err(|error| Error::path("writing", &path, error))?;
                    set_mode(&path, 0o644)?;
                }
                Ok(files(key.finish(), Files::Directory(Arc::new(directory))))
            }
            Op::Http(http) => self.http(vertex, http).await,
            Op::Git(git) => self.git(vertex, git).await,
            _ => Ok(files(key.finish(), Files::Layers)),
        }
    }

    async fn http(&self, vertex: &Vertex, http: &HttpOp) -> Result<Output> {
        let directory = self.inner.contexts.temporary()?;
        let fetching = self.inner.fetch_file(&http.url, &directory.0, &http.name);
        let fetched = Box::pin(fetching).await?;
        if let Some(expected) = http.checksum.clone().filter(|it| *it != fetched.digest) {
            return Err(Error::Checksum {
                actual: fetched.digest,
                expected,
            });
        }
        let uri = redacted(&http.url);
        self.note(vertex, Material::sha256(uri, &fetched.digest));
        let mut key = Key::new("http");
        key.text(&http.name).digest(&fetched.digest);
        key.text(&fetched.modified.to_string());
        Ok(files(key.finish(), Files::Directory(Arc::new(directory))))
    }

    async fn git(&self, vertex: &Vertex, git: &GitOp) -> Result<Output> {
        let directory = self.inner.contexts.temporary()?;
        // Copied as a whole, it gives its mode to what is made of it.
        set_mode(&directory.0, 0o755)?;
        let (inner, keep) = (&self.inner, git.keep_git_dir);
        let fetching = inner.fetch_git(&git.source, keep, self.session, &directory.0);
        let commit = Box::pin(fetching).await?;
        self.note(vertex, Material::commit(&git.source.remote, &commit));
        let mut key = Key::new("git");
        key.text(&commit).text(&git.source.subdir);
        key.number(keep.into())
            .number(git.source.without_submodules.into());
        Ok(files(key.finish(), Files::Directory(Arc::new(directory))))
    }

    /// The key of a process: files of the client that it reads count by content, all else
    /// by what it is called by.
    pub(crate) async fn exec_key(
        &self,
        vertex: &Arc<Vertex>,
        inputs: &[InputKey<'_>],
    ) -> Result<Digest> {
        let Op::Exec(exec) = &vertex.op else {
            return Ok(vertex.digest.clone());
        };
        let mut key = Key::new("step 1");
        vertex.op.add_to(&mut key);
        key.digest(inputs[0].key);
        // What a cache holds, and where it came from, changes no result.
        let bound = exec.mounts.iter().filter_map(|mount| match mount {
            MountOp::Bind { input, source, .. } => Some((*input, source)),
            _ => None,
        });
        // What was read before is not read again to say the same.
        let mut quick = None;
        let bound_files = || bound.clone().filter_map(|(input, _)| inputs[input].files);
        let of_a_context = bound_files().any(|it| it.files.are_of_a_context());
        if of_a_context && bound_files().all(|it| it.files.are_known()) {
            let mut key = Key::new("exec by definition");
            vertex.op.add_to(&mut key);
            key.digest(inputs[0].key);
            for (input, source) in bound.clone() {
                key.digest(inputs[input].content()).text(source);
            }
            let key = key.finish();
            if let Some(known) = self.inner.contexts.recall(&key) {
                return Ok(known);
            }
            quick = Some(key);
        }
        for (input, source) in bound {
            match inputs[input].files {
                None => {
                    key.digest(inputs[input].key).text(source);
                }
                Some(output) => {
                    let paths = vec![source.clone()];
                    let items = self.select(vertex, input, output, paths, Vec::new());
                    for item in &items.await?.1 {
                        item.add_to(&mut key);
                    }
                }
            }
        }
        let key = key.finish();
        if let Some(quick) = quick {
            self.inner.contexts.remember(quick, key.clone());
        }
        Ok(key)
    }

    /// What a copy is called by: files of the client count by content, what steps give by
    /// its key and the path in it. Also what was selected, where all of it was.
    async fn copy_definition(
        &self,
        vertex: &Arc<Vertex>,
        op: &CopyOp,
        inputs: &[InputKey<'_>],
    ) -> Result<(Digest, Option<Vec<Selected>>)> {
        let here = |index: usize| inputs[index].files.cloned();
        let sources = || op.sources.iter().map(|(index, _)| inputs[*index].files);
        let files = || sources().flatten().map(|it| &it.files);
        let mut quick = Key::new("copy by definition");
        vertex.op.add_to(&mut quick);
        quick.digest(inputs[0].key);
        for (index, path) in &op.sources {
            quick.digest(inputs[*index].content()).text(path);
        }
        let quick = quick.finish();
        // Nothing of it is a client's: what it is called by says it all.
        if !files().any(Files::are_of_a_context) {
            return Ok((quick, None));
        }
        if sources().any(|it| it.is_none()) {
            let selected = self.selected(vertex, op, here).await?;
            let mut key = Key::new("copy of both");
            key.digest(&copy_key(vertex, op, inputs, &selected));
            for (index, path) in &op.sources {
                if inputs[*index].files.is_none() {
                    key.digest(inputs[*index].key).text(path);
                }
            }
            return Ok((key.finish(), None));
        }
        // What was read before is not read again to say the same.
        let is_known = files().all(Files::are_known);
        if let Some(known) = self.inner.contexts.recall(&quick).filter(|_| is_known) {
            return Ok((known, None));
        }
        let selected = self.selected(vertex, op, here).await?;
        let key = copy_key(vertex, op, inputs, &selected);
        if is_known {
            self.inner.contexts.remember(quick, key.clone());
        }
        Ok((key, Some(selected)))
    }

    /// What a copy takes of those inputs whose files are here.
    pub(crate) async fn selected(
        &self,
        vertex: &Arc<Vertex>,
        op: &CopyOp,
        here: impl Fn(usize) -> Option<Arc<Output>>,
    ) -> Result<Vec<Selected>> {
        let mut selected = Vec::new();
        for (index, path) in &op.sources {
            let Some(output) = here(*index) else {
                continue;
            };
            let (paths, excludes) = (vec![path.clone()], op.excludes.clone());
            let found = self
                .select(vertex, *index, &output, paths, excludes)
                .await?;
            selected.push((found, cut_of(path)));
        }
        Ok(selected)
    }
}

/// Words of a source's path that `--parents` leaves out.
fn cut_of(path: &str) -> usize {
    match path.split_once("/./") {
        Some((before, _)) => before
            .split('/')
            .filter(|part| !part.is_empty() && *part != ".")
            .count(),
        None => 0,
    }
}

/// The key of a copy by what it copies.
pub(crate) fn copy_key(
    vertex: &Vertex,
    op: &CopyOp,
    inputs: &[InputKey<'_>],
    selected: &[Selected],
) -> Digest {
    let mut key = Key::new("step 1");
    vertex.op.add_to(&mut key);
    key.digest(inputs[0].key);
    key.number(selected.len() as u64);
    for ((_, items), _) in selected {
        key.number(items.len() as u64);
        items.iter().for_each(|item| item.add_to(&mut key));
    }
    for (index, _) in &op.sources {
        // The time of a file from the network is the server's word.
        if let Some(Op::Http(_)) = vertex.inputs.get(*index).map(|input| &input.op) {
            key.digest(inputs[*index].key);
        }
    }
    key.finish()
}
