//! Debian's cloud kernel, unpacked and not installed, and the modules the engine needs.

use crate::{assets, run};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the engine asks of a kernel and Debian's has as modules; theirs come with them.
/// `nfsv3` is for volumes on a server, `sctp` for the tests' own sockets, `loop` for their
/// disks, on which `quota_v2` and `xfs` limit sizes.
const MODULES: &[&str] = &[
    "overlay",
    "veth",
    "virtio_pci",
    "virtio_blk",
    "bridge",
    "br_netfilter",
    "ipvlan",
    "loop",
    "nf_tables",
    "nft_chain_nat",
    "nft_ct",
    "nft_fib_inet",
    "nft_masq",
    "nft_nat",
    "nft_reject_inet",
    "nfsv3",
    "quota_v2",
    "sctp",
    "xfs",
];

/// Depends on the current kernel's package.
const PACKAGE: &str = "linux-image-cloud-amd64";

/// A kernel to boot.
pub struct Kernel {
    /// The bootable image.
    pub image: PathBuf,
    /// Modules in the order in which they can be loaded.
    pub modules: Vec<PathBuf>,
}

/// Downloads the package at first use and keeps it below `home`: the kernel of the system's
/// own Debian, or that of another `suite`.
pub fn prepare(home: &Path, suite: Option<&str>) -> Result<Kernel> {
    let directory = match suite {
        None => home.join("guest-kernel"),
        Some(suite) => home.join(format!("guest-kernel-{suite}")),
    };
    if !directory.exists() {
        let work = assets::fresh(&home.join("fetch-kernel"))?;
        match suite {
            None => download(&work, &directory)?,
            Some(name) => {
                let suite = assets::Suite::open(name, work)?;
                let package = suite.first_dependency(PACKAGE)?;
                suite.fetch(&package, &directory)?;
            }
        }
    }
    let files = files_below(&directory)?;
    let image = files
        .iter()
        .find(|file| name(file).starts_with("vmlinuz-"))
        .cloned()
        .context("no kernel image in the package")?;
    let unpacked = unpacked_modules(&directory, files)?;
    let mut modules = Vec::new();
    for module in MODULES {
        load_order(module, &unpacked, &mut modules)?;
    }
    Ok(Kernel { image, modules })
}

fn download(work: &Path, directory: &Path) -> Result<()> {
    let package = assets::first_dependency(Command::new("apt-cache"), PACKAGE)?;
    run::run(
        Command::new("apt-get")
            .args(["download", "-qq", &package])
            .current_dir(work),
    )?;
    assets::unpack(work, directory)
}

/// Newer packages have their modules compressed, which busybox cannot load: unpacked once.
fn unpacked_modules(directory: &Path, files: Vec<PathBuf>) -> Result<Vec<PathBuf>> {
    let compressed = |file: &PathBuf| file.extension().is_some_and(|it| it == "xz");
    let packed: Vec<&PathBuf> = files.iter().filter(|file| compressed(file)).collect();
    if packed.is_empty() {
        return Ok(files);
    }
    run::run(Command::new("xz").arg("--decompress").args(packed))?;
    files_below(directory)
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
