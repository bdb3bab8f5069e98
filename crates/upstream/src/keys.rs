//! The original program's keys, all from its `ENCRYPTION_KEY` (ops.md §4.4, oidc.md §4.3, §13.8).

use aws_lc_rs::digest::{self, Algorithm, SHA3_256, SHA512_256};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use pid_core::secret::equal;
use pid_jose::{JoseError, Zeroizing, open, seal};

/// HMAC (RFC 2104) over hashes that the library knows as hashes only. `block`: the hash's block size, bytes.
fn hmac(algorithm: &'static Algorithm, block: usize, key: &[u8], message: &[u8]) -> [u8; 32] {
    let hashed = digest::digest(algorithm, key);
    let key = if key.len() > block { hashed.as_ref() } else { key };
    let mut padded = Zeroizing::new(vec![0; block]);
    padded[..key.len()].copy_from_slice(key);
    let mixed = |with: u8| Zeroizing::new(padded.iter().map(|byte| byte ^ with).collect::<Vec<u8>>());
    let mut inner = digest::Context::new(algorithm);
    inner.update(&mixed(0x36));
    inner.update(message);
    let mut outer = digest::Context::new(algorithm);
    outer.update(&mixed(0x5c));
    outer.update(inner.finish().as_ref());
    let mut out = [0; 32];
    out.copy_from_slice(outer.finish().as_ref());
    out
}

struct Len32;

impl KeyType for Len32 {
    fn len(&self) -> usize {
        32
    }
}

/// HKDF-SHA-256 without a salt.
fn derive(encryption_key: &[u8], info: &str) -> Result<Zeroizing<[u8; 32]>, JoseError> {
    let mut out = Zeroizing::new([0; 32]);
    Salt::new(HKDF_SHA256, &[])
        .extract(encryption_key)
        .expand(&[info.as_bytes()], Len32)
        .and_then(|okm| okm.fill(&mut out[..]))
        .map_err(|_| JoseError::UnusableKey)?;
    Ok(out)
}

/// The key under which the signing key is kept.
fn key_encryption_key(encryption_key: &[u8], instance_id: &str) -> Zeroizing<[u8; 32]> {
    let message = format!("pocketid/{instance_id}/jwk-kek");
    Zeroizing::new(hmac(&SHA3_256, 136, encryption_key, message.as_bytes()))
}

/// Opens the value of `kv.jwt_private_key.json`: a private JWK.
///
/// # Errors
/// Another key, another instance id, or a changed value.
pub fn open_signing_key(
    encryption_key: &[u8],
    instance_id: &str,
    value: &str,
) -> Result<Zeroizing<Vec<u8>>, JoseError> {
    let sealed = STANDARD.decode(value.trim()).map_err(|_| JoseError::Malformed)?;
    open(&key_encryption_key(encryption_key, instance_id), b"", &sealed)
}

/// The inverse of [`open_signing_key`].
///
/// # Errors
/// None that an operator could cause.
pub fn seal_signing_key(encryption_key: &[u8], instance_id: &str, jwk: &str) -> Result<String, JoseError> {
    // The original program ends it with a line feed.
    let plain = Zeroizing::new(format!("{jwk}\n"));
    let sealed = seal(&key_encryption_key(encryption_key, instance_id), b"", plain.as_bytes())?;
    Ok(STANDARD.encode(sealed))
}

const STRING: &str = "encrypted_string";

/// Opens an encrypted text, such as a SCIM token.
///
/// # Errors
/// Another key, or a changed value.
pub fn open_string(encryption_key: &[u8], value: &str) -> Result<Zeroizing<Vec<u8>>, JoseError> {
    let sealed = STANDARD.decode(value.trim()).map_err(|_| JoseError::Malformed)?;
    open(&*derive(encryption_key, &format!("pocketid/{STRING}"))?, STRING.as_bytes(), &sealed)
}

/// The inverse of [`open_string`].
///
/// # Errors
/// None that an operator could cause.
pub fn seal_string(encryption_key: &[u8], text: &str) -> Result<String, JoseError> {
    let key = derive(encryption_key, &format!("pocketid/{STRING}"))?;
    Ok(STANDARD.encode(seal(&key, STRING.as_bytes(), text.as_bytes())?))
}

/// The secret that the opaque tokens of an instance are proven with.
#[derive(Clone)]
pub struct TokenSecret(Zeroizing<[u8; 32]>);

