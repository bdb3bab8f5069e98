//! The device authorization grant (RFC 8628, oidc.md §21).
//!
//! Two parties meet in one row: the device, which polls with its device code, and a person, who types the user code and
//! decides by a click, never without one. Neither learns the other's secret.

use crate::authorize::{ClientView, Consent, SessionView, UserView};
use crate::consent::Need;
use crate::error::{ErrorCode, OAuthError};
use crate::params::Params;
use crate::pkce::{self, Challenge};
use crate::resource::{self, Resource, Target, UserScopes};
use crate::scope::ScopeSet;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The value of `grant_type`.
pub const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// Seconds that both codes are good for.
pub const LIFETIME: i64 = 900;
/// Seconds between two polls, to begin with.
pub const INTERVAL: i64 = 5;
/// What a poll that comes too early adds to the interval (RFC 8628 §3.5).
const SLOWER: i64 = 5;
/// The interval grows no further.
const SLOWEST: i64 = 60;
/// Longest device code that is looked at, in bytes.
const MAX_CODE: usize = 512;
/// Bytes of a nonce.
const MAX_NONCE: usize = 1024;

/// Characters of user codes after the first: nothing that is mistaken for something else.
pub const ALPHABET: &[u8] = pid_core::entropy::LOGIN_CODE;
/// How many of them there are.
pub const RANDOM_LENGTH: usize = 7;
/// The first character, by which one entry page tells several kinds of code apart.
const MARK: char = 'E';

/// A user code in its one form. `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UserCode(String);

impl UserCode {
    /// A code from [`RANDOM_LENGTH`] random characters of [`ALPHABET`].
    #[must_use]
    pub fn new(random: &str) -> Self {
        Self(format!("{MARK}{random}"))
    }

    /// Reads what a person typed (oidc.md §21.2): blanks and hyphens don't count, nor does the case, and letters that
    /// look like a digit are that digit. `None` if it can't be a code.
    #[must_use]
    pub fn parse(typed: &str) -> Option<Self> {
        if typed.len() > 64 {
            return None;
        }
        let code = pid_core::codes::folded(typed);
        let rest = code.strip_prefix(MARK)?;
        let fits = rest.len() == RANDOM_LENGTH && rest.bytes().all(|b| ALPHABET.contains(&b));
        fits.then_some(Self(code))
    }

    /// The code, for people and for its hash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserCode(…)")
    }
}

/// A device authorization request (RFC 8628 §3.1) of an authenticated client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRequest {
    /// What is asked for; unknown scopes are still in it.
    pub scopes: ScopeSet,
    /// The API.
    pub resource: Option<Resource>,
    /// Comes back in the ID token.
    pub nonce: Option<String>,
    /// The device code is bound to it, if there is one (RFC 7636).
    pub challenge: Option<Challenge>,
}

impl DeviceRequest {
    /// Reads a form.
    ///
    /// # Errors
    /// `invalid_request`: a repeated parameter, another client's id, a bad challenge; `invalid_scope`, `invalid_target`.
    pub fn parse(form: &Params, client_id: &str, allow_plain_pkce: bool) -> Result<Self, OAuthError> {
        if form.get("client_id")?.is_some_and(|named| named != client_id) {
            return Err(OAuthError::invalid_request("The 'client_id' is not that of the authenticated client."));
        }
        Ok(Self {
            scopes: ScopeSet::parse(form.get("scope")?.unwrap_or_default())?,
            resource: Resource::of(form)?,
            nonce: nonce(form)?,
            challenge: Challenge::parse(
                form.get("code_challenge")?,
                form.get("code_challenge_method")?,
                allow_plain_pkce,
            )?,
        })
    }
}

/// It is kept until the tokens are made, so it has an end.
fn nonce(form: &Params) -> Result<Option<String>, OAuthError> {
    let nonce = form.get("nonce")?;
    if nonce.is_some_and(|nonce| nonce.len() > MAX_NONCE) {
        return Err(OAuthError::invalid_request("The 'nonce' is longer than 1024 bytes."));
    }
    Ok(nonce.map(str::to_owned))
}

