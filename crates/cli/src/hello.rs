//! The built-in hello-world image: a hand-made static program that greets, for machines
//! where `run hello-world` cannot reach the registry.

use crate::{app::App, error::CliError};
use corten_oci::{Digest, Reference};

/// What the program prints.
const GREETING: &str = "
Hello! Corten is at work on this machine.

What had to go right for you to read this:
 1. The command line reached the engine over its socket.
 2. The engine unpacked the image and made a container from it.
 3. A shim isolated this one tiny program, ran it, and carried
    these lines back to your terminal.

A bigger step, once a registry can be reached:
 $ corten run -it --rm debian bash

";

/// Whether the failed pull is the one that the built-in image stands in for: our own
/// name, `hello-world` itself, and a registry that could not be reached.
pub fn applies(app: &App, reference: &Reference, error: &CliError) -> bool {
    !app.is_docker()
        && reference.name() == "docker.io/library/hello-world"
        && reference.digest().is_none()
        && reference.tag().is_none_or(|tag| tag == "latest")
        && is_unreachable(&error.to_string())
}

fn is_unreachable(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    [
        "dial tcp",
        "no such host",
        "lookup",
        "dns",
        "network is unreachable",
        "host is unreachable",
        "no route to host",
        "connection refused",
        "connection reset",
        "connect",
        "timed out",
        "timeout",
        "deadline exceeded",
        "temporary failure in name resolution",
        "name or service not known",
        "unreachable",
    ]
    .iter()
    .any(|word| message.contains(word))
}

/// Loads the built-in image, and says so.
pub async fn load(app: &App, error: &CliError) -> Result<(), CliError> {
    app.warn(&format!(
        "corten: the registry cannot be reached ({error});"
    ));
    app.warn("corten: using the hello-world image that is built into this program");
    let response = app
        .client()
        .await?
        .post("/images/load")
        .query("quiet", "1")
        .bytes(archive(), "application/x-tar")
        .send()
        .await?;
    let mut lines = response.lines();
    crate::output::progress::Display::new(std::io::sink(), None)
        .run(&mut lines, |_| {})
        .await
}

/// The image as `docker save` would write it.
pub fn archive() -> Vec<u8> {
    let mut layer = Tar::default();
    layer.file("hello", 0o755, &program());
    let layer = layer.finish();
    let architecture = if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "amd64"
    };
    let config = format!(
        concat!(
            r#"{{"architecture":"{}","config":{{"Cmd":["/hello"],"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"WorkingDir":"/"}},"#,
            r#""created":"2026-01-01T00:00:00Z","history":[{{"created":"2026-01-01T00:00:00Z","created_by":"built into corten"}}],"#,
            r#""os":"linux","rootfs":{{"type":"layers","diff_ids":["{}"]}}}}"#
        ),
        architecture,
        Digest::of(&layer)
    );
    let config_name = format!("{}.json", Digest::of(config.as_bytes()).hex());
    let manifest = format!(
        r#"[{{"Config":"{config_name}","RepoTags":["hello-world:latest"],"Layers":["layer.tar"]}}]"#
    );
    let mut image = Tar::default();
    image.file(&config_name, 0o644, config.as_bytes());
    image.file("layer.tar", 0o644, &layer);
    image.file("manifest.json", 0o644, manifest.as_bytes());
    image.finish()
}

