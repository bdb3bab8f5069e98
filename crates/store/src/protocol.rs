//! What the OpenID Connect endpoints read: few statements, only the columns that the protocol needs.

use pid_core::claims::CustomClaim;
use pid_core::clients::{AuthMethod, FederatedIdentity};
use pid_core::{ClientId, Timestamp, UserId};

use crate::{ReadTx, StoreError, WriteTx, params, statements};

statements! {
    CLIENT = "SELECT id, name, callback_urls, logout_callback_urls, is_public, pkce_enabled, pkce_supported, requires_reauthentication, \
        skip_consent, is_group_restricted, signing_alg, access_token_minutes, refresh_token_minutes, has_logo, has_dark_logo, description, \
        launch_url, client_type, auth_method, requires_pushed_authorization_requests, dpop_bound_access_tokens, id_token_minutes, grant_types, legacy_wildcards, claim_mapping FROM clients WHERE id = $1";
    CLIENT_KEYS = "SELECT jwks, jwks_uri, federated_identities FROM clients WHERE id = $1";
    CLAIM_MAPPING = "SELECT claim_mapping FROM clients WHERE id = $1";
    CLIENT_GROUPS = "SELECT group_id FROM client_groups WHERE client_id = $1";
    CLIENT_SECRETS = "SELECT algorithm, hash, expires_at, id FROM client_secrets WHERE client_id = $1";
    OLD_SECRETS = "SELECT 1 FROM client_secrets WHERE algorithm <> 'sha256' LIMIT 1";
    HASH_ANEW = "UPDATE client_secrets SET algorithm = 'sha256', hash = $3, prefix = $4 WHERE id = $1 AND hash = $2";
    RELAX = "UPDATE clients SET auth_method = NULL, requires_pushed_authorization_requests = $2, dpop_bound_access_tokens = $2 WHERE id = $1";
    MARK_PKCE = "UPDATE clients SET pkce_supported = $2 WHERE id = $1";
    GROUP_IDS = "SELECT group_id FROM user_group_members WHERE user_id = $1";
    // A group's name has no key, what is claimed by a group has no name, a person's own claim no group.
    CLAIMED = "SELECT user_groups.id, user_groups.name, NULL, NULL FROM user_group_members JOIN user_groups ON user_groups.id = user_group_members.group_id \
        WHERE user_group_members.user_id = $1 \
        UNION ALL SELECT group_claims.group_id, NULL, group_claims.key, group_claims.value FROM user_group_members \
        JOIN group_claims ON group_claims.group_id = user_group_members.group_id WHERE user_group_members.user_id = $1 \
        UNION ALL SELECT NULL, NULL, key, value FROM user_claims WHERE user_id = $1";
}

/// A client as the protocol sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtocolClient {
    /// `client_id`.
    pub id: ClientId,
    /// Its name, for pages.
    pub name: String,
    /// Callback patterns.
    pub callback_urls: Vec<String>,
    /// Post-logout patterns.
    pub logout_callback_urls: Vec<String>,
    /// Entries of both lists whose stars in the host reach over dots.
    pub legacy_wildcards: Vec<String>,
    /// Has no secret.
    pub is_public: bool,
    /// PKCE is required.
    pub pkce_enabled: bool,
    /// PKCE was seen.
    pub pkce_supported: bool,
    /// Each authorization needs a fresh ceremony.
    pub requires_reauthentication: bool,
    /// No consent page.
    pub skip_consent: bool,
    /// `None`: everybody may enter; else the ids of the allowed groups.
    pub allowed_groups: Option<Vec<String>>,
    /// The algorithm of its tokens; `None`: the default.
    pub signing_alg: Option<String>,
    /// Minutes.
    pub access_token_minutes: i64,
    /// Minutes.
    pub refresh_token_minutes: i64,
    /// For pages.
    pub has_logo: bool,
    /// For pages.
    pub has_dark_logo: bool,
    /// For pages.
    pub description: String,
    /// For pages.
    pub launch_url: Option<String>,
    /// `standard` or `cimd`.
    pub client_type: String,
    /// The only way in which it may authenticate.
    pub auth_method: Option<AuthMethod>,
    /// Its requests must be pushed.
    pub requires_pushed: bool,
    /// Its access tokens are always bound to a key.
    pub dpop_bound: bool,
    /// Minutes; `None`: an hour.
    pub id_token_minutes: Option<i64>,
    /// The grants that it may use, as JSON; `None`: all.
    pub grant_types: Option<String>,
    /// How it is told the claims of people, as JSON.
    pub claim_mapping: Option<String>,
}

