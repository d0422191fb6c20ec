//! The Compose specification as data: every attribute with its shape, how two files that
//! give it are merged, and when it is written out again.
//!
//! One table drives the whole of loading: checking, bringing short forms into long ones,
//! merging, resolving paths and printing. The order of rows is the order of `config`
//! (compose-spec of 2026-06; Compose 2.40 for order and for what is left out).

mod project;
mod service;

pub(crate) use project::PROJECT;
pub(crate) use service::SERVICE;

/// The attributes of one kind of mapping, in the order they are printed.
pub(crate) type Table = &'static [Field];

/// One attribute.
pub(crate) struct Field {
    /// Its key.
    pub(crate) name: &'static str,
    /// What may be written there.
    pub(crate) shape: Shape,
    /// What a later file's value does to an earlier one's.
    pub(crate) merge: Merge,
    /// When it is printed.
    pub(crate) emit: Emit,
    /// Whether relative paths in it are made absolute.
    pub(crate) path: Path,
    /// Its key in Compose's JSON, which for a few differs.
    pub(crate) json: &'static str,
}

/// What may be written as a value, and so what it becomes.
#[derive(Clone, Copy)]
pub(crate) enum Shape {
    /// A string.
    Text,
    /// A string or number, kept as text.
    Label,
    /// A string or boolean, kept as text.
    Switch,
    /// `true`, `false` or such a string.
    Bool,
    /// A whole number or a string that is one.
    Int,
    /// A number of 32 bits precision.
    Float,
    /// Bytes as a number or with a unit; becomes the number.
    Bytes,
    /// `1h30m`, also with days and weeks; becomes Go's form.
    Duration,
    /// File permission bits, octal where they are a string.
    Mode,
    /// `all` or a number; `all` becomes -1.
    Count,
    /// A list of words or one line, split as a shell would.
    Command,
    /// A health check's test: a list, or a line for the shell.
    Test,
    /// A list of strings.
    Texts,
    /// A string or a list of strings.
    OneOrTexts,
    /// A list of strings and numbers, kept as text.
    Labels,
    /// `KEY=VALUE` list or mapping; a key alone has an empty value.
    Mapping,
    /// The same where a key alone takes its value from the environment.
    Environment,
    /// A mapping whose values are scalars, kept as text.
    Options,
    /// A mapping whose values are scalars or lists of them.
    ManyOptions,
    /// `host=address` or `host:address` list, or a mapping to one or more addresses.
    Hosts,
    /// A mapping with the attributes of a table.
    Object(Table),
    /// Objects by names that the user chooses.
    MapOf(Table),
    /// The same, or a list of names alone.
    MapOrNames(Table),
    /// Services by name with a condition, or a list of names.
    DependsOn(Table),
    /// A list of objects.
    ListOf(Table),
    /// A list of a short form of text or an object.
    Ports(Table),
    /// `source:target:options` or objects.
    Volumes(Table),
    /// Configs and secrets granted: a name or an object.
    Grants(Table),
    /// `host:container:rights` or objects.
    Devices(Table),
    /// A path, or a list of paths and objects.
    EnvFiles(Table),
    /// A number or soft and hard limit, by name.
    Ulimits(Table),
    /// `all` or a list of device requests.
    Gpus(Table),
    /// A list of `id` or `id=path`, or a mapping.
    Ssh,
    /// A build context alone, or an object.
    Build(Table),
    /// A service alone, or an object.
    Extends(Table),
    /// `true`, or in old files an object with a name.
    External,
    /// Included projects: a path or an object.
    Includes(Table),
}

/// What a later file does to an earlier one's value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Merge {
    /// Mappings are merged by key, lists are joined, the rest is replaced.
    Deep,
    /// Lists are joined, and of items with the same key the later one stays.
    Unique,
    /// The later value replaces the earlier.
    Replace,
    /// As `Deep` while both name the same driver, else `Replace`.
    SameDriver,
    /// Pools of the same subnet are merged.
    Pools,
}

