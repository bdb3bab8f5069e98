//! The set of an instance's keys.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Alg, JoseError, PublicJwk, SigningKey, VerifyingKey};

/// All keys of an instance: those that sign, those that are published, those that still verify hints.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    signing: Vec<SigningKey>,
    verifying: BTreeMap<String, VerifyingKey>,
    jwks: Vec<u8>,
    published: BTreeSet<String>,
}

/// How a key takes part.
#[derive(Clone, Debug)]
pub struct Member {
    /// The public part.
    pub jwk: PublicJwk,
    /// Present if the key signs now.
    pub signing: Option<SigningKey>,
    /// Whether it is in the published JWKS.
    pub published: bool,
}

impl KeySet {
    /// Builds the set; the JWKS document lists keys in the given order.
    pub fn new(members: Vec<Member>) -> Result<Self, JoseError> {
        let mut out = Self::default();
        let mut published = Vec::new();
        for member in members {
            out.verifying.insert(member.jwk.kid.clone(), VerifyingKey::from_jwk(&member.jwk)?.low_s_only());
            out.signing.extend(member.signing);
            if member.published {
                published.push(member.jwk);
            }
        }
        out.published = published.iter().map(|jwk| jwk.kid.clone()).collect();
        out.jwks = serde_json::to_vec(&serde_json::json!({ "keys": published })).map_err(|_| JoseError::Malformed)?;
        Ok(out)
    }

    /// The key that signs with an algorithm, or the default: the first.
    pub fn signing(&self, alg: Option<Alg>) -> Option<&SigningKey> {
        match alg {
            Some(alg) => self.signing.iter().find(|k| k.alg() == alg),
            None => self.signing.first(),
        }
    }

    /// The algorithms that sign now.
    pub fn algs(&self) -> Vec<Alg> {
        self.signing.iter().map(SigningKey::alg).collect()
    }

    /// The key that verifies a `kid`, retired ones included.
    pub fn verifying(&self, kid: &str) -> Option<VerifyingKey> {
        self.verifying.get(kid).cloned()
    }

    /// The JWKS document (RFC 7517 §5), ready to send. Empty until the first key exists.
    pub fn jwks(&self) -> &[u8] {
        &self.jwks
    }

    /// The ids of the keys in the document.
    pub fn published(&self) -> &BTreeSet<String> {
        &self.published
    }

    /// Whether there is a key to sign with.
    pub fn is_ready(&self) -> bool {
        !self.signing.is_empty()
    }
}