impl std::fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenSecret(..)")
    }
}

impl TokenSecret {
    /// Derives it.
    ///
    /// # Errors
    /// None that an operator could cause.
    pub fn new(encryption_key: &[u8]) -> Result<Self, JoseError> {
        derive(encryption_key, "pocketid/fosite_global_secret").map(Self)
    }

    /// From its bytes, as they were kept.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(Zeroizing::new(bytes.try_into().ok()?)))
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The part of a genuine refresh token by which its row is found; `None` for every other text.
    #[must_use]
    pub fn signature<'a>(&self, token: &'a str) -> Option<&'a str> {
        let (random, signature) = token.strip_prefix("pocket_id_rt_")?.split_once('.')?;
        let random = URL_SAFE_NO_PAD.decode(random).ok()?;
        let given = URL_SAFE_NO_PAD.decode(signature).ok()?;
        equal(&given, &hmac(&SHA512_256, 128, &self.0[..], &random)).then_some(signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    /// The vectors of ops.md §4.4 and oidc.md §4.3.
    #[test]
    fn keys_are_derived_as_there() {
        let key = b"test-encryption-key";
        let kek = key_encryption_key(key, "instance-123");
        assert_eq!(hex(&kek[..]), "8e7610a60551627e8bfff3a120513ed18e8176e821214d9c58e6dcb1918f7636");
        let seed = hex(&hmac(&SHA3_256, 136, key, b"custom-seed-for-derive-key-test"));
        assert_eq!(seed, "4711f51767f370cef92807634ab9b534476e7f91c1c9914fb681e9982badc646");
        let string = hex(&derive(key, "pocketid/encrypted_string").unwrap()[..]);
        assert!(string.starts_with("8a08281e") && string.ends_with("bd854e"), "{string}");
        let secret = hex(&derive(b"test-secret", "pocketid/fosite_global_secret").unwrap()[..]);
        assert_eq!(secret, "82de1690a30923a038d722a72e9599087484732bf9c1e8af5fc620f8fa87c08b");
        // A key longer than a block is hashed first (RFC 2104 §2): the same as its hash as key.
        let long = [7; 200];
        let hashed = digest::digest(&SHA3_256, &long);
        assert_eq!(hmac(&SHA3_256, 136, &long, b"m"), hmac(&SHA3_256, 136, hashed.as_ref(), b"m"));
    }

    #[test]
    fn sealed_values_open_with_their_key_alone() {
        let sealed = seal_signing_key(b"0123456789abcdef", "i", "{}").unwrap();
        assert_eq!(&open_signing_key(b"0123456789abcdef", "i", &sealed).unwrap()[..], b"{}\n");
        assert!(open_signing_key(b"0123456789abcdeg", "i", &sealed).is_err());
        assert!(open_signing_key(b"0123456789abcdef", "j", &sealed).is_err());
        let sealed = seal_string(b"0123456789abcdef", "bearer").unwrap();
        assert_eq!(&open_string(b"0123456789abcdef", &sealed).unwrap()[..], b"bearer");
        for bad in ["", "AAAA", "no base64!"] {
            assert!(open_string(b"0123456789abcdef", bad).is_err());
        }
    }

    #[test]
    fn a_token_shows_its_signature_if_it_is_genuine() {
        let secret = TokenSecret::new(b"0123456789abcdef").unwrap();
        let tag = hmac(&SHA512_256, 128, &secret.0[..], &[9; 32]);
        let token = format!("pocket_id_rt_{}.{}", URL_SAFE_NO_PAD.encode([9; 32]), URL_SAFE_NO_PAD.encode(tag));
        let signature = secret.signature(&token).unwrap();
        assert!(token.ends_with(&format!(".{signature}")));
        let other = TokenSecret::new(b"0123456789abcdeg").unwrap();
        assert_eq!(other.signature(&token), None);
        for bad in [
            String::new(),
            signature.to_owned(),
            format!(".{signature}"),
            format!("pocket_id_rt_.{signature}"),
            token.replace("_rt_", "_ac_"),
            format!("{token}A"),
        ] {
            assert_eq!(secret.signature(&bad), None, "{bad}");
        }
        assert_eq!(TokenSecret::from_bytes(secret.bytes()).unwrap().signature(&token), Some(signature));
        assert!(TokenSecret::from_bytes(&[1; 31]).is_none());
    }
}
