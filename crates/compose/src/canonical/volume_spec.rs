//! The short form of a mount: `[SOURCE:]TARGET[:OPTIONS]`.

use crate::node::{Map, Node, Value};

/// What a short form says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Volume {
    source: String,
    target: String,
    read_only: bool,
    no_copy: bool,
    propagation: Option<String>,
    selinux: Option<String>,
}

/// Splits and reads `text`; options that mean nothing here are ignored, as Compose does.
pub(super) fn parse(text: &str) -> Result<Volume, String> {
    if text.is_empty() {
        return Err("invalid empty volume spec".into());
    }
    let sections = sections(text);
    if sections.iter().any(|section| section.is_empty()) {
        return Err(format!(
            "invalid spec: {text}: empty section between colons"
        ));
    }
    let mut volume = Volume::default();
    match &sections[..] {
        [target] => volume.target.clone_from(target),
        [source, target] => {
            volume.source.clone_from(source);
            volume.target.clone_from(target);
        }
        [source, target, options] => {
            volume.source.clone_from(source);
            volume.target.clone_from(target);
            options.split(',').for_each(|option| volume.option(option));
        }
        _ => return Err(format!("invalid spec: {text}: too many colons")),
    }
    volume.target = clean(&volume.target);
    Ok(volume)
}

/// Splits at colons that are neither within `${…}` nor after the letter of a drive.
fn sections(text: &str) -> Vec<String> {
    let mut sections = vec![String::new()];
    let mut variables = 0_usize;
    let mut previous = ' ';
    for c in text.chars() {
        let last = sections.len() - 1;
        let drive = sections[last].len() == 1 && sections[last].starts_with(char::is_alphabetic);
        match c {
            '{' if previous == '$' => variables += 1,
            '}' => variables = variables.saturating_sub(1),
            _ => {}
        }
        if c == ':' && variables == 0 && !drive {
            sections.push(String::new());
        } else {
            sections[last].push(c);
        }
        previous = c;
    }
    sections
}

/// A path without `.`, `..` and doubled slashes, as Go's `path.Clean`.
pub(crate) fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".into(),
        (false, false) => joined,
    }
}

impl Volume {
    fn option(&mut self, option: &str) {
        match option {
            "ro" => self.read_only = true,
            "rw" => self.read_only = false,
            "nocopy" => self.no_copy = true,
            "z" | "Z" => self.selinux = Some(option.into()),
            "private" | "rprivate" | "shared" | "rshared" | "slave" | "rslave" => {
                self.propagation = Some(option.into());
            }
            _ => {}
        }
    }

    fn is_bind(&self) -> bool {
        let mut chars = self.source.chars();
        let drive = chars.next().is_some_and(char::is_alphabetic) && chars.next() == Some(':');
        drive || self.source.starts_with(['.', '/', '~']) || self.source.starts_with("\\\\")
    }

    /// The long form, standing where `at` does.
    pub(super) fn into_node(self, at: &Node) -> Node {
        let truth = |value: bool| Node::at(&at.place, Value::Bool(value));
        let is_bind = self.is_bind();
        let brief = self.source.is_empty() && self.target.len() <= 2;
        let mut detail = Map::new();
        if let Some(selinux) = self.selinux {
            detail.insert("selinux".into(), at.text_here(selinux));
        }
        if let Some(propagation) = self.propagation {
            detail.insert("propagation".into(), at.text_here(propagation));
        }
        let has_bind_options = !detail.is_empty();
        let mut node = at.map_here([
            (
                "type",
                at.text_here(if is_bind { "bind" } else { "volume" }),
            ),
            ("target", at.text_here(self.target)),
        ]);
        let Some(map) = node.map_mut() else {
            return node;
        };
        if !self.source.is_empty() {
            map.insert("source".into(), at.text_here(self.source));
        }
        if self.read_only {
            map.insert("read_only".into(), truth(true));
        }
        if is_bind {
            detail.insert("create_host_path".into(), truth(true));
        }
        if is_bind || has_bind_options {
            map.insert("bind".into(), Node::at(&at.place, Value::Map(detail)));
        }
        // A target of two letters is taken as it is, without more detail.
        if (!is_bind && !brief) || self.no_copy {
            let mut volume = Map::new();
            if self.no_copy {
                volume.insert("nocopy".into(), truth(true));
            }
            map.insert("volume".into(), Node::at(&at.place, Value::Map(volume)));
        }
        node
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_told_apart() {
        for (text, source, target) in [
            ("/a", "", "/a"),
            ("xx:/a/../b/", "xx", "/b"),
            ("x:/b", "", "x:/b"),
            ("./d:/a:ro", "./d", "/a"),
            ("C:\\x:/a", "C:\\x", "/a"),
            ("${A:-b}:/a", "${A:-b}", "/a"),
        ] {
            let volume = parse(text).unwrap();
            assert_eq!(
                (volume.source.as_str(), volume.target.as_str()),
                (source, target)
            );
        }
        assert!(
            parse("aa:bb:ro:dd")
                .unwrap_err()
                .contains("too many colons")
        );
        assert!(parse("aa::/b").unwrap_err().contains("empty section"));
        let options = parse("aa:/b:ro,rslave,Z,nocopy,what").unwrap();
        assert!(options.read_only && options.no_copy);
        assert_eq!(options.propagation.as_deref(), Some("rslave"));
    }
}
