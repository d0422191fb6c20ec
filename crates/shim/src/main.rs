//! `corten-shim ID`: supervises one container. Started by the engine, with one end of a
//! socket pair as descriptor 0; of no use by hand. `corten-shim namespaces`: makes two
//! namespaces for the engine.
//!
//! Built static, at a fixed address, so that a start relocates nothing and shims share
//! their pages; `cargo xtask build` runs
//! `RUSTFLAGS="-C target-feature=+crt-static -C relocation-model=static" cargo build
//! --release -p corten-shim --target x86_64-unknown-linux-musl` (or `-gnu` where the musl
//! target is not installed: 120 instead of 40 KiB a shim, and a later first instruction).
#![forbid(unsafe_code)]

use std::os::fd::AsFd;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    let result = match words.next() {
        Some(word) if word == "namespaces" => {
            let users = words.next().map(std::path::PathBuf::from);
            corten_shim::hold_namespaces(users.as_deref())
        }
        _ => detach().and_then(corten_shim::run),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("corten-shim: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Leaves the engine's session, so that no signal of its terminal comes here, and takes
/// the control connection away from descriptor 0.
fn detach() -> std::io::Result<std::os::fd::OwnedFd> {
    // The file was run by descriptor: its number would be the name in process tables.
    rustix::thread::set_name(c"corten-shim")?;
    // Fails only for a process that leads its group already, as a shell may start it.
    let _session = rustix::process::setsid().is_ok();
    for signal in [corten_sys::signal::HANGUP, corten_sys::signal::INTERRUPT] {
        corten_sys::signal::ignore(signal)?;
    }
    // What stops an engine's whole process group shall not end its containers.
    corten_sys::signal::ignore(corten_sys::signal::TERMINATE)?;
    let control = std::io::stdin().as_fd().try_clone_to_owned()?;
    rustix::net::sockopt::socket_domain(&control)?;
    let null = std::fs::File::open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    Ok(control)
}
