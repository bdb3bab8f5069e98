//! Provisioning by SCIM (api.md §24.1, oidc.md §27): where a client's people and groups are written to. What is done there
//! is in [`run`].

pub mod run;

use pid_core::audit::Event;
use pid_core::clients::Client;
use pid_core::secret::Secret;
use pid_core::{ClientId, Ctx, FieldCode, Fields, Timestamp};
use pid_integrations::scim::check_endpoint;
use pid_store::scim::{self, Provider};
use pid_store::{ReadTx, StoreError, WriteTx, clients};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::{Position, Url};

use crate::access::Admin;
use crate::audit::Note;
use crate::change::{Change, check_version};
use crate::env::Env;
use crate::roles::ReadsAll;
use crate::settings::MASK;
use crate::{Code, Error};

pub use run::Report;

/// Changes wait until nothing has changed for so long, but not longer than [`MOST_SECS`] after the first; seconds.
pub const QUIET_SECS: i64 = 15;
/// See [`QUIET_SECS`].
pub const MOST_SECS: i64 = 120;
/// Between two full runs, seconds.
pub const FULL_SECS: i64 = 3600;
/// After a change nobody begins for so long while a run is under way: it notices and ends its requests. Seconds.
const ENDING_SECS: i64 = 5;
/// The longest token.
const MAX_TOKEN: usize = 4096;

/// What an administrator says of a provider (api.md §24.1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(rename = "ScimProviderInput", extend("required" = ["endpoint", "oidcClientId"]))]
pub struct ScimInput {
    /// The base address of the application's SCIM server.
    pub endpoint: String,
    /// The bearer token; empty: none. What a reader gets in its place leaves it as it is, as long as the address stays.
    pub token: String,
    /// The client whose people and groups are written there.
    pub oidc_client_id: String,
    /// Ours: who may not enter any more is deactivated there and never deleted. A group that goes is deleted, if it was
    /// created from here.
    pub deactivate_instead_of_delete: bool,
}

/// A provider as administrators see it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// What is stored.
    pub provider: Provider,
    /// The client.
    pub client: Client,
    /// The last run; `None`: there was none yet.
    pub report: Option<Report>,
}

impl Shown {
    fn read(tx: &ReadTx<'_>, provider: Provider) -> Result<Self, Error> {
        let client = clients::by_id(tx, &provider.client_id)?.ok_or_else(not_found)?;
        let provider = scim::told(tx, provider)?;
        Ok(Self { report: Report::of(&provider), provider, client })
    }

    /// What stands for the token: it is never shown (security case 78).
    pub fn token(&self) -> &'static str {
        if self.provider.sealed_token.is_some() { MASK } else { "" }
    }

    /// When it is written to next; `None`: right now.
    pub fn next_at(&self) -> Timestamp {
        let waits = self.provider.first_change_at.map(|first| first.plus_secs(MOST_SECS));
        let quiet = self.provider.last_change_at.map(|last| last.plus_secs(QUIET_SECS));
        let due = [Some(self.provider.full_at), waits, quiet].into_iter().flatten().min();
        due.unwrap_or(self.provider.full_at).max(self.provider.not_before)
    }

    /// Whether a run is under way.
    pub fn is_running(&self, now: Timestamp) -> bool {
        !self.provider.holder.is_empty() && self.provider.held_until >= now
    }
}

fn not_found() -> Error {
    Error::not_found("SCIM service provider")
}

fn find(tx: &ReadTx<'_>, id: &str) -> Result<Provider, Error> {
    scim::by_id(tx, id)?.ok_or_else(not_found)
}

fn unique(error: StoreError) -> Error {
    match error {
        StoreError::UniqueViolation { .. } => {
            Error::with(Code::AlreadyInUse, "This client has a SCIM provider already")
                .detail("property", "oidcClientId")
        }
        other => other.into(),
    }
}

/// A client's provider.
pub fn of_client(tx: &ReadTx<'_>, _: &ReadsAll, client: &ClientId) -> Result<Shown, Error> {
    Shown::read(tx, scim::of_client(tx, client)?.ok_or_else(not_found)?)
}

/// The same for its page, which may find none.
pub fn on_page(tx: &ReadTx<'_>, _: &ReadsAll, client: &ClientId) -> Result<Option<Shown>, Error> {
    scim::of_client(tx, client)?.map(|provider| Shown::read(tx, provider)).transpose()
}

