//! Commands with the answers that dockerd gave, asked of the engine again.
//!
//! A transcript is a text of lines: `$ docker WORDS` is a command, the lines behind it that
//! are indented by two blanks are what it printed (standard output, then standard error),
//! `[exit N]` ends it where the command failed. Others are for readers. What differs from
//! one run to the next stands as a word: `ID64`, `ID12`, `MAC`, `TIME`, `ROOT` (the data
//! root).

use crate::Engine;
use std::fmt::Write;

struct Step {
    call: String,
    wanted: String,
}

impl Engine {
    /// Gives every command of `text` to the stock client and panics with all answers that
    /// are not those of the transcript.
    #[track_caller]
    pub fn agrees_with(&self, text: &str) {
        let mut differences = String::new();
        let steps = steps(text);
        assert!(!steps.is_empty(), "a transcript without commands");
        for step in &steps {
            let ran = self.docker(words(&step.call));
            let root = self.path("data").display().to_string();
            let mut said = String::new();
            let printed = format!("{}{}", ran.stdout, ran.stderr).replace(&root, "ROOT");
            for line in replaced(&printed).lines() {
                let _ = writeln!(said, "{}", line.trim_end());
            }
            if ran.code != 0 {
                let _ = writeln!(said, "[exit {}]", ran.code);
            }
            if said.trim() != step.wanted.trim() {
                let (call, wanted) = (&step.call, &step.wanted);
                let _ = writeln!(
                    differences,
                    "$ docker {call}\n--- wanted\n{wanted}--- got\n{said}"
                );
            }
        }
        assert!(differences.is_empty(), "{differences}");
    }
}

fn steps(text: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in text.lines() {
        if let Some(call) = line.strip_prefix("$ docker ") {
            steps.push(Step {
                call: call.to_owned(),
                wanted: String::new(),
            });
        } else if let (Some(step), Some(said)) = (steps.last_mut(), said(line)) {
            step.wanted.push_str(said);
            step.wanted.push('\n');
        }
    }
    steps
}

/// Printed lines are indented; an empty one is not.
fn said(line: &str) -> Option<&str> {
    match line {
        "" => Some(""),
        _ => line.strip_prefix("  "),
    }
}

/// As a shell splits a line with single quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for letter in line.chars() {
        match letter {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

/// Puts words in the place of what no two runs have in common.
fn replaced(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    let mut inside_word = false;
    while let Some(first) = rest.chars().next() {
        let found = (!inside_word).then(|| volatile(rest)).flatten();
        let (name, length) = match found {
            Some((name, length)) => (name.to_owned(), length),
            None => (first.to_string(), first.len_utf8()),
        };
        inside_word = found.is_none() && (first.is_ascii_alphanumeric() || first == '_');
        out.push_str(&name);
        rest = &rest[length..];
    }
    out
}

/// What stands at the beginning of `text`, and how long it is in bytes.
fn volatile(text: &str) -> Option<(&'static str, usize)> {
    let bytes = text.as_bytes();
    let hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let run = bytes.iter().take_while(|byte| hex(byte)).count();
    let ends = |at: usize| {
        bytes
            .get(at)
            .is_none_or(|it| !it.is_ascii_alphanumeric() && *it != b'_')
    };
    match run {
        64 if ends(64) => return Some(("ID64", 64)),
        12 if ends(12) => return Some(("ID12", 12)),
        2 if bytes.len() >= 17 && ends(17) => {
            let pairs = bytes[..17]
                .chunks(3)
                .all(|part| part[..2].iter().all(hex) && part.get(2).is_none_or(|it| *it == b':'));
            if pairs {
                return Some(("MAC", 17));
            }
        }
        _ => {}
    }
    let shape = bytes.get(..20)?.iter().zip(b"dddd-dd-ddTdd:dd:dd.");
    let is_time = shape.take(19).all(|(byte, wanted)| match wanted {
        b'd' => byte.is_ascii_digit(),
        other => byte == other,
    });
    let length = text.find('Z')? + 1;
    (is_time && length <= 31).then_some(("TIME", length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_from_run_to_run_is_replaced() {
        let id = "0123456789ab".repeat(5) + "cdef";
        let text = format!(
            "{id} x0123456789ab 0123456789ab \"02:42:0a:5b:00:99\" 2026-11-21T17:15:25.123Z 12"
        );
        assert_eq!(replaced(&text), "ID64 x0123456789ab ID12 \"MAC\" TIME 12");
    }

    #[test]
    fn a_command_is_split_as_a_shell_does() {
        assert_eq!(words("a 'b c' '' d='e f'"), ["a", "b c", "", "d=e f"]);
    }
}
