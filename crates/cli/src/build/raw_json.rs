//! `--progress rawjson`: each message of the engine as a line of JSON, with the names, the
//! times (RFC 3339 with nanoseconds) and the omissions of BuildKit's `client.SolveStatus`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use corten_client::build::{
    StatusResponse, Timestamp, Vertex, VertexLog, VertexStatus, VertexWarning,
};
use serde_json::{Map, Value, json};

/// An object without what Go's `omitempty` leaves out.
fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let is_empty = |value: &Value| match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        _ => false,
    };
    let kept = fields.into_iter().filter(|(_, value)| !is_empty(value));
    let kept = kept.map(|(key, value)| (key.to_owned(), value));
    Value::Object(kept.collect::<Map<String, Value>>())
}

/// Go's `time.Time` in UTC, without zeroes at the end of the fraction.
fn time(at: Option<&Timestamp>) -> Value {
    let at = at.and_then(|it| jiff::Timestamp::new(it.seconds, it.nanos).ok());
    at.map_or(Value::Null, |at| at.to_string().into())
}

fn encoded(bytes: &[u8]) -> Value {
    STANDARD.encode(bytes).into()
}

fn vertex(it: &Vertex) -> Value {
    object([
        ("digest", it.digest.as_str().into()),
        ("inputs", it.inputs.clone().into()),
        ("name", it.name.as_str().into()),
        ("started", time(it.started.as_ref())),
        ("completed", time(it.completed.as_ref())),
        ("cached", it.cached.into()),
        ("error", it.error.as_str().into()),
    ])
}

fn status(it: &VertexStatus) -> Value {
    let mut status = object([
        ("vertex", it.vertex.as_str().into()),
        ("name", it.name.as_str().into()),
        ("total", it.total.into()),
        ("timestamp", time(it.timestamp.as_ref())),
        ("started", time(it.started.as_ref())),
        ("completed", time(it.completed.as_ref())),
    ]);
    status["id"] = it.id.as_str().into();
    status["current"] = it.current.into();
    status
}

fn log(it: &VertexLog) -> Value {
    let mut log = object([
        ("vertex", it.vertex.as_str().into()),
        ("stream", it.stream.into()),
    ]);
    log["data"] = encoded(&it.msg);
    log["timestamp"] = time(it.timestamp.as_ref());
    log
}

pub(super) fn warning(it: &VertexWarning) -> Value {
    let detail: Vec<Value> = it.detail.iter().map(|it| encoded(it)).collect();
    let info = it.info.as_ref().map(|info| {
        object([
            ("filename", info.filename.as_str().into()),
            ("data", encoded(&info.data)),
            ("language", info.language.as_str().into()),
        ])
    });
    let ranges: Vec<Value> = it
        .ranges
        .iter()
        .map(|range| {
            let place = |it: &Option<corten_client::build::Position>| {
                let it = it.clone().unwrap_or_default();
                object([("line", it.line.into()), ("character", it.character.into())])
            };
            json!({"start": place(&range.start), "end": place(&range.end)})
        })
        .collect();
    object([
        ("vertex", it.vertex.as_str().into()),
        ("level", it.level.into()),
        ("short", encoded(&it.short)),
        ("detail", detail.into()),
        ("url", it.url.as_str().into()),
        ("sourceInfo", info.unwrap_or_default()),
        ("range", ranges.into()),
    ])
}

/// A message with its end of line.
pub(super) fn line(message: &StatusResponse) -> String {
    let list = |list: Vec<Value>| Value::Array(list);
    let message = object([
        (
            "vertexes",
            list(message.vertexes.iter().map(vertex).collect()),
        ),
        (
            "statuses",
            list(message.statuses.iter().map(status).collect()),
        ),
        ("logs", list(message.logs.iter().map(log).collect())),
        (
            "warnings",
            list(message.warnings.iter().map(warning).collect()),
        ),
    ]);
    format!("{message}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_told_as_buildkit_writes_it() {
        let at = |nanos| {
            Some(Timestamp {
                seconds: 1_700_000_000,
                nanos,
            })
        };
        let message = StatusResponse {
            vertexes: vec![Vertex {
                digest: "sha256:a".into(),
                name: "[1/2] FROM scratch".into(),
                started: at(120_000_000),
                ..Vertex::default()
            }],
            statuses: vec![VertexStatus {
                id: "transferring".into(),
                vertex: "sha256:a".into(),
                timestamp: at(1),
                ..VertexStatus::default()
            }],
            logs: vec![VertexLog {
                vertex: "sha256:a".into(),
                timestamp: at(0),
                stream: 1,
                msg: b"hi\n".to_vec(),
            }],
            ..StatusResponse::default()
        };
        let told: Value = serde_json::from_str(&line(&message)).unwrap();
        let wanted = json!({
            "vertexes": [{
                "digest": "sha256:a", "name": "[1/2] FROM scratch",
                "started": "2023-11-14T22:13:20.12Z",
            }],
            "statuses": [{
                "id": "transferring", "vertex": "sha256:a", "current": 0,
                "timestamp": "2023-11-14T22:13:20.000000001Z",
            }],
            "logs": [{
                "vertex": "sha256:a", "stream": 1, "data": "aGkK",
                "timestamp": "2023-11-14T22:13:20Z",
            }],
        });
        assert_eq!(told, wanted);
        assert_eq!(line(&StatusResponse::default()), "{}\n");
    }
}
