//! Steps in the words of BuildKit's graphs (`solver/pb/ops.proto` as JSON), for provenance.
//!
//! Its clients read them into their own types: what has no value there is left out, and each
//! member has the type that it has with BuildKit in docker 28.5.

use crate::{
    executor::Network,
    lower::HOSTNAME,
    materials::{Known, redacted},
    request::{ContextSource, Ulimit},
    vertex::{CopyOp, ExecOp, MountOp, Op, Vertex},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use corten_dockerfile::CacheSharing;
use corten_oci::Digest;
use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// `-1`: there is none.
const NONE: i64 = -1;

/// One step; `places` are those before it.
pub(crate) fn op(vertex: &Vertex, places: &HashMap<Digest, usize>, known: &Known<'_>) -> Value {
    // A graph counts inputs; an empty root is none.
    let mut counted = 0;
    let mut inputs = Vec::new();
    for input in &vertex.inputs {
        match places.contains_key(&input.digest) {
            true => {
                inputs.push(counted);
                counted += 1;
            }
            false => inputs.push(NONE),
        }
    }
    let input = |place: usize| inputs.get(place).copied().unwrap_or(NONE);
    let source = |identifier: String, attrs: Value| {
        let source = json!({"identifier": identifier});
        json!({"source": with(source, "attrs", attrs)})
    };
    let file = |actions: Vec<Value>| json!({"file": {"actions": actions}});
    let op = match &vertex.op {
        Op::Scratch => json!({}),
        Op::Image { .. } => {
            let name = vertex.name.rsplit_once("FROM ").map_or("", |it| it.1);
            let attrs = Value::Null;
            source(format!("docker-image://{name}"), attrs)
        }
        Op::Context(context) => match &context.source {
            ContextSource::Remote(url) => source(redacted(url), Value::Null),
            ContextSource::Local(name) => source(format!("local://{name}"), Value::Null),
            _ => source(format!("local://{}", context.name), Value::Null),
        },
        Op::Http(http) => {
            let mut attrs = Map::from_iter([("http.filename".into(), json!(http.name))]);
            if let Some(checksum) = &http.checksum {
                attrs.insert("http.checksum".into(), json!(checksum));
            }
            source(redacted(&http.url), Value::Object(attrs))
        }
        Op::Git(git) => {
            let url = redacted(&git.source.remote);
            let bare = url.split_once("://").map_or(url.as_str(), |it| it.1);
            let mut identifier = format!("git://{bare}");
            if !git.source.reference.is_empty() {
                identifier += &format!("#{}", git.source.reference);
            }
            source(identifier, json!({"git.fullurl": url}))
        }
        Op::Inline { files } => {
            let actions = files.iter().map(|(name, content)| {
                action(
                    NONE,
                    NONE,
                    "mkfile",
                    json!({"path": name, "mode": 0o644, "data": STANDARD.encode(content)}),
                )
            });
            file(actions.collect())
        }
        Op::Exec(exec) => executed(exec, &input),
        Op::Copy(copy) => file(copied(copy, &input)),
        Op::Directory { path, user } => {
            let made = json!({
                "path": path, "mode": 0o755, "makeParents": true, "timestamp": -1,
            });
            let made = with(made, "owner", owner(user));
            file(vec![action(input(0), NONE, "mkdir", made)])
        }
    };
    let platform = match &vertex.op {
        Op::Exec(exec) => &exec.platform,
        Op::Image { .. } => known.platform,
        _ => return json!({"Op": op, "constraints": {}}),
    };
    let mut shown = json!({"Architecture": platform.architecture, "OS": platform.os});
    if let Some(variant) = &platform.variant {
        shown["Variant"] = json!(variant);
    }
    json!({"Op": op, "platform": shown, "constraints": {}})
}

/// A member, where it has a value that Go does not leave out.
fn with(mut object: Value, name: &str, value: Value) -> Value {
    let is_nothing = match &value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::Bool(true) => false,
    };
    if !is_nothing {
        object[name] = value;
    }
    object
}

/// `user`, `user:group`, names or numbers.
fn owner(text: &str) -> Value {
    let one = |text: &str| match text.parse::<u32>() {
        _ if text.is_empty() => Value::Null,
        Ok(number) => json!({"User": with(json!({}), "byId", json!(number))}),
        Err(_) => json!({"User": {"byName": {"name": text}}}),
    };
    let (user, group) = text.split_once(':').unwrap_or((text, ""));
    with(with(json!({}), "user", one(user)), "group", one(group))
}

fn action(input: i64, secondary: i64, name: &str, what: Value) -> Value {
    json!({
        "input": input,
        "secondaryInput": secondary,
        "output": 0,
        "Action": {name: what},
    })
}