/// When an attribute is printed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Emit {
    /// Unless it is false, zero or empty.
    NonEmpty,
    /// Whenever it was given.
    Given,
    /// Always, with its zero value if need be.
    Always,
    /// Unless empty; in JSON always.
    Struct,
    /// Whenever it was given; in JSON also as null.
    GivenOrNull,
    /// Never: it is used up while loading, or Compose 2.40 does not print it.
    Never,
}

/// What kind of path an attribute holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Path {
    /// None.
    No,
    /// A file or directory of the host.
    Host,
    /// A build context: a directory, a URL, or `service:NAME`.
    Context,
    /// A directory of the host whose links are followed.
    Followed,
}

impl Field {
    pub(crate) const fn new(name: &'static str, shape: Shape) -> Self {
        let emit = match shape {
            Shape::Object(_) | Shape::Build(_) => Emit::Given,
            _ => Emit::NonEmpty,
        };
        Self {
            name,
            shape,
            merge: Merge::Deep,
            emit,
            path: Path::No,
            json: name,
        }
    }

    pub(crate) const fn json(mut self, json: &'static str) -> Self {
        self.json = json;
        self
    }

    pub(crate) const fn merge(mut self, merge: Merge) -> Self {
        self.merge = merge;
        self
    }

    pub(crate) const fn emit(mut self, emit: Emit) -> Self {
        self.emit = emit;
        self
    }

    pub(crate) const fn path(mut self, path: Path) -> Self {
        self.path = path;
        self
    }
}

/// The field of `table` with that name.
pub(crate) fn field(table: Table, name: &str) -> Option<&'static Field> {
    table.iter().find(|field| field.name == name)
}

/// Whether a key is the user's own, not to be looked into.
pub(crate) fn is_extension(key: &str) -> bool {
    key.starts_with("x-")
}

impl Shape {
    /// The table of the objects that this shape holds, directly or in a list or mapping.
    pub(crate) fn table(self) -> Option<Table> {
        match self {
            Self::Object(table)
            | Self::MapOf(table)
            | Self::MapOrNames(table)
            | Self::DependsOn(table)
            | Self::ListOf(table)
            | Self::Ports(table)
            | Self::Volumes(table)
            | Self::Grants(table)
            | Self::Devices(table)
            | Self::EnvFiles(table)
            | Self::Ulimits(table)
            | Self::Gpus(table)
            | Self::Build(table)
            | Self::Extends(table)
            | Self::Includes(table) => Some(table),
            _ => None,
        }
    }

    /// Whether its objects are the values of a mapping whose keys the user chooses.
    pub(crate) fn is_named(self) -> bool {
        matches!(
            self,
            Self::MapOf(_) | Self::MapOrNames(_) | Self::DependsOn(_) | Self::Ulimits(_)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every path of a table, in the notation of the specification's list.
    fn paths(table: Table, above: &str, into: &mut Vec<String>) {
        for field in table {
            let path = format!("{above}{}", field.name);
            into.push(path.clone());
            let Some(below) = field.shape.table() else {
                continue;
            };
            let next = if field.shape.is_named() {
                format!("{path}.<name>.")
            } else {
                format!("{path}[].")
            };
            paths(below, &next, into);
            paths(below, &format!("{path}."), into);
        }
    }

    #[test]
    fn every_attribute_of_the_specification_is_known() {
        let mut known = Vec::new();
        paths(PROJECT, "", &mut known);
        let rows = include_str!("attributes.tsv").lines();
        let attributes = rows.filter_map(|row| row.split('\t').next());
        // The old form of an external resource's name is used up before the table is asked.
        let missing: Vec<&str> = attributes
            .filter(|path| !path.ends_with(".external.name"))
            .filter(|path| !known.iter().any(|known| known == path))
            .collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
