//! Services that start first: their new containers are made beside the old ones, which go
//! on until those are healthy.

use super::{
    Action, Found,
    up::{Builder, Progress},
};
use crate::body;
use crate::node::Node;

/// When containers that start before the old ones stop are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Rolls {
    /// In their turn.
    #[default]
    Now,
    /// By another plan: meanwhile the old ones stay as they are.
    Later,
    /// By this plan, which makes nothing else anew.
    Only,
}

/// A container that is made beside the one whose place it takes.
#[derive(Debug)]
pub(super) struct Roll {
    pub(super) number: u32,
    pub(super) old: Found,
    pub(super) name: String,
}

/// Whether a service's update is to start the new containers before the old ones stop.
pub fn starts_first(service: &Node) -> bool {
    service.text_at(&["deploy", "update_config", "order"]) == Some("start-first")
}

impl Builder<'_> {
    /// Whether the service's update starts the new before the old stops. Two containers
    /// cannot have the same address, nor the same port of the host unless the engine passes
    /// it on: these stop first all the same.
    pub(super) fn rolls(&mut self, name: &str, service: &Node) -> bool {
        if !starts_first(service) || (self.options.no_start && self.options.rolls == Rolls::Now) {
            return false;
        }
        let view = body::View(service);
        let fixed_port = !self.state.hands_over
            && view.objects("ports").any(|port| {
                let published = port.str("published");
                !published.is_empty() && published != "0" && !published.contains('-')
            });
        let host = view.str("network_mode") == "host";
        let networks = view.entries("networks").into_iter();
        let fixed_address = networks.into_iter().any(|(_, network)| {
            let view = body::View(network);
            !view.str("ipv4_address").is_empty() || !view.str("ipv6_address").is_empty()
        });
        if fixed_port || fixed_address || host {
            let what = if fixed_address {
                "address"
            } else {
                "port of the host"
            };
            if self.options.rolls == Rolls::Only {
                return false;
            }
            self.plan.warnings.push(format!(
                "service {name:?} has a fixed {what}, which two containers cannot have: \
                 it is updated stop-first instead of start-first"
            ));
            return false;
        }
        true
    }

    /// Adds the steps that roll a service over, so many at a time as it says.
    pub(super) fn roll(&mut self, name: &str, progress: &mut Progress, before: &[usize]) {
        let rolls = std::mem::take(&mut progress.rolls);
        let service = &self.project.services()[name];
        let update = service.find(&["deploy", "update_config"]).map(body::View);
        let parallelism = update.as_ref().and_then(|it| it.int("parallelism"));
        let at_once = match parallelism.map(usize::try_from) {
            Some(Ok(0)) => rolls.len().max(1),
            Some(Ok(count)) => count,
            _ => 1,
        };
        let pause = update.as_ref().and_then(|it| it.nanos("delay"));
        let goes_on = update.is_some_and(|it| it.str("failure_action") == "continue");
        let mut earlier: Vec<usize> = Vec::new();
        for (round, batch) in rolls.chunks(at_once).enumerate() {
            let mut steps = Vec::new();
            for roll in batch {
                let action = Action::Roll {
                    service: name.to_owned(),
                    number: roll.number,
                    old: roll.old.clone(),
                    name: roll.name.clone(),
                    pause_nanoseconds: pause.filter(|_| round > 0).unwrap_or(0),
                    required: !goes_on,
                };
                let after = before.iter().chain(&earlier).copied();
                steps.push(self.plan.add(action, after));
                let container = (roll.number, roll.name.clone(), true);
                progress.containers.push(container);
            }
            progress.started.extend(&steps);
            earlier = steps;
        }
    }
}