impl DeviceRequest {
    /// What it asks for, as far as this client may have it.
    ///
    /// # Errors
    /// `invalid_target`: an API that the client can't use for people; `invalid_scope`: a permission that it doesn't have
    /// there.
    pub fn target(&self, client: &ClientView, user_scopes: UserScopes<'_>) -> Result<Target, OAuthError> {
        resource::requested(self.scopes.clone(), self.resource.as_ref(), &client.apis, user_scopes)
            .map_err(resource::hide_access)
    }
}

/// The answer (RFC 8628 §3.2).
#[derive(Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct DeviceResponse {
    /// What the device polls with.
    pub device_code: String,
    /// What the person types.
    pub user_code: String,
    /// Where.
    pub verification_uri: String,
    /// The same with the code filled in.
    pub verification_uri_complete: String,
    /// Seconds that both are good for.
    pub expires_in: i64,
    /// Seconds between two polls.
    pub interval: i64,
}

impl DeviceResponse {
    /// The answer with these codes. `app_url` has no slash at the end.
    #[must_use]
    pub fn new(device_code: String, user_code: &UserCode, app_url: &str) -> Self {
        Self {
            device_code,
            user_code: user_code.as_str().to_owned(),
            verification_uri: format!("{app_url}/device"),
            verification_uri_complete: format!("{app_url}/device?user_code={}", user_code.as_str()),
            expires_in: LIFETIME,
            interval: INTERVAL,
        }
    }
}

impl fmt::Debug for DeviceResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceResponse(…)")
    }
}

/// Where a device authorization is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceState {
    /// Nobody decided.
    Pending,
    /// Somebody agreed.
    Approved,
    /// Somebody refused.
    Denied,
    /// The tokens were fetched.
    Redeemed,
}

impl DeviceState {
    /// The stored form.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Redeemed => "redeemed",
        }
    }

    /// Reads the stored form. What isn't known gives no tokens.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "pending" => Self::Pending,
            "approved" => Self::Approved,
            "redeemed" => Self::Redeemed,
            _ => Self::Denied,
        }
    }
}

/// What is known of a device authorization. Times are seconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceView {
    /// The client that the device code was issued to.
    pub client_id: String,
    /// Where it is.
    pub state: DeviceState,
    /// When it was asked for.
    pub requested_at: i64,
    /// First second at which it isn't good any more.
    pub expires_at: i64,
    /// When the device last asked.
    pub polled_at: Option<i64>,
    /// How long it should wait.
    pub interval: i64,
    /// What the device code is bound to.
    pub challenge: Option<Challenge>,
}

/// A token request with a device code (RFC 8628 §3.4), without its client authentication.
#[derive(Clone, PartialEq, Eq)]
pub struct DeviceTokenRequest {
    /// The code.
    pub device_code: String,
    /// RFC 7636 §4.5.
    pub code_verifier: Option<String>,
    /// The API; it may only be the one that was authorized.
    pub resource: Option<Resource>,
}

impl DeviceTokenRequest {
    /// Reads a form.
    ///
    /// # Errors
    /// `invalid_request`: missing or repeated parameters; `invalid_grant`: a code that can't be one; `invalid_target`.
    pub fn parse(form: &Params) -> Result<Self, OAuthError> {
        let device_code = form.require("device_code")?;
        if device_code.len() > MAX_CODE {
            return Err(unknown());
        }
        Ok(Self {
            device_code: device_code.to_owned(),
            code_verifier: form.get("code_verifier")?.map(str::to_owned),
            resource: Resource::of(form)?,
        })
    }
}

impl fmt::Debug for DeviceTokenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceTokenRequest(…)")
    }
}

