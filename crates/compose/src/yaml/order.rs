//! The order in which yaml.v3 writes the keys of a mapping: numbers inside names count by
//! their value, letters come after other characters.

use std::cmp::Ordering;

/// How `left` stands to `right`.
pub(crate) fn natural(left: &str, right: &str) -> Ordering {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let mut in_digits = false;
    for at in 0..left.len().min(right.len()) {
        let (l, r) = (left[at], right[at]);
        if l == r {
            in_digits = l.is_ascii_digit();
            continue;
        }
        let (l_letter, r_letter) = (l.is_alphabetic(), r.is_alphabetic());
        if l_letter && r_letter {
            return l.cmp(&r);
        }
        if l_letter || r_letter {
            // After a common number, the one whose number ends here is the smaller.
            let letter_first = in_digits;
            return if l_letter == letter_first {
                Ordering::Less
            } else {
                Ordering::Greater
            };
        }
        return numbers(&left, &right, at).then(l.cmp(&r));
    }
    left.len().cmp(&right.len())
}

/// Compares the numbers that start (or go on) at `at`.
fn numbers(left: &[char], right: &[char], at: usize) -> Ordering {
    // A zero inside a number that has begun is a digit of it, not leading.
    let begun = (left[at] == '0' || right[at] == '0')
        && left[..at]
            .iter()
            .rev()
            .take_while(|digit| digit.is_ascii_digit())
            .any(|digit| *digit != '0');
    let run = |text: &[char]| -> (u128, usize) {
        let digits: Vec<u128> = text[at..]
            .iter()
            .map_while(|digit| digit.to_digit(10).map(u128::from))
            .take(30)
            .collect();
        let start = u128::from(begun);
        let value = digits.iter().fold(start, |sum, digit| sum * 10 + digit);
        (value, digits.len())
    };
    let (l, r) = (run(left), run(right));
    l.0.cmp(&r.0).then(l.1.cmp(&r.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_names_count() {
        let mut names = ["a10", "a2", "b", "a", "A", "_x", "a-b", "ab", "x-1", "a02"];
        names.sort_by(|left, right| natural(left, right));
        assert_eq!(
            names,
            ["_x", "A", "a", "a-b", "a2", "a02", "a10", "ab", "b", "x-1"]
        );
    }
}
