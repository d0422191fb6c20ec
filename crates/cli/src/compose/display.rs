//! What happens to a project's things, line by line on standard error.

use super::Compose;
use corten_compose::apply::{Event, Phase, Progress};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Lines as they come; the same line for a thing is not told twice.
pub struct Lines<'a> {
    compose: &'a Compose<'a>,
    quiet: bool,
    last: RefCell<BTreeMap<String, String>>,
}

impl<'a> Lines<'a> {
    pub fn new(compose: &'a Compose<'a>) -> Self {
        Self {
            compose,
            quiet: compose.group.text("progress") == "quiet",
            last: RefCell::default(),
        }
    }
}

impl Progress for Lines<'_> {
    fn event(&self, event: Event) {
        if self.quiet && event.phase != Phase::Error {
            return;
        }
        let told = self
            .last
            .borrow_mut()
            .insert(event.id.clone(), event.text.clone());
        if told.as_ref() != Some(&event.text) {
            let app = self.compose.call.app;
            app.warn(&format!(" {}  {}", event.id, event.text));
        }
    }

    fn warn(&self, sentence: &str) {
        self.compose.warn(sentence);
    }
}