fn copied(copy: &CopyOp, input: &dyn Fn(usize) -> i64) -> Vec<Value> {
    let actions = copy
        .sources
        .iter()
        .enumerate()
        .map(|(number, (from, path))| {
            let chmod = copy.chmod.as_deref();
            let mode = chmod.map_or(Some(-1), |mode| i64::from_str_radix(mode, 8).ok());
            let what = json!({
                "src": format!("/{}", path.trim_start_matches('/')),
                "dest": copy.destination,
                "followSymlink": true,
                "dirCopyContents": true,
                "createDestPath": true,
                "allowWildcard": true,
                "allowEmptyWildcard": true,
                "timestamp": copy.epoch.map_or(-1, |it| it.saturating_mul(1_000_000_000)),
            });
            let what = with(
                what,
                "owner",
                owner(copy.chown.as_deref().unwrap_or_default()),
            );
            let what = match mode {
                Some(mode) => with(what, "mode", json!(mode)),
                None => with(what, "modeStr", json!(copy.chmod)),
            };
            let unpack = json!(copy.unpack);
            let what = with(what, "attemptUnpackDockerCompatibility", unpack);
            let what = with(what, "exclude_patterns", json!(copy.excludes));
            // Later ones go on from what those before have left.
            let on = match number {
                0 => input(0),
                _ => number as i64,
            };
            action(on, input(*from), "copy", what)
        });
    actions.collect()
}

fn executed(exec: &ExecOp, input: &dyn Fn(usize) -> i64) -> Value {
    let root = json!({"dest": "/"});
    let mut mounts = vec![with(root, "input", json!(input(0)))];
    mounts.extend(exec.mounts.iter().map(|mount| mounted(mount, input)));
    let network = match exec.network {
        Network::Named(_) => 0,
        Network::Host => 1,
        Network::None => 2,
    };
    let host = |text: &String| {
        let (name, address) = text.split_once([':', '=']).unwrap_or((text, ""));
        json!({"Host": name, "IP": address})
    };
    let hosts: Vec<Value> = exec.extra_hosts.iter().map(host).collect();
    let limits = exec.ulimits.iter();
    let limit = |it: &Ulimit| json!({"Name": it.name, "Soft": it.soft, "Hard": it.hard});
    let limits: Vec<Value> = limits.map(limit).collect();
    let hostname = Some(&*exec.hostname).filter(|it| *it != HOSTNAME);
    let meta = json!({"args": exec.args, "env": exec.env, "cwd": exec.cwd});
    let meta = with(meta, "user", json!(exec.user));
    let meta = with(meta, "hostname", json!(hostname));
    let meta = with(meta, "extraHosts", json!(hosts));
    let meta = with(meta, "ulimit", json!(limits));
    let op = json!({"meta": meta, "mounts": mounts});
    let op = with(op, "network", json!(network));
    let op = with(op, "security", json!(i32::from(exec.insecure)));
    let script = exec.script.as_ref();
    let script =
        script.map(|(name, content)| json!({"name": name, "data": STANDARD.encode(content)}));
    json!({"exec": with(op, "script", json!(script))})
}

/// A mount; of secrets and agents the name alone.
fn mounted(mount: &MountOp, input: &dyn Fn(usize) -> i64) -> Value {
    match mount {
        MountOp::Bind {
            input: from,
            source,
            target,
            read_write,
        } => {
            let bind = json!({"dest": target, "output": -1});
            let bind = with(bind, "input", json!(input(*from)));
            let bind = with(bind, "selector", json!(source));
            with(bind, "readonly", json!(!read_write))
        }
        MountOp::Cache {
            id,
            target,
            input: from,
            sharing,
            ..
        } => {
            let sharing = match sharing {
                CacheSharing::Shared => 0,
                CacheSharing::Private => 1,
                CacheSharing::Locked => 2,
            };
            let option = with(json!({"ID": id}), "sharing", json!(sharing));
            let cache = json!({
                "dest": target, "output": -1, "mountType": 3, "cacheOpt": option,
            });
            let (place, selector) = match from {
                Some((place, selector)) => (input(*place), selector.as_str()),
                None => (NONE, ""),
            };
            let cache = with(cache, "input", json!(place));
            with(cache, "selector", json!(selector))
        }
        MountOp::Tmpfs { target, size_bytes } => {
            let tmpfs = json!({"input": NONE, "dest": target, "output": -1, "mountType": 4});
            let size = with(json!({}), "size", json!(size_bytes));
            with(tmpfs, "TmpfsOpt", size)
        }
        MountOp::Secret {
            id,
            target,
            required,
            mode,
            ..
        } => {
            let option = with(json!({"ID": id}), "mode", json!(mode));
            let option = with(option, "optional", json!(!required));
            let secret = json!({"input": NONE, "output": -1, "mountType": 1, "secretOpt": option});
            with(secret, "dest", json!(target))
        }
        MountOp::Ssh {
            id,
            target,
            required,
            mode,
            ..
        } => {
            let option = with(json!({"ID": id}), "mode", json!(mode));
            let option = with(option, "optional", json!(!required));
            json!({
                "input": NONE, "dest": target, "output": -1, "mountType": 2, "SSHOpt": option,
            })
        }
    }
}
