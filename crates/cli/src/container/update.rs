//! `update`: other limits for running containers.

use super::{each::told, options};
use crate::{app::Call, error::CliError, flags};
use corten_api::container::{UpdateRequest, UpdateResponse};
use corten_client::Client;

/// Changes every container named.
pub async fn run(call: &Call<'_>) -> Result<u8, CliError> {
    let parsed = &call.parsed;
    if !parsed.in_order().any(|_| true) {
        return Err(CliError::Text(
            "you must provide one or more flags when using this command".into(),
        ));
    }
    let int = |name: &str| parsed.int(name).unwrap_or(0);
    let bytes = |name: &str| parsed.bytes(name).unwrap_or(0);
    let request = UpdateRequest {
        blkio_weight: u16::try_from(int("blkio-weight")).unwrap_or(0),
        cpuset_cpus: parsed.text("cpuset-cpus").to_owned(),
        cpuset_mems: parsed.text("cpuset-mems").to_owned(),
        cpu_shares: int("cpu-shares"),
        memory: bytes("memory"),
        memory_reservation: bytes("memory-reservation"),
        memory_swap: bytes("memory-swap"),
        cpu_period: int("cpu-period"),
        cpu_quota: int("cpu-quota"),
        cpu_realtime_period: int("cpu-rt-period"),
        cpu_realtime_runtime: int("cpu-rt-runtime"),
        nano_cpus: parsed
            .get("cpus")
            .and_then(|c| flags::parse_nano_cpus(c).ok())
            .unwrap_or(0),
        pids_limit: parsed.int("pids-limit"),
        restart_policy: match parsed.get("restart") {
            Some(policy) => options::restart_policy(policy)?,
            None => Default::default(),
        },
        ..UpdateRequest::default()
    };
    let client = call.client().await?;
    let mut failures = Vec::new();
    let mut warnings = Vec::new();
    for name in &parsed.args {
        let changed = async {
            let path = format!("/containers/{}/update", Client::segment(name));
            client
                .post(path)
                .json(&request)
                .send()
                .await?
                .json::<UpdateResponse>()
                .await
        };
        match changed.await {
            Ok(answer) => {
                call.app.line(name)?;
                warnings.extend(answer.warnings.unwrap_or_default());
            }
            Err(error) => failures.push(error.to_string()),
        }
    }
    if !warnings.is_empty() {
        call.app.warn(&warnings.join("\n"));
    }
    told(failures)
}
