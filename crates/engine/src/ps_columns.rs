//! The columns of ps(1), and the options that choose them.

use crate::process_table::{Process, clock, group_name, long_date, memory_kib, span, user_name};
use crate::{EngineError, Result, messages};
use std::cmp::Ordering;

/// A column with its heading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    title: String,
    show: Show,
}

/// What a column shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Show {
    Flags,
    State,
    Stat,
    Uid,
    User,
    Gid,
    Group,
    Pid,
    Ppid,
    Pgid,
    Sid,
    Threads,
    C,
    Cpu,
    Mem,
    Vsz,
    Rss,
    Pages,
    Priority,
    PriorityLong,
    Nice,
    Processor,
    Address,
    Wchan,
    Tty,
    Stime,
    Start,
    StartLong,
    Elapsed,
    ElapsedSeconds,
    Time,
    BsdTime,
    Command,
    Name,
    Label,
}

use Show as S;

/// What `-o` takes, with the heading that it has then: ps(1) § Standard format specifiers.
const BY_NAME: &[(&[&str], &str, Show)] = &[
    (&["f", "flag", "flags"], "F", S::Flags),
    (&["s", "state"], "S", S::State),
    (&["stat"], "STAT", S::Stat),
    (&["uid", "euid"], "UID", S::Uid),
    (&["user", "uname"], "USER", S::User),
    (&["euser"], "EUSER", S::User),
    (&["ruser"], "RUSER", S::User),
    (&["gid", "egid"], "GID", S::Gid),
    (&["group"], "GROUP", S::Group),
    (&["egroup"], "EGROUP", S::Group),
    (&["pid", "tgid"], "PID", S::Pid),
    (&["lwp", "tid", "spid"], "LWP", S::Pid),
    (&["ppid"], "PPID", S::Ppid),
    (&["pgid", "pgrp"], "PGID", S::Pgid),
    (&["sid", "sess", "session"], "SID", S::Sid),
    (&["nlwp"], "NLWP", S::Threads),
    (&["thcount"], "THCNT", S::Threads),
    (&["c"], "C", S::C),
    (&["pcpu", "%cpu"], "%CPU", S::Cpu),
    (&["pmem", "%mem"], "%MEM", S::Mem),
    (&["vsz", "vsize"], "VSZ", S::Vsz),
    (&["rss", "rssize"], "RSS", S::Rss),
    (&["rsz"], "RSZ", S::Rss),
    (&["sz"], "SZ", S::Pages),
    (&["pri"], "PRI", S::Priority),
    (&["ni", "nice"], "NI", S::Nice),
    (&["psr"], "PSR", S::Processor),
    (&["wchan"], "WCHAN", S::Wchan),
    (&["tt", "tty"], "TT", S::Tty),
    (&["tname"], "TTY", S::Tty),
    (&["stime"], "STIME", S::Stime),
    (&["start_time", "bsdstart"], "START", S::Stime),
    (&["start"], "STARTED", S::Start),
    (&["lstart"], "STARTED", S::StartLong),
    (&["etime"], "ELAPSED", S::Elapsed),
    (&["etimes"], "ELAPSED", S::ElapsedSeconds),
    (&["time", "cputime"], "TIME", S::Time),
    (&["bsdtime"], "TIME", S::BsdTime),
    (&["args", "command"], "COMMAND", S::Command),
    (&["cmd"], "CMD", S::Command),
    (&["comm"], "COMMAND", S::Name),
    (&["ucmd"], "CMD", S::Name),
    (&["ucomm"], "COMMAND", S::Name),
    (&["label"], "LABEL", S::Label),
];

/// Which of ps's own layouts.
#[derive(Debug, Default)]
struct Layout {
    full: bool,
    long: bool,
    /// BSD's `l`.
    bsd_long: bool,
    /// BSD's `u`.
    user: bool,
    /// Any BSD option: the state and the whole command are shown.
    bsd: bool,
    /// `-Z`.
    label: bool,
    chosen: Vec<Column>,
    order: Vec<Order>,
}

/// What ps(1) is to show, and in which order.
#[derive(Debug)]
pub(crate) struct Listing {
    pub columns: Vec<Column>,
    order: Vec<Order>,
}

/// A key of `--sort`.
#[derive(Debug)]
struct Order {
    key: Column,
    falling: bool,
}

