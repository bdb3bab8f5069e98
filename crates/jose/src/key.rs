//! Keys, parsed once.

use std::sync::Arc;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, ParsedPublicKey, RsaEncoding, RsaKeyPair,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{Alg, JoseError, low_s};

/// A public key as JSON (RFC 7517). It has no private members, so none can be shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicJwk {
    /// Key type: `RSA`, `EC` or `OKP`.
    pub kty: String,
    /// Key id.
    pub kid: String,
    /// `sig`.
    #[serde(rename = "use")]
    pub use_: String,
    /// Algorithm.
    pub alg: Alg,
    /// RSA modulus.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<String>,
    /// RSA exponent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub e: Option<String>,
    /// Curve.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crv: Option<String>,
    /// EC x coordinate or the Ed25519 key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// EC y coordinate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
}

enum Pair {
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
    Ec(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

struct Inner {
    pair: Pair,
    jwk: PublicJwk,
    random: SystemRandom,
}

/// A private key that signs. Cheap to clone; `Debug` shows the key id only.
#[derive(Clone)]
pub struct SigningKey(Arc<Inner>);

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({} {})", self.0.jwk.alg, self.0.jwk.kid)
    }
}

pub(crate) fn curve(alg: Alg) -> Option<(&'static str, &'static EcdsaSigningAlgorithm, usize)> {
    match alg {
        Alg::ES256 => Some(("P-256", &signature::ECDSA_P256_SHA256_FIXED_SIGNING, 32)),
        Alg::ES384 => Some(("P-384", &signature::ECDSA_P384_SHA384_FIXED_SIGNING, 48)),
        Alg::ES512 => Some(("P-521", &signature::ECDSA_P521_SHA512_FIXED_SIGNING, 66)),
        _ => None,
    }
}

fn rsa(alg: Alg) -> Option<(KeySize, &'static dyn RsaEncoding)> {
    match alg {
        Alg::RS256 => Some((KeySize::Rsa2048, &signature::RSA_PKCS1_SHA256)),
        Alg::RS384 => Some((KeySize::Rsa3072, &signature::RSA_PKCS1_SHA384)),
        Alg::RS512 => Some((KeySize::Rsa4096, &signature::RSA_PKCS1_SHA512)),
        Alg::PS256 => Some((KeySize::Rsa2048, &signature::RSA_PSS_SHA256)),
        Alg::PS384 => Some((KeySize::Rsa3072, &signature::RSA_PSS_SHA384)),
        Alg::PS512 => Some((KeySize::Rsa4096, &signature::RSA_PSS_SHA512)),
        _ => None,
    }
}

/// Whether keys of an algorithm are RSA keys.
pub(crate) fn is_rsa(alg: Alg) -> bool {
    rsa(alg).is_some()
}

fn unusable<E>(_: E) -> JoseError {
    JoseError::UnusableKey
}

impl SigningKey {
    /// Makes a key: RSA of 2048, 3072 or 4096 bits for hashes of 256, 384 and 512. Gives the key and its PKCS#8 form
    /// for storage. An RSA key takes a noticeable fraction of a second.
    pub fn generate(alg: Alg, kid: &str) -> Result<(Self, Zeroizing<Vec<u8>>), JoseError> {
        let pkcs8 = if let Some((size, _)) = rsa(alg) {
            let pair = RsaKeyPair::generate(size).map_err(unusable)?;
            pair.as_der().map_err(unusable)?.as_ref().to_vec()
        } else if let Some((_, signing, _)) = curve(alg) {
            EcdsaKeyPair::generate(signing).and_then(|p| p.to_pkcs8v1()).map_err(unusable)?.as_ref().to_vec()
        } else {
            Ed25519KeyPair::generate().and_then(|p| p.to_pkcs8()).map_err(unusable)?.as_ref().to_vec()
        };
        let pkcs8 = Zeroizing::new(pkcs8);
        Ok((Self::from_pkcs8(alg, kid, &pkcs8)?, pkcs8))
    }

