//! Help and usage texts, laid out as spf13/cobra and pflag lay them out.

use crate::tables::{self, Command, Entry, Flag};

/// Columns that help is wrapped to where no terminal tells otherwise.
const DEFAULT_COLUMNS: usize = 80;

/// What help needs to know beside the tables.
pub struct Look<'a> {
    /// `docker` or `corten`.
    pub program: &'a str,
    /// Width of the terminal, if stdin is one.
    pub columns: Option<usize>,
    /// The directory of the client's configuration.
    pub config_directory: &'a str,
    /// Names of installed CLI plugins.
    pub plugins: &'a [String],
}

impl Look<'_> {
    fn text(&self, text: &str) -> String {
        let text = text
            .replace("\\n", "\n")
            .replace("{config}", self.config_directory);
        if self.program == "docker" {
            text
        } else {
            rename(&text, self.program)
        }
    }
}

/// Help in which the program bears another name: commands that it shows are its own.
fn rename(text: &str, program: &str) -> String {
    text.replace("docker context use", &format!("{program} context use"))
        .replace("\ndocker ", &format!("\n{program} "))
}

/// `Usage:  docker ps [OPTIONS]`, with further lines indented by a tab.
pub fn usage(command: &Command, look: &Look<'_>) -> String {
    let mut text = format!("Usage:  {}", look.program);
    if !command.called.is_empty() {
        text.push(' ');
        text.push_str(&command.called);
    }
    if !command.usage.is_empty() {
        text.push(' ');
        text.push_str(&look.text(command.usage).replace('\n', "\n\t"));
    }
    text
}

/// The whole help of a command or group.
pub fn help(command: &Command, look: &Look<'_>) -> String {
    let mut text = usage(command, look);
    text.push_str("\n\n");
    text.push_str(&look.text(command.about));
    text.push('\n');
    if !command.aliases.is_empty() {
        let aliases: Vec<String> = command
            .aliases
            .split(", ")
            .map(|a| format!("{} {a}", look.program))
            .collect();
        text.push_str(&format!("\nAliases:\n  {}\n", aliases.join(", ")));
    }
    if command.flags.iter().any(|f| !f.hidden) {
        text.push_str("\nOptions:\n");
        text.push_str(&flags(&command.flags, look));
    }
    let groups = tables::inner_groups(command.path);
    if !groups.is_empty() {
        text.push_str("\nManagement Commands:\n");
        text.push_str(&list(&groups));
    }
    let members = tables::members(command.path, look.program);
    if !members.is_empty() {
        text.push_str("\nCommands:\n");
        text.push_str(&list(&members));
        text.push_str(&format!(
            "\nRun '{} {} COMMAND --help' for more information on a command.\n",
            look.program, command.called
        ));
    }
    text
}

/// The help of the program itself.
pub fn root(command: &Command, look: &Look<'_>) -> String {
    let mut text = usage(command, look);
    text.push_str("\n\n");
    text.push_str(&look.text(command.about));
    text.push('\n');
    let mut entries = command.entries.iter().peekable();
    while let Some(entry) = entries.next() {
        let Entry::Section(title) = entry else {
            continue;
        };
        let mut members = Vec::new();
        while let Some(Entry::Command(name, about)) = entries.peek() {
            let plugin = name.strip_suffix('*');
            // `bake` is buildx's, under a shorter name.
            let plugin = plugin.or((*name == "bake").then_some("buildx"));
            if plugin.is_none_or(|p| look.plugins.iter().any(|have| have == p)) {
                members.push((*name, *about));
            }
            entries.next();
        }
        text.push_str(&format!("\n{title}:\n{}", list(&members)));
    }
    text.push_str("\nGlobal Options:\n");
    text.push_str(&flags(&command.flags, look));
    text.push_str(&format!(
        "\nRun '{} COMMAND --help' for more information on a command.\n",
        look.program
    ));
    if look.program == "docker" {
        text.push_str(
            "\nFor more help on how to use Docker, head to https://docs.docker.com/go/guides/\n",
        );
    }
    text
}

fn list(members: &[(&str, &str)]) -> String {
    // cobra pads names to at least 11 columns.
    let width = members
        .iter()
        .map(|(name, _)| name.len())
        .max()
        .unwrap_or(0)
        .max(11);
    members
        .iter()
        .map(|(name, about)| format!("  {name:width$} {about}\n"))
        .collect()
}

/// The lines of the shown flags, wrapped as pflag wraps them.
fn flags(flags: &[Flag], look: &Look<'_>) -> String {
    // The last column stays free.
    let columns = look.columns.unwrap_or(DEFAULT_COLUMNS) - 1;
    let shown: Vec<(String, String)> = flags
        .iter()
        .filter(|f| !f.hidden)
        .map(|flag| {
            let mut left = match flag.short {
                Some(short) => format!("  -{short}, --{}", flag.name),
                None => format!("      --{}", flag.name),
            };
            if !flag.kind.is_empty() {
                left.push(' ');
                left.push_str(flag.kind);
            }
            (left, look.text(flag.help))
        })
        .collect();
    let widest = shown.iter().map(|(left, _)| left.len()).max().unwrap_or(0) + 3;
    shown
        .iter()
        .map(|(left, right)| {
            format!(
                "{left:indent$}{}\n",
                wrap(widest, columns, right),
                indent = widest
            )
        })
        .collect()
}

/// Breaks `text` into lines of `columns - indent` characters; the first line is indented
/// by the caller.
fn wrap(indent: usize, columns: usize, text: &str) -> String {
    const SENSIBLE: usize = 24;
    // A last word may go over the edge by so much rather than stand alone on a line.
    const SLACK: usize = 5;
    let mut indent = indent;
    let mut out = String::new();
    let mut room = columns.saturating_sub(indent);
    if room < SENSIBLE {
        indent = 16;
        room = columns.saturating_sub(indent);
        out.push('\n');
        out.push_str(&" ".repeat(indent));
    }
    let margin = format!("\n{}", " ".repeat(indent));
    if room < SENSIBLE {
        return text.replace('\n', &margin);
    }
    room -= SLACK;
    let mut rest = text;
    let mut first = true;
    while first || !rest.is_empty() {
        let (line, after) = break_line(room, SLACK, rest);
        if !first {
            out.push_str(&margin);
        }
        out.push_str(&line.replace('\n', &margin));
        rest = after;
        first = false;
    }
    out
}

fn break_line(room: usize, slack: usize, text: &str) -> (&str, &str) {
    if room + slack > text.len() {
        return (text, "");
    }
    let mut end = room;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    match text[..end].rfind([' ', '\t', '\n']) {
        None | Some(0) => (text, ""),
        Some(space) => match text[..end].rfind('\n') {
            Some(newline) if newline > 0 && newline < space => {
                (&text[..newline], &text[newline + 1..])
            }
            _ => (&text[..space], &text[space + 1..]),
        },
    }
}
