//! Authenticator data (WebAuthn L3 §6.1).

use aws_lc_rs::digest;

use crate::RelyingParty;
use crate::cbor;
use crate::wire::MAX_CREDENTIAL_ID;

/// What is wrong with authenticator data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthDataError {
    /// Not of the form, or with bytes too many or too few.
    #[error("the authenticator data is malformed")]
    Malformed,
    /// `rpIdHash` is of another relying party (§7.1 step 14, §7.2 step 16).
    #[error("the passkey belongs to another site")]
    RpId,
    /// UP is not set (§7.1 step 15, §7.2 step 17).
    #[error("nobody was present at the authenticator")]
    UserPresent,
    /// UV is not set, though it is required (§7.1 step 16, §7.2 step 18).
    #[error("the authenticator did not verify its user")]
    UserVerified,
    /// BS without BE (§7.1 step 17, §7.2 step 19).
    #[error("the backup flags contradict each other")]
    BackupFlags,
}

/// A new credential in authenticator data.
#[derive(Debug)]
pub(crate) struct Attested {
    pub aaguid: [u8; 16],
    pub credential_id: Vec<u8>,
    pub public_key: Vec<u8>,
}

/// Authenticator data.
#[derive(Debug)]
pub(crate) struct AuthData {
    rp_id_hash: Vec<u8>,
    flags: u8,
    pub sign_count: u32,
    pub attested: Option<Attested>,
}

impl AuthData {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, AuthDataError> {
        fn take<'a>(rest: &mut &'a [u8], n: usize) -> Result<&'a [u8], AuthDataError> {
            let (head, tail) = rest.split_at_checked(n).ok_or(AuthDataError::Malformed)?;
            *rest = tail;
            Ok(head)
        }
        let mut rest = bytes;
        let rp_id_hash = take(&mut rest, 32)?.to_vec();
        let flags = take(&mut rest, 1)?[0];
        let sign_count = take(&mut rest, 4)?.iter().fold(0, |acc, b| (acc << 8) | u32::from(*b));
        let attested = if flags & 0x40 == 0 {
            None
        } else {
            let mut aaguid = [0; 16];
            aaguid.copy_from_slice(take(&mut rest, 16)?);
            let length = take(&mut rest, 2)?;
            let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
            if length == 0 || length > MAX_CREDENTIAL_ID {
                return Err(AuthDataError::Malformed);
            }
            let credential_id = take(&mut rest, length)?.to_vec();
            let before = rest;
            cbor::read(&mut rest).ok_or(AuthDataError::Malformed)?;
            let public_key = before[..before.len() - rest.len()].to_vec();
            Some(Attested { aaguid, credential_id, public_key })
        };
        if flags & 0x80 != 0 && !cbor::read(&mut rest).ok_or(AuthDataError::Malformed)?.is_map() {
            return Err(AuthDataError::Malformed);
        }
        if !rest.is_empty() {
            return Err(AuthDataError::Malformed);
        }
        Ok(Self { rp_id_hash, flags, sign_count, attested })
    }

    pub(crate) fn check(&self, rp: &RelyingParty<'_>) -> Result<(), AuthDataError> {
        if digest::digest(&digest::SHA256, rp.id.as_bytes()).as_ref() != self.rp_id_hash {
            return Err(AuthDataError::RpId);
        }
        if self.flags & 0x01 == 0 {
            return Err(AuthDataError::UserPresent);
        }
        if rp.user_verification && !self.user_verified() {
            return Err(AuthDataError::UserVerified);
        }
        if self.backup_state() && !self.backup_eligible() {
            return Err(AuthDataError::BackupFlags);
        }
        Ok(())
    }

    pub(crate) fn user_verified(&self) -> bool {
        self.flags & 0x04 != 0
    }

    pub(crate) fn backup_eligible(&self) -> bool {
        self.flags & 0x08 != 0
    }

    pub(crate) fn backup_state(&self) -> bool {
        self.flags & 0x10 != 0
    }
}
