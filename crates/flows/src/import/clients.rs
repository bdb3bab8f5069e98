//! OIDC clients, their secrets, groups and consents.

use std::collections::{BTreeMap, BTreeSet};

use pid_core::clients::{Client, ClientSecret, ClientType, FederatedIdentity, TOKEN_MINUTES};
use pid_core::progress::Progress;
use pid_core::{ClientId, Ctx, GroupId, Timestamp, UserId};
use pid_oidc::backchannel_logout;
use pid_oidc::redirect_uri::Purpose;
use pid_store::clients::{self as store_clients, Document};
use pid_store::{WriteTx, import as store};
use pid_upstream::{Data, Row};
use serde_json::Value;

use super::callbacks::carry;
use super::files::Files;
use super::people::hash_of_hex;
use super::report::Report;
use super::{Known, NOWHERE, fresh, made, moment, pointer, user};
use crate::Error;
use crate::client_auth::is_usable_bcrypt;
use crate::client_input::blank;

/// One client with what hangs on it.
struct Whole {
    client: Client,
    created_by: Option<UserId>,
    secrets: Vec<ClientSecret>,
    document: Option<Document>,
}

/// What a person agreed to at a client, and when that was last used.
type Consents = BTreeMap<(String, String), (Vec<String>, Timestamp)>;

#[derive(Default)]
pub(super) struct Clients {
    clients: Vec<Whole>,
    groups: Vec<(ClientId, GroupId)>,
    consents: Consents,
    /// Those of metadata documents.
    cimd: BTreeSet<String>,
}

pub(super) fn read(data: &Data, ctx: &Ctx, files: &Files, known: &mut Known, report: &mut Report) -> Clients {
    let (mut out, mut secret_ids) = (Clients::default(), BTreeSet::new());
    let restricted: BTreeSet<String> =
        data.rows("oidc_clients_allowed_user_groups").filter_map(|row| row.text("oidc_client_id")).collect();
    let says = data.tables.get("oidc_clients").is_some_and(|t| t.columns.iter().any(|c| c == "is_group_restricted"));
    for row in data.rows("oidc_clients") {
        let Some(id) = row.some_text("id") else {
            report.left("These clients have no id.", row.text("name").unwrap_or_default());
            continue;
        };
        if !known.clients.insert(id.clone()) {
            report.left("These ids of clients are there twice; the first row came.", id);
            continue;
        }
        let mut whole = client(&row, &id, ctx, known, &mut secret_ids, report);
        if whole.client.client_type == ClientType::Cimd {
            out.cimd.insert(id.clone());
        }
        if !says {
            whole.client.is_group_restricted = restricted.contains(&id);
        }
        (whole.client.has_logo, whole.client.has_dark_logo) = files.logos(&id);
        out.clients.push(whole);
    }
    for row in data.rows("oidc_clients_allowed_user_groups") {
        match (pointer(&row, "oidc_client_id", &known.clients), pointer(&row, "user_group_id", &known.groups)) {
            (Some(client), Some(group)) => out.groups.push((ClientId::new(client), GroupId::new(group))),
            _ => report.left(NOWHERE, "an allowed group of a client"),
        }
    }
    for row in data.rows("user_authorized_oidc_clients") {
        match (pointer(&row, "user_id", &known.users), pointer(&row, "client_id", &known.clients)) {
            (Some(person), Some(client)) => {
                let at = row.time("last_used_at").unwrap_or(ctx.now);
                out.consents.insert((person, client), (consented(&row), at));
            }
            _ => report.left(NOWHERE, "a consent"),
        }
    }
    report.comes("OIDC clients", out.clients.len());
    report.comes("client secrets", out.clients.iter().map(|whole| whole.secrets.len()).sum());
    report.comes("consents", out.consents.len());
    out
}

/// A JSON list; before 2.10 scopes with blanks between.
fn consented(row: &Row<'_>) -> Vec<String> {
    row.strings("scope").unwrap_or_else(|_| {
        let words = row.text("scope").unwrap_or_default();
        let words = match row.bytes("scope").and_then(|bytes| String::from_utf8(bytes).ok()) {
            // PostgreSQL and SQLite wrote text; a JSON column of later versions came as base64.
            Some(decoded) if decoded.split(' ').any(|word| word == "openid") => decoded,
            _ => words,
        };
        words.split_whitespace().map(str::to_owned).collect()
    })
}

