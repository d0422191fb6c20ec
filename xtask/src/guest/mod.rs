//! The tests that need a host of pure cgroup v2, in a small virtual machine.
//!
//! Test programs of the kernel rooms, the shim's, and an end-to-end test of the whole
//! engine with the stock client are packed with busybox into an initramfs, and run under
//! Debian's cloud kernel by software emulation. Nothing of the host is shared.

mod initramfs;
mod kernel;

use crate::{assets::Assets, run};
use anyhow::{Context, Result, bail};
use initramfs::Initramfs;
use kernel::Kernel;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The crates whose test programs run in the guest, and of those with many the chosen.
const TESTS: &[(&str, &[&str])] = &[
    ("corten-cgroup", &[]),
    ("corten-sys", &[]),
    (
        "corten-runtime",
        // Not `program`: runc, beside which it runs, starts too slowly here.
        &[
            "attacks",
            "corten_runtime",
            "mounts_and_devices",
            "start",
            "start_options",
        ],
    ),
    ("corten-shim", &[]),
    ("corten-network", &["ipvlan"]),
    (
        "corten",
        &["apparmor", "cgroups", "limits", "nfs", "quotas"],
    ),
];

/// Programs of this host that the tests run; the rest is busybox.
const PROGRAMS: &[&str] = &["apparmor_parser", "curl", "mkfs.ext4", "mkfs.xfs", "nft"];

/// Images for the end-to-end tests.
const IMAGES: &[&str] = &["busybox"];

/// Seconds within which the guest must have run everything; emulation is slow.
const GUEST_SECONDS: u64 = 1200;

/// Bytes of the disk that the guest's temporary files and data roots are on.
const DISK_BYTES: u64 = 8 << 30;

/// Memory of the guest in MiB: the programs stand in its root file system.
const GUEST_MEMORY_MIB: &str = "2048";

const DONE: &str = "corten-guest: done";

/// Builds, boots and judges. `scope` is what cargo builds for it: a run of all tests
/// builds the whole workspace once.
pub fn test(assets: &Assets, binaries: &Path, scope: &Scope) -> Result<()> {
    let suite = match scope {
        Scope::Guest { kernel, .. } => kernel.as_deref(),
        Scope::Workspace => None,
    };
    let kernel = kernel::prepare(&assets.home, suite)?;
    let built = build(scope)?;
    let image = run::target_directory().join("guest.cpio");
    std::fs::write(&image, root(&built, &kernel, assets, binaries)?)?;
    let disk = run::target_directory().join("guest.img");
    make_disk(&disk)?;
    boot(&kernel.image, &image, &disk)
}

/// An empty disk for temporary files: only what is written takes space here.
fn make_disk(path: &Path) -> Result<()> {
    let file = std::fs::File::create(path).with_context(|| path.display().to_string())?;
    file.set_len(DISK_BYTES)?;
    let program = run::find("mkfs.ext4").context("mkfs.ext4 is not installed")?;
    run::output(Command::new(program).arg("-q").arg(path)).map(drop)
}

/// What cargo builds.
pub enum Scope {
    /// All tests, as the test run that follows needs them.
    Workspace,
    /// Those of the guest only.
    Guest {
        /// The test programs that run, also such as do not by themselves; empty: all that do.
        only: Vec<String>,
        /// The suite of Debian whose kernel is booted; `None`: the system's.
        kernel: Option<String>,
    },
}

impl Scope {
    /// `[--kernel SUITE] [PROGRAM…]`
    pub fn of(arguments: &[String]) -> Self {
        let (kernel, only) = match arguments {
            [flag, suite, rest @ ..] if flag == "--kernel" => (Some(suite.clone()), rest),
            rest => (None, rest),
        };
        let only = only.to_vec();
        Self::Guest { only, kernel }
    }
}

struct Built {
    tests: Vec<PathBuf>,
    /// Programs that tests know by the path they were built at.
    binaries: Vec<PathBuf>,
}

fn build(scope: &Scope) -> Result<Built> {
    let mut command = run::cargo();
    command.args(["test", "--no-run", "--locked", "--message-format=json"]);
    match scope {
        Scope::Workspace => command.arg("--workspace"),
        Scope::Guest { .. } => command.args(TESTS.iter().flat_map(|(name, _)| ["--package", name])),
    };
    let only = match scope {
        Scope::Workspace => &[],
        Scope::Guest { only, .. } => only.as_slice(),
    };
    command.args(only.iter().flat_map(|name| ["--test", name]));
    let mut built = Built {
        tests: Vec::new(),
        binaries: Vec::new(),
    };
    for line in run::output(&mut command)?.lines() {
        let message: serde_json::Value = serde_json::from_str(line)?;
        let Some(program) = message["executable"].as_str().map(PathBuf::from) else {
            continue;
        };
        let target = message["target"]["name"].as_str().unwrap_or_default();
        let package = package_of(message["package_id"].as_str().unwrap_or_default());
        let Some((_, chosen)) = TESTS.iter().find(|(name, _)| *name == package) else {
            continue;
        };
        if message["profile"]["test"] != true {
            // The end-to-end tests are told where the whole engine is.
            if package != "corten" {
                built.binaries.push(program);
            }
        } else if !only.is_empty() || chosen.is_empty() || chosen.contains(&target) {
            built.tests.push(program);
        }
    }
    if built.tests.is_empty() {
        bail!("no test program was built for the guest");
    }
    Ok(built)
}

