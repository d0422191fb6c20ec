//! Options and queries around network sockets that `rustix` lacks: netlink(7),
//! netdevice(7), unshare(2).

use std::{
    ffi::CString,
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

/// A switch of `SOL_NETLINK`, see netlink(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetlinkOption {
    /// Acknowledgements do not repeat the request.
    CapAck,
    /// Acknowledgements explain refusals in words.
    ExtAck,
    /// The kernel checks dump requests strictly and filters as asked.
    StrictCheck,
}

/// Switches a netlink option on.
///
/// # Errors
/// ENOPROTOOPT on kernels that lack it.
pub fn enable(socket: BorrowedFd<'_>, option: NetlinkOption) -> io::Result<()> {
    let option = match option {
        NetlinkOption::CapAck => libc::NETLINK_CAP_ACK,
        NetlinkOption::ExtAck => libc::NETLINK_EXT_ACK,
        NetlinkOption::StrictCheck => libc::NETLINK_GET_STRICT_CHK,
    };
    let on: libc::c_int = 1;
    // SAFETY: `on` lives during the call and its size is given with it.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_NETLINK,
            option,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Whether the link `name` of the socket's network namespace has a carrier
/// (`ETHTOOL_GLINK`). Asking makes the kernel settle a pending change of the link's state,
/// which otherwise takes up to a second.
///
/// # Errors
/// ENODEV for an unknown name, EINVAL for one that is too long, EOPNOTSUPP.
pub fn link_has_carrier(socket: BorrowedFd<'_>, name: &str) -> io::Result<bool> {
    const ETHTOOL_GLINK: u32 = 0x0a;
    const SIOCETHTOOL: libc::Ioctl = 0x8946_u32 as libc::Ioctl;
    #[repr(C)]
    struct EthtoolValue {
        command: u32,
        data: u32,
    }
    #[repr(C)]
    struct Request {
        name: [libc::c_char; libc::IFNAMSIZ],
        value: *mut EthtoolValue,
        padding: [u64; 2],
    }
    let invalid = || io::Error::from_raw_os_error(libc::EINVAL);
    let text = CString::new(name).map_err(|_| invalid())?;
    if text.as_bytes_with_nul().len() > libc::IFNAMSIZ {
        return Err(invalid());
    }
    let mut value = EthtoolValue {
        command: ETHTOOL_GLINK,
        data: 0,
    };
    let mut request = Request {
        name: [0; _],
        value: &raw mut value,
        padding: [0; 2],
    };
    for (to, from) in request.name.iter_mut().zip(text.as_bytes()) {
        *to = *from as libc::c_char;
    }
    // SAFETY: `request` is laid out as `struct ifreq` (name, then a pointer in the union, 24
    // bytes long) and the value it points to outlives the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL, &raw mut request) };
    if result == 0 {
        Ok(value.data != 0)
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Moves the calling thread into a new network namespace. Meant for a thread that ends
/// soon.
///
/// # Errors
/// EPERM without CAP_SYS_ADMIN, ENOSPC at the limit of namespaces.
pub fn unshare_network() -> io::Result<()> {
    // SAFETY: no memory is involved; only the calling thread changes its namespace.
    let result = unsafe { libc::unshare(libc::CLONE_NEWNET) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
