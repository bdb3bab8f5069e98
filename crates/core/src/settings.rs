//! The application configuration: one table of the contract's 47 keys (api.md §20.4) and ours behind them, from which come defaults,
//! validation, the two lists of the API and the typed view that rules use.

use std::collections::BTreeMap;

use crate::notices::Notice;
use crate::validate::{FieldCode, Fields, is_email};
use crate::{ldap, passkeys};

/// What a value must look like. All values are strings on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Any string.
    Any,
    /// `true` or `false`.
    Bool,
    /// A positive whole number.
    Number,
    /// A whole number; 0 switches off.
    NumberOrOff,
    /// A whole number from 0 to this.
    UpTo(i64),
    /// 1–30 characters.
    Name,
    /// A path of this site (security case 12); the protocol crate knows which are.
    LocalPath,
    /// An e-mail address, or empty.
    Email,
    /// One of these.
    OneOf(&'static [&'static str]),
    /// A JSON list of strings.
    JsonStrings,
    /// A JSON list of `{key, value}` objects.
    JsonClaims,
    /// A JSON list of callback URL patterns.
    JsonPatterns,
    /// A JSON list of host names.
    JsonDomains,
    /// A JSON list of AAGUIDs: models of authenticators.
    JsonAaguids,
    /// A JSON list of origins; its rule knows which may be.
    JsonOrigins,
    /// A JSON list of scopes with the claims that they carry; the protocol crate knows which may be.
    JsonScopes,
    /// Where the audit log is sent to; its rule knows which addresses may be.
    AuditTarget,
    /// The address of a directory: `ldap://` or `ldaps://`.
    LdapUrl,
    /// A search filter of a directory (RFC 4515).
    LdapFilter,
}

/// One key of the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The name on the wire.
    pub key: &'static str,
    /// The value when nothing is stored.
    pub default: &'static str,
    /// Visible without signing in.
    pub public: bool,
    /// Never shown.
    pub secret: bool,
    /// Must be present and non-empty in a full replacement.
    pub required: bool,
    /// Not in the contract: a full replacement by a script that doesn't know it leaves it as it is.
    pub ours: bool,
    /// The shape of the value.
    pub rule: Rule,
}

const fn s(key: &'static str, default: &'static str, rule: Rule) -> Setting {
    Setting { key, default, public: false, secret: false, required: false, ours: false, rule }
}

impl Setting {
    const fn public(mut self) -> Self {
        self.public = true;
        self
    }
    const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }
    const fn required(mut self) -> Self {
        self.required = true;
        self
    }
    const fn ours(mut self) -> Self {
        self.ours = true;
        self
    }

    /// The variable that holds the value where the configuration comes from the environment: `appName` is `APP_NAME`.
    pub fn variable(&self) -> String {
        let mut name = String::new();
        let mut after_small = false;
        for c in self.key.chars() {
            if c.is_ascii_uppercase() && after_small {
                name.push('_');
            }
            after_small = !c.is_ascii_uppercase();
            name.push(c.to_ascii_uppercase());
        }
        name
    }

    /// The `type` that lists show.
    pub fn type_name(&self) -> &'static str {
        match self.rule {
            Rule::Bool => "boolean",
            Rule::Number | Rule::NumberOrOff | Rule::UpTo(_) => "number",
            _ => "string",
        }
    }
}