/// A static ELF program: `write(1, greeting)`, `exit(0)`.
///
/// elf(5): one header, one loadable read-and-execute segment that holds everything.
fn program() -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 56;
    let machine: u16 = if cfg!(target_arch = "aarch64") {
        183
    } else {
        62
    };
    let length = GREETING.len() as u32;
    let code_length = code(0, 0).len() as u64;
    let code = code(BASE + HEADERS + code_length, length);
    let size = HEADERS + code.len() as u64 + u64::from(length);
    let mut elf = Vec::with_capacity(size as usize);
    elf.extend([0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    elf.extend(2_u16.to_le_bytes());
    elf.extend(machine.to_le_bytes());
    elf.extend(1_u32.to_le_bytes());
    elf.extend((BASE + HEADERS).to_le_bytes());
    elf.extend(64_u64.to_le_bytes());
    elf.extend(0_u64.to_le_bytes());
    elf.extend(0_u32.to_le_bytes());
    for half in [64_u16, 56, 1, 0, 0, 0] {
        elf.extend(half.to_le_bytes());
    }
    elf.extend(1_u32.to_le_bytes());
    elf.extend(5_u32.to_le_bytes());
    for word in [0, BASE, BASE, size, size, 0x1_0000] {
        elf.extend(word.to_le_bytes());
    }
    elf.extend(&code);
    elf.extend(GREETING.as_bytes());
    elf
}

/// Machine code for the greeting at `address`.
#[cfg(not(target_arch = "aarch64"))]
fn code(address: u64, length: u32) -> Vec<u8> {
    let mut code = Vec::new();
    code.extend([0xb8, 1, 0, 0, 0]); // mov eax, 1 (write)
    code.extend([0xbf, 1, 0, 0, 0]); // mov edi, 1
    code.push(0xbe); // mov esi, address
    code.extend((address as u32).to_le_bytes());
    code.push(0xba); // mov edx, length
    code.extend(length.to_le_bytes());
    code.extend([0x0f, 0x05]); // syscall
    code.extend([0xb8, 60, 0, 0, 0]); // mov eax, 60 (exit)
    code.extend([0x31, 0xff]); // xor edi, edi
    code.extend([0x0f, 0x05]); // syscall
    code
}

/// Machine code for the greeting at `address`.
#[cfg(target_arch = "aarch64")]
fn code(address: u64, length: u32) -> Vec<u8> {
    let movz = |register: u32, value: u32, shift: u32| {
        0xd280_0000 | (shift / 16) << 21 | (value & 0xffff) << 5 | register
    };
    let movk = |register: u32, value: u32, shift: u32| {
        0xf280_0000 | (shift / 16) << 21 | (value & 0xffff) << 5 | register
    };
    let svc = 0xd400_0001;
    [
        movz(0, 1, 0),
        movz(1, address as u32, 0),
        movk(1, (address >> 16) as u32, 16),
        movz(2, length, 0),
        movz(8, 64, 0),
        svc,
        movz(0, 0, 0),
        movz(8, 93, 0),
        svc,
    ]
    .into_iter()
    .flat_map(u32::to_le_bytes)
    .collect()
}

/// Writes the few tar entries that the built-in image needs (POSIX ustar).
#[derive(Default)]
struct Tar(Vec<u8>);

impl Tar {
    fn file(&mut self, name: &str, mode: u32, content: &[u8]) {
        let mut header = [0_u8; 512];
        header[..name.len()].copy_from_slice(name.as_bytes());
        let mut octal = |at: usize, width: usize, value: u64| {
            let text = format!("{value:0width$o}", width = width - 1);
            header[at..at + width - 1].copy_from_slice(text.as_bytes());
        };
        octal(100, 8, mode.into());
        octal(108, 8, 0);
        octal(116, 8, 0);
        octal(124, 12, content.len() as u64);
        octal(136, 12, 1_767_225_600);
        header[148..156].fill(b' ');
        header[156] = b'0';
        header[257..265].copy_from_slice(b"ustar\x0000");
        let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        self.0.extend(header);
        self.0.extend(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
    }

    fn finish(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{os::unix::fs::PermissionsExt, process::Command};

    #[test]
    fn the_program_runs_without_anything_and_greets() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("hello");
        std::fs::write(&path, program()).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let output = Command::new(&path).env_clear().output().unwrap();
        assert!(output.status.success());
        assert_eq!(String::from_utf8(output.stdout).unwrap(), GREETING);
    }

    #[test]
    fn only_a_registry_that_cannot_be_reached_counts() {
        for (message, unreachable) in [
            (
                "Get \"https://registry-1.docker.io/v2/\": dial tcp: lookup x: no such host",
                true,
            ),
            ("connect: network is unreachable", true),
            (
                "pull access denied for hello-world, repository does not exist",
                false,
            ),
            (
                "toomanyrequests: You have reached your pull rate limit",
                false,
            ),
            ("unauthorized: authentication required", false),
        ] {
            assert_eq!(is_unreachable(message), unreachable, "{message}");
        }
    }
}
