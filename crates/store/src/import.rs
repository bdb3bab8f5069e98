//! Moving in: everything goes, then everything comes, in one transaction. Rows come as they were elsewhere, with the
//! times of then, so some statements of their own are needed beside those of the families.

use pid_core::audit::Entry;
use pid_core::{ApiId, ClientId, GrantId, GroupId, PasskeyId, PermissionId, Timestamp, UserId};

use crate::instance::{Cached, raise};
use crate::{ReadTx, StoreError, WriteTx, audit_counts, params, statements};

statements! {
    CLEAR_AUDIT_STREAM = "DELETE FROM audit_stream";
    CLEAR_AUDIT_QUOTAS = "DELETE FROM audit_quotas";
    CLEAR_AUDIT_LOGS = "DELETE FROM audit_logs";
    CLEAR_OUTBOX = "DELETE FROM outbox";
    CLEAR_LDAP_RUNS = "DELETE FROM ldap_runs";
    CLEAR_SCIM_CHANGES = "DELETE FROM scim_changes";
    CLEAR_LEASES = "DELETE FROM leases";
    CLEAR_BUDGETS = "DELETE FROM guess_budgets";
    CLEAR_USED_TOKENS = "DELETE FROM used_tokens";
    CLEAR_DIAGNOSES = "DELETE FROM diagnoses";
    CLEAR_DEVICE_LOGINS = "DELETE FROM device_logins";
    CLEAR_CHALLENGES = "DELETE FROM webauthn_challenges";
    LEAVE_FILES = "INSERT INTO file_removals (place, place_key, due_at) SELECT place, place_key, 0 FROM files WHERE place <> '' \
        ON CONFLICT (place, place_key) DO NOTHING";
    CLEAR_FILES = "DELETE FROM files";
    CLEAR_DECLARED = "DELETE FROM declared";
    CLEAR_SETTINGS = "DELETE FROM settings";
    CLEAR_KEYS = "DELETE FROM signing_keys";
    CLEAR_SIGNUP_TOKENS = "DELETE FROM signup_tokens";
    CLEAR_CODES = "DELETE FROM authorization_codes";
    CLEAR_GRANTS = "DELETE FROM grants";
    CLEAR_SESSIONS = "DELETE FROM sessions";
    CLEAR_APIS = "DELETE FROM apis";
    CLEAR_CLIENTS = "DELETE FROM clients";
    CLEAR_GROUPS = "DELETE FROM user_groups";
    CLEAR_USERS = "DELETE FROM users";
    CLEAR_LOGIN_CODES = "DELETE FROM login_codes";
    CLEAR_DEVICE_AUTHORIZATIONS = "DELETE FROM device_authorizations";
    CLEAR_INTERACTIONS = "DELETE FROM interactions";
    CLEAR_PUSHED_REQUESTS = "DELETE FROM pushed_requests";

    MEMBER = "INSERT INTO user_group_members (user_id, group_id) VALUES ($1, $2) ON CONFLICT (user_id, group_id) DO NOTHING";
    COUNT_MEMBERS = "UPDATE user_groups SET member_count = (SELECT count(*) FROM user_group_members WHERE group_id = user_groups.id)";
    ALLOW = "INSERT INTO client_groups (client_id, group_id) VALUES ($1, $2) ON CONFLICT (client_id, group_id) DO NOTHING";
    PASSKEY_USED = "UPDATE passkeys SET last_used_at = $2 WHERE id = $1";
    CONSENT = "INSERT INTO consents (user_id, client_id, keys, created_at, last_used_at) VALUES ($1, $2, $3, $4, $4) \
        ON CONFLICT (user_id, client_id) DO NOTHING";
    API_GRANT = "INSERT INTO api_grants (client_id, api_id, subject) VALUES ($1, $2, $3) ON CONFLICT (client_id, api_id, subject) DO NOTHING";
    API_PERMISSION = "INSERT INTO api_grant_permissions (client_id, permission_id, subject) VALUES ($1, $2, $3) \
        ON CONFLICT (client_id, permission_id, subject) DO NOTHING";
    AUDIT_ENTRY = "INSERT INTO audit_logs (id, created_at, event, user_id, username, actor_id, actor_username, client_name, ip_address, user_agent, country, city, data, search_key) \
        VALUES ($1, $2, $3, $4, $5, NULL, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT (created_at, id) DO NOTHING";
    REFRESH_TOKEN = "INSERT INTO imported_refresh_tokens (signature, grant_id, sequence) VALUES ($1, $2, $3)";
    REFRESH_TOKEN_BY = "SELECT grant_id, sequence FROM imported_refresh_tokens WHERE signature = $1";
    REFRESH_TOKEN_USED = "UPDATE refresh_tokens SET used_at = $3 WHERE grant_id = $1 AND sequence = $2";
}

