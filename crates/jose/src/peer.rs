//! Public keys of others: what a client registered, what an issuer publishes, what a DPoP proof carries.
//!
//! A key tells by its type which algorithms it verifies; a token's header may only choose among those. Keys that can't
//! be trusted are refused when they are read: with a private part, weak, off their curve, of small order, or meant for
//! something else than signatures.

use aws_lc_rs::digest;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Alg, JoseError, PublicJwk, VerifyingKey};

/// The longest JWK set that is read, bytes.
pub const MAX_JWKS: usize = 64 * 1024;
/// The most keys of a set.
pub const MAX_KEYS: usize = 100;
const MAX_KID: usize = 256;

const RSA: &[Alg] = &[Alg::RS256, Alg::RS384, Alg::RS512, Alg::PS256, Alg::PS384, Alg::PS512];

/// Reads the name of an algorithm as others write it. RFC 9864 calls EdDSA on its curve `Ed25519`.
pub(crate) fn alg_of_peer(text: &str) -> Option<Alg> {
    if text == "Ed25519" { Some(Alg::EdDSA) } else { Alg::parse(text) }
}

/// Any value counts as there, `null` too.
pub(crate) fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    serde::de::IgnoredAny::deserialize(deserializer).map(|_| true)
}

/// A JWK as it is sent (RFC 7517 §4). A private or symmetric member is only noticed.
#[derive(Deserialize)]
struct Wire {
    kty: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default, rename = "use")]
    use_: Option<String>,
    #[serde(default)]
    key_ops: Option<Vec<String>>,
    #[serde(default)]
    alg: Option<String>,
    #[serde(default)]
    n: Option<String>,
    #[serde(default)]
    e: Option<String>,
    #[serde(default)]
    crv: Option<String>,
    #[serde(default)]
    x: Option<String>,
    #[serde(default)]
    y: Option<String>,
    #[serde(default, deserialize_with = "present")]
    d: bool,
    #[serde(default, deserialize_with = "present")]
    p: bool,
    #[serde(default, deserialize_with = "present")]
    q: bool,
    #[serde(default, deserialize_with = "present")]
    dp: bool,
    #[serde(default, deserialize_with = "present")]
    dq: bool,
    #[serde(default, deserialize_with = "present")]
    qi: bool,
    #[serde(default, deserialize_with = "present")]
    oth: bool,
    #[serde(default, deserialize_with = "present")]
    k: bool,
}

/// A public key of somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerKey {
    kid: Option<String>,
    algs: &'static [Alg],
    /// The parts of the key; its `alg` is the first of `algs` and means nothing.
    parts: PublicJwk,
}

impl PeerKey {
    /// Reads a JWK (RFC 7517 §4).
    ///
    /// # Errors
    /// [`JoseError::PrivateKey`] if it has a private or symmetric member; [`JoseError::UnusableKey`] if it is not for
    /// signatures, of a type that we don't know, or too weak to be trusted.
    pub fn parse(jwk: &Value) -> Result<Self, JoseError> {
        let wire = Wire::deserialize(jwk).map_err(|_| JoseError::UnusableKey)?;
        if wire.d || wire.p || wire.q || wire.dp || wire.dq || wire.qi || wire.oth || wire.k {
            return Err(JoseError::PrivateKey);
        }
        let for_signatures = wire.use_.as_deref().is_none_or(|u| u == "sig")
            && wire.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| op == "verify"));
        if !for_signatures || wire.kid.as_ref().is_some_and(|kid| kid.len() > MAX_KID) {
            return Err(JoseError::UnusableKey);
        }
        let fitting: &'static [Alg] = match (wire.kty.as_str(), wire.crv.as_deref()) {
            ("RSA", None) => RSA,
            ("EC", Some("P-256")) => &[Alg::ES256],
            ("EC", Some("P-384")) => &[Alg::ES384],
            ("EC", Some("P-521")) => &[Alg::ES512],
            ("OKP", Some("Ed25519")) => &[Alg::EdDSA],
            _ => return Err(JoseError::UnusableKey),
        };
        let algs = match &wire.alg {
            None => fitting,
            Some(name) => {
                let alg = alg_of_peer(name).ok_or(JoseError::UnusableKey)?;
                let place = fitting.iter().position(|a| *a == alg).ok_or(JoseError::UnusableKey)?;
                &fitting[place..=place]
            }
        };
        let parts = PublicJwk {
            kty: wire.kty,
            kid: String::new(),
            use_: "sig".to_owned(),
            alg: algs[0],
            n: wire.n,
            e: wire.e,
            crv: wire.crv,
            x: wire.x,
            y: wire.y,
        };
        // RFC 7518 §6.3.1: no leading zero, so that a key has one thumbprint.
        let padded = |part: &Option<String>| {
            part.as_deref()
                .is_some_and(|text| URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.first() == Some(&0)))
        };
        if parts.kty == "RSA" && (padded(&parts.n) || padded(&parts.e)) {
            return Err(JoseError::UnusableKey);
        }
        VerifyingKey::from_jwk(&parts)?;
        Ok(Self { kid: wire.kid, algs, parts })
    }

    /// The key id, if it has one.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The algorithms that this key verifies.
    pub fn algs(&self) -> &'static [Alg] {
        self.algs
    }

    /// The key for one of its algorithms.
    pub(crate) fn verifying(&self, alg: Alg) -> Option<VerifyingKey> {
        if !self.algs.contains(&alg) {
            return None;
        }
        VerifyingKey::from_jwk(&PublicJwk { alg, ..self.parts.clone() }).ok()
    }

    /// The SHA-256 thumbprint in base64url (RFC 7638 §3): a key's `jkt`.
    pub fn thumbprint(&self) -> String {
        thumbprint(&self.parts)
    }
}

