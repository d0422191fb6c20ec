//! Compose files: any text is a project or an error that says why, and a project can be
//! printed and planned. Nothing is read beside the text.
#![no_main]

use corten_compose::{Files, Request, Source, Steps, load, output, plan, yaml};
use std::{io, path::Path, path::PathBuf};

/// No file is there but one that every name leads to.
struct One<'t>(&'t str);

impl Files for One<'_> {
    fn read(&self, path: &Path) -> io::Result<String> {
        match path.extension().is_some_and(|it| it == "yaml") {
            true => Ok(self.0.to_owned()),
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn fetched(&self, _reference: &str) -> Option<io::Result<PathBuf>> {
        None
    }
}

libfuzzer_sys::fuzz_target!(|text: &str| {
    let request = Request {
        files: vec![Source::Text {
            name: "compose.yaml".into(),
            text: text.to_owned(),
        }],
        directory: "/nowhere".into(),
        name: None,
        fallback_name: "p".into(),
        env: [("SET".to_owned(), "value".to_owned())].into_iter().collect(),
        profiles: vec!["*".into()],
        steps: Steps::default(),
    };
    if let Ok(loaded) = load(&request, &One(text)) {
        let _ = yaml::write(&output::project_yaml(&loaded.project.tree));
        let _ = plan::up(&loaded.project, &plan::State::default(), &plan::Up::default());
    }
});
