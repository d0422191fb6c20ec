use super::process::Process;
use super::*;

fn titles(arguments: &str) -> std::result::Result<String, String> {
    let listing = listing(arguments).map_err(|error| error.to_string())?;
    Ok(listing.titles().join(" "))
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
        ("-L", "PID LWP TTY TIME CMD"),
        ("-T", "PID SPID TTY TIME CMD"),
        ("-eLf", "UID PID PPID LWP C NLWP STIME TTY TIME CMD"),
        (
            "-flL",
            "F S UID PID PPID LWP C NLWP PRI NI ADDR SZ WCHAN STIME TTY TIME CMD",
        ),
        (
            "-lT",
            "F S UID PID SPID PPID C PRI NI ADDR SZ WCHAN TTY TIME CMD",
        ),
        (
            "axu -L",
            "USER PID LWP %CPU NLWP %MEM VSZ RSS TTY STAT START TIME COMMAND",
        ),
        (
            "axl -L",
            "F UID PID PPID LWP PRI NI VSZ RSS WCHAN STAT TTY TIME COMMAND",
        ),
        ("-jL", "PID PGID SID LWP TTY TIME CMD"),
        ("-F", "UID PID PPID C SZ RSS PSR STIME TTY TIME CMD"),
        (
            "-eLF",
            "UID PID PPID LWP C NLWP SZ RSS PSR STIME TTY TIME CMD",
        ),
        ("-o tid,pid,spid,lwp", "TID PID SPID LWP"),
        ("-fH -p 1", "UID PID PPID C STIME TTY TIME CMD"),
        ("axf", "PID TTY STAT TIME COMMAND"),
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
        ("-p x", "ps: error: process ID list syntax error"),
        ("-u", "ps: error: list of effective users must follow -u"),
        ("-u nosuch", "ps: error: user name does not exist"),
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
    let boot = boot_time();
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

#[test]
fn children_stand_below_their_parents() {
    let process = |(pid, parent): &(u32, u32)| {
        let me = std::process::id();
        let table = std::fs::read_to_string("/proc/self/cgroup").unwrap();
        let group = table.trim_end().rsplit('/').next().unwrap();
        let mut one = Process::read(me, group).unwrap();
        (one.pid, one.parent) = (*pid, *parent);
        one
    };
    // As dockerd 28.5 shows such a tree.
    let all = [(1, 0), (2, 1), (3, 1), (4, 3), (5, 2), (9, 0)];
    let grown = forest::grown(all.iter().map(process).collect(), true);
    let drawn: Vec<_> = grown
        .iter()
        .map(|it| (it.pid, it.branch.as_str()))
        .collect();
    assert_eq!(
        drawn,
        [
            (1, "\\_ "),
            (2, "| \\_ "),
            (5, "| | \\_ "),
            (3, "| \\_ "),
            (4, "| \\_ "),
            (9, "\\_ "),
        ]
    );
}
