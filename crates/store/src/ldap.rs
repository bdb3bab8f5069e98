//! What comes from a directory (LDAP): people and groups by their identifiers there, what their pictures were made of, and
//! the synchronisations with what each did.

use std::collections::HashMap;

use pid_core::groups::Group;
use pid_core::list::{ListRequest, Page};
use pid_core::users::User;
use pid_core::{GroupId, Timestamp, UserId};

use crate::groups::{self, group_columns};
use crate::lists::{Filter, ListSpec};
use crate::users::{self, user_columns};
use crate::{ReadTx, Row, StoreError, WriteTx, params, statements};

/// Runs that are kept: those that were to change something, and those that only looked.
const KEPT_RUNS: i64 = 30;
const KEPT_DRY_RUNS: i64 = 10;

statements! {
    PEOPLE_AFTER = concat!("SELECT ", user_columns!(), ", users.ldap_dn FROM users WHERE users.ldap_id > $1 ORDER BY users.ldap_id LIMIT $2");
    PERSON = concat!("SELECT ", user_columns!(), " FROM users WHERE users.ldap_id = $1");
    GROUPS_AFTER = concat!("SELECT ", group_columns!(), ", user_groups.ldap_dn FROM user_groups WHERE user_groups.ldap_id > $1 ORDER BY user_groups.ldap_id LIMIT $2");
    GROUP = concat!("SELECT ", group_columns!(), " FROM user_groups WHERE user_groups.ldap_id = $1");
    GROUP_BY_NAME = concat!("SELECT ", group_columns!(), " FROM user_groups WHERE user_groups.name = $1");
    MEMBERS = "SELECT user_id FROM user_group_members WHERE group_id = $1";
    SOME_MEMBERS = "SELECT user_id FROM user_group_members WHERE group_id = $1 LIMIT $2";
    PERSON_DN = "SELECT ldap_dn FROM users WHERE ldap_id = $1";
    GROUP_DN = "SELECT ldap_dn FROM user_groups WHERE ldap_id = $1";
    PUT_PERSON_DN = "UPDATE users SET ldap_dn = $2 WHERE ldap_id = $1";
    PUT_GROUP_DN = "UPDATE user_groups SET ldap_dn = $2 WHERE ldap_id = $1";
    MEMBER_COUNT = "SELECT member_count FROM user_groups WHERE ldap_id = $1";

    PICTURES = "SELECT users.ldap_id, ldap_pictures.source, ldap_pictures.made_at FROM ldap_pictures \
        JOIN users ON users.id = ldap_pictures.user_id WHERE users.ldap_id IS NOT NULL";
    PUT_PICTURE = "INSERT INTO ldap_pictures (user_id, source, made_at) VALUES ($1, $2, $3) \
        ON CONFLICT (user_id) DO UPDATE SET source = $2, made_at = $3";
    FORGET_PICTURE = "DELETE FROM ldap_pictures WHERE user_id = $1";

    INSERT_RUN = "INSERT INTO ldap_runs (id, started_at, ended_at, dry, by_hand, state, phase, failure, counts) \
        VALUES ($1, $2, NULL, $3, $4, 'running', 'reading', NULL, $5)";
    PROGRESS = "UPDATE ldap_runs SET phase = $2, counts = $3 WHERE id = $1 AND state = 'running'";
    END_RUN = "UPDATE ldap_runs SET ended_at = $2, state = $3, failure = $4, counts = $5 WHERE id = $1 AND state = 'running'";
    BREAK_OFF = "UPDATE ldap_runs SET state = 'failed', ended_at = started_at WHERE state = 'running' AND id <> $1";
    RUN = "SELECT id, started_at, ended_at, dry, by_hand, state, phase, failure, counts FROM ldap_runs WHERE id = $1";
    RUNS = "SELECT id, started_at, ended_at, dry, by_hand, state, phase, failure, counts FROM ldap_runs ORDER BY started_at DESC, id LIMIT $1";
    LATEST_SYNC = "SELECT id, started_at, ended_at, dry, by_hand, state, phase, failure, counts FROM ldap_runs WHERE NOT dry \
        ORDER BY started_at DESC, id LIMIT 1";
    PURGE_RUNS = "DELETE FROM ldap_runs WHERE id IN (SELECT id FROM ldap_runs WHERE dry = $2 ORDER BY started_at DESC, id LIMIT 1000 OFFSET $1)";
    ADD_ENTRY = "INSERT INTO ldap_run_entries (run_id, number, kind, action, name, subject_id, detail) VALUES ($1, $2, $3, $4, $5, $6, $7)";
}

