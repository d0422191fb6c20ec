//! Waiting, and who is to act on what.

use crate::client::STALL_LIMIT;
use crate::control::Arrived;
use crate::epoll::{Ready, Token};
use crate::failure;
use crate::log::Logs;
use crate::output::{READ_BYTES, Read};
use crate::shim::{FIRST, MAX_CONTROLS, Shim};
use corten_base::Timestamp;
use corten_cgroup::{CgroupError, OomWatch};
use corten_shim_proto::{Event, Reply, Stream};
use rustix::net::{SocketFlags, accept_with};
use std::io;
use std::time::{Duration, Instant};

/// How many pieces of one stream are read before others get their turn.
const PIECES_A_TURN: usize = 16;

/// After so long without output, memory that a burst needed is given back.
const QUIET: Duration = Duration::from_secs(1);

/// How often a kill for lack of memory is looked for that was announced.
const KILL_SOON: Duration = Duration::from_millis(20);

/// How often a record that could not be written is tried again.
const RETRY: Duration = Duration::from_secs(1);

impl Shim {
    pub(crate) fn run(mut self) -> io::Result<()> {
        while !self.is_over() {
            let ready = self.epoll.wait(self.timeout())?;
            if ready.is_empty() {
                self.release_memory();
            }
            for event in ready {
                self.dispatch(event);
            }
            self.settle();
        }
        Ok(())
    }

    fn timeout(&self) -> Option<Duration> {
        let log = self.container.as_ref().map(|container| &container.log);
        if log.is_some_and(Logs::has_background_work) {
            return Some(Duration::ZERO);
        }
        let closing = log.and_then(Logs::close_time_left);
        let unrecorded = self.container.as_ref().is_some_and(|it| it.unrecorded);
        let retry = unrecorded.then_some(RETRY);
        let oom = self.container.as_ref().and_then(|it| it.oom.as_ref());
        let kill = oom.filter(|(_, watch)| watch.expects_a_kill());
        let kill = kill.map(|_| KILL_SOON);
        let starting = self.container.is_some() && !self.settled;
        let quiet = (starting || !self.buffer.is_empty()).then_some(QUIET);
        let stalled = self
            .clients
            .values()
            .filter_map(|client| client.stalled_since());
        let stalled = stalled
            .map(|since| STALL_LIMIT.saturating_sub(since.elapsed()))
            .min();
        let draining = self
            .processes
            .values()
            .filter_map(|process| process.exit.as_ref());
        let draining = draining
            .map(|(_, since)| Self::drain_time_left(*since))
            .min();
        // A client that stalls alone stays stalled for good: no busy waiting for it.
        let stalled = stalled.map(|left| left.max(Duration::from_millis(100)));
        [retry, kill, quiet, stalled, draining, closing]
            .into_iter()
            .flatten()
            .min()
    }

    fn dispatch(&mut self, event: Ready) {
        match event.token {
            Token::Listener => self.accept(),
            Token::Control(number) => self.serve(number, event),
            Token::Exit(number) => self.reap(number),
            Token::Stdout(number) => self.pump(number, Stream::Stdout),
            Token::Stderr(number) => self.pump(number, Stream::Stderr),
            Token::Input(number) => {
                if let Some(process) = self.processes.get_mut(&number) {
                    process.flush_input();
                }
                self.listen_to_clients(number);
            }
            Token::Client(number) => self.client_is_ready(number, event),
            Token::Oom => self.out_of_memory(OomWatch::take),
            Token::Logger => {
                if let Some(container) = &mut self.container {
                    container.log.flush();
                }
                self.listen_to_outputs(FIRST);
            }
        }
    }

    /// What follows from several events together.
    fn settle(&mut self) {
        if let Some(container) = &mut self.container {
            container.log.flush();
        }
        let oom = self.container.as_ref().and_then(|it| it.oom.as_ref());
        if oom.is_some_and(|(_, watch)| watch.expects_a_kill()) {
            self.out_of_memory(OomWatch::look);
        }
        self.cut_off_stalled();
        self.finish_exits();
    }

