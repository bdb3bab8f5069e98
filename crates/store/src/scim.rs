//! Provisioning by SCIM: where clients' people and groups are written to, and what was written there.

use std::collections::HashMap;

use pid_core::scim::Kind;
use pid_core::scim::plan::{Known, State};
use pid_core::{ClientId, Timestamp};

use crate::{ReadTx, Row, StoreError, WriteTx, params, statements};

/// The columns of a provider in the order of [`provider`].
macro_rules! provider_columns {
    () => {
        "id, client_id, endpoint, sealed_token, deactivates, created_at, version, last_synced_at, full_at, not_before, failures, \
         first_change_at, last_change_at, holder, held_until, started_at, report"
    };
}

/// Changes that providers are told of at once.
const CHANGES_AT_ONCE: i64 = 1000;

statements! {
    BY_ID = concat!("SELECT ", provider_columns!(), " FROM scim_providers WHERE id = $1");
    OF_CLIENT = concat!("SELECT ", provider_columns!(), " FROM scim_providers WHERE client_id = $1");
    ALL_PROVIDERS = concat!("SELECT ", provider_columns!(), " FROM scim_providers ORDER BY id");
    INSERT = "INSERT INTO scim_providers (id, client_id, endpoint, sealed_token, deactivates, created_at, version, last_synced_at, full_at, \
        not_before, failures, first_change_at, last_change_at, holder, held_until, started_at, report) \
        VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $8, 0, 0, NULL, NULL, '', 0, NULL, '')";
    // Whoever runs now does so by what was said before: it loses its hold, and nobody else begins before it has noticed.
    UPDATE = "UPDATE scim_providers SET client_id = $2, endpoint = $3, sealed_token = $4, deactivates = $5, full_at = $6, not_before = 0, \
        failures = 0, holder = '', held_until = CASE WHEN held_until > $7 THEN $8 ELSE held_until END, started_at = NULL, \
        version = version + 1 WHERE id = $1";
    RESEAL = "UPDATE scim_providers SET sealed_token = $2 WHERE id = $1";
    FORGET_RESOURCES = "DELETE FROM scim_resources WHERE provider_id = $1";
    FORGET_RUNS = "UPDATE scim_providers SET last_synced_at = NULL, report = '' WHERE id = $1";
    DELETE = "DELETE FROM scim_providers WHERE id = $1";

    // A row of its own for each change: were it the providers' rows, all who change people would wait for each other.
    // Where nothing is provisioned, nothing is written.
    NOTE_CHANGE = "INSERT INTO scim_changes (id, at, is_gone, client_id) SELECT $1, CAST($2 AS BIGINT), CAST($3 AS BOOLEAN), $4 \
        WHERE EXISTS (SELECT 1 FROM scim_providers)";
    ANY_CHANGE = "SELECT 1 FROM scim_changes LIMIT 1";
    CHANGES = "SELECT id, at, is_gone, client_id FROM scim_changes LIMIT $1";
    FORGET_CHANGE = "DELETE FROM scim_changes WHERE id = $1";
    CHANGED = "UPDATE scim_providers SET first_change_at = coalesce(first_change_at, $1), last_change_at = $2";
    CHANGED_OF_CLIENT = "UPDATE scim_providers SET first_change_at = coalesce(first_change_at, $2), last_change_at = $3 WHERE client_id = $1";
    // Who is gone is gone there soon.
    CHANGED_AT_ONCE = "UPDATE scim_providers SET first_change_at = 0, last_change_at = coalesce(last_change_at, 0)";

    // A holder whose time is over was lost in the middle of a run, with the changes that it had seen. Who was served
    // longest ago comes first.
    DUE = "SELECT id FROM scim_providers WHERE held_until < $1 AND not_before <= $1 \
        AND (full_at <= $1 OR last_change_at <= $2 OR first_change_at <= $3 OR holder <> '') ORDER BY ended_at, id LIMIT $4";
    CLAIM = "UPDATE scim_providers SET holder = $2, held_until = $4, started_at = $3, first_change_at = NULL, last_change_at = NULL \
        WHERE id = $1 AND held_until < $3";
    // What was under way begins anew as soon as anybody looks.
    LET_GO = "UPDATE scim_providers SET held_until = 0 WHERE id = $1 AND holder = $2";
    HOLD = "UPDATE scim_providers SET held_until = $3 WHERE id = $1 AND holder = $2";
    FINISH = "UPDATE scim_providers SET holder = '', held_until = 0, started_at = NULL, full_at = $3, not_before = $4, failures = $5, \
        last_synced_at = coalesce($6, last_synced_at), report = $7, ended_at = $8 WHERE id = $1 AND holder = $2";

    RESOURCES = "SELECT local_id, remote_id, state, created, name, digest, stamp, failure, status FROM scim_resources WHERE provider_id = $1 AND kind = $2";
    PUT_RESOURCE = "INSERT INTO scim_resources (provider_id, kind, local_id, remote_id, state, created, name, digest, stamp, failure, status) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (provider_id, kind, local_id) DO UPDATE SET remote_id = $4, state = $5, \
        created = $6, name = $7, digest = $8, stamp = $9, failure = $10, status = $11";
    FORGET_RESOURCE = "DELETE FROM scim_resources WHERE provider_id = $1 AND kind = $2 AND local_id = $3";

    // Who signed up and waits, for approval or the proof of an address, is nobody yet: applications don't hear of them.
    EVERYBODY = "SELECT id, username, first_name, last_name, display_name, email, disabled FROM users WHERE id <> $1 \
        AND NOT (disabled AND EXISTS (SELECT 1 FROM signup_approvals WHERE signup_approvals.user_id = users.id)) ORDER BY id";
    MEMBERS_OF_ALLOWED = "SELECT DISTINCT users.id, users.username, users.first_name, users.last_name, users.display_name, users.email, users.disabled \
        FROM client_groups JOIN user_group_members ON user_group_members.group_id = client_groups.group_id \
        JOIN users ON users.id = user_group_members.user_id WHERE client_groups.client_id = $2 AND users.id <> $1 \
        AND NOT (users.disabled AND EXISTS (SELECT 1 FROM signup_approvals WHERE signup_approvals.user_id = users.id)) ORDER BY users.id";
    EVERY_GROUP = "SELECT id, name, friendly_name FROM user_groups ORDER BY created_at, id";
    ALLOWED_GROUPS = "SELECT user_groups.id, user_groups.name, user_groups.friendly_name FROM client_groups \
        JOIN user_groups ON user_groups.id = client_groups.group_id WHERE client_groups.client_id = $1 ORDER BY user_groups.created_at, user_groups.id";
    MEMBERS = "SELECT user_id FROM user_group_members WHERE group_id = $1";
}

