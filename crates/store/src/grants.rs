//! Grants and what hangs on them: codes, refresh tokens, access tokens, consents.

use pid_core::{ClientId, GrantId, SessionId, Timestamp, UserId};

use crate::{ReadTx, Row, StoreError, WriteTx, params, statements};

statements! {
    INSERT = "INSERT INTO grants (id, client_id, user_id, session_id, scopes, nonce, acr, amr, auth_time, requested_at, created_at, expires_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    BY_ID = "SELECT id, client_id, user_id, session_id, scopes, nonce, acr, amr, auth_time, requested_at, created_at, expires_at, revoked_at FROM grants WHERE id = $1";
    REVOKE = "UPDATE grants SET revoked_at = $2, revoked_by = $3 WHERE id = $1 AND revoked_at IS NULL";
    REVOKE_OF_SESSION = "UPDATE grants SET revoked_at = $2, revoked_by = $3 WHERE session_id = $1 AND revoked_at IS NULL";
    REVOKE_OF_SESSION_AT_CLIENT = "UPDATE grants SET revoked_at = $3, revoked_by = $4 WHERE session_id = $1 AND client_id = $2 AND revoked_at IS NULL";
    REVOKE_OF_USER = "UPDATE grants SET revoked_at = $2, revoked_by = $3 WHERE user_id = $1 AND revoked_at IS NULL";
    REVOKE_OF_USER_AT_CLIENT = "UPDATE grants SET revoked_at = $3, revoked_by = $4 WHERE user_id = $1 AND client_id = $2 AND revoked_at IS NULL";
    EXTEND = "UPDATE grants SET expires_at = $2 WHERE id = $1 AND expires_at < $2";
    PURGE = "DELETE FROM grants WHERE expires_at < $1";

    INSERT_CODE = "INSERT INTO authorization_codes (code_hash, grant_id, client_id, redirect_uri, redirect_uri_sent, code_challenge, code_challenge_method, expires_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    CODE = "SELECT grant_id, client_id, redirect_uri, redirect_uri_sent, code_challenge, code_challenge_method, expires_at, used_at FROM authorization_codes WHERE code_hash = $1";
    TAKE_CODE = "UPDATE authorization_codes SET used_at = $2 WHERE code_hash = $1 AND used_at IS NULL RETURNING grant_id";

    INSERT_REFRESH = "INSERT INTO refresh_tokens (token_hash, grant_id, client_id, sequence, expires_at) VALUES ($1, $2, $3, $4, $5)";
    REFRESH = "SELECT grant_id, client_id, sequence, expires_at, used_at FROM refresh_tokens WHERE token_hash = $1";
    TAKE_REFRESH = "UPDATE refresh_tokens SET used_at = $2 WHERE token_hash = $1 AND used_at IS NULL RETURNING grant_id";

    INSERT_ACCESS = "INSERT INTO access_tokens (jti, grant_id, expires_at) VALUES ($1, $2, $3)";
    DROP_ACCESS = "DELETE FROM access_tokens WHERE grant_id = $1";
    GRANT_OF_ACCESS = "SELECT grants.id, grants.client_id, grants.user_id, grants.session_id, grants.scopes, grants.nonce, grants.acr, grants.amr, grants.auth_time, \
        grants.requested_at, grants.created_at, grants.expires_at, grants.revoked_at FROM access_tokens JOIN grants ON grants.id = access_tokens.grant_id WHERE access_tokens.jti = $1";
    PURGE_ACCESS = "DELETE FROM access_tokens WHERE expires_at < $1";

    CONSENT = "SELECT keys FROM consents WHERE user_id = $1 AND client_id = $2";
    PUT_CONSENT = "INSERT INTO consents (user_id, client_id, keys, created_at, last_used_at) VALUES ($1, $2, $3, $4, $4) \
        ON CONFLICT (user_id, client_id) DO UPDATE SET keys = $3, last_used_at = $4";
    USE_CONSENT = "UPDATE consents SET last_used_at = $3 WHERE user_id = $1 AND client_id = $2";
}

