//! A broken file gets an error that names file, line and key, and says what to write.

use corten_compose::{Disk, Request, Source, Steps, load};

fn failure(text: &str) -> String {
    let request = Request {
        files: vec![Source::Text {
            name: "compose.yaml".into(),
            text: text.to_owned(),
        }],
        directory: "/nowhere".into(),
        name: None,
        fallback_name: "p".into(),
        env: Default::default(),
        profiles: Vec::new(),
        steps: Steps::default(),
    };
    match load(&request, &Disk) {
        Ok(_) => "accepted".to_owned(),
        Err(error) => error.to_string(),
    }
}

/// What is wrong in a service, at line 4 of the file, and what is said of it.
const IN_A_SERVICE: &[(&str, &str)] = &[
    (
        "command: \"echo (x)\"",
        "5: services.w.command: invalid command line string: '(' outside of quotes",
    ),
    (
        "command: [1, 2]",
        "15: services.w.command.0: must be a string, not a number; write \"1\"",
    ),
    (
        "foo: 1",
        "5: services.w: additional property 'foo' is not allowed",
    ),
    (
        "imge: 1",
        "5: services.w: additional property 'imge' is not allowed; did you mean 'image'?",
    ),
    (
        "enviroment: {}",
        "5: services.w: additional property 'enviroment' is not allowed; did you mean 'environment'?",
    ),
    (
        "ports: x",
        "5: services.w.ports: must be a list, not a string",
    ),
    (
        "ports: [\"a:b\"]",
        "13: services.w.ports.0: Invalid containerPort: b",
    ),
    (
        "ports: [\"1-3:1-2\"]",
        "13: services.w.ports.0: Invalid ranges specified for container and host Ports: 1-2 and 1-3",
    ),
    (
        "ports: [\"70000:1\"]",
        "13: services.w.ports.0: Invalid hostPort: 70000",
    ),
    (
        "ports: [{published: 1}]",
        "13: services.w.ports: target is missing",
    ),
    (
        "ports: [{target: 1, host_ip: x}]",
        "25: services.w.ports: invalid ip address: x",
    ),
    (
        "volumes: [\"aa::/b\"]",
        "15: services.w.volumes.0: invalid spec: aa::/b: empty section between colons",
    ),
    (
        "volumes: [\"aa:/b:ro:x\"]",
        "15: services.w.volumes.0: invalid spec: aa:/b:ro:x: too many colons",
    ),
    (
        "volumes: [nope:/x]",
        "15: service \"w\" refers to undefined volume nope: invalid compose project",
    ),
    ("tmpfs: /x\n    volumes: [/x]", ""),
    (
        "mem_limit: abc",
        "5: services.w.mem_limit: invalid size: 'abc'; write it like 512m or 2g",
    ),
    (
        "stop_grace_period: 1x",
        "5: services.w.stop_grace_period: time: unknown unit \"x\" in duration \"1x\"",
    ),
    (
        "stop_grace_period: \"10\"",
        "5: services.w.stop_grace_period: time: missing unit in duration \"10\"; write 10s",
    ),
    (
        "scale: abc",
        "5: services.w.scale: \"abc\" is not a whole number",
    ),
    (
        "scale: -1",
        "3: services.w.scale: must be greater than or equal to 0: invalid compose project",
    ),
    (
        "init: abc",
        "5: services.w.init: invalid boolean: abc; write true or false",
    ),
    (
        "depends_on: [nope]",
        "18: service \"w\" depends on undefined service \"nope\": invalid compose project",
    ),
    (
        "depends_on: {w2: {condition: x}}",
        "18: services.w.depends_on: unknown condition \"x\"; write service_started, service_healthy or service_completed_successfully",
    ),
    (
        "env_file: /nope",
        "5: env file /nope not found: stat /nope: ",
    ),
    (
        "secrets: [x]",
        "15: service \"w\" refers to undefined secret x: invalid compose project",
    ),
    (
        "configs: [x]",
        "15: service \"w\" refers to undefined config x: invalid compose project",
    ),
    (
        "networks: [q]",
        "16: service \"w\" refers to undefined network q: invalid compose project",
    ),
    ("network_mode: service:q", ""),
    (
        "healthcheck: {test: [curl, x]}",
        "26: healthcheck.test must start either by \"CMD\", \"CMD-SHELL\" or \"NONE\": invalid compose project",
    ),
    (
        "environment: [\"C =2\"]",
        "19: services.w.environment: environment variable C  is declared with a trailing space",
    ),
    (
        "extra_hosts: [\"a\"]",
        "19: services.w.extra_hosts: invalid additional host, missing IP: a; write it like somehost=162.242.195.82",
    ),
    (
        "ulimits: {nofile: {soft: 1}}",
        "15: services.w.ulimits.nofile: 'hard' is missing; write one number, or both soft and hard",
    ),
    (
        "pull_policy: maybe",
        "5: services.w.pull_policy: unknown policy \"maybe\"; write always, never, missing, build, daily, weekly or every_<duration>",
    ),
    (
        "pull_refresh_after: soon",
        "5: services.w.pull_refresh_after: invalid duration \"soon\"; write it like 12h or 1w2d",
    ),
    (
        "image: [x]",
        "5: mapping key \"image\" already defined at line 3",
    ),
    (
        "extends: q",
        "5: services.w.extends: cannot extend service \"w\" in compose.yaml: service \"q\" not found",
    ),
    (
        "extends: {file: /no.yaml, service: q}",
        "5: cannot read /no.yaml",
    ),
    (
        "extends: {file: x}",
        "5: services.w.extends: service is required",
    ),
    (
        "labels: {a: [1]}",
        "14: services.w.labels.a: must be a string, number or boolean, not a list",
    ),
    (
        "hostname: 12",
        "5: services.w.hostname: must be a string, not a number; write \"12\"",
    ),
    (
        "command: ${X:?set X}",
        "5: services.w.command: required variable X is missing a value: set X",
    ),
    (
        "command: ${X",
        "5: services.w.command: invalid interpolation format: \"${X\"; you may need to escape any $ with another $",
    ),
    (
        "cap_add: X",
        "5: services.w.cap_add: must be a list, not a string; write [\"X\"]",
    ),
    (
        "gpus: 3",
        "5: services.w.gpus: must be a list, not a number",
    ),
    (
        "devices: [\"a:b:c:d\"]",
        "15: services.w.devices.0: confusing device mapping, please use long syntax: a:b:c:d",
    ),
    ("develop: {watch: [{path: a, action: sync}]}", ""),
    (
        "deploy: {replicas: 1.5}",
        "14: services.w.deploy.replicas: must be a whole number, not a number",
    ),
    ("expose: 80", ""),
    ("dns: {a: b}", ""),
    ("user: 1", ""),
    ("privileged: maybe", ""),
    ("logging: json-file", ""),
    ("networks: x", ""),
    ("network_mode: host\n    networks: [default]", ""),
    ("gpus: [{count: 1, device_ids: [a]}]", ""),
    ("env_file: [{path: a, format: z}]", ""),
    ("label_file: /nope", ""),
    ("scale: 2\n    container_name: one", ""),
    (
        "mem_limit: 1g\n    deploy: {resources: {limits: {memory: 2g}}}",
        "",
    ),
    ("volumes: [{type: bind, target: /x, bind: {foo: 1}}]", ""),
    (
        "build: {ssh: [x]}",
        "19: services.w.build.ssh: invalid ssh key \"x\"; write 'default' or ID=PATH",
    ),
];

