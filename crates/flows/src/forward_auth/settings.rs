//! How a client of the type `proxy` is set up: by names and addresses as people write them, stored by ids and in canonical
//! form.

use pid_core::clients::{Client, ClientType, TOKEN_MINUTES};
use pid_core::forward_auth::rules::{fold, rule_path};
use pid_core::forward_auth::values::check_name;
use pid_core::forward_auth::{CALLBACK_PATH, ForwardAuth, MAX_HOSTS, MAX_RULES, Origin, Rule};
use pid_core::{ClientId, FieldCode, Fields};
use pid_store::forward_auth;
use pid_store::{ReadTx, WriteTx};
use serde_json::{Value, json};

use super::group_name;
use crate::Error;

/// How a client is protected, with the names of groups; `None` for clients of other types.
pub(crate) fn of(tx: &ReadTx<'_>, client: &ClientId) -> Result<Option<ForwardAuth>, Error> {
    forward_auth::settings_of(tx, client)?.map(|settings| with_names(tx, settings)).transpose()
}

/// Settings as they are stored, with the names of groups for their ids.
pub(crate) fn with_names(tx: &ReadTx<'_>, mut settings: ForwardAuth) -> Result<ForwardAuth, Error> {
    for group in settings.rules.iter_mut().flat_map(|rule| &mut rule.groups) {
        *group = group_name(tx, group)?;
    }
    Ok(settings)
}

/// Stores how a client is protected, once the client itself is there.
pub(crate) fn store(tx: &WriteTx<'_>, client: &ClientId, settings: Option<&ForwardAuth>) -> Result<(), Error> {
    settings.map_or(Ok(()), |settings| Ok(forward_auth::put_settings(tx, client, settings)?))
}

/// Checks what somebody wants of a proxied client; [`store`] keeps it. The client becomes what `/authorize` needs to know of it:
/// its callbacks are those of its hosts, nobody is asked for consent to their own administrator's app, and its requests
/// carry a challenge.
pub(crate) fn apply(
    tx: &ReadTx<'_>,
    client: &mut Client,
    wanted: Option<&ForwardAuth>,
) -> Result<Option<ForwardAuth>, Error> {
    if client.client_type != ClientType::Proxy {
        return match wanted {
            None => Ok(None),
            Some(_) => Err(Error::field(
                "forwardAuth",
                FieldCode::InvalidValue,
                "is for clients of the type 'proxy' only, which is chosen when a client is created",
            )),
        };
    }
    let known = forward_auth::settings_of(tx, &client.id)?;
    let settings = match (wanted, &known) {
        (Some(wanted), _) => checked(tx, &client.id, wanted, known.as_ref())?,
        (None, Some(known)) => known.clone(),
        (None, None) => checked(tx, &client.id, &ForwardAuth::default(), None)?,
    };
    client.callback_urls = settings.hosts.iter().map(|host| format!("{host}{CALLBACK_PATH}")).collect();
    client.logout_callback_urls = settings.hosts.iter().map(|host| format!("{host}/")).collect();
    client.is_public = false;
    client.pkce_enabled = true;
    client.pkce_supported = false;
    client.skip_consent = true;
    client.requires_pushed_authorization_requests = false;
    client.dpop_bound_access_tokens = false;
    client.federated_identities.clear();
    (client.auth_method, client.jwks, client.jwks_uri) = (None, None, None);
    (client.claim_mapping, client.backchannel_logout_url) = (None, None);
    // The launcher follows the hosts as long as it leads to one of them.
    let is_of_old = |url: &String| known.as_ref().is_some_and(|known| known.hosts.contains(url));
    if client.launch_url.as_ref().is_none_or(|url| is_of_old(url) && !settings.hosts.contains(url)) {
        client.launch_url = settings.hosts.first().cloned();
    }
    Ok(Some(settings))
}

fn checked(
    tx: &ReadTx<'_>,
    client: &ClientId,
    wanted: &ForwardAuth,
    known: Option<&ForwardAuth>,
) -> Result<ForwardAuth, Error> {
    let mut fields = Fields::new();
    let mut settings = ForwardAuth { hosts: hosts(tx, client, wanted, &mut fields)?, ..wanted.clone() };
    settings.rules = rules(tx, wanted, known, &mut fields)?;
    if settings.session_minutes == 0 {
        settings.session_minutes = ForwardAuth::default().session_minutes;
    } else if !TOKEN_MINUTES.contains(&settings.session_minutes) {
        fields.refuse("forwardAuth.sessionMinutes", FieldCode::TokenDuration, "must be between 1 and 525600 minutes");
    }
    let mut seen: Vec<String> = Vec::new();
    for (name, header) in wanted.headers().into_iter().filter(|(_, header)| !header.is_empty()) {
        let field = format!("forwardAuth.{name}");
        if let Err(why) = check_name(header) {
            fields.refuse(field, FieldCode::InvalidFormat, why);
        } else if seen.contains(&header.to_ascii_lowercase()) {
            fields.refuse(field, FieldCode::Duplicate, "is the name of another header already");
        }
        seen.push(header.to_ascii_lowercase());
    }
    fields.finish()?;
    Ok(settings)
}

