//! Every key that ends in the configuration of a container, a network or a volume: what
//! `create` makes of it is what stock Compose makes of it.

use super::*;
use serde_json::{Value as J, json};
use std::collections::BTreeMap;

/// A service for each.
const KEYS: &str = include_str!("keys.yaml");

/// Networks and volumes that the project uses and does not own.
const OTHERS: [(&str, &str); 4] = [
    ("network", "keys-outside"),
    ("network", "keys-older"),
    ("volume", "keys-kept"),
    ("volume", "keys-old"),
];

const FILES: [(&str, &str); 6] = [
    ("e.env", "EA=1\nEB=\"x $HOME\"\n"),
    ("raw.env", "R=\"q $X\"\n"),
    ("l.txt", "la=1\nlb=2\n"),
    ("k.txt", "secret\n"),
    ("sec.json", "{\"defaultAction\":\"SCMP_ACT_ALLOW\"}"),
    ("b/x", ""),
];

/// What is another one each time.
const PASSING: [&str; 15] = [
    "Id",
    "Created",
    "CreatedAt",
    "Image",
    "ResolvConfPath",
    "HostnamePath",
    "HostsPath",
    "LogPath",
    "GraphDriver",
    "Mountpoint",
    "NetworkID",
    "EndpointID",
    "SandboxID",
    "Containers",
    "com.docker.compose.version",
];

/// The same for every run: without what passes, IDs the same, lists of no order sorted.
fn steady(value: &J) -> J {
    const UNORDERED: [&str; 6] = [
        "Binds",
        "Env",
        "Mounts",
        "Aliases",
        "DNSNames",
        "ExtraHosts",
    ];
    match value {
        J::Object(entries) => {
            // Ours marks what configs and secrets hold, stock does not.
            let is_mark = |key: &str, value: &J| {
                let marks = value.as_object().filter(|_| key == "Annotations");
                marks.is_some_and(|it| it.len() == 1 && it.contains_key("corten.contents"))
            };
            let kept = entries
                .iter()
                .filter(|(key, value)| !PASSING.contains(&&***key) && !is_mark(key, value));
            let kept = kept.map(|(key, value)| {
                let mut value = steady(value);
                if let (true, Some(items)) = (UNORDERED.contains(&&**key), value.as_array_mut()) {
                    items.sort_by_key(J::to_string);
                }
                (key.clone(), value)
            });
            J::Object(kept.collect())
        }
        J::Array(items) => items.iter().map(steady).collect(),
        J::String(text) => {
            let is_id =
                |part: &str| part.len() >= 12 && part.bytes().all(|b| b.is_ascii_hexdigit());
            let parts = text.split_inclusive(['/', ':', '-', '_']).map(|part| {
                let word = part.trim_end_matches(['/', ':', '-', '_']);
                match is_id(word) {
                    true => part.replace(word, "ID"),
                    false => part.to_owned(),
                }
            });
            J::String(parts.collect())
        }
        other => other.clone(),
    }
}

/// Everything of the project by kind and name.
fn made(engine: &Engine) -> BTreeMap<String, J> {
    let mut all = BTreeMap::new();
    let label = "label=com.docker.compose.project=keys";
    for (kind, list) in [
        ("container", &["ps", "-aq", "--filter", label][..]),
        ("network", &["network", "ls", "-q", "--filter", label]),
        (
            "volume",
            &["volume", "ls", "-q", "--filter", "dangling=false"],
        ),
    ] {
        let listed = engine.docker(list);
        let ids: Vec<&str> = listed.ok().split_whitespace().collect();
        let ran = engine.docker([kind, "inspect"].iter().chain(&ids));
        let found: Vec<J> = serde_json::from_str(ran.ok()).expect("JSON");
        for item in &found {
            let mut item = steady(item);
            let name = item["Name"].as_str().unwrap_or_default().to_owned();
            // The pool's next network, in the order of a hash map.
            if name == "keys_default" || name == "other-name" || name == "keys_n6" {
                let v6 = |it: &J| it["Subnet"].as_str().is_some_and(|it| it.contains(':'));
                if let Some(pools) = item["IPAM"]["Config"].as_array_mut() {
                    pools.retain(v6);
                }
            }
            all.insert(format!("{kind} {name}"), item);
        }
    }
    all
}

/// Where two values differ.
fn differences(path: &str, ours: &J, stock: &J, into: &mut Vec<String>) {
    match (ours, stock) {
        (J::Object(own), J::Object(other)) => {
            let keys = own.keys().chain(other.keys());
            let keys: std::collections::BTreeSet<&String> = keys.collect();
            for key in keys {
                let at = |entries: &serde_json::Map<String, J>| entries.get(key).cloned();
                let missing = json!("nothing");
                let (own, other) = (at(own), at(other));
                let (own, other) = (own.as_ref(), other.as_ref());
                differences(
                    &format!("{path}.{key}"),
                    own.unwrap_or(&missing),
                    other.unwrap_or(&missing),
                    into,
                );
            }
        }
        _ if ours == stock => {}
        _ => into.push(format!("{path}\n  ours  {ours}\n  stock {stock}")),
    }
}

