//! JSON of strangers, read tolerantly: what is not of the expected form counts as absent, and what is not looked at is not
//! kept even for a moment, so that an answer takes little more memory than it has bytes (security case 83).

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// What can be read tolerantly. A form that a type doesn't know is nothing.
pub(super) trait Lenient: Sized {
    fn text(_: &str) -> Option<Self> {
        None
    }
    fn number(_: u64) -> Option<Self> {
        None
    }
    fn flag(_: bool) -> Option<Self> {
        None
    }
    fn list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Option<Self>, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }
    fn map<'de, A: MapAccess<'de>>(mut map: A) -> Result<Option<Self>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}

/// A value of the expected form, or nothing.
pub(super) struct Maybe<T>(pub(super) Option<T>);

struct Anything<T>(PhantomData<T>);

impl<'de, T: Lenient> Deserialize<'de> for Maybe<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Anything(PhantomData)).map(Self)
    }
}

impl<'de, T: Lenient> Visitor<'de> for Anything<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Self::Value, E> {
        Ok(T::flag(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
        Ok(u64::try_from(number).ok().and_then(T::number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
        Ok(T::number(number))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(T::text(text))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        T::list(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        T::map(map)
    }
}

impl Lenient for String {
    fn text(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl Lenient for bool {
    fn flag(flag: bool) -> Option<Self> {
        Some(flag)
    }
}

impl Lenient for u64 {
    fn number(number: u64) -> Option<Self> {
        Some(number)
    }
}

/// Those of the expected form.
impl<T: Lenient> Lenient for Vec<T> {
    fn list<'de, A: SeqAccess<'de>>(mut list: A) -> Result<Option<Self>, A::Error> {
        let mut kept = Self::new();
        while let Some(Maybe(one)) = list.next_element::<Maybe<T>>()? {
            kept.extend(one);
        }
        Ok(Some(kept))
    }
}

/// Reads the named attributes of an object, each an `Option`; of two with one name the last counts.
macro_rules! attributes {
    ($type:ty { $($key:literal => $field:ident),* $(,)? }) => {
        impl Lenient for $type {
            fn map<'de, A: serde::de::MapAccess<'de>>(mut map: A) -> Result<Option<Self>, A::Error> {
                let mut one = Self::default();
                while let Some(key) = map.next_key::<String>()? {
                    match key.as_str() {
                        $($key => one.$field = map.next_value::<Maybe<_>>()?.0,)*
                        _ => _ = map.next_value::<serde::de::IgnoredAny>()?,
                    }
                }
                Ok(Some(one))
            }
        }
    };
}

pub(super) use attributes;
