//! Parser directives: `# syntax=`, `# escape=`, `# check=` at the top of the file.

use crate::{Error, Fault, Location, Result};

/// What the top of the file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directives {
    /// The front end's image.
    pub syntax: Option<String>,
    /// The character that continues a line: a backslash or a backtick.
    pub escape: char,
    /// Names of checks that are left out; `all` for every one.
    pub skip_checks: Vec<String>,
    /// A check that finds something fails the build.
    pub error_on_checks: bool,
    /// Experimental checks that run; `all` for every one.
    pub experimental_checks: Vec<String>,
}

impl Default for Directives {
    fn default() -> Self {
        Self {
            syntax: None,
            escape: '\\',
            skip_checks: Vec::new(),
            error_on_checks: false,
            experimental_checks: Vec::new(),
        }
    }
}

/// Reads directives line by line until a line is none.
pub(crate) struct Reader {
    pub directives: Directives,
    seen: Vec<&'static str>,
    done: bool,
}

impl Reader {
    pub fn new() -> Self {
        Self {
            directives: Directives::default(),
            seen: Vec::new(),
            done: false,
        }
    }

    pub fn line(&mut self, line: &str, number: usize) -> Result<()> {
        if self.done {
            return Ok(());
        }
        let Some((name, value)) = directive(line) else {
            self.done = true;
            return Ok(());
        };
        let at = Location {
            start: number,
            end: number,
        };
        let name = match name.to_ascii_lowercase().as_str() {
            "syntax" => {
                self.directives.syntax = Some(value.to_owned());
                "syntax"
            }
            "escape" => {
                self.directives.escape = match value {
                    "\\" => '\\',
                    "`" => '`',
                    other => return Err(Fault::EscapeToken(other.to_owned()).at(at)),
                };
                "escape"
            }
            "check" => {
                checks(&mut self.directives, value).map_err(|fault| fault.at(at))?;
                "check"
            }
            _ => {
                self.done = true;
                return Ok(());
            }
        };
        if self.seen.contains(&name) {
            return Err(Fault::DirectiveTwice(name).at(at));
        }
        self.seen.push(name);
        Ok(())
    }
}

/// `# name = value`.
fn directive(line: &str) -> Option<(&str, &str)> {
    let rest = line.trim_start().strip_prefix('#')?.trim();
    let (name, value) = rest.split_once('=')?;
    let name = name.trim();
    let word = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric());
    (word && name.starts_with(|c: char| c.is_ascii_alphabetic())).then_some((name, value.trim()))
}

/// `skip=A,B;error=true;experimental=C`.
pub(crate) fn checks(directives: &mut Directives, value: &str) -> std::result::Result<(), Fault> {
    for part in value
        .split(';')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let Some((key, value)) = part.split_once('=') else {
            return Err(Fault::CheckDirective(format!(
                "invalid check option {part:?}"
            )));
        };
        let list = || {
            value
                .split(',')
                .map(|it| it.trim().to_owned())
                .collect::<Vec<_>>()
        };
        match key.trim() {
            "skip" => directives.skip_checks = list(),
            "experimental" => directives.experimental_checks = list(),
            "error" => {
                directives.error_on_checks = match value.trim() {
                    "true" | "1" | "t" | "T" | "TRUE" | "True" => true,
                    "false" | "0" | "f" | "F" | "FALSE" | "False" => false,
                    other => {
                        return Err(Fault::CheckDirective(format!(
                            "failed to parse check error option {other:?}"
                        )));
                    }
                }
            }
            other => {
                return Err(Fault::CheckDirective(format!(
                    "invalid check option {other:?}"
                )));
            }
        }
    }
    Ok(())
}

impl Directives {
    /// Takes in what a build argument (`BUILDKIT_DOCKERFILE_CHECK`) says of checks.
    ///
    /// # Errors
    /// Words that are no options.
    pub fn set_checks(&mut self, value: &str) -> Result<()> {
        checks(self, value).map_err(|fault| Error {
            fault,
            location: None,
        })
    }
}
