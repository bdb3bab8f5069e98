//! Token introspection (RFC 7662, oidc.md §18).

use pid_core::{ClientId, Ctx};
use pid_jose::Signed;
use pid_oidc::OAuthError;
use pid_oidc::claims::AccessToken;
use pid_oidc::introspect::{self, Caller, Introspection, IntrospectionRequest};
use pid_store::{ReadTx, apis};

use crate::Error;
use crate::client_auth::{Presented, authenticate};
use crate::env::Env;
use crate::presented::{Found, find, validated, view};

/// Who asks for introspection.
#[derive(Debug)]
pub enum Asking {
    /// A client, with any method of authentication.
    Client(Box<Presented>),
    /// Whoever has this access token, whose signature is good.
    Bearer(Signed),
}

/// What becomes of an introspection request.
#[derive(Debug)]
pub enum Answer {
    /// RFC 7662 §2.2.
    Told(Box<Introspection>),
    /// The client is not who it says.
    Refused(OAuthError),
    /// The bearer token is not good, or is the one that is asked about.
    BadBearer,
}

/// Answers what a token is worth (RFC 7662). `signed` is the token with its signature checked, if it has a good one.
pub fn introspect(
    tx: &ReadTx<'_>,
    ctx: &Ctx,
    env: &Env,
    asking: &Asking,
    request: &IntrospectionRequest,
    signed: Option<&Signed>,
    limited: bool,
) -> Result<Answer, Error> {
    let client_id = match asking {
        Asking::Client(presented) => match authenticate(tx, ctx, presented, limited)? {
            // Whoever has proven nothing learns nothing.
            Ok(found) if found.client.is_public => return Ok(Answer::Refused(presented.credentials().refused())),
            Ok(found) => found.client.id.to_string(),
            Err(error) => return Ok(Answer::Refused(error)),
        },
        Asking::Bearer(bearer) => {
            let asked = signed.and_then(|signed| validated(signed, env, ctx.now));
            match own_token(tx, ctx, env, bearer)? {
                Some(token) if asked.is_none_or(|asked| asked.jti != token.jti) => token.client_id.to_string(),
                _ => return Ok(Answer::BadBearer),
            }
        }
    };
    let found = if request.is_plausible() { find(tx, env, ctx.now, &request.token, signed)? } else { None };
    let seen = found.as_ref().map(|found| view(tx, found)).transpose()?;
    let serves = apis::served_by(tx, &ClientId::new(client_id.as_str()))?;
    let caller = Caller { client_id: &client_id, is_public: false, serves: &serves };
    let issuer = env.app_url.origin.as_str();
    Ok(Answer::Told(Box::new(introspect::introspect(request, caller, seen.as_ref(), issuer, ctx.now.secs()))))
}

/// The caller's own access token, if it is good now and not bound to a key, which a bearer doesn't show.
fn own_token(tx: &ReadTx<'_>, ctx: &Ctx, env: &Env, bearer: &Signed) -> Result<Option<AccessToken<'static>>, Error> {
    let Some(found) = find(tx, env, ctx.now, "", Some(bearer))? else { return Ok(None) };
    let seen = view(tx, &found)?;
    let good = !seen.ended && !seen.subject_ended && ctx.now.secs() < seen.expires_at && seen.jkt.is_none();
    Ok(match found {
        Found::Access { token, .. } if good => Some(*token),
        _ => None,
    })
}
