//! The image's configuration and history, as BuildKit writes them.

use corten_base::Timestamp;
use corten_oci::{Digest, Healthcheck, History, ImageConfig, Platform, RootFs, RunConfig};

/// A line of the history before the times are known.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub text: String,
    /// The step whose layer it is.
    pub vertex: Option<Digest>,
}

const COMMENT: &str = "buildkit.dockerfile.v0";

/// Everything that is known of an image while its stage is gone through.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub platform: Platform,
    pub base_history: Vec<History>,
    pub lines: Vec<Line>,
    pub run: RunConfig,
    pub author: Option<String>,
}

impl Draft {
    /// An image of nothing.
    pub fn scratch(platform: &Platform, path: &str) -> Self {
        Self {
            platform: platform.clone(),
            base_history: Vec::new(),
            lines: Vec::new(),
            run: RunConfig {
                env: Some(vec![format!("PATH={path}")]),
                working_dir: Some("/".into()),
                ..RunConfig::default()
            },
            author: None,
        }
    }

    /// A child of an image.
    pub fn of(base: &ImageConfig, platform: &Platform) -> Self {
        let mut run = base.config.clone().unwrap_or_default();
        run.on_build = None;
        Self {
            platform: Platform::new(
                if base.os.is_empty() {
                    &platform.os
                } else {
                    &base.os
                },
                if base.architecture.is_empty() {
                    &platform.architecture
                } else {
                    &base.architecture
                },
                base.variant.as_deref().unwrap_or_default(),
            ),
            base_history: base.history.clone(),
            lines: Vec::new(),
            run,
            author: base.author.clone(),
        }
    }

    pub fn add(&mut self, text: String, vertex: Option<Digest>) {
        self.lines.push(Line { text, vertex });
    }

    /// The configuration. `made` answers when a step's layer was made.
    pub fn finish(
        self,
        layers: Vec<Digest>,
        made: impl Fn(&Digest) -> Option<Timestamp>,
        epoch: Option<i64>,
    ) -> ImageConfig {
        let epoch = epoch.map(|seconds| Timestamp::from_unix(seconds, 0));
        let mut history = self.base_history;
        for line in self.lines {
            let created = line
                .vertex
                .as_ref()
                .and_then(|vertex| epoch.or_else(|| made(vertex)));
            history.push(History {
                created,
                author: None,
                created_by: Some(line.text),
                comment: Some(COMMENT.into()),
                empty_layer: line.vertex.is_none().then_some(true),
            });
        }
        fill_times(&mut history, epoch);
        let created = history.iter().rev().find_map(|line| line.created).or(epoch);
        ImageConfig {
            architecture: self.platform.architecture,
            variant: self.platform.variant.filter(|variant| !variant.is_empty()),
            os: self.platform.os,
            created,
            author: self.author,
            config: Some(self.run),
            rootfs: RootFs {
                diff_ids: layers,
                ..RootFs::default()
            },
            history,
            ..ImageConfig::default()
        }
    }
}

/// Lines without a layer get the time of the layer before them, the first ones that of the
/// first new layer, so that a build from the cache gives the very same image.
fn fill_times(history: &mut [History], epoch: Option<Timestamp>) {
    if let Some(epoch) = epoch {
        for line in history.iter_mut().filter(|line| line.created.is_none()) {
            line.created = Some(epoch);
        }
    }
    let mut created = None;
    let mut gap = false;
    for line in history.iter() {
        match line.created {
            Some(time) => {
                created = Some(time);
                if gap {
                    break;
                }
            }
            None => gap = true,
        }
    }
    gap = false;
    for line in history.iter_mut() {
        match line.created {
            Some(time) => {
                if gap {
                    created = Some(time);
                }
            }
            None => {
                gap = true;
                line.created = created;
            }
        }
    }
}

/// `["a" "b"]`, Go's `%q` of a list.
pub(crate) fn quoted(list: &[String]) -> String {
    let words: Vec<String> = list.iter().map(|word| go_quote(word)).collect();
    format!("[{}]", words.join(" "))
}

/// Go's `%q` of a text.
fn go_quote(text: &str) -> String {
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\u{b}' => out.push_str("\\v"),
            c if (c as u32) < 0x20 || c == '\u{7f}' => {
                out.push_str(&format!("\\x{:02x}", c as u32))
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The health check in the history, Go's `%q` of the structure.
pub(crate) fn quoted_healthcheck(check: &Healthcheck) -> String {
    let time = |nanoseconds: i64| go_quote(&corten_base::text::go_duration(nanoseconds));
    let retries = match u32::try_from(check.retries).ok().and_then(char::from_u32) {
        Some('\'') => "'\\''".to_owned(),
        Some(c) => {
            let quoted = go_quote(&c.to_string());
            format!("'{}'", quoted.trim_matches('"'))
        }
        None => "'\u{fffd}'".to_owned(),
    };
    format!(
        "&{{{} {} {} {} {} {retries}}}",
        quoted(check.test.as_deref().unwrap_or_default()),
        time(check.interval),
        time(check.timeout),
        time(check.start_period),
        time(check.start_interval),
    )
}