    /// Reads a stored key.
    pub fn from_pkcs8(alg: Alg, kid: &str, pkcs8: &[u8]) -> Result<Self, JoseError> {
        let encode = |bytes: &[u8]| Some(URL_SAFE_NO_PAD.encode(bytes));
        let mut jwk = PublicJwk {
            kty: String::new(),
            kid: kid.to_owned(),
            use_: "sig".to_owned(),
            alg,
            n: None,
            e: None,
            crv: None,
            x: None,
            y: None,
        };
        let pair = if let Some((_, encoding)) = rsa(alg) {
            let pair = RsaKeyPair::from_pkcs8(pkcs8).map_err(unusable)?;
            let public = pair.public_key();
            "RSA".clone_into(&mut jwk.kty);
            jwk.n = encode(public.modulus().big_endian_without_leading_zero());
            jwk.e = encode(public.exponent().big_endian_without_leading_zero());
            Pair::Rsa(pair, encoding)
        } else if let Some((name, signing, size)) = curve(alg) {
            let pair = EcdsaKeyPair::from_pkcs8(signing, pkcs8).map_err(unusable)?;
            let point = pair.public_key().as_ref();
            let (Some(x), Some(y)) = (point.get(1..=size), point.get(size + 1..)) else {
                return Err(JoseError::UnusableKey);
            };
            "EC".clone_into(&mut jwk.kty);
            (jwk.crv, jwk.x, jwk.y) = (Some(name.to_owned()), encode(x), encode(y));
            Pair::Ec(pair)
        } else {
            let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(unusable)?;
            "OKP".clone_into(&mut jwk.kty);
            (jwk.crv, jwk.x) = (Some("Ed25519".to_owned()), encode(pair.public_key().as_ref()));
            Pair::Ed(pair)
        };
        Ok(Self(Arc::new(Inner { pair, jwk, random: SystemRandom::new() })))
    }

    /// The algorithm.
    pub fn alg(&self) -> Alg {
        self.0.jwk.alg
    }

    /// The key id.
    pub fn kid(&self) -> &str {
        &self.0.jwk.kid
    }

    /// The public part.
    pub fn public_jwk(&self) -> &PublicJwk {
        &self.0.jwk
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, JoseError> {
        match &self.0.pair {
            Pair::Rsa(pair, encoding) => {
                let mut out = vec![0; pair.public_modulus_len()];
                pair.sign(*encoding, &self.0.random, message, &mut out).map_err(unusable)?;
                Ok(out)
            }
            Pair::Ec(pair) => {
                let mut out = pair.sign(&self.0.random, message).map_err(unusable)?.as_ref().to_vec();
                low_s::make_low(self.alg(), &mut out);
                Ok(out)
            }
            Pair::Ed(pair) => Ok(pair.sign(message).as_ref().to_vec()),
        }
    }
}

/// A public key that verifies signatures of one algorithm; parsed once, cheap to clone.
#[derive(Clone, Debug)]
pub struct VerifyingKey {
    alg: Alg,
    key: Arc<ParsedPublicKey>,
    low_s_only: bool,
}

impl VerifyingKey {
    /// Reads a public JWK under our policy: RSA of at least 2048 bits with an odd exponent from 3, a point on the
    /// algorithm's curve, an Ed25519 key that is not of small order.
    pub fn from_jwk(jwk: &PublicJwk) -> Result<Self, JoseError> {
        let decode = |member: &Option<String>| {
            member.as_deref().and_then(|t| URL_SAFE_NO_PAD.decode(t).ok()).ok_or(JoseError::UnusableKey)
        };
        let alg = jwk.alg;
        let bytes = if rsa(alg).is_some() && jwk.kty == "RSA" {
            let (n, e) = (decode(&jwk.n)?, decode(&jwk.e)?);
            let exponent = e.iter().try_fold(0_u64, |acc, b| acc.checked_mul(256).map(|v| v + u64::from(*b)));
            let bits = n.iter().position(|b| *b != 0).map_or(0, |i| (n.len() - i) * 8 - n[i].leading_zeros() as usize);
            if !(2048..=8192).contains(&bits) || exponent.is_none_or(|e| e < 3 || e % 2 == 0) {
                return Err(JoseError::UnusableKey);
            }
            rsa_public_key(&n, &e)
        } else if let Some((name, _, size)) = curve(alg) {
            let (x, y) = (decode(&jwk.x)?, decode(&jwk.y)?);
            if jwk.kty != "EC" || jwk.crv.as_deref() != Some(name) || x.len() != size || y.len() != size {
                return Err(JoseError::UnusableKey);
            }
            [&[4][..], &x, &y].concat()
        } else if alg == Alg::EdDSA && jwk.kty == "OKP" && jwk.crv.as_deref() == Some("Ed25519") {
            let x = decode(&jwk.x)?;
            if x.len() != 32 || is_small_order(&x) || !is_canonical(&x) {
                return Err(JoseError::UnusableKey);
            }
            x
        } else {
            return Err(JoseError::UnusableKey);
        };
        // Parsing checks that an EC point is on its curve.
        let key = ParsedPublicKey::new(alg.verification(), &bytes).map_err(unusable)?;
        Ok(Self { alg, key: Arc::new(key), low_s_only: false })
    }

