//! Request objects passed by value (RFC 9101, OpenID Connect Core §6.1, oidc.md §8.2).
//!
//! An unsigned object only carries parameters in another form: each of its members replaces the parameter of that name.
//! A signed one is the client's word: nothing outside of it counts, and what is said twice must be said equally. Objects
//! by reference are never fetched; pushed requests (see [`crate::par`]) take their place.

use crate::client_auth::AUTHENTICATION_PARAMETERS;
use crate::error::{ErrorCode, OAuthError};
use crate::params::Params;
use crate::scope::{self, ScopeSet};
use pid_jose::{Alg, Claims, JoseError, PeerKeys, Received};
use serde_json::Value;

/// The algorithms of signed objects, for metadata: `none` stands for unsigned ones.
pub const ALGORITHMS: [Alg; 8] =
    [Alg::RS256, Alg::RS384, Alg::RS512, Alg::ES256, Alg::ES384, Alg::PS256, Alg::PS384, Alg::EdDSA];

/// Media type of a signed object (RFC 9101 §10.8).
const TYP: &str = "oauth-authz-req+jwt";

/// Seconds by which clocks may differ.
const LEEWAY: i64 = 60;

/// Members that describe the object itself (RFC 7519 §4.1) or may not be in it (RFC 9101 §4).
const NOT_PARAMETERS: [&str; 9] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "request", "request_uri"];

/// A request object that is not verified yet.
#[derive(Debug)]
pub struct RequestObject<'a>(Received<'a>);

/// What a client may do with request objects.
#[derive(Debug, Clone, Copy)]
pub struct ObjectPolicy<'a> {
    /// The client of the request.
    pub client_id: &'a str,
    /// Us: what `aud` must name if it is there.
    pub issuer: &'a str,
    /// The client's registered keys, if it has some.
    pub keys: Option<&'a PeerKeys>,
    /// Whether an object that isn't signed is taken. A client that signs should not have this.
    pub allow_unsigned: bool,
    /// Seconds since the epoch.
    pub now: i64,
}

/// The parameters of an object that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectParams {
    signed: bool,
    pairs: Vec<(String, String)>,
}

impl<'a> RequestObject<'a> {
    /// Finds the object of a request. `None` if there is none, or if it is unsigned and the request isn't an OpenID
    /// one, for which such objects don't exist.
    ///
    /// # Errors
    /// `invalid_request` if it is repeated or stands beside `request_uri`; `invalid_request_object` if it can't be read.
    pub fn find(params: &'a Params) -> Result<Option<Self>, OAuthError> {
        let Some(token) = params.get("request")? else { return Ok(None) };
        if params.first("request_uri").is_some() {
            return Err(OAuthError::invalid_request("'request' and 'request_uri' must not be used together."));
        }
        let openid = params.all("scope").any(|text| text.split(' ').any(|scope| scope == scope::OPENID));
        match Received::parse(token) {
            Ok(received) if received.is_unsigned() && !openid => Ok(None),
            Ok(received) => Ok(Some(Self(received))),
            Err(error) => Err(invalid(format!("The request object can't be read: {error}."))),
        }
    }

    /// True if verifying needs the client's keys.
    #[must_use]
    pub fn needs_keys(&self) -> bool {
        !self.0.is_unsigned()
    }

    /// True if it names another request, which a pushed one must not (RFC 9126 §2.1). Elsewhere the member of an unsigned
    /// object means nothing.
    #[must_use]
    pub fn refers_elsewhere(&self) -> bool {
        self.0.unverified_claims().get("request_uri").is_some()
    }

    /// Verifies the object.
    ///
    /// # Errors
    /// `invalid_request_object`: it is unsigned and may not be, the signature, type or keys don't fit, it is expired
    /// or not valid yet, or it was made by or for somebody else.
    pub fn verify(self, policy: &ObjectPolicy<'_>) -> Result<ObjectParams, OAuthError> {
        let signed = !self.0.is_unsigned();
        let claims = if signed {
            // RFC 9101 §4, §10.8: a JWT made for something else must not pass.
            if self.0.has_typ() && !self.0.typ_is(TYP) && !self.0.typ_is("JWT") {
                return Err(invalid("The request object has the 'typ' of another kind of token."));
            }
            let keys = policy
                .keys
                .ok_or_else(|| invalid("The request object is signed, but no keys are registered for this client."))?;
            let verified = self.0.verify(keys, &ALGORITHMS);
            verified.map_err(|error| invalid(format!("The request object was not accepted: {error}.")))?.into_claims()
        } else if policy.allow_unsigned {
            self.0.unverified_claims().clone()
        } else {
            return Err(invalid("The request object must be signed with a registered key of the client."));
        };
        check_claims(&claims, signed, policy)?;
        Ok(ObjectParams { signed, pairs: pairs(&claims) })
    }
}

