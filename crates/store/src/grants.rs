//! Grants and what hangs on them: codes, refresh and access tokens, consents.

use pid_core::{ClientId, GrantId, SessionId, Timestamp, UserId, handle};

use crate::{ReadTx, Row, StoreError, WriteTx, params, statements};

/// The columns of a grant in the order of [`grant`].
macro_rules! grant_columns {
    () => {
        "grants.id, grants.client_id, grants.user_id, grants.session_id, grants.scopes, grants.nonce, grants.acr, grants.amr, grants.auth_time, \
         grants.requested_at, grants.created_at, grants.expires_at, grants.revoked_at, grants.claims, grants.resource, grants.dpop_jkt"
    };
}
/// How many they are.
const GRANT_COLUMNS: usize = 16;

statements! {
    INSERT = "INSERT INTO grants (id, client_id, user_id, session_id, scopes, nonce, acr, amr, auth_time, requested_at, created_at, expires_at, claims, resource, dpop_jkt) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
    BY_ID = concat!("SELECT ", grant_columns!(), " FROM grants WHERE id = $1");
    REVOKE = "UPDATE grants SET revoked_at = $2, revoked_by = $3 WHERE id = $1 AND revoked_at IS NULL";
    EXTEND = "UPDATE grants SET expires_at = CASE WHEN expires_at < $2 THEN $2 ELSE expires_at END, dpop_jkt = $3 WHERE id = $1";
    DROP_CODES_OF_CLIENT = "DELETE FROM authorization_codes WHERE grant_id IN (SELECT id FROM grants WHERE client_id = $1)";
    DROP_CODES_OF_USER = "DELETE FROM authorization_codes WHERE grant_id IN (SELECT id FROM grants WHERE user_id = $1)";
    PURGE_CODES = "DELETE FROM authorization_codes WHERE grant_id IN (SELECT id FROM grants WHERE expires_at < $1)";
    PURGE = "DELETE FROM grants WHERE expires_at < $1";

    INSERT_CODE = "INSERT INTO authorization_codes (grant_id, code_hash, redirect_uri, redirect_uri_sent, code_challenge, code_challenge_method, expires_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    CODE = concat!("SELECT ", grant_columns!(), ", codes.redirect_uri, codes.redirect_uri_sent, codes.code_challenge, codes.code_challenge_method, \
        codes.expires_at, codes.used_at FROM authorization_codes AS codes JOIN grants ON grants.id = codes.grant_id \
        WHERE codes.grant_id = $1 AND codes.code_hash = $2");
    TAKE_CODE = "UPDATE authorization_codes SET used_at = $2 WHERE grant_id = $1 AND used_at IS NULL RETURNING grant_id";

    INSERT_REFRESH = "INSERT INTO refresh_tokens (grant_id, sequence, token_hash, jti, expires_at) VALUES ($1, $2, $3, $4, $5)";
    REFRESH = "SELECT expires_at, used_at, used_with, jti FROM refresh_tokens WHERE grant_id = $1 AND sequence = $2 AND token_hash = $3";
    REFRESH_AT = "SELECT expires_at, used_at, used_with, jti FROM refresh_tokens WHERE grant_id = $1 AND sequence = $2";
    END_ACCESS = "UPDATE refresh_tokens SET access_ended_at = $2 WHERE jti = $1 AND access_ended_at IS NULL";
    TAKE_REFRESH = "UPDATE refresh_tokens SET used_at = $3, used_with = $4 WHERE grant_id = $1 AND sequence = $2 AND used_at IS NULL RETURNING grant_id";
    GRANT_OF_ACCESS = concat!("SELECT ", grant_columns!(), " FROM refresh_tokens JOIN grants ON grants.id = refresh_tokens.grant_id \
        WHERE refresh_tokens.jti = $1 AND refresh_tokens.used_at IS NULL AND refresh_tokens.access_ended_at IS NULL");

    CONSENT = "SELECT keys FROM consents WHERE user_id = $1 AND client_id = $2";
    PUT_CONSENT = "INSERT INTO consents (user_id, client_id, keys, created_at, last_used_at) VALUES ($1, $2, $3, $4, $4) \
        ON CONFLICT (user_id, client_id) DO UPDATE SET keys = $3, last_used_at = $4";
    USE_CONSENT = "UPDATE consents SET last_used_at = $3 WHERE user_id = $1 AND client_id = $2 AND last_used_at <= $4";
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
    /// The request's `claims` parameter, if it asked for any.
    pub claims: Option<String>,
    /// The API that its tokens are for (RFC 8707).
    pub resource: Option<String>,
    /// The key that its code, and later its refresh tokens, are bound to: an RFC 7638 thumbprint (RFC 9449 §5, §10).
    pub dpop_jkt: Option<String>,
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
        claims: row.get(13)?,
        resource: row.get(14)?,
        dpop_jkt: row.get(15)?,
    })
}

