//! The four binaries: quickly for tests, static for use.

use crate::run;
use anyhow::{Context, Result};
use std::path::PathBuf;
use std::process::Command;

const BINARIES: [(&str, &str); 3] = [
    ("corten-init", "corten-init"),
    ("corten-shim", "corten-shim"),
    ("corten-runtime", "corten-runtime"),
];
const GNU: &str = concat!(env!("CORTEN_ARCH"), "-unknown-linux-gnu");
const MUSL: &str = concat!(env!("CORTEN_ARCH"), "-unknown-linux-musl");

/// Builds the binaries in the dev profile; returns the directory they stand in.
pub fn debug() -> Result<PathBuf> {
    run::run(run::cargo().args(["build", "--workspace", "--bins", "--locked"]))?;
    Ok(run::target_directory().join("debug"))
}

/// Builds static release binaries and gathers them in `target/dist`, which is returned.
///
/// The shim and the runtime are built for musl where that target is installed: they are
/// exec'ed on the start path and live as long as a container, and a musl program starts
/// sooner and holds less memory (docs/performance.md).
pub fn release() -> Result<PathBuf> {
    let small = small_target();
    for (package, _) in BINARIES {
        static_build(package, small)?;
    }
    static_build("corten", GNU)?;
    let dist = run::target_directory().join("dist");
    std::fs::create_dir_all(&dist)?;
    for (_, binary) in BINARIES {
        install(small, binary, &dist)?;
    }
    for binary in ["corten", "cortend"] {
        install(GNU, binary, &dist)?;
    }
    Ok(dist)
}

fn static_build(package: &str, target: &str) -> Result<()> {
    run::run(
        run::cargo()
            .args([
                "build",
                "--release",
                "--locked",
                "--package",
                package,
                "--bins",
                "--target",
                target,
            ])
            .env(
                "RUSTFLAGS",
                "-C target-feature=+crt-static -C relocation-model=static",
            ),
    )
}

/// Replaces by rename: a running engine keeps the file it was started from.
fn install(target: &str, binary: &str, dist: &std::path::Path) -> Result<()> {
    let built = run::target_directory()
        .join(target)
        .join("release")
        .join(binary);
    let staged = dist.join(format!(".{binary}.new"));
    std::fs::copy(&built, &staged).with_context(|| format!("copying {}", built.display()))?;
    std::fs::rename(&staged, dist.join(binary))?;
    Ok(())
}

/// The target for small static programs: musl where it is installed.
pub fn small_target() -> &'static str {
    if musl_is_installed() { MUSL } else { GNU }
}

fn musl_is_installed() -> bool {
    let sysroot =
        run::output(Command::new("rustc").args(["--print", "sysroot"])).unwrap_or_default();
    PathBuf::from(sysroot.trim())
        .join("lib/rustlib")
        .join(MUSL)
        .is_dir()
}
