//! Rules of `docs/rules.md` that a text search can hold; each is tested on itself.

use anyhow::{Result, bail};
use std::path::Path;

/// Source files longer than this tell more than one story, unless they are tables.
const LINES_MAX: usize = 600;

/// Files that are long tables or test data.
const LONG_TABLES: &[&str] = &["/tables/", "/flags/", "/tests/", "_tables.rs", "syscalls"];

/// A pattern no source line may hold, and what to write in its place.
const BANNED: &[(&str, &str)] = &[
    (concat!("TO", "DO"), "finish it, or say it in the issue"),
    (concat!("FIX", "ME"), "mend it, or say it in the issue"),
    (concat!("#[ign", "ore"), "a test runs or is not there"),
    (
        concat!("thread::", "sleep("),
        "wait for a condition with a deadline",
    ),
];

/// Reports each fault of the Rust sources below `root` by file and line.
pub fn check(root: &Path) -> Result<()> {
    let mut faults = Vec::new();
    for directory in ["crates", "xtask"] {
        visit(&root.join(directory), &mut |path, text| {
            let name = path
                .strip_prefix(root)
                .unwrap_or(path)
                .display()
                .to_string();
            faults.extend(file_faults(&name, text));
        })?;
    }
    if faults.is_empty() {
        return Ok(());
    }
    bail!("tidy:\n  {}", faults.join("\n  "));
}

fn visit(directory: &Path, each: &mut dyn FnMut(&Path, &str)) -> Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with("target") {
            visit(&path, each)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            each(&path, &std::fs::read_to_string(&path)?);
        }
    }
    Ok(())
}

fn file_faults(name: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for (pattern, remedy) in BANNED.iter().filter(|(pattern, _)| line.contains(pattern)) {
            // A bounded wait for a condition says so on its line.
            if pattern.starts_with("thread") && line.contains("// poll") {
                continue;
            }
            faults.push(format!("{name}:{}: {pattern}: {remedy}", number + 1));
        }
    }
    let lines = text.lines().count();
    if lines > LINES_MAX && !LONG_TABLES.iter().any(|table| name.contains(table)) {
        faults.push(format!(
            "{name}: {lines} lines, more than {LINES_MAX}: which second story crept in?"
        ));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_finds_what_it_bans() {
        for (pattern, _) in BANNED {
            assert_eq!(
                file_faults("x.rs", &format!("a {pattern} b")).len(),
                1,
                "{pattern}"
            );
        }
        assert_eq!(file_faults("x.rs", &"\n".repeat(LINES_MAX + 1)).len(), 1);
        assert!(
            file_faults("crates/cli/src/tables/run.rs", &"\n".repeat(LINES_MAX + 1)).is_empty()
        );
        assert!(file_faults("x.rs", "fn main() {}\n").is_empty());
    }
}