    /// Takes only the smaller of the two values of `s` that fit an ECDSA signature, as [`SigningKey`] makes it, so
    /// that nobody can turn one of our tokens into another. Others needn't choose (RFC 7518 §3.4).
    #[must_use]
    pub fn low_s_only(self) -> Self {
        Self { low_s_only: true, ..self }
    }

    /// The algorithm that this key verifies, and no other.
    pub fn alg(&self) -> Alg {
        self.alg
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), JoseError> {
        if self.low_s_only && !low_s::is_low(self.alg, signature) {
            return Err(JoseError::BadSignature);
        }
        self.key.verify_sig(message, signature).map_err(|_| JoseError::BadSignature)
    }
}

/// `RSAPublicKey` in DER (RFC 8017 §A.1.1).
fn rsa_public_key(n: &[u8], e: &[u8]) -> Vec<u8> {
    der_element(0x30, &[der_integer(n), der_integer(e)].concat())
}

/// An element of DER.
pub(crate) fn der_element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let length: Vec<u8> = length.into_iter().skip_while(|b| *b == 0).collect();
    let mut out = vec![tag];
    match u8::try_from(content.len()) {
        Ok(short) if short < 128 => out.push(short),
        // At most 8 bytes of length, so the count fits the low bits.
        _ => {
            out.push(0x80 | u8::try_from(length.len()).unwrap_or(8));
            out.extend(length);
        }
    }
    out.extend_from_slice(content);
    out
}

/// An unsigned number in DER.
pub(crate) fn der_integer(bytes: &[u8]) -> Vec<u8> {
    let first = bytes.iter().position(|b| *b != 0).unwrap_or(bytes.len());
    let mut content = bytes[first..].to_vec();
    if content.first().is_none_or(|b| b & 0x80 != 0) {
        content.insert(0, 0);
    }
    der_element(2, &content)
}

/// Whether an Ed25519 key's `y` is reduced, below 2^255 − 19 (RFC 8032 §5.1.3).
fn is_canonical(x: &[u8]) -> bool {
    !matches!(x, [0xed..=0xff, middle @ .., 0x7f | 0xff] if middle.iter().all(|b| *b == 0xff))
}

/// The eight points of small order on Ed25519, in their canonical and non-canonical encodings, sign bit aside.
fn is_small_order(x: &[u8]) -> bool {
    const POINTS: [&str; 7] = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];
    let mut y = x.to_vec();
    if let Some(last) = y.last_mut() {
        *last &= 0x7f;
    }
    let hex: String = y.iter().map(|b| format!("{b:02x}")).collect();
    POINTS.contains(&hex.as_str())
}
