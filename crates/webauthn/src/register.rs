//! Registering a credential (WebAuthn L3 §7.1).

use aws_lc_rs::digest;

use crate::auth_data::AuthData;
use crate::cbor::{self, Value};
use crate::cose::CoseKey;
use crate::{AuthDataError, ClientDataError, CoseError, RegistrationResponse, RelyingParty, client_data};

/// Why a registration was refused: one case per step of §7.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// Steps 5–11.
    #[error(transparent)]
    ClientData(#[from] ClientDataError),
    /// Step 13: the attestation object is no CBOR of its form.
    #[error("the attestation object is malformed")]
    AttestationObject,
    /// Steps 14–17.
    #[error(transparent)]
    AuthData(#[from] AuthDataError),
    /// Step 19: no attested credential data, or another credential than the response names.
    #[error("the response holds no new credential")]
    Credential,
    /// Step 20: the key, or an algorithm that was not offered.
    #[error(transparent)]
    Key(#[from] CoseError),
    /// Step 22: the attestation statement of a format that we check is not valid.
    #[error("the attestation statement is not valid")]
    Attestation,
}

/// A credential that was proven to be made for our challenge. Only [`verify`] gives one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    credential_id: Vec<u8>,
    public_key: Vec<u8>,
    alg: i64,
    aaguid: [u8; 16],
    sign_count: u32,
    transports: Vec<String>,
    user_verified: bool,
    backup_eligible: bool,
    backup_state: bool,
    attestation_format: String,
}

impl Registered {
    /// The credential's id, 1–1023 bytes.
    pub fn credential_id(&self) -> &[u8] {
        &self.credential_id
    }
    /// COSE_Key.
    pub fn public_key(&self) -> &[u8] {
        &self.public_key
    }
    /// COSE algorithm identifier.
    pub fn alg(&self) -> i64 {
        self.alg
    }
    /// The authenticator's model as it says; with `none` attestation nothing proves it.
    pub fn aaguid(&self) -> String {
        let h: String = self.aaguid.iter().map(|b| format!("{b:02x}")).collect();
        format!("{}-{}-{}-{}-{}", &h[..8], &h[8..12], &h[12..16], &h[16..20], &h[20..])
    }
    /// The signature counter.
    pub fn sign_count(&self) -> u32 {
        self.sign_count
    }
    /// How the authenticator can be reached.
    pub fn transports(&self) -> &[String] {
        &self.transports
    }
    /// Whether the authenticator verified its user.
    pub fn user_verified(&self) -> bool {
        self.user_verified
    }
    /// Whether it may be synced.
    pub fn backup_eligible(&self) -> bool {
        self.backup_eligible
    }
    /// Whether it is synced.
    pub fn backup_state(&self) -> bool {
        self.backup_state
    }
    /// `none`, `packed` (self attestation, checked), or the name of a format that is recorded and not trusted.
    pub fn attestation_format(&self) -> &str {
        &self.attestation_format
    }
}

/// Verifies a response to our challenge.
///
/// # Errors
/// [`RegisterError`].
pub fn verify(
    rp: &RelyingParty<'_>,
    challenge: &[u8],
    response: &RegistrationResponse,
) -> Result<Registered, RegisterError> {
    client_data::check(&response.client_data, "webauthn.create", challenge, rp)?;
    let object = cbor::read_all(&response.attestation_object).ok_or(RegisterError::AttestationObject)?;
    let member = |name: &str| object.named(name).ok_or(RegisterError::AttestationObject);
    let format = member("fmt")?.text().ok_or(RegisterError::AttestationObject)?;
    let raw = member("authData")?.bytes().ok_or(RegisterError::AttestationObject)?;
    let statement = member("attStmt")?;
    let data = AuthData::parse(raw)?;
    data.check(rp)?;
    let attested = data.attested.as_ref().ok_or(RegisterError::Credential)?;
    if attested.credential_id != response.credential_id {
        return Err(RegisterError::Credential);
    }
    let key = CoseKey::parse(&attested.public_key)?;
    check_statement(format, statement, &key, raw, &response.client_data)?;
    Ok(Registered {
        credential_id: attested.credential_id.clone(),
        public_key: attested.public_key.clone(),
        alg: key.alg(),
        aaguid: attested.aaguid,
        sign_count: data.sign_count,
        transports: response.transports.clone(),
        user_verified: data.user_verified(),
        backup_eligible: data.backup_eligible(),
        backup_state: data.backup_state(),
        attestation_format: format.chars().take(32).collect(),
    })
}

/// Usually we ask for no attestation, so browsers send `none` or, for keys that sign themselves, `packed` without
/// certificates; both are checked. Statements of other formats prove nothing to us and are only named.
fn check_statement(
    format: &str,
    statement: &Value,
    key: &CoseKey,
    auth_data: &[u8],
    client_data: &[u8],
) -> Result<(), RegisterError> {
    match format {
        "none" => match statement {
            Value::Map(entries) if entries.is_empty() => Ok(()),
            _ => Err(RegisterError::Attestation),
        },
        "packed" if statement.named("x5c").is_none() => {
            let alg = statement.named("alg").and_then(Value::int);
            let signature = statement.named("sig").and_then(Value::bytes);
            let (Some(alg), Some(signature)) = (alg, signature) else { return Err(RegisterError::Attestation) };
            let hash = digest::digest(&digest::SHA256, client_data);
            let message = [auth_data, hash.as_ref()].concat();
            if alg != key.alg() || key.verify(&message, signature).is_err() {
                return Err(RegisterError::Attestation);
            }
            Ok(())
        }
        _ if statement.is_map() => Ok(()),
        _ => Err(RegisterError::Attestation),
    }
}
