//! The metadata document (OpenID Connect Discovery §3, RFC 8414 §2). It lists what exists, nothing else.

use crate::{acr, client_assertion, client_credentials, device, dpop, request_object, scope};
use pid_jose::Alg;
use serde::Serialize;

/// What the configuration changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Features {
    /// PKCE method `plain`.
    pub plain_pkce: bool,
    /// All requests must be pushed (RFC 9126 §5).
    pub par_required: bool,
    /// Client ID Metadata Documents.
    pub cimd: bool,
}

/// What a document is made of.
#[derive(Debug, Clone, Copy)]
pub struct Instance<'a> {
    /// The issuer and base of what browsers open, without a slash at the end.
    pub app_url: &'a str,
    /// The base of what servers call, without a slash at the end.
    pub internal_url: &'a str,
    /// The algorithms that sign ID tokens now.
    pub algorithms: &'a [Alg],
    /// Scopes that an admin defined.
    pub named_scopes: &'a [String],
    /// Languages of the pages (BCP 47).
    pub locales: &'a [&'a str],
    /// What the configuration changes.
    pub features: Features,
}

type List = Vec<&'static str>;

/// The document at `/.well-known/openid-configuration` and `/.well-known/oauth-authorization-server`. The fields are in
/// alphabetical order, as they are on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs)] // The names are those of the specifications.
pub struct Metadata {
    pub acr_values_supported: List,
    pub authorization_endpoint: String,
    pub authorization_response_iss_parameter_supported: bool,
    pub backchannel_logout_session_supported: bool,
    pub backchannel_logout_supported: bool,
    pub claims_parameter_supported: bool,
    pub claims_supported: List,
    pub client_id_metadata_document_supported: bool,
    pub code_challenge_methods_supported: List,
    pub device_authorization_endpoint: String,
    pub dpop_signing_alg_values_supported: List,
    pub end_session_endpoint: String,
    pub grant_types_supported: List,
    pub id_token_signing_alg_values_supported: List,
    pub introspection_endpoint: String,
    pub introspection_endpoint_auth_methods_supported: List,
    pub introspection_endpoint_auth_signing_alg_values_supported: List,
    pub issuer: String,
    pub jwks_uri: String,
    pub prompt_values_supported: List,
    pub pushed_authorization_request_endpoint: String,
    pub request_object_signing_alg_values_supported: List,
    pub request_parameter_supported: bool,
    pub request_uri_parameter_supported: bool,
    pub require_pushed_authorization_requests: bool,
    pub response_modes_supported: List,
    pub response_types_supported: List,
    pub revocation_endpoint: String,
    pub revocation_endpoint_auth_methods_supported: List,
    pub revocation_endpoint_auth_signing_alg_values_supported: List,
    pub scopes_supported: Vec<String>,
    pub subject_types_supported: List,
    pub token_endpoint: String,
    pub token_endpoint_auth_methods_supported: List,
    pub token_endpoint_auth_signing_alg_values_supported: List,
    pub ui_locales_supported: Vec<String>,
    pub userinfo_endpoint: String,
}

fn names(algorithms: &[Alg]) -> List {
    algorithms.iter().map(|alg| alg.as_str()).collect()
}

