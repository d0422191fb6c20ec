//! What can be wrong with a build definition.

use crate::source::{Source, Span};
use corten_base::{Kind, KindOf};

/// Something is wrong at a place of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong, in a few words.
    pub summary: String,
    /// The whole sentence.
    pub detail: String,
    /// Where.
    pub span: Span,
}

/// A definition cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BakeError {
    /// A file cannot be understood at a place.
    #[error("{text}")]
    Place {
        /// `file:line,column-column: what; the sentence`.
        text: String,
        /// The lines at fault with those around them, ending with a newline.
        excerpt: String,
    },
    /// A file, an option or a target is wrong as a whole.
    #[error("{0}")]
    Sentence(String),
}

impl KindOf for BakeError {
    fn kind(&self) -> Kind {
        Kind::InvalidParameter
    }
}

impl BakeError {
    /// A sentence about no place.
    pub(crate) fn said(text: impl Into<String>) -> Self {
        Self::Sentence(text.into())
    }

    /// The first of several findings, with the number of the others.
    pub(crate) fn found(sources: &[Source], list: &[Diagnostic]) -> Self {
        let Some(first) = list.first() else {
            return Self::said("no diagnostics");
        };
        let source = &sources[first.span.file];
        let others = match list.len() {
            1 => String::new(),
            count => format!(", and {} other diagnostic(s)", count - 1),
        };
        let (place, summary, detail) = (source.place(&first.span), &first.summary, &first.detail);
        Self::Place {
            text: format!("{place}: {summary}; {detail}{others}"),
            excerpt: source.excerpt(&first.span),
        }
    }
}
