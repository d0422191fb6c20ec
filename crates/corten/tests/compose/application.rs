//! A whole application as people have it: a proxy, an application in three containers, a
//! store with its volume, secrets, health checks, and its life from `up` to `down -v`.

use super::*;
use corten_testkit::Options;
use std::time::{Duration, Instant};

const APPLICATION: &str = r#"
name: counter
services:
  proxy:
    image: nginx
    ports: ["127.0.0.1:8080:80"]
    depends_on: { app: { condition: service_healthy } }
    configs: [{ source: proxy, target: /etc/nginx/conf.d/default.conf }]
    networks: [front]
  app:
    image: python
    command: [python3, -u, /app/app.py]
    init: true
    stop_signal: SIGKILL
    scale: 3
    depends_on: { store: { condition: service_healthy } }
    volumes: ["./app:/app:ro"]
    secrets: [password]
    networks: [front, back]
    healthcheck:
      test: [CMD, python3, -c, "import socket; socket.create_connection(('127.0.0.1', 8000), 1)"]
      interval: 300ms
      retries: 100
  store:
    image: redis
    command: sh -c 'exec redis-server --appendonly yes --requirepass "$$(cat /run/secrets/password)"'
    secrets: [password]
    volumes: ["data:/data"]
    networks: [back]
    healthcheck:
      test: ["CMD-SHELL", 'redis-cli -a "$$(cat /run/secrets/password)" ping | grep -q PONG']
      interval: 300ms
      retries: 100
  page:
    image: nginx
    networks: [front]
    develop:
      watch: [{ action: sync, path: ./pages, target: /usr/share/nginx/html }]
networks:
  front: {}
  back: { internal: true }
volumes: { data: {} }
secrets: { password: { file: ./password.txt } }
configs:
  proxy:
    content: |
      server {
        listen 80;
        location /page/ { proxy_pass http://page/; }
        location / { proxy_pass http://app:8000; }
      }
"#;

/// Counts in the store, speaking Redis's own protocol.
const COUNTER: &str = r#"
import http.server, os, socket
password = open("/run/secrets/password").read().strip()
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        store = socket.create_connection(("store", 6379), 5).makefile("rwb")
        store.write(f"AUTH {password}\r\nINCR visits\r\n".encode())
        store.flush()
        assert store.readline() == b"+OK\r\n"
        body = b"visit %s of %s\n" % (store.readline()[1:-2], os.uname().nodename.encode())
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("", 8000), Answer).serve_forever()
"#;

#[test]
fn an_application_of_four_services_lives_from_up_to_down() {
    let engine = Engine::with_images(&["nginx", "python", "redis"]);
    let files = [
        ("compose.yaml", APPLICATION),
        ("app/app.py", COUNTER),
        ("password.txt", "sesame\n"),
        ("pages/index.html", "first\n"),
    ];
    let counter = engine.files("counter", &files);
    ours(&engine, &counter, &["up", "-d", "--wait"]).ok();
    let get = |path: &str| {
        let url = format!("http://127.0.0.1:8080{path}");
        let words = ["-s", "--max-time", "10", &url];
        run(engine.inside("curl").args(words)).stdout
    };
    let mut bearers = std::collections::BTreeSet::new();
    for visit in 1..=9 {
        let answer = get("/");
        let words: Vec<&str> = answer.split_whitespace().collect();
        assert_eq!(words[..2], ["visit", &visit.to_string()], "{answer}");
        bearers.insert(words[3].to_owned());
    }
    assert_eq!(bearers.len(), 3, "all three serve: {bearers:?}");
    let logs = ours(&engine, &counter, &["logs", "--no-color", "app"]);
    for number in 1..=3 {
        let prefix = format!("app-{number}");
        assert!(logs.ok().contains(&prefix), "{}", logs.stdout);
    }
    // What is stored outlives the containers.
    ours(&engine, &counter, &["down"]).ok();
    ours(
        &engine,
        &counter,
        &["up", "-d", "--wait", "--scale", "app=1"],
    )
    .ok();
    assert!(get("/").starts_with("visit 10 of"), "the volume is kept");
    an_edit_is_live_within_a_second(&engine, &counter, &get);
    ours(&engine, &counter, &["down", "-v", "-t", "1"]).ok();
    nothing_is_left(&engine);
}

fn an_edit_is_live_within_a_second(engine: &Engine, counter: &Path, get: &dyn Fn(&str) -> String) {
    let out = engine.path("counter.out");
    let file = fs::File::create(&out).expect("a file");
    let mut command = ours_command(engine, counter, &["watch", "--no-up", "page"]);
    let mut watch = command.stdout(file).spawn().expect("it starts");
    until("files are watched", 10, || {
        fs::read_to_string(&out)
            .unwrap_or_default()
            .contains("Watch enabled")
    });
    // The quickest of five: the machine may be busy with something else.
    let quickest = (0..5).map(|number| {
        let text = format!("edit {number}\n");
        let begun = Instant::now();
        fs::write(counter.join("pages/index.html"), &text).expect("a file");
        until("the edit is live", 20, || get("/page/") == text);
        begun.elapsed()
    });
    let quickest = quickest.min().expect("five of them");
    assert!(quickest < Duration::from_secs(1), "{quickest:?}");
    watch.kill().expect("it is ours");
    watch.wait().expect("it ends");
}

const DEVICES: &str = r#"
services:
  named:
    image: busybox
    command: sh -c "head -c 2 /dev/thing | wc -c; echo $$THING"
    devices: ["vendor.com/thing=zero"]
  any:
    image: busybox
    command: sh -c "echo $$THING"
    gpus: all
"#;

#[test]
fn devices_and_gpus_come_from_the_vendors_files() {
    let directory = tempfile::tempdir().expect("a directory");
    for (kind, name) in [("vendor.com/thing", "zero"), ("nvidia.com/gpu", "all")] {
        let text = format!(
            "cdiVersion: 0.6.0\nkind: {kind}\ndevices:\n- name: {name}\n  containerEdits:\n    \
             env: [\"THING={kind}\"]\n    deviceNodes: [{{path: /dev/thing, hostPath: /dev/zero}}]\n"
        );
        let file = directory.path().join(format!("{name}.yaml"));
        fs::write(file, text).expect("a file");
    }
    let engine = Engine::start_with(Options {
        arguments: vec![
            "--cdi-spec-dir".to_owned(),
            directory.path().display().to_string(),
        ],
        ..Options::default()
    });
    engine.load("busybox");
    let app = engine.files("devices", &[("compose.yaml", DEVICES)]);
    ours(&engine, &app, &["up", "-d"]).ok();
    let logs = |service: &str| {
        ours(&engine, &app, &["wait", service]);
        let logs = ours(&engine, &app, &["logs", "--no-log-prefix", service]);
        logs.ok().to_owned()
    };
    assert_eq!(logs("named"), "2\nvendor.com/thing");
    assert_eq!(logs("any"), "nvidia.com/gpu");
    ours(&engine, &app, &["down"]).ok();
    nothing_is_left(&engine);
}
