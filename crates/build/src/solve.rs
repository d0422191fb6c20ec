//! Solving: from the targets down. A vertex whose files somebody needs is looked up in the
//! cache by what is known of it before anything below it is done; only when the cache does
//! not have it, what it stands on is needed, too.
//!
//! Two loops go through the graph at the same time: one finds out what is known of each
//! vertex ([`Known`](crate::graph::Known)), inputs first; the other one makes what is
//! wanted. A step of a shape that the cache has never seen wants its inputs without waiting
//! for what the client's files turn out to be.

use crate::{
    Error, Result,
    build::Inner,
    cache_manifest::CachedStep,
    context::{Context, Temporary},
    graph::{Graph, Node},
    inline_cache::{self, Import},
    materials::Material,
    progress::{Event, ProgressSender, VertexState},
    request::BuildRequest,
    session::Session,
    tree::{Item, Source},
    vertex::Vertex,
};
use corten_base::Timestamp;
use corten_dockerfile::Patterns;
use corten_oci::Digest;
use corten_snapshot::{LayerLease, open_root};
use corten_sys::root::Root;
use futures_util::{StreamExt, future::BoxFuture, stream::FuturesUnordered};
use std::{
    collections::HashMap,
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
    /// It was done although the cache may have had it: the key says what was done, not what
    /// came of it.
    pub anew: bool,
}

/// Where an output's files are.
pub(crate) enum Files {
    /// In the layers.
    Layers,
    Context {
        context: Arc<Context>,
        /// Says what the files are, where that is known without looking at them.
        content: Option<Digest>,
    },
    Directory(Arc<Temporary>),
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
        inline_cache::document(layers, &self.steps())
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

