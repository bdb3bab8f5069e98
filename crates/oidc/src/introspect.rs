//! Token introspection (RFC 7662, oidc.md §18): a resource server asks what a token is worth.
//!
//! Who may ask is judged before anything is told. A token that isn't the caller's looks like one that doesn't exist.

use crate::error::OAuthError;
use crate::params::Params;
use crate::scope::ScopeSet;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest token that is looked at, in bytes.
pub const MAX_TOKEN: usize = 16 * 1024;

/// What the caller thinks that the token is (RFC 7662 §2.1, RFC 7009 §2.1). It only says where to look first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// `access_token`.
    AccessToken,
    /// `refresh_token`.
    RefreshToken,
}

impl Hint {
    /// Reads it. What isn't known is no hint.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "access_token" => Some(Self::AccessToken),
            "refresh_token" => Some(Self::RefreshToken),
            _ => None,
        }
    }
}

/// An introspection request, without the caller's authentication.
#[derive(Clone, PartialEq, Eq)]
pub struct IntrospectionRequest {
    /// The token.
    pub token: String,
    /// Where to look first.
    pub hint: Option<Hint>,
    /// The token counts only if it has all of these.
    pub scopes: ScopeSet,
}

impl IntrospectionRequest {
    /// Reads a form.
    ///
    /// # Errors
    /// `invalid_request` if `token` is missing or something is repeated.
    pub fn parse(form: &Params) -> Result<Self, OAuthError> {
        Ok(Self {
            token: form.require("token")?.to_owned(),
            hint: form.get("token_type_hint")?.and_then(Hint::parse),
            scopes: ScopeSet::parse(form.get("scope")?.unwrap_or_default())?,
        })
    }

    /// False for a text that no token of ours can be, so that nothing needs to look for it.
    #[must_use]
    pub fn is_plausible(&self) -> bool {
        self.token.len() <= MAX_TOKEN && self.token.bytes().all(|b| b.is_ascii_graphic())
    }
}

impl fmt::Debug for IntrospectionRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IntrospectionRequest(…)")
    }
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller<'a> {
    /// The client that authenticated, with any method, or to which the bearer token of the request was issued.
    pub client_id: &'a str,
    /// It named itself without a proof.
    pub is_public: bool,
    /// Resources of the APIs that it serves.
    pub serves: &'a [String],
}

/// What is known of a token that exists. Times are seconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenView {
    /// An access or a refresh token.
    pub kind: Hint,
    /// The client that it was issued to.
    pub client_id: String,
    /// `sub`.
    pub subject: String,
    /// The name that the person signs in with; `None` for a client of its own.
    pub username: Option<String>,
    /// The person may not sign in any more, or is gone.
    pub subject_ended: bool,
    /// What it allows.
    pub scopes: ScopeSet,
    /// Whom it is for.
    pub audience: Vec<String>,
    /// When it was issued.
    pub issued_at: i64,
    /// First second at which it isn't good any more.
    pub expires_at: i64,
    /// It, or its family, was revoked or rotated.
    pub ended: bool,
    /// Its id; of an access token only.
    pub id: Option<String>,
    /// The key that it is bound to (RFC 9449 §6).
    pub jkt: Option<String>,
    /// When the person last proved who they are (RFC 9470 §6.2).
    pub auth_time: Option<i64>,
    /// How surely (RFC 9470 §6.2).
    pub acr: Option<String>,
}

/// The answer (RFC 7662 §2.2).
#[derive(Debug, Clone, Default, Serialize, Deserialize, PartialEq, Eq)]
#[allow(missing_docs)] // The names are those of the specification.
pub struct Introspection {
    pub active: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aud: Vec<String>,
    #[serde(default, skip_serializing_if = "ScopeSet::is_empty")]
    pub scope: ScopeSet,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iat: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<crate::dpop::Confirmation>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
}

impl Introspection {
    /// The answer about a token that is unknown, not good, or none of the caller's business.
    #[must_use]
    pub fn inactive() -> Self {
        Self::default()
    }
}

/// True if a caller may know of a token: it was issued to it, or it is an access token for an API that it serves. A
/// public client proves nothing, so it knows of none.
#[must_use]
pub fn may_know(caller: Caller<'_>, token: &TokenView) -> bool {
    let served = token.kind == Hint::AccessToken && token.audience.iter().any(|aud| caller.serves.contains(aud));
    !caller.is_public && (caller.client_id == token.client_id || served)
}

