//! Variables in text: `$NAME`, `${NAME}` and its forms with a default, an alternative or an
//! error, each of whose words may hold variables again. `$$` is a dollar sign.

/// Why a text cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// `${` begins something that is no variable.
    #[error("invalid interpolation format: {0:?}")]
    Invalid(String),
    /// `${NAME:?text}` and there is no `NAME`.
    #[error("required variable {variable} is missing a value{}", because(.reason))]
    Required {
        /// Its name.
        variable: String,
        /// The text after the question mark, filled in.
        reason: String,
    },
    /// Variables within variables, too deep.
    #[error("variables nested deeper than {DEPTH_LIMIT} levels")]
    TooDeep,
    /// What comes out is too long.
    #[error("the filled in text is longer than {LENGTH_LIMIT} bytes")]
    TooLong,
}

fn because(reason: &str) -> String {
    if reason.is_empty() {
        String::new()
    } else {
        format!(": {reason}")
    }
}

const DEPTH_LIMIT: usize = 64;

/// Far beyond any real value; what a chain of variables that double each other meets.
const LENGTH_LIMIT: usize = 4 << 20;

/// Where values come from, and what is to be told of those that are not there.
pub trait Variables {
    /// The value of `name`, if it is set.
    fn value(&self, name: &str) -> Option<String>;
    /// `name` was used without a default and is not set.
    fn missing(&self, name: &str);
}

/// `text` with its variables filled in.
pub fn fill(text: &str, variables: &dyn Variables) -> Result<String, TemplateError> {
    fill_at(text, variables, 0)
}

fn fill_at(text: &str, variables: &dyn Variables, depth: usize) -> Result<String, TemplateError> {
    if depth > DEPTH_LIMIT {
        return Err(TemplateError::TooDeep);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(tail) = after.strip_prefix('$') {
            out.push('$');
            rest = tail;
        } else if let Some(inside) = after.strip_prefix('{') {
            let end =
                closing_brace(inside).ok_or_else(|| TemplateError::Invalid(text.to_owned()))?;
            out.push_str(&braced(&inside[..end], text, variables, depth)?);
            rest = &inside[end + 1..];
        } else if let Some(end) = name_end(after) {
            let name = &after[..end];
            match variables.value(name) {
                Some(value) => out.push_str(&value),
                None => variables.missing(name),
            }
            rest = &after[end..];
        } else {
            out.push('$');
            rest = after;
        }
        if out.len() > LENGTH_LIMIT {
            return Err(TemplateError::TooLong);
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// Where the name at the start of `text` ends, if there is one.
pub(crate) fn name_end(text: &str) -> Option<usize> {
    let starts = text.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic());
    starts.then(|| {
        text.find(|c: char| c != '_' && !c.is_ascii_alphanumeric())
            .unwrap_or(text.len())
    })
}

/// Where the brace that was opened before `text` is closed.
pub(crate) fn closing_brace(text: &str) -> Option<usize> {
    let mut open = 1_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(at);
        }
    }
    None
}

fn braced(
    inside: &str,
    whole: &str,
    variables: &dyn Variables,
    depth: usize,
) -> Result<String, TemplateError> {
    let invalid = || TemplateError::Invalid(whole.to_owned());
    let end = name_end(inside).ok_or_else(invalid)?;
    let (name, operator) = inside.split_at(end);
    let value = variables.value(name);
    let (empty_counts, operator) = match operator.strip_prefix(':') {
        Some(rest) => (true, rest),
        None => (false, operator),
    };
    let usable = value
        .as_ref()
        .is_some_and(|value| !(empty_counts && value.is_empty()));
    let mut letters = operator.chars();
    let kind = letters.next();
    let word = || fill_at(letters.as_str(), variables, depth + 1);
    match kind {
        None if !empty_counts => {
            if value.is_none() {
                variables.missing(name);
            }
            Ok(value.unwrap_or_default())
        }
        Some('-') if usable => Ok(value.unwrap_or_default()),
        Some('-') => word(),
        Some('+') if usable => word(),
        Some('+') => Ok(value.unwrap_or_default()),
        Some('?') if usable => Ok(value.unwrap_or_default()),
        Some('?') => Err(TemplateError::Required {
            variable: name.to_owned(),
            reason: word()?,
        }),
        _ => Err(invalid()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;

    #[derive(Default)]
    struct Some_ {
        missing: RefCell<Vec<String>>,
    }

    impl Variables for Some_ {
        fn value(&self, name: &str) -> Option<String> {
            match name {
                "A" => Some("a".into()),
                "EMPTY" => Some(String::new()),
                "BIG" => Some("x".repeat(1 << 20)),
                _ => None,
            }
        }
        fn missing(&self, name: &str) {
            self.missing.borrow_mut().push(name.to_owned());
        }
    }

    #[test]
    fn every_form_fills_in_as_documented() {
        for (text, filled) in [
            ("$A-${A}", "a-a"),
            ("$$A $${A}", "$A ${A}"),
            ("${EMPTY:-x} ${EMPTY-x} ${NO:-x} ${NO-x}", "x  x x"),
            ("${A:+y} ${EMPTY:+y} ${EMPTY+y} ${NO+y}", "y  y "),
            ("${NO:-${EMPTY:-${A}}}", "a"),
            ("${NO:-{\"k\": \"v\"}}!", "{\"k\": \"v\"}!"),
            ("${A:?no}", "a"),
            ("$1 $ x$", "$1 $ x$"),
            ("$NO.", "."),
            ("${NO:-a:b-c?d}", "a:b-c?d"),
        ] {
            assert_eq!(
                fill(text, &Some_::default()).as_deref(),
                Ok(filled),
                "{text}"
            );
        }
    }

    #[test]
    fn what_cannot_be_filled_in_says_why() {
        let failure = |text: &str| fill(text, &Some_::default()).unwrap_err().to_string();
        assert_eq!(
            failure("${NO:?set $A}"),
            "required variable NO is missing a value: set a"
        );
        assert_eq!(failure("${NO?}"), "required variable NO is missing a value");
        for text in ["${}", "${A", "${A.b}", "${A:}", "${ A}"] {
            assert!(failure(text).starts_with("invalid interpolation"), "{text}");
        }
        assert!(failure(&"$BIG".repeat(10)).contains("longer"));
        let deep = format!("{}x{}", "${NO:-".repeat(100), "}".repeat(100));
        assert!(failure(&deep).contains("nested"));
    }

    #[test]
    fn only_a_variable_without_default_is_reported() {
        let variables = Some_::default();
        fill("$NO ${NO:-x} ${OTHER}", &variables).unwrap();
        assert_eq!(*variables.missing.borrow(), ["NO", "OTHER"]);
    }
}
