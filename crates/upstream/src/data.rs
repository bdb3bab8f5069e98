//! What was read, whatever it was read from: rows whose cells are asked for by name and meaning.
//!
//! The same column comes in several forms: a moment as Unix seconds or text, JSON as text, as bytes or as base64 of
//! either, a flag as a boolean or a number. Which form it is depends on the kind of database, on the version that made it
//! and on whether an archive lies between, so a cell is read for what is wanted of it.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use pid_core::Timestamp;
use serde_json::Value;

/// Everything.
#[derive(Debug, Default)]
pub struct Data {
    /// `sqlite` or `postgres`.
    pub provider: String,
    /// The schema's version, a number like a date.
    pub version: u64,
    /// Rows by table.
    pub tables: BTreeMap<String, Table>,
    /// The states of actors; `None` where the source has none at all (before 2.13).
    pub actors: Option<Vec<Actor>>,
    /// Files by their path within the storage.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Parts that were not read, because this program does not know them.
    pub unread: Vec<String>,
}

impl Data {
    /// The rows of a table; none if it isn't there.
    pub fn rows(&self, table: &str) -> impl Iterator<Item = Row<'_>> {
        self.tables.get(table).into_iter().flat_map(Table::iter)
    }

    /// A value of the table `kv`.
    pub fn fact(&self, key: &str) -> Option<String> {
        self.rows("kv").find(|row| row.text("key").as_deref() == Some(key)).and_then(|row| row.text("value"))
    }

    /// The states of actors of a kind.
    pub fn actors<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Actor> {
        self.actors.iter().flatten().filter(move |actor| actor.kind == kind)
    }
}

/// One table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// The names of its columns.
    pub columns: Vec<String>,
    /// Its rows: cells in the order of the columns; cells that are missing at the end are NULL.
    pub rows: Vec<Vec<Cell>>,
}

impl Table {
    /// An empty table with these columns.
    #[must_use]
    pub fn with(columns: &[&str]) -> Self {
        Self { columns: columns.iter().map(|name| (*name).to_owned()).collect(), rows: Vec::new() }
    }

    /// Its rows.
    pub fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        self.rows.iter().map(|cells| Row { columns: &self.columns, cells })
    }
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// SQL NULL.
    Null,
    /// A flag.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A list or an object.
    Json(Value),
}

/// A cell holds something else than what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it can't be read")]
pub struct Unreadable;

/// A row whose cells are found by name. A column that isn't there reads like NULL.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    columns: &'a [String],
    cells: &'a [Cell],
}

