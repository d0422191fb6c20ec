//! Progress on a terminal: the steps so far, drawn again and again in the same place.

use super::plain::seconds;
use crate::terminal;
use corten_client::build::{StatusResponse, Timestamp, Vertex};
use std::{
    collections::{HashMap, VecDeque},
    time::Instant,
};

/// Lines of output shown below a running step.
const LOG_LINES: usize = 6;
/// Columns where the terminal does not say.
const COLUMNS: usize = 80;

/// What is on the screen.
pub(super) struct Screen {
    began: Instant,
    /// By digest; in the order of their beginning in `order`.
    steps: HashMap<String, Vertex>,
    order: Vec<String>,
    logs: HashMap<String, VecDeque<String>>,
    /// Lines drawn last time.
    drawn: usize,
}

impl Default for Screen {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            steps: HashMap::new(),
            order: Vec::new(),
            logs: HashMap::new(),
            drawn: 0,
        }
    }
}

impl Screen {
    pub fn take(&mut self, message: &StatusResponse) {
        for vertex in &message.vertexes {
            if vertex.started.is_some() && !self.order.contains(&vertex.digest) {
                self.order.push(vertex.digest.clone());
            }
            self.steps.insert(vertex.digest.clone(), vertex.clone());
        }
        for log in &message.logs {
            let lines = self.logs.entry(log.vertex.clone()).or_default();
            for line in String::from_utf8_lossy(&log.msg).lines() {
                lines.push_back(line.to_owned());
                if lines.len() > LOG_LINES {
                    lines.pop_front();
                }
            }
        }
    }

    /// The whole picture, over the last one.
    pub fn draw(&mut self, last: bool) -> String {
        let size = terminal::size();
        let columns = size
            .as_ref()
            .map_or(COLUMNS, |it| usize::from(it.columns))
            .max(20);
        let rows = size.as_ref().map_or(24, |it| usize::from(it.rows)).max(4);
        let over = |vertex: &&Vertex| vertex.completed.is_some();
        let steps: Vec<&Vertex> = self
            .order
            .iter()
            .filter_map(|it| self.steps.get(it))
            .collect();
        let done = steps.iter().copied().filter(|it| over(it)).count();
        let finished = if last { " FINISHED" } else { "" };
        let mut lines = vec![format!(
            "[+] Building {:.1}s ({done}/{}){finished}",
            self.began.elapsed().as_secs_f64(),
            self.steps.len()
        )];
        for vertex in &steps {
            lines.push(line(vertex, columns));
            if !last && vertex.completed.is_none() {
                let logs = self.logs.get(&vertex.digest);
                lines.extend(
                    logs.into_iter()
                        .flatten()
                        .map(|it| cut(&format!(" => => # {it}"), columns)),
                );
            }
        }
        // What does not fit is scrolled away; the end matters.
        if !last && lines.len() >= rows {
            let excess = lines.len() + 1 - rows;
            lines.drain(1..=excess.min(lines.len() - 1));
        }
        let mut out = String::new();
        if self.drawn > 0 {
            out.push_str(&format!("\u{1b}[{}A", self.drawn));
        }
        for line in &lines {
            out.push_str(&format!("\r\u{1b}[2K{line}\n"));
        }
        // Lines of the last picture that are no longer needed.
        for _ in lines.len()..self.drawn {
            out.push_str("\u{1b}[2K\n");
        }
        if self.drawn > lines.len() {
            out.push_str(&format!("\u{1b}[{}A", self.drawn - lines.len()));
        }
        self.drawn = lines.len();
        out
    }
}

/// ` => CACHED [1/2] name        0.1s`
fn line(vertex: &Vertex, columns: usize) -> String {
    let state = match (vertex.error.is_empty(), vertex.cached) {
        (false, _) => "ERROR ",
        (true, true) => "CACHED ",
        (true, false) => "",
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.unwrap_or_default();
    let now = Timestamp {
        seconds: now.as_secs() as i64,
        nanos: now.subsec_nanos() as i32,
    };
    let to = vertex.completed.clone().unwrap_or(now);
    let started = vertex.started.as_ref();
    let took = started.map_or(0.0, |from| seconds(from, &to).max(0.0));
    let time = format!("{took:.1}s");
    let room = columns.saturating_sub(time.len() + 1);
    let text = cut(
        &format!(" => {state}{}", vertex.name.replace(char::is_control, " ")),
        room,
    );
    let fill = room.saturating_sub(text.chars().count());
    format!("{text}{} {time}", " ".repeat(fill))
}

fn cut(text: &str, columns: usize) -> String {
    let clean = text.replace(|c: char| c.is_control(), " ");
    clean.chars().take(columns).collect()
}
