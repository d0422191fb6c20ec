//! A process of the container: the first one, or an exec.

use crate::epoll::{Epoll, Interest, Token, Watched};
use crate::input::Input;
use crate::output::Output;
use crate::stdio::Ends;
use corten_base::{Id, Timestamp};
use corten_shim_proto::{Exit, Stream, TerminalSize};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use rustix::termios::Winsize;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

/// A process and its streams.
#[derive(Debug)]
pub(crate) struct Process {
    /// Which exec it is; none is the first process.
    pub(crate) exec: Option<Id>,
    pub(crate) pid: u32,
    pub(crate) pidfd: Watched,
    pub(crate) input: Option<Input>,
    /// Whether the end of a client's input is the end of the process's.
    pub(crate) ends_with_client: bool,
    pub(crate) outputs: Vec<Output>,
    /// The terminal's other end.
    pub(crate) console: Option<OwnedFd>,
    /// How it ended and when that was seen; what it wrote before may still be on its
    /// way.
    pub(crate) exit: Option<(Exit, Instant)>,
}

/// What the runtime has made.
pub(crate) struct Made {
    pub(crate) pid: i32,
    pub(crate) pidfd: OwnedFd,
    pub(crate) console: Option<OwnedFd>,
    pub(crate) ends: Ends,
}

impl Process {
    /// Watches the process and its streams. `typed`: a terminal takes input.
    pub(crate) fn new(
        epoll: &Epoll,
        number: u32,
        exec: Option<Id>,
        made: Made,
        typed: bool,
    ) -> io::Result<Self> {
        let Made {
            pid,
            pidfd,
            console,
            ends,
        } = made;
        let mut pidfd = Watched::as_it_is(epoll, pidfd, Token::Exit(number));
        pidfd.want(Interest::READ)?;
        let mut process = Self {
            exec,
            pid: pid.unsigned_abs(),
            pidfd,
            input: None,
            ends_with_client: false,
            outputs: Vec::new(),
            console: None,
            exit: None,
        };
        let streams = [
            (ends.stdout, Stream::Stdout, Token::Stdout(number)),
            (ends.stderr, Stream::Stderr, Token::Stderr(number)),
        ];
        for (end, stream, token) in streams {
            if let Some(end) = end {
                process.add_output(Watched::new(epoll, end, token)?, stream);
            }
        }
        let mut input = ends.stdin;
        if let Some(console) = console {
            // Three descriptors of one terminal: epoll knows each by its number.
            let reader = console.as_fd().try_clone_to_owned()?;
            process.add_output(
                Watched::new(epoll, reader, Token::Stdout(number))?,
                Stream::Stdout,
            );
            if typed {
                input = Some(console.as_fd().try_clone_to_owned()?);
            }
            process.console = Some(console);
        }
        if let Some(input) = input {
            process.input = Some(Input::new(Watched::new(
                epoll,
                input,
                Token::Input(number),
            )?));
        }
        Ok(process)
    }

    fn add_output(&mut self, descriptor: Watched, stream: Stream) {
        let mut output = Output::new(descriptor, stream);
        output.listen(true);
        self.outputs.push(output);
    }

    pub(crate) fn is_running(&self) -> bool {
        self.exit.is_none()
    }

    /// Reaps it, if it has ended. Exit codes as shells count them: 128 + n for signal n.
    pub(crate) fn reap(&mut self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let status = match waitid(WaitId::PidFd(self.pidfd.as_fd()), options) {
            Ok(None) => return false,
            Ok(Some(status)) => status
                .exit_status()
                .or_else(|| status.terminating_signal().map(|signal| 128 + signal)),
            // Not our child any more: somebody else has its status. Cannot happen.
            Err(_) => None,
        };
        let _silent = self.pidfd.want(Interest::NONE).is_ok();
        let code = status
            .and_then(|code| u8::try_from(code & 255).ok())
            .unwrap_or(255);
        let exit = Exit {
            code,
            oom_killed: false,
            at: Timestamp::now(),
        };
        self.exit = Some((exit, Instant::now()));
        true
    }

    /// Sends a signal; ESRCH when it has ended.
    pub(crate) fn kill(&self, signal: i32) -> io::Result<()> {
        corten_sys::signal::pidfd_send_signal(&self.pidfd, signal)
    }

    /// Sets the terminal's size, if there is one.
    pub(crate) fn resize(&self, size: TerminalSize) -> io::Result<()> {
        let Some(console) = &self.console else {
            return Ok(());
        };
        let size = Winsize {
            ws_row: size.rows,
            ws_col: size.columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        Ok(rustix::termios::tcsetwinsize(console, size)?)
    }

    /// Writes what clients typed; drops the end when that is over.
    pub(crate) fn flush_input(&mut self) {
        if self.input.as_mut().is_some_and(|input| !input.flush()) {
            self.input = None;
        }
    }

    /// Whether there is room for more input. Where there is none to give it to, it is
    /// taken and thrown away.
    pub(crate) fn accepts_input(&self) -> bool {
        self.input.as_ref().is_none_or(|input| !input.is_full())
    }
}
