//! Every key that ends in the configuration of a container, a network or a volume: what
//! `create` makes of it is what stock Compose makes of it.

use super::*;
use serde_json::{Value as J, json};
use std::collections::BTreeMap;

/// A service each, below its image; `;` stands between lines.
const SERVICES: &str = r##"
annotations: ["a=b","c"]
blkio_config: {weight: 300, weight_device: [{path: /dev/null, weight: 200}], device_read_bps: [{path: /dev/null, rate: 12mb}], device_read_iops: [{path: /dev/null, rate: 120}], device_write_bps: [{path: /dev/null, rate: 1024k}], device_write_iops: [{path: /dev/null, rate: 30}]}
cap_add: [net_admin, SYS_TIME, CAP_CHOWN, NET_ADMIN]
cap_add: [CHOWN]; cap_drop: [CHOWN, MKNOD]
cap_drop: [ALL, CHOWN]
cgroup: private
command: echo "a b" c
command: []
command: null
configs: [c1]
configs: [{source: c1, target: /x/y}]
configs: [{source: c2, target: rel}, c3]
cpu_shares: 73; cpu_quota: 50000; cpu_period: 100000; cpu_rt_runtime: 95000
cpus: "1.5"; cpuset: "0,1"
depends_on: {s0: {condition: service_started, restart: true, required: false}}
deploy: {mode: replicated, replicas: 1, labels: {l: v}, endpoint_mode: vip}
deploy: {resources: {limits: {cpus: "0.5", memory: 50M, pids: 10}, reservations: {cpus: "0.25", memory: 20M}}}
deploy: {restart_policy: {condition: on-failure, delay: 5s, max_attempts: 3, window: 120s}}
deploy: {restart_policy: {condition: any}}
deploy: {restart_policy: {condition: none}}
deploy: {resources: {reservations: {devices: [{capabilities: [gpu], driver: cdi, device_ids: ["vendor.com/x=1"]}]}}}
gpus: all
gpus: [{driver: nvidia, count: 2, capabilities: [gpu], options: {a: b}}]
device_cgroup_rules: ["c 1:3 mr", "a 7:* rmw"]
devices: ["/dev/null:/dev/xnull:r"]
devices: [{source: /dev/full, target: /dev/y, permissions: rw}]
dns: [8.8.8.8, 9.9.9.9]; dns_opt: [use-vc]; dns_search: [a.com, b.com]
domainname: example.org; hostname: me
entrypoint: /bin/sh -c "x y"
entrypoint: []
env_file: [{path: e.env, required: false}, {path: no.env, required: false}]
env_file: [{path: raw.env, format: raw}]
environment: {A: 1, B: "x", C: , D: true, E: 1.5, F: ""}
environment: ["A=1", "B", "HOME"]
expose: ["3000", "53/udp"]
extra_hosts: ["a:1.2.3.4", "b=::1", "c=host-gateway"]
group_add: [mail, 1000]
healthcheck: {test: ["CMD", "true"], interval: 1m30s, timeout: 10s, retries: 3, start_period: 40s, start_interval: 5s}
healthcheck: {test: "curl -f x || exit 1"}
healthcheck: {disable: true}
init: false
ipc: shareable
ipc: "service:s0"
labels: {a: 1, b: "", c: true}
label_file: [l.txt]
links: [s0]
links: ["s0:alias"]
logging: {driver: json-file, options: {max-size: 10m, max-file: 3}}
mac_address: 02:42:ac:11:65:43
mem_limit: 64m; mem_reservation: 32m; memswap_limit: 128m; mem_swappiness: 50
memswap_limit: -1; mem_limit: 64m
network_mode: none
network_mode: bridge
network_mode: "service:s0"
networks: [n1, n2]
networks: {n1: {aliases: [x, y], ipv4_address: 172.31.5.9, priority: 100}, n2: {priority: 5, gw_priority: 7}}
networks: {n2: {mac_address: "02:42:ac:11:65:44", driver_opts: {com.docker.network.endpoint.sysctls: "net.ipv4.conf.IFNAME.log_martians=1"}}}
networks: {n1: {link_local_ips: [169.254.1.1]}}
networks: {n2: {interface_name: eth9}}
networks: {n6: {ipv6_address: "fd00:99::9"}}
networks: {n1: null, default: {}}
oom_kill_disable: true; oom_score_adj: 500
pid: "service:s0"
pids_limit: 99
platform: linux/amd64
ports: ["80", "127.0.0.1:18081:81", "18082:82/udp", "127.0.0.1::83", "18090-18092:90-92"]
ports: [{name: web, target: 80, host_ip: 127.0.0.1, published: "18080", protocol: tcp, app_protocol: http, mode: host}]
privileged: true
read_only: true
restart: on-failure:3
restart: unless-stopped
runtime: runc
scale: 2
secrets: [k1]
secrets: [{source: k1, target: /t, uid: "1", gid: "2", mode: 0400}]
secrets: [{source: k2, target: named}]
security_opt: [no-new-privileges:true, label=disable]
security_opt: ["seccomp:sec.json"]
shm_size: 64M
stdin_open: true; tty: true
stop_grace_period: 1m30s; stop_signal: SIGUSR1
sysctls: ["net.ipv4.tcp_syncookies=0"]
tmpfs: ["/a", "/b:size=10m,mode=755"]
ulimits: {nofile: {soft: 20000, hard: 40000}}
user: "1:2"; working_dir: /tmp
userns_mode: host; uts: host
volumes: ["/anon"]
volumes: ["v1:/v:ro", "./b:/b", "./b2:/b2:ro,z"]
volumes: ["v1:/v:nocopy", "/tmp:/t:rslave"]
volumes: [{type: volume, source: v2, target: /v, volume: {subpath: sub}}]
volumes: [{type: volume, source: v1, target: /v, volume: {labels: {a: b}}}]
volumes: [{type: bind, source: ./b, target: /b, bind: {propagation: rshared, create_host_path: true}}]
volumes: [{type: bind, source: /tmp, target: /b, consistency: cached, bind: {selinux: z}}]
volumes: [{type: bind, source: /tmp, target: /b, read_only: true, bind: {recursive: disabled}}]
volumes: [{type: bind, source: /tmp, target: /b, read_only: true, bind: {recursive: readonly, propagation: rprivate}}]
volumes: [{type: tmpfs, target: /t, tmpfs: {size: 10m, mode: 01777}}]
volumes: [{type: image, source: busybox, target: /i, image: {subpath: bin}}]
volumes_from: ["s0:ro"]
"##;