/// `path+file:///…/crates/cgroup#corten-cgroup@0.1.0`, and without the name where it is
/// the directory's.
fn package_of(id: &str) -> &str {
    let (path, fragment) = id.rsplit_once('#').unwrap_or(("", id));
    match fragment.split_once('@') {
        Some((name, _)) => name,
        None => path.rsplit('/').next().unwrap_or_default(),
    }
}

fn root(built: &Built, kernel: &Kernel, assets: &Assets, binaries: &Path) -> Result<Vec<u8>> {
    let mut root = Initramfs::default();
    for directory in ["proc", "sys", "dev", "root"] {
        root.directory(Path::new(directory));
    }
    root.file(Path::new("/init"), include_bytes!("init.sh"));
    root.file(Path::new("/second.sh"), include_bytes!("second.sh"));
    root.copy(Path::new("/bin/busybox"), Path::new("/bin/busybox"))?;
    let mut order = String::new();
    for module in &kernel.modules {
        let name = file_name(module);
        root.copy(module, &Path::new("/modules").join(&name))?;
        order.push_str(&name);
        order.push('\n');
    }
    root.file(Path::new("/modules/order"), order.as_bytes());
    for test in &built.tests {
        root.program(test, &Path::new("/tests").join(file_name(test)))?;
    }
    for binary in &built.binaries {
        root.program(binary, binary)?;
    }
    for entry in std::fs::read_dir(binaries)? {
        let binary = entry?.path();
        root.program(&binary, &Path::new("/corten/bin").join(file_name(&binary)))?;
    }
    for name in PROGRAMS {
        let program = run::find(name).with_context(|| format!("{name} is not installed"))?;
        root.program(&program, &Path::new("/usr/bin").join(name))?;
    }
    root.program(&assets.docker, Path::new("/corten/docker"))?;
    for name in IMAGES {
        let tar = format!("{name}.tar");
        root.copy(
            &assets.images.join(&tar),
            &Path::new("/corten/images").join(&tar),
        )?;
    }
    root.file(
        Path::new("/corten/environment"),
        b"export CORTEN_BIN_DIR=/corten/bin CORTEN_TEST_DOCKER=/corten/docker CORTEN_TEST_IMAGES=/corten/images\n",
    );
    Ok(root.finish())
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// Runs the guest, shows what it says, and fails unless each test program ended with 0.
fn boot(kernel: &Path, initramfs: &Path, disk: &Path) -> Result<()> {
    let mut guest = Command::new("timeout")
        .args([
            &GUEST_SECONDS.to_string(),
            "qemu-system-x86_64",
            "-accel",
            "tcg,thread=multi",
            "-cpu",
            "max,pku=off,cx16=off",
            "-smp",
            "2",
        ])
        .args([
            "-m",
            GUEST_MEMORY_MIB,
            "-nographic",
            "-no-reboot",
            "-nodefaults",
            "-serial",
            "stdio",
        ])
        .arg("-drive")
        .arg(format!(
            "if=virtio,format=raw,cache=unsafe,file={}",
            disk.display()
        ))
        .arg("-kernel")
        .arg(kernel)
        .arg("-initrd")
        .arg(initramfs)
        .args([
            "-append",
            "console=ttyS0 quiet loglevel=2 panic=-1 cgroup_no_v1=all rdinit=/init",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting qemu-system-x86_64")?;
    let output = guest.stdout.take().context("qemu's output is piped")?;
    let (mut done, mut programs, mut failed) = (false, 0, 0);
    for line in std::io::BufReader::new(output).lines() {
        let line = line?;
        let line = line.trim_end();
        writeln!(std::io::stderr(), "guest | {line}")?;
        done |= line.ends_with(DONE);
        if let Some(code) = line.strip_prefix("corten-guest: exit ") {
            programs += 1;
            failed += u32::from(code != "0");
        }
    }
    guest.wait()?;
    if !done || failed > 0 || programs == 0 {
        bail!(
            "the guest ran {programs} test programs, {failed} failed, and it {}",
            if done {
                "ended"
            } else {
                "did not end by itself"
            }
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_known_by_its_id() {
        let named = "path+file:///src/crates/cgroup#corten-cgroup@0.1.0";
        assert_eq!(package_of(named), "corten-cgroup");
        assert_eq!(package_of("path+file:///src/crates/corten#0.1.0"), "corten");
    }
}
