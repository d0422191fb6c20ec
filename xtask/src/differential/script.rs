//! A group of calls, sent to both engines in the same order.

use super::compare::{Look, Side, compare};
use super::door::{Answer, Door, IMAGE};
use anyhow::Result;
use serde_json::Value;
use std::borrow::Cow;
use std::fmt;

/// What goes in a request's body.
#[derive(Debug, Clone)]
pub enum Body {
    /// Nothing.
    None,
    /// JSON, with the words `$image` and `$name` to be filled in.
    Json(Cow<'static, str>),
    /// A tar of these files: path, and text or (after `->`) a link's target; a path with
    /// a final `/` is a directory.
    Tar(&'static [(&'static str, &'static str)]),
}

/// One request and how its answer is looked at.
#[derive(Debug, Clone)]
pub struct Call {
    /// `METHOD /path`, with `$image` and remembered names filled in.
    pub line: Cow<'static, str>,
    /// What is sent.
    pub body: Body,
    /// What is compared.
    pub look: Look,
    /// A name under which a field of the answer is remembered: `(name, JSON pointer)`.
    pub keep: Option<(&'static str, &'static str)>,
    /// Sent again until this text is in the body, or some seconds have gone.
    pub until: &'static str,
}

/// Calls that belong together; containers that it makes have its name.
pub struct Group {
    /// Shown before each difference; containers are `cdiff-<name>`.
    pub name: String,
    /// In order.
    pub calls: Vec<Call>,
}

/// Something that dockerd and cortend do not answer alike.
pub struct Difference {
    /// `group: METHOD /path`.
    pub call: String,
    /// `status`, `text`, or a field.
    pub place: String,
    docker: String,
    corten: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} :: {}", self.call, self.place)?;
        writeln!(f, "    dockerd: {}", self.docker.trim_end())?;
        write!(f, "    cortend: {}", self.corten.trim_end())
    }
}

/// Where the two part for good if only one of them does it.
const START: &str = "POST /containers/$name/start";

/// How often a call with [`Call::until`] is repeated, a tenth of a second apart.
const ATTEMPTS: u32 = 100;

/// Sends the group to both engines; its container is removed at the end.
pub fn run(group: &Group, docker: &mut Door, corten: &mut Door) -> Result<Vec<Difference>> {
    let mut found = Vec::new();
    for door in [&mut *docker, &mut *corten] {
        door.remembered.insert("begun".to_owned(), now());
    }
    for call in &group.calls {
        let one = send(group, call, docker)?;
        let other = send(group, call, corten)?;
        let differences = compare(
            call.look,
            &Side {
                answer: &one,
                root: &docker.root,
            },
            &Side {
                answer: &other,
                root: &corten.root,
            },
        );
        // What one of them did not make need not be looked at.
        let only_one_made = differences.iter().any(|it| it.0 == "status")
            && (call.line.contains("/create?name=$name") || call.line == START);
        for (place, docker, corten) in differences {
            found.push(Difference {
                call: format!("{}: {}", group.name, call.line),
                place,
                docker,
                corten,
            });
        }
        if only_one_made {
            break;
        }
    }
    for door in [docker, corten] {
        let path = format!("/containers/{}?force=1&v=1", container(group));
        door.send("DELETE", &path, None)?;
    }
    Ok(found)
}

fn container(group: &Group) -> String {
    format!("cdiff-{}", group.name)
}

fn send(group: &Group, call: &Call, door: &mut Door) -> Result<Answer> {
    let (method, path) = call.line.split_once(' ').unwrap_or(("GET", &call.line));
    let path = fill(path, group, door);
    let body = match &call.body {
        Body::None => None,
        Body::Json(text) => Some(fill(text, group, door).into_bytes()),
        Body::Tar(files) => Some(tar(files)),
    };
    let mut answer = door.send(method, &path, body.as_deref())?;
    for _ in 0..ATTEMPTS {
        if call.until.is_empty() || String::from_utf8_lossy(&answer.body).contains(call.until) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100)); // poll
        answer = door.send(method, &path, body.as_deref())?;
    }
    if let Some((name, pointer)) = call.keep {
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let value = match body.pointer(pointer) {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        door.remembered.insert(name.to_owned(), value);
    }
    Ok(answer)
}

fn fill(text: &str, group: &Group, door: &Door) -> String {
    let mut text = text
        .replace("$image", IMAGE)
        .replace("$name", &container(group))
        .replace("$now", &now());
    for (name, value) in &door.remembered {
        text = text.replace(&format!("${name}"), value);
    }
    text
}

/// Seconds and their fraction since 1970, as `events` reads them.
fn now() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.unwrap_or_default();
    format!("{}.{:09}", now.as_secs(), now.subsec_nanos())
}

fn tar(files: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (path, text) in files {
        let (kind, link, text) = match text.strip_prefix("->") {
            Some(target) => (b'2', target, ""),
            None if path.ends_with('/') => (b'5', "", ""),
            None => (b'0', "", *text),
        };
        let mut header = [0_u8; 512];
        let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
        put(0, path.as_bytes());
        put(100, if kind == b'5' { b"0000755" } else { b"0000640" });
        put(108, b"0001750");
        put(116, b"0001751");
        put(124, format!("{:011o}", text.len()).as_bytes());
        put(136, b"14000000000");
        put(148, b"        ");
        put(156, &[kind]);
        put(157, link.as_bytes());
        put(257, b"ustar\x0000");
        let sum: u32 = header.iter().map(|it| u32::from(*it)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        out.extend_from_slice(&header);
        out.extend_from_slice(text.as_bytes());
        out.resize(out.len().div_ceil(512) * 512, 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}
