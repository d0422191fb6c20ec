//! Answers that differ from dockerd's and are meant to.

/// A difference, with patterns in which `*` stands for anything.
pub struct Known {
    /// `group: METHOD /path`.
    pub call: &'static str,
    /// `status`, `text`, or a field of the answer.
    pub place: &'static str,
    /// Why it is so.
    pub reason: &'static str,
}

/// Every difference that `cargo xtask differential` lets pass.
pub const DIFFERENCES: &[Known] = &[];

/// The reason of a difference, if it is meant.
pub fn reason(call: &str, place: &str) -> Option<&'static str> {
    let found = DIFFERENCES
        .iter()
        .find(|known| fits(known.call, call) && fits(known.place, place));
    found.map(|known| known.reason)
}

/// Whether `text` is `pattern`, with `*` for anything.
fn fits(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, tail)) => text.strip_prefix(head).is_some_and(|rest| {
            rest.char_indices()
                .map(|(at, _)| at)
                .chain([rest.len()])
                .any(|at| fits(tail, &rest[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_anything() {
        assert!(fits("a*", "a") && fits("a*c", "abc") && fits("*", ""));
        assert!(!fits("a*c", "abcd") && !fits("a", "ab"));
    }
}
