//! Signing and verifying compact JWTs (RFC 7515, RFC 7519).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::peer::present;
use crate::{Alg, JoseError, SigningKey, VerifyingKey};

/// The longest token that is looked at, bytes.
pub const MAX_TOKEN: usize = 16 * 1024;
const MAX_KID: usize = 128;

/// What a token is for: the `typ` header. Tokens of one kind are never taken for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typ {
    /// An ID token: `JWT`.
    Jwt,
    /// An access token: `at+jwt` (RFC 9068 §2.1).
    AccessToken,
    /// A logout token: `logout+jwt` (OpenID Connect Back-Channel Logout §2.4).
    Logout,
    /// What an app behind a proxy is told of a visitor: `forward-auth+jwt`, a type of our own.
    ForwardAuth,
}

impl Typ {
    fn as_str(self) -> &'static str {
        match self {
            Self::Jwt => "JWT",
            Self::AccessToken => "at+jwt",
            Self::Logout => "logout+jwt",
            Self::ForwardAuth => "forward-auth+jwt",
        }
    }

    fn matches(self, typ: Option<&str>) -> bool {
        media_type_is(typ, self.as_str())
    }
}

/// RFC 7515 §4.1.9: "application/" may be left out; media types are case-insensitive.
pub(crate) fn media_type_is(typ: Option<&str>, name: &str) -> bool {
    typ.is_some_and(|t| t.strip_prefix("application/").unwrap_or(t).eq_ignore_ascii_case(name))
}

/// Signs claims as a compact JWT with `alg`, `kid` and `typ`.
pub fn sign(key: &SigningKey, typ: Typ, claims: &impl Serialize) -> Result<String, JoseError> {
    let claims = serde_json::to_vec(claims).map_err(|_| JoseError::Malformed)?;
    // kid is ours (base64url), so it needs no JSON escape.
    let header = format!(r#"{{"alg":"{}","kid":"{}","typ":"{}"}}"#, key.alg(), key.kid(), typ.as_str());
    compact(key, &header, &claims)
}

/// Signs as a client does: with any header beside `alg` (a DPoP proof has `jwk` and no `kid`, say).
pub fn sign_as_peer(key: &SigningKey, header: &Value, claims: &impl Serialize) -> Result<String, JoseError> {
    let claims = serde_json::to_vec(claims).map_err(|_| JoseError::Malformed)?;
    let mut header = header.as_object().cloned().ok_or(JoseError::Malformed)?;
    header.entry("alg").or_insert_with(|| key.alg().as_str().into());
    compact(key, &Value::Object(header).to_string(), &claims)
}

fn compact(key: &SigningKey, header: &str, claims: &[u8]) -> Result<String, JoseError> {
    let mut token = String::with_capacity((header.len() + claims.len()) * 4 / 3 + 700);
    URL_SAFE_NO_PAD.encode_string(header, &mut token);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(claims, &mut token);
    let signature = key.sign(token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(token)
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default)]
    typ: Option<String>,
    #[serde(default, deserialize_with = "present")]
    crit: bool,
    #[serde(default, deserialize_with = "present")]
    b64: bool,
}

/// A token whose signature is good; its claims are not checked yet.
#[derive(Clone, Debug)]
pub struct Signed {
    claims: Map<String, Value>,
    alg: Alg,
}

/// Checks form, `typ`, `crit`, key and signature. `jku`, `jwk`, `x5u`, `x5c` are never looked at. An unknown key id
/// is an error and fetches nothing.
pub fn check_signature(token: &str, typ: Typ, key: impl Fn(&str) -> Option<VerifyingKey>) -> Result<Signed, JoseError> {
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
    if !typ.matches(header.typ.as_deref()) {
        return Err(JoseError::WrongType);
    }
    let kid = header.kid.as_deref().filter(|k| k.len() <= MAX_KID).ok_or(JoseError::UnknownKey)?;
    let key = key(kid).ok_or(JoseError::UnknownKey)?;
    // The key decides the algorithm; the header may only agree.
    if Alg::parse(&header.alg) != Some(key.alg()) {
        return Err(JoseError::WrongAlgorithm);
    }
    key.verify(message.as_bytes(), &decode(signature)?)?;
    let claims = serde_json::from_slice(&decode(claims)?).map_err(|_| JoseError::Malformed)?;
    Ok(Signed { claims, alg: key.alg() })
}

/// What the claims must say.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// `iss`, exactly.
    pub issuer: &'a str,
    /// A member of `aud`, if it matters.
    pub audience: Option<&'a str>,
    /// Unix seconds.
    pub now: i64,
    /// Tolerance for clocks that differ, seconds.
    pub leeway: i64,
    /// Whether an expired token is taken (an `id_token_hint`).
    pub ignore_expiry: bool,
}

impl Signed {
    /// The algorithm of the signature.
    pub fn alg(&self) -> Alg {
        self.alg
    }

    /// Checks the registered claims (RFC 7519 §4.1): `iss`, `aud`, `exp` and `iat` must be there with the right types.
    pub fn validate(&self, expected: &Expected<'_>) -> Result<&Map<String, Value>, JoseError> {
        let number = |name: &str| match self.claims.get(name) {
            None => Ok(None),
            Some(v) => v.as_i64().filter(|n| (0..=1 << 53).contains(n)).map(Some).ok_or(JoseError::WrongClaim),
        };
        if self.claims.get("iss").and_then(Value::as_str) != Some(expected.issuer) {
            return Err(JoseError::WrongIssuer);
        }
        // It must be there even if anybody may be meant.
        let meant = |audience: &str| expected.audience.is_none_or(|wanted| wanted == audience);
        let found = match self.claims.get("aud") {
            Some(Value::String(one)) => meant(one),
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).any(meant),
            _ => false,
        };
        if !found {
            return Err(JoseError::WrongAudience);
        }
        let (exp, iat, nbf) = (number("exp")?, number("iat")?, number("nbf")?);
        let (Some(exp), Some(iat)) = (exp, iat) else { return Err(JoseError::WrongClaim) };
        if !expected.ignore_expiry && exp + expected.leeway <= expected.now {
            return Err(JoseError::Expired);
        }
        if iat.max(nbf.unwrap_or(0)) > expected.now + expected.leeway {
            return Err(JoseError::NotYetValid);
        }
        Ok(&self.claims)
    }
}

/// `at_hash` and `c_hash`: the left half of the hash that goes with the algorithm (OpenID Connect Core §3.1.3.6);
/// SHA-512 for Ed25519.
pub fn half_hash(alg: Alg, value: &str) -> String {
    let hash = aws_lc_rs::digest::digest(alg.digest(), value.as_bytes());
    URL_SAFE_NO_PAD.encode(&hash.as_ref()[..hash.as_ref().len() / 2])
}
