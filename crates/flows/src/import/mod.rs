//! Moving in from Pocket ID: what its rows mean here.
//!
//! A [`Plan`] is made of the data alone, so that a dry run can print what would come; [`apply`] carries it out in one
//! transaction that first removes everything. Each family of tables has a file. They are read tolerantly: of the schema's
//! versions since the first export (ops.md §5.6) each has its columns somewhere else, and what is missing, empty or points
//! nowhere is named in the [`Report`] and never stops the rest. Only what would make the move worthless stops it: keys that
//! don't open.

mod apis;
mod audit;
mod callbacks;
mod clients;
mod files;
mod keys;
mod people;
mod report;
mod scim;
mod settings;
mod short_lived;
pub(crate) mod tokens;

use std::collections::BTreeSet;

use pid_core::ids::STATIC_API_USER;
use pid_core::progress::{Progress, Unit};
use pid_core::{Ctx, Entropy, Timestamp, UserId};
use pid_jose::Zeroizing;
use pid_store::{WriteTx, import as store, instance, users};
use pid_upstream::{Data, Row, parse_time};
use serde_json::Value;

use crate::Error;
use crate::keys::KeySealer;
use crate::users::create_static_api_user;

pub(crate) use files::metadata_name;
pub use keys::Refusal;
pub use report::Report;
pub(crate) use settings::field_name;
pub(crate) use tokens::refresh_token;

/// The keys of both sides.
pub struct Keys {
    /// `ENCRYPTION_KEY` there; `None`: go without what is encrypted.
    pub source: Option<Zeroizing<Vec<u8>>>,
    /// Seals signing keys here.
    pub sealer: KeySealer,
    /// Seals sign-up tokens here.
    pub signup_token_key: [u8; 32],
    /// Seals bearer tokens of SCIM servers here.
    pub scim_token_key: [u8; 32],
    /// Seals what proves refresh tokens that were made there.
    pub imported_tokens_key: [u8; 32],
}

