//! Connections that stand and have nothing to do, for whoever asks the same server next.
//!
//! ```text
//! Http::send ──take──> Pool <──put── Http::send, with the answer's head
//!                        └── a task drops what nobody took for a while (`Timeouts::idle`)
//! ```
//! Invariants: a connection is given only to requests with the TLS settings that it was made
//! with, and to requests for a URL that somebody else gave only if that somebody may lead to
//! where it goes.

use crate::{connect::Reach, http::Body, limits::IDLE_CONNECTIONS_MAX, url::Origin};
use hyper::client::conn::http1::SendRequest;
use rustls::ClientConfig;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// The connections of all work with registries. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Pool {
    idle: Arc<Mutex<Idle>>,
    /// How long one is kept that nobody takes.
    time: Duration,
}

/// Lock: held for look-ups only.
#[derive(Default)]
struct Idle {
    connections: HashMap<Origin, Vec<(Connection, Instant)>>,
    /// Somebody looks after those that nobody takes.
    watched: bool,
}

/// A connection to an origin.
pub(crate) struct Connection {
    pub sender: SendRequest<Body>,
    pub route: Route,
    /// What it was made with.
    pub tls: Arc<ClientConfig>,
}

/// How a connection goes.
#[derive(Clone)]
pub(crate) struct Route {
    /// How far its address reaches.
    pub reach: Reach,
    /// Plain HTTP through a proxy: requests carry the whole URL, and this header.
    pub through_http_proxy: Option<Option<String>>,
}

impl Pool {
    /// A pool of connections that are kept so long.
    pub fn new(time: Duration) -> Self {
        let idle = Arc::default();
        Self { idle, time }
    }

    /// A connection for a request with these settings; `from` is the reach of the server that
    /// gave us the URL, if one did.
    pub fn take(
        &self,
        origin: &Origin,
        tls: &Arc<ClientConfig>,
        from: Option<Reach>,
    ) -> Option<Connection> {
        let mut idle = lock(&self.idle);
        let list = idle.connections.get_mut(origin)?;
        list.retain(|(one, _)| !one.sender.is_closed());
        let fits = |(one, _): &(Connection, Instant)| {
            one.sender.is_ready()
                && Arc::ptr_eq(&one.tls, tls)
                && from.is_none_or(|from| from.may_lead_to(one.route.reach))
        };
        let found = list.iter().position(fits)?;
        Some(list.swap_remove(found).0)
    }

    /// Keeps a connection. It becomes ready again once its answer's body has been read.
    pub fn put(&self, origin: &Origin, one: Connection) {
        let mut idle = lock(&self.idle);
        let list = idle.connections.entry(origin.clone()).or_default();
        list.retain(|(one, _)| !one.sender.is_closed());
        if list.len() < IDLE_CONNECTIONS_MAX {
            list.push((one, Instant::now()));
        }
        if !std::mem::replace(&mut idle.watched, true) {
            tokio::spawn(watch(Arc::downgrade(&self.idle), self.time));
        }
    }
}

/// Drops connections that nobody took for `time`, until none is left.
async fn watch(pool: Weak<Mutex<Idle>>, time: Duration) {
    loop {
        sleep(time).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut idle = lock(&pool);
        idle.connections.retain(|_, list| {
            list.retain(|(one, since)| {
                // One whose answer is still being read is at work.
                let busy = !one.sender.is_ready();
                !one.sender.is_closed() && (busy || since.elapsed() < time)
            });
            !list.is_empty()
        });
        if idle.connections.is_empty() {
            idle.watched = false;
            return;
        }
    }
}

fn lock(idle: &Mutex<Idle>) -> MutexGuard<'_, Idle> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::url::Scheme;
    use hyper::client::conn::http1::handshake;
    use hyper_util::rt::TokioIo;

    /// A connection to nobody that is ready for a request, and its other end.
    async fn connection(
        reach: Reach,
        tls: &Arc<ClientConfig>,
    ) -> (Connection, tokio::io::DuplexStream) {
        let (near, far) = tokio::io::duplex(64);
        let (mut sender, work) = handshake(TokioIo::new(near)).await.unwrap();
        tokio::spawn(work);
        sender.ready().await.unwrap();
        let (route, tls) = (
            Route {
                reach,
                through_http_proxy: None,
            },
            Arc::clone(tls),
        );
        (Connection { sender, route, tls }, far)
    }

    fn settings() -> Arc<ClientConfig> {
        let builder = corten_tls::client(corten_tls::Trust::Anybody).unwrap();
        Arc::new(builder.with_no_client_auth())
    }

    #[tokio::test]
    async fn a_connection_is_for_those_who_could_have_made_it() {
        let pool = Pool::new(Duration::from_secs(60));
        let (tls, origin) = (settings(), Origin::parse(Scheme::Http, "10.0.0.5").unwrap());
        let (one, _far) = connection(Reach::Private, &tls).await;
        pool.put(&origin, one);
        let public = Some(Reach::Public);
        assert!(
            pool.take(&origin, &tls, public).is_none(),
            "a registry of the internet leads into the local network"
        );
        assert!(
            pool.take(&origin, &settings(), None).is_none(),
            "a certificate was not checked as it is to be"
        );
        let taken = pool.take(&origin, &tls, None).unwrap();
        assert!(pool.take(&origin, &tls, None).is_none(), "it was taken");
        pool.put(&origin, taken);
        assert!(pool.take(&origin, &tls, Some(Reach::Private)).is_some());
    }
}