impl Row<'_> {
    /// A cell.
    #[must_use]
    pub fn cell(&self, name: &str) -> &Cell {
        let at = self.columns.iter().position(|column| column == name);
        at.and_then(|at| self.cells.get(at)).unwrap_or(&Cell::Null)
    }

    /// Text; `None` for NULL.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        match self.cell(name) {
            Cell::Null => None,
            Cell::Bool(flag) => Some(flag.to_string()),
            Cell::Int(n) => Some(n.to_string()),
            // NUL means nothing in any text, and PostgreSQL can't hold it.
            Cell::Text(text) => Some(text.replace('\0', "")),
            Cell::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).replace('\0', "")),
            Cell::Json(value) => Some(value.to_string()),
        }
    }

    /// Text that is not empty.
    #[must_use]
    pub fn some_text(&self, name: &str) -> Option<String> {
        self.text(name).filter(|text| !text.is_empty())
    }

    /// A flag; `false` for NULL.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        match self.cell(name) {
            Cell::Bool(flag) => *flag,
            Cell::Int(n) => *n != 0,
            Cell::Text(text) => matches!(text.to_ascii_lowercase().as_str(), "1" | "t" | "true" | "y" | "yes"),
            _ => false,
        }
    }

    /// A whole number.
    #[must_use]
    pub fn int(&self, name: &str) -> Option<i64> {
        match self.cell(name) {
            Cell::Int(n) => Some(*n),
            Cell::Bool(flag) => Some(i64::from(*flag)),
            Cell::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// A moment.
    #[must_use]
    pub fn time(&self, name: &str) -> Option<Timestamp> {
        match self.cell(name) {
            Cell::Int(n) => unix(*n),
            Cell::Text(text) => parse_time(text),
            Cell::Bytes(bytes) => std::str::from_utf8(bytes).ok().and_then(parse_time),
            _ => None,
        }
    }

    /// Bytes: as they are, as base64, or as PostgreSQL writes them (`\x…`).
    #[must_use]
    pub fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        match self.cell(name) {
            Cell::Bytes(bytes) => Some(bytes.clone()),
            Cell::Text(text) => match text.strip_prefix("\\x") {
                Some(digits) => hex(digits),
                None => STANDARD.decode(text.trim()).ok(),
            },
            _ => None,
        }
    }

    /// A list or an object, in any of its forms. `Ok(None)` for NULL, JSON's `null` and nothing at all; `Err` for
    /// what can't be read.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn json(&self, name: &str) -> Result<Option<Value>, Unreadable> {
        let from = |bytes: &[u8]| -> Result<Option<Value>, Unreadable> {
            let text = std::str::from_utf8(bytes).map_err(|_| Unreadable)?.trim();
            if text.is_empty() || text == "null" {
                return Ok(None);
            }
            match serde_json::from_str(text) {
                Ok(value @ (Value::Array(_) | Value::Object(_))) => Ok(Some(value)),
                _ => Err(Unreadable),
            }
        };
        match self.cell(name) {
            Cell::Null => Ok(None),
            Cell::Json(value) => Ok(Some(value.clone())),
            Cell::Bytes(bytes) => from(bytes),
            Cell::Text(text) => from(text.as_bytes()).or_else(|_| from(&self.bytes(name).ok_or(Unreadable)?)),
            Cell::Bool(_) | Cell::Int(_) => Err(Unreadable),
        }
    }

    /// A list of strings; none for NULL.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn strings(&self, name: &str) -> Result<Vec<String>, Unreadable> {
        match self.json(name)? {
            None => Ok(Vec::new()),
            Some(value) => serde_json::from_value(value).map_err(|_| Unreadable),
        }
    }
}

pub(crate) fn hex(digits: &str) -> Option<Vec<u8>> {
    let digits = digits.as_bytes();
    let pairs = digits.chunks(2).map(|pair| {
        let text = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
        u8::from_str_radix(text, 16).ok()
    });
    pairs.collect()
}

/// Unix seconds, or milliseconds where seconds would lie beyond the year 5138. Nothing is older than 1970.
pub(crate) fn unix(n: i64) -> Option<Timestamp> {
    let moment = if n >= 100_000_000_000 { Timestamp::from_millis(n) } else { Timestamp::from_secs(n) };
    (n > 0).then_some(moment)
}

/// Reads a moment as databases and Go write it: RFC 3339, with a blank in the middle, without an offset (then it is UTC),
/// with a zone's name or a monotonic clock behind, or Unix seconds in digits. What lies before 1970 is nothing: Go's
/// moment zero.
#[must_use]
pub fn parse_time(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(n) = text.parse::<i64>() {
        return unix(n);
    }
    let read = |text: &str| Timestamp::parse_rfc3339(text).filter(|moment| moment.millis() > 0);
    read(text).or_else(|| {
        let mut words = text.split_whitespace();
        let first = words.next()?;
        let date_time = if first.contains(['T', 't']) {
            first.to_owned()
        } else {
            format!("{first}T{}", words.next().unwrap_or("00:00:00"))
        };
        let offset = words.next().filter(|word| word.starts_with(['+', '-'])).unwrap_or("Z");
        read(&format!("{date_time}{offset}")).or_else(|| read(&date_time))
    })
}

/// The state of an actor, the small objects that the original program keeps beside its tables.
#[derive(Clone, Debug, PartialEq)]
pub struct Actor {
    /// `AppConfig`, `SignupToken` and so on.
    pub kind: String,
    /// Which of them.
    pub id: String,
    /// Its fields by their names in Go.
    pub fields: BTreeMap<String, Field>,
    /// Until when it counts.
    pub expires_at: Option<Timestamp>,
}

/// A field of an actor's state.
#[derive(Clone, Debug, PartialEq)]
pub enum Field {
    /// Nothing.
    Nil,
    /// A flag.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Text.
    Text(String),
    /// A moment.
    Time(Timestamp),
    /// A list of texts.
    List(Vec<String>),
    /// Something else.
    Other,
}

