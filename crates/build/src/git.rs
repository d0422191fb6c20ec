//! Git repositories as sources: what is one, and how its files come here.
//!
//! The host's `git` does the work. It gets nothing of the Dockerfile but a URL and a commit
//! after `--`, with the protocols it may speak named, no configuration of the machine and
//! no hooks (CVE-2017-1000117, CVE-2018-17456: a URL is not an option, a submodule's
//! neither).

use crate::{Error, Result, program, session::Session};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::{ffi::OsStr, path::Path, process::Command};

/// What git may speak to a remote.
const PROTOCOLS: &str = "https:http:ssh:git";
/// Variables of the daemon that git may see.
const KEPT: [&str; 9] = [
    "PATH",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
];

/// A repository, what of it, and where in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct GitSource {
    pub remote: String,
    /// Branch, tag or commit; empty: the default branch.
    pub reference: String,
    /// Below the repository's root; empty: all of it.
    pub subdir: String,
    /// The commit that the reference has to be.
    pub checksum: String,
    pub keep_git_dir: Option<bool>,
    pub without_submodules: bool,
}

impl GitSource {
    /// A git URL: `git@host:path`, `ssh://`, `git://`, `http[s]://….git`, and for a context
    /// also `github.com/…`; then `#reference:subdirectory`, or a query of the same.
    /// None for anything else.
    pub fn parse(text: &str, is_context: bool) -> Option<Result<Self>> {
        let (url, fragment) = match text.split_once('#') {
            Some((url, fragment)) => (url, fragment),
            None => (text, ""),
        };
        let (path, query) = match url.split_once('?') {
            Some((path, query)) if url.contains("://") => (path, query),
            _ => (url, ""),
        };
        let over_http = path.starts_with("http://") || path.starts_with("https://");
        let is_git = path.starts_with("git://")
            || path.starts_with("ssh://")
            || (over_http && path.ends_with(".git"))
            || (is_context && path.starts_with("github.com/"))
            || is_scp(path);
        is_git.then(|| Self::parts(path, query, fragment))
    }

    fn parts(path: &str, query: &str, fragment: &str) -> Result<Self> {
        let (reference, subdir) = fragment.split_once(':').unwrap_or((fragment, ""));
        let mut source = Self {
            remote: match path.starts_with("github.com/") {
                true => format!("https://{path}"),
                false => path.to_owned(),
            },
            reference: reference.to_owned(),
            subdir: subdir.to_owned(),
            ..Self::default()
        };
        for (name, value) in query.split('&').filter(|it| !it.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (
                name,
                percent_encoding::percent_decode_str(value).decode_utf8_lossy(),
            )
        }) {
            let flag = |value: &str| matches!(value, "" | "1" | "true");
            match name {
                "ref" | "branch" | "tag" if !source.reference.is_empty() => {
                    return Err(Error::Invalid(format!(
                        "ref conflicts: {:?} vs {value:?}",
                        source.reference
                    )));
                }
                "ref" | "branch" | "tag" => source.reference = value.into_owned(),
                "subdir" => source.subdir = value.into_owned(),
                "checksum" | "commit" => source.checksum = value.into_owned(),
                "keep-git-dir" => source.keep_git_dir = Some(flag(&value)),
                "submodules" => source.without_submodules = !flag(&value),
                other => return Err(Error::Invalid(format!("unexpected query {other:?}"))),
            }
        }
        source.check()?;
        Ok(source)
    }

    /// Refuses what git or ssh would take for an option.
    fn check(&self) -> Result<()> {
        let host = match self.remote.split_once("://") {
            Some((_, rest)) => rest.split('/').next().unwrap_or_default(),
            None => self.remote.split(':').next().unwrap_or_default(),
        };
        let (user, host) = host.rsplit_once('@').unwrap_or(("", host));
        let word = |text: &str| text.starts_with('-') || text.contains(char::is_control);
        if word(host) || word(user) || host.is_empty() || word(&self.remote) {
            return Err(Error::Invalid(format!(
                "invalid git remote {:?}",
                self.remote
            )));
        }
        let bad = |text: &str| {
            text.starts_with('-')
                || text.contains("..")
                || text
                    .chars()
                    .any(|c| c.is_control() || c.is_whitespace() || "~^:?*[\\".contains(c))
        };
        if bad(&self.reference) {
            return Err(Error::Invalid(format!(
                "invalid git reference {:?}",
                self.reference
            )));
        }
        let hex = |text: &str| text.bytes().all(|b| b.is_ascii_hexdigit());
        if !hex(&self.checksum) {
            return Err(Error::Invalid(format!(
                "invalid checksum {} for Git URL, expected hex commit hash",
                self.checksum
            )));
        }
        Ok(())
    }

    /// With the commit that `--checksum` names.
    pub fn with_checksum(mut self, checksum: String) -> Result<Self> {
        self.checksum = checksum;
        self.check()?;
        Ok(self)
    }

    /// As it is shown.
    pub fn shown(&self) -> String {
        let mut text = self.remote.clone();
        if !self.reference.is_empty() || !self.subdir.is_empty() {
            text.push_str(&format!("#{}", self.reference));
        }
        if !self.subdir.is_empty() {
            text.push_str(&format!(":{}", self.subdir));
        }
        text
    }
}