#[test]
fn an_attribute_that_is_wrong_is_named_with_its_place() {
    let mut wrong = Vec::new();
    for (line, said) in IN_A_SERVICE {
        let text = format!("services:\n  w:\n    image: x\n    {line}\n");
        let message = failure(&text);
        if !message.contains("; ") {
            wrong.push(format!("{line}: nothing says what to write: {message}"));
        }
        if said.is_empty() {
            if !message.starts_with("compose.yaml:") {
                wrong.push(format!(
                    "{line}:
 ours {message}"
                ));
            }
            continue;
        }
        let (column, rest) = said.split_once(':').expect("a column");
        // Where a service as a whole is at fault, its own line is named.
        let number = if column == "3" { 2 } else { 4 };
        let expected = format!("compose.yaml:{number}:{column}:{rest}");
        if !message.starts_with(&expected) {
            wrong.push(format!(
                "{line}:
 ours {message}
 want {expected}"
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{}",
        wrong.join(
            "
"
        )
    );
}

#[test]
fn a_file_that_is_no_project_says_so() {
    assert_eq!(failure(""), "empty compose file");
    let mut wrong = Vec::new();
    for (text, said) in [
        (
            "[a]",
            "compose.yaml:1:1: top-level object must be a mapping",
        ),
        (
            "services: [a]",
            "compose.yaml:1:1: services: must be a mapping, not a list",
        ),
        (
            "services: {w: x}",
            "compose.yaml:1:12: services.w: must be a mapping, not a string",
        ),
        (
            "volume: {a: }",
            "compose.yaml:1:1: (root): additional property 'volume' is not allowed; did you mean 'volumes'?",
        ),
        (
            "services: {w: {}}",
            "compose.yaml:1:12: service \"w\" has neither an image nor a build context specified: invalid compose project",
        ),
        (
            "services: {1: {image: x}}",
            "compose.yaml:1:12: non-string key in services: 1; write \"1\"",
        ),
        (
            "services: {\"a b\": {image: x}}",
            "compose.yaml:1:12: services: additional property 'a b' is not allowed; a name is made of letters, digits, '.', '_' and '-'",
        ),
        (
            "services: {a: {image: x, depends_on: [b]}, b: {image: x, depends_on: [a]}}",
            "dependency cycle detected: a -> b -> a",
        ),
        (
            "services: {a: {image: x, extends: b}, b: {image: x, extends: a}}",
            "Circular reference:\n  a in compose.yaml\n  extends b in compose.yaml\n  extends a in compose.yaml",
        ),
        (
            "volumes: {a: {external: true, driver: x}}",
            "compose.yaml:1:11: volumes.a: conflicting parameters \"external\" and \"driver\" specified",
        ),
        (
            "secrets: {a: {}}",
            "compose.yaml:1:11: secrets.a: one of file|environment must be set",
        ),
        (
            "configs: {a: {file: x, content: y}}",
            "compose.yaml:1:11: configs.a: file|environment|content attributes are mutually exclusive",
        ),
        (
            "name: \"///\"\nservices: {}",
            "compose.yaml:1:1: name: invalid project name \"///\"",
        ),
        ("services:\n  a: {image: x}\n bad: x\n", "compose.yaml:3:2:"),
        (
            "include: [/nope.yaml]",
            "compose.yaml:1:11: cannot read /nope.yaml",
        ),
        ("a: &a [*a]\nservices: {}", "compose.yaml:1:8:"),
    ] {
        let message = failure(text);
        if !message.starts_with(said) || !message.contains("; ") {
            wrong.push(format!(
                "{text}:
 ours {message}
 want {said}"
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{}",
        wrong.join(
            "
"
        )
    );
}

proptest::proptest! {
    /// No text makes loading panic or run away.
    #[test]
    fn any_text_is_an_answer(text in "[a-z:{}\\[\\]&*!$<>|\"'# \n-]{0,200}") {
        let request = Request {
            files: vec![Source::Text { name: "x".into(), text }],
            directory: "/nowhere".into(),
            name: None,
            fallback_name: "p".into(),
            env: Default::default(),
            profiles: Vec::new(),
            steps: Steps::default(),
        };
        let _ = load(&request, &Disk);
    }
}
