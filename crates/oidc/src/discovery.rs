//! The metadata document (OpenID Connect Discovery §3, RFC 8414 §2). It lists what exists, nothing else: each optional
//! part appears when its [`Features`] switch is on.

use crate::{acr, client_assertion, client_credentials, device, dpop, request_object, scope};
use pid_jose::Alg;
use serde::Serialize;

/// What is switched on besides the core.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Features {
    /// PKCE method `plain`.
    pub plain_pkce: bool,
    /// Pushed authorization requests (RFC 9126 §5).
    pub par: bool,
    /// All requests must be pushed.
    pub par_required: bool,
    /// Request objects by value (OpenID Connect Core §6.1, RFC 9101 §10.5).
    pub request_objects: bool,
    /// Device authorization (RFC 8628 §4).
    pub device: bool,
    /// Client credentials (RFC 6749 §4.4).
    pub client_credentials: bool,
    /// Introspection (RFC 7662).
    pub introspection: bool,
    /// Revocation (RFC 7009).
    pub revocation: bool,
    /// Clients that sign assertions (OpenID Connect Core §9).
    pub private_key_jwt: bool,
    /// Tokens bound to keys (RFC 9449 §5.1).
    pub dpop: bool,
    /// The `claims` parameter (OpenID Connect Core §5.5).
    pub claims_parameter: bool,
    /// `acr_values` and the claim `acr` by their meaning.
    pub acr: bool,
    /// Client ID Metadata Documents.
    pub cimd: bool,
    /// Back-channel logout, with `sid`.
    pub backchannel_logout: bool,
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
    /// What is switched on.
    pub features: Features,
}

type List = Vec<&'static str>;

/// The document at `/.well-known/openid-configuration` and `/.well-known/oauth-authorization-server`. The fields are in
/// alphabetical order, as they are on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs)] // The names are those of the specifications.
pub struct Metadata {
    #[serde(skip_serializing_if = "List::is_empty")]
    pub acr_values_supported: List,
    pub authorization_endpoint: String,
    pub authorization_response_iss_parameter_supported: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub backchannel_logout_session_supported: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub backchannel_logout_supported: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub claims_parameter_supported: bool,
    pub claims_supported: List,
    pub client_id_metadata_document_supported: bool,
    pub code_challenge_methods_supported: List,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_authorization_endpoint: Option<String>,
    #[serde(skip_serializing_if = "List::is_empty")]
    pub dpop_signing_alg_values_supported: List,
    pub end_session_endpoint: String,
    pub grant_types_supported: List,
    pub id_token_signing_alg_values_supported: List,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub introspection_endpoint: Option<String>,
    #[serde(skip_serializing_if = "List::is_empty")]
    pub introspection_endpoint_auth_methods_supported: List,
    #[serde(skip_serializing_if = "List::is_empty")]
    pub introspection_endpoint_auth_signing_alg_values_supported: List,
    pub issuer: String,
    pub jwks_uri: String,
    pub prompt_values_supported: List,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pushed_authorization_request_endpoint: Option<String>,
    #[serde(skip_serializing_if = "List::is_empty")]
    pub request_object_signing_alg_values_supported: List,
    pub request_parameter_supported: bool,
    pub request_uri_parameter_supported: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require_pushed_authorization_requests: Option<bool>,
    pub response_modes_supported: List,
    pub response_types_supported: List,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revocation_endpoint: Option<String>,
    #[serde(skip_serializing_if = "List::is_empty")]
    pub revocation_endpoint_auth_methods_supported: List,
    #[serde(skip_serializing_if = "List::is_empty")]
    pub revocation_endpoint_auth_signing_alg_values_supported: List,
    pub scopes_supported: Vec<String>,
    pub subject_types_supported: List,
    pub token_endpoint: String,
    pub token_endpoint_auth_methods_supported: List,
    #[serde(skip_serializing_if = "List::is_empty")]
    pub token_endpoint_auth_signing_alg_values_supported: List,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ui_locales_supported: Vec<String>,
    pub userinfo_endpoint: String,
}

fn names(algorithms: &[Alg]) -> List {
    algorithms.iter().map(|alg| alg.as_str()).collect()
}

/// The list if the switch is on.
fn when(on: bool, list: List) -> List {
    if on { list } else { List::new() }
}

