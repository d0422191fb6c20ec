//! Solving: each vertex once, inputs first and together, results from the cache where its
//! key is known.

use crate::{
    Error, Result,
    build::Inner,
    cache_manifest::CachedStep,
    context::{Context, Temporary},
    copy,
    inline_cache::{self, Import},
    key::Key,
    materials::{Material, redacted},
    order::in_order,
    owner,
    progress::{Event, ProgressSender, VertexState},
    put::{put_all, set_mode, set_time},
    request::BuildRequest,
    session::Session,
    step::Work,
    tree::{Item, Source},
    vertex::{CopyOp, MountOp, Op, Vertex},
};
use corten_base::Timestamp;
use corten_dockerfile::Patterns;
use corten_oci::Digest;
use corten_snapshot::{LayerLease, open_root};
use corten_sys::root::Root;
use std::{
    collections::HashMap,
    os::fd::AsFd,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

/// What a vertex gave.
pub(crate) struct Output {
    /// Covers definition and content.
    pub key: Digest,
    /// Diff IDs, bottom first.
    pub layers: Vec<Digest>,
    pub files: Files,
    /// When the step's own layer was made.
    pub made: Option<Timestamp>,
}

/// Where an output's files are.
pub(crate) enum Files {
    /// In the layers.
    Layers,
    Context {
        context: Arc<Context>,
        /// The output's key says what the files are.
        known: bool,
    },
    Directory(Arc<Temporary>),
}

impl Files {
    /// Whether the output's key says what they are.
    fn are_known(&self) -> bool {
        !matches!(self, Self::Context { known: false, .. })
    }

    fn are_of_a_context(&self) -> bool {
        matches!(self, Self::Context { .. })
    }
}

/// A build being solved.
pub(crate) struct Solver<'a> {
    pub inner: Arc<Inner>,
    pub request: &'a BuildRequest,
    pub session: &'a dyn Session,
    pub progress: &'a ProgressSender,
    /// Keeps every layer of this build.
    pub lease: Arc<LayerLease>,
    // Lock: held for memory work only.
    outputs: Mutex<HashMap<Digest, Arc<Output>>>,
    // Lock: held for memory work only. Keys of the cache that were of use.
    pub(crate) used: Mutex<Vec<Digest>>,
    // Lock: held for memory work only. Cache mounts that steps have had.
    pub(crate) used_mounts: Mutex<Vec<Digest>>,
    // Lock: held for memory work only. What came from the network, by its step.
    fetched: Mutex<HashMap<Digest, Material>>,
    /// Images that layers may be taken of.
    pub imports: Vec<Import>,
}

impl<'a> Solver<'a> {
    pub fn new(
        inner: Arc<Inner>,
        request: &'a BuildRequest,
        session: &'a dyn Session,
        progress: &'a ProgressSender,
    ) -> Self {
        let lease = Arc::new(inner.snapshots.layers().lease());
        Self {
            inner,
            request,
            session,
            progress,
            lease,
            outputs: Mutex::default(),
            used: Mutex::default(),
            used_mounts: Mutex::default(),
            fetched: Mutex::default(),
            imports: Vec::new(),
        }
    }

    /// What the configuration of a result tells of the steps behind it.
    pub fn inline_cache(&self, layers: &[Digest]) -> String {
        let outputs = self.outputs.lock().unwrap_or_else(PoisonError::into_inner);
        inline_cache::document(layers, outputs.values().map(|it| &**it))
    }

    /// The steps that have made layers.
    pub fn steps(&self) -> Vec<CachedStep> {
        let outputs = self.outputs.lock().unwrap_or_else(PoisonError::into_inner);
        let further = self.inner.cache.keys_of_contents();
        let steps = outputs.values().filter_map(|output| {
            let keys = further.get(&output.key).cloned();
            CachedStep::of(output, keys.unwrap_or_default())
        });
        let mut steps: Vec<CachedStep> = steps.collect();
        // The same build tells the same.
        steps.sort_by(|a, b| (&a.layers, &a.keys).cmp(&(&b.layers, &b.keys)));
        steps
    }

    /// When the layer of a vertex was made.
    pub fn made(&self, vertex: &Digest) -> Option<Timestamp> {
        self.output(vertex)?.made
    }

