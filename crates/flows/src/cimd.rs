//! Clients that are known by their metadata document (oidc.md §22).

use pid_core::audit::Event;
use pid_core::clients::{Client, ClientType};
use pid_core::{ClientId, Ctx, Timestamp};
use pid_oidc::cimd::{CimdError, CimdGrant, ClientDocument, ClientIdUrl};
use pid_oidc::{ErrorCode, OAuthError};
use pid_store::clients::{self, Document};
use pid_store::protocol::ProtocolClient;
use pid_store::{ReadTx, WriteTx};

use crate::access::Admin;
use crate::audit::Note;
use crate::client_input::blank;
use crate::clients::audited;
use crate::env::Snapshot;
use crate::{Error, Saying, sign_out};

/// The refusal of a client for its document, or for the lack of one.
pub fn refused(error: &CimdError) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidClient, format!("This client can't be used: {error}.")).with_hint(format!(
        "This application can't be used here: {error}. Its developer or your administrator can help."
    ))
}

/// The document that must be fetched before a client can be looked up: it is new, or what was fetched counts no more.
/// The inner error is the client's. A client that was registered here needs none.
pub fn wanted(
    tx: &ReadTx<'_>,
    site: &Snapshot,
    client_id: &str,
    now: Timestamp,
) -> Result<Result<Option<ClientIdUrl>, CimdError>, Error> {
    if !ClientIdUrl::is_meant(client_id) {
        return Ok(Ok(None));
    }
    let known = clients::by_id(tx, &ClientId::new(client_id))?;
    if known.as_ref().is_some_and(|client| client.client_type == ClientType::Standard) {
        return Ok(Ok(None));
    }
    let allowed = site.settings.cimd_allowlist();
    if allowed.is_empty() && known.is_none() {
        return Ok(Ok(None));
    }
    let url = match ClientIdUrl::parse(client_id).and_then(|url| url.check_allowed(&allowed).map(|()| url)) {
        Ok(url) => url,
        Err(error) => return Ok(Err(error)),
    };
    let fresh = clients::document(tx, &ClientId::new(client_id))?.is_some_and(|kept| kept.expires_at > now);
    Ok(Ok((!fresh).then_some(url)))
}

/// Whether a client may be used at all: one that is known by its document only while it is allowed.
pub(crate) fn check(site: &Snapshot, client: &ProtocolClient) -> Result<(), OAuthError> {
    if client.client_type != ClientType::Cimd.as_str() {
        return Ok(());
    }
    ClientIdUrl::parse(client.id.as_str())
        .and_then(|url| url.check_allowed(&site.settings.cimd_allowlist()))
        .map_err(|error| refused(&error))
}

/// What people are shown as a client's name. What a client that is known by its document calls itself proves nothing;
/// where the document lies does.
#[must_use]
pub fn shown_name(client_type: &str, id: &str, name: String) -> String {
    let url = (client_type == ClientType::Cimd.as_str()).then(|| ClientIdUrl::parse(id).ok()).flatten();
    url.map_or(name, |url| url.host().to_owned())
}

/// Whether a client may use a grant (oidc.md §22.4).
pub(crate) fn may(client: &ProtocolClient, grant: CimdGrant) -> bool {
    client
        .grant_types
        .as_deref()
        .is_none_or(|json| serde_json::from_str::<Vec<CimdGrant>>(json).is_ok_and(|declared| declared.contains(&grant)))
}

/// The refusal of a grant that a client doesn't declare.
pub(crate) fn undeclared() -> OAuthError {
    OAuthError::new(ErrorCode::UnauthorizedClient, "The client's metadata document does not declare this grant type.")
}

/// Takes over a document that was fetched: it counts for so many seconds. People agree anew if it says something else
/// than when they agreed. `by` is an administrator who wanted it fetched.
pub fn take_over(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    by: Option<&Admin>,
    url: &ClientIdUrl,
    document: &ClientDocument,
    cache_secs: i64,
) -> Result<(), Error> {
    let id = ClientId::new(url.as_str());
    let known = clients::by_id(tx, &id)?;
    let kept = Document {
        grant_types: serde_json::to_string(&document.grants).map_err(Error::internal)?,
        expires_at: ctx.now.plus_secs(cache_secs),
    };
    match known {
        Some(client) if client.client_type == ClientType::Standard => return Ok(()),
        Some(client) => {
            let before = clients::document(tx, &id)?.map(|kept| as_document(&client, &kept));
            if before.is_none_or(|before| document.needs_new_consent(&before)) {
                // Agreeing to the new one must not revive what was had under the old (security case 82).
                sign_out::client(tx, ctx, &id)?;
                clients::delete_consents(tx, &id)?;
            }
            let next = with_document(client.clone(), document);
            if next != client {
                clients::update(tx, &next, ctx.now)?;
                record(tx, ctx, by, Event::ClientUpdated, &client, &next)?;
            }
        }
        None => {
            let nothing = blank(id.clone(), ClientType::Cimd, ctx.now);
            let client = with_document(nothing.clone(), document);
            clients::insert(tx, &client, None)?;
            record(tx, ctx, by, Event::ClientCreated, &nothing, &client)?;
        }
    }
    Ok(clients::set_document(tx, &id, &kept)?)
}

fn record(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    by: Option<&Admin>,
    event: Event,
    before: &Client,
    after: &Client,
) -> Result<(), Error> {
    let note = Note::about(&[("clientName", after.name.as_str()), ("clientID", after.id.as_str())]);
    let note = note.changes(&audited(before), &audited(after));
    note.record(tx, ctx, &ctx.entropy(), event, None, by.map(|admin| &admin.user().id))
}

fn with_document(mut client: Client, document: &ClientDocument) -> Client {
    client.name.clone_from(&document.name);
    client.callback_urls.clone_from(&document.redirect_uris);
    client.logout_callback_urls.clone_from(&document.post_logout_redirect_uris);
    client.is_public = true;
    client.pkce_enabled = true;
    client
}

fn as_document(client: &Client, kept: &Document) -> ClientDocument {
    ClientDocument {
        name: client.name.clone(),
        redirect_uris: client.callback_urls.clone(),
        post_logout_redirect_uris: client.logout_callback_urls.clone(),
        grants: serde_json::from_str(&kept.grant_types).unwrap_or_default(),
    }
}

/// The document of a client that an administrator wants fetched anew (api.md §16.10).
pub fn refreshable(tx: &ReadTx<'_>, site: &Snapshot, _: &Admin, id: &ClientId) -> Result<ClientIdUrl, Error> {
    let client = clients::by_id(tx, id)?.ok_or_else(|| Error::not_found("OIDC client"))?;
    if client.client_type != ClientType::Cimd {
        return Err(Error::say(Saying::NoDocument, &[]));
    }
    ClientIdUrl::parse(id.as_str())
        .and_then(|url| url.check_allowed(&site.settings.cimd_allowlist()).map(|()| url))
        .map_err(|error| unusable(&error))
}

/// Why a document can't be used, for an administrator.
pub fn unusable(error: &CimdError) -> Error {
    Error::say(Saying::BadDocument, &[("reason", &error.to_string())])
}