/// One authorization of one client by one person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The family's id.
    pub id: GrantId,
    /// Who was authorized.
    pub client_id: ClientId,
    /// By whom.
    pub user_id: UserId,
    /// In which session: `sid`.
    pub session_id: SessionId,
    /// Granted scopes, space separated.
    pub scopes: String,
    /// The request's `nonce`.
    pub nonce: Option<String>,
    /// `acr` to release.
    pub acr: Option<String>,
    /// Authentication Method References.
    pub amr: Vec<String>,
    /// When the person proved who they are.
    pub auth_time: Timestamp,
    /// When the authorization was asked for.
    pub requested_at: Timestamp,
    /// When it was given.
    pub created_at: Timestamp,
    /// When its last token will have expired.
    pub expires_at: Timestamp,
    /// Set once it is worth nothing.
    pub revoked_at: Option<Timestamp>,
}

fn grant(row: &Row) -> Result<Grant, StoreError> {
    Ok(Grant {
        id: GrantId::new(row.get::<String>(0)?),
        client_id: ClientId::new(row.get::<String>(1)?),
        user_id: UserId::new(row.get::<String>(2)?),
        session_id: SessionId::new(row.get::<String>(3)?),
        scopes: row.get(4)?,
        nonce: row.get(5)?,
        acr: row.get(6)?,
        amr: serde_json::from_str(&row.get::<String>(7)?).unwrap_or_default(),
        auth_time: Timestamp::from_millis(row.get(8)?),
        requested_at: Timestamp::from_millis(row.get(9)?),
        created_at: Timestamp::from_millis(row.get(10)?),
        expires_at: Timestamp::from_millis(row.get(11)?),
        revoked_at: row.get::<Option<i64>>(12)?.map(Timestamp::from_millis),
    })
}

/// Stores a new grant.
pub fn insert(tx: &WriteTx<'_>, g: &Grant) -> Result<(), StoreError> {
    tx.execute(
        &INSERT,
        params![
            g.id.as_str(),
            g.client_id.as_str(),
            g.user_id.as_str(),
            g.session_id.as_str(),
            g.scopes.as_str(),
            g.nonce.clone(),
            g.acr.clone(),
            serde_json::to_string(&g.amr).unwrap_or_else(|_| "[]".to_owned()),
            g.auth_time.millis(),
            g.requested_at.millis(),
            g.created_at.millis(),
            g.expires_at.millis()
        ],
    )?;
    Ok(())
}

/// A grant by id, revoked ones included.
pub fn by_id(tx: &ReadTx<'_>, id: &GrantId) -> Result<Option<Grant>, StoreError> {
    tx.query_opt(&BY_ID, params![id.as_str()])?.as_ref().map(grant).transpose()
}

/// Why a grant was revoked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RevokedBy {
    /// Its code was used twice (RFC 6749 §4.1.2).
    CodeReuse,
    /// A rotated refresh token was used again (RFC 9700 §4.14.2).
    RefreshReuse,
    /// The person signed out.
    SignOut,
    /// The person withdrew their consent.
    Consent,
    /// An administrator disabled, deleted or ended something it depends on.
    Admin,
}

impl RevokedBy {
    fn as_str(self) -> &'static str {
        match self {
            Self::CodeReuse => "code_reuse",
            Self::RefreshReuse => "refresh_reuse",
            Self::SignOut => "sign_out",
            Self::Consent => "consent",
            Self::Admin => "admin",
        }
    }
}

/// Revokes one family. Tells whether it was live.
pub fn revoke(tx: &WriteTx<'_>, id: &GrantId, by: RevokedBy, now: Timestamp) -> Result<bool, StoreError> {
    Ok(tx.execute(&REVOKE, params![id.as_str(), now.millis(), by.as_str()])? == 1)
}

/// Revokes all families of a session.
pub fn revoke_of_session(tx: &WriteTx<'_>, id: &SessionId, by: RevokedBy, now: Timestamp) -> Result<u64, StoreError> {
    tx.execute(&REVOKE_OF_SESSION, params![id.as_str(), now.millis(), by.as_str()])
}

