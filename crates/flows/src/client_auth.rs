//! Authenticates clients at the token endpoint and its neighbours (RFC 6749 §2.3, oidc.md §14).
//!
//! What a client brings is checked in two parts. What needs keys or is a matter of computing is done before the
//! transaction ([`demand`], [`Presented`]); who the client is now, and that a proof is new, is asked inside it.

use pid_core::audit::Event;
use pid_core::clients::AuthMethod;
use pid_core::secret::{equal, sha256};
use pid_core::{ClientId, Ctx, Timestamp};
use pid_oidc::authorize::ClientView;
use pid_oidc::client_assertion::{self, Accepted, AssertingClient, Assertion, Demand, KeySource, STRICT_ALGORITHMS};
use pid_oidc::client_auth::Credentials;
use pid_oidc::dpop::{self, Proof};
use pid_oidc::replay::ReplayKey;
use pid_oidc::{ErrorCode, OAuthError};
use pid_store::protocol::{self, ClientKeys, ProtocolClient, StoredSecret};
use pid_store::{ReadTx, WriteTx, used_tokens};

use crate::budget::{CLIENT_SECRET, address_subject};
use crate::protocol::{client, is_of_high_security};
use crate::{Error, audit};

/// Where somebody's public keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPlace {
    /// Here: a JWK set.
    Set(String),
    /// At this address.
    Url(String),
}

/// What came with a request of a client, checked as far as that needs no transaction.
#[derive(Debug, Clone)]
pub struct Presented {
    credentials: Credentials,
    /// A secret under an old hash that the one that was sent fits.
    old_secret: Option<StoredSecret>,
    assertion: Option<(Demand, Accepted)>,
    proof: Option<Proof>,
}

impl Presented {
    /// Credentials as they were sent, an assertion among them with what it was accepted as, and the proof of a key
    /// (RFC 9449).
    pub fn new(credentials: Credentials, assertion: Option<(Demand, Accepted)>, proof: Option<Proof>) -> Self {
        Self { credentials, old_secret: None, assertion, proof }
    }

    /// The same, where the secret was found to fit one under an old hash (see [`old_secrets`]).
    #[must_use]
    pub fn with_old_secret(self, fits: Option<StoredSecret>) -> Self {
        Self { old_secret: fits, ..self }
    }

    /// The credentials.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The proof of a key.
    pub fn proof(&self) -> Option<&Proof> {
        self.proof.as_ref()
    }

    /// True if something of it may be used once, so that whoever accepts it must write.
    pub fn counts_once(&self) -> bool {
        self.proof.is_some() || self.assertion.as_ref().is_some_and(|(_, accepted)| accepted.replay.is_some())
    }
}

/// A client that has proven who it is, or a public one that named itself.
#[derive(Debug)]
pub(crate) struct Authenticated {
    pub client: ProtocolClient,
    pub view: ClientView,
    /// What it proved itself with: the same text for the same secret or key.
    pub proof: String,
}

/// Where the keys are that a client registered; `None` if it has none.
pub fn registered_keys(tx: &ReadTx<'_>, client_id: &str) -> Result<Option<KeyPlace>, Error> {
    Ok(place(protocol::client_keys(tx, &ClientId::new(client_id))?))
}

fn place(keys: ClientKeys) -> Option<KeyPlace> {
    keys.jwks.map(KeyPlace::Set).or(keys.jwks_uri.map(KeyPlace::Url))
}

/// What an assertion must be to authenticate the client that it comes from, and where the keys for that are.
pub fn demand(tx: &ReadTx<'_>, credentials: &Credentials) -> Result<Result<(Demand, KeyPlace), OAuthError>, Error> {
    let Credentials::Assertion { client_id, assertion } = credentials else { return Ok(Err(credentials.refused())) };
    let Some((found, _)) = client(tx, client_id)? else { return Ok(Err(credentials.refused())) };
    let keys = protocol::client_keys(tx, &found.id)?;
    let demand = match demanded(&found, &keys, assertion.expose()) {
        Ok(demand) => demand,
        Err(error) => return Ok(Err(error)),
    };
    let place = match &demand.keys {
        KeySource::Client => place(keys),
        KeySource::Url(url) => Some(KeyPlace::Url(url.clone())),
    };
    Ok(place.map(|place| (demand, place)).ok_or_else(|| credentials.refused()))
}

