//! Verifying an assertion (WebAuthn L3 §7.2).

use aws_lc_rs::digest;

use crate::auth_data::AuthData;
use crate::cose::CoseKey;
use crate::{AssertionResponse, AuthDataError, ClientDataError, CoseError, RelyingParty, client_data};

/// Why an assertion was refused: one case per step of §7.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssertError {
    /// Step 5: the response names another credential than the stored one.
    #[error("the response is of another passkey")]
    Credential,
    /// Step 6: the user handle is missing or is not the owner's.
    #[error("the response is of another person's passkey")]
    UserHandle,
    /// Steps 8–15.
    #[error(transparent)]
    ClientData(#[from] ClientDataError),
    /// Steps 16–19.
    #[error(transparent)]
    AuthData(#[from] AuthDataError),
    /// Step 19: backup eligibility is fixed when a credential is made.
    #[error("the passkey's backup eligibility changed")]
    BackupEligibility,
    /// Steps 20–21, and keys that can't be read.
    #[error(transparent)]
    Key(#[from] CoseError),
}

/// What is stored of a credential.
#[derive(Clone, Copy, Debug)]
pub struct StoredCredential<'a> {
    /// The credential's id.
    pub credential_id: &'a [u8],
    /// COSE_Key.
    pub public_key: &'a [u8],
    /// The last signature counter.
    pub sign_count: u32,
    /// Whether it may be synced.
    pub backup_eligible: bool,
    /// Its owner's user handle.
    pub user_handle: &'a [u8],
}

/// A proof that the owner was there. Only [`verify`] gives one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    sign_count: u32,
    user_verified: bool,
    backup_state: bool,
    counter_regressed: bool,
}

impl Verified {
    /// The new signature counter.
    pub fn sign_count(&self) -> u32 {
        self.sign_count
    }
    /// Whether the authenticator verified its user.
    pub fn user_verified(&self) -> bool {
        self.user_verified
    }
    /// Whether the credential is synced now.
    pub fn backup_state(&self) -> bool {
        self.backup_state
    }
    /// The counter did not grow (step 22): a sign of a copied authenticator, or of a sync. Worth a line in the log.
    pub fn counter_regressed(&self) -> bool {
        self.counter_regressed
    }
}

/// Verifies a response to our challenge with the stored credential that it names. The response must carry the user
/// handle: our credentials are discoverable.
///
/// # Errors
/// [`AssertError`].
pub fn verify(
    rp: &RelyingParty<'_>,
    challenge: &[u8],
    stored: &StoredCredential<'_>,
    response: &AssertionResponse,
) -> Result<Verified, AssertError> {
    if response.credential_id != stored.credential_id {
        return Err(AssertError::Credential);
    }
    if response.user_handle.as_deref() != Some(stored.user_handle) {
        return Err(AssertError::UserHandle);
    }
    client_data::check(&response.client_data, "webauthn.get", challenge, rp)?;
    let data = AuthData::parse(&response.authenticator_data)?;
    data.check(rp)?;
    if data.backup_eligible() != stored.backup_eligible {
        return Err(AssertError::BackupEligibility);
    }
    let hash = digest::digest(&digest::SHA256, &response.client_data);
    let message = [&response.authenticator_data[..], hash.as_ref()].concat();
    CoseKey::parse(stored.public_key)?.verify(&message, &response.signature)?;
    let counts = data.sign_count != 0 || stored.sign_count != 0;
    Ok(Verified {
        sign_count: data.sign_count,
        user_verified: data.user_verified(),
        backup_state: data.backup_state(),
        counter_regressed: counts && data.sign_count <= stored.sign_count,
    })
}
