//! The audit log. Entries are only ever added, read and, when they are old, removed.

use std::collections::BTreeMap;

use pid_core::audit::{Entry, Event};
use pid_core::list::{ListRequest, Page};
use pid_core::places::Place;
use pid_core::{Ctx, Timestamp, UserId};

use crate::lists::{Filter, ListSpec};
use crate::{ReadTx, Row, StoreError, WriteTx, audit_counts, audit_stream, params, statements};

macro_rules! columns {
    () => {
        "id, created_at, event, user_id, username, actor_username, ip_address, user_agent, country, city, data"
    };
}

// What strangers cause in a person's name makes no device known, nor does what was before they disowned a sign-in: it may
// have been the same stranger.
macro_rules! knows {
    ($events:literal) => {
        concat!(
            "SELECT 1 FROM audit_logs WHERE user_id = $1 AND ip_address = $2 AND user_agent = $3 AND actor_id IS NULL AND event IN (",
            $events,
            ") AND created_at > coalesce((SELECT max(created_at) FROM audit_logs WHERE user_id = $1 AND event = 'SIGN_IN_DISOWNED'), 0) LIMIT 1"
        )
    };
}

statements! {
    INSERT = "INSERT INTO audit_logs (id, created_at, event, user_id, username, actor_id, actor_username, client_name, ip_address, user_agent, country, city, data, search_key) \
        VALUES ($1, $2, $3, $4, (SELECT username FROM users WHERE users.id = $4), $5, (SELECT username FROM users WHERE users.id = $5), $6, $7, $8, $9, $10, $11, \
        coalesce((SELECT username_key FROM users WHERE users.id = $4), '') || '
' || coalesce((SELECT username_key FROM users WHERE users.id = $5), '') || '
' || $12)";
    QUOTA = "SELECT event, address, ends_at, written, skipped FROM audit_quotas WHERE event = $1 AND address = $2";
    SET_QUOTA = "INSERT INTO audit_quotas (event, address, ends_at, written, skipped) VALUES ($1, $2, $3, $4, $5) \
        ON CONFLICT (event, address) DO UPDATE SET ends_at = $3, written = $4, skipped = $5";
    QUOTAS_OVER = "SELECT event, address, ends_at, written, skipped FROM audit_quotas WHERE ends_at <= $1 ORDER BY ends_at LIMIT 1000";
    DELETE_KEPT_QUOTAS = "DELETE FROM audit_quotas WHERE ends_at <= $1 AND skipped = 0";
    DELETE_QUOTA = "DELETE FROM audit_quotas WHERE event = $1 AND address = $2";
    NTH = "SELECT created_at FROM audit_logs ORDER BY created_at DESC LIMIT 1 OFFSET $1";
    PURGE = "DELETE FROM audit_logs WHERE created_at < $1";
    // From one value of the index to the next: what these two cost grows with the names, not with the log.
    CLIENT_NAMES = "WITH RECURSIVE names(name) AS (SELECT min(client_name) FROM audit_logs UNION ALL \
        SELECT (SELECT min(client_name) FROM audit_logs WHERE client_name > names.name) FROM names WHERE names.name IS NOT NULL) \
        SELECT name FROM names WHERE name IS NOT NULL ORDER BY name";
    KNOWS_DEVICE = knows!("'SIGN_IN', 'TOKEN_SIGN_IN', 'REMOTE_SIGN_IN', 'PASSKEY_ADDED', 'ACCOUNT_CREATED', 'SETUP_COMPLETED'");
    KNOWS_PASSKEY_AT = knows!("'SIGN_IN'");
    USERS = "WITH RECURSIVE people(id) AS (SELECT min(user_id) FROM audit_logs UNION ALL \
        SELECT (SELECT min(user_id) FROM audit_logs WHERE user_id > people.id) FROM people WHERE people.id IS NOT NULL), \
        named(id, username) AS (SELECT people.id, (SELECT username FROM audit_logs WHERE user_id = people.id AND username IS NOT NULL \
        ORDER BY created_at DESC LIMIT 1) FROM people) SELECT id, username FROM named WHERE username IS NOT NULL";
    AFTER = concat!("SELECT ", columns!(), " FROM audit_logs WHERE (created_at, id) > ($1, $2) ORDER BY created_at, id LIMIT $3");
}

const SORT: &[(&str, &str)] = &[
    ("createdAt", "created_at"),
    ("event", "event"),
    ("ipAddress", "ip_address"),
    ("country", "country"),
    ("city", "city"),
    ("userAgent", "user_agent"),
];

/// The list of one person's entries.
pub static LIST_OF_USER: ListSpec = ListSpec {
    columns: columns!(),
    from: "audit_logs",
    base: Some("user_id = $1"),
    search: &[],
    sort: SORT,
    filters: &[("event", Filter::Text("event")), ("userID", Filter::Text("user_id"))],
    order: "created_at DESC, id DESC",
};