/// All keys in table order.
pub const SETTINGS: &[Setting] = &[
    s("appName", "Pocket ID", Rule::Name).public().required(),
    s("sessionDuration", "60", Rule::Number).required(),
    s("homePageUrl", "/settings/account", Rule::LocalPath).public().required(),
    s("emailsVerified", "false", Rule::Bool).required(),
    s("accentColor", "default", Rule::Any).public(),
    s("disableAnimations", "false", Rule::Bool).public().required(),
    s("allowOwnAccountEdit", "true", Rule::Bool).public().required(),
    s("allowUserSignups", "disabled", Rule::OneOf(&["disabled", "withToken", "open"])).public().required(),
    s("signupDefaultUserGroupIDs", "[]", Rule::JsonStrings),
    s("signupDefaultCustomClaims", "[]", Rule::JsonClaims),
    s("requireUserEmail", "true", Rule::Bool).public().required(),
    s("smtpHost", "", Rule::Any),
    s("smtpPort", "", Rule::Any),
    s("smtpFrom", "", Rule::Email),
    s("smtpUser", "", Rule::Any),
    s("smtpPassword", "", Rule::Any).secret(),
    s("smtpTls", "none", Rule::OneOf(&["none", "starttls", "tls"])).required(),
    s("smtpSkipCertVerify", "false", Rule::Bool).required(),
    s("emailLoginNotificationEnabled", "false", Rule::Bool).required(),
    s("emailOneTimeAccessAsUnauthenticatedEnabled", "false", Rule::Bool).public().required(),
    s("emailOneTimeAccessAsAdminEnabled", "false", Rule::Bool).public().required(),
    s("emailApiKeyExpirationEnabled", "false", Rule::Bool).required(),
    s("emailVerificationEnabled", "false", Rule::Bool).public().required(),
    s("ldapEnabled", "false", Rule::Bool).public().required(),
    s("ldapUrl", "", Rule::LdapUrl),
    s("ldapBindDn", "", Rule::Any),
    s("ldapBindPassword", "", Rule::Any).secret(),
    s("ldapBase", "", Rule::Any),
    s("ldapUserSearchFilter", "(objectClass=person)", Rule::LdapFilter),
    s("ldapUserGroupSearchFilter", "(objectClass=groupOfNames)", Rule::LdapFilter),
    s("ldapSkipCertVerify", "false", Rule::Bool).required(),
    s("ldapAttributeUserUniqueIdentifier", "", Rule::Any),
    s("ldapAttributeUserUsername", "", Rule::Any),
    s("ldapAttributeUserEmail", "", Rule::Any),
    s("ldapAttributeUserFirstName", "", Rule::Any),
    s("ldapAttributeUserLastName", "", Rule::Any),
    s("ldapAttributeUserDisplayName", "cn", Rule::Any),
    s("ldapAttributeUserProfilePicture", "", Rule::Any),
    s("ldapAttributeGroupMember", "member", Rule::Any),
    s("ldapAttributeGroupUniqueIdentifier", "", Rule::Any),
    s("ldapAttributeGroupName", "", Rule::Any),
    s("ldapAdminGroupName", "", Rule::Any),
    s("ldapSoftDeleteUsers", "true", Rule::Bool).required(),
    s("webauthnUserVerification", "required", Rule::OneOf(&["required", "preferred"])).required(),
    s("webauthnAllowSyncedPasskeys", "true", Rule::Bool).required(),
    s("webauthnAuthenticatorAttachment", "any", Rule::OneOf(&["any", "platform", "cross-platform"])).required(),
    s("cimdUrlAllowlist", "[]", Rule::JsonPatterns),
    s("sessionIdleTimeout", "0", Rule::NumberOrOff).ours(),
    s("signOutEndsOfflineAccess", "false", Rule::Bool).ours(),
    s("signingKeyRotationDays", "0", Rule::UpTo(3650)).ours(),
    s("refreshTokenGraceSeconds", "10", Rule::UpTo(60)).ours(),
    s("requirePushedAuthorizationRequests", "false", Rule::Bool).ours(),
    s("allowPlainPkce", "false", Rule::Bool).ours(),
    s("namedScopes", "[]", Rule::JsonScopes).ours(),
    s("auditStreamUrl", "", Rule::AuditTarget).ours(),
    s("auditStreamSecret", "", Rule::Any).secret().ours(),
    s("signupEmailDomains", "[]", Rule::JsonDomains).ours(),
    s("signupNeedsApproval", "false", Rule::Bool).ours(),
    s("webauthnAllowedAaguids", "[]", Rule::JsonAaguids).ours(),
    s("webauthnDeniedAaguids", "[]", Rule::JsonAaguids).ours(),
    s("webauthnPolicyAtSignIn", "false", Rule::Bool).ours(),
    s("webauthnRelatedOrigins", "[]", Rule::JsonOrigins).ours(),
    s("emailLoginCodeNoticeEnabled", "true", Rule::Bool).ours(),
    s("emailPasskeyNoticeEnabled", "true", Rule::Bool).ours(),
    s("emailSignupApprovalEnabled", "true", Rule::Bool).ours(),
    s("ldapStartTls", "false", Rule::Bool).ours(),
    s("ldapNestedGroups", "false", Rule::Bool).ours(),
    s("ldapRemovalLimitPercent", "20", Rule::UpTo(100)).ours(),
];