    /// What came from the network, by its step.
    pub fn fetched(&self) -> HashMap<Digest, Material> {
        let fetched = self.fetched.lock();
        fetched.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, vertex: &Vertex, material: Material) {
        let mut fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        fetched.insert(vertex.digest.clone(), material);
    }

    pub fn used(&self) -> Vec<Digest> {
        self.used
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub fn used_mounts(&self) -> Vec<Digest> {
        let used = self.used_mounts.lock();
        used.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The outputs of these vertices, after those of all they stand on.
    pub async fn solve(&self, targets: &[Arc<Vertex>]) -> Result<Vec<Arc<Output>>> {
        let (vertices, needs) = flat(targets);
        in_order(&needs, async |index| {
            let vertex = &vertices[index];
            let inputs: Vec<Arc<Output>> =
                needs_outputs(&vertex.inputs, |digest| self.output(digest));
            let output = Box::pin(self.make(vertex, inputs)).await?;
            let mut done = self.outputs.lock().unwrap_or_else(PoisonError::into_inner);
            done.insert(vertex.digest.clone(), output);
            Ok(())
        })
        .await?;
        let output = |target: &Arc<Vertex>| self.output(&target.digest);
        let outputs: Option<Vec<_>> = targets.iter().map(output).collect();
        outputs.ok_or(Error::Cancelled)
    }

    fn output(&self, vertex: &Digest) -> Option<Arc<Output>> {
        let outputs = self.outputs.lock().unwrap_or_else(PoisonError::into_inner);
        outputs.get(vertex).cloned()
    }

    async fn make(&self, vertex: &Arc<Vertex>, inputs: Vec<Arc<Output>>) -> Result<Arc<Output>> {
        let mut state = VertexState {
            digest: vertex.digest.clone(),
            inputs: vertex
                .inputs
                .iter()
                .filter(|input| !input.name.is_empty())
                .map(|input| input.digest.clone())
                .collect(),
            name: vertex.name.clone(),
            started: Some(Timestamp::now()),
            completed: None,
            cached: false,
            error: String::new(),
        };
        let told = !vertex.name.is_empty();
        if told {
            self.progress.send(Event::Vertex(state.clone())).await;
        }
        // Boxed: a step's future is large, and stacks are small.
        let made = Box::pin(self.work(vertex, &inputs)).await;
        state.completed = Some(Timestamp::now());
        match &made {
            Ok((_, cached)) => state.cached = *cached,
            Err(error) => state.error = corten_base::chain(error),
        }
        if told {
            self.progress.send(Event::Vertex(state)).await;
        }
        let located = |error: Error| match vertex.location {
            Some(location) => error.at(location),
            None => error,
        };
        Ok(Arc::new(made.map_err(located)?.0))
    }

    /// The output, and whether the cache had it.
    async fn work(&self, vertex: &Arc<Vertex>, inputs: &[Arc<Output>]) -> Result<(Output, bool)> {
        let mut key = Key::new("step 1");
        vertex.op.add_to(&mut key);
        let files = |key, files| Output {
            key,
            layers: Vec::new(),
            files,
            made: None,
        };
        match &vertex.op {
            Op::Scratch => Ok((files(key.finish(), Files::Layers), true)),
            Op::Image { layers } => {
                layers.iter().for_each(|layer| self.lease.hold(layer));
                let layers = layers.clone();
                let key = key.finish();
                Ok((
                    Output {
                        key,
                        layers,
                        files: Files::Layers,
                        made: None,
                    },
                    true,
                ))
            }
            Op::Context(context) => {
                let content = context
                    .content(&self.inner, self.session, &vertex.digest, self.progress)
                    .await?;
                let known = content.is_some();
                let key = content.unwrap_or_else(|| vertex.digest.clone());
                let context = context.clone();
                Ok((files(key, Files::Context { context, known }), false))
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
                Ok((
                    files(key.finish(), Files::Directory(Arc::new(directory))),
                    false,
                ))
            }
            Op::Http(http) => {
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
                Ok((
                    files(key.finish(), Files::Directory(Arc::new(directory))),
                    false,
                ))
            }
            Op::Git(git) => {
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
                Ok((
                    files(key.finish(), Files::Directory(Arc::new(directory))),
                    false,
                ))
            }
            Op::Directory { path, user } => {
                key.digest(&inputs[0].key);
                let (path, user, epoch) =
                    (path.clone(), user.clone(), self.request.source_date_epoch);
                let key = key.finish();
                self.step(
                    vertex,
                    std::slice::from_ref(&key),
                    &inputs[0],
                    async move |_, _| {
                        Ok(Work::Change(Box::new(move |root: &Root| {
                            let owner = match user.as_str() {
                                "" => None,
                                user => Some(owner::owner(user, root)?),
                            };
                            let (directory, created) =
                                copy::make_directories(root, Path::new(&path), owner, 0o755)?;
                            if let (Some(epoch), true) = (epoch, created) {
                                set_time(directory.as_fd(), epoch);
                            }
                            Ok(())
                        })))
                    },
                )
                .await
            }
            Op::Copy(copy) => Box::pin(self.copy(vertex, copy, key, inputs)).await,
            Op::Exec(exec) => {
                key.digest(&inputs[0].key);
                // What a cache holds, and where it came from, changes no result.
                let bound = exec.mounts.iter().filter_map(|mount| match mount {
                    MountOp::Bind { input, source, .. } => Some((*input, source)),
                    _ => None,
                });
                // By definition first, as for copies.
                let mut quick = None;
                let mut files = bound.clone().map(|(input, _)| &inputs[input].files);
                if files.clone().any(Files::are_of_a_context) && files.all(Files::are_known) {
                    let mut key = Key::new("exec by definition");
                    vertex.op.add_to(&mut key);
                    key.digest(&inputs[0].key);
                    for (input, source) in bound.clone() {
                        key.digest(&inputs[input].key).text(source);
                    }
                    let key = key.finish();
                    let recalled = self.inner.contexts.recall(&key);
                    if let Some(found) = recalled.and_then(|key| self.find(vertex, &key)) {
                        return Ok((found, true));
                    }
                    quick = Some(key);
                }
                for (input, source) in bound {
                    self.input_key(&mut key, vertex, input, &inputs[input], source)
                        .await?;
                }
                let key = key.finish();
                if let Some(quick) = quick {
                    self.inner.contexts.remember(quick, key.clone());
                }
                self.step(vertex, &[key], &inputs[0], async move |id, root| {
                    Box::pin(self.exec(vertex, exec, inputs, id, root)).await?;
                    Ok(Work::Done)
                })
                .await
            }
        }
    }

    /// What an input brings to a key: content for files of the client, else its own key.
    async fn input_key(
        &self,
        key: &mut Key,
        vertex: &Vertex,
        index: usize,
        input: &Arc<Output>,
        path: &str,
    ) -> Result<()> {
        match &input.files {
            Files::Layers => {
                key.digest(&input.key).text(path);
                Ok(())
            }
            _ => {
                let items = self
                    .select(vertex, index, input, vec![path.to_owned()], Vec::new())
                    .await?;
                for item in &items.1 {
                    item.add_to(key);
                }
                Ok(())
            }
        }
    }

    /// The tree of an output, open.
    pub(crate) async fn open_source(
        &self,
        vertex: &Vertex,
        index: usize,
        input: &Arc<Output>,
    ) -> Result<Source> {
        let name = vertex
            .inputs
            .get(index)
            .map_or(String::new(), |it| it.name.clone());
        match &input.files {
            Files::Context { context, .. } => {
                let digest = &vertex.inputs[index].digest;
                context
                    .open(&self.inner, self.session, digest, self.progress)
                    .await
            }
            Files::Directory(directory) => {
                let root = Root::open(&directory.0)
                    .map_err(|error| Error::path("opening", &directory.0, error))?;
                Ok(Source {
                    root,
                    ignore: None,
                    name,
                })
            }
            Files::Layers => {
                let (inner, layers) = (self.inner.clone(), input.layers.clone());
                let root = self
                    .inner
                    .blocking(move || Ok(open_root(&inner.snapshots.view(&layers)?)?))
                    .await?;
                Ok(Source {
                    root: Root::new(root),
                    ignore: None,
                    name: input.key.short().to_owned(),
                })
            }
        }
    }

    /// What patterns select in an input.
    async fn select(
        &self,
        vertex: &Vertex,
        index: usize,
        input: &Arc<Output>,
        patterns: Vec<String>,
        excludes: Vec<String>,
    ) -> Result<(Source, Vec<Item>)> {
        let source = self.open_source(vertex, index, input).await?;
        self.inner
            .blocking(move || {
                let excludes = Patterns::new(excludes.iter().map(String::as_str))
                    .map_err(|error| Error::Invalid(error.to_string()))?;
                let mut items = Vec::new();
                for pattern in &patterns {
                    items.extend(source.select(pattern, &excludes)?);
                }
                Ok((source, items))
            })
            .await
    }

    async fn copy(
        &self,
        vertex: &Arc<Vertex>,
        op: &CopyOp,
        mut key: Key,
        inputs: &[Arc<Output>],
    ) -> Result<(Output, bool)> {
        key.digest(&inputs[0].key);
        // By definition first: files are looked at only when that knows nothing. What is
        // known of stages is on record, of archives in memory: they are many.
        let files = || op.sources.iter().map(|(index, _)| &inputs[*index].files);
        let mut keys = Vec::new();
        let mut turns_out = None;
        if files().all(Files::are_known) {
            let mut quick = Key::new("copy by definition");
            vertex.op.add_to(&mut quick);
            quick.digest(&inputs[0].key);
            for (index, path) in &op.sources {
                quick.digest(&inputs[*index].key).text(path);
            }
            let quick = quick.finish();
            let archives = files().any(Files::are_of_a_context);
            let on_record = match archives {
                true => self.inner.contexts.recall(&quick),
                false => Some(quick.clone()),
            };
            if let Some(found) = on_record.and_then(|key| self.find(vertex, &key)) {
                return Ok((found, true));
            }
            match archives {
                true => turns_out = Some(quick),
                false => keys.push(quick),
            }
        }
        let mut selected = Vec::new();
        for (index, path) in &op.sources {
            let found = self
                .select(
                    vertex,
                    *index,
                    &inputs[*index],
                    vec![path.clone()],
                    op.excludes.clone(),
                )
                .await?;
            let cut = match path.split_once("/./") {
                Some((before, _)) => before
                    .split('/')
                    .filter(|part| !part.is_empty() && *part != ".")
                    .count(),
                None => 0,
            };
            selected.push((found, cut));
        }
        key.number(selected.len() as u64);
        for ((_, items), _) in &selected {
            key.number(items.len() as u64);
            items.iter().for_each(|item| item.add_to(&mut key));
        }
        for (index, _) in &op.sources {
            // The time of a file from the network is the server's word.
            if let Some(Op::Http(_)) = vertex.inputs.get(*index).map(|input| &input.op) {
                key.digest(&inputs[*index].key);
            }
        }
        let key = key.finish();
        if let Some(quick) = turns_out {
            self.inner.contexts.remember(quick, key.clone());
        }
        keys.insert(0, key);
        let op = op.clone();
        self.step(vertex, &keys, &inputs[0], async move |_, _| {
            Ok(Work::Change(Box::new(move |root: &Root| {
                put_all(root, &op, &selected)
            })))
        })
        .await
    }
}

/// The vertices below `targets`, these included, and for each those it stands on.
fn flat(targets: &[Arc<Vertex>]) -> (Vec<Arc<Vertex>>, Vec<Vec<usize>>) {
    let mut places = HashMap::new();
    let mut vertices: Vec<Arc<Vertex>> = Vec::new();
    for target in targets {
        let next = vertices.len();
        if *places.entry(target.digest.clone()).or_insert(next) == next {
            vertices.push(target.clone());
        }
    }
    let mut needs = Vec::new();
    while let Some(vertex) = vertices.get(needs.len()).cloned() {
        let mut list = Vec::new();
        for input in &vertex.inputs {
            let next = vertices.len();
            let place = *places.entry(input.digest.clone()).or_insert(next);
            if place == next {
                vertices.push(input.clone());
            }
            if !list.contains(&place) {
                list.push(place);
            }
        }
        needs.push(list);
    }
    (vertices, needs)
}

/// The outputs of a vertex's inputs, which are all done.
fn needs_outputs(
    inputs: &[Arc<Vertex>],
    output: impl Fn(&Digest) -> Option<Arc<Output>>,
) -> Vec<Arc<Output>> {
    inputs
        .iter()
        .filter_map(|input| output(&input.digest))
        .collect()
}