pub(crate) fn demanded(client: &ProtocolClient, keys: &ClientKeys, assertion: &str) -> Result<Demand, OAuthError> {
    let asserting = AssertingClient {
        id: client.id.as_str(),
        has_keys: keys.jwks.is_some() || keys.jwks_uri.is_some(),
        strict: is_of_high_security(client),
        federated: &keys.federated_identities,
    };
    Assertion::read(assertion)?.demand(&asserting)
}

/// Authenticates a client and uses up what counts once. `Err` inside is the answer for it; a wrong secret was counted.
pub(crate) fn admit(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    presented: &Presented,
    limited: bool,
) -> Result<Result<Authenticated, OAuthError>, Error> {
    let found = match authenticate(tx, ctx, presented, limited)? {
        Ok(found) => found,
        Err(error) => {
            count_failure(tx, ctx, presented, &error, limited)?;
            return Ok(Err(error));
        }
    };
    let weak = |proof: &Proof| !STRICT_ALGORITHMS.contains(&proof.alg());
    if is_of_high_security(&found.client) && presented.proof.as_ref().is_some_and(weak) {
        return Ok(Err(dpop::weak()));
    }
    if let (Some(old), Some(secret)) = (&presented.old_secret, presented.credentials.secret())
        && old.id == found.proof
    {
        let (hash, prefix) = (sha256(secret.expose().as_bytes()), secret.expose().chars().take(4).collect::<String>());
        protocol::hash_anew(tx, old, &hash, &prefix)?;
    }
    Ok(use_up(tx, presented)?.map(|()| found))
}

/// The most work that a hash may demand, in powers of two: some quarter of a second. That of Pocket ID is 10.
const MAX_BCRYPT_COST: u32 = 12;

/// Whether a hash of bcrypt is one that can be compared in good time.
pub(crate) fn is_usable_bcrypt(hash: &[u8]) -> bool {
    let parsed = std::str::from_utf8(hash).ok().and_then(|text| text.parse::<bcrypt::HashParts>().ok());
    parsed.is_some_and(|parts| parts.get_cost() <= MAX_BCRYPT_COST)
}

/// The secrets of a client under hashes that an import brought, if what was sent must be compared with those: that takes
/// long, so it is done outside of any transaction, with [`fits`].
pub fn old_secrets(
    tx: &ReadTx<'_>,
    ctx: &Ctx,
    credentials: &Credentials,
    limited: bool,
) -> Result<Vec<StoredSecret>, Error> {
    let Some(secret) = credentials.secret() else { return Ok(Vec::new()) };
    let Some((found, _)) = client(tx, credentials.client_id())? else { return Ok(Vec::new()) };
    if found.is_public || (limited && CLIENT_SECRET.check(tx, &subject(ctx, &found), ctx.now).is_err()) {
        return Ok(Vec::new());
    }
    let hash = sha256(secret.expose().as_bytes());
    let mut stored = protocol::client_secrets(tx, &found.id)?;
    if stored.iter().any(|s| s.algorithm == "sha256" && equal(&s.hash, &hash)) {
        return Ok(Vec::new());
    }
    stored.retain(|s| s.algorithm == "bcrypt" && s.expires_at.is_none_or(|t| t > ctx.now));
    Ok(stored)
}

/// The first of some old secrets that what was sent fits.
pub fn fits(credentials: &Credentials, old: Vec<StoredSecret>) -> Option<StoredSecret> {
    let secret = credentials.secret()?.expose();
    old.into_iter().filter(|s| is_usable_bcrypt(&s.hash)).find(|s| {
        let hash = std::str::from_utf8(&s.hash).unwrap_or_default();
        bcrypt::verify(secret, hash).unwrap_or(false)
    })
}

/// Uses up what counts once. `Err` inside: somebody was faster.
pub fn use_up(tx: &WriteTx<'_>, presented: &Presented) -> Result<Result<(), OAuthError>, Error> {
    if let Some(replay) = presented.assertion.as_ref().and_then(|(_, accepted)| accepted.replay.as_ref())
        && !take(tx, replay)?
    {
        return Ok(Err(client_assertion::replayed()));
    }
    match &presented.proof {
        Some(proof) => use_up_proof(tx, proof),
        None => Ok(Ok(())),
    }
}

