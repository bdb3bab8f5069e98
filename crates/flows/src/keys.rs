//! The instance's signing keys: making the first ones, loading the set, rotation and revocation.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use pid_core::audit::Event;
use pid_core::{Ctx, Entropy, KeyState, Timestamp};
use pid_jose::rotation::{self, Action, KeyRecord};
use pid_jose::{Alg, KeySet, Member, SigningKey, Zeroizing};
use pid_oidc::lifetimes;
use pid_store::instance;
use pid_store::keys::{self, StoredKey};
use pid_store::{ReadTx, WriteTx, clients, protocol, settings};

use crate::access::Admin;
use crate::env::{NamedScopes, Snapshot};
use crate::roles::ReadsAll;
use crate::{Code, Error, application_images, audit};

/// The algorithms that a client may choose, so those of which an instance makes keys (the default first).
pub const OFFERED: [Alg; 3] = [Alg::RS256, Alg::ES256, Alg::EdDSA];
/// The fact that says until when tokens of lifetimes that were shortened since may live, seconds since the epoch.
const OLD_TOKENS_UNTIL: &str = "old_tokens_until";

/// The key under which private keys are sealed, derived from the encryption key.
#[derive(Clone)]
pub struct KeySealer(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for KeySealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeySealer(..)")
    }
}

impl KeySealer {
    /// Derives it.
    pub fn new(encryption_key: &[u8]) -> Result<Self, Error> {
        pid_jose::derive(encryption_key, "signing-keys").map(Self).map_err(Error::internal)
    }
}

/// A freshly made key, ready to be stored. Making an RSA key takes a noticeable fraction of a second: do it on a
/// blocking thread, outside any transaction.
pub fn generate(sealer: &KeySealer, alg: Alg, kid: &str, now: Timestamp) -> Result<StoredKey, Error> {
    let (key, pkcs8) = SigningKey::generate(alg, kid).map_err(Error::internal)?;
    stored(sealer, &key, &pkcs8, KeyState::Active, now)
}

/// A key as it is stored.
pub(crate) fn stored(
    sealer: &KeySealer,
    key: &SigningKey,
    pkcs8: &[u8],
    state: KeyState,
    now: Timestamp,
) -> Result<StoredKey, Error> {
    let sealed_private = pid_jose::seal(&sealer.0, key.kid().as_bytes(), pkcs8).map_err(Error::internal)?;
    let public_jwk = serde_json::to_string(key.public_jwk()).map_err(Error::internal)?;
    Ok(StoredKey {
        kid: key.kid().to_owned(),
        alg: key.alg().as_str().to_owned(),
        state,
        public_jwk,
        sealed_private,
        created_at: now,
        activated_at: Some(now),
        retired_at: None,
        publish_until: None,
    })
}

/// The private part of a key, in PKCS#8.
pub(crate) fn opened(sealer: &KeySealer, key: &StoredKey) -> Result<Zeroizing<Vec<u8>>, Error> {
    pid_jose::open(&sealer.0, key.kid.as_bytes(), &key.sealed_private).map_err(Error::internal)
}

/// Stores a key unless a key of its algorithm signs already: of several replicas that start at once, one wins.
pub fn store_first(tx: &WriteTx<'_>, key: &StoredKey) -> Result<bool, Error> {
    let taken = keys::all(tx)?.iter().any(|k| k.state == KeyState::Active && k.alg == key.alg);
    if !taken {
        keys::insert(tx, key)?;
    }
    Ok(!taken)
}

/// Makes the first key of an algorithm in the transaction in which a client first wants it: keys on elliptic curves take
/// microseconds. RSA keys don't; the one for RS256 is made at the start.
pub fn ensure(tx: &WriteTx<'_>, ctx: &Ctx, sealer: &KeySealer, admin: &Admin, alg: Option<&str>) -> Result<(), Error> {
    match alg.and_then(Alg::parse) {
        Some(alg @ (Alg::ES256 | Alg::EdDSA)) if !has_active(tx, alg)? => {
            let key = generate(sealer, alg, &new_kid(&ctx.entropy()), ctx.now)?;
            keys::insert(tx, &key)?;
            let data = [("keyID", key.kid.as_str()), ("algorithm", key.alg.as_str())];
            let entropy = ctx.stream("signing keys");
            audit::record(tx, ctx, &entropy, Event::SigningKeyCreated, None, Some(&admin.user().id), &data)
        }
        _ => Ok(()),
    }
}

/// A new key id: 8 random bytes (oidc.md §3).
pub fn new_kid(entropy: &Entropy) -> String {
    URL_SAFE_NO_PAD.encode(entropy.bytes::<8>())
}

