//! Functions over lists and maps.

use super::{Answer, Entry, list, number, said, text, whole};
use crate::value::{Type, Value};
use std::collections::BTreeMap;

/// Elements that a function may make.
const ELEMENTS_MAX: usize = 65_536;

pub(super) const TABLE: &[Entry] = &[
    ("chunklist", "list:list size:number", chunks),
    ("coalesce", "*vals:any?", |it| {
        let found = it.into_iter().find(|it| *it != Value::Null);
        found.ok_or_else(|| "no non-null arguments".into())
    }),
    ("coalescelist", "*vals:list", |it| {
        let found = it.into_iter().find(|it| !list(it).is_empty());
        found.ok_or_else(|| "no non-null arguments".into())
    }),
    ("compact", "list:strings", |it| {
        let full = |it: &&Value| **it != Value::Null && !text(it).is_empty();
        Ok(Value::List(
            list(&it[0]).iter().filter(full).cloned().collect(),
        ))
    }),
    ("concat", "*seqs:list", |it| {
        Ok(Value::List(it.iter().flat_map(list).cloned().collect()))
    }),
    ("contains", "list:list value:any?", |it| {
        Ok(Value::Bool(list(&it[0]).contains(&it[1])))
    }),
    ("distinct", "list:list", |it| {
        let mut seen = Vec::new();
        for item in list(&it[0]) {
            if !seen.contains(item) {
                seen.push(item.clone());
            }
        }
        Ok(Value::List(seen))
    }),
    ("element", "list:list index:number", |it| {
        let (items, index) = (list(&it[0]), whole(&it[1])?);
        match items.len() as i64 {
            0 => Err("cannot use element function with an empty list".into()),
            _ if index < 0 => Err("cannot use element function with a negative index".into()),
            length => Ok(items[(index % length) as usize].clone()),
        }
    }),
    ("flatten", "list:list", |it| {
        let mut flat = Vec::new();
        flatten(list(&it[0]), &mut flat);
        Ok(Value::List(flat))
    }),
    ("hasindex", "collection:any key:any", |it| {
        Ok(Value::Bool(match &it[0] {
            Value::List(items) => it[1]
                .to_number()
                .is_some_and(|at| at >= 0.0 && at.fract() == 0.0 && (at as usize) < items.len()),
            Value::Map(entries) => entries.contains_key(text(&it[1])),
            _ => return Err("collection must be a list, a map or a tuple".into()),
        }))
    }),
    ("index", "collection:any key:any", |it| {
        let found = match &it[0] {
            Value::List(items) => {
                items.get(whole(&it[1].clone().convert(&Type::Number)?)?.max(0) as usize)
            }
            Value::Map(entries) => entries.get(text(&it[1])),
            _ => return Err("collection must be a list, a map or a tuple".into()),
        };
        found.cloned().ok_or_else(|| "invalid index".into())
    }),
    ("indexof", "list:any value:any", |it| {
        let Value::List(items) = &it[0] else {
            return Err("argument must be a list or tuple".into());
        };
        if items.is_empty() {
            return Err("cannot search an empty list".into());
        }
        let found = items.iter().position(|item| *item == it[1]);
        found
            .map(|at| Value::Number(at as f64))
            .ok_or_else(|| "item not found".into())
    }),
    ("keys", "inputMap:map", |it| {
        let Value::Map(entries) = &it[0] else {
            return Ok(Value::List(Vec::new()));
        };
        Ok(Value::List(
            entries.keys().cloned().map(Value::Text).collect(),
        ))
    }),
    ("length", "collection:any", |it| match &it[0] {
        Value::List(items) => Ok(Value::Number(items.len() as f64)),
        Value::Map(entries) => Ok(Value::Number(entries.len() as f64)),
        _ => Err("collection must be a list, a map or a tuple".into()),
    }),
    ("lookup", "inputMap:map key:string default:any", |it| {
        let Value::Map(entries) = &it[0] else {
            return Ok(it[2].clone());
        };
        Ok(entries.get(text(&it[1])).unwrap_or(&it[2]).clone())
    }),
    ("merge", "*maps:map?", |it| {
        let mut all = BTreeMap::new();
        for map in it {
            if let Value::Map(entries) = map {
                all.extend(entries);
            }
        }
        Ok(Value::Map(all))
    }),
    ("range", "*params:number", range),
    ("reverselist", "list:list", |it| {
        Ok(Value::List(list(&it[0]).iter().rev().cloned().collect()))
    }),
    ("sethaselement", "set:list elem:any", |it| {
        Ok(Value::Bool(list(&it[0]).contains(&it[1])))
    }),
    ("setintersection", "first_set:list *other_sets:list", |it| {
        let (first, others) = it.split_at(1);
        let common = list(&first[0]).iter();
        let common = common.filter(|item| others.iter().all(|it| list(it).contains(item)));
        Ok(Value::set(common.cloned().collect()))
    }),
    ("setproduct", "*sets:list", product),
    ("setsubtract", "a:list b:list", |it| {
        let left = list(&it[0])
            .iter()
            .filter(|item| !list(&it[1]).contains(item));
        Ok(Value::set(left.cloned().collect()))
    }),
    (
        "setsymmetricdifference",
        "first_set:list *other_sets:list",
        |it| {
            let mut sets = it.iter().map(list);
            let first = sets.next().unwrap_or_default().to_vec();
            let odd = sets.fold(first, |left, right| {
                let only = left.iter().filter(|it| !right.contains(it));
                only.chain(right.iter().filter(|it| !left.contains(it)))
                    .cloned()
                    .collect()
            });
            Ok(Value::set(odd))
        },
    ),
    ("setunion", "first_set:list *other_sets:list", |it| {
        Ok(Value::set(it.iter().flat_map(list).cloned().collect()))
    }),
    (
        "slice",
        "list:list start_index:number end_index:number",
        |it| {
            let (items, start, end) = (list(&it[0]), whole(&it[1])?, whole(&it[2])?);
            let length = items.len() as i64;
            if start < 0 || start > length {
                return Err(
                    "start index must not be less than zero or greater than the length of the list"
                        .into(),
                );
            }
            if end < start || end > length {
                return Err("end index must not be less than the start index or greater than the length of the list".into());
            }
            Ok(Value::List(items[start as usize..end as usize].to_vec()))
        },
    ),
    ("sort", "list:strings", |it| {
        let mut items = list(&it[0]).to_vec();
        items.sort_by(|left, right| text(left).cmp(text(right)));
        Ok(Value::List(items))
    }),
    ("values", "mapping:map", |it| {
        let Value::Map(entries) = &it[0] else {
            return Ok(Value::List(Vec::new()));
        };
        Ok(Value::List(entries.values().cloned().collect()))
    }),
    ("zipmap", "keys:strings values:list", |it| {
        let (keys, values) = (list(&it[0]), list(&it[1]));
        if keys.len() != values.len() {
            return Err(format!(
                "number of keys ({}) does not match number of values ({})",
                keys.len(),
                values.len()
            ));
        }
        let keys = keys.iter().map(|key| text(key).to_owned());
        Ok(Value::Map(keys.zip(values.iter().cloned()).collect()))
    }),
];

