//! Pushed authorization requests (RFC 9126, oidc.md §10).
//!
//! A client sends its request to us first, authenticated, and gets a name for it that its browser brings to
//! `/authorize`. The pushed parameters are validated by the same code as any other request; here is what is special:
//! what may be pushed, the name, and when it is good.

use crate::client_auth::AUTHENTICATION_PARAMETERS;
use crate::error::{ErrorCode, OAuthError};
use crate::params::Params;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Seconds that a pushed request is good for (RFC 9126 §2.2).
pub const LIFETIME: i64 = 90;

/// What every `request_uri` of ours begins with (RFC 9126 §2.2).
pub const PREFIX: &str = "urn:ietf:params:oauth:request_uri:";

/// Length of the random part: 256 bits in base64url.
const HANDLE: usize = 43;

/// The name of a pushed request. Whoever has it may use the request once, so `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestUri(String);

impl RequestUri {
    /// A name from 256 random bits in base64url.
    #[must_use]
    pub fn new(random: &str) -> Self {
        Self(format!("{PREFIX}{random}"))
    }

    /// Reads a name. `None` if it can't be one of ours.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let handle = text.strip_prefix(PREFIX)?;
        let ours =
            handle.len() == HANDLE && handle.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        ours.then(|| Self(text.to_owned()))
    }

    /// The whole URN.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RequestUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestUri(…)")
    }
}

/// The answer to a push (RFC 9126 §2.2), sent with 201.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct PushedResponse {
    /// The name.
    pub request_uri: String,
    /// Seconds that it is good for.
    pub expires_in: i64,
}

impl PushedResponse {
    /// The answer for a name.
    #[must_use]
    pub fn new(name: &RequestUri) -> Self {
        Self { request_uri: name.as_str().to_owned(), expires_in: LIFETIME }
    }
}

/// Parameters that are kept of a push, bytes: strangers may push as public clients.
pub const MAX_BYTES: usize = 16 * 1024;

/// The parameters of a push by an authenticated client, ready to be validated and kept: without the client's
/// credentials, with its `client_id`.
///
/// # Errors
/// `invalid_request`: a `request_uri` (RFC 9126 §2.1), another client's id, a repeated parameter, more than
/// [`MAX_BYTES`].
pub fn pushed(form: &Params, client_id: &str) -> Result<Params, OAuthError> {
    form.refuse_repeated(&["client_id", "request_uri", "request"])?;
    if form.first("request_uri").is_some() {
        return Err(OAuthError::invalid_request("A pushed request must not contain 'request_uri'."));
    }
    if form.first("client_id").is_some_and(|named| named != client_id) {
        return Err(OAuthError::invalid_request("The 'client_id' is not that of the authenticated client."));
    }
    let kept = form.iter().filter(|(name, _)| *name != "client_id" && !AUTHENTICATION_PARAMETERS.contains(name));
    let kept = Params::from_pairs(kept.chain([("client_id", client_id)]))?;
    if kept.bytes() > MAX_BYTES {
        return Err(OAuthError::invalid_request("The pushed parameters are larger than 16 KiB."));
    }
    Ok(kept)
}

/// A reference to a pushed request at `/authorize`. Everything else in the query is ignored (RFC 9101 §6.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Who says that it is theirs.
    pub client_id: String,
    /// The name.
    pub name: RequestUri,
}

impl Reference {
    /// Reads it; `None` if the request doesn't refer to one.
    ///
    /// # Errors
    /// For our own page, since no redirect address is known: `invalid_request` if `client_id` is missing or something
    /// is repeated, or `request` is there too; `request_uri_not_supported` for what isn't a URN of RFC 9126 (nothing is
    /// ever fetched); `invalid_request_uri` for a URN that can't be ours.
    pub fn read(params: &Params) -> Result<Option<Self>, OAuthError> {
        let Some(uri) = params.get("request_uri")? else { return Ok(None) };
        if params.first("request").is_some() {
            return Err(OAuthError::invalid_request("'request' and 'request_uri' must not be used together."));
        }
        if !uri.starts_with(PREFIX) {
            return Err(OAuthError::new(
                ErrorCode::RequestUriNotSupported,
                "The 'request_uri' must come from the pushed authorization request endpoint.",
            ));
        }
        let name = RequestUri::parse(uri).ok_or_else(unknown)?;
        Ok(Some(Self { client_id: params.require("client_id")?.to_owned(), name }))
    }
}

/// What is known of a pushed request. Times are seconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushedView {
    /// Who pushed it.
    pub client_id: String,
    /// First second at which it isn't good any more.
    pub expires_at: i64,
    /// It was brought to `/authorize` before.
    pub used: bool,
}

/// Judges a pushed request that a browser brings. It is taken whatever the answer is, unless another client's name came
/// with it: then it stays as it is.
///
/// # Errors
/// For our own page: `invalid_request_uri`, or `invalid_request` for another client.
pub fn check(pushed: Option<&PushedView>, reference: &Reference, now: i64) -> Result<(), OAuthError> {
    let pushed = pushed.ok_or_else(unknown)?;
    if pushed.client_id != reference.client_id {
        return Err(OAuthError::invalid_request("The 'request_uri' was pushed by another client."));
    }
    if pushed.used || now >= pushed.expires_at {
        return Err(unknown());
    }
    Ok(())
}

/// The answer to a name that is not good, or not any more.
#[must_use]
pub fn unknown() -> OAuthError {
    OAuthError::new(ErrorCode::InvalidRequestUri, "The 'request_uri' is unknown, used or expired.")
        .with_hint("This sign-in request is no longer valid. Go back to the application and start again.")
}

