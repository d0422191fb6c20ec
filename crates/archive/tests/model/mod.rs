//! Layers applied one after the other to one tree in memory, in the plainest way.

use corten_archive::tar::{Entry, EntryKind};
use std::collections::BTreeMap;

pub struct Model {
    nodes: Vec<Node>,
    layer: u32,
}

#[derive(Clone)]
struct Node {
    kind: Kind,
    mode: u32,
    uid: u32,
    gid: u32,
}

#[derive(Clone)]
enum Kind {
    /// Name to node, and the layer whose entry made it.
    Directory(BTreeMap<String, (usize, u32)>),
    File(String),
    Link(String),
}

/// The layer of a name that no entry stands for.
const NOBODY: u32 = 0;

type Result<T> = std::result::Result<T, String>;

impl Model {
    pub fn new() -> Self {
        Self {
            nodes: vec![plain_directory()],
            layer: 0,
        }
    }

    pub fn layer(&mut self, entries: &[Entry]) -> Result<()> {
        self.layer += 1;
        for entry in entries {
            self.entry(entry)?;
        }
        Ok(())
    }

    fn entry(&mut self, entry: &Entry) -> Result<()> {
        let path = String::from_utf8(entry.path.clone()).unwrap();
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let (&name, parents) = parts.split_last().unwrap();
        if name == ".wh..wh..opq" {
            let parent = self.walk(parents, true)?;
            self.prune(parent);
            return Ok(());
        }
        if let Some(name) = name.strip_prefix(".wh.") {
            let parent = self.walk(parents, true)?;
            return self.whiteout(parent, name);
        }
        if entry.kind == EntryKind::HardLink {
            return self.hard_link(entry, name, parents);
        }
        let parent = self.walk(parents, true)?;
        let old = self.child(parent, name);
        let node = match entry.kind {
            EntryKind::Directory => match old {
                Some(old) if self.is_directory(old) => old,
                _ => self.add(plain_directory()),
            },
            EntryKind::Symlink => {
                let target = String::from_utf8(entry.link.clone()).unwrap();
                self.add(Node {
                    kind: Kind::Link(target),
                    ..plain_directory()
                })
            }
            _ => self.add(Node {
                kind: Kind::File(path.clone()),
                ..plain_directory()
            }),
        };
        let Node { mode, uid, gid, .. } = &mut self.nodes[node];
        (*mode, *uid, *gid) = (entry.mode, entry.uid, entry.gid);
        self.put(parent, name, node);
        Ok(())
    }

    fn hard_link(&mut self, entry: &Entry, name: &str, parents: &[&str]) -> Result<()> {
        let target = String::from_utf8(entry.link.clone()).unwrap();
        let parts: Vec<&str> = target.split('/').collect();
        let (&last, above) = parts.split_last().unwrap();
        let directory = self.walk(above, false)?;
        let node = self.child(directory, last).ok_or("no target")?;
        if self.is_directory(node) {
            return Err("a directory".into());
        }
        let parent = self.walk(parents, true)?;
        if self
            .child(parent, name)
            .is_some_and(|old| self.is_directory(old))
        {
            return Err("maybe the target's own directory".into());
        }
        self.put(parent, name, node);
        Ok(())
    }

    fn whiteout(&mut self, parent: usize, name: &str) -> Result<()> {
        let layer = self.layer;
        let Kind::Directory(names) = &self.nodes[parent].kind else {
            return Err("none".into());
        };
        let Some(&(node, owner)) = names.get(name) else {
            return Ok(());
        };
        if owner == layer {
            if self.is_directory(node) {
                self.prune(node);
            }
        } else if !self.is_directory(node) || !self.prune(node) {
            self.remove(parent, name);
        } else {
            self.reset(node);
        }
        Ok(())
    }

    /// Removes what this layer has no entry for; true if something stays.
    fn prune(&mut self, directory: usize) -> bool {
        let Kind::Directory(names) = self.nodes[directory].kind.clone() else {
            return false;
        };
        let mut stays = false;
        for (name, (node, owner)) in names {
            let below = self.is_directory(node) && self.prune(node);
            if owner == self.layer {
                stays = true;
            } else if below {
                stays = true;
                self.reset(node);
            } else {
                self.remove(directory, &name);
            }
        }
        stays
    }

