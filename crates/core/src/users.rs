//! People.

use crate::roles::Roles;
use crate::{Timestamp, UserId};

/// A person's account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// UUID; WebAuthn user handle and OIDC `sub`.
    pub id: UserId,
    /// Unique without regard to case.
    pub username: String,
    /// Unique after lower-casing, if present.
    pub email: Option<String>,
    /// Whether the address is proven.
    pub email_verified: bool,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
    /// May be empty.
    pub display_name: String,
    /// Whether the person administers this instance.
    pub is_admin: bool,
    /// What they may do besides, if they don't administer; their groups may give them more.
    pub roles: Roles,
    /// A disabled person cannot sign in and gets no tokens.
    pub disabled: bool,
    /// BCP 47 tag of the interface language, if chosen.
    pub locale: Option<String>,
    /// Set for people who come from a directory.
    pub ldap_id: Option<String>,
    /// When the account was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Raised by each change: the ETag of the resource.
    pub version: i64,
}

impl User {
    /// First and last name, trimmed.
    pub fn full_name(&self) -> String {
        format!("{} {}", self.first_name, self.last_name).trim().to_owned()
    }

    /// The name to show: display name, else full name, else username.
    pub fn shown_name(&self) -> String {
        let full = self.full_name();
        if !self.display_name.is_empty() {
            self.display_name.clone()
        } else if !full.is_empty() {
            full
        } else {
            self.username.clone()
        }
    }
}
