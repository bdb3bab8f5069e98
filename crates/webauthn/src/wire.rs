//! What browsers post: `PublicKeyCredential.toJSON()` (WebAuthn L3 §5.1.8). Unknown members are ignored, types are strict.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

/// base64url with or without padding: some libraries pad.
const B64: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(false),
);

/// The largest response that is looked at, bytes.
pub const MAX_RESPONSE: usize = 64 * 1024;
/// Credential ids are 1–1023 bytes (WebAuthn L3 §4, §7.1 step 25).
pub(crate) const MAX_CREDENTIAL_ID: usize = 1023;

/// How an authenticator can be attached (§5.4.5).
const ATTACHMENTS: [&str; 2] = ["platform", "cross-platform"];

/// The body is no response at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Too large.
    #[error("the passkey response is too large")]
    TooLarge,
    /// Not of the JSON form.
    #[error("the passkey response is malformed: {0}")]
    Json(String),
    /// A member is not base64url.
    #[error("'{0}' is not base64url")]
    Base64(&'static str),
    /// `type` is not `public-key`.
    #[error("the credential's type is not public-key")]
    Type,
    /// `id` and `rawId` differ, or their length is out of bounds.
    #[error("the credential id is malformed")]
    CredentialId,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Json<R> {
    id: String,
    raw_id: String,
    r#type: String,
    #[serde(default)]
    authenticator_attachment: Option<String>,
    response: R,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AttestationJson {
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    attestation_object: String,
    #[serde(default)]
    transports: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AssertionJson {
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    authenticator_data: String,
    signature: String,
    #[serde(default)]
    user_handle: Option<String>,
}

/// The answer to a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationResponse {
    pub(crate) credential_id: Vec<u8>,
    pub(crate) client_data: Vec<u8>,
    pub(crate) attestation_object: Vec<u8>,
    pub(crate) transports: Vec<String>,
    pub(crate) attachment: Option<&'static str>,
}

/// The answer to a sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssertionResponse {
    pub(crate) credential_id: Vec<u8>,
    pub(crate) client_data: Vec<u8>,
    pub(crate) authenticator_data: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    pub(crate) user_handle: Option<Vec<u8>>,
}

fn decode(name: &'static str, text: &str) -> Result<Vec<u8>, WireError> {
    B64.decode(text).map_err(|_| WireError::Base64(name))
}

fn envelope<R: serde::de::DeserializeOwned>(body: &[u8]) -> Result<(Vec<u8>, Json<R>), WireError> {
    if body.len() > MAX_RESPONSE {
        return Err(WireError::TooLarge);
    }
    let json: Json<R> = serde_json::from_slice(body).map_err(|e| WireError::Json(e.to_string()))?;
    if json.r#type != "public-key" {
        return Err(WireError::Type);
    }
    let (id, raw_id) = (decode("id", &json.id)?, decode("rawId", &json.raw_id)?);
    if id != raw_id || id.is_empty() || id.len() > MAX_CREDENTIAL_ID {
        return Err(WireError::CredentialId);
    }
    Ok((raw_id, json))
}

impl RegistrationResponse {
    /// Reads a body.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(body: &[u8]) -> Result<Self, WireError> {
        let (credential_id, json) = envelope::<AttestationJson>(body)?;
        let r = json.response;
        let is_name = |t: &String| t.len() <= 32 && t.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
        let attachment = json.authenticator_attachment.unwrap_or_default();
        Ok(Self {
            credential_id,
            attachment: ATTACHMENTS.into_iter().find(|known| *known == attachment),
            client_data: decode("clientDataJSON", &r.client_data)?,
            attestation_object: decode("attestationObject", &r.attestation_object)?,
            transports: r.transports.into_iter().filter(is_name).take(8).collect(),
        })
    }

    /// The challenge that it answers, unchecked: to find the pending ceremony.
    pub fn challenge(&self) -> Option<Vec<u8>> {
        crate::client_data::challenge(&self.client_data)
    }

    /// How the authenticator is attached, `platform` or `cross-platform`, as the browser says; nothing proves it.
    pub fn attachment(&self) -> Option<&'static str> {
        self.attachment
    }
}

impl AssertionResponse {
    /// The origin that the browser says it showed the passkey at; nobody has checked it.
    pub fn origin(&self) -> Option<String> {
        let data: serde_json::Value = serde_json::from_slice(&self.client_data).ok()?;
        data.get("origin")?.as_str().map(str::to_owned)
    }

    /// Reads a body.
    ///
    /// # Errors
    /// [`WireError`].
    pub fn parse(body: &[u8]) -> Result<Self, WireError> {
        let (credential_id, json) = envelope::<AssertionJson>(body)?;
        let r = json.response;
        Ok(Self {
            credential_id,
            client_data: decode("clientDataJSON", &r.client_data)?,
            authenticator_data: decode("authenticatorData", &r.authenticator_data)?,
            signature: decode("signature", &r.signature)?,
            user_handle: r.user_handle.as_deref().map(|h| decode("userHandle", h)).transpose()?,
        })
    }

    /// The challenge that it answers, unchecked: to find the pending ceremony.
    pub fn challenge(&self) -> Option<Vec<u8>> {
        crate::client_data::challenge(&self.client_data)
    }

    /// The credential that it names, unchecked: to find the stored one.
    pub fn credential_id(&self) -> &[u8] {
        &self.credential_id
    }

    /// The person that it names, unchecked.
    pub fn user_handle(&self) -> Option<&[u8]> {
        self.user_handle.as_deref()
    }
}

pub(crate) fn b64(bytes: &[u8]) -> String {
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn unb64(text: &str) -> Option<Vec<u8>> {
    B64.decode(text).ok()
}
