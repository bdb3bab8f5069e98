//! RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0, oidc.md §20).

use pid_core::sessions::Session;
use pid_core::{ClientId, Ctx, SessionId};
use pid_jose::KeySet;
use pid_oidc::backchannel_logout;
use pid_oidc::logout::{self, EndSessionRequest, Hint, LogoutClient, LogoutDecision, Wish};
use pid_oidc::redirect_uri::{Pattern, Purpose};
use pid_store::protocol::{self, ProtocolClient};
use pid_store::{ReadTx, WriteTx, sessions};

use crate::access::Credentials;
use crate::env::Env;
use crate::protocol::{hint_claims, session_view};
use crate::{Error, cimd, sign_out};

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The person is asked first; the wish goes through the page.
    Confirm(Wish),
    /// Signed out. Where to go; `None` is our own page.
    SignedOut(Option<String>),
}

impl Outcome {
    /// Whether a request got less than it asked for: its address is not gone to, or its hint counted for nothing.
    pub fn falls_short_of(&self, request: &EndSessionRequest) -> bool {
        let asked = request.post_logout_redirect_uri.is_some();
        match self {
            Self::SignedOut(target) => asked && target.is_none(),
            Self::Confirm(wish) => asked && wish.post_logout_redirect_uri.is_none() || request.id_token_hint.is_some(),
        }
    }
}

fn find(tx: &ReadTx<'_>, id: &str) -> Result<Option<ProtocolClient>, Error> {
    Ok(protocol::client(tx, &ClientId::new(id))?)
}

fn logout_client(client: &ProtocolClient) -> LogoutClient {
    LogoutClient {
        id: client.id.to_string(),
        origins: backchannel_logout::origins(&client.callback_urls).collect(),
        logout_urls: Pattern::parse_marked(Purpose::PostLogout, &client.logout_callback_urls, &client.legacy_wildcards)
            .0,
    }
}

/// Whether a client's people may be sent there after a sign-out.
pub(crate) fn is_address_of(client: &ProtocolClient, address: &str) -> bool {
    let wish = Wish {
        client_id: Some(client.id.to_string()),
        post_logout_redirect_uri: Some(address.to_owned()),
        state: None,
    };
    logout::after_confirmation(&wish, Some(&logout_client(client))).is_some()
}

/// Answers a logout request of a client.
pub fn end_session(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    env: &Env,
    keys: &KeySet,
    credentials: &Credentials,
    request: &EndSessionRequest,
) -> Result<Outcome, Error> {
    let issuer = env.app_url.origin.as_str();
    let hint: Option<Hint> = request
        .id_token_hint
        .as_deref()
        .and_then(|token| hint_claims(keys, issuer, token, ctx.now.secs()))
        .and_then(|claims| serde_json::from_value(serde_json::Value::Object(claims)).ok());
    let found = logout::client_of(request, hint.as_ref()).map(|id| find(tx, id)).transpose()?.flatten();
    let client = found.as_ref().map(logout_client);
    let browser = credentials.optional_session(tx, ctx.now)?;
    let seen = browser.as_ref().map(|b| session_view(b.session()));
    match logout::decide(request, issuer, hint.as_ref(), client.as_ref(), seen.as_ref()) {
        LogoutDecision::Confirm(wish) => Ok(Outcome::Confirm(wish)),
        LogoutDecision::SignOut(out) => {
            for sid in [out.sid.as_deref(), out.browser_sid.as_deref()].into_iter().flatten() {
                if let Some(session) = sessions::by_id(tx, &SessionId::new(sid))?
                    && session.user_id.as_str() == out.user_id
                {
                    let by = found.as_ref().map(|client| client.name.as_str());
                    sign_out::session(tx, ctx, &session.id, &session.user_id, None, by)?;
                }
            }
            Ok(Outcome::SignedOut(out.redirect))
        }
    }
}

/// The name of the client and the address that a confirmed wish leads to.
pub fn wish_target(tx: &ReadTx<'_>, wish: &Wish) -> Result<Option<(String, Option<String>)>, Error> {
    let Some(id) = &wish.client_id else { return Ok(None) };
    let Some(found) = find(tx, id)? else { return Ok(None) };
    let target = logout::after_confirmation(wish, Some(&logout_client(&found)));
    Ok(Some((cimd::shown_name(&found.client_type, id.as_str(), found.name), target)))
}

/// Signs out the browser's person after they confirmed; then to the wish's address, if it is good.
pub fn sign_out(tx: &WriteTx<'_>, ctx: &Ctx, session: &Session, wish: &Wish) -> Result<Option<String>, Error> {
    let wished = wish_target(tx, wish)?;
    let by = wished.as_ref().map(|(name, _)| name.as_str());
    sign_out::session(tx, ctx, &session.id, &session.user_id, None, by)?;
    Ok(wished.and_then(|(_, target)| target))
}