/// Answers.
#[must_use]
pub fn introspect(
    request: &IntrospectionRequest,
    caller: Caller<'_>,
    token: Option<&TokenView>,
    issuer: &str,
    now: i64,
) -> Introspection {
    let good = token.filter(|token| {
        may_know(caller, token)
            && !token.ended
            && !token.subject_ended
            && now < token.expires_at
            && request.scopes.is_subset(&token.scopes)
    });
    let Some(token) = good else { return Introspection::inactive() };
    let is_access = token.kind == Hint::AccessToken;
    let token_type = if token.jkt.is_some() { "DPoP" } else { "Bearer" };
    Introspection {
        active: true,
        iss: Some(issuer.to_owned()),
        sub: Some(token.subject.clone()),
        username: token.username.clone(),
        client_id: Some(token.client_id.clone()),
        aud: token.audience.clone(),
        scope: token.scopes.clone(),
        token_type: is_access.then(|| token_type.to_owned()),
        exp: Some(token.expires_at),
        iat: Some(token.issued_at),
        jti: token.id.clone(),
        cnf: token.jkt.clone().map(|jkt| crate::dpop::Confirmation { jkt }),
        auth_time: token.auth_time,
        acr: token.acr.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;
    use serde_json::json;

    const ISSUER: &str = "https://id.example";

    fn token() -> TokenView {
        TokenView {
            kind: Hint::AccessToken,
            client_id: "app".into(),
            subject: "u1".into(),
            username: Some("ada".into()),
            subject_ended: false,
            scopes: ScopeSet::parse("openid read").unwrap(),
            audience: vec!["https://api.example".into(), ISSUER.into()],
            issued_at: 10,
            expires_at: 100,
            ended: false,
            id: Some("j".into()),
            jkt: None,
            auth_time: Some(5),
            acr: None,
        }
    }

    fn parse(form: &str) -> Result<IntrospectionRequest, OAuthError> {
        IntrospectionRequest::parse(&Params::parse(form).unwrap())
    }

    fn own() -> Caller<'static> {
        Caller { client_id: "app", is_public: false, serves: &[] }
    }

    fn ask(form: &str, caller: Caller<'_>, token: &TokenView, now: i64) -> serde_json::Value {
        serde_json::to_value(introspect(&parse(form).unwrap(), caller, Some(token), ISSUER, now)).unwrap()
    }

    #[test]
    fn an_active_token_is_described() {
        assert_eq!(
            ask("token=t", own(), &token(), 99),
            json!({
                "active": true, "iss": ISSUER, "sub": "u1", "username": "ada", "client_id": "app",
                "aud": ["https://api.example", ISSUER], "scope": "openid read", "token_type": "Bearer",
                "exp": 100, "iat": 10, "jti": "j", "auth_time": 5,
            })
        );
        let bound = TokenView { jkt: Some("k".into()), ..token() };
        let answer = ask("token=t&scope=read", own(), &bound, 99);
        assert_eq!((&answer["token_type"], &answer["cnf"]), (&json!("DPoP"), &json!({"jkt": "k"})));
        let refresh = TokenView { kind: Hint::RefreshToken, id: None, expires_at: 5000, ..token() };
        let answer = ask("token=t&token_type_hint=refresh_token", own(), &refresh, 99);
        assert_eq!((&answer["exp"], answer.get("token_type")), (&json!(5000), None));
    }

    #[test]
    fn case_037_others_see_nothing() {
        let inactive = json!({"active": false});
        let serves = ["https://api.example".to_owned()];
        let other = Caller { client_id: "other", is_public: false, serves: &[] };
        let server = Caller { client_id: "api", is_public: false, serves: &serves };
        assert_eq!(ask("token=t", other, &token(), 50), inactive);
        assert_eq!(ask("token=t", Caller { is_public: true, ..own() }, &token(), 50), inactive);
        assert_eq!(ask("token=t", server, &token(), 50)["active"], true, "tokens for an API that it serves");
        let refresh = TokenView { kind: Hint::RefreshToken, ..token() };
        assert_eq!(ask("token=t", server, &refresh, 50), inactive, "refresh tokens are for their client alone");
        for (form, view, now) in [
            ("token=t", token(), 100),
            ("token=t", TokenView { ended: true, ..token() }, 50),
            ("token=t", TokenView { subject_ended: true, ..token() }, 50),
            ("token=t&scope=read+write", token(), 50),
        ] {
            assert_eq!(ask(form, own(), &view, now), inactive);
        }
        assert_eq!(introspect(&parse("token=t").unwrap(), own(), None, ISSUER, 1), Introspection::inactive());
    }

    #[test]
    fn requests_are_read() {
        assert_eq!(parse("token=t&token_type_hint=access_token").unwrap().hint, Some(Hint::AccessToken));
        assert_eq!(parse("token=t&token_type_hint=other").unwrap().hint, None);
        for form in ["", "token=", "token=a&token=b", "token_type_hint=access_token"] {
            assert_eq!(parse(form).unwrap_err().code(), ErrorCode::InvalidRequest, "{form}");
        }
        assert!(parse("token=abc.d_-~").unwrap().is_plausible());
        assert!(!parse("token=a%01b").unwrap().is_plausible());
        assert!(!parse(&format!("token={}", "a".repeat(MAX_TOKEN + 1))).unwrap().is_plausible());
        assert!(!format!("{:?}", parse("token=secret").unwrap()).contains("secret"));
    }
}
