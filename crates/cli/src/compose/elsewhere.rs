//! Commands of stock Compose that are not here, and what does their work instead.

use crate::error::CliError;

/// The words of a command, why it is not here, and what to use (`PROGRAM` stands for our
/// name). The first that fits counts.
const ELSEWHERE: &[(&[&str], &str, &str)] = &[
    (&["alpha", "publish"], MOVED, "'PROGRAM compose publish'"),
    (&["alpha", "scale"], MOVED, "'PROGRAM compose scale'"),
    (&["alpha", "watch"], MOVED, "'PROGRAM compose watch'"),
    (
        &["alpha", "dry-run"],
        MOVED,
        "'PROGRAM compose --dry-run COMMAND'",
    ),
    (
        &["alpha", "viz"],
        EXPERIMENT,
        "'PROGRAM compose config --format json', which has the dependencies, networks and \
         ports of a graph",
    ),
    (
        &["alpha", "generate"],
        EXPERIMENT,
        "'PROGRAM container inspect', which has all that a file would say of a container",
    ),
    (
        &["alpha"],
        EXPERIMENT,
        "'PROGRAM compose --help' for the commands there are",
    ),
    (
        &["bridge"],
        "its transformations are images of Docker's hub",
        "'PROGRAM compose config' for a file that converters such as kompose read",
    ),
];

const MOVED: &str = "it is an experiment no longer";
const EXPERIMENT: &str = "stock Compose's experiments are not part of it";

/// Refuses a command that is not here; nothing if nobody knows it.
pub(super) fn refuse(program: &str, words: &[String]) -> Option<CliError> {
    let is_meant = |known: &[&str]| words.iter().take(known.len()).eq(known.iter());
    let (known, why, instead) = ELSEWHERE.iter().find(|(known, ..)| is_meant(known))?;
    let (known, instead) = (known.join(" "), instead.replace("PROGRAM", program));
    Some(CliError::Text(format!(
        "{program} compose {known}: {why}; use {instead}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_here_is_refused_with_what_to_use() {
        let said = |line: &str| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            refuse("corten", &words).map(|error| error.to_string())
        };
        let bridge = "corten compose bridge: its transformations are images of Docker's hub; \
                      use 'corten compose config' for a file that converters such as kompose read";
        assert_eq!(said("bridge convert -o out").as_deref(), Some(bridge));
        let scale = "corten compose alpha scale: it is an experiment no longer; \
                     use 'corten compose scale'";
        assert_eq!(said("alpha scale web=2").as_deref(), Some(scale));
        assert!(said("alpha").is_some());
        assert_eq!(said("config"), None);
    }
}