const SHARED: &str = r#"
networks:
  n1: {driver: bridge, driver_opts: {com.docker.network.driver.mtu: 1400}, ipam: {driver: default, config: [{subnet: 172.31.5.0/24, ip_range: 172.31.5.0/25, gateway: 172.31.5.1, aux_addresses: {h1: 172.31.5.5}}], options: {foo: bar}}, labels: {a: b}}
  n2: {internal: true, attachable: true, name: other-name, labels: ["x=y"]}
  n6: {enable_ipv6: true, enable_ipv4: true, ipam: {config: [{subnet: "fd00:99::/64"}]}}
volumes:
  v1: {labels: {a: b}}
  v2: {name: vol-two, driver: local, driver_opts: {type: tmpfs, device: tmpfs, o: "size=10m"}}
secrets:
  k1: {file: ./k.txt, labels: {a: b}}
  k2: {environment: KK}
configs:
  c1: {file: ./k.txt}
  c2: {content: "x ${Y:-y}"}
  c3: {environment: KK, name: cname}
"#;

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
            let kept = entries
                .iter()
                .filter(|(key, _)| !PASSING.contains(&&***key));
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
    let mut text =
        "name: keys\nservices:\n  s0: { image: busybox, command: sleep 1000 }\n".to_owned();
    let lines: Vec<&str> = SERVICES.lines().filter(|line| !line.is_empty()).collect();
    for (index, line) in lines.iter().enumerate() {
        let keys = line.replace("; ", "\n    ");
        text.push_str(&format!(
            "  s{}:\n    image: busybox\n    {keys}\n",
            index + 1
        ));
    }
    text.push_str(SHARED);
    let mut files = FILES.to_vec();
    files.push(("compose.yaml", &text));
    let directory = engine.files("keys", &files);
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
    assert!(stock.1.len() > lines.len());
    let mut wrong = Vec::new();
    differences("", &json!(own.1), &json!(stock.1), &mut wrong);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(own.0, stock.0, "what is told of keys that do nothing");
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
  two: { image: busybox, models: [m] }
models: { m: { model: ai/m } }
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
