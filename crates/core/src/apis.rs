//! APIs (resource servers, RFC 8707), their permissions, and what clients may ask of them (oidc.md §23).

use serde::{Deserialize, Serialize};

use crate::{ApiId, ClientId, PermissionId, Timestamp};

/// A protected API that access tokens are made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api {
    /// UUID.
    pub id: ApiId,
    /// The name for people, 1–50 characters.
    pub name: String,
    /// The resource indicator: an absolute URI without fragment and trailing slash; never changes.
    pub resource: String,
    /// Whether every client known by a metadata document may use it for people.
    pub allow_cimd_clients: bool,
    /// The algorithm of access tokens for it; `None`: that of the client.
    pub signing_alg: Option<String>,
    /// The client as which the API itself asks what tokens are worth (RFC 7662).
    pub resource_server: Option<ClientId>,
    /// What can be asked of it.
    pub permissions: Vec<Permission>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Raised by each change: the ETag of the resource.
    pub version: i64,
}

/// Something that can be asked of an API: a scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// UUID.
    pub id: PermissionId,
    /// The scope (RFC 6749 §3.3), unique within the API.
    pub key: String,
    /// The name for people.
    pub name: String,
    /// What it allows.
    pub description: Option<String>,
    /// Whether clients known by a metadata document get it where the API allows them.
    pub allowed_for_cimd_clients: bool,
}

/// Whom a token speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Subject {
    /// A person, whose access the client uses.
    User,
    /// The client itself (RFC 6749 §4.4).
    Client,
}

impl Subject {
    /// The stored form.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Client => "client",
        }
    }
}

/// What one client may ask of one API. Access without a permission is meaningful: a token with the audience and no scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiAccess {
    /// Who.
    pub client_id: ClientId,
    /// Of what.
    pub api_id: ApiId,
    /// Whether for people.
    pub user_delegated: bool,
    /// Whether for itself.
    pub client: bool,
    /// Permissions for people.
    pub user_permissions: Vec<PermissionId>,
    /// Permissions for itself.
    pub client_permissions: Vec<PermissionId>,
}

impl ApiAccess {
    /// No access yet.
    #[must_use]
    pub fn none(client_id: ClientId, api_id: ApiId) -> Self {
        Self {
            client_id,
            api_id,
            user_delegated: false,
            client: false,
            user_permissions: Vec::new(),
            client_permissions: Vec::new(),
        }
    }
}

/// Characters of a scope token (RFC 6749 §3.3).
#[must_use]
pub fn is_scope_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5B | 0x5D..=0x7E))
}

/// Scopes that belong to the protocol and can't be permissions.
#[must_use]
pub fn is_reserved_scope(text: &str) -> bool {
    ["openid", "profile", "email", "email_verified", "groups", "offline_access"]
        .iter()
        .any(|name| name.eq_ignore_ascii_case(text))
}
