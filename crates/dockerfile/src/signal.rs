//! Signals as `STOPSIGNAL` writes them.

/// A number other than 0, whether the kernel knows it or not, or a name of the kernel's with or without `SIG`.
pub fn is_signal(text: &str) -> bool {
    const NAMES: &[&str] = &[
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "IOT", "BUS", "FPE", "KILL", "USR1", "SEGV",
        "USR2", "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CLD", "CONT", "STOP", "TSTP", "TTIN",
        "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "POLL", "PWR", "SYS",
        "RTMIN", "RTMAX",
    ];
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let realtime = name.split_once(['+', '-']).is_some_and(|(base, offset)| {
        matches!(base, "RTMIN" | "RTMAX") && offset.parse::<u8>().is_ok_and(|n| n <= 30)
    });
    text.parse::<i32>().is_ok_and(|n| n != 0) || NAMES.contains(&name) || realtime
}

#[cfg(test)]
mod tests {
    use super::is_signal;

    #[test]
    fn numbers_and_names_are_signals() {
        for text in ["9", "64", "99", "TERM", "sigquit", "SIGRTMIN+3", "RTMAX-30"] {
            assert!(is_signal(text), "{text}");
        }
        for text in ["0", "", "SIG", "TERMINATE", "RTMIN+31", "TERM+1"] {
            assert!(!is_signal(text), "{text}");
        }
    }
}
