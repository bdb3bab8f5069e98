//! Compact JWTs that others sign: client assertions, request objects, DPoP proofs.
//!
//! Reading and verifying are two steps, because the claims say whose keys to look for. What is not verified is called
//! so, and only [`Verified`] is evidence.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::jwt::{MAX_TOKEN, media_type_is};
use crate::peer::{alg_of_peer, present};
use crate::{Alg, JoseError, PeerKey, PeerKeys};

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    typ: Option<String>,
    #[serde(default)]
    jwk: Option<Value>,
    #[serde(default, deserialize_with = "present")]
    crit: bool,
    #[serde(default, deserialize_with = "present")]
    b64: bool,
}

/// The claims of a token of somebody else, read with care for their types.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Claims(Map<String, Value>);

impl Claims {
    /// Takes claims from a JSON object.
    pub fn new(members: Map<String, Value>) -> Self {
        Self(members)
    }

    /// A claim as it is.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// All claims.
    pub fn members(&self) -> &Map<String, Value> {
        &self.0
    }

    /// A claim that is text.
    ///
    /// # Errors
    /// [`JoseError::WrongClaim`] if it is something else.
    pub fn text(&self, name: &str) -> Result<Option<&str>, JoseError> {
        self.0.get(name).map(|value| value.as_str().ok_or(JoseError::WrongClaim)).transpose()
    }

    /// A moment in seconds since the epoch (RFC 7519 §2, `NumericDate`); a fraction is cut off.
    ///
    /// # Errors
    /// [`JoseError::WrongClaim`] if it is no number, negative, or beyond 2^53.
    #[allow(clippy::cast_possible_truncation, reason = "the range is checked before")]
    pub fn date(&self, name: &str) -> Result<Option<i64>, JoseError> {
        const LIMIT: i64 = 1 << 53;
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let whole = value.as_i64().or_else(|| {
            value.as_f64().filter(|number| (0.0..9_007_199_254_740_992.0).contains(number)).map(|number| number as i64)
        });
        whole.filter(|date| (0..=LIMIT).contains(date)).map(Some).ok_or(JoseError::WrongClaim)
    }

    /// `aud` as a list (RFC 7519 §4.1.3); empty when it is absent.
    ///
    /// # Errors
    /// [`JoseError::WrongClaim`] if it is neither text nor a list of texts.
    pub fn audiences(&self) -> Result<Vec<&str>, JoseError> {
        match self.0.get("aud") {
            None => Ok(Vec::new()),
            Some(Value::String(one)) => Ok(vec![one]),
            Some(Value::Array(many)) => many.iter().map(|value| value.as_str().ok_or(JoseError::WrongClaim)).collect(),
            Some(_) => Err(JoseError::WrongClaim),
        }
    }
}

/// A token whose signature was not checked.
#[derive(Debug)]
pub struct Received<'a> {
    message: &'a str,
    signature: Vec<u8>,
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    jwk: Option<Value>,
    claims: Claims,
}

/// A token whose signature is good. Its claims say what its signer says.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    claims: Claims,
    alg: Alg,
}

impl Verified {
    /// What it says.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The algorithm of the signature.
    pub fn alg(&self) -> Alg {
        self.alg
    }

    /// What it says, owned.
    pub fn into_claims(self) -> Claims {
        self.claims
    }
}

impl<'a> Received<'a> {
    /// Takes a compact JWT apart. `jku`, `x5u` and `x5c` are never looked at, `jwk` only by
    /// [`Received::verify_with_own_key`].
    ///
    /// # Errors
    /// [`JoseError::Malformed`]; [`JoseError::UnsupportedHeader`] for `crit` and `b64`.
    pub fn parse(token: &'a str) -> Result<Self, JoseError> {
        if token.len() > MAX_TOKEN {
            return Err(JoseError::Malformed);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(JoseError::Malformed)?;
        let (header, claims) = message.split_once('.').ok_or(JoseError::Malformed)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| JoseError::Malformed);
        let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| JoseError::Malformed)?;
        if header.crit || header.b64 {
            return Err(JoseError::UnsupportedHeader);
        }
        Ok(Self {
            message,
            signature: decode(signature)?,
            claims: Claims(serde_json::from_slice(&decode(claims)?).map_err(|_| JoseError::Malformed)?),
            alg: header.alg,
            kid: header.kid,
            typ: header.typ,
            jwk: header.jwk,
        })
    }

    /// The claims, which anybody may have written: good for finding the keys, for nothing else.
    pub fn unverified_claims(&self) -> &Claims {
        &self.claims
    }

    /// The algorithm that the header names; nothing says that it is one.
    pub fn algorithm(&self) -> &str {
        &self.alg
    }

    /// True if `typ` is this media type, with or without `application/` (RFC 7515 §4.1.9).
    pub fn typ_is(&self, name: &str) -> bool {
        media_type_is(self.typ.as_deref(), name)
    }

    /// True if there is a `typ`.
    pub fn has_typ(&self) -> bool {
        self.typ.is_some()
    }

    /// True for a token that says that it isn't signed (`alg: none` with an empty signature, RFC 7518 §3.6). Only a
    /// caller for which such a token is no evidence may ask.
    pub fn is_unsigned(&self) -> bool {
        self.alg == "none" && self.signature.is_empty()
    }

    /// The algorithm that the header names, if it is one of these.
    fn alg(&self, allowed: &[Alg]) -> Result<Alg, JoseError> {
        alg_of_peer(&self.alg).filter(|alg| allowed.contains(alg)).ok_or(JoseError::WrongAlgorithm)
    }

    /// Checks the signature with the keys of the one who should have signed.
    ///
    /// # Errors
    /// [`JoseError::WrongAlgorithm`], [`JoseError::UnknownKey`], [`JoseError::BadSignature`].
    pub fn verify(self, keys: &PeerKeys, allowed: &[Alg]) -> Result<Verified, JoseError> {
        let alg = self.alg(allowed)?;
        let candidates = keys.candidates(self.kid.as_deref(), alg);
        if candidates.is_empty() {
            return Err(JoseError::UnknownKey);
        }
        if candidates.iter().any(|key| key.verify(self.message.as_bytes(), &self.signature).is_ok()) {
            Ok(Verified { claims: self.claims, alg })
        } else {
            Err(JoseError::BadSignature)
        }
    }

    /// Checks the signature with the key that the header carries in `jwk` (RFC 7515 §4.1.3). It shows that the signer
    /// has that key, not who they are.
    ///
    /// # Errors
    /// [`JoseError::WrongAlgorithm`], [`JoseError::BadSignature`], and as [`PeerKey::parse`].
    pub fn verify_with_own_key(self, allowed: &[Alg]) -> Result<(Verified, PeerKey), JoseError> {
        let alg = self.alg(allowed)?;
        let key = PeerKey::parse(self.jwk.as_ref().ok_or(JoseError::UnknownKey)?)?;
        let verifying = key.verifying(alg).ok_or(JoseError::WrongAlgorithm)?;
        verifying.verify(self.message.as_bytes(), &self.signature)?;
        Ok((Verified { claims: self.claims, alg }, key))
    }
}
