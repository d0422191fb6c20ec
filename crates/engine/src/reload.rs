//! Settings that may change while the daemon runs, as dockerd's do on SIGHUP.

use crate::{Engine, EngineConfig, Result, RuntimeProgram, engine::images_config};
use corten_model::EventKind;
use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

/// What may change; the rest of [`EngineConfig`] is as the daemon was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Live {
    pub(crate) labels: Vec<String>,
    pub(crate) mirrors: Vec<String>,
    pub(crate) insecure: Vec<String>,
    pub(crate) debug: bool,
    /// OCI runtimes beside our own, by name.
    pub(crate) runtimes: BTreeMap<String, RuntimeProgram>,
    /// That of containers which name none.
    pub(crate) default_runtime: String,
    pub(crate) cleanup: crate::CleanupOptions,
    downloads: usize,
    uploads: usize,
}

/// The present ones.
// Lock: held for a copy of the pointer.
pub(crate) struct LiveSettings(RwLock<Arc<Live>>);

impl LiveSettings {
    pub(crate) fn new(config: &EngineConfig) -> Self {
        Self(RwLock::new(Arc::new(Live::of(config))))
    }

    pub(crate) fn get(&self) -> Arc<Live> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Live {
    fn of(config: &EngineConfig) -> Self {
        Self {
            labels: config.labels.clone(),
            mirrors: config.registry.mirrors.clone(),
            insecure: config.registry.insecure.clone(),
            debug: config.debug,
            runtimes: config.runtimes.clone(),
            default_runtime: config.default_runtime.clone(),
            cleanup: config.cleanup.clone(),
            downloads: config.max_concurrent_downloads,
            uploads: config.max_concurrent_uploads,
        }
    }

    /// Docker's attributes of the event.
    fn attributes(&self, name: &str) -> BTreeMap<String, String> {
        let list = |list: &[String]| {
            let quoted: Vec<String> = list.iter().map(|it| format!("{it:?}")).collect();
            format!("[{}]", quoted.join(","))
        };
        [
            ("name", name.to_owned()),
            ("debug", self.debug.to_string()),
            ("labels", list(&self.labels)),
            ("registry-mirrors", list(&self.mirrors)),
            ("insecure-registries", list(&self.insecure)),
            ("live-restore", "true".to_owned()),
            ("max-concurrent-downloads", self.downloads.to_string()),
            ("max-concurrent-uploads", self.uploads.to_string()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    }
}

impl Engine {
    /// Goes on with the settings of `config` that may change, and tells of it: labels,
    /// registries and their proxies, runtimes, limits of downloads and uploads, the clean-up of
    /// images, whether their blobs are kept, debug mode.
    pub fn reload(&self, config: &EngineConfig) -> Result<()> {
        let live = Live::of(config);
        self.images.reload(&images_config(config))?;
        let name = rustix::system::uname();
        let name = name.nodename().to_string_lossy().into_owned();
        let attributes = live.attributes(&name);
        *self.live.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(live);
        self.events
            .publish(EventKind::Daemon, "reload", self.id.clone(), attributes);
        Ok(())
    }
}
