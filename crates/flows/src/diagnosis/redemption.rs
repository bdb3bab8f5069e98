//! Codes and refresh tokens that were not taken.

use pid_core::diagnosis::tokens::{AuthorizationCode, RefreshToken, code, refresh};
use pid_core::diagnosis::{Code, Finding};
use pid_oidc::pkce::{self, Challenge};
use pid_oidc::token::{CodeRequest, RefreshRequest, TokenRequest};
use pid_oidc::{ErrorCode, OAuthError, Params};
use pid_store::grants::{self, Grant};
use pid_store::protocol::ProtocolClient;

use super::Look;
use super::authorization::malformed;
use crate::Error;
use crate::import::refresh_token;

impl Look<'_> {
    pub(super) fn redemption(
        &self,
        found: &ProtocolClient,
        form: &Params,
        error: &OAuthError,
    ) -> Result<Finding, Error> {
        let grant_type = form.first("grant_type").unwrap_or("-");
        let device = |reason: &str| Finding::new(Code::DeviceRefused).quote("reason", reason);
        Ok(match error.code() {
            ErrorCode::UnsupportedGrantType | ErrorCode::UnauthorizedClient => {
                Finding::new(Code::GrantType).quote("sent", grant_type)
            }
            ErrorCode::InvalidScope | ErrorCode::InvalidTarget => Finding::new(Code::ScopeRefused)
                .quote("sent", form.first("resource").or(form.first("scope")).unwrap_or("-"))
                .quote("reason", error.page_text()),
            ErrorCode::ExpiredToken | ErrorCode::AccessDenied => device(error.page_text()),
            ErrorCode::InvalidGrant => match TokenRequest::parse(form) {
                Ok(TokenRequest::AuthorizationCode(request)) => self.code(found, &request)?,
                Ok(TokenRequest::RefreshToken(request)) => self.refresh(found, &request)?,
                Ok(TokenRequest::DeviceCode(_)) => device(error.page_text()),
                Ok(TokenRequest::ClientCredentials(_)) | Err(_) => malformed(error),
            },
            _ => malformed(error),
        })
    }

    fn code(&self, found: &ProtocolClient, request: &CodeRequest) -> Result<Finding, Error> {
        let Some((stored, grant)) = grants::code(self.tx, &request.code)? else {
            return Ok(code(&AuthorizationCode::Unknown));
        };
        if grant.client_id != found.id {
            return Ok(code(&AuthorizationCode::Foreign(&self.client_name(&grant.client_id)?)));
        }
        if let Some(used) = stored.used_at {
            return Ok(code(&AuthorizationCode::Used(self.since(used.secs()))));
        }
        if grant.revoked_at.is_some() {
            return Ok(self.disabled(found, &grant)?.unwrap_or_else(|| code(&AuthorizationCode::Ended)));
        }
        if self.at >= stored.expires_at {
            return Ok(code(&AuthorizationCode::Expired(self.since(stored.expires_at.secs()))));
        }
        let same = match &request.redirect_uri {
            Some(sent) => *sent == stored.redirect_uri,
            None => !stored.redirect_uri_sent,
        };
        if !same {
            let sent = request.redirect_uri.as_deref().unwrap_or("-");
            return Ok(code(&AuthorizationCode::Callback(sent, &stored.redirect_uri)));
        }
        let challenge = stored.challenge.and_then(|(value, method)| Challenge::from_stored(&method, value));
        if pkce::verify(challenge.as_ref(), request.code_verifier.as_deref()).is_err() {
            let (challenged, sent) = (challenge.is_some(), request.code_verifier.is_some());
            return Ok(code(&AuthorizationCode::Verifier { challenged, sent }));
        }
        self.person(found, &grant)
    }

    fn refresh(&self, found: &ProtocolClient, request: &RefreshRequest) -> Result<Finding, Error> {
        let Some(token) = refresh_token(self.tx, self.env, &request.refresh_token)? else {
            return Ok(refresh(&RefreshToken::Unknown));
        };
        let Some(grant) = grants::by_id(self.tx, &token.grant_id)? else { return Ok(refresh(&RefreshToken::Unknown)) };
        if grant.client_id != found.id {
            return Ok(refresh(&RefreshToken::Foreign(&self.client_name(&grant.client_id)?)));
        }
        if let Some(used) = token.used_at {
            return Ok(refresh(&RefreshToken::Used(self.since(used.secs()))));
        }
        if grant.revoked_at.is_some() {
            return Ok(self.disabled(found, &grant)?.unwrap_or_else(|| refresh(&RefreshToken::Ended)));
        }
        if self.at >= token.expires_at {
            return Ok(refresh(&RefreshToken::Expired(self.since(token.expires_at.secs()))));
        }
        self.person(found, &grant)
    }

    /// All is well with it but its person.
    fn person(&self, found: &ProtocolClient, grant: &Grant) -> Result<Finding, Error> {
        Ok(self.entrance(found, Some(&grant.user_id))?.unwrap_or_else(|| Finding::new(Code::GrantEnded)))
    }

    /// That the person was disabled, which is why the sign-in is over.
    fn disabled(&self, found: &ProtocolClient, grant: &Grant) -> Result<Option<Finding>, Error> {
        let finding = self.entrance(found, Some(&grant.user_id))?;
        Ok(finding.filter(|finding| finding.code == Code::PersonDisabled))
    }

    fn since(&self, secs: i64) -> i64 {
        self.at.secs().saturating_sub(secs).max(0)
    }
}
