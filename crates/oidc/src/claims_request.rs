//! The `claims` parameter (OpenID Connect Core §5.5): a client asks for single claims, in the ID token or at userinfo.
//!
//! Clients send long lists of names that mean nothing here (Nextcloud asks for `groups` this way, among twenty others),
//! so whatever we don't know is passed over. What we know is given only with consent, which is kept per claim.

use crate::acr::AcrRequest;
use crate::claims::is_protected;
use crate::consent::{Need, claim_key};
use crate::error::{ErrorCode, OAuthError};
use crate::named_scope::NamedScope;
use crate::scope::{self, ScopeSet};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Longest parameter in bytes.
const MAX_LENGTH: usize = 16 * 1024;
/// Most claims of one target.
const MAX_CLAIMS: usize = 200;

/// How one claim is asked for (OpenID Connect Core §5.5.1).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Want {
    /// The client can't do without.
    pub essential: bool,
    /// It is wanted only with one of these values; empty: with any.
    pub values: Vec<Value>,
}

impl Want {
    fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Null => Some(Self::default()),
            Value::Object(members) => Some(Self {
                essential: members.get("essential") == Some(&Value::Bool(true)),
                values: match (members.get("value"), members.get("values")) {
                    (Some(value), _) => vec![value.clone()],
                    (None, Some(Value::Array(values))) => values.clone(),
                    _ => Vec::new(),
                },
            }),
            _ => None,
        }
    }

    fn accepts(&self, value: &Value) -> bool {
        self.values.is_empty() || self.values.contains(value)
    }
}

/// The claims that are asked for in one place.
pub type Wants = BTreeMap<String, Want>;

/// A `claims` parameter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClaimsRequest {
    /// For the ID token.
    pub id_token: Wants,
    /// For userinfo.
    pub userinfo: Wants,
}

/// Where claims go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The ID token.
    IdToken,
    /// Userinfo.
    Userinfo,
}

impl ClaimsRequest {
    /// Reads the parameter. Members that we don't know, and claims whose request is neither null nor an object, are
    /// passed over.
    ///
    /// # Errors
    /// `invalid_request` if it isn't a JSON object, or endless.
    pub fn parse(text: &str) -> Result<Self, OAuthError> {
        let malformed = || OAuthError::invalid_request("The parameter 'claims' must be a JSON object.");
        if text.len() > MAX_LENGTH {
            return Err(OAuthError::invalid_request("The parameter 'claims' is too long."));
        }
        let members: Map<String, Value> = serde_json::from_str(text).map_err(|_| malformed())?;
        let place = |name: &str| match members.get(name) {
            Some(Value::Object(claims)) if claims.len() > MAX_CLAIMS => {
                Err(OAuthError::invalid_request("The parameter 'claims' asks for too many claims."))
            }
            Some(Value::Object(claims)) => {
                Ok(claims.iter().filter_map(|(name, value)| Some((name.clone(), Want::read(value)?))).collect())
            }
            _ => Ok(Wants::new()),
        };
        Ok(Self { id_token: place("id_token")?, userinfo: place("userinfo")? })
    }

