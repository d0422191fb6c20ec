//! What a client asks the front end instead of building: `outline`, `targets`, and which
//! questions there are. Answers as JSON and as text, both BuildKit's.

use super::{BuildKit, bridge, jobs::Job, status::Status};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use corten_build::{Described, Location, Outline, Question, StageOutline};
use corten_buildkit::gateway::SolveRequest;
use serde::Serialize;
use std::{collections::HashMap, sync::Arc};

/// The questions, as `subrequests.describe` lists them.
const KNOWN: [(&str, &str, &str); 3] = [
    (
        "frontend.outline",
        "List all parameters current build target supports",
        "outline",
    ),
    (
        "frontend.targets",
        "List all targets current build supports",
        "targets",
    ),
    (
        "frontend.subrequests.describe",
        "List available subrequest types",
        "subrequests.describe",
    ),
];
/// The version of each answer's form.
const VERSION: &str = "1.0.0";

type Answers = HashMap<String, Vec<u8>>;

#[derive(Serialize)]
struct Line {
    line: usize,
}

#[derive(Serialize)]
struct Range {
    start: Line,
    end: Line,
}

#[derive(Serialize)]
struct Place {
    ranges: [Range; 1],
}

impl From<Location> for Place {
    fn from(at: Location) -> Self {
        let (start, end) = (Line { line: at.start }, Line { line: at.end });
        Self {
            ranges: [Range { start, end }],
        }
    }
}

fn no(value: &bool) -> bool {
    !value
}

#[derive(Serialize)]
struct Given {
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    value: String,
    #[serde(skip_serializing_if = "no")]
    required: bool,
    location: Place,
}

#[derive(Serialize)]
struct OutlineAnswer {
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    args: Vec<Given>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    secrets: Vec<Given>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ssh: Vec<Given>,
    sources: [String; 1],
}

#[derive(Serialize)]
struct TargetAnswer {
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "no")]
    default: bool,
    #[serde(skip_serializing_if = "String::is_empty")]
    description: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    base: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    platform: String,
    location: Place,
}

#[derive(Serialize)]
struct TargetsAnswer {
    targets: Vec<TargetAnswer>,
    sources: [String; 1],
}

/// The answer to a question.
pub(super) async fn answer(
    kit: &BuildKit,
    job: &Arc<Job>,
    asked: &SolveRequest,
    question: &str,
) -> Result<Answers, Status> {
    let question = match question {
        "frontend.outline" => Question::Outline,
        "frontend.targets" => Question::Targets,
        "frontend.subrequests.describe" => return Ok(questions()),
        other => {
            let sentence = format!("unsupported request {other}");
            return Err(Status::unimplemented(format!("{sentence}: {sentence}")));
        }
    };
    let (described, text) = bridge::described(kit, job, asked, question).await?;
    let sources = [STANDARD.encode(text)];
    let (json, text) = match described {
        Described::Outline(outline) => {
            let text = outline_text(&outline);
            (pretty(&outline_answer(outline, sources))?, text)
        }
        Described::Targets(stages) => {
            let text = targets_text(&stages);
            (pretty(&targets_answer(stages, sources))?, text)
        }
    };
    Ok(answers(json, text))
}

fn answers(json: Vec<u8>, text: String) -> Answers {
    HashMap::from([
        ("result.json".to_owned(), json),
        ("result.txt".to_owned(), text.into_bytes()),
        ("version".to_owned(), VERSION.as_bytes().to_vec()),
    ])
}

fn pretty(value: &impl Serialize) -> Result<Vec<u8>, Status> {
    serde_json::to_vec_pretty(value).map_err(|error| Status::internal(error.to_string()))
}

