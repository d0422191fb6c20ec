//! A program on a terminal of its own, typed at and read as a person would.

use crate::until;
use std::io::{Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};

/// Seconds in which something typed must have its effect.
const PATIENCE_SECONDS: u64 = 30;

/// A shell line running on a pseudo-terminal of 91 columns and 33 rows.
pub struct Terminal {
    child: Child,
    keyboard: Option<ChildStdin>,
    screen: Arc<Mutex<String>>,
}

impl Terminal {
    /// Runs `line` with bash on a new terminal, by script(1): after an interrupt that the
    /// program survived it goes on with the line, which other shells do not.
    pub fn run(line: &str, environment: &[(&str, String)]) -> Self {
        let sized = format!("stty cols 91 rows 33; {line}");
        let mut command = Command::new("script");
        command
            .args(["-q", "-e", "-c", &sized, "/dev/null"])
            .env("TERM", "xterm")
            .env("SHELL", "/bin/bash");
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        let mut child = command.spawn().expect("script starts");
        let screen = Arc::new(Mutex::new(String::new()));
        let (mut output, shown) = (child.stdout.take().expect("piped"), screen.clone());
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = output.read(&mut piece) {
                let text = String::from_utf8_lossy(&piece[..length]).into_owned();
                shown.lock().expect("nobody panics with it").push_str(&text);
            }
        });
        Self {
            keyboard: child.stdin.take(),
            child,
            screen,
        }
    }

    /// Everything shown so far.
    pub fn screen(&self) -> String {
        self.screen.lock().expect("nobody panics with it").clone()
    }

    /// Waits until `text` has been shown.
    #[track_caller]
    pub fn shows(&self, text: &str) {
        let start = std::time::Instant::now();
        while !self.screen().contains(text) {
            assert!(
                start.elapsed().as_secs() < PATIENCE_SECONDS,
                "never shown: {text:?} in {}",
                self.screen()
            );
            std::thread::sleep(std::time::Duration::from_millis(10)); // poll
        }
    }

    /// Types `text`.
    pub fn types(&mut self, text: &str) {
        let keyboard = self.keyboard.as_mut().expect("the terminal is open");
        keyboard
            .write_all(text.as_bytes())
            .and_then(|()| keyboard.flush())
            .expect("it is read");
    }

    /// Waits for the line's end; its exit code.
    #[track_caller]
    pub fn ends(mut self) -> i32 {
        let mut code = None;
        until("the program on the terminal ends", PATIENCE_SECONDS, || {
            code = self.child.try_wait().expect("it is ours");
            code.is_some()
        });
        code.and_then(|status| status.code()).unwrap_or(-1)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
