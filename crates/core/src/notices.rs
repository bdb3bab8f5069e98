//! What people are told about their accounts by mail, and who may do without.

/// A kind of notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Somebody signed in from a device that was never seen.
    NewDevice,
    /// A login code was used, or an administrator made one.
    LoginCode,
    /// A passkey was added or removed.
    Passkey,
    /// An API key will expire.
    ApiKeyExpiry,
    /// To administrators: somebody signed up and waits for approval.
    SignupApproval,
    /// The account's address is another one; told to the one before.
    AddressChange,
}

impl Notice {
    /// All kinds, in the order in which people see them.
    pub const ALL: [Self; 6] = [
        Self::NewDevice,
        Self::LoginCode,
        Self::ApiKeyExpiry,
        Self::SignupApproval,
        Self::Passkey,
        Self::AddressChange,
    ];

    /// The name on the wire and in the store.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NewDevice => "newDevice",
            Self::LoginCode => "loginCode",
            Self::Passkey => "passkey",
            Self::ApiKeyExpiry => "apiKeyExpiry",
            Self::SignupApproval => "signupApproval",
            Self::AddressChange => "addressChange",
        }
    }

    /// A kind by its name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|notice| notice.name() == name)
    }

    /// The setting by which an administrator switches it for everybody; `None`: it is always sent.
    #[must_use]
    pub fn setting(self) -> Option<&'static str> {
        match self {
            Self::NewDevice => Some("emailLoginNotificationEnabled"),
            Self::LoginCode => Some("emailLoginCodeNoticeEnabled"),
            Self::Passkey => Some("emailPasskeyNoticeEnabled"),
            Self::ApiKeyExpiry => Some("emailApiKeyExpirationEnabled"),
            Self::SignupApproval => Some("emailSignupApprovalEnabled"),
            Self::AddressChange => None,
        }
    }

    /// Whether a person may do without it. Not without those of what lets somebody in for good: whoever took an account
    /// over would switch them off first.
    #[must_use]
    pub fn may_be_refused(self) -> bool {
        !matches!(self, Self::Passkey | Self::AddressChange)
    }

    /// Whether it tells that somebody got in: whoever switches it off proves that it is them, and is told.
    #[must_use]
    pub fn is_guarded(self) -> bool {
        matches!(self, Self::NewDevice | Self::LoginCode)
    }

    /// Whether it is for administrators alone.
    #[must_use]
    pub fn is_for_admins(self) -> bool {
        self == Self::SignupApproval
    }
}
