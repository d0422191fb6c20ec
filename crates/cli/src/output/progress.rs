//! The messages of pull, push and load: plain lines, or bars on a terminal.

use crate::error::CliError;
use corten_api::progress::{Message, ProgressDetail};
use corten_base::text;
use corten_client::Lines;
use std::{
    collections::HashMap,
    io::Write,
    time::{SystemTime, UNIX_EPOCH},
};

/// Where progress is shown.
pub struct Display<W: Write> {
    out: W,
    /// Columns when `out` is a terminal.
    columns: Option<usize>,
    /// Line of each layer on the terminal, counted from the first.
    lines: HashMap<String, usize>,
}

impl<W: Write> Display<W> {
    /// `columns` is the width of the terminal behind `out`, `None` for a pipe or file.
    pub fn new(out: W, columns: Option<usize>) -> Self {
        Self {
            out,
            columns,
            lines: HashMap::new(),
        }
    }

    /// Shows every message of a stream; values beside the messages go to `aux`.
    pub async fn run(
        &mut self,
        stream: &mut Lines,
        mut aux: impl FnMut(&serde_json::Value),
    ) -> Result<(), CliError> {
        while let Some(message) = stream.next::<Message>().await? {
            if let Some(value) = &message.aux {
                aux(value);
                continue;
            }
            self.show(&message)?;
        }
        Ok(())
    }

    /// Shows one message; an error message is this function's error.
    pub fn show(&mut self, message: &Message) -> Result<(), CliError> {
        if let Some(error) = &message.error_detail {
            return Err(CliError::Text(error.message.clone()));
        }
        if !message.error.is_empty() {
            return Err(CliError::Text(message.error.clone()));
        }
        let text = self.render(message);
        self.out
            .write_all(text.as_bytes())
            .and_then(|()| self.out.flush())
            .map_err(|_| CliError::Closed)
    }

    fn render(&mut self, message: &Message) -> String {
        let terminal = self.columns.is_some();
        let mut text = String::new();
        let mut up = 0;
        if !message.id.is_empty()
            && (message.progress_detail.is_some() || !message.progress.is_empty())
        {
            let known = self.lines.len();
            let line = *self.lines.entry(message.id.clone()).or_insert_with(|| {
                if terminal {
                    text.push('\n');
                }
                known
            });
            up = self.lines.len() - line;
            if terminal {
                text.push_str(&format!("\x1b[{up}A"));
            }
        } else {
            // A line of its own moves the bars away: they start anew below it.
            self.lines.clear();
        }
        text.push_str(&self.body(message));
        if !message.id.is_empty() && terminal && up > 0 {
            text.push_str(&format!("\x1b[{up}B"));
        }
        text
    }

    fn body(&self, message: &Message) -> String {
        let mut text = String::new();
        let mut end = "";
        let bar = message
            .progress_detail
            .as_ref()
            .map(|detail| match self.columns {
                Some(columns) => bar(detail, columns),
                None => bar(detail, 200),
            });
        if self.columns.is_some() && message.stream.is_empty() && message.progress_detail.is_some()
        {
            text.push_str("\x1b[2K\r");
            end = "\r";
        } else if bar.as_ref().is_some_and(|bar| !bar.is_empty()) {
            return String::new();
        }
        if !message.id.is_empty() {
            text.push_str(&format!("{}: ", printable(&message.id)));
        }
        match (&bar, self.columns) {
            (Some(bar), Some(_)) => {
                text.push_str(&format!("{} {bar}{end}", printable(&message.status)))
            }
            _ if !message.progress.is_empty() => {
                text.push_str(&format!(
                    "{} {}{end}",
                    printable(&message.status),
                    printable(&message.progress)
                ));
            }
            _ if !message.stream.is_empty() => text.push_str(&format!("{}{end}", message.stream)),
            _ => text.push_str(&format!("{}{end}\n", printable(&message.status))),
        }
        text
    }
}

/// Control characters of a registry's texts must not reach the terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

/// `[=====>     ]  1.5MB/3MB`.
pub fn bar(detail: &ProgressDetail, columns: usize) -> String {
    let size = |n: i64| text::human_size(n.max(0) as u64);
    if detail.current <= 0 && detail.total <= 0 {
        return String::new();
    }
    if detail.total <= 0 {
        return match detail.units.as_str() {
            "" => format!("{:>8}", size(detail.current)),
            units => format!("{} {units}", detail.current),
        };
    }
    let filled = ((detail.current as f64 / detail.total as f64 * 100.0) as usize / 2).min(50);
    let mut out = String::new();
    if columns > 110 {
        out = format!("[{}>{}] ", "=".repeat(filled), " ".repeat(50 - filled));
    }
    if !detail.hide_counts {
        out.push_str(&match detail.units.as_str() {
            "" if detail.current > detail.total => format!("{:>8}", size(detail.current)),
            "" => format!("{:>8}/{}", size(detail.current), size(detail.total)),
            units if detail.current > detail.total => format!("{} {units}", detail.current),
            units => format!("{}/{} {units}", detail.current, detail.total),
        });
    }
    if detail.current > 0 && detail.start > 0 && filled < 50 && columns > 50 {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_secs() as i64);
        let passed = (now - detail.start).max(0);
        let left = (detail.total - detail.current) as f64 * passed as f64 / detail.current as f64;
        out.push_str(&format!(
            " {}",
            text::go_duration(left as i64 * 1_000_000_000)
        ));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(columns: Option<usize>, messages: &[&str]) -> String {
        let mut display = Display::new(Vec::new(), columns);
        for message in messages {
            display
                .show(&serde_json::from_str(message).unwrap())
                .unwrap();
        }
        String::from_utf8(display.out).unwrap()
    }

    const PULL: [&str; 6] = [
        r#"{"status":"Pulling from library/busybox","id":"latest"}"#,
        r#"{"status":"Pulling fs layer","progressDetail":{},"id":"aa"}"#,
        r#"{"status":"Downloading","progressDetail":{"current":500000,"total":1000000},"progress":"x","id":"aa"}"#,
        r#"{"status":"Pulling fs layer","progressDetail":{},"id":"bb"}"#,
        r#"{"status":"Pull complete","progressDetail":{},"id":"aa"}"#,
        r#"{"status":"Digest: sha256:00"}"#,
    ];

    #[test]
    fn a_pipe_gets_lines_and_no_bars() {
        assert_eq!(
            shown(None, &PULL),
            "latest: Pulling from library/busybox\naa: Pulling fs layer\nbb: Pulling fs layer\naa: Pull complete\nDigest: sha256:00\n"
        );
    }

    #[test]
    fn a_terminal_gets_a_line_a_layer_that_is_drawn_over() {
        let text = shown(Some(120), &PULL);
        assert!(text.starts_with(
            "latest: Pulling from library/busybox\n\n\x1b[1A\x1b[2K\raa: Pulling fs layer \r\x1b[1B"
        ));
        assert!(text.contains(
            "aa: Downloading [=========================>                         ]    500kB/1MB\r"
        ));
        assert!(text.contains("\x1b[2A\x1b[2K\raa: Pull complete \r\x1b[2B"));
    }
}
