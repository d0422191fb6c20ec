//! Steps in the words of BuildKit's graphs (`solver/pb/ops.proto` as JSON), for provenance.

use crate::{
    executor::Network,
    materials::{Known, redacted},
    request::ContextSource,
    vertex::{CopyOp, ExecOp, MountOp, Op, Vertex},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
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
    let source = |identifier: String, attrs: Value| json!({"source": {"identifier": identifier, "attrs": attrs}});
    let file = |actions: Vec<Value>| json!({"file": {"actions": actions}});
    let op = match &vertex.op {
        Op::Scratch => json!({}),
        Op::Image { .. } => {
            let name = vertex.name.rsplit_once("FROM ").map_or("", |it| it.1);
            source(format!("docker-image://{name}"), json!({}))
        }
        Op::Context(context) => match &context.source {
            ContextSource::Remote(url) => source(redacted(url), json!({})),
            ContextSource::Local(name) => source(format!("local://{name}"), json!({})),
            _ => source(format!("local://{}", context.name), json!({})),
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
                "path": path, "mode": 0o755, "makeParents": true, "owner": user, "timestamp": -1,
            });
            file(vec![action(input(0), NONE, "mkdir", made)])
        }
    };
    let platform = match &vertex.op {
        Op::Exec(exec) => &exec.platform,
        _ => known.platform,
    };
    let mut shown = json!({"Architecture": platform.architecture, "OS": platform.os});
    if let Some(variant) = &platform.variant {
        shown["Variant"] = json!(variant);
    }
    json!({"Op": op, "platform": shown, "constraints": {}})
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
            let what = json!({
                "src": path,
                "dest": copy.destination,
                "owner": copy.chown,
                "modeStr": copy.chmod,
                "mode": -1,
                "followSymlink": true,
                "dirCopyContents": true,
                "createDestPath": true,
                "allowWildcard": true,
                "allowEmptyWildcard": true,
                "attemptUnpackDockerCompatibility": copy.unpack,
                "excludePatterns": copy.excludes,
                "timestamp": copy.epoch.map_or(-1, |it| it.saturating_mul(1_000_000_000)),
            });
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
    let mut mounts = vec![json!({"input": input(0), "dest": "/", "output": 0})];
    mounts.extend(exec.mounts.iter().map(|mount| mounted(mount, input)));
    let network = match exec.network {
        Network::Named(_) => 0,
        Network::Host => 1,
        Network::None => 2,
    };
    let mut meta = json!({"args": exec.args, "env": exec.env, "cwd": exec.cwd});
    let mut set = |name: &str, value: Value, wanted: bool| {
        if wanted {
            meta[name] = value;
        }
    };
    set("user", json!(exec.user), !exec.user.is_empty());
    set("hostname", json!(exec.hostname), !exec.hostname.is_empty());
    set(
        "extraHosts",
        json!(exec.extra_hosts),
        !exec.extra_hosts.is_empty(),
    );
    let mut op = json!({"meta": meta, "mounts": mounts});
    if network != 0 {
        op["network"] = json!(network);
    }
    if exec.insecure {
        op["security"] = json!(1);
    }
    if let Some((name, content)) = &exec.script {
        op["script"] = json!({"name": name, "data": STANDARD.encode(content)});
    }
    json!({"exec": op})
}

/// A mount; of secrets and agents the name alone.
fn mounted(mount: &MountOp, input: &dyn Fn(usize) -> i64) -> Value {
    match mount {
        MountOp::Bind {
            input: from,
            source,
            target,
            read_write,
        } => json!({
            "input": input(*from), "selector": source, "dest": target, "output": -1,
            "readonly": !read_write,
        }),
        MountOp::Cache {
            id,
            target,
            input: from,
            ..
        } => json!({
            "input": from.as_ref().map_or(NONE, |(place, _)| input(*place)),
            "dest": target, "output": -1, "mountType": 3, "cacheOpt": {"ID": id},
        }),
        MountOp::Tmpfs { target, .. } => {
            json!({"input": NONE, "dest": target, "output": -1, "mountType": 4})
        }
        MountOp::Secret {
            id,
            target,
            required,
            ..
        } => json!({
            "input": NONE, "dest": target, "output": -1, "mountType": 1,
            "secretOpt": {"ID": id, "optional": !required},
        }),
        MountOp::Ssh {
            id,
            target,
            required,
            ..
        } => json!({
            "input": NONE, "dest": target, "output": -1, "mountType": 2,
            "SSHOpt": {"ID": id, "optional": !required},
        }),
    }
}
