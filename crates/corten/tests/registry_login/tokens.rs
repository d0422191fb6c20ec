//! A registry whose token server gives a refresh token for a password
//! (<https://distribution.github.io/distribution/spec/auth/oauth/>): clients keep it as an
//! identity token instead of the password.

use super::Client;
use super::http::{Request, reply};
use corten_sys::namespace::{NEWNET, setns};
use corten_testkit::Engine;
use std::fs::File;
use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

const SERVER: &str = "127.0.0.1:5003";
/// The registry that holds what the server gives.
const BEHIND: &str = "127.0.0.1:5001";

const REFRESH: &str = "R3FR35H";
/// `corten:secret`, as in a header and in config.json.
const PAIR: &str = "Y29ydGVuOnNlY3JldA==";

/// A token server and a registry that asks for its tokens.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// How tokens were asked for since the last time.
    asked: Vec<&'static str>,
    /// Refresh tokens are good no more.
    revoked: bool,
}

impl Server {
    /// Serves in the engine's network namespace.
    fn start(engine: &Engine) -> Self {
        let server = Self::default();
        let served = server.clone();
        let path = format!("/proc/{}/ns/net", engine.holder_pid());
        let namespace = File::open(path).expect("it runs");
        let (listens, ready) = channel();
        std::thread::spawn(move || {
            setns(namespace.as_fd(), NEWNET).expect("root may");
            let listener = TcpListener::bind(SERVER).expect("a free port");
            listens.send(()).expect("the test waits");
            for client in listener.incoming().map_while(Result::ok) {
                let server = served.clone();
                // A client that leaves in the middle is the test's to notice.
                std::thread::spawn(move || drop(server.answer(client)));
            }
        });
        ready.recv().expect("it listens");
        server
    }

    fn asked(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.0.lock().expect("nobody panics with it").asked)
    }

    fn revoke(&self, revoked: bool) {
        self.0.lock().expect("nobody panics with it").revoked = revoked;
    }

    /// One request of one connection.
    fn answer(&self, mut client: TcpStream) -> std::io::Result<()> {
        let Request { lines, body } = Request::read(&client)?;
        let has = |text: &str| lines.iter().any(|line| line.ends_with(text));
        let first = lines.first().map(String::as_str).unwrap_or_default();
        if first.contains(" /token") {
            return self.give_token(&mut client, has(PAIR), &body);
        }
        if !has("Bearer T0K3N") {
            let challenge = format!(
                "Www-Authenticate: Bearer realm=\"http://{SERVER}/token\",service=\"test\"\r\n"
            );
            return reply(&mut client, "401 Unauthorized", &challenge, "{}");
        }
        let mut behind = TcpStream::connect(BEHIND)?;
        let kept = |line: &&String| {
            let line = line.to_lowercase();
            let own = ["authorization:", "connection:"];
            !own.iter().any(|name| line.starts_with(name))
        };
        for line in lines.iter().filter(kept) {
            write!(behind, "{line}\r\n")?;
        }
        behind.write_all(b"Connection: close\r\n\r\n")?;
        std::io::copy(&mut behind, &mut client)?;
        client.shutdown(Shutdown::Both)
    }

    fn give_token(
        &self,
        client: &mut TcpStream,
        has_password: bool,
        form: &str,
    ) -> std::io::Result<()> {
        let mut state = self.0.lock().expect("nobody panics with it");
        let refresh = format!("refresh_token={REFRESH}");
        let refreshed = form.contains("grant_type=refresh_token")
            && form.split('&').any(|pair| pair == refresh);
        let how = match (has_password, refreshed) {
            (true, _) => "password",
            (_, true) => "refresh token",
            _ => "nothing",
        };
        state.asked.push(how);
        let token = format!(
            "{{\"token\":\"T0K3N\",\"access_token\":\"T0K3N\",\"refresh_token\":\"{REFRESH}\"}}"
        );
        if has_password || (refreshed && !state.revoked) {
            return reply(client, "200 OK", "", &token);
        }
        reply(
            client,
            "401 Unauthorized",
            "",
            "{\"details\":\"not known\"}",
        )
    }
}

#[test]
fn an_identity_token_takes_the_place_of_the_password() {
    let engine = Engine::with_registries();
    let server = Server::start(&engine);
    engine.docker(["pull", "-q", "busybox"]).ok();
    for tag in ["1", "2"] {
        let image = format!("{BEHIND}/team/box:{tag}");
        engine.docker(["tag", "busybox", &image]).ok();
        engine.docker(["push", "-q", &image]).ok();
    }
    let all = format!("{SERVER}/team/box");
    let (one, two) = (format!("{all}:1"), format!("{all}:2"));
    for ours in [false, true] {
        let client = Client::new(&engine, ours, "{}");
        client.login_to(SERVER).ok();
        assert_eq!(server.asked(), ["password"]);
        let config = client.config();
        let kept: serde_json::Value = serde_json::from_str(&config).expect("JSON");
        assert_eq!(kept["auths"][SERVER]["identitytoken"], REFRESH, "{config}");
        assert!(!config.contains(PAIR), "{config}");

        client.call(&["pull", "-q", "-a", &all]).ok();
        let asked = server.asked();
        assert!(asked.iter().all(|how| *how == "refresh token"), "{asked:?}");
        assert!(!asked.is_empty());
        // Both tags are there.
        client.call(&["rmi", &one, &two]).ok();

        // Ours shows the token once more; the stock client asks for a password.
        let again = client.call(&["login", SERVER]);
        assert_eq!(again.code == 0, ours, "{again:?}");
        server.revoke(true);
        let refused = client.call(&["pull", "-q", &one]);
        assert!(
            refused.code == 1 && refused.stdout.is_empty(),
            "{refused:?}"
        );
        server.revoke(false);
        server.asked();

        client.call(&["logout", SERVER]).ok();
        assert!(!client.config().contains(REFRESH), "{}", client.config());
        let refused = client.call(&["pull", "-q", &one]);
        assert_eq!(refused.code, 1, "{refused:?}");
        assert_eq!(server.asked(), ["nothing"]);
    }
}