/// Which questions there are.
fn questions() -> Answers {
    let list: Vec<serde_json::Value> = KNOWN
        .iter()
        .map(|(request, about, _)| {
            serde_json::json!({
                "name": request, "version": VERSION, "type": "rpc", "description": about,
                "opts": [],
                "metadata": [{"name": "result.json"}, {"name": "result.txt"}],
            })
        })
        .collect();
    let mut rows = vec![vec![
        "NAME".to_owned(),
        "VERSION".into(),
        "DESCRIPTION".into(),
    ]];
    rows.extend(
        KNOWN.iter().map(|(_, about, name)| {
            vec![(*name).to_owned(), VERSION.to_owned(), (*about).to_owned()]
        }),
    );
    let json = serde_json::Value::from(list).to_string().into_bytes();
    answers(json, table(&rows, 1))
}

fn outline_answer(outline: Outline, sources: [String; 1]) -> OutlineAnswer {
    let given = |(name, required, location): (String, bool, Location)| Given {
        name,
        description: String::new(),
        value: String::new(),
        required,
        location: location.into(),
    };
    OutlineAnswer {
        name: outline.name,
        description: outline.description,
        args: outline
            .arguments
            .into_iter()
            .map(|it| Given {
                name: it.name,
                description: it.description,
                value: it.value,
                required: false,
                location: it.location.into(),
            })
            .collect(),
        secrets: outline.secrets.into_iter().map(given).collect(),
        ssh: outline.agents.into_iter().map(given).collect(),
        sources,
    }
}

fn targets_answer(stages: Vec<StageOutline>, sources: [String; 1]) -> TargetsAnswer {
    let stages = stages.into_iter().map(|it| TargetAnswer {
        name: it.name,
        default: it.is_default,
        description: it.description,
        base: it.base,
        platform: it.platform,
        location: it.location.into(),
    });
    TargetsAnswer {
        targets: stages.collect(),
        sources,
    }
}

fn outline_text(outline: &Outline) -> String {
    let mut head = Vec::new();
    for (title, text) in [
        ("TARGET:", &outline.name),
        ("DESCRIPTION:", &outline.description),
    ] {
        if !text.is_empty() {
            head.push(vec![title.to_owned(), text.clone()]);
        }
    }
    let mut parts = vec![table(&head, 1)];
    if !outline.arguments.is_empty() {
        let mut rows = vec![vec![
            "BUILD ARG".to_owned(),
            "VALUE".into(),
            "DESCRIPTION".into(),
        ]];
        rows.extend(
            outline
                .arguments
                .iter()
                .map(|it| vec![it.name.clone(), it.value.clone(), it.description.clone()]),
        );
        parts.push(table(&rows, 3));
    }
    for (title, list) in [("SECRET", &outline.secrets), ("SSH", &outline.agents)] {
        if list.is_empty() {
            continue;
        }
        let mut rows = vec![vec![title.to_owned(), "REQUIRED".to_owned()]];
        rows.extend(list.iter().map(|(name, required, _)| {
            vec![
                name.clone(),
                if *required {
                    "true".into()
                } else {
                    String::new()
                },
            ]
        }));
        parts.push(table(&rows, 3));
    }
    parts.retain(|it| !it.is_empty());
    parts.into_iter().map(|it| it + "\n").collect()
}

fn targets_text(stages: &[StageOutline]) -> String {
    let mut rows = vec![vec!["TARGET".to_owned(), "DESCRIPTION".to_owned()]];
    rows.extend(stages.iter().map(|it| {
        let name = match (it.is_default, it.name.is_empty()) {
            (true, true) => "(default)".to_owned(),
            (true, false) => format!("{} (default)", it.name),
            (false, _) => it.name.clone(),
        };
        vec![name, it.description.clone()]
    }));
    table(&rows, 1)
}

/// Columns as wide as their widest cell, and so many blanks.
fn table(rows: &[Vec<String>], blanks: usize) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |at: usize| {
        let widths = rows.iter().map(|row| row[at].chars().count());
        widths.max().unwrap_or(0) + blanks
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in rows {
        for (at, cell) in row.iter().enumerate() {
            out.push_str(cell);
            if at + 1 < columns {
                out.push_str(&" ".repeat(widths[at] - cell.chars().count()));
            }
        }
        out.push('\n');
    }
    out
}
