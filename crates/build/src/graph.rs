//! A build's vertices while they are solved: what each is known by, whether it is wanted,
//! what it gave.

use crate::{
    key::Key,
    known::Selected,
    solve::Output,
    vertex::{Op, Vertex},
};
use corten_oci::Digest;
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::Notify;

/// A value that is set once, and waited for.
pub(crate) struct Slot<T> {
    value: OnceLock<T>,
    told: Notify,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self {
            value: OnceLock::new(),
            told: Notify::new(),
        }
    }
}

impl<T> Slot<T> {
    /// The first value stays.
    pub fn set(&self, value: T) {
        if self.value.set(value).is_ok() {
            self.told.notify_waiters();
        }
    }

    pub fn get(&self) -> Option<&T> {
        self.value.get()
    }

    pub async fn wait(&self) -> &T {
        loop {
            let told = self.told.notified();
            tokio::pin!(told);
            // From here on no notification is missed.
            told.as_mut().enable();
            if let Some(value) = self.value.get() {
                return value;
            }
            told.await;
        }
    }
}

/// A vertex of a build.
pub(crate) struct Node {
    pub vertex: Arc<Vertex>,
    /// Places of its inputs, in their order.
    pub inputs: Vec<usize>,
    /// The definition with those of all it stands on, without what contexts, repositories
    /// and files from the network turn out to be: equal definitions have equal shapes.
    pub shape: Digest,
    /// It is done anew, or stands on a step that is: its definition says nothing about the
    /// result.
    pub anew: bool,
    pub known: Slot<Arc<Known>>,
    /// Somebody needs its files.
    pub wanted: Slot<()>,
    pub made: Slot<Arc<Output>>,
    shown: AtomicBool,
}

/// What is known of a vertex before it is made.
pub(crate) struct Known {
    /// Covers its definition, what it stands on, and the content of the client's files.
    pub definition: Digest,
    /// Of files of the client or the network: they had to be looked at.
    pub output: Option<Arc<Output>>,
    /// What a copy takes of them, until it does. Lock: held for memory work only.
    pub selected: Mutex<Option<Vec<Selected>>>,
}

impl Known {
    /// Nothing had to be looked at.
    pub fn definition(definition: Digest) -> Self {
        Self {
            definition,
            output: None,
            selected: Mutex::default(),
        }
    }