fn check(input: &ScimInput, has_token: bool) -> Result<(), Error> {
    let mut fields = Fields::new();
    if input.endpoint.is_empty() {
        fields.refuse("endpoint", FieldCode::Required, "must not be empty");
    } else if let Err(why) = check_endpoint(&input.endpoint) {
        fields.refuse("endpoint", FieldCode::InvalidFormat, why);
    }
    if input.token.len() > MAX_TOKEN {
        fields.refuse("token", FieldCode::TooLong, "must have at most 4096 characters");
    } else if !input.token.bytes().all(|b| b.is_ascii_graphic()) {
        fields.refuse("token", FieldCode::Printascii, "must be printable ASCII without blanks");
    }
    if input.token == MASK && !has_token {
        fields.refuse("token", FieldCode::Required, "must be entered: there is none yet that could be kept");
    }
    if input.oidc_client_id.is_empty() {
        fields.refuse("oidcClientId", FieldCode::Required, "must not be empty");
    }
    Ok(fields.finish()?)
}

/// Seals a token for a provider's row.
pub(crate) fn seal(key: &[u8; 32], id: &str, token: &str) -> Result<Option<Vec<u8>>, Error> {
    if token.is_empty() {
        return Ok(None);
    }
    pid_jose::seal(key, id.as_bytes(), token.as_bytes()).map(Some).map_err(Error::internal)
}

/// Opens the token of a provider's row.
pub(crate) fn open(key: &[u8; 32], provider: &Provider) -> Result<Option<Secret>, Error> {
    let Some(sealed) = &provider.sealed_token else { return Ok(None) };
    let opened = pid_jose::open(key, provider.id.as_bytes(), sealed).map_err(Error::internal)?;
    Ok(Some(Secret::new(std::str::from_utf8(&opened).map_err(Error::internal)?)))
}

/// A new provider; its first run comes soon.
pub(crate) fn fresh(id: String, client: ClientId, endpoint: String, now: Timestamp) -> Provider {
    Provider {
        id,
        client_id: client,
        endpoint,
        sealed_token: None,
        deactivates: false,
        created_at: now,
        version: 1,
        last_synced_at: None,
        full_at: now.plus_secs(QUIET_SECS),
        not_before: Timestamp::default(),
        failures: 0,
        first_change_at: None,
        last_change_at: None,
        holder: String::new(),
        held_until: Timestamp::default(),
        started_at: None,
        report: String::new(),
    }
}

/// The same address whether or not it ends with a slash: its requests are the same.
fn without_slash(mut url: Url) -> Url {
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty();
    }
    url
}

/// Which target an address is of: the same without TLS and with it, if both are where they usually are.
fn place(url: &Url) -> (Option<&str>, Option<u16>, &str, Option<&str>) {
    (url.host_str(), url.port(), url.path(), url.query())
}

/// What the audit log may know of an address: the rest may be what lets one in.
fn public(endpoint: &str) -> String {
    Url::parse(endpoint).map_or(String::new(), |url| url[..Position::BeforePath].to_owned())
}

fn note(shown: &Shown) -> Note {
    Note::about(&[("clientName", &shown.client.name), ("clientID", shown.client.id.as_str())])
}

/// Makes a provider. A client has one at most.
pub fn create(tx: &WriteTx<'_>, ctx: &Ctx, env: &Env, admin: &Admin, input: &ScimInput) -> Result<Shown, Error> {
    check(input, false)?;
    let client = ClientId::new(input.oidc_client_id.as_str());
    clients::by_id(tx, &client)?.ok_or_else(|| Error::not_found("OIDC client"))?;
    let id = ctx.entropy().uuid();
    let provider = Provider {
        sealed_token: seal(&env.scim_token_key, &id, &input.token)?,
        deactivates: input.deactivate_instead_of_delete,
        ..fresh(id, client, input.endpoint.clone(), ctx.now)
    };
    scim::insert(tx, &provider).map_err(unique)?;
    let shown = Shown::read(tx, provider)?;
    let note = note(&shown).change("endpoint", "", &public(&input.endpoint));
    let note = if input.token.is_empty() { note } else { note.with("token", "none → set") };
    note.record(tx, ctx, &ctx.stream("audit"), Event::ScimProviderCreated, None, Some(&admin.user().id))?;
    Ok(shown)
}