    /// True if nothing is asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.id_token.is_empty() && self.userinfo.is_empty()
    }

    /// The wants of one place.
    #[must_use]
    pub const fn of(&self, place: Place) -> &Wants {
        match place {
            Place::IdToken => &self.id_token,
            Place::Userinfo => &self.userinfo,
        }
    }

    /// Checks `sub` (OpenID Connect Core §5.5.1): the request is about one user only.
    ///
    /// # Errors
    /// `login_required` if another user is signed in.
    pub fn check_subject(&self, user_id: &str) -> Result<(), OAuthError> {
        let user = Value::from(user_id);
        let fits = |wants: &Wants| wants.get("sub").is_none_or(|want| want.accepts(&user));
        if fits(&self.id_token) && fits(&self.userinfo) {
            return Ok(());
        }
        Err(OAuthError::new(ErrorCode::LoginRequired, "Another user than the one of the request is signed in."))
    }

    /// What the request says about `acr` in the ID token (OpenID Connect Core §5.5.1.1).
    #[must_use]
    pub fn acr(&self) -> Option<AcrRequest> {
        let want = self.id_token.get("acr")?;
        let values = want.values.iter().filter_map(Value::as_str).map(str::to_owned).collect();
        Some(AcrRequest { values, essential: want.essential })
    }

    /// What the person must agree to beyond the scopes of the request. `custom` are the names of the person's custom
    /// claims, `named` the scopes that an admin defined.
    #[must_use]
    pub fn needs(&self, scopes: &ScopeSet, named: &[NamedScope], custom: &[String]) -> Vec<Need> {
        let mut wants: BTreeMap<&str, bool> = BTreeMap::new();
        for (name, want) in self.id_token.iter().chain(&self.userinfo) {
            *wants.entry(name).or_default() |= want.essential;
        }
        let mut needs: Vec<Need> = Vec::new();
        for (name, essential) in wants {
            let releasing = scopes_of(name, named, custom);
            let released = releasing.iter().any(|scope| scopes.contains(scope));
            if releasing.is_empty() || released {
                continue;
            }
            let key = key_of(name);
            // `email` and `email_verified` are two claims and two keys; `groups` is its scope.
            let covered_by = releasing.into_iter().filter(|scope| *scope != key).collect();
            needs.push(Need { key, covered_by, voluntary: !essential });
        }
        needs
    }

    /// The claims of one place beyond those that the scopes release: asked for, agreed to, there, and with a value that
    /// was asked for. `available` is everything that could be said of the person, by any scope.
    #[must_use]
    pub fn release(
        &self,
        place: Place,
        available: &Map<String, Value>,
        recorded: &[String],
        named: &[NamedScope],
    ) -> Map<String, Value> {
        let custom: Vec<String> = available.keys().cloned().collect();
        let mut out = Map::new();
        for (name, want) in self.of(place) {
            let releasing = scopes_of(name, named, &custom);
            let agreed = recorded.contains(&key_of(name)) || releasing.iter().any(|scope| recorded.contains(scope));
            let value = available.get(name).filter(|value| want.accepts(value));
            if let (Some(value), true, false) = (value, agreed, releasing.is_empty()) {
                out.insert(name.clone(), value.clone());
            }
        }
        out
    }
}

/// What is recorded for a claim.
fn key_of(claim: &str) -> String {
    if claim == scope::GROUPS { scope::GROUPS.to_owned() } else { claim_key(claim) }
}

/// The scopes that release a claim; none for a name that means nothing here, or that only we may give a value.
fn scopes_of(claim: &str, named: &[NamedScope], custom: &[String]) -> Vec<String> {
    let mut scopes: Vec<String> = Vec::new();
    if let Some(standard) = standard_scope(claim) {
        scopes.push(standard.to_owned());
    } else if is_protected(claim) {
        return scopes;
    } else if custom.iter().any(|name| name == claim) {
        scopes.push(scope::PROFILE.to_owned());
    }
    scopes.extend(named.iter().filter(|scope| scope.releases(claim)).map(|scope| scope.name.clone()));
    scopes
}