fn chunks(it: Vec<Value>) -> Answer {
    let size = whole(&it[1])?;
    if size < 0 {
        return Err("the size argument must be positive".into());
    }
    let items = list(&it[0]);
    Ok(Value::List(match size {
        0 => vec![Value::List(items.to_vec())],
        size => items
            .chunks(size as usize)
            .map(|it| Value::List(it.to_vec()))
            .collect(),
    }))
}

fn flatten(items: &[Value], flat: &mut Vec<Value>) {
    for item in items {
        match item {
            Value::List(inner) => flatten(inner, flat),
            other => flat.push(other.clone()),
        }
    }
}

fn range(it: Vec<Value>) -> Answer {
    let numbers: Vec<f64> = it.iter().map(number).collect();
    let (start, end, step) = match numbers[..] {
        [end] => (0.0, end, if end < 0.0 { -1.0 } else { 1.0 }),
        [start, end] => (start, end, if end < start { -1.0 } else { 1.0 }),
        [start, end, step] => (start, end, step),
        _ => return Err("must have one, two, or three arguments".into()),
    };
    if step == 0.0 {
        return Err("step must not be zero".into());
    }
    if (end < start) != (step < 0.0) && end != start {
        return Err("end must lie in the direction of step".into());
    }
    let mut all = Vec::new();
    let mut at = start;
    while (step > 0.0 && at < end) || (step < 0.0 && at > end) {
        if all.len() >= 1024 {
            return Err("more than 1024 values were generated; either decrease the difference between start and end or use a smaller step".into());
        }
        all.push(Value::Number(at));
        at += step;
    }
    Ok(Value::List(all))
}

fn product(it: Vec<Value>) -> Answer {
    if it.len() < 2 {
        return Err("at least two arguments are required".into());
    }
    let mut rows: Vec<Vec<Value>> = vec![Vec::new()];
    for set in &it {
        let items = list(set);
        if rows.len() * items.len().max(1) > ELEMENTS_MAX {
            return Err(format!("more than {ELEMENTS_MAX} elements"));
        }
        rows = rows
            .iter()
            .flat_map(|row| {
                items
                    .iter()
                    .map(|item| row.iter().cloned().chain([item.clone()]).collect())
            })
            .collect();
    }
    Ok(Value::List(rows.into_iter().map(Value::List).collect()))
}

/// The elements of a comma-separated table, by the names of its first line.
pub(super) fn csv_table(it: Vec<Value>) -> Answer {
    let mut lines = text(&it[0]).lines().filter(|line| !line.is_empty());
    let names = match lines.next() {
        Some(first) => crate::csv::fields(first)?,
        None => return Err("missing header line".into()),
    };
    let rows = lines.enumerate().map(|(number, line)| {
        let fields = crate::csv::fields(line)?;
        if fields.len() != names.len() {
            return Err(format!(
                "record on line {}: wrong number of fields",
                number + 2
            ));
        }
        let fields = fields.into_iter().map(Value::Text);
        Ok(Value::Map(names.iter().cloned().zip(fields).collect()))
    });
    Ok(Value::List(rows.collect::<Result<_, String>>()?))
}

/// Texts of a list, in one.
pub(super) fn joined(it: Vec<Value>) -> Answer {
    let texts: Vec<&str> = it[1..].iter().flat_map(list).map(text).collect();
    said(texts.join(text(&it[0])))
}