/// Where a client's people and groups are written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// UUID.
    pub id: String,
    /// The client whose people they are.
    pub client_id: ClientId,
    /// The target's address.
    pub endpoint: String,
    /// The bearer token, sealed; `None`: there is none.
    pub sealed_token: Option<Vec<u8>>,
    /// Who leaves is deactivated there, never deleted.
    pub deactivates: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// Raised by each change that an administrator makes.
    pub version: i64,
    /// When the last run without a failure ended.
    pub last_synced_at: Option<Timestamp>,
    /// When everything is compared next.
    pub full_at: Timestamp,
    /// Until when nothing is tried, after failures.
    pub not_before: Timestamp,
    /// Runs in a row that failed.
    pub failures: i64,
    /// Since when changes wait.
    pub first_change_at: Option<Timestamp>,
    /// When the latest of them was made.
    pub last_change_at: Option<Timestamp>,
    /// Who runs now.
    pub holder: String,
    /// Until when they do at least.
    pub held_until: Timestamp,
    /// Since when.
    pub started_at: Option<Timestamp>,
    /// JSON of the last run; empty: there was none.
    pub report: String,
}

fn provider(row: &Row) -> Result<Provider, StoreError> {
    let time = |at| Ok::<_, StoreError>(Timestamp::from_millis(row.get(at)?));
    let some_time = |at| Ok::<_, StoreError>(row.get::<Option<i64>>(at)?.map(Timestamp::from_millis));
    Ok(Provider {
        id: row.get(0)?,
        client_id: ClientId::new(row.get::<String>(1)?),
        endpoint: row.get(2)?,
        sealed_token: row.get(3)?,
        deactivates: row.get(4)?,
        created_at: time(5)?,
        version: row.get(6)?,
        last_synced_at: some_time(7)?,
        full_at: time(8)?,
        not_before: time(9)?,
        failures: row.get(10)?,
        first_change_at: some_time(11)?,
        last_change_at: some_time(12)?,
        holder: row.get(13)?,
        held_until: time(14)?,
        started_at: some_time(15)?,
        report: row.get(16)?,
    })
}

