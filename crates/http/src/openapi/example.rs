//! Examples, made from schemas: each member's value comes from one table by its name, so that the same person and the same
//! client appear everywhere.

use serde_json::{Map, Value, json};

use super::schemas::resolve;

/// A value that matches a schema.
pub fn of(components: &Map<String, Value>, schema: &Value) -> Value {
    made(components, schema, "", 0)
}

fn made(components: &Map<String, Value>, schema: &Value, name: &str, depth: usize) -> Value {
    let schema = resolve(components, schema);
    if let Some(given) = schema.get("examples").and_then(|e| e.get(0)).or_else(|| schema.get("const")) {
        return given.clone();
    }
    if let Some(first) = schema.get("enum").and_then(|e| e.get(0)) {
        return first.clone();
    }
    for choice in ["anyOf", "oneOf", "allOf"] {
        if let Some(first) = schema.get(choice).and_then(|c| c.get(0)) {
            return made(components, first, name, depth);
        }
    }
    let kind = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.first().and_then(Value::as_str),
        Some(Value::String(kind)) => Some(kind.as_str()),
        _ => None,
    };
    match kind {
        Some("object") => object(components, schema, depth),
        Some("array") if depth > 5 => json!([]),
        Some("array") => {
            let item = schema.get("items").map(|item| made(components, item, singular(name), depth + 1));
            item.map_or(json!([]), |item| json!([item]))
        }
        Some("boolean") => json!(matches!(name, "isActive" | "emailVerified" | "pkceEnabled" | "isCurrent")),
        Some("integer" | "number") => number(schema, name),
        Some("string") => json!(text(schema, name)),
        _ => Value::Null,
    }
}

fn object(components: &Map<String, Value>, schema: &Value, depth: usize) -> Value {
    let Some(members) = schema.get("properties").and_then(Value::as_object) else {
        let of = schema.get("additionalProperties").filter(|of| of.is_object());
        return of.map_or(json!({}), |of| json!({ "clientName": made(components, of, "", depth + 1) }));
    };
    let members = members.iter().map(|(name, member)| (name.clone(), made(components, member, name, depth + 1)));
    Value::Object(members.collect())
}

fn singular(name: &str) -> &str {
    name.strip_suffix('s').unwrap_or(name)
}

fn number(schema: &Value, name: &str) -> Value {
    let value = match name {
        "accessTokenDurationMinutes" | "idTokenDurationMinutes" => 60,
        "refreshTokenDurationMinutes" => 43_200,
        "itemsPerPage" => 20,
        "status" => 200,
        _ => schema.get("minimum").and_then(Value::as_i64).unwrap_or(0).max(1),
    };
    json!(value)
}

/// Member names and what stands there in examples.
const TEXTS: &[(&str, &str)] = &[
    ("username", "ada"),
    ("actorUsername", "grace"),
    ("email", "ada@example.com"),
    ("firstName", "Ada"),
    ("lastName", "Lovelace"),
    ("displayName", "Ada Lovelace"),
    ("locale", "en"),
    ("name", "Nextcloud"),
    ("friendlyName", "Developers"),
    ("description", "Files and calendars"),
    ("callbackURL", "https://cloud.example.com/apps/user_oidc/code"),
    ("logoutCallbackURL", "https://cloud.example.com/"),
    ("launchURL", "https://cloud.example.com"),
    ("logoUrl", "https://cloud.example.com/logo.png"),
    ("darkLogoUrl", "https://cloud.example.com/logo-dark.png"),
    ("backchannelLogoutURL", "https://cloud.example.com/apps/user_oidc/backchannel-logout/pocket-id"),
    ("jwksUri", "https://cloud.example.com/jwks.json"),
    ("issuer", "https://token.example.com"),
    ("subject", "system:serviceaccount:ci"),
    ("audience", "https://id.example.com"),
    ("resource", "https://api.example.com"),
    ("key", "tier"),
    ("value", "gold"),
    ("scope", "openid profile email"),
    ("event", "SIGN_IN"),
    ("ipAddress", "192.0.2.1"),
    ("country", "Germany"),
    ("city", "Berlin"),
    ("device", "Firefox on Linux"),
    ("idTokenSignedResponseAlg", "ES256"),
    ("accessTokenSigningAlg", "ES256"),
    ("tokenEndpointAuthMethod", "client_secret_basic"),
    ("jwks", "https://token.example.com/jwks.json"),
    ("kid", "rs-4f0c"),
    ("alg", "RS256"),
    ("prefix", "Xa7f"),
    ("secret", "Xa7fK2mPq9RsT4uVw8YzB3cD5eFgH6jL"),
    ("token", "Xa7fK2mPq9RsT4uVw8YzB3cD5eFgH6jL"),
    ("credentialID", "bXktY3JlZGVudGlhbA"),
    ("attestationType", "none"),
    ("transport", "internal"),
    ("link", "https://id.example.com/lc/K7MPQ2"),
    ("qrCode", "<svg xmlns=\"http://www.w3.org/2000/svg\"/>"),
    ("redirectUrl", "https://cloud.example.com/"),
    ("verificationUri", "https://id.example.com/device"),
    ("verificationUriComplete", "https://id.example.com/device?user_code=P7KQM2XA"),
    ("userCode", "P7KQM2XA"),
    ("code", "P7KQM2XA"),
    ("currentVersion", "2.14.0"),
    ("latestVersion", "2.14.0"),
    ("serverVersion", "0.1.0"),
    ("setupCode", "K7MP-Q2XA"),
    ("error", "User not found"),
    ("request_id", "5c0e7a52-6f3d-4f4e-9d0c-2a1c2e9b7f10"),
];

const ID: &str = "7d0f4a52-6f3d-4f4e-9d0c-2a1c2e9b7f10";
const MOMENT: &str = "2027-01-02T03:04:05Z";

fn text(schema: &Value, name: &str) -> String {
    let format = schema.get("format").and_then(Value::as_str).unwrap_or_default();
    if format == "date-time" {
        return MOMENT.to_owned();
    }
    if name == "id" || name.ends_with("Id") || name.ends_with("ID") {
        return ID.to_owned();
    }
    TEXTS.iter().find(|(known, _)| *known == name).map_or_else(|| "text".to_owned(), |(_, text)| (*text).to_owned())
}