fn client(
    row: &Row<'_>,
    id: &str,
    ctx: &Ctx,
    known: &Known,
    secret_ids: &mut BTreeSet<String>,
    report: &mut Report,
) -> Whole {
    let is_cimd = row.text("client_type").as_deref() == Some("cimd");
    let created_at = made(row, ctx);
    let mut client =
        blank(ClientId::new(id), if is_cimd { ClientType::Cimd } else { ClientType::Standard }, created_at);
    client.name = row.some_text("name").unwrap_or_else(|| id.to_owned());
    let name = client.name.clone();
    client.description = row.text("description").unwrap_or_default();
    let mut list = |column: &str| {
        row.strings(column).unwrap_or_else(|_| {
            report.left("These lists of callback addresses can't be read.", format!("{name}: {column}"));
            Vec::new()
        })
    };
    let (callbacks, logout_callbacks) = (list("callback_urls"), list("logout_callback_urls"));
    let callbacks = carry(Purpose::Redirect, callbacks, &name, report);
    let logout = carry(Purpose::PostLogout, logout_callbacks, &name, report);
    (client.callback_urls, client.logout_callback_urls) = (callbacks.entries, logout.entries);
    client.legacy_wildcards = callbacks.legacy.into_iter().chain(logout.legacy).collect();
    client.launch_url = row.some_text("launch_url");
    client.is_public = row.flag("is_public");
    client.pkce_enabled = row.flag("pkce_enabled") || client.is_public;
    client.pkce_supported = row.flag("pkce_supported");
    client.requires_reauthentication = row.flag("requires_reauthentication");
    client.requires_pushed_authorization_requests = row.flag("requires_pushed_authorization_requests");
    client.skip_consent = row.flag("skip_consent");
    client.is_group_restricted = row.flag("is_group_restricted");
    let minutes = |column: &str, usual: i64| {
        row.int(column).filter(|n| *n != 0).map_or(usual, |n| n.clamp(*TOKEN_MINUTES.start(), *TOKEN_MINUTES.end()))
    };
    client.access_token_minutes = minutes("access_token_duration_minutes", client.access_token_minutes);
    client.refresh_token_minutes = minutes("refresh_token_duration_minutes", client.refresh_token_minutes);
    let credentials = row.json("credentials").unwrap_or_else(|_| {
        report.left("The secrets of these clients can't be read.", &*name);
        None
    });
    let credentials = credentials.unwrap_or_default();
    client.federated_identities = objects(&credentials, "federatedIdentities").map(identity).collect();
    if !is_cimd && let Some(url) = backchannel_logout::taken_over(&client.logout_callback_urls, &client.callback_urls) {
        let why = "These logout callbacks look like back-channel logout addresses. Saving the client takes them over.";
        report.look(why, format!("{name}: {url}"));
    }
    let document = is_cimd.then(|| Document {
        grant_types: serde_json::to_string(&row.strings("metadata_grant_types").unwrap_or_default())
            .unwrap_or_else(|_| "[]".to_owned()),
        expires_at: row.time("metadata_expires_at").unwrap_or(Timestamp::from_millis(0)),
    });
    Whole {
        secrets: secrets(row, &credentials, &client, ctx, secret_ids, report),
        created_by: pointer(row, "created_by_id", &known.users).map(user),
        document,
        client,
    }
}

fn objects<'a>(credentials: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    credentials[name].as_array().into_iter().flatten()
}

fn text(object: &Value, name: &str) -> String {
    object[name].as_str().unwrap_or_default().to_owned()
}

fn identity(object: &Value) -> FederatedIdentity {
    FederatedIdentity {
        issuer: text(object, "issuer"),
        subject: text(object, "subject"),
        audience: text(object, "audience"),
        jwks: text(object, "jwks"),
        replay_protection: object["replayProtection"].as_bool().unwrap_or(false),
    }
}

