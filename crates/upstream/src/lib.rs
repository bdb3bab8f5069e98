//! The data of Pocket ID, the program that this one can replace and be replaced by: its export archive, its databases and
//! its keys, read and written (ops.md §4, §5). What its rows mean here is said in `pid_flows::import` and
//! `pid_flows::export`; this crate knows forms only.
//!
//! Whatever is read comes as [`Data`]: tables of cells, the states of its actors, files by path. A source is never
//! written to.

mod archive;
mod data;
mod files;
mod francis;
mod json;
pub mod keys;
mod postgres;
mod schema;
mod sqlite;

pub use archive::{ArchiveError, Limits, read as read_archive, write as write_archive};
pub use data::{Actor, Cell, Data, Field, Row, Table, Unreadable, parse_time};
pub use files::read as read_files;
pub use postgres::read as read_postgres;
pub use schema::{Kind, TABLES, VERSION, kind, release, unknown};
pub use sqlite::{looks_like_it, read as read_sqlite};

/// Why a database or folder could not be read: a sentence for the operator, without its full stop.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SourceError(pub String);

/// Takes what a database keeps beside its rows out of its tables: the states of actors, and files. A schema from before the
/// first one that is known is refused.
fn complete(mut data: Data) -> Result<Data, SourceError> {
    if data.version < schema::OLDEST {
        let version = data.version;
        return Err(SourceError(format!(
            "the database is of a release before 2.0 (schema {version}): start a release of 2 on it once"
        )));
    }
    if let Some(table) = data.tables.get("francis_actor_state") {
        let actors = table.iter().filter_map(|row| {
            Some(Actor {
                kind: row.text("actor_type")?,
                id: row.text("actor_id")?,
                fields: francis::fields(&row.bytes("actor_state_data").unwrap_or_default()),
                expires_at: row.time("actor_state_expiration_time"),
            })
        });
        data.actors = Some(actors.collect());
    }
    if let Some(table) = data.tables.remove("storage") {
        let files = table.iter().filter_map(|row| Some((row.text("path")?, row.bytes("data")?)));
        data.files.extend(files);
    }
    data.tables.retain(|name, _| !name.starts_with("francis_") && name != "schema_migrations");
    Ok(data)
}
