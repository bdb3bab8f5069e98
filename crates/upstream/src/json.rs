//! `database.json`: one object with all rows (ops.md §5.2). Rows are read straight into tables, since a log may be large.

use std::collections::BTreeMap;
use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap as _, SerializeSeq as _, Serializer};
use serde_json::Value;

use crate::data::{Cell, Data, Table};
use crate::schema::ORDER;

#[derive(serde::Deserialize)]
struct Document {
    #[serde(default)]
    provider: String,
    version: u64,
    tables: BTreeMap<String, Option<Table>>,
}

/// Reads the document into data without files and actors.
pub(crate) fn read(json: &[u8]) -> Result<Data, serde_json::Error> {
    let document: Document = serde_json::from_slice(json)?;
    let tables = document.tables.into_iter().filter_map(|(name, table)| Some((name, table?)));
    Ok(Data { provider: document.provider, version: document.version, tables: tables.collect(), ..Data::default() })
}

impl<'de> Deserialize<'de> for Table {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Rows;
        impl<'de> Visitor<'de> for Rows {
            type Value = Table;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of rows")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut rows: A) -> Result<Table, A::Error> {
                let mut table = Table::default();
                while let Some(row) = rows.next_element_seed(OneRow(&mut table.columns))? {
                    table.rows.push(row);
                }
                Ok(table)
            }
        }
        deserializer.deserialize_seq(Rows)
    }
}

/// Reads a row, and notes columns that no row before had.
struct OneRow<'a>(&'a mut Vec<String>);

impl<'de> DeserializeSeed<'de> for OneRow<'_> {
    type Value = Vec<Cell>;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for OneRow<'_> {
    type Value = Vec<Cell>;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut cells = vec![Cell::Null; self.0.len()];
        while let Some(name) = map.next_key::<String>()? {
            let cell = cell(map.next_value()?);
            match self.0.iter().position(|column| *column == name) {
                Some(at) => cells[at] = cell,
                None => {
                    self.0.push(name);
                    cells.push(cell);
                }
            }
        }
        Ok(cells)
    }
}

/// A cell from JSON.
fn cell(value: Value) -> Cell {
    match value {
        Value::Null => Cell::Null,
        Value::Bool(flag) => Cell::Bool(flag),
        Value::Number(number) => number.as_i64().map_or_else(|| Cell::Text(number.to_string()), Cell::Int),
        Value::String(text) => Cell::Text(text),
        list_or_object => Cell::Json(list_or_object),
    }
}

impl Serialize for Cell {
    /// As the original program writes it: bytes and JSON as base64.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(flag) => serializer.serialize_bool(*flag),
            Self::Int(n) => serializer.serialize_i64(*n),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Bytes(bytes) => serializer.serialize_str(&STANDARD.encode(bytes)),
            Self::Json(value) => serializer.serialize_str(&STANDARD.encode(value.to_string())),
        }
    }
}

impl Serialize for Table {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        struct OneRow<'a>(&'a [String], &'a [Cell]);
        impl Serialize for OneRow<'_> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut map = serializer.serialize_map(Some(self.0.len()))?;
                for (at, name) in self.0.iter().enumerate() {
                    map.serialize_entry(name, self.1.get(at).unwrap_or(&Cell::Null))?;
                }
                map.end()
            }
        }
        let mut rows = serializer.serialize_seq(Some(self.rows.len()))?;
        for row in &self.rows {
            rows.serialize_element(&OneRow(&self.columns, row))?;
        }
        rows.end()
    }
}

/// Writes the document; empty tables are left out, as the original program does.
pub(crate) fn write(data: &Data) -> Result<Vec<u8>, serde_json::Error> {
    #[derive(serde::Serialize)]
    struct Out<'a> {
        provider: &'a str,
        version: u64,
        tables: BTreeMap<&'a str, &'a Table>,
        #[serde(rename = "tableOrder")]
        table_order: &'a [&'a str],
    }
    let tables = data.tables.iter().filter(|(_, table)| !table.rows.is_empty());
    let tables = tables.map(|(name, table)| (name.as_str(), table)).collect();
    serde_json::to_vec(&Out { provider: &data.provider, version: data.version, tables, table_order: ORDER })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_may_differ_in_their_columns() {
        let json = br#"{"version": 20260814120000, "provider": "sqlite", "tables": {"t": [{"a": 1}, {"b": "x", "a": null}, {}], "gone": null}, "more": 1}"#;
        let data = read(json).unwrap();
        assert_eq!((data.version, data.provider.as_str()), (20_260_814_120_000, "sqlite"));
        let rows: Vec<_> = data.rows("t").map(|row| (row.int("a"), row.text("b"))).collect();
        assert_eq!(rows, [(Some(1), None), (None, Some("x".to_owned())), (None, None)]);
        assert_eq!(data.rows("gone").count() + data.rows("nowhere").count(), 0);
        let again = read(&write(&data).unwrap()).unwrap();
        assert_eq!(again.rows("t").nth(1).unwrap().text("b").unwrap(), "x");
    }

    #[test]
    fn what_is_no_document_is_refused() {
        for bad in ["", "[]", "{}", r#"{"version": "x", "tables": {}}"#, r#"{"version": 1, "tables": {"t": {}}}"#] {
            assert!(read(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(
            read(format!(r#"{{"version": 1, "tables": {{"t": [{{"a": {}"#, "[".repeat(10_000)).as_bytes()).is_err()
        );
    }
}
