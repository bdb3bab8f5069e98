//! Client data (WebAuthn L3 §5.8.1).

use serde::Deserialize;

use crate::RelyingParty;
use crate::wire::unb64;

/// What is wrong with the client data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClientDataError {
    /// Not UTF-8 JSON of the form (§7.1 step 6, §7.2 step 10).
    #[error("the client data is malformed")]
    Malformed,
    /// Another ceremony (§7.1 step 7, §7.2 step 11).
    #[error("the response is of another ceremony")]
    Type,
    /// Another challenge (§7.1 step 8, §7.2 step 12).
    #[error("the response answers another challenge")]
    Challenge,
    /// Another origin (§7.1 step 9, §7.2 step 13).
    #[error("the response was made at another address")]
    Origin,
    /// Made inside a frame of another site (§7.1 steps 10–11, §7.2 steps 14–15).
    #[error("the response was made inside a page of another site")]
    CrossOrigin,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    r#type: String,
    challenge: String,
    origin: String,
    #[serde(default)]
    cross_origin: Option<bool>,
    #[serde(default)]
    top_origin: Option<String>,
}

fn parse(bytes: &[u8]) -> Option<ClientData> {
    // "UTF-8 decode": a byte order mark is dropped.
    serde_json::from_slice(bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes)).ok()
}

/// The challenge, unchecked.
pub(crate) fn challenge(bytes: &[u8]) -> Option<Vec<u8>> {
    unb64(&parse(bytes)?.challenge)
}

/// Checks client data for a ceremony: `webauthn.create` or `webauthn.get`.
pub(crate) fn check(bytes: &[u8], ty: &str, challenge: &[u8], rp: &RelyingParty<'_>) -> Result<(), ClientDataError> {
    let data = parse(bytes).ok_or(ClientDataError::Malformed)?;
    if data.r#type != ty {
        return Err(ClientDataError::Type);
    }
    let given = unb64(&data.challenge).unwrap_or_default();
    if challenge.is_empty() || aws_lc_rs::constant_time::verify_slices_are_equal(&given, challenge).is_err() {
        return Err(ClientDataError::Challenge);
    }
    if !rp.origins.contains(&data.origin.as_str()) {
        return Err(ClientDataError::Origin);
    }
    if data.cross_origin == Some(true) || data.top_origin.is_some_and(|top| top != data.origin) {
        return Err(ClientDataError::CrossOrigin);
    }
    Ok(())
}