/// `user@host:path`.
fn is_scp(text: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    text.split_once('@').is_some_and(|(user, rest)| {
        plain(user)
            && rest
                .split_once(':')
                .is_some_and(|(host, path)| plain(host) && !path.is_empty())
    })
}

/// A full object name, SHA-1 or SHA-256.
fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// One working copy being made.
struct Git<'a> {
    source: &'a GitSource,
    /// Home, output, the agent's socket.
    scratch: &'a Path,
    env: Vec<(String, String)>,
}

/// Checks the source out into `into`, an empty directory, and answers the commit.
/// `scratch` is a directory of this call alone.
pub(crate) async fn checkout(
    source: &GitSource,
    keep_git_dir: bool,
    session: &dyn Session,
    scratch: &Path,
    into: &Path,
) -> Result<String> {
    let mut git = Git {
        source,
        scratch,
        env: credentials(source, session).await?,
    };
    let agent = match source.remote.contains("://") && !source.remote.starts_with("ssh://") {
        true => None,
        false => agent(session, scratch).await?,
    };
    if let Some((_, path)) = &agent {
        git.env
            .push(("SSH_AUTH_SOCK".into(), path.display().to_string()));
    }
    let work = Box::pin(git.work(keep_git_dir, into));
    match &agent {
        None => work.await,
        Some((listener, _)) => {
            tokio::select! {
                done = work => done,
                () = crate::exec::serve_agent(session, listener, "default") => Err(Error::Cancelled),
            }
        }
    }
}

/// A socket that leads to the client's agent, where it has one.
async fn agent(
    session: &dyn Session,
    scratch: &Path,
) -> Result<Option<(tokio::net::UnixListener, std::path::PathBuf)>> {
    if session.agent("default").await?.is_none() {
        return Ok(None);
    }
    let path = scratch.join("agent");
    let listener = tokio::net::UnixListener::bind(&path)
        .map_err(|error| Error::path("listening at", &path, error))?;
    Ok(Some((listener, path)))
}

/// `GIT_AUTH_HEADER` and `GIT_AUTH_TOKEN` of the client, for this host before for all, as
/// configuration that git reads from its environment: it stands in no command line.
async fn credentials(source: &GitSource, session: &dyn Session) -> Result<Vec<(String, String)>> {
    let Some((scheme, rest)) = source.remote.split_once("://") else {
        return Ok(Vec::new());
    };
    if !matches!(scheme, "http" | "https") {
        return Ok(Vec::new());
    }
    let host = rest.split('/').next().unwrap_or_default();
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    let name = host.split(':').next().unwrap_or_default();
    for (kind, is_token) in [("GIT_AUTH_HEADER", false), ("GIT_AUTH_TOKEN", true)] {
        for id in [format!("{kind}.{name}"), kind.to_owned()] {
            let Some(secret) = session.secret(&id).await? else {
                continue;
            };
            let secret = String::from_utf8_lossy(&secret).into_owned();
            let value = match is_token {
                true => format!(
                    "basic {}",
                    STANDARD.encode(format!("x-access-token:{secret}"))
                ),
                false => secret,
            };
            return Ok(vec![
                ("GIT_CONFIG_COUNT".into(), "1".into()),
                (
                    "GIT_CONFIG_KEY_0".into(),
                    format!("http.{scheme}://{host}/.extraheader"),
                ),
                (
                    "GIT_CONFIG_VALUE_0".into(),
                    format!("Authorization: {value}"),
                ),
            ]);
        }
    }
    Ok(Vec::new())
}

