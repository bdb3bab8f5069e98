//! Signed-in devices, as their owner and administrators see them.

use super::{Layout, When, key};
use pid_core::sessions::BeganBy;
use pid_flows::sessions::Shown;
use pid_integrations::device;

/// A session in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionView {
    /// Its id.
    pub id: String,
    /// Browser and system in words.
    pub device: String,
    /// Address and place.
    pub place: String,
    /// How the latest sign-in was made, in words.
    pub method: String,
    /// When this browser first signed in.
    pub first_seen: When,
    /// When it was last used.
    pub last_seen: When,
    /// Whether it is the one that looks.
    pub is_current: bool,
    /// Whether it still signs in here; if not, apps live on it.
    pub is_active: bool,
}

impl SessionView {
    /// A session in the words of a page.
    #[must_use]
    pub fn new(layout: &Layout, shown: Shown) -> Self {
        let session = shown.open.session;
        let method = match session.began_by {
            BeganBy::Passkey => key("began-by-passkey"),
            BeganBy::SelfCode => key("began-by-self-code"),
            BeganBy::Setup | BeganBy::Signup => key("began-by-setup"),
            BeganBy::Device | BeganBy::DeviceWithoutNumber => key("began-by-device"),
            _ => key("began-by-code"),
        };
        let place = [shown.open.ip_address, shown.place.city, shown.place.country];
        Self {
            id: session.id.into_string(),
            device: Some(device::in_words(&shown.open.user_agent))
                .filter(|words| !words.is_empty())
                .unwrap_or_else(|| layout.t("unknown-device").to_owned()),
            place: place.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · "),
            method: layout.t(method).to_owned(),
            first_seen: shown.open.first_seen_at.into(),
            last_seen: shown.open.last_seen_at.into(),
            is_current: shown.is_current,
            is_active: shown.is_active,
        }
    }
}