#[test]
fn every_key_makes_what_stock_compose_makes_of_it() {
    let engine = Engine::with_images(&["busybox"]);
    let services = KEYS.matches("\n    image: busybox\n").count();
    let mut files = FILES.to_vec();
    files.push(("compose.yaml", KEYS));
    let directory = engine.files("keys", &files);
    // What is somebody else's and neither made nor removed.
    for (kind, name) in OTHERS {
        engine.docker([kind, "create", name]).ok();
    }
    let create = |mut command: Command| {
        command.current_dir(&directory).env("KK", "kkk");
        let ran = run(&mut command);
        ran.ok();
        let warnings = ran.stderr.lines().filter(|line| line.contains(" level="));
        let warnings: Vec<&str> = warnings
            .filter_map(|it| it.split(" level=").nth(1))
            .collect();
        let found = (lines_of(&warnings), made(&engine));
        ours(&engine, &directory, &["down", "-v", "-t", "0"]).ok();
        found
    };
    let stock = create(engine.compose_command(["create"]));
    let own = create(ours_command(&engine, &directory, &["create"]));
    assert!(stock.1.len() > services);
    let mut wrong = Vec::new();
    differences("", &json!(own.1), &json!(stock.1), &mut wrong);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(own.0, stock.0, "what is told of keys that do nothing");
    for (kind, name) in OTHERS {
        engine.docker([kind, "rm", name]).ok();
    }
    nothing_is_left(&engine);
}

fn lines_of(lines: &[&str]) -> Vec<String> {
    let mut lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    lines.sort();
    lines
}

#[test]
fn a_service_that_may_speak_to_the_engine_does() {
    let engine = Engine::with_images(&["busybox"]);
    let text = "
services:
  one:
    image: busybox
    command: sh -c 'test -S /var/run/docker.sock && cat $$DOCKER_CONFIG/config.json'
    use_api_socket: true
  two: { image: busybox, models: { m: { endpoint_var: URL, model_var: MODEL } } }
models: { m: { name: small, model: ai/m, context_size: 1024, runtime_flags: [--fast] } }
";
    let directory = engine.files("socket", &[("compose.yaml", text)]);
    let ran = ours(&engine, &directory, &["run", "--rm", "-T", "one"]);
    assert!(ran.ok().contains("\"auths\": {}"), "{ran:?}");
    // What would do nothing is refused, as stock Compose refuses it.
    let refused = "'models' support requires Docker Model plugin";
    ours(&engine, &directory, &["up", "-d", "two"]).fails(1, refused);
    stock(&engine, &directory, &["up", "-d", "two"]).fails(1, refused);
    ours(&engine, &directory, &["down", "-t", "0"]).ok();
    nothing_is_left(&engine);
}

/// Keys that are refused where they are used, and the end of what is said of them.
const REFUSED: &[(&str, &str, &str)] = &[
    (
        "storage_opt: { size: 1G }",
        "",
        "--storage-opt is supported only for",
    ),
    ("cpu_count: 2", "", "HostConfig.CpuCount=2 is not supported"),
    (
        "cpu_percent: 30",
        "",
        "HostConfig.CpuPercent=3000 is not supported",
    ),
    ("isolation: hyperv", "", "invalid isolation"),
    (
        "secrets: [s]",
        "secrets: { s: { external: true, name: far } }",
        "unsupported external secret far",
    ),
    (
        "secrets: [s]",
        "secrets: { s: { external: { name: far } } }",
        "unsupported external secret far",
    ),
    (
        "secrets: [s]",
        "secrets: { s: { file: ./f, driver: vault, driver_opts: { a: b } } }",
        "Compose does not support secrets.*.driver",
    ),
    (
        "secrets: [s]",
        "secrets: { s: { file: ./f, template_driver: golang } }",
        "Compose does not support secrets.*.template_driver",
    ),
    (
        "configs: [c]",
        "configs: { c: { external: true, name: far } }",
        "unsupported external config far",
    ),
    (
        "configs: [c]",
        "configs: { c: { external: { name: far } } }",
        "unsupported external config far",
    ),
    (
        "configs: [c]",
        "configs: { c: { file: ./f, template_driver: golang } }",
        "Compose does not support configs.*.template_driver",
    ),
    (
        "networks: [n]",
        "networks: { n: { external: true, name: far } }",
        "network far declared as external, but could not be found",
    ),
    (
        "volumes: [\"kept:/v\"]",
        "volumes: { kept: { external: true, name: far } }",
        "external volume \"far\" not found",
    ),
];

#[test]
fn what_cannot_be_had_is_refused_as_stock_compose_refuses_it() {
    let engine = Engine::with_images(&["busybox"]);
    for (service, beside, sentence) in REFUSED {
        let text = format!(
            "services:\n  one:\n    image: busybox\n    command: \"true\"\n    {service}\n{beside}\n"
        );
        let files = [("compose.yaml", &*text), ("f", "x")];
        let directory = engine.files("refused", &files);
        stock(&engine, &directory, &["create"]).fails(1, sentence);
        ours(&engine, &directory, &["create"]).fails(1, sentence);
        ours(&engine, &directory, &["down"]).ok();
    }
    nothing_is_left(&engine);
}

const OWNED: &str = r#"
services:
  one:
    image: busybox
    command: stat -c "%n %u %g %a" /run/secrets/s /c /e
    secrets: [{ source: s, uid: "1", gid: "2", mode: 0400 }]
    configs:
      - { source: c, uid: "3", gid: "4", mode: 0640 }
      - { source: e, uid: "5", gid: "6" }
secrets: { s: { environment: HOME } }
configs: { c: { content: x }, e: { environment: HOME } }
"#;

#[test]
fn what_is_put_into_a_container_has_its_owner_and_mode() {
    let engine = Engine::with_images(&["busybox"]);
    let directory = engine.files("owned", &[("compose.yaml", OWNED)]);
    let words = ["run", "--rm", "-T", "one"];
    let own = ours(&engine, &directory, &words);
    assert_eq!(own.ok(), "/run/secrets/s 1 2 400\n/c 3 4 640\n/e 5 6 444");
    assert_eq!(own.stdout, stock(&engine, &directory, &words).stdout);
    ours(&engine, &directory, &["down"]).ok();
    nothing_is_left(&engine);
}
