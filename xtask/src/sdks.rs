//! The SDKs that the end-to-end tests drive the engine with: Python's from PyPI, Node's
//! from npm, each in a directory of its own and of these versions only. Beside them the S3
//! service that the registry's tests keep their blobs in.

use crate::run;
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Docker-py attaches by WebSocket with the last.
const PYTHON: &[&str] = &[
    "docker==7.2.0",
    "testcontainers==4.15.0",
    "websocket-client==1.9.2",
];

/// Testcontainers 10 is the last that runs on Node 18, Debian 12's own.
const NODE: &[&str] = &["dockerode@4.0.12", "testcontainers@10.28.0"];

/// Moto with what its server of S3 needs, and no more of the hundred it knows.
const S3: &[&str] = &["moto[s3]==5.2.5", "flask==3.1.3", "flask-cors==6.0.5"];

/// The machine's authorities, of Debian's ca-certificates.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Where the SDKs stand, for the tests to find.
pub struct Sdks {
    /// For `PYTHONPATH`.
    pub python: PathBuf,
    /// For `NODE_PATH`.
    pub node: PathBuf,
    /// For `PYTHONPATH` of the S3 service.
    pub s3: PathBuf,
}

/// Installs what is missing below `home`.
pub fn prepare(home: &Path) -> Result<Sdks> {
    let python = home.join("sdks-python");
    install(&python, PYTHON, |to| pip(to, PYTHON))?;
    let s3 = home.join("s3-python");
    install(&s3, S3, |to| pip(to, S3))?;
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
        s3,
        node: node.join("node_modules"),
    })
}

fn pip(to: &Path, packages: &[&str]) -> Result<()> {
    let mut command = Command::new("python3");
    command
        .args(["-m", "pip", "install", "--quiet", "--no-compile"])
        .args(["--root-user-action=ignore", "--disable-pip-version-check"])
        .arg("--target")
        .arg(to)
        .args(packages);
    run::run(&mut command)
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
