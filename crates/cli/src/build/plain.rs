//! Progress line by line, each with the number of its step.

use corten_client::build::{StatusResponse, Timestamp};
use std::collections::HashMap;

struct Step {
    number: usize,
    started: Option<Timestamp>,
    over: bool,
    /// Pieces that have been told of, and whether as done.
    pieces: HashMap<String, bool>,
    /// A line of output without its end.
    rest: String,
}

/// What has been told so far.
#[derive(Default)]
pub(super) struct Plain {
    steps: HashMap<String, Step>,
    /// The step that the last lines were about.
    current: Option<usize>,
}

pub(super) fn seconds(from: &Timestamp, to: &Timestamp) -> f64 {
    (to.seconds - from.seconds) as f64 + f64::from(to.nanos - from.nanos) / 1e9
}

impl Plain {
    /// The lines of a message.
    pub fn tell(&mut self, message: &StatusResponse) -> String {
        let mut out = String::new();
        for vertex in &message.vertexes {
            if vertex.started.is_none() {
                continue;
            }
            let next = self.steps.len() + 1;
            let step = self.steps.entry(vertex.digest.clone()).or_insert(Step {
                number: next,
                started: vertex.started.clone(),
                over: false,
                pieces: HashMap::new(),
                rest: String::new(),
            });
            let (number, known) = (step.number, step.number != next);
            if !known {
                self.begin(&mut out, number);
                out.push_str(&format!("#{number} {}\n", vertex.name));
            }
        }
        for status in &message.statuses {
            let Some(step) = self.steps.get_mut(&status.vertex) else {
                continue;
            };
            let done = status.completed.is_some();
            if step.pieces.insert(status.id.clone(), done) == Some(done) {
                continue;
            }
            let number = step.number;
            self.begin(&mut out, number);
            let mut line = format!("#{number} {}", status.id);
            if status.current != 0 {
                let size = corten_base::text::human_size(status.current.max(0) as u64);
                line.push_str(&format!(" {size}"));
                if status.total > 0 {
                    let total = corten_base::text::human_size(status.total as u64);
                    line.push_str(&format!(" / {total}"));
                }
            }
            if let (Some(from), Some(to)) = (&status.started, &status.completed) {
                let took = seconds(from, to);
                match took >= 0.1 {
                    true => line.push_str(&format!(" {took:.1}s done")),
                    false => line.push_str(" done"),
                }
            }
            out.push_str(&line);
            out.push('\n');
        }
        for log in &message.logs {
            let Some(step) = self.steps.get_mut(&log.vertex) else {
                continue;
            };
            let took = match (&step.started, &log.timestamp) {
                (Some(from), Some(at)) => seconds(from, at),
                _ => 0.0,
            };
            step.rest.push_str(&String::from_utf8_lossy(&log.msg));
            let number = step.number;
            let text = std::mem::take(&mut step.rest);
            let (whole, rest) = match text.rfind('\n') {
                Some(end) => text.split_at(end + 1),
                None => ("", text.as_str()),
            };
            step.rest = rest.to_owned();
            if whole.is_empty() {
                continue;
            }
            self.begin(&mut out, number);
            for line in whole.lines() {
                out.push_str(&format!("#{number} {took:.3} {line}\n"));
            }
        }
        for warning in &message.warnings {
            out.push_str(&format!(
                "\n - {}\n",
                String::from_utf8_lossy(&warning.short)
            ));
            self.current = None;
        }
        for vertex in &message.vertexes {
            let Some(step) = self.steps.get_mut(&vertex.digest) else {
                continue;
            };
            let (Some(from), Some(to)) = (&vertex.started, &vertex.completed) else {
                continue;
            };
            if std::mem::replace(&mut step.over, true) {
                continue;
            }
            let (number, rest) = (step.number, std::mem::take(&mut step.rest));
            self.begin(&mut out, number);
            if !rest.is_empty() {
                out.push_str(&format!("#{number} {rest}\n"));
            }
            match (vertex.cached, vertex.error.is_empty()) {
                (_, false) => out.push_str(&format!("#{number} ERROR: {}\n", vertex.error)),
                (true, true) => out.push_str(&format!("#{number} CACHED\n")),
                (false, true) => {
                    out.push_str(&format!("#{number} DONE {:.1}s\n", seconds(from, to)));
                }
            }
        }
        out
    }

    /// An empty line where another step is spoken of.
    fn begin(&mut self, out: &mut String, number: usize) {
        if self.current.is_some_and(|current| current != number) {
            out.push('\n');
        }
        self.current = Some(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_client::build::{Vertex, VertexLog};

    #[test]
    fn steps_are_numbered_and_their_output_stands_below_them() {
        let at = |seconds| Some(Timestamp { seconds, nanos: 0 });
        let vertex = |digest: &str, completed, cached| Vertex {
            digest: digest.into(),
            name: format!("[1/2] {digest}"),
            started: at(1),
            completed,
            cached,
            ..Vertex::default()
        };
        let log = |text: &str| VertexLog {
            vertex: "b".into(),
            timestamp: at(2),
            stream: 1,
            msg: text.into(),
        };
        let mut plain = Plain::default();
        let mut text = String::new();
        for message in [
            StatusResponse {
                vertexes: vec![vertex("a", None, false)],
                ..StatusResponse::default()
            },
            StatusResponse {
                vertexes: vec![vertex("a", at(1), true), vertex("b", None, false)],
                logs: vec![log("one\ntw"), log("o\n")],
                ..StatusResponse::default()
            },
            StatusResponse {
                vertexes: vec![vertex("b", at(3), false)],
                ..StatusResponse::default()
            },
        ] {
            text.push_str(&plain.tell(&message));
        }
        let expected =
            "#1 [1/2] a\n\n#2 [1/2] b\n#2 1.000 one\n#2 1.000 two\n\n#1 CACHED\n\n#2 DONE 2.0s\n";
        assert_eq!(text, expected);
    }
}