fn hosts(tx: &ReadTx<'_>, client: &ClientId, wanted: &ForwardAuth, fields: &mut Fields) -> Result<Vec<String>, Error> {
    let mut origins: Vec<Origin> = Vec::new();
    if wanted.hosts.is_empty() {
        fields.refuse(
            "forwardAuth.hosts",
            FieldCode::Required,
            "must have at least one address like https://app.example.com",
        );
    } else if wanted.hosts.len() > MAX_HOSTS {
        fields.refuse("forwardAuth.hosts", FieldCode::TooLong, format!("must have at most {MAX_HOSTS} addresses"));
        return Ok(Vec::new());
    }
    for (at, text) in wanted.hosts.iter().enumerate() {
        let field = format!("forwardAuth.hosts[{at}]");
        match Origin::parse(text) {
            Err(why) => fields.refuse(field, FieldCode::InvalidFormat, why),
            Ok(origin) if origins.iter().any(|known| known.key() == origin.key()) => {
                fields.refuse(field, FieldCode::Duplicate, "is in the list already");
            }
            Ok(origin) => {
                if forward_auth::host_owner(tx, origin.key())?.is_some_and(|owner| owner != *client) {
                    fields.refuse(field, FieldCode::InvalidValue, "belongs to another client");
                }
                origins.push(origin);
            }
        }
    }
    Ok(origins.iter().map(|origin| origin.as_str().to_owned()).collect())
}

fn rules(
    tx: &ReadTx<'_>,
    wanted: &ForwardAuth,
    known: Option<&ForwardAuth>,
    fields: &mut Fields,
) -> Result<Vec<Rule>, Error> {
    if wanted.rules.len() > MAX_RULES {
        fields.refuse("forwardAuth.rules", FieldCode::TooLong, format!("must have at most {MAX_RULES} rules"));
        return Ok(Vec::new());
    }
    let mut rules: Vec<Rule> = Vec::new();
    for (at, rule) in wanted.rules.iter().enumerate() {
        let field = |name: &str| format!("forwardAuth.rules[{at}].{name}");
        let path = rule_path(&rule.path).unwrap_or_else(|why| {
            fields.refuse(field("path"), FieldCode::InvalidFormat, why);
            String::new()
        });
        if !path.is_empty() && rules.iter().any(|other| fold(&other.path) == fold(&path)) {
            fields.refuse(field("path"), FieldCode::Duplicate, "has a rule already");
        }
        if rule.public && !rule.groups.is_empty() {
            fields.refuse(field("groups"), FieldCode::InvalidValue, "must be empty where everybody may go");
        }
        let mut groups = Vec::new();
        for name in &rule.groups {
            let stays = known.is_some_and(|k| k.rules.iter().any(|rule| rule.groups.contains(name)));
            match forward_auth::group_by_name(tx, name)? {
                Some(id) => groups.push(id.into_string()),
                // Gone in the meantime: the rule stays as shut as it was.
                None if stays => groups.push(name.clone()),
                None => fields.refuse(
                    field("groups"),
                    FieldCode::InvalidValue,
                    format!("has '{name}', which is the name of no group"),
                ),
            }
        }
        rules.push(Rule { path, public: rule.public, groups });
    }
    Ok(rules)
}

/// What the audit log tells of it, by the names of the API, beside what it tells of the client.
pub(crate) fn audited(mut client: Value, settings: Option<&ForwardAuth>) -> Value {
    if let (Some(settings), Some(told)) = (settings, client.as_object_mut()) {
        let rules: Vec<String> = settings
            .rules
            .iter()
            .map(|rule| match (rule.public, rule.groups.is_empty()) {
                (true, _) => format!("{}: public", rule.path),
                (false, true) => rule.path.clone(),
                (false, false) => format!("{}: {}", rule.path, rule.groups.join(", ")),
            })
            .collect();
        let headers: Vec<String> =
            settings.headers().iter().map(|(name, header)| format!("{name}: {header}")).collect();
        told.insert("hosts".to_owned(), json!(settings.hosts));
        told.insert("rules".to_owned(), json!(rules));
        told.insert("headers".to_owned(), json!(headers));
        told.insert("sessionMinutes".to_owned(), json!(settings.session_minutes));
        told.insert("appPasswords".to_owned(), json!(settings.app_passwords));
    }
    client
}
