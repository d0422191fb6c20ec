//! The command tables: `commands.txt` read for the one command that is asked for.
//!
//! Each block of the file is one command: its usage, its help, how many arguments it
//! takes and its flags. Only the asked block is parsed, so that start-up does not pay
//! for the others.

/// The whole table; blocks are separated by empty lines.
const TABLE: &str = include_str!("commands.txt");

/// One flag of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flag {
    /// Long name without dashes.
    pub name: &'static str,
    /// One-letter form.
    pub short: Option<char>,
    /// Name of the value's type as help shows it; empty for a boolean.
    pub kind: &'static str,
    /// Help text; `\n` (backslash, n) is a line break.
    pub help: &'static str,
    /// Not shown in help.
    pub hidden: bool,
    /// Docker's client does not have it: `docker` does not know it.
    pub own: bool,
    /// What stdin tells a user of a deprecated flag, and the flag that it sets instead.
    pub deprecated: Option<(&'static str, &'static str)>,
}

impl Flag {
    /// Whether the flag needs no value.
    pub fn is_bool(&self) -> bool {
        self.kind.is_empty()
    }

    /// Whether repeating the flag adds values.
    pub fn is_list(&self) -> bool {
        matches!(
            self.kind,
            "list"
                | "map"
                | "filter"
                | "mount"
                | "network"
                | "ulimit"
                | "strings"
                | "stringArray"
                | "stringToString"
                | "gpu-request"
        )
    }
}

/// How many positional arguments a command takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arity {
    /// At least so many.
    pub min: usize,
    /// At most so many; `None`: any number.
    pub max: Option<usize>,
}

/// One command, group or the root of the tree.
#[derive(Debug, Clone)]
pub struct Command {
    /// Full path without the program's name: `container ls`; empty for the root.
    pub path: &'static str,
    /// How it was called: `ps`.
    pub called: String,
    /// What follows the path in the usage line; further lines stand after `\n`.
    pub usage: &'static str,
    /// Short description; further lines stand after `\n`.
    pub about: &'static str,
    /// All ways to call it, as help lists them.
    pub aliases: &'static str,
    /// Number of positional arguments.
    pub arity: Arity,
    /// Its flags in the order of help.
    pub flags: Vec<Flag>,
    /// Sections and entries of the root's help.
    pub entries: Vec<Entry>,
}

/// A line of the root's list of commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// Heading, without the colon.
    Section(&'static str),
    /// Name and description of a command.
    Command(&'static str, &'static str),
}

/// What a word on the command line names.
pub enum Found {
    /// A command that can be run.
    Command(Command),
    /// A group of commands.
    Group(Command),
}

fn blocks() -> impl Iterator<Item = &'static str> {
    TABLE.split("\n\n")
}

