//! OAuth clients, as the admin sees them.

use pid_core::clients::{AuthMethod, BackchannelSource, Client, ClientSecret, ClientType};
use pid_core::list::{ListRequest, Page};
use pid_core::{ClientId, Timestamp, UserId};

use crate::lists::{Filter, ListSpec};
use crate::{ReadTx, Row, StoreError, WriteTx, grants, params, scim, statements};

/// The columns of a client in the order of [`from_row`].
macro_rules! client_columns {
    () => {
        "clients.id, clients.name, clients.description, clients.callback_urls, clients.logout_callback_urls, clients.launch_url, \
         clients.is_public, clients.pkce_enabled, clients.pkce_supported, clients.requires_reauthentication, \
         clients.requires_pushed_authorization_requests, clients.skip_consent, clients.is_group_restricted, clients.client_type, \
         clients.signing_alg, clients.access_token_minutes, clients.refresh_token_minutes, clients.federated_identities, clients.has_logo, \
         clients.has_dark_logo, clients.created_at, clients.updated_at, clients.version, \
         clients.backchannel_logout_url, clients.backchannel_logout_session_required, clients.backchannel_logout_source, \
         clients.auth_method, clients.jwks, clients.jwks_uri, clients.dpop_bound_access_tokens, clients.id_token_minutes, \
         clients.claim_mapping, clients.legacy_wildcards"
    };
}
pub(crate) use client_columns;

statements! {
    BY_ID = concat!("SELECT ", client_columns!(), " FROM clients WHERE clients.id = $1");
    INSERT = "INSERT INTO clients (id, name, description, callback_urls, logout_callback_urls, launch_url, is_public, pkce_enabled, pkce_supported, \
        requires_reauthentication, requires_pushed_authorization_requests, skip_consent, is_group_restricted, client_type, signing_alg, \
        access_token_minutes, refresh_token_minutes, federated_identities, has_logo, has_dark_logo, created_at, updated_at, version, created_by, \
        backchannel_logout_url, backchannel_logout_session_required, backchannel_logout_source, \
        auth_method, jwks, jwks_uri, dpop_bound_access_tokens, id_token_minutes, claim_mapping, legacy_wildcards) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34)";
    TOUCH = "UPDATE clients SET updated_at = $2, version = version + 1 WHERE id = $1";
    UPDATE = "UPDATE clients SET name = $2, description = $3, callback_urls = $4, logout_callback_urls = $5, launch_url = $6, is_public = $7, \
        pkce_enabled = $8, pkce_supported = $9, requires_reauthentication = $10, requires_pushed_authorization_requests = $11, skip_consent = $12, \
        is_group_restricted = $13, signing_alg = $14, access_token_minutes = $15, refresh_token_minutes = $16, federated_identities = $17, \
        has_logo = $18, has_dark_logo = $19, updated_at = $20, version = version + 1, backchannel_logout_url = $21, backchannel_logout_session_required = $22, \
        backchannel_logout_source = $23, auth_method = $24, jwks = $25, jwks_uri = $26, dpop_bound_access_tokens = $27, id_token_minutes = $28, claim_mapping = $29, legacy_wildcards = $30 WHERE id = $1";
    DOCUMENT = "SELECT grant_types, metadata_expires_at FROM clients WHERE id = $1 AND client_type = 'cimd'";
    SET_DOCUMENT = "UPDATE clients SET grant_types = $2, metadata_expires_at = $3 WHERE id = $1";
    DELETE_CONSENTS = "DELETE FROM consents WHERE client_id = $1";
    DELETE = "DELETE FROM clients WHERE id = $1";
    SECRETS = "SELECT id, algorithm, hash, prefix, created_at, expires_at FROM client_secrets WHERE client_id = $1 ORDER BY created_at, id";
    INSERT_SECRET = "INSERT INTO client_secrets (id, client_id, algorithm, hash, prefix, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    DELETE_SECRET = "DELETE FROM client_secrets WHERE client_id = $1 AND id = $2";
    LONGEST_SIGNED = "SELECT max(CASE WHEN coalesce(id_token_minutes, 0) > access_token_minutes THEN id_token_minutes ELSE access_token_minutes END) FROM clients";
    DELETE_SECRETS = "DELETE FROM client_secrets WHERE client_id = $1";
}

/// The longest life that a token signed for any client can have, minutes; 0 without clients.
pub fn longest_signed_minutes(tx: &ReadTx<'_>) -> Result<i64, StoreError> {
    let row = tx.query_opt(&LONGEST_SIGNED, params![])?;
    Ok(row.map(|row| row.get::<Option<i64>>(0)).transpose()?.flatten().unwrap_or(0))
}

/// The filters of every list of clients.
pub(crate) const FILTERS: [(&str, Filter); 7] = [
    ("pkceEnabled", Filter::Bool("clients.pkce_enabled")),
    ("requiresReauthentication", Filter::Bool("clients.requires_reauthentication")),
    ("requiresPushedAuthorizationRequests", Filter::Bool("clients.requires_pushed_authorization_requests")),
    ("skipConsent", Filter::Bool("clients.skip_consent")),
    ("isGroupRestricted", Filter::Bool("clients.is_group_restricted")),
    ("pkceSupported", Filter::Bool("clients.pkce_supported")),
    ("clientType", Filter::Text("clients.client_type")),
];

