//! The application configuration (api.md §20).

use std::collections::BTreeMap;

use pid_core::audit::Event;
use pid_core::settings::{Rule, SETTINGS, Setting, Settings, check};
use pid_core::validate::nfc;
use pid_core::{Ctx, FieldCode, Fields, GroupId};
use pid_oidc::redirect_uri::Pattern;
use pid_oidc::return_path;
use pid_store::instance::{self, Cached};
use pid_store::{ReadTx, WriteTx, apis, groups, settings};
use url::Position;

use crate::access::Admin;
use crate::audit::Note;
use crate::audit_stream::{self, Target};
use crate::change::check_version;
use crate::declared;
use crate::env::{NamedScopes, check_related};
use crate::passkey_policy;
use crate::{Code, Error};

/// What a secret shows once it is set. Sent back, it leaves the secret as it is; the original program shows the secret
/// itself, which we never do (security case 78).
pub const MASK: &str = "XXXXXXXXXX";

/// A value as the API shows it.
pub fn shown(setting: &Setting, settings: &Settings) -> String {
    let value = settings.get(setting.key);
    if setting.secret && !value.is_empty() { MASK.to_owned() } else { value.to_owned() }
}

/// A value as somebody sees it who may change nothing: of the address that the audit log is sent to, the beginning. What
/// follows is often a token of the receiver's.
pub fn shown_to_readers(setting: &Setting, settings: &Settings) -> String {
    let value = shown(setting, settings);
    if setting.key != audit_stream::URL {
        return value;
    }
    let beginning = beginning(&value);
    if beginning == value { value } else { format!("{beginning}/…") }
}

/// An address as far as its host and port. The rest of a webhook's may be what lets one in.
fn beginning(address: &str) -> String {
    let Ok(url) = url::Url::parse(address) else { return String::new() };
    format!("{}{}", &url[..Position::BeforeUsername], &url[Position::BeforeHost..Position::BeforePath])
}

/// How much a change says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything: a key that is absent or empty returns to its default.
    Whole,
    /// Only the named keys.
    Named,
}

/// Changes the configuration.
pub fn update(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    admin: &Admin,
    values: &BTreeMap<String, Option<String>>,
    scope: Scope,
    if_match: Option<i64>,
) -> Result<(), Error> {
    check_version(if_match, instance::version(tx, Cached::Settings)?)?;
    let current = settings::load(tx)?;
    let changes = changes(tx, &current, values, scope)?;
    if current.are_fixed() {
        return Err(Error::new(Code::UiConfigDisabled));
    }
    declared::check_settings(tx, &current, &changes)?;
    let changes: Vec<(&str, Option<&str>)> = changes.iter().map(|(key, value)| (*key, value.as_deref())).collect();
    settings::save(tx, &changes)?;
    let after = settings::load(tx)?;
    passkey_policy::keep_an_admin(tx, &current, &after)?;
    if after.get(audit_stream::URL) != current.get(audit_stream::URL) {
        audit_stream::retarget(tx, &after)?;
    }
    let changed = SETTINGS.iter().filter(|s| after.get(s.key) != current.get(s.key));
    let note = changed.fold(Note::default(), |note, s| match s.rule {
        _ if s.secret => note.with(s.key, "changed"),
        Rule::AuditTarget => match (beginning(current.get(s.key)), beginning(after.get(s.key))) {
            (before, after) if before == after => note.with(s.key, "changed"),
            (before, after) => note.change(s.key, &before, &after),
        },
        _ => note.change(s.key, current.get(s.key), after.get(s.key)),
    });
    note.record(tx, ctx, &ctx.entropy(), Event::ConfigurationUpdated, None, Some(&admin.user().id))
}

