//! Moving out: whole tables, read as of one transaction. What is large and goes by pages has functions of its own
//! (`audit::after`).

use pid_core::api_keys::ApiKey;
use pid_core::apis::Api;
use pid_core::clients::{Client, ClientSecret};
use pid_core::groups::Group;
use pid_core::users::User;
use pid_core::{ClientId, Timestamp};

use crate::api_keys::{self, api_key_columns};
use crate::apis::{self, api_columns};
use crate::clients::{self, client_columns};
use crate::groups::{self, group_columns};
use crate::passkeys::{self, Passkey};
use crate::signup_tokens::{self, SignupToken};
use crate::users::{self, user_columns};
use crate::{ReadTx, Row, StoreError, params, statements};

statements! {
    USERS = concat!("SELECT ", user_columns!(), ", users.email_key IS NULL FROM users ORDER BY users.created_at, users.id");
    GROUPS = concat!("SELECT ", group_columns!(), " FROM user_groups ORDER BY user_groups.created_at, user_groups.id");
    MEMBERS = "SELECT user_id, group_id FROM user_group_members ORDER BY user_id, group_id";
    USER_CLAIMS = "SELECT user_id, key, value FROM user_claims ORDER BY user_id, key";
    GROUP_CLAIMS = "SELECT group_id, key, value FROM group_claims ORDER BY group_id, key";
    PASSKEYS = "SELECT id, user_id, name, credential_id, public_key, alg, aaguid, sign_count, transports, attestation_type, user_verified, \
        backup_eligible, backup_state, created_at, last_used_at, version, attachment FROM passkeys ORDER BY created_at, id";
    CLIENTS = concat!("SELECT ", client_columns!(), ", clients.created_by FROM clients ORDER BY clients.created_at, clients.id");
    SECRETS = "SELECT client_id, id, algorithm, hash, prefix, created_at, expires_at FROM client_secrets ORDER BY client_id, created_at, id";
    CLIENT_GROUPS = "SELECT client_id, group_id FROM client_groups ORDER BY client_id, group_id";
    CONSENTS = "SELECT user_id, client_id, keys, last_used_at FROM consents ORDER BY user_id, client_id";
    APIS = concat!("SELECT ", api_columns!(), " FROM apis ORDER BY apis.created_at, apis.id");
    API_GRANTS = "SELECT client_id, api_id, subject FROM api_grants ORDER BY client_id, api_id, subject";
    API_PERMISSIONS = "SELECT client_id, permission_id, subject FROM api_grant_permissions ORDER BY client_id, permission_id, subject";
    API_KEYS = concat!("SELECT ", api_key_columns!(), ", key_hash FROM api_keys ORDER BY created_at, id");
    SIGNUP_TOKENS = "SELECT id, sealed_token, usage_limit, usage_count, created_at, expires_at FROM signup_tokens ORDER BY created_at, id";
    FILES = "SELECT path, content_type FROM files ORDER BY path";
    AUDIT_ENTRIES = "SELECT count(*) FROM audit_logs";
    LIVING_GRANTS = "SELECT count(*) FROM grants WHERE revoked_at IS NULL AND expires_at > $1";
}

fn all<T>(rows: &[Row], read: impl Fn(&Row) -> Result<T, StoreError>) -> Result<Vec<T>, StoreError> {
    rows.iter().map(read).collect()
}

/// Everybody, and whether they share their address with somebody who was there before.
pub fn users(tx: &ReadTx<'_>) -> Result<Vec<(User, bool)>, StoreError> {
    all(&tx.query(&USERS, params![])?, |row| {
        let user = users::from_row(row)?;
        let shares = user.email.is_some() && row.get(15)?;
        Ok((user, shares))
    })
}

/// All groups.
pub fn groups(tx: &ReadTx<'_>) -> Result<Vec<Group>, StoreError> {
    all(&tx.query(&GROUPS, params![])?, groups::from_row)
}

/// How many entries the audit log has.
pub fn audit_entries(tx: &ReadTx<'_>) -> Result<u64, StoreError> {
    tx.query(&AUDIT_ENTRIES, params![])?.first().map_or(Ok(0), |row| row.get::<i64>(0).map(i64::unsigned_abs))
}

fn pairs(rows: &[Row]) -> Result<Vec<(String, String)>, StoreError> {
    all(rows, |row| Ok((row.get(0)?, row.get(1)?)))
}

