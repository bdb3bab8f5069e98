//! Chromium's virtual authenticator.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::{Error, page::Page, text};

/// What a virtual authenticator can do.
#[derive(Clone, Debug)]
pub struct AuthenticatorOptions {
    /// `internal` (a platform authenticator), `usb`, `nfc`, `ble` or `hybrid`.
    pub transport: &'static str,
    pub resident_keys: bool,
    /// Whether it can verify its user at all.
    pub user_verification: bool,
    /// Whether that succeeds.
    pub user_verified: bool,
    /// Whether somebody touches it whenever it asks.
    pub present: bool,
    /// The flag BE of new credentials.
    pub backup_eligible: bool,
    /// The flag BS of new credentials.
    pub backed_up: bool,
}

impl Default for AuthenticatorOptions {
    /// A phone or laptop with a passkey that syncs: platform, discoverable, verified, present, BE and BS set.
    fn default() -> Self {
        Self {
            transport: "internal",
            resident_keys: true,
            user_verification: true,
            user_verified: true,
            present: true,
            backup_eligible: true,
            backed_up: true,
        }
    }
}

/// The algorithms of Chromium's virtual authenticator that tests ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Es256,
    Rs256,
    EdDsa,
}

impl Algorithm {
    /// The COSE number (RFC 9053).
    #[must_use]
    pub fn cose(self) -> i32 {
        match self {
            Self::Es256 => -7,
            Self::EdDsa => -8,
            Self::Rs256 => -257,
        }
    }
}

/// A passkey as Chromium hands it out, private key included.
#[derive(Clone, Debug)]
pub struct Credential(Value);

impl Credential {
    /// The credential id.
    #[must_use]
    pub fn id(&self) -> Vec<u8> {
        self.bytes("credentialId")
    }

    /// The user handle, for a discoverable credential.
    #[must_use]
    pub fn user_handle(&self) -> Vec<u8> {
        self.bytes("userHandle")
    }

    /// The relying party's id.
    #[must_use]
    pub fn rp_id(&self) -> &str {
        self.0["rpId"].as_str().unwrap_or_default()
    }

    /// The name by which the person chooses it.
    #[must_use]
    pub fn user_name(&self) -> &str {
        self.0["userName"].as_str().unwrap_or_default()
    }

    /// The name to show, beside [`Credential::user_name`].
    #[must_use]
    pub fn user_display_name(&self) -> &str {
        self.0["userDisplayName"].as_str().unwrap_or_default()
    }

    /// How many signatures it has made.
    #[must_use]
    pub fn sign_count(&self) -> u64 {
        self.0["signCount"].as_u64().unwrap_or_default()
    }

    /// Which kind of key it holds, by the object identifier in its PKCS #8 form (RFC 5958).
    #[must_use]
    pub fn algorithm(&self) -> Option<Algorithm> {
        let key = self.bytes("privateKey");
        // The identifier stands near the beginning, before any key material.
        let head = key.get(..40.min(key.len()))?;
        let holds = |oid: &[u8]| head.windows(oid.len()).any(|w| w == oid);
        if holds(&[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01]) {
            Some(Algorithm::Es256)
        } else if holds(&[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01]) {
            Some(Algorithm::Rs256)
        } else if holds(&[0x06, 0x03, 0x2b, 0x65, 0x70]) {
            Some(Algorithm::EdDsa)
        } else {
            None
        }
    }

    /// The same credential with another signature counter, to play a cloned or reset authenticator.
    #[must_use]
    pub fn with_sign_count(mut self, count: u64) -> Self {
        self.0["signCount"] = count.into();
        self
    }

    fn bytes(&self, member: &str) -> Vec<u8> {
        STANDARD.decode(self.0[member].as_str().unwrap_or_default()).unwrap_or_default()
    }
}

/// A virtual authenticator of one page. It stays as long as its page.
pub struct Authenticator<'a> {
    page: &'a Page,
    id: String,
}