/// The answer to a pushed object that [`RequestObject::refers_elsewhere`].
#[must_use]
pub fn must_stand_alone() -> OAuthError {
    invalid("A pushed request object must not contain 'request_uri'.")
}

fn invalid(text: impl Into<std::borrow::Cow<'static, str>>) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidRequestObject, text)
}

fn check_claims(claims: &Claims, signed: bool, policy: &ObjectPolicy<'_>) -> Result<(), OAuthError> {
    let wrong = |_: JoseError| invalid("A claim of the request object has the wrong type.");
    let client_id = claims.text("client_id").map_err(wrong)?;
    if client_id.is_some_and(|id| id != policy.client_id) || (signed && client_id.is_none()) {
        return Err(invalid("The request object must name the client of the request in 'client_id'."));
    }
    for (name, early) in [("exp", false), ("nbf", true), ("iat", true)] {
        let Some(at) = claims.date(name).map_err(wrong)? else { continue };
        if early && at > policy.now.saturating_add(LEEWAY) {
            return Err(invalid(format!("The request object is not valid yet ('{name}').")));
        }
        if !early && at.saturating_add(LEEWAY) <= policy.now {
            return Err(invalid("The request object is expired."));
        }
    }
    if !signed {
        return Ok(());
    }
    if claims.text("iss").map_err(wrong)?.is_some_and(|iss| iss != policy.client_id) {
        return Err(invalid("The 'iss' of the request object must be the client."));
    }
    let audiences = claims.audiences().map_err(wrong)?;
    if claims.get("aud").is_some() && !audiences.contains(&policy.issuer) {
        return Err(invalid("The 'aud' of the request object must be this issuer."));
    }
    // RFC 9101 §10.8: so that a client assertion is never a request.
    if claims.text("sub").map_err(wrong)?.is_some_and(|sub| sub == policy.client_id) {
        return Err(invalid("The request object must not have the client as its 'sub'."));
    }
    if claims.get("request").is_some() || claims.get("request_uri").is_some() {
        return Err(invalid("A request object must not contain 'request' or 'request_uri'."));
    }
    Ok(())
}

/// The members as parameters (RFC 9101 §4): text as it is, numbers and booleans as JSON writes them, objects and lists
/// as JSON. `resource` alone may be a list of values.
fn pairs(claims: &Claims) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for (name, value) in claims.members() {
        if NOT_PARAMETERS.contains(&name.as_str()) || AUTHENTICATION_PARAMETERS.contains(&name.as_str()) {
            continue;
        }
        match value {
            Value::Null => {}
            Value::String(text) => out.push((name.clone(), text.clone())),
            Value::Array(list) if name == "resource" && list.iter().all(Value::is_string) => {
                out.extend(list.iter().filter_map(Value::as_str).map(|text| (name.clone(), text.to_owned())));
            }
            other => out.push((name.clone(), other.to_string())),
        }
    }
    out
}

impl ObjectParams {
    /// True if the client signed it.
    #[must_use]
    pub const fn is_signed(&self) -> bool {
        self.signed
    }

    fn inside(&self, name: &str) -> Vec<&str> {
        self.pairs.iter().filter(|(n, _)| n == name).map(|(_, value)| value.as_str()).collect()
    }

