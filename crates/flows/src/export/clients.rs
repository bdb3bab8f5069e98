//! Clients, their secrets, groups and consents, APIs and access to them.

use std::collections::{BTreeMap, BTreeSet};

use pid_core::clients::{Client, ClientSecret, ClientType};
use pid_core::{ClientId, Timestamp};
use pid_store::{ReadTx, clients as store_clients, export as store};
use pid_upstream::{Cell, Data};
use serde_json::{Map, Value, json as value};

use super::{add, hex, json, some, some_time, text, time};
use crate::Error;
use crate::import::Report;

pub(super) fn read(tx: &ReadTx<'_>, data: &mut Data, report: &mut Report) -> Result<(), Error> {
    let mut secrets: BTreeMap<ClientId, Vec<ClientSecret>> = BTreeMap::new();
    for (client, secret) in store::secrets(tx)? {
        secrets.entry(client).or_default().push(secret);
    }
    let logos: BTreeMap<String, String> = store::files(tx)?.into_iter().collect();
    let clients = store::clients(tx)?;
    // Here a client outlives who made it, and its maker's id stays.
    let people: BTreeSet<String> = data.rows("users").filter_map(|row| row.text("id")).collect();
    report.comes("OIDC clients", clients.len());
    for (client, created_by) in clients {
        name_what_stays(&client, report);
        let document = store_clients::document(tx, &client.id)?;
        let grants = document.as_ref().and_then(|kept| serde_json::from_str::<Value>(&kept.grant_types).ok());
        let own = secrets.remove(&client.id).unwrap_or_default();
        let logo = |dark| {
            let kind = logos.get(&crate::client_logos::path(&client.id, dark));
            kind.and_then(|kind| super::rest::extension(kind))
        };
        let cells = vec![
            ("id", text(client.id.as_str())),
            ("created_at", time(client.created_at)),
            ("name", text(&*client.name)),
            ("callback_urls", list(&client.callback_urls)),
            ("image_type", some(logo(false))),
            ("created_by_id", some(created_by.as_deref().filter(|id| people.contains(*id)))),
            ("is_public", Cell::Bool(client.is_public)),
            ("pkce_enabled", Cell::Bool(client.pkce_enabled)),
            ("logout_callback_urls", list(&client.logout_callback_urls)),
            ("credentials", credentials(&client, &own)),
            ("launch_url", some(client.launch_url.as_deref())),
            ("requires_reauthentication", Cell::Bool(client.requires_reauthentication)),
            ("dark_image_type", some(logo(true))),
            ("is_group_restricted", Cell::Bool(client.is_group_restricted)),
            ("requires_pushed_authorization_requests", Cell::Bool(client.requires_pushed_authorization_requests)),
            ("skip_consent", Cell::Bool(client.skip_consent)),
            ("pkce_supported", Cell::Bool(client.pkce_supported)),
            ("description", text(&*client.description)),
            // There is no other that it could be.
            (
                "client_type",
                text(match client.client_type {
                    ClientType::Proxy => ClientType::Standard.as_str(),
                    other => other.as_str(),
                }),
            ),
            (
                "metadata_expires_at",
                some_time(document.map(|kept| kept.expires_at).filter(|at| *at > Timestamp::default())),
            ),
            ("metadata_grant_types", json(grants.unwrap_or(Value::Null))),
            ("access_token_duration_minutes", Cell::Int(client.access_token_minutes)),
            ("refresh_token_duration_minutes", Cell::Int(client.refresh_token_minutes)),
        ];
        add(data, "oidc_clients", cells)?;
    }
    for (client, group) in store::client_groups(tx)? {
        let cells = vec![("oidc_client_id", text(client)), ("user_group_id", text(group))];
        add(data, "oidc_clients_allowed_user_groups", cells)?;
    }
    consents(tx, data, report)?;
    apis(tx, data, report)
}

/// An empty list is written as `null` there.
fn list(entries: &[String]) -> Cell {
    json(if entries.is_empty() { Value::Null } else { value!(entries) })
}