/// Everything that will be stored.
pub struct Plan {
    people: people::People,
    clients: clients::Clients,
    apis: apis::Apis,
    scim: Vec<pid_store::scim::Provider>,
    settings: Vec<(&'static str, String)>,
    keys: keys::Own,
    tokens: tokens::Tokens,
    short_lived: short_lived::ShortLived,
    audit: Vec<pid_core::audit::Entry>,
    files: files::Files,
    /// The host that passkeys are for.
    rp_id: String,
}

/// The ids that come, so that nothing points nowhere.
#[derive(Default)]
struct Known {
    users: BTreeSet<String>,
    groups: BTreeSet<String>,
    clients: BTreeSet<String>,
}

const NOWHERE: &str = "These rows point at somebody or something that is not in the data, so they mean nothing.";

/// Makes the plan.
///
/// # Errors
/// [`Refusal`]: the import would be worthless.
pub fn plan(data: &Data, keys: &Keys, ctx: &Ctx, rp_id: &str, report: &mut Report) -> Result<Plan, Refusal> {
    let mut known = Known::default();
    let settings = settings::read(data, report);
    let people = people::read(data, &settings, ctx, &mut known, report);
    let files = files::read(data, &known, report);
    let mut clients = clients::read(data, ctx, &files, &mut known, report);
    let apis = apis::read(data, ctx, &known, report);
    let scim = scim::read(data, keys, ctx, &known, report);
    let own = keys::read(data, keys, ctx, report)?;
    let tokens = tokens::read(data, keys, ctx, &known, &apis, report);
    for (person, client, keys, at) in tokens.consents() {
        clients.agree(&person, &client, keys, at);
    }
    let short_lived = short_lived::read(data, keys, ctx, &known, report);
    let audit = audit::read(data, &people, report);
    tell_of_issuer(data, rp_id, report);
    for name in pid_upstream::unknown(data).into_iter().chain(data.unread.iter().cloned()) {
        report.left("This program doesn't know these parts of the data; a newer one may.", name);
    }
    if is_newer(data) {
        let release = pid_upstream::release(data.version);
        report.look("The data is newer than this program knows. It was read as far as it is known.", release);
    }
    Ok(Plan {
        people,
        clients,
        apis,
        scim,
        settings,
        keys: own,
        tokens,
        short_lived,
        audit,
        files,
        rp_id: rp_id.to_owned(),
    })
}

/// Whether the data may hold what this program doesn't know.
#[must_use]
pub const fn is_newer(data: &Data) -> bool {
    data.version > pid_upstream::VERSION
}

/// Passkeys work at one host only; tokens of there say which it was.
fn tell_of_issuer(data: &Data, rp_id: &str, report: &mut Report) {
    let issuer = data.rows("oauth2_sessions").find_map(|row| {
        let data = row.json("request_data").ok()??;
        data["session"]["id_token_claims"]["iss"].as_str().map(str::to_owned)
    });
    let Some(url) = issuer.as_deref().and_then(|issuer| url::Url::parse(issuer).ok()) else { return };
    if url.host_str().is_some_and(|host| host != rp_id) {
        let why = "Passkeys work at the host only that they were made for, and APP_URL has another one here.";
        report.look(why, format!("there: {url}, here: {rp_id}"));
    }
}

/// Replaces everything by what was planned.
///
/// # Errors
/// Faults of the store alone: then nothing was done.
pub fn apply(tx: &WriteTx<'_>, ctx: &Ctx, plan: &Plan, progress: &Progress) -> Result<(), Error> {
    let static_user = user(STATIC_API_USER);
    let with_static_user = users::by_id(tx, &static_user)?.is_some();
    progress.begin("Removing what was there");
    store::clear(tx)?;
    let rows = plan.people.rows() + plan.clients.rows() + plan.tokens.rows() + plan.audit.len() + plan.files.rows();
    progress.count("Storing everything", Unit::Rows, rows as u64);
    people::write(tx, &plan.people, progress)?;
    // The server makes it at its start; one that runs goes on with it.
    if with_static_user && users::by_id(tx, &static_user)?.is_none() {
        create_static_api_user(tx, ctx, &ctx.stream("static"))?;
    }
    clients::write(tx, &plan.clients, progress)?;
    apis::write(tx, &plan.apis)?;
    scim::write(tx, &plan.scim)?;
    settings::write(tx, &plan.settings)?;
    keys::write(tx, &plan.keys)?;
    tokens::write(tx, &plan.tokens, progress)?;
    short_lived::write(tx, &plan.short_lived)?;
    audit::write(tx, &plan.audit, progress)?;
    files::write(tx, ctx, &plan.files, progress)?;
    instance::put(tx, "rp_id", &plan.rp_id)?;
    Ok(())
}

/// A column that names somebody or something that comes.
fn pointer(row: &Row<'_>, column: &str, known: &BTreeSet<String>) -> Option<String> {
    row.text(column).filter(|id| known.contains(id))
}

/// An id that no row of its kind had before: the row's own, or a new one.
fn fresh(taken: &mut BTreeSet<String>, own: Option<String>, entropy: &Entropy) -> String {
    let id = own.filter(|id| !id.is_empty() && !taken.contains(id)).unwrap_or_else(|| entropy.uuid());
    taken.insert(id.clone());
    id
}

/// When a row was made; now, if nobody knows.
fn made(row: &Row<'_>, ctx: &Ctx) -> Timestamp {
    row.time("created_at").unwrap_or(ctx.now)
}

/// A moment in JSON: text, or Unix seconds.
fn moment(value: &Value) -> Option<Timestamp> {
    match value {
        Value::String(text) => parse_time(text),
        Value::Number(n) => n.as_i64().and_then(|n| parse_time(&n.to_string())),
        _ => None,
    }
}

/// Ids of people from texts.
fn user(id: impl Into<String>) -> UserId {
    UserId::new(id)
}
