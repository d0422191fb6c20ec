//! Paths as texts.

/// Go's `path.Clean`.
pub fn clean(path: &str) -> String {
    let absolute = path.starts_with('/');
    let mut kept: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if kept.last().is_some_and(|it| *it != "..") => {
                kept.pop();
            }
            ".." if absolute => {}
            part => kept.push(part),
        }
    }
    match (absolute, kept.join("/")) {
        (true, rest) => format!("/{rest}"),
        (false, rest) if rest.is_empty() => ".".into(),
        (false, rest) => rest,
    }
}

/// Whether a context lies elsewhere.
pub fn is_remote(path: &str) -> bool {
    const SCHEMES: [&str; 6] = [
        "http://",
        "https://",
        "git://",
        "ssh://",
        "git@",
        "github.com/",
    ];
    SCHEMES.iter().any(|it| path.starts_with(it))
}

/// Go's `path.Match`: `*`, `?`, `[a-z]`, `\x`.
pub fn matches(pattern: &str, name: &str) -> bool {
    fn inner(pattern: &[char], name: &[char]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some(('*', rest)) => (0..=name.len())
                .take_while(|at| *at == 0 || name[at - 1] != '/')
                .any(|at| inner(rest, &name[at..])),
            Some(('?', rest)) => name
                .split_first()
                .is_some_and(|(c, after)| *c != '/' && inner(rest, after)),
            Some(('[', rest)) => {
                let Some((c, after)) = name.split_first() else {
                    return false;
                };
                let Some(end) = rest.iter().skip(1).position(|it| *it == ']') else {
                    return false;
                };
                let (class, rest) = (&rest[..=end], &rest[end + 2..]);
                let (negated, class) = match class {
                    ['^', class @ ..] => (true, class),
                    class => (false, class),
                };
                let mut found = false;
                let mut at = 0;
                while at < class.len() {
                    let range = class.get(at + 1) == Some(&'-') && at + 2 < class.len();
                    let last = if range { class[at + 2] } else { class[at] };
                    found |= (class[at]..=last).contains(c);
                    at += if range { 3 } else { 1 };
                }
                found != negated && inner(rest, after)
            }
            Some(('\\', [letter, rest @ ..])) => name
                .split_first()
                .is_some_and(|(c, after)| c == letter && inner(rest, after)),
            Some((letter, rest)) => name
                .split_first()
                .is_some_and(|(c, after)| c == letter && inner(rest, after)),
        }
    }
    /// Letters of a pattern: the search goes back at each star.
    const PATTERN_MAX: usize = 256;
    let pattern: Vec<char> = pattern.chars().take(PATTERN_MAX).collect();
    inner(&pattern, &name.chars().collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_patterns_are_those_of_go() {
        for (given, wanted) in [
            ("a/../b/./c/", "b/c"),
            ("", "."),
            ("/..", "/"),
            ("../a", "../a"),
        ] {
            assert_eq!(clean(given), wanted);
        }
        assert!(matches("app-*", "app-one") && matches("?[a-c]*", "xbz"));
        assert!(!matches("app-*", "ap") && !matches("[^a]", "a"));
    }
}
