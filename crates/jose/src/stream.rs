//! Files at rest: AES-256-GCM in pieces, each bound to its place and to whether it is the last, so that no piece can be
//! left out, moved or added, and no file has to fit into memory (the STREAM construction of Hoang, Reyhanitabar, Rogaway
//! and Vizár).

use std::io::{self, Read, Write};
use std::num::NonZeroU32;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::pbkdf2::{PBKDF2_HMAC_SHA512, derive as stretch};
use zeroize::Zeroizing;

/// What such a file begins with.
pub const MAGIC: &[u8] = b"pocket-id sealed 1\n";
const SALT: usize = 32;
/// Bytes of a piece before it is sealed.
const PIECE: usize = 64 * 1024;
const TAG: usize = 16;
/// Rounds of PBKDF2 for passphrases, which people choose (OWASP's advice for HMAC-SHA-512, and more).
const ROUNDS: u32 = 300_000;
/// Nobody writes more; a file that claims to would keep us busy.
const MOST_ROUNDS: u32 = 5_000_000;

/// What a file is sealed with.
#[derive(Clone)]
pub enum FileSecret {
    /// A random key.
    Key(Zeroizing<Vec<u8>>),
    /// What a person remembers or keeps.
    Passphrase(Zeroizing<String>),
}

impl std::fmt::Debug for FileSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_passphrase() { "Passphrase(..)" } else { "Key(..)" })
    }
}

impl FileSecret {
    /// Whether it is a passphrase.
    #[must_use]
    pub fn is_passphrase(&self) -> bool {
        matches!(self, Self::Passphrase(_))
    }

    fn kind(&self) -> u8 {
        u8::from(self.is_passphrase())
    }

    fn cipher(&self, salt: &[u8], rounds: u32) -> Result<LessSafeKey, StreamError> {
        struct Len32;
        impl KeyType for Len32 {
            fn len(&self) -> usize {
                32
            }
        }
        let mut key = Zeroizing::new([0_u8; 32]);
        match self {
            Self::Key(bytes) => Salt::new(HKDF_SHA256, salt)
                .extract(bytes)
                .expand(&[b"file"], Len32)
                .and_then(|okm| okm.fill(&mut key[..]))
                .map_err(|_| StreamError::Broken)?,
            Self::Passphrase(text) => {
                let rounds = NonZeroU32::new(rounds).filter(|n| n.get() <= MOST_ROUNDS).ok_or(StreamError::Broken)?;
                stretch(PBKDF2_HMAC_SHA512, rounds, salt, text.as_bytes(), &mut key[..]);
            }
        }
        UnboundKey::new(&AES_256_GCM, &key[..]).map(LessSafeKey::new).map_err(|_| StreamError::Broken)
    }
}

/// Why a file can't be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// Reading or writing failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Another key or passphrase, or something was changed, added or cut off.
    #[error("the key or passphrase is another one, or the file is damaged")]
    Broken,
    /// It is sealed by the other kind of secret.
    #[error("it is sealed with {}", named(.passphrase))]
    OtherKind {
        /// Whether a passphrase opens it.
        passphrase: bool,
    },
    /// Not such a file.
    #[error("it is not a sealed file")]
    Foreign,
}

fn named(passphrase: &bool) -> &'static str {
    if *passphrase { "a passphrase" } else { "an encryption key" }
}

/// Whether a passphrase opens a file, by its first bytes; `None` if it isn't sealed.
#[must_use]
pub fn wants_passphrase(head: &[u8]) -> Option<bool> {
    head.strip_prefix(MAGIC).and_then(<[u8]>::first).map(|kind| *kind == 1)
}

fn nonce(at: u32, last: bool) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    bytes[7..11].copy_from_slice(&at.to_be_bytes());
    bytes[11] = u8::from(last);
    Nonce::assume_unique_for_key(bytes)
}

/// Reads until the buffer is full or nothing is left.
fn fill(from: &mut impl Read, most: usize) -> io::Result<Vec<u8>> {
    let mut buffer = Vec::with_capacity(most + TAG);
    from.take(most as u64).read_to_end(&mut buffer)?;
    Ok(buffer)
}

/// Goes through a source piece by piece: place, whether it is the last, content.
fn pieces(
    from: &mut impl Read,
    size: usize,
    mut each: impl FnMut(u32, bool, Vec<u8>) -> Result<(), StreamError>,
) -> Result<(), StreamError> {
    let mut piece = fill(from, size)?;
    let mut at = 0_u32;
    loop {
        let next = if piece.len() == size { fill(from, size)? } else { Vec::new() };
        let last = next.is_empty();
        each(at, last, piece)?;
        if last {
            return Ok(());
        }
        at = at.checked_add(1).ok_or(StreamError::Broken)?;
        piece = next;
    }
}

