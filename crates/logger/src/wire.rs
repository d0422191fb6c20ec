//! One connection to a receiver, whatever it is made of.

use crate::life::Life;
use rustls::{ClientConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{TcpStream, UdpSocket};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::{Duration, Instant};

/// A connection whose reads and writes give up after a moment, to be tried again.
#[derive(Debug)]
pub(crate) enum Wire {
    Tcp(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
    Unix(UnixStream),
    Udp(UdpSocket),
    UnixDatagram(UnixDatagram),
}

impl Wire {
    /// Sends everything, however slow the receiver is, as long as `life` allows.
    pub(crate) fn send(&mut self, bytes: &[u8], life: &mut Life) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => rest = &rest[count..],
                Err(error) if is_temporary(&error) && !life.is_over() => {}
                Err(error) => return Err(error),
            }
        }
        loop {
            match self.flush() {
                Err(error) if is_temporary(&error) && !life.is_over() => {}
                flushed => return flushed,
            }
        }
    }

    /// Sends everything within a time.
    pub(crate) fn send_within(&mut self, bytes: &[u8], limit: Duration) -> io::Result<()> {
        let until = Instant::now() + limit;
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => rest = &rest[count..],
                Err(error) if is_temporary(&error) && Instant::now() < until => {}
                Err(error) => return Err(error),
            }
        }
        self.flush()
    }

    /// Reads something; zero at the end.
    pub(crate) fn receive(&mut self, buffer: &mut [u8], life: &mut Life) -> io::Result<usize> {
        loop {
            let read = match self {
                Self::Tcp(stream) => stream.read(buffer),
                Self::Tls(stream) => stream.read(buffer),
                Self::Unix(stream) => stream.read(buffer),
                Self::Udp(socket) => socket.recv(buffer),
                Self::UnixDatagram(socket) => socket.recv(buffer),
            };
            match read {
                Err(error) if is_temporary(&error) && !life.is_over() => {}
                read => return read,
            }
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
            Self::Udp(socket) => socket.send(bytes),
            Self::UnixDatagram(socket) => socket.send(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tls(stream) => stream.flush(),
            _ => Ok(()),
        }
    }
}

fn is_temporary(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}
