//! API keys: always the caller's own (api.md §18). A key is made and renewed from a session only, so a key that leaked
//! can't outlive its end; any key may delete, itself included.

use pid_core::api_keys::{ApiKey, Scope};
use pid_core::audit::Event;
use pid_core::list::{ListRequest, Page};
use pid_core::notices::Notice;
use pid_core::secret::{Secret, sha256};
use pid_core::settings::Settings;
use pid_core::validate::nfc;
use pid_core::{ApiKeyId, Ctx, Entropy, FieldCode, Fields, Timestamp};
use pid_store::{ReadTx, WriteTx, api_keys, users};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::access::{SessionUser, SignedIn};
use crate::audit::Note;
use crate::change::{Change, check_version};
use crate::mail::{self, Mail, Message};
use crate::{Code, Error, notices};

/// What a new key shall be.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["name", "expiresAt"]))]
pub struct ApiKeyInput {
    /// 3–50 characters.
    pub name: String,
    /// At most 255 characters.
    pub description: Option<String>,
    /// In the future.
    pub expires_at: Option<Timestamp>,
    /// None: no limits.
    pub scopes: Vec<Scope>,
}

/// What of a key can be changed.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ApiKeyWords {
    /// As in [`ApiKeyInput`].
    pub name: String,
    /// As in [`ApiKeyInput`].
    pub description: Option<String>,
}

impl ApiKeyWords {
    fn new(name: &str, description: Option<&str>) -> Self {
        Self { name: nfc(name.trim()), description: description.map(nfc) }
    }

    fn check(&self) -> Fields {
        let mut fields = Fields::new();
        fields.length("name", &self.name, 3, 50);
        fields.length("description", self.description.as_deref().unwrap_or_default(), 0, 255);
        fields
    }
}

/// A key with its value, which is shown once.
#[derive(Debug)]
pub struct NewKey {
    /// The key.
    pub key: ApiKey,
    /// What goes into `X-API-Key`.
    pub value: Secret,
}

/// A page of the caller's keys.
pub fn list(tx: &ReadTx<'_>, who: &SignedIn, request: &ListRequest) -> Result<Page<ApiKey>, Error> {
    Ok(api_keys::list(tx, &who.user().id, request)?)
}

fn find(tx: &ReadTx<'_>, who: &SignedIn, id: &ApiKeyId) -> Result<ApiKey, Error> {
    api_keys::by_id(tx, id, &who.user().id)?.ok_or_else(|| Error::new(Code::ApiKeyNotFound))
}

/// One of the caller's keys.
pub fn get(tx: &ReadTx<'_>, who: &SignedIn, id: &ApiKeyId) -> Result<ApiKey, Error> {
    find(tx, who, id)
}

fn value(entropy: &Entropy) -> Secret {
    Secret::new(entropy.text(pid_core::entropy::ALPHANUMERIC, 32))
}

fn future(at: Option<Timestamp>, now: Timestamp) -> Result<Timestamp, Error> {
    let refuse = |code, message| {
        let field = Error::field("expiresAt", code, message);
        Error { code: Code::InvalidApiKeyExpiration, ..field }
    };
    match at {
        None => Err(Error::field("expiresAt", FieldCode::Required, "must not be empty")),
        Some(at) if at <= now => Err(refuse(FieldCode::InvalidValue, "must be in the future")),
        Some(at) => Ok(at),
    }
}

/// Makes a key.
pub fn create(tx: &WriteTx<'_>, ctx: &Ctx, who: &SessionUser, input: &ApiKeyInput) -> Result<NewKey, Error> {
    let words = ApiKeyWords::new(&input.name, input.description.as_deref());
    let mut fields = words.check();
    if input.expires_at.is_none() {
        fields.refuse("expiresAt", FieldCode::Required, "must not be empty");
    }
    fields.finish()?;
    let expires_at = future(input.expires_at, ctx.now)?;
    let entropy = ctx.entropy();
    let mut scopes = input.scopes.clone();
    scopes.dedup();
    let key = ApiKey {
        id: ApiKeyId::generate(&entropy),
        user_id: who.user().id.clone(),
        name: words.name,
        description: words.description,
        scopes,
        expires_at,
        last_used_at: None,
        created_at: ctx.now,
        expiration_email_sent: false,
        version: 1,
    };
    let value = value(&entropy);
    api_keys::insert(tx, &key, &sha256(value.expose().as_bytes()))?;
    record(tx, ctx, &entropy, Event::ApiKeyCreated, &key, |note| {
        let nothing = serde_json::json!({ "scopes": [] });
        note.change("expiresAt", "", &expires_at.to_string())
            .changes(&nothing, &serde_json::json!({ "scopes": key.scopes }))
    })?;
    Ok(NewKey { key, value })
}

