//! Custom claims (api.md §15, oidc.md §16.5).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A custom claim of a person or a group. The value is text; a value that parses as JSON is
/// released as that JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CustomClaim {
    /// The claim's name in tokens.
    pub key: String,
    /// The claim's value.
    pub value: String,
}

/// Names that a custom claim may not have: they belong to the protocol or to the account.
pub const RESERVED: [&str; 23] = [
    "given_name",
    "family_name",
    "name",
    "email",
    "email_verified",
    "preferred_username",
    "display_name",
    "groups",
    "type",
    "sub",
    "iss",
    "aud",
    "exp",
    "iat",
    "auth_time",
    "nonce",
    "acr",
    "amr",
    "azp",
    "client_id",
    "nbf",
    "jti",
    "sid",
];

/// Whether a name is reserved.
pub fn is_reserved(key: &str) -> bool {
    RESERVED.contains(&key)
}
