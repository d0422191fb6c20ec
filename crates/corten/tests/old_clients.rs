//! What older SDKs and bare HTTP clients rely on, answered as dockerd 28.5 answers.

use corten_testkit::{Engine, until};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;

fn connect(engine: &Engine) -> UnixStream {
    let socket = UnixStream::connect(engine.path("cortend.sock")).expect("the engine's socket");
    let patience = Some(Duration::from_secs(60));
    socket.set_read_timeout(patience).expect("a deadline");
    socket
}

/// Head and rest of everything the server sends until it closes.
fn answer(mut socket: UnixStream) -> (String, Vec<u8>) {
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).expect("an answer");
    let end = bytes.windows(4).position(|it| it == b"\r\n\r\n");
    let rest = bytes.split_off(end.expect("a head") + 4);
    (String::from_utf8(bytes).expect("text"), rest)
}

fn frame(text: &str) -> Vec<u8> {
    let mut frame = vec![1, 0, 0, 0, 0, 0, 0, text.len() as u8];
    frame.extend_from_slice(text.as_bytes());
    frame
}

#[test]
fn an_attach_without_upgrade_is_answered_with_200_and_raw_bytes() {
    let engine = Engine::with_images(&["busybox"]);
    let script = "read line; echo got $line";
    engine
        .docker([
            "create", "--name", "web", "-i", "busybox", "sh", "-c", script,
        ])
        .ok();
    let mut socket = connect(&engine);
    let request = "POST /v1.24/containers/web/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n";
    // Input may come right behind the request.
    socket.write_all(request.as_bytes()).expect("written");
    socket.write_all(b"early\n").expect("written");
    engine.docker(["start", "web"]).ok();
    let (head, rest) = answer(socket);
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(
        head.contains("\r\nContent-Type: application/vnd.docker.raw-stream\r\n"),
        "{head}"
    );
    let lower = head.to_ascii_lowercase();
    assert!(!lower.contains("transfer-encoding") && !lower.contains("content-length"));
    assert_eq!(rest, frame("got early\n"));
}

#[test]
fn an_exec_without_upgrade_takes_input_until_the_half_close() {
    let engine = Engine::with_images(&["busybox"]);
    engine
        .docker(["run", "-d", "--name", "web", "busybox", "sleep", "1000"])
        .ok();
    let body = r#"{"Cmd":["sh","-c","cat; exit 3"],"AttachStdin":true,"AttachStdout":true}"#;
    let (status, made) = engine.request("POST", "/v1.51/containers/web/exec", body);
    assert_eq!(status, 201, "{made}");
    let id = made.split('"').nth(3).expect("an ID").to_owned();
    let start = r#"{"Detach":false,"Tty":false}"#;
    let mut socket = connect(&engine);
    let request = format!(
        "POST /v1.51/exec/{id}/start HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{start}some input\n",
        start.len()
    );
    socket.write_all(request.as_bytes()).expect("written");
    socket.shutdown(Shutdown::Write).expect("half-closed");
    let (head, rest) = answer(socket);
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert_eq!(rest, frame("some input\n"));
    until("the exec has ended", 20, || {
        let (_, exec) = engine.request("GET", &format!("/v1.51/exec/{id}/json"), "");
        exec.contains("\"ExitCode\":3")
    });
}

#[test]
fn a_port_that_is_bound_and_not_exposed_is_not_published() {
    let engine = Engine::with_images(&["busybox"]);
    let create = |name: &str, exposed: &str| {
        let body = format!(
            r#"{{"Image":"busybox","Cmd":["sleep","1000"],{exposed}"HostConfig":{{"PortBindings":{{"80/tcp":[{{"HostPort":"8080"}}]}}}}}}"#
        );
        let path = format!("/v1.51/containers/create?name={name}");
        assert_eq!(engine.request("POST", &path, &body).0, 201);
        engine.docker(["start", name]).ok();
        engine.docker(["port", name]).ok().to_owned()
    };
    assert_eq!(create("bound", ""), "");
    assert_eq!(
        create("exposed", r#""ExposedPorts":{"80/tcp":{}},"#)
            .lines()
            .next(),
        Some("80/tcp -> 0.0.0.0:8080")
    );
}

#[test]
fn a_registry_that_wants_fewer_requests_is_quoted_with_429() {
    let mut engine = Engine::start();
    let script = r#"
import http.server
class Registry(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        full = self.path != '/v2/'
        body = b'{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit."}]}'
        self.send_response(429 if full else 200)
        self.send_header('Content-Type', 'application/json')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        if self.command != 'HEAD': self.wfile.write(body)
    do_HEAD = do_GET
http.server.HTTPServer(('127.0.0.1', 5003), Registry).serve_forever()
"#;
    let mut python = engine.inside("python3");
    python.args(["-c", script]);
    engine.beside(python);
    until("the registry answers", 20, || {
        let mut curl = engine.inside("curl");
        curl.args(["-s", "http://127.0.0.1:5003/v2/"]);
        corten_testkit::run(&mut curl).code == 0
    });
    let (status, said) = engine.request(
        "POST",
        "/v1.51/images/create?fromImage=127.0.0.1:5003/x&tag=latest",
        "",
    );
    assert_eq!(
        (status, said.as_str()),
        (
            429,
            r#"{"message":"toomanyrequests: You have reached your pull rate limit."}"#
        )
    );
}