/// What [`clear`] empties. The other tables hang on these and go with their rows, but for [`KEPT`].
pub const CLEARED: &[&str] = &[
    "audit_stream",
    "audit_quotas",
    "audit_logs",
    "outbox",
    "ldap_runs",
    "scim_changes",
    "leases",
    "guess_budgets",
    "used_tokens",
    "diagnoses",
    "device_logins",
    "webauthn_challenges",
    "files",
    "declared",
    "settings",
    "signing_keys",
    "signup_tokens",
    "authorization_codes",
    "grants",
    "sessions",
    "apis",
    "clients",
    "user_groups",
    "users",
];

/// What is of the database and not of its data, and what is counted anew.
pub const KEPT: &[&str] =
    &[
    "instance",
    "versions",
    "audit_counts",
    "audit_counted",
    "audit_ranges",
    "audit_range_counts",
    // What lies elsewhere has to go there as well.
    "file_removals",
    "refinery_schema_history",
    "migration_lease",
];

/// Removes everything. Whoever is signed in is signed out by that.
pub fn clear(tx: &WriteTx<'_>) -> Result<(), StoreError> {
    let all = [
        &CLEAR_AUDIT_STREAM,
        &CLEAR_AUDIT_QUOTAS,
        &CLEAR_AUDIT_LOGS,
        &CLEAR_OUTBOX,
        &CLEAR_LDAP_RUNS,
        &CLEAR_SCIM_CHANGES,
        &CLEAR_LEASES,
        &CLEAR_BUDGETS,
        &CLEAR_USED_TOKENS,
        &CLEAR_DIAGNOSES,
        &CLEAR_DEVICE_LOGINS,
        &CLEAR_CHALLENGES,
        &LEAVE_FILES,
        &CLEAR_FILES,
        &CLEAR_DECLARED,
        &CLEAR_SETTINGS,
        &CLEAR_KEYS,
        &CLEAR_SIGNUP_TOKENS,
        &CLEAR_CODES,
        &CLEAR_GRANTS,
        &CLEAR_SESSIONS,
        &CLEAR_APIS,
        &CLEAR_CLIENTS,
        &CLEAR_GROUPS,
        &CLEAR_USERS,
    ];
    for statement in all {
        tx.execute(statement, params![])?;
    }
    audit_counts::forget(tx)?;
    [Cached::Settings, Cached::Keys, Cached::Images].into_iter().try_for_each(|what| raise(tx, what))
}

/// How much of what was live has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Sessions.
    pub sessions: u64,
    /// Sign-ins of apps, with their tokens.
    pub grants: u64,
    /// What waited to be sent, or was kept after it was.
    pub outbox: u64,
}

/// Ends everything by which somebody is, or is about to be, signed in, and drops what waits to be sent.
pub fn end_live(tx: &WriteTx<'_>) -> Result<Ended, StoreError> {
    let under_way = [
        &CLEAR_LOGIN_CODES,
        &CLEAR_DEVICE_AUTHORIZATIONS,
        &CLEAR_DEVICE_LOGINS,
        &CLEAR_INTERACTIONS,
        &CLEAR_PUSHED_REQUESTS,
        &CLEAR_CHALLENGES,
        &CLEAR_LEASES,
        &CLEAR_CODES,
    ];
    for statement in under_way {
        tx.execute(statement, params![])?;
    }
    Ok(Ended {
        sessions: tx.execute(&CLEAR_SESSIONS, params![])?,
        grants: tx.execute(&CLEAR_GRANTS, params![])?,
        outbox: tx.execute(&CLEAR_OUTBOX, params![])?,
    })
}

/// Puts a person into a group. The groups' numbers follow with [`count_members`].
pub fn add_member(tx: &WriteTx<'_>, user: &UserId, group: &GroupId) -> Result<(), StoreError> {
    tx.execute(&MEMBER, params![user.as_str(), group.as_str()])?;
    Ok(())
}