impl Page {
    /// Adds a platform passkey authenticator, see [`AuthenticatorOptions::default`].
    ///
    /// # Errors
    /// As [`Page::authenticator_with`].
    pub async fn authenticator(&self) -> Result<Authenticator<'_>, Error> {
        self.authenticator_with(&AuthenticatorOptions::default()).await
    }

    /// Adds a virtual authenticator (CTAP 2.1) to this page. It belongs to the page, through all its navigations, and not
    /// to the context: carry a passkey to another page by [`Authenticator::credentials`] and [`Authenticator::add`].
    /// New credentials carry the AAGUID `01020304-0506-0708-0102-030405060708`.
    ///
    /// *Conditional UI* shows no list here. If the authenticator is present and holds a fitting passkey, the request
    /// answers at once, as if the person had chosen it; if it holds none, it is refused at once (`NotAllowedError`); if
    /// it is not present ([`Authenticator::set_present`]), the request stays until the page aborts it, and any other
    /// ceremony meanwhile fails with `OperationError`.
    ///
    /// # Errors
    /// When Chromium refuses the combination.
    pub async fn authenticator_with(&self, options: &AuthenticatorOptions) -> Result<Authenticator<'_>, Error> {
        self.call("WebAuthn.enable", json!({})).await?;
        let options = json!({ "options": {
            "protocol": "ctap2",
            "ctap2Version": "ctap2_1",
            "transport": options.transport,
            "hasResidentKey": options.resident_keys,
            "hasUserVerification": options.user_verification,
            "isUserVerified": options.user_verified,
            "automaticPresenceSimulation": options.present,
            "defaultBackupEligibility": options.backup_eligible,
            "defaultBackupState": options.backed_up,
        }});
        let answer = self.call("WebAuthn.addVirtualAuthenticator", options).await?;
        Ok(Authenticator { page: self, id: text(&answer, "authenticatorId")? })
    }

    /// Lets pages that are opened from now on make keys of this algorithm only.
    ///
    /// The virtual authenticator takes the first entry of `pubKeyCredParams` that it can do (ES256, EdDSA, RS256, and in
    /// new versions ML-DSA), so the server's order decides. This removes the other entries from the options that the page hands to
    /// `navigator.credentials.create()`, as an authenticator that can do nothing else would.
    ///
    /// # Errors
    /// When Chromium does not answer.
    pub async fn offer_only(&self, algorithm: Algorithm) -> Result<(), Error> {
        self.on_new_document(&format!(
            "{{
                const create = CredentialsContainer.prototype.create;
                CredentialsContainer.prototype.create = function (options) {{
                    const key = options?.publicKey;
                    if (key) key.pubKeyCredParams = key.pubKeyCredParams.filter(p => p.alg === {});
                    return create.call(this, options);
                }};
            }}",
            algorithm.cose()
        ))
        .await
    }
}

impl Authenticator<'_> {
    /// The passkeys it holds.
    ///
    /// # Errors
    /// When the page is gone.
    pub async fn credentials(&self) -> Result<Vec<Credential>, Error> {
        let mut answer = self.call("getCredentials", json!({})).await?;
        let list = answer["credentials"].as_array_mut().map(std::mem::take);
        Ok(list.unwrap_or_default().into_iter().map(Credential).collect())
    }

    /// Puts a passkey in, for example one that another page's authenticator made.
    ///
    /// # Errors
    /// When Chromium refuses it.
    pub async fn add(&self, credential: &Credential) -> Result<(), Error> {
        self.call("addCredential", json!({ "credential": credential.0 })).await.map(drop)
    }

    /// Removes a passkey behind the relying party's back.
    ///
    /// # Errors
    /// When it holds no such passkey.
    pub async fn remove(&self, credential: &Credential) -> Result<(), Error> {
        let params = json!({ "credentialId": credential.0["credentialId"] });
        self.call("removeCredential", params).await.map(drop)
    }

    /// Removes all passkeys.
    ///
    /// # Errors
    /// When the page is gone.
    pub async fn clear(&self) -> Result<(), Error> {
        self.call("clearCredentials", json!({})).await.map(drop)
    }

    /// Whether verification of the user (finger, face, PIN) succeeds from now on.
    ///
    /// # Errors
    /// When the page is gone.
    pub async fn set_user_verified(&self, verified: bool) -> Result<(), Error> {
        self.call("setUserVerified", json!({ "isUserVerified": verified })).await.map(drop)
    }

    /// Whether somebody touches it when it asks; if not, a ceremony waits until its timeout or until this is set again.
    ///
    /// # Errors
    /// When the page is gone.
    pub async fn set_present(&self, present: bool) -> Result<(), Error> {
        self.call("setAutomaticPresenceSimulation", json!({ "enabled": present })).await.map(drop)
    }

    /// Lets it answer wrongly: with a bogus signature, with UV cleared, with UP cleared.
    ///
    /// # Errors
    /// When the page is gone.
    pub async fn misbehave(&self, bogus_signature: bool, no_uv: bool, no_up: bool) -> Result<(), Error> {
        let params = json!({ "isBogusSignature": bogus_signature, "isBadUV": no_uv, "isBadUP": no_up });
        self.call("setResponseOverrideBits", params).await.map(drop)
    }

    async fn call(&self, method: &str, mut params: Value) -> Result<Value, Error> {
        params["authenticatorId"] = self.id.as_str().into();
        self.page.call(&format!("WebAuthn.{method}"), params).await
    }
}
