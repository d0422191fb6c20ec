//! The graph: steps, what they stand on, what they do.

use crate::{
    context::Context, executor::Network, git::GitSource, key::Key, lower::ToPull, request::Ulimit,
};
use corten_dockerfile::{CacheSharing, Location};
use corten_oci::{Digest, Platform};
use std::sync::Arc;

/// A step. Its definition is a value: two that are equal do the same on equal inputs.
pub(crate) struct Vertex {
    /// Identity within the build, for progress.
    pub digest: Digest,
    /// As it is shown.
    pub name: String,
    /// What it stands on; the first one is what it changes.
    pub inputs: Vec<Arc<Vertex>>,
    pub op: Op,
    /// Where it stands in the Dockerfile.
    pub location: Option<Location>,
    /// No record of it is used.
    pub no_cache: bool,
}

/// What a step does.
pub(crate) enum Op {
    /// Nothing is there.
    Scratch,
    /// An image's layers.
    Image {
        /// Diff IDs, bottom first.
        layers: Vec<Digest>,
        /// How they come here; else they are.
        pull: Option<Arc<ToPull>>,
    },
    /// Files of the client.
    Context(Arc<Context>),
    /// Files that stand in the Dockerfile: name and content.
    Inline { files: Vec<(String, String)> },
    /// A file from the network.
    Http(HttpOp),
    /// A git repository.
    Git(GitOp),
    /// A process.
    Exec(Box<ExecOp>),
    /// Files from one input (the second and further) to the first.
    Copy(Box<CopyOp>),
    /// A directory (`WORKDIR`).
    Directory { path: String, user: String },
}

#[derive(Debug, Clone)]
pub(crate) struct HttpOp {
    pub url: String,
    /// What it is called here.
    pub name: String,
    pub checksum: Option<Digest>,
}

#[derive(Debug, Clone)]
pub(crate) struct GitOp {
    pub source: GitSource,
    pub keep_git_dir: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct ExecOp {
    pub args: Vec<String>,
    pub env: Vec<String>,
    /// Proxies: in the process's environment and in no key.
    pub hidden_env: Vec<String>,
    pub cwd: String,
    pub user: String,
    pub mounts: Vec<MountOp>,
    pub network: Network,
    pub insecure: bool,
    pub extra_hosts: Vec<String>,
    pub shm_size_bytes: u64,
    pub ulimits: Vec<Ulimit>,
    pub hostname: String,
    /// A script that stands in the Dockerfile: name and content, under /dev/pipes.
    pub script: Option<(String, String)>,
    /// What the process is made for; its root file system says so, too, to the key.
    pub platform: Platform,
}

/// A mount of a process; `input` is an index into the vertex's inputs.
#[derive(Debug, Clone)]
pub(crate) enum MountOp {
    Bind {
        input: usize,
        source: String,
        target: String,
        read_write: bool,
    },
    Cache {
        id: String,
        target: String,
        input: Option<(usize, String)>,
        sharing: CacheSharing,
        mode: u32,
        uid: u32,
        gid: u32,
        read_write: bool,
    },
    Tmpfs {
        target: String,
        size_bytes: u64,
    },
    Secret {
        id: String,
        target: Option<String>,
        env: Option<String>,
        required: bool,
        mode: u32,
        uid: u32,
        gid: u32,
    },
    Ssh {
        id: String,
        target: String,
        required: bool,
        mode: u32,
        uid: u32,
        gid: u32,
    },
}

#[derive(Debug, Clone)]
pub(crate) struct CopyOp {
    /// What is copied: index of the input and the pattern in it.
    pub sources: Vec<(usize, String)>,
    /// Absolute; with `/` at its end it is a directory.
    pub destination: String,
    pub chown: Option<String>,
    pub chmod: Option<String>,
    pub parents: bool,
    pub excludes: Vec<String>,
    /// `ADD` of archives; `None`: never.
    pub unpack: bool,
    pub epoch: Option<i64>,
}

impl Op {
    /// The definition, without what inputs bring.
    pub fn add_to(&self, key: &mut Key) {
        match self {
            Self::Scratch => {
                key.text("scratch");
            }
            Self::Image { layers, .. } => {
                key.text("image").texts(layers.iter().map(Digest::hex));
            }
            Self::Context(context) => {
                key.text("context").text(&context.name);
            }
            Self::Inline { files } => {
                key.text("inline").number(files.len() as u64);
                for (name, content) in files {
                    key.text(name).text(content);
                }
            }
            Self::Http(http) => {
                key.text("http").text(&http.url).text(&http.name);
                key.text(&format!("{:?}", http.checksum));
            }
            Self::Git(git) => {
                key.text("git").text(&git.source.remote);
                key.text(&git.source.reference).text(&git.source.subdir);
                key.text(&git.source.checksum)
                    .number(git.keep_git_dir.into());
                key.number(git.source.without_submodules.into());
            }
            Self::Exec(exec) => exec.add_to(key),
            Self::Copy(copy) => copy.add_to(key),
            Self::Directory { path, user } => {
                key.text("directory").text(path).text(user);
            }
        }
    }
}

impl ExecOp {
    fn add_to(&self, key: &mut Key) {
        let texts = |list: &[String]| list.to_vec();
        key.text("exec");
        for list in [
            texts(&self.args),
            texts(&self.env),
            texts(&self.extra_hosts),
        ] {
            key.texts(list.iter().map(String::as_str));
        }
        key.text(&self.cwd).text(&self.user).text(&self.hostname);
        key.text(&format!("{:?}", self.network))
            .number(self.insecure.into());
        key.number(self.shm_size_bytes)
            .text(&format!("{:?}", self.ulimits));
        key.text(&format!("{:?}", self.script));
        // Definitions, never the values of secrets.
        key.text(&format!("{:?}", self.mounts));
    }
}

impl CopyOp {
    fn add_to(&self, key: &mut Key) {
        key.text("copy").text(&self.destination);
        key.text(self.chown.as_deref().unwrap_or_default());
        key.text(self.chmod.as_deref().unwrap_or_default());
        key.number(self.parents.into()).number(self.unpack.into());
        key.texts(self.excludes.iter().map(String::as_str));
        key.text(&format!("{:?}", self.epoch));
        // With parents the place of a source shows in the result.
        if self.parents {
            key.texts(self.sources.iter().map(|(_, path)| path.as_str()));
        }
    }
}

/// What a vertex is before it has its identity.
pub(crate) struct Draft {
    pub name: String,
    pub inputs: Vec<Arc<Vertex>>,
    pub op: Op,
    pub location: Option<Location>,
    pub no_cache: bool,
}

impl Draft {
    /// The vertex; its digest covers definition, name and inputs.
    pub fn vertex(self) -> Arc<Vertex> {
        let mut key = Key::new("vertex 1");
        self.op.add_to(&mut key);
        key.text(&self.name);
        key.text(&format!("{:?}", self.location));
        for input in &self.inputs {
            key.digest(&input.digest);
        }
        if let Op::Copy(copy) = &self.op {
            key.texts(copy.sources.iter().map(|(_, path)| path.as_str()));
        }
        let Self {
            name,
            inputs,
            op,
            location,
            no_cache,
        } = self;
        Arc::new(Vertex {
            digest: key.finish(),
            name,
            inputs,
            op,
            location,
            no_cache,
        })
    }
}