    fn reset(&mut self, node: usize) {
        let plain = plain_directory();
        let node = &mut self.nodes[node];
        (node.mode, node.uid, node.gid) = (plain.mode, plain.uid, plain.gid);
    }

    fn walk(&mut self, parts: &[&str], make: bool) -> Result<usize> {
        let mut stack = vec![0];
        let mut ahead: Vec<String> = parts.iter().rev().map(|part| part.to_string()).collect();
        let mut links = 0;
        while let Some(name) = ahead.pop() {
            if name.is_empty() || name == "." {
                continue;
            }
            if name == ".." {
                if stack.len() > 1 {
                    stack.pop();
                }
                continue;
            }
            let here = *stack.last().unwrap();
            match self.child(here, &name) {
                None if make => {
                    let node = self.add(plain_directory());
                    self.put(here, &name, node);
                    self.disown(here, &name);
                    stack.push(node);
                }
                None => return Err("missing".into()),
                Some(node) => match self.nodes[node].kind.clone() {
                    Kind::Directory(_) => stack.push(node),
                    Kind::File(_) => return Err("not a directory".into()),
                    Kind::Link(target) => {
                        links += 1;
                        if links > 40 {
                            return Err("loop".into());
                        }
                        if target.starts_with('/') {
                            stack.truncate(1);
                        }
                        ahead.extend(target.split('/').rev().map(str::to_owned));
                    }
                },
            }
        }
        Ok(*stack.last().unwrap())
    }

    fn child(&self, directory: usize, name: &str) -> Option<usize> {
        match &self.nodes[directory].kind {
            Kind::Directory(names) => names.get(name).map(|entry| entry.0),
            _ => None,
        }
    }

    fn is_directory(&self, node: usize) -> bool {
        matches!(self.nodes[node].kind, Kind::Directory(_))
    }

    fn add(&mut self, node: Node) -> usize {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    fn put(&mut self, directory: usize, name: &str, node: usize) {
        let layer = self.layer;
        if let Kind::Directory(names) = &mut self.nodes[directory].kind {
            names.insert(name.to_owned(), (node, layer));
        }
    }

    fn disown(&mut self, directory: usize, name: &str) {
        if let Kind::Directory(names) = &mut self.nodes[directory].kind
            && let Some(entry) = names.get_mut(name)
        {
            entry.1 = NOBODY;
        }
    }

    fn remove(&mut self, directory: usize, name: &str) {
        if let Kind::Directory(names) = &mut self.nodes[directory].kind {
            names.remove(name);
        }
    }

    /// The tree as `common::tree` describes one on disk.
    pub fn tree(&self) -> BTreeMap<String, String> {
        let mut names: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        let mut ahead = vec![(0, String::new())];
        let mut order = Vec::new();
        while let Some((node, path)) = ahead.pop() {
            let Kind::Directory(entries) = &self.nodes[node].kind else {
                continue;
            };
            for (name, (node, _)) in entries {
                let path = match path.is_empty() {
                    true => name.clone(),
                    false => format!("{path}/{name}"),
                };
                names.entry(*node).or_default().push(path.clone());
                order.push((path.clone(), *node));
                if self.is_directory(*node) {
                    ahead.push((*node, path));
                }
            }
        }
        names.values_mut().for_each(|names| names.sort());
        let describe = |(path, node): (String, usize)| {
            let Node {
                kind,
                mode,
                uid,
                gid,
            } = &self.nodes[node];
            let mut text = format!("{mode:o} {uid}:{gid}");
            match kind {
                Kind::Directory(_) => text += " directory",
                Kind::File(content) => text += &format!(" file {content:?}"),
                Kind::Link(target) => text += &format!(" -> {target}"),
            }
            if names[&node].len() > 1 {
                text += &format!(" = {}", names[&node][0]);
            }
            (path, text)
        };
        order.into_iter().map(describe).collect()
    }
}

fn plain_directory() -> Node {
    Node {
        kind: Kind::Directory(BTreeMap::new()),
        mode: 0o755,
        uid: 0,
        gid: 0,
    }
}

/// Linking to a lower file copies it: its other lower names stay with the old one, as they
/// do whenever overlay copies a file up. One tree has no such copies.
pub fn links_to_lower_links(layers: &[Vec<Entry>]) -> bool {
    let links = |layer: &&Vec<Entry>| layer.iter().any(|entry| entry.kind == EntryKind::HardLink);
    layers.iter().filter(links).count() > 1
}
