//! Shell patterns of `${name#pattern}` and its kin: `*`, `?`, `\`.

/// One piece of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Any,
    One,
    Char(char),
}

fn pieces(pattern: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        pieces.push(match c {
            '*' => Piece::Any,
            '?' => Piece::One,
            '\\' => Piece::Char(chars.next().unwrap_or('\\')),
            c => Piece::Char(c),
        });
    }
    pieces
}

/// Ends (as numbers of characters) of every beginning of `text` that fits; by a table, so
/// that no pattern takes longer than pattern times text.
fn ends(pieces: &[Piece], text: &[char]) -> Vec<bool> {
    let mut now = vec![false; text.len() + 1];
    now[0] = true;
    for piece in pieces {
        let mut next = vec![false; text.len() + 1];
        match piece {
            Piece::Any => {
                let mut open = false;
                for (at, reached) in now.iter().enumerate() {
                    open |= reached;
                    next[at] = open;
                }
            }
            Piece::One | Piece::Char(_) => {
                for at in 0..text.len() {
                    next[at + 1] =
                        now[at] && matches!(piece, Piece::One) | (*piece == Piece::Char(text[at]));
                }
            }
        }
        now = next;
    }
    now
}

fn find_end(pieces: &[Piece], text: &[char], greedy: bool) -> Option<usize> {
    let ends = ends(pieces, text);
    match greedy {
        true => ends.iter().rposition(|end| *end),
        false => ends.iter().position(|end| *end),
    }
}

pub(crate) fn trim_prefix(pattern: &str, text: &str, greedy: bool) -> String {
    let chars: Vec<char> = text.chars().collect();
    match find_end(&pieces(pattern), &chars, greedy) {
        Some(end) => chars[end..].iter().collect(),
        None => text.to_owned(),
    }
}

pub(crate) fn trim_suffix(pattern: &str, text: &str, greedy: bool) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    chars.reverse();
    let mut pieces = pieces(pattern);
    pieces.reverse();
    match find_end(&pieces, &chars, greedy) {
        Some(end) => chars[end..].iter().rev().collect(),
        None => text.to_owned(),
    }
}

pub(crate) fn replace(pattern: &str, by: &str, text: &str, all: bool) -> String {
    /// Characters times places to try; above, only the first ones are tried.
    const WORK_MAX: usize = 1 << 24;
    let pieces = pieces(pattern);
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::new();
    let mut at = 0;
    let mut work = 0;
    while at < chars.len() {
        work += pieces.len().max(1) * (chars.len() - at);
        let end = match work > WORK_MAX {
            true => None,
            false => find_end(&pieces, &chars[at..], true).filter(|end| *end > 0),
        };
        match end {
            Some(end) => {
                out.push_str(by);
                at += end;
                if !all {
                    break;
                }
            }
            None => {
                out.push(chars[at]);
                at += 1;
            }
        }
    }
    out.extend(&chars[at..]);
    out
}
