//! Devices asked for by name (CDI) or by what they can do (`--gpus`).

use crate::{Engine, EngineError, Result, messages};
use corten_cdi::Registry;
use corten_model::{Container, DeviceRequest};
use corten_oci::runtime::Spec;

/// Who makes GPUs: the driver's name in a request, and the CDI kind.
const GPUS: [(&str, &str); 3] = [
    ("nvidia", "nvidia.com/gpu"),
    ("amd", "amd.com/gpu"),
    ("intel", "intel.com/gpu"),
];

impl Engine {
    /// Puts the devices into the specification; answers the groups they need. Reads the
    /// vendors' files only where something is asked for. Blocking.
    pub(super) fn inject_devices(&self, record: &Container, spec: &mut Spec) -> Result<Vec<u32>> {
        let requests = record.host_config.resources.device_requests.as_deref();
        let requests = requests.unwrap_or_default();
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let registry = Registry::load(&self.config.cdi_directories);
        let mut names = Vec::new();
        for request in requests {
            names.extend(match request.driver.as_str() {
                "cdi" => by_name(request)?,
                _ => gpus(request, &registry.names())?,
            });
        }
        Ok(registry.inject(&names, spec)?)
    }
}

fn by_name(request: &DeviceRequest) -> Result<Vec<String>> {
    let refuse = |what: &str| Err(EngineError::Failed(messages::unexpected_in_cdi(what)));
    if request.count != 0 {
        return refuse("count");
    }
    if request.options.as_ref().is_some_and(|it| !it.is_empty()) {
        return refuse("options");
    }
    Ok(request.device_ids.clone().unwrap_or_default())
}

/// GPUs of the first vendor who describes any, by their CDI names.
fn gpus(request: &DeviceRequest, known: &[String]) -> Result<Vec<String>> {
    let of = |kind: &str| -> Vec<&String> {
        let prefix = format!("{kind}=");
        known.iter().filter(|it| it.starts_with(&prefix)).collect()
    };
    let asked = request.capabilities.iter().flatten();
    let wanted = asked.clone().any(|set| set.iter().any(|it| it == "gpu"));
    let vendor = GPUS.iter().find(|(driver, kind)| {
        (request.driver.is_empty() || request.driver == *driver) && !of(kind).is_empty()
    });
    let Some((_, kind)) = vendor.filter(|_| wanted) else {
        let sets: Vec<String> = asked.map(|set| format!("[{}]", set.join(" "))).collect();
        let sets = format!("[{}]", sets.join(" "));
        let sentence = messages::no_device_driver(&request.driver, sets);
        return Err(EngineError::Failed(sentence));
    };
    let named = request.device_ids.iter().flatten();
    let mut names: Vec<String> = named.map(|id| format!("{kind}={id}")).collect();
    if names.is_empty() {
        names = match usize::try_from(request.count) {
            Ok(count) => (0..count)
                .map(|number| format!("{kind}={number}"))
                .collect(),
            Err(_) => vec![format!("{kind}=all")],
        };
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(driver: &str, count: i64) -> DeviceRequest {
        DeviceRequest {
            driver: driver.into(),
            count,
            capabilities: Some(vec![vec!["gpu".into()], vec!["a".into(), "b".into()]]),
            ..DeviceRequest::default()
        }
    }

    #[test]
    fn gpus_without_a_vendor_are_refused_in_dockers_words() {
        let error = gpus(&request("", -1), &["other.com/x=0".into()]).expect_err("no GPUs");
        assert_eq!(
            error.to_string(),
            "could not select device driver \"\" with capabilities: [[gpu] [a b]]"
        );
    }

    #[test]
    fn gpus_are_the_vendors_cdi_devices() {
        let known = ["amd.com/gpu=0".to_owned(), "amd.com/gpu=all".to_owned()];
        assert_eq!(
            gpus(&request("", -1), &known).expect("AMD's"),
            ["amd.com/gpu=all"]
        );
        assert_eq!(
            gpus(&request("amd", 1), &known).expect("AMD's"),
            ["amd.com/gpu=0"]
        );
        assert!(gpus(&request("nvidia", 1), &known).is_err());
    }
}
