//! OAuth clients (oidc.md §6).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ClientId, Timestamp};

/// An application that signs people in here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// `client_id`.
    pub id: ClientId,
    /// The name for people, 1–50 characters.
    pub name: String,
    /// At most 150 characters.
    pub description: String,
    /// Patterns of redirect URIs (oidc.md §7).
    pub callback_urls: Vec<String>,
    /// Patterns of post-logout redirect URIs.
    pub logout_callback_urls: Vec<String>,
    /// Where the launcher leads.
    pub launch_url: Option<String>,
    /// A client that can keep no secret (RFC 6749 §2.1); always with PKCE.
    pub is_public: bool,
    /// Whether an authorization request must carry a code challenge.
    pub pkce_enabled: bool,
    /// Seen using PKCE though not required to.
    pub pkce_supported: bool,
    /// Whether each authorization needs a fresh passkey ceremony.
    pub requires_reauthentication: bool,
    /// Whether requests must be pushed (RFC 9126).
    pub requires_pushed_authorization_requests: bool,
    /// Whether the consent page is skipped.
    pub skip_consent: bool,
    /// Whether only members of the allowed groups may enter.
    pub is_group_restricted: bool,
    /// Registered here, or known by its metadata document.
    pub client_type: ClientType,
    /// The algorithm of this client's tokens; `None`: the instance's default.
    pub signing_alg: Option<String>,
    /// Lifetime of access tokens, minutes, 1–525,600.
    pub access_token_minutes: i64,
    /// Lifetime of refresh tokens, minutes, 1–525,600.
    pub refresh_token_minutes: i64,
    /// Lifetime of ID tokens, minutes; `None`: an hour.
    pub id_token_minutes: Option<i64>,
    /// How it is told the claims of people, as JSON.
    pub claim_mapping: Option<String>,
    /// Issuers whose assertions authenticate this client (oidc.md §14.3).
    pub federated_identities: Vec<FederatedIdentity>,
    /// The only way in which it may authenticate; `None`: any that it has credentials for.
    pub auth_method: Option<AuthMethod>,
    /// Its public keys as a JWK set (RFC 7517 §5): for its assertions and request objects.
    pub jwks: Option<String>,
    /// Where its public keys are, instead.
    pub jwks_uri: Option<String>,
    /// Whether its access tokens are always bound to a key (RFC 9449 §5.2).
    pub dpop_bound_access_tokens: bool,
    /// Whether a logo is stored.
    pub has_logo: bool,
    /// Whether a logo for dark backgrounds is stored.
    pub has_dark_logo: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Raised by each change: the ETag of the resource.
    pub version: i64,
    /// Where the client is told that a session has ended (OpenID Connect Back-Channel Logout §2.2).
    pub backchannel_logout_url: Option<String>,
    /// Whether it needs `sid` to be told; we always send it.
    pub backchannel_logout_session_required: bool,
    /// Who decided on the address.
    pub backchannel_logout_source: BackchannelSource,
    /// Entries of both lists of callbacks whose stars in the host reach over dots, as they did where they came from.
    pub legacy_wildcards: Vec<String>,
}

impl Client {
    /// The legacy marks of entries that are still there: a mark ends with its entry.
    pub fn living_legacy_wildcards(&self) -> Vec<String> {
        let is_there =
            |entry: &&String| self.callback_urls.contains(entry) || self.logout_callback_urls.contains(entry);
        self.legacy_wildcards.iter().filter(is_there).cloned().collect()
    }

    /// The longest life of a token that is signed for it, minutes.
    pub fn longest_signed_minutes(&self) -> i64 {
        self.access_token_minutes.max(self.id_token_minutes.unwrap_or(0))
    }
}

/// Where a back-channel logout address came from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BackchannelSource {
    /// Nobody has decided yet: an address among the logout callbacks may be taken over.
    #[default]
    None,
    /// Taken over from the logout callbacks; follows them.
    TakenOver,
    /// Set or cleared by an administrator: for good.
    Set,
}

impl BackchannelSource {
    /// The stored form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::TakenOver => "taken_over",
            Self::Set => "set",
        }
    }

    /// Reads the stored form.
    pub fn parse(text: &str) -> Self {
        match text {
            "taken_over" => Self::TakenOver,
            "set" => Self::Set,
            _ => Self::None,
        }
    }
}

/// How clients authenticate (OpenID Connect Core §9, RFC 7591 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    /// A secret in the `Authorization` header.
    ClientSecretBasic,
    /// A secret in the form.
    ClientSecretPost,
    /// An assertion signed with a registered key, or by an issuer that vouches for the client.
    PrivateKeyJwt,
    /// Public clients only name themselves.
    None,
}

impl AuthMethod {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::ClientSecretBasic, Self::ClientSecretPost, Self::PrivateKeyJwt, Self::None];

    /// The registered name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
            Self::None => "none",
        }
    }

    /// Reads the registered name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == text)
    }
}

/// How a client came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClientType {
    /// Registered by an admin.
    Standard,
    /// Known by its Client ID Metadata Document.
    Cimd,
    /// An app without OpenID behind a reverse proxy, see [`crate::forward_auth`].
    Proxy,
}

impl ClientType {
    /// Reads the stored form.
    pub fn parse(text: &str) -> Self {
        match text {
            "cimd" => Self::Cimd,
            "proxy" => Self::Proxy,
            _ => Self::Standard,
        }
    }

    /// The stored form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Cimd => "cimd",
            Self::Proxy => "proxy",
        }
    }
}

/// A workload identity that authenticates a client (oidc.md §14.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[derive(Default)]
pub struct FederatedIdentity {
    /// The assertion's `iss`.
    pub issuer: String,
    /// The assertion's `sub`; empty: the client id.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subject: String,
    /// The assertion's `aud`; empty: this instance's URL.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub audience: String,
    /// Where the issuer's keys are; empty: below the issuer.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub jwks: String,
    /// Whether an assertion may be used once only.
    pub replay_protection: bool,
}

/// A client secret at rest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSecret {
    /// UUID.
    pub id: String,
    /// `sha256`, or `bcrypt` for imported ones.
    pub algorithm: String,
    /// The hash.
    pub hash: Vec<u8>,
    /// The first four characters; empty for imported ones.
    pub prefix: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops authenticating.
    pub expires_at: Option<Timestamp>,
}

impl ClientSecret {
    /// Whether it authenticates at this moment.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|t| t > now)
    }
}

/// Bounds of the token lifetimes, minutes.
pub const TOKEN_MINUTES: std::ops::RangeInclusive<i64> = 1..=525_600;
/// Default lifetime of access tokens, minutes.
pub const ACCESS_TOKEN_MINUTES: i64 = 60;
/// Default lifetime of refresh tokens, minutes.
pub const REFRESH_TOKEN_MINUTES: i64 = 43_200;
/// The most secrets a client may have, expired ones included.
pub const MAX_SECRETS: usize = 20;

/// Whether text may be chosen as a client id: 2–128 of `[A-Za-z0-9._-]`.
pub fn is_client_id(text: &str) -> bool {
    (2..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}
