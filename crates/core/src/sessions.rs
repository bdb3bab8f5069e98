//! Browser sessions and what they prove.

use serde::{Deserialize, Serialize};

use crate::{SessionId, Timestamp, UserId};

/// How a session began. Decides what it may do early in its life (security case 58).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BeganBy {
    /// A passkey assertion.
    Passkey,
    /// The first-run set-up.
    Setup,
    /// Self sign-up.
    Signup,
    /// A login code made by an admin.
    AdminCode,
    /// A login code made by the command line.
    CliCode,
    /// A login code sent by mail.
    MailCode,
    /// A login code that the person made for themselves.
    SelfCode,
    /// Sign-in approved on another device, by the number that this one showed.
    Device,
    /// Sign-in approved on another device by a client that sent no number.
    DeviceWithoutNumber,
}

impl BeganBy {
    const ALL: [(Self, &str); 9] = [
        (Self::Passkey, "passkey"),
        (Self::Setup, "setup"),
        (Self::Signup, "signup"),
        (Self::AdminCode, "admin_code"),
        (Self::CliCode, "cli_code"),
        (Self::MailCode, "mail_code"),
        (Self::SelfCode, "self_code"),
        (Self::Device, "device"),
        (Self::DeviceWithoutNumber, "device_without_number"),
    ];

    /// The stored form.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(k, _)| *k == self).map_or("passkey", |(_, s)| s)
    }

    /// Reads the stored form.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, s)| *s == text).map(|(k, _)| *k)
    }

    /// Authentication Method Reference (RFC 8176; api.md §6.4): `phr` for a passkey, none after sign-up, which proves
    /// nothing, `otp` otherwise.
    pub fn amr(self) -> Option<&'static str> {
        match self {
            Self::Passkey => Some("phr"),
            Self::Signup => None,
            _ => Some("otp"),
        }
    }

    /// Whether a young session of this kind may add a passkey without a passkey proof (security case 58).
    pub fn may_enrol(self) -> bool {
        !matches!(self, Self::Passkey | Self::SelfCode | Self::DeviceWithoutNumber)
    }
}

/// A session as the rules see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The public id: `sid` in tokens.
    pub id: SessionId,
    /// Who is signed in.
    pub user_id: UserId,
    /// How it began.
    pub began_by: BeganBy,
    /// When the person last proved who they are.
    pub auth_time: Timestamp,
    /// The interaction inside which the sign-in was made, if any.
    pub interaction_id: Option<String>,
    /// When it began.
    pub created_at: Timestamp,
    /// When its cookie ends.
    pub expires_at: Timestamp,
}

impl Session {
    /// Whether it only signs in to apps: it began by a code that the person made for themselves, without a passkey.
    pub fn is_limited(&self) -> bool {
        self.began_by == BeganBy::SelfCode
    }

    /// The session's Authentication Method References.
    pub fn amr(&self) -> Vec<String> {
        self.began_by.amr().into_iter().map(str::to_owned).collect()
    }
}
