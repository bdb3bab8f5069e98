//! JSON Object Signing on aws-lc-rs: keys are parsed once, algorithms come from keys, `none` can't be expressed.

mod alg;
mod jwt;
mod key;
mod low_s;
mod peer;
mod private;
mod received;
pub mod rotation;
mod seal;
mod set;
pub mod stream;
#[cfg(test)]
mod vectors;

pub use alg::Alg;
pub use jwt::{Expected, MAX_TOKEN, Signed, Typ, check_signature, half_hash, sign, sign_as_peer};
pub use key::{PublicJwk, SigningKey, VerifyingKey};
pub use peer::{MAX_JWKS, MAX_KEYS, PeerKey, PeerKeys, thumbprint};
pub use private::{from_private_jwk, to_private_jwk};
pub use received::{Claims, Received, Verified};
pub use seal::{derive, open, seal};
pub use set::{KeySet, Member};
pub use zeroize::Zeroizing;

/// Why a key or token was refused. None of the texts repeats what the token said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoseError {
    /// Not a compact JWT, or too long.
    #[error("the token is malformed")]
    Malformed,
    /// `crit` or `b64` is present.
    #[error("the token needs an extension that is not supported")]
    UnsupportedHeader,
    /// `typ` is that of another kind of token.
    #[error("the token is of another type")]
    WrongType,
    /// No key has this id.
    #[error("the token was signed with an unknown key")]
    UnknownKey,
    /// The header's algorithm is not the key's.
    #[error("the token's algorithm does not fit its key")]
    WrongAlgorithm,
    /// The signature does not verify.
    #[error("the signature is not valid")]
    BadSignature,
    /// `iss` is missing or another.
    #[error("the token was issued by another issuer")]
    WrongIssuer,
    /// `aud` does not name us.
    #[error("the token is for another audience")]
    WrongAudience,
    /// A registered claim is missing or of the wrong type.
    #[error("a claim is missing or of the wrong type")]
    WrongClaim,
    /// `exp` has passed.
    #[error("the token has expired")]
    Expired,
    /// `iat` or `nbf` lies ahead.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// The key can't be used: too weak, not on its curve, or not of its algorithm.
    #[error("the key can't be used")]
    UnusableKey,
    /// A key that should be public has a private or symmetric member.
    #[error("the key has a private part, which must stay with its owner")]
    PrivateKey,
}
