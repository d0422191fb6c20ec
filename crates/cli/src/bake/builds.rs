//! All targets at the same time, each when those it stands on are there.

use super::{error, line::Line};
use crate::{
    app::Call,
    build::{self as own, progress::Shown},
    error::CliError,
};
use corten_bake::{Plan, Target};
use corten_client::{
    ClientError,
    build::{Kept, Solved, StatusResponse, progress},
};
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::mpsc::Sender;

/// A target that could not be built.
pub(super) struct Failed {
    target: String,
    why: Why,
}

enum Why {
    /// The engine says so.
    Engine(ClientError),
    /// It did not come to that.
    Before(CliError),
}

impl Failed {
    /// As bake's users know it.
    pub fn told(self, shown: &Shown, single: bool) -> CliError {
        let subject = match single {
            true => String::new(),
            false => format!("target {}: ", self.target),
        };
        match self.why {
            Why::Engine(why) => own::failure::of(why, shown, &subject),
            Why::Before(CliError::Text(text)) => {
                error(&format!("{subject}{}", text.trim_start_matches("ERROR: ")))
            }
            Why::Before(other) => other,
        }
    }
}

/// Targets that a target's contexts are results of: the context's name, the target's.
fn linked(target: &Target) -> Vec<(String, String)> {
    let contexts = target.map("contexts").into_iter();
    contexts
        .filter_map(|(name, value)| Some((name, value.strip_prefix("target:")?.to_owned())))
        .collect()
}

/// Builds every target of a plan.
pub(super) async fn all(
    call: &Call<'_>,
    plan: &Plan,
    told: &Sender<StatusResponse>,
) -> Result<BTreeMap<String, Solved>, Failed> {
    let kept: BTreeSet<String> = plan
        .targets
        .values()
        .flat_map(linked)
        .map(|(_, other)| other)
        .collect();
    let several = plan.targets.len() > 1;
    let mut waiting: BTreeSet<&String> = plan.targets.keys().collect();
    let mut done: BTreeMap<String, Solved> = BTreeMap::new();
    let mut running = FuturesUnordered::new();
    loop {
        let ready: Vec<&String> = waiting
            .iter()
            .copied()
            .filter(|name| {
                linked(&plan.targets[*name])
                    .iter()
                    .all(|(_, other)| done.contains_key(other))
            })
            .collect();
        for name in ready {
            waiting.remove(name);
            let target = &plan.targets[name];
            let inputs: Vec<(String, Kept)> = linked(target)
                .into_iter()
                .filter_map(|(context, other)| Some((context, done.get(&other)?.kept.clone()?)))
                .collect();
            let keep = kept.contains(name);
            let prefix = several.then_some(name.as_str());
            running.push(async move {
                let solved = one(call, target, inputs, keep, prefix, told).await;
                (name, solved)
            });
        }
        let Some((name, solved)) = running.next().await else {
            break;
        };
        let solved = solved.map_err(|why| Failed {
            target: name.clone(),
            why,
        })?;
        done.insert(name.clone(), solved);
    }
    Ok(done)
}

async fn one(
    call: &Call<'_>,
    target: &Target,
    inputs: Vec<(String, Kept)>,
    keep: bool,
    prefix: Option<&str>,
    told: &Sender<StatusResponse>,
) -> Result<Solved, Why> {
    let provenance = match call.parsed.text("metadata-file") {
        "" => None,
        _ => own::metadata::Provenance::wanted(),
    };
    let line = Line::of(target).map_err(Why::Before)?;
    let call = line.call(call.app).map_err(Why::Before)?;
    let mut prepared = own::prepare(&call).map_err(Why::Before)?;
    if let Some(text) = target.text("dockerfile-inline") {
        prepared
            .dockerfile(text.as_bytes().to_vec())
            .map_err(Why::Before)?;
    }
    for (name, kept) in inputs {
        kept.becomes_context(&name, &mut prepared.build);
    }
    prepared.build.keep = keep && !prepared.build.options.contains_key("requestid");
    let client = call.client().await.map_err(Why::Before)?;
    let (own_told, mut messages) = progress();
    let passing = async {
        while let Some(mut message) = messages.recv().await {
            for vertex in &mut message.vertexes {
                if let Some(prefix) = prefix {
                    vertex.name = match vertex.name.strip_prefix('[') {
                        Some(rest) => format!("[{prefix} {rest}"),
                        None => format!("[{prefix}] {}", vertex.name),
                    };
                }
            }
            if told.send(message).await.is_err() {
                break;
            }
        }
    };
    let own::Prepared {
        build,
        offer,
        wanted,
    } = prepared;
    let building = async {
        let own_told = own_told;
        own::remember(&call, &build.reference);
        let mut solved = client.build(build, offer, own_told.clone()).await?;
        if let Some(provenance) = provenance {
            let resolving = provenance.resolve(client, &mut solved, &own_told);
            resolving.await?;
        }
        Ok(solved)
    };
    let (solved, ()) = tokio::join!(building, passing);
    let solved = solved.map_err(Why::Engine)?;
    if !solved.answer.contains_key("result.json") {
        wanted.finish().map_err(Why::Before)?;
    }
    Ok(solved)
}