/// Who is offered to sign up (api.md §20.4). A token that an administrator made works in every mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signups {
    /// Nobody.
    Disabled,
    /// Who has a token.
    WithToken,
    /// Everybody.
    Open,
}

/// Finds a key.
pub fn setting(key: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|s| s.key == key)
}

/// The configuration in force: stored values over defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    stored: BTreeMap<String, String>,
    fixed: bool,
}

impl Settings {
    /// From the stored rows; unknown keys are kept out.
    pub fn new(rows: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { stored: rows.into_iter().filter(|(k, _)| setting(k).is_some()).collect(), fixed: false }
    }

    /// From the environment: nobody changes them while the process runs.
    pub fn fixed(values: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { fixed: true, ..Self::new(values) }
    }

    /// Whether they come from the environment.
    pub fn are_fixed(&self) -> bool {
        self.fixed
    }

    /// A value by key; empty for an unknown key.
    pub fn get(&self, key: &str) -> &str {
        self.stored.get(key).map(String::as_str).or_else(|| setting(key).map(|s| s.default)).unwrap_or_default()
    }

    pub(crate) fn flag(&self, key: &str) -> bool {
        self.get(key) == "true"
    }

    /// The name of this instance.
    pub fn app_name(&self) -> &str {
        self.get("appName")
    }

    /// Lifetime of a browser session, minutes, at least 1.
    pub fn session_minutes(&self) -> i64 {
        self.get("sessionDuration").parse().ok().filter(|n| *n > 0).unwrap_or(60)
    }

    /// Minutes after which an unused session ends; 0: never.
    pub fn idle_minutes(&self) -> i64 {
        self.get("sessionIdleTimeout").parse().ok().filter(|n| *n > 0).unwrap_or(0)
    }

    /// Whether signing out of one session also ends grants with `offline_access`.
    pub fn sign_out_ends_offline_access(&self) -> bool {
        self.flag("signOutEndsOfflineAccess")
    }

    /// The age in days at which a signing key is replaced; `None`: only when somebody asks.
    pub fn signing_key_rotation_days(&self) -> Option<i64> {
        self.get("signingKeyRotationDays").parse().ok().filter(|days| *days > 0)
    }

    /// Seconds after a rotation in which the old refresh token gives the same successor again; 0: never.
    pub fn refresh_grace_secs(&self) -> i64 {
        self.get("refreshTokenGraceSeconds").parse().unwrap_or(0)
    }

    /// Whether every client must push its authorization requests (RFC 9126 §5).
    pub fn require_pushed_requests(&self) -> bool {
        self.flag("requirePushedAuthorizationRequests")
    }

    /// Whether PKCE's method `plain` is taken (RFC 7636 §4.2).
    pub fn allow_plain_pkce(&self) -> bool {
        self.flag("allowPlainPkce")
    }

    /// Patterns of the metadata documents that clients may be known by; empty: none.
    pub fn cimd_allowlist(&self) -> Vec<String> {
        self.list("cimdUrlAllowlist")
    }

    /// Where a signed-in person lands: a local path.
    pub fn home_page(&self) -> &str {
        self.get("homePageUrl")
    }

    /// Whether people may edit their own account.
    pub fn allow_own_account_edit(&self) -> bool {
        self.flag("allowOwnAccountEdit")
    }

    /// Whether an account needs an e-mail address.
    pub fn require_user_email(&self) -> bool {
        self.flag("requireUserEmail")
    }

    /// The initial state of a self-entered address.
    pub fn emails_verified(&self) -> bool {
        self.flag("emailsVerified")
    }