/// Revokes the families of a session at one client.
pub fn revoke_of_session_at_client(
    tx: &WriteTx<'_>,
    id: &SessionId,
    client: &ClientId,
    by: RevokedBy,
    now: Timestamp,
) -> Result<u64, StoreError> {
    tx.execute(&REVOKE_OF_SESSION_AT_CLIENT, params![id.as_str(), client.as_str(), now.millis(), by.as_str()])
}

/// Revokes all families of a person.
pub fn revoke_of_user(tx: &WriteTx<'_>, id: &UserId, by: RevokedBy, now: Timestamp) -> Result<u64, StoreError> {
    tx.execute(&REVOKE_OF_USER, params![id.as_str(), now.millis(), by.as_str()])
}

/// Revokes the families of a person at one client.
pub fn revoke_of_user_at_client(
    tx: &WriteTx<'_>,
    id: &UserId,
    client: &ClientId,
    by: RevokedBy,
    now: Timestamp,
) -> Result<u64, StoreError> {
    tx.execute(&REVOKE_OF_USER_AT_CLIENT, params![id.as_str(), client.as_str(), now.millis(), by.as_str()])
}

/// Lets a family live at least until a moment.
pub fn extend(tx: &WriteTx<'_>, id: &GrantId, until: Timestamp) -> Result<(), StoreError> {
    tx.execute(&EXTEND, params![id.as_str(), until.millis()])?;
    Ok(())
}

/// Removes families whose last token expired before a moment, and expired access token rows.
pub fn purge(tx: &WriteTx<'_>, before: Timestamp) -> Result<u64, StoreError> {
    let grants = tx.execute(&PURGE, params![before.millis()])?;
    Ok(grants + tx.execute(&PURGE_ACCESS, params![before.millis()])?)
}

/// An authorization code at rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// Its family.
    pub grant_id: GrantId,
    /// Who may redeem it.
    pub client_id: ClientId,
    /// Where it was sent.
    pub redirect_uri: String,
    /// Whether the request named the redirect URI: then the token request must, too.
    pub redirect_uri_sent: bool,
    /// `code_challenge` and its method (RFC 7636 §4.3).
    pub challenge: Option<(String, String)>,
    /// Until when it may be redeemed.
    pub expires_at: Timestamp,
    /// When it was redeemed.
    pub used_at: Option<Timestamp>,
}

/// Stores a code under its hash.
pub fn insert_code(tx: &WriteTx<'_>, hash: &[u8; 32], c: &Code) -> Result<(), StoreError> {
    tx.execute(
        &INSERT_CODE,
        params![
            hash.to_vec(),
            c.grant_id.as_str(),
            c.client_id.as_str(),
            c.redirect_uri.as_str(),
            c.redirect_uri_sent,
            c.challenge.as_ref().map(|(challenge, _)| challenge.clone()),
            c.challenge.as_ref().map(|(_, method)| method.clone()),
            c.expires_at.millis()
        ],
    )?;
    Ok(())
}

/// A code by hash, used ones included.
pub fn code(tx: &ReadTx<'_>, hash: &[u8; 32]) -> Result<Option<Code>, StoreError> {
    let Some(row) = tx.query_opt(&CODE, params![hash.to_vec()])? else { return Ok(None) };
    let challenge = match (row.get::<Option<String>>(4)?, row.get::<Option<String>>(5)?) {
        (Some(challenge), Some(method)) => Some((challenge, method)),
        _ => None,
    };
    Ok(Some(Code {
        grant_id: GrantId::new(row.get::<String>(0)?),
        client_id: ClientId::new(row.get::<String>(1)?),
        redirect_uri: row.get(2)?,
        redirect_uri_sent: row.get(3)?,
        challenge,
        expires_at: Timestamp::from_millis(row.get(6)?),
        used_at: row.get::<Option<i64>>(7)?.map(Timestamp::from_millis),
    }))
}

/// Takes a code: exactly one caller gets `true`, ever.
pub fn take_code(tx: &WriteTx<'_>, hash: &[u8; 32], now: Timestamp) -> Result<bool, StoreError> {
    Ok(!tx.query_returning(&TAKE_CODE, params![hash.to_vec(), now.millis()])?.is_empty())
}

