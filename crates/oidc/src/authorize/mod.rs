//! The authorization endpoint (RFC 6749 §4.1, OpenID Connect Core §3.1.2).
//!
//! Three steps, each its own type: [`AuthorizationRequest`] is what was sent; [`ValidRequest`] is what a known
//! client may ask for, with an address that answers may go to; [`Decision`] is what happens now, given who is
//! signed in. Nothing is kept between calls: a request that comes back after a page is validated and decided
//! again, with the [`InteractionView`] as its memory.

mod decision;
mod interaction;
mod request;
#[cfg(test)]
mod tests;

pub use decision::{Consent, Decision, Facts, Issue, Refusal, SessionView, UserView, decide};
pub use interaction::{InteractionView, Requirements, Step, StepError, StepFacts, advance, begin};
pub use request::{
    AuthorizationRequest, ClientError, Policy, Prompt, Rejection, ResponseMode, ValidRequest, parse_prompt,
};

use crate::consent;
use crate::error::{ErrorCode, OAuthError};
use crate::redirect_uri::Pattern;
use crate::resource::{ApiView, Target, UserScopes};

/// What the protocol needs to know of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientView {
    /// `client_id`.
    pub id: String,
    /// Registered callback addresses (see [`Pattern::parse_list`]).
    pub redirect_uris: Vec<Pattern>,
    /// It can't keep a secret; PKCE is always required of it.
    pub is_public: bool,
    /// PKCE is required of it.
    pub pkce_required: bool,
    /// Every authorization needs a fresh passkey ceremony.
    pub requires_reauthentication: bool,
    /// No consent page, unless the request asks for one.
    pub skip_consent: bool,
    /// `None`: everybody may enter. `Some`: members of these groups (ids); of none if empty.
    pub allowed_groups: Option<Vec<String>>,
    /// The APIs that it may use for people, if the request may be about one.
    pub apis: Vec<ApiView>,
}

impl ClientView {
    /// True if the group restriction lets this user in.
    #[must_use]
    pub fn admits(&self, user: &UserView) -> bool {
        match &self.allowed_groups {
            None => true,
            Some(allowed) => allowed.iter().any(|group| user.group_ids.contains(group)),
        }
    }

    /// Checks the person who is asked to let the client in.
    ///
    /// # Errors
    /// `access_denied`: the person is disabled or in none of the allowed groups.
    pub fn check_person(&self, user: &UserView) -> Result<(), OAuthError> {
        if user.disabled {
            return Err(OAuthError::new(ErrorCode::AccessDenied, "Your account is disabled."));
        }
        if self.admits(user) { Ok(()) } else { Err(not_allowed()) }
    }

    /// Checks the user of a grant at the token endpoint, on every use (oidc.md §13.2, RFC 6749 §5.2).
    ///
    /// # Errors
    /// `invalid_grant` if the user is gone, disabled or no longer in an allowed group.
    pub fn check_grant_user(&self, user: Option<&UserView>) -> Result<(), OAuthError> {
        let refuse = |text: &'static str| Err(OAuthError::invalid_grant(text));
        match user {
            None => refuse("The user of this grant does not exist any more."),
            Some(user) if user.disabled => refuse("The user of this grant is disabled."),
            Some(user) if !self.admits(user) => refuse("The user of this grant may no longer use this client."),
            Some(_) => Ok(()),
        }
    }
}

/// Checks the consent behind a grant at the token endpoint, as it is now. It is recorded for clients that skip the page,
/// too.
///
/// # Errors
/// `invalid_grant` if it was taken back.
pub fn check_grant_consent(
    consent: Option<&Consent>,
    granted: &Target,
    user_scopes: UserScopes<'_>,
) -> Result<(), OAuthError> {
    let needs = consent::needs_of(granted, user_scopes);
    if consent::is_enough(&needs, consent.map(|consent| consent.keys.as_slice())) {
        Ok(())
    } else {
        Err(OAuthError::invalid_grant("The user of this grant has taken back their consent."))
    }
}

/// The refusal of a user outside the allowed groups. Relying parties' guides quote the sentence.
fn not_allowed() -> OAuthError {
    OAuthError::new(ErrorCode::AccessDenied, "You are not allowed to access this service.")
}