/// Changes a provider. Its token is not given to another address (security case 77), and what was written to another
/// target is forgotten: ids mean nothing elsewhere.
pub fn update(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    env: &Env,
    admin: &Admin,
    id: &str,
    change: &Change<ScimInput>,
    if_match: Option<i64>,
) -> Result<Shown, Error> {
    let current = find(tx, id)?;
    check_version(if_match, current.version)?;
    let before = Shown::read(tx, current.clone())?;
    let input = change.apply(&ScimInput {
        endpoint: current.endpoint.clone(),
        token: before.token().to_owned(),
        oidc_client_id: current.client_id.as_str().to_owned(),
        deactivate_instead_of_delete: current.deactivates,
    })?;
    check(&input, current.sealed_token.is_some())?;
    let client = ClientId::new(input.oidc_client_id.as_str());
    clients::by_id(tx, &client)?.ok_or_else(|| Error::not_found("OIDC client"))?;
    let [from, to] = [&current.endpoint, &input.endpoint].map(|text| Url::parse(text).ok().map(without_slash));
    let moves = from != to;
    let keeps_token = current.sealed_token.is_some() && input.token == MASK;
    if moves && keeps_token {
        return Err(Error::field(
            "token",
            FieldCode::Required,
            "must be entered again, because the address has changed",
        ));
    }
    let sealed_token =
        if keeps_token { current.sealed_token.clone() } else { seal(&env.scim_token_key, id, &input.token)? };
    let word = |there: bool| if there { "set" } else { "none" };
    let token = match (current.sealed_token.is_some(), sealed_token.is_some()) {
        _ if keeps_token => String::new(),
        (false, false) => String::new(),
        (true, true) => "set → replaced".to_owned(),
        (before, after) => format!("{} → {}", word(before), word(after)),
    };
    let next = Provider {
        client_id: client,
        endpoint: input.endpoint.clone(),
        sealed_token,
        deactivates: input.deactivate_instead_of_delete,
        full_at: ctx.now.plus_secs(QUIET_SECS),
        ..current.clone()
    };
    scim::update(tx, &next, ctx.now, ctx.now.plus_secs(ENDING_SECS)).map_err(unique)?;
    if moves && from.as_ref().map(place) != to.as_ref().map(place) {
        scim::forget_target(tx, id)?;
    }
    let shown = Shown::read(tx, find(tx, id)?)?;
    let note = note(&shown)
        .change("endpoint", &public(&current.endpoint), &public(&next.endpoint))
        .change("oidcClientId", current.client_id.as_str(), next.client_id.as_str())
        .change("deactivateInsteadOfDelete", &current.deactivates.to_string(), &next.deactivates.to_string());
    let same_place = public(&current.endpoint) == public(&next.endpoint);
    let note = if moves && same_place { note.with("endpoint", "changed") } else { note };
    let note = if token.is_empty() { note } else { note.with("token", &token) };
    note.record(tx, ctx, &ctx.stream("audit"), Event::ScimProviderUpdated, None, Some(&admin.user().id))?;
    Ok(shown)
}

/// Deletes a provider. What it wrote is left where it is.
pub fn delete(tx: &WriteTx<'_>, ctx: &Ctx, admin: &Admin, id: &str, if_match: Option<i64>) -> Result<(), Error> {
    let provider = find(tx, id)?;
    check_version(if_match, provider.version)?;
    let shown = Shown::read(tx, provider)?;
    scim::delete(tx, id)?;
    let note = note(&shown).change("endpoint", &public(&shown.provider.endpoint), "");
    note.record(tx, ctx, &ctx.stream("audit"), Event::ScimProviderDeleted, None, Some(&admin.user().id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_the_same_by_host_port_path_and_query() {
        let at = |text: &str| without_slash(Url::parse(text).unwrap());
        let base = at("https://app.example/scim/v2");
        assert_eq!(at("https://APP.example:443/scim/v2/"), base);
        assert_eq!(at("https://app.example/"), at("https://app.example"));
        let plain = at("http://app.example/scim/v2/");
        assert!(plain != base && place(&plain) == place(&base));
        for other in ["https://app.example/scim", "https://app.example:8443/scim/v2", "https://app.example/scim/v2?t=1"]
        {
            assert_ne!(place(&at(other)), place(&base), "{other}");
        }
    }
}