/// What a poll gets (RFC 8628 §3.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Poll {
    /// Tokens, if the row can be taken from `approved` to `redeemed` now.
    Issue,
    /// Nothing yet. The moment and this interval are kept with the row.
    Wait {
        /// `authorization_pending` or `slow_down`.
        error: OAuthError,
        /// Seconds that the device should wait from now on.
        interval: i64,
    },
    /// Nothing, and nothing changes.
    Refuse(OAuthError),
    /// The code was redeemed before: every token of its family must be revoked.
    Replayed(OAuthError),
}

/// Judges a poll of an authenticated client.
#[must_use]
pub fn poll(view: Option<&DeviceView>, client_id: &str, request: &DeviceTokenRequest, now: i64) -> Poll {
    let Some(view) = view.filter(|view| view.client_id == client_id) else {
        return Poll::Refuse(unknown());
    };
    let expired = now >= view.expires_at;
    match view.state {
        DeviceState::Redeemed => Poll::Replayed(unknown()),
        DeviceState::Denied => {
            Poll::Refuse(OAuthError::new(ErrorCode::AccessDenied, "The request was refused by the person."))
        }
        _ if expired => {
            Poll::Refuse(OAuthError::new(ErrorCode::ExpiredToken, "The device code is expired: start again."))
        }
        DeviceState::Pending => {
            // A second of grace: timers and networks are not exact.
            let early = view.polled_at.is_some_and(|at| now.saturating_sub(at) < view.interval - 1);
            if early {
                Poll::Wait {
                    error: OAuthError::new(ErrorCode::SlowDown, "The device polls too often: wait five seconds more."),
                    interval: (view.interval + SLOWER).min(SLOWEST),
                }
            } else {
                Poll::Wait {
                    error: OAuthError::new(ErrorCode::AuthorizationPending, "The person has not decided yet."),
                    interval: view.interval,
                }
            }
        }
        DeviceState::Approved => match pkce::verify(view.challenge.as_ref(), request.code_verifier.as_deref()) {
            Ok(()) => Poll::Issue,
            Err(error) => Poll::Refuse(error),
        },
    }
}

/// The answer to a device code that is not good.
#[must_use]
pub fn unknown() -> OAuthError {
    OAuthError::invalid_grant("The device code is unknown, used or was issued to another client.")
}

/// Why a typed code leads nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// There is no such code, or somebody decided already.
    #[error("this code is not known or was used already")]
    Unknown,
    /// Too late.
    #[error("this code has expired: start again on the device")]
    Expired,
}

/// Judges a typed code, before it is shown and again when it is decided.
///
/// # Errors
/// [`EntryError`].
pub fn check_entry(view: Option<&DeviceView>, now: i64) -> Result<&DeviceView, EntryError> {
    let view = view.filter(|view| view.state == DeviceState::Pending).ok_or(EntryError::Unknown)?;
    if now >= view.expires_at { Err(EntryError::Expired) } else { Ok(view) }
}

/// What is known when a person agrees.
#[derive(Debug, Clone, Copy)]
pub struct ApprovalFacts<'a> {
    /// The browser's session.
    pub session: &'a SessionView,
    /// Its user.
    pub user: &'a UserView,
    /// That user's recorded consent for the client.
    pub consent: Option<&'a Consent>,
    /// What the request asks for beyond its scopes.
    pub needs: &'a [Need],
    /// When a passkey ceremony made for this approval was completed.
    pub reauthenticated_at: Option<i64>,
}

/// What an approval comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Approval {
    /// The terms of the grant.
    Granted {
        /// When the person last proved who they are.
        auth_time: i64,
        /// How (RFC 8176).
        amr: Vec<String>,
        /// The recorded consent must grow (or be made).
        consent_is_new: bool,
    },
    /// The client wants a fresh passkey ceremony first.
    Reauthenticate,
    /// This person may not.
    Refused(OAuthError),
}

