//! `corten`, and `docker` when called so: the command line.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    let code = corten_cli::main(std::env::args_os());
    ExitCode::from(code)
}
