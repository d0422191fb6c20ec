//! `cargo xtask compose-cases`: records what stock Compose makes of the cases that
//! `crates/compose/tests/canonical.rs` compares us with.

use crate::{assets, run};
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::{Command, Output};

/// Where a recording takes place: paths in it must not name this machine.
const PROJECT: &str = "/project";
/// The home directory of recordings.
const HOME: &str = "/home/user";

/// Records the cases named, or all that have no recording yet.
pub fn record(names: &[String]) -> Result<()> {
    // The directory is mounted in a namespace of our own, which ends with us.
    if std::env::var_os("CORTEN_COMPOSE_CASES").is_none() {
        let made = std::fs::create_dir(PROJECT).is_ok();
        let own = std::env::current_exe()?;
        let again = run::run(
            Command::new("unshare")
                .arg("-m")
                .arg(own)
                .arg("compose-cases")
                .args(names)
                .env("CORTEN_COMPOSE_CASES", "1"),
        );
        if made {
            std::fs::remove_dir(PROJECT)?;
        }
        return again;
    }
    let cases = run::repository_root().join("crates/compose/tests/cases");
    run::run(Command::new("mount").arg("--bind").arg(&cases).arg(PROJECT))?;
    let plugin = assets::compose()?;
    for entry in std::fs::read_dir(&cases)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let case = Path::new(PROJECT).join(&name);
        let is_new = !case.join("expected.yaml").exists();
        if names.contains(&name) || (names.is_empty() && is_new) {
            one(&plugin, &case).with_context(|| format!("recording {name}"))?;
            eprintln!("recorded {name}");
        }
    }
    Ok(())
}

fn one(plugin: &Path, case: &Path) -> Result<()> {
    let asked = [
        ("expected.yaml", &["config"][..]),
        ("expected.json", &["config", "--format", "json"]),
        ("expected.hashes", &["config", "--hash", "*"]),
    ];
    for (file, words) in asked {
        let Output {
            status,
            stdout,
            stderr,
        } = Command::new(plugin)
            .args(words)
            .current_dir(case)
            .env_clear()
            .env("HOME", HOME)
            .output()?;
        if !status.success() {
            bail!("{file}: {}", String::from_utf8_lossy(&stderr));
        }
        let mut text = String::from_utf8(stdout)?;
        if !text.ends_with('\n') {
            text.push('\n');
        }
        std::fs::write(case.join(file), text)?;
    }
    Ok(())
}
