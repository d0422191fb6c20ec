//! Running the process of a step: a trait, so that the builder knows no runtime.

use crate::{Result, request::Ulimit};
use corten_base::Id;
use corten_oci::{RootMount, runtime::Mount};
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

/// A process to be run to its end.
#[derive(Debug, Clone)]
pub struct ExecRequest {
    /// The step's ID; the key of its snapshot, too.
    pub id: Id,
    /// Its root file system, writable.
    pub root: RootMount,
    /// The command.
    pub args: Vec<String>,
    /// `NAME=value`.
    pub env: Vec<String>,
    /// Working directory.
    pub cwd: String,
    /// `user[:group]`, empty for root.
    pub user: String,
    /// Mounts beside those of every container, parents first.
    pub mounts: Vec<Mount>,
    /// Which network.
    pub network: Network,
    /// All capabilities, no seccomp filter.
    pub insecure: bool,
    /// Host name.
    pub hostname: String,
    /// `name:address` lines for `/etc/hosts`.
    pub extra_hosts: Vec<String>,
    /// Bytes of `/dev/shm`; 0: the default.
    pub shm_size_bytes: u64,
    /// Resource limits.
    pub ulimits: Vec<Ulimit>,
    /// Memory limit in bytes, 0 for none.
    pub memory_bytes: i64,
    /// Memory and swap, 0 for none.
    pub memory_swap_bytes: i64,
    /// CPU shares, 0 for the default.
    pub cpu_shares: i64,
    /// CFS quota in microseconds, 0 for none.
    pub cpu_quota: i64,
    /// CFS period in microseconds, 0 for the default.
    pub cpu_period: i64,
    /// CPUs, empty for all.
    pub cpuset_cpus: String,
    /// Memory nodes, empty for all.
    pub cpuset_mems: String,
    /// Parent of its control group, empty for the default.
    pub cgroup_parent: String,
}

/// The network of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Network {
    /// Loopback only.
    None,
    /// The host's.
    Host,
    /// A network by name, `default` for the default bridge.
    Named(String),
}

/// A stream of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A piece of output.
pub type Output = (OutputStream, Vec<u8>);

/// Runs processes on root file systems.
pub trait Executor: Send + Sync {
    /// Runs a process to its end and answers its status; its output has been sent by
    /// then. Dropping the future kills it.
    fn run(&self, request: ExecRequest, output: mpsc::Sender<Output>)
    -> BoxFuture<'_, Result<i64>>;

    /// A step is over and its snapshot removed: whatever else stands under its ID goes.
    fn clean(&self, id: Id);
}