/// A provider by id.
pub fn by_id(tx: &ReadTx<'_>, id: &str) -> Result<Option<Provider>, StoreError> {
    tx.query_opt(&BY_ID, params![id])?.as_ref().map(provider).transpose()
}

/// A client's provider.
pub fn of_client(tx: &ReadTx<'_>, client: &ClientId) -> Result<Option<Provider>, StoreError> {
    tx.query_opt(&OF_CLIENT, params![client.as_str()])?.as_ref().map(provider).transpose()
}

/// All providers.
pub fn all(tx: &ReadTx<'_>) -> Result<Vec<Provider>, StoreError> {
    tx.query(&ALL_PROVIDERS, params![])?.iter().map(provider).collect()
}

/// Stores a token that was sealed anew.
pub fn reseal(tx: &WriteTx<'_>, id: &str, sealed: Vec<u8>) -> Result<(), StoreError> {
    tx.execute(&RESEAL, params![id, sealed])?;
    Ok(())
}

/// Stores a new provider. A client that has one already is [`StoreError::UniqueViolation`].
pub fn insert(tx: &WriteTx<'_>, p: &Provider) -> Result<(), StoreError> {
    tx.execute(
        &INSERT,
        params![
            p.id.as_str(),
            p.client_id.as_str(),
            p.endpoint.as_str(),
            p.sealed_token.clone(),
            p.deactivates,
            p.created_at.millis(),
            p.last_synced_at.map(Timestamp::millis),
            p.full_at.millis()
        ],
    )?;
    Ok(())
}

/// Stores a changed provider and raises its version. A run under way loses its hold, and the next begins at `free_at` at
/// the earliest.
pub fn update(tx: &WriteTx<'_>, p: &Provider, now: Timestamp, free_at: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        &UPDATE,
        params![
            p.id.as_str(),
            p.client_id.as_str(),
            p.endpoint.as_str(),
            p.sealed_token.clone(),
            p.deactivates,
            p.full_at.millis(),
            now.millis(),
            free_at.millis()
        ],
    )?;
    Ok(())
}

/// Forgets what was written: the ids are those of another target.
pub fn forget_target(tx: &WriteTx<'_>, id: &str) -> Result<(), StoreError> {
    tx.execute(&FORGET_RESOURCES, params![id])?;
    tx.execute(&FORGET_RUNS, params![id])?;
    Ok(())
}

/// Deletes a provider. Tells whether it existed.
pub fn delete(tx: &WriteTx<'_>, id: &str) -> Result<bool, StoreError> {
    Ok(tx.execute(&DELETE, params![id])? == 1)
}

/// People or groups have changed: every target hears of it. Once in a transaction is enough.
pub(crate) fn changed(tx: &WriteTx<'_>, now: Timestamp) -> Result<(), StoreError> {
    if tx.first_provisioned_change() { note_change(tx, now, false, None) } else { Ok(()) }
}

fn note_change(tx: &WriteTx<'_>, at: Timestamp, is_gone: bool, client: Option<&ClientId>) -> Result<(), StoreError> {
    // By the cryptography's own generator: in a binary without shared libraries the other one wants a device, and an image may
    // have none.
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| StoreError::Other("there is no randomness".to_owned()))?;
    let id = uuid::Builder::from_random_bytes(bytes).into_uuid().to_string();
    tx.execute(&NOTE_CHANGE, params![id, at.millis(), is_gone, client.map(|client| client.as_str().to_owned())])?;
    Ok(())
}

/// Whether there are changes that providers were not told of.
pub fn any_change(tx: &ReadTx<'_>) -> Result<bool, StoreError> {
    Ok(tx.query_opt(&ANY_CHANGE, params![])?.is_some())
}

/// Changes that providers were not told of.
#[derive(Debug, Default)]
struct Untold {
    ids: Vec<String>,
    /// The first and the latest change of each client, milliseconds; `None`: of all.
    times: HashMap<Option<String>, (i64, i64)>,
    is_gone: bool,
}