pub(crate) const FILTERS: &[(&str, Filter)] = &[
        // The narrowest first.
        ("userID", Filter::Text("user_id")),
        ("clientName", Filter::Text("client_name")),
        ("event", Filter::Text("event")),
        // Two ranges, since an index finds no rows by what they are not.
        (
            "location",
            Filter::Words(&[
                ("internal", "country = 'Internal Network'"),
                ("external", "(country < 'Internal Network' OR country > 'Internal Network') AND ip_address <> ''"),
            ]),
        ),
    ];

/// The list of everybody's entries.
pub static LIST: ListSpec = EVERYBODY;

const EVERYBODY: ListSpec = ListSpec {
    columns: columns!(),
    from: "audit_logs",
    base: None,
    search: &[],
    sort: SORT,
    filters: FILTERS,
    order: "created_at DESC, id DESC",
};

/// What a search finds. No index knows parts of words, so it looks into the latest [`SEARCHED`] entries, whose index has
/// all that it reads; filters find older ones.
pub static SEARCH: ListSpec = ListSpec {
    base: Some("created_at >= $1"),
    search: &["search_key"],
    ..EVERYBODY
};

/// Entries that a search looks into, from the latest back.
const SEARCHED: i64 = 50_000;

/// What an entry says.
#[derive(Clone, Copy, Debug)]
pub struct NewEntry<'a> {
    /// UUID.
    pub id: &'a str,
    /// Where the request came from.
    pub place: &'a Place,
    /// What happened.
    pub event: Event,
    /// To whom.
    pub user: Option<&'a UserId>,
    /// By whom, if somebody else.
    pub actor: Option<&'a UserId>,
    /// At which client.
    pub client_name: Option<&'a str>,
    /// More, as a JSON object of strings; no secrets.
    pub data: &'a str,
}

/// Adds an entry. The names of user and actor are kept as they are now.
pub fn insert(tx: &WriteTx<'_>, ctx: &Ctx, entry: NewEntry<'_>) -> Result<(), StoreError> {
    tx.queue(
        &INSERT,
        params![
            entry.id,
            ctx.now.millis(),
            entry.event.as_str(),
            entry.user.map(UserId::as_str),
            entry.actor.map(UserId::as_str),
            entry.client_name,
            ctx.ip_address.as_str(),
            ctx.user_agent.as_str(),
            entry.place.country.as_str(),
            entry.place.city.as_str(),
            entry.data,
            search_key(ctx, &entry)
        ],
    )?;
    audit_stream::put(tx, ctx.now, entry.id)
}

/// What a search looks into beside the names of people, in lower case; as much as an entry of an index may hold on
/// PostgreSQL.
fn search_key(ctx: &Ctx, entry: &NewEntry<'_>) -> String {
    let parts = [entry.client_name.unwrap_or_default(), &ctx.ip_address, entry.event.as_str()];
    parts.join("\n").to_lowercase().chars().take(200).collect()
}

pub(crate) fn from_row(row: &Row) -> Result<Entry, StoreError> {
    Ok(Entry {
        id: row.get(0)?,
        created_at: Timestamp::from_millis(row.get(1)?),
        event: row.get(2)?,
        user_id: row.get::<Option<String>>(3)?.map(UserId::new),
        username: row.get::<Option<String>>(4)?.unwrap_or_default(),
        actor_username: row.get::<Option<String>>(5)?.unwrap_or_default(),
        ip_address: row.get(6)?,
        user_agent: row.get(7)?,
        country: row.get(8)?,
        city: row.get(9)?,
        data: serde_json::from_str(&row.get::<String>(10)?).unwrap_or_default(),
    })
}

/// A page of one person's entries, newest first unless sorted.
pub fn list_of_user(tx: &ReadTx<'_>, user: &UserId, request: &ListRequest) -> Result<Page<Entry>, StoreError> {
    LIST_OF_USER.page(tx, request, Some(user.as_str()), from_row)
}

/// Whether a person signed in by a passkey from this address with this browser, as far as the log reaches and since they
/// last disowned a sign-in.
pub fn knows_passkey_at(tx: &ReadTx<'_>, user: &UserId, ip_address: &str, user_agent: &str) -> Result<bool, StoreError> {
    Ok(tx.query_opt(&KNOWS_PASSKEY_AT, params![user.as_str(), ip_address, user_agent])?.is_some())
}

/// Whether a person was signed in from this address with this browser, as far as the log reaches and since they last
/// disowned a sign-in.
pub fn knows_device(tx: &ReadTx<'_>, user: &UserId, ip_address: &str, user_agent: &str) -> Result<bool, StoreError> {
    Ok(tx.query_opt(&KNOWS_DEVICE, params![user.as_str(), ip_address, user_agent])?.is_some())
}

