//! A result that becomes the context of another build: the client drives the build by
//! calls of its own, as BuildKit's clients do, and takes a graph out of the result.
//!
//! ```text
//! Control.Solve (no front end) ┬─▶ LLBBridge.Solve  ─▶ Kept
//!                              └─▶ LLBBridge.Return ─▶ Control.Solve goes on and exports
//! ```

use super::Build;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use corten_buildkit::{
    Message,
    control::RpcStatus,
    gateway::{GatewayResult, ReturnRequest, ReturnResponse, SolveRequest, SolveResponse},
    llb::Definition,
};
use corten_grpc::{Client, Failure};
use std::{collections::HashMap, sync::Mutex, sync::PoisonError};

/// Under which a call says which build it belongs to.
const BUILD: &str = "buildkit-controlapi-buildid";
/// The configuration of an image, in what is said of a result.
const CONFIG: &str = "containerimage.config";

/// One result for each platform.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    results: Vec<Part>,
}

#[derive(Debug, Clone)]
struct Part {
    /// None where the build was for one platform that nobody named.
    platform: Option<String>,
    graph: Definition,
    config: Option<Vec<u8>>,
}

impl Kept {
    /// Makes this result the context `name` of a build.
    pub fn becomes_context(&self, name: &str, build: &mut Build) {
        let context = format!("context:{name}");
        for part in &self.results {
            let key = match &part.platform {
                Some(platform) => format!("{context}::{platform}"),
                None => context.clone(),
            };
            build.options.insert(key.clone(), format!("input:{key}"));
            if let Some(config) = &part.config {
                let config = STANDARD.encode(config);
                let said = serde_json::json!({ CONFIG: config }).to_string();
                build.options.insert(format!("input-metadata:{key}"), said);
            }
            build.inputs.insert(key, part.graph.clone());
        }
    }

    fn of(result: &GatewayResult) -> Self {
        let config = |key: &str| result.metadata.get(key).cloned();
        let single = result
            .single
            .iter()
            .filter_map(|it| it.definition.clone())
            .map(|graph| Part {
                platform: None,
                graph,
                config: config(CONFIG),
            });
        let several = result.several.iter().flat_map(|it| &it.refs);
        let several = several.filter_map(|(platform, it)| {
            Some(Part {
                platform: Some(platform.clone()),
                graph: it.definition.clone()?,
                config: config(&format!("{CONFIG}/{platform}")),
            })
        });
        Self {
            results: single.chain(several).collect(),
        }
    }
}

/// Drives a build: solves, puts the result into `slot`, and returns it to the engine.
pub(super) async fn drive(
    client: &Client,
    reference: &str,
    options: HashMap<String, String>,
    inputs: HashMap<String, Definition>,
    slot: &Mutex<Option<Kept>>,
) -> Result<(), Failure> {
    let request = SolveRequest {
        frontend: "dockerfile.v0".into(),
        frontend_opt: options,
        frontend_inputs: inputs,
        allow_result_return: true,
        evaluate: true,
        ..SolveRequest::default()
    };
    let solved: Result<SolveResponse, Failure> = call(client, reference, "Solve", request).await;
    let request = match solved {
        Ok(answer) => {
            let result = answer.result.unwrap_or_default();
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(Kept::of(&result));
            ReturnRequest {
                result: Some(result),
                error: None,
            }
        }
        Err(failure) => {
            let told = RpcStatus {
                code: failure.code,
                message: failure.message.clone(),
                details: Vec::new(),
            };
            let error = match RpcStatus::decode(&failure.details[..]) {
                Ok(details) if !details.details.is_empty() => details,
                _ => told,
            };
            ReturnRequest {
                result: None,
                error: Some(error),
            }
        }
    };
    let _: ReturnResponse = call(client, reference, "Return", request).await?;
    Ok(())
}

async fn call<Q: Message + 'static, A: Message + Default>(
    client: &Client,
    reference: &str,
    method: &str,
    request: Q,
) -> Result<A, Failure> {
    let path = format!("/moby.buildkit.v1.frontend.LLBBridge/{method}");
    let metadata = [(BUILD.to_owned(), reference.to_owned())];
    let (sender, mut answers) = client.stream(&path, &metadata).await?;
    let gone = || Failure::new(Failure::UNAVAILABLE, "the engine ended the connection");
    sender.send(request).await.map_err(|_| gone())?;
    drop(sender);
    answers.next().await?.ok_or_else(gone)
}