impl Metadata {
    /// The document of an instance.
    #[must_use]
    pub fn new(instance: &Instance<'_>) -> Self {
        let on = instance.features;
        let app = |path: &str| format!("{}{path}", instance.app_url);
        let internal = |path: &str| format!("{}{path}", instance.internal_url);
        let confidential = ["client_secret_basic", "client_secret_post", "private_key_jwt"];
        let methods = [&confidential[..], &["none"]].concat();
        let assertions = names(&client_assertion::ALGORITHMS);
        let grants = vec!["authorization_code", "refresh_token", device::GRANT_TYPE, client_credentials::GRANT_TYPE];
        let claims = vec![
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
            "acr",
        ];
        let identity = scope::IDENTITY.into_iter().map(str::to_owned);
        Self {
            acr_values_supported: acr::SUPPORTED.to_vec(),
            authorization_endpoint: app("/authorize"),
            authorization_response_iss_parameter_supported: true,
            backchannel_logout_session_supported: true,
            backchannel_logout_supported: true,
            claims_parameter_supported: true,
            claims_supported: claims,
            client_id_metadata_document_supported: on.cimd,
            code_challenge_methods_supported: if on.plain_pkce { vec!["plain", "S256"] } else { vec!["S256"] },
            device_authorization_endpoint: app("/api/oidc/device/authorize"),
            dpop_signing_alg_values_supported: names(&dpop::ALGORITHMS),
            end_session_endpoint: app("/api/oidc/end-session"),
            grant_types_supported: grants,
            id_token_signing_alg_values_supported: names(instance.algorithms),
            introspection_endpoint: internal("/api/oidc/introspect"),
            introspection_endpoint_auth_methods_supported: [&confidential[..], &["Bearer"]].concat(),
            introspection_endpoint_auth_signing_alg_values_supported: assertions.clone(),
            issuer: instance.app_url.to_owned(),
            jwks_uri: internal("/.well-known/jwks.json"),
            prompt_values_supported: vec!["none", "login", "consent", "select_account"],
            pushed_authorization_request_endpoint: internal("/api/oidc/par"),
            request_object_signing_alg_values_supported: [&["none"][..], &names(&request_object::ALGORITHMS)].concat(),
            request_parameter_supported: true,
            request_uri_parameter_supported: false,
            require_pushed_authorization_requests: on.par_required,
            response_modes_supported: vec!["query", "fragment", "form_post"],
            response_types_supported: vec!["code"],
            revocation_endpoint: internal("/api/oidc/revoke"),
            revocation_endpoint_auth_methods_supported: methods.clone(),
            revocation_endpoint_auth_signing_alg_values_supported: assertions.clone(),
            scopes_supported: identity.chain(instance.named_scopes.iter().cloned()).collect(),
            subject_types_supported: vec!["public"],
            token_endpoint: internal("/api/oidc/token"),
            token_endpoint_auth_methods_supported: methods,
            token_endpoint_auth_signing_alg_values_supported: assertions,
            ui_locales_supported: instance.locales.iter().map(|locale| (*locale).to_owned()).collect(),
            userinfo_endpoint: internal("/api/oidc/userinfo"),
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
    use serde_json::{Value, json};

    fn document(features: Features) -> (String, Value) {
        let named = ["work".to_owned()];
        let instance = Instance {
            app_url: "https://id.example",
            internal_url: "http://pid:1411",
            algorithms: &[Alg::RS256],
            named_scopes: &named,
            locales: &["de", "en"],
            features,
        };
        let text = String::from_utf8(Metadata::new(&instance).to_bytes().unwrap()).unwrap();
        let value = serde_json::from_str(&text).unwrap();
        (text, value)
    }

    const EVERYTHING: Features = Features { plain_pkce: true, par_required: true, cimd: true };

    #[test]
    fn it_lists_what_exists() {
        let (_, value) = document(Features::default());
        for (name, expected) in [
            ("issuer", json!("https://id.example")),
            ("authorization_endpoint", json!("https://id.example/authorize")),
            ("end_session_endpoint", json!("https://id.example/api/oidc/end-session")),
            ("device_authorization_endpoint", json!("https://id.example/api/oidc/device/authorize")),
            ("token_endpoint", json!("http://pid:1411/api/oidc/token")),
            ("userinfo_endpoint", json!("http://pid:1411/api/oidc/userinfo")),
            ("jwks_uri", json!("http://pid:1411/.well-known/jwks.json")),
            ("pushed_authorization_request_endpoint", json!("http://pid:1411/api/oidc/par")),
            ("introspection_endpoint", json!("http://pid:1411/api/oidc/introspect")),
            ("revocation_endpoint", json!("http://pid:1411/api/oidc/revoke")),
            ("id_token_signing_alg_values_supported", json!(["RS256"])),
            ("scopes_supported", json!(["openid", "profile", "email", "groups", "offline_access", "work"])),
            (
                "introspection_endpoint_auth_methods_supported",
                json!(["client_secret_basic", "client_secret_post", "private_key_jwt", "Bearer"]),
            ),
            (
                "token_endpoint_auth_methods_supported",
                json!(["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]),
            ),
            ("code_challenge_methods_supported", json!(["S256"])),
            ("require_pushed_authorization_requests", json!(false)),
            ("client_id_metadata_document_supported", json!(false)),
            ("claims_parameter_supported", json!(true)),
            ("backchannel_logout_supported", json!(true)),
            ("backchannel_logout_session_supported", json!(true)),
            ("request_parameter_supported", json!(true)),
            ("request_uri_parameter_supported", json!(false)),
            ("acr_values_supported", json!(["phr", "0"])),
            ("ui_locales_supported", json!(["de", "en"])),
        ] {
            assert_eq!(value[name], expected, "{name}");
        }
        assert!(value.get("registration_endpoint").is_none());
        assert_eq!(value["grant_types_supported"].as_array().unwrap().len(), 4);
        assert_eq!(value["request_object_signing_alg_values_supported"][0], "none");
        for name in ["token_endpoint_auth_signing_alg_values_supported", "dpop_signing_alg_values_supported"] {
            let list = value[name].to_string();
            assert!(
                list.contains("ES256") && list.contains("PS256") && !list.contains("none") && !list.contains("HS"),
                "{list}"
            );
        }
    }

    #[test]
    fn the_configuration_changes_some() {
        let (_, value) = document(EVERYTHING);
        assert_eq!(value["code_challenge_methods_supported"], json!(["plain", "S256"]));
        assert_eq!(value["require_pushed_authorization_requests"], true);
        assert_eq!(value["client_id_metadata_document_supported"], true);
    }

    #[test]
    fn members_are_in_alphabetical_order() {
        for features in [Features::default(), EVERYTHING] {
            let (text, value) = document(features);
            let places: Vec<usize> =
                value.as_object().unwrap().keys().map(|key| text.find(&format!("\"{key}\":")).unwrap()).collect();
            assert!(places.is_sorted(), "{text}");
        }
    }
}