fn secrets(
    row: &Row<'_>,
    credentials: &Value,
    client: &Client,
    ctx: &Ctx,
    ids: &mut BTreeSet<String>,
    report: &mut Report,
) -> Vec<ClientSecret> {
    let entropy = ctx.stream(&format!("secrets of {}", client.id));
    let mut out: Vec<ClientSecret> = Vec::new();
    let mut add = |algorithm: &str, text_of_hash: &str, object: &Value| {
        let hash = match algorithm {
            "sha256" => hash_of_hex(text_of_hash).map(|hash| hash.to_vec()),
            "bcrypt" if is_usable_bcrypt(text_of_hash.as_bytes()) => Some(text_of_hash.as_bytes().to_vec()),
            _ => None,
        };
        let Some(hash) = hash else {
            let why = "These clients have a secret under a hash that is not known here, or takes too long to compare.";
            report.left(why, client.name.as_str());
            return;
        };
        let Some(expires_at) = end(&object["expiresAt"]) else {
            let why = "These clients have a secret whose end can't be read, so it does not come.";
            report.left(why, client.name.as_str());
            return;
        };
        out.push(ClientSecret {
            id: fresh(ids, Some(text(object, "id")), &entropy),
            algorithm: algorithm.to_owned(),
            hash,
            prefix: text(object, "prefix"),
            created_at: moment(&object["createdAt"]).unwrap_or(client.created_at),
            expires_at,
        });
    };
    for object in objects(credentials, "secrets") {
        add(object["alg"].as_str().unwrap_or("sha256"), object["hash"].as_str().unwrap_or_default(), object);
    }
    // Before 2.14 a client had one secret, in a column of its own.
    if let Some(hash) = row.some_text("secret") {
        add("bcrypt", &hash, &Value::Null);
    }
    out
}

/// When a secret ends, if ever; `None`: nobody can say.
fn end(value: &Value) -> Option<Option<Timestamp>> {
    match value {
        Value::Null => Some(None),
        // The moment zero of Go.
        Value::String(text) if text.starts_with("0001-01-01T00:00:00") => Some(None),
        value => moment(value).map(Some),
    }
}

impl Clients {
    /// How many rows count.
    pub(super) fn rows(&self) -> usize {
        self.clients.len() + self.consents.len()
    }

    /// Adds what an app holds a living token for to what its person agreed to, should that be missing. What was agreed with
    /// an app of a metadata document was taken back when its document changed: that stays so (oidc.md §22).
    pub(super) fn agree(&mut self, person: &str, client: &str, keys: Vec<String>, at: Timestamp) {
        if self.cimd.contains(client) {
            return;
        }
        let (agreed, _) =
            self.consents.entry((person.to_owned(), client.to_owned())).or_insert_with(|| (Vec::new(), at));
        agreed.extend(keys.into_iter().filter(|key| !agreed.contains(key)).collect::<Vec<_>>());
    }
}

pub(super) fn write(tx: &WriteTx<'_>, clients: &Clients, progress: &Progress) -> Result<(), Error> {
    for whole in progress.each(&clients.clients) {
        let id = &whole.client.id;
        store_clients::insert(tx, &whole.client, whole.created_by.as_ref())?;
        if let Some(document) = &whole.document {
            store_clients::set_document(tx, id, document)?;
        }
        for secret in &whole.secrets {
            store_clients::insert_secret(tx, id, secret)?;
        }
    }
    for (client, group) in &clients.groups {
        store::allow_group(tx, client, group)?;
    }
    for ((person, client), (keys, at)) in progress.each(&clients.consents) {
        store::add_consent(tx, &user(person.as_str()), &ClientId::new(client.as_str()), keys, *at)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_ends_when_it_says_or_does_not_come() {
        let at = Some(Timestamp::from_secs(1_800_000_000));
        for (value, expected) in [
            (Value::Null, Some(None)),
            (json!("0001-01-01T00:00:00Z"), Some(None)),
            (json!("2027-01-15T08:00:00Z"), Some(at)),
            (json!(1_800_000_000), Some(at)),
            (json!("tomorrow"), None),
            (json!(""), None),
            (json!({}), None),
        ] {
            assert_eq!(end(&value), expected, "{value}");
        }
    }

    #[test]
    fn what_apps_of_metadata_documents_lost_stays_lost() {
        let document = "https://app.example/client.json";
        let mut clients = Clients { cimd: BTreeSet::from([document.to_owned()]), ..Clients::default() };
        for client in ["app", document] {
            clients.agree("ann", client, vec!["openid".to_owned()], Timestamp::from_secs(1));
        }
        assert_eq!(clients.consents.keys().map(|(_, client)| client).collect::<Vec<_>>(), ["app"]);
    }
}
