//! `cortend`: the engine.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    corten::daemon::main()
}
