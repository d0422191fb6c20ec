//! `RUN --mount`.

use crate::Fault;

/// One mount of a `RUN`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunMount {
    /// What it is.
    pub kind: RunMountKind,
    /// Where; empty for a secret without one.
    pub target: String,
    /// Path inside of what is mounted.
    pub source: String,
    /// The stage, image or context it comes from.
    pub from: Option<String>,
    /// The name of a cache, a secret or an agent.
    pub id: Option<String>,
    /// Written to and, but for caches, forgotten afterwards.
    pub read_write: bool,
    /// It has to be there (secrets, agents).
    pub required: bool,
    /// Permission bits of a cache, a secret or an agent's socket.
    pub mode: Option<u32>,
    /// Its owner.
    pub uid: Option<u32>,
    /// Its group.
    pub gid: Option<u32>,
    /// How builds share a cache.
    pub sharing: CacheSharing,
    /// Bytes of a tmpfs; 0 for no limit.
    pub size_bytes: u64,
    /// The environment variable that a secret goes to.
    pub env: Option<String>,
}

/// The kinds of mounts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RunMountKind {
    /// A directory or file of a stage or context.
    #[default]
    Bind,
    /// A directory that outlives the build.
    Cache,
    /// Memory.
    Tmpfs,
    /// A file that only this step sees.
    Secret,
    /// The socket of the user's agent.
    Ssh,
}

/// Who may use a cache at the same time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CacheSharing {
    /// Everybody.
    #[default]
    Shared,
    /// Each its own.
    Private,
    /// One after the other.
    Locked,
}

/// Words and their values.
fn fields(text: &str) -> Vec<(String, Option<String>)> {
    let field = |field: String| match field.split_once('=') {
        Some((key, value)) => (key.to_ascii_lowercase(), Some(value.to_owned())),
        None => (field.to_ascii_lowercase(), None),
    };
    csv(text).into_iter().map(field).collect()
}

/// chown(2): the highest number leaves what is there, which is root's in a new file.
fn owner(id: u32) -> u32 {
    if id == u32::MAX { 0 } else { id }
}

impl RunMount {
    /// Checks the value of `--mount` as far as that can be done before variables are put in.
    ///
    /// # Errors
    /// BuildKit's sentence.
    pub fn check(text: &str) -> Result<(), Fault> {
        if !text.contains('$') {
            return Self::parse(text).map(drop);
        }
        // What a mount is from decides about the order of stages: that cannot wait.
        let is_variable = |value: &str| value.find('$').is_some_and(|at| at + 1 < value.len());
        for (key, value) in fields(text) {
            let value = value.unwrap_or_default();
            if key == "from" && is_variable(&value) {
                let sentence =
                    "'from' doesn't support variable expansion, define alias stage instead";
                return Err(Fault::Mount(sentence.into()));
            }
        }
        Ok(())
    }

