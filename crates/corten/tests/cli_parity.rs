//! Called as `docker`, our client prints what the stock client prints: both run against one
//! engine, and status, standard output and standard error are compared.

use corten_testkit::{Engine, Ran};

/// One command a line; `#` begins a remark. Containers: `web` runs, `done` has ended with
/// 3, `new` was never started. Volume `vol`.
const COMMANDS: &str = include_str!("cli_parity/commands.txt");

/// What templates print; there is `sick`, too, which has a health check and limits.
const TEMPLATES: &str = include_str!("cli_parity/templates.txt");

/// What differs by intent: who built the client.
const OWN: [&str; 4] = [" Version:", " Go version:", " Git commit:", " Built:"];

#[test]
fn called_as_docker_it_prints_what_the_stock_client_prints() {
    let engine = engine();
    compare(&engine, COMMANDS, 280);
}

#[test]
fn templates_print_what_the_stock_clients_templates_print() {
    let engine = engine();
    let options = [
        "run",
        "-d",
        "--name",
        "sick",
        "--init",
        "--ulimit",
        "nofile=1000:2000",
        "--pids-limit",
        "50",
        "--stop-timeout",
        "3",
        "--health-cmd",
        "false",
        "--health-interval",
        "1h",
        "busybox",
        "sleep",
        "1000",
    ];
    engine.docker(options).ok();
    compare(&engine, TEMPLATES, 95);
}

/// An engine with the containers that the commands speak of.
fn engine() -> Engine {
    let engine = Engine::with_images(&["busybox"]);
    let web = "echo out; echo err >&2; exec sleep 1000";
    engine
        .docker([
            "run",
            "-d",
            "--name",
            "web",
            "--label",
            "team=blue",
            "-p",
            "127.0.0.1:18080:80",
            "-v",
            "vol:/data",
            "busybox",
            "sh",
            "-c",
            web,
        ])
        .ok();
    let done = "echo hello; exit 3";
    assert_eq!(
        engine
            .docker(["run", "--name", "done", "busybox", "sh", "-c", done])
            .code,
        3
    );
    engine
        .docker(["create", "--name", "new", "--restart", "always", "busybox"])
        .ok();
    corten_testkit::until("the log is there", 20, || {
        engine.docker(["logs", "web"]).stdout == "out\n"
    });
    engine
}

/// Runs each line with both clients; at least so many must be there.
fn compare(engine: &Engine, commands: &str, least: usize) {
    let mut different = Vec::new();
    let mut compared = 0;
    for line in commands
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let words = words(line);
        let (stock, ours) = (
            shown(engine.docker(&words)),
            shown(engine.corten_as_docker(&words)),
        );
        // What passes of itself, such as an uptime that turns a second: once more.
        if stock != ours {
            let again = shown(engine.docker(&words));
            if again != ours {
                different.push(format!(
                    "docker {line}\n--- stock\n{stock}\n--- ours\n{ours}"
                ));
            }
        }
        compared += 1;
    }
    assert!(compared >= least, "only {compared} commands");
    assert!(
        different.is_empty(),
        "{} of {compared} differ:\n{}",
        different.len(),
        different.join("\n\n")
    );
}

/// Words as a shell divides them, with single quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, piece) in line.split('\'').enumerate() {
        match index % 2 {
            0 => words.extend(piece.split_whitespace().map(str::to_owned)),
            _ => words.push(piece.to_owned()),
        }
    }
    words
}

fn shown(ran: Ran) -> String {
    let lines = |text: &str| {
        let kept = text
            .lines()
            .filter(|line| !OWN.iter().any(|own| line.starts_with(own)));
        kept.map(|line| addresses(&ages(line)))
            .collect::<Vec<_>>()
            .join("\n")
    };
    format!(
        "exit code {}\n{}\nstderr:\n{}",
        ran.code,
        lines(&ran.stdout),
        lines(&ran.stderr)
    )
}

/// Ages change while commands run, and with them the width of their column.
fn ages(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let mut out: Vec<&str> = Vec::new();
    let mut index = 0;
    while index < words.len() {
        let unit = words.get(index + 1).copied().unwrap_or_default();
        let is_number = words[index].parse::<u64>().is_ok() || words[index] == "About";
        if is_number
            && ["second", "minute", "a"]
                .iter()
                .any(|it| unit.trim_end_matches('s') == *it)
        {
            out.push("AGE");
            index += 2;
            continue;
        }
        if !(words[index].is_empty() && out.last() == Some(&"")) {
            out.push(words[index]);
        }
        index += 1;
    }
    out.join(" ")
        .replace("Less than a AGE", "AGE")
        .replace("  ", " ")
}

/// Where a pointer points to differs from run to run.
fn addresses(line: &str) -> String {
    let mut pieces = line.split("0x");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |out, piece| {
        let digits = piece.bytes().take_while(u8::is_ascii_hexdigit).count();
        match digits {
            8.. => format!("{out}ADDRESS{}", &piece[digits..]),
            _ => format!("{out}0x{piece}"),
        }
    })
}
