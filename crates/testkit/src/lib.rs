//! What tests are made of: an engine of their own, the stock client, real images, a
//! registry, and a look at what was left behind.
//!
//! Entry point: [`Engine::start`], a `cortend` in a network namespace, a data root, an
//! exec root and a cgroup parent of its own, ended and cleaned when dropped.
//!
//! Invariants: nothing outside the engine's own directory, namespace and cgroup parent
//! is touched; only processes started here are ended, by their IDs; each wait has a
//! deadline and a name. It never knows how the engine works inside.
#![forbid(unsafe_code)]

mod disk;
mod engine;
mod leftovers;
mod object_store;
mod process;
mod registry;
mod rollover;
mod steps;
mod terminal;
mod transcript;
mod wait;

pub use disk::Disk;
pub use engine::{Engine, Options};
pub use leftovers::Leftovers;
pub use object_store::ObjectStore;
pub use process::{GIT_DAEMON, Ran, program, run, run_with_input};
pub use registry::{Registry, RegistryOptions};
pub use rollover::{Asked, Rollover};
pub use steps::Steps;
pub use terminal::Terminal;
pub use wait::until;

use std::path::PathBuf;

/// The tar of a test image (`busybox`, `nginx`, …), which `cargo xtask test` made.
pub fn image(name: &str) -> PathBuf {
    setting("CORTEN_TEST_IMAGES", "/var/cache/corten-test/images").join(format!("{name}.tar"))
}

/// The stock client of today.
pub fn docker_current() -> PathBuf {
    setting(
        "CORTEN_TEST_DOCKER",
        "/var/cache/corten-test/client-current/usr/bin/docker",
    )
}

/// The stock client's plugin for building.
pub fn buildx() -> PathBuf {
    setting(
        "CORTEN_TEST_BUILDX",
        "/var/cache/corten-test/buildx-current/usr/libexec/docker/cli-plugins/docker-buildx",
    )
}

/// The same of early 2024, buildx 0.13.
pub fn buildx_13() -> PathBuf {
    setting(
        "CORTEN_TEST_BUILDX_13",
        "/var/cache/corten-test/buildx-0.13/usr/libexec/docker/cli-plugins/docker-buildx",
    )
}

/// Podman, unpacked: the directory that holds its `usr`.
pub fn podman() -> PathBuf {
    setting("CORTEN_TEST_PODMAN", "/var/cache/corten-test/podman")
}

/// The stock client's plugin for projects, a program of its own as well.
pub fn compose() -> PathBuf {
    setting(
        "CORTEN_TEST_COMPOSE",
        "/var/cache/corten-test/compose-current/usr/libexec/docker/cli-plugins/docker-compose",
    )
}

/// Where Python finds docker-py and Testcontainers (`PYTHONPATH`).
pub fn python_sdks() -> PathBuf {
    setting("CORTEN_TEST_PYTHON", "/var/cache/corten-test/sdks-python")
}

/// Where Node finds dockerode and Testcontainers (`NODE_PATH`).
pub fn node_sdks() -> PathBuf {
    setting(
        "CORTEN_TEST_NODE",
        "/var/cache/corten-test/sdks-node/node_modules",
    )
}

/// The stock client 20.10.
pub fn docker_20() -> PathBuf {
    setting(
        "CORTEN_TEST_DOCKER_20",
        "/var/cache/corten-test/client-20.10/usr/bin/docker",
    )
}

/// One of our own binaries, as `cargo xtask test` built it.
pub fn binary(name: &str) -> PathBuf {
    let built = std::env::current_exe()
        .ok()
        .and_then(|test| {
            test.parent()
                .and_then(|deps| deps.parent())
                .map(PathBuf::from)
        })
        .unwrap_or_default();
    std::env::var_os("CORTEN_BIN_DIR")
        .map_or(built, PathBuf::from)
        .join(name)
}

fn setting(variable: &str, default: &str) -> PathBuf {
    std::env::var_os(variable).map_or_else(|| PathBuf::from(default), PathBuf::from)
}
