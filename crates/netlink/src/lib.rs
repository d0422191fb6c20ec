//! Links, addresses, routes, neighbours, nftables and network namespaces as typed,
//! batched requests to the kernel.
//!
//! Purpose: [`Netns`] makes and opens network namespaces; [`route::RouteSocket`] speaks
//! rtnetlink (many requests in one message, one acknowledgement each);
//! [`nft::NftSocket`] speaks nf_tables (one atomic transaction per batch).
//!
//! Invariants: synchronous and blocking; a socket belongs to the namespace it was opened
//! in, so no call changes the calling thread's namespace. Errors carry the kernel's own
//! explanation (extended acknowledgement) where it gives one.
//!
//! Never knows: networks as Docker understands them.
//!
//! Sources: netlink(7), rtnetlink(7), Documentation/netlink/specs of Linux 6.18,
//! include/uapi/linux/netfilter/nf_tables.h.
#![forbid(unsafe_code)]

pub mod conntrack;
mod error;
mod message;
mod netns;
pub mod nft;
pub mod route;
mod socket;

pub use error::NetlinkError;
pub use netns::Netns;
