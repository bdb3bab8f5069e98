//! Authenticates clients at the token endpoint and its neighbours (RFC 6749 §2.3, oidc.md §14).

use pid_core::Ctx;
use pid_core::secret::{equal, sha256};
use pid_oidc::OAuthError;
use pid_oidc::authorize::ClientView;
use pid_oidc::client_auth::Credentials;
use pid_store::protocol::{self, ProtocolClient};
use pid_store::{ReadTx, WriteTx};

use crate::Error;
use crate::budget::{CLIENT_SECRET, address_subject};
use crate::protocol::client;

/// A client that has proven who it is, or a public one that named itself.
#[derive(Debug)]
pub(crate) struct Authenticated {
    pub client: ProtocolClient,
    pub view: ClientView,
    /// What it proved itself with: the same text for the same secret or key.
    pub proof: String,
}

/// Checks what a client brought. `Err` inside is the answer for it; [`count_failure`] must be told of that.
pub(crate) fn authenticate(
    tx: &ReadTx<'_>,
    ctx: &Ctx,
    credentials: &Credentials,
    limited: bool,
) -> Result<Result<Authenticated, OAuthError>, Error> {
    let Some((found, view)) = client(tx, credentials.client_id())? else {
        return Ok(Err(credentials.refused()));
    };
    if found.is_public {
        return Ok(Ok(Authenticated { client: found, view, proof: "none".to_owned() }));
    }
    let Some(secret) = credentials.secret() else { return Ok(Err(credentials.refused())) };
    if limited {
        CLIENT_SECRET.check(tx, &subject(ctx, &found), ctx.now)?;
    }
    let hash = sha256(secret.expose().as_bytes());
    let good = protocol::client_secrets(tx, &found.id)?
        .into_iter()
        .find(|s| s.algorithm == "sha256" && s.expires_at.is_none_or(|t| t > ctx.now) && equal(&s.hash, &hash));
    Ok(match good {
        Some(secret) => Ok(Authenticated { client: found, view, proof: secret.id }),
        None => Err(credentials.refused()),
    })
}

/// Counts a wrong secret per client and address.
pub fn count_failure(tx: &WriteTx<'_>, ctx: &Ctx, credentials: &Credentials) -> Result<(), Error> {
    match client(tx, credentials.client_id())? {
        Some((found, _)) if !found.is_public && credentials.secret().is_some() => {
            CLIENT_SECRET.fail(tx, &subject(ctx, &found), ctx.now)
        }
        _ => Ok(()),
    }
}

fn subject(ctx: &Ctx, client: &ProtocolClient) -> String {
    format!("{} {}", address_subject(&ctx.ip_address), client.id)
}
