//! How many entries the audit log has, and where a page of it begins, without reading those before.
//!
//! A job counts each entry once, some time after it was written, so that no two sign-ins meet at a number. It counts by
//! what filters tell apart (`audit_counts`), and by that within each order: an order is cut into ranges of some thousand
//! entries, whose numbers add up to the position at which each begins (`audit_ranges`). Entries that are not counted yet
//! are added when a list is read.

use std::collections::BTreeMap;

use pid_core::Timestamp;
use pid_core::list::ListRequest;

use crate::lists::{Filter, ListSpec, Mark};
use crate::{ReadTx, Row, Statement, StoreError, WriteTx, params, statements};

/// In which place a filter has an entry.
macro_rules! place {
    () => {
        "CASE WHEN country = 'Internal Network' THEN 'internal' WHEN ip_address <> '' THEN 'external' ELSE '' END"
    };
}

/// What a filter tells entries apart by.
macro_rules! kinds {
    () => {
        concat!("event, coalesce(client_name, ''), ", place!())
    };
}

/// The range of an entry, by what the order is by.
macro_rules! range_of {
    ($column:literal, $value:literal) => {
        concat!(
            "(SELECT r.id FROM audit_ranges AS r WHERE r.sorted_by = '", $column, "' AND (r.value, r.created_at) <= (",
            $value, ", audit_logs.created_at) ORDER BY r.value DESC, r.created_at DESC LIMIT 1)"
        )
    };
}

macro_rules! by_range {
    ($column:literal, $value:literal) => {
        concat!(
            "SELECT ", range_of!($column, $value), ", event, ", place!(),
            ", count(*) FROM audit_logs WHERE created_at >= $1 AND created_at < $2 GROUP BY 1, 2, 3"
        )
    };
}

/// The counted entry so many behind the first one of a range.
macro_rules! middle {
    ($column:literal) => {
        concat!(
            "SELECT ", $column, ", created_at FROM audit_logs WHERE (", $column,
            ", created_at) >= ($1, $2) AND created_at < $3 ORDER BY ", $column, ", created_at LIMIT 1 OFFSET $4"
        )
    };
}

/// How many counted ones of each kind are between two entries.
macro_rules! between {
    ($column:literal) => {
        concat!(
            "SELECT event, ", place!(), ", count(*) FROM audit_logs WHERE (", $column, ", created_at) >= ($1, $2) AND (",
            $column, ", created_at) < ($3, $4) AND created_at < $5 GROUP BY 1, 2"
        )
    };
}

