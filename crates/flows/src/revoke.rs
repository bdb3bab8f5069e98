//! Token revocation (RFC 7009).

use pid_core::audit::Event;
use pid_core::{Ctx, GrantId, Timestamp};
use pid_jose::Signed;
use pid_oidc::OAuthError;
use pid_oidc::revoke::{self, Effect, RevocationRequest, TokenFound};
use pid_store::grants::{self, RevokedBy};
use pid_store::{WriteTx, used_tokens};

use crate::client_auth::{Presented, admit};
use crate::env::Env;
use crate::presented::{Found, find, given_back, is_of_client};
use crate::{Error, audit};

/// Gives a token up (RFC 7009): a refresh token with its family, an access token alone. What isn't the client's stays as
/// it is, and the answer is the same.
pub fn revoke(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    env: &Env,
    presented: &Presented,
    request: &RevocationRequest,
    signed: Option<&Signed>,
    limited: bool,
) -> Result<Result<(), OAuthError>, Error> {
    let client = match admit(tx, ctx, presented, limited)? {
        Ok(found) => found.client,
        Err(error) => return Ok(Err(error)),
    };
    let found = if request.is_plausible() { find(tx, env, ctx.now, &request.token, signed)? } else { None };
    let known = found.as_ref().map(|found| match found {
        Found::Access { token, .. } => {
            TokenFound::Access { client_id: token.client_id.to_string(), id: token.jti.to_string() }
        }
        Found::Refresh { grant, .. } => {
            TokenFound::Refresh { client_id: grant.client_id.to_string(), grant_id: grant.id.to_string() }
        }
    });
    let ended = match revoke::decide(client.id.as_str(), known.as_ref()) {
        Effect::Nothing => false,
        Effect::Access(id) => match &found {
            Some(Found::Access { token, .. }) if is_of_client(token) => {
                let key = given_back(token);
                used_tokens::take(tx, &key.key, Timestamp::from_secs(key.expires_at))?
            }
            _ => grants::end_access_token(tx, &id, ctx.now)?,
        },
        Effect::Family(id) => grants::revoke(tx, &GrantId::new(id), RevokedBy::Client, ctx.now)?,
    };
    if ended {
        let (token, grant) = match &found {
            Some(Found::Refresh { grant, .. }) => ("refresh_token", Some(grant)),
            Some(Found::Access { grant, .. }) => ("access_token", grant.as_ref()),
            None => ("", None),
        };
        let user = grant.map(|grant| &grant.user_id);
        let data = [("clientName", client.name.as_str()), ("clientID", client.id.as_str()), ("token", token)];
        audit::record(tx, ctx, &ctx.stream("audit"), Event::TokenRevoked, user, None, &data)?;
    }
    Ok(Ok(()))
}
