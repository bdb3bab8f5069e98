//! Synchronising with a directory (LDAP, api.md §20.6; ops.md §7.1).
//!
//! What the directory has is read into a [`Reading`], which keeps of everybody who has not changed no more than a print.
//! From it comes a [`Plan`], whose size is that of the difference. It is applied in small transactions, so that sign-ins go on
//! meanwhile, and an entry that can't be stored is passed over with a reason. A dry run is the same, but for what it
//! [acts](Act) on.

pub mod groups;
pub mod imagined;
pub mod people;
pub mod plan;
pub mod runs;

use serde::{Deserialize, Serialize};

pub use imagined::{Act, Imagined};
pub use plan::{Known, KnownGroup, KnownPerson, Plan, Reading, TooMuch, Whereabouts};

use pid_core::ldap::Reason;
use schemars::JsonSchema;

/// How many people were treated how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(rename = "LdapUserCounts")]
pub struct PeopleCounts {
    /// Entries of people that were read.
    pub found: u64,
    /// New accounts.
    pub created: u64,
    /// Accounts whose details changed.
    pub changed: u64,
    /// Accounts that were disabled and are found again.
    pub enabled: u64,
    /// Accounts that are gone from the directory and were disabled.
    pub disabled: u64,
    /// Accounts that are gone from the directory and were deleted.
    pub deleted: u64,
    /// Entries that were passed over.
    pub skipped: u64,
    /// Pictures that were made anew or taken away.
    pub pictures: u64,
}

/// How many groups were treated how.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(rename = "LdapGroupCounts")]
pub struct GroupCounts {
    /// Entries of groups that were read.
    pub found: u64,
    /// New groups.
    pub created: u64,
    /// Groups whose name or members changed.
    pub changed: u64,
    /// Groups that are gone from the directory and were deleted.
    pub deleted: u64,
    /// Entries that were passed over.
    pub skipped: u64,
    /// Memberships that came.
    pub members_added: u64,
    /// Memberships that went.
    pub members_removed: u64,
    /// Members that are none of the people who were read.
    pub members_unknown: u64,
}

/// What a run did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(rename = "LdapCounts")]
pub struct Counts {
    /// People.
    pub users: PeopleCounts,
    /// Groups.
    pub groups: GroupCounts,
}

/// What was done about an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// A new account or group.
    Created,
    /// Changed details, members or picture.
    Changed,
    /// Found again.
    Enabled,
    /// Gone, disabled.
    Disabled,
    /// Gone, deleted.
    Deleted,
    /// Passed over, wholly or in part.
    Skipped,
}

impl Action {
    /// All, in the order of a report.
    pub const ALL: [Self; 6] =
        [Self::Created, Self::Changed, Self::Enabled, Self::Disabled, Self::Deleted, Self::Skipped];

    /// The word in the store and on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Changed => "changed",
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Deleted => "deleted",
            Self::Skipped => "skipped",
        }
    }
}

/// A line of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Whether it is about a group.
    pub is_group: bool,
    /// What was done.
    pub action: Action,
    /// The username or the group's name; of what has none here, its name in the directory.
    pub name: String,
    /// The account or group here.
    pub subject_id: Option<String>,
    /// Why it was passed over, or the names of what changed.
    pub detail: String,
}

impl Line {
    /// An entry that was passed over.
    pub fn skipped(is_group: bool, name: &str, reason: Reason) -> Self {
        let detail = reason.as_str().to_owned();
        // A name of a directory may have anything in it, such as what no store takes.
        let name = name.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
        Self { is_group, action: Action::Skipped, name, subject_id: None, detail }
    }
}

impl Counts {
    /// Counts a line.
    pub fn add(&mut self, line: &Line) {
        let counter = match (line.is_group, line.action) {
            (false, Action::Created) => &mut self.users.created,
            (false, Action::Changed) => &mut self.users.changed,
            (false, Action::Enabled) => &mut self.users.enabled,
            (false, Action::Disabled) => &mut self.users.disabled,
            (false, Action::Deleted) => &mut self.users.deleted,
            (false, Action::Skipped) => &mut self.users.skipped,
            (true, Action::Created) => &mut self.groups.created,
            (true, Action::Deleted) => &mut self.groups.deleted,
            (true, Action::Skipped) => &mut self.groups.skipped,
            (true, Action::Changed | Action::Enabled | Action::Disabled) => &mut self.groups.changed,
        };
        *counter += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_a_report_can_be_stored() {
        let line = Line::skipped(false, "cn=a\0b\n,dc=x", Reason::NoEmail);
        assert_eq!((line.name.as_str(), line.detail.as_str()), ("cn=a b ,dc=x", "no_email"));
    }
}