impl Git<'_> {
    fn command(&self, directory: &Path) -> Command {
        let mut command = Command::new("git");
        command.env_clear().current_dir(directory);
        for name in KEPT {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command
            .env("HOME", self.scratch)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ALLOW_PROTOCOL", PROTOCOLS)
            .env(
                "GIT_SSH_COMMAND",
                "ssh -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=accept-new",
            )
            .env("LC_ALL", "C")
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .args([
                "-c",
                "core.hooksPath=/dev/null",
                "-c",
                "core.fsmonitor=false",
            ])
            .args([
                "-c",
                "http.lowSpeedLimit=1000",
                "-c",
                "http.lowSpeedTime=60",
            ])
            .args(["-c", "advice.detachedHead=false", "-c", "gc.auto=0"]);
        command
    }

    async fn run<S: AsRef<OsStr>>(&self, directory: &Path, words: &[S]) -> Result<String> {
        let mut command = self.command(directory);
        command.args(words);
        let said = program::run(command, self.scratch).await?;
        match said.success {
            true => Ok(said.stdout),
            false => Err(Error::Git {
                remote: self.source.remote.clone(),
                said: said.stderr.trim().to_owned(),
            }),
        }
    }

    /// The commit that the reference is at the remote.
    async fn resolve(&self) -> Result<String> {
        let (remote, reference) = (&self.source.remote, &self.source.reference);
        if is_commit(reference) {
            return Ok(reference.to_ascii_lowercase());
        }
        let wanted = match reference.as_str() {
            "" => "HEAD",
            name => name,
        };
        let peeled = format!("{wanted}^{{}}");
        let words = ["ls-remote", "--", remote, wanted, &peeled];
        let listed = self.run(self.scratch, &words).await?;
        let found = |name: &str| {
            listed.lines().find_map(|line| {
                let (commit, known) = line.split_once('\t')?;
                (known == name && is_commit(commit)).then(|| commit.to_owned())
            })
        };
        let places = [
            format!("refs/heads/{wanted}"),
            // An annotated tag's own object is no commit.
            format!("refs/tags/{wanted}^{{}}"),
            format!("refs/tags/{wanted}"),
            format!("{wanted}^{{}}"),
            wanted.to_owned(),
        ];
        places.iter().find_map(|name| found(name)).ok_or_else(|| {
            Error::NotFound(format!(
                "repository does not contain ref {remote}, output: {listed:?}"
            ))
        })
    }

    async fn work(&self, keep_git_dir: bool, into: &Path) -> Result<String> {
        let source = self.source;
        let commit = self.resolve().await?;
        if !commit.starts_with(&source.checksum.to_ascii_lowercase()) {
            return Err(Error::Invalid(format!(
                "expected checksum to match {}, got {commit}",
                source.checksum
            )));
        }
        self.run(into, &["init", "-q"]).await?;
        self.run(into, &["remote", "add", "--", "origin", &source.remote])
            .await?;
        let depth = [
            "fetch",
            "-q",
            "--depth=1",
            "--no-tags",
            "--",
            "origin",
            &commit,
        ];
        if self.run(into, &depth).await.is_err() {
            // A server may refuse a commit that no name stands for, or a shallow copy.
            let all = "+refs/heads/*:refs/remotes/origin/*";
            let words = ["fetch", "-q", "--tags", "--", "origin", all];
            self.run(into, &words).await?;
        }
        self.run(into, &["checkout", "-q", "--detach", &commit, "--"])
            .await?;
        if !source.without_submodules && into.join(".gitmodules").exists() {
            let words = [
                "submodule",
                "update",
                "-q",
                "--init",
                "--recursive",
                "--depth=1",
            ];
            self.run(into, &words).await?;
        }
        if !keep_git_dir {
            let directory = into.join(".git");
            std::fs::remove_dir_all(&directory)
                .map_err(|error| Error::path("removing", &directory, error))?;
        }
        Ok(commit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> GitSource {
        GitSource::parse(text, true).unwrap().unwrap()
    }

    #[test]
    fn urls_of_repositories_are_told_from_those_of_files() {
        for (text, remote, reference, subdir) in [
            ("https://host/a/b.git", "https://host/a/b.git", "", ""),
            (
                "https://host/a.git#v1:d/e",
                "https://host/a.git",
                "v1",
                "d/e",
            ),
            ("git@host:a/b.git#main", "git@host:a/b.git", "main", ""),
            ("ssh://git@host:22/a", "ssh://git@host:22/a", "", ""),
            ("git://host/a#:d", "git://host/a", "", "d"),
            ("github.com/a/b", "https://github.com/a/b", "", ""),
            (
                "https://h/a.git?ref=x%2Fy&subdir=d",
                "https://h/a.git",
                "x/y",
                "d",
            ),
        ] {
            let source = parsed(text);
            let parts = (&*source.remote, &*source.reference, &*source.subdir);
            assert_eq!(parts, (remote, reference, subdir), "{text}");
        }
        for text in [
            "https://host/a.tar",
            "a.git",
            "./x",
            "http://host/",
            "user@host",
        ] {
            assert!(GitSource::parse(text, true).is_none(), "{text}");
        }
        assert!(GitSource::parse("github.com/a/b", false).is_none());
    }

    #[test]
    fn what_git_or_ssh_would_take_for_an_option_is_refused() {
        for text in [
            "ssh://-oProxyCommand=touch /x/a.git",
            "ssh://-oProxyCommand=x@host/a.git",
            "git://--upload-pack=x/a",
            "https://host/a.git#--upload-pack=touch",
            "https://host/a.git#-x",
            "https://host/a.git#a b",
            "https://host/a.git#a\u{7}",
            "https://host/a.git#..",
            "https://host/a.git?checksum=zz",
            "https://host/a.git?exec=x",
            "git://",
        ] {
            let parsed = GitSource::parse(text, true);
            assert!(parsed.is_some_and(|it| it.is_err()), "{text}");
        }
    }
}
