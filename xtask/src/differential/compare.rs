//! Making two answers equal where they may differ, and finding where they do not.

use super::door::Answer;
use serde_json::Value;

/// How a body is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// JSON, every value.
    Values,
    /// JSON, names and kinds of the fields only: the values are measurements.
    Shape,
    /// Text, such as a container's output.
    Text,
    /// Lines of JSON, in the order of their actions: events of one moment come in any.
    Lines,
    /// A list in any order.
    Set,
    /// Names of a tar's entries.
    Tar,
    /// The status only.
    Status,
}

/// Fields whose values are each engine's own business; their kind is still compared.
const OWN: &[&str] = &[
    "Pid",
    "pid",
    "time",
    "timeNano",
    "Created",
    "SizeRw",
    "SizeRootFs",
    "mtime",
    "execDuration",
    "LowerDir",
    "MergedDir",
    "UpperDir",
    "WorkDir",
    "SandboxKey",
];

/// How much of a value a report shows.
const SHOWN_CHARACTERS: usize = 400;

/// Where the answers differ: a place in the body and what stands there.
pub fn compare(look: Look, docker: &Side<'_>, corten: &Side<'_>) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    if docker.answer.status != corten.answer.status {
        found.push((
            "status".to_owned(),
            format!("{} {}", docker.answer.status, short(&docker.text())),
            format!("{} {}", corten.answer.status, short(&corten.text())),
        ));
        return found;
    }
    let look = match look {
        // Errors are compared to the letter whatever the call's own look is.
        _ if docker.answer.status >= 400 => Look::Values,
        look => look,
    };
    match look {
        Look::Status => {}
        Look::Text => text(&docker.text(), &corten.text(), &mut found),
        Look::Tar => text(&docker.entries(), &corten.entries(), &mut found),
        Look::Values | Look::Shape | Look::Set => {
            let (ours, theirs) = match look {
                Look::Set => (docker.set(), corten.set()),
                _ => (docker.json(), corten.json()),
            };
            match (ours, theirs) {
                (Some(docker_body), Some(corten_body)) => {
                    let walk = Walk {
                        look,
                        docker,
                        corten,
                    };
                    walk.values("", &docker_body, &corten_body, &mut found);
                }
                _ => text(&docker.text(), &corten.text(), &mut found),
            }
        }
        Look::Lines => {
            let (mut docker_lines, mut corten_lines) = (docker.lines(), corten.lines());
            let action = |it: &Value| it["Action"].to_string();
            docker_lines.sort_by_key(action);
            corten_lines.sort_by_key(action);
            let walk = Walk {
                look,
                docker,
                corten,
            };
            let sizes = (docker_lines.len(), corten_lines.len());
            if sizes.0 != sizes.1 {
                let show = |lines: &[Value]| {
                    let short = |line: &Value| {
                        let action = line["Action"].as_str().unwrap_or_default().to_owned();
                        format!("{}:{action}", line["Type"].as_str().unwrap_or_default())
                    };
                    lines.iter().map(short).collect::<Vec<_>>().join(" ")
                };
                found.push(("lines".into(), show(&docker_lines), show(&corten_lines)));
            } else {
                for (number, (one, other)) in docker_lines.iter().zip(&corten_lines).enumerate() {
                    walk.values(&format!("{number}"), one, other, &mut found);
                }
            }
        }
    }
    found
}

fn text(docker: &str, corten: &str, found: &mut Vec<(String, String, String)>) {
    if docker == corten {
        return;
    }
    let (mut left, mut right) = (docker.lines(), corten.lines());
    let (mut one, mut other) = (Vec::new(), Vec::new());
    loop {
        match (left.next(), right.next()) {
            (None, None) => break,
            (a, b) if a == b => {}
            (a, b) => {
                one.extend(a);
                other.extend(b);
            }
        }
    }
    found.push((
        "text".into(),
        short(&one.join("\n")),
        short(&other.join("\n")),
    ));
}

