//! Numbers as tar headers write them.

use super::Time;

/// A header field: octal digits between spaces and NULs, or base-256 (GNU) with the first
/// bit set. None for anything else, and for what does not fit.
pub(crate) fn field(bytes: &[u8]) -> Option<i64> {
    match bytes.first() {
        Some(first) if first & 0x80 != 0 => base256(bytes),
        _ => octal(bytes),
    }
}

fn octal(bytes: &[u8]) -> Option<i64> {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    // Some writers put NULs in front; what follows the first NUL after a digit is noise.
    let text = match end {
        0 => bytes.trim_ascii_start_nul(),
        _ => &bytes[..end],
    };
    let text = text.trim_ascii();
    let mut value: i64 = 0;
    for &byte in text {
        let digit = match byte {
            b'0'..=b'7' => i64::from(byte - b'0'),
            _ => return None,
        };
        value = value.checked_mul(8)?.checked_add(digit)?;
    }
    Some(value)
}

trait TrimNul {
    fn trim_ascii_start_nul(&self) -> &[u8];
}

impl TrimNul for [u8] {
    fn trim_ascii_start_nul(&self) -> &[u8] {
        let start = self.iter().position(|&b| b != 0).unwrap_or(self.len());
        let rest = &self[start..];
        let end = rest.iter().position(|&b| b == 0).unwrap_or(rest.len());
        &rest[..end]
    }
}

// GNU tar manual § Extensions: two's complement, big endian, the first bit set as a mark.
fn base256(bytes: &[u8]) -> Option<i64> {
    let negative = bytes[0] & 0x40 != 0;
    let mut value: i128 = if negative { -1 } else { 0 };
    for (at, &byte) in bytes.iter().enumerate() {
        let byte = match at {
            0 if negative => byte,
            0 => byte & 0x7f,
            _ => byte,
        };
        if at == 0 && negative {
            value = i128::from(byte as i8);
            continue;
        }
        value = value.checked_mul(256)?.checked_add(i128::from(byte))?;
        if value > i128::from(i64::MAX) || value < i128::from(i64::MIN) {
            return None;
        }
    }
    i64::try_from(value).ok()
}

/// Octal digits filling `field` but for a NUL at the end; false if it does not fit.
pub(crate) fn write_octal(field: &mut [u8], value: u64) -> bool {
    let digits = field.len() - 1;
    if digits < 22 && value >> (digits * 3) != 0 {
        return false;
    }
    let mut left = value;
    for at in (0..digits).rev() {
        field[at] = b'0' + (left & 7) as u8;
        left >>= 3;
    }
    field[digits] = 0;
    true
}

/// A pax decimal number without sign.
pub(crate) fn decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 20 {
        return None;
    }
    let mut value: u64 = 0;
    for &byte in text {
        if !byte.is_ascii_digit() {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?;
    }
    Some(value)
}

/// A pax time: seconds with an optional fraction, maybe negative; digits past the
/// nanosecond are cut.
pub(crate) fn time(text: &[u8]) -> Option<Time> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = match text.iter().position(|&b| b == b'.') {
        Some(dot) => (&text[..dot], &text[dot + 1..]),
        None => (text, &text[..0]),
    };
    let seconds = i64::try_from(decimal(whole)?).ok()?;
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut nanoseconds: u32 = 0;
    for at in 0..9 {
        let digit = fraction.get(at).map_or(0, |byte| byte - b'0');
        nanoseconds = nanoseconds * 10 + u32::from(digit);
    }
    Some(match (negative, nanoseconds) {
        (false, _) => Time {
            seconds,
            nanoseconds,
        },
        (true, 0) => Time {
            seconds: -seconds,
            nanoseconds: 0,
        },
        (true, _) => Time {
            seconds: -seconds - 1,
            nanoseconds: 1_000_000_000 - nanoseconds,
        },
    })
}

/// A time as pax writes it, without trailing zeroes.
pub(crate) fn format_time(time: Time) -> String {
    let Time {
        seconds,
        nanoseconds,
    } = time;
    if nanoseconds == 0 {
        return seconds.to_string();
    }
    let (sign, seconds, nanoseconds) = match seconds < 0 {
        true => ("-", -(seconds + 1), 1_000_000_000 - nanoseconds),
        false => ("", seconds, nanoseconds),
    };
    let fraction = format!("{nanoseconds:09}");
    format!("{sign}{seconds}.{}", fraction.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn header_numbers_are_read_in_every_dialect() {
        assert_eq!(field(b"0000644\0"), Some(0o644));
        assert_eq!(field(b"   644 \0"), Some(0o644));
        assert_eq!(field(b"\0\0\0\0\0\0\0\0"), Some(0));
        assert_eq!(field(b"77777777777"), Some(0o77777777777));
        assert_eq!(field(b"0000648\0"), None);
        assert_eq!(field(b"-000644\0"), None);
        assert_eq!(field(&[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0]), Some(256));
        assert_eq!(field(&[0xff; 12]), Some(-1));
        assert_eq!(
            field(&[0x80, 0, 0, 0, 0xff, 0, 0, 0, 0, 0, 0, 0]),
            None,
            "past 2^63"
        );
    }

    #[test]
    fn pax_times_round_down_before_1970() {
        assert_eq!(
            time(b"-1.5"),
            Some(Time {
                seconds: -2,
                nanoseconds: 500_000_000
            })
        );
        assert_eq!(
            time(b"12.0000000019"),
            Some(Time {
                seconds: 12,
                nanoseconds: 1
            })
        );
        assert_eq!(
            time(b"12."),
            Some(Time {
                seconds: 12,
                nanoseconds: 0
            })
        );
        assert_eq!(time(b"+1"), None);
        assert_eq!(time(b""), None);
    }

    proptest! {
        #[test]
        fn times_survive_their_text(seconds in -10_000_000_000_i64..10_000_000_000, nanoseconds in 0_u32..1_000_000_000) {
            let value = Time { seconds, nanoseconds };
            prop_assert_eq!(time(format_time(value).as_bytes()), Some(value));
        }

        #[test]
        fn octal_fields_survive(value in 0_u64..1 << 33) {
            let mut bytes = [0; 12];
            prop_assert!(write_octal(&mut bytes, value));
            prop_assert_eq!(field(&bytes), Some(value as i64));
        }
    }
}
