//! Platforms that this machine runs with the help of emulators, as the kernel lists them.

use corten_oci::Platform;
use std::path::Path;

/// Handlers of foreign programs. binfmt_misc.rst of the kernel's documentation.
const HANDLERS: &str = "/proc/sys/fs/binfmt_misc";

/// Names of qemu's programs and what they run.
const EMULATORS: [(&str, &str); 10] = [
    ("qemu-aarch64", "linux/arm64"),
    ("qemu-x86_64", "linux/amd64"),
    ("qemu-arm", "linux/arm/v7"),
    ("qemu-i386", "linux/386"),
    ("qemu-ppc64le", "linux/ppc64le"),
    ("qemu-s390x", "linux/s390x"),
    ("qemu-riscv64", "linux/riscv64"),
    ("qemu-mips64el", "linux/mips64le"),
    ("qemu-mips64", "linux/mips64"),
    ("qemu-loongarch64", "linux/loong64"),
];

/// Platforms with an emulator that is switched on and whose program the kernel holds open
/// (flag `F`), so that it is found from within any root file system.
pub fn emulated_platforms() -> Vec<Platform> {
    registered(Path::new(HANDLERS))
}

fn registered(directory: &Path) -> Vec<Platform> {
    let usable = |name: &&(&str, &str)| {
        let text = std::fs::read_to_string(directory.join(name.0)).unwrap_or_default();
        let fixed = text
            .lines()
            .filter_map(|line| line.strip_prefix("flags:"))
            .any(|flags| flags.contains('F'));
        text.starts_with("enabled") && fixed
    };
    let found = EMULATORS.iter().filter(usable);
    found
        .filter_map(|(_, platform)| platform.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_emulator_counts_when_it_is_on_and_found_from_everywhere() {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            std::fs::write(directory.path().join(name), text).unwrap();
        };
        write(
            "qemu-aarch64",
            "enabled\ninterpreter /usr/bin/qemu-aarch64\nflags: POCF\n",
        );
        write(
            "qemu-s390x",
            "enabled\ninterpreter /usr/bin/qemu-s390x\nflags: P\n",
        );
        write("qemu-riscv64", "disabled\ninterpreter /x\nflags: F\n");
        let found = registered(directory.path());
        assert_eq!(found, ["linux/arm64".parse().unwrap()]);
    }
}
