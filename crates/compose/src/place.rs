//! Where in which file something was written.

use std::fmt;
use std::sync::Arc;

/// A place in a text: line and column count from 1, the column in characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file as the user named it, made absolute; `-` is standard input.
    pub file: Arc<str>,
    /// 1 is the first line.
    pub line: u32,
    /// 1 is the first character of a line.
    pub column: u32,
}

impl Place {
    /// A place at the very start of `file`.
    pub fn start_of(file: &str) -> Self {
        Self {
            file: file.into(),
            line: 1,
            column: 1,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}
