//! What a file may say. Clients are as the API reads them; groups and people name each other by names instead of ids.

use std::collections::{BTreeMap, BTreeSet};

use pid_core::roles::Roles;
use pid_core::settings::{Rule, SETTINGS, Setting, setting};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::client_input::ClientInput;

/// A file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "PocketIdDeclaration")]
pub struct Declaration {
    /// The application configuration: each key that is here is declared. A secret is `{ file = "…" }`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, Value>,
    /// Groups, known by their names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupDeclared>,
    /// People, known by their ids if these are given, else by their usernames.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub users: Vec<UserDeclared>,
    /// Clients, known by their ids.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clients: Vec<ClientDeclared>,
}

/// A group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["name"]))]
pub struct GroupDeclared {
    /// The value in the `groups` claim.
    pub name: String,
    /// The name for people; the other one if it is not here.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub friendly_name: String,
    /// What its members may do.
    #[serde(skip_serializing_if = "Roles::is_none")]
    pub roles: Roles,
    /// Its claims. Not here: pages decide.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom_claims: Option<BTreeMap<String, String>>,
}

/// A person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["username"]))]
pub struct UserDeclared {
    /// Their id, a UUID. Not here: one is made.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Their username.
    pub username: String,
    /// Their address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Whether it is proven. Not here: as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email_verified: Option<bool>,
    /// First name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub first_name: String,
    /// Last name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub last_name: String,
    /// How they are called; first and last name if it is not here.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub display_name: String,
    /// Administers this instance.
    #[serde(skip_serializing_if = "is_false")]
    pub is_admin: bool,
    /// What they may do besides.
    #[serde(skip_serializing_if = "Roles::is_none")]
    pub roles: Roles,
    /// May not sign in.
    #[serde(skip_serializing_if = "is_false")]
    pub disabled: bool,
    /// The language of pages and mails. Not here: they choose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// The names of their groups. Not here: pages decide.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<String>>,
    /// Their claims. Not here: pages decide.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom_claims: Option<BTreeMap<String, String>>,
}

/// A client.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["id", "name"]))]
pub struct ClientDeclared {
    /// What the API knows of a client. What is not here is as by default.
    #[serde(flatten)]
    pub client: ClientInput,
    /// The names of the groups that may enter; then nobody else may. Not here: pages decide.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<String>>,
    /// Its only secret. Not here: pages decide.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretFile>,
}

/// A secret, which is never in the file itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecretFile {
    /// The file with the secret, from where the declaration is. A client's that is not there is made, and written there.
    pub file: String,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if hands a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// Reads a file's content; all that is wrong with it, at once.
///
/// # Errors
/// A sentence each, beginning with where.
pub fn read(root: Value) -> Result<Declaration, Vec<String>> {
    let Value::Object(mut root) = root else {
        return Err(vec!["The file must be a table of settings, groups, users and clients.".to_owned()]);
    };
    root.remove("$schema");
    let (mut out, mut errors) = (Declaration::default(), Vec::new());
    match root.remove("settings") {
        None | Some(Value::Null) => {}
        Some(Value::Object(values)) => out.settings = settings(values, &mut errors),
        Some(_) => errors.push("settings: must be a table of keys and values.".to_owned()),
    }
    out.groups = entries(&mut root, "groups", "name", &mut errors);
    out.users = entries(&mut root, "users", "username", &mut errors);
    out.clients = entries(&mut root, "clients", "id", &mut errors);
    errors.extend(root.keys().map(|key| {
        format!("{key}: nothing of that name can be declared; there are settings, groups, users and clients.")
    }));
    for client in &out.clients {
        for (name, given) in
            [("logoUrl", client.client.logo_url.is_some()), ("darkLogoUrl", client.client.dark_logo_url.is_some())]
        {
            if given {
                errors.push(format!("clients \"{}\": {name} can't be declared: logos are uploaded.", client.client.id));
            }
        }
    }
    if errors.is_empty() { Ok(out) } else { Err(errors) }
}

fn settings(values: Map<String, Value>, errors: &mut Vec<String>) -> BTreeMap<String, Value> {
    for (key, value) in &values {
        let is_file = value
            .as_object()
            .is_some_and(|object| object.len() == 1 && object.get("file").is_some_and(Value::is_string));
        match setting(key) {
            None => errors.push(format!("settings.{key}: there is no such setting.")),
            Some(known) if known.secret && !is_file => {
                errors.push(format!("settings.{key}: is a secret, so it must be {{ file = \"…\" }}."));
            }
            Some(_) => {}
        }
    }
    values.into_iter().collect()
}

