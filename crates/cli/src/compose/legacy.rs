//! Spellings that Compose had once and still takes.

use super::Compose;

/// What a terminal shows in red.
const RED: &str = "\u{1b}[31m";
const PLAIN: &str = "\u{1b}[0m";

/// A flag's name once, its name today, and what is said of the old one.
type Old = (&'static str, &'static str, Option<&'static str>);

/// The words of a command with today's names of flags, and what is to be said of the others.
pub fn words(command: &str, words: &[String]) -> (Vec<String>, Vec<String>) {
    let (stops, names): (bool, &[Old]) = match command {
        "compose up" | "compose create" | "compose publish" => (
            false,
            &[(
                "y",
                "yes",
                Some("--y is deprecated, please use --yes instead"),
            )],
        ),
        "compose down" => (
            false,
            &[(
                "volume",
                "volumes",
                Some("--volume is deprecated, please use --volumes"),
            )],
        ),
        "compose exec" => (true, &[("no-TTY", "no-tty", None)]),
        "compose run" => (
            true,
            &[("volumes", "volume", None), ("labels", "label", None)],
        ),
        _ => return (words.to_vec(), Vec::new()),
    };
    let mut notices = Vec::new();
    let mut over = false;
    let words = words.iter().map(|word| {
        over |= word == "--" || (stops && !word.starts_with('-'));
        let Some(long) = word.strip_prefix("--").filter(|_| !over) else {
            return word.clone();
        };
        let (name, value) = match long.split_once('=') {
            Some((name, value)) => (name, format!("={value}")),
            None => (long, String::new()),
        };
        match names.iter().find(|(old, ..)| *old == name) {
            Some((_, today, notice)) => {
                notices.extend(notice.map(str::to_owned));
                format!("--{today}{value}")
            }
            None => word.clone(),
        }
    });
    (words.collect(), notices)
}

/// Says of flags that are taken for old scripts' sake what else to write.
pub fn tell(compose: &Compose<'_>) {
    let app = compose.call.app;
    let parsed = &compose.call.parsed;
    match compose.call.command.path {
        "compose pull" => {
            for flag in ["no-parallel", "parallel"] {
                if parsed.given(flag) {
                    let text = format!("option '--{flag}' is DEPRECATED and will be ignored.");
                    app.warn(&format!("{RED}{text}"));
                    eprint!("{PLAIN}");
                }
            }
        }
        "compose build" if parsed.given("progress") && parsed.text("ssh").is_empty() => app.warn(
            "--progress is a global compose flag, better use `docker compose --progress xx build ...",
        ),
        _ => {}
    }
}

/// Says that `--workdir` is `--project-directory` today.
pub fn tell_workdir(compose: &Compose<'_>) {
    let text =
        "option '--workdir' is DEPRECATED at root level! Please use '--project-directory' instead.";
    compose.call.app.warn(&format!("{RED}{text}"));
    eprint!("{PLAIN}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(command: &str, line: &str) -> (String, usize) {
        let given: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let (words, notices) = words(command, &given);
        (words.join(" "), notices.len())
    }

    #[test]
    fn old_names_of_flags_become_todays() {
        let up = of("compose up", "-d --y web -- --y");
        assert_eq!(up, ("-d --yes web -- --y".into(), 1));
        let down = of("compose down", "--volume=true");
        assert_eq!(down, ("--volumes=true".into(), 1));
        let run = of("compose run", "--labels=a web ls --labels");
        assert_eq!(run, ("--label=a web ls --labels".into(), 0));
        let exec = of("compose exec", "--no-TTY web x --no-TTY");
        assert_eq!(exec, ("--no-tty web x --no-TTY".into(), 0));
    }
}
