//! A build in the words of dockerd's classic builder: `Step 2/8 : RUN x`, in the order of the
//! Dockerfile, whatever is made at the same time.

use super::build_check;
use corten_api::progress as wire;
use corten_build::{Event, Failure, Location, LogStream, ToldInstruction, VertexState};
use corten_oci::{Digest, Reference};
use std::collections::{BTreeSet, HashMap};

/// Arguments that need not be declared.
const PROXIES: [&str; 5] = [
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "no_proxy",
    "all_proxy",
];
/// The step that brings a context from the network.
const REMOTE: &str = "[internal] load remote build context";

/// What is told of a build.
#[derive(Default)]
pub(super) struct Classic {
    instructions: Vec<Instruction>,
    /// Which instruction a step is of.
    places: HashMap<Digest, usize>,
    /// The instruction that is told now; those before it are over.
    current: usize,
    /// The context's URL, while it comes from the network.
    pub remote: Option<String>,
    /// What can be told.
    lines: Vec<wire::Message>,
}

struct Instruction {
    told: ToldInstruction,
    /// Steps that are not over.
    open: usize,
    begun: bool,
    /// `Step 2/8` has been told.
    headed: bool,
    /// What it said before its turn.
    lines: Vec<wire::Message>,
}

impl Instruction {
    fn new(told: ToldInstruction) -> Self {
        Self {
            open: told.steps.len(),
            told,
            begun: false,
            headed: false,
            lines: Vec::new(),
        }
    }
}

impl Classic {
    /// Takes in what the builder tells.
    pub fn take(&mut self, event: Event) {
        match event {
            Event::Instructions(list) => {
                self.instructions = list.into_iter().map(Instruction::new).collect();
                for (place, instruction) in self.instructions.iter().enumerate() {
                    let steps = instruction.told.steps.iter();
                    self.places.extend(steps.map(|it| (it.clone(), place)));
                }
                self.go_on();
            }
            Event::Vertex(state) => self.step(&state),
            Event::Log {
                vertex,
                stream,
                data,
                ..
            } => {
                let said = String::from_utf8_lossy(&data);
                let said = match stream {
                    LogStream::Stdout => said.into_owned(),
                    // In red, dockerd 28.
                    LogStream::Stderr => format!("\u{1b}[91m{said}\u{1b}[0m"),
                };
                if let Some(instruction) = self.of(&vertex) {
                    instruction.lines.push(text(said));
                }
                self.go_on();
            }
            // What checks found is told by BuildKit alone.
            Event::Warning(warning) if warning.location.start > 0 => {}
            Event::Warning(warning) => self.lines.push(text(format!(" - {}\n", warning.short))),
            Event::Status(_) => {}
        }
    }

    fn of(&mut self, step: &Digest) -> Option<&mut Instruction> {
        let place = self.places.get(step)?;
        self.instructions.get_mut(*place)
    }

    fn step(&mut self, state: &VertexState) {
        if let (REMOTE, Some(_), true) = (&*state.name, state.completed, state.error.is_empty()) {
            let url = self.remote.take();
            self.lines.extend(url.map(|url| wire::Message {
                status: url,
                progress_detail: Some(wire::ProgressDetail::default()),
                id: "Downloading context".into(),
                ..wire::Message::default()
            }));
        }
        let Some(instruction) = self.of(&state.digest) else {
            return;
        };
        instruction.begun = true;
        if state.completed.is_some() && state.error.is_empty() {
            instruction.open = instruction.open.saturating_sub(1);
            // Others bring files from elsewhere.
            let name = state.name.split_once("] ").map(|it| it.1);
            if let Some(name) = name.filter(|_| state.name.starts_with('[')) {
                if state.cached && !name.starts_with("FROM ") {
                    instruction.lines.push(text(" ---> Using cache\n".into()));
                }
                let id = format!(" ---> {}\n", state.digest.short());
                instruction.lines.push(text(id));
            }
        }
        self.go_on();
    }

    /// Tells what its turn has come for.
    fn go_on(&mut self) {
        let total = self.instructions.len();
        while let Some(instruction) = self.instructions.get_mut(self.current) {
            if instruction.told.needed && (instruction.begun || instruction.open == 0) {
                tell(instruction, self.current + 1, total, &mut self.lines);
            }
            if instruction.told.needed && instruction.open > 0 {
                return;
            }
            self.current += 1;
        }
    }

    /// Tells what is left as far as the lines at fault.
    pub fn failed(&mut self, at: Option<Location>) {
        let Some(at) = at else {
            return;
        };
        let total = self.instructions.len();
        let left = self.instructions.iter_mut().enumerate().skip(self.current);
        for (place, instruction) in left {
            let here = instruction.told.location.start;
            if here > at.start {
                break;
            }
            if instruction.begun || instruction.told.steps.is_empty() || here == at.start {
                tell(instruction, place + 1, total, &mut self.lines);
            }
        }
    }