/// The SHA-256 thumbprint of a public key in base64url (RFC 7638 §3).
pub fn thumbprint(jwk: &PublicJwk) -> String {
    // The required members in the order of their names, without blanks.
    #[derive(Serialize)]
    struct Required<'a> {
        #[serde(skip_serializing_if = "Option::is_none")]
        crv: &'a Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        e: &'a Option<String>,
        kty: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        n: &'a Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        x: &'a Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        y: &'a Option<String>,
    }
    let unset = &None;
    let required = match jwk.kty.as_str() {
        "RSA" => Required { crv: unset, e: &jwk.e, kty: "RSA", n: &jwk.n, x: unset, y: unset },
        "EC" => Required { crv: &jwk.crv, e: unset, kty: "EC", n: unset, x: &jwk.x, y: &jwk.y },
        other => Required { crv: &jwk.crv, e: unset, kty: other, n: unset, x: &jwk.x, y: unset },
    };
    let json = serde_json::to_vec(&required).unwrap_or_default();
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, &json))
}

/// The keys of a client or of an issuer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerKeys(Vec<PeerKey>);

impl PeerKeys {
    /// Reads a JWK set (RFC 7517 §5) that somebody publishes. Keys that we can't use are passed over.
    ///
    /// # Errors
    /// [`JoseError::Malformed`] if it isn't a set or too large.
    pub fn parse(json: &[u8]) -> Result<Self, JoseError> {
        let keys = set(json)?.iter().filter_map(|jwk| PeerKey::parse(jwk).ok()).collect();
        Ok(Self(keys))
    }

    /// Reads a JWK set that an admin registers: each key must be usable, and a key id stands once for a key type.
    ///
    /// # Errors
    /// As [`PeerKeys::parse`], and the error of the first key that can't be used; an empty set is malformed.
    pub fn parse_registered(json: &[u8]) -> Result<Self, JoseError> {
        let keys: Vec<PeerKey> = set(json)?.iter().map(PeerKey::parse).collect::<Result<_, _>>()?;
        let ambiguous = keys.iter().enumerate().any(|(place, key)| {
            keys[..place].iter().any(|other| {
                key.kid.is_some() && key.kid == other.kid && key.algs.iter().any(|alg| other.algs.contains(alg))
            })
        });
        if keys.is_empty() || ambiguous { Err(JoseError::Malformed) } else { Ok(Self(keys)) }
    }

    /// True without any usable key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys.
    pub fn iter(&self) -> impl Iterator<Item = &PeerKey> {
        self.0.iter()
    }

    /// The keys that may have signed: those of the id, or the only one of the algorithm when the token names none.
    pub(crate) fn candidates(&self, kid: Option<&str>, alg: Alg) -> Vec<VerifyingKey> {
        let of_alg = self.0.iter().filter(|key| key.algs.contains(&alg));
        let found: Vec<&PeerKey> = match kid {
            Some(kid) => of_alg.filter(|key| key.kid.as_deref() == Some(kid)).collect(),
            None => of_alg.collect(),
        };
        if kid.is_none() && found.len() != 1 {
            return Vec::new();
        }
        found.into_iter().filter_map(|key| key.verifying(alg)).collect()
    }
}

impl FromIterator<PeerKey> for PeerKeys {
    fn from_iter<T: IntoIterator<Item = PeerKey>>(keys: T) -> Self {
        Self(keys.into_iter().collect())
    }
}

fn set(json: &[u8]) -> Result<Vec<Value>, JoseError> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Value>,
    }
    if json.len() > MAX_JWKS {
        return Err(JoseError::Malformed);
    }
    let set: Set = serde_json::from_slice(json).map_err(|_| JoseError::Malformed)?;
    if set.keys.len() > MAX_KEYS { Err(JoseError::Malformed) } else { Ok(set.keys) }
}
