//! The token endpoint: reading a request, judging the grant that it names, and the shape of the answer
//! (RFC 6749 §4.1.3, §5.1, §6).
//!
//! A refusal says more than its `invalid_grant`: whether the family of tokens must die, which the rules above do
//! in the same transaction.

use crate::client_credentials::{self, ClientCredentialsRequest};
use crate::device::{self, DeviceTokenRequest};
use crate::error::{ErrorCode, OAuthError};
use crate::params::Params;
use crate::pkce::{self, Challenge};
use crate::resource::Resource;
use crate::scope::ScopeSet;
use serde::{Deserialize, Serialize};

/// Longest code, token or verifier that is looked at, in bytes.
const MAX_VALUE: usize = 4096;

const SINGLE: [&str; 9] = [
    "grant_type",
    "code",
    "redirect_uri",
    "code_verifier",
    "refresh_token",
    "scope",
    "client_id",
    "client_secret",
    "client_assertion",
];

/// A token request without its client authentication.
#[derive(Clone, PartialEq, Eq)]
pub enum TokenRequest {
    /// RFC 6749 §4.1.3.
    AuthorizationCode(CodeRequest),
    /// RFC 6749 §6.
    RefreshToken(RefreshRequest),
    /// RFC 6749 §4.4.
    ClientCredentials(ClientCredentialsRequest),
    /// RFC 8628 §3.4.
    DeviceCode(DeviceTokenRequest),
}

/// `grant_type=authorization_code`.
#[derive(Clone, PartialEq, Eq)]
pub struct CodeRequest {
    /// The code.
    pub code: String,
    /// Must equal the one of the authorization request if that had one.
    pub redirect_uri: Option<String>,
    /// RFC 7636 §4.5.
    pub code_verifier: Option<String>,
    /// The API; it may only be the one that was authorized (RFC 8707 §2.2).
    pub resource: Option<Resource>,
}

/// `grant_type=refresh_token`.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshRequest {
    /// The token.
    pub refresh_token: String,
    /// A narrower scope for the new access token.
    pub scope: Option<ScopeSet>,
    /// The API; it may only be the one that was authorized (RFC 8707 §2.2).
    pub resource: Option<Resource>,
}

impl std::fmt::Debug for TokenRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::AuthorizationCode(_) => "TokenRequest::AuthorizationCode(…)",
            Self::RefreshToken(_) => "TokenRequest::RefreshToken(…)",
            Self::ClientCredentials(_) => "TokenRequest::ClientCredentials(…)",
            Self::DeviceCode(_) => "TokenRequest::DeviceCode(…)",
        })
    }
}

impl TokenRequest {
    /// Reads a form.
    ///
    /// # Errors
    /// `invalid_request` for missing, repeated or oversized parameters, `unsupported_grant_type`,
    /// `invalid_target` for a malformed `resource`, `invalid_scope` for an endless `scope`.
    pub fn parse(form: &Params) -> Result<Self, OAuthError> {
        form.refuse_repeated(&SINGLE)?;
        if form.is_empty() {
            return Err(OAuthError::invalid_request("The request has no parameters: send a form."));
        }
        let grant_type = form.require("grant_type")?;
        let resource = Resource::of(form)?;
        match grant_type {
            "authorization_code" => Ok(Self::AuthorizationCode(CodeRequest {
                code: secret(form, "code")?.ok_or_else(|| missing("code"))?,
                redirect_uri: form.get("redirect_uri")?.map(str::to_owned),
                code_verifier: secret(form, "code_verifier")?,
                resource,
            })),
            "refresh_token" => Ok(Self::RefreshToken(RefreshRequest {
                refresh_token: secret(form, "refresh_token")?.ok_or_else(|| missing("refresh_token"))?,
                scope: form.get("scope")?.map(ScopeSet::parse).transpose()?,
                resource,
            })),
            client_credentials::GRANT_TYPE => Ok(Self::ClientCredentials(ClientCredentialsRequest::parse(form)?)),
            device::GRANT_TYPE => Ok(Self::DeviceCode(DeviceTokenRequest::parse(form)?)),
            _ => Err(OAuthError::new(
                ErrorCode::UnsupportedGrantType,
                "The grant type must be 'authorization_code', 'refresh_token', 'client_credentials' or that of a device code.",
            )),
        }
    }
}

fn missing(name: &str) -> OAuthError {
    OAuthError::invalid_request(format!("The parameter '{name}' is missing."))
}

