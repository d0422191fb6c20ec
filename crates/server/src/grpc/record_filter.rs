//! Filters of builds on record, as buildx sends them: `status==error,startedAt>1h`. All
//! conditions of one have to fit, and one of several filters.
//!
//! Source: what BuildKit in docker 28.5 answers.

use super::status::Status;
use corten_base::{Timestamp, text::parse_go_duration};
use corten_buildkit::{control, history::BuildHistoryRecord};

/// Bytes of a pattern that has been made ready.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// What a condition looks at.
enum Test {
    Equal(String),
    Unequal(String),
    Matches(regex_lite::Regex),
    /// The field is set.
    Present,
}

enum Condition {
    Text(String, Test),
    /// A time or a length of time, in nanoseconds, against another one.
    Number(Number, Order, i64),
}

#[derive(Clone, Copy)]
enum Number {
    Started,
    Completed,
    Duration,
}

#[derive(Clone, Copy)]
enum Order {
    Above,
    AtLeast,
    Below,
    AtMost,
}

/// Filters of one request.
pub(super) struct RecordFilter(Vec<Vec<Condition>>);

impl RecordFilter {
    /// Reads the filters of a request; `now` is what lengths of time count back from.
    pub fn read(filters: &[String], now: Timestamp) -> Result<Self, Status> {
        let given = filters.iter().filter(|text| !text.is_empty());
        let read = given.map(|text| text.split(',').map(|one| condition(one, now)).collect());
        read.collect::<Result<_, _>>().map(Self)
    }

    /// Whether a build is wanted.
    pub fn fits(&self, record: &BuildHistoryRecord) -> bool {
        let all = |conditions: &Vec<Condition>| conditions.iter().all(|it| it.fits(record));
        self.0.is_empty() || self.0.iter().any(all)
    }
}

impl Condition {
    fn fits(&self, record: &BuildHistoryRecord) -> bool {
        match self {
            Self::Text(name, test) => {
                let value = field(record, name);
                let text = value.as_deref().unwrap_or_default();
                match test {
                    Test::Equal(wanted) => value.is_some() && text == wanted,
                    Test::Unequal(wanted) => text != wanted,
                    Test::Matches(pattern) => value.is_some() && pattern.is_match(text),
                    Test::Present => value.is_some(),
                }
            }
            Self::Number(number, order, bound) => {
                number.of(record).is_some_and(|value| match order {
                    Order::Above => value > *bound,
                    Order::AtLeast => value >= *bound,
                    Order::Below => value < *bound,
                    Order::AtMost => value <= *bound,
                })
            }
        }
    }
}

impl Number {
    fn of(self, record: &BuildHistoryRecord) -> Option<i64> {
        let (started, completed) = (&record.created_at, &record.completed_at);
        match self {
            Self::Started => nanoseconds(started.as_ref()?),
            Self::Completed => nanoseconds(completed.as_ref()?),
            Self::Duration => {
                let (from, to) = (started.as_ref()?, completed.as_ref()?);
                nanoseconds(to)?.checked_sub(nanoseconds(from)?)
            }
        }
    }
}

fn nanoseconds(at: &control::Timestamp) -> Option<i64> {
    let whole = at.seconds.checked_mul(1_000_000_000)?;
    whole.checked_add(i64::from(at.nanos))
}

/// A field; none where it is not set.
fn field(record: &BuildHistoryRecord, name: &str) -> Option<String> {
    match name {
        "ref" => Some(record.reference.clone()),
        "status" => {
            let cancelled = |message: &str| message.contains("context canceled");
            let status = match (&record.completed_at, &record.error) {
                (None, _) => "running",
                (_, None) => "completed",
                (_, Some(error)) if cancelled(&error.message) => "canceled",
                (_, Some(_)) => "error",
            };
            Some(status.to_owned())
        }
        "repository" => {
            let attr = |name: &str| record.frontend_attrs.get(name);
            let context = || {
                let context = attr("context")?;
                let is_git = context.contains(".git") || context.starts_with("git");
                let remote = context.split(['#', '?']).next()?;
                is_git.then(|| remote.to_owned())
            };
            attr("vcs:source").cloned().or_else(context)
        }
        _ => None,
    }
}