/// The entries of a list, each read by itself. `named` is what it is known by.
fn entries<T: DeserializeOwned + JsonSchema>(
    root: &mut Map<String, Value>,
    list: &str,
    named: &str,
    errors: &mut Vec<String>,
) -> Vec<T> {
    let items = match root.remove(list) {
        None | Some(Value::Null) => return Vec::new(),
        Some(Value::Array(items)) => items,
        Some(_) => {
            errors.push(format!("{list}: must be a list."));
            return Vec::new();
        }
    };
    let schema = schemars::schema_for!(T);
    let known: BTreeSet<&str> = schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(|map| map.keys().map(String::as_str))
        .collect();
    let (mut out, mut names) = (Vec::new(), BTreeSet::new());
    for (at, item) in items.into_iter().enumerate() {
        let name = item.get(named).and_then(Value::as_str).unwrap_or_default().to_owned();
        let place = if name.is_empty() { format!("{list}[{at}]") } else { format!("{list} \"{name}\"") };
        if name.is_empty() {
            errors.push(format!("{place}: {named} is missing."));
        } else if !names.insert(name.to_lowercase()) {
            errors.push(format!("{place}: is there twice."));
        }
        for key in item.as_object().into_iter().flat_map(Map::keys).filter(|key| !known.contains(key.as_str())) {
            errors.push(format!("{place}: there is no {key}."));
        }
        match serde_json::from_value(item) {
            Ok(read) => out.push(read),
            Err(error) => errors.push(format!("{place}: {error}.")),
        }
    }
    out
}

/// The JSON Schema of files, for editors.
#[must_use]
pub fn schema() -> Value {
    let mut schema = schemars::schema_for!(Declaration).to_value();
    let keys: Map<String, Value> =
        SETTINGS.iter().map(|setting| (setting.key.to_owned(), of_setting(setting))).collect();
    schema["title"] = json!("Pocket ID declaration");
    schema["properties"]["$schema"] = json!({ "type": "string" });
    schema["properties"]["settings"] = json!({
        "description": "The application configuration: each key that is here is declared.",
        "type": "object",
        "properties": keys,
        "additionalProperties": false,
    });
    // What is required is said where it is; the lists themselves are not.
    if let Some(root) = schema.as_object_mut() {
        root.remove("required");
        root.insert("additionalProperties".to_owned(), json!(false));
    }
    for name in ["GroupDeclared", "UserDeclared", "ClientDeclared"] {
        if let Some(entry) = schema["$defs"].get_mut(name).and_then(Value::as_object_mut) {
            entry.insert("additionalProperties".to_owned(), json!(false));
            if let Some(properties) = entry.get_mut("properties").and_then(Value::as_object_mut) {
                properties.remove("logoUrl");
                properties.remove("darkLogoUrl");
            }
        }
    }
    schema
}

fn of_setting(setting: &Setting) -> Value {
    let file = json!({ "type": "object", "properties": { "file": { "type": "string" } }, "required": ["file"], "additionalProperties": false });
    if setting.secret {
        return file;
    }
    let plain = match setting.rule {
        Rule::Bool => json!({ "type": "boolean" }),
        Rule::Number | Rule::NumberOrOff | Rule::UpTo(_) => json!({ "type": "integer" }),
        Rule::OneOf(all) => json!({ "enum": all }),
        Rule::JsonStrings
        | Rule::JsonClaims
        | Rule::JsonPatterns
        | Rule::JsonDomains
        | Rule::JsonAaguids
        | Rule::JsonOrigins
        | Rule::JsonScopes => {
            json!({ "type": "array" })
        }
        _ => json!({ "type": ["string", "integer"] }),
    };
    json!({ "anyOf": [plain, { "type": "string" }, file], "default": setting.default })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_wrong_is_said_at_once_with_its_place() {
        let file = json!({
            "settings": { "appNmae": "x", "smtpPassword": "secret", "appName": "Club" },
            "groups": [{ "friendlyName": "Nameless" }, { "name": "family" }, { "name": "Family" }],
            "users": [{ "username": "ada", "isAdmn": true, "disabled": "yes" }],
            "clients": [{ "id": "app", "name": "App", "logoUrl": "https://x", "secret": "plain" }],
            "apis": [],
        });
        let errors = read(file).unwrap_err().join("\n");
        for part in [
            "settings.appNmae: there is no such setting.",
            "settings.smtpPassword: is a secret",
            "groups[0]: name is missing.",
            "groups \"Family\": is there twice.",
            "users \"ada\": there is no isAdmn.",
            "users \"ada\": invalid type",
            "clients \"app\": ",
            "apis: nothing of that name",
        ] {
            assert!(errors.contains(part), "{part}\n{errors}");
        }
    }

    #[test]
    fn the_schema_knows_what_the_reader_knows() {
        let schema = schema();
        assert!(schema["properties"]["settings"]["properties"]["appName"].is_object(), "{schema:#}");
        let client = &schema["$defs"]["ClientDeclared"]["properties"];
        for name in ["id", "callbackURLs", "forwardAuth", "groups", "secret", "jwks"] {
            assert!(client[name].is_object() || client[name].is_boolean(), "{name}: {client:#}");
        }
        assert!(client["logoUrl"].is_null());
    }
}