/// A page of everybody's entries, newest first unless sorted. A search finds the latest 2,000 that match among the latest
/// 50,000.
pub fn list(tx: &ReadTx<'_>, request: &ListRequest) -> Result<Page<Entry>, StoreError> {
    if request.search.is_some() {
        let since = tx.query_opt(&NTH, params![SEARCHED - 1])?.map_or(Ok(0), |row| row.get::<i64>(0))?;
        let found = SEARCH.newest(tx, request, &since.into(), "created_at")?;
        return LIST.page_of_found(tx, request, &found, from_row);
    }
    let filters = |name: &str| request.filters.iter().find(|(field, _)| field == name).map(|(_, values)| values);
    // Of one person's entries there are few.
    if filters("userID").is_some() {
        return LIST.page(tx, request, None, from_row);
    }
    let client = filters("clientName");
    // Entries without a client are counted under the empty name.
    if client.is_some_and(|values| values.iter().any(String::is_empty)) {
        return LIST.page(tx, request, None, from_row);
    }
    let total = audit_counts::total(tx, request)?;
    match client {
        Some(_) => LIST.page_of(tx, request, None, Some(total), from_row),
        None => LIST.page_from_mark(tx, request, total, |column, at| audit_counts::mark(tx, request, column, at), from_row),
    }
}

/// The next entries after one, oldest first: an export goes on by key, so that no transaction outlives its page.
pub fn after(tx: &ReadTx<'_>, at: Timestamp, id: &str, limit: i64) -> Result<Vec<Entry>, StoreError> {
    tx.query(&AFTER, params![at.millis(), id, limit])?.iter().map(from_row).collect()
}

/// Names of clients that entries speak of.
pub fn client_names(tx: &ReadTx<'_>) -> Result<Vec<String>, StoreError> {
    tx.query(&CLIENT_NAMES, params![])?.iter().map(|r| r.get(0)).collect()
}

/// People that entries speak of: ids and the latest names.
pub fn users(tx: &ReadTx<'_>) -> Result<BTreeMap<String, String>, StoreError> {
    tx.query(&USERS, params![])?.iter().map(|r| Ok((r.get(0)?, r.get(1)?))).collect()
}

/// How many failures of one address, or of all, were written down within an hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// The name of the event.
    pub event: String,
    /// The address; empty: all of them.
    pub address: String,
    /// When its hour is over.
    pub ends_at: Timestamp,
    /// Entries written.
    pub written: i64,
    /// Entries that were only counted.
    pub skipped: i64,
}

impl Quota {
    /// One of an hour that begins.
    pub fn new(event: Event, address: String, ends_at: Timestamp) -> Self {
        Self { event: event.as_str().to_owned(), address, ends_at, written: 0, skipped: 0 }
    }

    fn from_row(row: &Row) -> Result<Self, StoreError> {
        Ok(Self {
            event: row.get(0)?,
            address: row.get(1)?,
            ends_at: Timestamp::from_millis(row.get(2)?),
            written: row.get(3)?,
            skipped: row.get(4)?,
        })
    }
}

/// The quota of an event and an address, if an hour was begun.
pub fn quota(tx: &ReadTx<'_>, event: &str, address: &str) -> Result<Option<Quota>, StoreError> {
    tx.query_opt(&QUOTA, params![event, address])?.as_ref().map(Quota::from_row).transpose()
}

/// Stores a quota.
pub fn set_quota(tx: &WriteTx<'_>, quota: &Quota) -> Result<(), StoreError> {
    let Quota { event, address, ends_at, written, skipped } = quota;
    tx.execute(&SET_QUOTA, params![event.as_str(), address.as_str(), ends_at.millis(), *written, *skipped])?;
    Ok(())
}

/// Forgets quotas whose hour is over and that were kept.
pub fn delete_kept_quotas(tx: &WriteTx<'_>, now: Timestamp) -> Result<u64, StoreError> {
    tx.execute(&DELETE_KEPT_QUOTAS, params![now.millis()])
}

/// Quotas whose hour is over, the first thousand.
pub fn quotas_over(tx: &ReadTx<'_>, now: Timestamp) -> Result<Vec<Quota>, StoreError> {
    tx.query(&QUOTAS_OVER, params![now.millis()])?.iter().map(Quota::from_row).collect()
}

/// Forgets a quota.
pub fn delete_quota(tx: &WriteTx<'_>, quota: &Quota) -> Result<(), StoreError> {
    tx.execute(&DELETE_QUOTA, params![quota.event.as_str(), quota.address.as_str()])?;
    Ok(())
}

/// Removes entries older than a moment.
pub fn purge(tx: &WriteTx<'_>, before: Timestamp) -> Result<u64, StoreError> {
    audit_stream::purge(tx, before)?;
    audit_counts::purge(tx, before)?;
    tx.execute(&PURGE, params![before.millis()])
}
