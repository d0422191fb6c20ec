//! Questions by TCP: each a length and a message. (RFC 1035, § 4.2.2)

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::Duration,
};

/// Connections of all containers at a time; one thread each.
const CONNECTIONS_MAX: usize = 128;
/// How long a client may be silent.
const IDLE: Duration = Duration::from_secs(10);
/// Questions on one connection, so that nobody keeps one for ever.
const QUESTIONS_MAX: usize = 1000;
const STACK_BYTES: usize = 256 << 10;

static CONNECTIONS: AtomicUsize = AtomicUsize::new(0);

/// Serves a connection on a thread of its own; `answer` gives what is said to a message.
/// One too many is closed.
pub(crate) fn serve(stream: TcpStream, answer: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + 'static) {
    if CONNECTIONS.fetch_add(1, Ordering::AcqRel) >= CONNECTIONS_MAX {
        CONNECTIONS.fetch_sub(1, Ordering::AcqRel);
        return;
    }
    let work = move || {
        // The client's end of the connection is its own matter.
        let _ = talk(&stream, &answer);
        CONNECTIONS.fetch_sub(1, Ordering::AcqRel);
    };
    let started = thread::Builder::new()
        .name("corten-dns-tcp".into())
        .stack_size(STACK_BYTES)
        .spawn(work);
    if started.is_err() {
        CONNECTIONS.fetch_sub(1, Ordering::AcqRel);
    }
}

fn talk(mut stream: &TcpStream, answer: &impl Fn(&[u8]) -> Option<Vec<u8>>) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(IDLE))?;
    stream.set_write_timeout(Some(IDLE))?;
    stream.set_nodelay(true)?;
    for _ in 0..QUESTIONS_MAX {
        let mut length = [0; 2];
        stream.read_exact(&mut length)?;
        let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut question)?;
        let Some(answer) = answer(&question) else {
            return Ok(());
        };
        let length = u16::try_from(answer.len()).map_err(io::Error::other)?;
        let mut framed = length.to_be_bytes().to_vec();
        framed.extend(answer);
        stream.write_all(&framed)?;
    }
    Ok(())
}
