//! `--call`: questions to the front end that build nothing.

use crate::{error::CliError, flags::Parsed};
use corten_bake::{csv, excerpt, truth};
use corten_client::build::Solved;

/// A question and how its answer is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// `check`, `outline`, `targets` or another name that the front end may know.
    pub name: String,
    /// The answer as JSON.
    pub json: bool,
    /// The exit code says nothing of what was found.
    ignore_status: bool,
}

impl Asked {
    /// As the front end knows it.
    pub fn request(&self) -> String {
        match self.name.as_str() {
            "check" | "lint" => "frontend.lint".into(),
            name if name.starts_with("subrequests.") => format!("frontend.{name}"),
            name => format!("frontend.{name}"),
        }
    }
}

/// What `--call` or `--check` asks; nothing where an image is to be built.
pub fn asked(parsed: &Parsed) -> Result<Option<Asked>, CliError> {
    let text = match parsed.is_on("check") {
        true => "check",
        false => parsed.text("call"),
    };
    let mut asked = Asked::default();
    let invalid = |why: String| CliError::Text(format!("ERROR: {why}"));
    for field in csv::fields(text).map_err(invalid)? {
        match field.split_once('=') {
            Some(("format", value)) => asked.json = value == "json",
            Some(("ignorestatus", value)) => {
                asked.ignore_status = truth(value).ok_or_else(|| {
                    invalid(format!("invalid ignorestatus print value: {value}: strconv.ParseBool: parsing {value:?}: invalid syntax"))
                })?;
            }
            Some(_) => return Err(invalid(format!("invalid print value: {field}"))),
            None if asked.name.is_empty() => asked.name = field,
            None => return Err(invalid(format!("invalid print value: {field}"))),
        }
    }
    Ok((!matches!(asked.name.as_str(), "" | "build")).then_some(asked))
}

/// The answer as it is printed, and the exit code.
pub fn answer(asked: &Asked, solved: &Solved) -> (String, u8) {
    let part = |key: &str| solved.answer.get(key).map_or("", String::as_str);
    let code = match part("result.statuscode") {
        "" | "0" => 0,
        _ if asked.ignore_status => 0,
        code => code.parse().unwrap_or(1),
    };
    let json = part("result.json");
    if asked.json {
        return (format!("{json}\n"), code);
    }
    let text = match asked.request().as_str() {
        "frontend.lint" => found(json),
        _ => part("result.txt").to_owned(),
    };
    (text, code)
}

/// What the checks found, with the lines.
fn found(json: &str) -> String {
    let found: serde_json::Value = serde_json::from_str(json).unwrap_or_default();
    let warnings = found["warnings"].as_array().map_or(&[][..], Vec::as_slice);
    let mut text = match warnings.len() {
        0 => return "Check complete, no warnings found.\n".into(),
        1 => "Check complete, 1 warning has been found!\n".to_owned(),
        count => format!("Check complete, {count} warnings have been found!\n"),
    };
    for warning in warnings {
        let part = |key: &str| warning[key].as_str().unwrap_or_default();
        let (rule, url) = (part("ruleName"), part("url"));
        let separator = if url.is_empty() { "" } else { " - " };
        text.push_str(&format!(
            "\nWARNING: {rule}{separator}{url}\n{}\n",
            part("detail")
        ));
        let location = &warning["location"];
        let index = location["sourceIndex"].as_u64().unwrap_or(0) as usize;
        let source = &found["sources"][index];
        let range = &location["ranges"][0];
        let line = |end: &str| range[end]["line"].as_u64().unwrap_or(0) as usize;
        let data = source["data"].as_str().unwrap_or_default();
        let data = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, data);
        let data = String::from_utf8_lossy(&data.unwrap_or_default()).into_owned();
        let name = source["filename"].as_str().unwrap_or_default();
        if let Some(lines) = excerpt(name, &data, line("start"), line("end")) {
            text.push_str(&format!("\n{lines}"));
        }
    }
    text
}
