//! `corten`, and `docker` when called so: the command line; `corten registry`.
#![forbid(unsafe_code)]

use std::{path::Path, process::ExitCode};

fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let program = words.next().unwrap_or_default();
    let is_docker = Path::new(&program)
        .file_name()
        .is_some_and(|name| name == "docker");
    // Docker knows no such command, and the client's room knows no registry.
    if !is_docker && words.next().is_some_and(|word| word == "registry") {
        return corten::registry::main(words.map(|word| word.to_string_lossy().into_owned()));
    }
    let code = corten_cli::main(std::env::args_os());
    ExitCode::from(code)
}