/// The entries of a run.
pub static ENTRIES: ListSpec = ListSpec {
    columns: "ldap_run_entries.number, ldap_run_entries.kind, ldap_run_entries.action, ldap_run_entries.name, \
        ldap_run_entries.subject_id, ldap_run_entries.detail",
    from: "ldap_run_entries",
    base: Some("ldap_run_entries.run_id = $1"),
    search: &[],
    sort: &[("number", "ldap_run_entries.number")],
    filters: &[
        ("action", Filter::Text("ldap_run_entries.action")),
        ("kind", Filter::Text("ldap_run_entries.kind")),
    ],
    order: "ldap_run_entries.number",
};

/// People of the directory after an identifier, by it, with the names of their entries.
pub fn people_after(
    tx: &ReadTx<'_>,
    ldap_id: &str,
    limit: i64,
) -> Result<Vec<(User, Option<String>)>, StoreError> {
    let rows = tx.query(&PEOPLE_AFTER, params![ldap_id, limit])?;
    rows.iter().map(|row| Ok((users::from_row(row)?, row.get(users::COLUMNS)?))).collect()
}

/// A person by their identifier in the directory.
pub fn person(tx: &ReadTx<'_>, ldap_id: &str) -> Result<Option<User>, StoreError> {
    tx.query_opt(&PERSON, params![ldap_id])?.as_ref().map(users::from_row).transpose()
}

/// Groups of the directory after an identifier, by it, with the names of their entries.
pub fn groups_after(
    tx: &ReadTx<'_>,
    ldap_id: &str,
    limit: i64,
) -> Result<Vec<(Group, Option<String>)>, StoreError> {
    let rows = tx.query(&GROUPS_AFTER, params![ldap_id, limit])?;
    rows.iter().map(|row| Ok((groups::from_row(row)?, row.get(8)?))).collect()
}

/// The name of the entry that a person or group was read from last.
pub fn dn(tx: &ReadTx<'_>, is_group: bool, ldap_id: &str) -> Result<Option<String>, StoreError> {
    let statement = if is_group { &GROUP_DN } else { &PERSON_DN };
    Ok(tx.query_opt(statement, params![ldap_id])?.map(|row| row.get(0)).transpose()?.flatten())
}

/// Notes the name of an entry. That changes nothing of the person or group that anybody sees.
pub fn put_dn(tx: &WriteTx<'_>, is_group: bool, ldap_id: &str, dn: &str) -> Result<(), StoreError> {
    let statement = if is_group { &PUT_GROUP_DN } else { &PUT_PERSON_DN };
    tx.execute(statement, params![ldap_id, dn])?;
    Ok(())
}

/// A group by its identifier in the directory.
pub fn group(tx: &ReadTx<'_>, ldap_id: &str) -> Result<Option<Group>, StoreError> {
    tx.query_opt(&GROUP, params![ldap_id])?.as_ref().map(groups::from_row).transpose()
}

/// A group by its name, wherever it comes from.
pub fn group_by_name(tx: &ReadTx<'_>, name: &str) -> Result<Option<Group>, StoreError> {
    tx.query_opt(&GROUP_BY_NAME, params![name])?.as_ref().map(groups::from_row).transpose()
}

/// The ids of a group's members.
pub fn members(tx: &ReadTx<'_>, id: &GroupId) -> Result<Vec<UserId>, StoreError> {
    let rows = tx.query(&MEMBERS, params![id.as_str()])?;
    rows.iter().map(|r| Ok(UserId::new(r.get::<String>(0)?))).collect()
}

/// The ids of some of a group's members.
pub fn some_members(tx: &ReadTx<'_>, id: &GroupId, limit: i64) -> Result<Vec<UserId>, StoreError> {
    let rows = tx.query(&SOME_MEMBERS, params![id.as_str(), limit])?;
    rows.iter().map(|r| Ok(UserId::new(r.get::<String>(0)?))).collect()
}

/// How many members a group has, by its identifier in the directory.
pub fn member_count(tx: &ReadTx<'_>, ldap_id: &str) -> Result<usize, StoreError> {
    let row = tx.query_opt(&MEMBER_COUNT, params![ldap_id])?;
    let count = row.map(|r| r.get::<i64>(0)).transpose()?.unwrap_or_default();
    Ok(usize::try_from(count).unwrap_or_default())
}

/// What pictures were made of and when, by the person's identifier in the directory.
pub fn pictures(tx: &ReadTx<'_>) -> Result<HashMap<String, (String, Timestamp)>, StoreError> {
    let rows = tx.query(&PICTURES, params![])?;
    rows.iter().map(|r| Ok((r.get(0)?, (r.get(1)?, Timestamp::from_millis(r.get(2)?))))).collect()
}

