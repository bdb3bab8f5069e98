//! What tokens and userinfo say (OpenID Connect Core §2, §5; RFC 9068 §2.2). The structs become JSON; signing is not
//! here.

use crate::dpop::Confirmation;
use crate::scope::{self, ScopeSet};
use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use pid_core::claims::{CustomClaim, is_reserved};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// Seconds that an ID token lives.
pub const ID_TOKEN_SECONDS: i64 = 3600;

/// What the claims of a user are made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserView {
    /// `sub`.
    pub id: String,
    /// `preferred_username`.
    pub username: String,
    /// `email`.
    pub email: Option<String>,
    /// `email_verified`.
    pub email_verified: bool,
    /// `given_name`.
    pub first_name: String,
    /// `family_name`.
    pub last_name: String,
    /// `display_name`.
    pub display_name: String,
    /// The user's groups in any order.
    pub groups: Vec<GroupView>,
    /// The user's own custom claims.
    pub custom_claims: Vec<CustomClaim>,
}

/// What the claims of a group are made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupView {
    /// The group's id.
    pub id: String,
    /// The machine name.
    pub name: String,
    /// The custom claims that its members get.
    pub custom_claims: Vec<CustomClaim>,
}

impl UserView {
    /// The names of the custom claims that this person has, of their own or by a group.
    #[must_use]
    pub fn custom_claim_names(&self) -> Vec<String> {
        let by_groups = self.groups.iter().flat_map(|group| &group.custom_claims);
        self.custom_claims.iter().chain(by_groups).map(|claim| claim.key.clone()).collect()
    }
}

/// The claims about a user that the scopes release, for ID token and userinfo alike, `sub` included (oidc.md §16.2).
///
/// Custom claims come with `profile`. The user's own win over those of groups; among groups the first by name wins.
/// A value that is JSON is released as that JSON, any other as text. No custom claim replaces a standard one: the
/// reserved names are left out even if they are stored, with or without the scope that they belong to.
///
/// `app_url` is the issuer, without a slash at the end.
#[must_use]
pub fn user_claims(user: &UserView, scopes: &ScopeSet, app_url: &str) -> Map<String, Value> {
    let mut claims = Map::new();
    let mut groups: Vec<&GroupView> = user.groups.iter().collect();
    groups.sort_by(|a, b| a.name.cmp(&b.name));
    if scopes.contains(scope::PROFILE) {
        let from_groups = groups.iter().rev().flat_map(|group| &group.custom_claims);
        for claim in from_groups.chain(&user.custom_claims).filter(|claim| !is_protected(&claim.key)) {
            claims.insert(claim.key.clone(), custom_value(&claim.value));
        }
        let full_name = format!("{} {}", user.first_name, user.last_name);
        let name = [full_name.trim(), &user.display_name, &user.username].into_iter().find(|name| !name.is_empty());
        let picture = format!("{app_url}/api/users/{}/profile-picture.png", user.id);
        for (key, value) in [
            ("given_name", user.first_name.as_str()),
            ("family_name", &user.last_name),
            ("name", name.unwrap_or_default()),
            ("display_name", &user.display_name),
            ("preferred_username", &user.username),
            ("picture", &picture),
        ] {
            claims.insert(key.to_owned(), value.into());
        }
    }
    if scopes.contains(scope::EMAIL)
        && let Some(email) = &user.email
    {
        claims.insert("email".to_owned(), email.as_str().into());
        claims.insert("email_verified".to_owned(), user.email_verified.into());
    }
    if scopes.contains(scope::GROUPS) {
        let names: Vec<Value> = groups.iter().map(|group| group.name.as_str().into()).collect();
        claims.insert("groups".to_owned(), names.into());
    }
    claims.insert("sub".to_owned(), user.id.as_str().into());
    claims
}

/// Names that only we may give a value: those refused when a custom claim is saved, and the protocol's others.
pub(crate) fn is_protected(key: &str) -> bool {
    is_reserved(key)
        || ID_TOKEN_CLAIMS.contains(&key)
        || matches!(key, "c_hash" | "s_hash" | "cnf" | "scope" | "events")
}

fn custom_value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}

/// The protocol claims of [`IdToken`], in the order in which they are written.
const ID_TOKEN_CLAIMS: [&str; 14] =
    ["iss", "sub", "aud", "exp", "iat", "auth_time", "rat", "jti", "nonce", "at_hash", "acr", "amr", "sid", "type"];