    fn accept(&mut self) {
        let Some((listener, _)) = &self.listener else {
            return;
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        if let Ok(socket) = accept_with(listener, flags)
            && self.controls.len() < MAX_CONTROLS
        {
            // Closed when it cannot be watched.
            let _added = self.add_control(socket).is_ok();
        }
    }

    fn serve(&mut self, number: u32, event: Ready) {
        let Some(control) = self.controls.get_mut(&number) else {
            return;
        };
        if event.writable && !control.flush() {
            self.controls.remove(&number);
            return;
        }
        if !event.readable {
            return;
        }
        match control.receive() {
            Arrived::Nothing => return,
            Arrived::End => {
                self.controls.remove(&number);
                return;
            }
            Arrived::Something => {}
        }
        while let Some(control) = self.controls.get_mut(&number) {
            let request = match control.request() {
                Ok(Some(request)) => request,
                Ok(None) => return,
                Err(error) => {
                    // What follows cannot be told apart any more.
                    let failure = failure::request(corten_base::chain(&error));
                    control.push(&Reply::Failed(failure));
                    self.controls.remove(&number);
                    return;
                }
            };
            let descriptors = std::mem::take(&mut control.descriptors);
            let reply = self.answer(number, request, descriptors);
            if let Some(control) = self.controls.get_mut(&number)
                && !control.push(&reply)
            {
                self.controls.remove(&number);
            }
        }
    }

    /// Moves output of one stream to the log and to every client.
    pub(crate) fn pump(&mut self, number: u32, stream: Stream) {
        self.buffer.resize(READ_BYTES, 0);
        for _ in 0..PIECES_A_TURN {
            match self.pump_once(number, stream) {
                Read::Bytes(count) if count == READ_BYTES => {}
                Read::Bytes(_) | Read::Nothing => break,
                Read::End => {
                    self.end_output(number, stream);
                    return;
                }
            }
            if self.is_full(number) {
                break;
            }
        }
        self.listen_to_outputs(number);
    }

    pub(crate) fn pump_once(&mut self, number: u32, stream: Stream) -> Read {
        self.buffer.resize(READ_BYTES, 0);
        let Some(process) = self.processes.get(&number) else {
            return Read::Nothing;
        };
        let output = process
            .outputs
            .iter()
            .find(|output| output.stream == stream);
        let read = output.map_or(Read::Nothing, |output| output.read(&mut self.buffer));
        let Read::Bytes(count) = read else {
            return read;
        };
        let bytes = &self.buffer[..count];
        if number == FIRST
            && let Some(container) = &mut self.container
        {
            container.log.write(log_stream(stream), bytes);
        }
        self.clients.retain(|_, client| {
            if client.process != number {
                return true;
            }
            client.push(stream, bytes);
            client.flush() && client.listen(process.accepts_input())
        });
        read
    }

    fn end_output(&mut self, number: u32, stream: Stream) {
        let Some(process) = self.processes.get_mut(&number) else {
            return;
        };
        process.outputs.retain(|output| output.stream != stream);
        if number == FIRST
            && let Some(container) = &mut self.container
        {
            container.log.end(log_stream(stream));
        }
    }

    /// Whether somebody has no room for more output of a process.
    fn is_full(&self, number: u32) -> bool {
        let log = self.container.as_ref().map(|container| &container.log);
        let mut clients = self.clients.values();
        number == FIRST && log.is_some_and(Logs::is_full)
            || clients.any(|client| client.process == number && client.is_full())
    }

    /// Output is read as long as every client, and the log, has room for it.
    pub(crate) fn listen_to_outputs(&mut self, number: u32) {
        let full = self.is_full(number);
        if let Some(process) = self.processes.get_mut(&number) {
            for output in &mut process.outputs {
                output.listen(!full);
            }
        }
    }

    fn out_of_memory(&mut self, look: fn(&mut OomWatch) -> Result<bool, CgroupError>) {
        let Some(container) = &mut self.container else {
            return;
        };
        let Some((_, watch)) = &mut container.oom else {
            return;
        };
        match look(watch) {
            Ok(true) => {
                container.oom_seen = true;
                self.tell(&Event::Oom {
                    at: Timestamp::now(),
                });
            }
            Ok(false) => {}
            // The group is gone; so will the container be.
            Err(_) => container.oom = None,
        }
    }

    fn release_memory(&mut self) {
        if self.container.is_some() && !self.settled {
            // The start's share of stack and program; it only costs page faults later.
            let _released = corten_sys::memory::release_after_start().is_ok();
            self.settled = true;
        }
        self.buffer = Vec::new();
        if let Some(container) = &mut self.container {
            container.log.release_memory();
        }
    }

    /// `client.rs` says why.
    fn cut_off_stalled(&mut self) {
        let now = Instant::now();
        let stalled = |since: Option<Instant>| {
            since.is_some_and(|since| now.duration_since(since) >= STALL_LIMIT)
        };
        let cut: Vec<u32> = self
            .clients
            .iter()
            .filter(|(_, client)| stalled(client.stalled_since()))
            .filter(|(number, client)| {
                let mut others = self.clients.iter().filter(|(other, _)| other != number);
                others.any(|(_, other)| other.process == client.process)
            })
            .map(|(&number, _)| number)
            .collect();
        for number in cut {
            self.drop_client(number);
        }
    }
}

fn log_stream(stream: Stream) -> corten_logs::Stream {
    match stream {
        Stream::Stdout => corten_logs::Stream::Stdout,
        Stream::Stderr => corten_logs::Stream::Stderr,
    }
}
