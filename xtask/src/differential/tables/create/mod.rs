//! `create` with every field of Config and HostConfig, right and wrong, and what
//! `inspect` makes of it.

mod config;
mod host;
mod mounts;
mod resources;

use super::{Group, call, group};

/// Whole bodies that are wrong in themselves.
const BODIES: &[(&str, &str, &str)] = &[
    ("no-image", "", r#"{"Cmd":["true"]}"#),
    (
        "image-missing",
        "",
        r#"{"Image":"nonono:1","Cmd":["true"]}"#,
    ),
    ("image-wrong", "", r#"{"Image":"No_No:1 2","Cmd":["true"]}"#),
    (
        "no-command",
        "",
        r#"{"Image":"$image","Cmd":[],"Entrypoint":[""]}"#,
    ),
    ("empty", "", "{}"),
    ("broken", "", r#"{"Image":"#),
    ("type", "", r#"{"Image":"$image","Tty":"yes"}"#),
    ("list", "", "[]"),
    ("twice", "", r#"{"Image":"$image"}{"Image":"$image"}"#),
    ("platform", "&platform=linux/s390x", r#"{"Image":"$image"}"#),
    (
        "platform-wrong",
        "&platform=a/b/c/d",
        r#"{"Image":"$image"}"#,
    ),
    (
        "platform-right",
        "&platform=linux/amd64",
        r#"{"Image":"$image"}"#,
    ),
];

pub fn groups() -> Vec<Group> {
    let mut list = Vec::new();
    let tables = [
        config::FIELDS,
        host::FIELDS,
        resources::FIELDS,
        mounts::FIELDS,
    ];
    for (name, fields) in tables.into_iter().flatten() {
        let body = format!(r#"{{"Image":"$image","Cmd":["sleep","60"],{fields}}}"#);
        list.push(group(
            format!("create-{name}"),
            vec![
                call("POST /containers/create?name=$name").json(body),
                call("GET /containers/$name/json?size=0"),
            ],
        ));
    }
    for (name, query, body) in BODIES {
        list.push(group(
            format!("create-{name}"),
            vec![
                call(format!("POST /containers/create?name=$name{query}")).json(*body),
                call("GET /containers/$name/json"),
            ],
        ));
    }
    for (label, name) in [
        ("short", "a"),
        ("slash", "/a/b"),
        ("space", "a%20b"),
        ("dots", ".."),
    ] {
        list.push(group(
            format!("create-name-{label}"),
            vec![
                call(format!("POST /containers/create?name={name}")).json(r#"{"Image":"$image"}"#),
                call(format!("DELETE /containers/{name}")),
            ],
        ));
    }
    list
}
