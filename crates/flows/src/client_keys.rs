//! How a client is told apart from others that use its name: its method of authentication and its public keys.

use pid_core::clients::{AuthMethod, Client};
use pid_core::{FieldCode, Fields};
use pid_jose::PeerKeys;
use serde_json::Value;

use crate::client_input::ClientInput;

/// Longest address of a JWK set.
const MAX_URL: usize = 2048;

/// Checks what can be told without the stored client.
pub(crate) fn check(input: &ClientInput, fields: &mut Fields) {
    if let Some(method) = named(input.token_endpoint_auth_method.as_deref()) {
        match AuthMethod::parse(method) {
            None => fields.refuse(
                "tokenEndpointAuthMethod",
                FieldCode::Oneof,
                "must be client_secret_basic, client_secret_post, private_key_jwt or none",
            ),
            Some(method) if (method == AuthMethod::None) != input.is_public => fields.refuse(
                "tokenEndpointAuthMethod",
                FieldCode::InvalidValue,
                "must be none for a public client, and for no other",
            ),
            Some(_) => {}
        }
    }
    let keys = input.jwks.as_ref().and_then(text_of);
    let uri = named(input.jwks_uri.as_deref());
    if keys.is_some() && uri.is_some() {
        fields.refuse("jwksUri", FieldCode::InvalidValue, "must not stand beside jwks: give the keys or their address");
    }
    if let Some(Err(error)) = keys.map(|keys| PeerKeys::parse_registered(keys.as_bytes())) {
        let why = format!("must be a JWK set of public keys for signatures, each with its own key id: {error}");
        fields.refuse("jwks", FieldCode::InvalidFormat, why);
    }
    let is_address = |uri: &str| {
        url::Url::parse(uri).is_ok_and(|u| {
            matches!(u.scheme(), "http" | "https") && u.has_host() && u.username().is_empty() && u.password().is_none()
        })
    };
    if uri.is_some_and(|uri| uri.len() > MAX_URL || !is_address(uri)) {
        fields.refuse("jwksUri", FieldCode::InvalidFormat, "must be an address like https://app.example.com/jwks.json");
    }
}

/// Takes over what was checked. Keys and their address take each other's place.
pub(crate) fn decide(client: &mut Client, input: &ClientInput) {
    match input.token_endpoint_auth_method.as_deref() {
        Some(method) => client.auth_method = AuthMethod::parse(method),
        // Who turns a client public, or back, by means that know no methods, doesn't mean to lock it out.
        None if client.auth_method.is_some_and(|m| (m == AuthMethod::None) != client.is_public) => {
            client.auth_method = None;
        }
        None => {}
    }
    if let Some(keys) = &input.jwks {
        client.jwks = text_of(keys);
        client.jwks_uri = client.jwks_uri.take().filter(|_| client.jwks.is_none());
    }
    if let Some(uri) = &input.jwks_uri {
        client.jwks_uri = named(Some(uri)).map(str::to_owned);
        client.jwks = client.jwks.take().filter(|_| client.jwks_uri.is_none());
    }
    if let Some(bound) = input.dpop_bound_access_tokens {
        client.dpop_bound_access_tokens = bound;
    }
}

fn named(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

/// A JWK set as text; `None` if it is empty text.
fn text_of(keys: &Value) -> Option<String> {
    match keys {
        Value::String(text) => named(Some(text)).map(str::to_owned),
        other => Some(other.to_string()),
    }
}