statements! {
    COUNTED_UNTIL = "SELECT counted_until FROM audit_counted WHERE id = 1";
    SET_COUNTED_UNTIL = "UPDATE audit_counted SET counted_until = $1 WHERE id = 1";
    WAITING = "SELECT created_at FROM audit_logs WHERE created_at >= $1 AND created_at < $2 ORDER BY created_at LIMIT 1 OFFSET $3";
    ADD = concat!("INSERT INTO audit_counts (event, client_name, place, n) SELECT ", kinds!(), ", count(*) FROM audit_logs \
        WHERE created_at >= $1 AND created_at < $2 GROUP BY 1, 2, 3 \
        ON CONFLICT (event, client_name, place) DO UPDATE SET n = audit_counts.n + excluded.n");
    LEAVING = concat!("SELECT ", kinds!(), ", count(*) FROM audit_logs WHERE created_at < $1 GROUP BY 1, 2, 3");
    SUBTRACT = "UPDATE audit_counts SET n = n - $4 WHERE event = $1 AND client_name = $2 AND place = $3";
    FORGET_KIND = "DELETE FROM audit_counts WHERE event = $1 AND client_name = $2 AND place = $3 AND n <= 0";
    FORGET_ALL = "DELETE FROM audit_counts WHERE n IS NOT NULL";
    RANGES_OF = "SELECT id, value, created_at FROM audit_ranges WHERE sorted_by = $1 ORDER BY value, created_at";
    LARGE = "SELECT range_id FROM audit_ranges JOIN audit_range_counts ON range_id = id WHERE sorted_by = $1 \
        GROUP BY range_id HAVING CAST(sum(n) AS BIGINT) > $2";
    RANGE = "SELECT id, value, created_at FROM audit_ranges WHERE id = $1";
    LAST_RANGE = "SELECT id FROM audit_ranges ORDER BY id DESC LIMIT 1";
    ADD_RANGE = "INSERT INTO audit_ranges (id, sorted_by, value, created_at) VALUES ($1, $2, $3, $4)";
    ADD_IN_RANGE = "INSERT INTO audit_range_counts (range_id, event, place, n) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (range_id, event, place) DO UPDATE SET n = audit_range_counts.n + excluded.n";
    IN_RANGE = "SELECT event, place, n FROM audit_range_counts WHERE range_id = $1";
    FORGET_IN_RANGE = "DELETE FROM audit_range_counts WHERE range_id = $1 AND n = 0";
    // The first of an order begins before everything and stays.
    FORGET_EMPTY_RANGES = "DELETE FROM audit_ranges WHERE sorted_by = $1 AND created_at > 0 \
        AND NOT EXISTS (SELECT 1 FROM audit_range_counts WHERE range_id = id)";
    FORGET_RANGES = "DELETE FROM audit_ranges WHERE sorted_by = $1 AND created_at > 0";
    FORGET_RANGE_COUNTS = "DELETE FROM audit_range_counts WHERE range_id IN (SELECT id FROM audit_ranges WHERE sorted_by = $1)";
    BY_TIME = by_range!("created_at", "''");
    BY_EVENT = by_range!("event", "audit_logs.event");
    BY_ADDRESS = by_range!("ip_address", "audit_logs.ip_address");
    BY_COUNTRY = by_range!("country", "audit_logs.country");
    BY_CITY = by_range!("city", "audit_logs.city");
    BY_AGENT = by_range!("user_agent", "audit_logs.user_agent");
    MIDDLE_OF_TIME = "SELECT '', created_at FROM audit_logs WHERE $1 = '' AND created_at >= $2 AND created_at < $3 \
        ORDER BY created_at LIMIT 1 OFFSET $4";
    MIDDLE_OF_EVENT = middle!("event");
    MIDDLE_OF_ADDRESS = middle!("ip_address");
    MIDDLE_OF_COUNTRY = middle!("country");
    MIDDLE_OF_CITY = middle!("city");
    MIDDLE_OF_AGENT = middle!("user_agent");
    BETWEEN_TIMES = concat!("SELECT event, ", place!(), ", count(*) FROM audit_logs \
        WHERE $1 = $3 AND created_at >= $2 AND created_at < $4 AND created_at < $5 GROUP BY 1, 2");
    BETWEEN_EVENTS = between!("event");
    BETWEEN_ADDRESSES = between!("ip_address");
    BETWEEN_COUNTRIES = between!("country");
    BETWEEN_CITIES = between!("city");
    BETWEEN_AGENTS = between!("user_agent");
}

/// An order of the entries.
struct Order {
    /// Its column; that of the time if it is by that alone.
    column: &'static str,
    by_range: &'static Statement,
    middle: &'static Statement,
    between: &'static Statement,
    /// The columns of how many are in each range.
    range_and_count: &'static str,
}

macro_rules! order {
    ($column:literal, $value:literal, $by_range:ident, $middle:ident, $between:ident) => {
        Order {
            column: $column,
            by_range: &$by_range,
            middle: &$middle,
            between: &$between,
            range_and_count: concat!(range_of!($column, $value), ", count(*)"),
        }
    };
}

static ORDERS: [Order; 6] = [
    order!("created_at", "''", BY_TIME, MIDDLE_OF_TIME, BETWEEN_TIMES),
    order!("event", "audit_logs.event", BY_EVENT, MIDDLE_OF_EVENT, BETWEEN_EVENTS),
    order!("ip_address", "audit_logs.ip_address", BY_ADDRESS, MIDDLE_OF_ADDRESS, BETWEEN_ADDRESSES),
    order!("country", "audit_logs.country", BY_COUNTRY, MIDDLE_OF_COUNTRY, BETWEEN_COUNTRIES),
    order!("city", "audit_logs.city", BY_CITY, MIDDLE_OF_CITY, BETWEEN_CITIES),
    order!("user_agent", "audit_logs.user_agent", BY_AGENT, MIDDLE_OF_AGENT, BETWEEN_AGENTS),
];

/// Entries of a range, at most; one with more is cut in two.
const RANGE_MOST: i64 = 8000;

/// Entries that are counted at once, at most.
const COUNT_AT_ONCE: i64 = 5000;

