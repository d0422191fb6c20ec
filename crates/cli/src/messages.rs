//! Sentences that users of Docker know, by program name.

use crate::{
    flags::FlagError,
    tables::{Arity, Command},
};

/// A word that names no command.
pub fn unknown_command(program: &str, path: &str) -> String {
    format!("{program}: unknown command: {program} {path}")
}

/// What dockerd has in experimental mode only, which no daemon of ours has.
pub fn experimental(what: &str) -> String {
    format!("{what} is only supported on a Docker daemon with experimental features enabled")
}

/// Where to read on.
pub fn read_on(program: &str, called: &str) -> String {
    if called.is_empty() {
        format!("Run '{program} --help' for more information")
    } else {
        format!("Run '{program} {called} --help' for more information")
    }
}

/// A wrong number of arguments; `None` when the number is right.
pub fn arity(
    program: &str,
    called: &str,
    usage: &str,
    arity: Arity,
    given: usize,
) -> Option<String> {
    let plural = |n: usize| if n == 1 { "argument" } else { "arguments" };
    let (wanted, see) = match arity {
        Arity { max: Some(0), .. } if given > 0 => ("accepts no arguments".to_owned(), "Run"),
        Arity {
            min,
            max: Some(max),
        } if min == max && given != min => (format!("requires {min} {}", plural(min)), "Run"),
        Arity { min, max: None } if given < min => {
            (format!("requires at least {min} {}", plural(min)), "See")
        }
        Arity {
            min: 0,
            max: Some(max),
        } if given > max => {
            // Docker 28.5 has this very spelling.
            (format!("requires at most {max} {}", plural(max)), "SRun")
        }
        Arity {
            min,
            max: Some(max),
        } if given < min || given > max => (
            format!("requires at least {min} and at most {max} {}", plural(max)),
            "Run",
        ),
        _ => return None,
    };
    Some(format!(
        "{program}: '{program} {called}' {wanted}\n\n{usage}\n\n{see} '{program} {called} --help' for more information"
    ))
}

/// What most of Compose's commands say of a wrong number of arguments; `None` for those that
/// say it as the client itself does.
pub fn compose_arity(program: &str, command: &Command, args: &[String]) -> Option<String> {
    let Arity { min, max } = command.arity;
    let given = args.len();
    match command.path {
        "compose cp" | "compose publish" | "compose wait" => None,
        path if path.starts_with("compose ") => Some(match (max, args.first()) {
            (Some(0), Some(first)) => {
                format!("unknown command {first:?} for \"{program} {path}\"")
            }
            (None, _) => format!("requires at least {min} arg(s), only received {given}"),
            (Some(max), _) if min == 0 => {
                format!("accepts at most {max} arg(s), received {given}")
            }
            (Some(max), _) => {
                format!("accepts between {min} and {max} arg(s), received {given}")
            }
        }),
        _ => None,
    }
}

/// A line that is not understood.
pub fn flag(program: &str, called: &str, usage: &str, error: &FlagError) -> String {
    format!("{error}\n\n{usage}\n\n{}", read_on(program, called))
}

/// A command of Docker's that is not part of this program yet.
pub fn not_here(program: &str, path: &str) -> String {
    format!("{program}: '{program} {path}' is not part of Corten yet")
}
