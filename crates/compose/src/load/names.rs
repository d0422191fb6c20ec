//! The project's name: given, written in a file, or the directory's.

use super::{Request, Session, Text};
use crate::error::ComposeError;
use crate::template;
use crate::yaml;

/// `text` in lower case without what a project's name may not have: letters, digits, `_`
/// and `-` stay, the first two anywhere.
pub fn normalized_name(text: &str) -> String {
    text.to_lowercase()
        .chars()
        .filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-'))
        .collect::<String>()
        .trim_start_matches(['_', '-'])
        .to_owned()
}

pub(super) fn project_name(
    request: &Request,
    texts: &[Text],
    session: &Session<'_>,
) -> Result<String, ComposeError> {
    if let Some(name) = &request.name {
        return if !name.is_empty() && normalized_name(name) == *name {
            Ok(name.clone())
        } else {
            Err(ComposeError::ProjectName(name.clone()))
        };
    }
    let mut written = None;
    for text in texts {
        for document in yaml::read(&text.name, &text.text)? {
            if let Some(name) = document.get("name")
                && let Some(text) = name.value.scalar_text()
            {
                written = Some((name.place.clone(), text));
            }
        }
    }
    let Some((place, name)) = written else {
        let name = normalized_name(&request.fallback_name);
        return if name.is_empty() {
            Err(ComposeError::NoProjectName)
        } else {
            Ok(name)
        };
    };
    let name = if request.steps.interpolate {
        template::fill(&name, session)
            .map_err(|error| ComposeError::attribute(&place, "name", error.to_string()))?
    } else {
        name
    };
    let normalized = normalized_name(&name);
    if normalized.is_empty() {
        return Err(ComposeError::attribute(
            &place,
            "name",
            format!("invalid project name {name:?}"),
        )
        .advise("use lowercase letters, digits, hyphens and underscores"));
    }
    Ok(normalized)
}