const EVENT: (&str, Filter) = ("event", Filter::Text("event"));
const LOCATION: (&str, Filter) =
    ("location", Filter::Words(&[("internal", "place = 'internal'"), ("external", "place = 'external'")]));

/// The numbers of entries that have been counted.
pub static COUNTS: ListSpec = ListSpec {
    columns: "n",
    from: "audit_counts",
    base: None,
    search: &[],
    sort: &[],
    filters: &[("clientName", Filter::Text("client_name")), EVENT, LOCATION],
    order: "n",
};

/// The same by range.
pub static RANGE_COUNTS: ListSpec = ListSpec {
    columns: "n",
    from: "audit_range_counts",
    base: Some("range_id IN (SELECT id FROM audit_ranges WHERE sorted_by = $1)"),
    search: &[],
    sort: &[],
    filters: &[EVENT, LOCATION],
    order: "n",
};

/// The entries that have not been counted.
pub static NOT_COUNTED: ListSpec = ListSpec {
    columns: "audit_logs.id",
    from: "audit_counted JOIN audit_logs ON audit_logs.created_at >= audit_counted.counted_until",
    base: None,
    search: &[],
    sort: &[],
    filters: crate::audit::FILTERS,
    order: "audit_logs.created_at",
};

fn counted_until(tx: &ReadTx<'_>) -> Result<i64, StoreError> {
    tx.query_one(&COUNTED_UNTIL, params![])?.get(0)
}

/// How many entries a request finds that filters by no person.
pub(crate) fn total(tx: &ReadTx<'_>, request: &ListRequest) -> Result<i64, StoreError> {
    Ok(COUNTS.sum(tx, request)? + NOT_COUNTED.count_walking(tx, request)?)
}

/// The beginning of the range that has the entry at a position of an ascending order, for a request that filters by event
/// and place at most.
pub(crate) fn mark(tx: &ReadTx<'_>, request: &ListRequest, column: &'static str, at: i64) -> Result<Mark, StoreError> {
    let order = ORDERS.iter().find(|order| order.column == column).ok_or(StoreError::NoRow)?;
    let mut counts: BTreeMap<i64, i64> = BTreeMap::new();
    let counted = RANGE_COUNTS.grouped(tx, request, Some(column), "range_id, CAST(sum(n) AS BIGINT)")?;
    let waiting = NOT_COUNTED.grouped(tx, request, None, order.range_and_count)?;
    for row in counted.iter().chain(&waiting) {
        *counts.entry(row.get(0)?).or_default() += row.get::<i64>(1)?;
    }
    let mut before = 0;
    let mut mark = Mark { column, value: String::new(), created_at: 0, before };
    for row in tx.query(&RANGES_OF, params![column])? {
        if before > at {
            break;
        }
        mark = Mark { column, value: row.get(1)?, created_at: row.get(2)?, before };
        before += counts.get(&row.get(0)?).copied().unwrap_or(0);
    }
    Ok(mark)
}

/// Until when entries can be counted now: at least a thousand are waiting that are older than `before`. `None`: there is
/// nothing to do.
pub fn countable(tx: &ReadTx<'_>, before: Timestamp) -> Result<Option<Timestamp>, StoreError> {
    let from = counted_until(tx)?;
    let nth = |n: i64| -> Result<Option<Timestamp>, StoreError> {
        let row = tx.query_opt(&WAITING, params![from, before.millis(), n])?;
        row.map(|row| row.get(0).map(Timestamp::from_millis)).transpose()
    };
    Ok(match nth(1000)? {
        // Entries of one moment are counted together, so there may be no later one.
        Some(_) => nth(COUNT_AT_ONCE)?.filter(|until| until.millis() > from).or(Some(before)),
        None => None,
    })
}

/// Counts the entries until a moment. None older than that may be added afterwards, unless [`forget`] is called.
pub fn count_until(tx: &WriteTx<'_>, until: Timestamp) -> Result<(), StoreError> {
    let (from, until) = (counted_until(tx)?, until.millis());
    if until <= from {
        return Ok(());
    }
    tx.execute(&SET_COUNTED_UNTIL, params![until])?;
    tx.execute(&ADD, params![from, until])?;
    for order in &ORDERS {
        for row in tx.query(order.by_range, params![from, until])? {
            add_in_range(tx, row.get(0)?, &Kind::from_row(&row, 1)?, 1)?;
        }
        while cut(tx, order, until)? {}
    }
    Ok(())
}

