//! What browsers are asked: creation and request options as JSON (WebAuthn L3 §5.4, §5.5; api.md §22).

use serde_json::{Value, json};

use crate::cose::ALGORITHMS;
use crate::wire::b64;

/// A credential that the authenticator should not make again.
#[derive(Clone, Debug)]
pub struct Descriptor {
    /// The credential's id.
    pub id: Vec<u8>,
    /// How its authenticator can be reached.
    pub transports: Vec<String>,
}

/// What a registration asks for.
#[derive(Clone, Copy, Debug)]
pub struct Creation<'a> {
    /// The instance's name.
    pub rp_name: &'a str,
    /// RP ID.
    pub rp_id: &'a str,
    /// User handle, at most 64 bytes.
    pub user_handle: &'a [u8],
    /// The account's name.
    pub user_name: &'a str,
    /// The person's name.
    pub user_display_name: &'a str,
    /// At least 16 random bytes.
    pub challenge: &'a [u8],
    /// How long the ceremony may take, seconds.
    pub timeout_secs: i64,
    /// The person's passkeys.
    pub exclude: &'a [Descriptor],
    /// `platform`, `cross-platform`, or any.
    pub attachment: Option<&'a str>,
    /// `required` or `preferred`.
    pub user_verification: &'a str,
    /// Whether the authenticator's model has to be told: without `attestation`, browsers hide that of security keys.
    pub wants_model: bool,
}

/// Creation options: discoverable, any of the ten algorithms, attestation only to learn the model.
pub fn creation(c: &Creation<'_>) -> Value {
    let params: Vec<Value> = ALGORITHMS.iter().map(|alg| json!({ "type": "public-key", "alg": alg })).collect();
    let mut selection = json!({
        "requireResidentKey": true,
        "residentKey": "required",
        "userVerification": c.user_verification,
    });
    if let Some(attachment) = c.attachment {
        selection["authenticatorAttachment"] = attachment.into();
    }
    let mut options = json!({
        "rp": { "name": c.rp_name, "id": c.rp_id },
        "user": { "name": c.user_name, "displayName": c.user_display_name, "id": b64(c.user_handle) },
        "challenge": b64(c.challenge),
        "pubKeyCredParams": params,
        "timeout": c.timeout_secs * 1000,
        "authenticatorSelection": selection,
        "extensions": { "credProps": true },
    });
    if c.wants_model {
        options["attestation"] = "direct".into();
    }
    if !c.exclude.is_empty() {
        let exclude = c.exclude.iter().map(|d| {
            let mut out = json!({ "type": "public-key", "id": b64(&d.id) });
            if !d.transports.is_empty() {
                out["transports"] = json!(d.transports);
            }
            out
        });
        options["excludeCredentials"] = Value::Array(exclude.collect());
    }
    options
}

/// Request options: any discoverable passkey; `user_verification` is `required` or `preferred`. Nothing in them depends on
/// a person.
pub fn request(rp_id: &str, challenge: &[u8], timeout_secs: i64, user_verification: &str) -> Value {
    json!({
        "challenge": b64(challenge),
        "timeout": timeout_secs * 1000,
        "rpId": rp_id,
        "userVerification": user_verification,
    })
}
