//! What is driven, with the goals of the design.

use crate::limits::Limits;

/// A signing algorithm that a client may choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alg {
    /// RSA, 2048 bits.
    RS256,
    /// ECDSA on P-256.
    ES256,
    /// Ed25519.
    EdDSA,
}

impl Alg {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::RS256, Self::ES256, Self::EdDSA];

    /// The JWS name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::ES256 => "ES256",
            Self::EdDSA => "EdDSA",
        }
    }
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A person with a session enters a client: authorize and token.
    SignIn(Alg),
    /// A passkey sign-in in a new browser, then authorize and token.
    Passkey(Alg),
    /// A refresh token for new tokens.
    Refresh(Alg),
    /// UserInfo with an access token signed by RS256.
    UserInfo,
    /// The key set.
    Jwks,
    /// OpenID Connect discovery.
    Discovery,
    /// The page at `/login`.
    LoginPage,
}

impl Operation {
    /// All rows.
    pub const ALL: [Self; 12] = [
        Self::SignIn(Alg::RS256),
        Self::SignIn(Alg::ES256),
        Self::SignIn(Alg::EdDSA),
        Self::Passkey(Alg::RS256),
        Self::Passkey(Alg::ES256),
        Self::Refresh(Alg::RS256),
        Self::Refresh(Alg::ES256),
        Self::Refresh(Alg::EdDSA),
        Self::UserInfo,
        Self::Jwks,
        Self::Discovery,
        Self::LoginPage,
    ];

    /// The name in the table.
    pub fn name(self) -> String {
        match self {
            Self::SignIn(alg) => format!("sign-in with a session, {}", alg.as_str()),
            Self::Passkey(alg) => format!("passkey login + code flow, {}", alg.as_str()),
            Self::Refresh(alg) => format!("refresh, {}", alg.as_str()),
            Self::UserInfo => "userinfo".to_owned(),
            Self::Jwks => "JWKS".to_owned(),
            Self::Discovery => "discovery".to_owned(),
            Self::LoginPage => "login page".to_owned(),
        }
    }

    /// CPU of the server, milliseconds, that one operation may take (design §9). For the passkey login, which has no
    /// goal of its own there: its limit with the factor of the flow's goal to the flow's limit.
    pub fn goal(self) -> f64 {
        match self {
            Self::SignIn(Alg::RS256) => 1.1,
            Self::SignIn(_) => 0.23,
            Self::Passkey(Alg::RS256) => 1.2,
            Self::Passkey(_) => 0.31,
            Self::Refresh(Alg::RS256) => 1.0,
            Self::Refresh(_) => 0.15,
            Self::UserInfo => 0.05,
            Self::Jwks | Self::Discovery => 0.015,
            Self::LoginPage => 0.017,
        }
    }

    /// KiB that one operation may write to disk.
    pub fn written_goal(self) -> f64 {
        match self {
            Self::SignIn(_) | Self::Passkey(_) | Self::Refresh(_) => 16.0,
            _ => 0.0,
        }
    }

    /// What the parts that nobody can leave out cost on this machine, milliseconds.
    pub fn limit(self, limits: &Limits) -> f64 {
        let sign = |alg| match alg {
            Alg::RS256 => limits.sign_rs256,
            Alg::ES256 => limits.sign_es256,
            Alg::EdDSA => limits.sign_eddsa,
        };
        match self {
            Self::SignIn(alg) => 2.0 * (limits.hello + limits.write + sign(alg)),
            Self::Passkey(alg) => 4.0 * (limits.hello + limits.write) + 2.0 * sign(alg) + limits.verify_es256,
            Self::Refresh(alg) => limits.hello + limits.write + 2.0 * sign(alg),
            // Token, grant, person, groups.
            Self::UserInfo => limits.hello + limits.verify_rs256 + 4.0 * limits.select,
            Self::Jwks | Self::Discovery | Self::LoginPage => limits.hello,
        }
    }
}
