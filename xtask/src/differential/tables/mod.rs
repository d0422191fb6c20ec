//! The list of calls.

mod create;
mod run;
mod system;
mod verbs;

use super::compare::Look;
use super::script::{Body, Call, Group};
use std::borrow::Cow;

/// Every group, in an order in which none disturbs the next.
pub fn groups() -> Vec<Group> {
    let mut list = system::groups();
    list.extend(create::groups());
    list.extend(run::groups());
    list.extend(verbs::groups());
    list
}

fn group(name: impl Into<String>, calls: Vec<Call>) -> Group {
    Group {
        name: name.into(),
        calls,
    }
}

fn call(line: impl Into<Cow<'static, str>>) -> Call {
    Call {
        line: line.into(),
        body: Body::None,
        look: Look::Values,
        keep: None,
        until: "",
    }
}

impl Call {
    fn json(self, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            body: Body::Json(text.into()),
            ..self
        }
    }

    fn tar(self, files: &'static [(&'static str, &'static str)]) -> Self {
        Self {
            body: Body::Tar(files),
            ..self
        }
    }

    fn look(self, look: Look) -> Self {
        Self { look, ..self }
    }

    fn keep(self, name: &'static str, pointer: &'static str) -> Self {
        Self {
            keep: Some((name, pointer)),
            ..self
        }
    }

    fn until(self, text: &'static str) -> Self {
        Self {
            until: text,
            ..self
        }
    }
}
