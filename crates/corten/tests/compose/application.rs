//! A whole application as people have it: a proxy, an application in three containers, a
//! store and a database with their volumes, secrets, health checks, and its life from `up`
//! over an update under load to `down -v`.

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
    healthcheck: { test: [CMD, bash, -c, "exec 3<>/dev/tcp/127.0.0.1/80"], interval: 300ms, retries: 100 }
    configs: [{ source: proxy, target: /etc/nginx/conf.d/default.conf }]
    networks: [front]
  app:
    image: python
    command: [python3, -u, /app/app.py]
    init: true
    stop_signal: SIGKILL
    scale: 3
    depends_on:
      store: { condition: service_healthy }
      database: { condition: service_healthy }
    environment: { VERSION: "${VERSION:-one}" }
    deploy: { update_config: { order: start-first, parallelism: 1 } }
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
  database:
    image: postgres
    entrypoint: sh -c 'POSTGRES_PASSWORD="$$(cat /run/secrets/password)" exec docker-entrypoint.sh postgres'
    environment: { POSTGRES_DB: shop, POSTGRES_HOST_AUTH_METHOD: password }
    secrets: [password]
    configs: [{ source: tables, target: /docker-entrypoint-initdb.d/tables.sql }]
    volumes: ["rows:/var/lib/postgresql/data"]
    networks: [back]
    healthcheck:
      test: [CMD, pg_isready, -h, 127.0.0.1, -d, shop]
      interval: 300ms
      retries: 200
  page:
    image: nginx
    networks: [front]
    develop:
      watch: [{ action: sync, path: ./pages, target: /usr/share/nginx/html }]
networks:
  front: {}
  back: { internal: true }
volumes: { data: {}, rows: {} }
secrets: { password: { file: ./password.txt } }
configs:
  tables: { content: "CREATE TABLE visits (id serial);" }
  proxy:
    content: |
      server {
        listen 80;
        location /page/ { proxy_pass http://page/; }
        location / {
          resolver 127.0.0.11 valid=1s;
          set $$app app;
          proxy_pass http://$$app:8000;
        }
      }
"#;

/// Counts in the store and keeps a row in the database, speaking their own protocols.
const COUNTER: &str = r#"
import http.server, os, socket, struct
password = open("/run/secrets/password").read().strip()
def row():
    database = socket.create_connection(("database", 5432), 5).makefile("rwb")
    def send(kind, body):
        database.write(kind + struct.pack("!i", len(body) + 4) + body)
        database.flush()
    def receive():
        kind, length = struct.unpack("!ci", database.read(5))
        return kind, database.read(length - 4)
    send(b"", struct.pack("!i", 3 << 16) + b"user\0postgres\0database\0shop\0\0")
    assert receive() == (b"R", struct.pack("!i", 3))
    send(b"p", password.encode() + b"\0")
    while receive()[0] != b"Z": pass
    send(b"Q", b"INSERT INTO visits DEFAULT VALUES RETURNING id\0")
    while True:
        kind, body = receive()
        assert kind != b"E", body
        if kind == b"D": return body[6:].decode()
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        store = socket.create_connection(("store", 6379), 5).makefile("rwb")
        store.write(f"AUTH {password}\r\nINCR visits\r\n".encode())
        store.flush()
        assert store.readline() == b"+OK\r\n"
        words = ["visit", store.readline()[1:-2].decode(), "row", row(),
            "of", os.uname().nodename, os.environ["VERSION"]]
        body = (" ".join(words) + "\n").encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("", 8000), Answer).serve_forever()
"#;

#[test]
fn an_application_of_five_services_lives_from_up_to_down() {
    let engine = Engine::with_images(&["nginx", "python", "redis", "postgres"]);
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
        let words = ["-sS", "--max-time", "30", &url];
        let ran = run(engine.inside("curl").args(words));
        match ran.code {
            0 => ran.stdout,
            _ => {
                let logs = ours(&engine, &counter, &["logs", "app", "proxy", "database"]);
                format!("{} {}", ran.stderr, logs.stdout)
            }
        }
    };
    let mut bearers = std::collections::BTreeSet::new();
    let mut visits = 1..=60;
    // The proxy asks for the name again and again, and takes any of its addresses.
    while bearers.len() < 3
        && let Some(visit) = visits.next()
    {
        let answer = get("/");
        let words: Vec<&str> = answer.split_whitespace().collect();
        let number = visit.to_string();
        assert_eq!(
            words[..5],
            ["visit", &number, "row", &number, "of"],
            "{answer}"
        );
        bearers.insert(words[5].to_owned());
    }
    assert_eq!(bearers.len(), 3, "all three serve: {bearers:?}");
    let logs = ours(&engine, &counter, &["logs", "--no-color", "app"]);
    for number in 1..=3 {
        let prefix = format!("app-{number}");
        assert!(logs.ok().contains(&prefix), "{}", logs.stdout);
    }
    an_update_fails_no_request(&engine, &counter);
    let before: u32 = number_of(&get("/"));
    // What is stored outlives the containers.
    ours(&engine, &counter, &["down"]).ok();
    ours(
        &engine,
        &counter,
        &["up", "-d", "--wait", "--scale", "app=1"],
    )
    .ok();
    let after = get("/");
    let number = before + 1;
    let kept = format!("visit {number} row {number} of");
    assert!(after.starts_with(&kept), "the volumes are kept: {after}");
    an_edit_is_live_within_a_second(&engine, &counter, &get);
    ours(&engine, &counter, &["down", "-v", "-t", "1"]).ok();
    nothing_is_left(&engine);
}

fn number_of(answer: &str) -> u32 {
    let number = answer.split(' ').nth(1).and_then(|it| it.parse().ok());
    number.unwrap_or_else(|| panic!("no number: {answer}"))
}

/// All three containers are replaced while somebody asks without a pause.
fn an_update_fails_no_request(engine: &Engine, counter: &Path) {
    let (out, stop) = (engine.path("asked"), engine.path("asked.stop"));
    let file = fs::File::create(&out).expect("a file");
    let script = format!(
        "until [ -e {} ]; do curl -sf --max-time 10 http://127.0.0.1:8080/ || echo FAILED $?; done",
        stop.display()
    );
    let mut asking = engine.inside("sh");
    let mut asking = asking
        .args(["-c", &script])
        .stdout(file)
        .spawn()
        .expect("it starts");
    let said = || fs::read_to_string(&out).unwrap_or_default();
    until("the old answers", 10, || said().contains("one\n"));
    let mut update = ours_command(engine, counter, &["up", "-d"]);
    run(update.env("VERSION", "two")).ok();
    let seen = said().len();
    let bearers = || -> std::collections::BTreeSet<String> {
        let answers = said();
        let new = answers.lines().filter(|it| it.ends_with("two"));
        new.filter_map(|it| it.split(' ').nth(5))
            .map(str::to_owned)
            .collect()
    };
    until("all three answer after the update", 30, || {
        bearers().len() == 3
    });
    fs::write(&stop, "").expect("a file");
    asking.wait().expect("it ends");
    let said = said();
    assert!(!said.contains("FAILED"), "{said}");
    assert!(
        !said[seen..].lines().skip(1).any(|it| it.ends_with("one")),
        "{said}"
    );
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