/// Whether an active key of an algorithm exists.
pub fn has_active(tx: &ReadTx<'_>, alg: Alg) -> Result<bool, Error> {
    Ok(keys::all(tx)?.iter().any(|k| k.state == KeyState::Active && k.alg == alg.as_str()))
}

/// Reads the cached snapshot: settings and keys, as of one transaction.
pub fn load_snapshot(tx: &ReadTx<'_>, sealer: &KeySealer, now: Timestamp) -> Result<Snapshot, Error> {
    let versions = instance::versions(tx)?;
    let settings = settings::load(tx)?;
    let mut members = Vec::new();
    let mut stored = keys::all(tx)?;
    // The default algorithm signs with the first key: RS256 before others.
    stored.sort_by_key(|k| (k.alg != Alg::RS256.as_str(), k.created_at, k.kid.clone()));
    for key in stored {
        let Some(record) = record(&key).filter(|r| rotation::is_trusted(r, now.secs())) else { continue };
        let jwk = serde_json::from_str(&key.public_jwk).map_err(Error::internal)?;
        let signing = if key.state == KeyState::Active {
            let pkcs8 = opened(sealer, &key)?;
            Some(SigningKey::from_pkcs8(record.alg, &key.kid, &pkcs8).map_err(Error::internal)?)
        } else {
            None
        };
        members.push(Member { jwk, signing, published: rotation::is_published(&record, now.secs()) });
    }
    let keys = KeySet::new(members).map_err(Error::internal)?;
    // What an older version let in and this one doesn't is as good as not there.
    let scopes = NamedScopes::parse(settings.get("namedScopes")).unwrap_or_default();
    let images = application_images::load(tx)?;
    let old_secrets = protocol::has_old_secrets(tx)?;
    Ok(Snapshot { old_secrets, settings: settings.into(), scopes: scopes.into(), keys: keys.into(), images, versions })
}

/// A key of an algorithm that this build doesn't know is as good as none.
fn record(key: &StoredKey) -> Option<KeyRecord> {
    Some(KeyRecord {
        kid: key.kid.clone(),
        alg: Alg::parse(&key.alg)?,
        state: key.state,
        created_at: key.created_at.secs(),
        activated_at: key.activated_at.map(Timestamp::secs),
        retired_at: key.retired_at.map(Timestamp::secs),
        publish_until: key.publish_until.map(Timestamp::secs),
    })
}

fn records(keys: &[StoredKey]) -> Vec<KeyRecord> {
    keys.iter().filter_map(record).collect()
}

/// What somebody wants done with the keys, or the calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// What is due now.
    Due,
    /// Another key for an algorithm: after its day, or at once.
    Rotate {
        /// The algorithm.
        alg: Alg,
        /// Whether the new key signs from now on.
        at_once: bool,
    },
    /// The end of a key that leaked, and of the tokens that it signed.
    Revoke {
        /// Key id.
        kid: String,
    },
}

/// What the wish means now. [`Code::NotFound`] for a key that is not there or is revoked already.
pub fn plan(tx: &ReadTx<'_>, wish: &Wish, now: Timestamp) -> Result<Vec<Action>, Error> {
    let keys = records(&keys::all(tx)?);
    match wish {
        Wish::Due => {
            let days = settings::load(tx)?.signing_key_rotation_days();
            Ok(rotation::plan(&keys, days.map(|days| days * 24 * 3600), now.secs()))
        }
        Wish::Rotate { alg, at_once } => Ok(rotation::rotate(&keys, *alg, *at_once)),
        Wish::Revoke { kid } => rotation::revoke(&keys, kid).ok_or_else(|| Error::not_found("Signing key")),
    }
}

/// The keys that a plan wants made. Off any transaction and on a blocking thread: see [`generate`].
pub fn prepare(
    sealer: &KeySealer,
    plan: &[Action],
    entropy: &Entropy,
    now: Timestamp,
) -> Result<Vec<StoredKey>, Error> {
    let wanted = plan.iter().filter_map(|action| match action {
        Action::Create { alg, .. } => Some(*alg),
        _ => None,
    });
    wanted.map(|alg| generate(sealer, alg, &new_kid(entropy), now)).collect()
}

