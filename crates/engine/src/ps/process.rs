//! Processes as proc(5) tells of them.

use rustix::fs::{Dir, Mode, OFlags, openat};
use std::{
    fs::{self, File},
    io::{self, Read},
    os::fd::OwnedFd,
};

/// USER_HZ, and the page size of every architecture that Corten supports.
const TICKS: u64 = 100;
const PAGE_KIB: u64 = 4;

/// What /proc/PID says.
#[derive(Debug, Clone)]
pub(super) struct Process {
    pub(super) pid: u32,
    /// The same as `pid`, but of threads.
    pub(super) thread: u32,
    pub(super) parent: u32,
    pub(super) uid: u32,
    pub(super) real_uid: u32,
    pub(super) gid: u32,
    pub(super) real_gid: u32,
    pub(super) group: u64,
    pub(super) session: u64,
    pub(super) state: char,
    pub(super) flags: u64,
    pub(super) priority: i64,
    pub(super) processor: u64,
    pub(super) threads: u64,
    session_leader: bool,
    foreground: bool,
    pub(super) nice: i64,
    tty: u64,
    cpu_ticks: u64,
    /// Since boot.
    start_ticks: u64,
    pub(super) virtual_bytes: u64,
    resident_pages: u64,
    pub(super) name: String,
    pub(super) command: String,
    /// The security module's, `-` where there is none.
    pub(super) label: String,
    place: String,
    /// What `--forest` puts before the command: `| \_ `.
    pub(super) branch: String,
}

impl Process {
    /// A process of the control group whose last name is `group`, or of one below it;
    /// `None` when it has ended meanwhile, also if its number means another one by now:
    /// everything is read through one opened directory, which stays this process's.
    pub(super) fn read(pid: u32, group: &str) -> Option<Self> {
        Self::read_of(&open(pid)?, pid, None, group)
    }

    /// As [`Process::read`], each of its threads.
    pub(super) fn read_threads(pid: u32, group: &str) -> Vec<Self> {
        let Some(opened) = open(pid) else {
            return Vec::new();
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let listed = openat(&opened, "task", flags, Mode::empty()).and_then(Dir::new);
        let names = listed.into_iter().flatten().filter_map(Result::ok);
        let mut threads: Vec<u32> = names
            .filter_map(|entry| entry.file_name().to_str().ok()?.parse().ok())
            .collect();
        threads.sort_unstable();
        threads
            .into_iter()
            .filter_map(|thread| Self::read_of(&opened, pid, Some(thread), group))
            .collect()
    }

    fn read_of(opened: &OwnedFd, pid: u32, thread: Option<u32>, group: &str) -> Option<Self> {
        let read = |name: &str| match thread {
            None => contents(opened, name).ok(),
            Some(thread) => contents(opened, &format!("task/{thread}/{name}")).ok(),
        };
        let text = |name: &str| Some(String::from_utf8_lossy(&read(name)?).into_owned());
        if !text("cgroup")?.split(['/', '\n']).any(|it| it == group) {
            return None;
        }
        let (stat, status) = (text("stat")?, text("status")?);
        let (head, tail) = stat.rsplit_once(')')?;
        let name = head.split_once('(')?.1.to_owned();
        let fields: Vec<&str> = tail.split_whitespace().collect();
        let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
        let signed = |index: usize| fields.get(index)?.parse::<i64>().ok();
        // Real, effective, saved, file system's.
        let id = |name: &str, which: usize| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().nth(which)?.parse().ok()
        };
        let arguments = read("cmdline").unwrap_or_default();
        let words: Vec<String> = arguments
            .split(|byte| *byte == 0)
            .map(|word| String::from_utf8_lossy(word).into_owned())
            .collect();
        let command = words.join(" ").trim_end().to_owned();
        Some(Self {
            pid,
            parent: number(1)? as u32,
            thread: thread.unwrap_or(pid),
            uid: id("Uid:", 1)?,
            real_uid: id("Uid:", 0)?,
            gid: id("Gid:", 1)?,
            real_gid: id("Gid:", 0)?,
            group: number(2)?,
            session: number(3)?,
            flags: number(6)?,
            priority: signed(15)?,
            processor: number(36).unwrap_or(0),
            threads: number(17)?,
            state: fields.first()?.chars().next()?,
            session_leader: number(3)? == u64::from(pid),
            foreground: signed(5)? == signed(2)?,
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
            label: match text("attr/current")
                .unwrap_or_default()
                .trim_end_matches(['\n', '\0'])
            {
                "" => "-".to_owned(),
                label => label.to_owned(),
            },
            place: text("wchan").unwrap_or_default(),
            branch: String::new(),
            name,
        })
    }

