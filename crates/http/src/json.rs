//! JSON bodies by the rules of api.md §3: names of fields match whatever their case, an exact match first; `null` stands
//! for the empty value of a plain field; an array is never an object.

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Unexpected, Visitor};
use serde_json::{Error, Map, Value};

/// Reads a value.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T, Error> {
    T::deserialize(Wire(value))
}

struct Wire(Value);

impl<'de> IntoDeserializer<'de, Error> for Wire {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// `null` where something plain is expected is its empty value.
macro_rules! plain {
    ($($method:ident $empty:ident($value:expr);)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            if self.0.is_null() { visitor.$empty($value) } else { self.deserialize_any(visitor) }
        }
    )*};
}

impl<'de> Deserializer<'de> for Wire {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(items) => visitor.visit_seq(SeqDeserializer::new(items.into_iter().map(Wire))),
            Value::Object(map) => visitor.visit_map(MapDeserializer::new(map.into_iter().map(|(k, v)| (k, Wire(v))))),
            plain => plain.deserialize_any(visitor),
        }
    }

    plain! {
        deserialize_bool visit_bool(false);
        deserialize_i64 visit_i64(0);
        deserialize_u64 visit_u64(0);
        deserialize_str visit_str("");
        deserialize_string visit_str("");
        deserialize_seq visit_seq(SeqDeserializer::new(std::iter::empty::<Wire>()));
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::Object(map) => Wire(Value::Object(named(map, fields))).deserialize_any(visitor),
            Value::Null => Wire(Value::Object(Map::new())).deserialize_any(visitor),
            Value::Array(_) => Err(Error::invalid_type(Unexpected::Seq, &"an object")),
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    serde::forward_to_deserialize_any! {
        i8 i16 i32 i128 u8 u16 u32 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct map identifier ignored_any
    }
}

/// Gives members the name of the field that they differ from in case alone.
fn named(map: Map<String, Value>, fields: &[&str]) -> Map<String, Value> {
    let mut out = Map::new();
    for (name, value) in map {
        let is_exact = fields.contains(&name.as_str());
        let field = if is_exact { None } else { fields.iter().find(|f| f.eq_ignore_ascii_case(&name)) };
        match field {
            None => {
                out.insert(name, value);
            }
            Some(field) => {
                out.entry(*field).or_insert(value);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Body {
        first_name: String,
        is_admin: bool,
        minutes: i64,
        email: Option<String>,
        tags: Vec<String>,
        inner: Inner,
    }

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Inner {
        a: i64,
    }

    fn read(value: Value) -> Option<Body> {
        from_value(value).ok()
    }

    #[test]
    fn null_is_absent() {
        let nulls =
            json!({ "firstName": null, "isAdmin": null, "minutes": null, "email": null, "tags": null, "inner": null });
        assert_eq!(read(nulls), Some(Body::default()));
        assert_eq!(read(Value::Null), Some(Body::default()));
        assert_eq!(read(json!({ "tags": [null, "b"] })).unwrap().tags, ["", "b"]);
    }

    #[test]
    fn names_match_in_any_case_and_exactly_first() {
        assert_eq!(read(json!({ "FIRSTNAME": "Ann", "Inner": { "A": 1 } })).unwrap().first_name, "Ann");
        for order in [json!({ "firstName": "x", "firstname": "y" }), json!({ "firstname": "y", "firstName": "x" })] {
            assert_eq!(read(order).unwrap().first_name, "x");
        }
    }

    #[test]
    fn wrong_types_are_refused() {
        for wrong in [
            json!([]),
            json!("x"),
            json!(7),
            json!({ "firstName": 7 }),
            json!({ "isAdmin": "true" }),
            json!({ "isAdmin": 1 }),
            json!({ "minutes": "5" }),
            json!({ "minutes": 1.5 }),
            json!({ "minutes": 9_223_372_036_854_775_808_u64 }),
            json!({ "email": ["x"] }),
            json!({ "tags": "x" }),
            json!({ "tags": {} }),
            json!({ "inner": [1] }),
        ] {
            assert_eq!(read(wrong.clone()), None, "{wrong}");
        }
    }
}
