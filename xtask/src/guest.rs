//! The kernel tests that need a host of pure cgroup v2, in a small virtual machine.
//!
//! The tests are built static, packed with busybox into an initramfs, and run under
//! Debian's cloud kernel by software emulation. Nothing of the host is shared.

use crate::run;
use anyhow::{Context, Result, bail};
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The crates whose test programs run in the guest.
const CRATES: &[&str] = &["corten-cgroup", "corten-sys", "corten-runtime"];

/// Test programs that need more than themselves and busybox.
const LEFT_OUT: &[&str] = &["program-"];

/// Seconds within which the guest must have run everything; emulation is slow.
const GUEST_SECONDS: u64 = 240;

/// Memory of the guest in MiB: the programs stand in its root file system.
const GUEST_MEMORY_MIB: &str = "1536";

const DONE: &str = "corten-guest: done";

/// What the guest's first process does: a root that can be pivoted, then each test.
const INIT: &str = r#"#!/bin/busybox sh
/bin/busybox mkdir -p /new
/bin/busybox mount -t tmpfs -o mode=755 tmpfs /new
/bin/busybox cp -a /bin /tests /modules /init2 /new/
cd /new && /bin/busybox mkdir -p proc sys dev tmp var/tmp etc run
exec /bin/busybox switch_root /new /init2
"#;

const INIT2: &str = r#"#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin HOME=/ TMPDIR=/tmp RUST_BACKTRACE=0 CORTEN_GUEST=1
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t cgroup2 cgroup2 /sys/fs/cgroup
echo root:x:0:0::/root:/bin/sh >/etc/passwd
for module in /modules/*.ko; do insmod $module 2>/dev/null; done
ip link set lo up 2>/dev/null
for test in /tests/*; do
  echo "corten-guest: running $test"
  $test --test-threads=1 2>&1
  echo "corten-guest: exit $?"
done
echo "corten-guest: done"
sync
poweroff -f
"#;

/// Builds, boots and judges.
pub fn test(home: &Path) -> Result<()> {
    let kernel = kernel(home)?;
    let programs = test_programs()?;
    let image = run::target_directory().join("guest.cpio");
    std::fs::write(&image, initramfs(&programs, &kernel)?)?;
    boot(&kernel.image, &image)
}

struct Kernel {
    image: PathBuf,
    modules: Vec<PathBuf>,
}

/// Debian's cloud kernel, unpacked and not installed.
fn kernel(home: &Path) -> Result<Kernel> {
    let directory = home.join("guest-kernel");
    if !directory.exists() {
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
        std::fs::rename(&staged, &directory)?;
        std::fs::remove_dir_all(&work)?;
    }
    let files = files_below(&directory)?;
    let named = |wanted: &str| files.iter().find(|file| file.ends_with(wanted)).cloned();
    let image = files
        .iter()
        .find(|file| {
            file.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz-"))
        })
        .cloned()
        .context("no kernel image in the package")?;
    Ok(Kernel {
        image,
        modules: ["overlay.ko"].into_iter().filter_map(named).collect(),
    })
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

/// Builds the crates' tests static and returns the programs.
fn test_programs() -> Result<Vec<PathBuf>> {
    let target = crate::build::small_target();
    let mut command = run::cargo();
    command.args([
        "test",
        "--no-run",
        "--locked",
        "--message-format=json",
        "--target",
        target,
    ]);
    for name in CRATES {
        command.args(["--package", name]);
    }
    command.env(
        "RUSTFLAGS",
        "-C target-feature=+crt-static -C strip=symbols",
    );
    let messages = run::output(&mut command)?;
    let mut programs = Vec::new();
    for line in messages.lines() {
        let message: serde_json::Value = serde_json::from_str(line)?;
        if message["profile"]["test"] == true
            && let Some(program) = message["executable"].as_str()
        {
            let program = PathBuf::from(program);
            let name = program.file_name().unwrap_or_default().to_string_lossy();
            if !LEFT_OUT.iter().any(|start| name.starts_with(start)) {
                programs.push(program);
            }
        }
    }
    if programs.is_empty() {
        bail!("no test program was built for the guest");
    }
    Ok(programs)
}

fn initramfs(programs: &[PathBuf], kernel: &Kernel) -> Result<Vec<u8>> {
    let mut archive = Cpio::default();
    for directory in ["bin", "tests", "modules"] {
        archive.add(directory, 0o040_755, &[]);
    }
    archive.add("init", 0o100_755, INIT.as_bytes());
    archive.add("init2", 0o100_755, INIT2.as_bytes());
    archive.add(
        "bin/busybox",
        0o100_755,
        &std::fs::read("/bin/busybox").context("/bin/busybox")?,
    );
    for (directory, files) in [("tests", programs), ("modules", &kernel.modules)] {
        for file in files {
            let name = file
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default();
            archive.add(
                &format!("{directory}/{name}"),
                0o100_755,
                &std::fs::read(file)?,
            );
        }
    }
    Ok(archive.finish())
}

/// The "newc" archive of which the kernel makes its first root (cpio(5)).
#[derive(Default)]
struct Cpio {
    bytes: Vec<u8>,
    inode: u32,
}

impl Cpio {
    fn add(&mut self, name: &str, mode: u32, content: &[u8]) {
        self.inode += 1;
        let fields = [
            self.inode,
            mode,
            0,
            0,
            1,
            0,
            content.len() as u32,
            0,
            0,
            0,
            0,
            name.len() as u32 + 1,
            0,
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes
                .extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    fn finish(mut self) -> Vec<u8> {
        self.add("TRAILER!!!", 0, &[]);
        self.bytes
    }
}

/// Runs the guest, shows what it says, and fails unless each test program ended with 0.
fn boot(kernel: &Path, initramfs: &Path) -> Result<()> {
    let mut guest = Command::new("timeout")
        .args([
            &GUEST_SECONDS.to_string(),
            "qemu-system-x86_64",
            "-accel",
            "tcg",
            "-cpu",
            "max",
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
        .arg("-kernel")
        .arg(kernel)
        .arg("-initrd")
        .arg(initramfs)
        .args([
            "-append",
            "console=ttyS0 quiet panic=-1 cgroup_no_v1=all rdinit=/init",
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