fn secret(form: &Params, name: &str) -> Result<Option<String>, OAuthError> {
    match form.get(name)? {
        Some(value) if value.len() > MAX_VALUE => {
            Err(OAuthError::invalid_grant(format!("The parameter '{name}' is too long.")))
        }
        value => Ok(value.map(str::to_owned)),
    }
}

/// What is known of a code. Times are seconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeView {
    /// The client it was issued to.
    pub client_id: String,
    /// The address that the code was sent to.
    pub redirect_uri: String,
    /// Whether the authorization request named it (else it was the client's only one).
    pub redirect_uri_sent: bool,
    /// The challenge it is bound to.
    pub challenge: Option<Challenge>,
    /// First second at which it isn't good any more.
    pub expires_at: i64,
    /// It was redeemed before.
    pub used: bool,
}

/// Why a code was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeRefusal {
    /// It was issued to another client; it stays as it is.
    WrongClient,
    /// It was redeemed before: every token of its family must be revoked (RFC 6749 §4.1.2).
    Replayed,
    /// Too late.
    Expired,
    /// Another `redirect_uri`, or none where there was one.
    WrongRedirect,
    /// See [`pkce::verify`].
    Pkce(OAuthError),
}

impl CodeRefusal {
    /// The answer. It doesn't tell other clients' codes from unknown ones.
    #[must_use]
    pub fn error(&self) -> OAuthError {
        match self {
            Self::WrongClient | Self::Replayed => unknown_code(),
            Self::Expired => OAuthError::invalid_grant("The authorization code is expired."),
            Self::WrongRedirect => {
                OAuthError::invalid_grant("The 'redirect_uri' is not the one of the authorization request.")
            }
            Self::Pkce(error) => error.clone(),
        }
    }

    /// True if the whole family of tokens must be revoked.
    #[must_use]
    pub const fn kills_family(&self) -> bool {
        matches!(self, Self::Replayed)
    }
}

/// The answer to a code that doesn't exist.
#[must_use]
pub fn unknown_code() -> OAuthError {
    OAuthError::invalid_grant("The authorization code is unknown, used or was issued to another client.")
}

/// Judges a code for an authenticated client. Only after `Ok` may it be taken.
///
/// # Errors
/// [`CodeRefusal`]. A failed check changes nothing of the code.
pub fn check_code(code: &CodeView, client_id: &str, request: &CodeRequest, now: i64) -> Result<(), CodeRefusal> {
    if code.client_id != client_id {
        return Err(CodeRefusal::WrongClient);
    }
    if code.used {
        return Err(CodeRefusal::Replayed);
    }
    if now >= code.expires_at {
        return Err(CodeRefusal::Expired);
    }
    // RFC 6749 §4.1.3: required if the authorization request had it, and identical.
    let same = match &request.redirect_uri {
        Some(uri) => *uri == code.redirect_uri,
        None => !code.redirect_uri_sent,
    };
    if !same {
        return Err(CodeRefusal::WrongRedirect);
    }
    pkce::verify(code.challenge.as_ref(), request.code_verifier.as_deref()).map_err(CodeRefusal::Pkce)
}

/// What is known of a refresh token. Times are seconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshView {
    /// The client it was issued to.
    pub client_id: String,
    /// First second at which it isn't good any more.
    pub expires_at: i64,
    /// Its exchange for its successor, if that happened.
    pub rotation: Option<Rotation>,
    /// It or its family was revoked.
    pub revoked: bool,
}

/// How a refresh token was exchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// When.
    pub at: i64,
    /// What the client proved itself with then, as [`check_refresh`] is told now.
    pub client_proof: String,
    /// The successor was exchanged too, so its owner has it.
    pub successor_used: bool,
}

/// What a good refresh token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshUse {
    /// Exchange it.
    Rotate,
    /// It was exchanged a moment ago (the answer got lost, or two tabs asked at once): the same successor again.
    Repeat,
}

/// Why a refresh token was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshRefusal {
    /// It was issued to another client. Worth a line in the log.
    WrongClient,
    /// It or its family was revoked before.
    Revoked,
    /// It was used after rotation: somebody has a copy. The whole family must be revoked (RFC 9700 §4.14.2).
    Reused,
    /// Too late.
    Expired,
}

impl RefreshRefusal {
    /// The answer.
    #[must_use]
    pub fn error(self) -> OAuthError {
        match self {
            Self::Expired => OAuthError::invalid_grant("The refresh token is expired."),
            _ => unknown_refresh_token(),
        }
    }

