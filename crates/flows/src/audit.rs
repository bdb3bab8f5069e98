//! Writing and reading the audit log.

use std::collections::BTreeMap;

use pid_core::audit::{Entry, Event};
use pid_core::list::{ListRequest, Page};
use pid_core::{Ctx, Entropy, Timestamp, UserId};
use pid_store::audit::{self, NewEntry, Place};
use pid_store::{ReadTx, WriteTx};
use serde::Serialize;
use serde_json::Value;

use crate::Error;
use crate::access::{Admin, SignedIn};

/// Writes an entry about a person, in the transaction of its cause. `actor` is named when somebody else
/// did it. `data` must not hold secrets.
pub fn record(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    entropy: &Entropy,
    event: Event,
    user: Option<&UserId>,
    actor: Option<&UserId>,
    data: &[(&str, &str)],
) -> Result<(), Error> {
    let client_name = data.iter().find(|(key, _)| *key == "clientName").map(|(_, name)| *name);
    let data: serde_json::Map<String, serde_json::Value> =
        data.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect();
    let data = serde_json::Value::Object(data).to_string();
    let (id, place) = (entropy.uuid_at(ctx.now), place(&ctx.ip_address));
    Ok(audit::insert(tx, ctx, NewEntry { id: &id, place: &place, event, user, actor, client_name, data: &data })?)
}

/// What a change did, for the entry about it: each member that differs, as "before → after". `secret` members are named,
/// never shown.
pub fn changes(before: &impl Serialize, after: &impl Serialize, secret: &[&str]) -> Vec<(String, String)> {
    let object = |value: serde_json::Result<Value>| match value {
        Ok(Value::Object(map)) => map,
        _ => serde_json::Map::new(),
    };
    let (before, after) = (object(serde_json::to_value(before)), object(serde_json::to_value(after)));
    let text = |value: Option<&Value>| match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| {
            let shown = if secret.contains(&name.as_str()) {
                "changed".to_owned()
            } else {
                format!("{} → {}", text(before.get(name)), text(after.get(name)))
            };
            (name.clone(), shown)
        })
        .collect()
}

/// A page of the caller's entries (api.md §19.1).
pub fn list_own(tx: &ReadTx<'_>, who: &SignedIn, request: &ListRequest) -> Result<Page<Entry>, Error> {
    Ok(audit::list_of_user(tx, &who.user().id, request)?)
}

/// A page of everybody's entries (api.md §19.2).
pub fn list_all(tx: &ReadTx<'_>, _: &Admin, request: &ListRequest) -> Result<Page<Entry>, Error> {
    Ok(audit::list(tx, request)?)
}

/// The next entries of an export.
pub fn after(tx: &ReadTx<'_>, _: &Admin, at: Timestamp, id: &str, limit: i64) -> Result<Vec<Entry>, Error> {
    Ok(audit::after(tx, at, id, limit)?)
}

/// Names of clients that entries speak of (api.md §19.3).
pub fn client_names(tx: &ReadTx<'_>, _: &Admin) -> Result<Vec<String>, Error> {
    Ok(audit::client_names(tx)?)
}

/// People that entries speak of (api.md §19.4).
pub fn users(tx: &ReadTx<'_>, _: &Admin) -> Result<BTreeMap<String, String>, Error> {
    Ok(audit::users(tx)?)
}

/// Names private, loopback and Tailscale addresses (api.md §10.1); others stay unknown.
pub fn place(ip_address: &str) -> Place {
    let lan = |city: &str| Place { country: "Internal Network".to_owned(), city: city.to_owned() };
    match ip_address.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(v4)) if v4.octets()[0] == 100 && (64..128).contains(&v4.octets()[1]) => {
            lan("Tailscale")
        }
        Ok(std::net::IpAddr::V4(v4)) if v4.is_private() || v4.is_loopback() || v4.is_link_local() => lan("LAN"),
        Ok(std::net::IpAddr::V6(v6)) if v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local() => {
            lan("LAN")
        }
        _ => Place::default(),
    }
}
