//! Servers that questions are passed on to, and one question put to them.

use corten_netlink::Netns;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    net::{AddressFamily, SocketFlags, SocketType, connect, recv, send, socket_with},
};
use std::{
    io::{Read, Write},
    net::{IpAddr, SocketAddr, TcpStream},
    os::fd::OwnedFd,
    sync::Arc,
    time::{Duration, Instant},
};

/// The port of every server.
const PORT: u16 = 53;
/// How long one question may take, as in Docker 28.
const PATIENCE: Duration = Duration::from_secs(4);
/// When a question is sent again, counted from the first time.
const AGAIN: [Duration; 2] = [Duration::from_secs(1), Duration::from_millis(2500)];
/// How long a later server's "no" waits for what an earlier one says.
const GRACE: Duration = Duration::from_millis(200);
/// The longest message there is.
const MESSAGE_BYTES: usize = 65_535;
/// More servers than these are not asked, as in Docker 28.
pub(crate) const SERVERS_MAX: usize = 3;

/// A server that is asked about the outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Upstream {
    /// Its address.
    pub address: IpAddr,
    /// Whether it is asked from the host's namespace instead of the container's.
    pub from_host: bool,
}

/// How a question came and goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Datagram,
    Stream,
}

/// What an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Worth {
    /// Something is there.
    Yes,
    /// There is nothing of the name or type.
    No,
    /// The server cannot say.
    Useless,
}

/// Puts a question to all servers and gives the best answer: the first that has something,
/// else that of the server named first. `None` if nobody can say.
pub(crate) fn ask(
    servers: &[Upstream],
    netns: &Arc<Netns>,
    transport: Transport,
    question: &[u8],
) -> Option<Vec<u8>> {
    let question = with_new_id(question)?;
    match transport {
        Transport::Datagram => ask_by_datagram(servers, netns, &question),
        Transport::Stream => servers
            .iter()
            .find_map(|server| ask_by_stream(*server, netns, &question)),
    }
}

fn ask_by_datagram(servers: &[Upstream], netns: &Arc<Netns>, question: &[u8]) -> Option<Vec<u8>> {
    let start = Instant::now();
    let sockets: Vec<Option<OwnedFd>> = servers
        .iter()
        .map(|server| datagram_socket(*server, netns))
        .collect();
    let mut answers: Vec<Option<(Worth, Vec<u8>)>> = sockets
        .iter()
        .map(|socket| match socket {
            Some(_) => None,
            None => Some((Worth::Useless, Vec::new())),
        })
        .collect();
    let mut sent = 0;
    let mut no_since: Option<Instant> = None;
    let mut buffer = vec![0; MESSAGE_BYTES];
    loop {
        let due = match sent {
            0 => Duration::ZERO,
            sent => AGAIN.get(sent - 1).copied().unwrap_or(PATIENCE),
        };
        if start.elapsed() >= due && due < PATIENCE {
            sent += 1;
            for (socket, answer) in sockets.iter().zip(&mut answers) {
                if let (Some(socket), None) = (socket, &answer)
                    && send(socket, question, rustix::net::SendFlags::empty()).is_err()
                {
                    *answer = Some((Worth::Useless, Vec::new()));
                }
            }
        }
        let over = start.elapsed() >= PATIENCE || no_since.is_some_and(|at| at.elapsed() >= GRACE);
        if let Some(best) = best(&answers, over) {
            return best;
        }
        let next = AGAIN.get(sent.wrapping_sub(1)).copied().unwrap_or(PATIENCE);
        let mut wait = next.saturating_sub(start.elapsed());
        if let Some(at) = no_since {
            wait = wait.min(GRACE.saturating_sub(at.elapsed()));
        }
        for number in readable(&sockets, &answers, wait) {
            let Some(socket) = &sockets[number] else {
                continue;
            };
            match recv(socket, &mut buffer[..], rustix::net::RecvFlags::DONTWAIT) {
                Ok((_, length)) if answers_question(&buffer[..length], question) => {
                    let worth = worth(&buffer[..length]);
                    if worth == Worth::No {
                        no_since.get_or_insert_with(Instant::now);
                    }
                    answers[number] = Some((worth, buffer[..length].to_vec()));
                }
                // Somebody else's answer.
                Ok(_) | Err(rustix::io::Errno::AGAIN) => {}
                Err(_) => answers[number] = Some((Worth::Useless, Vec::new())),
            }
        }
    }
}

/// The answer that counts, once that is clear; the inner `None` when nobody can say.
fn best(answers: &[Option<(Worth, Vec<u8>)>], over: bool) -> Option<Option<Vec<u8>>> {
    let of = |wanted: Worth| {
        answers
            .iter()
            .flatten()
            .find(|(worth, _)| *worth == wanted)
            .map(|(_, bytes)| bytes.clone())
    };
    if let Some(yes) = of(Worth::Yes) {
        return Some(Some(yes));
    }
    let all_in = answers.iter().all(Option::is_some);
    let first_says_no = answers
        .iter()
        .find(|answer| !matches!(answer, Some((Worth::Useless, _))))
        .is_some_and(|answer| matches!(answer, Some((Worth::No, _))));
    (over || all_in || first_says_no).then(|| of(Worth::No))
}