/// A setting and its new value, `None` for the default.
type NewValue = (&'static str, Option<String>);

/// The changes that values ask for, checked.
pub(crate) fn changes(
    tx: &ReadTx<'_>,
    current: &Settings,
    values: &BTreeMap<String, Option<String>>,
    scope: Scope,
) -> Result<Vec<NewValue>, Error> {
    let mut fields = Fields::new();
    let mut changes = Vec::new();
    for setting in SETTINGS {
        let sent = values.get(setting.key);
        if sent.is_none() && (scope == Scope::Named || setting.ours) {
            continue;
        }
        // A patch's null clears: the default.
        let value = match sent {
            Some(None) if scope == Scope::Named => {
                changes.push((setting.key, None));
                continue;
            }
            Some(Some(value)) if setting.rule == Rule::Name => nfc(value),
            Some(Some(value)) => value.clone(),
            _ => String::new(),
        };
        if setting.secret && value == MASK && !current.get(setting.key).is_empty() {
            continue;
        }
        judge(setting, &value, &mut fields);
        if setting.rule == Rule::JsonScopes
            && let Some(why) = name_taken(tx, &value)?
        {
            fields.refuse(setting.key, FieldCode::InvalidFormat, why);
        }
        if setting.key == "signupDefaultUserGroupIDs"
            && value != current.get(setting.key)
            && let Some(why) = gives_roles(tx, &value)?
        {
            fields.refuse(setting.key, FieldCode::InvalidValue, why);
        }
        let is_default = value.is_empty() || value == setting.default;
        changes.push((setting.key, if is_default { None } else { Some(value) }));
    }
    for (addresses, secret) in GIVEN_TO {
        keep_from_others(current, &mut changes, addresses, secret, &mut fields);
    }
    fields.finish()?;
    Ok(changes)
}

/// The settings as they would be with these changes, which are not saved.
pub fn tried(tx: &ReadTx<'_>, values: &BTreeMap<String, Option<String>>, scope: Scope) -> Result<Settings, Error> {
    let current = settings::load(tx)?;
    let changes = changes(tx, &current, values, scope)?;
    Ok(current.with(changes.iter().map(|(key, value)| (*key, value.as_deref()))))
}

/// Secrets, and the addresses that they are given to or that get what they sign.
/// The first of them is the address itself; the others say how it is reached.
const GIVEN_TO: [(&[&str], &str); 3] = [
    (&["smtpHost", "smtpPort", "smtpTls", "smtpSkipCertVerify"], "smtpPassword"),
    (&["ldapUrl", "ldapSkipCertVerify", "ldapStartTls"], "ldapBindPassword"),
    (&[audit_stream::URL], audit_stream::SECRET),
];

/// A secret that is stored is not given to another address: it must be entered again (security case 77). It goes with
/// an address that needs none.
fn keep_from_others(
    current: &Settings,
    changes: &mut Vec<NewValue>,
    addresses: &[&str],
    secret: &'static str,
    fields: &mut Fields,
) {
    let next = |key: &str| match changes.iter().find(|(changed, _)| *changed == key) {
        Some((_, Some(value))) => value,
        Some((_, None)) => pid_core::settings::setting(key).map_or("", |setting| setting.default),
        None => current.get(key),
    };
    let Some(address) = addresses.first() else { return };
    let (to, is_sent) = (next(address), changes.iter().any(|(changed, _)| *changed == secret));
    let is_stream = *address == audit_stream::URL;
    let needs_it = if is_stream { Target::parse(to).is_ok_and(|to| to.is_signed()) } else { !to.is_empty() };
    let moves =
        addresses.iter().any(|key| next(key) != current.get(key)) && !current.get(secret).is_empty() && !is_sent;
    if needs_it && moves {
        fields.refuse(secret, FieldCode::Required, "must be entered again, because the address has changed");
    } else if is_stream && needs_it && next(secret).len() < 16 {
        fields.refuse(secret, FieldCode::TooShort, "must have at least 16 characters: it signs what is sent");
    } else if moves {
        changes.push((secret, None));
    }
}

/// Checks a value as far as it can be without the store.
pub(crate) fn judge(setting: &Setting, value: &str, fields: &mut Fields) {
    check(setting, value, |text| Pattern::parse(text).is_ok(), fields);
    if setting.rule == Rule::LocalPath && !value.is_empty() && return_path::check(value).is_none() {
        fields.refuse(setting.key, FieldCode::InvalidFormat, "must be a path of this site, such as /settings/account");
    }
    if setting.rule == Rule::JsonScopes
        && !value.is_empty()
        && let Err(why) = NamedScopes::parse(value)
    {
        fields.refuse(setting.key, FieldCode::InvalidFormat, why);
    }
    if setting.rule == Rule::JsonOrigins
        && !value.is_empty()
        && let Err(why) = check_related(value)
    {
        fields.refuse(setting.key, FieldCode::InvalidFormat, why);
    }
    if setting.rule == Rule::AuditTarget
        && !value.is_empty()
        && let Err(why) = Target::parse(value)
    {
        fields.refuse(setting.key, FieldCode::InvalidFormat, why);
    }
}

/// The configuration from the environment (`UI_CONFIG_DISABLED`); `value` gives what a setting's variable says.
///
/// # Errors
/// One sentence for each bad value.
pub fn from_environment(mut value: impl FnMut(&Setting) -> Option<String>) -> Result<Settings, Vec<String>> {
    let (mut values, mut errors) = (Vec::new(), Vec::new());
    for setting in SETTINGS {
        let Some(value) = value(setting) else { continue };
        let value = if setting.rule == Rule::Name { nfc(&value) } else { value };
        let mut fields = Fields::new();
        judge(setting, &value, &mut fields);
        match fields.finish() {
            Ok(()) => values.push((setting.key.to_owned(), value)),
            Err(refused) => errors.extend(refused.iter().map(|e| format!("{} {}.", setting.variable(), e.message))),
        }
    }
    let settings = Settings::fixed(values);
    let is_signed = Target::parse(settings.get(audit_stream::URL)).is_ok_and(|to| to.is_signed());
    if is_signed && settings.get(audit_stream::SECRET).len() < 16 {
        errors.push("AUDIT_STREAM_SECRET must have at least 16 characters: it signs what is sent.".to_owned());
    }
    if errors.is_empty() { Ok(settings) } else { Err(errors) }
}

/// Why a named scope can't be: it is also a permission of an API, which whoever asks for the scope would then have.
fn name_taken(tx: &ReadTx<'_>, json: &str) -> Result<Option<String>, Error> {
    for name in NamedScopes::parse(json).unwrap_or_default().names() {
        if let Some(api) = apis::with_permission(tx, name)?.first() {
            return Ok(Some(format!("has the scope '{name}', which is a permission of the API \"{api}\"")));
        }
    }
    Ok(None)
}

/// Why groups can't be the default ones: whoever signs up would have what they give. One that gets a role later is passed
/// over when somebody signs up.
fn gives_roles(tx: &ReadTx<'_>, json: &str) -> Result<Option<String>, Error> {
    for id in serde_json::from_str::<Vec<String>>(json).unwrap_or_default() {
        if let Some(group) = groups::by_id(tx, &GroupId::new(id))?.filter(|group| !group.roles.is_none()) {
            let name = group.friendly_name;
            return Ok(Some(format!("has the group \"{name}\", which gives roles: nobody gets those by signing up")));
        }
    }
    Ok(None)
}

/// Reads the flat object of strings that the API takes.
pub fn values(object: serde_json::Map<String, serde_json::Value>) -> Result<BTreeMap<String, Option<String>>, Error> {
    object
        .into_iter()
        .map(|(key, value)| match value {
            serde_json::Value::String(text) => Ok((key, Some(text))),
            serde_json::Value::Null => Ok((key, None)),
            // Unknown keys of any shape are passed over, known ones are strings.
            _ if pid_core::settings::setting(&key).is_none() => Ok((key, None)),
            _ => Err(Error::with(Code::InvalidRequestBody, format!("\"{key}\" must be a string"))),
        })
        .collect()
}
