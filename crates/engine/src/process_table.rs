//! Processes as ps(1) shows them, from proc(5).

use crate::{EngineError, Result, messages};
use std::fs;

/// USER_HZ, and the page size of every architecture that Corten supports.
const TICKS: u64 = 100;
const PAGE_KIB: u64 = 4;

/// A column that can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    Uid,
    User,
    Pid,
    Ppid,
    C,
    Cpu,
    Mem,
    Vsz,
    Rss,
    Tty,
    Stat,
    Stime,
    Start,
    Time,
    CpuTime,
    Cmd,
    Command,
    Comm,
}

/// Columns by the names that `-o` takes.
const BY_NAME: [(&str, Column); 18] = [
    ("uid", Column::Uid),
    ("user", Column::User),
    ("pid", Column::Pid),
    ("ppid", Column::Ppid),
    ("c", Column::C),
    ("pcpu", Column::Cpu),
    ("%cpu", Column::Cpu),
    ("pmem", Column::Mem),
    ("%mem", Column::Mem),
    ("vsz", Column::Vsz),
    ("rss", Column::Rss),
    ("tty", Column::Tty),
    ("stat", Column::Stat),
    ("stime", Column::Stime),
    ("time", Column::Time),
    ("cmd", Column::Cmd),
    ("args", Column::Command),
    ("comm", Column::Comm),
];

/// `-ef`, `aux`, `-o pid,comm`.
pub(crate) fn columns(arguments: &str) -> Result<Vec<Column>> {
    use Column as C;
    let unknown = |reason: String| EngineError::Failed(messages::ps_failed(reason));
    let words: Vec<&str> = arguments.split_whitespace().collect();
    match words[..] {
        [] | ["-ef" | "-e" | "ef" | "-A"] => Ok(vec![
            C::Uid,
            C::Pid,
            C::Ppid,
            C::C,
            C::Stime,
            C::Tty,
            C::Time,
            C::Cmd,
        ]),
        ["aux" | "-aux" | "axu"] => Ok(vec![
            C::User,
            C::Pid,
            C::Cpu,
            C::Mem,
            C::Vsz,
            C::Rss,
            C::Tty,
            C::Stat,
            C::Start,
            C::CpuTime,
            C::Command,
        ]),
        ["-o" | "-eo" | "-Ao" | "-axo" | "axo", names] => {
            let columns = names.split(',').map(|name| {
                let found = BY_NAME.iter().find(|(known, _)| *known == name);
                found.map(|(_, column)| *column).ok_or_else(|| {
                    unknown(format!(
                        "error: unknown user-defined format specifier \"{name}\""
                    ))
                })
            });
            let columns = columns.collect::<Result<Vec<_>>>()?;
            if !columns.contains(&C::Pid) {
                return Err(EngineError::Failed(messages::top_needs_pid()));
            }
            Ok(columns)
        }
        _ => Err(unknown(format!(
            "error: unsupported option \"{arguments}\" (use -ef, aux or -o)"
        ))),
    }
}

/// What /proc/PID says.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pid: u32,
    parent: u32,
    uid: u32,
    state: char,
    session_leader: bool,
    foreground: bool,
    multi_threaded: bool,
    nice: i64,
    tty: u64,
    cpu_ticks: u64,
    /// Since boot.
    start_ticks: u64,
    virtual_bytes: u64,
    resident_pages: u64,
    name: String,
    command: String,
}

impl Process {
    /// `None` when it has ended meanwhile.
    pub(crate) fn read(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let (head, tail) = stat.rsplit_once(')')?;
        let name = head.split_once('(')?.1.to_owned();
        let fields: Vec<&str> = tail.split_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        let signed = |index: usize| fields.get(index)?.parse::<i64>().ok();
        let uid = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<String> = arguments
            .split(|byte| *byte == 0)
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect();
        let command = words.join(" ").trim_end().to_owned();
        Some(Self {
            pid,
            parent: number(1)? as u32,
            uid: uid.split_whitespace().nth(1)?.parse().ok()?,
            state: fields.first()?.chars().next()?,
            session_leader: number(3)? == u64::from(pid),
            foreground: signed(5)? == signed(2)?,
            multi_threaded: number(17)? > 1,
            nice: signed(16)?,
            tty: signed(4)? as u64,
            cpu_ticks: number(11)? + number(12)?,
            start_ticks: number(19)?,
            virtual_bytes: number(20)?,
            resident_pages: number(21)?,
            command: if command.is_empty() {
                format!("[{name}]")
            } else {
                command
            },
            name,
        })
    }

    fn seconds(&self, boot: i64) -> (i64, u64) {
        let started = boot + (self.start_ticks / TICKS) as i64;
        let lived = (corten_base::Timestamp::now().unix_seconds() - started).max(1) as u64;
        (started, lived)
    }

