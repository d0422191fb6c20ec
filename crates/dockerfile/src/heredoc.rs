//! Here documents: `<<EOF`, `<<-"EOF"`, `3<<EOF`.

use crate::words;

/// One here document of an instruction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heredoc {
    /// The word that ends it; the name of the file in `COPY <<name /dest/`.
    pub name: String,
    /// The descriptor in front of `<<`; 0 without one.
    pub descriptor: u32,
    /// The end was not quoted: variables are put in.
    pub expand: bool,
    /// `<<-`: leading tabs of each line are cut.
    pub chomp: bool,
    /// The lines, each with its end as it stands in the file.
    pub content: String,
    /// The same as they stand in the file: a shell cuts the tabs itself.
    pub raw: String,
}

impl Heredoc {
    /// The here document that `word` begins, if it is one.
    pub(crate) fn begin(word: &str, escape: char) -> Option<Self> {
        let digits = word.len() - word.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let rest = word[digits..].strip_prefix("<<")?;
        let (chomp, rest) = match rest.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        if rest.is_empty() || rest.starts_with('<') {
            return None;
        }
        let quoted = rest.contains(['"', '\'', escape]);
        let name = words::unquote(rest, escape)?;
        // The end is one word and no redirection to somewhere.
        if name.is_empty() || name.contains(['<', '>', ' ', '\t']) {
            return None;
        }
        Some(Self {
            name,
            descriptor: word[..digits].parse().unwrap_or(0),
            expand: !quoted,
            chomp,
            content: String::new(),
            raw: String::new(),
        })
    }

    /// Takes a line (without its line feed) in; true when it was the end.
    pub(crate) fn take(&mut self, line: &str) -> bool {
        let whole = line;
        let line = match self.chomp {
            true => line.trim_start_matches('\t'),
            false => line,
        };
        if line.trim_end_matches('\r') == self.name {
            return true;
        }
        self.raw.push_str(whole);
        self.raw.push('\n');
        self.content.push_str(line);
        self.content.push('\n');
        false
    }
}