    /// What a copy takes, for the copy or for nobody.
    pub fn take_selected(&self) -> Option<Vec<Selected>> {
        let selected = self.selected.lock();
        selected.unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Node {
    /// Whether nobody has told of it before.
    pub fn show(&self) -> bool {
        !self.shown.swap(true, Ordering::Relaxed)
    }

    /// Whether it is a step that gives layers, which the cache may have.
    pub fn is_step(&self) -> bool {
        matches!(
            self.vertex.op,
            Op::Exec(_) | Op::Copy(_) | Op::Directory { .. }
        )
    }
}

/// The vertices below some targets, these included and first.
pub(crate) struct Graph {
    pub nodes: Vec<Node>,
    pub targets: Vec<usize>,
}

impl Graph {
    pub fn of(targets: &[Arc<Vertex>]) -> Self {
        let mut places = HashMap::new();
        let mut vertices: Vec<Arc<Vertex>> = Vec::new();
        let mut place_of = |vertex: &Arc<Vertex>, vertices: &mut Vec<Arc<Vertex>>| {
            let next = vertices.len();
            let place = *places.entry(vertex.digest.clone()).or_insert(next);
            if place == next {
                vertices.push(vertex.clone());
            }
            place
        };
        let ends = targets.iter().map(|it| place_of(it, &mut vertices));
        let ends: Vec<usize> = ends.collect();
        let mut inputs: Vec<Vec<usize>> = Vec::new();
        while let Some(vertex) = vertices.get(inputs.len()).cloned() {
            let own = vertex.inputs.iter();
            inputs.push(own.map(|it| place_of(it, &mut vertices)).collect());
        }
        let mut facts: Vec<Option<(Digest, bool)>> = vec![None; vertices.len()];
        for place in inputs_first(vertices.len(), &ends, |place| inputs[place].as_slice()) {
            let vertex = &vertices[place];
            let mut key = Key::new("shape");
            vertex.op.add_to(&mut key);
            if let Op::Copy(copy) = &vertex.op {
                key.texts(copy.sources.iter().map(|(_, path)| path.as_str()));
            }
            let mut anew = vertex.no_cache;
            for (shape, input_anew) in inputs[place].iter().filter_map(|it| facts[*it].as_ref()) {
                key.digest(shape);
                anew |= input_anew;
            }
            facts[place] = Some((key.finish(), anew));
        }
        let parts = vertices.into_iter().zip(inputs).zip(facts);
        let nodes = parts.map(|((vertex, inputs), facts)| {
            let (shape, anew) = facts.unwrap_or_else(|| (vertex.digest.clone(), true));
            Node {
                vertex,
                inputs,
                shape,
                anew,
                known: Slot::default(),
                wanted: Slot::default(),
                made: Slot::default(),
                shown: AtomicBool::new(false),
            }
        });
        Self {
            nodes: nodes.collect(),
            targets: ends,
        }
    }

    /// The places of those below a node that nobody wants yet, inputs before what stands
    /// on them.
    pub fn unwanted_below(&self, node: &Node) -> Vec<usize> {
        let unwanted = |place: &usize| self.nodes[*place].wanted.get().is_none();
        let below = inputs_first(self.nodes.len(), &node.inputs, |place| {
            let below = &self.nodes[place];
            // What is wanted has those below it wanted, if it needs them.
            match unwanted(&place) {
                true => &below.inputs,
                false => &[],
            }
        });
        below.into_iter().filter(unwanted).collect()
    }
}

/// `ends` and all below them, inputs before what stands on them.
fn inputs_first<'a>(
    count: usize,
    ends: &[usize],
    inputs: impl Fn(usize) -> &'a [usize],
) -> Vec<usize> {
    let mut done = vec![false; count];
    let mut order = Vec::new();
    // A place is looked at again when those below it are done.
    let mut open: Vec<(usize, bool)> = ends.iter().rev().map(|it| (*it, false)).collect();
    while let Some((place, below_done)) = open.pop() {
        if done[place] {
            continue;
        }
        if below_done {
            done[place] = true;
            order.push(place);
            continue;
        }
        open.push((place, true));
        let below = inputs(place).iter().rev();
        open.extend(below.filter(|it| !done[**it]).map(|it| (*it, false)));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vertex::Draft;

    fn directory(path: &str, no_cache: bool, inputs: &[&Arc<Vertex>]) -> Arc<Vertex> {
        Draft {
            name: format!("{path} {no_cache}"),
            inputs: inputs.iter().map(|it| Arc::clone(it)).collect(),
            op: Op::Directory {
                path: path.into(),
                user: String::new(),
            },
            location: None,
            no_cache,
        }
        .vertex()
    }

    #[test]
    fn a_step_that_is_done_anew_says_so_of_all_that_stands_on_it() {
        let shape = |no_cache| {
            let base = directory("/base", false, &[]);
            let below = directory("/below", no_cache, &[&base]);
            let top = directory("/top", false, &[&below, &base]);
            let graph = Graph::of(&[top]);
            let anew: Vec<bool> = graph.nodes.iter().map(|it| it.anew).collect();
            assert_eq!(anew, [no_cache, no_cache, false]);
            let order = graph.unwanted_below(&graph.nodes[0]);
            assert_eq!(order, [2, 1]);
            graph.nodes[2].wanted.set(());
            assert_eq!(graph.unwanted_below(&graph.nodes[0]), [1]);
            graph.nodes[0].shape.clone()
        };
        assert_eq!(shape(true), shape(false));
    }

    #[tokio::test]
    async fn a_slot_wakes_those_who_wait() {
        let slot = Slot::default();
        let both = async { tokio::join!(slot.wait(), slot.wait()) };
        let setting = async {
            tokio::task::yield_now().await;
            slot.set(7);
            slot.set(8);
        };
        let ((one, other), ()) = tokio::join!(both, setting);
        assert_eq!((one, other), (&7, &7));
    }
}
