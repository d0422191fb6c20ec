//! A deserializer over a JSON tree with Go's rules.

use super::{
    access::{List, Object, UnitVariant},
    syntax,
};
use serde::de::{DeserializeOwned, Deserializer, Visitor};
use serde_json::{Map, Value};
use std::fmt::{self, Display};
use thiserror::Error;

/// Why a body could not be read. `Display` is dockerd's sentence after `invalid JSON: `.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum DecodeError {
    /// There was nothing but white space.
    #[error("EOF")]
    Empty,
    /// It is not JSON; the sentence is Go's.
    #[error("{0}")]
    Syntax(String),
    /// A value does not fit its field; the sentence is Go's.
    #[error("json: cannot unmarshal {0}")]
    Type(String),
    /// A type's own reader refused a value.
    #[error("{0}")]
    Custom(String),
    /// There is more after the first value.
    #[error("unexpected content after JSON")]
    Trailing,
}

impl serde::de::Error for DecodeError {
    fn custom<T: Display>(message: T) -> Self {
        Self::Custom(message.to_string())
    }
}

/// Reads one value with Go's rules.
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DecodeError> {
    let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<Value>();
    let value = match values.next() {
        None => return Err(DecodeError::Empty),
        Some(Ok(value)) => value,
        Some(Err(_)) => return Err(DecodeError::Syntax(syntax::complaint(bytes))),
    };
    let rest = &bytes[values.byte_offset()..];
    if !rest.iter().all(u8::is_ascii_whitespace) {
        return Err(DecodeError::Trailing);
    }
    from_value(&value)
}

/// Reads a tree with Go's rules.
pub fn from_value<T: DeserializeOwned>(value: &Value) -> Result<T, DecodeError> {
    T::deserialize(Reader {
        value,
        path: &Path::Root(None),
    })
}

/// As [`from_value`] for a struct that Go embeds in another: its name is not said.
pub(crate) fn from_value_embedded<T: DeserializeOwned>(value: &Value) -> Result<T, DecodeError> {
    T::deserialize(Reader {
        value,
        path: &Path::Root(Some("")),
    })
}

/// Where a value stands, from the inside out.
pub(super) enum Path<'a> {
    /// With the name of the outermost struct, once it is known.
    Root(Option<&'static str>),
    Key(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(name) => f.write_str(name.unwrap_or_default()),
            Self::Key(parent, key) => {
                // As in a JSON pointer (RFC 6901), with dots for slashes.
                write!(f, "{parent}.{}", key.replace('~', "~0").replace('/', "~1"))
            }
            Self::Index(parent, index) => write!(f, "{parent}.{index}"),
        }
    }
}

#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub value: &'a Value,
    pub path: &'a Path<'a>,
}

impl Reader<'_> {
    /// Go's sentence: what stood there, where, and what was wanted.
    fn misfit(&self, wanted: &str) -> DecodeError {
        let found = match self.value {
            Value::Null => "null".to_owned(),
            Value::Bool(_) => "bool".to_owned(),
            Value::Number(number) if is_integer(wanted) => format!("number {number}"),
            Value::Number(_) => "number".to_owned(),
            Value::String(_) => "string".to_owned(),
            Value::Array(_) => "array".to_owned(),
            Value::Object(_) => "object".to_owned(),
        };
        let place = match self.path {
            Path::Root(_) => "Go value".to_owned(),
            Path::Key(..) => format!("Go struct field {}", self.path),
            Path::Index(..) => self.path.to_string(),
        };
        DecodeError::Type(format!("{found} into {place} of type {wanted}"))
    }
}

fn is_integer(go_type: &str) -> bool {
    go_type.starts_with("int") || go_type.starts_with("uint")
}

macro_rules! integers {
    ($($method:ident $visit:ident $rust:ty, $go:literal, $as:ident;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
            match self.value {
                Value::Null => visitor.$visit(0),
                Value::Number(number) => match number.$as().and_then(|n| <$rust>::try_from(n).ok()) {
                    Some(number) => visitor.$visit(number),
                    None => Err(self.misfit($go)),
                },
                _ => Err(self.misfit($go)),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Reader<'_> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(value), _) => visitor.visit_u64(value),
                (None, Some(value)) => visitor.visit_i64(value),
                (None, None) => visitor.visit_f64(number.as_f64().unwrap_or_default()),
            },
            Value::String(text) => visitor.visit_str(text),
            Value::Array(values) => visitor.visit_seq(List {
                values,
                next: 0,
                path: self.path,
            }),
            Value::Object(fields) => visitor.visit_map(Object::new(fields, None, self.path)),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::Null => visitor.visit_bool(false),
            Value::Bool(value) => visitor.visit_bool(*value),
            _ => Err(self.misfit("bool")),
        }
    }

    integers! {
        deserialize_i8 visit_i8 i8, "int8", as_i64;
        deserialize_i16 visit_i16 i16, "int16", as_i64;
        deserialize_i32 visit_i32 i32, "int32", as_i64;
        deserialize_i64 visit_i64 i64, "int64", as_i64;
        deserialize_u8 visit_u8 u8, "uint8", as_u64;
        deserialize_u16 visit_u16 u16, "uint16", as_u64;
        deserialize_u32 visit_u32 u32, "uint32", as_u64;
        deserialize_u64 visit_u64 u64, "uint64", as_u64;
    }

    fn deserialize_f32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_f64(visitor)
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::Null => visitor.visit_f64(0.0),
            Value::Number(number) => visitor.visit_f64(number.as_f64().unwrap_or_default()),
            _ => Err(self.misfit("float64")),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::Null => visitor.visit_str(""),
            Value::String(text) => visitor.visit_str(text),
            _ => Err(self.misfit("string")),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::Null => visitor.visit_seq(List {
                values: &[],
                next: 0,
                path: self.path,
            }),
            Value::Array(values) => visitor.visit_seq(List {
                values,
                next: 0,
                path: self.path,
            }),
            _ => Err(self.misfit("[]string")),
        }
    }

    /// A Go array: missing elements are zero, further ones are ignored.
    fn deserialize_tuple<V: Visitor<'de>>(
        self,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        static NULL: Value = Value::Null;
        let values: Vec<Value> = match self.value {
            Value::Null => vec![NULL.clone(); length],
            Value::Array(values) => values
                .iter()
                .chain(std::iter::repeat(&NULL))
                .take(length)
                .cloned()
                .collect(),
            _ => return Err(self.misfit("[]string")),
        };
        visitor.visit_seq(List {
            values: &values,
            next: 0,
            path: self.path,
        })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::Null => visitor.visit_map(Object::new(&Map::new(), None, self.path)),
            Value::Object(fields) => visitor.visit_map(Object::new(fields, None, self.path)),
            _ => Err(self.misfit("map[string]string")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let named = Path::Root(Some(name.rsplit('.').next().unwrap_or(name)));
        let path = match self.path {
            Path::Root(None) => &named,
            path => path,
        };
        match self.value {
            Value::Null => visitor.visit_map(Object::new(&Map::new(), None, path)),
            Value::Object(map) => visitor.visit_map(Object::new(map, Some(fields), path)),
            _ => Err(self.misfit(name)),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match self.value {
            Value::String(text) => visitor.visit_enum(UnitVariant(text)),
            _ => Err(self.misfit("string")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        i128 u128 bytes byte_buf unit unit_struct tuple_struct
    }
}
