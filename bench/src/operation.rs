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
    /// A request that is pushed first: PAR, authorize and token.
    Pushed(Alg),
    /// A refresh token for new tokens that are bound to a key.
    Dpop(Alg),
    /// A client's token for itself.
    ClientCredentials(Alg),
    /// A device that asks whether somebody has decided.
    DevicePoll,
    /// What an access token signed by RS256 is worth, asked by its client.
    Introspect,
    /// UserInfo with an access token signed by RS256.
    UserInfo,
    /// The key set.
    Jwks,
    /// OpenID Connect discovery.
    Discovery,
    /// The page at `/login`.
    LoginPage,
    /// A proxy asks whether a request of somebody may pass (forward authentication).
    Verdict,
}

impl Operation {
    /// All rows.
    pub const ALL: [Self; 20] = [
        Self::SignIn(Alg::RS256),
        Self::SignIn(Alg::ES256),
        Self::SignIn(Alg::EdDSA),
        Self::Passkey(Alg::RS256),
        Self::Passkey(Alg::ES256),
        Self::Refresh(Alg::RS256),
        Self::Refresh(Alg::ES256),
        Self::Refresh(Alg::EdDSA),
        Self::Pushed(Alg::RS256),
        Self::Pushed(Alg::ES256),
        Self::Dpop(Alg::ES256),
        Self::ClientCredentials(Alg::RS256),
        Self::ClientCredentials(Alg::ES256),
        Self::DevicePoll,
        Self::Introspect,
        Self::UserInfo,
        Self::Jwks,
        Self::Discovery,
        Self::LoginPage,
        Self::Verdict,
    ];

    /// The name in the table.
    pub fn name(self) -> String {
        match self {
            Self::SignIn(alg) => format!("sign-in with a session, {}", alg.as_str()),
            Self::Passkey(alg) => format!("passkey login + code flow, {}", alg.as_str()),
            Self::Refresh(alg) => format!("refresh, {}", alg.as_str()),
            Self::Pushed(alg) => format!("PAR + code flow, {}", alg.as_str()),
            Self::Dpop(alg) => format!("refresh with DPoP, {}", alg.as_str()),
            Self::ClientCredentials(alg) => format!("client credentials, {}", alg.as_str()),
            Self::DevicePoll => "device poll".to_owned(),
            Self::Introspect => "introspection".to_owned(),
            Self::UserInfo => "userinfo".to_owned(),
            Self::Jwks => "JWKS".to_owned(),
            Self::Discovery => "discovery".to_owned(),
            Self::LoginPage => "login page".to_owned(),
            Self::Verdict => "forward-auth verdict".to_owned(),
        }
    }

    /// CPU of the server, milliseconds, that one operation may take (design §9). Where there is no goal of its own
    /// (passkey login, PAR, DPoP, polls): its limit with the factor of the flow's goal to the flow's limit.
    pub fn goal(self) -> f64 {
        match self {
            Self::SignIn(Alg::RS256) => 1.1,
            Self::SignIn(_) => 0.23,
            Self::Passkey(Alg::RS256) => 1.2,
            Self::Passkey(_) => 0.31,
            Self::Refresh(Alg::RS256) => 1.0,
            Self::Refresh(_) => 0.15,
            Self::Pushed(Alg::RS256) => 1.2,
            Self::Pushed(_) => 0.33,
            Self::Dpop(Alg::RS256) => 1.1,
            Self::Dpop(_) => 0.27,
            Self::ClientCredentials(Alg::RS256) => 0.6,
            Self::ClientCredentials(_) => 0.12,
            Self::DevicePoll => 0.1,
            Self::Introspect => 0.05,
            Self::UserInfo => 0.05,
            Self::Jwks | Self::Discovery => 0.015,
            Self::LoginPage => 0.017,
            Self::Verdict => 0.05,
        }
    }

    /// KiB that one operation may write to disk.
    pub fn written_goal(self) -> f64 {
        match self {
            Self::SignIn(_) | Self::Passkey(_) | Self::Refresh(_) | Self::Pushed(_) | Self::Dpop(_) => 16.0,
            Self::DevicePoll => 8.0,
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
            Self::Pushed(alg) => 3.0 * (limits.hello + limits.write) + 2.0 * sign(alg),
            Self::Dpop(alg) => limits.hello + limits.write + 2.0 * sign(alg) + limits.verify_es256,
            // The client and its secret.
            Self::ClientCredentials(alg) => limits.hello + 2.0 * limits.select + sign(alg),
            Self::DevicePoll => limits.hello + limits.write,
            // Client, secret, token, grant, person.
            Self::Introspect => limits.hello + limits.verify_rs256 + 5.0 * limits.select,
            // Token, grant, person, groups.
            Self::UserInfo => limits.hello + limits.verify_rs256 + 4.0 * limits.select,
            Self::Jwks | Self::Discovery | Self::LoginPage => limits.hello,
            // App, visitor, groups.
            Self::Verdict => limits.hello + 3.0 * limits.select,
        }
    }
}