/// An ID token (OpenID Connect Core §2, oidc.md §16). Times are seconds since the epoch.
#[derive(Debug, Clone, PartialEq)]
pub struct IdToken {
    /// `iss`.
    pub issuer: String,
    /// The only member of `aud`.
    pub client_id: String,
    /// `iat`.
    pub issued_at: i64,
    /// Seconds from `iat` to `exp`.
    pub seconds: i64,
    /// `auth_time`.
    pub auth_time: i64,
    /// `rat`: when the client asked.
    pub requested_at: i64,
    /// `jti`.
    pub id: String,
    /// `nonce`.
    pub nonce: Option<String>,
    /// `at_hash`, see [`at_hash`].
    pub at_hash: Option<String>,
    /// `acr`.
    pub acr: Option<String>,
    /// `amr`; absent when empty.
    pub amr: Vec<String>,
    /// `sid` (OpenID Connect Front-Channel Logout §3).
    pub sid: Option<String>,
    /// What [`user_claims`] released; holds `sub`.
    pub user: Map<String, Value>,
}

/// The value of `type` by which an ID token is told from other tokens.
pub const ID_TOKEN_TYPE: &str = "id-token";

impl Serialize for IdToken {
    /// Writes the protocol claims, then those of the user; one name never comes twice.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("iss", &self.issuer)?;
        if let Some(sub) = self.user.get("sub") {
            map.serialize_entry("sub", sub)?;
        }
        map.serialize_entry("aud", &[&self.client_id])?;
        map.serialize_entry("exp", &self.issued_at.saturating_add(self.seconds))?;
        map.serialize_entry("iat", &self.issued_at)?;
        map.serialize_entry("auth_time", &self.auth_time)?;
        map.serialize_entry("rat", &self.requested_at)?;
        map.serialize_entry("jti", &self.id)?;
        for (name, value) in
            [("nonce", &self.nonce), ("at_hash", &self.at_hash), ("acr", &self.acr), ("sid", &self.sid)]
        {
            if let Some(value) = value {
                map.serialize_entry(name, value)?;
            }
        }
        if !self.amr.is_empty() {
            map.serialize_entry("amr", &self.amr)?;
        }
        map.serialize_entry("type", ID_TOKEN_TYPE)?;
        for (name, value) in self.user.iter().filter(|(name, _)| !ID_TOKEN_CLAIMS.contains(&name.as_str())) {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// `at_hash` (OpenID Connect Core §3.1.3.6): the left half of the hash that belongs to the algorithm of the ID token.
/// For Ed25519 that is SHA-512. `None` for an algorithm without a hash of ours.
#[must_use]
pub fn at_hash(algorithm: &str, access_token: &str) -> Option<String> {
    let hash = match algorithm {
        "RS256" | "ES256" | "PS256" => &digest::SHA256,
        "RS384" | "ES384" | "PS384" => &digest::SHA384,
        "RS512" | "ES512" | "PS512" | "EdDSA" | "Ed25519" => &digest::SHA512,
        _ => return None,
    };
    let full = digest::digest(hash, access_token.as_bytes());
    Some(URL_SAFE_NO_PAD.encode(&full.as_ref()[..full.as_ref().len() / 2]))
}

/// An access token (RFC 9068, oidc.md §15). Its header has `typ: at+jwt`. Times are seconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessToken<'a> {
    /// `iss`.
    pub iss: Cow<'a, str>,
    /// The user.
    pub sub: Cow<'a, str>,
    /// See [`audience`].
    pub aud: Vec<Cow<'a, str>>,
    /// The client.
    pub client_id: Cow<'a, str>,
    /// Expiry.
    pub exp: i64,
    /// Issue.
    pub iat: i64,
    /// Its id.
    pub jti: Cow<'a, str>,
    /// What was granted, separated by spaces; absent when nothing was.
    #[serde(default, skip_serializing_if = "ScopeSet::is_empty")]
    pub scope: ScopeSet,
    /// The same as a list, as some resource servers expect it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scp: Vec<String>,
    /// The key that it is bound to (RFC 9449 §6.1); absent in a bearer token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
}

impl<'a> AccessToken<'a> {
    /// The token for a grant of one client by one user.
    pub fn new(
        issuer: &'a str,
        user_id: &'a str,
        client_id: &'a str,
        scopes: &ScopeSet,
        token_id: impl Into<Cow<'a, str>>,
        issued_at: i64,
        seconds: i64,
    ) -> Self {
        Self {
            iss: issuer.into(),
            sub: user_id.into(),
            aud: audience(client_id, issuer, scopes),
            client_id: client_id.into(),
            exp: issued_at.saturating_add(seconds),
            iat: issued_at,
            jti: token_id.into(),
            scp: scopes.as_slice().to_vec(),
            scope: scopes.clone(),
            cnf: None,
        }
    }

