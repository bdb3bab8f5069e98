//! COSE keys (RFC 9052 §7, RFC 8230, RFC 8812) and the signatures of the ten algorithms that we offer.

use aws_lc_rs::signature::{self, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents, VerificationAlgorithm};

use crate::cbor::{self, Value};

/// The COSE algorithm identifiers that we offer, in the order of preference.
pub const ALGORITHMS: [i64; 10] = [-7, -35, -36, -257, -258, -259, -37, -38, -39, -8];

/// What is wrong with a key or a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CoseError {
    /// Not a COSE_Key.
    #[error("the public key is malformed")]
    Malformed,
    /// An algorithm that was not offered, or one that does not fit the key.
    #[error("the public key's algorithm is not supported")]
    Algorithm,
    /// A point off its curve, or an RSA key that is too weak or too large.
    #[error("the public key can't be used")]
    Unusable,
    /// The signature does not verify.
    #[error("the signature is not valid")]
    Signature,
}

enum Key {
    Curve(&'static dyn VerificationAlgorithm, Vec<u8>),
    Rsa(&'static RsaParameters, Vec<u8>, Vec<u8>),
}

/// A public key as an authenticator wrote it.
pub(crate) struct CoseKey {
    alg: i64,
    key: Key,
}

impl CoseKey {
    /// Reads a stored key.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, CoseError> {
        Self::from_value(&cbor::read_all(bytes).ok_or(CoseError::Malformed)?)
    }

    /// Reads a key and checks that it can be used: on its curve, RSA of 2048–4096 bits with an odd exponent from 3.
    pub(crate) fn from_value(map: &Value) -> Result<Self, CoseError> {
        let alg = map.at(3).and_then(Value::int).ok_or(CoseError::Malformed)?;
        let kty = map.at(1).and_then(Value::int).ok_or(CoseError::Malformed)?;
        let bytes = |label: i64| map.at(label).and_then(Value::bytes).ok_or(CoseError::Malformed);
        let crv = map.at(-1).and_then(Value::int);
        let key = match (kty, alg) {
            (2, -7 | -35 | -36) => {
                let (algorithm, curve, size): (&'static dyn VerificationAlgorithm, i64, usize) = match alg {
                    -7 => (&signature::ECDSA_P256_SHA256_ASN1, 1, 32),
                    -35 => (&signature::ECDSA_P384_SHA384_ASN1, 2, 48),
                    _ => (&signature::ECDSA_P521_SHA512_ASN1, 3, 66),
                };
                let (x, y) = (bytes(-2)?, bytes(-3)?);
                if crv != Some(curve) {
                    return Err(CoseError::Algorithm);
                }
                if x.len() != size || y.len() != size {
                    return Err(CoseError::Malformed);
                }
                Key::Curve(algorithm, [&[4][..], x, y].concat())
            }
            (1, -8) => {
                let x = bytes(-2)?;
                if crv != Some(6) {
                    return Err(CoseError::Algorithm);
                }
                if x.len() != 32 || x[..31].iter().all(|b| *b == 0) {
                    return Err(CoseError::Unusable);
                }
                Key::Curve(&signature::ED25519, x.to_vec())
            }
            (3, -259..=-257 | -39..=-37) => rsa(alg, bytes(-1)?, bytes(-2)?)?,
            (1..=3, _) => return Err(CoseError::Algorithm),
            _ => return Err(CoseError::Malformed),
        };
        if let Key::Curve(algorithm, point) = &key {
            ParsedPublicKey::new(*algorithm, point).map_err(|_| CoseError::Unusable)?;
        }
        Ok(Self { alg, key })
    }

    /// The COSE algorithm identifier.
    pub(crate) fn alg(&self) -> i64 {
        self.alg
    }

    /// Verifies a signature over a message.
    pub(crate) fn verify(&self, message: &[u8], sig: &[u8]) -> Result<(), CoseError> {
        let verdict = match &self.key {
            Key::Curve(algorithm, point) => {
                signature::UnparsedPublicKey::new(*algorithm, point).verify(message, sig).map_err(|_| ())
            }
            Key::Rsa(parameters, n, e) => {
                RsaPublicKeyComponents { n, e }.verify(parameters, message, sig).map_err(|_| ())
            }
        };
        verdict.map_err(|()| CoseError::Signature)
    }
}

fn rsa(alg: i64, n: &[u8], e: &[u8]) -> Result<Key, CoseError> {
    let parameters: &'static RsaParameters = match alg {
        -257 => &signature::RSA_PKCS1_2048_8192_SHA256,
        -258 => &signature::RSA_PKCS1_2048_8192_SHA384,
        -259 => &signature::RSA_PKCS1_2048_8192_SHA512,
        -37 => &signature::RSA_PSS_2048_8192_SHA256,
        -38 => &signature::RSA_PSS_2048_8192_SHA384,
        _ => &signature::RSA_PSS_2048_8192_SHA512,
    };
    let n: Vec<u8> = n.iter().copied().skip_while(|b| *b == 0).collect();
    let e: Vec<u8> = e.iter().copied().skip_while(|b| *b == 0).collect();
    let odd_from_3 = e.last().is_some_and(|b| b % 2 == 1) && e != [1] && e.len() <= 8;
    let bits = n.len() * 8 - n.first().map_or(0, |b| b.leading_zeros() as usize);
    if !(2048..=4096).contains(&bits) || !odd_from_3 {
        return Err(CoseError::Unusable);
    }
    Ok(Key::Rsa(parameters, n, e))
}