/// Judges the click of a person on "allow". The click is the consent; it is asked for even if it was given before
/// (RFC 8628 §5.4).
#[must_use]
pub fn approve(view: &DeviceView, scopes: &ScopeSet, client: &ClientView, facts: ApprovalFacts<'_>) -> Approval {
    if let Err(refused) = client.check_person(facts.user) {
        return Approval::Refused(refused);
    }
    // A proof from before the device asked was given for something else.
    let proof = facts.reauthenticated_at.filter(|at| *at >= view.requested_at);
    if client.requires_reauthentication && proof.is_none() {
        return Approval::Reauthenticate;
    }
    Approval::Granted {
        auth_time: proof.unwrap_or(facts.session.auth_time),
        amr: if proof.is_some() { vec!["phr".to_owned()] } else { facts.session.amr.clone() },
        consent_is_new: !facts.consent.is_some_and(|consent| consent.is_enough(scopes, facts.needs)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn view(state: DeviceState) -> DeviceView {
        DeviceView {
            client_id: "tv".into(),
            state,
            requested_at: 100,
            expires_at: 1000,
            polled_at: None,
            interval: INTERVAL,
            challenge: None,
        }
    }

    fn request() -> DeviceTokenRequest {
        DeviceTokenRequest { device_code: "d".into(), code_verifier: None, resource: None }
    }

    fn code(poll: &Poll) -> Option<ErrorCode> {
        match poll {
            Poll::Issue => None,
            Poll::Wait { error, .. } | Poll::Refuse(error) | Poll::Replayed(error) => Some(error.code()),
        }
    }

    #[test]
    fn user_codes_have_one_form() {
        let code = UserCode::new("01ABCDZ");
        for typed in ["E01ABCDZ", " e01abcdz ", "eo1abcdz", "E-O1A-BCDZ", "e0i abcdz", "Eolabcdz"] {
            assert_eq!(UserCode::parse(typed).as_ref(), Some(&code), "{typed}");
        }
        for typed in ["", "E01ABCD", "E01ABCDZZ", "P01ABCDZ", "001ABCDZ", "E01ABCD!", "E01ABCDÄ", &"E".repeat(9999)] {
            assert_eq!(UserCode::parse(typed), None, "{typed}");
        }
        assert!(!format!("{code:?}").contains("ABC"));
        let json = serde_json::to_value(DeviceResponse::new("d".into(), &code, "https://id.example")).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "device_code": "d", "user_code": "E01ABCDZ", "verification_uri": "https://id.example/device",
                "verification_uri_complete": "https://id.example/device?user_code=E01ABCDZ", "expires_in": 900, "interval": 5,
            })
        );
    }

    #[test]
    fn case_042_user_codes_are_hard_to_guess() {
        let guesses = (0..RANDOM_LENGTH).fold(1_u64, |product, _| product * u64::try_from(ALPHABET.len()).unwrap());
        assert!(guesses > 1 << 35);
    }

    #[test]
    fn requests_are_read() {
        let parse = |text: &str| DeviceRequest::parse(&Params::parse(text).unwrap(), "tv", false);
        let nonce = |length: usize| parse(&format!("client_id=tv&nonce={}", "n".repeat(length)));
        assert!(nonce(MAX_NONCE).is_ok() && nonce(MAX_NONCE + 1).is_err());
        let request = parse("client_id=tv&scope=openid+name&nonce=n&resource=https://a.example/").unwrap();
        assert_eq!((request.scopes.to_string().as_str(), request.nonce.as_deref()), ("openid name", Some("n")));
        assert!(parse("").is_ok(), "Basic names the client");
        for (form, code) in [
            ("client_id=other", ErrorCode::InvalidRequest),
            ("client_id=tv&client_id=tv", ErrorCode::InvalidRequest),
            ("scope=a&scope=b", ErrorCode::InvalidRequest),
            ("resource=x", ErrorCode::InvalidTarget),
        ] {
            assert_eq!(parse(form).unwrap_err().code(), code, "{form}");
        }
        let poll = |text: &str| DeviceTokenRequest::parse(&Params::parse(text).unwrap());
        assert_eq!(poll("device_code=d").unwrap().device_code, "d");
        assert_eq!(poll("").unwrap_err().code(), ErrorCode::InvalidRequest);
        assert_eq!(poll(&format!("device_code={}", "d".repeat(600))).unwrap_err().code(), ErrorCode::InvalidGrant);
    }

    #[test]
    fn case_043_polls_by_state() {
        let judge = |state, client: &str, now| code(&poll(Some(&view(state)), client, &request(), now));
        assert_eq!(judge(DeviceState::Pending, "tv", 200), Some(ErrorCode::AuthorizationPending));
        assert_eq!(judge(DeviceState::Approved, "tv", 999), None);
        assert_eq!(judge(DeviceState::Approved, "tv", 1000), Some(ErrorCode::ExpiredToken));
        assert_eq!(judge(DeviceState::Pending, "tv", 1000), Some(ErrorCode::ExpiredToken));
        assert_eq!(judge(DeviceState::Denied, "tv", 200), Some(ErrorCode::AccessDenied));
        assert_eq!(judge(DeviceState::Denied, "tv", 5000), Some(ErrorCode::AccessDenied), "and it stays so");
        for state in [DeviceState::Pending, DeviceState::Approved, DeviceState::Denied, DeviceState::Redeemed] {
            let other = poll(Some(&view(state)), "other", &request(), 200);
            assert_eq!(other, Poll::Refuse(unknown()), "another client learns and changes nothing");
            assert_eq!(DeviceState::parse(state.as_str()), state);
        }
        assert_eq!(poll(None, "tv", &request(), 200), Poll::Refuse(unknown()));
        assert_eq!(poll(Some(&view(DeviceState::Redeemed)), "tv", &request(), 200), Poll::Replayed(unknown()));
        assert_eq!(DeviceState::parse("?"), DeviceState::Denied);
    }

    #[test]
    fn case_043_too_fast_a_device_slows_down() {
        let mut view = view(DeviceState::Pending);
        let mut answers = Vec::new();
        for now in [200, 205, 206, 210, 221, 222] {
            let Poll::Wait { error, interval } = poll(Some(&view), "tv", &request(), now) else { panic!() };
            answers.push((error.code(), interval));
            (view.polled_at, view.interval) = (Some(now), interval);
        }
        use ErrorCode::{AuthorizationPending as Pending, SlowDown};
        assert_eq!(
            answers,
            [(Pending, 5), (Pending, 5), (SlowDown, 10), (SlowDown, 15), (SlowDown, 20), (SlowDown, 25)]
        );
        view.state = DeviceState::Approved;
        assert_eq!(poll(Some(&view), "tv", &request(), 222), Poll::Issue, "who was approved need not wait");
    }

    #[test]
    fn case_017_a_device_code_is_bound_to_its_challenge() {
        let verifier = "v".repeat(43);
        let challenge = Challenge::from_stored("plain", verifier.clone());
        let bound = DeviceView { challenge, ..view(DeviceState::Approved) };
        let with = |verifier: Option<String>| DeviceTokenRequest { code_verifier: verifier, ..request() };
        assert_eq!(poll(Some(&bound), "tv", &with(Some(verifier.clone())), 200), Poll::Issue);
        for wrong in [None, Some("w".repeat(43)), Some("v".into())] {
            assert_eq!(code(&poll(Some(&bound), "tv", &with(wrong), 200)), Some(ErrorCode::InvalidGrant));
        }
        let free = view(DeviceState::Approved);
        assert_eq!(code(&poll(Some(&free), "tv", &with(Some(verifier)), 200)), Some(ErrorCode::InvalidGrant));
    }

    #[test]
    fn entries_are_good_while_nobody_decided() {
        let pending = view(DeviceState::Pending);
        assert_eq!(check_entry(Some(&pending), 999), Ok(&pending));
        assert_eq!(check_entry(Some(&pending), 1000), Err(EntryError::Expired));
        assert_eq!(check_entry(None, 1), Err(EntryError::Unknown));
        for state in [DeviceState::Approved, DeviceState::Denied, DeviceState::Redeemed] {
            assert_eq!(check_entry(Some(&view(state)), 1), Err(EntryError::Unknown));
        }
    }

    #[test]
    fn case_044_approval_obeys_groups_reauthentication_and_consent() {
        let client = ClientView {
            id: "tv".into(),
            redirect_uris: vec![],
            is_public: true,
            pkce_required: true,
            requires_reauthentication: false,
            skip_consent: false,
            allowed_groups: Some(vec!["g".into()]),
            apis: Vec::new(),
        };
        let session = SessionView {
            user_id: "u".into(),
            sid: "s".into(),
            auth_time: 50,
            amr: vec!["otp".into()],
            limited: false,
        };
        let user = UserView { id: "u".into(), disabled: false, group_ids: vec!["g".into()] };
        let consent = Consent { keys: vec!["openid".into()] };
        let facts = ApprovalFacts {
            session: &session,
            user: &user,
            consent: Some(&consent),
            needs: &[],
            reauthenticated_at: None,
        };
        let scopes = ScopeSet::parse("openid").unwrap();
        let ask = |client: &ClientView, facts| approve(&view(DeviceState::Pending), &scopes, client, facts);
        let granted = |auth_time, amr: &str, consent_is_new| Approval::Granted {
            auth_time,
            amr: vec![amr.into()],
            consent_is_new,
        };
        assert_eq!(ask(&client, facts), granted(50, "otp", false));
        assert_eq!(ask(&client, ApprovalFacts { consent: None, ..facts }), granted(50, "otp", true));

        let outsider = UserView { group_ids: vec![], ..user.clone() };
        let disabled = UserView { disabled: true, ..user.clone() };
        for user in [&outsider, &disabled] {
            let Approval::Refused(error) = ask(&client, ApprovalFacts { user, ..facts }) else { panic!() };
            assert_eq!(error.code(), ErrorCode::AccessDenied);
        }
        let strict = ClientView { requires_reauthentication: true, ..client };
        assert_eq!(ask(&strict, facts), Approval::Reauthenticate);
        assert_eq!(ask(&strict, ApprovalFacts { reauthenticated_at: Some(99), ..facts }), Approval::Reauthenticate);
        assert_eq!(ask(&strict, ApprovalFacts { reauthenticated_at: Some(120), ..facts }), granted(120, "phr", false));
    }

    proptest! {
        #[test]
        fn reading_a_code_twice_changes_nothing(typed in "[eE][ -]?[0-9a-zA-Z]{7}|\\PC{0,20}") {
            if let Some(code) = UserCode::parse(&typed) {
                prop_assert_eq!(UserCode::parse(code.as_str()), Some(code.clone()));
                prop_assert_eq!(code.as_str().len(), 8);
            }
        }

        /// Whatever the order of polls and decisions, tokens are issued at most once, and only after an approval.
        #[test]
        fn one_redemption(steps in prop::collection::vec((0_u8..4, 0_i64..120), 1..40)) {
            let mut row = view(DeviceState::Pending);
            let (mut now, mut issued, mut approved) = (100, 0, false);
            for (step, pause) in steps {
                now += pause;
                match step {
                    0 if check_entry(Some(&row), now).is_ok() => {
                        row.state = DeviceState::Approved;
                        approved = true;
                    }
                    1 if check_entry(Some(&row), now).is_ok() => row.state = DeviceState::Denied,
                    _ => match poll(Some(&row), "tv", &request(), now) {
                        Poll::Issue => {
                            prop_assert!(approved && now < row.expires_at);
                            row.state = DeviceState::Redeemed;
                            issued += 1;
                        }
                        Poll::Wait { interval, .. } => (row.polled_at, row.interval) = (Some(now), interval),
                        Poll::Refuse(_) | Poll::Replayed(_) => {}
                    },
                }
            }
            prop_assert!(issued <= 1);
        }
    }
}
