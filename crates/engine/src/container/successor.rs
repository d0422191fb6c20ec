//! One container takes another's place without a moment in which nobody serves.
//!
//! A container whose annotation [`SUCCEEDS`] names another one waits beside it: as long as
//! that one runs it publishes no ports, and names that both bear lead to the other. The
//! predecessor's stop hands both over, and only when the connections that it had are
//! at an end, or its time is, does it get its signal; its end by itself hands over, too.
//!
//! ```text
//! start(new) ─▶ waits ─▶ stop(old): names and ports pass ─▶ drain ─▶ signal ─▶ exit(old)
//!                └─▶ handover(old): names and ports pass ─▶ drain ─▶ … ─▶ stop(old)
//! ```
//!
//! Locks: the successor's, then the predecessor's; an annotation can only name a container
//! that was there before, so that there are no circles.

use super::ports;
use crate::{Engine, EngineError, Result, StopOptions, handle::Handle, messages};
use corten_model::{Container, HostConfig};
use corten_network::PublishRequest;
use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

/// The annotation: the whole ID of the container whose place this one takes.
const SUCCEEDS: &str = "corten.succeeds";

/// Clients that have just asked for the name are on their way to the old address for so
/// long: who keeps an answer for a second by a clock of whole seconds, as nginx does with
/// `valid=1s`, keeps it for nearly two.
const DRAIN_SHORTEST: Duration = Duration::from_secs(2);
/// Between two looks at the connections.
const DRAIN_PAUSE: Duration = Duration::from_millis(50);

/// Refuses an annotation that names no container.
pub(super) fn verify_successor(host_config: &HostConfig) -> Result<()> {
    match predecessor_of(host_config) {
        Some(id) if id.parse::<corten_model::ContainerId>().is_err() => {
            Err(EngineError::Invalid(messages::invalid_predecessor(id)))
        }
        _ => Ok(()),
    }
}

fn predecessor_of(host_config: &HostConfig) -> Option<&str> {
    let annotations = host_config.annotations.as_ref()?;
    annotations.get(SUCCEEDS).map(String::as_str)
}

impl Engine {
    /// The container that runs and whose place this one is to take.
    fn predecessor(&self, record: &Container) -> Option<Arc<Handle>> {
        let id = predecessor_of(&record.host_config)?;
        let found = self.table.find(id).ok()?;
        let runs = found.id != record.id && found.record().state.has_process();
        runs.then_some(found)
    }

    /// The container that waits to take the place of this one.
    fn successor(&self, handle: &Handle) -> Option<Arc<Handle>> {
        if handle.volatile().handed_over {
            return None;
        }
        let id = handle.id.to_string();
        self.table.all().into_iter().find(|other| {
            let record = other.record();
            record.state.has_process() && predecessor_of(&record.host_config) == Some(&id)
        })
    }

    /// What a container publishes when it starts: nothing while it waits for its place.
    pub(super) fn publishes_now(&self, record: &Container) -> Result<Vec<PublishRequest>> {
        let all = ports::publish_requests(record)?;
        if self.predecessor(record).is_none() {
            return Ok(all);
        }
        self.networks.stand_aside(&record.id.to_string(), true);
        Ok(Vec::new())
    }

    /// The daemon has come up: who waited goes on waiting, and who had got the ports
    /// already has the names, too, and both records say so.
    pub(crate) async fn wait_again(self: &Arc<Self>, handle: &Arc<Handle>) -> Result<()> {
        let Some(predecessor) = self.predecessor(&handle.record()) else {
            return Ok(());
        };
        if self.networks.ports(&handle.id.to_string()).is_empty() {
            self.networks.stand_aside(&handle.id.to_string(), true);
            return Ok(());
        }
        self.networks.stand_aside(&predecessor.id.to_string(), true);
        self.show_ports(handle).await?;
        self.show_ports(&predecessor).await
    }

    /// A container runs: if the one whose place it takes has ended meanwhile, nobody else
    /// hands over to it. The caller holds its lock.
    pub(super) async fn take_place_of_ended(self: &Arc<Self>, handle: &Arc<Handle>) {
        let record = handle.record();
        let Some(id) = predecessor_of(&record.host_config) else {
            return;
        };
        if self.predecessor(&record).is_none()
            && let Err(error) = self.pass_place(id, handle).await
        {
            let error = corten_base::chain(&error);
            tracing::warn!(container = %handle.id, error, "published ports are not taken over");
        }
    }

    /// A container has ended for good: who waits for its place gets it.
    pub(super) async fn leave_place(self: &Arc<Self>, handle: &Arc<Handle>) {
        let successor = self.successor(handle);
        handle.volatile().handed_over = false;
        let Some(successor) = successor else {
            return;
        };
        let _owner = successor.lock.lock().await;
        let passed = self.pass_place(&handle.id.to_string(), &successor).await;
        if let Err(error) = passed {
            let error = corten_base::chain(&error);
            tracing::warn!(container = %successor.id, error, "published ports are not taken over");
        }
    }

