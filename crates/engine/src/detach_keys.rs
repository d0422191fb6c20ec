//! The keys that leave a terminal without ending what runs in it (moby/term).

use crate::{EngineError, Result, messages};

/// `ctrl-p,ctrl-q`.
const DEFAULT: [u8; 2] = [16, 17];

/// `ctrl-a,x` → bytes. Empty: the default.
pub(crate) fn parse(text: &str) -> Result<Vec<u8>> {
    if text.is_empty() {
        return Ok(DEFAULT.to_vec());
    }
    let wrong = || EngineError::Invalid(messages::invalid_detach_keys(text));
    text.split(',')
        .map(|key| match key.as_bytes() {
            [byte] => Ok(*byte),
            _ => {
                if key == "DEL" {
                    return Ok(127);
                }
                let letter = key
                    .strip_prefix("ctrl-")
                    .map(str::as_bytes)
                    .ok_or_else(wrong)?;
                match letter {
                    [letter @ b'a'..=b'z'] => Ok(letter - b'a' + 1),
                    b"@" => Ok(0),
                    b"[" => Ok(27),
                    b"\\" => Ok(28),
                    b"]" => Ok(29),
                    b"^" => Ok(30),
                    b"_" => Ok(31),
                    _ => Err(wrong()),
                }
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_letters_and_control_codes() {
        assert_eq!(parse("").expect("default"), [16, 17]);
        assert_eq!(parse("ctrl-a,x,ctrl-]").expect("known"), [1, b'x', 29]);
        assert!(parse("ctrl-").is_err());
        assert!(parse("foo").is_err());
        assert!(parse("CTRL-A").is_err());
        assert_eq!(parse("DEL").expect("delete"), [127]);
    }
}
