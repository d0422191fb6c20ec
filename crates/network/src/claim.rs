//! Names that two engines on one host must not share: the bridge and the firewall's table.
//!
//! A claim is an abstract socket (unix(7)), which lives in the network namespace as bridges
//! and tables do, and is gone with its process however that ends.

use rustix::{
    io::Errno,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, socket_with},
};
use std::os::fd::OwnedFd;

/// How many engines may share a host.
const ENGINES_MAX: u32 = 16;

/// A name that is ours as long as this lives.
#[derive(Debug)]
pub(crate) struct Claim {
    pub name: String,
    _socket: OwnedFd,
}

impl Claim {
    /// Claims, among the names of one kind of thing, the first that no running engine has and `is_free` says yes to: `first`,
    /// else `further` followed by a number.
    pub fn first_free<E>(
        kind: &str,
        first: &str,
        further: &str,
        mut is_free: impl FnMut(&str) -> Result<bool, E>,
    ) -> Result<Option<Self>, E> {
        let others = (0..ENGINES_MAX).map(|number| format!("{further}{number}"));
        for name in std::iter::once(first.to_owned()).chain(others) {
            if let Some(claim) = Self::take(kind, &name)
                && is_free(&name)?
            {
                return Ok(Some(claim));
            }
        }
        Ok(None)
    }

    fn take(kind: &str, name: &str) -> Option<Self> {
        let address =
            SocketAddrUnix::new_abstract_name(format!("corten/{kind}/{name}").as_bytes()).ok()?;
        let (family, kind) = (AddressFamily::UNIX, SocketType::DGRAM);
        let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None).ok()?;
        match bind(&socket, &address) {
            Ok(()) => Some(Self {
                name: name.to_owned(),
                _socket: socket,
            }),
            Err(Errno::ADDRINUSE) => None,
            Err(error) => {
                tracing::warn!(name, %error, "claiming a name");
                None
            }
        }
    }
}
