//! The table of Go's structs: which fields they have, under which names and in which order.

use std::collections::HashMap;
use std::sync::OnceLock;

const TABLE: &str = include_str!("go_types.txt");

/// A struct of Go.
#[derive(Debug)]
pub struct Struct {
    /// `container.State`
    pub name: &'static str,
    pub fields: Vec<Field>,
}

/// A field of a struct.
#[derive(Debug)]
pub struct Field {
    pub name: &'static str,
    /// Its key in JSON; empty for an embedded struct, whose fields stand beside.
    pub json: &'static str,
    /// Its type, as the table writes it.
    pub ty: &'static str,
}

/// The struct of that name.
pub fn find(name: &str) -> Option<&'static Struct> {
    static STRUCTS: OnceLock<HashMap<&'static str, Struct>> = OnceLock::new();
    STRUCTS.get_or_init(read).get(name)
}

fn read() -> HashMap<&'static str, Struct> {
    let mut structs = HashMap::new();
    for block in TABLE.split("\n\n") {
        let is_content = |line: &&str| !line.is_empty() && !line.starts_with('#');
        let mut lines = block.lines().filter(is_content);
        let Some(name) = lines.next() else { continue };
        let fields = lines.filter_map(field).collect();
        structs.insert(name, Struct { name, fields });
    }
    structs
}

fn field(line: &'static str) -> Option<Field> {
    let (names, ty) = line.strip_prefix(' ')?.split_once(' ')?;
    Some(match names.strip_prefix('+') {
        Some(name) => Field { name, json: "", ty },
        None => {
            let (name, json) = names.split_once('=').unwrap_or((names, names));
            Field { name, json, ty }
        }
    })
}

/// The name that Go's messages give a type of the table.
pub fn go_name(ty: &str) -> String {
    if let Some(rest) = ty.strip_prefix('*') {
        return format!("*{}", go_name(rest));
    }
    if let Some(rest) = ty.strip_prefix("[]") {
        return format!("[]{}", go_name(rest));
    }
    if let Some((key, value)) = map(ty) {
        return format!("map[{key}]{}", go_name(value));
    }
    match ty {
        "any" => "interface {}".to_owned(),
        "{}" => "struct {}".to_owned(),
        "uint" => "uint64".to_owned(),
        "float" => "float64".to_owned(),
        other => other.to_owned(),
    }
}

/// Key and value of a map's type.
pub fn map(ty: &str) -> Option<(&str, &str)> {
    ty.strip_prefix("map[")?.split_once(']')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_that_a_field_names_is_in_the_table() {
        const PLAIN: [&str; 11] = [
            "string",
            "bool",
            "int",
            "uint",
            "float",
            "any",
            "{}",
            "time.Time",
            "time.Duration",
            "nat.Port",
            "container.NetworkMode",
        ];
        fn check(ty: &'static str) {
            if let Some((key, value)) = map(ty) {
                assert!(PLAIN.contains(&key), "{ty}");
                return check(value);
            }
            match ty.strip_prefix('*').or(ty.strip_prefix("[]")) {
                Some(rest) => check(rest),
                None => assert!(PLAIN.contains(&ty) || find(ty).is_some(), "{ty}"),
            }
        }
        let structs = read();
        assert!(structs.len() > 90);
        for field in structs.values().flat_map(|it| &it.fields) {
            check(field.ty);
        }
    }
}