    /// Whether there is a mail server.
    pub fn sends_mail(&self) -> bool {
        !self.get("smtpHost").is_empty() && !self.get("smtpFrom").is_empty()
    }

    /// Whether notices of a kind are sent at all.
    pub fn tells(&self, notice: Notice) -> bool {
        self.sends_mail() && notice.setting().is_none_or(|key| self.flag(key))
    }

    /// Whether anybody may ask for a login code by mail.
    pub fn mails_codes_on_request(&self) -> bool {
        self.flag("emailOneTimeAccessAsUnauthenticatedEnabled")
    }

    /// Whether administrators may send login codes by mail.
    pub fn mails_codes_by_admins(&self) -> bool {
        self.flag("emailOneTimeAccessAsAdminEnabled")
    }

    /// Whether people are asked to prove their address.
    pub fn verifies_email(&self) -> bool {
        self.flag("emailVerificationEnabled")
    }

    /// Whether directory objects are locked.
    pub fn ldap_enabled(&self) -> bool {
        self.flag("ldapEnabled")
    }

    /// Whether motion is off.
    pub fn disable_animations(&self) -> bool {
        self.flag("disableAnimations")
    }

    /// CSS colour or `default`.
    pub fn accent_color(&self) -> &str {
        self.get("accentColor")
    }

    /// `required` or `preferred`.
    pub fn user_verification(&self) -> &str {
        self.get("webauthnUserVerification")
    }

    /// Further origins at which passkeys of this instance work (WebAuthn L3 §5.11), exactly as browsers write them.
    pub fn related_origins(&self) -> Vec<String> {
        self.list("webauthnRelatedOrigins")
    }

    pub(crate) fn list(&self, key: &str) -> Vec<String> {
        serde_json::from_str(self.get(key)).unwrap_or_default()
    }

    /// The same with changed values; `None` stands for the default.
    #[must_use]
    pub fn with<'a>(&self, changes: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> Self {
        let mut next = self.clone();
        for (key, value) in changes {
            match value {
                Some(value) => _ = next.stored.insert(key.to_owned(), value.to_owned()),
                None => _ = next.stored.remove(key),
            }
        }
        next
    }

    /// Who may sign up.
    pub fn signups(&self) -> Signups {
        match self.get("allowUserSignups") {
            "open" => Signups::Open,
            "withToken" => Signups::WithToken,
            _ => Signups::Disabled,
        }
    }

    /// The domains whose addresses may sign up; empty: all.
    pub fn signup_domains(&self) -> Vec<String> {
        self.list("signupEmailDomains")
    }

    /// Whether who signs up waits for an administrator's approval.
    pub fn signup_needs_approval(&self) -> bool {
        self.flag("signupNeedsApproval")
    }

    /// Group ids that a new account gets.
    pub fn default_group_ids(&self) -> Vec<String> {
        self.list("signupDefaultUserGroupIDs")
    }

    /// Claims that a new account gets.
    pub fn default_claims(&self) -> Vec<crate::claims::CustomClaim> {
        serde_json::from_str(self.get("signupDefaultCustomClaims")).unwrap_or_default()
    }
}