/// The list of clients; a row ends with the number of allowed groups.
pub static LIST: ListSpec = ListSpec {
    columns: concat!(
        client_columns!(),
        ", (SELECT count(*) FROM client_groups WHERE client_groups.client_id = clients.id) AS group_count"
    ),
    from: "clients",
    base: None,
    search: &["clients.name"],
    sort: &[
        ("createdAt", "clients.created_at"),
        ("name", "clients.name"),
        ("pkceEnabled", "clients.pkce_enabled"),
        ("requiresReauthentication", "clients.requires_reauthentication"),
        ("requiresPushedAuthorizationRequests", "clients.requires_pushed_authorization_requests"),
        ("skipConsent", "clients.skip_consent"),
        ("isGroupRestricted", "clients.is_group_restricted"),
        ("pkceSupported", "clients.pkce_supported"),
        ("clientType", "clients.client_type"),
        ("allowedUserGroupsCount", "group_count"),
    ],
    filters: &FILTERS,
    order: "clients.created_at, clients.id",
};

pub(crate) fn from_row(row: &Row) -> Result<Client, StoreError> {
    let list = |i: usize| -> Result<Vec<String>, StoreError> {
        Ok(serde_json::from_str(&row.get::<String>(i)?).unwrap_or_default())
    };
    Ok(Client {
        id: ClientId::new(row.get::<String>(0)?),
        name: row.get(1)?,
        description: row.get(2)?,
        callback_urls: list(3)?,
        logout_callback_urls: list(4)?,
        launch_url: row.get(5)?,
        is_public: row.get(6)?,
        pkce_enabled: row.get(7)?,
        pkce_supported: row.get(8)?,
        requires_reauthentication: row.get(9)?,
        requires_pushed_authorization_requests: row.get(10)?,
        skip_consent: row.get(11)?,
        is_group_restricted: row.get(12)?,
        client_type: ClientType::parse(&row.get::<String>(13)?),
        signing_alg: row.get(14)?,
        access_token_minutes: row.get(15)?,
        refresh_token_minutes: row.get(16)?,
        federated_identities: serde_json::from_str(&row.get::<String>(17)?).unwrap_or_default(),
        has_logo: row.get(18)?,
        has_dark_logo: row.get(19)?,
        created_at: Timestamp::from_millis(row.get(20)?),
        updated_at: Timestamp::from_millis(row.get(21)?),
        version: row.get(22)?,
        backchannel_logout_url: row.get(23)?,
        backchannel_logout_session_required: row.get(24)?,
        backchannel_logout_source: BackchannelSource::parse(&row.get::<String>(25)?),
        auth_method: row.get::<Option<String>>(26)?.as_deref().and_then(AuthMethod::parse),
        jwks: row.get(27)?,
        jwks_uri: row.get(28)?,
        dpop_bound_access_tokens: row.get(29)?,
        id_token_minutes: row.get(30)?,
        claim_mapping: row.get(31)?,
        legacy_wildcards: row.get::<Option<String>>(32)?.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default(),
    })
}

fn marks(c: &Client) -> Option<String> {
    let living = c.living_legacy_wildcards();
    (!living.is_empty()).then(|| json(&living))
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "[]".to_owned())
}

/// A page of clients with their numbers of allowed groups.
pub fn list(tx: &ReadTx<'_>, request: &ListRequest) -> Result<Page<(Client, i64)>, StoreError> {
    LIST.page(tx, request, None, |row| Ok((from_row(row)?, row.get(33)?)))
}

/// A client by id.
pub fn by_id(tx: &ReadTx<'_>, id: &ClientId) -> Result<Option<Client>, StoreError> {
    tx.query_opt(&BY_ID, params![id.as_str()])?.as_ref().map(from_row).transpose()
}

/// Stores a new client. A taken id is [`StoreError::UniqueViolation`].
pub fn insert(tx: &WriteTx<'_>, c: &Client, created_by: Option<&UserId>) -> Result<(), StoreError> {
    tx.execute(
        &INSERT,
        params![
            c.id.as_str(),
            c.name.as_str(),
            c.description.as_str(),
            json(&c.callback_urls),
            json(&c.logout_callback_urls),
            c.launch_url.clone(),
            c.is_public,
            c.pkce_enabled,
            c.pkce_supported,
            c.requires_reauthentication,
            c.requires_pushed_authorization_requests,
            c.skip_consent,
            c.is_group_restricted,
            c.client_type.as_str(),
            c.signing_alg.clone(),
            c.access_token_minutes,
            c.refresh_token_minutes,
            json(&c.federated_identities),
            c.has_logo,
            c.has_dark_logo,
            c.created_at.millis(),
            c.updated_at.millis(),
            c.version,
            created_by.map(UserId::as_str),
            c.backchannel_logout_url.clone(),
            c.backchannel_logout_session_required,
            c.backchannel_logout_source.as_str(),
            c.auth_method.map(AuthMethod::as_str),
            c.jwks.clone(),
            c.jwks_uri.clone(),
            c.dpop_bound_access_tokens,
            c.id_token_minutes,
            c.claim_mapping.clone(),
            marks(c)
        ],
    )?;
    Ok(())
}

