//! Requests for an authorization, whatever way they came.

use pid_core::diagnosis::address::{Callback, Refused, callback};
use pid_core::diagnosis::clients::{Entrance, entrance};
use pid_core::diagnosis::secrets::{Us, clock};
use pid_core::diagnosis::{Code, Finding};
use pid_core::{ClientId, UserId};
use pid_jose::Received;
use pid_oidc::pkce::Challenge;
use pid_oidc::redirect_uri::{self, Mismatch};
use pid_oidc::{ErrorCode, OAuthError, Params, scope};
use pid_store::protocol::ProtocolClient;
use pid_store::{diagnoses, users};

use super::{Found, Look};
use crate::authorize::Asked;
use crate::protocol::{client, hint_claims, user_view};
use crate::{Error, par};

impl Look<'_> {
    pub(super) fn arrival(
        &self,
        asked: &Asked,
        person: Option<&UserId>,
        error: &OAuthError,
    ) -> Result<Option<Found>, Error> {
        match asked {
            Asked::Parameters(params) | Asked::Faulty(params, _) => {
                self.authorization(params, false, person, error).map(Some)
            }
            Asked::Pushed(reference) => match par::parameters(self.tx, reference)? {
                Some(params) if error.code() != ErrorCode::InvalidRequestUri => {
                    self.authorization(&params, true, person, error).map(Some)
                }
                _ => Ok(Some((Some(ClientId::new(reference.client_id.as_str())), Finding::new(Code::ParExpired)))),
            },
            Asked::Resumed(id) => self.interaction(id, ""),
        }
    }

    pub(super) fn authorization(
        &self,
        params: &Params,
        pushed: bool,
        person: Option<&UserId>,
        error: &OAuthError,
    ) -> Result<Found, Error> {
        let Some(sent) = params.first("client_id") else { return Ok((None, Finding::new(Code::ClientMissing))) };
        let Some((found, view)) = client(self.tx, sent)? else { return self.unknown_client(sent) };
        if let Some(finding) = self.callback(params, &found, &view.redirect_uris, error) {
            return Ok((Some(found.id), finding));
        }
        let finding = match error.code() {
            ErrorCode::AccessDenied => match self.entrance(&found, person)? {
                Some(finding) => finding,
                None if params.first("resource").is_some() && person.is_none() => beyond(params, error),
                None => Finding::new(Code::ConsentRefused),
            },
            ErrorCode::LoginRequired => match person {
                Some(person) if error.page_text().starts_with("Another user") => {
                    Finding::new(Code::OtherPerson).quote("person", self.username(person)?)
                }
                _ => Finding::new(Code::NoSession),
            },
            ErrorCode::ConsentRequired => {
                let person = person.map(|person| self.username(person)).transpose()?.unwrap_or_default();
                Finding::new(Code::ConsentMissing).quote("person", person)
            }
            ErrorCode::UnsupportedResponseType => {
                Finding::new(Code::ResponseType).quote("sent", params.first("response_type").unwrap_or("-"))
            }
            ErrorCode::InvalidScope | ErrorCode::InvalidTarget => beyond(params, error),
            // Which APIs there are is not told by the answer (oidc.md §23.3).
            ErrorCode::InvalidRequest if error.page_text().contains("'resource'") => beyond(params, error),
            ErrorCode::InvalidRequestUri => Finding::new(Code::ParExpired),
            ErrorCode::InvalidRequestObject => self.request_object(params, error),
            ErrorCode::InvalidRequest => self.invalid(params, pushed, &found, error),
            _ => malformed(error),
        };
        Ok((Some(found.id), finding))
    }

    fn callback(
        &self,
        params: &Params,
        found: &ProtocolClient,
        patterns: &[redirect_uri::Pattern],
        error: &OAuthError,
    ) -> Option<Finding> {
        let insecure = self.env.allow_insecure_callbacks;
        let Some(sent) = params.first("redirect_uri") else {
            let wants_openid = params.all("scope").any(|text| text.split(' ').any(|name| name == scope::OPENID));
            let is_missing = redirect_uri::sole(patterns, insecure).is_none() || wants_openid;
            let is_told = params.first("request").is_none() && error.code() == ErrorCode::InvalidRequest;
            return (is_missing && is_told).then(|| Finding::new(Code::CallbackMissing));
        };
        let refused = match redirect_uri::matches(patterns, sent, insecure).err()? {
            Mismatch::NoEntries | Mismatch::NoMatch { .. } => Refused::NotRegistered,
            Mismatch::Insecure => Refused::Insecure,
            other => Refused::Unusable(other.to_string()),
        };
        Some(callback(&Callback { sent, registered: &found.callback_urls, refused }))
    }

    /// Why somebody may not enter, if they may not.
    pub(super) fn entrance(&self, found: &ProtocolClient, person: Option<&UserId>) -> Result<Option<Finding>, Error> {
        let user = person.map(|person| users::by_id(self.tx, person)).transpose()?.flatten();
        let view = crate::protocol::client_view(found);
        let is_member = user.as_ref().map(|user| user_view(self.tx, user, &view)).transpose()?;
        let is_member = is_member.is_some_and(|user| view.admits(&user));
        let names = diagnoses::group_names(self.tx, &found.id)?;
        Ok(entrance(&Entrance {
            person: user.as_ref().map_or("", |user| &user.username),
            disabled: user.as_ref().is_some_and(|user| user.disabled),
            allowed: found.allowed_groups.as_ref().map(|_| names.as_slice()),
            // Of nobody it can't be told.
            is_member: is_member || (user.is_none() && !names.is_empty()),
        }))
    }

    fn invalid(&self, params: &Params, pushed: bool, found: &ProtocolClient, error: &OAuthError) -> Finding {
        let must_push = found.requires_pushed || self.site.settings.require_pushed_requests();
        if must_push && !pushed && params.first("request_uri").is_none() {
            return Finding::new(Code::ParRequired);
        }
        // What is wrong is told by the first thing that is: another one may be wrong, too.
        if error.page_text().contains("code_challenge") {
            let (challenge, method) = (params.first("code_challenge"), params.first("code_challenge_method"));
            return Finding::new(match Challenge::parse(challenge, method, self.site.settings.allow_plain_pkce()) {
                Ok(_) => Code::PkceMissing,
                Err(_) if challenge.is_some() && method.is_none_or(|method| method == "plain") => Code::PkcePlain,
                Err(_) => Code::PkceMalformed,
            });
        }
        if error.page_text().contains("id_token_hint")
            && let Some(hint) = params.first("id_token_hint")
            && hint_claims(&self.site.keys, self.issuer(), hint, self.at.secs()).is_none()
        {
            return self.hint(hint);
        }
        malformed(error)
    }

    /// An ID token that came back and is none of ours.
    fn hint(&self, hint: &str) -> Finding {
        let Ok(received) = Received::parse(hint) else { return Finding::new(Code::HintUnusable) };
        let claims = received.unverified_claims();
        match claims.text("iss").ok().flatten() {
            Some(issuer) if issuer == self.issuer() => Finding::new(Code::HintKey),
            Some(issuer) => match self.us().missed(issuer) {
                Some(finding) if finding.code != Code::AssertionAudience => finding,
                _ => Finding::new(Code::HintUnusable),
            },
            None => Finding::new(Code::HintUnusable),
        }
    }

    pub(super) fn us(&self) -> Us<'_> {
        Us { issuer: self.issuer(), internal: &self.env.internal_url }
    }

    fn request_object(&self, params: &Params, error: &OAuthError) -> Finding {
        let reason = || Finding::new(Code::RequestObject).quote("reason", error.page_text());
        let Some(received) = params.first("request").and_then(|object| Received::parse(object).ok()) else {
            return reason();
        };
        if error.page_text().contains("was not accepted") {
            return reason();
        }
        let claims = received.unverified_claims();
        let date = |name| claims.date(name).ok().flatten();
        if let Some(finding) = clock(date("iat").max(date("nbf")), date("exp"), self.at.secs()) {
            return finding;
        }
        let audiences = claims.audiences().unwrap_or_default();
        let missed = audiences.iter().find_map(|audience| self.us().missed(audience));
        missed.filter(|finding| finding.code != Code::AssertionAudience).unwrap_or_else(reason)
    }
}

fn beyond(params: &Params, error: &OAuthError) -> Finding {
    let sent = params.first("resource").or(params.first("scope")).unwrap_or("-");
    Finding::new(Code::ScopeRefused).quote("sent", sent).quote("reason", error.page_text())
}

pub(super) fn malformed(error: &OAuthError) -> Finding {
    Finding::new(Code::RequestMalformed).quote("reason", error.page_text())
}