    /// Parses the value of `--mount`, variables put in.
    ///
    /// # Errors
    /// BuildKit's sentence.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let refuse = |sentence: String| Err(Fault::Mount(sentence));
        let mut mount = Self::default();
        let fields = fields(text);
        // The kind decides about the other words.
        for (key, value) in &fields {
            if key == "type" {
                let value = value.as_deref().unwrap_or_default();
                mount.kind = match value.to_ascii_lowercase().as_str() {
                    "bind" => RunMountKind::Bind,
                    "cache" => RunMountKind::Cache,
                    "tmpfs" => RunMountKind::Tmpfs,
                    "secret" => RunMountKind::Secret,
                    "ssh" => RunMountKind::Ssh,
                    _ => return refuse(format!("unsupported mount type {value:?}")),
                };
            }
        }
        let mut written = None;
        for (key, value) in fields {
            let given = value.is_some();
            let flag = || match value.as_deref() {
                None | Some("true" | "1") => Ok(true),
                Some("false" | "0") => Ok(false),
                Some(other) => Err(Fault::Mount(format!("invalid value for {key}: {other}"))),
            };
            match key.as_str() {
                "readonly" | "ro" => {
                    written = Some(!flag()?);
                    continue;
                }
                "readwrite" | "rw" => {
                    written = Some(flag()?);
                    continue;
                }
                "required" if matches!(mount.kind, RunMountKind::Secret | RunMountKind::Ssh) => {
                    mount.required = flag()?;
                    continue;
                }
                _ => {}
            }
            if !given {
                return refuse(format!("invalid field '{key}' must be a key=value pair"));
            }
            let value = value.unwrap_or_default();
            let number = |radix| {
                u32::from_str_radix(&value, radix)
                    .map_err(|_| Fault::Mount(format!("invalid value {value} for {key}")))
            };
            let named = matches!(
                mount.kind,
                RunMountKind::Cache | RunMountKind::Secret | RunMountKind::Ssh
            );
            match key.as_str() {
                "type" => {}
                "from" => mount.from = Some(value),
                "source" | "src" => {
                    if value.is_empty() {
                        return refuse(format!("invalid value for {key}: empty"));
                    }
                    mount.source = value;
                }
                "target" | "dst" | "destination" => mount.target = value,
                "id" => mount.id = Some(value),
                "size" if mount.kind == RunMountKind::Tmpfs => match bytes(&value) {
                    Some(bytes) => mount.size_bytes = bytes,
                    None => return refuse(format!("invalid value for {key}: {value}")),
                },
                "mode" if named => mount.mode = Some(number(8)?),
                "uid" if named => mount.uid = Some(owner(number(10)?)),
                "gid" if named => mount.gid = Some(owner(number(10)?)),
                "env" if mount.kind == RunMountKind::Secret => mount.env = Some(value),
                "sharing" => {
                    if mount.kind != RunMountKind::Cache {
                        return refuse(format!(
                            "invalid cache sharing set for {} mount",
                            mount.kind.name()
                        ));
                    }
                    mount.sharing = match value.to_ascii_lowercase().as_str() {
                        "shared" => CacheSharing::Shared,
                        "private" => CacheSharing::Private,
                        "locked" => CacheSharing::Locked,
                        _ => return refuse(format!("unsupported sharing value {value:?}")),
                    };
                }
                _ => return refuse(format!("unexpected key '{key}' in '{key}={value}'")),
            }
        }
        mount.finish(written)
    }

    fn finish(mut self, written: Option<bool>) -> Result<Self, Fault> {
        let refuse = |sentence: &str| Err(Fault::Mount(sentence.to_owned()));
        self.read_write = match self.kind {
            RunMountKind::Cache | RunMountKind::Tmpfs => written.unwrap_or(true),
            _ => written.unwrap_or(false),
        };
        match self.kind {
            RunMountKind::Secret => {
                if self.from.is_some() {
                    return refuse("secret mount should not have a from");
                }
                if self.id.is_none() {
                    if self.target.is_empty() && self.source.is_empty() && self.env.is_none() {
                        return refuse("invalid secret mount. one of source, target required");
                    }
                    if !self.source.is_empty() {
                        self.id = Some(std::mem::take(&mut self.source));
                    } else if let Some(env) = self.env.clone().filter(|_| self.target.is_empty()) {
                        self.id = Some(env);
                    } else {
                        let name = self.target.rsplit('/').next().unwrap_or_default();
                        self.id = Some(name.to_owned());
                    }
                }
            }
            RunMountKind::Ssh => {}
            RunMountKind::Bind | RunMountKind::Cache | RunMountKind::Tmpfs
                if self.target.is_empty() =>
            {
                return refuse("target is required");
            }
            RunMountKind::Tmpfs if self.from.is_some() || !self.source.is_empty() => {
                return refuse("tmpfs mount should not have a source");
            }
            _ => {}
        }
        Ok(self)
    }
}

impl RunMountKind {
    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bind => "bind",
            Self::Cache => "cache",
            Self::Tmpfs => "tmpfs",
            Self::Secret => "secret",
            Self::Ssh => "ssh",
        }
    }
}

/// The fields of one line of RFC 4180.
fn csv(text: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let last = fields.len() - 1;
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                fields[last].push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            c => fields[last].push(c),
        }
    }
    fields
}

/// `64m` and the like, units of 1024.
fn bytes(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let lower = lower.trim_end_matches('b').trim_end_matches('i');
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match &lower[digits.len()..] {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_shl(shift)
}