/// Does what the wish means, with keys that were prepared for it. Planned again inside this transaction, so that of
/// several replicas that wish the same one does it. `None`, and nothing is done, if the plan has become another that
/// wants a key which was not prepared: half of it would leave an algorithm without its key.
pub fn carry_out(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    admin: Option<&Admin>,
    wish: &Wish,
    prepared: &[StoredKey],
) -> Result<Option<Vec<Action>>, Error> {
    let plan = plan(tx, wish, ctx.now)?;
    let made = |wanted: &Alg| prepared.iter().find(|key| key.alg == wanted.as_str());
    if plan.iter().any(|action| matches!(action, Action::Create { alg, .. } if made(alg).is_none())) {
        return Ok(None);
    }
    let stored = keys::all(tx)?;
    let entropy = ctx.stream("signing keys");
    let write_down = |event, kid: &str, alg: &str| {
        let data = [("keyID", kid), ("algorithm", alg)];
        audit::record(tx, ctx, &entropy, event, None, admin.map(|a| &a.user().id), &data)
    };
    for action in &plan {
        match action {
            Action::Create { alg, state } => {
                let Some(key) = made(alg) else { continue };
                let activated_at = (*state == KeyState::Active).then_some(ctx.now);
                keys::insert(tx, &StoredKey { state: *state, created_at: ctx.now, activated_at, ..key.clone() })?;
                write_down(Event::SigningKeyCreated, &key.kid, &key.alg)?;
            }
            Action::Forget { kid } => keys::delete(tx, kid)?,
            Action::Activate { kid } | Action::Retire { kid } | Action::Revoke { kid } => {
                let Some(mut key) = stored.iter().find(|key| key.kid == *kid).cloned() else { continue };
                match action {
                    Action::Activate { .. } => {
                        (key.state, key.activated_at) = (KeyState::Active, Some(ctx.now));
                        write_down(Event::SigningKeyActivated, &key.kid, &key.alg)?;
                    }
                    Action::Retire { .. } => {
                        (key.state, key.retired_at) = (KeyState::Retired, Some(ctx.now));
                        key.publish_until = Some(last_expiry(tx, ctx.now)?);
                    }
                    _ => {
                        (key.state, key.retired_at) = (KeyState::Revoked, Some(ctx.now));
                        write_down(Event::SigningKeyRevoked, &key.kid, &key.alg)?;
                    }
                }
                keys::set_state(tx, &key)?;
            }
        }
    }
    Ok(Some(plan))
}

/// The ids of the keys that the JWKS shows now, in no order.
pub fn published(tx: &ReadTx<'_>, now: Timestamp) -> Result<BTreeSet<String>, Error> {
    let keys = records(&keys::all(tx)?);
    Ok(keys.into_iter().filter(|key| rotation::is_published(key, now.secs())).map(|key| key.kid).collect())
}

/// When the last token expires that was signed until now.
fn last_expiry(tx: &ReadTx<'_>, now: Timestamp) -> Result<Timestamp, Error> {
    let longest = (clients::longest_signed_minutes(tx)? * 60).max(lifetimes::ID_TOKEN);
    let old = instance::get(tx, OLD_TOKENS_UNTIL)?.and_then(|text| text.parse().ok()).unwrap_or(0);
    // A minute more, since other clocks differ.
    Ok(now.plus_secs(longest.max(old - now.secs()) + 60))
}

/// Remembers how long tokens may live that were issued until now, before their client's lifetime is made shorter or the
/// client goes: a key that is retired later must stay published for them.
pub(crate) fn remember_lifetime(tx: &WriteTx<'_>, minutes: i64, now: Timestamp) -> Result<(), Error> {
    let until = now.secs() + minutes * 60;
    let known = instance::get(tx, OLD_TOKENS_UNTIL)?.and_then(|text| text.parse().ok()).unwrap_or(0);
    if until > known {
        instance::put(tx, OLD_TOKENS_UNTIL, &until.to_string())?;
    }
    Ok(())
}

/// The keys with their states, the newest first.
pub fn list(tx: &ReadTx<'_>, _: &ReadsAll) -> Result<Vec<StoredKey>, Error> {
    let mut keys = keys::all(tx)?;
    keys.reverse();
    Ok(keys)
}

/// The algorithm of which an admin wants a key: one that clients may choose, or of which there is a key.
pub fn rotatable(tx: &ReadTx<'_>, name: &str) -> Result<Alg, Error> {
    let known = keys::all(tx)?;
    let alg = Alg::SIGNING.into_iter().find(|alg| alg.as_str().eq_ignore_ascii_case(name));
    alg.filter(|alg| OFFERED.contains(alg) || known.iter().any(|key| key.alg == alg.as_str())).ok_or_else(|| {
        Error::with(Code::ValidationFailed, format!("No client signs with {name}: choose RS256, ES256 or EdDSA"))
    })
}
