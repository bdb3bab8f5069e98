//! Which passkeys an administrator allows.

use crate::settings::Settings;

/// What the policy judges of a passkey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traits<'a> {
    /// Whether the authenticator verified its user the last time (UV).
    pub user_verified: bool,
    /// Whether it may be copied to other devices (BE).
    pub backup_eligible: bool,
    /// `platform` or `cross-platform`; `None` if nobody said.
    pub attachment: Option<&'a str>,
    /// The authenticator's model, in lower case.
    pub aaguid: &'a str,
}

/// Why a passkey is not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// The authenticator did not verify its user.
    Unverified,
    /// It may be copied to other devices.
    Synced,
    /// The authenticator is attached in another way than is asked for, or nobody said how.
    Attachment,
    /// The authenticator's model is denied, or is not among those that are allowed.
    Model,
}

/// The policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// User verification is required, when a passkey is added and at every use.
    pub verified: bool,
    /// Passkeys that may be copied to other devices are allowed.
    pub synced: bool,
    /// The only attachment that is allowed.
    pub attachment: Option<String>,
    /// The only models that are allowed, in lower case; empty: all.
    pub allowed: Vec<String>,
    /// Models that are not allowed, in lower case.
    pub denied: Vec<String>,
    /// All of it holds for passkeys that exist, too, at every use; else for new ones alone.
    pub at_sign_in: bool,
}

/// The most models that a list may hold: each is compared with at every use.
const MAX_MODELS: usize = 100;

/// Checks a list of models: AAGUIDs (UUIDs, in either case) as JSON. The error is a predicate that follows its name.
///
/// # Errors
/// What is wrong with it.
pub fn check_aaguids(json: &str) -> Result<(), String> {
    let list: Vec<String> = serde_json::from_str(json).map_err(|_| "must be a JSON list of AAGUIDs".to_owned())?;
    let is_aaguid = |text: &&String| {
        let groups = text.split('-').map(str::len);
        groups.eq([8, 4, 4, 4, 12]) && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
    };
    match list.iter().find(|text| !is_aaguid(text)) {
        Some(text) => Err(format!("has '{text}', which is no AAGUID like ee882879-721c-4913-9775-3dfcce97072a")),
        None if list.len() > MAX_MODELS => Err(format!("must have at most {MAX_MODELS} AAGUIDs")),
        None => Ok(()),
    }
}

impl Settings {
    /// Which passkeys are allowed.
    pub fn passkey_policy(&self) -> Policy {
        let models = |key: &str| self.list(key).into_iter().map(|model| model.to_ascii_lowercase()).collect();
        let attachment = self.get("webauthnAuthenticatorAttachment");
        Policy {
            verified: self.user_verification() != "preferred",
            synced: self.flag("webauthnAllowSyncedPasskeys"),
            attachment: (attachment != "any").then(|| attachment.to_owned()),
            allowed: models("webauthnAllowedAaguids"),
            denied: models("webauthnDeniedAaguids"),
            at_sign_in: self.flag("webauthnPolicyAtSignIn"),
        }
    }
}

impl Policy {
    /// What holds when a passkey is used.
    #[must_use]
    pub fn at_use(&self) -> Self {
        if self.at_sign_in {
            return self.clone();
        }
        Self {
            verified: self.verified,
            synced: true,
            attachment: None,
            allowed: Vec::new(),
            denied: Vec::new(),
            at_sign_in: false,
        }
    }

    /// Whether models matter.
    #[must_use]
    pub fn names_models(&self) -> bool {
        !self.allowed.is_empty() || !self.denied.is_empty()
    }

    /// Judges a passkey.
    ///
    /// # Errors
    /// [`Misfit`]: the first reason against it.
    pub fn judge(&self, passkey: &Traits<'_>) -> Result<(), Misfit> {
        let is_listed = |list: &[String]| list.iter().any(|model| model == passkey.aaguid);
        if self.verified && !passkey.user_verified {
            return Err(Misfit::Unverified);
        }
        if !self.synced && passkey.backup_eligible {
            return Err(Misfit::Synced);
        }
        if self.attachment.is_some() && self.attachment.as_deref() != passkey.attachment {
            return Err(Misfit::Attachment);
        }
        if is_listed(&self.denied) || !(self.allowed.is_empty() || is_listed(&self.allowed)) {
            return Err(Misfit::Model);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ee882879-721c-4913-9775-3dfcce97072a";
    const OTHER: &str = "d548826e-79b4-db40-a3d8-11116f7e8349";

    fn open() -> Policy {
        Policy {
            verified: false,
            synced: true,
            attachment: None,
            allowed: Vec::new(),
            denied: Vec::new(),
            at_sign_in: true,
        }
    }

    #[test]
    fn each_rule_has_its_reason() {
        let fine = Traits { user_verified: true, backup_eligible: false, attachment: Some("platform"), aaguid: KEY };
        let weak = Traits { user_verified: false, backup_eligible: true, attachment: None, aaguid: KEY };
        let only = |list: &str| vec![list.to_owned()];
        for (policy, for_fine, for_weak) in [
            (open(), Ok(()), Ok(())),
            (Policy { verified: true, ..open() }, Ok(()), Err(Misfit::Unverified)),
            (Policy { synced: false, ..open() }, Ok(()), Err(Misfit::Synced)),
            (Policy { attachment: Some("platform".into()), ..open() }, Ok(()), Err(Misfit::Attachment)),
            (
                Policy { attachment: Some("cross-platform".into()), ..open() },
                Err(Misfit::Attachment),
                Err(Misfit::Attachment),
            ),
            (Policy { allowed: only(KEY), ..open() }, Ok(()), Ok(())),
            (Policy { allowed: only(OTHER), ..open() }, Err(Misfit::Model), Err(Misfit::Model)),
            (Policy { denied: only(KEY), ..open() }, Err(Misfit::Model), Err(Misfit::Model)),
            (Policy { denied: only(KEY), allowed: only(KEY), ..open() }, Err(Misfit::Model), Err(Misfit::Model)),
        ] {
            assert_eq!((policy.judge(&fine), policy.judge(&weak)), (for_fine, for_weak), "{policy:?}");
        }
    }

    #[test]
    fn existing_passkeys_are_judged_where_the_policy_says_so() {
        let weak = Traits { user_verified: false, backup_eligible: true, attachment: None, aaguid: KEY };
        let strict = Policy { synced: false, denied: vec![KEY.into()], ..open() };
        assert_eq!(strict.at_use().judge(&weak), Err(Misfit::Synced));
        let lenient = Policy { at_sign_in: false, ..strict };
        assert_eq!(lenient.at_use().judge(&weak), Ok(()));
        assert_eq!(Policy { verified: true, ..lenient }.at_use().judge(&weak), Err(Misfit::Unverified));
    }
}
