//! The client credentials grant (RFC 6749 §4.4, oidc.md §13.5): a client gets a token that speaks for itself.

use crate::error::{ErrorCode, OAuthError};
use crate::params::Params;
use crate::resource::{self, ApiView, Resource, Target, UserScopes};
use crate::scope::ScopeSet;

/// The value of `grant_type`.
pub const GRANT_TYPE: &str = "client_credentials";

/// A token request with this grant, without its client authentication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCredentialsRequest {
    /// What is asked for; `None`: whatever there is.
    pub scope: Option<ScopeSet>,
    /// The API.
    pub resource: Option<Resource>,
}

impl ClientCredentialsRequest {
    /// Reads a form.
    ///
    /// # Errors
    /// `invalid_request`, `invalid_scope`, `invalid_target`.
    pub fn parse(form: &Params) -> Result<Self, OAuthError> {
        Ok(Self { scope: form.get("scope")?.map(ScopeSet::parse).transpose()?, resource: Resource::of(form)? })
    }
}

/// The subject of such a token. It can't be a user's id, which is a UUID.
#[must_use]
pub fn subject(client_id: &str) -> String {
    format!("client-{client_id}")
}

/// What an authenticated client gets: an access token for this target, without refresh token and ID token.
///
/// # Errors
/// `unauthorized_client` for a public client, which has not proven who it is, and one that may not use the grant; else
/// as [`resource::for_client`].
pub fn decide(
    request: &ClientCredentialsRequest,
    is_public: bool,
    api: Option<&ApiView>,
    user_scopes: UserScopes<'_>,
) -> Result<Target, OAuthError> {
    if is_public {
        return Err(OAuthError::new(
            ErrorCode::UnauthorizedClient,
            "A public client can't use the grant type 'client_credentials'.",
        ));
    }
    resource::for_client(request.scope.as_ref(), request.resource.as_ref(), api, user_scopes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(form: &str) -> Result<ClientCredentialsRequest, OAuthError> {
        ClientCredentialsRequest::parse(&Params::parse(form).unwrap())
    }

    #[test]
    fn reads_and_decides() {
        let api =
            ApiView { resource: "https://api.example".into(), for_users: None, for_client: Some(vec!["read".into()]) };
        let request = parse("grant_type=client_credentials&resource=https://api.example/").unwrap();
        let target = decide(&request, false, Some(&api), UserScopes::default()).unwrap();
        assert_eq!(
            (target.resource.as_deref(), target.scopes.to_string().as_str()),
            (Some("https://api.example"), "read")
        );
        let refused = decide(&request, true, Some(&api), UserScopes::default()).unwrap_err();
        assert_eq!(refused.code(), ErrorCode::UnauthorizedClient);
        assert_eq!(subject("app"), "client-app");
    }

    #[test]
    fn malformed_requests() {
        for (form, code) in [
            ("scope=a&scope=b", ErrorCode::InvalidRequest),
            ("resource=relative", ErrorCode::InvalidTarget),
            ("resource=https://a.example&resource=https://b.example", ErrorCode::InvalidTarget),
        ] {
            assert_eq!(parse(form).unwrap_err().code(), code, "{form}");
        }
    }
}
