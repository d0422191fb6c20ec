//! One container while the daemon runs: its record, its lock, its shim, who waits for it.

use crate::{exec::Exec, streams::PendingAttach};
use corten_model::{Container, ContainerId, ExecId};
use corten_shim_proto::client::ShimClient;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};
use tokio::sync::watch;

/// A container. `inspect` and `list` read [`Handle::record`] and take no lock that is held
/// across I/O.
pub(crate) struct Handle {
    pub(crate) id: ContainerId,
    /// Replaced as a whole, under `lock`.
    record: RwLock<Arc<Container>>,
    /// Whoever changes the container holds it, from the decision to the record.
    pub(crate) lock: Arc<tokio::sync::Mutex<()>>,
    /// The tear-down of the last run holds it; the next start and the removal wait for it.
    pub(crate) teardown: Arc<tokio::sync::Mutex<()>>,
    /// What waiters watch.
    pub(crate) life: watch::Sender<Life>,
    shim: Mutex<Option<Arc<ShimClient>>>,
    /// Clients that attached before the start.
    pending: Mutex<Vec<PendingAttach>>,
    execs: Mutex<BTreeMap<ExecId, Arc<Exec>>>,
    volatile: Mutex<Volatile>,
}

/// What is forgotten when the daemon goes.
#[derive(Debug, Default)]
pub(crate) struct Volatile {
    /// Detach keys given at start.
    pub(crate) detach_keys: String,
    /// The kernel ended a process for lack of memory in this run.
    pub(crate) oom_killed: bool,
    /// Milliseconds before the next restart by the policy.
    pub(crate) backoff_milliseconds: u64,
    /// Calls off the pending restart when dropped or sent to.
    pub(crate) restart_timer: Option<tokio::sync::oneshot::Sender<()>>,
    /// It is started when the daemon comes up, perhaps after others.
    pub(crate) starts_at_boot: bool,
    /// It is being ended because its health check fails, to be started again.
    pub(crate) ending_unhealthy: bool,
    /// A daemon's restart of the container is under way: no removal after this exit.
    pub(crate) restarting_by_user: bool,
    /// The same until its new process runs: meanwhile it counts as running.
    pub(crate) coming_back: bool,
    /// Its names and ports are another one's while it still runs.
    pub(crate) handed_over: bool,
}

/// A container's life, as far as waiters care.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Life {
    /// Runs that have ended since the daemon came up.
    pub(crate) exits: u64,
    /// The first process runs, or will again by the restart policy.
    pub(crate) running: bool,
    /// Of the last run.
    pub(crate) exit_code: i64,

    /// It is gone.
    pub(crate) removed: bool,
}

impl Handle {
    pub(crate) fn new(record: Container) -> Arc<Self> {
        let life = Life {
            running: record.state.is_running(),
            exit_code: record.state.exit_code,
            ..Life::default()
        };
        Arc::new(Self {
            id: record.id,
            record: RwLock::new(Arc::new(record)),
            lock: Arc::new(tokio::sync::Mutex::new(())),
            teardown: Arc::new(tokio::sync::Mutex::new(())),
            life: watch::Sender::new(life),
            shim: Mutex::new(None),
            pending: Mutex::new(Vec::new()),
            execs: Mutex::new(BTreeMap::new()),
            volatile: Mutex::new(Volatile::default()),
        })
    }

    /// The container as it stands.
    pub(crate) fn record(&self) -> Arc<Container> {
        self.record
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Replaces the record. The caller holds `lock`.
    pub(crate) fn replace(&self, record: Container) -> Arc<Container> {
        let record = Arc::new(record);
        *self.record.write().unwrap_or_else(PoisonError::into_inner) = record.clone();
        record
    }

    pub(crate) fn shim(&self) -> Option<Arc<ShimClient>> {
        guard(&self.shim).clone()
    }

    pub(crate) fn set_shim(&self, shim: Option<Arc<ShimClient>>) {
        *guard(&self.shim) = shim;
    }

    pub(crate) fn add_pending(&self, attach: PendingAttach) {
        guard(&self.pending).push(attach);
    }

    /// Everybody who attached before the start.
    pub(crate) fn take_pending(&self) -> Vec<PendingAttach> {
        std::mem::take(&mut *guard(&self.pending))
    }

    pub(crate) fn execs(&self) -> MutexGuard<'_, BTreeMap<ExecId, Arc<Exec>>> {
        guard(&self.execs)
    }

    pub(crate) fn volatile(&self) -> MutexGuard<'_, Volatile> {
        guard(&self.volatile)
    }
}

fn guard<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
