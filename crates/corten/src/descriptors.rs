//! How many descriptors the daemon may have open: as many as the kernel lets one process
//! have. A published port holds one for each address it is bound to, a running container a few. Shims, and with them
//! containers, keep what the daemon was started with.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The kernel's bound for one process, proc(5).
const KERNEL_BOUND: &str = "/proc/sys/fs/nr_open";

/// Raises the limit of this process, and returns the one that it had.
pub(crate) fn raise() -> Rlimit {
    let had = getrlimit(Resource::Nofile);
    let bound = std::fs::read_to_string(KERNEL_BOUND).ok();
    let bound = bound.and_then(|text| text.trim().parse().ok());
    let all = Rlimit {
        current: bound,
        maximum: bound,
    };
    // Without the right to more, what is left up to the hard limit.
    let some = Rlimit {
        current: had.maximum,
        maximum: had.maximum,
    };
    let raised = bound
        .map_or(Err(rustix::io::Errno::NOENT), |_| {
            setrlimit(Resource::Nofile, all)
        })
        .or_else(|_| setrlimit(Resource::Nofile, some));
    if let Err(error) = raised {
        tracing::warn!(%error, "the limit of open descriptors stays as it is");
    }
    had
}