    /// The request that object and parameters make together.
    ///
    /// # Errors
    /// `invalid_request_object` if they contradict each other where they must not; `invalid_request` if there is too
    /// much of them.
    pub fn merge(self, outer: &Params) -> Result<Params, OAuthError> {
        for (name, value) in outer.iter().filter(|(name, value)| *name != "request" && !value.is_empty()) {
            let must_agree = self.signed || name == "client_id" || name == "response_type";
            if !must_agree || self.inside(name).is_empty() {
                continue;
            }
            let agrees = if name == "scope" {
                // OpenID Connect Core §6.1 wants `openid` outside too; no more may stand there than inside.
                let all = ScopeSet::parse(self.inside(name)[0])?;
                ScopeSet::parse(value)?.is_subset(&all)
            } else {
                self.inside(name).contains(&value)
            };
            if !agrees {
                return Err(invalid(format!("The parameter '{name}' contradicts the request object.")));
            }
        }
        let kept = outer.iter().filter(|(name, _)| {
            *name != "request" && if self.signed { *name == "client_id" } else { self.inside(name).is_empty() }
        });
        let kept: Vec<(String, String)> = kept.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let named = kept.iter().any(|(name, _)| name == "client_id");
        let added = self.pairs.into_iter().filter(|(name, _)| !(named && name == "client_id"));
        Ok(Params::from_pairs(kept.into_iter().chain(added))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
    use pid_jose::{PeerKey, SigningKey, sign_as_peer};
    use proptest::prelude::*;
    use serde_json::json;

    const ISSUER: &str = "https://id.example";
    const NOW: i64 = 1_000_000;

    fn unsigned(claims: &Value) -> String {
        format!("{}.{}.", B64.encode(r#"{"alg":"none"}"#), B64.encode(claims.to_string()))
    }

    fn outer(token: &str, rest: &str) -> Params {
        Params::parse(format!("client_id=app&request={token}&{rest}")).unwrap()
    }

    fn policy(keys: Option<&PeerKeys>) -> ObjectPolicy<'_> {
        ObjectPolicy { client_id: "app", issuer: ISSUER, keys, allow_unsigned: true, now: NOW }
    }

    fn merged(params: &Params, policy: &ObjectPolicy<'_>) -> Result<Params, OAuthError> {
        RequestObject::find(params)?.expect("an object").verify(policy)?.merge(params)
    }

    fn key(kid: &str) -> (SigningKey, PeerKeys) {
        let (key, _) = SigningKey::generate(Alg::ES256, kid).unwrap();
        let jwk = serde_json::to_value(key.public_jwk()).unwrap();
        (key, [PeerKey::parse(&jwk).unwrap()].into_iter().collect())
    }

    #[test]
    fn an_unsigned_object_replaces_parameters() {
        let token = unsigned(&json!({
            "scope": "openid email", "state": "inner", "max_age": 60, "claims": {"id_token": {"email": null}},
            "resource": ["https://a.example", "https://b.example"], "iss": "x", "request": "x", "nonce": null,
            "client_secret": "s",
        }));
        let params = outer(&token, "scope=openid&state=outer&nonce=n&response_type=code");
        let result = merged(&params, &policy(None)).unwrap();
        for (name, value) in [
            ("client_id", Some("app")),
            ("scope", Some("openid email")),
            ("state", Some("inner")),
            ("nonce", Some("n")),
            ("response_type", Some("code")),
            ("max_age", Some("60")),
            ("claims", Some(r#"{"id_token":{"email":null}}"#)),
            ("request", None),
            ("iss", None),
            ("client_secret", None),
        ] {
            assert_eq!(result.get(name).unwrap(), value, "{name}");
        }
        assert_eq!(result.all("resource").count(), 2);
        assert!(RequestObject::find(&outer(&token, "scope=email")).unwrap().is_none(), "only with openid");
        assert!(RequestObject::find(&Params::parse("client_id=app").unwrap()).unwrap().is_none());
    }

    #[test]
    fn a_signed_object_alone_counts() {
        let (key, keys) = key("k");
        let claims = json!({
            "iss": "app", "aud": ISSUER, "client_id": "app", "exp": NOW + 60, "response_type": "code",
            "scope": "openid email", "redirect_uri": "https://a.example/cb", "state": "s",
        });
        let token = sign_as_peer(&key, &json!({"kid": "k", "typ": TYP}), &claims).unwrap();
        let params = outer(&token, "scope=openid&response_type=code&nonce=outside&state=s");
        let result = merged(&params, &policy(Some(&keys))).unwrap();
        assert_eq!(result.get("scope").unwrap(), Some("openid email"));
        assert_eq!(result.get("client_id").unwrap(), Some("app"));
        assert_eq!(result.get("nonce").unwrap(), None, "what only stands outside doesn't count");
        // Without `openid` outside it is considered as well.
        assert!(merged(&outer(&token, ""), &policy(Some(&keys))).is_ok());
        let object = RequestObject::find(&params).unwrap().unwrap();
        assert!(object.needs_keys());
        assert!(object.verify(&policy(Some(&keys))).unwrap().is_signed());
    }

    #[test]
    fn case_019_objects_beyond_policy_and_contradictions_are_refused() {
        let (key, keys) = key("k");
        let refused = |params: &Params, policy: &ObjectPolicy<'_>| merged(params, policy).unwrap_err().code();
        let token = unsigned(&json!({"state": "x"}));
        let strict = ObjectPolicy { allow_unsigned: false, ..policy(Some(&keys)) };
        assert_eq!(refused(&outer(&token, "scope=openid"), &strict), ErrorCode::InvalidRequestObject);
        for inside in [json!({"client_id": "other"}), json!({"client_id": 1}), json!({"response_type": "token"})] {
            let params = outer(&unsigned(&inside), "scope=openid&response_type=code");
            assert_eq!(refused(&params, &policy(None)), ErrorCode::InvalidRequestObject, "{inside}");
        }
        let signed = |claims: &Value| sign_as_peer(&key, &json!({"kid": "k"}), claims).unwrap();
        let good = json!({"client_id": "app", "scope": "openid", "state": "s", "redirect_uri": "https://a.example/cb"});
        for rest in ["state=t", "scope=openid+email", "redirect_uri=https://evil.example/cb", "state=s&state=t"] {
            assert_eq!(
                refused(&outer(&signed(&good), rest), &policy(Some(&keys))),
                ErrorCode::InvalidRequestObject,
                "{rest}"
            );
        }
        let with = |name: &str, value: Value| {
            let mut claims = good.clone();
            claims[name] = value;
            claims
        };
        for claims in [
            with("client_id", json!("other")),
            with("client_id", Value::Null),
            with("iss", json!("other")),
            with("aud", json!("https://other.example")),
            with("aud", json!([1])),
            with("exp", json!(NOW - 60)),
            with("exp", json!("soon")),
            with("nbf", json!(NOW + 61)),
            with("iat", json!(NOW + 61)),
            with("sub", json!("app")),
            with("request_uri", json!("https://evil.example")),
            with("request", json!("x")),
        ] {
            assert_eq!(
                refused(&outer(&signed(&claims), ""), &policy(Some(&keys))),
                ErrorCode::InvalidRequestObject,
                "{claims}"
            );
        }
        assert_eq!(refused(&outer(&signed(&good), ""), &policy(None)), ErrorCode::InvalidRequestObject, "no keys");
        for typ in ["at+jwt", "dpop+jwt", "client-authentication+jwt"] {
            let token = sign_as_peer(&key, &json!({"kid": "k", "typ": typ}), &good).unwrap();
            assert_eq!(refused(&outer(&token, ""), &policy(Some(&keys))), ErrorCode::InvalidRequestObject, "{typ}");
        }
        for (query, code) in [
            ("request=a&request=b", ErrorCode::InvalidRequest),
            ("request=a&request_uri=urn:x", ErrorCode::InvalidRequest),
            ("request=garbage", ErrorCode::InvalidRequestObject),
            ("request=a.b.c", ErrorCode::InvalidRequestObject),
        ] {
            assert_eq!(RequestObject::find(&Params::parse(query).unwrap()).unwrap_err().code(), code, "{query}");
        }
    }

    #[test]
    fn case_028_headers_of_objects_name_no_keys() {
        let (_, keys) = key("k");
        let (evil, _) = key("k");
        let claims = json!({"client_id": "app", "scope": "openid"});
        let jwk = serde_json::to_value(evil.public_jwk()).unwrap();
        let header = json!({"kid": "k", "jwk": jwk, "jku": "https://evil.example/jwks"});
        let token = sign_as_peer(&evil, &header, &claims).unwrap();
        assert_eq!(
            merged(&outer(&token, ""), &policy(Some(&keys))).unwrap_err().code(),
            ErrorCode::InvalidRequestObject
        );
        let token = sign_as_peer(&evil, &json!({"crit": ["x"]}), &claims).unwrap();
        assert_eq!(RequestObject::find(&outer(&token, "")).unwrap_err().code(), ErrorCode::InvalidRequestObject);
        // `alg: none` with a signature, or in another spelling, is neither signed nor unsigned.
        for header in [r#"{"alg":"None"}"#, r#"{"alg":"HS256"}"#] {
            let token = format!("{}.{}.", B64.encode(header), B64.encode(claims.to_string()));
            assert_eq!(
                merged(&outer(&token, "scope=openid"), &policy(Some(&keys))).unwrap_err().code(),
                ErrorCode::InvalidRequestObject
            );
        }
    }

    proptest! {
        #[test]
        fn any_object_is_read_without_a_panic(json in "[\\[\\]{}\",:a-z0-9]{0,80}", text in "\\PC{0,80}") {
            for payload in [&json, &text] {
                let token = format!("{}.{}.", B64.encode(r#"{"alg":"none"}"#), B64.encode(payload));
                let params = Params::from_pairs([("client_id", "app"), ("scope", "openid"), ("request", &token)]).unwrap();
                if let Ok(Some(object)) = RequestObject::find(&params) {
                    let _ = object.verify(&policy(None)).and_then(|object| object.merge(&params));
                }
            }
        }

        /// What a client signed is what happens: no parameter beside the object survives.
        #[test]
        fn nothing_outside_a_signed_object_survives(name in "[a-z_]{1,12}", value in "[a-z]{1,8}") {
            prop_assume!(!["client_id", "request", "request_uri"].contains(&name.as_str()));
            let object = ObjectParams { signed: true, pairs: vec![("state".into(), "s".into())] };
            let outer = Params::from_pairs([("client_id", "app"), (name.as_str(), value.as_str())]).unwrap();
            if let Ok(merged) = object.merge(&outer) {
                let pairs: Vec<_> = merged.iter().collect();
                prop_assert_eq!(pairs, [("client_id", "app"), ("state", "s")]);
            }
        }
    }
}