/// How an authorization request arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    /// With its parameters.
    Plain,
    /// By reference to a pushed request.
    Pushed,
    /// From an interaction that it began before, where it was judged.
    Resumed,
}

/// Whether a request that arrived this way may go on, where the client or the instance demands that requests be pushed
/// (RFC 9126 §5, §6).
///
/// # Errors
/// `invalid_request`, for the client.
pub fn check_arrival(arrival: Arrival, required: bool) -> Result<(), OAuthError> {
    if required && arrival == Arrival::Plain {
        return Err(OAuthError::invalid_request(
            "Authorization requests of this client must be pushed: send them to the pushed authorization request endpoint first.",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn params(text: &str) -> Params {
        Params::parse(text).unwrap()
    }

    fn name() -> RequestUri {
        RequestUri::new(&"a".repeat(HANDLE))
    }

    fn reference(client_id: &str) -> Reference {
        Reference { client_id: client_id.into(), name: name() }
    }

    #[test]
    fn a_push_keeps_the_request_and_not_the_credentials() {
        let form = params(
            "client_id=app&client_secret=s&client_assertion=a&client_assertion_type=t&scope=openid&resource=x:1&resource=x:2",
        );
        let kept = pushed(&form, "app").unwrap();
        let pairs: Vec<_> = kept.iter().collect();
        assert_eq!(pairs, [("scope", "openid"), ("resource", "x:1"), ("resource", "x:2"), ("client_id", "app")]);
        assert_eq!(pushed(&params("scope=a"), "app").unwrap().first("client_id"), Some("app"), "named by Basic");
    }

    #[test]
    fn a_push_is_kept_up_to_a_size() {
        let form = |length: usize| params(&format!("client_id=app&state={}", "s".repeat(length)));
        let others = "client_id".len() + "app".len() + "state".len();
        assert!(pushed(&form(MAX_BYTES - others), "app").is_ok());
        let refused = pushed(&form(MAX_BYTES - others + 1), "app").unwrap_err();
        assert_eq!(refused.code(), ErrorCode::InvalidRequest);
    }

    #[test]
    fn case_018_pushes_and_references_that_are_refused() {
        for form in
            ["client_id=app&request_uri=urn:x", "client_id=other", "client_id=app&client_id=app", "request=a&request=b"]
        {
            assert_eq!(pushed(&params(form), "app").unwrap_err().code(), ErrorCode::InvalidRequest, "{form}");
        }
        let urn = name().as_str().to_owned();
        for (query, code) in [
            (format!("request_uri={urn}"), ErrorCode::InvalidRequest),
            (format!("client_id=a&request_uri={urn}&request_uri={urn}"), ErrorCode::InvalidRequest),
            (format!("client_id=a&request_uri={urn}&request=x"), ErrorCode::InvalidRequest),
            ("client_id=a&request_uri=http://evil.example/r".into(), ErrorCode::RequestUriNotSupported),
            ("client_id=a&request_uri=https://id.example/r".into(), ErrorCode::RequestUriNotSupported),
            ("client_id=a&request_uri=urn:other:issuer:abc".into(), ErrorCode::RequestUriNotSupported),
            (format!("client_id=a&request_uri={PREFIX}short"), ErrorCode::InvalidRequestUri),
            (format!("client_id=a&request_uri={urn}x"), ErrorCode::InvalidRequestUri),
            (format!("client_id=a&request_uri={PREFIX}{}%01", "a".repeat(42)), ErrorCode::InvalidRequestUri),
        ] {
            assert_eq!(Reference::read(&params(&query)).unwrap_err().code(), code, "{query}");
        }
        assert_eq!(Reference::read(&params("client_id=a&scope=openid")), Ok(None));
        assert_eq!(
            Reference::read(&params(&format!("client_id=app&request_uri={urn}&state=x"))),
            Ok(Some(reference("app")))
        );
    }

    #[test]
    fn case_018_a_pushed_request_is_good_once_for_its_client_and_its_time() {
        let view = PushedView { client_id: "app".into(), expires_at: 100, used: false };
        let judge =
            |view: Option<&PushedView>, client: &str, now| check(view, &reference(client), now).map_err(|e| e.code());
        assert_eq!(judge(Some(&view), "app", 99), Ok(()));
        assert_eq!(judge(Some(&view), "app", 100), Err(ErrorCode::InvalidRequestUri));
        assert_eq!(judge(Some(&view), "other", 1), Err(ErrorCode::InvalidRequest));
        assert_eq!(judge(None, "app", 1), Err(ErrorCode::InvalidRequestUri));
        let used = PushedView { used: true, ..view };
        assert_eq!(judge(Some(&used), "app", 1), Err(ErrorCode::InvalidRequestUri));
        assert_eq!(PushedResponse::new(&name()).expires_in, 90);
        assert!(!format!("{:?}", reference("app")).contains("aaaa"));
    }

    #[test]
    fn a_requirement_lets_pushed_and_resumed_requests_pass() {
        for arrival in [Arrival::Plain, Arrival::Pushed, Arrival::Resumed] {
            assert_eq!(check_arrival(arrival, false), Ok(()));
            assert_eq!(check_arrival(arrival, true).is_ok(), arrival != Arrival::Plain);
        }
        assert_eq!(check_arrival(Arrival::Plain, true).unwrap_err().code(), ErrorCode::InvalidRequest);
    }

    proptest! {
        #[test]
        fn names_come_back(random in "[A-Za-z0-9_-]{43}", other in "\\PC{0,60}") {
            let name = RequestUri::new(&random);
            prop_assert_eq!(RequestUri::parse(name.as_str()), Some(name));
            let _ = RequestUri::parse(&format!("{PREFIX}{other}"));
        }
    }
}