/// What a client's assertions and request objects are judged by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientKeys {
    /// Its public keys, a JWK set.
    pub jwks: Option<String>,
    /// Where its public keys are.
    pub jwks_uri: Option<String>,
    /// The issuers that vouch for it.
    pub federated_identities: Vec<FederatedIdentity>,
}

fn list(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap_or_default()
}

/// Says that a client will be asked for, perhaps with its secrets.
pub fn announce_client(tx: &ReadTx<'_>, id: &ClientId, with_secrets: bool) -> Result<(), StoreError> {
    tx.announce(&CLIENT, params![id.as_str()])?;
    if with_secrets { tx.announce(&CLIENT_SECRETS, params![id.as_str()]) } else { Ok(()) }
}

/// Says that what a person is said to be will be asked for.
pub fn announce_claimed(tx: &ReadTx<'_>, user: &UserId) -> Result<(), StoreError> {
    tx.announce(&CLAIMED, params![user.as_str()])
}

/// Says that a client's mapping of claims will be asked for.
pub fn announce_claim_mapping(tx: &ReadTx<'_>, id: &ClientId) -> Result<(), StoreError> {
    tx.announce(&CLAIM_MAPPING, params![id.as_str()])
}

/// A client by id, with its allowed groups.
pub fn client(tx: &ReadTx<'_>, id: &ClientId) -> Result<Option<ProtocolClient>, StoreError> {
    let Some(row) = tx.query_opt(&CLIENT, params![id.as_str()])? else { return Ok(None) };
    let allowed_groups = if row.get(9)? {
        let rows = tx.query(&CLIENT_GROUPS, params![id.as_str()])?;
        Some(rows.iter().map(|r| r.get(0)).collect::<Result<_, _>>()?)
    } else {
        None
    };
    Ok(Some(ProtocolClient {
        id: ClientId::new(row.get::<String>(0)?),
        name: row.get(1)?,
        callback_urls: list(&row.get::<String>(2)?),
        logout_callback_urls: list(&row.get::<String>(3)?),
        legacy_wildcards: row.get::<Option<String>>(23)?.as_deref().map(list).unwrap_or_default(),
        is_public: row.get(4)?,
        pkce_enabled: row.get(5)?,
        pkce_supported: row.get(6)?,
        requires_reauthentication: row.get(7)?,
        skip_consent: row.get(8)?,
        allowed_groups,
        signing_alg: row.get(10)?,
        access_token_minutes: row.get(11)?,
        refresh_token_minutes: row.get(12)?,
        has_logo: row.get(13)?,
        has_dark_logo: row.get(14)?,
        description: row.get(15)?,
        launch_url: row.get(16)?,
        client_type: row.get(17)?,
        auth_method: row.get::<Option<String>>(18)?.as_deref().and_then(AuthMethod::parse),
        requires_pushed: row.get(19)?,
        dpop_bound: row.get(20)?,
        id_token_minutes: row.get(21)?,
        grant_types: row.get(22)?,
        claim_mapping: row.get(24)?,
    }))
}

/// A client's keys, and who vouches for it.
pub fn client_keys(tx: &ReadTx<'_>, id: &ClientId) -> Result<ClientKeys, StoreError> {
    let Some(row) = tx.query_opt(&CLIENT_KEYS, params![id.as_str()])? else { return Ok(ClientKeys::default()) };
    Ok(ClientKeys {
        jwks: row.get(0)?,
        jwks_uri: row.get(1)?,
        federated_identities: serde_json::from_str(&row.get::<String>(2)?).unwrap_or_default(),
    })
}

