//! Sentences that users of Docker know.

/// No engine answers at `host`.
pub fn cannot_connect(host: &str) -> String {
    format!("Cannot connect to the Docker daemon at {host}. Is the docker daemon running?")
}

/// The socket's rights refuse this user.
pub fn permission_denied(host: &str) -> String {
    format!("permission denied while trying to connect to the Docker daemon socket at {host}")
}

/// The engine's own message.
pub fn from_daemon(message: &str) -> String {
    format!("Error response from daemon: {message}")
}
