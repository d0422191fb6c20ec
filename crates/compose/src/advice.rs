//! What to write instead. The sentences that say what is wrong are stock Compose's where its
//! users know them; what helps is ours, and stands behind them.

/// Part of a sentence, and what helps. The first that is found counts.
const BY_SENTENCE: &[(&str, &str)] = &[
    (
        "outside of quotes",
        "put it in quotes, or write the command as a list",
    ),
    (
        "a quote is not closed",
        "close it, or write the command as a list",
    ),
    ("ends with a backslash", "write the command as a list"),
    (
        "additional property",
        "remove it; a key of your own must begin with 'x-'",
    ),
    (
        "Invalid ranges",
        "give both sides as many ports: 8000-8001:80-81",
    ),
    ("Invalid containerPort", PORTS),
    ("Invalid hostPort", PORTS),
    ("No port specified", PORTS),
    (
        "target is missing",
        "add 'target: PORT', the port in the container",
    ),
    (
        "target is required",
        "add 'target: /PATH', where the files go in the container",
    ),
    ("nvalid ip address", "write one like 127.0.0.1"),
    ("invalid spec", VOLUMES),
    ("empty volume spec", VOLUMES),
    (
        "undefined volume",
        "add it to 'volumes' of the file, or write ./PATH for a directory",
    ),
    ("undefined network", "add it to 'networks' of the file"),
    ("undefined secret", "add it to 'secrets' of the file"),
    ("undefined build secret", "add it to 'secrets' of the file"),
    ("undefined config", "add it to 'configs' of the file"),
    ("undefined model", "add it to 'models' of the file"),
    ("already mounted as", "give one of them another path"),
    ("unknown unit", "write it like 1m30s"),
    ("is not a whole number", "write one like 2"),
    ("must be a whole number", "write one like 2"),
    ("is not an octal number", "write one like 0440"),
    ("is not a number", "write one like 0.5"),
    ("greater than or equal to 0", "write 0 or more"),
    (
        "depends on undefined service",
        "add the service, or take it out of 'depends_on'",
    ),
    (
        "not found for network_mode",
        "name a service of the project",
    ),
    (
        "healthcheck.test must start",
        "write [CMD, …], or one line for the shell",
    ),
    ("trailing space", "write NAME=VALUE without blanks"),
    ("already defined at line", "remove one of them"),
    ("cannot extend service", "name a service that the file has"),
    ("service is required", "add 'service: NAME'"),
    ("path is required", "add 'path: PATH'"),
    (
        "is missing a value",
        "set it in the environment or in .env, or give a default: ${NAME:-value}",
    ),
    (
        "use long syntax",
        "write 'source', 'target' and 'permissions' of their own",
    ),
    ("action must be", "write one of these"),
    (
        "neither an image nor a build context",
        "add 'image: NAME' or 'build: DIRECTORY'",
    ),
    ("top-level object", "begin with 'services:'"),
    (
        "conflicting parameters",
        "remove one: what is external is taken as it is",
    ),
    ("must be set", "add one of these"),
    ("must declare either", "add one of these"),
    ("exclusive", "keep one of them"),
    (
        "unsupported external",
        "write 'file' or 'environment': only a cluster keeps them elsewhere",
    ),
    ("Compose does not support", "remove it"),
    (
        "required by it is not set",
        "set it in the environment or in .env",
    ),
    ("only use name", "remove 'external.name'"),
    (
        "can't set distinct values",
        "give one of them, or the same value twice",
    ),
    (
        "container name must be unique",
        "leave 'container_name' out",
    ),
    (
        "MUST include service.platform",
        "add it to 'build.platforms'",
    ),
    ("the only value allowed", "write 'all' or a number like 2"),
    ("dependency cycle", "take one of them out of 'depends_on'"),
    (
        "Circular reference",
        "let one of them stand without 'extends'",
    ),
    ("cannot decode", "write such a value, or leave the tag out"),
    ("key of a mapping", "put it in quotes"),
    ("a value is missing", "write it, or remove the key"),
    (
        "must be a list, not",
        "write each item on a line of its own with '- ' before it",
    ),
    (
        "must be a mapping, not",
        "write 'key: value' on lines of their own below it",
    ),
    (
        "or mapping, not",
        "write 'key: value' on lines of their own below it",
    ),
    ("must be ", "write such a value"),
];

const PORTS: &str = "write it like 8080:80, 127.0.0.1:8080:80/udp or 8000-8001:80-81";
const VOLUMES: &str = "write it like data:/path or ./directory:/path:ro";

/// What helps where this is said; none where the sentence has its own advice.
pub(crate) fn of(sentence: &str) -> Option<&'static str> {
    if sentence.contains("; ") {
        return None;
    }
    let mut known = BY_SENTENCE.iter();
    let found = known.find(|(part, _)| sentence.contains(part));
    found.map(|(_, advice)| *advice)
}

/// What helps where a text cannot be read as YAML.
pub(crate) const SYNTAX: &str = "look at the indentation and the quotes there";
/// What helps where a file is missing that the project names.
pub(crate) const MISSING: &str = "correct the path";
/// What helps where an env file is missing.
pub(crate) const MISSING_ENV_FILE: &str =
    "correct the path, or write {path: FILE, required: false} for one that may be missing";