/// Entries of one kind.
struct Kind {
    event: String,
    place: String,
    n: i64,
}

impl Kind {
    fn from_row(row: &Row, first: usize) -> Result<Self, StoreError> {
        Ok(Self { event: row.get(first)?, place: row.get(first + 1)?, n: row.get(first + 2)? })
    }
}

/// Adds to a range, or takes away.
fn add_in_range(tx: &WriteTx<'_>, range: i64, kind: &Kind, sign: i64) -> Result<(), StoreError> {
    tx.execute(&ADD_IN_RANGE, params![range, kind.event.as_str(), kind.place.as_str(), sign * kind.n])?;
    Ok(())
}

/// Cuts the ranges of an order that have become too large, once each. Tells whether there was one.
fn cut(tx: &WriteTx<'_>, order: &Order, until: i64) -> Result<bool, StoreError> {
    let mut any = false;
    for large in tx.query(&LARGE, params![order.column, RANGE_MOST])? {
        let range = tx.query_one(&RANGE, params![large.get::<i64>(0)?])?;
        let (id, value, first): (i64, String, i64) = (range.get(0)?, range.get(1)?, range.get(2)?);
        let half = params![value.as_str(), first, until, RANGE_MOST / 2];
        let Some(middle) = tx.query_opt(order.middle, half)? else { continue };
        let (middle, at): (String, i64) = (middle.get(0)?, middle.get(1)?);
        // All of one moment stay together, however many they are.
        if (middle.as_str(), at) == (value.as_str(), first) {
            continue;
        }
        let new = tx.query_one(&LAST_RANGE, params![])?.get::<i64>(0)? + 1;
        tx.execute(&ADD_RANGE, params![new, order.column, middle.as_str(), at])?;
        let all = tx.query(&IN_RANGE, params![id])?;
        for (kind, sign) in all.iter().map(|row| (Kind::from_row(row, 0), 1)) {
            add_in_range(tx, new, &kind?, sign)?;
            any = true;
        }
        let stay = tx.query(order.between, params![value.as_str(), first, middle.as_str(), at, until])?;
        let stay = stay.iter().map(|row| Kind::from_row(row, 0)).collect::<Result<Vec<_>, _>>()?;
        for row in &all {
            add_in_range(tx, id, &Kind::from_row(row, 0)?, -1)?;
        }
        for kind in &stay {
            add_in_range(tx, new, kind, -1)?;
            add_in_range(tx, id, kind, 1)?;
        }
        for range in [id, new] {
            tx.execute(&FORGET_IN_RANGE, params![range])?;
        }
    }
    Ok(any)
}

/// Takes from the counts what is about to be removed: the entries before a moment.
pub(crate) fn purge(tx: &WriteTx<'_>, before: Timestamp) -> Result<(), StoreError> {
    let before = before.millis().min(counted_until(tx)?);
    for kind in tx.query(&LEAVING, params![before])? {
        let name = |at: usize| kind.get::<String>(at);
        tx.execute(&SUBTRACT, params![name(0)?, name(1)?, name(2)?, kind.get::<i64>(3)?])?;
        tx.execute(&FORGET_KIND, params![name(0)?, name(1)?, name(2)?])?;
    }
    for Order { column, by_range, .. } in &ORDERS {
        for row in tx.query(by_range, params![0, before])? {
            let range: i64 = row.get(0)?;
            add_in_range(tx, range, &Kind::from_row(&row, 1)?, -1)?;
            tx.execute(&FORGET_IN_RANGE, params![range])?;
        }
        tx.execute(&FORGET_EMPTY_RANGES, params![*column])?;
    }
    Ok(())
}

/// Forgets what was counted, so that all is counted anew: for whoever adds entries that are older than others, as an import.
pub fn forget(tx: &WriteTx<'_>) -> Result<(), StoreError> {
    tx.execute(&SET_COUNTED_UNTIL, params![0])?;
    tx.execute(&FORGET_ALL, params![])?;
    for Order { column, .. } in &ORDERS {
        tx.execute(&FORGET_RANGE_COUNTS, params![*column])?;
        tx.execute(&FORGET_RANGES, params![*column])?;
    }
    Ok(())
}
