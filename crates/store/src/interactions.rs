//! Authorization requests that wait for a person.

use pid_core::{ClientId, InteractionId, Timestamp, UserId};

use crate::{ReadTx, StoreError, WriteTx, params, statements};

statements! {
    INSERT = "INSERT INTO interactions (id, browser_hash, client_id, user_id, parameters, scopes, authentication_required, account_selection_required, \
        reauthentication_required, consent_required, requested_at, reauthenticated_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
    LIVE = "SELECT client_id, user_id, parameters, scopes, authentication_required, account_selection_required, reauthentication_required, \
        consent_required, requested_at, reauthenticated_at, expires_at FROM interactions WHERE id = $1 AND browser_hash = $2 AND expires_at > $3";
    UPDATE = "UPDATE interactions SET user_id = $2, authentication_required = $3, account_selection_required = $4, reauthentication_required = $5, \
        consent_required = $6, reauthenticated_at = $7 WHERE id = $1";
    CLIENT_NAME = "SELECT clients.name FROM interactions JOIN clients ON clients.id = interactions.client_id WHERE interactions.id = $1";
    DELETE = "DELETE FROM interactions WHERE id = $1";
    PURGE = "DELETE FROM interactions WHERE expires_at < $1";
}

/// A waiting authorization request (oidc.md §11.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interaction {
    /// The capability in the page's address.
    pub id: InteractionId,
    /// Who asks.
    pub client_id: ClientId,
    /// Whom it is bound to, once known.
    pub user_id: Option<UserId>,
    /// The request's parameters as a JSON object.
    pub parameters: String,
    /// Requested scopes, space separated.
    pub scopes: String,
    /// Whether somebody must sign in.
    pub authentication_required: bool,
    /// Whether the account must be confirmed.
    pub account_selection_required: bool,
    /// Whether a fresh passkey ceremony is needed.
    pub reauthentication_required: bool,
    /// Whether the consent page must be answered.
    pub consent_required: bool,
    /// When the authorization was asked for.
    pub requested_at: Timestamp,
    /// When the person re-authenticated inside it.
    pub reauthenticated_at: Option<Timestamp>,
    /// When it ends, one hour after it began.
    pub expires_at: Timestamp,
}

/// Stores a new interaction, bound to a browser.
pub fn insert(tx: &WriteTx<'_>, i: &Interaction, browser_hash: &[u8; 32]) -> Result<(), StoreError> {
    tx.execute(
        &INSERT,
        params![
            i.id.as_str(),
            browser_hash.to_vec(),
            i.client_id.as_str(),
            i.user_id.as_ref().map(UserId::as_str),
            i.parameters.as_str(),
            i.scopes.as_str(),
            i.authentication_required,
            i.account_selection_required,
            i.reauthentication_required,
            i.consent_required,
            i.requested_at.millis(),
            i.reauthenticated_at.map(Timestamp::millis),
            i.expires_at.millis()
        ],
    )?;
    Ok(())
}

/// A live interaction of this browser.
pub fn live(
    tx: &ReadTx<'_>,
    id: &InteractionId,
    browser_hash: &[u8; 32],
    now: Timestamp,
) -> Result<Option<Interaction>, StoreError> {
    let Some(row) = tx.query_opt(&LIVE, params![id.as_str(), browser_hash.to_vec(), now.millis()])? else {
        return Ok(None);
    };
    Ok(Some(Interaction {
        id: id.clone(),
        client_id: ClientId::new(row.get::<String>(0)?),
        user_id: row.get::<Option<String>>(1)?.map(UserId::new),
        parameters: row.get(2)?,
        scopes: row.get(3)?,
        authentication_required: row.get(4)?,
        account_selection_required: row.get(5)?,
        reauthentication_required: row.get(6)?,
        consent_required: row.get(7)?,
        requested_at: Timestamp::from_millis(row.get(8)?),
        reauthenticated_at: row.get::<Option<i64>>(9)?.map(Timestamp::from_millis),
        expires_at: Timestamp::from_millis(row.get(10)?),
    }))
}

/// Stores the progress of an interaction.
pub fn update(tx: &WriteTx<'_>, i: &Interaction) -> Result<(), StoreError> {
    tx.execute(
        &UPDATE,
        params![
            i.id.as_str(),
            i.user_id.as_ref().map(UserId::as_str),
            i.authentication_required,
            i.account_selection_required,
            i.reauthentication_required,
            i.consent_required,
            i.reauthenticated_at.map(Timestamp::millis)
        ],
    )?;
    Ok(())
}

/// Ends an interaction. Tells whether it was there: its answer is given once.
pub fn delete(tx: &WriteTx<'_>, id: &InteractionId) -> Result<bool, StoreError> {
    Ok(tx.execute(&DELETE, params![id.as_str()])? == 1)
}

/// Forgets interactions that expired before a moment.
pub fn purge(tx: &WriteTx<'_>, before: Timestamp) -> Result<u64, StoreError> {
    tx.execute(&PURGE, params![before.millis()])
}

/// The name of the client that asks, for the words of a notice.
pub fn client_name(tx: &ReadTx<'_>, id: &str) -> Result<Option<String>, StoreError> {
    tx.query_opt(&CLIENT_NAME, params![id])?.map(|row| row.get(0)).transpose()
}