/// Stores a new grant.
pub fn insert(tx: &WriteTx<'_>, g: &Grant) -> Result<(), StoreError> {
    tx.queue(
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
            g.expires_at.millis(),
            g.claims.clone(),
            g.resource.clone(),
            g.dpop_jkt.clone()
        ],
    )
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
    /// The client gave it back (RFC 7009).
    Client,
    /// The person withdrew their consent.
    Consent,
    /// An administrator disabled, deleted or ended something it depends on.
    Admin,
}

impl RevokedBy {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::CodeReuse => "code_reuse",
            Self::RefreshReuse => "refresh_reuse",
            Self::SignOut => "sign_out",
            Self::Client => "client",
            Self::Consent => "consent",
            Self::Admin => "admin",
        }
    }
}

/// Revokes one family. Tells whether it was live.
pub fn revoke(tx: &WriteTx<'_>, id: &GrantId, by: RevokedBy, now: Timestamp) -> Result<bool, StoreError> {
    Ok(tx.execute(&REVOKE, params![id.as_str(), now.millis(), by.as_str()])? == 1)
}

/// Lets a family live at least until a moment, bound to a key or to none. The row is written even if it stays as it is: whoever
/// revokes the family writes it, too, so that of both at once one runs again.
pub fn extend(tx: &WriteTx<'_>, id: &GrantId, until: Timestamp, jkt: Option<&str>) -> Result<(), StoreError> {
    tx.queue(&EXTEND, params![id.as_str(), until.millis(), jkt])
}

/// Removes families whose last token expired before a moment.
pub fn purge(tx: &WriteTx<'_>, before: Timestamp) -> Result<u64, StoreError> {
    tx.queue(&PURGE_CODES, params![before.millis()])?;
    tx.execute(&PURGE, params![before.millis()])
}

/// Removes the codes of families that are about to go with their client: no key of the schema does, since the check of one would
/// make neighbours of all who sign in.
pub(crate) fn drop_codes_of_client(tx: &WriteTx<'_>, client: &ClientId) -> Result<(), StoreError> {
    tx.queue(&DROP_CODES_OF_CLIENT, params![client.as_str()])
}

/// Removes the codes of families that are about to go with their person.
pub(crate) fn drop_codes_of_user(tx: &WriteTx<'_>, user: &UserId) -> Result<(), StoreError> {
    tx.queue(&DROP_CODES_OF_USER, params![user.as_str()])
}

/// An authorization code at rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// Its family.
    pub grant_id: GrantId,
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

/// Stores a code with its hash. It names its family: [`handle`].
pub fn insert_code(tx: &WriteTx<'_>, hash: &[u8; 32], c: &Code) -> Result<(), StoreError> {
    tx.queue(
        &INSERT_CODE,
        params![
            c.grant_id.as_str(),
            hash.to_vec(),
            c.redirect_uri.as_str(),
            c.redirect_uri_sent,
            c.challenge.as_ref().map(|(challenge, _)| challenge.clone()),
            c.challenge.as_ref().map(|(_, method)| method.clone()),
            c.expires_at.millis()
        ],
    )
}

/// Says that a code will be asked for.
pub fn announce_code(tx: &ReadTx<'_>, code: &str) -> Result<(), StoreError> {
    let Some(handle) = handle::read(code) else { return Ok(()) };
    tx.announce(&CODE, params![handle.id.as_str(), handle.hash.to_vec()])
}

/// Says that a refresh token will be asked for, and then its family.
pub fn announce_refresh(tx: &ReadTx<'_>, token: &str) -> Result<(), StoreError> {
    let Some(handle) = handle::read(token) else { return Ok(()) };
    tx.announce(&REFRESH, params![handle.id.as_str(), i64::from(handle.sequence), handle.hash.to_vec()])?;
    tx.announce(&BY_ID, params![handle.id.as_str()])
}