fn head(block: &'static str) -> &'static str {
    block.split('\n').next().unwrap_or("")
}

/// The root of the tree with the global flags.
pub fn root() -> Command {
    parse(blocks().next().unwrap_or(""), "", String::new())
}

/// The command or group that the words name: `["ps"]`, `["container", "ls"]`,
/// `["container"]`, and of groups in groups: `["trust", "key", "load"]`. The second value
/// is how many words were used.
pub fn find(words: &[String]) -> Option<(Found, usize)> {
    let first = words.first()?;
    let second = words.get(1).map(String::as_str).unwrap_or("");
    if let Some((path, used)) = elsewhere(first, second) {
        let block = blocks().find(|it| head(it).strip_prefix("command ") == Some(path))?;
        let called = words[..used].join(" ");
        return Some((Found::Command(parse(block, path, called)), used));
    }
    let pair = format!("{first} {second}");
    if let Some(found) = find_deeper(&pair, words) {
        return Some(found);
    }
    let mut group = None;
    for block in blocks() {
        let line = head(block);
        if let Some(name) = line.strip_prefix("group ") {
            if name == first {
                group = Some(block);
            }
        } else if let Some(path) = line.strip_prefix("command ") {
            if path == first {
                return Some((Found::Command(parse(block, path, first.clone())), 1));
            }
            let named = aliases(block)
                .split(", ")
                .find(|a| *a == first || *a == pair);
            if path == pair || named.is_some() {
                let called = if named == Some(first) {
                    first.clone()
                } else {
                    pair.clone()
                };
                let used = if called == *first { 1 } else { 2 };
                return Some((Found::Command(parse(block, path, called)), used));
            }
        }
    }
    let block = group?;
    let name = head(block).strip_prefix("group ")?;
    Some((Found::Group(parse(block, name, first.clone())), 1))
}

/// Names that help does not tell among a command's aliases: the path, and how many words.
fn elsewhere(first: &str, second: &str) -> Option<(&'static str, usize)> {
    match (first, second) {
        ("bake", _) => Some(("buildx bake", 1)),
        ("buildx", "build" | "b") => Some(("image build", 2)),
        _ => None,
    }
}

/// A group in a group, or a command of it.
fn find_deeper(pair: &str, words: &[String]) -> Option<(Found, usize)> {
    let of = |path: &str, kind: &str| {
        blocks().find(|block| head(block).strip_prefix(kind) == Some(path))
    };
    let group = of(pair, "group ")?;
    if let Some(third) = words.get(2) {
        let path = format!("{pair} {third}");
        // A command may have a command of its own.
        let fourth = words.get(3).map(|it| format!("{path} {it}"));
        let inner = fourth.and_then(|path| Some((of(&path, "command ")?, path)));
        if let Some((block, path)) = inner {
            let name = head(block).strip_prefix("command ")?;
            return Some((Found::Command(parse(block, name, path)), 4));
        }
        if let Some(block) = of(&path, "command ") {
            let name = head(block).strip_prefix("command ")?;
            return Some((Found::Command(parse(block, name, path)), 3));
        }
    }
    let name = head(group).strip_prefix("group ")?;
    Some((Found::Group(parse(group, name, pair.to_owned())), 2))
}

/// Names and descriptions of the groups in a group.
pub fn inner_groups(group: &str) -> Vec<(&'static str, &'static str)> {
    blocks()
        .filter_map(|block| {
            let (parent, name) = head(block).strip_prefix("group ")?.split_once(' ')?;
            (parent == group).then(|| (name, field(block, "about ")))
        })
        .collect()
}

/// Commands that help does not list. Those of a swarm are shown by a node that is in one.
const UNLISTED: [&str; 8] = [
    "system dial-stdio",
    "volume update",
    "swarm ca",
    "swarm join-token",
    "swarm leave",
    "swarm unlock",
    "swarm unlock-key",
    "swarm update",
];

/// Commands that Docker's client does not have: `docker` does not know them.
const OWN: [&str; 10] = [
    "builder export",
    "builder import",
    "builder mounts",
    "image verify",
    "system cleanup",
    "volume clone",
    "volume export",
    "volume import",
    "volume rename",
    "volume snapshot",
];

/// As [`find`], for a client that is called `program`.
pub fn find_for(program: &str, words: &[String]) -> Option<(Found, usize)> {
    let found = find(words);
    if program != "docker" {
        return found;
    }
    match found {
        Some((Found::Command(command), _)) if OWN.contains(&command.path) => find(words.get(..1)?),
        Some((Found::Command(mut command), used)) => {
            command.flags.retain(|flag| !flag.own);
            Some((Found::Command(command), used))
        }
        found => found,
    }
}

/// Names and descriptions of the commands of a group.
pub fn members(group: &str, program: &str) -> Vec<(&'static str, &'static str)> {
    blocks()
        .filter_map(|block| {
            let path = head(block).strip_prefix("command ")?;
            let (parent, name) = path.rsplit_once(' ')?;
            let foreign = program == "docker" && OWN.contains(&path);
            if parent != group || foreign || UNLISTED.contains(&path) {
                return None;
            }
            let short = field(block, "short ");
            let about = field(block, "about ").split("\\n").next().unwrap_or("");
            Some((name, if short.is_empty() { about } else { short }))
        })
        .collect()
}

fn aliases(block: &'static str) -> &'static str {
    field(block, "aliases ")
}

fn field(block: &'static str, key: &str) -> &'static str {
    block
        .split('\n')
        .find_map(|line| line.strip_prefix(key))
        .unwrap_or("")
}

fn parse(block: &'static str, path: &'static str, called: String) -> Command {
    let mut command = Command {
        path,
        called,
        usage: "",
        about: "",
        aliases: "",
        arity: Arity {
            min: 0,
            max: Some(0),
        },
        flags: Vec::new(),
        entries: Vec::new(),
    };
    for line in block.split('\n') {
        let Some((key, rest)) = line.split_once(' ') else {
            continue;
        };
        match key {
            "usage" => command.usage = rest,
            "about" => command.about = rest,
            "aliases" => command.aliases = rest,
            "args" => command.arity = arity(rest),
            "section" => command.entries.push(Entry::Section(rest)),
            "entry" => {
                let (name, about) = rest.split_once(" | ").unwrap_or((rest, ""));
                command.entries.push(Entry::Command(name, about));
            }
            "flag" | "hidden" | "deprecated" | "own" => command.flags.push(flag(key, rest)),
            _ => {}
        }
    }
    command
}

fn arity(text: &str) -> Arity {
    match text.split_once('-') {
        None => {
            let exact = text.parse().unwrap_or(0);
            Arity {
                min: exact,
                max: Some(exact),
            }
        }
        Some((min, max)) => Arity {
            min: min.parse().unwrap_or(0),
            max: max.parse().ok(),
        },
    }
}

fn flag(key: &str, line: &'static str) -> Flag {
    let (names, help) = line.split_once(" |").unwrap_or((line, ""));
    let mut flag = Flag {
        name: "",
        short: None,
        kind: "",
        help: help.trim_start(),
        hidden: !matches!(key, "flag" | "own"),
        own: key == "own",
        deprecated: None,
    };
    let mut instead = "";
    for word in names.split(' ') {
        if let Some(long) = word.strip_prefix("--") {
            flag.name = long;
        } else if let Some(short) = word.strip_prefix('-') {
            flag.short = short.chars().next();
        } else if flag.kind.is_empty() {
            flag.kind = word;
        } else {
            instead = word;
        }
    }
    if key == "deprecated" {
        flag.deprecated = Some((flag.help, instead));
    }
    flag
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_form_and_its_long_form_are_one_command() {
        for words in [&["ps"][..], &["container", "ls"], &["container", "list"]] {
            let words: Vec<String> = words.iter().map(|w| (*w).to_owned()).collect();
            let Some((Found::Command(command), used)) = find(&words) else {
                panic!("{words:?}")
            };
            assert_eq!(command.path, "container ls");
            assert_eq!(used, words.len());
        }
    }

    #[test]
    fn run_has_every_flag_of_docker_run() {
        let Some((Found::Command(run), _)) = find(&["run".into()]) else {
            panic!()
        };
        assert_eq!(run.flags.iter().filter(|f| !f.hidden).count(), 100);
        let memory = run.flags.iter().find(|f| f.name == "memory").unwrap();
        assert_eq!((memory.short, memory.kind), (Some('m'), "bytes"));
        assert_eq!(run.arity, Arity { min: 1, max: None });
    }
}