    /// The token for an API instead of the client (RFC 8707 §2.2). The issuer stays in the audience if it was.
    #[must_use]
    pub fn for_resource(mut self, resource: impl Into<Cow<'a, str>>) -> Self {
        if let Some(first) = self.aud.first_mut() {
            *first = resource.into();
        }
        self
    }

    /// The token bound to a key, by its thumbprint (RFC 9449 §6.1).
    #[must_use]
    pub fn bound_to(mut self, jkt: Option<String>) -> Self {
        self.cnf = jkt.map(|jkt| Confirmation { jkt });
        self
    }

    /// True if the token is for this audience.
    #[must_use]
    pub fn is_for(&self, audience: &str) -> bool {
        self.aud.iter().any(|aud| aud == audience)
    }
}

/// `aud` of an access token: the client, and the issuer when userinfo has something to say for it.
#[must_use]
pub fn audience<'a>(client_id: &'a str, issuer: &'a str, scopes: &ScopeSet) -> Vec<Cow<'a, str>> {
    let mut audience = vec![Cow::Borrowed(client_id)];
    if [scope::OPENID, scope::PROFILE, scope::EMAIL, scope::GROUPS].into_iter().any(|scope| scopes.contains(scope)) {
        audience.push(Cow::Borrowed(issuer));
    }
    audience
}

#[cfg(test)]
mod tests {
    use super::*;
    use pid_core::claims::RESERVED;
    use serde_json::json;

    const APP: &str = "https://id.example";

    fn claim(key: &str, value: &str) -> CustomClaim {
        CustomClaim { key: key.into(), value: value.into() }
    }

    fn user() -> UserView {
        UserView {
            id: "u1".into(),
            username: "ada".into(),
            email: Some("ada@example.org".into()),
            email_verified: true,
            first_name: "Ada".into(),
            last_name: "Lovelace".into(),
            display_name: "Ada L.".into(),
            groups: vec![
                GroupView {
                    id: "1".into(),
                    name: "zoo".into(),
                    custom_claims: vec![claim("role", "z"), claim("quota", "10"), claim("only_z", "x")],
                },
                GroupView {
                    id: "2".into(),
                    name: "art".into(),
                    custom_claims: vec![claim("role", "a"), claim("quota", "5")],
                },
            ],
            custom_claims: vec![claim("role", "own")],
        }
    }

    fn released(user: &UserView, scopes: &str) -> Value {
        Value::Object(user_claims(user, &ScopeSet::parse(scopes).unwrap(), APP))
    }

    #[test]
    fn scopes_release_their_claims() {
        assert_eq!(released(&user(), "openid offline_access"), json!({"sub": "u1"}));
        assert_eq!(
            released(&user(), "email"),
            json!({"sub": "u1", "email": "ada@example.org", "email_verified": true})
        );
        assert_eq!(released(&user(), "groups"), json!({"sub": "u1", "groups": ["art", "zoo"]}));
        assert_eq!(
            released(&user(), "profile"),
            json!({
                "sub": "u1", "given_name": "Ada", "family_name": "Lovelace", "name": "Ada Lovelace", "display_name": "Ada L.",
                "preferred_username": "ada", "picture": "https://id.example/api/users/u1/profile-picture.png",
                "role": "own", "quota": 5, "only_z": "x",
            })
        );
        let nobody = UserView { id: "u2".into(), username: "bob".into(), ..UserView::default() };
        assert_eq!(released(&nobody, "email groups"), json!({"sub": "u2", "groups": []}));
        let claims = released(&nobody, "profile");
        assert_eq!(
            (&claims["name"], &claims["family_name"], &claims["display_name"]),
            (&json!("bob"), &json!(""), &json!(""))
        );
        let shown = UserView { display_name: "B".into(), ..nobody };
        assert_eq!(released(&shown, "profile")["name"], "B");
    }

    #[test]
    fn custom_values_that_are_json_are_json() {
        for (text, value) in [
            ("123", json!(123)),
            ("007", json!("007")),
            ("true", json!(true)),
            ("[\"a\"]", json!(["a"])),
            ("{\"a\":1}", json!({"a": 1})),
            ("null", json!(null)),
            ("plain", json!("plain")),
            ("\"quoted\"", json!("quoted")),
            ("", json!("")),
        ] {
            let user = UserView { custom_claims: vec![claim("x", text)], ..user() };
            assert_eq!(released(&user, "profile")["x"], value, "{text}");
        }
        let deep = UserView { custom_claims: vec![claim("x", &"[".repeat(100_000))], ..user() };
        assert!(released(&deep, "profile")["x"].is_string());
    }