/// Gives an expired key a new value and end.
pub fn renew(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    who: &SessionUser,
    id: &ApiKeyId,
    expires_at: Option<Timestamp>,
) -> Result<NewKey, Error> {
    let mut key = api_keys::by_id(tx, id, &who.user().id)?.ok_or_else(|| Error::new(Code::ApiKeyNotFound))?;
    let expires_at = future(expires_at, ctx.now)?;
    if key.expires_at > ctx.now {
        return Err(Error::new(Code::ApiKeyNotExpired));
    }
    let entropy = ctx.entropy();
    let value = value(&entropy);
    api_keys::renew(tx, id, &sha256(value.expose().as_bytes()), expires_at)?;
    let before = std::mem::replace(&mut key.expires_at, expires_at);
    key.expiration_email_sent = false;
    key.version += 1;
    record(tx, ctx, &entropy, Event::ApiKeyRenewed, &key, |note| {
        note.change("expiresAt", &before.to_string(), &expires_at.to_string())
    })?;
    Ok(NewKey { key, value })
}

/// Changes a key's name and description: what it may do and its end stay.
pub fn update(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    who: &SignedIn,
    id: &ApiKeyId,
    change: &Change<ApiKeyWords>,
    if_match: Option<i64>,
) -> Result<ApiKey, Error> {
    let mut key = find(tx, who, id)?;
    check_version(if_match, key.version)?;
    let before = ApiKeyWords { name: key.name.clone(), description: key.description.clone() };
    let wanted = change.apply(&before)?;
    let words = ApiKeyWords::new(&wanted.name, wanted.description.as_deref());
    words.check().finish()?;
    (key.name, key.description) = (words.name.clone(), words.description.clone());
    api_keys::describe(tx, &key)?;
    key.version += 1;
    record(tx, ctx, &ctx.entropy(), Event::ApiKeyUpdated, &key, |note| note.changes(&before, &words))?;
    Ok(key)
}

/// Deletes a key.
pub fn delete(tx: &WriteTx<'_>, ctx: &Ctx, who: &SignedIn, id: &ApiKeyId, if_match: Option<i64>) -> Result<(), Error> {
    let key = find(tx, who, id)?;
    check_version(if_match, key.version)?;
    api_keys::delete(tx, id, &key.user_id)?;
    record(tx, ctx, &ctx.entropy(), Event::ApiKeyDeleted, &key, |note| note)
}

fn record(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    entropy: &Entropy,
    event: Event,
    key: &ApiKey,
    changed: impl FnOnce(Note) -> Note,
) -> Result<(), Error> {
    let note = Note::about(&[("apiKeyName", key.name.as_str()), ("apiKeyID", key.id.as_str())]);
    changed(note).record(tx, ctx, entropy, event, Some(&key.user_id), None)
}

/// Days before its end on which a key's owner is told.
const WARN_DAYS: i64 = 7;

/// Whether there are keys whose owners have to be told that they will expire.
pub fn any_expiring(tx: &ReadTx<'_>, now: Timestamp) -> Result<bool, Error> {
    Ok(!api_keys::expiring(tx, now, now.plus_secs(WARN_DAYS * 86_400))?.is_empty())
}

/// Tells the owners of keys that expire within a week, once per key (api.md §10.2).
pub fn tell_of_expiry(tx: &WriteTx<'_>, ctx: &Ctx, settings: &Settings) -> Result<(), Error> {
    for key in api_keys::expiring(tx, ctx.now, ctx.now.plus_secs(WARN_DAYS * 86_400))? {
        api_keys::told(tx, &key.id)?;
        let Some(owner) = users::by_id(tx, &key.user_id)?.filter(|owner| !owner.disabled) else { continue };
        let message = Message::ApiKeyExpiring { key: key.name.clone(), at: key.expires_at };
        if notices::wants(tx, settings, &owner, Notice::ApiKeyExpiry)? {
            mail::send_as(tx, ctx, settings, &format!("key {}", key.id), Mail::to(&owner, message))?;
        }
    }
    Ok(())
}