/// Reads ps's options: `-ef`, `aux --sort -rss`, `-eo pid,comm`, `-o pid= -o args`. Those
/// that choose processes change nothing, since the container's are all shown. Others are
/// refused by name. Empty options are `-ef`.
pub(crate) fn listing(arguments: &str) -> Result<Listing> {
    let mut layout = Layout::default();
    let mut words = arguments.split_whitespace();
    let mut any = false;
    while let Some(word) = words.next() {
        any = true;
        if let Some(long) = word.strip_prefix("--") {
            match long.split_once('=').unwrap_or((long, "")) {
                ("format", "") => layout.choose(words.next().unwrap_or_default())?,
                ("format", names) => layout.choose(names)?,
                ("width" | "columns" | "cols", _) => {}
                ("sort", "") => layout.sort(words.next().unwrap_or_default())?,
                ("sort", keys) => layout.sort(keys)?,
                ("no-headers" | "no-heading" | "noheader" | "noheaders", _) => {
                    return Err(EngineError::Failed(messages::top_needs_pid()));
                }
                _ => return Err(unsupported(word, "")),
            }
            continue;
        }
        let (letters, is_bsd) = match word.strip_prefix('-') {
            Some(letters) => (letters, false),
            None => (word, true),
        };
        for (at, letter) in letters.char_indices() {
            match (letter, is_bsd) {
                ('o', _) => {
                    let rest = &letters[at + 1..];
                    let names = match rest {
                        "" => words.next().unwrap_or_default(),
                        rest => rest,
                    };
                    layout.choose(names)?;
                    break;
                }
                // Which processes, and how wide.
                ('e' | 'A' | 'a' | 'd' | 'w', false) | ('w', true) => {}
                ('x', _) | ('a', true) => layout.bsd = true,
                ('u', true) => (layout.bsd, layout.user) = (true, true),
                // `-aux` is read as `aux`, with a warning that nobody sees here.
                ('u', false) if letters.contains('a') && letters.contains('x') => {
                    (layout.bsd, layout.user) = (true, true);
                }
                ('l', true) => (layout.bsd, layout.bsd_long) = (true, true),
                ('f', false) => layout.full = true,
                ('Z' | 'M', false) => layout.label = true,
                ('l', false) => layout.long = true,
                (_, true) => return Err(unsupported(word, " (BSD syntax)")),
                (_, false) => return Err(unsupported(word, "")),
            }
        }
    }
    layout.full |= !any;
    let order = std::mem::take(&mut layout.order);
    let label = layout.label.then(|| column("LABEL", S::Label));
    let columns: Vec<_> = label.into_iter().chain(layout.columns()).collect();
    if columns.iter().all(|column| column.title != "PID") {
        return Err(EngineError::Failed(messages::top_needs_pid()));
    }
    Ok(Listing { columns, order })
}

impl Listing {
    /// Puts processes into the order that was asked for; those that are equal stay.
    pub fn sort(&self, processes: &mut [Process], boot: i64) {
        let number = |text: &str| text.parse::<f64>().ok();
        processes.sort_by(|one, other| {
            let differences = self.order.iter().map(|order| {
                let (one, other) = (order.key.show(one, boot), order.key.show(other, boot));
                let rising = match (number(&one), number(&other)) {
                    (Some(one), Some(other)) => one.total_cmp(&other),
                    _ => one.cmp(&other),
                };
                if order.falling {
                    rising.reverse()
                } else {
                    rising
                }
            });
            differences
                .into_iter()
                .find(|it| it.is_ne())
                .unwrap_or(Ordering::Equal)
        });
    }
}

/// A column by its name in `-o` and `--sort`.
fn named(name: &str) -> Option<Column> {
    let found = BY_NAME.iter().find(|(known, ..)| known.contains(&name));
    found.map(|(_, title, show)| column(title, *show))
}

fn unsupported(word: &str, syntax: &str) -> EngineError {
    // ps does not name the option; whoever is refused here wants to know which.
    EngineError::Failed(messages::ps_failed(format!(
        "error: unsupported option{syntax}: {word}"
    )))
}

impl Layout {
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
            self.chosen.push(found);
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