fn readable(
    sockets: &[Option<OwnedFd>],
    answers: &[Option<(Worth, Vec<u8>)>],
    wait: Duration,
) -> Vec<usize> {
    let waiting: Vec<(usize, &OwnedFd)> = sockets
        .iter()
        .zip(answers)
        .enumerate()
        .filter_map(|(number, (socket, answer))| match answer {
            None => Some((number, socket.as_ref()?)),
            Some(_) => None,
        })
        .collect();
    let mut polled: Vec<PollFd<'_>> = waiting
        .iter()
        .map(|(_, socket)| PollFd::new(*socket, PollFlags::IN))
        .collect();
    // A millisecond more, so that the time is really over.
    let timeout = Timespec::try_from(wait + Duration::from_millis(1)).ok();
    if poll(&mut polled, timeout.as_ref()).is_err() {
        return Vec::new();
    }
    let ready = |polled: &&(usize, &PollFd<'_>)| !polled.1.revents().is_empty();
    let numbered: Vec<(usize, &PollFd<'_>)> = waiting
        .iter()
        .map(|(number, _)| *number)
        .zip(&polled)
        .collect();
    numbered.iter().filter(ready).map(|(n, _)| *n).collect()
}

/// Each question has a socket and thereby a port of its own, which makes answers hard to
/// forge.
fn datagram_socket(server: Upstream, netns: &Arc<Netns>) -> Option<OwnedFd> {
    let open = || {
        let family = match server.address {
            IpAddr::V4(_) => AddressFamily::INET,
            IpAddr::V6(_) => AddressFamily::INET6,
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(family, SocketType::DGRAM, flags, None).ok()?;
        connect(&socket, &SocketAddr::new(server.address, PORT)).ok()?;
        Some(socket)
    };
    match server.from_host {
        true => open(),
        false => netns.run(open).ok()?,
    }
}

fn ask_by_stream(server: Upstream, netns: &Arc<Netns>, question: &[u8]) -> Option<Vec<u8>> {
    let address = SocketAddr::new(server.address, PORT);
    let open = || TcpStream::connect_timeout(&address, PATIENCE).ok();
    let mut stream = match server.from_host {
        true => open()?,
        false => netns.run(open).ok()??,
    };
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    let mut framed = u16::try_from(question.len()).ok()?.to_be_bytes().to_vec();
    framed.extend(question);
    stream.write_all(&framed).ok()?;
    let mut length = [0; 2];
    stream.read_exact(&mut length).ok()?;
    let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut answer).ok()?;
    let counts = answers_question(&answer, question) && worth(&answer) != Worth::Useless;
    counts.then_some(answer)
}

fn with_new_id(question: &[u8]) -> Option<Vec<u8>> {
    let mut question = question.to_vec();
    getrandom::fill(question.get_mut(..2)?).ok()?;
    Some(question)
}

/// Whether a message is an answer with the question's number and words. (RFC 5452, § 9.1)
fn answers_question(answer: &[u8], question: &[u8]) -> bool {
    let Some(words) = question_words(question) else {
        return false;
    };
    let is_answer = answer.get(2).is_some_and(|flags| flags & 0x80 != 0);
    let repeats = answer
        .get(12..12 + words.len())
        .is_some_and(|repeated| repeated.eq_ignore_ascii_case(words));
    // A server that refuses may leave the question out.
    let refuses = answer.len() == 12 && worth(answer) == Worth::Useless;
    is_answer && answer.get(..2) == question.get(..2) && (repeats || refuses)
}

/// Name, type and class of the first question.
fn question_words(message: &[u8]) -> Option<&[u8]> {
    let mut at = 12;
    loop {
        let length = usize::from(*message.get(at)?);
        if length == 0 {
            return message.get(12..at + 5);
        }
        if length > 63 {
            return None;
        }
        at += length + 1;
    }
}

fn worth(answer: &[u8]) -> Worth {
    let code = answer.get(3).map_or(2, |flags| flags & 0x0f);
    let answers = answer
        .get(6..8)
        .map_or(0, |n| u16::from_be_bytes([n[0], n[1]]));
    let truncated = answer.get(2).is_some_and(|flags| flags & 0x02 != 0);
    match code {
        0 if answers > 0 || truncated => Worth::Yes,
        0 | 3 => Worth::No,
        _ => Worth::Useless,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a failed step is a failed test
mod tests {
    use super::*;

    fn answer(code: u8, answers: u8) -> Option<(Worth, Vec<u8>)> {
        let bytes = vec![0, 0, 0x80, code, 0, 1, 0, answers, 0, 0, 0, 0];
        Some((worth(&bytes), bytes))
    }

    #[test]
    fn the_best_answer_wins_not_the_fastest() {
        let (yes, no, failed) = (answer(0, 1), answer(3, 0), answer(2, 0));
        let code = |answers: &[_], over| best(answers, over).map(|it| it.map(|it| it[3]));
        // A later server's "no" waits for the first server.
        assert_eq!(code(&[None, no.clone()], false), None);
        assert_eq!(code(&[None, no.clone()], true), Some(Some(3)));
        assert_eq!(code(&[no.clone(), None], false), Some(Some(3)));
        assert_eq!(code(&[failed.clone(), no.clone()], false), Some(Some(3)));
        assert_eq!(code(&[None, yes.clone()], false), Some(Some(0)));
        assert_eq!(code(&[no, yes], false), Some(Some(0)));
        assert_eq!(code(&[failed.clone(), None], false), None);
        assert_eq!(code(&[failed.clone(), failed], false), Some(None));
    }

    #[test]
    fn an_answer_to_another_question_does_not_count() {
        let question = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03web\0\0\x01\0\x01";
        let mut answer = question.to_vec();
        answer[2] = 0x81;
        assert!(answers_question(&answer, question));
        answer[13] = b'W';
        assert!(answers_question(&answer, question));
        answer[14] = b'x';
        assert!(!answers_question(&answer, question));
        assert!(!answers_question(question, question));
        let lying = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\xffweb";
        assert!(!answers_question(lying, lying));
    }
}
