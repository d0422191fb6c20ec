//! What images and requests claim by labels, names and values.

use super::image_with;
use corten_testkit::{Engine, Options};
use serde_json::Value;

/// Labels that other engines, orchestrators or this one might take for orders.
const ORDERS: &[&str] = &[
    "containerd.io/restart.status=running",
    "containerd.io/restart.loguri=binary:///bin/sh?-c=true",
    "containerd.io/restart.policy=always",
    "io.containerd.runc.v2.group=x",
    "io.kubernetes.cri-o.userns-mode=host",
    "io.kubernetes.cri-o.Devices=/dev/kmsg",
    "io.kubernetes.cri-o.cgroup2-mount-hierarchy-rw=true",
    "org.systemd.property.DevicePolicy=auto",
    "org.systemd.property.AllowedCPUs=0",
    "run.oci.keep_original_groups=1",
    "run.oci.systemd.subgroup=/",
    "run.oci.hooks.stderr=/canary",
    "cdi.k8s.io/one=vendor.com/thing=one",
    "com.docker.security.seccomp=unconfined",
    "desktop.docker.io/binds/0/Source=/",
    "corten.privileged=true",
    "corten.port_firewall=open",
    "restart=always",
    "security-opt=seccomp=unconfined",
];

// CVE-2026-53488, CVE-2026-53492, CVE-2024-3154, CVE-2023-6476, CVE-2014-6408
#[test]
fn an_images_labels_change_nothing_but_labels() {
    let specs = tempfile::tempdir().unwrap();
    let spec = "cdiVersion: 0.6.0\nkind: vendor.com/thing\ndevices:\n- name: one\n  containerEdits:\n    \
                env: [INJECTED=1]\n";
    std::fs::write(specs.path().join("thing.yaml"), spec).unwrap();
    let engine = Engine::start_with(Options {
        arguments: vec!["--cdi-spec-dir".into(), specs.path().display().to_string()],
        ..Options::default()
    });
    let labels: Vec<String> = ORDERS
        .iter()
        .filter_map(|order| order.split_once('='))
        .map(|(name, value)| format!("LABEL \"{name}\"=\"{value}\""))
        .collect();
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    image_with(&engine, "plain", &["CMD [\"sleep\",\"1000\"]"], |_| {});
    let changes: Vec<&str> = [&["CMD [\"sleep\",\"1000\"]"], &labels[..]].concat();
    image_with(&engine, "orders", &changes, |_| {});
    let look = |image: &str| {
        let name = format!("of-{image}");
        engine
            .docker(["run", "-d", "--name", &name, "--network", "none", image])
            .ok();
        let record = engine.docker(["inspect", &name]);
        let record: Value = serde_json::from_str(record.ok()).unwrap();
        let fields = [
            "HostConfig",
            "Mounts",
            "Path",
            "Args",
            "Driver",
            "AppArmorProfile",
            "MountLabel",
            "ProcessLabel",
        ];
        let mut fields: Vec<Value> = fields
            .iter()
            .map(|field| record[0][field].clone())
            .collect();
        fields.push(record[0]["Config"]["Env"].clone());
        let script = "cat /proc/self/status /proc/self/cgroup /proc/self/mountinfo; ls /dev";
        let inside = engine.docker(["exec", &name, "sh", "-c", script]);
        // Numbers that differ from one process to the next.
        let id = record[0]["Id"].as_str().unwrap();
        let stable = [
            "Cap",
            "NoNewPrivs",
            "Seccomp",
            "Uid",
            "Gid",
            "Groups",
            "Cpus_allowed_list",
        ];
        let inside: Vec<String> = inside
            .ok()
            .lines()
            .filter(|line| {
                !line.contains(':')
                    || stable.iter().any(|it| line.starts_with(it))
                    || line.contains(id)
            })
            .map(|line| line.replace(id, "ID"))
            .filter(|line| !line.contains(" - "))
            .collect();
        let labels = record[0]["Config"]["Labels"]
            .as_object()
            .map_or(0, serde_json::Map::len);
        (fields, inside, labels)
    };
    let (plain, orders) = (look("plain"), look("orders"));
    assert_eq!(plain.0, orders.0);
    assert_eq!(plain.1, orders.1);
    assert!(plain.1.len() > 15, "{:?}", plain.1);
    assert_eq!((plain.2, orders.2), (0, ORDERS.len()));
    // Ended, it stays so: nobody reads a policy out of a label.
    engine.docker(["kill", "of-orders"]).ok();
    let state = engine.docker(["wait", "of-orders"]);
    assert_eq!(state.ok(), "137");
    let state = engine.docker([
        "inspect",
        "-f",
        "{{.State.Status}} {{.RestartCount}}",
        "of-orders",
    ]);
    assert_eq!(state.ok(), "exited 0");
}