/// Counts the members of all groups.
pub fn count_members(tx: &WriteTx<'_>) -> Result<(), StoreError> {
    tx.execute(&COUNT_MEMBERS, params![])?;
    Ok(())
}

/// Puts a group on a client's list.
pub fn allow_group(tx: &WriteTx<'_>, client: &ClientId, group: &GroupId) -> Result<(), StoreError> {
    tx.execute(&ALLOW, params![client.as_str(), group.as_str()])?;
    Ok(())
}

/// Says when a passkey was last used.
pub fn passkey_used(tx: &WriteTx<'_>, id: &PasskeyId, at: Timestamp) -> Result<(), StoreError> {
    tx.execute(&PASSKEY_USED, params![id.as_str(), at.millis()])?;
    Ok(())
}

/// Stores a consent as of a moment.
pub fn add_consent(
    tx: &WriteTx<'_>,
    user: &UserId,
    client: &ClientId,
    keys: &[String],
    at: Timestamp,
) -> Result<(), StoreError> {
    let keys = serde_json::to_string(keys).unwrap_or_else(|_| "[]".to_owned());
    tx.execute(&CONSENT, params![user.as_str(), client.as_str(), keys, at.millis()])?;
    Ok(())
}

/// Gives a client access to an API for a kind of subject.
pub fn add_api_grant(tx: &WriteTx<'_>, client: &ClientId, api: &ApiId, subject: &str) -> Result<(), StoreError> {
    tx.execute(&API_GRANT, params![client.as_str(), api.as_str(), subject])?;
    Ok(())
}

/// Gives a client a permission of an API for a kind of subject.
pub fn add_api_permission(
    tx: &WriteTx<'_>,
    client: &ClientId,
    permission: &PermissionId,
    subject: &str,
) -> Result<(), StoreError> {
    tx.execute(&API_PERMISSION, params![client.as_str(), permission.as_str(), subject])?;
    Ok(())
}

/// Adds an old entry of the audit log as it was written. [`audit_counts::forget`] must follow.
pub fn add_audit_entry(tx: &WriteTx<'_>, e: &Entry) -> Result<(), StoreError> {
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let client_name = e.data.get("clientName").map(String::as_str);
    let searched = [&*e.username, &*e.actor_username, client_name.unwrap_or_default(), &*e.ip_address, &*e.event];
    let search_key = searched.join("\n").to_lowercase();
    let data = serde_json::to_string(&e.data).unwrap_or_else(|_| "{}".to_owned());
    tx.execute(
        &AUDIT_ENTRY,
        params![
            e.id.as_str(),
            e.created_at.millis(),
            e.event.as_str(),
            e.user_id.as_ref().map(UserId::as_str),
            some(&e.username),
            some(&e.actor_username),
            client_name,
            e.ip_address.as_str(),
            e.user_agent.as_str(),
            e.country.as_str(),
            e.city.as_str(),
            data,
            search_key.chars().take(400).collect::<String>()
        ],
    )?;
    Ok(())
}

/// Notes by which signature a refresh token of a grant is presented that was made elsewhere, and when it was rotated.
pub fn add_refresh_signature(
    tx: &WriteTx<'_>,
    signature: &str,
    grant: &GrantId,
    sequence: u32,
    used_at: Option<Timestamp>,
) -> Result<(), StoreError> {
    tx.execute(&REFRESH_TOKEN, params![signature, grant.as_str(), i64::from(sequence)])?;
    if let Some(at) = used_at {
        tx.execute(&REFRESH_TOKEN_USED, params![grant.as_str(), i64::from(sequence), at.millis()])?;
    }
    Ok(())
}

/// The grant and the place in it of a refresh token that was made elsewhere.
pub fn refresh_by_signature(tx: &ReadTx<'_>, signature: &str) -> Result<Option<(GrantId, u32)>, StoreError> {
    let Some(row) = tx.query_opt(&REFRESH_TOKEN_BY, params![signature])? else { return Ok(None) };
    let sequence = u32::try_from(row.get::<i64>(1)?).unwrap_or(u32::MAX);
    Ok(Some((GrantId::new(row.get::<String>(0)?), sequence)))
}
