//! A login that is confirmed in a browser: `deviceLogin` of `config.json`.

use super::http::{Request, reply};
use super::{CLOSED, Client};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use corten_testkit::{Engine, Registry, Terminal, binary};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What the user has said in the browser.
#[derive(Clone, Copy, PartialEq)]
enum Said {
    Nothing,
    Yes,
    No,
}

/// A login server that gives codes, tokens and passwords.
struct Server {
    url: String,
    said: Arc<Mutex<Said>>,
    /// First lines and bodies of what was asked.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let said = Arc::new(Mutex::new(Said::Nothing));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (own, heard, audience) = (said.clone(), asked.clone(), url.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // A client that leaves in the middle is the test's to notice.
                drop(answer(client, &audience, &own, &heard));
            }
        });
        Self { url, said, asked }
    }

    fn says(&self, said: Said) {
        *self.said.lock().expect("nobody panics with it") = said;
    }

    fn has_heard(&self, text: &str) -> bool {
        let asked = self.asked.lock().expect("nobody panics with it");
        asked.iter().any(|it| it.contains(text))
    }

    fn config(&self) -> String {
        let url = &self.url;
        format!(
            r#"{{"deviceLogin":{{"{CLOSED}":{{"server":"{url}","clientId":"box","audience":"{url}"}}}}}}"#
        )
    }
}

fn answer(
    mut client: TcpStream,
    audience: &str,
    said: &Mutex<Said>,
    asked: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let Request { lines, body } = Request::read(&client)?;
    let first = lines.first().cloned().unwrap_or_default();
    let heard = format!("{first} {body}");
    asked.lock().expect("nobody panics with it").push(heard);
    let refuse = |client: &mut TcpStream, error: &str| {
        let body = format!(r#"{{"error":"{error}","error_description":"told: {error}"}}"#);
        reply(client, "403 Forbidden", "", &body)
    };
    if first.contains("/oauth/device/code") && body.contains("client_id=box") {
        let code = r#"{"device_code":"D3V","user_code":"ABCD-EFGH","verification_uri":"http://box/activate","expires_in":60,"interval":1}"#;
        return reply(&mut client, "200 OK", "", code);
    }
    let claims = format!(r#"{{"{audience}":{{"username":"{}"}}}}"#, Registry::USER);
    let token = format!("e30.{}.x", URL_SAFE_NO_PAD.encode(claims));
    if first.contains("/oauth/token") && body.contains("device_code=D3V") {
        return match *said.lock().expect("nobody panics with it") {
            Said::Nothing => refuse(&mut client, "authorization_pending"),
            Said::No => refuse(&mut client, "access_denied"),
            Said::Yes => {
                let body = format!(r#"{{"access_token":"{token}"}}"#);
                reply(&mut client, "200 OK", "", &body)
            }
        };
    }
    let bearer = format!("Bearer {token}");
    if first.contains("/v2/access-tokens/desktop-generate")
        && lines.iter().any(|line| line.ends_with(&bearer))
    {
        let body = format!(r#"{{"data":{{"token":"{}"}}}}"#, Registry::PASSWORD);
        return reply(&mut client, "201 Created", "", &body);
    }
    refuse(&mut client, "invalid_request")
}

fn login(engine: &Engine) -> Terminal {
    let line = format!(
        "{} login {CLOSED}; echo code $?",
        binary("corten").display()
    );
    let config = engine.path("docker-config").display().to_string();
    let environment = [("DOCKER_HOST", engine.host()), ("DOCKER_CONFIG", config)];
    Terminal::run(&line, &environment)
}

#[test]
fn a_code_that_is_confirmed_in_a_browser_signs_in() {
    let engine = Engine::with_registries();
    engine.docker(["pull", "-q", "busybox"]).ok();
    let image = format!("{CLOSED}/team/box:1");
    engine.docker(["tag", "busybox", &image]).ok();
    let server = Server::start();
    let client = Client::new(&engine, true, &server.config());
    // Nobody is at a terminal.
    let refused = client.call(&["login", CLOSED]);
    refused.fails(
        1,
        "Cannot perform an interactive login from a non TTY device",
    );

    let terminal = login(&engine);
    terminal.shows("Your one-time device confirmation code is: ABCD-EFGH");
    terminal.shows("Submit your device code here: http://box/activate");
    corten_testkit::until("the server is asked", 20, || {
        server.has_heard("/oauth/token")
    });
    assert!(!client.config().contains("auths"), "{}", client.config());
    server.says(Said::Yes);
    terminal.shows("Login Succeeded");
    terminal.shows("code 0");
    terminal.ends();
    assert!(server.has_heard("scope=openid"));
    client.call(&["push", "-q", &image]).ok();

    client.call(&["logout", CLOSED]).ok();
    server.says(Said::No);
    let terminal = login(&engine);
    terminal.shows("failed waiting for authentication: told: access_denied");
    terminal.shows("code 1");
    terminal.ends();
    client
        .call(&["push", "-q", &image])
        .fails(1, "no basic auth credentials");
}

#[test]
fn a_login_server_that_gives_no_code_leaves_the_password() {
    let engine = Engine::with_registries();
    let server = Server::start();
    let config = server.config().replace(r#""box""#, r#""other""#);
    let client = Client::new(&engine, true, &config);
    let mut terminal = login(&engine);
    terminal.shows("Failed to start web-based login - falling back to command line login...");
    terminal.shows("Username: ");
    terminal.types(&format!("{}\n", Registry::USER));
    terminal.shows("Password: ");
    terminal.types(&format!("{}\n", Registry::PASSWORD));
    terminal.shows("Login Succeeded");
    terminal.ends();
    assert!(client.config().contains(CLOSED), "{}", client.config());

    let config = server.config().replace(r#""clientId":"box","#, "");
    let client = Client::new(&engine, true, &config);
    let terminal = login(&engine);
    let told = "deviceLogin of 127.0.0.1:5002 has no \"clientId\"";
    terminal.shows(told);
    terminal.ends();
    drop(client);
}
