//! The application configuration. Since 2.12 it is the state of an actor, before that rows; in between it was frozen into a
//! fact, which counts where there is nothing newer.

use std::collections::BTreeMap;

use pid_core::Fields;
use pid_core::settings::{SETTINGS, Setting};
use pid_store::{WriteTx, settings as store};
use pid_upstream::Data;

use super::report::Report;
use crate::Error;
use crate::settings::judge;

/// The name of a key in the state of the actor: that of a field in Go.
pub(crate) fn field_name(key: &str) -> String {
    match key {
        "homePageUrl" => "HomePageURL".to_owned(),
        "cimdUrlAllowlist" => "CIMDURLAllowlist".to_owned(),
        key => key.chars().take(1).flat_map(char::to_uppercase).chain(key.chars().skip(1)).collect(),
    }
}

/// The values that differ from ours.
pub(super) fn read(data: &Data, report: &mut Report) -> Vec<(&'static str, String)> {
    let values = found(data);
    if values.is_empty() {
        report.look("The data has no application configuration, so everything is as it is by default.", "");
    } else if data.actors.is_none() && data.fact("config_migrated").is_some() {
        let why =
            "Exports of 2.12 lack what was configured after its upgrade. Compare the settings, or export with 2.13.";
        report.look(why, "");
    }
    let mut out = Vec::new();
    for setting in SETTINGS.iter().filter(|setting| !setting.ours) {
        let value = values.get(setting.key).filter(|value| !value.is_empty() && *value != setting.default);
        let Some(value) = value else { continue };
        let value = carried(setting, value, report);
        let mut fields = Fields::new();
        judge(setting, &value, &mut fields);
        match fields.finish() {
            Ok(()) => out.push((setting.key, value)),
            Err(_) => {
                let shown = if setting.secret { "(a secret)" } else { value.as_str() };
                report.left(
                    "These settings have a value that is not possible here.",
                    format!("{}: {shown}", setting.key),
                );
            }
        }
    }
    let unknown = values.keys().filter(|key| SETTINGS.iter().all(|setting| setting.key != key.as_str()));
    for key in unknown.filter(|key| !GONE.contains(&key.as_str())) {
        report.left("These settings are not known here.", key.as_str());
    }
    report.comes("settings that differ from their default", out.len());
    out
}

/// What was no setting of people, or is none any more.
const GONE: &[&str] = &[
    "instanceId",
    "backgroundImageType",
    "logoDarkImageType",
    "logoLightImageType",
    "ldapAttributeAdminGroup",
    "logoEmailImageType",
];

/// All values by the key that the API knows.
fn found(data: &Data) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    for row in data.rows("app_config_variables") {
        if let (Some(key), Some(value)) = (row.text("key"), row.text("value")) {
            out.insert(key, value);
        }
    }
    let frozen = data
        .fact("config_migrated")
        .and_then(|json| serde_json::from_str::<BTreeMap<String, serde_json::Value>>(&json).ok());
    for (key, value) in frozen.unwrap_or_default() {
        if let Some(value) = value.as_str() {
            out.insert(key, value.to_owned());
        }
    }
    if let Some(actor) = data.actors("AppConfig").find(|actor| actor.id == "singleton") {
        let ours: BTreeMap<String, &str> =
            SETTINGS.iter().map(|setting| (field_name(setting.key), setting.key)).collect();
        out.clear();
        for field in actor.fields.keys() {
            if let Some(value) = actor.text(field) {
                out.insert(ours.get(field).map_or(field.as_str(), |key| key).to_owned(), value.to_owned());
            }
        }
    }
    // Renamed in 2.0.1.
    if let Some(old) = out.get("ldapAttributeAdminGroup").cloned() {
        out.entry("ldapAdminGroupName".to_owned()).or_insert(old);
    }
    out
}

/// Patterns of metadata documents mean here what they meant there.
fn carried(setting: &Setting, value: &str, report: &mut Report) -> String {
    if setting.key != "cimdUrlAllowlist" {
        return value.to_owned();
    }
    let Ok(list) = serde_json::from_str::<Vec<String>>(value) else { return value.to_owned() };
    let list = super::callbacks::carry(pid_oidc::redirect_uri::Purpose::Redirect, list, setting.key, report);
    if !list.legacy.is_empty() {
        report.look("In the list of metadata documents a star in a host is one label here.", setting.key);
    }
    serde_json::to_string(&list.entries).unwrap_or_else(|_| value.to_owned())
}

pub(super) fn write(tx: &WriteTx<'_>, settings: &[(&'static str, String)]) -> Result<(), Error> {
    let changes: Vec<(&str, Option<&str>)> = settings.iter().map(|(key, value)| (*key, Some(value.as_str()))).collect();
    Ok(store::save(tx, &changes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_named_as_in_go() {
        for (key, field) in [
            ("appName", "AppName"),
            ("homePageUrl", "HomePageURL"),
            ("cimdUrlAllowlist", "CIMDURLAllowlist"),
            ("signupDefaultUserGroupIDs", "SignupDefaultUserGroupIDs"),
            ("smtpTls", "SmtpTls"),
        ] {
            assert_eq!(field_name(key), field);
        }
        assert_eq!(SETTINGS.iter().filter(|setting| !setting.ours).count(), 47);
    }
}
