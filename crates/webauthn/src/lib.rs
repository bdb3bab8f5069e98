//! A WebAuthn Level 3 relying party, sans I/O: responses in, verified facts or a named failure out.
//!
//! Nothing here reads a clock or a random source; challenges come in. What a ceremony proved is only to be had from a
//! successful `verify`, so a result that was not checked cannot be used.

pub mod assert;
mod auth_data;
mod cbor;
mod client_data;
mod cose;
pub mod models;
pub mod options;
pub mod register;
#[cfg(test)]
mod vectors;
mod wire;

pub use auth_data::AuthDataError;
pub use client_data::ClientDataError;
pub use cose::{ALGORITHMS, CoseError};
pub use wire::{AssertionResponse, MAX_RESPONSE, RegistrationResponse, WireError};

/// The COSE algorithm identifier of a stored public key, which is checked on the way: one that passes verifies signatures.
///
/// # Errors
/// [`CoseError`] for a key that could not sign anybody in.
pub fn algorithm_of(public_key: &[u8]) -> Result<i64, CoseError> {
    cose::CoseKey::parse(public_key).map(|key| key.alg())
}

/// Who we are to authenticators.
#[derive(Clone, Copy, Debug)]
pub struct RelyingParty<'a> {
    /// RP ID: a host name.
    pub id: &'a str,
    /// Origins that may ask, exactly as browsers write them: our own, and related ones (§5.11).
    pub origins: &'a [&'a str],
    /// Whether the authenticator must have verified its user; presence alone is always demanded.
    pub user_verification: bool,
}
