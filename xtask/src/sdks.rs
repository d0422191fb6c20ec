//! The SDKs that the end-to-end tests drive the engine with: Python's from PyPI, Node's
//! from npm, each in a directory of its own and of these versions only.

use crate::run;
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::process::Command;

const PYTHON: &[&str] = &["docker==7.2.0", "testcontainers==4.15.0"];

/// Testcontainers 10 is the last that runs on Node 18, Debian 12's own.
const NODE: &[&str] = &["dockerode@4.0.12", "testcontainers@10.28.0"];

/// The machine's authorities, of Debian's ca-certificates.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Where the SDKs stand, for the tests to find.
pub struct Sdks {
    /// For `PYTHONPATH`.
    pub python: PathBuf,
    /// For `NODE_PATH`.
    pub node: PathBuf,
}

/// Installs what is missing below `home`.
pub fn prepare(home: &Path) -> Result<Sdks> {
    let python = home.join("sdks-python");
    install(&python, PYTHON, |to| {
        let mut command = Command::new("python3");
        command
            .args(["-m", "pip", "install", "--quiet", "--no-compile"])
            .args(["--root-user-action=ignore", "--disable-pip-version-check"])
            .arg("--target")
            .arg(to)
            .args(PYTHON);
        run::run(&mut command)
    })?;
    let node = home.join("sdks-node");
    install(&node, NODE, |to| {
        let mut command = Command::new("npm");
        command
            .args(["install", "--silent", "--no-audit", "--no-fund"])
            .args(["--fetch-retries=2", "--fetch-timeout=60000"])
            // Of the optional parts that would be compiled, none is needed.
            .arg("--ignore-scripts")
            // Node trusts its own list of authorities only, not the machine's.
            .env("NODE_EXTRA_CA_CERTS", AUTHORITIES)
            .arg("--prefix")
            .arg(to)
            .args(NODE);
        run::run(&mut command)
    })?;
    Ok(Sdks {
        python,
        node: node.join("node_modules"),
    })
}

/// Runs `fill` unless these very versions are there.
fn install(
    directory: &Path,
    versions: &[&str],
    fill: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    let complete = directory.join("complete");
    let wanted = versions.join("\n");
    if std::fs::read_to_string(&complete).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    if directory.exists() {
        std::fs::remove_dir_all(directory)?;
    }
    std::fs::create_dir_all(directory)?;
    fill(directory)?;
    std::fs::write(&complete, wanted)?;
    Ok(())
}