/// Notes what a person's picture was made of.
pub fn put_picture(tx: &WriteTx<'_>, user: &UserId, source: &str, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(&PUT_PICTURE, params![user.as_str(), source, now.millis()])?;
    Ok(())
}

/// Forgets what a person's picture was made of.
pub fn forget_picture(tx: &WriteTx<'_>, user: &UserId) -> Result<(), StoreError> {
    tx.execute(&FORGET_PICTURE, params![user.as_str()])?;
    Ok(())
}

/// A synchronisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// UUID.
    pub id: String,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was over.
    pub ended_at: Option<Timestamp>,
    /// Whether it only looked.
    pub dry: bool,
    /// Whether an administrator asked for it.
    pub by_hand: bool,
    /// `running`, `done`, `stopped` or `failed`.
    pub state: String,
    /// What it is doing.
    pub phase: String,
    /// Why it failed or stopped.
    pub failure: Option<String>,
    /// A JSON object.
    pub counts: String,
}

fn run_from(row: &Row) -> Result<Run, StoreError> {
    Ok(Run {
        id: row.get(0)?,
        started_at: Timestamp::from_millis(row.get(1)?),
        ended_at: row.get::<Option<i64>>(2)?.map(Timestamp::from_millis),
        dry: row.get(3)?,
        by_hand: row.get(4)?,
        state: row.get(5)?,
        phase: row.get(6)?,
        failure: row.get(7)?,
        counts: row.get(8)?,
    })
}

/// Begins a run. Others that say they are under way were broken off, and the oldest are forgotten.
pub fn begin(
    tx: &WriteTx<'_>,
    id: &str,
    now: Timestamp,
    dry: bool,
    by_hand: bool,
    counts: &str,
) -> Result<(), StoreError> {
    tx.execute(&INSERT_RUN, params![id, now.millis(), dry, by_hand, counts])?;
    tx.execute(&BREAK_OFF, params![id])?;
    // Whoever looks often pushes out no report of what was done.
    tx.execute(&PURGE_RUNS, params![KEPT_RUNS, false])?;
    tx.execute(&PURGE_RUNS, params![KEPT_DRY_RUNS, true])?;
    Ok(())
}

/// Notes how far a run has come. Tells whether it is still under way.
pub fn progress(tx: &WriteTx<'_>, id: &str, phase: &str, counts: &str) -> Result<bool, StoreError> {
    Ok(tx.execute(&PROGRESS, params![id, phase, counts])? == 1)
}

/// Ends a run.
pub fn end(
    tx: &WriteTx<'_>,
    id: &str,
    now: Timestamp,
    state: &str,
    failure: Option<&str>,
    counts: &str,
) -> Result<(), StoreError> {
    tx.execute(&END_RUN, params![id, now.millis(), state, failure.map(str::to_owned), counts])?;
    Ok(())
}

/// A run by id.
pub fn run(tx: &ReadTx<'_>, id: &str) -> Result<Option<Run>, StoreError> {
    tx.query_opt(&RUN, params![id])?.as_ref().map(run_from).transpose()
}

/// The latest runs.
pub fn runs(tx: &ReadTx<'_>, limit: i64) -> Result<Vec<Run>, StoreError> {
    tx.query(&RUNS, params![limit])?.iter().map(run_from).collect()
}

/// The latest run that did not only look.
pub fn latest_sync(tx: &ReadTx<'_>) -> Result<Option<Run>, StoreError> {
    tx.query_opt(&LATEST_SYNC, params![])?.as_ref().map(run_from).transpose()
}

/// Something that a run did, or would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place in the run.
    pub number: i64,
    /// `user` or `group`.
    pub kind: String,
    /// What was done.
    pub action: String,
    /// The username or the group's name; of what is none here, its name in the directory.
    pub name: String,
    /// The account or group here.
    pub subject_id: Option<String>,
    /// Why, or what changed.
    pub detail: String,
}

/// Adds an entry to a run.
pub fn add_entry(tx: &WriteTx<'_>, run: &str, e: &Entry) -> Result<(), StoreError> {
    tx.execute(
        &ADD_ENTRY,
        params![
            run,
            e.number,
            e.kind.as_str(),
            e.action.as_str(),
            e.name.as_str(),
            e.subject_id.clone(),
            e.detail.as_str()
        ],
    )?;
    Ok(())
}

/// A page of a run's entries.
pub fn entries(tx: &ReadTx<'_>, run: &str, request: &ListRequest) -> Result<Page<Entry>, StoreError> {
    ENTRIES.page(tx, request, Some(run), |row| {
        Ok(Entry {
            number: row.get(0)?,
            kind: row.get(1)?,
            action: row.get(2)?,
            name: row.get(3)?,
            subject_id: row.get(4)?,
            detail: row.get(5)?,
        })
    })
}
