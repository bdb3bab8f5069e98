//! Uploads, by path. Rows, so that they change in the transaction of their cause; the bytes are in the row, or elsewhere
//! ([`pid_core::files`]). What lies elsewhere and belongs to no row stands in `file_removals` until it is gone.

use pid_core::Timestamp;
use pid_core::files::{Backend, Content, Place, Placed, backend_name};

use crate::{ReadTx, Row, StoreError, WriteTx, params, statements};

statements! {
    GET = "SELECT content_type, content, updated_at, place, place_key, length, sha256 FROM files WHERE path = $1";
    STORED_AT = "SELECT updated_at FROM files WHERE path = $1";
    PUT = "INSERT INTO files (path, content_type, content, updated_at, place, place_key, length, sha256) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
        ON CONFLICT (path) DO UPDATE SET content_type = $2, content = $3, updated_at = $4, place = $5, place_key = $6, \
        length = $7, sha256 = $8";
    DELETE = "DELETE FROM files WHERE path = $1";
    MOVE = "UPDATE files SET content = $2, place = $3, place_key = $4, length = $5, sha256 = $6 \
        WHERE path = $1 AND updated_at = $7 AND place = $8 AND place_key = $9";
    AFTER = "SELECT path, place, place_key FROM files WHERE path > $1 ORDER BY path LIMIT 200";
    PLACES = "SELECT place, count(*) FROM files GROUP BY place";
    ELSEWHERE = "SELECT path, place, place_key, length, sha256 FROM files WHERE place = $1 AND place_key > $2 ORDER BY place_key LIMIT $3";
    LEAVE = "INSERT INTO file_removals (place, place_key, due_at) SELECT place, place_key, CAST($2 AS BIGINT) FROM files WHERE path = $1 AND place <> '' \
        ON CONFLICT (place, place_key) DO NOTHING";
    INTEND = "INSERT INTO file_removals (place, place_key, due_at) VALUES ($1, $2, $3) ON CONFLICT (place, place_key) DO NOTHING";
    KEEP = "DELETE FROM file_removals WHERE place = $1 AND place_key = $2";
    FORGET = "DELETE FROM file_removals";
    DUE = "SELECT place, place_key FROM file_removals WHERE due_at < $1 AND NOT EXISTS (SELECT 1 FROM files \
        WHERE files.place = file_removals.place AND files.place_key = file_removals.place_key) ORDER BY due_at LIMIT 100";
}

/// Whoever has just read a row may still be fetching its bytes; whoever writes bytes has this long to write their row.
const GRACE_SECS: i64 = 3600;

/// A stored file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Media type.
    pub content_type: String,
    /// The bytes, or where they are.
    pub content: Content,
    /// When it was stored.
    pub updated_at: Timestamp,
}

/// How a row has its bytes: what is in it, place, key, length, hash.
fn columns(content: &Content) -> (Vec<u8>, &'static str, &str, i64, &str) {
    match content {
        Content::Here(bytes) => (bytes.clone(), "", "", i64::try_from(bytes.len()).unwrap_or(i64::MAX), ""),
        Content::There(placed) => {
            let length = i64::try_from(placed.length).unwrap_or(i64::MAX);
            (Vec::new(), placed.place.as_str(), &placed.key, length, &placed.sha256)
        }
    }
}

fn placed(row: &Row, first: usize) -> Result<Option<Placed>, StoreError> {
    let name: String = row.get(first)?;
    if name.is_empty() {
        return Ok(None);
    }
    let place = Place::parse(&name).ok_or_else(|| StoreError::Other(format!("there is no place {name:?} for files")))?;
    let length = u64::try_from(row.get::<i64>(first + 2)?).unwrap_or_default();
    Ok(Some(Placed { place, key: row.get(first + 1)?, length, sha256: row.get(first + 3)? }))
}

/// A file by path.
pub fn get(tx: &ReadTx<'_>, path: &str) -> Result<Option<File>, StoreError> {
    let Some(row) = tx.query_opt(&GET, params![path])? else { return Ok(None) };
    let content = match placed(&row, 3)? {
        Some(placed) => Content::There(placed),
        None => Content::Here(row.get(1)?),
    };
    Ok(Some(File { content_type: row.get(0)?, content, updated_at: Timestamp::from_millis(row.get(2)?) }))
}

/// When a file was stored, if it is there.
pub fn stored_at(tx: &ReadTx<'_>, path: &str) -> Result<Option<Timestamp>, StoreError> {
    tx.query_opt(&STORED_AT, params![path])?.map(|row| row.get(0).map(Timestamp::from_millis)).transpose()
}

