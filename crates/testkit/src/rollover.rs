//! An application that is updated while clients ask it without a pause: no request may
//! fail.
//!
//! Two services start first: a Python application that is killed instead of being asked to
//! end, two containers of it behind their service's name; and nginx behind one published
//! port of the host. Every request is a connection of its own.

use crate::{Engine, until};
use std::{fs, path::PathBuf};

const FILE: &str = r#"
name: rollover
services:
  app:
    image: python
    command: [python3, -u, /app.py]
    init: true
    stop_signal: SIGKILL
    scale: 2
    environment: { VERSION: "${VERSION}" }
    configs: [{ source: app, target: /app.py }]
    healthcheck:
      test: [CMD, python3, -c, "import socket; socket.create_connection(('127.0.0.1', 8000), 1)"]
      interval: 200ms
      retries: 100
    deploy: { update_config: { order: start-first, parallelism: 1 } }
  front:
    image: nginx
    ports: ["8080:80"]
    environment: { VERSION: "${VERSION}" }
    configs: [{ source: front, target: /etc/nginx/conf.d/default.conf }]
    healthcheck:
      test: [CMD, bash, -c, "exec 3<>/dev/tcp/127.0.0.1/80"]
      interval: 200ms
      retries: 100
    deploy: { update_config: { order: start-first } }
configs:
  app: { file: ./app.py }
  front:
    content: |
      server { listen 80; location / { return 200 "version ${VERSION}\n"; } }
"#;

const APPLICATION: &str = r#"
import http.server, os, time
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(0.01)
        body = b"version %s\n" % os.environ["VERSION"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words):
        pass
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
Server(("", 8000), Answer).serve_forever()
"#;

/// Asks until it has asked often enough and the file `stop` is there; prints how often, the
/// versions that answered, and what failed.
const CLIENT: &str = r#"
import http.client, os, sys, threading
name, host, port, least = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
lock, asked, versions, failed = threading.Lock(), 0, set(), []
def ask():
    connection = http.client.HTTPConnection(host, port, timeout=20)
    connection.request("GET", "/")
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    assert answer.status == 200, answer.status
    return body.split()[1]
def work():
    global asked
    while asked < least or not os.path.exists("/load/stop"):
        try:
            version = ask()
            with lock:
                versions.add(version)
        except Exception as error:
            with lock:
                failed.append(repr(error))
        with lock:
            asked += 1
            if asked == least:
                open("/load/enough-" + name, "w").close()
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(asked, len(failed), ",".join(sorted(versions)), *failed[:3])
"#;

/// Which clients there are: their names, and whom they ask.
const CLIENTS: [(&str, &str, &str); 2] =
    [("by-name", "app", "8000"), ("by-port", "127.0.0.1", "8080")];

/// What a client has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// `by-name` or `by-port`.
    pub client: String,
    /// Requests made.
    pub requests: usize,
    /// Those without the right answer.
    pub failed: usize,
    /// The versions that answered, separated by commas.
    pub versions: String,
    /// The first of what failed.
    pub reasons: String,
}

/// The application and its clients.
pub struct Rollover<'e> {
    engine: &'e Engine,
    directory: PathBuf,
    version: u32,
}

impl<'e> Rollover<'e> {
    /// Brings the application up; the engine has the images `python` and `nginx`.
    pub fn begin(engine: &'e Engine) -> Self {
        let files = [("compose.yaml", FILE), ("app.py", APPLICATION)];
        let rollover = Self {
            engine,
            directory: engine.files("rollover", &files),
            version: 0,
        };
        rollover.compose(&["up", "-d", "--wait"]);
        rollover
    }

    /// Two clients begin to ask, at least so often each.
    pub fn ask(&self, least: usize) {
        let load = self.engine.files("load", &[("client.py", CLIENT)]);
        let mount = format!("{}:/load", load.display());
        for (name, host, port) in CLIENTS {
            let network = match name {
                "by-name" => "rollover_default",
                _ => "host",
            };
            let least = least.to_string();
            let words = [
                "run",
                "-d",
                "--name",
                name,
                "--network",
                network,
                "-v",
                &mount,
                "python",
                "python3",
                "/load/client.py",
                name,
                host,
                port,
                &least,
            ];
            self.engine.docker(words).ok();
        }
    }

    /// Whether a client has not asked often enough yet.
    pub fn is_asking(&self) -> bool {
        let enough = |name| {
            self.engine
                .path("load")
                .join(format!("enough-{name}"))
                .exists()
        };
        !CLIENTS.iter().all(|(name, ..)| enough(name))
    }

    /// Every container is replaced by one of the next version.
    pub fn roll(&mut self) {
        self.version += 1;
        self.compose(&["up", "-d"]);
    }

    /// Ends the clients and the application; what the clients have seen.
    pub fn end(self, patience_seconds: u64) -> Vec<Asked> {
        fs::write(self.engine.path("load/stop"), "").expect("a file");
        let asked = CLIENTS.map(|(name, ..)| {
            until("the client has asked enough", patience_seconds, || {
                let words = ["inspect", "-f", "{{.State.Running}}", name];
                self.engine.docker(words).ok() == "false"
            });
            let said = self.engine.docker(["logs", name]);
            let mut words = said.ok().splitn(4, ' ');
            let mut next = || words.next().unwrap_or_default().to_owned();
            let (requests, failed) = (next(), next());
            self.engine.docker(["rm", name]).ok();
            Asked {
                client: name.to_owned(),
                requests: requests.parse().expect("a number"),
                failed: failed.parse().expect("a number"),
                versions: next(),
                reasons: next(),
            }
        });
        self.compose(&["down", "-t", "0"]);
        asked.to_vec()
    }

    fn compose(&self, words: &[&str]) {
        let mut command = self.engine.corten_command(["compose"].iter().chain(words));
        command
            .current_dir(&self.directory)
            .env("VERSION", self.version.to_string());
        crate::run(&mut command).ok();
    }
}
