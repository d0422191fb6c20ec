//! Texts.

use super::{Answer, Entry, collections, said, text, whole};
use crate::value::{Type, Value, number_text};

pub(super) const TABLE: &[Entry] = &[
    ("basename", "path:string", |it| said(base(text(&it[0])))),
    ("chomp", "str:string", |it| {
        said(text(&it[0]).trim_end_matches(['\r', '\n']))
    }),
    ("dirname", "path:string", |it| said(directory(text(&it[0])))),
    ("format", "format:string *args:any?", |it| {
        said(format(text(&it[0]), &it[1..])?)
    }),
    ("formatlist", "format:string *args:any?", |it| {
        let lengths = it[1..].iter().filter_map(|it| match it {
            Value::List(items) => Some(items.len()),
            _ => None,
        });
        let length = lengths.clone().next().unwrap_or(1);
        if lengths.clone().any(|it| it != length) {
            return Err("argument lists have different lengths".into());
        }
        let lines = (0..length).map(|at| {
            let row: Vec<Value> = it[1..]
                .iter()
                .map(|it| match it {
                    Value::List(items) => items[at].clone(),
                    other => other.clone(),
                })
                .collect();
            format(text(&it[0]), &row).map(Value::Text)
        });
        Ok(Value::List(lines.collect::<Result<_, _>>()?))
    }),
    ("homedir", "", |_| {
        said(std::env::var("HOME").unwrap_or_else(|_| "/root".into()))
    }),
    ("indent", "spaces:number str:string", |it| {
        let spaces = usize::try_from(whole(&it[0])?).map_err(|_| "a whole number is required")?;
        let margin = format!("\n{}", " ".repeat(spaces.min(1024)));
        said(text(&it[1]).replace('\n', &margin))
    }),
    (
        "join",
        "separator:string *lists:strings",
        collections::joined,
    ),
    ("lower", "str:string", |it| {
        said(text(&it[0]).to_lowercase())
    }),
    ("replace", "str:string substr:string replace:string", |it| {
        said(text(&it[0]).replace(text(&it[1]), text(&it[2])))
    }),
    ("reverse", "str:string", |it| {
        said(text(&it[0]).chars().rev().collect::<String>())
    }),
    ("sanitize", "name:string", |it| {
        let letter = |c: char| {
            if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') {
                c
            } else {
                '_'
            }
        };
        said(text(&it[0]).chars().map(letter).collect::<String>())
    }),
    ("split", "separator:string str:string", |it| {
        let (separator, whole) = (text(&it[0]), text(&it[1]));
        let part = |it: &str| Value::Text(it.to_owned());
        Ok(Value::List(match (separator, whole) {
            (_, "") if !separator.is_empty() => vec![part("")],
            ("", whole) => whole.chars().map(|c| Value::Text(c.into())).collect(),
            (separator, whole) => whole.split(separator).map(part).collect(),
        }))
    }),
    ("strlen", "str:string", |it| {
        Ok(Value::Number(text(&it[0]).chars().count() as f64))
    }),
    (
        "substr",
        "str:string offset:number length:number",
        substring,
    ),
    ("title", "str:string", |it| {
        let mut before = ' ';
        let letters = text(&it[0]).chars().map(|c| {
            let first = !(before.is_alphanumeric() || matches!(before, '_' | '\''));
            before = c;
            if first {
                c.to_uppercase().to_string()
            } else {
                c.to_string()
            }
        });
        said(letters.collect::<String>())
    }),
    ("trim", "str:string cutset:string", |it| {
        let cut: Vec<char> = text(&it[1]).chars().collect();
        said(text(&it[0]).trim_matches(&cut[..]))
    }),
    ("trimprefix", "str:string prefix:string", |it| {
        let (whole, prefix) = (text(&it[0]), text(&it[1]));
        said(whole.strip_prefix(prefix).unwrap_or(whole))
    }),
    ("trimspace", "str:string", |it| said(text(&it[0]).trim())),
    ("trimsuffix", "str:string suffix:string", |it| {
        let (whole, suffix) = (text(&it[0]), text(&it[1]));
        said(whole.strip_suffix(suffix).unwrap_or(whole))
    }),
    ("upper", "str:string", |it| {
        said(text(&it[0]).to_uppercase())
    }),
];

/// Go's `path.Base`.
fn base(path: &str) -> &str {
    match path.trim_end_matches('/') {
        "" if path.is_empty() => ".",
        "" => "/",
        path => path.rsplit('/').next().unwrap_or(path),
    }
}

/// Go's `path.Dir`.
fn directory(path: &str) -> String {
    let parent = path.rfind('/').map_or("", |at| &path[..=at]);
    crate::paths::clean(parent)
}

fn substring(it: Vec<Value>) -> Answer {
    let letters: Vec<char> = text(&it[0]).chars().collect();
    let (offset, length) = (whole(&it[1])?, whole(&it[2])?);
    let count = letters.len() as i64;
    let start = if offset < 0 {
        (count + offset).max(0)
    } else {
        offset.min(count)
    };
    let end = if length < 0 {
        count
    } else {
        (start + length).min(count)
    };
    said(
        letters[start as usize..end.max(start) as usize]
            .iter()
            .collect::<String>(),
    )
}

/// What stands between a percent sign and its verb.
#[derive(Default)]
struct Layout {
    left: bool,
    plus: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
}

impl Layout {
    fn padded(&self, text: &str, number: bool) -> String {
        let missing = self.width.saturating_sub(text.chars().count());
        let fill = |c: char| c.to_string().repeat(missing);
        match (self.left, self.zero && number) {
            (true, _) => format!("{text}{}", fill(' ')),
            (false, true) => match text.strip_prefix(['-', '+']) {
                Some(digits) => format!("{}{}{digits}", &text[..1], fill('0')),
                None => format!("{}{text}", fill('0')),
            },
            (false, false) => format!("{}{text}", fill(' ')),
        }
    }
}