// moby 4f84bcb, CVE-2021-20206
#[test]
fn a_name_that_is_a_path_is_refused_wherever_it_would_become_a_file() {
    let engine = Engine::with_images(&["busybox"]);
    engine
        .docker(["run", "-d", "--name", "cc", "busybox", "sleep", "1000"])
        .ok();
    let tree = || {
        let parts = ["volumes", "containers"].map(|name| engine.path("data").join(name));
        let mut names: Vec<String> = parts
            .iter()
            .flat_map(|part| std::fs::read_dir(part).unwrap())
            .map(|entry| entry.unwrap().path().display().to_string())
            .collect();
        names.sort();
        names
    };
    let before = tree();
    let long = "n".repeat(300);
    let names = [
        "..%2Fx",
        "%2E%2E",
        "a%2Fb",
        "..%2F..%2Fetc%2Fpasswd",
        "x%00y",
        "%E2%80%A4%E2%80%A4%2Fx",
        &long,
    ];
    for name in names {
        for (method, path) in [
            ("POST", format!("/containers/create?name={name}")),
            ("GET", format!("/containers/{name}/json")),
            ("GET", format!("/containers/{name}/logs?stdout=1")),
            ("DELETE", format!("/containers/{name}")),
            ("GET", format!("/exec/{name}/json")),
            ("GET", format!("/volumes/{name}")),
            ("DELETE", format!("/volumes/{name}")),
            ("GET", format!("/networks/{name}")),
            ("GET", format!("/images/{name}/json")),
            ("DELETE", format!("/images/{name}")),
            ("GET", format!("/plugins/{name}/json")),
            ("POST", format!("/containers/cc/rename?name={name}")),
            ("DELETE", format!("/containers/cc/checkpoints/{name}")),
        ] {
            // A name that is only long is a name.
            if name == long && (method == "POST") {
                continue;
            }
            let body = if method == "POST" {
                r#"{"Image":"busybox"}"#
            } else {
                ""
            };
            let (status, said) = engine.request(method, &path, body);
            assert!(
                (301..500).contains(&status) || status == 501,
                "{method} {path}: {status} {said}"
            );
            assert!(!said.contains("root:x:0"), "{method} {path}: {said}");
        }
    }
    for name in ["../x", "a/b", ".", "..", "x\\u0000y", "\\n", "-x", "/"] {
        for (path, body) in [
            ("/volumes/create", format!(r#"{{"Name":"{name}"}}"#)),
            (
                "/volumes/create",
                format!(r#"{{"Name":"v","Driver":"{name}"}}"#),
            ),
            (
                "/networks/create",
                format!(r#"{{"Name":"n","Driver":"{name}"}}"#),
            ),
            (
                "/containers/create",
                format!(r#"{{"Image":"busybox","HostConfig":{{"Runtime":"{name}"}}}}"#),
            ),
            (
                "/containers/create",
                format!(
                    r#"{{"Image":"busybox","HostConfig":{{"LogConfig":{{"Type":"{name}"}}}}}}"#
                ),
            ),
            (
                "/containers/create",
                format!(
                    r#"{{"Image":"busybox","HostConfig":{{"VolumeDriver":"{name}","Binds":["v:/v"]}}}}"#
                ),
            ),
            (
                "/containers/create",
                format!(
                    r#"{{"Image":"busybox","HostConfig":{{"Mounts":[{{"Type":"volume","Source":"{name}","Target":"/v"}}]}}}}"#
                ),
            ),
        ] {
            let (status, said) = engine.request("POST", path, &body);
            let started = status == 201 && path == "/containers/create" && {
                let made: Value = serde_json::from_str(&said).unwrap();
                let id = made["Id"].as_str().unwrap().to_owned();
                let (started, _) = engine.request("POST", &format!("/containers/{id}/start"), "");
                engine.docker(["rm", "-f", &id]).ok();
                started == 204
            };
            assert!(
                status >= 400 || (path == "/containers/create" && !started),
                "{path} {body}: {status} {said}"
            );
        }
    }
    assert_eq!(tree(), before);
    assert_eq!(
        engine.docker(["ps", "-a", "--format", "{{.Names}}"]).ok(),
        "cc"
    );
    assert_eq!(engine.docker(["volume", "ls", "-q"]).ok(), "");
}

// CVE-2022-0811, GO-2022-0363
#[test]
fn kernel_parameters_are_the_containers_own_and_their_values_no_more_than_values() {
    let engine = Engine::with_images(&["busybox"]);
    let before = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    for (name, value) in [
        ("kernel.core_pattern", "|/x"),
        ("kernel/core_pattern", "|/x"),
        ("net.ipv4.../../kernel/core_pattern", "|/x"),
        ("net/../kernel/core_pattern", "|/x"),
        ("net.ipv4.ip_forward", "1\nkernel.core_pattern=|/x"),
        ("net.ipv4.ip_forward", "1\\u0000x"),
        ("kernel.shm_rmid_forced", "1+kernel.core_pattern=|/x\n"),
        ("vm.swappiness", "1"),
        ("", "1"),
    ] {
        let value = value.replace('\n', "\\n");
        let body = format!(
            r#"{{"Image":"busybox","Cmd":["true"],"HostConfig":{{"Sysctls":{{"{name}":"{value}"}}}}}}"#
        );
        let (status, said) = engine.request("POST", "/containers/create?name=odd", &body);
        if status == 201 {
            let (status, said) = engine.request("POST", "/containers/odd/start", "");
            assert!(status >= 400, "{name}={value}: {status} {said}");
            engine.docker(["rm", "-f", "odd"]).ok();
        } else {
            assert_eq!(status, 400, "{said}");
        }
    }
    let after = std::fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap();
    assert_eq!(after, before);
    for (space, name) in [
        ("--network", "net.core.somaxconn"),
        ("--ipc", "kernel.shmmax"),
    ] {
        let setting = format!("{name}=4096");
        let words = [
            "run", "--rm", space, "host", "--sysctl", &setting, "busybox", "true",
        ];
        assert_ne!(engine.docker(words).code, 0, "{name}");
        let words = [
            "run", "--rm", "--sysctl", &setting, "busybox", "sysctl", "-n", name,
        ];
        assert_eq!(engine.docker(words).ok(), "4096");
    }
}