    /// True if the whole family of tokens must be revoked.
    #[must_use]
    pub const fn kills_family(self) -> bool {
        matches!(self, Self::Reused)
    }
}

/// The answer to a refresh token that doesn't exist.
#[must_use]
pub fn unknown_refresh_token() -> OAuthError {
    OAuthError::invalid_grant("The refresh token is unknown, used, revoked or was issued to another client.")
}

/// Judges a refresh token for an authenticated client. `client_proof` stands for what the client proved itself with
/// (which secret or key, or none); `grace` is the number of seconds after a rotation in which the old token still gives
/// the same successor to the same proof, as long as nobody has used that successor; 0 switches that off.
///
/// # Errors
/// [`RefreshRefusal`].
pub fn check_refresh(
    token: &RefreshView,
    client_id: &str,
    client_proof: &str,
    now: i64,
    grace: i64,
) -> Result<RefreshUse, RefreshRefusal> {
    if token.client_id != client_id {
        return Err(RefreshRefusal::WrongClient);
    }
    if token.revoked {
        return Err(RefreshRefusal::Revoked);
    }
    if let Some(rotation) = &token.rotation {
        // A clock that went back must not lengthen the window.
        let age = now.saturating_sub(rotation.at);
        let retry = (0..grace).contains(&age) && !rotation.successor_used && rotation.client_proof == client_proof;
        return if retry { Ok(RefreshUse::Repeat) } else { Err(RefreshRefusal::Reused) };
    }
    if now >= token.expires_at {
        return Err(RefreshRefusal::Expired);
    }
    Ok(RefreshUse::Rotate)
}

/// The scope of a refreshed access token: what was asked for within what was granted (RFC 6749 §6). Scopes that we
/// don't know are dropped as they were at `/authorize`, since clients repeat the list that they sent there.
///
/// # Errors
/// `invalid_scope` for a known scope that was not granted.
pub fn narrow_scope(requested: Option<&ScopeSet>, granted: &ScopeSet) -> Result<ScopeSet, OAuthError> {
    let Some(requested) = requested else {
        return Ok(granted.clone());
    };
    let known = requested.clone().retain(|s| crate::scope::IDENTITY.contains(&s) || granted.contains(s));
    if known.is_subset(granted) {
        Ok(if known.is_empty() { granted.clone() } else { known })
    } else {
        Err(OAuthError::new(ErrorCode::InvalidScope, "The 'scope' asks for more than was granted."))
    }
}

/// A successful answer (RFC 6749 §5.1, OpenID Connect Core §3.1.3.3).
#[derive(Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct TokenResponse {
    /// The access token.
    pub access_token: String,
    /// How it is used.
    pub token_type: TokenType,
    /// Seconds until the access token expires.
    pub expires_in: i64,
    /// What was granted; absent when nothing was.
    #[serde(default, skip_serializing_if = "ScopeSet::is_empty")]
    pub scope: ScopeSet,
    /// The refresh token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// The ID token, iff `openid` was granted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
}

/// `token_type` (RFC 6749 §7.1).
#[derive(Debug, Clone, Copy, Serialize, Deserialize, PartialEq, Eq)]
pub enum TokenType {
    /// RFC 6750.
    #[serde(rename = "bearer")]
    Bearer,
    /// RFC 9449 §5.
    #[serde(rename = "DPoP")]
    Dpop,
}

