//! `cargo xtask demo`: from a fresh clone to a first container.

use crate::{build, run};
use anyhow::Result;
use std::process::Command;

/// Builds the release binaries and runs `corten run hello-world`, which starts the engine
/// when none runs.
pub fn demo() -> Result<()> {
    let dist = build::release()?;
    run::run(Command::new(dist.join("corten")).args(["run", "--rm", "hello-world"]))?;
    eprintln!("\nThe binaries are in {}. Next:", dist.display());
    eprintln!(
        "  {0}/corten ps -a        {0}/corten run -it IMAGE sh",
        dist.display()
    );
    Ok(())
}