impl Metadata {
    /// The document of an instance.
    #[must_use]
    pub fn new(instance: &Instance<'_>) -> Self {
        let on = instance.features;
        let app = |path: &str| format!("{}{path}", instance.app_url);
        let internal = |path: &str| format!("{}{path}", instance.internal_url);
        let mut confidential = vec!["client_secret_basic", "client_secret_post"];
        confidential.extend(on.private_key_jwt.then_some("private_key_jwt"));
        let methods = [&confidential[..], &["none"]].concat();
        let assertions = when(on.private_key_jwt, names(&client_assertion::ALGORITHMS));
        let mut grants = vec!["authorization_code", "refresh_token"];
        grants.extend(on.device.then_some(device::GRANT_TYPE));
        grants.extend(on.client_credentials.then_some(client_credentials::GRANT_TYPE));
        let mut claims = vec![
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
        ];
        claims.extend(on.acr.then_some("acr"));
        let identity = scope::IDENTITY.into_iter().map(str::to_owned);
        Self {
            acr_values_supported: when(on.acr, acr::SUPPORTED.to_vec()),
            authorization_endpoint: app("/authorize"),
            authorization_response_iss_parameter_supported: true,
            backchannel_logout_session_supported: on.backchannel_logout,
            backchannel_logout_supported: on.backchannel_logout,
            claims_parameter_supported: on.claims_parameter,
            claims_supported: claims,
            client_id_metadata_document_supported: on.cimd,
            code_challenge_methods_supported: if on.plain_pkce { vec!["plain", "S256"] } else { vec!["S256"] },
            device_authorization_endpoint: on.device.then(|| app("/api/oidc/device/authorize")),
            dpop_signing_alg_values_supported: when(on.dpop, names(&dpop::ALGORITHMS)),
            end_session_endpoint: app("/api/oidc/end-session"),
            grant_types_supported: grants,
            id_token_signing_alg_values_supported: names(instance.algorithms),
            introspection_endpoint: on.introspection.then(|| internal("/api/oidc/introspect")),
            introspection_endpoint_auth_methods_supported: when(
                on.introspection,
                [&confidential[..], &["Bearer"]].concat(),
            ),
            introspection_endpoint_auth_signing_alg_values_supported: when(on.introspection, assertions.clone()),
            issuer: instance.app_url.to_owned(),
            jwks_uri: internal("/.well-known/jwks.json"),
            prompt_values_supported: vec!["none", "login", "consent", "select_account"],
            pushed_authorization_request_endpoint: on.par.then(|| internal("/api/oidc/par")),
            request_object_signing_alg_values_supported: when(
                on.request_objects,
                [&["none"][..], &names(&request_object::ALGORITHMS)].concat(),
            ),
            request_parameter_supported: on.request_objects,
            request_uri_parameter_supported: false,
            require_pushed_authorization_requests: on.par.then_some(on.par_required),
            response_modes_supported: vec!["query", "fragment", "form_post"],
            response_types_supported: vec!["code"],
            revocation_endpoint: on.revocation.then(|| internal("/api/oidc/revoke")),
            revocation_endpoint_auth_methods_supported: when(on.revocation, methods.clone()),
            revocation_endpoint_auth_signing_alg_values_supported: when(on.revocation, assertions.clone()),
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

    fn everything() -> Features {
        Features {
            plain_pkce: true,
            par: true,
            par_required: true,
            request_objects: true,
            device: true,
            client_credentials: true,
            introspection: true,
            revocation: true,
            private_key_jwt: true,
            dpop: true,
            claims_parameter: true,
            acr: true,
            cimd: true,
            backchannel_logout: true,
        }
    }

    #[test]
    fn the_core_lists_what_exists() {
        let (_, value) = document(Features::default());
        assert_eq!(value["issuer"], "https://id.example");
        assert_eq!(value["authorization_endpoint"], "https://id.example/authorize");
        assert_eq!(value["end_session_endpoint"], "https://id.example/api/oidc/end-session");
        assert_eq!(value["token_endpoint"], "http://pid:1411/api/oidc/token");
        assert_eq!(value["userinfo_endpoint"], "http://pid:1411/api/oidc/userinfo");
        assert_eq!(value["jwks_uri"], "http://pid:1411/.well-known/jwks.json");
        assert_eq!(value["id_token_signing_alg_values_supported"], json!(["RS256"]));
        assert_eq!(value["code_challenge_methods_supported"], json!(["S256"]));
        assert_eq!(
            value["scopes_supported"],
            json!(["openid", "profile", "email", "groups", "offline_access", "work"])
        );
        for absent in [
            "revocation_endpoint",
            "registration_endpoint",
            "introspection_endpoint",
            "introspection_endpoint_auth_methods_supported",
            "device_authorization_endpoint",
            "pushed_authorization_request_endpoint",
            "require_pushed_authorization_requests",
            "dpop_signing_alg_values_supported",
            "claims_parameter_supported",
            "acr_values_supported",
            "backchannel_logout_supported",
            "token_endpoint_auth_signing_alg_values_supported",
            "request_object_signing_alg_values_supported",
        ] {
            assert!(value.get(absent).is_none(), "{absent}");
        }
        assert_eq!(value["request_parameter_supported"], false);
        assert_eq!(
            value["token_endpoint_auth_methods_supported"],
            json!(["client_secret_basic", "client_secret_post", "none"])
        );
        assert_eq!(value["grant_types_supported"], json!(["authorization_code", "refresh_token"]));
    }

    #[test]
    fn each_part_appears_when_it_is_on() {
        let (_, value) = document(everything());
        for (name, expected) in [
            ("pushed_authorization_request_endpoint", json!("http://pid:1411/api/oidc/par")),
            ("require_pushed_authorization_requests", json!(true)),
            ("device_authorization_endpoint", json!("https://id.example/api/oidc/device/authorize")),
            ("introspection_endpoint", json!("http://pid:1411/api/oidc/introspect")),
            ("revocation_endpoint", json!("http://pid:1411/api/oidc/revoke")),
            (
                "introspection_endpoint_auth_methods_supported",
                json!(["client_secret_basic", "client_secret_post", "private_key_jwt", "Bearer"]),
            ),
            (
                "token_endpoint_auth_methods_supported",
                json!(["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]),
            ),
            ("code_challenge_methods_supported", json!(["plain", "S256"])),
            ("claims_parameter_supported", json!(true)),
            ("backchannel_logout_supported", json!(true)),
            ("backchannel_logout_session_supported", json!(true)),
            ("client_id_metadata_document_supported", json!(true)),
            ("request_parameter_supported", json!(true)),
            ("request_uri_parameter_supported", json!(false)),
            ("acr_values_supported", json!(["phr", "0"])),
            ("ui_locales_supported", json!(["de", "en"])),
        ] {
            assert_eq!(value[name], expected, "{name}");
        }
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
    fn members_are_in_alphabetical_order() {
        for features in [Features::default(), everything()] {
            let (text, value) = document(features);
            let places: Vec<usize> =
                value.as_object().unwrap().keys().map(|key| text.find(&format!("\"{key}\":")).unwrap()).collect();
            assert!(places.is_sorted(), "{text}");
        }
    }
}
