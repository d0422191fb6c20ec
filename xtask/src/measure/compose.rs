//! How long Compose takes: a project of ten services on two levels, and a long file.

use super::USAGE;
use crate::api::median;
use anyhow::{Context, Result, ensure};
use std::{
    fmt::Write,
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// Rounds whose median counts.
const ROUNDS: usize = 5;
/// Services that the others depend on, and these others.
const LEVELS: [usize; 2] = [3, 7];
/// Services of the file that is only printed.
const LONG: usize = 100;
const FILE: &str = "compose.yaml";

/// One program under measurement: its words up to `compose`'s own.
struct Program<'w> {
    name: &'w str,
    words: Vec<&'w str>,
}

impl Program<'_> {
    fn time(&self, directory: &Path, words: &[&str]) -> Result<Duration> {
        let (program, first) = self.words.split_first().context(USAGE)?;
        let begun = Instant::now();
        let output = Command::new(program)
            .args(first)
            .args(words)
            .current_dir(directory)
            .stdin(Stdio::null())
            .output()
            .with_context(|| self.words.join(" "))?;
        let taken = begun.elapsed();
        ensure!(
            output.status.success(),
            "{} {}: {}\n{}",
            self.words.join(" "),
            words.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(taken)
    }
}

/// Prints a table: a case a line, a program a column.
pub(super) fn measure(words: &[&String]) -> Result<()> {
    let programs = words.iter().map(|word| {
        let (name, line) = word.split_once('=').context(USAGE)?;
        let words = line.split_whitespace().collect();
        Ok(Program { name, words })
    });
    let programs: Vec<Program<'_>> = programs.collect::<Result<_>>()?;
    ensure!(!programs.is_empty(), USAGE);
    let project = tempfile::Builder::new().prefix("measured").tempdir()?;
    fs::write(project.path().join(FILE), ten_services())?;
    let long = tempfile::Builder::new().prefix("long").tempdir()?;
    fs::write(long.path().join(FILE), many_services())?;
    let cases: [(&str, &Path, &[&str]); 5] = [
        ("up -d of 10 services", project.path(), &["up", "-d"]),
        ("up -d, nothing to do", project.path(), &["up", "-d"]),
        ("ps", project.path(), &["ps"]),
        ("down", project.path(), &["down", "-t", "1"]),
        ("config of 100 services", long.path(), &["config", "-q"]),
    ];
    let mut times = vec![vec![Vec::new(); programs.len()]; cases.len()];
    for _ in 0..ROUNDS {
        for (number, program) in programs.iter().enumerate() {
            for (at, (_, directory, words)) in cases.iter().enumerate() {
                times[at][number].push(program.time(directory, words)?);
            }
        }
    }
    print!("| case |");
    programs.iter().for_each(|it| print!(" {} [ms] |", it.name));
    println!("\n|---|{}", "---|".repeat(programs.len()));
    for ((name, ..), row) in cases.iter().zip(&mut times) {
        print!("| {name} |");
        for column in row {
            print!(" {:.0} |", median(column).as_secs_f64() * 1e3);
        }
        println!();
    }
    Ok(())
}

fn ten_services() -> String {
    let mut text = String::from("services:\n");
    let [below, above] = LEVELS;
    let service =
        "    image: busybox\n    init: true\n    command: sleep 1000\n    stop_signal: KILL\n";
    for number in 0..below {
        let _ = write!(text, "  below{number}:\n{service}");
    }
    for number in 0..above {
        let _ = write!(
            text,
            "  above{number}:\n{service}    depends_on: [below{}]\n",
            number % below
        );
    }
    text
}

fn many_services() -> String {
    let mut text = String::from("services:\n");
    for number in 0..LONG {
        let _ = write!(
            text,
            "  service{number}:\n    image: example/app:{number}\n    command: [run, \"--number={number}\"]\n    \
             environment:\n      NUMBER: {number}\n      MODE: production\n    \
             ports: [\"{}:80\"]\n    volumes: [\"data{number}:/data\", ./files:/files:ro]\n    \
             networks: [front, back]\n    restart: unless-stopped\n    \
             healthcheck:\n      test: [CMD, \"true\"]\n      interval: 10s\n",
            20_000 + number
        );
    }
    text.push_str("networks:\n  front: {}\n  back: {}\nvolumes:\n");
    for number in 0..LONG {
        let _ = writeln!(text, "  data{number}: {{}}");
    }
    text
}