/// A code as it was sent, used ones included, and its family.
pub fn code(tx: &ReadTx<'_>, code: &str) -> Result<Option<(Code, Grant)>, StoreError> {
    let Some(handle) = handle::read(code) else { return Ok(None) };
    let Some(row) = tx.query_opt(&CODE, params![handle.id.as_str(), handle.hash.to_vec()])? else { return Ok(None) };
    const AT: usize = GRANT_COLUMNS;
    let challenge = match (row.get::<Option<String>>(AT + 2)?, row.get::<Option<String>>(AT + 3)?) {
        (Some(challenge), Some(method)) => Some((challenge, method)),
        _ => None,
    };
    let code = Code {
        grant_id: GrantId::new(handle.id),
        redirect_uri: row.get(AT)?,
        redirect_uri_sent: row.get(AT + 1)?,
        challenge,
        expires_at: Timestamp::from_millis(row.get(AT + 4)?),
        used_at: row.get::<Option<i64>>(AT + 5)?.map(Timestamp::from_millis),
    };
    Ok(Some((code, grant(&row)?)))
}

/// Takes a family's code: exactly one caller gets `true`, ever.
pub fn take_code(tx: &WriteTx<'_>, grant: &GrantId, now: Timestamp) -> Result<bool, StoreError> {
    Ok(!tx.query_returning(&TAKE_CODE, params![grant.as_str(), now.millis()])?.is_empty())
}

/// A refresh token at rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshToken {
    /// Its family.
    pub grant_id: GrantId,
    /// Its place in the family, from 0.
    pub sequence: u32,
    /// The id of the access token that was issued with it.
    pub jti: String,
    /// Until when it may be used.
    pub expires_at: Timestamp,
    /// When it was rotated.
    pub used_at: Option<Timestamp>,
    /// What the client proved itself with then.
    pub used_with: Option<String>,
}

/// Stores a refresh token with its hash.
pub fn insert_refresh(tx: &WriteTx<'_>, hash: &[u8; 32], t: &RefreshToken) -> Result<(), StoreError> {
    tx.queue(
        &INSERT_REFRESH,
        params![t.grant_id.as_str(), i64::from(t.sequence), hash.to_vec(), t.jti.as_str(), t.expires_at.millis()],
    )
}

fn refresh_token(grant_id: GrantId, sequence: u32, row: &Row) -> Result<RefreshToken, StoreError> {
    Ok(RefreshToken {
        grant_id,
        sequence,
        expires_at: Timestamp::from_millis(row.get(0)?),
        used_at: row.get::<Option<i64>>(1)?.map(Timestamp::from_millis),
        used_with: row.get(2)?,
        jti: row.get(3)?,
    })
}

/// A refresh token as it was sent, rotated ones included.
pub fn refresh(tx: &ReadTx<'_>, token: &str) -> Result<Option<RefreshToken>, StoreError> {
    let Some(handle) = handle::read(token) else { return Ok(None) };
    let key = params![handle.id.as_str(), i64::from(handle.sequence), handle.hash.to_vec()];
    let Some(row) = tx.query_opt(&REFRESH, key)? else { return Ok(None) };
    refresh_token(GrantId::new(handle.id), handle.sequence, &row).map(Some)
}

/// A refresh token by its place in the family.
pub fn refresh_at(tx: &ReadTx<'_>, grant: &GrantId, sequence: u32) -> Result<Option<RefreshToken>, StoreError> {
    let row = tx.query_opt(&REFRESH_AT, params![grant.as_str(), i64::from(sequence)])?;
    row.map(|row| refresh_token(grant.clone(), sequence, &row)).transpose()
}

/// Takes a refresh token: exactly one caller gets `true`, ever. `with` is what the client proved itself with. The access
/// token issued with it is worth nothing from now on: rotation replaces both.
pub fn take_refresh(
    tx: &WriteTx<'_>,
    grant: &GrantId,
    sequence: u32,
    with: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let values = params![grant.as_str(), i64::from(sequence), now.millis(), with];
    Ok(!tx.query_returning(&TAKE_REFRESH, values)?.is_empty())
}

/// Ends one access token by its id (RFC 7009 §2.1): the client may still refresh. Tells whether it was good until now.
pub fn end_access_token(tx: &WriteTx<'_>, jti: &str, now: Timestamp) -> Result<bool, StoreError> {
    Ok(tx.execute(&END_ACCESS, params![jti, now.millis()])? == 1)
}

/// The family of an access token that was not replaced by rotation.
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
    tx.queue(&PUT_CONSENT, params![user.as_str(), client.as_str(), keys, now.millis()])
}

/// Notes that consent was used, at most once a minute.
pub fn use_consent(tx: &WriteTx<'_>, user: &UserId, client: &ClientId, now: Timestamp) -> Result<(), StoreError> {
    let before = now.plus_secs(-60);
    tx.queue(&USE_CONSENT, params![user.as_str(), client.as_str(), now.millis(), before.millis()])
}
