//! The file of what is there: carried out, it changes nothing. Secrets are not in it.

use std::collections::BTreeMap;

use pid_core::clients::ClientType;
use pid_core::ids::STATIC_API_USER;
use pid_core::settings::{Rule, SETTINGS, Setting};
use pid_store::{ReadTx, claims, clients as store_clients, export, groups as store_groups, settings};
use serde_json::{Map, Value};

use super::file::{ClientDeclared, Declaration, GroupDeclared, UserDeclared};
use crate::client_input::{self, ClientInput};
use crate::clients::ClientDetails;
use crate::{Error, forward_auth};

/// Writes everything that can be declared, and says what can't.
///
/// # Errors
/// Faults of the store.
pub fn written(tx: &ReadTx<'_>) -> Result<(Declaration, Vec<String>), Error> {
    let mut notes = Vec::new();
    let stored = settings::load(tx)?;
    let mut out = Declaration::default();
    for setting in SETTINGS.iter().filter(|setting| stored.get(setting.key) != setting.default) {
        if setting.secret {
            notes.push(format!(
                "The setting {} is a secret: write it into a file and declare {{ file = \"…\" }}.",
                setting.key
            ));
            continue;
        }
        out.settings.insert(setting.key.to_owned(), as_value(tx, setting, stored.get(setting.key))?);
    }
    let is_from_directory = |id: &Option<String>| stored.ldap_enabled() && id.is_some();
    let mut left = 0;
    for group in export::groups(tx)? {
        if is_from_directory(&group.ldap_id) {
            left += 1;
            continue;
        }
        let own = claims::of_group(tx, &group.id)?;
        out.groups.push(GroupDeclared {
            friendly_name: if group.friendly_name == group.name { String::new() } else { group.friendly_name },
            name: group.name,
            roles: group.roles,
            custom_claims: (!own.is_empty()).then(|| own.into_iter().map(|claim| (claim.key, claim.value)).collect()),
        });
    }
    for (user, _) in export::users(tx)? {
        if user.id.as_str() == STATIC_API_USER {
            continue;
        }
        if is_from_directory(&user.ldap_id) {
            left += 1;
            continue;
        }
        let groups: Vec<String> = store_groups::of_user(tx, &user.id)?.into_iter().map(|group| group.name).collect();
        let own = claims::of_user(tx, &user.id)?;
        let usual = format!("{} {}", user.first_name, user.last_name);
        out.users.push(UserDeclared {
            id: user.id.into_string(),
            email_verified: Some(user.email_verified),
            username: user.username,
            email: user.email,
            display_name: if user.display_name == usual.trim() { String::new() } else { user.display_name },
            first_name: user.first_name,
            last_name: user.last_name,
            is_admin: user.is_admin,
            roles: user.roles,
            disabled: user.disabled,
            locale: None,
            groups: (!groups.is_empty()).then_some(groups),
            custom_claims: (!own.is_empty()).then(|| own.into_iter().map(|claim| (claim.key, claim.value)).collect()),
        });
    }
    for (client, _) in export::clients(tx)? {
        if client.client_type == ClientType::Cimd {
            continue;
        }
        let groups = store_groups::of_client(tx, &client.id)?;
        let names: Vec<String> = groups.iter().map(|group| group.name.clone()).collect();
        let has_secret = !store_clients::secrets(tx, &client.id)?.is_empty();
        if has_secret {
            notes.push(format!(
                "The client {} has a secret, which pages keep; or declare secret = {{ file = \"…\" }}.",
                client.id
            ));
        }
        let forward_auth = forward_auth::of(tx, &client.id)?;
        let details = ClientDetails { client, secrets: Vec::new(), groups, forward_auth };
        out.clients.push(ClientDeclared {
            groups: (!names.is_empty()).then_some(names),
            client: serde_json::from_value(client_input::written_out(&details)?).map_err(Error::internal)?,
            secret: None,
        });
    }
    // By name: what is kept beside other text is compared line by line.
    out.groups.sort_by(|a, b| a.name.cmp(&b.name));
    out.users.sort_by(|a, b| a.username.cmp(&b.username));
    out.clients.sort_by(|a, b| a.client.id.cmp(&b.client.id));
    out.users.iter_mut().filter_map(|user| user.groups.as_mut()).for_each(|groups| groups.sort());
    out.clients.iter_mut().filter_map(|client| client.groups.as_mut()).for_each(|groups| groups.sort());
    if left > 0 {
        notes.push(format!("{left} people and groups come from the directory, which declares them."));
    }
    Ok((out, notes))
}

