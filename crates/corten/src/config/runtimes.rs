//! OCI runtimes that the settings register (`runtimes`, `--add-runtime`).
//!
//! The sentences are dockerd's (moby: `daemon/runtime_unix.go`).

use crate::settings::Settings;
use corten_engine::RuntimeProgram;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

type Runtimes = BTreeMap<String, RuntimeProgram>;

/// Those that are registered.
pub(super) fn registered(settings: &Settings) -> Result<Runtimes, String> {
    let all = settings.get("runtimes").and_then(Value::as_object);
    let each = all.into_iter().flatten();
    each.map(|(name, value)| Ok((name.clone(), runtime(name, value)?)))
        .collect()
}

/// That of containers which name none.
pub(super) fn default(settings: &Settings, runtimes: &Runtimes) -> Result<String, String> {
    match settings.text("default-runtime").unwrap_or_default() {
        "" => Ok(RuntimeProgram::OWN[0].to_owned()),
        name if runtimes.contains_key(name) || RuntimeProgram::OWN.contains(&name) => {
            Ok(name.to_owned())
        }
        name => Err(format!("specified default runtime '{name}' does not exist")),
    }
}

fn runtime(name: &str, value: &Value) -> Result<RuntimeProgram, String> {
    if RuntimeProgram::OWN.contains(&name) {
        return Err(format!("runtime name '{name}' is reserved"));
    }
    let none = Map::new();
    let (path, fields) = match value {
        // As the flag has it.
        Value::String(path) => (path.as_str(), &none),
        Value::Object(fields) => (text(name, fields, "path")?, fields),
        _ => return Err(format!("runtime {name}: an object is wanted")),
    };
    const KNOWN: [&str; 4] = ["path", "runtimeArgs", "runtimeType", "options"];
    if let Some(key) = fields.keys().find(|key| !KNOWN.contains(&key.as_str())) {
        return Err(format!("runtime {name}: {key} is not known"));
    }
    let kind = text(name, fields, "runtimeType")?;
    let options = fields.get("options").and_then(Value::as_object);
    match (path, kind) {
        ("", "") => {
            return Err(format!(
                "runtime {name}: either a runtimeType or a path must be configured"
            ));
        }
        ("", kind) => {
            return Err(format!(
                "runtime {name}: runtimeType {kind} is not supported, since it names a shim of \
                 containerd: give the path of an OCI runtime"
            ));
        }
        (_, "") => {}
        (_, _) => {
            return Err(format!(
                "runtime {name}: cannot configure both path and runtimeType for the same runtime"
            ));
        }
    }
    if options.is_some_and(|options| !options.is_empty()) {
        return Err(format!(
            "runtime {name}: options cannot be used with a path runtime"
        ));
    }
    let arguments = fields.get("runtimeArgs").and_then(Value::as_array);
    let arguments = arguments.into_iter().flatten().map(|word| {
        let word = word.as_str().map(str::to_owned);
        word.ok_or_else(|| format!("runtime {name}: runtimeArgs must be texts"))
    });
    Ok(RuntimeProgram {
        path: path.into(),
        arguments: arguments.collect::<Result<_, _>>()?,
    })
}

fn text<'a>(name: &str, fields: &'a Map<String, Value>, key: &str) -> Result<&'a str, String> {
    match fields.get(key) {
        None | Some(Value::Null) => Ok(""),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(format!("runtime {name}: {key} must be a text")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Runtimes, String> {
        let mut settings = Settings::default();
        settings.set("runtimes", serde_json::from_str(text).expect("JSON"));
        registered(&settings)
    }

    #[test]
    fn a_path_and_arguments_register_a_runtime() {
        let found = parsed(r#"{"crun":{"path":"/usr/bin/crun","runtimeArgs":["--debug"]}}"#);
        let runtime = RuntimeProgram {
            path: "/usr/bin/crun".into(),
            arguments: vec!["--debug".into()],
        };
        assert_eq!(found, Ok(Runtimes::from([("crun".to_owned(), runtime)])));
        assert_eq!(parsed(r#"{"a":"/b"}"#).expect("as a flag")["a"].path, *"/b");
    }

    #[test]
    fn what_cannot_be_is_refused_with_dockerds_sentences() {
        for (text, sentence) in [
            (
                r#"{"runc":{"path":"/x"}}"#,
                "runtime name 'runc' is reserved",
            ),
            (
                r#"{"a":{}}"#,
                "runtime a: either a runtimeType or a path must be configured",
            ),
            (
                r#"{"a":{"path":"/x","runtimeType":"y"}}"#,
                "runtime a: cannot configure both path and runtimeType for the same runtime",
            ),
            (
                r#"{"a":{"path":"/x","options":{"y":1}}}"#,
                "runtime a: options cannot be used with a path runtime",
            ),
        ] {
            assert_eq!(parsed(text), Err(sentence.to_owned()));
        }
        let mut settings = Settings::default();
        settings.set("default-runtime", Value::String("b".into()));
        assert_eq!(
            default(&settings, &Runtimes::new()),
            Err("specified default runtime 'b' does not exist".to_owned())
        );
    }
}
