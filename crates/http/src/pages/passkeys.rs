//! Passkeys in lists, and what the browser's password managers are told of them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pid_core::users::User;
use pid_flows::env::Env;
use pid_store::passkeys::Passkey;
use pid_webauthn::models::{Kind, model};

use super::{When, key};

/// A passkey in a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PasskeyView {
    /// Its id in the API.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What keeps it, if that is well known.
    pub model: Option<&'static str>,
    /// The model's id; empty if the authenticator or the browser keeps it to itself.
    pub aaguid: String,
    /// The icon of what keeps it.
    pub icon: &'static str,
    /// Whether copies of it are kept elsewhere, as a word.
    pub copies: &'static str,
    /// Whether they are.
    pub synced: bool,
    /// When it was added.
    pub added: When,
    /// When it was last used, if ever.
    pub last_used: Option<When>,
}

impl From<Passkey> for PasskeyView {
    fn from(passkey: Passkey) -> Self {
        let model = model(&passkey.aaguid);
        let is_hidden = passkey.aaguid.bytes().all(|b| matches!(b, b'0' | b'-'));
        let kind = model.map(|model| model.kind).or(match passkey.attachment.as_deref() {
            Some("cross-platform") if !passkey.transports.iter().any(|t| t == "hybrid") => Some(Kind::SecurityKey),
            Some("platform") if !passkey.backup_eligible => Some(Kind::Device),
            _ => None,
        });
        Self {
            id: passkey.id.into_string(),
            name: passkey.name,
            model: model.map(|model| model.name),
            aaguid: if is_hidden { String::new() } else { passkey.aaguid },
            icon: match kind {
                Some(Kind::Manager) => "safe",
                Some(Kind::Device) => "screen",
                Some(Kind::SecurityKey) => "usb",
                None => "key",
            },
            copies: match (passkey.backup_eligible, passkey.backup_state) {
                (_, true) => key("passkey-synced"),
                (true, false) => key("passkey-not-yet-synced"),
                (false, false) => key("passkey-device-bound"),
            },
            synced: passkey.backup_state,
            added: passkey.created_at.into(),
            last_used: passkey.last_used_at.map(When::from),
        }
    }
}

/// What the Signal API tells (WebAuthn L3 §5.1.10).
#[derive(Clone, Debug)]
pub struct Signals {
    /// RP ID.
    pub rp_id: String,
    /// The user handle, base64url.
    pub user: String,
    /// The account's name.
    pub name: String,
    /// The person's name.
    pub display_name: String,
    /// The credentials that are accepted, base64url, parted by blanks.
    pub credentials: String,
}

impl Signals {
    /// Of somebody with these passkeys.
    pub fn new(env: &Env, user: &User, passkeys: &[Passkey]) -> Self {
        let ids: Vec<String> = passkeys.iter().map(|p| URL_SAFE_NO_PAD.encode(&p.credential_id)).collect();
        Self {
            rp_id: env.app_url.host.clone(),
            user: URL_SAFE_NO_PAD.encode(user.id.as_str()),
            name: user.username.clone(),
            display_name: user.shown_name(),
            credentials: ids.join(" "),
        }
    }
}
