//! User groups.

use crate::roles::Roles;
use crate::{GroupId, Timestamp};

/// A group of people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// UUID.
    pub id: GroupId,
    /// The value in the OIDC `groups` claim. Unique.
    pub name: String,
    /// The name for people.
    pub friendly_name: String,
    /// Set for groups that come from a directory.
    pub ldap_id: Option<String>,
    /// What its members may do.
    pub roles: Roles,
    /// When the group was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Raised by each change: the ETag of the resource.
    pub version: i64,
}
