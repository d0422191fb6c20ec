//! The functions of templates: `text/template`'s own and those that Docker's client adds;
//! and the few methods of types.

use super::print::{sprint, sprint_all};
use super::value::{List, Row, Value, text};
use super::{compare, print};
use std::rc::Rc;

/// Why a function did not work.
#[derive(Debug)]
pub enum Fail {
    /// The number of arguments is wrong.
    Count(String),
    /// The argument of that index is of the wrong type.
    Argument(usize, String),
    /// The function itself failed.
    Call(String),
}

type Done = Result<Value, Fail>;

/// Names and how many arguments they take: at least, and at most.
const FUNCTIONS: [(&str, usize, usize); 27] = [
    ("and", 1, usize::MAX),
    ("or", 1, usize::MAX),
    ("not", 1, 1),
    ("len", 1, 1),
    ("index", 1, usize::MAX),
    ("slice", 1, 4),
    ("call", 1, usize::MAX),
    ("print", 0, usize::MAX),
    ("println", 0, usize::MAX),
    ("printf", 1, usize::MAX),
    ("html", 0, usize::MAX),
    ("js", 0, usize::MAX),
    ("urlquery", 0, usize::MAX),
    ("eq", 1, usize::MAX),
    ("ne", 2, 2),
    ("lt", 2, 2),
    ("le", 2, 2),
    ("gt", 2, 2),
    ("ge", 2, 2),
    ("json", 1, 1),
    ("split", 2, 2),
    ("join", 2, 2),
    ("title", 1, 1),
    ("lower", 1, 1),
    ("upper", 1, 1),
    ("pad", 3, 3),
    ("truncate", 2, 2),
];

/// How many of them are `text/template`'s own.
const BUILT_IN: usize = 19;

/// The longest padding; what a screen can show.
const MAXIMUM_PAD: i64 = 4096;

/// Which functions a template may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Functions {
    /// `text/template`'s and those of Docker's client.
    Docker,
    /// The same in the heading of a table: Docker's give their argument back.
    Heading,
    /// `text/template`'s alone.
    Plain,
    /// `text/template`'s and a `json` of several lines, as buildx has them for images.
    Indented,
}

impl Functions {
    /// Whether there is such a function.
    pub fn know(self, name: &str) -> bool {
        let at = FUNCTIONS.iter().position(|(it, ..)| *it == name);
        at.is_some_and(|at| match self {
            Self::Docker | Self::Heading => true,
            Self::Plain => at < BUILT_IN,
            Self::Indented => at < BUILT_IN || name == "json",
        })
    }
}

/// Calls a function.
pub fn call(name: &str, arguments: &[Value], functions: Functions) -> Done {
    let known = FUNCTIONS.iter().position(|(it, ..)| *it == name);
    let Some((at, (_, least, most))) = known.map(|at| (at, &FUNCTIONS[at])) else {
        return Err(Fail::Count(format!("{name:?} is not a defined function")));
    };
    let given = arguments.len();
    if given < *least || given > *most {
        let want = match least == most {
            true => least.to_string(),
            false => format!("at least {least}"),
        };
        return Err(Fail::Count(format!(
            "wrong number of args for {name}: want {want} got {given}"
        )));
    }
    if functions == Functions::Heading && at >= BUILT_IN {
        return Ok(arguments[0].clone());
    }
    match name {
        "and" | "or" => Ok(arguments[given - 1].clone()),
        "not" => Ok(Value::Bool(!arguments[0].is_true())),
        "len" => length(&arguments[0]),
        "index" => arguments[1..]
            .iter()
            .try_fold(arguments[0].clone(), |item, key| index(&item, key)),
        "slice" => slice(arguments),
        "call" => Err(Fail::Call(format!(
            "non-function {} of type {}",
            sprint(&arguments[0], false),
            arguments[0].type_name()
        ))),
        "print" => Ok(text(&sprint_all(arguments))),
        "println" => {
            let words: Vec<String> = arguments.iter().map(|it| sprint(it, false)).collect();
            Ok(text(&(words.join(" ") + "\n")))
        }
        "printf" => printf(arguments),
        "html" => Ok(text(&gotmpl::html_escape(&joined(arguments)))),
        "js" => Ok(text(&gotmpl::js_escape(&joined(arguments)))),
        "urlquery" => Ok(text(&gotmpl::url_encode(&joined(arguments)))),
        "eq" | "ne" | "lt" | "le" | "gt" | "ge" => compare::call(name, arguments)
            .map(Value::Bool)
            .map_err(Fail::Call),
        "json" if functions == Functions::Indented => {
            Ok(text(&arguments[0].json().pretty_escaped("  ")))
        }
        "json" => {
            let is_row = matches!(arguments[0], Value::Row(_));
            Ok(text(&arguments[0].json().compact(is_row)))
        }
        _ => docker(name, arguments),
    }
}

