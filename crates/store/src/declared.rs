//! What a file declares: which settings, groups, people and clients, and which parts of them.

use crate::{ReadTx, Row, StoreError, WriteTx, params, statements};

statements! {
    ALL = "SELECT kind, id, name, parts FROM declared ORDER BY kind, name, id";
    OF_KIND = "SELECT kind, id, name, parts FROM declared WHERE kind = $1 ORDER BY id";
    ONE = "SELECT kind, id, name, parts FROM declared WHERE kind = $1 AND id = $2";
    PUT = "INSERT INTO declared (kind, id, name, parts) VALUES ($1, $2, $3, $4) ON CONFLICT (kind, id) DO UPDATE SET name = $3, parts = $4";
    FORGET = "DELETE FROM declared WHERE kind = $1 AND id = $2";
}

/// Something that is declared, or was once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// The word of its kind.
    pub kind: String,
    /// Its id, or a setting's key.
    pub id: String,
    /// Its name in the file.
    pub name: String,
    /// The words of the parts that are declared; empty: none any more.
    pub parts: String,
}

fn read(row: &Row) -> Result<Declared, StoreError> {
    Ok(Declared { kind: row.get(0)?, id: row.get(1)?, name: row.get(2)?, parts: row.get(3)? })
}

/// Everything that is or was declared.
pub fn all(tx: &ReadTx<'_>) -> Result<Vec<Declared>, StoreError> {
    tx.query(&ALL, params![])?.iter().map(read).collect()
}

/// All of one kind.
pub fn of_kind(tx: &ReadTx<'_>, kind: &str) -> Result<Vec<Declared>, StoreError> {
    tx.query(&OF_KIND, params![kind])?.iter().map(read).collect()
}

/// One thing.
pub fn get(tx: &ReadTx<'_>, kind: &str, id: &str) -> Result<Option<Declared>, StoreError> {
    tx.query_opt(&ONE, params![kind, id])?.as_ref().map(read).transpose()
}

/// Notes that something is declared.
pub fn put(tx: &WriteTx<'_>, one: &Declared) -> Result<(), StoreError> {
    tx.execute(&PUT, params![one.kind.as_str(), one.id.as_str(), one.name.as_str(), one.parts.as_str()])?;
    Ok(())
}

/// Something was never declared.
pub fn forget(tx: &WriteTx<'_>, kind: &str, id: &str) -> Result<(), StoreError> {
    tx.execute(&FORGET, params![kind, id])?;
    Ok(())
}
