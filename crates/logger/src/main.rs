//! `corten-logger`: sends a container's log records away. Started by a shim, with one end
//! of a socket pair as descriptor 0; of no use by hand.
#![forbid(unsafe_code)]

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

fn main() -> ExitCode {
    match detach().and_then(corten_logger::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("corten-logger: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What stops the engine's process group shall not end its containers' logs.
fn detach() -> std::io::Result<UnixStream> {
    for signal in [
        corten_sys::signal::HANGUP,
        corten_sys::signal::INTERRUPT,
        corten_sys::signal::TERMINATE,
    ] {
        corten_sys::signal::ignore(signal)?;
    }
    let shim = std::io::stdin().as_fd().try_clone_to_owned()?;
    rustix::net::sockopt::socket_domain(&shim)?;
    let null = std::fs::File::open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    Ok(shim.into())
}