fn docker(name: &str, arguments: &[Value]) -> Done {
    if name == "join" {
        let list = match arguments[0].pointee() {
            Value::List(list) if list.element == "string" => list,
            other => return Err(wrong(0, "[]string", other)),
        };
        let words: Vec<String> = list.items.iter().map(|it| sprint(it, false)).collect();
        return Ok(text(&words.join(&word(arguments, 1)?)));
    }
    let value = word(arguments, 0)?;
    Ok(match name {
        "split" => {
            let separator = word(arguments, 1)?;
            let items: Vec<Value> = if separator.is_empty() {
                value.chars().map(|c| text(&c.to_string())).collect()
            } else {
                value.split(separator.as_str()).map(text).collect()
            };
            Value::List(Rc::new(List {
                items,
                element: "string",
                is_nil: false,
            }))
        }
        "title" => text(&title(&value)),
        "lower" => text(&value.to_lowercase()),
        "upper" => text(&value.to_uppercase()),
        "pad" => {
            let blanks = |count: i64| " ".repeat(count.clamp(0, MAXIMUM_PAD) as usize);
            let (left, right) = (number(arguments, 1)?, number(arguments, 2)?);
            match value.is_empty() {
                true => text(""),
                false => text(&format!("{}{value}{}", blanks(left), blanks(right))),
            }
        }
        _ => {
            let length = number(arguments, 1)?.max(0) as usize;
            text(&value.chars().take(length).collect::<String>())
        }
    })
}

fn title(value: &str) -> String {
    let mut starts = true;
    let mut out = String::new();
    for c in value.chars() {
        match starts {
            true => out.extend(c.to_uppercase()),
            false => out.push(c),
        }
        starts = !(c.is_alphanumeric() || c == '_' || c == '\'');
    }
    out
}

fn wrong(at: usize, expected: &str, got: &Value) -> Fail {
    Fail::Argument(
        at,
        match got {
            Value::Missing | Value::Nil => format!("invalid value; expected {expected}"),
            got => format!(
                "wrong type for value; expected {expected}; got {}",
                got.type_name()
            ),
        },
    )
}

fn word(arguments: &[Value], at: usize) -> Result<String, Fail> {
    match arguments[at].pointee() {
        Value::Text(it, "string") => Ok(it.to_string()),
        other => Err(wrong(at, "string", other)),
    }
}

fn number(arguments: &[Value], at: usize) -> Result<i64, Fail> {
    match arguments[at].pointee() {
        Value::Int(it) => Ok(*it),
        other => Err(wrong(at, "int", other)),
    }
}

fn joined(arguments: &[Value]) -> String {
    sprint_all(arguments)
}

fn length(value: &Value) -> Done {
    let length = match value.pointee() {
        Value::Text(it, _) => it.len(),
        Value::List(it) => it.items.len(),
        Value::Map(it) => it.members.len(),
        Value::Pointer(None, _) | Value::Nil | Value::Missing => {
            return Err(Fail::Call("len of nil pointer".into()));
        }
        other => return Err(Fail::Call(format!("len of type {}", other.type_name()))),
    };
    Ok(Value::Int(length as i64))
}

