//! What is said to a question: an answer from the directory, or that others are to be asked.

use crate::Directory;
use hickory_proto::{
    op::{Edns, Message, MessageType, OpCode, ResponseCode},
    rr::{DNSClass, Name, RData, Record, RecordType, rdata::PTR},
};
use std::net::IpAddr;

/// How long an answer about containers may be kept, in seconds, as in Docker 28. (Programs
/// in containers rarely keep any.)
const TTL_SECONDS: u32 = 600;
/// Answers without EDNS are no longer. (RFC 1035, § 4.2.1)
const PLAIN_BYTES: u16 = 512;
/// The name of the host for containers, as Docker Desktop has it.
const HOST_NAME: &str = "host.docker.internal";

/// A question that is passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Question {
    /// Its number, for the answer.
    pub id: u16,
    /// What it is about, in small letters, with type, class and the bits that shape the
    /// answer: what a cache knows it by.
    pub key: String,
    /// The longest datagram that may come back.
    pub datagram_bytes: u16,
}

/// What to do about a question.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Say this.
    Answer(Vec<u8>),
    /// Ask others.
    PassOn(Question),
    /// Say nothing: it is none.
    Ignore,
}

/// What shapes the answers for one container.
#[derive(Debug)]
pub(crate) struct Asker<'a> {
    pub container: &'a str,
    pub host_gateway: &'a [IpAddr],
    pub ndots_set: bool,
    /// Whether the answer goes out as a datagram.
    pub datagram: bool,
}

/// Decides about a question.
pub(crate) fn decide(directory: &Directory, asker: &Asker<'_>, bytes: &[u8]) -> Decision {
    let Ok(query) = Message::from_vec(bytes) else {
        return match bytes {
            [a, b, flags, ..] if bytes.len() >= 12 && flags & 0x80 == 0 => {
                let id = u16::from_be_bytes([*a, *b]);
                refusal(id, OpCode::Query, ResponseCode::FormErr)
            }
            _ => Decision::Ignore,
        };
    };
    let head = &query.metadata;
    if head.message_type != MessageType::Query {
        return Decision::Ignore;
    }
    if head.op_code != OpCode::Query {
        return refusal(head.id, head.op_code, ResponseCode::NotImp);
    }
    let [question] = query.queries.as_slice() else {
        return refusal(head.id, head.op_code, ResponseCode::FormErr);
    };
    let name = question.name().to_ascii();
    let limit = match asker.datagram {
        true => query.max_payload().max(PLAIN_BYTES),
        false => u16::MAX,
    };
    let passed_on = || {
        let edns = query.edns.as_ref();
        let secured = edns.is_some_and(|edns| edns.flags().dnssec_ok);
        Decision::PassOn(Question {
            id: head.id,
            key: format!(
                "{} {} {} {}{}{}",
                name.to_lowercase(),
                question.query_type(),
                question.query_class(),
                u8::from(edns.is_some()),
                u8::from(secured),
                u8::from(head.checking_disabled),
            ),
            datagram_bytes: limit,
        })
    };
    if question.query_class() != DNSClass::IN {
        return passed_on();
    }
    let records = match question.query_type() {
        RecordType::PTR => reverse(directory, asker, question.name()),
        kind => {
            let addresses = directory
                .resolve(asker.container, &name)
                .or_else(|| host(asker, &name));
            addresses.map(|all| records(question.name(), kind, &all))
        }
    };
    match records {
        Some(records) => Decision::Answer(encode(&query, records, limit)),
        // Docker 28: with `ndots` in resolv.conf a single word is tried as it is, too, and
        // is not the outside's business.
        None if asker.ndots_set
            && matches!(question.query_type(), RecordType::A | RecordType::AAAA)
            && !name.trim_end_matches('.').contains('.') =>
        {
            Decision::Answer(encode(&query, Vec::new(), limit))
        }
        None => passed_on(),
    }
}

/// The answer when nobody can say, or too many ask.
pub(crate) fn failure(bytes: &[u8], code: ResponseCode) -> Option<Vec<u8>> {
    let query = Message::from_vec(bytes).ok()?;
    let mut answer = Message::new(
        query.metadata.id,
        MessageType::Response,
        query.metadata.op_code,
    );
    answer.metadata.recursion_desired = query.metadata.recursion_desired;
    answer.metadata.recursion_available = true;
    answer.metadata.response_code = code;
    answer.add_queries(query.queries.iter().cloned());
    answer.to_vec().ok()
}

