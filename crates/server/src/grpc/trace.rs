//! A build's trace: the build, its steps and their pieces as spans, in the form that BuildKit
//! keeps (`buildx history trace`): JSON objects one after the other, as Go's OpenTelemetry
//! writes spans. The times are those that the build told.

use corten_base::Timestamp;
use corten_buildkit::control::{self as wire, BuildHistoryRecord, StatusResponse, Vertex};
use corten_oci::Digest;
use serde_json::{Value, json};
use std::collections::HashMap;

/// Spans of one trace; pieces of steps beyond are left out.
const SPANS_MAX: usize = 10_000;
/// Hexadecimal digits of a trace's and of a span's name (W3C Trace Context).
const TRACE_DIGITS: usize = 32;
const SPAN_DIGITS: usize = 16;
/// `SpanKind` in OpenTelemetry's numbers.
const INTERNAL: u8 = 1;
const SERVER: u8 = 2;

/// Something that took time.
struct Span<'a> {
    name: &'a str,
    id: String,
    parent: String,
    kind: u8,
    started: &'a wire::Timestamp,
    ended: &'a wire::Timestamp,
    attributes: Vec<Value>,
    error: &'a str,
}

/// What happened in the build of `record`; nothing for one that is not over.
pub(super) fn of(record: &BuildHistoryRecord, messages: &[StatusResponse]) -> Option<Vec<u8>> {
    let (begun, over) = (record.created_at.as_ref()?, record.completed_at.as_ref()?);
    let seed = format!("{} {} {}", record.reference, begun.seconds, begun.nanos);
    let trace = digits(&seed, TRACE_DIGITS);
    let name = |of: &str| digits(&format!("{trace} {of}"), SPAN_DIGITS);
    let root = name("");
    let mut spans = vec![Span {
        name: "moby.buildkit.v1.Control/Solve",
        id: root.clone(),
        parent: "0".repeat(SPAN_DIGITS),
        kind: SERVER,
        started: begun,
        ended: over,
        attributes: vec![text("ref", &record.reference)],
        error: record.error.as_ref().map_or("", |it| &it.message),
    }];
    let steps = steps(messages);
    for step in &steps {
        let Some(started) = &step.started else {
            continue;
        };
        let mut attributes = vec![text("vertex", &step.digest)];
        if step.cached {
            let value = json!({"Type": "BOOL", "Value": true});
            attributes.push(json!({"Key": "cached", "Value": value}));
        }
        spans.push(Span {
            name: &step.name,
            id: name(&step.digest),
            parent: root.clone(),
            kind: INTERNAL,
            started,
            // A step that was cut off lasted as long as the build.
            ended: step.completed.as_ref().unwrap_or(over),
            attributes,
            error: &step.error,
        });
    }
    let room = SPANS_MAX.saturating_sub(spans.len());
    let pieces = messages.iter().flat_map(|it| &it.statuses);
    let over = pieces.filter_map(|it| Some((it, it.started.as_ref()?, it.completed.as_ref()?)));
    for (piece, started, ended) in over.take(room) {
        spans.push(Span {
            name: &piece.id,
            id: name(&format!("{} {}", piece.vertex, piece.id)),
            parent: name(&piece.vertex),
            kind: INTERNAL,
            started,
            ended,
            attributes: vec![text("vertex", &piece.vertex)],
            error: "",
        });
    }
    spans.sort_by_key(|it| (it.kind != SERVER, it.started.seconds, it.started.nanos));
    let mut children: HashMap<&str, usize> = HashMap::new();
    for span in &spans {
        *children.entry(&span.parent).or_default() += 1;
    }
    let lines = spans.iter().map(|span| {
        let children = children.get(&*span.id).copied().unwrap_or(0);
        format!("{}\n", span.written(&trace, children))
    });
    Some(lines.collect::<String>().into_bytes())
}

/// The last that was told of each step, in the order they were told of first.
fn steps(messages: &[StatusResponse]) -> Vec<&Vertex> {
    let mut places = HashMap::new();
    let mut steps: Vec<&Vertex> = Vec::new();
    for step in messages.iter().flat_map(|it| &it.vertexes) {
        let place = *places.entry(&step.digest).or_insert(steps.len());
        match steps.get_mut(place) {
            Some(known) => *known = step,
            None => steps.push(step),
        }
    }
    steps
}