fn untold(tx: &ReadTx<'_>) -> Result<Untold, StoreError> {
    let mut untold = Untold::default();
    for row in tx.query(&CHANGES, params![CHANGES_AT_ONCE])? {
        untold.ids.push(row.get(0)?);
        let at: i64 = row.get(1)?;
        if row.get(2)? {
            untold.is_gone = true;
        } else {
            let (first, last) = untold.times.entry(row.get(3)?).or_insert((at, at));
            (*first, *last) = ((*first).min(at), (*last).max(at));
        }
    }
    Ok(untold)
}

/// A provider as it is when it has been told of all changes.
pub fn told(tx: &ReadTx<'_>, mut p: Provider) -> Result<Provider, StoreError> {
    let Untold { times, is_gone, .. } = untold(tx)?;
    for (client, (first, last)) in times {
        if client.is_none_or(|client| client == p.client_id.as_str()) {
            p.first_change_at.get_or_insert(Timestamp::from_millis(first));
            p.last_change_at = Some(Timestamp::from_millis(last));
        }
    }
    if is_gone {
        p.first_change_at = Some(Timestamp::default());
        p.last_change_at.get_or_insert(Timestamp::default());
    }
    Ok(p)
}

/// Tells providers of changes.
pub fn take_changes(tx: &WriteTx<'_>) -> Result<(), StoreError> {
    let Untold { ids, times, is_gone } = untold(tx)?;
    ids.iter().try_for_each(|id| tx.execute(&FORGET_CHANGE, params![id.as_str()]).map(drop))?;
    for (client, (first, last)) in times {
        match client {
            Some(client) => tx.execute(&CHANGED_OF_CLIENT, params![client, first, last])?,
            None => tx.execute(&CHANGED, params![first, last])?,
        };
    }
    if is_gone {
        tx.execute(&CHANGED_AT_ONCE, params![])?;
    }
    Ok(())
}

/// Somebody or a group is gone: targets hear of it without the usual pause.
pub(crate) fn gone(tx: &WriteTx<'_>) -> Result<(), StoreError> {
    if tx.first_provisioned_change() { note_change(tx, Timestamp::default(), true, None) } else { Ok(()) }
}

/// Who may enter a client has changed.
pub(crate) fn client_changed(tx: &WriteTx<'_>, client: &ClientId, now: Timestamp) -> Result<(), StoreError> {
    note_change(tx, now, false, Some(client))
}

/// Providers that have something to do, and that nobody is at, at most `limit`. Changes wait until the latest is older
/// than `quiet` or the first older than `most`.
pub fn due(
    tx: &ReadTx<'_>,
    now: Timestamp,
    quiet_since: Timestamp,
    first_before: Timestamp,
    limit: i64,
) -> Result<Vec<String>, StoreError> {
    let rows = tx.query(&DUE, params![now.millis(), quiet_since.millis(), first_before.millis(), limit])?;
    rows.iter().map(|row| row.get(0)).collect()
}

/// Takes a provider for a run, which will see all changes so far. Tells whether it was free.
pub fn claim(
    tx: &WriteTx<'_>,
    id: &str,
    holder: &str,
    now: Timestamp,
    until: Timestamp,
) -> Result<bool, StoreError> {
    take_changes(tx)?;
    Ok(tx.execute(&CLAIM, params![id, holder, now.millis(), until.millis()])? == 1)
}

/// Gives a provider back in the middle of a run, which begins anew elsewhere.
pub fn let_go(tx: &WriteTx<'_>, id: &str, holder: &str) -> Result<(), StoreError> {
    tx.execute(&LET_GO, params![id, holder])?;
    Ok(())
}

