//! The metadata document (OpenID Connect Discovery §3, RFC 8414 §2). It lists what exists, nothing else.

use serde::Serialize;

/// The document at `/.well-known/openid-configuration` and `/.well-known/oauth-authorization-server`. The fields are in
/// alphabetical order, as they are on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs)] // The names are those of the specifications.
pub struct Metadata {
    pub authorization_endpoint: String,
    pub authorization_response_iss_parameter_supported: bool,
    pub claims_supported: &'static [&'static str],
    pub client_id_metadata_document_supported: bool,
    pub code_challenge_methods_supported: &'static [&'static str],
    pub end_session_endpoint: String,
    pub grant_types_supported: &'static [&'static str],
    pub id_token_signing_alg_values_supported: Vec<String>,
    pub issuer: String,
    pub jwks_uri: String,
    pub prompt_values_supported: &'static [&'static str],
    pub request_parameter_supported: bool,
    pub request_uri_parameter_supported: bool,
    pub response_modes_supported: &'static [&'static str],
    pub response_types_supported: &'static [&'static str],
    pub scopes_supported: &'static [&'static str],
    pub subject_types_supported: &'static [&'static str],
    pub token_endpoint: String,
    pub token_endpoint_auth_methods_supported: &'static [&'static str],
    pub userinfo_endpoint: String,
}

impl Metadata {
    /// The document of an instance.
    ///
    /// `app_url` is the issuer and the base of what browsers open; `internal_url` is the base of what servers call.
    /// Neither ends with a slash. `algorithms` are those that sign ID tokens now; `plain_pkce` is whether the
    /// deployment accepts that method.
    #[must_use]
    pub fn new<S: AsRef<str>>(app_url: &str, internal_url: &str, algorithms: &[S], plain_pkce: bool) -> Self {
        Self {
            authorization_endpoint: format!("{app_url}/authorize"),
            authorization_response_iss_parameter_supported: true,
            claims_supported: &[
                "sub",
                "given_name",
                "family_name",
                "name",
                "display_name",
                "email",
                "email_verified",
                "preferred_username",
                "picture",
                "groups",
                "auth_time",
                "amr",
                "sid",
            ],
            client_id_metadata_document_supported: false,
            code_challenge_methods_supported: if plain_pkce { &["plain", "S256"] } else { &["S256"] },
            end_session_endpoint: format!("{app_url}/api/oidc/end-session"),
            grant_types_supported: &["authorization_code", "refresh_token"],
            id_token_signing_alg_values_supported: algorithms.iter().map(|alg| alg.as_ref().to_owned()).collect(),
            issuer: app_url.to_owned(),
            jwks_uri: format!("{internal_url}/.well-known/jwks.json"),
            prompt_values_supported: &["none", "login", "consent", "select_account"],
            request_parameter_supported: false,
            request_uri_parameter_supported: false,
            response_modes_supported: &["query", "fragment", "form_post"],
            response_types_supported: &["code"],
            scopes_supported: &crate::scope::IDENTITY,
            subject_types_supported: &["public"],
            token_endpoint: format!("{internal_url}/api/oidc/token"),
            token_endpoint_auth_methods_supported: &["client_secret_basic", "client_secret_post", "none"],
            userinfo_endpoint: format!("{internal_url}/api/oidc/userinfo"),
        }
    }

    /// The document as it is sent.
    ///
    /// # Errors
    /// None in practice: the members are text, lists and booleans.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_what_exists_in_alphabetical_order() {
        let bytes = Metadata::new("https://id.example", "http://pid:1411", &["RS256"], false).to_bytes().unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["issuer"], "https://id.example");
        assert_eq!(value["authorization_endpoint"], "https://id.example/authorize");
        assert_eq!(value["end_session_endpoint"], "https://id.example/api/oidc/end-session");
        assert_eq!(value["token_endpoint"], "http://pid:1411/api/oidc/token");
        assert_eq!(value["userinfo_endpoint"], "http://pid:1411/api/oidc/userinfo");
        assert_eq!(value["jwks_uri"], "http://pid:1411/.well-known/jwks.json");
        assert_eq!(value["id_token_signing_alg_values_supported"], serde_json::json!(["RS256"]));
        assert_eq!(value["code_challenge_methods_supported"], serde_json::json!(["S256"]));
        for absent in
            ["revocation_endpoint", "registration_endpoint", "introspection_endpoint", "device_authorization_endpoint"]
        {
            assert!(value.get(absent).is_none(), "{absent}");
        }
        let keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        let mut positions: Vec<(usize, &str)> =
            keys.iter().map(|key| (text.find(&format!("\"{key}\":")).unwrap(), *key)).collect();
        positions.sort_unstable();
        assert!(positions.is_sorted_by_key(|(_, key)| *key), "{positions:?}");
    }
}