/// Notes that something beside a client's own row has changed.
pub fn touch(tx: &WriteTx<'_>, id: &ClientId, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(&TOUCH, params![id.as_str(), now.millis()])?;
    Ok(())
}

/// Stores a changed client and raises its version.
pub fn update(tx: &WriteTx<'_>, c: &Client, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(
        &UPDATE,
        params![
            c.id.as_str(),
            c.name.as_str(),
            c.description.as_str(),
            json(&c.callback_urls),
            json(&c.logout_callback_urls),
            c.launch_url.clone(),
            c.is_public,
            c.pkce_enabled,
            c.pkce_supported,
            c.requires_reauthentication,
            c.requires_pushed_authorization_requests,
            c.skip_consent,
            c.is_group_restricted,
            c.signing_alg.clone(),
            c.access_token_minutes,
            c.refresh_token_minutes,
            json(&c.federated_identities),
            c.has_logo,
            c.has_dark_logo,
            now.millis(),
            c.backchannel_logout_url.clone(),
            c.backchannel_logout_session_required,
            c.backchannel_logout_source.as_str(),
            c.auth_method.map(AuthMethod::as_str),
            c.jwks.clone(),
            c.jwks_uri.clone(),
            c.dpop_bound_access_tokens,
            c.id_token_minutes,
            c.claim_mapping.clone(),
            marks(c)
        ],
    )?;
    // Whether it is restricted may be what changed.
    scim::client_changed(tx, &c.id, now)
}

/// Deletes a client and all that hangs on it. Tells whether it existed.
pub fn delete(tx: &WriteTx<'_>, id: &ClientId) -> Result<bool, StoreError> {
    grants::drop_codes_of_client(tx, id)?;
    Ok(tx.execute(&DELETE, params![id.as_str()])? == 1)
}

/// A client's secrets, oldest first.
pub fn secrets(tx: &ReadTx<'_>, id: &ClientId) -> Result<Vec<ClientSecret>, StoreError> {
    let rows = tx.query(&SECRETS, params![id.as_str()])?;
    rows.iter()
        .map(|r| {
            Ok(ClientSecret {
                id: r.get(0)?,
                algorithm: r.get(1)?,
                hash: r.get(2)?,
                prefix: r.get(3)?,
                created_at: Timestamp::from_millis(r.get(4)?),
                expires_at: r.get::<Option<i64>>(5)?.map(Timestamp::from_millis),
            })
        })
        .collect()
}

/// Stores a secret's hash.
pub fn insert_secret(tx: &WriteTx<'_>, id: &ClientId, s: &ClientSecret) -> Result<(), StoreError> {
    tx.execute(
        &INSERT_SECRET,
        params![
            s.id.as_str(),
            id.as_str(),
            s.algorithm.as_str(),
            s.hash.clone(),
            s.prefix.as_str(),
            s.created_at.millis(),
            s.expires_at.map(Timestamp::millis)
        ],
    )?;
    Ok(())
}

/// Deletes one secret. Tells whether it existed.
pub fn delete_secret(tx: &WriteTx<'_>, id: &ClientId, secret: &str) -> Result<bool, StoreError> {
    Ok(tx.execute(&DELETE_SECRET, params![id.as_str(), secret])? == 1)
}

/// Deletes all secrets of a client.
pub fn delete_secrets(tx: &WriteTx<'_>, id: &ClientId) -> Result<(), StoreError> {
    tx.execute(&DELETE_SECRETS, params![id.as_str()])?;
    Ok(())
}

/// What is kept of a client's metadata document beside its fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The grants that it declares, as JSON.
    pub grant_types: String,
    /// Until when it counts.
    pub expires_at: Timestamp,
}

/// The document of a client that is known by one.
pub fn document(tx: &ReadTx<'_>, id: &ClientId) -> Result<Option<Document>, StoreError> {
    let Some(row) = tx.query_opt(&DOCUMENT, params![id.as_str()])? else { return Ok(None) };
    Ok(Some(Document {
        grant_types: row.get::<Option<String>>(0)?.unwrap_or_else(|| "[]".to_owned()),
        expires_at: Timestamp::from_millis(row.get::<Option<i64>>(1)?.unwrap_or(0)),
    }))
}

/// Stores what a client's document says beside its fields.
pub fn set_document(tx: &WriteTx<'_>, id: &ClientId, document: &Document) -> Result<(), StoreError> {
    tx.execute(&SET_DOCUMENT, params![id.as_str(), document.grant_types.as_str(), document.expires_at.millis()])?;
    Ok(())
}

/// Forgets what everybody agreed to for a client.
pub fn delete_consents(tx: &WriteTx<'_>, id: &ClientId) -> Result<u64, StoreError> {
    tx.execute(&DELETE_CONSENTS, params![id.as_str()])
}