fn refusal(id: u16, op_code: OpCode, code: ResponseCode) -> Decision {
    match Message::error_msg(id, op_code, code).to_vec() {
        Ok(bytes) => Decision::Answer(bytes),
        Err(_) => Decision::Ignore,
    }
}

fn host(asker: &Asker<'_>, name: &str) -> Option<Vec<IpAddr>> {
    let is_host = name.trim_end_matches('.').eq_ignore_ascii_case(HOST_NAME);
    (is_host && !asker.host_gateway.is_empty()).then(|| asker.host_gateway.to_vec())
}

fn records(name: &Name, kind: RecordType, addresses: &[IpAddr]) -> Vec<Record> {
    let data = addresses.iter().filter_map(|address| match address {
        IpAddr::V4(address) if kind == RecordType::A => Some(RData::A((*address).into())),
        IpAddr::V6(address) if kind == RecordType::AAAA => Some(RData::AAAA((*address).into())),
        _ => None,
    });
    data.map(|data| Record::from_rdata(name.clone(), TTL_SECONDS, data))
        .collect()
}

fn reverse(directory: &Directory, asker: &Asker<'_>, name: &Name) -> Option<Vec<Record>> {
    let net = name.parse_arpa_name().ok()?;
    // Part of an address is no container.
    if net.prefix_len() != net.max_prefix_len() {
        return None;
    }
    let bearer = directory.reverse(asker.container, net.addr())?;
    let bearer = Name::from_str_relaxed(format!("{bearer}.")).ok()?;
    let data = RData::PTR(PTR(bearer));
    Some(vec![Record::from_rdata(name.clone(), TTL_SECONDS, data)])
}

