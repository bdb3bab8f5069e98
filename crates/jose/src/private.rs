//! Private keys as JSON (RFC 7517, RFC 7518 §6): the form in which Pocket ID keeps its signing key.

use aws_lc_rs::encoding::{AsBigEndian as _, AsDer, Curve25519SeedBin, EcPrivateKeyBin, Pkcs8V1Der};
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::key::{self, PublicJwk, SigningKey};
use crate::{Alg, JoseError};

#[derive(Deserialize, Serialize)]
struct PrivateJwk {
    #[serde(flatten)]
    public: Members,
    #[serde(skip_serializing_if = "Option::is_none")]
    d: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    q: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dp: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dq: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    qi: Option<String>,
}

/// As [`PublicJwk`], without demanding anything.
#[derive(Deserialize, Serialize)]
struct Members {
    kty: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    #[serde(default, rename = "use", skip_serializing_if = "Option::is_none")]
    use_: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alg: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    crv: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    e: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    y: Option<String>,
}

impl Drop for PrivateJwk {
    fn drop(&mut self) {
        for member in [&mut self.d, &mut self.p, &mut self.q, &mut self.dp, &mut self.dq, &mut self.qi] {
            member.zeroize();
        }
    }
}

fn unusable<E>(_: E) -> JoseError {
    JoseError::UnusableKey
}

fn bytes(member: Option<&String>) -> Result<Zeroizing<Vec<u8>>, JoseError> {
    let text = member.ok_or(JoseError::UnusableKey)?;
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map(Zeroizing::new).map_err(unusable)
}

/// Reads a private key and gives it with its PKCS#8 form. A key without `alg` is for the default of its type; `kid` must
/// be there.
///
/// # Errors
/// [`JoseError::Malformed`] for what is no JWK, [`JoseError::UnusableKey`] for what can't sign here.
pub fn from_private_jwk(json: &[u8]) -> Result<(SigningKey, Zeroizing<Vec<u8>>), JoseError> {
    let jwk: PrivateJwk = serde_json::from_slice(json).map_err(|_| JoseError::Malformed)?;
    let members = &jwk.public;
    let kid = members.kid.as_deref().filter(|kid| !kid.is_empty()).ok_or(JoseError::Malformed)?;
    let alg = match (members.alg.as_deref(), members.kty.as_str(), members.crv.as_deref()) {
        (Some(alg), _, _) => Alg::parse(alg).filter(|alg| Alg::SIGNING.contains(alg)).ok_or(JoseError::UnusableKey)?,
        (None, "RSA", _) => Alg::RS256,
        (None, "OKP", _) => Alg::EdDSA,
        (None, "EC", Some("P-256")) => Alg::ES256,
        (None, "EC", Some("P-384")) => Alg::ES384,
        (None, "EC", Some("P-521")) => Alg::ES512,
        _ => return Err(JoseError::UnusableKey),
    };
    let d = bytes(jwk.d.as_ref())?;
    let pkcs8 = if key::is_rsa(alg) {
        let public = [members.n.as_ref(), members.e.as_ref()].map(bytes);
        let primes = [&jwk.p, &jwk.q, &jwk.dp, &jwk.dq, &jwk.qi].map(|member| bytes(member.as_ref()));
        let [n, e] = public;
        let mut numbers = vec![Zeroizing::new(vec![0]), n?, e?, d];
        for number in primes {
            numbers.push(number?);
        }
        let pair = RsaKeyPair::from_der(&rsa_private_key(&numbers)).map_err(unusable)?;
        AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).map_err(unusable)?.as_ref().to_vec()
    } else if let Some((name, signing, size)) = key::curve(alg) {
        let (x, y) = (bytes(members.x.as_ref())?, bytes(members.y.as_ref())?);
        if members.crv.as_deref() != Some(name) {
            return Err(JoseError::UnusableKey);
        }
        let point = [&[4][..], &padded(&x, size)?, &padded(&y, size)?].concat();
        let pair = EcdsaKeyPair::from_private_key_and_public_key(signing, &padded(&d, size)?, &point);
        pair.map_err(unusable)?.to_pkcs8v1().map_err(unusable)?.as_ref().to_vec()
    } else {
        let x = bytes(members.x.as_ref())?;
        let pair = Ed25519KeyPair::from_seed_and_public_key(&d, &x).map_err(unusable)?;
        pair.to_pkcs8().map_err(unusable)?.as_ref().to_vec()
    };
    let pkcs8 = Zeroizing::new(pkcs8);
    Ok((SigningKey::from_pkcs8(alg, kid, &pkcs8)?, pkcs8))
}

/// A number with exactly this many bytes (RFC 7518 §6.2.1.2), whose leading zeros its writer may have left out.
fn padded(number: &[u8], size: usize) -> Result<Zeroizing<Vec<u8>>, JoseError> {
    let first = number.iter().position(|b| *b != 0).unwrap_or(number.len());
    let missing = size.checked_sub(number.len() - first).ok_or(JoseError::UnusableKey)?;
    Ok(Zeroizing::new([&vec![0; missing][..], &number[first..]].concat()))
}

