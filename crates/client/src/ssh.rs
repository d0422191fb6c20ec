//! An engine behind ssh: the far end's client copies its standard streams to its engine.

use crate::ClientError;
use std::{
    os::{fd::OwnedFd, unix::net::UnixStream as StdStream},
    process::{Command, Stdio},
};
use tokio::net::UnixStream;

/// Runs `ssh … docker system dial-stdio` with both ends of its streams on one socket.
///
/// ssh keeps the caller's stderr for its questions and warnings; it ends when the
/// returned stream is closed.
pub(crate) fn dial(
    user: Option<&str>,
    host: &str,
    port: Option<u16>,
    socket: Option<&str>,
) -> Result<UnixStream, ClientError> {
    let (ours, theirs) = StdStream::pair().map_err(ClientError::Ssh)?;
    let output = theirs.try_clone().map_err(ClientError::Ssh)?;
    Command::new("ssh")
        .args(arguments(user, host, port, socket))
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::from(OwnedFd::from(output)))
        .spawn()
        .map_err(ClientError::Ssh)?;
    ours.set_nonblocking(true).map_err(ClientError::Ssh)?;
    UnixStream::from_std(ours).map_err(ClientError::Ssh)
}

fn arguments(
    user: Option<&str>,
    host: &str,
    port: Option<u16>,
    socket: Option<&str>,
) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    if let Some(user) = user {
        words.extend(["-l".into(), user.into()]);
    }
    if let Some(port) = port {
        words.extend(["-p".into(), port.to_string()]);
    }
    words.extend(["-o", "ConnectTimeout=30", "-T", "--"].map(str::to_owned));
    words.push(host.to_owned());
    words.push("docker".into());
    if let Some(socket) = socket {
        words.extend(["--host".into(), shell_quoted(&format!("unix://{socket}"))]);
    }
    words.extend(["system".into(), "dial-stdio".into()]);
    words
}

/// The far shell splits what ssh passes on.
fn shell_quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_far_command_line_is_dockers() {
        assert_eq!(
            arguments(Some("me"), "far", Some(22), Some("/run/x")).join(" "),
            "-l me -p 22 -o ConnectTimeout=30 -T -- far docker --host 'unix:///run/x' system dial-stdio"
        );
    }
}
