//! Shell patterns as Go's `path.Match` reads them: `*` and `?` stop at slashes.

/// Whether `text` fits `pattern`. A malformed pattern fits nothing.
pub(crate) fn matches_pattern(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    fits(&pattern, &text)
}

fn fits(pattern: &[char], text: &[char]) -> bool {
    // Where to go on when a star must take one more character.
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        if p == pattern.len() && t == text.len() {
            return true;
        }
        if pattern.get(p) == Some(&'*') {
            star = Some((p + 1, t));
            p += 1;
            continue;
        }
        if let Some((length, true)) = text.get(t).and_then(|c| one(&pattern[p..], *c)) {
            p += length;
            t += 1;
            continue;
        }
        match star {
            Some((after, from)) if from < text.len() && text[from] != '/' => {
                star = Some((after, from + 1));
                (p, t) = (after, from + 1);
            }
            _ => return false,
        }
    }
}

/// The length of the pattern's first element, and whether it fits `c`. `None` at the end
/// or when malformed.
fn one(pattern: &[char], c: char) -> Option<(usize, bool)> {
    match pattern.first()? {
        '?' => Some((1, c != '/')),
        '\\' => Some((2, *pattern.get(1)? == c)),
        '[' => class(pattern, c),
        literal => Some((1, *literal == c)),
    }
}

fn class(pattern: &[char], c: char) -> Option<(usize, bool)> {
    let mut at = 1;
    let negated = pattern.get(at) == Some(&'^');
    at += usize::from(negated);
    let mut found = false;
    let mut first = true;
    loop {
        if pattern.get(at)? == &']' && !first {
            return Some((at + 1, found != negated));
        }
        first = false;
        let low = bound(pattern, &mut at)?;
        let mut high = low;
        if pattern.get(at) == Some(&'-') {
            at += 1;
            high = bound(pattern, &mut at)?;
        }
        found |= (low..=high).contains(&c);
    }
}

/// An end of a range, maybe escaped.
fn bound(pattern: &[char], at: &mut usize) -> Option<char> {
    *at += usize::from(pattern.get(*at) == Some(&'\\'));
    let c = *pattern.get(*at)?;
    *at += 1;
    Some(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_in_go() {
        for (pattern, text, fits) in [
            ("nginx", "nginx", true),
            ("ngin*", "nginx:latest", true),
            ("*", "a/b", false),
            ("*/*", "a/b", true),
            ("r.io/*:v?", "r.io/app:v1", true),
            ("r.io/*:v?", "r.io/app:v12", false),
            ("[a-c]x", "bx", true),
            ("[^a-c]x", "bx", false),
            ("a*b*c", "aXbYbZc", true),
            ("a\\*", "a*", true),
            ("a\\*", "ab", false),
            ("[", "[", false),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(matches_pattern(pattern, text), fits, "{pattern} {text}");
        }
    }
}
