//! Go's sentence for text that is not JSON.

/// What Go's decoder says about `bytes`, which another reader has refused.
pub(super) fn complaint(bytes: &[u8]) -> String {
    let mut scanner = Scanner { bytes, at: 0 };
    match scanner.value(0) {
        Err(complaint) => complaint,
        // Valid for this scanner, refused by the reader: too deep, or not UTF-8.
        Ok(()) => "exceeded max depth".to_owned(),
    }
}

/// Deeper nesting than any request of the API has.
const DEPTH_LIMIT: usize = 128;

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

type Scan = Result<(), String>;

impl Scanner<'_> {
    fn peek(&mut self) -> Result<u8, String> {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.byte()
    }

    fn byte(&self) -> Result<u8, String> {
        self.bytes
            .get(self.at)
            .copied()
            .ok_or_else(|| "unexpected EOF".to_owned())
    }

    fn invalid<T>(&self, context: &str) -> Result<T, String> {
        let rest = String::from_utf8_lossy(&self.bytes[self.at..]);
        let quoted = match rest.chars().next() {
            Some('\'') => r"'\''".to_owned(),
            Some('"') => r#"'"'"#.to_owned(),
            Some(c) if c.is_control() => format!("'{}'", c.escape_default()),
            Some(c) => format!("'{c}'"),
            None => return Err("unexpected EOF".to_owned()),
        };
        Err(format!("invalid character {quoted} {context}"))
    }

    fn value(&mut self, depth: usize) -> Scan {
        if depth > DEPTH_LIMIT {
            return Err("exceeded max depth".to_owned());
        }
        match self.peek()? {
            b'{' => self.object(depth),
            b'[' => self.array(depth),
            b'"' => self.string(),
            b't' => self.literal("true"),
            b'f' => self.literal("false"),
            b'n' => self.literal("null"),
            b'-' | b'0'..=b'9' => self.number(),
            _ => self.invalid("looking for beginning of value"),
        }
    }

    fn object(&mut self, depth: usize) -> Scan {
        self.at += 1;
        if self.peek()? == b'}' {
            self.at += 1;
            return Ok(());
        }
        loop {
            if self.peek()? != b'"' {
                return self.invalid("looking for beginning of object key string");
            }
            self.string()?;
            if self.peek()? != b':' {
                return self.invalid("after object key");
            }
            self.at += 1;
            self.value(depth + 1)?;
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => break,
                _ => return self.invalid("after object key:value pair"),
            }
        }
        self.at += 1;
        Ok(())
    }

    fn array(&mut self, depth: usize) -> Scan {
        self.at += 1;
        if self.peek()? == b']' {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.value(depth + 1)?;
            match self.peek()? {
                b',' => self.at += 1,
                b']' => break,
                _ => return self.invalid("after array element"),
            }
        }
        self.at += 1;
        Ok(())
    }

    fn string(&mut self) -> Scan {
        self.at += 1;
        loop {
            match self.byte()? {
                b'"' => break,
                b'\\' => self.escape()?,
                0..0x20 => return self.invalid("in string"),
                _ => self.at += 1,
            }
        }
        self.at += 1;
        Ok(())
    }

    fn escape(&mut self) -> Scan {
        let length = match self.bytes.get(self.at + 1) {
            None => return Err("unexpected EOF".to_owned()),
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
            Some(b'u') => {
                let digits = self.bytes.get(self.at + 2..self.at + 6);
                if digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                    self.at += 6;
                    return Ok(());
                }
                6
            }
            Some(_) => {
                let end = (self.at + 2).min(self.bytes.len());
                let text = String::from_utf8_lossy(&self.bytes[self.at..end]);
                return Err(format!("invalid escape sequence `{text}` in string"));
            }
        };
        if length == 6 {
            let end = (self.at + 6).min(self.bytes.len());
            let text = String::from_utf8_lossy(&self.bytes[self.at..end]);
            return Err(format!("invalid escape sequence `{text}` in string"));
        }
        self.at += length;
        Ok(())
    }

    fn literal(&mut self, word: &str) -> Scan {
        for expected in word.bytes() {
            if self.byte()? != expected {
                let context = format!("in literal {word} (expecting '{}')", expected as char);
                return self.invalid(&context);
            }
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Scan {
        if self.byte()? == b'-' {
            self.at += 1;
        }
        if self.byte()? == b'0' {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.byte().is_ok_and(|b| b == b'.') {
            self.at += 1;
            self.digits()?;
        }
        if self.byte().is_ok_and(|b| matches!(b, b'e' | b'E')) {
            self.at += 1;
            if self.byte().is_ok_and(|b| matches!(b, b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Scan {
        if !self.byte()?.is_ascii_digit() {
            return self.invalid("in numeric literal");
        }
        while self.byte().is_ok_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }
}
