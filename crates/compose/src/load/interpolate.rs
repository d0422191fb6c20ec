//! Fills in variables in every text of a tree; keys stay as they are.

use super::Session;
use crate::error::ComposeError;
use crate::node::{Node, Value};
use crate::template;

pub(super) fn interpolate(
    node: &mut Node,
    path: &mut Vec<String>,
    session: &Session<'_>,
) -> Result<(), ComposeError> {
    match &mut node.value {
        Value::Text(text) if text.contains('$') => {
            *text = template::fill(text, session).map_err(|error| {
                let wrong = ComposeError::attribute(&node.place, path.join("."), error.to_string());
                match error {
                    template::TemplateError::Invalid(_) => {
                        wrong.advise("you may need to escape any $ with another $")
                    }
                    _ => wrong,
                }
            })?;
            Ok(())
        }
        Value::Map(entries) => entries.iter_mut().try_for_each(|(key, node)| {
            path.push(key.clone());
            interpolate(node, path, session)?;
            path.pop();
            Ok(())
        }),
        Value::List(items) => items.iter_mut().enumerate().try_for_each(|(at, node)| {
            path.push(at.to_string());
            interpolate(node, path, session)?;
            path.pop();
            Ok(())
        }),
        _ => Ok(()),
    }
}