fn position(key: &Value, length: usize) -> Result<usize, Fail> {
    let (at, shown) = match key.pointee() {
        Value::Int(it) => (usize::try_from(*it).ok(), it.to_string()),
        Value::Uint(it) => (usize::try_from(*it).ok(), it.to_string()),
        Value::Nil | Value::Missing => {
            return Err(Fail::Call("cannot index slice/array with nil".into()));
        }
        other => {
            return Err(Fail::Call(format!(
                "cannot index slice/array with type {}",
                other.type_name()
            )));
        }
    };
    at.filter(|at| *at <= length)
        .ok_or_else(|| Fail::Call(format!("index out of range: {shown}")))
}

fn index(item: &Value, key: &Value) -> Done {
    match item.pointee() {
        Value::Missing | Value::Nil => Err(Fail::Call("index of untyped nil".into())),
        Value::Pointer(..) => Err(Fail::Call("index of nil pointer".into())),
        Value::List(list) => {
            let at = position(key, list.items.len())?;
            let item = list.items.get(at).cloned();
            item.ok_or_else(|| Fail::Call("reflect: slice index out of range".into()))
        }
        Value::Text(it, _) => {
            let at = position(key, it.len())?;
            let byte = it.as_bytes().get(at).map(|it| Value::Uint(u64::from(*it)));
            byte.ok_or_else(|| Fail::Call("reflect: string index out of range".into()))
        }
        Value::Map(map) => match key.pointee() {
            Value::Text(key, _) => {
                Ok(map
                    .members
                    .get(key)
                    .cloned()
                    .unwrap_or_else(|| match map.element {
                        "any" => Value::Nil,
                        element => super::value::typed(element, None),
                    }))
            }
            Value::Nil | Value::Missing => {
                Err(Fail::Call("value is nil; should be of type string".into()))
            }
            other => Err(Fail::Call(format!(
                "value has type {}; should be {}",
                other.type_name(),
                map.key
            ))),
        },
        other => Err(Fail::Call(format!(
            "can't index item of type {}",
            other.type_name()
        ))),
    }
}

fn slice(arguments: &[Value]) -> Done {
    let item = arguments[0].pointee();
    let length = match item {
        Value::Text(it, _) => it.len(),
        Value::List(it) => it.items.len(),
        Value::Missing | Value::Nil => {
            return Err(Fail::Call("slice of untyped nil".into()));
        }
        other => {
            return Err(Fail::Call(format!(
                "can't slice item of type {}",
                other.type_name()
            )));
        }
    };
    if matches!(item, Value::Text(..)) && arguments.len() == 4 {
        return Err(Fail::Call("cannot 3-index slice a string".into()));
    }
    let mut bounds = [0, length, length];
    for (at, key) in arguments[1..].iter().enumerate() {
        bounds[at] = position(key, length)?;
    }
    let (from, to) = (bounds[0], bounds[1]);
    if from > to {
        return Err(Fail::Call(format!("invalid slice index: {from} > {to}")));
    }
    Ok(match item {
        Value::List(list) => Value::List(Rc::new(List {
            items: list.items[from..to].to_vec(),
            element: list.element,
            is_nil: false,
        })),
        Value::Text(it, ty) => {
            Value::Text(String::from_utf8_lossy(&it.as_bytes()[from..to]).into(), ty)
        }
        _ => Value::Missing,
    })
}

/// The verbs are `gotmpl`'s; it knows no structs and pointers, so these come to it printed.
fn printf(arguments: &[Value]) -> Done {
    let format = word(arguments, 0)?;
    let names = format.contains("%+v") || format.contains("%#v");
    let mut data = std::collections::BTreeMap::new();
    let mut call = "{{printf .f".to_owned();
    data.insert("f".into(), gotmpl::Value::String(format.as_str().into()));
    for (at, value) in arguments[1..].iter().enumerate() {
        call.push_str(&format!(" .a{at}"));
        data.insert(format!("a{at}").into(), plain(value, names));
    }
    call.push_str("}}");
    let data = gotmpl::Value::Map(std::sync::Arc::new(data));
    gotmpl::execute(&call, &data)
        .map(|it| text(&it))
        .map_err(|error| Fail::Call(error.to_string()))
}