/// A refresh token at rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshToken {
    /// Its family.
    pub grant_id: GrantId,
    /// Who may use it.
    pub client_id: ClientId,
    /// Its place in the family, from 0.
    pub sequence: i64,
    /// Until when it may be used.
    pub expires_at: Timestamp,
    /// When it was rotated.
    pub used_at: Option<Timestamp>,
}

/// Stores a refresh token under its hash.
pub fn insert_refresh(tx: &WriteTx<'_>, hash: &[u8; 32], t: &RefreshToken) -> Result<(), StoreError> {
    tx.execute(
        &INSERT_REFRESH,
        params![hash.to_vec(), t.grant_id.as_str(), t.client_id.as_str(), t.sequence, t.expires_at.millis()],
    )?;
    Ok(())
}

/// A refresh token by hash, rotated ones included.
pub fn refresh(tx: &ReadTx<'_>, hash: &[u8; 32]) -> Result<Option<RefreshToken>, StoreError> {
    let Some(row) = tx.query_opt(&REFRESH, params![hash.to_vec()])? else { return Ok(None) };
    Ok(Some(RefreshToken {
        grant_id: GrantId::new(row.get::<String>(0)?),
        client_id: ClientId::new(row.get::<String>(1)?),
        sequence: row.get(2)?,
        expires_at: Timestamp::from_millis(row.get(3)?),
        used_at: row.get::<Option<i64>>(4)?.map(Timestamp::from_millis),
    }))
}

/// Takes a refresh token: exactly one caller gets `true`, ever.
pub fn take_refresh(tx: &WriteTx<'_>, hash: &[u8; 32], now: Timestamp) -> Result<bool, StoreError> {
    Ok(!tx.query_returning(&TAKE_REFRESH, params![hash.to_vec(), now.millis()])?.is_empty())
}

/// Records an access token, so that userinfo can refuse it once its family is revoked.
pub fn insert_access(tx: &WriteTx<'_>, jti: &str, grant: &GrantId, expires_at: Timestamp) -> Result<(), StoreError> {
    tx.execute(&INSERT_ACCESS, params![jti, grant.as_str(), expires_at.millis()])?;
    Ok(())
}

/// Forgets the access tokens of a family: rotation replaces them.
pub fn drop_access(tx: &WriteTx<'_>, grant: &GrantId) -> Result<(), StoreError> {
    tx.execute(&DROP_ACCESS, params![grant.as_str()])?;
    Ok(())
}

/// The family of an access token that is still recorded.
pub fn of_access_token(tx: &ReadTx<'_>, jti: &str) -> Result<Option<Grant>, StoreError> {
    tx.query_opt(&GRANT_OF_ACCESS, params![jti])?.as_ref().map(grant).transpose()
}

/// The keys that a person consented to at a client; `None` if never asked.
pub fn consent(tx: &ReadTx<'_>, user: &UserId, client: &ClientId) -> Result<Option<Vec<String>>, StoreError> {
    let Some(row) = tx.query_opt(&CONSENT, params![user.as_str(), client.as_str()])? else { return Ok(None) };
    Ok(Some(serde_json::from_str(&row.get::<String>(0)?).unwrap_or_default()))
}

/// Records consent: the whole set of keys.
pub fn put_consent(
    tx: &WriteTx<'_>,
    user: &UserId,
    client: &ClientId,
    keys: &[String],
    now: Timestamp,
) -> Result<(), StoreError> {
    let keys = serde_json::to_string(keys).unwrap_or_else(|_| "[]".to_owned());
    tx.execute(&PUT_CONSENT, params![user.as_str(), client.as_str(), keys, now.millis()])?;
    Ok(())
}

/// Notes that consent was used.
pub fn use_consent(tx: &WriteTx<'_>, user: &UserId, client: &ClientId, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(&USE_CONSENT, params![user.as_str(), client.as_str(), now.millis()])?;
    Ok(())
}
