//! A WebAuthn Level 3 relying party, sans I/O: responses in, verified facts or a named failure out.
//!
//! Nothing here reads a clock or a random source; challenges come in. What a ceremony proved is only to be had from a
//! successful `verify`, so a result that was not checked cannot be used.

pub mod assert;
mod auth_data;
mod cbor;
mod client_data;
mod cose;
pub mod options;
pub mod register;
#[cfg(test)]
mod vectors;
mod wire;

pub use auth_data::AuthDataError;
pub use client_data::ClientDataError;
pub use cose::{ALGORITHMS, CoseError};
pub use wire::{AssertionResponse, MAX_RESPONSE, RegistrationResponse, WireError};

/// Who we are to authenticators.
#[derive(Clone, Copy, Debug)]
pub struct RelyingParty<'a> {
    /// RP ID: a host name.
    pub id: &'a str,
    /// Origins that may ask, exactly as browsers write them.
    pub origins: &'a [&'a str],
}
