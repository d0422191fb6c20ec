//! Debian's cloud kernel, unpacked and not installed, and the modules the engine needs.

use crate::run;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the engine asks of a kernel and Debian's has as modules; theirs come with them.
/// `sctp` is for the tests' own sockets.
const MODULES: &[&str] = &[
    "overlay",
    "veth",
    "bridge",
    "br_netfilter",
    "nf_tables",
    "nft_chain_nat",
    "nft_ct",
    "nft_fib_inet",
    "nft_masq",
    "nft_nat",
    "nft_reject_inet",
    "sctp",
];

/// A kernel to boot.
pub struct Kernel {
    /// The bootable image.
    pub image: PathBuf,
    /// Modules in the order in which they can be loaded.
    pub modules: Vec<PathBuf>,
}

/// Downloads the package at first use and keeps it below `home`.
pub fn prepare(home: &Path) -> Result<Kernel> {
    let directory = home.join("guest-kernel");
    if !directory.exists() {
        download(home, &directory)?;
    }
    let files = files_below(&directory)?;
    let image = files
        .iter()
        .find(|file| name(file).starts_with("vmlinuz-"))
        .cloned()
        .context("no kernel image in the package")?;
    let mut modules = Vec::new();
    for module in MODULES {
        load_order(module, &files, &mut modules)?;
    }
    Ok(Kernel { image, modules })
}

fn download(home: &Path, directory: &Path) -> Result<()> {
    let work = home.join("fetch-kernel");
    drop(std::fs::remove_dir_all(&work));
    std::fs::create_dir_all(&work)?;
    let depends =
        run::output(Command::new("apt-cache").args(["depends", "linux-image-cloud-amd64"]))?;
    let package = depends
        .lines()
        .find_map(|line| line.trim().strip_prefix("Depends: "))
        .context("linux-image-cloud-amd64 names no kernel")?;
    run::run(
        Command::new("apt-get")
            .args(["download", "-qq", package])
            .current_dir(&work),
    )?;
    let archive = files_below(&work)?
        .into_iter()
        .next()
        .context("no kernel package came")?;
    let staged = home.join("guest-kernel.new");
    drop(std::fs::remove_dir_all(&staged));
    run::run(
        Command::new("dpkg-deb")
            .arg("-x")
            .arg(&archive)
            .arg(&staged),
    )?;
    std::fs::rename(&staged, directory)?;
    std::fs::remove_dir_all(&work)?;
    Ok(())
}

/// Adds `module` after what it depends on. A module that the package does not have is
/// built in; one that is missing shows when its user is tested.
fn load_order(module: &str, files: &[PathBuf], order: &mut Vec<PathBuf>) -> Result<()> {
    let file_name = format!("{module}.ko");
    let dashed = file_name.replace('_', "-");
    let found = files
        .iter()
        .find(|file| name(file) == file_name || name(file) == dashed);
    let Some(file) = found.filter(|file| !order.contains(file)) else {
        return Ok(());
    };
    for needed in depends(&std::fs::read(file)?) {
        load_order(&needed, files, order)?;
    }
    order.push(file.clone());
    Ok(())
}

/// The names in a module's own `depends=` record: the package is not configured, so
/// there is no modules.dep.
fn depends(module: &[u8]) -> Vec<String> {
    let key = b"\0depends=";
    let Some(start) = module.windows(key.len()).position(|bytes| bytes == key) else {
        return Vec::new();
    };
    let rest = &module[start + key.len()..];
    let end = rest.iter().position(|byte| *byte == 0).unwrap_or(0);
    String::from_utf8_lossy(&rest[..end])
        .split(',')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

fn name(file: &Path) -> String {
    file.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

fn files_below(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            files.extend(files_below(&entry.path())?);
        } else {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_modules_own_record_names_what_it_needs() {
        let module = b"license=GPL\0depends=nf_tables,nf_nat\0name=x\0";
        assert_eq!(depends(module), ["nf_tables", "nf_nat"]);
        assert!(depends(b"license=GPL\0depends=\0name=x\0").is_empty());
        assert!(depends(b"").is_empty());
    }
}