/// An answer beside what is known of its engine.
pub struct Side<'a> {
    /// What came.
    pub answer: &'a Answer,
    /// The engine's data root.
    pub root: &'a str,
}

impl Side<'_> {
    fn text(&self) -> String {
        let bytes = without_frames(&self.answer.body);
        self.normal(&String::from_utf8_lossy(&bytes))
    }

    fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.answer.body).ok()
    }

    fn lines(&self) -> Vec<Value> {
        String::from_utf8_lossy(&self.answer.body)
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// The list with its members sorted.
    fn set(&self) -> Option<Value> {
        let Some(Value::Array(mut list)) = self.json() else {
            return self.json();
        };
        list.sort_by_key(Value::to_string);
        Some(Value::Array(list))
    }

    /// `path kind size` of each entry, in order.
    fn entries(&self) -> String {
        const BLOCK: usize = 512;
        let field = |header: &[u8], from: usize, length: usize| {
            let bytes = header[from..from + length].split(|it| *it == 0).next();
            String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
        };
        let mut list = Vec::new();
        let mut rest = self.answer.body.as_slice();
        while rest.len() >= BLOCK && rest[0] != 0 {
            let size = usize::from_str_radix(field(rest, 124, 11).trim(), 8).unwrap_or(0);
            let kind = char::from(rest[156]);
            if kind != 'x' {
                let owner = (field(rest, 108, 7), field(rest, 116, 7));
                let (name, link) = (field(rest, 0, 100), field(rest, 157, 100));
                let mode = field(rest, 100, 7);
                list.push(format!("{name} {kind} {mode} {owner:?} {size} {link}"));
            }
            let next = BLOCK + size.div_ceil(BLOCK) * BLOCK;
            rest = rest.get(next..).unwrap_or_default();
        }
        list.join("\n")
    }

    fn normal(&self, text: &str) -> String {
        normal(&text.replace(self.root, "<root>"))
    }
}

/// Output without the eight bytes before each piece.
fn without_frames(body: &[u8]) -> Vec<u8> {
    let (mut rest, mut plain) = (body, Vec::new());
    while let [stream @ 0..=2, 0, 0, 0, a, b, c, d, after @ ..] = rest {
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        let _ = stream;
        let (piece, next) = after.split_at(length.min(after.len()));
        plain.extend_from_slice(piece);
        rest = next;
    }
    plain.extend_from_slice(rest);
    plain
}

struct Walk<'a> {
    look: Look,
    docker: &'a Side<'a>,
    corten: &'a Side<'a>,
}

impl Walk<'_> {
    fn values(
        &self,
        place: &str,
        docker: &Value,
        corten: &Value,
        found: &mut Vec<(String, String, String)>,
    ) {
        let below = |name: &str| match place {
            "" => name.to_owned(),
            _ => format!("{place}.{name}"),
        };
        let differ = || (place.to_owned(), shown(Some(docker)), shown(Some(corten)));
        match (docker, corten) {
            (Value::Object(left), Value::Object(right)) => {
                let mut names: Vec<&String> = left.keys().chain(right.keys()).collect();
                names.sort();
                names.dedup();
                for name in names {
                    match (left.get(name), right.get(name)) {
                        (Some(one), Some(other))
                            if OWN.contains(&name.as_str()) && kind(one) == kind(other) => {}
                        (Some(one), Some(other)) => self.values(&below(name), one, other, found),
                        (one, other) => found.push((below(name), shown(one), shown(other))),
                    }
                }
            }
            (Value::Array(left), Value::Array(right)) if self.look == Look::Shape => {
                if let (Some(one), Some(other)) = (left.first(), right.first()) {
                    self.values(&below("0"), one, other, found);
                }
            }
            (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
                for (number, (one, other)) in left.iter().zip(right).enumerate() {
                    self.values(&below(&number.to_string()), one, other, found);
                }
            }
            _ if self.look == Look::Shape => {
                found.extend((kind(docker) != kind(corten)).then(differ));
            }
            (Value::String(one), Value::String(other)) => {
                let running = one.starts_with("Up ") && other.starts_with("Up ");
                let differs = !running && self.docker.normal(one) != self.corten.normal(other);
                found.extend(differs.then(differ));
            }
            _ => found.extend((docker != corten).then(differ)),
        }
    }
}