    fn columns(self) -> Vec<Column> {
        let list: &[(&str, Show)] = match self {
            Self { chosen, .. } if !chosen.is_empty() => return chosen,
            Self { user: true, .. } => &[
                ("USER", S::User),
                ("PID", S::Pid),
                ("%CPU", S::Cpu),
                ("%MEM", S::Mem),
                ("VSZ", S::Vsz),
                ("RSS", S::Rss),
                ("TTY", S::Tty),
                ("STAT", S::Stat),
                ("START", S::Stime),
                ("TIME", S::BsdTime),
                ("COMMAND", S::Command),
            ],
            Self { bsd_long: true, .. } => &[
                ("F", S::Flags),
                ("UID", S::Uid),
                ("PID", S::Pid),
                ("PPID", S::Ppid),
                ("PRI", S::PriorityLong),
                ("NI", S::Nice),
                ("VSZ", S::Vsz),
                ("RSS", S::Rss),
                ("WCHAN", S::Wchan),
                ("STAT", S::Stat),
                ("TTY", S::Tty),
                ("TIME", S::BsdTime),
                ("COMMAND", S::Command),
            ],
            Self {
                full, long: true, ..
            } => {
                let mut columns = vec![
                    column("F", S::Flags),
                    column("S", S::State),
                    column("UID", if full { S::User } else { S::Uid }),
                ];
                columns.extend(
                    [
                        ("PID", S::Pid),
                        ("PPID", S::Ppid),
                        ("C", S::C),
                        ("PRI", S::PriorityLong),
                        ("NI", S::Nice),
                        ("ADDR", S::Address),
                        ("SZ", S::Pages),
                        ("WCHAN", S::Wchan),
                    ]
                    .map(|(title, show)| column(title, show)),
                );
                if full {
                    columns.push(column("STIME", S::Stime));
                }
                columns.push(column("TTY", S::Tty));
                columns.push(column("TIME", S::Time));
                columns.push(column("CMD", if full { S::Command } else { S::Name }));
                return columns;
            }
            Self { full: true, .. } => &[
                ("UID", S::User),
                ("PID", S::Pid),
                ("PPID", S::Ppid),
                ("C", S::C),
                ("STIME", S::Stime),
                ("TTY", S::Tty),
                ("TIME", S::Time),
                ("CMD", S::Command),
            ],
            Self { bsd: true, .. } => &[
                ("PID", S::Pid),
                ("TTY", S::Tty),
                ("STAT", S::Stat),
                ("TIME", S::BsdTime),
                ("COMMAND", S::Command),
            ],
            Self { .. } => &[
                ("PID", S::Pid),
                ("TTY", S::Tty),
                ("TIME", S::Time),
                ("CMD", S::Name),
            ],
        };
        list.iter()
            .map(|(title, show)| column(title, *show))
            .collect()
    }
}

fn column(title: &str, show: Show) -> Column {
    Column {
        title: title.to_owned(),
        show,
    }
}

impl Column {
    pub(crate) fn title(&self) -> &str {
        &self.title
    }