/// go-cty's `format`: verbs of Go's `fmt`.
fn format(pattern: &str, arguments: &[Value]) -> Result<String, String> {
    /// Columns of a value.
    const WIDTH_MAX: usize = 1024;
    let mut out = String::new();
    let mut letters = pattern.chars().enumerate().peekable();
    let (mut next, mut used) = (0, 0);
    while let Some((at, c)) = letters.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut layout = Layout::default();
        let mut sharp = false;
        while let Some((_, flag)) = letters.next_if(|(_, c)| "-+ #0".contains(*c)) {
            match flag {
                '-' => layout.left = true,
                '+' => layout.plus = true,
                '0' => layout.zero = true,
                '#' => sharp = true,
                _ => {}
            }
        }
        let mut digits = || {
            let mut text = String::new();
            while let Some((_, digit)) = letters.next_if(|(_, c)| c.is_ascii_digit()) {
                text.push(digit);
            }
            text
        };
        layout.width = digits().parse().unwrap_or(0).min(WIDTH_MAX);
        if letters.next_if(|(_, c)| *c == '.').is_some() {
            let mut text = String::new();
            while let Some((_, digit)) = letters.next_if(|(_, c)| c.is_ascii_digit()) {
                text.push(digit);
            }
            layout.precision = Some(text.parse().unwrap_or(0).min(WIDTH_MAX));
        }
        if letters.next_if(|(_, c)| *c == '[').is_some() {
            let mut text = String::new();
            while let Some((_, digit)) = letters.next_if(|(_, c)| c.is_ascii_digit()) {
                text.push(digit);
            }
            letters.next_if(|(_, c)| *c == ']');
            next = text
                .parse::<usize>()
                .ok()
                .and_then(|it| it.checked_sub(1))
                .ok_or("invalid argument index")?;
        }
        let Some((_, verb)) = letters.next() else {
            return Err(format!("unrecognized format character '%' at offset {at}"));
        };
        if verb == '%' {
            out.push('%');
            continue;
        }
        let argument = arguments.get(next).ok_or_else(|| {
            format!(
                "not enough arguments for \"%{verb}\" at {at}: need index {next} but have {} total",
                arguments.len()
            )
        })?;
        next += 1;
        used = used.max(next);
        let failed = |why: String| format!("unsupported value for \"%{verb}\" at {at}: {why}");
        out.push_str(&verb_text(verb, sharp, &layout, argument).map_err(failed)?);
    }
    if used < arguments.len() && !pattern.contains("%[") {
        let word = if used == 0 {
            "no verbs in format string"
        } else {
            ""
        };
        return Err(match word {
            "" => format!("too many arguments; only {used} used by format string"),
            word => format!("too many arguments; {word}"),
        });
    }
    Ok(out)
}

fn verb_text(verb: char, sharp: bool, layout: &Layout, value: &Value) -> Result<String, String> {
    let number = || match value.clone().convert(&Type::Number)? {
        Value::Number(number) => Ok(number),
        _ => Err("argument must not be null".to_owned()),
    };
    let signed = |text: String, number: f64| match layout.plus && number >= 0.0 {
        true => format!("+{text}"),
        false => text,
    };
    Ok(match verb {
        'v' if sharp => layout.padded(&value.json(), false),
        'v' => match value {
            Value::Null => layout.padded("null", false),
            Value::Number(it) => layout.padded(&signed(number_text(*it), *it), true),
            Value::List(_) | Value::Map(_) => layout.padded(&value.json(), false),
            other => layout.padded(&other.to_text().unwrap_or_default(), false),
        },
        't' => match value.to_bool() {
            Some(truth) => layout.padded(&truth.to_string(), false),
            None => return Err("bool required".into()),
        },
        'b' | 'd' | 'o' | 'x' | 'X' if !matches!(value, Value::Text(_)) || verb == 'd' => {
            let number = number()?;
            let whole = number.trunc() as i64;
            let text = match verb {
                'b' => format!("{whole:b}"),
                'o' => format!("{whole:o}"),
                'x' => format!("{whole:x}"),
                'X' => format!("{whole:X}"),
                _ => whole.to_string(),
            };
            layout.padded(&signed(text, number), true)
        }
        'e' | 'E' | 'f' | 'g' | 'G' => {
            let number = number()?;
            let text = match verb {
                'f' => format!("{number:.*}", layout.precision.unwrap_or(6)),
                'g' | 'G' => number_text(number),
                _ => {
                    let text = format!("{number:.*e}", layout.precision.unwrap_or(6));
                    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
                    let power: i32 = power.parse().unwrap_or(0);
                    let sign = if power < 0 { '-' } else { '+' };
                    let text = format!("{digits}e{sign}{:02}", power.abs());
                    if verb == 'E' {
                        text.to_uppercase()
                    } else {
                        text
                    }
                }
            };
            layout.padded(&signed(text, number), true)
        }
        's' | 'q' | 'x' | 'X' => {
            let Some(mut text) = value.to_text() else {
                let needs = if *value == Value::Null {
                    "null value cannot be formatted"
                } else {
                    "string required"
                };
                return Err(needs.into());
            };
            if let Some(precision) = layout.precision {
                text = text.chars().take(precision).collect();
            }
            let text = match verb {
                'q' => Value::Text(text).json(),
                'x' => hex::encode(text),
                'X' => hex::encode_upper(text),
                _ => text,
            };
            layout.padded(&text, false)
        }
        _ => return Err(format!("unrecognized format verb {verb:?}")),
    })
}
