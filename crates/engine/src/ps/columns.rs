//! The columns of ps(1): their headings, names and cells.

use super::process::{Process, clock, group_name, long_date, memory_kib, span, user_name};

/// A column with its heading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) title: String,
    pub(super) show: Show,
}

/// What a column shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Show {
    Flags,
    State,
    Stat,
    Uid,
    User,
    Gid,
    Group,
    Pid,
    Thread,
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
    (&["lwp"], "LWP", S::Thread),
    (&["tid"], "TID", S::Thread),
    (&["spid"], "SPID", S::Thread),
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

/// A column by its name in `-o` and `--sort`.
pub(super) fn named(name: &str) -> Option<Column> {
    let found = BY_NAME.iter().find(|(known, ..)| known.contains(&name));
    found.map(|(_, title, show)| column(title, *show))
}

pub(super) fn column(title: &str, show: Show) -> Column {
    Column {
        title: title.to_owned(),
        show,
    }
}

impl Column {
    /// The cell of a process; `boot` is the time of boot in seconds since 1970.
    pub(super) fn show(&self, process: &Process, boot: i64) -> String {
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
            S::Thread => process.thread.to_string(),
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
            S::Command => format!("{}{}", process.branch, process.command),
            S::Name => format!("{}{}", process.branch, process.name),
            S::Label => process.label.clone(),
        }
    }
}