/// Holds on to a provider. Tells whether it is still this run's.
pub fn hold(tx: &WriteTx<'_>, id: &str, holder: &str, until: Timestamp) -> Result<bool, StoreError> {
    Ok(tx.execute(&HOLD, params![id, holder, until.millis()])? == 1)
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Ending {
    /// When.
    pub ended_at: Timestamp,
    /// When everything is compared next.
    pub full_at: Timestamp,
    /// Until when nothing is tried.
    pub not_before: Timestamp,
    /// Runs in a row that failed.
    pub failures: i64,
    /// If all is well: now.
    pub synced_at: Option<Timestamp>,
    /// JSON.
    pub report: String,
}

/// Writes down how a run ended. Tells whether the provider was still this run's.
pub fn finish(tx: &WriteTx<'_>, id: &str, holder: &str, ending: &Ending) -> Result<bool, StoreError> {
    let synced_at = ending.synced_at.map(Timestamp::millis);
    let values = params![
        id,
        holder,
        ending.full_at.millis(),
        ending.not_before.millis(),
        ending.failures,
        synced_at,
        ending.report.as_str(),
        ending.ended_at.millis()
    ];
    Ok(tx.execute(&FINISH, values)? == 1)
}

fn known(row: &Row) -> Result<Known, StoreError> {
    Ok(Known {
        id: row.get(0)?,
        remote_id: row.get(1)?,
        state: State::parse(&row.get::<String>(2)?),
        created: row.get(3)?,
        name: row.get(4)?,
        digest: row.get::<Option<Vec<u8>>>(5)?.and_then(|digest| digest.try_into().ok()),
        stamp: row.get(6)?,
        failure: row.get(7)?,
        status: row.get::<Option<i64>>(8)?.and_then(|status| status.try_into().ok()),
    })
}

/// What is known of the resources of a kind, by our ids.
pub fn resources(tx: &ReadTx<'_>, provider: &str, kind: Kind) -> Result<HashMap<String, Known>, StoreError> {
    let rows = tx.query(&RESOURCES, params![provider, kind.as_str()])?;
    rows.iter().map(|row| known(row).map(|known| (known.id.clone(), known))).collect()
}

/// Remembers a resource.
pub fn put_resource(tx: &WriteTx<'_>, provider: &str, kind: Kind, k: &Known) -> Result<(), StoreError> {
    tx.execute(
        &PUT_RESOURCE,
        params![
            provider,
            kind.as_str(),
            k.id.as_str(),
            k.remote_id.clone(),
            k.state.as_str(),
            k.created,
            k.name.as_str(),
            k.digest.map(Vec::from),
            k.stamp.clone(),
            k.failure.clone(),
            k.status.map(i64::from)
        ],
    )?;
    Ok(())
}

/// Forgets a resource.
pub fn forget_resource(tx: &WriteTx<'_>, provider: &str, kind: Kind, id: &str) -> Result<(), StoreError> {
    tx.execute(&FORGET_RESOURCE, params![provider, kind.as_str(), id])?;
    Ok(())
}

/// A person, as much of them as targets are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonRow {
    /// Their id.
    pub id: String,
    /// Their username.
    pub username: String,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
    /// May be empty.
    pub display_name: String,
    /// If they have one.
    pub email: Option<String>,
    /// Whether they may not sign in.
    pub disabled: bool,
}

/// Who may enter a client: everybody, or the members of the groups that it lists. Not the static API key's user, nor who
/// signed up and still waits.
pub fn audience(tx: &ReadTx<'_>, client: &ClientId, restricted: bool) -> Result<Vec<PersonRow>, StoreError> {
    let nobody = pid_core::ids::STATIC_API_USER;
    let rows = if restricted {
        tx.query(&MEMBERS_OF_ALLOWED, params![nobody, client.as_str()])?
    } else {
        tx.query(&EVERYBODY, params![nobody])?
    };
    rows.iter()
        .map(|row| {
            Ok(PersonRow {
                id: row.get(0)?,
                username: row.get(1)?,
                first_name: row.get(2)?,
                last_name: row.get(3)?,
                display_name: row.get(4)?,
                email: row.get(5)?,
                disabled: row.get(6)?,
            })
        })
        .collect()
}

/// A group with its members' ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRow {
    /// Its id.
    pub id: String,
    /// Its unique name.
    pub name: String,
    /// Its name for people.
    pub friendly_name: String,
    /// Who is in it.
    pub members: Vec<String>,
}

/// All groups, or those that a client lists, the oldest first.
pub fn audience_groups(tx: &ReadTx<'_>, client: &ClientId, restricted: bool) -> Result<Vec<GroupRow>, StoreError> {
    let rows =
        if restricted { tx.query(&ALLOWED_GROUPS, params![client.as_str()])? } else { tx.query(&EVERY_GROUP, params![])? };
    rows.iter()
        .map(|row| {
            let id: String = row.get(0)?;
            let members = tx.query(&MEMBERS, params![id.as_str()])?;
            let members = members.iter().map(|member| member.get(0)).collect::<Result<_, _>>()?;
            Ok(GroupRow { id, name: row.get(1)?, friendly_name: row.get(2)?, members })
        })
        .collect()
}