    /// proc_pid_stat(5): the terminal's major and minor number.
    fn terminal(&self) -> String {
        let (major, minor) = (
            (self.tty >> 8) & 0xfff,
            (self.tty & 0xff) | ((self.tty >> 12) & 0xfff00),
        );
        match major {
            0 => "?".into(),
            136..=143 => format!("pts/{}", (major - 136) * 256 + minor),
            4 => format!("tty{minor}"),
            5 if minor == 1 => "console".into(),
            _ => "?".into(),
        }
    }

    fn state(&self) -> String {
        let mut text = self.state.to_string();
        match self.nice {
            ..0 => text.push('<'),
            1.. => text.push('N'),
            0 => {}
        }
        for (is, letter) in [
            (self.session_leader, 's'),
            (self.multi_threaded, 'l'),
            (self.foreground, '+'),
        ] {
            if is {
                text.push(letter);
            }
        }
        text
    }
}

impl Column {
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Uid => "UID",
            Self::User => "USER",
            Self::Pid => "PID",
            Self::Ppid => "PPID",
            Self::C => "C",
            Self::Cpu => "%CPU",
            Self::Mem => "%MEM",
            Self::Vsz => "VSZ",
            Self::Rss => "RSS",
            Self::Tty => "TTY",
            Self::Stat => "STAT",
            Self::Stime => "STIME",
            Self::Start => "START",
            Self::Time | Self::CpuTime => "TIME",
            Self::Cmd => "CMD",
            Self::Command | Self::Comm => "COMMAND",
        }
    }

    /// The cell of a process; `boot` is the time of boot in seconds since 1970.
    pub(crate) fn show(self, process: &Process, boot: i64) -> String {
        let (started, lived) = process.seconds(boot);
        let cpu_seconds = process.cpu_ticks / TICKS;
        let percent = process.cpu_ticks as f64 / TICKS as f64 / lived as f64 * 100.0;
        match self {
            Self::Uid | Self::User => user_name(process.uid),
            Self::Pid => process.pid.to_string(),
            Self::Ppid => process.parent.to_string(),
            Self::C => format!("{}", percent as u64),
            Self::Cpu => format!("{percent:.1}"),
            Self::Mem => {
                let kib = (process.resident_pages * PAGE_KIB) as f64;
                format!("{:.1}", kib * 100.0 / memory_kib())
            }
            Self::Vsz => (process.virtual_bytes / 1024).to_string(),
            Self::Rss => (process.resident_pages * PAGE_KIB).to_string(),
            Self::Tty => process.terminal(),
            Self::Stat => process.state(),
            Self::Stime | Self::Start => clock(started),
            Self::Time => format!(
                "{:02}:{:02}:{:02}",
                cpu_seconds / 3600,
                cpu_seconds / 60 % 60,
                cpu_seconds % 60
            ),
            Self::CpuTime => format!("{}:{:02}", cpu_seconds / 60, cpu_seconds % 60),
            Self::Cmd | Self::Command => process.command.clone(),
            Self::Comm => process.name.clone(),
        }
    }
}

/// `14:44`, or `Nov21` for what began on another day.
fn clock(seconds: i64) -> String {
    let zone = jiff::tz::TimeZone::system();
    let Ok(time) = jiff::Timestamp::from_second(seconds) else {
        return "?".into();
    };
    let (time, now) = (
        time.to_zoned(zone.clone()),
        jiff::Timestamp::now().to_zoned(zone),
    );
    let pattern = if time.date() == now.date() {
        "%H:%M"
    } else {
        "%b%d"
    };
    time.strftime(pattern).to_string()
}

fn memory_kib() -> f64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    line.split_whitespace()
        .nth(1)
        .and_then(|it| it.parse().ok())
        .unwrap_or(1.0)
}

/// The host's name of a user, as ps shows it.
fn user_name(uid: u32) -> String {
    let text = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let wanted = uid.to_string();
    let name = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == wanted).then(|| name.to_owned())
    });
    name.unwrap_or(wanted)
}

/// When the host booted, in seconds since 1970 (proc_stat(5), btime).
pub(crate) fn boot_time() -> i64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("btime "));
    line.and_then(|it| it.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_listed_with_its_command() {
        let me = Process::read(std::process::id()).expect("it runs");
        let columns = columns("").expect("default");
        let row: Vec<String> = columns.iter().map(|it| it.show(&me, boot_time())).collect();
        assert_eq!(row[1], std::process::id().to_string());
        assert!(row[7].contains("corten"), "{}", row[7]);
    }

    #[test]
    fn columns_are_chosen_by_name_and_must_have_the_pid() {
        assert_eq!(
            columns("-o pid,comm").expect("known"),
            [Column::Pid, Column::Comm]
        );
        assert!(columns("-o comm").is_err());
        assert!(columns("-foo").is_err());
    }
}