impl Span<'_> {
    fn written(&self, trace: &str, children: usize) -> Value {
        let context = |span: &str, trace: &str| {
            json!({
                "TraceID": trace,
                "SpanID": span,
                "TraceFlags": "01",
                "TraceState": "",
                "Remote": false,
            })
        };
        let nobody = "0".repeat(TRACE_DIGITS);
        let parent = match self.kind {
            SERVER => context(&self.parent, &nobody),
            _ => context(&self.parent, trace),
        };
        let status = match self.error {
            "" => json!({"Code": "Unset", "Description": ""}),
            error => json!({"Code": "Error", "Description": error}),
        };
        json!({
            "Name": self.name,
            "SpanContext": context(&self.id, trace),
            "Parent": parent,
            "SpanKind": self.kind,
            "StartTime": moment(self.started),
            "EndTime": moment(self.ended),
            "Attributes": self.attributes,
            "Events": null,
            "Links": null,
            "Status": status,
            "DroppedAttributes": 0,
            "DroppedEvents": 0,
            "DroppedLinks": 0,
            "ChildSpanCount": children,
            "Resource": [text("service.name", "cortend")],
            "InstrumentationLibrary": {"Name": "", "Version": "", "SchemaURL": ""},
        })
    }
}

fn text(key: &str, value: &str) -> Value {
    json!({"Key": key, "Value": {"Type": "STRING", "Value": value}})
}

fn moment(at: &wire::Timestamp) -> String {
    let nanoseconds = u32::try_from(at.nanos).unwrap_or(0);
    Timestamp::from_unix(at.seconds, nanoseconds).to_string()
}

fn digits(of: &str, count: usize) -> String {
    Digest::of(of.as_bytes()).hex()[..count].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::VertexStatus;

    fn at(seconds: i64) -> Option<wire::Timestamp> {
        Some(wire::Timestamp { seconds, nanos: 5 })
    }

    #[test]
    fn steps_and_their_pieces_are_spans_below_the_build() {
        let record = BuildHistoryRecord {
            reference: "a".into(),
            created_at: at(10),
            completed_at: at(20),
            ..BuildHistoryRecord::default()
        };
        let step = |completed, error: &str| Vertex {
            digest: "sha256:1".into(),
            name: "RUN a".into(),
            started: at(12),
            completed,
            error: error.into(),
            ..Vertex::default()
        };
        let piece = VertexStatus {
            id: "extracting".into(),
            vertex: "sha256:1".into(),
            started: at(13),
            completed: at(14),
            ..VertexStatus::default()
        };
        let messages = [
            StatusResponse {
                vertexes: vec![step(None, "")],
                ..StatusResponse::default()
            },
            StatusResponse {
                vertexes: vec![step(at(15), "exit code: 1")],
                statuses: vec![piece],
                ..StatusResponse::default()
            },
        ];
        let text = String::from_utf8(of(&record, &messages).unwrap()).unwrap();
        let spans: Vec<Value> = serde_json::Deserializer::from_str(&text)
            .into_iter()
            .map(Result::unwrap)
            .collect();
        let names: Vec<_> = spans
            .iter()
            .map(|it| it["Name"].as_str().unwrap())
            .collect();
        let root = "moby.buildkit.v1.Control/Solve";
        assert_eq!(names, [root, "RUN a", "extracting"]);
        for child in [1, 2] {
            let parent = &spans[child - 1]["SpanContext"];
            assert_eq!(&spans[child]["Parent"], parent);
            assert_eq!(spans[child - 1]["ChildSpanCount"], 1);
        }
        assert_eq!(spans[1]["Status"]["Code"], "Error");
        assert_eq!(spans[1]["EndTime"], "1970-01-01T00:00:15.000000005Z");
        let running = BuildHistoryRecord {
            completed_at: None,
            ..record
        };
        assert!(of(&running, &messages).is_none());
    }
}
