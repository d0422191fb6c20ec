//! A file of users and bcrypt hashes, as htpasswd(1) writes it.

use crate::{
    error::{Code, Error, Result},
    limits::{PASSWORD_CHECKS, PASSWORD_TIME, PASSWORDS},
    serve::ServeError,
};
use corten_oci::Digest;
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Instant, SystemTime},
};
use tokio::sync::Semaphore;

/// Checked when a user is unknown, so that the answer takes as long.
const NOBODY: &str = "$2y$10$abcdefghijklmnopqrstuuJ1zK0Bf0fyy0SBXk6VRhWEfFqm8Z6KW";

/// The users. The file is read again when its time changes.
pub(crate) struct Htpasswd {
    path: PathBuf,
    // Lock: never held across a check.
    state: Mutex<State>,
    checks: Semaphore,
}

#[derive(Default)]
struct State {
    modified: Option<SystemTime>,
    users: Arc<HashMap<String, String>>,
    /// Digests of user, hash and password that were right, and when.
    right: HashMap<Digest, Instant>,
}

impl Htpasswd {
    pub fn open(path: &Path) -> Result<Self, ServeError> {
        let this = Self {
            path: path.to_owned(),
            state: Mutex::default(),
            checks: Semaphore::new(PASSWORD_CHECKS),
        };
        this.users().map_err(|source| ServeError::File {
            path: path.to_owned(),
            source,
        })?;
        Ok(this)
    }

    fn users(&self) -> std::io::Result<Arc<HashMap<String, String>>> {
        let modified = std::fs::metadata(&self.path)?.modified()?;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.modified != Some(modified) {
            let text = std::fs::read_to_string(&self.path)?;
            state.users = Arc::new(parse(&text));
            state.modified = Some(modified);
            state.right.clear();
        }
        Ok(Arc::clone(&state.users))
    }

    /// Whether the password is the user's.
    pub async fn check(&self, user: &str, password: &str) -> Result<bool> {
        let users = self.users().map_err(|source| Error::Storage {
            operation: "reading",
            key: self.path.display().to_string(),
            source,
        })?;
        let known = users.get(user);
        let hash = known.map_or(NOBODY, String::as_str).to_owned();
        let digest = Digest::of(format!("{user}\0{hash}\0{password}").as_bytes());
        if self.is_remembered(&digest) {
            return Ok(true);
        }
        let Ok(_one) = self.checks.acquire().await else {
            return Err(Error::code(Code::Unavailable));
        };
        let password = password.to_owned();
        let check = move || bcrypt::verify(password, &hash).unwrap_or(false);
        let right = tokio::task::spawn_blocking(check).await.unwrap_or(false) && known.is_some();
        if right {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if state.right.len() >= PASSWORDS {
                state.right.clear();
            }
            state.right.insert(digest, Instant::now());
        }
        Ok(right)
    }

    fn is_remembered(&self, digest: &Digest) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let at = state.right.get(digest);
        at.is_some_and(|at| at.elapsed() < PASSWORD_TIME)
    }
}

/// `user:hash` lines; others (comments, hashes that are not bcrypt) admit nobody.
fn parse(text: &str) -> HashMap<String, String> {
    let line = |line: &str| {
        let (user, hash) = line.trim().split_once(':')?;
        let is_bcrypt = ["$2a$", "$2b$", "$2x$", "$2y$"]
            .iter()
            .any(|p| hash.starts_with(p));
        (is_bcrypt && !user.is_empty() && !user.starts_with('#'))
            .then(|| (user.to_owned(), hash.to_owned()))
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_right_until_the_file_says_otherwise() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("htpasswd");
        let hash = bcrypt::hash("secret", 4).unwrap();
        std::fs::write(&path, format!("# users\nalice:{hash}\nbob:{{SHA}}x\n")).unwrap();
        let file = Htpasswd::open(&path).unwrap();
        assert!(file.check("alice", "secret").await.unwrap());
        assert!(file.check("alice", "secret").await.unwrap());
        assert!(!file.check("alice", "wrong").await.unwrap());
        assert!(!file.check("bob", "x").await.unwrap());
        assert!(!file.check("carol", "secret").await.unwrap());
        let later = SystemTime::now() + std::time::Duration::from_secs(5);
        std::fs::write(&path, "").unwrap();
        let opened = std::fs::File::options().write(true).open(&path).unwrap();
        opened.set_modified(later).unwrap();
        assert!(!file.check("alice", "secret").await.unwrap());
    }
}
