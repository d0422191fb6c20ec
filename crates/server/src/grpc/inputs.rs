//! Results of one build as contexts of another: `docker buildx bake` with `target:NAME`.
//!
//! The client takes a graph out of one result and puts it into the next request. Ours has
//! one source, which names the layers: nothing has to be kept here in between but what the
//! build cache keeps.

use super::status::Status;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use corten_build::{BuildResult, ContextSource};
use corten_buildkit::{
    Message,
    llb::{Definition, Input, Op, OpMetadata, SourceOp},
};
use corten_oci::Digest;
use std::collections::HashMap;

/// The source of a graph that is a result of ours.
const RESULT: &str = "corten-result://layers";
/// Where it names the layers, the lowest first.
const LAYERS: &str = "layers";
/// What is said of an input: the image's configuration, among others.
const METADATA: &str = "input-metadata:";

/// A graph that gives a result.
pub(super) fn definition(result: &BuildResult) -> Definition {
    let layers: Vec<String> = result.layers.iter().map(Digest::to_string).collect();
    let source = Op {
        inputs: Vec::new(),
        source: Some(SourceOp {
            identifier: RESULT.into(),
            attrs: HashMap::from([(LAYERS.to_owned(), layers.join(","))]),
        }),
    };
    let source = source.encode_to_vec();
    let last = Op {
        inputs: vec![Input {
            digest: Digest::of(&source).to_string(),
            index: 0,
        }],
        source: None,
    };
    let def = vec![source, last.encode_to_vec()];
    let named = |op: &Vec<u8>| (Digest::of(op).to_string(), OpMetadata {});
    Definition {
        metadata: def.iter().map(named).collect(),
        def,
    }
}

/// The context that `input:NAME` means.
pub(super) fn context(
    name: &str,
    inputs: &HashMap<String, Definition>,
    options: &HashMap<String, String>,
) -> Result<ContextSource, Status> {
    let missing = || Status::invalid(format!("could not find input: {name}"));
    let graph = inputs.get(name).ok_or_else(missing)?;
    let foreign = || {
        Status::unimplemented(format!(
            "the input {name} is a graph of the client's own, which is not supported by Corten"
        ))
    };
    // One source, and what points to it.
    let [source, _] = &graph.def[..] else {
        return Err(foreign());
    };
    let op = Op::decode(&source[..]).map_err(|_| foreign())?;
    let source = op.source.filter(|it| it.identifier == RESULT);
    let source = source.ok_or_else(foreign)?;
    let layers = source.attrs.get(LAYERS).map_or("", String::as_str);
    let layers = layers.split(',').filter(|it| !it.is_empty());
    let layers = layers.map(|it| it.parse::<Digest>().map_err(|_| foreign()));
    let layers = layers.collect::<Result<Vec<_>, _>>()?;
    let config = options.get(&format!("{METADATA}{name}"));
    let config = config.and_then(|text| {
        let said: HashMap<String, String> = serde_json::from_str(text).ok()?;
        let bytes = STANDARD.decode(said.get("containerimage.config")?).ok()?;
        serde_json::from_slice(&bytes).ok()
    });
    Ok(ContextSource::Result { layers, config })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_graph_that_is_not_ours_is_refused_by_name() {
        let source = Op {
            inputs: Vec::new(),
            source: Some(SourceOp {
                identifier: "docker-image://busybox".into(),
                attrs: HashMap::new(),
            }),
        };
        let graph = Definition {
            def: vec![source.encode_to_vec(), Op::default().encode_to_vec()],
            metadata: HashMap::new(),
        };
        let inputs = HashMap::from([("base".to_owned(), graph)]);
        let refused = |name: &str| context(name, &inputs, &HashMap::new()).unwrap_err().message;
        assert_eq!(refused("other"), "could not find input: other");
        assert!(refused("base").starts_with("the input base is a graph of the client's own"));
    }
}
