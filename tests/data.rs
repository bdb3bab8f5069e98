//! What lies in the store, and what happens when the store fails.

use rusqlite::types::ValueRef;

use crate::TestApp;

/// A store that can't be written; it can again when this is dropped.
pub struct Fault<'a> {
    app: &'a TestApp,
    _lock: Option<rusqlite::Connection>,
}

impl Drop for Fault<'_> {
    fn drop(&mut self) {
        if let Some(database) = self.app.database() {
            database.let_in();
        }
    }
}

impl TestApp {
    /// Everything that is stored, as text: a line per row. Bytes are shown as hexadecimal digits.
    #[must_use]
    pub fn stored(&self) -> String {
        match self.database() {
            Some(database) => database.dump(),
            None => dump(&self.sqlite()),
        }
    }

    /// Makes the store fail: PostgreSQL is gone; the file of SQLite is locked for writing by somebody else.
    #[must_use]
    pub fn break_store(&self) -> Fault<'_> {
        let lock = match self.database() {
            Some(database) => {
                database.cut_off();
                None
            }
            None => {
                let other = self.sqlite();
                other.execute_batch("BEGIN IMMEDIATE").expect("the lock");
                Some(other)
            }
        };
        Fault { app: self, _lock: lock }
    }

    fn sqlite(&self) -> rusqlite::Connection {
        let conn = rusqlite::Connection::open(self.sqlite_file()).expect("the file");
        conn.busy_timeout(std::time::Duration::from_secs(5)).expect("a timeout");
        conn
    }
}

fn dump(conn: &rusqlite::Connection) -> String {
    let mut tables = conn.prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name").expect("SQL");
    let tables: Vec<String> =
        tables.query_map([], |row| row.get(0)).expect("tables").collect::<Result<_, _>>().expect("names");
    let mut out = String::new();
    for table in tables {
        let mut statement = conn.prepare(&format!("SELECT * FROM \"{table}\"")).expect("SQL");
        let columns = statement.column_count();
        let mut rows = statement.query([]).expect("rows");
        while let Some(row) = rows.next().expect("a row") {
            let values: Vec<String> = (0..columns).map(|i| shown(row.get_ref(i).expect("a value"))).collect();
            out.push_str(&format!("{table}: {}\n", values.join(", ")));
        }
    }
    out
}

fn shown(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => String::new(),
        ValueRef::Integer(n) => n.to_string(),
        ValueRef::Real(n) => n.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        ValueRef::Blob(bytes) => bytes.iter().map(|b| format!("{b:02x}")).collect(),
    }
}