    /// `POST /containers/{id}/handover`: what a stop does before its signal, for who has
    /// something to do between them. The container runs on, and is not started again by its
    /// policy. [`Kind::NotModified`](corten_base::Kind) when nobody waits for its place.
    pub async fn container_hand_over(
        self: &Arc<Self>,
        name: &str,
        options: StopOptions,
    ) -> Result<()> {
        let handle = self.table.find(name)?;
        let record = handle.record();
        if !record.state.is_running() || self.successor(&handle).is_none() {
            return Err(EngineError::NotModified(messages::no_successor(record.id)));
        }
        let seconds = self.stop_seconds(&record, &options);
        self.hand_over(&handle, seconds).await
    }

    /// Before a stop: names and ports pass to whoever waits for them, and the connections
    /// of the old get so many seconds (for ever, if negative) to end.
    pub(super) async fn hand_over(
        self: &Arc<Self>,
        handle: &Arc<Handle>,
        seconds: i64,
    ) -> Result<()> {
        let Some(successor) = self.successor(handle) else {
            return Ok(());
        };
        // From here on nobody starts it again, whatever it does meanwhile.
        self.mark_stopped(handle).await;
        {
            let _owner = successor.lock.lock().await;
            if !successor.record().state.has_process() {
                return Ok(());
            }
            self.pass_place(&handle.id.to_string(), &successor).await?;
            handle.volatile().handed_over = true;
            let _predecessor = handle.lock.lock().await;
            self.show_ports(handle).await?;
        }
        tracing::debug!(container = %handle.id, successor = %successor.id, "handed over");
        self.drain(handle, seconds).await;
        Ok(())
    }

    /// The caller holds the successor's lock.
    async fn pass_place(self: &Arc<Self>, from: &str, to: &Arc<Handle>) -> Result<()> {
        let record = to.record();
        if record.host_config.network_mode == "host" {
            return Ok(());
        }
        let requests = ports::publish_requests(&record)?;
        let (engine, from) = (self.clone(), from.to_owned());
        let id = record.id.to_string();
        self.pool
            .run(move || Ok(engine.networks.hand_over(&from, &id, &requests)?))
            .await?;
        self.show_ports(to).await
    }

    /// The record shows the ports that the network room has. The caller holds the lock.
    async fn show_ports(self: &Arc<Self>, handle: &Arc<Handle>) -> Result<()> {
        let mut next = Container::clone(&handle.record());
        let bound = self.networks.ports(&handle.id.to_string());
        next.network_settings.ports = ports::ports(&next, &bound);
        let next = handle.replace(next);
        self.save_later(next).await
    }

    /// Waits until nobody is connected to the container, so many seconds at most.
    async fn drain(&self, handle: &Handle, seconds: i64) {
        let begun = Instant::now();
        let longest = u64::try_from(seconds).map_or(Duration::MAX, Duration::from_secs);
        let mut life = handle.life.subscribe();
        let mut idle = 0;
        let process = match handle.first_process().await {
            Ok(Some(process)) => process,
            // It has ended.
            Ok(None) => return,
            Err(error) => {
                let error = corten_base::chain(&error);
                tracing::warn!(container = %handle.id, error, "its connections are not waited for");
                return;
            }
        };
        while begun.elapsed() < longest {
            let tables = ["tcp", "tcp6"].map(|it| process.network_table(it).unwrap_or_default());
            // Twice, since one that has just ended may be followed by the next.
            idle = if is_connected(&tables) { 0 } else { idle + 1 };
            if idle >= 2 && begun.elapsed() >= DRAIN_SHORTEST {
                return;
            }
            let left = longest.saturating_sub(begun.elapsed());
            tokio::select! {
                () = tokio::time::sleep(DRAIN_PAUSE.min(left)) => {}
                _ = life.wait_for(|life| !life.running) => return,
                () = self.closed() => return,
            }
        }
    }
}

/// Whether somebody is connected to a port that is listened on, proc_pid_net(5).
fn is_connected(tables: &[String]) -> bool {
    let listening: HashSet<&str> = tables
        .iter()
        .flat_map(|table| sockets(table))
        .filter(|(_, state)| *state == LISTEN)
        .map(|(port, _)| port)
        .collect();
    let connected =
        |(port, state): (&str, &str)| CONNECTED.contains(&state) && listening.contains(port);
    tables
        .iter()
        .flat_map(|table| sockets(table))
        .any(connected)
}

/// TCP_LISTEN of linux/net/tcp_states.h.
const LISTEN: &str = "0A";
/// TCP_ESTABLISHED, TCP_SYN_RECV and TCP_CLOSE_WAIT: something may still be answered.
const CONNECTED: [&str; 3] = ["01", "03", "08"];

/// Local port and state of each socket of a table.
fn sockets(table: &str) -> impl Iterator<Item = (&str, &str)> {
    table.lines().skip(1).filter_map(|line| {
        let mut fields = line.split_whitespace();
        let (_, port) = fields.nth(1)?.rsplit_once(':')?;
        let state = fields.nth(1)?;
        Some((port, state))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_to_what_is_listened_on_count_and_others_do_not() {
        let line = |port: &str, state: &str| {
            format!("   0: 0200000A:{port} 0300000A:C350 {state} 00000000:00000000 00:0 0 0 0\n")
        };
        let connected = |lines: &[String]| {
            let header = "  sl  local_address rem_address   st\n";
            is_connected(&[format!("{header}{}", lines.concat()), String::new()])
        };
        let others = [line("0050", "0A"), line("A001", "01"), line("0050", "06")];
        assert!(!connected(&others));
        assert!(connected(&[line("0050", "0A"), line("0050", "01")]));
    }
}
