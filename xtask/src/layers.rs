//! The arrows between crates, held against `layers.toml`.

use crate::run;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Deserialize)]
struct Layers {
    floors: BTreeMap<String, Vec<String>>,
    allow: BTreeMap<String, Vec<String>>,
    forbid: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: String,
    source: Option<String>,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    kind: Option<String>,
}

/// Refuses crates without a floor, arrows that `layers.toml` does not allow, forbidden
/// crates of others, and crates outside `sys` that do not forbid unsafe code.
pub fn check() -> Result<()> {
    let layers: Layers =
        toml::from_str(&std::fs::read_to_string("layers.toml")?).context("layers.toml")?;
    let text = run::output(run::cargo().args(["metadata", "--format-version=1", "--locked"]))?;
    let metadata: Metadata = serde_json::from_str(&text).context("cargo metadata")?;
    let mut faults = Vec::new();
    for package in metadata
        .packages
        .iter()
        .filter(|package| package.source.is_none())
    {
        check_arrows(package, &layers, &mut faults);
        check_unsafe(package, &mut faults)?;
    }
    for (name, banned) in &layers.forbid {
        check_forbidden(name, banned, &metadata, &mut faults)?;
    }
    if faults.is_empty() {
        return Ok(());
    }
    bail!("layers:\n  {}", faults.join("\n  "));
}

fn short(name: &str) -> &str {
    name.strip_prefix("corten-").unwrap_or(name)
}

fn check_arrows(package: &Package, layers: &Layers, faults: &mut Vec<String>) {
    let name = short(&package.name);
    if !layers
        .floors
        .values()
        .flatten()
        .any(|member| member == name)
    {
        faults.push(format!("{name} stands on no floor: add it to layers.toml"));
    }
    let allowed = layers
        .allow
        .get(name)
        .map(Vec::as_slice)
        .unwrap_or_default();
    for dependency in &package.dependencies {
        let ours = dependency.name.starts_with("corten-");
        let test_only = dependency.kind.as_deref() == Some("dev");
        if !ours
            || test_only
            || allowed
                .iter()
                .any(|a| a == "*" || a == short(&dependency.name))
        {
            continue;
        }
        faults.push(format!(
            "{name} may not depend on {}",
            short(&dependency.name)
        ));
    }
}

/// Each of our library and binary roots but `sys` must forbid unsafe code.
fn check_unsafe(package: &Package, faults: &mut Vec<String>) -> Result<()> {
    let Some(directory) = std::path::Path::new(&package.manifest_path).parent() else {
        return Ok(());
    };
    if short(&package.name) == "sys" {
        return Ok(());
    }
    let mut roots = vec![directory.join("src/lib.rs"), directory.join("src/main.rs")];
    if let Ok(entries) = std::fs::read_dir(directory.join("src/bin")) {
        roots.extend(entries.flatten().map(|entry| entry.path()));
    }
    for root in roots.iter().filter(|root| root.is_file()) {
        if !std::fs::read_to_string(root)?.contains("#![forbid(unsafe_code)]") {
            faults.push(format!("{} lacks #![forbid(unsafe_code)]", root.display()));
        }
    }
    Ok(())
}

/// Follows normal dependencies from `name` and reports any banned crate it reaches.
fn check_forbidden(
    name: &str,
    banned: &[String],
    metadata: &Metadata,
    faults: &mut Vec<String>,
) -> Result<()> {
    let start = metadata
        .packages
        .iter()
        .find(|package| package.source.is_none() && short(&package.name) == name)
        .with_context(|| format!("layers.toml forbids for {name}, which is no crate of ours"))?;
    // Not from the metadata: it unifies features over the whole workspace.
    let tree = run::output(run::cargo().args([
        "tree",
        "--locked",
        "-e",
        "normal",
        "--prefix",
        "none",
        "-p",
        &start.name,
    ]))?;
    let reached: BTreeSet<&str> = tree
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    for crate_name in banned
        .iter()
        .filter(|crate_name| reached.contains(crate_name.as_str()))
    {
        faults.push(format!(
            "{name} reaches {crate_name}, which layers.toml forbids"
        ));
    }
    Ok(())
}