fn plain(value: &Value, names: bool) -> gotmpl::Value {
    match value {
        Value::Missing | Value::Nil => gotmpl::Value::Nil,
        Value::Bool(it) => gotmpl::Value::Bool(*it),
        Value::Int(it) => gotmpl::Value::Int(*it),
        Value::Uint(it) => gotmpl::Value::Uint(*it),
        Value::Float(it) => gotmpl::Value::Float(*it),
        Value::Text(it, _) => gotmpl::Value::String(it.as_ref().into()),
        Value::List(list) if list.element == "string" => {
            gotmpl::Value::List(list.items.iter().map(|it| plain(it, names)).collect())
        }
        other => gotmpl::Value::String(print::sprint(other, names).into()),
    }
}

/// A method of a value's type, if it has one of that name.
pub fn method(of: &Value, name: &str, arguments: &[Value]) -> Option<Result<Value, String>> {
    match (of, name) {
        (Value::Row(row), "Label") => label(row, arguments),
        (Value::Text(port, "nat.Port"), _) => {
            let (number, protocol) = port.split_once('/').unwrap_or((port, "tcp"));
            match name {
                "Port" => Some(Ok(text(number))),
                "Proto" => Some(Ok(text(protocol))),
                "Int" => Some(Ok(Value::Int(number.parse().unwrap_or(0)))),
                _ => None,
            }
        }
        (Value::Time(it), "IsZero") => Some(Ok(Value::Bool(it.starts_with("0001-01-01T00:00:00")))),
        (Value::Time(_), "String") => Some(Ok(text(&sprint(of, false)))),
        (Value::Text(mode, "container.NetworkMode"), _) => network_mode(mode, name),
        _ => None,
    }
}

fn network_mode(mode: &str, name: &str) -> Option<Result<Value, String>> {
    let container = mode.strip_prefix("container:");
    let built_in = matches!(mode, "bridge" | "host" | "none" | "default" | "nat");
    let is_own = !built_in && container.is_none() && !mode.is_empty();
    let value = match name {
        "IsBridge" => Value::Bool(mode == "bridge"),
        "IsHost" => Value::Bool(mode == "host"),
        "IsNone" => Value::Bool(mode == "none"),
        "IsDefault" => Value::Bool(mode == "default"),
        "IsContainer" => Value::Bool(container.is_some()),
        "IsPrivate" => Value::Bool(mode != "host" && container.is_none()),
        "IsUserDefined" => Value::Bool(is_own),
        "UserDefined" => text(if is_own { mode } else { "" }),
        "ConnectedContainer" => text(container.unwrap_or_default()),
        "NetworkName" => text(match container {
            Some(_) => "container",
            None => mode,
        }),
        _ => return None,
    };
    Some(Ok(value))
}

/// `.Label "com.docker.x.y"`; its heading is `y`, with dashes as blanks.
fn label(row: &Row, arguments: &[Value]) -> Option<Result<Value, String>> {
    if !row.is_heading && row.labels.is_none() {
        return None;
    }
    let [Value::Text(name, _)] = arguments else {
        return Some(Err(format!(
            "wrong number of args for Label: want 1 got {}",
            arguments.len()
        )));
    };
    if row.is_heading {
        let last = name.rsplit('.').next().unwrap_or_default();
        return Some(Ok(text(&last.replace(['-', '_'], " "))));
    }
    let labels = row.labels.as_ref()?;
    let value = labels.get(name.as_ref()).map_or("", String::as_str);
    Some(Ok(text(value)))
}
