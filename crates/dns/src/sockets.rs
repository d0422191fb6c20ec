//! Where a container's questions come in.

use crate::DnsError;
use corten_netlink::{
    NetlinkError, Netns,
    nft::{BaseChain, Compared, Expression, Family, Hook, MetaKey, NftBatch, NftSocket, Register},
};
use rustix::io::Errno;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};

/// Where containers ask.
pub(crate) const ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);
/// The port that containers ask at.
const PORT: u16 = 53;
/// The table in the container's namespace.
const TABLE: &str = "corten_dns";
/// `mangle`, before anything the container's own rules may do.
const PRIORITY: i32 = -150;

/// The two sockets.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub udp: UdpSocket,
    pub tcp: TcpListener,
}

impl Sockets {
    /// Opens them inside a namespace, at ports of the kernel's choice, and has the ports
    /// swapped by rules in there; on a kernel without nftables at port 53 itself, which the
    /// container then cannot have on all addresses.
    pub fn open(netns: &Netns) -> Result<Self, DnsError> {
        netns.run(|| {
            let sockets = Self::bind(0).map_err(DnsError::at("opening the sockets for names"))?;
            let swapped = sockets.ports().map(|ports| swap(ports.0, ports.1));
            let sockets = match swapped {
                Ok(Ok(())) => sockets,
                Ok(Err(error)) => {
                    tracing::debug!(error = %error, "no rules for names: port 53 itself");
                    Self::bind(PORT).map_err(DnsError::at("opening port 53 for names"))?
                }
                Err(source) => return Err(DnsError::at("asking for a port")(source)),
            };
            sockets
                .unblock()
                .map_err(DnsError::at("setting up the sockets for names"))?;
            Ok(sockets)
        })?
    }

    fn bind(port: u16) -> std::io::Result<Self> {
        let address = SocketAddrV4::new(ADDRESS, port);
        Ok(Self {
            udp: UdpSocket::bind(address)?,
            tcp: TcpListener::bind(address)?,
        })
    }

    fn ports(&self) -> std::io::Result<(u16, u16)> {
        let (udp, tcp) = (self.udp.local_addr()?, self.tcp.local_addr()?);
        Ok((udp.port(), tcp.port()))
    }

    fn unblock(&self) -> std::io::Result<()> {
        self.udp.set_nonblocking(true)?;
        self.tcp.set_nonblocking(true)
    }
}

/// Port 53 of our address becomes the sockets' on the way out, and back. Packets are
/// changed one by one: no connection of the container has to be tracked for it.
fn swap(udp: u16, tcp: u16) -> Result<(), NetlinkError> {
    let mut nft = NftSocket::open()?;
    let made = nft.run(rules(&nft, udp, tcp, false));
    match made {
        // Of an earlier run.
        Err(error) if error.errno() == Some(Errno::EXIST) => nft.run(rules(&nft, udp, tcp, true)),
        other => other,
    }
}

/// The table; in place of one that is there, which takes longer.
fn rules(nft: &NftSocket, udp: u16, tcp: u16, again: bool) -> NftBatch {
    // Transport protocol, and where its checksum is.
    const UDP: (u8, u32) = (17, 6);
    const TCP: (u8, u32) = (6, 16);
    const SOURCE_ADDRESS: u32 = 12;
    const DESTINATION_ADDRESS: u32 = 16;
    const SOURCE_PORT: u32 = 0;
    const DESTINATION_PORT: u32 = 2;
    let mut batch = nft.batch(Family::Ip, TABLE);
    if again {
        batch.delete_table();
    }
    batch.add_new_table();
    batch.add_chain(
        "output",
        Some(BaseChain {
            nat: false,
            hook: Hook::Output,
            priority: PRIORITY,
            drop: false,
        }),
    );
    let register = Register(0);
    for ((protocol, checksum), port) in [(UDP, udp), (TCP, tcp)] {
        for (address, at, from, to) in [
            (DESTINATION_ADDRESS, DESTINATION_PORT, PORT, port),
            (SOURCE_ADDRESS, SOURCE_PORT, port, PORT),
        ] {
            let equal = |value: Vec<u8>| Expression::Compare(register, Compared::Equal, value);
            batch.add_rule(
                "output",
                &[
                    Expression::Network(address, 4, register),
                    equal(ADDRESS.octets().to_vec()),
                    Expression::Meta(MetaKey::Transport, register),
                    equal(vec![protocol]),
                    Expression::TransportHeader(at, 2, register),
                    equal(from.to_be_bytes().to_vec()),
                    Expression::Constant(register, to.to_be_bytes().to_vec()),
                    Expression::SetTransport(at, checksum, register),
                ],
            );
        }
    }
    batch
}