/// The answer, with as many records as fit.
fn encode(query: &Message, records: Vec<Record>, limit: u16) -> Vec<u8> {
    let mut answer = Message::new(
        query.metadata.id,
        MessageType::Response,
        query.metadata.op_code,
    );
    answer.metadata.recursion_desired = query.metadata.recursion_desired;
    answer.metadata.recursion_available = true;
    answer.add_queries(query.queries.iter().cloned());
    answer.add_answers(records);
    if query.edns.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(limit);
        answer.set_edns(edns);
    }
    loop {
        let bytes = answer.to_vec().unwrap_or_default();
        if bytes.len() <= usize::from(limit) {
            return bytes;
        }
        answer.metadata.truncation = true;
        // A record takes 16 bytes at least: in few steps to the length that fits.
        let excess = (bytes.len() - usize::from(limit)).div_ceil(28).max(1);
        let left = answer.answers.len().saturating_sub(excess);
        if answer.answers.is_empty() {
            return bytes;
        }
        answer.answers.truncate(left);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a failed step is a failed test
mod tests {
    use super::*;
    use crate::Place;
    use hickory_proto::op::Query;

    fn directory(bearers: u8) -> Directory {
        let mut directory = Directory::default();
        for last in 0..bearers {
            let place = Place {
                network: "n".into(),
                names: vec![format!("web{last}"), "all".into()],
                addresses: vec![
                    [10, 0, 0, last].into(),
                    [0xfd00, 0, 0, 0, 0, 0, 0, 1].into(),
                ],
                ..Place::default()
            };
            directory.set(&format!("c{last}"), vec![place]);
        }
        directory
    }

    const GATEWAY: [IpAddr; 1] = [IpAddr::V4(std::net::Ipv4Addr::new(172, 17, 0, 1))];

    fn asker(datagram: bool) -> Asker<'static> {
        Asker {
            container: "c0",
            host_gateway: &GATEWAY,
            ndots_set: false,
            datagram,
        }
    }

    fn query(name: &str, kind: RecordType, edns: Option<u16>) -> Vec<u8> {
        let mut message = Message::new(77, MessageType::Query, OpCode::Query);
        message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
        if let Some(size) = edns {
            let mut edns = Edns::new();
            edns.set_max_payload(size);
            message.set_edns(edns);
        }
        message.to_vec().unwrap()
    }

    fn answer(directory: &Directory, name: &str, kind: RecordType) -> Option<String> {
        match decide(directory, &asker(true), &query(name, kind, None)) {
            Decision::Answer(bytes) => {
                let message = Message::from_vec(&bytes).unwrap();
                assert_eq!(message.metadata.id, 77);
                let data = message.answers.iter().map(|record| record.data.to_string());
                Some(data.collect::<Vec<_>>().join(" "))
            }
            _ => None,
        }
    }

    #[test]
    fn questions_of_each_type_are_answered_or_passed_on() {
        let directory = directory(2);
        for (name, kind, wanted) in [
            ("web1.", RecordType::A, Some("10.0.0.1")),
            ("WEB1.n.", RecordType::A, Some("10.0.0.1")),
            ("web1.", RecordType::AAAA, Some("fd00::1")),
            ("web1.", RecordType::MX, Some("")),
            ("web1.", RecordType::TXT, Some("")),
            ("1.0.0.10.in-addr.arpa.", RecordType::PTR, Some("web1.n.")),
            ("9.0.0.10.in-addr.arpa.", RecordType::PTR, None),
            ("example.com.", RecordType::A, None),
            ("host.docker.internal.", RecordType::A, Some("172.17.0.1")),
            ("host.docker.internal.", RecordType::AAAA, Some("")),
        ] {
            assert_eq!(
                answer(&directory, name, kind).as_deref(),
                wanted,
                "{name} {kind}"
            );
        }
    }

    #[test]
    fn an_answer_that_does_not_fit_says_so() {
        let directory = directory(200);
        let decided = |datagram, edns| {
            let question = query("all.", RecordType::A, edns);
            match decide(&directory, &asker(datagram), &question) {
                Decision::Answer(bytes) => (bytes.len(), Message::from_vec(&bytes).unwrap()),
                other => panic!("{other:?}"),
            }
        };
        let (length, message) = decided(true, None);
        assert!(
            length <= 512 && length > 400 && message.metadata.truncation,
            "{length}"
        );
        let (length, message) = decided(true, Some(1232));
        assert!(
            length <= 1232 && length > 1100 && message.metadata.truncation,
            "{length}"
        );
        assert!(message.edns.is_some());
        let (_, message) = decided(false, None);
        assert!(message.answers.len() == 200 && !message.metadata.truncation);
    }

    #[test]
    fn single_words_stay_here_where_ndots_is_set() {
        let directory = directory(1);
        let asker = Asker {
            ndots_set: true,
            ..asker(true)
        };
        let word = query("nobody.", RecordType::A, None);
        assert!(matches!(
            decide(&directory, &asker, &word),
            Decision::Answer(_)
        ));
        let dotted = query("nobody.x.", RecordType::A, None);
        assert!(matches!(
            decide(&directory, &asker, &dotted),
            Decision::PassOn(_)
        ));
    }

    #[test]
    fn what_is_no_question_gets_no_harm_done() {
        let directory = directory(1);
        let decided = |bytes: &[u8]| decide(&directory, &asker(true), bytes);
        assert_eq!(decided(b"x"), Decision::Ignore);
        let mut answered = query("web0.", RecordType::A, None);
        answered[2] |= 0x80;
        assert_eq!(decided(&answered), Decision::Ignore);
        let mut cut = query("web0.", RecordType::A, None);
        cut.truncate(14);
        assert!(matches!(decided(&cut), Decision::Answer(bytes) if bytes[3] & 15 == 1));
        let mut update = query("web0.", RecordType::A, None);
        update[2] |= 5 << 3;
        assert!(matches!(decided(&update), Decision::Answer(bytes) if bytes[3] & 15 == 4));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_answered_or_ignored(
            bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..600),
            at in 0_usize..40,
            with in proptest::num::u8::ANY,
        ) {
            let directory = directory(3);
            let mut spoiled = query("web1.n.", RecordType::A, Some(1232));
            if let Some(byte) = spoiled.get_mut(at) {
                *byte = with;
            }
            for bytes in [&bytes, &spoiled] {
                if let Decision::Answer(answer) = decide(&directory, &asker(true), bytes) {
                    proptest::prop_assert!(answer.len() >= 12 && answer[2] & 0x80 != 0);
                    proptest::prop_assert_eq!(&answer[..2], &bytes[..2]);
                }
                let _ = failure(bytes, ResponseCode::ServFail);
                let mut cache = crate::cache::Cache::default();
                cache.keep("s", "k", bytes, std::time::Instant::now());
            }
        }
    }
}
