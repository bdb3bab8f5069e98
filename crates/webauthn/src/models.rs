//! Authenticators by their AAGUID (WebAuthn L3 §6.5.1): a name, and what kind of thing it is.
//!
//! The well-known ones only, from what their makers publish and the community's list of passkey providers agrees on. An AAGUID
//! is what the authenticator says of itself: it serves to tell passkeys apart, and nothing proves it without attestation.

use Kind::{Device, Manager, SecurityKey};

/// What an authenticator is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Keeps passkeys in an account, on several devices: a password manager.
    Manager,
    /// Part of a computer or phone.
    Device,
    /// A thing of its own, to plug in or to hold near.
    SecurityKey,
}

/// A model of authenticator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Model {
    /// The AAGUID, in lower case.
    pub aaguid: &'static str,
    /// What people call it.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
}

/// The model with this AAGUID (in lower case), if it is well known.
pub fn model(aaguid: &str) -> Option<&'static Model> {
    MODELS.iter().find(|model| model.aaguid == aaguid)
}

const fn of(kind: Kind, name: &'static str, aaguid: &'static str) -> Model {
    Model { aaguid, name, kind }
}

/// All of them.
pub const MODELS: &[Model] = &[
    of(Manager, "Apple Passwords", "fbfc3007-154e-4ecc-8c0b-6e020557d7bd"),
    of(Manager, "iCloud Keychain", "dd4ec289-e01d-41c9-bb89-70fa845d4bf2"),
    of(Manager, "Google Password Manager", "ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4"),
    of(Manager, "Microsoft Password Manager", "d3452668-01fd-4c12-926c-83a4204853aa"),
    of(Manager, "Samsung Pass", "53414d53-554e-4700-0000-000000000000"),
    of(Manager, "1Password", "bada5566-a7aa-401f-bd96-45619a55120d"),
    of(Manager, "Bitwarden", "d548826e-79b4-db40-a3d8-11116f7e8349"),
    of(Manager, "Dashlane", "531126d6-e717-415c-9320-3d9aa6981239"),
    of(Manager, "Enpass", "f3809540-7f14-49c1-a8b3-8f813b225541"),
    of(Manager, "KeePassDX", "eaecdef2-1c31-5634-8639-f1cbd9c00a08"),
    of(Manager, "KeePassXC", "fdb141b2-5d84-443e-8a35-4698c205a502"),
    of(Manager, "Keeper", "0ea242b4-43c4-4a1b-8b17-dd6d0b6baec6"),
    of(Manager, "LastPass", "b78a0a55-6ef8-d246-a042-ba0f6d55050c"),
    of(Manager, "NordPass", "b84e4048-15dc-4dd0-8640-f4f60813c8af"),
    of(Manager, "Proton Pass", "50726f74-6f6e-5061-7373-50726f746f6e"),
    of(Device, "Windows Hello", "08987058-cadc-4b81-b6e1-30de50dcbe96"),
    of(Device, "Windows Hello", "9ddd1817-af5a-4672-a2b9-3e3dd95000a9"),
    of(Device, "Windows Hello", "6028b017-b1d4-4c02-b4b3-afcdafc96bb2"),
    of(Device, "Chrome on Mac", "adce0002-35bc-c60a-648b-0b25f1f05503"),
    of(Device, "Edge on Mac", "771b48fd-d3d4-4f74-9232-fc157ab0507a"),
    of(Device, "Chromium", "b5397666-4885-aa6b-cebf-e52262a439a2"),
    of(SecurityKey, "YubiKey 5", "cb69481e-8ff7-4039-93ec-0a2729a154a8"),
    of(SecurityKey, "YubiKey 5", "ee882879-721c-4913-9775-3dfcce97072a"),
    of(SecurityKey, "YubiKey 5", "19083c3d-8383-4b18-bc03-8f1c9ab2fd1b"),
    of(SecurityKey, "YubiKey 5", "ff4dac45-ede8-4ec2-aced-cf66103f4335"),
    of(SecurityKey, "YubiKey 5 NFC", "fa2b99dc-9e39-4257-8f92-4a30d23c4118"),
    of(SecurityKey, "YubiKey 5 NFC", "2fc0579f-8113-47ea-b116-bb5a8db9202a"),
    of(SecurityKey, "YubiKey 5 NFC", "a25342c0-3cdc-4414-8e46-f4807fca511c"),
    of(SecurityKey, "YubiKey 5 NFC", "d7781e5d-e353-46aa-afe2-3ca49f13332a"),
    of(SecurityKey, "YubiKey 5Ci", "c5ef55ff-ad9a-4b9f-b580-adebafe026d0"),
    of(SecurityKey, "YubiKey 5 FIPS", "73bb0cd4-e502-49b8-9c6f-b59445bf720b"),
    of(SecurityKey, "YubiKey 5 NFC FIPS", "c1f9a0bc-1dd2-404a-b27f-8e29047a43fd"),
    of(SecurityKey, "YubiKey 5Ci FIPS", "85203421-48f9-4355-9bc8-8a53846e5083"),
    of(SecurityKey, "YubiKey Bio", "d8522d9f-575b-4866-88a9-ba99fa02f35b"),
    of(SecurityKey, "Security Key by Yubico", "f8a011f3-8c0a-4d15-8006-17111f9edc7d"),
    of(SecurityKey, "Security Key by Yubico", "b92c3f9a-c014-4056-887f-140a2501163b"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn models_are_found_by_what_authenticators_say() {
        assert_eq!(model("d548826e-79b4-db40-a3d8-11116f7e8349").unwrap().name, "Bitwarden");
        assert_eq!(model("00000000-0000-0000-0000-000000000000"), None);
        let ids: BTreeSet<_> = MODELS.iter().map(|model| model.aaguid).collect();
        assert_eq!(ids.len(), MODELS.len(), "each once");
        for Model { aaguid, name, .. } in MODELS {
            let groups: Vec<usize> = aaguid.split('-').map(str::len).collect();
            assert_eq!(groups, [8, 4, 4, 4, 12], "{name}");
            assert!(aaguid.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f' | b'-')), "{name}");
            assert!(name.len() + " Passkey".len() <= 50, "{name} can be a passkey's name");
        }
    }
}
