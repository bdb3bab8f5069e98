//! Secrets at rest: AES-256-GCM under a key derived from the encryption key.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use zeroize::Zeroizing;

use crate::JoseError;

struct Len32;

impl KeyType for Len32 {
    fn len(&self) -> usize {
        32
    }
}

/// Derives a 256-bit key for one purpose (HKDF-SHA-256, RFC 5869).
pub fn derive(encryption_key: &[u8], purpose: &str) -> Result<Zeroizing<[u8; 32]>, JoseError> {
    let mut out = Zeroizing::new([0; 32]);
    Salt::new(HKDF_SHA256, b"pocket-id")
        .extract(encryption_key)
        .expand(&[purpose.as_bytes()], Len32)
        .and_then(|okm| okm.fill(&mut out[..]))
        .map_err(|_| JoseError::UnusableKey)?;
    Ok(out)
}

fn cipher(key: &[u8; 32]) -> Result<LessSafeKey, JoseError> {
    UnboundKey::new(&AES_256_GCM, key).map(LessSafeKey::new).map_err(|_| JoseError::UnusableKey)
}

/// Encrypts: a random nonce, then ciphertext and tag. `context` (the row's id, say) is authenticated with it, so that
/// one sealed value can't be put in another's place.
pub fn seal(key: &[u8; 32], context: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, JoseError> {
    let mut nonce = [0; NONCE_LEN];
    aws_lc_rs::rand::fill(&mut nonce).map_err(|_| JoseError::UnusableKey)?;
    let mut body = plaintext.to_vec();
    cipher(key)?
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(context), &mut body)
        .map_err(|_| JoseError::UnusableKey)?;
    Ok([&nonce[..], &body].concat())
}

/// Decrypts. An error means another key, another context, or a changed value.
pub fn open(key: &[u8; 32], context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, JoseError> {
    let (nonce, body) = sealed.split_at_checked(NONCE_LEN).ok_or(JoseError::Malformed)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| JoseError::Malformed)?;
    let mut body = Zeroizing::new(body.to_vec());
    let length =
        cipher(key)?.open_in_place(nonce, Aad::from(context), &mut body).map_err(|_| JoseError::BadSignature)?.len();
    body.truncate(length);
    Ok(body)
}
