//! `cargo xtask test`: every tier, with the runner's count as the last lines.

use crate::{assets, build, guest, run};
use anyhow::Result;

/// Installs what the tests need, builds, and runs all tests (or those whose name
/// contains one of `filters`).
pub fn test(filters: &[String]) -> Result<()> {
    let assets = assets::prepare()?;
    if !run::is_installed("cargo-nextest") {
        run::run(run::cargo().args(["install", "--locked", "cargo-nextest"]))?;
    }
    let binaries = build::debug()?;
    if filters.is_empty() {
        guest::test(&assets, &binaries, &guest::Scope::Workspace)?;
    }
    run::run(
        run::cargo()
            .args([
                "nextest",
                "run",
                "--workspace",
                "--locked",
                "--no-fail-fast",
            ])
            .args(filters)
            .env("CORTEN_BIN_DIR", binaries)
            .env("CORTEN_TEST_DOCKER", &assets.docker)
            .env("CORTEN_TEST_BUILDX", &assets.buildx)
            .env("CORTEN_TEST_BUILDX_13", &assets.buildx_13)
            .env("CORTEN_TEST_PODMAN", &assets.podman)
            .env("CORTEN_TEST_COMPOSE", &assets.compose)
            .env("CORTEN_TEST_DOCKER_20", &assets.docker_20)
            .env("CORTEN_TEST_IMAGES", &assets.images)
            .env("CORTEN_TEST_REGISTRY", &assets.registry)
            .env("CORTEN_TEST_PYTHON", &assets.sdks.python)
            .env("CORTEN_TEST_NODE", &assets.sdks.node)
            .env("CORTEN_TEST_S3", &assets.sdks.s3),
    )
}