/// A value for a report, not too long.
fn shown(value: Option<&Value>) -> String {
    value.map_or("(absent)".to_owned(), |value| short(&value.to_string()))
}

fn short(text: &str) -> String {
    let printable = |it: char| {
        if it.is_control() && it != '\n' {
            '?'
        } else {
            it
        }
    };
    text.chars().take(SHOWN_CHARACTERS).map(printable).collect()
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// IDs, times and addresses become words. Words are looked at from longest to shortest,
/// so that an ID is not taken for a number.
fn normal(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let is_word = |it: char| it.is_ascii_alphanumeric() || ".:-+".contains(it);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if !is_word(first) {
            out.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let end = rest.find(|it| !is_word(it)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        out.push_str(&normal_word(word));
        rest = after;
    }
    out
}

fn normal_word(word: &str) -> String {
    let is_time = |part: &str| {
        let bytes = part.as_bytes();
        bytes.len() >= 19 && bytes[4] == b'-' && bytes[7] == b'-' && bytes[10] == b'T'
    };
    if is_time(word) && !word.starts_with("0001-01-01") {
        return "<time>".into();
    }
    let parts: Vec<&str> = word.split(':').collect();
    let is_hex = |part: &str| !part.is_empty() && part.bytes().all(|it| it.is_ascii_hexdigit());
    if parts.len() == 6 && parts.iter().all(|part| part.len() == 2 && is_hex(part)) {
        return "<mac>".into();
    }
    let octets: Vec<&str> = parts[0].split('.').collect();
    let private = ["172", "192", "10"].contains(&octets[0]);
    if private && octets.len() == 4 && octets.iter().all(|it| it.parse::<u8>().is_ok()) {
        return word.replacen(parts[0], "<ip>", 1);
    }
    let replaced: Vec<String> = word
        .split_inclusive(|it: char| !it.is_ascii_hexdigit())
        .map(|piece| {
            let digits = piece.trim_end_matches(|it: char| !it.is_ascii_hexdigit());
            let tail = &piece[digits.len()..];
            match digits.len() {
                64 => format!("<id>{tail}"),
                12 if digits.bytes().any(|it| it.is_ascii_digit()) => format!("<short>{tail}"),
                _ => piece.to_owned(),
            }
        })
        .collect();
    replaced.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_times_and_addresses_are_made_equal_and_nothing_else() {
        let id = "0123456789abcdef".repeat(4);
        assert_eq!(
            normal(&format!(
                "No such container: {id}/x at 2026-11-21T17:13:00.5Z"
            )),
            "No such container: <id>/x at <time>"
        );
        assert_eq!(normal("172.17.0.2:80 02:42:ac:11:00:02"), "<ip>:80 <mac>");
        assert_eq!(
            normal("0123456789ab web 1234 127.0.0.1"),
            "<short> web 1234 127.0.0.1"
        );
        assert_eq!(normal("0001-01-01T00:00:00Z"), "0001-01-01T00:00:00Z");
    }

    #[test]
    fn a_field_that_only_one_engine_shows_is_found() {
        let answer = |body: &str| Answer {
            status: 200,
            body: body.into(),
            ..Answer::default()
        };
        let (docker, corten) = (
            answer(r#"{"A":1,"B":{"C":[1,2]}}"#),
            answer(r#"{"A":1,"B":{"C":[1,3],"D":null}}"#),
        );
        let side = |answer| Side { answer, root: "/x" };
        let found = compare(Look::Values, &side(&docker), &side(&corten));
        let places: Vec<&str> = found.iter().map(|it| it.0.as_str()).collect();
        assert_eq!(places, ["B.C.1", "B.D"]);
        let found = compare(Look::Shape, &side(&docker), &side(&corten));
        assert_eq!(found.len(), 1);
    }
}