/// A client's secret at rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSecret {
    /// UUID.
    pub id: String,
    /// `sha256`, or what an import brought.
    pub algorithm: String,
    /// The hash.
    pub hash: Vec<u8>,
    /// Until when it counts; `None`: for ever.
    pub expires_at: Option<Timestamp>,
}

/// Asks a client for nothing that only the app itself has: its own key, a request that it pushes. For a test sign-in, whose
/// transaction is undone.
pub fn relax(tx: &WriteTx<'_>, id: &ClientId) -> Result<(), StoreError> {
    tx.execute(&RELAX, params![id.as_str(), false]).map(drop)
}

/// A client's secrets, expired ones included.
pub fn client_secrets(tx: &ReadTx<'_>, id: &ClientId) -> Result<Vec<StoredSecret>, StoreError> {
    let rows = tx.query(&CLIENT_SECRETS, params![id.as_str()])?;
    rows.iter()
        .map(|r| {
            let expires_at = r.get::<Option<i64>>(2)?.map(Timestamp::from_millis);
            Ok(StoredSecret { id: r.get(3)?, algorithm: r.get(0)?, hash: r.get(1)?, expires_at })
        })
        .collect()
}

/// Whether any client has a secret under a hash that an import brought.
pub fn has_old_secrets(tx: &ReadTx<'_>) -> Result<bool, StoreError> {
    Ok(tx.query_opt(&OLD_SECRETS, params![])?.is_some())
}

/// Keeps a secret under our own hash from now on.
pub fn hash_anew(tx: &WriteTx<'_>, old: &StoredSecret, hash: &[u8; 32], prefix: &str) -> Result<(), StoreError> {
    tx.execute(&HASH_ANEW, params![old.id.as_str(), old.hash.clone(), hash.to_vec(), prefix])?;
    Ok(())
}

/// How a client is told the claims of people, as JSON.
pub fn claim_mapping(tx: &ReadTx<'_>, id: &ClientId) -> Result<Option<String>, StoreError> {
    tx.query_opt(&CLAIM_MAPPING, params![id.as_str()])?.map_or(Ok(None), |row| row.get(0))
}

/// Notes that a client which need not use PKCE does.
pub fn mark_pkce_supported(tx: &WriteTx<'_>, id: &ClientId) -> Result<(), StoreError> {
    tx.execute(&MARK_PKCE, params![id.as_str(), true])?;
    Ok(())
}

/// The ids of a person's groups.
pub fn group_ids(tx: &ReadTx<'_>, user: &UserId) -> Result<Vec<String>, StoreError> {
    tx.query(&GROUP_IDS, params![user.as_str()])?.iter().map(|r| r.get(0)).collect()
}

/// What a person is said to be by others: their groups, and claims that administrators gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claimed {
    /// Id, name and claims of each group, by name.
    pub groups: Vec<(String, String, Vec<CustomClaim>)>,
    /// Their own claims, by key.
    pub own: Vec<CustomClaim>,
}

/// What a person is said to be.
pub fn claimed(tx: &ReadTx<'_>, user: &UserId) -> Result<Claimed, StoreError> {
    let mut claimed = Claimed::default();
    let mut of_groups: Vec<(String, CustomClaim)> = Vec::new();
    for row in tx.query(&CLAIMED, params![user.as_str()])? {
        let [group, name, key, value] = [0, 1, 2, 3].map(|column| row.get::<Option<String>>(column));
        match (group?, name?, key?.zip(value?)) {
            (Some(group), Some(name), _) => claimed.groups.push((group, name, Vec::new())),
            (Some(group), None, Some((key, value))) => of_groups.push((group, CustomClaim { key, value })),
            (None, _, Some((key, value))) => claimed.own.push(CustomClaim { key, value }),
            _ => {}
        }
    }
    claimed.groups.sort_by(|a, b| a.1.cmp(&b.1));
    claimed.own.sort_by(|a, b| a.key.cmp(&b.key));
    of_groups.sort_by(|a, b| a.1.key.cmp(&b.1.key));
    for (id, claim) in of_groups {
        if let Some(group) = claimed.groups.iter_mut().find(|group| group.0 == id) {
            group.2.push(claim);
        }
    }
    Ok(claimed)
}