/// `RSAPrivateKey` in DER (RFC 8017 §A.1.2), from its numbers in order.
fn rsa_private_key(numbers: &[Zeroizing<Vec<u8>>]) -> Zeroizing<Vec<u8>> {
    let content: Zeroizing<Vec<u8>> = Zeroizing::new(numbers.iter().flat_map(|n| key::der_integer(n)).collect());
    Zeroizing::new(key::der_element(0x30, &content))
}

/// Writes a stored key as a private JWK.
///
/// # Errors
/// [`JoseError::UnusableKey`] for what is no key of this algorithm.
pub fn to_private_jwk(alg: Alg, kid: &str, pkcs8: &[u8]) -> Result<Zeroizing<String>, JoseError> {
    let public = SigningKey::from_pkcs8(alg, kid, pkcs8)?.public_jwk().clone();
    let encode = |bytes: &[u8]| Some(URL_SAFE_NO_PAD.encode(bytes));
    let mut jwk = PrivateJwk { public: members(public), d: None, p: None, q: None, dp: None, dq: None, qi: None };
    if key::is_rsa(alg) {
        let numbers = rsa_numbers(pkcs8).ok_or(JoseError::UnusableKey)?;
        let [_, _, _, d, p, q, dp, dq, qi] = numbers[..] else { return Err(JoseError::UnusableKey) };
        (jwk.d, jwk.p, jwk.q) = (encode(d), encode(p), encode(q));
        (jwk.dp, jwk.dq, jwk.qi) = (encode(dp), encode(dq), encode(qi));
    } else if let Some((_, signing, _)) = key::curve(alg) {
        let pair = EcdsaKeyPair::from_pkcs8(signing, pkcs8).map_err(unusable)?;
        let d: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().map_err(unusable)?;
        jwk.d = encode(d.as_ref());
    } else {
        let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(unusable)?;
        let d: Curve25519SeedBin<'_> = pair.seed().map_err(unusable)?.as_be_bytes().map_err(unusable)?;
        jwk.d = encode(d.as_ref());
    }
    serde_json::to_string(&jwk).map(Zeroizing::new).map_err(unusable)
}

fn members(public: PublicJwk) -> Members {
    Members {
        kty: public.kty,
        kid: Some(public.kid),
        use_: Some(public.use_),
        alg: Some(public.alg.as_str().to_owned()),
        crv: public.crv,
        n: public.n,
        e: public.e,
        x: public.x,
        y: public.y,
    }
}

/// The numbers of an RSA key in PKCS#8 (RFC 5208 §5), without leading zeros: version, n, e, d, p, q, dp, dq, qi.
fn rsa_numbers(pkcs8: &[u8]) -> Option<Vec<&[u8]>> {
    let (0x30, outer, []) = element(pkcs8)? else { return None };
    let (0x02, _, rest) = element(outer)? else { return None };
    let (0x30, _, rest) = element(rest)? else { return None };
    let (0x04, inner, _) = element(rest)? else { return None };
    let (0x30, mut rest, []) = element(inner)? else { return None };
    let mut numbers = Vec::new();
    while !rest.is_empty() {
        let (0x02, number, after) = element(rest)? else { return None };
        let zeros = number.iter().take_while(|b| **b == 0).count();
        numbers.push(number.get(zeros..)?);
        rest = after;
    }
    Some(numbers)
}

/// The first element of DER: its tag, its content and what follows.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (tag, rest) = der.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x84 => {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (length.iter().fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_key_goes_out_and_comes_back() {
        for alg in Alg::SIGNING {
            let (key, pkcs8) = SigningKey::generate(alg, "kid-1").unwrap();
            let json = to_private_jwk(alg, "kid-1", &pkcs8).unwrap();
            let (back, again) = from_private_jwk(json.as_bytes()).unwrap();
            assert_eq!(back.public_jwk(), key.public_jwk(), "{alg}");
            assert_eq!(*to_private_jwk(alg, "kid-1", &again).unwrap(), *json, "{alg}");
        }
    }

    #[test]
    fn what_is_no_private_key_is_refused() {
        let (_, pkcs8) = SigningKey::generate(Alg::ES256, "a").unwrap();
        let good = to_private_jwk(Alg::ES256, "a", &pkcs8).unwrap();
        let with = |from: &str, to: &str| from_private_jwk(good.replace(from, to).as_bytes()).err();
        assert_eq!(with("\"d\"", "\"z\""), Some(JoseError::UnusableKey));
        assert_eq!(with("ES256", "HS256"), Some(JoseError::UnusableKey));
        assert_eq!(with("P-256", "P-384"), Some(JoseError::UnusableKey));
        assert_eq!(with("\"kid\"", "\"kim\""), Some(JoseError::Malformed));
        assert_eq!(from_private_jwk(b"{").err(), Some(JoseError::Malformed));
        assert!(to_private_jwk(Alg::RS256, "a", &pkcs8).is_err());
        for end in 0..pkcs8.len() {
            let _ = rsa_numbers(&pkcs8[..end]);
        }
    }
}
