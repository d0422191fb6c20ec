//! Lists, objects and variants of the tree, as serde asks for them.

use super::read::{DecodeError, Path, Reader};
use serde::de::{
    DeserializeSeed, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess, VariantAccess,
    Visitor,
};
use serde_json::{Map, Value};

pub(super) struct List<'a> {
    pub values: &'a [Value],
    pub next: usize,
    pub path: &'a Path<'a>,
}

impl<'de> SeqAccess<'de> for List<'_> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, DecodeError> {
        let Some(value) = self.values.get(self.next) else {
            return Ok(None);
        };
        let path = Path::Index(self.path, self.next);
        self.next += 1;
        seed.deserialize(Reader { value, path: &path }).map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        // Elements may be larger than their text: do not reserve for a hostile length.
        Some(self.values.len().saturating_sub(self.next).min(64))
    }
}

/// The members of an object, each with the name the reader knows it by. Where several
/// members match one field in different cases, the exactly spelt one is taken.
pub(super) struct Object<'a> {
    members: Vec<(&'a str, &'a Value)>,
    next: usize,
    path: &'a Path<'a>,
}

impl<'a> Object<'a> {
    pub fn new(
        map: &'a Map<String, Value>,
        fields: Option<&'static [&'static str]>,
        path: &'a Path<'a>,
    ) -> Self {
        let members = match fields {
            None => map
                .iter()
                .map(|(key, value)| (key.as_str(), value))
                .collect(),
            Some(fields) => fields
                .iter()
                .filter_map(|field| {
                    let value = map.get(*field).or_else(|| {
                        let mut members = map.iter();
                        let folded = members.find(|(key, _)| key.eq_ignore_ascii_case(field));
                        folded.map(|(_, value)| value)
                    })?;
                    // Go leaves the zero value in place where null stands.
                    (!value.is_null()).then_some((*field, value))
                })
                .collect(),
        };
        Self {
            members,
            next: 0,
            path,
        }
    }
}

impl<'de> MapAccess<'de> for Object<'_> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, DecodeError> {
        match self.members.get(self.next) {
            None => Ok(None),
            Some((key, _)) => seed.deserialize((*key).into_deserializer()).map(Some),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, DecodeError> {
        let (key, value) = self.members[self.next];
        self.next += 1;
        let path = Path::Key(self.path, key);
        seed.deserialize(Reader { value, path: &path })
    }
}

pub(super) struct UnitVariant<'a>(pub &'a str);

impl<'de> EnumAccess<'de> for UnitVariant<'_> {
    type Error = DecodeError;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Self), DecodeError> {
        let value = seed.deserialize(IntoDeserializer::<DecodeError>::into_deserializer(self.0))?;
        Ok((value, self))
    }
}

impl<'de> VariantAccess<'de> for UnitVariant<'_> {
    type Error = DecodeError;

    fn unit_variant(self) -> Result<(), DecodeError> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, _: T) -> Result<T::Value, DecodeError> {
        Err(DecodeError::custom(
            "variants with values are not read from text",
        ))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, DecodeError> {
        Err(DecodeError::custom(
            "variants with values are not read from text",
        ))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, DecodeError> {
        Err(DecodeError::custom(
            "variants with values are not read from text",
        ))
    }
}
