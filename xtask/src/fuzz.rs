//! `cargo xtask fuzz [SECONDS [TARGET…]]`: the programs of `fuzz/`, one after the other.
//!
//! They are built by the usual toolchain with LLVM's coverage counters, which libFuzzer
//! reads. What they learn is kept in the target directory; what breaks them lies there, too.

use crate::run;
use anyhow::{Context, Result};
use std::{path::Path, process::Command};

/// How long each target runs when nobody says.
const SECONDS: &str = "10";
/// Counters at each edge, as libFuzzer wants them.
const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1";
/// Most memory of a target, in MiB.
const MEMORY_MIB: u32 = 2048;
/// Seconds that one input may take.
const INPUT_SECONDS: u32 = 10;

/// Runs targets; the first that breaks ends it.
pub fn fuzz(arguments: &[String]) -> Result<()> {
    let seconds = arguments.first().map_or(SECONDS, String::as_str);
    let seconds: u32 = seconds
        .parse()
        .context("usage: cargo xtask fuzz [SECONDS [TARGET…]]")?;
    let root = run::repository_root().join("fuzz");
    let built = run::target_directory().join("fuzz");
    run::run(
        run::cargo()
            .args(["build", "--release", "--bins", "--target", TARGET])
            .arg("--manifest-path")
            .arg(root.join("Cargo.toml"))
            .env("CARGO_TARGET_DIR", &built)
            .env("RUSTFLAGS", COVERAGE),
    )?;
    let mut targets = arguments.get(1..).unwrap_or_default().to_vec();
    if targets.is_empty() {
        targets = names(&root.join("src/bin"))?;
    }
    for target in &targets {
        let learnt = built.join("corpus").join(target);
        std::fs::create_dir_all(&learnt)?;
        let mut program = Command::new(built.join(TARGET).join("release").join(target));
        program
            .arg(&learnt)
            .arg(root.join("seeds").join(target))
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-rss_limit_mb={MEMORY_MIB}"))
            .arg(format!("-timeout={INPUT_SECONDS}"))
            .arg("-print_final_stats=1")
            .current_dir(&built);
        run::run(&mut program)?;
    }
    Ok(())
}

/// Named, so that build scripts are not counted.
const TARGET: &str = "x86_64-unknown-linux-gnu";

fn names(directory: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        names.extend(
            path.file_stem()
                .map(|name| name.to_string_lossy().into_owned()),
        );
    }
    names.sort();
    Ok(names)
}
