//! Secrets that name their row: cookies, codes and tokens.
//!
//! Such a secret is the id of its row, a number, and random bytes; the row keeps the SHA-256 of the whole. So it is
//! looked up by the id and no index over hashes is needed, whose entries would lie scattered: rows that are made
//! together lie together, and a commit writes few pages.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;

use crate::secret::sha256;

const BYTES: usize = 16 + 4 + 32;
/// How many characters [`make`] gives.
pub const LENGTH: usize = 70;

/// What a secret says of its row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Handle {
    /// The row's id, a UUID.
    pub id: String,
    /// The row's place among those of this id.
    pub sequence: u32,
    /// SHA-256 of the whole text.
    pub hash: [u8; 32],
}

/// A secret for a row whose id is a UUID, as base64url.
pub fn make(id: &str, sequence: u32, secret: &[u8; 32]) -> String {
    let mut bytes = [0; BYTES];
    // Our ids are UUIDs; anything else would make a secret that finds nothing.
    bytes[..16].copy_from_slice(Uuid::try_parse(id).unwrap_or_default().as_bytes());
    bytes[16..20].copy_from_slice(&sequence.to_be_bytes());
    bytes[20..].copy_from_slice(secret);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads a secret that may begin with a prefix. Nothing is proven until the row's hash is compared.
pub fn read(text: &str) -> Option<Handle> {
    let tail = text.len().checked_sub(LENGTH).and_then(|at| text.get(at..))?;
    let bytes: [u8; BYTES] = URL_SAFE_NO_PAD.decode(tail).ok()?.try_into().ok()?;
    let (id, rest) = bytes.split_first_chunk::<16>()?;
    let (sequence, _) = rest.split_first_chunk::<4>()?;
    Some(Handle {
        id: Uuid::from_bytes(*id).to_string(),
        sequence: u32::from_be_bytes(*sequence),
        hash: sha256(text.as_bytes()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01938f5e-6a77-7cc3-98c4-dc0c0c07398f";

    #[test]
    fn a_secret_names_its_row() {
        let text = format!("prefix_{}", make(ID, 7, &[9; 32]));
        let handle = read(&text).unwrap();
        assert_eq!((handle.id.as_str(), handle.sequence, handle.hash), (ID, 7, sha256(text.as_bytes())));
        assert_eq!(make(ID, 7, &[9; 32]).len(), LENGTH);
    }

    #[test]
    fn every_character_counts_and_other_texts_name_nothing() {
        let text = make(ID, 0, &[9; 32]);
        assert_ne!(read(&format!("x{text}")).unwrap().hash, read(&text).unwrap().hash);
        assert_eq!(read(&text[1..]), None);
        assert_eq!(read(&format!("{text}=")), None);
        assert_eq!(read(&format!("é{}", &text[1..])), None);
        assert_eq!(read(""), None);
    }
}