/// Seals a file. Its salt is new, so its key is, and its nonces may count.
///
/// # Errors
/// [`StreamError`].
pub fn seal_file(secret: &FileSecret, from: &mut impl Read, to: &mut impl Write) -> Result<(), StreamError> {
    let mut salt = [0; SALT];
    aws_lc_rs::rand::fill(&mut salt).map_err(|_| StreamError::Broken)?;
    let head = [MAGIC, &[secret.kind()], &salt, &ROUNDS.to_be_bytes()].concat();
    let cipher = secret.cipher(&salt, ROUNDS)?;
    to.write_all(&head)?;
    pieces(from, PIECE, |at, last, mut piece| {
        cipher
            .seal_in_place_append_tag(nonce(at, last), Aad::from(&head), &mut piece)
            .map_err(|_| StreamError::Broken)?;
        Ok(to.write_all(&piece)?)
    })
}

/// Opens a sealed file. What was written before an error is worth nothing.
///
/// # Errors
/// [`StreamError`].
pub fn open_file(secret: &FileSecret, from: &mut impl Read, to: &mut impl Write) -> Result<(), StreamError> {
    let head = fill(from, MAGIC.len() + 1 + SALT + 4)?;
    let rest = head.strip_prefix(MAGIC).ok_or(StreamError::Foreign)?;
    let (kind, rest) = rest.split_first().ok_or(StreamError::Foreign)?;
    let (salt, rounds) = rest.split_at_checked(SALT).ok_or(StreamError::Foreign)?;
    let rounds = u32::from_be_bytes(rounds.try_into().map_err(|_| StreamError::Foreign)?);
    if *kind != secret.kind() {
        return Err(StreamError::OtherKind { passphrase: *kind == 1 });
    }
    let cipher = secret.cipher(salt, rounds)?;
    pieces(from, PIECE + TAG, |at, last, mut piece| {
        let opened = cipher.open_in_place(nonce(at, last), Aad::from(&head), &mut piece);
        Ok(to.write_all(opened.map_err(|_| StreamError::Broken)?)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> FileSecret {
        FileSecret::Key(Zeroizing::new(b"0123456789abcdef".to_vec()))
    }

    fn sealed(content: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        seal_file(&secret(), &mut &*content, &mut out).unwrap();
        out
    }

    fn opened(secret: &FileSecret, sealed: &[u8]) -> Result<Vec<u8>, StreamError> {
        let mut out = Vec::new();
        open_file(secret, &mut &*sealed, &mut out).map(|()| out)
    }

    const HEAD: usize = 19 + 1 + SALT + 4;

    #[test]
    fn files_of_any_length_come_back() {
        for length in [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE, 3 * PIECE + 7] {
            let content: Vec<u8> = (0..length).map(|i| u8::try_from(i % 251).unwrap()).collect();
            assert_eq!(opened(&secret(), &sealed(&content)).unwrap(), content, "{length}");
        }
        assert_ne!(sealed(b"x"), sealed(b"x"), "no two are sealed alike");
    }

    #[test]
    fn whatever_is_changed_is_noticed() {
        let content = vec![7; 2 * PIECE + 100];
        let whole = sealed(&content);
        for at in [0, 19, 20, HEAD - 1, HEAD, HEAD + PIECE, whole.len() - 1] {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            assert!(opened(&secret(), &changed).is_err(), "byte {at}");
        }
        let piece = PIECE + TAG;
        for cut in [0, 10, HEAD, HEAD + 1, HEAD + piece, HEAD + 2 * piece, whole.len() - 1] {
            assert!(opened(&secret(), &whole[..cut]).is_err(), "cut at {cut}");
        }
        let swapped = [
            &whole[..HEAD],
            &whole[HEAD + piece..HEAD + 2 * piece],
            &whole[HEAD..HEAD + piece],
            &whole[HEAD + 2 * piece..],
        ];
        assert!(opened(&secret(), &swapped.concat()).is_err());
        assert!(opened(&secret(), &[&whole[..], b"x"].concat()).is_err());
    }

    #[test]
    fn the_right_kind_of_secret_is_asked_for() {
        let phrase = |text: &str| FileSecret::Passphrase(Zeroizing::new(text.to_owned()));
        let mut out = Vec::new();
        seal_file(&phrase("correct horse"), &mut &b"content"[..], &mut out).unwrap();
        assert_eq!(opened(&phrase("correct horse"), &out).unwrap(), b"content");
        assert!(matches!(opened(&phrase("battery staple"), &out), Err(StreamError::Broken)));
        assert!(matches!(opened(&secret(), &out), Err(StreamError::OtherKind { passphrase: true })));
        assert!(matches!(opened(&secret(), b"PK"), Err(StreamError::Foreign)));
        // Rounds that would take for ever.
        out[HEAD - 4..HEAD].copy_from_slice(&u32::MAX.to_be_bytes());
        assert!(matches!(opened(&phrase("correct horse"), &out), Err(StreamError::Broken)));
    }
}