    /// Tells the end of a build.
    pub fn built(&mut self, id: &Digest, names: &[String], arguments: &[String]) {
        let total = self.instructions.len();
        let left = self.instructions.iter_mut().enumerate().skip(self.current);
        for (place, instruction) in left.filter(|(_, it)| it.told.needed) {
            tell(instruction, place + 1, total, &mut self.lines);
        }
        self.lines.push(wire::Message {
            aux: Some(serde_json::json!({ "ID": id.to_string() })),
            ..wire::Message::default()
        });
        let told = self.instructions.iter().flat_map(|it| &it.told.arguments);
        let declared: BTreeSet<&String> = told.collect();
        let is_used = |name: &String| {
            declared.contains(name) || PROXIES.contains(&&*name.to_ascii_lowercase())
        };
        let unused = arguments.iter().filter(|name| !is_used(name));
        let unused: Vec<&str> = unused.map(String::as_str).collect();
        if !unused.is_empty() {
            let unused = unused.join(" ");
            self.lines.push(text(format!(
                "[Warning] One or more build-args [{unused}] were not consumed\n"
            )));
        }
        let built = format!("Successfully built {}\n", id.short());
        self.lines.push(text(built));
        for name in names {
            let tag = name.parse::<Reference>();
            let tag = tag.map_or_else(|_| name.clone(), |it| it.or_latest().familiar());
            self.lines
                .push(text(format!("Successfully tagged {tag}\n")));
        }
    }

    /// What can be told now.
    pub fn lines(&mut self) -> Vec<wire::Message> {
        std::mem::take(&mut self.lines)
    }
}

fn tell(instruction: &mut Instruction, number: usize, total: usize, to: &mut Vec<wire::Message>) {
    if !std::mem::replace(&mut instruction.headed, true) {
        let said = &instruction.told.text;
        to.push(text(format!("Step {number}/{total} : {said}")));
        to.push(text("\n".into()));
    }
    to.append(&mut instruction.lines);
}

/// Text of a build.
pub(super) fn text(stream: String) -> wire::Message {
    wire::Message {
        stream,
        ..wire::Message::default()
    }
}

/// The last message of a build that failed.
pub(super) fn failure(failure: Failure, file: &str) -> wire::Message {
    let code = failure.error.exit_code().unwrap_or_default();
    match command(&failure.error) {
        Some(command) => failed(
            format!("The command '{command}' returned a non-zero code: {code}"),
            code,
        ),
        None => failed(build_check::classic(failure.error, file).message, 0),
    }
}

/// A failure as a message.
pub(super) fn failed(message: String, code: i64) -> wire::Message {
    wire::Message {
        error_detail: Some(wire::ErrorDetail {
            code,
            message: message.clone(),
        }),
        error: message,
        ..wire::Message::default()
    }
}

/// The words of the command that ended with a status.
fn command(error: &corten_build::Error) -> Option<String> {
    match error {
        corten_build::Error::ExitCode { command, .. } => Some(command.clone()),
        corten_build::Error::At { source, .. } => command(source),
        corten_build::Error::Shared(error) => command(error),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_base::Timestamp;

    fn instruction(line: usize, text: &str, needed: bool, steps: &[&str]) -> ToldInstruction {
        let digest = |name: &&str| Digest::of(name.as_bytes());
        ToldInstruction {
            text: text.into(),
            location: Location {
                start: line,
                end: line,
            },
            needed,
            arguments: Vec::new(),
            steps: steps.iter().map(digest).collect(),
        }
    }

    fn vertex(name: &str, is_over: bool) -> Event {
        Event::Vertex(VertexState {
            digest: Digest::of(name.as_bytes()),
            inputs: Vec::new(),
            name: format!("[1/1] {name}"),
            started: Some(Timestamp::now()),
            completed: is_over.then(Timestamp::now),
            cached: false,
            error: String::new(),
        })
    }

    fn said(classic: &mut Classic) -> String {
        let lines = classic.lines().into_iter().map(|it| it.stream);
        let text: String = lines.collect();
        // Identities differ from build to build.
        let shown = text.lines().map(|line| match line.starts_with(" ---> ") {
            true => "=\n".to_owned(),
            false => format!("{line}\n"),
        });
        shown.collect()
    }

    #[test]
    fn steps_are_told_in_the_order_of_the_file_whatever_ends_first() {
        let mut classic = Classic::default();
        classic.take(Event::Instructions(vec![
            instruction(1, "FROM a", true, &[]),
            instruction(2, "RUN one", true, &["one"]),
            instruction(3, "FROM b", false, &[]),
            instruction(4, "RUN unneeded", false, &[]),
            instruction(5, "FROM c", true, &[]),
            instruction(6, "RUN two", true, &["two"]),
        ]));
        assert_eq!(said(&mut classic), "Step 1/6 : FROM a\n");
        classic.take(vertex("two", false));
        classic.take(Event::Log {
            vertex: Digest::of(b"two"),
            stream: LogStream::Stdout,
            data: b"early\n".to_vec(),
            at: Timestamp::now(),
        });
        classic.take(vertex("two", true));
        assert_eq!(said(&mut classic), "");
        classic.take(vertex("one", false));
        assert_eq!(said(&mut classic), "Step 2/6 : RUN one\n");
        classic.take(vertex("one", true));
        let rest = "=\nStep 5/6 : FROM c\nStep 6/6 : RUN two\nearly\n=\n";
        assert_eq!(said(&mut classic), rest);
    }

    #[test]
    fn a_failure_is_told_below_the_instruction_at_fault() {
        let mut classic = Classic::default();
        classic.take(Event::Instructions(vec![
            instruction(1, "FROM a", true, &["a"]),
            instruction(2, "RUN one", true, &["one"]),
            instruction(3, "RUN two", true, &["two"]),
        ]));
        classic.failed(Some(Location { start: 2, end: 2 }));
        assert_eq!(said(&mut classic), "Step 2/3 : RUN one\n");
    }
}