/// Uses up the proof of a key (RFC 9449 §11.1).
pub fn use_up_proof(tx: &WriteTx<'_>, proof: &Proof) -> Result<Result<(), OAuthError>, Error> {
    Ok(if take(tx, proof.replay())? { Ok(()) } else { Err(dpop::replayed()) })
}

fn take(tx: &WriteTx<'_>, replay: &ReplayKey) -> Result<bool, Error> {
    Ok(used_tokens::take(tx, &replay.key, Timestamp::from_secs(replay.expires_at))?)
}

/// Checks what a client brought. `Err` inside is the answer for it; [`count_failure`] must be told of that.
pub(crate) fn authenticate(
    tx: &ReadTx<'_>,
    ctx: &Ctx,
    presented: &Presented,
    limited: bool,
) -> Result<Result<Authenticated, OAuthError>, Error> {
    let credentials = &presented.credentials;
    let Some((found, view)) = client(tx, credentials.client_id())? else {
        return Ok(Err(credentials.refused()));
    };
    let by_assertion = credentials.method() == AuthMethod::PrivateKeyJwt;
    if found.is_public && !by_assertion {
        return Ok(Ok(Authenticated { client: found, view, proof: "none".to_owned() }));
    }
    if let Some(method) = found.auth_method.filter(|method| *method != credentials.method()) {
        let text = format!("This client must authenticate with '{}'.", method.as_str());
        return Ok(Err(OAuthError::new(ErrorCode::InvalidClient, text)));
    }
    if let Credentials::Assertion { assertion, .. } = credentials {
        // The client may have changed since the assertion was checked.
        let demanded = demanded(&found, &protocol::client_keys(tx, &found.id)?, assertion.expose());
        return Ok(match (&presented.assertion, demanded) {
            (Some((checked, _)), Ok(demanded)) if *checked == demanded => {
                Ok(Authenticated { client: found, view, proof: demanded.to_string() })
            }
            _ => Err(credentials.refused()),
        });
    }
    let Some(secret) = credentials.secret() else { return Ok(Err(credentials.refused())) };
    if limited {
        CLIENT_SECRET.check(tx, &subject(ctx, &found), ctx.now)?;
    }
    let hash = sha256(secret.expose().as_bytes());
    let good = protocol::client_secrets(tx, &found.id)?.into_iter().find(|s| {
        let same = match s.algorithm.as_str() {
            "sha256" => equal(&s.hash, &hash),
            _ => presented.old_secret.as_ref() == Some(s),
        };
        same && s.expires_at.is_none_or(|t| t > ctx.now)
    });
    Ok(match good {
        Some(secret) => Ok(Authenticated { client: found, view, proof: secret.id }),
        None => Err(credentials.refused()),
    })
}

/// Writes down that a client could not prove who it is, and counts a wrong secret per client and address.
pub fn count_failure(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    presented: &Presented,
    error: &OAuthError,
    limited: bool,
) -> Result<(), Error> {
    let credentials = &presented.credentials;
    let Some((found, _)) = client(tx, credentials.client_id())? else { return Ok(()) };
    if limited && !found.is_public && credentials.secret().is_some() {
        CLIENT_SECRET.fail(tx, &subject(ctx, &found), ctx.now)?;
    }
    let data = [
        ("clientName", found.name.as_str()),
        ("clientID", found.id.as_str()),
        ("method", credentials.method().as_str()),
        ("reason", &error.wire_description()),
    ];
    audit::failed(tx, ctx, Event::ClientAuthenticationFailed, None, &data)
}

fn subject(ctx: &Ctx, client: &ProtocolClient) -> String {
    format!("{} {}", address_subject(&ctx.ip_address), client.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_that_take_too_long_are_not_compared() {
        let made = bcrypt::hash("a secret", 4).unwrap();
        let hash = |cost: &str| made.replace("$04$", &format!("${cost}$"));
        for (text, usable) in [(hash("10"), true), (hash("12"), true), (hash("13"), false), (hash("31"), false)] {
            assert_eq!(is_usable_bcrypt(text.as_bytes()), usable, "{text}");
        }
        assert!(!is_usable_bcrypt(b"$2a$10$short"));
    }
}
