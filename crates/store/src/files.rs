//! Uploads, by path. Rows, so that they change in the transaction of their cause and every replica has them.

use pid_core::Timestamp;

use crate::{ReadTx, StoreError, WriteTx, params, statements};

statements! {
    GET = "SELECT content_type, content, updated_at FROM files WHERE path = $1";
    STORED_AT = "SELECT updated_at FROM files WHERE path = $1";
    PUT = "INSERT INTO files (path, content_type, content, updated_at) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (path) DO UPDATE SET content_type = $2, content = $3, updated_at = $4";
    DELETE = "DELETE FROM files WHERE path = $1";
}

/// A stored file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Media type.
    pub content_type: String,
    /// The bytes.
    pub content: Vec<u8>,
    /// When it was stored.
    pub updated_at: Timestamp,
}

/// A file by path.
pub fn get(tx: &ReadTx<'_>, path: &str) -> Result<Option<File>, StoreError> {
    let Some(row) = tx.query_opt(&GET, params![path])? else { return Ok(None) };
    Ok(Some(File { content_type: row.get(0)?, content: row.get(1)?, updated_at: Timestamp::from_millis(row.get(2)?) }))
}

/// When a file was stored, if it is there.
pub fn stored_at(tx: &ReadTx<'_>, path: &str) -> Result<Option<Timestamp>, StoreError> {
    tx.query_opt(&STORED_AT, params![path])?.map(|row| row.get(0).map(Timestamp::from_millis)).transpose()
}

/// Stores a file, replacing what was there.
pub fn put(tx: &WriteTx<'_>, path: &str, file: &File) -> Result<(), StoreError> {
    tx.execute(&PUT, params![path, file.content_type.as_str(), file.content.clone(), file.updated_at.millis()])?;
    Ok(())
}

/// Deletes a file. Tells whether it existed.
pub fn delete(tx: &WriteTx<'_>, path: &str) -> Result<bool, StoreError> {
    Ok(tx.execute(&DELETE, params![path])? == 1)
}