    /// The cell of a process; `boot` is the time of boot in seconds since 1970.
    pub(crate) fn show(&self, process: &Process, boot: i64) -> String {
        let (started, lived) = process.seconds(boot);
        let cpu_seconds = process.cpu_seconds();
        let percent = process.cpu_percent(lived);
        match self.show {
            // PF_FORKNOEXEC and PF_SUPERPRIV, which ps shows.
            S::Flags => ((process.flags >> 6) & 7).to_string(),
            S::State => process.state.to_string(),
            S::Stat => process.stat(),
            S::Uid => process.uid.to_string(),
            S::User => user_name(process.uid),
            S::Gid => process.gid.to_string(),
            S::Group => group_name(process.gid),
            S::Pid => process.pid.to_string(),
            S::Ppid => process.parent.to_string(),
            S::Pgid => process.group.to_string(),
            S::Sid => process.session.to_string(),
            S::Threads => process.threads.to_string(),
            S::C => (percent as u64).to_string(),
            S::Cpu => format!("{percent:.1}"),
            S::Mem => {
                let kib = process.resident_kib() as f64;
                format!("{:.1}", kib * 100.0 / memory_kib())
            }
            S::Vsz => (process.virtual_bytes / 1024).to_string(),
            S::Rss => process.resident_kib().to_string(),
            S::Pages => (process.virtual_bytes / 4096).to_string(),
            // ps counts one of them down and the other up.
            S::Priority => (39 - process.priority).to_string(),
            S::PriorityLong => (60 + process.priority).to_string(),
            S::Nice => process.nice.to_string(),
            S::Processor => process.processor.to_string(),
            S::Address => "-".to_owned(),
            S::Wchan => process.wchan(),
            S::Tty => process.terminal(),
            S::Stime => clock(started),
            S::Start => {
                let date = long_date(started);
                date.get(11..19).unwrap_or(&date).to_owned()
            }
            S::StartLong => long_date(started),
            S::Elapsed => span(lived),
            S::ElapsedSeconds => lived.to_string(),
            S::Time => format!(
                "{:02}:{:02}:{:02}",
                cpu_seconds / 3600,
                cpu_seconds / 60 % 60,
                cpu_seconds % 60
            ),
            S::BsdTime => format!("{}:{:02}", cpu_seconds / 60, cpu_seconds % 60),
            S::Command => process.command.clone(),
            S::Name => process.name.clone(),
            S::Label => process.label.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titles(arguments: &str) -> std::result::Result<String, String> {
        let listing = listing(arguments).map_err(|error| error.to_string())?;
        Ok(listing
            .columns
            .iter()
            .map(Column::title)
            .collect::<Vec<_>>()
            .join(" "))
    }

    /// Each asked of ps 4.0 through dockerd 28.5.
    #[test]
    fn layouts_have_pss_headings() {
        for (arguments, wanted) in [
            ("", "UID PID PPID C STIME TTY TIME CMD"),
            ("-ef", "UID PID PPID C STIME TTY TIME CMD"),
            ("-e", "PID TTY TIME CMD"),
            (
                "aux",
                "USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND",
            ),
            (
                "-aux",
                "USER PID %CPU %MEM VSZ RSS TTY STAT START TIME COMMAND",
            ),
            ("-x", "PID TTY STAT TIME COMMAND"),
            ("-l", "F S UID PID PPID C PRI NI ADDR SZ WCHAN TTY TIME CMD"),
            (
                "-efl",
                "F S UID PID PPID C PRI NI ADDR SZ WCHAN STIME TTY TIME CMD",
            ),
            ("-o pid,comm", "PID COMMAND"),
            ("-eo pid,args", "PID COMMAND"),
            ("axo pid,user,tty,start,cmd", "PID USER TT STARTED CMD"),
            ("-o pid -o comm=NAME", "PID NAME"),
            ("-efZ", "LABEL UID PID PPID C STIME TTY TIME CMD"),
            ("-o pid,label --sort -pid", "PID LABEL"),
        ] {
            assert_eq!(titles(arguments), Ok(wanted.to_owned()), "{arguments}");
        }
    }

    #[test]
    fn what_cannot_be_shown_is_refused_by_name() {
        for (arguments, wanted) in [
            ("-o comm", "Couldn't find PID field in ps output"),
            ("-o pid=PP", "Couldn't find PID field in ps output"),
            (
                "-o pid,foo",
                "ps: error: unknown user-defined format specifier \"foo\"",
            ),
            ("-y", "ps: error: unsupported option: -y"),
            ("-ef --sort=foo", "ps: error: unknown sort specifier"),
            ("-ef --no-headers", "Couldn't find PID field in ps output"),
            ("bogus", "ps: error: unsupported option (BSD syntax): bogus"),
        ] {
            assert_eq!(titles(arguments).unwrap_err(), wanted, "{arguments}");
        }
    }

    #[test]
    fn this_process_is_listed_with_its_command() {
        let pid = std::process::id();
        // Any of the names of the control group that it is in; "" is the root's.
        let table = std::fs::read_to_string("/proc/self/cgroup").unwrap();
        let group = table.trim_end().rsplit('/').next().unwrap();
        let me = Process::read(pid, group).unwrap();
        // A number that a process of another group has by now.
        assert!(Process::read(pid, "0123456789abcdef").is_none());
        let boot = crate::process_table::boot_time();
        let row: Vec<String> = listing("")
            .unwrap()
            .columns
            .iter()
            .map(|it| it.show(&me, boot))
            .collect();
        assert_eq!(row[1], std::process::id().to_string());
        assert!(row[7].contains("corten"), "{}", row[7]);
        let with = |pid, parent| {
            let mut other = me.clone();
            (other.pid, other.parent) = (pid, parent);
            other
        };
        let order = |keys: &str| {
            let mut all = [with(9, 1), with(10, 1), with(1, 0)];
            let sorted = listing(&format!("-ef --sort={keys}")).unwrap();
            sorted.sort(&mut all, boot);
            all.map(|it| it.pid)
        };
        assert_eq!(order("pid"), [1, 9, 10]);
        assert_eq!(order("-ppid,-pid"), [10, 9, 1]);
        assert_eq!(order("+ppid"), [1, 9, 10]);
    }
}
