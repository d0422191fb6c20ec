//! The hash by which Compose sees that a service has changed: the label
//! `com.docker.compose.config-hash`, equal to stock Compose's.

use crate::json;
use crate::node::{Node, Value};
use crate::output;
use sha2::{Digest, Sha256};

/// Attributes that do not make a container another one.
const ASIDE: [&str; 5] = ["build", "pull_policy", "scale", "depends_on", "profiles"];

/// The hash of a service, 64 hexadecimal digits.
pub fn service(service: &Node) -> String {
    let mut service = service.clone();
    if let Some(map) = service.map_mut() {
        for key in ASIDE {
            map.remove(key);
        }
        if let Some(deploy) = map.get_mut("deploy").and_then(Node::map_mut) {
            deploy.remove("replicas");
        }
    }
    of(&json::compact(&output::service_json(&service)))
}

/// The hash of a network or volume (`networks` or `volumes`), 64 hexadecimal digits.
///
/// A volume of no driver is one of the `local` driver.
pub fn resource(kind: &str, resource: &Node) -> String {
    let mut resource = resource.clone();
    let place = resource.place.clone();
    if let Some(map) = resource.map_mut().filter(|_| kind == "volumes") {
        map.entry("driver".into())
            .or_insert_with(|| Node::at(&place, Value::Text("local".into())));
    }
    let resource = &resource;
    of(&json::compact(&output::resource_json(kind, resource)))
}

fn of(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
