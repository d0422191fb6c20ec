//! Credentials for registries, with the stock client and with our own: those that a helper
//! program keeps (`credsStore`, `credHelpers`), which hears the same from both, and tokens
//! that take a password's place (`tokens`).

mod device;
mod http;
mod tokens;

use corten_testkit::{Engine, Ran, Registry, run_with_input};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

const CLOSED: &str = "127.0.0.1:5002";

/// Keeps one entry in a file and writes down what it is asked
/// (docker-credential-helpers: `store`, `get`, `erase`, `list`).
const HELPER: &str = r#"#!/bin/sh
input=$(cat)
echo "$1 $input" >>"$0.asked"
case $1 in
store) echo "$input" >"$0.kept";;
get) cat "$0.kept" 2>/dev/null || { echo 'credentials not found in native keychain'; exit 1; };;
erase) rm -f "$0.kept";;
list) [ -e "$0.kept" ] && echo '{"127.0.0.1:5002":"corten"}' || echo '{}';;
esac
"#;

struct Client<'a> {
    engine: &'a Engine,
    ours: bool,
    helper: PathBuf,
}

impl<'a> Client<'a> {
    fn new(engine: &'a Engine, ours: bool, config: &str) -> Self {
        let directory = engine.path("helpers");
        std::fs::create_dir_all(&directory).expect("a directory");
        let helper = directory.join("docker-credential-box");
        std::fs::write(&helper, HELPER).expect("the helper");
        std::fs::set_permissions(&helper, PermissionsExt::from_mode(0o755)).expect("its mode");
        std::fs::create_dir_all(engine.path("docker-config")).expect("a directory");
        std::fs::write(engine.path("docker-config/config.json"), config).expect("config.json");
        Self {
            engine,
            ours,
            helper,
        }
    }

    fn command(&self, words: &[&str]) -> Command {
        let words = words.iter().copied();
        let mut command = if self.ours {
            self.engine.corten_command(words)
        } else {
            self.engine.docker_command(words)
        };
        let path = std::env::var("PATH").unwrap_or_default();
        let own = self.engine.path("helpers");
        command.env("PATH", format!("{}:{path}", own.display()));
        command
    }

    fn call(&self, words: &[&str]) -> Ran {
        run_with_input(&mut self.command(words), b"")
    }

    fn login(&self) -> Ran {
        self.login_to(CLOSED)
    }

    fn login_to(&self, server: &str) -> Ran {
        let words = ["login", "-u", Registry::USER, "--password-stdin", server];
        run_with_input(&mut self.command(&words), Registry::PASSWORD.as_bytes())
    }

    /// What the helper was asked since the last time.
    fn asked(&self) -> String {
        let file = self.helper.with_file_name("docker-credential-box.asked");
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        drop(std::fs::remove_file(file));
        text
    }

    fn config(&self) -> String {
        std::fs::read_to_string(self.engine.path("docker-config/config.json")).expect("config.json")
    }
}

#[test]
fn a_helper_keeps_what_a_login_says_and_gives_it_to_a_push() {
    let engine = Engine::with_registries();
    engine.docker(["pull", "-q", "busybox"]).ok();
    let image = format!("{CLOSED}/team/box:1");
    engine.docker(["tag", "busybox", &image]).ok();
    for config in [
        r#"{"credsStore":"box"}"#,
        r#"{"credHelpers":{"127.0.0.1:5002":"box"},"credsStore":"no-such"}"#,
    ] {
        let mut heard = Vec::new();
        for ours in [false, true] {
            let client = Client::new(&engine, ours, config);
            client.login().ok();
            let kept = client.asked();
            let stored = r#"{"ServerURL":"127.0.0.1:5002","Username":"corten","Secret":"secret"}"#;
            assert!(kept.contains(&format!("store {stored}")), "{kept}");
            assert!(!client.config().contains("secret"), "{}", client.config());
            client.call(&["push", "-q", &image]).ok();
            let asked = client.asked();
            assert_eq!(asked, "get 127.0.0.1:5002\n");
            client.call(&["logout", CLOSED]).ok();
            let erased = client.asked();
            assert!(erased.contains("erase 127.0.0.1:5002\n"), "{erased}");
            client
                .call(&["push", "-q", &image])
                .fails(1, "no basic auth credentials");
            assert_eq!(client.asked(), "get 127.0.0.1:5002\n");
            heard.push(kept + &asked + &erased);
        }
        assert_eq!(heard[0], heard[1], "both clients ask the same");
    }
}

#[test]
fn a_helper_that_is_missing_is_named_and_nothing_is_kept_elsewhere() {
    let engine = Engine::with_registries();
    for ours in [false, true] {
        let client = Client::new(&engine, ours, r#"{"credsStore":"no-such"}"#);
        let refused = client.login();
        assert_ne!(refused.code, 0, "{refused:?}");
        assert!(
            refused.stderr.contains("docker-credential-no-such"),
            "{refused:?}"
        );
        assert!(!client.config().contains("auths"), "{}", client.config());
    }
}

// CVE-2021-41092: what the file has, where a helper was to be asked, is nobody's.
#[test]
fn without_its_helper_no_credentials_are_sent_anywhere() {
    let engine = Engine::with_registries();
    engine.docker(["pull", "-q", "busybox"]).ok();
    let image = format!("{CLOSED}/team/box:1");
    engine.docker(["tag", "busybox", &image]).ok();
    let known = r#""auths":{"127.0.0.1:5002":{"auth":"Y29ydGVuOnNlY3JldA=="}}"#;
    for ours in [false, true] {
        // They are right: without a helper in between the push goes well.
        let client = Client::new(&engine, ours, &format!("{{{known}}}"));
        client.call(&["push", "-q", &image]).ok();
        for helper in [
            r#""credsStore":"no-such""#,
            r#""credHelpers":{"127.0.0.1:5002":"no-such"}"#,
        ] {
            let client = Client::new(&engine, ours, &format!("{{{helper},{known}}}"));
            let refused = client.call(&["push", "-q", &image]);
            assert_ne!(refused.code, 0, "{helper} {refused:?}");
            // The stock client sends for a pull what the file has, to that very registry.
            if ours {
                let refused = client.call(&["pull", "-q", &image]);
                assert!(refused.stderr.contains("no-such"), "{helper} {refused:?}");
            }
        }
    }
}