fn credentials(client: &Client, secrets: &[ClientSecret]) -> Cell {
    let mut out = Map::new();
    if !client.federated_identities.is_empty() {
        out.insert("federatedIdentities".to_owned(), value!(client.federated_identities));
    }
    let secrets: Vec<Value> = secrets
        .iter()
        .map(|secret| {
            let hash = match secret.algorithm.as_str() {
                "sha256" => hex(&secret.hash),
                _ => String::from_utf8_lossy(&secret.hash).into_owned(),
            };
            let created_at = secret.created_at.to_string();
            let mut out = value!({ "id": secret.id, "alg": secret.algorithm, "hash": hash, "createdAt": created_at });
            if !secret.prefix.is_empty() {
                out["prefix"] = value!(secret.prefix);
            }
            if let Some(at) = secret.expires_at {
                out["expiresAt"] = value!(at.to_string());
            }
            out
        })
        .collect();
    if !secrets.is_empty() {
        out.insert("secrets".to_owned(), value!(secrets));
    }
    json(Value::Object(out))
}

/// What clients have here and can't have there.
fn name_what_stays(client: &Client, report: &mut Report) {
    let hour = client.id_token_minutes.is_none_or(|minutes| minutes == 60);
    let is_cimd = client.client_type == ClientType::Cimd;
    for (has, why) in [
        (
            client.client_type == ClientType::Proxy,
            "These apps are behind a proxy that asks here; there nobody can sign in to them.",
        ),
        (client.signing_alg.is_some(), "These clients choose an algorithm; there all tokens have the instance's."),
        (!hour, "The lifetime of the ID tokens of these clients is an hour there."),
        (client.claim_mapping.is_some(), "These clients map claims; there they get them as they are."),
        (
            client.jwks.is_some() || client.jwks_uri.is_some(),
            "These clients have keys of their own, which don't count there.",
        ),
        (
            client.auth_method.is_some() && !is_cimd,
            "These clients are held to one way of authentication; there any goes.",
        ),
        (
            client.dpop_bound_access_tokens,
            "The tokens of these clients are bound to keys (DPoP); there is no such thing there.",
        ),
        (
            client.backchannel_logout_url.is_some(),
            "These clients are told of sign-outs (back-channel logout); not there.",
        ),
    ] {
        if has {
            report.left(why, client.name.as_str());
        }
    }
}

fn consents(tx: &ReadTx<'_>, data: &mut Data, report: &mut Report) -> Result<(), Error> {
    let consents = store::consents(tx)?;
    report.comes("consents", consents.len());
    for mut consent in consents {
        // Single claims are asked for here alone; their keys begin with the separator.
        consent.keys.retain(|key| !key.starts_with('\u{1f}'));
        let cells = vec![
            ("scope", json(consent.keys)),
            ("user_id", text(consent.user_id)),
            ("client_id", text(consent.client_id)),
            ("last_used_at", time(consent.last_used_at)),
        ];
        add(data, "user_authorized_oidc_clients", cells)?;
    }
    Ok(())
}

fn apis(tx: &ReadTx<'_>, data: &mut Data, report: &mut Report) -> Result<(), Error> {
    let apis = store::apis(tx)?;
    report.comes("APIs", apis.len());
    for api in apis {
        if api.signing_alg.is_some() || api.resource_server.is_some() {
            report.left(
                "These APIs have an algorithm or a resource server of their own, which there is no place for.",
                &*api.name,
            );
        }
        let cells = vec![
            ("id", text(api.id.as_str())),
            ("created_at", time(api.created_at)),
            ("name", text(&*api.name)),
            ("audience", text(&*api.resource)),
            ("allow_cimd_clients", Cell::Bool(api.allow_cimd_clients)),
        ];
        add(data, "apis", cells)?;
        for permission in api.permissions {
            let cells = vec![
                ("id", text(permission.id.as_str())),
                ("created_at", time(api.created_at)),
                ("api_id", text(api.id.as_str())),
                ("key", text(permission.key)),
                ("name", text(permission.name)),
                ("description", some(permission.description.as_deref())),
                ("allowed_for_cimd_clients", Cell::Bool(permission.allowed_for_cimd_clients)),
            ];
            add(data, "api_permissions", cells)?;
        }
    }
    for (table, column, rows) in [
        ("oidc_clients_allowed_apis", "api_id", store::api_grants(tx)?),
        ("oidc_clients_allowed_api_permissions", "api_permission_id", store::api_permissions(tx)?),
    ] {
        for (client, id, subject) in rows {
            add(
                data,
                table,
                vec![("oidc_client_id", text(client)), (column, text(id)), ("subject_type", text(subject))],
            )?;
        }
    }
    Ok(())
}
