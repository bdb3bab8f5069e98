//! Signing keys: where one is in its life.

/// Where a signing key is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyState {
    /// Published, not signing yet.
    Next,
    /// Signs.
    Active,
    /// Signs no more; published until its last token has expired, then kept for logout hints.
    Retired,
    /// Neither published nor trusted.
    Revoked,
}

impl KeyState {
    /// The stored form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Active => "active",
            Self::Retired => "retired",
            Self::Revoked => "revoked",
        }
    }

    /// Reads the stored form. An unknown state must not make a key trusted.
    pub fn parse(text: &str) -> Self {
        match text {
            "next" => Self::Next,
            "active" => Self::Active,
            "retired" => Self::Retired,
            _ => Self::Revoked,
        }
    }
}
