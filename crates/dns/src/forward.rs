//! Questions about the outside: from the cache, or from the servers.

use crate::{
    Upstream,
    answer::{self, Question},
    cache::Cache,
    server::Settings,
    upstream::{self, SERVERS_MAX, Transport},
};
use corten_netlink::Netns;
use hickory_proto::op::ResponseCode;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

/// Answers a question that the directory has nothing about. Blocks for some seconds at
/// most; `external` tells whether the container reaches the outside.
pub(crate) fn pass_on(
    cache: &Mutex<Cache>,
    settings: &Settings,
    netns: &Arc<Netns>,
    external: bool,
    transport: Transport,
    (question, bytes): (&Question, &[u8]),
) -> Option<Vec<u8>> {
    let servers: Vec<Upstream> = settings
        .servers
        .iter()
        .copied()
        // CVE-2024-29018
        .filter(|server| external || !server.from_host)
        .take(SERVERS_MAX)
        .collect();
    let scope = scope(&servers, netns);
    let lock = || cache.lock().unwrap_or_else(PoisonError::into_inner);
    let kept = lock().get(&scope, &question.key, question.id, Instant::now());
    let limit = match transport {
        Transport::Datagram => usize::from(question.datagram_bytes),
        Transport::Stream => usize::MAX,
    };
    if let Some(kept) = kept.filter(|kept| kept.len() <= limit) {
        return Some(kept);
    }
    let Some(mut answer) = upstream::ask(&servers, netns, transport, bytes) else {
        return answer::failure(bytes, ResponseCode::ServFail);
    };
    lock().keep(&scope, &question.key, &answer, Instant::now());
    if answer.len() > limit {
        return truncated(bytes);
    }
    answer
        .get_mut(..2)?
        .copy_from_slice(&question.id.to_be_bytes());
    Some(answer)
}

/// Those who ask the same servers from the same place share their answers.
fn scope(servers: &[Upstream], netns: &Arc<Netns>) -> String {
    let inside = servers.iter().any(|server| !server.from_host);
    let place = inside.then(|| Arc::as_ptr(netns).addr());
    format!("{place:?} {servers:?}")
}

/// "Ask again by TCP": a server sent more than was asked for.
fn truncated(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut answer = answer::failure(bytes, ResponseCode::NoError)?;
    *answer.get_mut(2)? |= 0x02;
    Some(answer)
}
