//! ps's own layouts: which columns its options show, and where further ones go.

use super::columns::{Column, Show, column};
use Show as S;

/// Which of ps's own layouts.
#[derive(Debug, Default)]
pub(super) struct Layout {
    pub(super) full: bool,
    pub(super) long: bool,
    /// `-F`, which is full, too.
    pub(super) extra: bool,
    /// `-j`.
    pub(super) jobs: bool,
    /// BSD's `l`.
    pub(super) bsd_long: bool,
    /// BSD's `u`.
    pub(super) user: bool,
    /// Any BSD option: the state and the whole command are shown.
    pub(super) bsd: bool,
    /// `-Z`.
    pub(super) label: bool,
    /// `-L`.
    pub(super) lwp: bool,
    /// `-T`.
    pub(super) spid: bool,
    /// `-o`: these, and none of a layout.
    pub(super) chosen: Vec<Column>,
}

impl Layout {
    /// From left to right.
    pub(super) fn columns(self) -> Vec<Column> {
        if !self.chosen.is_empty() {
            return self.chosen;
        }
        let mut columns: Vec<Column> = self.base().iter().map(|(t, s)| column(t, *s)).collect();
        let mut put = |title: &str, show, place: usize| {
            columns.insert(place.min(columns.len()), column(title, show));
            columns.iter().map(|it| it.show).collect::<Vec<_>>()
        };
        let before = |shown: &[Show], any: &[Show]| {
            let found = shown.iter().position(|it| any.contains(it));
            found.unwrap_or(shown.len())
        };
        let base: Vec<Show> = self.base().iter().map(|(_, show)| *show).collect();
        let mut shown = base;
        if self.jobs {
            let place = before(&shown, &[S::C, S::Tty]);
            put("PGID", S::Pgid, place);
            shown = put("SID", S::Sid, place + 1);
        }
        if self.spid {
            let place = before(&shown, &[S::Pid]);
            shown = put("SPID", S::Thread, place + 1);
        }
        if self.lwp {
            let place = before(&shown, &[S::C, S::PriorityLong, S::Cpu, S::Tty]);
            shown = put("LWP", S::Thread, place);
            if self.full || self.user {
                let place = before(&shown, &[S::C, S::Cpu]);
                shown = put("NLWP", S::Threads, place + 1);
            }
        }
        if self.extra && !self.long {
            let place = before(&shown, &[S::Stime]);
            for (offset, (title, show)) in
                [("SZ", S::Pages), ("RSS", S::Rss), ("PSR", S::Processor)]
                    .into_iter()
                    .enumerate()
            {
                put(title, show, place + offset);
            }
        }
        if self.label {
            put("LABEL", S::Label, 0);
        }
        columns
    }

    fn base(&self) -> &'static [(&'static str, Show)] {
        match self {
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
                full: true,
                long: true,
                ..
            } => &[
                ("F", S::Flags),
                ("S", S::State),
                ("UID", S::User),
                ("PID", S::Pid),
                ("PPID", S::Ppid),
                ("C", S::C),
                ("PRI", S::PriorityLong),
                ("NI", S::Nice),
                ("ADDR", S::Address),
                ("SZ", S::Pages),
                ("WCHAN", S::Wchan),
                ("STIME", S::Stime),
                ("TTY", S::Tty),
                ("TIME", S::Time),
                ("CMD", S::Command),
            ],
            Self { long: true, .. } => &[
                ("F", S::Flags),
                ("S", S::State),
                ("UID", S::Uid),
                ("PID", S::Pid),
                ("PPID", S::Ppid),
                ("C", S::C),
                ("PRI", S::PriorityLong),
                ("NI", S::Nice),
                ("ADDR", S::Address),
                ("SZ", S::Pages),
                ("WCHAN", S::Wchan),
                ("TTY", S::Tty),
                ("TIME", S::Time),
                ("CMD", S::Name),
            ],
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
        }
    }
}