fn triples(rows: &[Row]) -> Result<Vec<(String, String, String)>, StoreError> {
    all(rows, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
}

/// Who is in which group.
pub fn members(tx: &ReadTx<'_>) -> Result<Vec<(String, String)>, StoreError> {
    pairs(&tx.query(&MEMBERS, params![])?)
}

/// Claims of people: whose, name, value.
pub fn user_claims(tx: &ReadTx<'_>) -> Result<Vec<(String, String, String)>, StoreError> {
    triples(&tx.query(&USER_CLAIMS, params![])?)
}

/// Claims of groups: whose, name, value.
pub fn group_claims(tx: &ReadTx<'_>) -> Result<Vec<(String, String, String)>, StoreError> {
    triples(&tx.query(&GROUP_CLAIMS, params![])?)
}

/// All passkeys.
pub fn passkeys(tx: &ReadTx<'_>) -> Result<Vec<Passkey>, StoreError> {
    all(&tx.query(&PASSKEYS, params![])?, passkeys::passkey)
}

/// All clients, and who made them.
pub fn clients(tx: &ReadTx<'_>) -> Result<Vec<(Client, Option<String>)>, StoreError> {
    all(&tx.query(&CLIENTS, params![])?, |row| Ok((clients::from_row(row)?, row.get(33)?)))
}

/// All secrets of clients.
pub fn secrets(tx: &ReadTx<'_>) -> Result<Vec<(ClientId, ClientSecret)>, StoreError> {
    all(&tx.query(&SECRETS, params![])?, |row| {
        let secret = ClientSecret {
            id: row.get(1)?,
            algorithm: row.get(2)?,
            hash: row.get(3)?,
            prefix: row.get(4)?,
            created_at: Timestamp::from_millis(row.get(5)?),
            expires_at: row.get::<Option<i64>>(6)?.map(Timestamp::from_millis),
        };
        Ok((ClientId::new(row.get::<String>(0)?), secret))
    })
}

/// Which groups clients list.
pub fn client_groups(tx: &ReadTx<'_>) -> Result<Vec<(String, String)>, StoreError> {
    pairs(&tx.query(&CLIENT_GROUPS, params![])?)
}

/// What somebody agreed to at a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// Who.
    pub user_id: String,
    /// Where.
    pub client_id: String,
    /// To what.
    pub keys: Vec<String>,
    /// When it last mattered.
    pub last_used_at: Timestamp,
}

/// All consents.
pub fn consents(tx: &ReadTx<'_>) -> Result<Vec<Consent>, StoreError> {
    all(&tx.query(&CONSENTS, params![])?, |row| {
        Ok(Consent {
            user_id: row.get(0)?,
            client_id: row.get(1)?,
            keys: serde_json::from_str(&row.get::<String>(2)?).unwrap_or_default(),
            last_used_at: Timestamp::from_millis(row.get(3)?),
        })
    })
}

/// All APIs with their permissions.
pub fn apis(tx: &ReadTx<'_>) -> Result<Vec<Api>, StoreError> {
    all(&tx.query(&APIS, params![])?, |row| apis::whole(tx, apis::bare(row)?))
}

/// Access of clients to APIs: client, API, subject.
pub fn api_grants(tx: &ReadTx<'_>) -> Result<Vec<(String, String, String)>, StoreError> {
    triples(&tx.query(&API_GRANTS, params![])?)
}

/// Permissions of clients: client, permission, subject.
pub fn api_permissions(tx: &ReadTx<'_>) -> Result<Vec<(String, String, String)>, StoreError> {
    triples(&tx.query(&API_PERMISSIONS, params![])?)
}

/// All API keys with their hashes.
pub fn api_keys(tx: &ReadTx<'_>) -> Result<Vec<(ApiKey, Vec<u8>)>, StoreError> {
    all(&tx.query(&API_KEYS, params![])?, |row| Ok((api_keys::from_row(row)?, row.get(10)?)))
}

/// All sign-up tokens.
pub fn signup_tokens(tx: &ReadTx<'_>) -> Result<Vec<SignupToken>, StoreError> {
    all(&tx.query(&SIGNUP_TOKENS, params![])?, signup_tokens::from_row)
}

/// The paths of all files with their media types.
pub fn files(tx: &ReadTx<'_>) -> Result<Vec<(String, String)>, StoreError> {
    pairs(&tx.query(&FILES, params![])?)
}

/// How many grants still have a token.
pub fn living_grants(tx: &ReadTx<'_>, now: Timestamp) -> Result<i64, StoreError> {
    tx.query_one(&LIVING_GRANTS, params![now.millis()])?.get(0)
}