/// Checks one value against its rule. `is_pattern` tells whether text is a callback URL pattern
/// (the protocol crate knows).
pub fn check(setting: &Setting, value: &str, is_pattern: fn(&str) -> bool, fields: &mut Fields) {
    let key = setting.key;
    if value.is_empty() {
        if setting.required {
            fields.refuse(key, FieldCode::Required, "must not be empty");
        }
        return;
    }
    match setting.rule {
        Rule::Any | Rule::LocalPath | Rule::JsonScopes | Rule::JsonOrigins | Rule::AuditTarget => {
            if value.len() > 8192 {
                fields.refuse(key, FieldCode::TooLong, "must have at most 8192 bytes");
            }
        }
        Rule::LdapUrl | Rule::LdapFilter => {
            let checked =
                if setting.rule == Rule::LdapUrl { ldap::check_url(value) } else { ldap::check_filter(value) };
            if value.len() > 8192 {
                fields.refuse(key, FieldCode::TooLong, "must have at most 8192 bytes");
            } else if let Err(why) = checked {
                fields.refuse(key, FieldCode::InvalidFormat, why);
            }
        }
        Rule::Bool => {
            if !matches!(value, "true" | "false") {
                fields.refuse(key, FieldCode::InvalidFormat, "must be \"true\" or \"false\"");
            }
        }
        Rule::Number | Rule::NumberOrOff | Rule::UpTo(_) => {
            let least = i64::from(setting.rule == Rule::Number);
            let most = if let Rule::UpTo(most) = setting.rule { most } else { 525_600 };
            match value.parse::<i64>() {
                Ok(n) if n < least => fields.refuse(key, FieldCode::TooShort, format!("must be at least {least}")),
                Ok(n) if n > most => fields.refuse(key, FieldCode::TooLong, format!("must be at most {most}")),
                Ok(_) => {}
                Err(_) => fields.refuse(key, FieldCode::InvalidFormat, "must be a whole number"),
            }
        }
        Rule::Name => fields.length(key, value, 1, 30),
        Rule::Email => {
            if !is_email(value) {
                fields.refuse(key, FieldCode::InvalidFormat, "must be an email address like name@example.com");
            }
        }
        Rule::OneOf(options) => {
            if !options.contains(&value) {
                fields.refuse(key, FieldCode::Oneof, format!("must be one of: {}", options.join(", ")));
            }
        }
        Rule::JsonStrings => {
            if serde_json::from_str::<Vec<String>>(value).is_err() {
                fields.refuse(key, FieldCode::InvalidFormat, "must be a JSON list of strings");
            }
        }
        Rule::JsonClaims => {
            if serde_json::from_str::<Vec<crate::claims::CustomClaim>>(value).is_err() {
                fields.refuse(key, FieldCode::InvalidFormat, "must be a JSON list of objects with key and value");
            }
        }
        Rule::JsonPatterns => match serde_json::from_str::<Vec<String>>(value) {
            Ok(list) if list.iter().all(|p| is_pattern(p)) => {}
            _ => fields.refuse(key, FieldCode::InvalidFormat, "must be a JSON list of URL patterns"),
        },
        Rule::JsonAaguids => {
            if let Err(why) = passkeys::check_aaguids(value) {
                fields.refuse(key, FieldCode::InvalidFormat, why);
            }
        }
        Rule::JsonDomains => match serde_json::from_str::<Vec<String>>(value) {
            // What may stand behind the @ of an address.
            Ok(list) if list.iter().all(|domain| is_email(&format!("x@{domain}"))) => {}
            _ => fields.refuse(key, FieldCode::InvalidFormat, "must be a JSON list of domains like example.com"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_47_keys_of_which_11_are_public_and_its_defaults_are_valid() {
        assert_eq!(SETTINGS.iter().filter(|s| !s.ours).count(), 47);
        assert!(SETTINGS[47..].iter().all(|s| s.ours && !s.required), "ours come last");
        assert_eq!(SETTINGS.iter().filter(|s| s.public).count(), 11);
        let mut fields = Fields::new();
        for s in SETTINGS {
            check(s, s.default, |_| true, &mut fields);
        }
        assert_eq!(fields.finish(), Ok(()));
    }

    #[test]
    fn variables_are_named_after_keys() {
        for (key, variable) in [
            ("appName", "APP_NAME"),
            ("signupDefaultUserGroupIDs", "SIGNUP_DEFAULT_USER_GROUP_IDS"),
            ("smtpTls", "SMTP_TLS"),
            ("ldapAttributeUserUniqueIdentifier", "LDAP_ATTRIBUTE_USER_UNIQUE_IDENTIFIER"),
        ] {
            assert_eq!(setting(key).unwrap().variable(), variable);
        }
    }

    #[test]
    fn stored_values_win_over_defaults() {
        let s = Settings::new([("appName".into(), "Club".into()), ("bogus".into(), "x".into())]);
        assert_eq!(s.app_name(), "Club");
        assert_eq!(s.session_minutes(), 60);
        assert_eq!(s.get("bogus"), "");
    }
}