    /// When it began, in seconds since 1970, and how long it lives.
    pub(super) fn seconds(&self, boot: i64) -> (i64, u64) {
        let started = boot + (self.start_ticks / TICKS) as i64;
        let lived = (corten_base::Timestamp::now().unix_seconds() - started).max(1) as u64;
        (started, lived)
    }

    /// proc_pid_stat(5): the terminal's major and minor number.
    pub(super) fn terminal(&self) -> String {
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

    /// State and its signs: ps(1) § Process state codes.
    pub(super) fn stat(&self) -> String {
        let mut text = self.state.to_string();
        match self.nice {
            ..0 => text.push('<'),
            1.. => text.push('N'),
            0 => {}
        }
        for (is, letter) in [
            (self.session_leader, 's'),
            (self.threads > 1, 'l'),
            (self.foreground, '+'),
        ] {
            if is {
                text.push(letter);
            }
        }
        text
    }

    pub(super) fn cpu_seconds(&self) -> u64 {
        self.cpu_ticks / TICKS
    }

    /// Of one CPU over its life.
    pub(super) fn cpu_percent(&self, lived: u64) -> f64 {
        self.cpu_ticks as f64 / TICKS as f64 / lived as f64 * 100.0
    }

    pub(super) fn resident_kib(&self) -> u64 {
        self.resident_pages * PAGE_KIB
    }

    /// Where in the kernel it sleeps, as far as ps shows it.
    pub(super) fn wchan(&self) -> String {
        match self.place.as_str() {
            "" | "0" => "-".to_owned(),
            place => place.chars().take(6).collect(),
        }
    }
}

fn open(pid: u32) -> Option<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(format!("/proc/{pid}"), flags, Mode::empty()).ok()
}

fn contents(directory: &OwnedFd, name: &str) -> io::Result<Vec<u8>> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let mut file = File::from(openat(directory, name, flags, Mode::empty())?);
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// `14:44`, or `Nov21` for what began on another day.
pub(super) fn clock(seconds: i64) -> String {
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

pub(super) fn memory_kib() -> f64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    line.split_whitespace()
        .nth(1)
        .and_then(|it| it.parse().ok())
        .unwrap_or(1.0)
}

/// The host's name of a user, as ps shows it: passwd(5).
pub(super) fn user_name(uid: u32) -> String {
    name_in("/etc/passwd", uid)
}

/// The host's number of a user: its name's, or the number itself.
pub(super) fn user_id(name: &str) -> Option<u32> {
    id_in("/etc/passwd", name)
}

/// As [`user_id`], of a group.
pub(super) fn group_id(name: &str) -> Option<u32> {
    id_in("/etc/group", name)
}

fn id_in(file: &str, name: &str) -> Option<u32> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let known = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next()? == name).then(|| fields.nth(1))?
    });
    known.unwrap_or(name).parse().ok()
}

/// The host's name of a group: group(5).
pub(super) fn group_name(gid: u32) -> String {
    name_in("/etc/group", gid)
}

fn name_in(file: &str, id: u32) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let wanted = id.to_string();
    let name = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == wanted).then(|| name.to_owned())
    });
    name.unwrap_or(wanted)
}

/// `Sat Nov 21 18:16:45 2026`
pub(super) fn long_date(seconds: i64) -> String {
    let Ok(time) = jiff::Timestamp::from_second(seconds) else {
        return "?".into();
    };
    let time = time.to_zoned(jiff::tz::TimeZone::system());
    time.strftime("%a %b %e %H:%M:%S %Y").to_string()
}

/// `[[dd-]hh:]mm:ss`
pub(super) fn span(seconds: u64) -> String {
    let (days, hours) = (seconds / 86_400, seconds / 3600 % 24);
    let (minutes, seconds) = (seconds / 60 % 60, seconds % 60);
    match (days, hours) {
        (0, 0) => format!("{minutes:02}:{seconds:02}"),
        (0, hours) => format!("{hours:02}:{minutes:02}:{seconds:02}"),
        (days, hours) => format!("{days}-{hours:02}:{minutes:02}:{seconds:02}"),
    }
}

/// When the host booted, in seconds since 1970 (proc_stat(5), btime).
pub(crate) fn boot_time() -> i64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("btime "));
    line.and_then(|it| it.trim().parse().ok()).unwrap_or(0)
}
