//! The keys that detach a client from a terminal.

/// Looks for a sequence of keys in what a client types.
#[derive(Debug)]
pub(crate) struct DetachKeys {
    keys: Vec<u8>,
    /// How many of the keys came last; they are held back.
    matched: usize,
}

/// What a piece of input comes to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Typed {
    /// What the process shall get.
    pub(crate) bytes: Vec<u8>,
    /// Whether the keys were typed; what follows them is dropped.
    pub(crate) detached: bool,
}

impl DetachKeys {
    /// No keys: nothing detaches.
    pub(crate) fn new(keys: Vec<u8>) -> Self {
        Self { keys, matched: 0 }
    }

    /// Keys that turn out to be no sequence are passed on before what followed them.
    pub(crate) fn filter(&mut self, typed: &[u8]) -> Typed {
        if self.keys.is_empty() {
            return Typed {
                bytes: typed.to_vec(),
                detached: false,
            };
        }
        let mut bytes = Vec::with_capacity(typed.len() + self.matched);
        for &byte in typed {
            while byte != self.keys[self.matched] && self.matched > 0 {
                // The longest shorter beginning of the sequence that still fits.
                let kept = (0..self.matched)
                    .rev()
                    .find(|&kept| self.keys[..self.matched].ends_with(&self.keys[..kept]))
                    .unwrap_or(0);
                bytes.extend_from_slice(&self.keys[..self.matched - kept]);
                self.matched = kept;
            }
            if byte == self.keys[self.matched] {
                self.matched += 1;
                if self.matched == self.keys.len() {
                    return Typed {
                        bytes,
                        detached: true,
                    };
                }
            } else {
                bytes.push(byte);
            }
        }
        Typed {
            bytes,
            detached: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &[u8], pieces: &[&[u8]]) -> (Vec<u8>, bool) {
        let mut filter = DetachKeys::new(keys.to_vec());
        let mut all = Vec::new();
        for piece in pieces {
            let typed = filter.filter(piece);
            all.extend(typed.bytes);
            if typed.detached {
                return (all, true);
            }
        }
        (all, false)
    }

    #[test]
    fn the_sequence_detaches_however_it_arrives() {
        let keys = [16, 17];
        assert_eq!(
            typed(&keys, &[b"ls\n\x10\x11rest"]),
            (b"ls\n".to_vec(), true)
        );
        assert_eq!(typed(&keys, &[b"ls\x10", b"\x11"]), (b"ls".to_vec(), true));
        assert_eq!(typed(&keys, &[b"\x10\x10\x11"]), (b"\x10".to_vec(), true));
        assert_eq!(typed(b"aab", &[b"aaab"]), (b"a".to_vec(), true));
    }

    #[test]
    fn what_is_no_sequence_reaches_the_process() {
        assert_eq!(
            typed(&[16, 17], &[b"a\x10", b"b"]),
            (b"a\x10b".to_vec(), false)
        );
        assert_eq!(typed(&[], &[b"\x10\x11"]), (b"\x10\x11".to_vec(), false));
    }
}
