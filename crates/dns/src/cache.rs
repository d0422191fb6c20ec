//! Answers of others, for as long as they say.

use hickory_proto::{
    op::{Message, ResponseCode},
    rr::{RData, RecordType},
};
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// How many answers are kept.
const ENTRIES_MAX: usize = 1024;
/// Longer answers are asked for again.
const ENTRY_BYTES_MAX: usize = 4096;
/// However long an answer says it holds.
const AGE_MAX: Duration = Duration::from_secs(300);
/// That there is nothing is forgotten sooner: somebody may be about to make it.
const NOTHING_AGE_MAX: Duration = Duration::from_secs(30);

/// The answers, by whom was asked and what.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    entries: HashMap<(String, String), Entry>,
}

#[derive(Debug)]
struct Entry {
    answer: Vec<u8>,
    since: Instant,
    until: Instant,
}

impl Cache {
    /// Keeps an answer, if it may be kept.
    pub fn keep(&mut self, scope: &str, key: &str, answer: &[u8], now: Instant) {
        let Some(age) = age(answer) else {
            return;
        };
        if self.entries.len() >= ENTRIES_MAX {
            self.entries.retain(|_, entry| entry.until > now);
        }
        if self.entries.len() >= ENTRIES_MAX {
            // All still hold: half of them make room, whichever.
            let mut keep = false;
            self.entries.retain(|_, _| {
                keep = !keep;
                keep
            });
        }
        let entry = Entry {
            answer: answer.to_vec(),
            since: now,
            until: now + age,
        };
        self.entries
            .insert((scope.to_owned(), key.to_owned()), entry);
    }

    /// A kept answer with the question's number, and the time it has left.
    pub fn get(&self, scope: &str, key: &str, id: u16, now: Instant) -> Option<Vec<u8>> {
        let entry = self.entries.get(&(scope.to_owned(), key.to_owned()))?;
        if entry.until <= now {
            return None;
        }
        let mut message = Message::from_vec(&entry.answer).ok()?;
        message.metadata.id = id;
        let passed = now.duration_since(entry.since).as_secs() as u32;
        let sections = [
            &mut message.answers,
            &mut message.authorities,
            &mut message.additionals,
        ];
        for record in sections.into_iter().flatten() {
            record.ttl = record.ttl.saturating_sub(passed);
        }
        message.to_vec().ok()
    }
}

/// How long an answer holds; `None` for one that is not to be kept.
fn age(answer: &[u8]) -> Option<Duration> {
    if answer.len() > ENTRY_BYTES_MAX {
        return None;
    }
    let message = Message::from_vec(answer).ok()?;
    let code = message.metadata.response_code;
    let kept = matches!(code, ResponseCode::NoError | ResponseCode::NXDomain);
    if !kept || message.metadata.truncation || message.signature.is_some() {
        return None;
    }
    let (seconds, most) = if message.answers.is_empty() || code == ResponseCode::NXDomain {
        // RFC 2308, § 5: the zone says how long.
        let zone = message
            .authorities
            .iter()
            .find_map(|record| match &record.data {
                RData::SOA(soa) => Some(record.ttl.min(soa.minimum)),
                _ => None,
            });
        (zone?, NOTHING_AGE_MAX)
    } else {
        let all = message.answers.iter();
        let data = all.filter(|record| record.record_type() != RecordType::OPT);
        (data.map(|record| record.ttl).min()?, AGE_MAX)
    };
    let age = Duration::from_secs(seconds.into()).min(most);
    (!age.is_zero()).then_some(age)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a failed step is a failed test
mod tests {
    use super::*;
    use hickory_proto::{
        op::{MessageType, OpCode},
        rr::{Name, Record, rdata::A},
    };

    fn answer(ttl: u32) -> Vec<u8> {
        let mut message = Message::new(1, MessageType::Response, OpCode::Query);
        let data = RData::A(A::new(9, 9, 9, 9));
        message.add_answer(Record::from_rdata(
            Name::from_ascii("x.").unwrap(),
            ttl,
            data,
        ));
        message.to_vec().unwrap()
    }

    #[test]
    fn an_answer_grows_old_and_ends() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        cache.keep("s", "x A", &answer(60), now);
        let later = |seconds| now + Duration::from_secs(seconds);
        let kept = cache.get("s", "x A", 7, later(20)).unwrap();
        let message = Message::from_vec(&kept).unwrap();
        assert_eq!((message.metadata.id, message.answers[0].ttl), (7, 40));
        assert!(cache.get("s", "x A", 7, later(60)).is_none());
        assert!(cache.get("other", "x A", 7, now).is_none());
        cache.keep("s", "long A", &answer(90_000), now);
        assert!(cache.get("s", "long A", 7, later(301)).is_none());
        cache.keep("s", "never A", &answer(0), now);
        assert!(cache.get("s", "never A", 7, now).is_none());
    }

    #[test]
    fn there_is_room_for_a_thousand() {
        let (mut cache, now) = (Cache::default(), Instant::now());
        for number in 0..5000 {
            cache.keep("s", &number.to_string(), &answer(60), now);
            assert!(cache.entries.len() <= ENTRIES_MAX);
        }
        assert!(cache.get("s", "4999", 1, now).is_some());
    }
}