/// Notes that bytes are about to be written elsewhere: if no row takes them, they are removed in an hour.
pub fn intend(tx: &WriteTx<'_>, place: Place, key: &str, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(&INTEND, params![place.as_str(), key, now.plus_secs(GRACE_SECS).millis()])?;
    Ok(())
}

/// Bytes that a row has from now on.
fn keep(tx: &WriteTx<'_>, content: &Content) -> Result<(), StoreError> {
    if let Content::There(placed) = content {
        tx.execute(&KEEP, params![placed.place.as_str(), placed.key.as_str()])?;
    }
    Ok(())
}

/// Bytes of a row that it will not have any more.
fn leave(tx: &WriteTx<'_>, path: &str, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(&LEAVE, params![path, now.plus_secs(GRACE_SECS).millis()])?;
    Ok(())
}

/// Stores a file, replacing what was there.
pub fn put(tx: &WriteTx<'_>, path: &str, file: &File) -> Result<(), StoreError> {
    leave(tx, path, file.updated_at)?;
    let (bytes, place, key, length, sha256) = columns(&file.content);
    let content_type = file.content_type.as_str();
    tx.execute(&PUT, params![path, content_type, bytes, file.updated_at.millis(), place, key, length, sha256])?;
    keep(tx, &file.content)
}

/// Deletes a file. Tells whether it existed.
pub fn delete(tx: &WriteTx<'_>, path: &str, now: Timestamp) -> Result<bool, StoreError> {
    leave(tx, path, now)?;
    Ok(tx.execute(&DELETE, params![path])? == 1)
}

/// Says that the same bytes are somewhere else now; whoever looks at the file sees no change. Tells whether it was still as it
/// was read: `was`.
pub fn moved(tx: &WriteTx<'_>, path: &str, was: &File, content: &Content, now: Timestamp) -> Result<bool, StoreError> {
    let (_, old_place, old_key, _, _) = columns(&was.content);
    let (bytes, place, key, length, sha256) = columns(content);
    let at = was.updated_at.millis();
    if tx.execute(&MOVE, params![path, bytes, place, key, length, sha256, at, old_place, old_key])? != 1 {
        return Ok(false);
    }
    if let Content::There(placed) = &was.content {
        intend(tx, placed.place, &placed.key, now)?;
    }
    keep(tx, content)?;
    Ok(true)
}

/// Up to 200 paths after one, and where their bytes are; in order.
pub fn after(tx: &ReadTx<'_>, path: &str) -> Result<Vec<(String, Backend)>, StoreError> {
    let rows = tx.query(&AFTER, params![path])?;
    rows.iter().map(|row| Ok((row.get(0)?, Place::parse(&row.get::<String>(1)?)))).collect()
}

/// How many files are where, by the name of the backend.
pub fn places(tx: &ReadTx<'_>) -> Result<Vec<(&'static str, i64)>, StoreError> {
    let rows = tx.query(&PLACES, params![])?;
    rows.iter().map(|row| Ok((backend_name(Place::parse(&row.get::<String>(0)?)), row.get(1)?))).collect()
}

/// Files whose bytes are at a place, by their keys there, after one.
pub fn elsewhere(tx: &ReadTx<'_>, place: Place, after: &str, most: i64) -> Result<Vec<(String, Placed)>, StoreError> {
    let rows = tx.query(&ELSEWHERE, params![place.as_str(), after, most])?;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        if let Some(placed) = placed(row, 1)? {
            found.push((row.get(0)?, placed));
        }
    }
    Ok(found)
}

/// What is to be removed elsewhere by now: some of it.
pub fn due(tx: &ReadTx<'_>, now: Timestamp) -> Result<Vec<(Place, String)>, StoreError> {
    let rows = tx.query(&DUE, params![now.millis()])?;
    let mut found = Vec::with_capacity(rows.len());
    for row in &rows {
        if let Some(place) = Place::parse(&row.get::<String>(0)?) {
            found.push((place, row.get(1)?));
        }
    }
    Ok(found)
}

/// Nothing elsewhere is to be removed any more: what an archive says of that is of another time and perhaps of another place.
pub fn forget_removals(tx: &WriteTx<'_>) -> Result<(), StoreError> {
    tx.execute(&FORGET, params![])?;
    Ok(())
}

/// Something elsewhere is gone.
pub fn removed(tx: &WriteTx<'_>, place: Place, key: &str) -> Result<(), StoreError> {
    tx.execute(&KEEP, params![place.as_str(), key])?;
    Ok(())
}