impl std::fmt::Debug for TokenResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenResponse")
            .field("scope", &self.scope)
            .field("expires_in", &self.expires_in)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(form: &str) -> Result<TokenRequest, OAuthError> {
        TokenRequest::parse(&Params::parse(form).unwrap())
    }

    fn code_request(redirect_uri: Option<&str>, verifier: Option<&str>) -> CodeRequest {
        CodeRequest {
            code: "c".into(),
            redirect_uri: redirect_uri.map(Into::into),
            code_verifier: verifier.map(Into::into),
            resource: None,
        }
    }

    #[test]
    fn reads_both_grants() {
        let form =
            "grant_type=authorization_code&code=abc&redirect_uri=https%3A%2F%2Fa%2Fcb&code_verifier=v&client_id=x";
        let Ok(TokenRequest::AuthorizationCode(request)) = parse(form) else { panic!() };
        assert_eq!((request.code.as_str(), request.redirect_uri.as_deref()), ("abc", Some("https://a/cb")));
        let Ok(TokenRequest::RefreshToken(request)) = parse("grant_type=refresh_token&refresh_token=r&scope=openid")
        else {
            panic!()
        };
        assert_eq!((request.refresh_token.as_str(), request.scope.unwrap().to_string()), ("r", "openid".into()));
    }

    #[test]
    fn refuses_malformed_requests() {
        for (form, code) in [
            ("", ErrorCode::InvalidRequest),
            ("code=abc", ErrorCode::InvalidRequest),
            ("grant_type=", ErrorCode::InvalidRequest),
            ("grant_type=authorization_code", ErrorCode::InvalidRequest),
            ("grant_type=refresh_token", ErrorCode::InvalidRequest),
            ("grant_type=authorization_code&code=a&code=a", ErrorCode::InvalidRequest),
            ("grant_type=authorization_code&grant_type=refresh_token&code=a", ErrorCode::InvalidRequest),
            ("grant_type=password&username=a", ErrorCode::UnsupportedGrantType),
            ("grant_type=AUTHORIZATION_CODE&code=a", ErrorCode::UnsupportedGrantType),
            ("grant_type=authorization_code&code=a&resource=relative", ErrorCode::InvalidTarget),
            ("grant_type=authorization_code&code=a&resource=https://a/%23x", ErrorCode::InvalidTarget),
        ] {
            assert_eq!(parse(form).unwrap_err().code(), code, "{form}");
        }
        assert_eq!(
            parse(&format!("grant_type=authorization_code&code={}", "a".repeat(5000))).unwrap_err().code(),
            ErrorCode::InvalidGrant
        );
    }

    #[test]
    fn case_015_codes_are_bound() {
        let code = CodeView {
            client_id: "app".into(),
            redirect_uri: "https://a/cb".into(),
            redirect_uri_sent: true,
            challenge: None,
            expires_at: 100,
            used: false,
        };
        let good = code_request(Some("https://a/cb"), None);
        assert_eq!(check_code(&code, "app", &good, 99), Ok(()));
        assert_eq!(check_code(&code, "other", &good, 99), Err(CodeRefusal::WrongClient));
        assert_eq!(check_code(&code, "app", &good, 100), Err(CodeRefusal::Expired));
        for redirect in [None, Some("https://a/cb/"), Some("https://A/cb"), Some("https://a/cb?")] {
            assert_eq!(check_code(&code, "app", &code_request(redirect, None), 1), Err(CodeRefusal::WrongRedirect));
        }
        let unsent = CodeView { redirect_uri_sent: false, ..code.clone() };
        assert_eq!(check_code(&unsent, "app", &code_request(None, None), 1), Ok(()));
        assert_eq!(check_code(&unsent, "app", &good, 1), Ok(()));
        assert_eq!(
            check_code(&unsent, "app", &code_request(Some("https://b/"), None), 1),
            Err(CodeRefusal::WrongRedirect)
        );
        let downgrade = check_code(&code, "app", &code_request(Some("https://a/cb"), Some("x")), 1);
        assert!(matches!(downgrade, Err(CodeRefusal::Pkce(_))));

        let used = CodeView { used: true, ..code };
        let refusal = check_code(&used, "app", &good, 1000).unwrap_err();
        assert!(refusal.kills_family());
        let foreign = check_code(&used, "other", &good, 1).unwrap_err();
        assert!(!foreign.kills_family(), "another client can't end this one's tokens");
        for refusal in [refusal, foreign, CodeRefusal::Expired, CodeRefusal::WrongRedirect] {
            assert_eq!(refusal.error().code(), ErrorCode::InvalidGrant);
        }
    }

    #[test]
    fn case_034_refresh_tokens_rotate_once() {
        let token = RefreshView { client_id: "app".into(), expires_at: 100, rotation: None, revoked: false };
        let check = |token: &RefreshView, client, now, grace| check_refresh(token, client, "secret", now, grace);
        assert_eq!(check(&token, "app", 99, 10), Ok(RefreshUse::Rotate));
        assert_eq!(check(&token, "app", 100, 10), Err(RefreshRefusal::Expired));
        assert_eq!(check(&token, "other", 1, 10), Err(RefreshRefusal::WrongClient));
        let rotation = Rotation { at: 50, client_proof: "secret".into(), successor_used: false };
        let rotated = RefreshView { rotation: Some(rotation.clone()), ..token.clone() };
        assert_eq!(check(&rotated, "app", 59, 10), Ok(RefreshUse::Repeat));
        assert_eq!(check(&rotated, "app", 60, 10), Err(RefreshRefusal::Reused));
        assert_eq!(check(&rotated, "app", 50, 0), Err(RefreshRefusal::Reused));
        assert_eq!(check(&rotated, "app", 40, 10), Err(RefreshRefusal::Reused));
        assert_eq!(check_refresh(&rotated, "app", "other secret", 51, 10), Err(RefreshRefusal::Reused));
        let settled = RefreshView { rotation: Some(Rotation { successor_used: true, ..rotation }), ..token.clone() };
        assert_eq!(check(&settled, "app", 51, 10), Err(RefreshRefusal::Reused), "its owner has the successor");
        assert!(RefreshRefusal::Reused.kills_family() && !RefreshRefusal::WrongClient.kills_family());
        let revoked = RefreshView { revoked: true, ..token };
        assert_eq!(check(&revoked, "app", 1, 10), Err(RefreshRefusal::Revoked));
    }

    proptest! {
        /// Clients, thieves and retries in any order: a family has at most one token that can still be exchanged, and
        /// after a reuse none.
        #[test]
        fn a_family_has_at_most_one_live_leaf(
            steps in prop::collection::vec((0_usize..6, 0_i64..15, any::<bool>(), 0_u8..12), 1..60),
            grace in 0_i64..20,
        ) {
            // The family: when each token was exchanged, and by which proof.
            let mut family: Vec<Option<(i64, &str)>> = vec![None];
            let (mut revoked, mut now) = (false, 0);
            for (back, pause, same_proof, special) in steps {
                now += pause;
                revoked |= special == 0;
                let place = family.len().saturating_sub(1 + back.min(family.len() - 1));
                let proof = if same_proof { "a" } else { "b" };
                let view = RefreshView {
                    client_id: "app".into(),
                    expires_at: i64::MAX,
                    rotation: family[place].map(|(at, proof)| Rotation {
                        at,
                        client_proof: proof.to_owned(),
                        successor_used: family.get(place + 1).is_some_and(Option::is_some),
                    }),
                    revoked,
                };
                match check_refresh(&view, "app", proof, now, grace) {
                    Ok(RefreshUse::Rotate) => {
                        prop_assert_eq!(place, family.len() - 1, "only the leaf rotates");
                        family[place] = Some((now, proof));
                        family.push(None);
                    }
                    // Nothing is made: the successor is the leaf that exists.
                    Ok(RefreshUse::Repeat) => prop_assert_eq!(place + 2, family.len()),
                    Err(refusal) => revoked |= refusal.kills_family(),
                }
                let leaves = family.iter().filter(|exchanged| exchanged.is_none()).count();
                prop_assert_eq!(leaves, 1);
                if revoked {
                    let leaf = RefreshView { rotation: None, ..view };
                    let dead = check_refresh(&RefreshView { revoked, ..leaf }, "app", proof, now, grace);
                    prop_assert_eq!(dead, Err(RefreshRefusal::Revoked));
                }
            }
        }

        #[test]
        fn refreshing_never_gains_scope(granted in "[a-c ]{0,6}|openid [a-c ]{0,4}", asked in prop::option::of("[a-e ]{0,8}|openid email [a-e]")) {
            let granted = ScopeSet::parse(&granted).unwrap();
            let asked = asked.map(|text| ScopeSet::parse(&text).unwrap());
            if let Ok(narrowed) = narrow_scope(asked.as_ref(), &granted) {
                prop_assert!(narrowed.is_subset(&granted));
            }
        }
    }

    #[test]
    fn case_035_refresh_never_gains_scope() {
        let granted = ScopeSet::parse("openid profile").unwrap();
        let narrow = |text: &str| narrow_scope(Some(&ScopeSet::parse(text).unwrap()), &granted);
        assert_eq!(narrow_scope(None, &granted).unwrap(), granted);
        assert_eq!(narrow("openid").unwrap().to_string(), "openid");
        assert_eq!(narrow("openid name profile").unwrap().to_string(), "openid profile");
        assert_eq!(narrow("openid groups").unwrap_err().code(), ErrorCode::InvalidScope);
    }

    #[test]
    fn response_has_the_members_of_rfc_6749() {
        let response = TokenResponse {
            access_token: "a".into(),
            token_type: TokenType::Bearer,
            expires_in: 3600,
            scope: ScopeSet::parse("openid email").unwrap(),
            refresh_token: None,
            id_token: Some("i".into()),
        };
        assert_eq!(
            serde_json::to_string(&response).unwrap(),
            r#"{"access_token":"a","token_type":"bearer","expires_in":3600,"scope":"openid email","id_token":"i"}"#
        );
    }
}
