//! The options of ps(1).

use super::columns::named;
use super::layout::Layout;
use super::process::{group_id, user_id};
use super::{Listing, Order, Selector, Tree};
use crate::{EngineError, Result, messages};

/// Reads ps's options: `-ef`, `aux --sort -rss`, `-eo pid,comm`, `-o pid= -o args`, `-eLf`,
/// `-p 1 --forest`. Others are refused by name. Empty options are `-ef`.
pub(crate) fn listing(arguments: &str) -> Result<Listing> {
    let mut read = Options::default();
    let mut words = arguments.split_whitespace();
    let mut any = false;
    while let Some(word) = words.next() {
        any = true;
        match (word.strip_prefix("--"), word.strip_prefix('-')) {
            (Some(long), _) => read.long(word, long, &mut words)?,
            (None, Some(letters)) => read.letters(word, letters, false, &mut words)?,
            (None, None) => read.letters(word, word, true, &mut words)?,
        }
    }
    read.layout.full |= !any;
    let columns = read.layout.columns();
    if columns.iter().all(|column| column.title != "PID") {
        return Err(EngineError::Failed(messages::top_needs_pid()));
    }
    Ok(Listing {
        columns,
        // `-e` shows everything, whatever else is chosen.
        selection: if read.all { Vec::new() } else { read.selection },
        order: read.order,
        threads: read.threads,
        tree: read.tree,
    })
}

#[derive(Debug, Default)]
struct Options {
    layout: Layout,
    order: Vec<Order>,
    selection: Vec<Selector>,
    all: bool,
    threads: bool,
    tree: Option<Tree>,
}

/// The words behind one that takes a value.
type Words<'a, 'w> = &'a mut std::str::SplitWhitespace<'w>;

impl Options {
    fn long(&mut self, word: &str, long: &str, words: Words<'_, '_>) -> Result<()> {
        let (name, value) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (long, None),
        };
        let mut value = || value.or_else(|| words.next()).unwrap_or_default();
        match name {
            "format" => self.choose(value()),
            "width" | "columns" | "cols" => {
                value();
                Ok(())
            }
            "sort" => self.sort(value()),
            "pid" | "ppid" | "user" | "User" | "Group" => self.select(name, word, value()),
            "forest" => {
                self.tree = Some(Tree::Drawn);
                Ok(())
            }
            "no-headers" | "no-heading" | "noheader" | "noheaders" => {
                Err(EngineError::Failed(messages::top_needs_pid()))
            }
            _ => Err(unsupported(word, "")),
        }
    }

    fn letters(
        &mut self,
        word: &str,
        letters: &str,
        bsd: bool,
        words: Words<'_, '_>,
    ) -> Result<()> {
        for (at, letter) in letters.char_indices() {
            let mut value = || match &letters[at + letter.len_utf8()..] {
                "" => words.next().unwrap_or_default(),
                rest => rest,
            };
            let layout = &mut self.layout;
            match (letter, bsd) {
                ('o', _) => return self.choose(value()),
                ('w', _) => {}
                // Those of other terminals and sessions, too; here they are all one's own.
                ('a' | 'd', false) => {}
                ('e' | 'A', false) => self.all = true,
                ('x', _) | ('a', true) => (layout.bsd, self.all) = (true, true),
                ('u', true) => (layout.bsd, layout.user) = (true, true),
                // `-aux` is read as `aux`, with a warning that nobody sees here.
                ('u', false) if letters.contains('a') && letters.contains('x') => {
                    (layout.bsd, layout.user) = (true, true);
                }
                ('l', true) => (layout.bsd, layout.bsd_long) = (true, true),
                ('f', true) => (layout.bsd, self.tree) = (true, Some(Tree::Drawn)),
                // Threads as if they were processes.
                ('H', true) => (layout.bsd, self.threads) = (true, true),
                ('f', false) => layout.full = true,
                ('F', false) => (layout.full, layout.extra) = (true, true),
                ('j', false) => layout.jobs = true,
                ('l', false) => layout.long = true,
                ('Z' | 'M', false) => layout.label = true,
                ('L', false) => (layout.lwp, self.threads) = (true, true),
                ('T', false) => (layout.spid, self.threads) = (true, true),
                ('H', false) => self.tree = Some(Tree::Indented),
                ('p' | 'C' | 'u' | 'U' | 'G', false) => {
                    let short = &letters[at..at + letter.len_utf8()];
                    return self.select(short, &format!("-{short}"), value());
                }
                (_, true) => return Err(unsupported(word, " (BSD syntax)")),
                (_, false) => return Err(unsupported(word, "")),
            }
        }
        Ok(())
    }

    /// A list of numbers or names behind an option that chooses processes.
    fn select(&mut self, name: &str, word: &str, list: &str) -> Result<()> {
        let failed = |sentence: &str| EngineError::Failed(messages::ps_failed(sentence));
        if list.is_empty() {
            let what = match name {
                "C" => "command names",
                "u" | "user" => "effective users",
                "U" | "User" => "real users",
                "G" | "Group" => "real groups",
                _ => "process IDs",
            };
            return Err(failed(&format!("error: list of {what} must follow {word}")));
        }
        for item in list.split(',').filter(|item| !item.is_empty()) {
            let number = || {
                item.parse()
                    .map_err(|_| failed("error: process ID list syntax error"))
            };
            let user = || user_id(item).ok_or_else(|| failed("error: user name does not exist"));
            let group = || group_id(item).ok_or_else(|| failed("error: group name does not exist"));
            self.selection.push(match name {
                "p" | "pid" => Selector::Pid(number()?),
                "ppid" => Selector::Parent(number()?),
                "C" => Selector::Name(item.to_owned()),
                "u" | "user" => Selector::User(user()?),
                "U" | "User" => Selector::RealUser(user()?),
                _ => Selector::RealGroup(group()?),
            });
        }
        Ok(())
    }

    fn choose(&mut self, names: &str) -> Result<()> {
        // `name=heading` takes everything behind the sign, commas too.
        let (names, heading) = match names.split_once('=') {
            Some((names, heading)) => (names, Some(heading)),
            None => (names, None),
        };
        let mut names = names.split(',').filter(|name| !name.is_empty()).peekable();
        while let Some(name) = names.next() {
            let mut found = named(name).ok_or_else(|| {
                EngineError::Failed(messages::ps_failed(format!(
                    "error: unknown user-defined format specifier \"{name}\""
                )))
            })?;
            if let Some(heading) = heading.filter(|_| names.peek().is_none()) {
                found.title = heading.to_owned();
            }
            self.layout.chosen.push(found);
        }
        Ok(())
    }

    /// `+pid,-rss`: rising, then falling.
    fn sort(&mut self, keys: &str) -> Result<()> {
        for key in keys.split(',') {
            let falling = key.starts_with('-');
            let key = named(key.trim_start_matches(['+', '-'])).ok_or_else(|| {
                EngineError::Failed(messages::ps_failed("error: unknown sort specifier"))
            })?;
            self.order.push(Order { key, falling });
        }
        Ok(())
    }
}

fn unsupported(word: &str, syntax: &str) -> EngineError {
    // ps does not name the option; whoever is refused here wants to know which.
    EngineError::Failed(messages::ps_failed(format!(
        "error: unsupported option{syntax}: {word}"
    )))
}
