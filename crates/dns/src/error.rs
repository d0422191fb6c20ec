//! Why names cannot be served.

use thiserror::Error;

/// A failure to serve names.
#[derive(Debug, Error)]
pub enum DnsError {
    /// A socket could not be opened, or the thread not started.
    #[error("{step}")]
    System {
        /// What was tried.
        step: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// The container's namespace could not be entered.
    #[error("entering the container's network namespace")]
    Namespace(#[from] corten_netlink::NetlinkError),
}

impl DnsError {
    pub(crate) fn at(step: &'static str) -> impl Fn(std::io::Error) -> Self {
        move |source| Self::System { step, source }
    }
}