    #[test]
    fn case_040_custom_claims_never_override_standard_ones() {
        let names = RESERVED.into_iter().chain(ID_TOKEN_CLAIMS).chain(["picture", "c_hash", "scope"]);
        let hostile: Vec<CustomClaim> = names.map(|name| claim(name, "\"evil\"")).collect();
        let plain = UserView { custom_claims: vec![], groups: vec![], ..user() };
        let own = UserView { custom_claims: hostile.clone(), ..plain.clone() };
        let group = GroupView { id: "3".into(), name: "g".into(), custom_claims: hostile };
        for scopes in ["openid profile", "openid profile email groups"] {
            assert_eq!(released(&own, scopes), released(&plain, scopes));
            let member = UserView { groups: vec![group.clone()], ..plain.clone() };
            assert!(!released(&member, scopes).to_string().contains("evil"));
        }
        // Even if such a claim came that far, the token writes each name once and with our value.
        let mut claims = user_claims(&own, &ScopeSet::parse("profile").unwrap(), APP);
        for name in ID_TOKEN_CLAIMS.into_iter().filter(|name| *name != "sub") {
            claims.insert(name.to_owned(), "evil".into());
        }
        let text = serde_json::to_string(&IdToken { user: claims, ..id_token() }).unwrap();
        assert!(!text.contains("evil"), "{text}");
    }

    fn id_token() -> IdToken {
        IdToken {
            issuer: APP.into(),
            client_id: "app".into(),
            issued_at: 1000,
            seconds: ID_TOKEN_SECONDS,
            auth_time: 900,
            requested_at: 950,
            id: "j".into(),
            nonce: None,
            at_hash: None,
            acr: None,
            amr: vec![],
            sid: None,
            user: Map::from_iter([("sub".to_owned(), json!("u1"))]),
        }
    }

    #[test]
    fn id_token_claims() {
        let bare = serde_json::to_value(id_token()).unwrap();
        assert_eq!(
            bare,
            json!({"iss": APP, "sub": "u1", "aud": ["app"], "exp": 4600, "iat": 1000, "auth_time": 900, "rat": 950, "jti": "j", "type": "id-token"})
        );
        let full = IdToken {
            nonce: Some("n".into()),
            at_hash: Some("h".into()),
            acr: Some("0".into()),
            amr: vec!["phr".into()],
            sid: Some("s".into()),
            user: user_claims(&user(), &ScopeSet::parse("openid email").unwrap(), APP),
            ..id_token()
        };
        let full = serde_json::to_value(full).unwrap();
        assert_eq!(
            (&full["nonce"], &full["amr"], &full["sid"], &full["acr"]),
            (&json!("n"), &json!(["phr"]), &json!("s"), &json!("0"))
        );
        assert_eq!((&full["email"], &full["at_hash"]), (&json!("ada@example.org"), &json!("h")));
    }

    #[test]
    fn access_token_claims() {
        let scopes = ScopeSet::parse("openid email").unwrap();
        let token = AccessToken::new(APP, "u1", "app", &scopes, "j", 1000, 3600);
        assert_eq!(
            serde_json::to_value(&token).unwrap(),
            json!({"iss": APP, "sub": "u1", "aud": ["app", APP], "client_id": "app", "exp": 4600, "iat": 1000, "jti": "j",
                   "scope": "openid email", "scp": ["openid", "email"]})
        );
        let text = serde_json::to_string(&token).unwrap();
        assert_eq!(serde_json::from_str::<AccessToken<'_>>(&text).unwrap(), token);
        let api = token.clone().for_resource("https://api.example").bound_to(Some("k".into()));
        let json = serde_json::to_value(&api).unwrap();
        assert_eq!((&json["aud"], &json["cnf"]), (&json!(["https://api.example", APP]), &json!({"jkt": "k"})));
        let bare = AccessToken::new(APP, "u1", "app", &ScopeSet::parse("offline_access").unwrap(), "j", 1000, 60);
        assert!(!bare.is_for(APP) && bare.is_for("app"));
        let bare = serde_json::to_value(AccessToken::new(APP, "u1", "app", &ScopeSet::default(), "j", 1, 60)).unwrap();
        assert!(bare.get("scope").is_none() && bare.get("scp").is_none());
    }

    #[test]
    fn at_hash_follows_the_algorithm() {
        // OpenID Connect Core 1.0, appendix A.4.
        let token = "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y";
        assert_eq!(at_hash("RS256", token).unwrap(), "77QmUPtjPfzWtF2AnpK9RQ");
        assert_eq!(at_hash("ES384", token).unwrap().len(), 32);
        assert_eq!(at_hash("EdDSA", token).unwrap().len(), 43);
        assert_eq!(at_hash("none", token), None);
    }
}
