//! The binaries: quickly for tests, static for use.

use crate::run;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Programs that are exec'ed for each container, one binary a package.
const SMALL: [&str; 3] = ["corten-init", "corten-shim", "corten-runtime"];
const STATIC: &str = "-C target-feature=+crt-static -C relocation-model=static";
const GNU: &str = concat!(env!("CORTEN_ARCH"), "-unknown-linux-gnu");
const MUSL: &str = concat!(env!("CORTEN_ARCH"), "-unknown-linux-musl");

/// Builds the binaries in the dev profile; returns the directory they stand in.
///
/// `corten-init` runs inside containers, whose libraries are not ours: it is static here, too.
pub fn debug() -> Result<PathBuf> {
    run::run(run::cargo().args(["build", "--workspace", "--bins", "--locked"]))?;
    let target = small_target();
    run::run(
        run::cargo()
            .args([
                "build",
                "--locked",
                "--package",
                "corten-init",
                "--bins",
                "--target",
                target,
            ])
            .env("RUSTFLAGS", STATIC),
    )?;
    let built = run::target_directory();
    let gathered = built.join("test-bin");
    std::fs::create_dir_all(&gathered)?;
    for binary in [
        "corten",
        "cortend",
        "corten-logger",
        "corten-shim",
        "corten-runtime",
    ] {
        install(&built.join("debug").join(binary), &gathered)?;
    }
    install(&built.join(target).join("debug/corten-init"), &gathered)?;
    Ok(gathered)
}

/// Builds static release binaries and gathers them in `target/dist`, which is returned.
///
/// The shim and the runtime are built for musl where that target is installed: they are
/// exec'ed on the start path and live as long as a container, and a musl program starts
/// sooner and holds less memory (docs/performance.md).
pub fn release() -> Result<PathBuf> {
    let small = small_target();
    for package in SMALL {
        static_build(package, small)?;
    }
    static_build("corten", GNU)?;
    static_build("corten-logger", GNU)?;
    let dist = run::target_directory().join("dist");
    std::fs::create_dir_all(&dist)?;
    let built = |target: &str, binary: &str| {
        run::target_directory()
            .join(target)
            .join("release")
            .join(binary)
    };
    for binary in SMALL {
        install(&built(small, binary), &dist)?;
    }
    for binary in ["corten", "cortend", "corten-logger"] {
        install(&built(GNU, binary), &dist)?;
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
            .env("RUSTFLAGS", STATIC),
    )
}

/// Replaces by rename: a running engine keeps the file it was started from.
fn install(built: &Path, directory: &Path) -> Result<()> {
    let name = built.file_name().context("a binary has a name")?;
    let staged = directory.join(format!(".{}.new", name.display()));
    std::fs::copy(built, &staged).with_context(|| format!("copying {}", built.display()))?;
    std::fs::rename(&staged, directory.join(name))?;
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