/// The identity scope that releases a standard claim (OpenID Connect Core §5.4, oidc.md §16.2).
#[must_use]
pub fn standard_scope(claim: &str) -> Option<&'static str> {
    match claim {
        "given_name" | "family_name" | "name" | "display_name" | "preferred_username" | "picture" => {
            Some(scope::PROFILE)
        }
        "email" | "email_verified" => Some(scope::EMAIL),
        "groups" => Some(scope::GROUPS),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consent;
    use proptest::prelude::*;
    use serde_json::json;

    fn request(value: &Value) -> ClaimsRequest {
        ClaimsRequest::parse(&value.to_string()).unwrap()
    }

    fn scopes(text: &str) -> ScopeSet {
        ScopeSet::parse(text).unwrap()
    }

    fn available() -> Map<String, Value> {
        let claims = json!({
            "sub": "u1", "email": "ada@example.org", "email_verified": true, "groups": ["art"], "name": "Ada", "quota": 5, "team": "x",
        });
        claims.as_object().unwrap().clone()
    }

    fn custom() -> Vec<String> {
        vec!["quota".into(), "team".into()]
    }

    #[test]
    fn nextcloud_gets_groups_with_the_scopes_that_it_sends() {
        let request = request(&json!({
            "id_token": {"email": null, "name": null, "quota": null, "groups": null, "custom.nick | name": null, "preferred_username": {"essential": true}},
            "userinfo": {"email": null, "name": null, "quota": null, "groups": null, "preferred_username": {"essential": true}},
        }));
        let asked = scopes("openid email profile");
        let needs = request.needs(&asked, &[], &custom());
        assert_eq!(needs, [Need { key: "groups".into(), covered_by: vec![], voluntary: true }]);
        // Never a failure without a page, and nothing before the person agreed.
        let old = ["openid".to_owned(), "email".into(), "profile".into()];
        assert!(consent::is_enough(&needs, Some(&old)));
        assert!(!request.release(Place::IdToken, &available(), &old, &[]).contains_key("groups"));
        let agreed = consent::merged(Some(&old), &needs);
        let released = request.release(Place::IdToken, &available(), &agreed, &[]);
        assert_eq!(released["groups"], json!(["art"]));
        assert_eq!(request.release(Place::Userinfo, &available(), &agreed, &[]), released);
    }

    #[test]
    fn consent_is_kept_per_claim() {
        let request =
            request(&json!({"userinfo": {"email": {"essential": true}, "team": null}, "id_token": {"email": null}}));
        let needs = request.needs(&scopes("openid"), &[], &custom());
        let email = Need { key: claim_key("email"), covered_by: vec!["email".into()], voluntary: false };
        let team = Need { key: claim_key("team"), covered_by: vec!["profile".into()], voluntary: true };
        assert_eq!(needs, [email, team]);
        let only_email = [claim_key("email")];
        assert_eq!(
            Value::Object(request.release(Place::Userinfo, &available(), &only_email, &[])),
            json!({"email": "ada@example.org"})
        );
        assert_eq!(request.release(Place::Userinfo, &available(), &["email".into(), "profile".into()], &[]).len(), 2);
        assert!(request.release(Place::Userinfo, &available(), &[], &[]).is_empty());
        assert!(request.needs(&scopes("email profile"), &[], &custom()).is_empty(), "the scopes say it already");
    }

    #[test]
    fn named_scopes_release_claims_too() {
        let named = [NamedScope { name: "work".into(), description: String::new(), claims: vec!["team".into()] }];
        let request = request(&json!({"id_token": {"team": null}}));
        assert!(request.needs(&scopes("work"), &named, &[]).is_empty());
        let needs = request.needs(&scopes("openid"), &named, &[]);
        assert_eq!(needs[0].covered_by, ["work"]);
        assert_eq!(request.release(Place::IdToken, &available(), &["work".into()], &named)["team"], "x");
    }

    #[test]
    fn values_restrict() {
        let release = |want: Value| {
            let request = request(&json!({"id_token": {"quota": want}}));
            request.release(Place::IdToken, &available(), &[claim_key("quota")], &[]).len()
        };
        assert_eq!(release(json!({"value": 5})), 1);
        assert_eq!(release(json!({"values": [4, 5]})), 1);
        assert_eq!(release(json!({"value": "5"})), 0);
        assert_eq!(release(json!({"values": [4]})), 0);
        assert_eq!(release(json!({"unknown": 1})), 1);
    }

    #[test]
    fn a_request_about_another_user() {
        for place in ["id_token", "userinfo"] {
            let request = |want: Value| request(&json!({ place: { "sub": want } }));
            assert_eq!(request(json!(null)).check_subject("u1"), Ok(()));
            assert_eq!(request(json!({"value": "u1"})).check_subject("u1"), Ok(()));
            assert_eq!(request(json!({"values": ["u0", "u1"]})).check_subject("u1"), Ok(()));
            let error = request(json!({"value": "u2"})).check_subject("u1").unwrap_err();
            assert_eq!(error.code(), ErrorCode::LoginRequired);
        }
        let acr = request(&json!({"id_token": {"acr": {"essential": true, "values": ["phr", 1]}}})).acr().unwrap();
        assert_eq!((acr.values, acr.essential), (vec!["phr".to_owned()], true));
        assert_eq!(request(&json!({"userinfo": {"acr": null}})).acr(), None);
    }

    #[test]
    fn case_040_reserved_and_unknown_members_are_passed_over() {
        let names = [
            "iss",
            "aud",
            "exp",
            "sub",
            "nonce",
            "amr",
            "sid",
            "auth_time",
            "type",
            "cnf",
            "scope",
            "unknown",
            "",
            "a|b",
        ];
        let wants: Map<String, Value> =
            names.iter().map(|name| ((*name).to_owned(), json!({"essential": true}))).collect();
        let request = request(&json!({"id_token": wants, "userinfo": wants, "other": 5}));
        assert!(request.needs(&scopes(""), &[], &custom()).is_empty());
        let mut hostile = available();
        hostile.extend(names.iter().map(|name| ((*name).to_owned(), json!("evil"))));
        let keys: Vec<String> = names.iter().map(|name| claim_key(name)).collect();
        let released = request.release(Place::IdToken, &hostile, &keys, &[]);
        assert!(names[..11].iter().all(|name| !released.contains_key(*name)), "{released:?}");
    }

    #[test]
    fn malformed_parameters() {
        for text in ["", "null", "[]", "x", "{", "5", &"[".repeat(50_000)] {
            assert_eq!(ClaimsRequest::parse(text).unwrap_err().code(), ErrorCode::InvalidRequest);
        }
        for text in [
            "{}",
            r#"{"id_token":null}"#,
            r#"{"id_token":[],"userinfo":"x"}"#,
            r#"{"id_token":{"email":5,"name":"x"}}"#,
        ] {
            assert!(ClaimsRequest::parse(text).unwrap().is_empty(), "{text}");
        }
        let many: Map<String, Value> = (0..=MAX_CLAIMS).map(|i| (i.to_string(), Value::Null)).collect();
        assert!(ClaimsRequest::parse(&json!({ "id_token": many }).to_string()).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "[\\[\\]{}\",:a-z0-9]{0,80}") {
            let _ = ClaimsRequest::parse(&text);
        }

        /// Nothing leaves without a consent that names it, and nothing that doesn't exist is agreed to.
        #[test]
        fn nothing_is_released_without_consent(names in prop::collection::vec("email|groups|quota|team|name|x", 0..5), recorded in prop::collection::vec("email|groups|profile|x", 0..3)) {
            let wants: Map<String, Value> = names.iter().map(|name| (name.clone(), Value::Null)).collect();
            let request = request(&json!({ "id_token": wants }));
            for claim in request.release(Place::IdToken, &available(), &recorded, &[]).keys() {
                let scope = standard_scope(claim).unwrap_or("profile").to_owned();
                prop_assert!(names.contains(claim) && recorded.contains(&scope));
            }
            let needs = request.needs(&scopes("openid"), &[], &custom());
            prop_assert!(needs.iter().all(|need| !need.key.ends_with('x')));
            let agreed = consent::merged(Some(&recorded), &needs);
            let released = request.release(Place::IdToken, &available(), &agreed, &[]);
            prop_assert!(names.iter().filter(|name| *name != "x").all(|name| released.contains_key(name)));
        }
    }
}