fn condition(text: &str, now: Timestamp) -> Result<Condition, Status> {
    let wrong = || Status::unknown(format!("failed to parse history filters {text:?}"));
    let end = text.find(['=', '!', '~', '<', '>']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let signs = rest.len() - rest.trim_start_matches(['=', '!', '~', '<', '>']).len();
    let (sign, value) = rest.split_at(signs);
    let value = value.trim_matches('"').to_owned();
    let order = match sign {
        ">" => Some(Order::Above),
        ">=" => Some(Order::AtLeast),
        "<" => Some(Order::Below),
        "<=" => Some(Order::AtMost),
        _ => None,
    };
    if let Some(order) = order {
        let (number, bound) = match name {
            "startedAt" => (Number::Started, time(&value, now)?),
            "completedAt" => (Number::Completed, time(&value, now)?),
            "duration" => {
                let length = parse_go_duration(&value);
                let invalid = || Status::unknown(format!("invalid duration {value}"));
                (Number::Duration, length.ok_or_else(invalid)?)
            }
            _ => return Err(wrong()),
        };
        return Ok(Condition::Number(number, order, bound));
    }
    let test = match sign {
        "" => Test::Present,
        "==" => Test::Equal(value),
        "!=" => Test::Unequal(value),
        "~=" => {
            let pattern = regex_lite::RegexBuilder::new(&value)
                .size_limit(PATTERN_BYTES_MAX)
                .build();
            Test::Matches(pattern.map_err(|_| wrong())?)
        }
        _ => return Err(wrong()),
    };
    Ok(Condition::Text(name.to_owned(), test))
}

/// `10m` ago, or a time as RFC 3339 has it.
fn time(text: &str, now: Timestamp) -> Result<i64, Status> {
    let ago = parse_go_duration(text);
    if let Some(time) = ago.and_then(|ago| now.unix_nanoseconds().checked_sub(ago)) {
        return Ok(time);
    }
    let at: Result<Timestamp, _> = text.parse();
    let at = at.map_err(|_| Status::unknown(format!("invalid time {text}")))?;
    Ok(at.unix_nanoseconds())
}

#[cfg(test)]
mod tests {
    use super::*;
    use corten_buildkit::history::RpcStatus;

    fn record(from: i64, to: Option<i64>, error: &str) -> BuildHistoryRecord {
        let at = |seconds| control::Timestamp { seconds, nanos: 0 };
        BuildHistoryRecord {
            reference: "abc".into(),
            created_at: Some(at(from)),
            completed_at: to.map(at),
            error: (!error.is_empty()).then(|| RpcStatus {
                message: error.into(),
                ..RpcStatus::default()
            }),
            ..BuildHistoryRecord::default()
        }
    }

    fn fits(filters: &[&str], record: &BuildHistoryRecord) -> bool {
        let filters: Vec<String> = filters.iter().map(|it| (*it).to_owned()).collect();
        let read = RecordFilter::read(&filters, Timestamp::from_unix(1000, 0));
        read.map_err(|error| error.message).unwrap().fits(record)
    }

    #[test]
    fn builds_are_wanted_by_state_name_and_times() {
        let done = record(400, Some(410), "");
        let failed = record(900, Some(990), "exit code: 1");
        let gone = record(900, Some(990), "context canceled");
        let running = record(995, None, "");
        assert!(fits(&[], &done) && fits(&[""], &running));
        for (status, one) in [
            ("completed", &done),
            ("error", &failed),
            ("canceled", &gone),
            ("running", &running),
        ] {
            for other in [&done, &failed, &gone, &running] {
                let same = std::ptr::eq(one, other);
                assert_eq!(
                    fits(&[&format!("status=={status}")], other),
                    same,
                    "{status}"
                );
                assert_eq!(
                    fits(&[&format!("status!={status}")], other),
                    !same,
                    "{status}"
                );
            }
        }
        assert!(fits(&["ref~=^ab"], &done) && !fits(&["ref~=^b"], &done));
        // The last five minutes; ninety seconds took one of them.
        assert!(fits(&["startedAt>5m"], &failed) && !fits(&["startedAt>5m"], &done));
        assert!(fits(&["completedAt<=1970-01-01T00:06:50Z"], &done));
        assert!(fits(&["duration>=90s"], &failed) && !fits(&["duration>90s"], &failed));
        assert!(!fits(&["duration<1h"], &running) && !fits(&["completedAt<1s"], &running));
        assert!(!fits(&["status==error,duration<1m"], &failed));
        assert!(fits(&["status==running", "duration>1m"], &failed));
        assert!(!fits(&["repository~=x"], &done) && fits(&["repository!=x"], &done));
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for (filter, sentence) in [
            ("startedAt>2026-11-23", "invalid time 2026-11-23"),
            ("duration>x", "invalid duration x"),
            (
                "status=error",
                "failed to parse history filters \"status=error\"",
            ),
            ("ref>1", "failed to parse history filters \"ref>1\""),
        ] {
            let read = RecordFilter::read(&[filter.to_owned()], Timestamp::now());
            assert_eq!(read.err().map(|it| it.message).as_deref(), Some(sentence));
        }
    }
}
