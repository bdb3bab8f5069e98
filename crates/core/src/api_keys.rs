//! API keys: what a script shows instead of a session (api.md §18).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ApiKeyId, Timestamp, UserId};

/// A limit of a key. A key without any may do what its owner may.
///
/// [`Scope::ReadOnly`] limits to reading; the others name the areas that a key may enter. A key with `users` can make
/// login codes and administrators, so it is as strong as an administrator in the end; the limit is against mistakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "ApiKeyScope")]
pub enum Scope {
    /// Only reads.
    ReadOnly,
    /// Users, groups, custom claims, login codes.
    Users,
    /// OIDC clients, APIs and their permissions.
    Clients,
    /// The audit log.
    Audit,
}

/// The part of the management API that a request is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Area {
    /// Everything else: only a key without area scopes enters.
    #[default]
    Other,
    /// See [`Scope::Users`].
    Users,
    /// See [`Scope::Clients`].
    Clients,
    /// See [`Scope::Audit`].
    Audit,
}

/// What a request wants to do, as far as a key's scopes are concerned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Purpose {
    /// Where.
    pub area: Area,
    /// Whether it only reads.
    pub reads: bool,
}

impl Purpose {
    /// From a request's method and path.
    pub fn of(method: &str, path: &str) -> Self {
        let within = |root: &str| path == root || path.strip_prefix(root).is_some_and(|rest| rest.starts_with('/'));
        let any = |roots: &[&str]| roots.iter().any(|root| within(root));
        let area = if any(&["/api/users", "/api/user-groups", "/api/custom-claims", "/api/signup-tokens"]) {
            Area::Users
        } else if any(&["/api/oidc/clients", "/api/apis", "/api/api-access"]) {
            Area::Clients
        } else if within("/api/audit-logs") {
            Area::Audit
        } else {
            Area::Other
        };
        Self { area, reads: matches!(method, "GET" | "HEAD") }
    }

    /// Whether a key with these scopes may.
    pub fn is_within(self, scopes: &[Scope]) -> bool {
        let areas: Vec<Area> = scopes
            .iter()
            .filter_map(|scope| match scope {
                Scope::ReadOnly => None,
                Scope::Users => Some(Area::Users),
                Scope::Clients => Some(Area::Clients),
                Scope::Audit => Some(Area::Audit),
            })
            .collect();
        let may_write = !scopes.contains(&Scope::ReadOnly);
        (self.reads || may_write) && (areas.is_empty() || areas.contains(&self.area))
    }
}

/// A key, without its value: that is nowhere after its creation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// UUID.
    pub id: ApiKeyId,
    /// Whose rights it has.
    pub user_id: UserId,
    /// 3–50 characters.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Its limits.
    pub scopes: Vec<Scope>,
    /// From when on it is worth nothing.
    pub expires_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whether its owner has been told that it expires.
    pub expiration_email_sent: bool,
    /// Raised by each change that a person makes.
    pub version: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_limit_area_and_writing() {
        let get_users = Purpose::of("GET", "/api/users/me");
        let put_group = Purpose::of("PUT", "/api/user-groups/1");
        let configuration = Purpose::of("PUT", "/api/application-configuration");
        for (purpose, scopes, may) in [
            (get_users, &[][..], true),
            (configuration, &[], true),
            (get_users, &[Scope::ReadOnly], true),
            (put_group, &[Scope::ReadOnly], false),
            (put_group, &[Scope::Users], true),
            (put_group, &[Scope::Users, Scope::ReadOnly], false),
            (put_group, &[Scope::Clients, Scope::Audit], false),
            (configuration, &[Scope::Users], false),
            (Purpose::of("GET", "/api/usersX"), &[Scope::Users], false),
        ] {
            assert_eq!(purpose.is_within(scopes), may, "{purpose:?} {scopes:?}");
        }
    }
}