    pub(crate) fn note(&self, vertex: &Vertex, material: Material) {
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

    /// The outputs of these vertices.
    pub async fn solve(&self, targets: &[Arc<Vertex>]) -> Result<Vec<Arc<Output>>> {
        let graph = &Graph::of(targets);
        let mut running: FuturesUnordered<BoxFuture<'_, Result<()>>> = FuturesUnordered::new();
        for node in &graph.nodes {
            running.push(Box::pin(self.get_known(graph, node)));
            running.push(Box::pin(self.get_made(graph, node)));
        }
        for target in &graph.targets {
            graph.nodes[*target].wanted.set(());
        }
        let outputs = || {
            let made = graph.targets.iter().map(|it| graph.nodes[*it].made.get());
            made.map(|it| it.cloned()).collect::<Option<Vec<_>>>()
        };
        while let Some(done) = running.next().await {
            done?;
            if let Some(outputs) = outputs() {
                // What nobody wanted is not waited for.
                return Ok(outputs);
            }
        }
        outputs().ok_or(Error::Cancelled)
    }

    async fn get_known(&self, graph: &Graph, node: &Node) -> Result<()> {
        let mut inputs = Vec::new();
        for place in &node.inputs {
            inputs.push(Arc::clone(graph.nodes[*place].known.wait().await));
        }
        let known = match Box::pin(self.know(node, &inputs)).await {
            Ok(known) => known,
            Err(error) if node.is_step() => {
                let failing = async { Err(error) };
                return self.announced(&node.vertex, failing).await.map(drop);
            }
            Err(error) => return Err(error),
        };
        node.known.set(Arc::new(known));
        Ok(())
    }

    async fn get_made(&self, graph: &Graph, node: &Node) -> Result<()> {
        node.wanted.wait().await;
        let output = match self.get_cached(graph, node).await {
            Some(output) => Arc::new(output),
            None => self.get_done(graph, node).await?,
        };
        self.keep(node, &output);
        node.made.set(output);
        Ok(())
    }

    fn keep(&self, node: &Node, output: &Arc<Output>) {
        let mut done = self.outputs.lock().unwrap_or_else(PoisonError::into_inner);
        done.insert(node.vertex.digest.clone(), Arc::clone(output));
    }

    /// What the cache has of a step, by its definition.
    async fn get_cached(&self, graph: &Graph, node: &Node) -> Option<Output> {
        let may_be = !self.imports.is_empty() || self.inner.cache.may_know(&node.shape);
        if !node.is_step() || node.anew || !may_be {
            return None;
        }
        let known = node.known.wait().await;
        let found = match self.find(&node.vertex, &known.definition) {
            Some(found) => found,
            None => self.imported_whole(graph, node, known, true).await?,
        };
        drop(known.take_selected());
        for place in graph.unwanted_below(node) {
            let below = &graph.nodes[place];
            if let Some(found) = self.get_here(graph, below).await {
                self.keep(below, &Arc::new(found));
            }
            if below.show() {
                self.tell_cached(&below.vertex).await;
            }
        }
        if node.show() {
            self.tell_cached(&node.vertex).await;
        }
        Some(found)
    }

    /// What is here of a step that nobody wants: it stays in the cache with what stands on
    /// it, and caches elsewhere are told of it.
    async fn get_here(&self, graph: &Graph, node: &Node) -> Option<Output> {
        let known = node.known.get();
        let known = known.filter(|_| node.is_step() && !node.anew)?;
        match self.find(&node.vertex, &known.definition) {
            Some(found) => Some(found),
            None => self.imported_whole(graph, node, known, false).await,
        }
    }

    /// Does what a vertex says, on what it stands on.
    async fn get_done(&self, graph: &Graph, node: &Node) -> Result<Arc<Output>> {
        let mut inputs = Vec::new();
        for place in &node.inputs {
            graph.nodes[*place].wanted.set(());
        }
        for place in &node.inputs {
            inputs.push(Arc::clone(graph.nodes[*place].made.wait().await));
        }
        let known = node.known.wait().await;
        if let Some(output) = &known.output {
            return Ok(Arc::clone(output));
        }
        node.show();
        let own = node.inputs.iter().zip(&inputs);
        // Where nothing below is called otherwise, neither is this.
        let same = own.clone().all(|(place, output)| {
            let input = &graph.nodes[*place];
            let known = input.known.get();
            known.is_some_and(|it| it.output.is_some() || it.definition == output.key)
        });
        // Boxed: a step's future is large, and stacks are small.
        let doing = Box::pin(self.make(node, known, &inputs, same));
        Ok(Arc::new(self.announced(&node.vertex, doing).await?))
    }

    /// Tells how the work of a vertex goes; answers its output.
    pub(crate) async fn announced(
        &self,
        vertex: &Arc<Vertex>,
        work: impl Future<Output = Result<(Output, bool)>>,
    ) -> Result<Output> {
        let mut state = begun(vertex);
        self.tell(&state).await;
        let made = work.await;
        state.completed = Some(Timestamp::now());
        match &made {
            Ok((_, cached)) => state.cached = *cached,
            Err(error) => state.error = corten_base::chain(error),
        }
        self.tell(&state).await;
        match made {
            Ok((output, _)) => Ok(output),
            Err(error) => Err(match vertex.location {
                Some(location) => error.at(location),
                None => error,
            }),
        }
    }

    async fn tell_cached(&self, vertex: &Vertex) {
        let begun = begun(vertex);
        let state = VertexState {
            completed: begun.started,
            cached: true,
            ..begun
        };
        self.tell(&state).await;
    }

    /// What has no name is told to nobody.
    async fn tell(&self, state: &VertexState) {
        if !state.name.is_empty() {
            self.progress.send(Event::Vertex(state.clone())).await;
        }
    }

    fn output(&self, vertex: &Digest) -> Option<Arc<Output>> {
        let outputs = self.outputs.lock().unwrap_or_else(PoisonError::into_inner);
        outputs.get(vertex).cloned()
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
    pub(crate) async fn select(
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
}

fn begun(vertex: &Vertex) -> VertexState {
    let named = vertex.inputs.iter().filter(|input| !input.name.is_empty());
    VertexState {
        digest: vertex.digest.clone(),
        inputs: named.map(|input| input.digest.clone()).collect(),
        name: vertex.name.clone(),
        started: Some(Timestamp::now()),
        completed: None,
        cached: false,
        error: String::new(),
    }
}
