//! Moving out: everything as the rows of Pocket ID at schema 20260814120000 (ops.md §4.3, §5), so that data made here can go
//! back. What has no place there is named in the report.

mod clients;
mod people;
mod rest;
mod scim;

use pid_core::files::Placed;
use pid_core::progress::Progress;
use pid_core::{Ctx, Timestamp};
use pid_store::ReadTx;
use pid_upstream::{Cell, Data, TABLES, Table, VERSION};
use serde_json::Value;

use crate::Error;
use crate::import::Report;
use crate::keys::KeySealer;

/// What opens secrets here, and seals them for there.
pub struct Keys {
    /// `ENCRYPTION_KEY`, which must be the same there.
    pub encryption_key: pid_jose::Zeroizing<Vec<u8>>,
    /// Opens signing keys.
    pub sealer: KeySealer,
    /// Opens sign-up tokens.
    pub signup_token_key: [u8; 32],
    /// Opens bearer tokens of SCIM servers.
    pub scim_token_key: [u8; 32],
}

/// Everything that moves out.
pub struct Leaving {
    /// The rows, and the pictures that are in the database.
    pub data: Data,
    /// Names of the other pictures in the archive, and where they are.
    pub elsewhere: Vec<(String, Placed)>,
    /// What goes, and what has no place there.
    pub report: Report,
}

/// Reads everything.
///
/// # Errors
/// Faults of the store, or secrets that don't open.
pub fn read(tx: &ReadTx<'_>, ctx: &Ctx, keys: &Keys, progress: &Progress) -> Result<Leaving, Error> {
    progress.begin("Reading people and clients");
    let mut data = Data { provider: "sqlite".to_owned(), version: VERSION, ..Data::default() };
    let mut report = Report::of_export();
    people::read(tx, &mut data, &mut report)?;
    clients::read(tx, &mut data, &mut report)?;
    scim::read(tx, keys, &mut data, &mut report)?;
    let elsewhere = rest::read(tx, ctx, keys, &mut data, &mut report, progress)?;
    Ok(Leaving { data, elsewhere, report })
}

/// Adds a row. Columns that are not named are NULL; a name that the table doesn't have is a fault of ours.
fn add(data: &mut Data, table: &str, cells: Vec<(&str, Cell)>) -> Result<(), Error> {
    let known = TABLES.iter().find(|(name, _)| *name == table);
    let columns: Vec<&str> = known.iter().flat_map(|(_, columns)| columns.iter().map(|(name, _)| *name)).collect();
    let mut row = vec![Cell::Null; columns.len()];
    for (name, cell) in cells {
        let at = columns.iter().position(|column| *column == name);
        *at.and_then(|at| row.get_mut(at)).ok_or_else(|| Error::internal(format!("{table} has no column {name}")))? =
            cell;
    }
    data.tables.entry(table.to_owned()).or_insert_with(|| Table::with(&columns)).rows.push(row);
    Ok(())
}

fn text(text: impl Into<String>) -> Cell {
    Cell::Text(text.into())
}

fn some(text: Option<&str>) -> Cell {
    text.map_or(Cell::Null, |text| Cell::Text(text.to_owned()))
}

fn time(moment: Timestamp) -> Cell {
    Cell::Text(moment.to_string())
}

fn some_time(moment: Option<Timestamp>) -> Cell {
    moment.map_or(Cell::Null, time)
}

fn json(value: impl Into<Value>) -> Cell {
    Cell::Json(value.into())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