impl Actor {
    /// A field that is text.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.fields.get(name) {
            Some(Field::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A field that is a whole number.
    #[must_use]
    pub fn int(&self, name: &str) -> Option<i64> {
        match self.fields.get(name) {
            Some(Field::Int(n)) => Some(*n),
            _ => None,
        }
    }

    /// A field that is a moment.
    #[must_use]
    pub fn time(&self, name: &str) -> Option<Timestamp> {
        match self.fields.get(name) {
            Some(Field::Time(moment)) => Some(*moment),
            Some(Field::Text(text)) => parse_time(text),
            Some(Field::Int(n)) => unix(*n),
            _ => None,
        }
    }

    /// A field that is a list of texts; none for anything else.
    #[must_use]
    pub fn list(&self, name: &str) -> &[String] {
        match self.fields.get(name) {
            Some(Field::List(list)) => list,
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row_of(cell: Cell) -> (Vec<String>, Vec<Cell>) {
        (vec!["a".to_owned()], vec![cell])
    }

    fn read<T>(cell: Cell, as_what: impl Fn(Row<'_>) -> T) -> T {
        let (columns, cells) = row_of(cell);
        as_what(Row { columns: &columns, cells: &cells })
    }

    fn text(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }

    #[test]
    fn moments_are_read_in_all_their_forms() {
        let moment = Timestamp::parse_rfc3339("2025-11-25T12:39:02Z").unwrap();
        for form in [
            "2025-11-25T12:39:02Z",
            "2025-11-25T13:39:02+01:00",
            "2025-11-25 12:39:02+00:00",
            "2025-11-25 12:39:02+00",
            "2025-11-25 12:39:02",
            "2025-11-25T12:39:02",
            "2025-11-25 12:39:02 +0000 UTC",
            "2025-11-25 14:39:02 +0200 CEST m=+0.1",
            " 1764074342 ",
            "1764074342000",
        ] {
            assert_eq!(parse_time(form), Some(moment), "{form}");
        }
        assert_eq!(parse_time("2025-11-25").unwrap().to_string(), "2025-11-25T00:00:00Z");
        assert_eq!(read(Cell::Int(1_764_074_342), |row| row.time("a")), Some(moment));
        for nothing in ["", "0001-01-01T00:00:00Z", "yesterday", "2025-13-01", "-1", "é", "99999999999999999999"] {
            assert_eq!(parse_time(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn json_is_read_in_all_its_forms() {
        let list = vec!["openid".to_owned()];
        for cell in [
            text("[\"openid\"]"),
            text("WyJvcGVuaWQiXQ=="),
            Cell::Bytes(b"[\"openid\"]".to_vec()),
            Cell::Json(serde_json::json!(["openid"])),
        ] {
            assert_eq!(read(cell.clone(), |row| row.strings("a")), Ok(list.clone()), "{cell:?}");
        }
        for cell in [Cell::Null, text(""), text("null"), text("bnVsbA=="), Cell::Bytes(b"null".to_vec())] {
            assert_eq!(read(cell.clone(), |row| row.json("a")), Ok(None), "{cell:?}");
        }
        for cell in [text("[1]"), text("{"), text("\"a\""), text("bm8="), Cell::Int(1), Cell::Bytes(vec![255])] {
            assert_eq!(read(cell.clone(), |row| row.strings("a")), Err(Unreadable), "{cell:?}");
        }
    }

    #[test]
    fn flags_numbers_and_bytes() {
        for (cell, flag) in [(Cell::Bool(true), true), (Cell::Int(1), true), (text("t"), true), (Cell::Null, false)] {
            assert_eq!(read(cell, |row| row.flag("a")), flag);
        }
        assert_eq!(read(text("7"), |row| row.int("a")), Some(7));
        assert_eq!(read(text("aGk="), |row| row.bytes("a")), Some(b"hi".to_vec()));
        assert_eq!(read(text("\\x6869"), |row| row.bytes("a")), Some(b"hi".to_vec()));
        for bad in ["\\x6", "\\xé0", "\\xzz", "=", "é"] {
            assert_eq!(read(text(bad), |row| row.bytes("a")), None, "{bad}");
        }
        assert_eq!(read(text("x"), |row| row.text("b")), None, "a column that isn't there");
    }
}
