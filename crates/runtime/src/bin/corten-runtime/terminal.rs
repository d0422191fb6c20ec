//! Terminals: a master handed to a console socket, or served in the foreground.

use crate::error::CommandError;
use corten_runtime::WindowSize;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix,
    SocketFlags, SocketType,
};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Sends the master to whoever listens on the unix socket `path`, as runc does.
pub(crate) fn send_master(path: &Path, master: BorrowedFd<'_>) -> Result<(), CommandError> {
    let send = || -> rustix::io::Result<()> {
        let (kind, flags) = (SocketType::STREAM, SocketFlags::CLOEXEC);
        let socket = rustix::net::socket_with(AddressFamily::UNIX, kind, flags, None)?;
        rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let files = [master];
        control.push(SendAncillaryMessage::ScmRights(&files));
        let name = [IoSlice::new(b"/dev/ptmx")];
        rustix::net::sendmsg(&socket, &name, &mut control, SendFlags::NOSIGNAL).map(|_| ())
    };
    send().map_err(|error| CommandError::File {
        path: path.to_owned(),
        source: error.into(),
    })
}

/// The size of the caller's terminal.
pub(crate) fn own_size() -> WindowSize {
    tcgetwinsize(rustix::stdio::stdin())
        .map(|size| WindowSize {
            rows: size.ws_row,
            columns: size.ws_col,
        })
        .unwrap_or_default()
}

/// The caller's terminal in raw mode; dropped, it is as before.
pub(crate) struct RawTerminal(Option<Termios>);

impl RawTerminal {
    pub(crate) fn new() -> Self {
        let Ok(before) = tcgetattr(rustix::stdio::stdin()) else {
            return Self(None);
        };
        let mut raw = before.clone();
        raw.make_raw();
        let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Flush, &raw);
        Self(Some(before))
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = tcsetattr(rustix::stdio::stdin(), OptionalActions::Flush, before);
        }
    }
}

/// Copies between the caller's streams and the terminal until its last user is gone.
pub(crate) fn serve(master: &OwnedFd) {
    let (input, output) = (rustix::stdio::stdin(), rustix::stdio::stdout());
    let mut input_open = true;
    loop {
        let mut wanted = vec![PollFd::new(master, PollFlags::IN)];
        if input_open {
            wanted.push(PollFd::new(&input, PollFlags::IN));
        }
        match poll(&mut wanted, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
        let ready: Vec<bool> = wanted.iter().map(|fd| !fd.revents().is_empty()).collect();
        if ready[0] && !copy(master.as_fd(), output) {
            return;
        }
        if ready.get(1) == Some(&true) {
            input_open = copy(input, master.as_fd());
        }
    }
}

/// Copies what is there; `false` at the end.
fn copy(from: BorrowedFd<'_>, to: BorrowedFd<'_>) -> bool {
    let mut bytes = [0; 8192];
    let Ok(count @ 1..) = rustix::io::retry_on_intr(|| rustix::io::read(from, &mut bytes)) else {
        return false;
    };
    let mut left = &bytes[..count];
    while !left.is_empty() {
        match rustix::io::write(to, left) {
            Ok(count) => left = &left[count..],
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
    }
    true
}
