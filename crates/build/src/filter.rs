//! Filters of the cache, in the words that clients send: `type==exec.cachemount`,
//! `id~=^ab`, several with commas, all of which have to fit.

use crate::{CacheEntry, CacheMount, Error, Result};
use corten_oci::Digest;

/// Characters of an ID that are shown.
const SHOWN: usize = 25;

/// What a filter looks at.
#[derive(Debug)]
pub struct Subject {
    id: String,
    kind: &'static str,
    description: String,
    parents: Vec<String>,
    mutable: bool,
    in_use: bool,
}

impl Subject {
    /// The result of a step.
    pub fn of_entry(key: &Digest, entry: &CacheEntry) -> Self {
        let shown = |key: &Digest| key.hex()[..SHOWN].to_owned();
        Self {
            id: shown(key),
            kind: "regular",
            description: entry.description.clone(),
            parents: entry.parents.iter().map(shown).collect(),
            mutable: false,
            in_use: false,
        }
    }

    /// A cache mount, or a client's directory.
    pub fn of_mount(key: &Digest, mount: &CacheMount, in_use: bool) -> Self {
        Self {
            id: key.hex()[..SHOWN].to_owned(),
            kind: mount.kind.record_type(),
            description: mount.description.clone(),
            parents: Vec::new(),
            mutable: true,
            in_use,
        }
    }

    /// The values of a field; none where it is not set.
    fn values(&self, field: Field) -> Vec<&str> {
        let flag = |set: bool| if set { vec!["true"] } else { Vec::new() };
        match field {
            Field::Id => vec![&self.id],
            Field::Kind => vec![self.kind],
            Field::Description => vec![&self.description],
            Field::Parents => self.parents.iter().map(String::as_str).collect(),
            Field::Mutable => flag(self.mutable),
            Field::Immutable => flag(!self.mutable),
            Field::InUse => flag(self.in_use),
            // Nobody else has what is listed.
            Field::Private => flag(true),
            Field::Shared => Vec::new(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Id,
    Kind,
    Description,
    Parents,
    Mutable,
    Immutable,
    InUse,
    Private,
    Shared,
}

#[derive(Debug, Clone)]
enum Test {
    Present,
    Equal(String),
    Unequal(String),
    Matches(regex_lite::Regex),
}

/// Conditions that all have to fit.
#[derive(Debug, Clone)]
pub struct Filter(Vec<(Field, Test)>);

impl Filter {
    /// Reads a filter.
    ///
    /// # Errors
    /// Fields and signs that there are none of.
    pub fn parse(text: &str) -> Result<Self> {
        text.split(',')
            .map(condition)
            .collect::<Result<_>>()
            .map(Self)
    }

    /// Whether all conditions fit.
    pub fn fits(&self, subject: &Subject) -> bool {
        self.0.iter().all(|(field, test)| {
            let values = subject.values(*field);
            match test {
                Test::Present => !values.is_empty(),
                Test::Equal(text) => values.contains(&text.as_str()),
                Test::Unequal(text) => !values.contains(&text.as_str()),
                Test::Matches(pattern) => values.iter().any(|it| pattern.is_match(it)),
            }
        })
    }
}

fn condition(text: &str) -> Result<(Field, Test)> {
    let wrong = |why: &str| Error::Invalid(format!("invalid filter {text:?}: {why}"));
    let end = text.find(['=', '!', '~']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let field = match name.to_ascii_lowercase().as_str() {
        "id" => Field::Id,
        "type" => Field::Kind,
        "description" => Field::Description,
        "parent" | "parents" => Field::Parents,
        "mutable" => Field::Mutable,
        "immutable" => Field::Immutable,
        "inuse" => Field::InUse,
        "private" => Field::Private,
        "shared" => Field::Shared,
        _ => return Err(wrong("there is no such field")),
    };
    let unquoted = |text: &str| text.trim_matches('"').to_owned();
    let test = match (rest.get(..2), rest.get(2..)) {
        _ if rest.is_empty() => Test::Present,
        (Some("=="), Some(value)) => Test::Equal(unquoted(value)),
        (Some("!="), Some(value)) => Test::Unequal(unquoted(value)),
        (Some("~="), Some(value)) => {
            let pattern = regex_lite::RegexBuilder::new(&unquoted(value))
                .size_limit(1 << 20)
                .build();
            Test::Matches(pattern.map_err(|_| wrong("this is no pattern"))?)
        }
        _ if rest.starts_with('=') => Test::Equal(unquoted(&rest[1..])),
        _ => return Err(wrong("only ==, != and ~= compare")),
    };
    Ok((field, test))
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_base::Timestamp;

    #[test]
    fn conditions_of_one_filter_all_have_to_fit() {
        let mount = CacheMount {
            id: "go".into(),
            description: "cached mount /go from exec make with id \"/go\"".into(),
            created: Timestamp::now(),
            last_used: Timestamp::now(),
            uses: 1,
            size_bytes: 7,
            kind: crate::KeptKind::CacheMount,
        };
        let key = Digest::of(b"go");
        let subject = Subject::of_mount(&key, &mount, true);
        let id = format!("id=={}", &key.hex()[..25]);
        for (text, expected) in [
            ("type==exec.cachemount", true),
            ("type=exec.cachemount", true),
            ("type!=regular,mutable", true),
            ("type==regular", false),
            ("description~=with id ./go", true),
            ("description~=^nothing", false),
            ("inuse,shared", false),
            (id.as_str(), true),
        ] {
            let filter = Filter::parse(text).unwrap();
            assert_eq!(filter.fits(&subject), expected, "{text}");
        }
        for (text, message) in [
            (
                "size==4",
                "invalid filter \"size==4\": there is no such field",
            ),
            ("id<4", "invalid filter \"id<4\": there is no such field"),
            (
                "id!4",
                "invalid filter \"id!4\": only ==, != and ~= compare",
            ),
            ("id~=(", "invalid filter \"id~=(\": this is no pattern"),
        ] {
            assert_eq!(Filter::parse(text).unwrap_err().to_string(), message);
        }
    }
}