/// A file's content: without what is as by default.
///
/// # Errors
/// Faults of ours.
pub fn content(declaration: &Declaration) -> Result<Value, Error> {
    let mut root = serde_json::to_value(declaration).map_err(Error::internal)?;
    let usual = serde_json::to_value(ClientInput::default()).map_err(Error::internal)?;
    for (item, client) in root["clients"].as_array_mut().into_iter().flatten().zip(&declaration.clients) {
        let Some(item) = item.as_object_mut() else { continue };
        item.extend(hidden(&client.client)?);
        for (name, minutes) in [
            ("accessTokenDurationMinutes", pid_core::clients::ACCESS_TOKEN_MINUTES),
            ("refreshTokenDurationMinutes", pid_core::clients::REFRESH_TOKEN_MINUTES),
        ] {
            item.retain(|key, value| key != name || *value != minutes);
        }
        item.retain(|key, value| !value.is_null() && usual.get(key).is_none_or(|usual| usual != value));
        // Of a client behind a proxy these follow from its hosts.
        if client.client.client_type.as_deref() == Some(ClientType::Proxy.as_str()) {
            item.retain(|key, _| !FOLLOWS.contains(&key.as_str()));
        }
        item.retain(|key, value| {
            key != "credentials" || value["federatedIdentities"].as_array().is_some_and(|all| !all.is_empty())
        });
    }
    Ok(root)
}

/// What a client behind a proxy has by its hosts.
const FOLLOWS: [&str; 4] = ["callbackURLs", "logoutCallbackURLs", "pkceEnabled", "skipConsent"];

/// What a client's input reads and never writes, because the API says it elsewhere.
fn hidden(input: &ClientInput) -> Result<Map<String, Value>, Error> {
    let minutes = input.id_token_duration_minutes.filter(|minutes| *minutes != 0);
    let kind = input.client_type.as_deref().filter(|kind| *kind != ClientType::Standard.as_str());
    let some = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let all = serde_json::json!({
        "id": input.id,
        "clientType": kind,
        "idTokenDurationMinutes": minutes,
        "claimMapping": input.claim_mapping,
        "tokenEndpointAuthMethod": some(&input.token_endpoint_auth_method),
        "jwks": input.jwks,
        "jwksUri": some(&input.jwks_uri),
        "dpopBoundAccessTokens": input.dpop_bound_access_tokens.filter(|on| *on),
        "backchannelLogoutURL": some(&input.backchannel_logout_url),
        "backchannelLogoutSessionRequired": input.backchannel_logout_session_required.filter(|on| *on),
    });
    match all {
        Value::Object(all) => Ok(all),
        _ => Ok(Map::new()),
    }
}

/// A setting as people write it.
fn as_value(tx: &ReadTx<'_>, setting: &Setting, text: &str) -> Result<Value, Error> {
    let parsed = || serde_json::from_str(text).ok();
    let found = match setting.rule {
        Rule::Bool => parsed().filter(Value::is_boolean),
        Rule::Number | Rule::NumberOrOff | Rule::UpTo(_) => parsed().filter(Value::is_i64),
        _ if setting.default == "[]" => parsed().filter(Value::is_array),
        _ => None,
    };
    let mut value = found.unwrap_or_else(|| Value::String(text.to_owned()));
    if setting.key == "signupDefaultUserGroupIDs" {
        let names: BTreeMap<String, String> =
            export::groups(tx)?.into_iter().map(|group| (group.id.into_string(), group.name)).collect();
        for id in value.as_array_mut().into_iter().flatten() {
            if let Some(name) = id.as_str().and_then(|id| names.get(id)) {
                *id = Value::String(name.clone());
            }
        }
    }
    Ok(value)
}
