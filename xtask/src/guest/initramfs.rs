//! The guest's root file system: programs of this host with the libraries they need.

use crate::run;
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The "newc" archive of which the kernel makes its first root (cpio(5)).
#[derive(Default)]
pub struct Initramfs {
    bytes: Vec<u8>,
    inode: u32,
    present: BTreeSet<PathBuf>,
}

impl Initramfs {
    /// A directory and those above it.
    pub fn directory(&mut self, path: &Path) {
        let mut above: Vec<&Path> = path.ancestors().collect();
        above.reverse();
        for directory in above {
            let is_root = directory.as_os_str().is_empty() || directory == Path::new("/");
            if !is_root && self.present.insert(directory.to_path_buf()) {
                self.add(directory, 0o040_755, &[]);
            }
        }
    }

    /// A file that can be executed.
    pub fn file(&mut self, path: &Path, content: &[u8]) {
        if let Some(parent) = path.parent() {
            self.directory(parent);
        }
        if self.present.insert(path.to_path_buf()) {
            self.add(path, 0o100_755, content);
        }
    }

    /// A file of this host.
    pub fn copy(&mut self, from: &Path, to: &Path) -> Result<()> {
        let content = std::fs::read(from).with_context(|| from.display().to_string())?;
        self.file(to, &content);
        Ok(())
    }

    /// A program of this host, without what debuggers need, and its shared libraries,
    /// which stand where they stand here.
    pub fn program(&mut self, from: &Path, to: &Path) -> Result<()> {
        let stripped = run::target_directory().join("guest-program");
        run::output(Command::new("strip").arg("-o").arg(&stripped).arg(from))?;
        self.copy(&stripped, to)?;
        std::fs::remove_file(&stripped)?;
        for library in libraries(from)? {
            if !self.present.contains(&library) {
                self.copy(&library, &library)?;
            }
        }
        Ok(())
    }

    /// The archive's bytes.
    pub fn finish(mut self) -> Vec<u8> {
        self.add(Path::new("TRAILER!!!"), 0, &[]);
        self.bytes
    }

    fn add(&mut self, path: &Path, mode: u32, content: &[u8]) {
        let name = path.display().to_string();
        let name = name.trim_start_matches('/');
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
}

/// What ldd(1) finds for `program`; nothing for a static one.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd")
        .arg(program)
        .output()
        .context("starting ldd")?;
    let listed = String::from_utf8_lossy(&output.stdout);
    Ok(library_paths(&listed))
}

/// `libc.so.6 => /lib/libc.so.6 (0x…)` and `/lib64/ld-linux-x86-64.so.2 (0x…)`.
fn library_paths(listed: &str) -> Vec<PathBuf> {
    listed
        .lines()
        .filter_map(|line| {
            line.split_whitespace()
                .find(|word| word.starts_with('/'))
                .map(PathBuf::from)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_found_in_what_ldd_prints() {
        let listed = "\tlinux-vdso.so.1 (0x7f)\n\tlibc.so.6 => /lib/libc.so.6 (0x7f)\n\t/lib64/ld.so (0x7f)\n";
        assert_eq!(
            library_paths(listed),
            ["/lib/libc.so.6", "/lib64/ld.so"].map(PathBuf::from)
        );
        assert!(library_paths("\tnot a dynamic executable\n").is_empty());
    }

    #[test]
    fn a_file_brings_its_directories_once() {
        let mut root = Initramfs::default();
        root.file(Path::new("/a/b/c"), b"x");
        root.file(Path::new("/a/b/d"), b"y");
        let text = String::from_utf8_lossy(&root.finish()).into_owned();
        assert_eq!(text.matches("a/b\0").count(), 1);
        assert_eq!(text.matches("a/b/c\0").count(), 1);
        assert!(text.len().is_multiple_of(4) && text.contains("TRAILER!!!"));
    }
}
