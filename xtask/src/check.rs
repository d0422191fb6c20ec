//! `cargo xtask check`: everything that can be said of the code without running it.

use crate::{compatibility, layers, run, tidy};
use anyhow::Result;

/// Format, clippy, layers, tidy rules and documentation, in the order of their cost.
pub fn check() -> Result<()> {
    run::run(run::cargo().args(["fmt", "--all", "--check"]))?;
    quick()?;
    run::run(run::cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ]))?;
    run::run(
        run::cargo()
            .args([
                "doc",
                "--workspace",
                "--no-deps",
                "--locked",
                "--document-private-items",
            ])
            .env(
                "RUSTDOCFLAGS",
                "-D warnings -A rustdoc::private_intra_doc_links",
            ),
    )?;
    eprintln!("check: all good");
    Ok(())
}

/// What needs no compiler.
pub fn quick() -> Result<()> {
    tidy::check(&run::repository_root())?;
    compatibility::check()?;
    layers::check()
}
