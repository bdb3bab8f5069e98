//! The instance's signing keys: making the first ones, loading the set.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use pid_core::{Ctx, Entropy, Timestamp};
use pid_jose::{Alg, KeySet, Member, SigningKey, Zeroizing};
use pid_store::instance::{self, Cached};
use pid_store::keys::{self, KeyState, StoredKey};
use pid_store::{ReadTx, WriteTx, settings};

use crate::Error;
use crate::env::Snapshot;

/// A retired key verifies logout hints for this long, seconds.
const HINT_SECS: i64 = 400 * 24 * 3600;
/// A retired key is published for this long: longer than the longest ID or access token of ordinary settings.
const PUBLISHED_SECS: i64 = 8 * 24 * 3600;

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
    let sealed_private = pid_jose::seal(&sealer.0, kid.as_bytes(), &pkcs8).map_err(Error::internal)?;
    let public_jwk = serde_json::to_string(key.public_jwk()).map_err(Error::internal)?;
    Ok(StoredKey {
        kid: kid.to_owned(),
        alg: alg.as_str().to_owned(),
        state: KeyState::Active,
        public_jwk,
        sealed_private,
        created_at: now,
        activated_at: Some(now),
        retired_at: None,
    })
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
pub fn ensure(tx: &WriteTx<'_>, ctx: &Ctx, sealer: &KeySealer, alg: Option<&str>) -> Result<(), Error> {
    match alg.and_then(Alg::parse) {
        Some(alg @ (Alg::ES256 | Alg::EdDSA)) if !has_active(tx, alg)? => {
            Ok(keys::insert(tx, &generate(sealer, alg, &new_kid(&ctx.entropy()), ctx.now)?)?)
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
        let age = key.retired_at.map_or(0, |t| now.secs_since(t));
        let keep = match key.state {
            KeyState::Next | KeyState::Active => true,
            KeyState::Retired => age < HINT_SECS,
            KeyState::Revoked => false,
        };
        let (Some(alg), true) = (Alg::parse(&key.alg), keep) else { continue };
        let jwk = serde_json::from_str(&key.public_jwk).map_err(Error::internal)?;
        let signing = if key.state == KeyState::Active {
            let pkcs8 = pid_jose::open(&sealer.0, key.kid.as_bytes(), &key.sealed_private).map_err(Error::internal)?;
            Some(SigningKey::from_pkcs8(alg, &key.kid, &pkcs8).map_err(Error::internal)?)
        } else {
            None
        };
        let published = key.state != KeyState::Retired || age < PUBLISHED_SECS;
        members.push(Member { jwk, signing, published });
    }
    let keys = KeySet::new(members).map_err(Error::internal)?;
    Ok(Snapshot { settings: settings.into(), keys: keys.into(), versions })
}

/// Tells every replica to load the keys anew.
pub fn announce(tx: &WriteTx<'_>) -> Result<(), Error> {
    Ok(instance::raise(tx, Cached::Keys)?)
}
