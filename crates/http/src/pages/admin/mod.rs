//! The administration: lists, and pages of one user, group, client, API, and the configuration.
//!
//! A page reads under the administrator's permission in one transaction; every change goes through the API.

mod access;
pub mod api_keys;
pub mod apis;
pub mod application_configuration;
mod client_claims;
pub mod client_diagnoses;
mod client_preview;
mod client_scim;
mod client_templates;
mod client_test;
mod images;
pub mod ldap;
pub mod list;
pub mod oidc_clients;
pub mod proxy_clients;
pub mod signup_tokens;
pub mod system;
pub mod user_groups;
pub mod users;

pub use list::ListView;

use pid_core::GroupId;
use pid_core::claims::CustomClaim;
use pid_core::groups::Group;
use pid_core::list::{ListRequest, Page};
use pid_core::roles::{Role, Roles};
use pid_flows::roles::ReadsPeople;
use pid_flows::{Error, groups};
use pid_store::ReadTx;

use crate::pages::key;

/// The most people or clients that a page offers in a select.
const ALL: i64 = 1000;

/// So many groups or clients are offered as check boxes; of more, those that are chosen, and a search for the others.
const FEW: i64 = 50;

/// Something that can be chosen: a group, a person or a client in a list of check boxes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Its id in the API.
    pub id: String,
    /// Its name.
    pub name: String,
    /// A second line, may be empty.
    pub hint: String,
    /// Whether it is chosen.
    pub on: bool,
    /// Whether it can't be changed here.
    pub fixed: bool,
    /// Whether it is kept when the form is saved though it is fixed.
    pub listed: bool,
}

/// Where a record comes from.
fn source(ldap_id: Option<&String>) -> &'static str {
    if ldap_id.is_some() { "LDAP" } else { "Local" }
}

/// A set of things of which some are chosen.
#[derive(Clone, Debug, Default)]
pub struct Choices {
    /// The boxes.
    pub shown: Vec<Choice>,
    /// Whether there are others that a search finds.
    pub more: bool,
}

impl Choices {
    /// What there is and what of it is chosen: all, if that is not too much, else what is chosen.
    fn new<T>(page: Page<T>, chosen: Vec<Choice>, choice: impl Fn(T) -> Choice) -> Self {
        let more = page.total > FEW;
        Self { shown: if more { chosen } else { page.items.into_iter().map(choice).collect() }, more }
    }

    /// Whether there is nothing to choose from.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shown.is_empty() && !self.more
    }
}

/// The groups that a page may show, by name.
fn some_groups() -> ListRequest {
    ListRequest { limit: FEW, sort: Some(("friendlyName".to_owned(), false)), ..ListRequest::default() }
}

/// A group as a choice.
fn group_choice(group: Group, on: bool) -> Choice {
    Choice { id: group.id.into_string(), name: group.friendly_name, hint: group.name, on, fixed: false, listed: false }
}

/// The groups of these ids as far as they exist, and the others if they are few: those that may be chosen.
fn default_groups(
    tx: &ReadTx<'_>,
    who: &ReadsPeople,
    ids: &[String],
    may_choose: impl Fn(&Group) -> bool,
) -> Result<Choices, Error> {
    let mut all = groups::list(tx, who, &some_groups())?;
    let mut chosen = Vec::new();
    if all.total > FEW {
        for id in ids {
            match groups::get(tx, who, &GroupId::new(id.clone())) {
                Ok(found) if !may_choose(&found.group) => {}
                Ok(found) => chosen.push(group_choice(found.group, true)),
                Err(error) if error.code.status() == 404 => {}
                Err(error) => return Err(error),
            }
        }
    }
    all.items.retain(|(group, ..)| may_choose(group));
    Ok(Choices::new(all, chosen, |(group, _, _)| {
        let on = ids.iter().any(|id| id == group.id.as_str());
        group_choice(group, on)
    }))
}

/// A role's name, as a key of the catalogue.
#[must_use]
pub fn role_word(role: Role) -> &'static str {
    match role {
        Role::UserManager => key("role-user-manager"),
        Role::Auditor => key("role-auditor"),
    }
}

/// A role that a person or a group may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleChoice {
    /// Its name in the API.
    pub name: &'static str,
    /// Its name in words.
    pub word: &'static str,
    /// What it allows, in words.
    pub hint: &'static str,
    /// Whether it is given.
    pub on: bool,
    /// The groups that give it as well, in words; may be empty.
    pub by_groups: String,
}

impl RoleChoice {
    /// All roles, with those that are given, and by which groups.
    #[must_use]
    pub fn all(own: Roles, groups: &[Group]) -> Vec<Self> {
        let choice = |role: Role| Self {
            name: role.as_str(),
            word: role_word(role),
            hint: match role {
                Role::UserManager => key("role-user-manager-hint"),
                Role::Auditor => key("role-auditor-hint"),
            },
            on: own.has(role),
            by_groups: groups
                .iter()
                .filter(|group| group.roles.has(role))
                .map(|group| group.friendly_name.as_str())
                .collect::<Vec<_>>()
                .join(", "),
        };
        Role::ALL.into_iter().map(choice).collect()
    }
}

/// The rows of custom claims with the keys that are in use elsewhere.
#[derive(Clone, Debug, Default)]
pub struct ClaimsView {
    /// Where they are saved.
    pub api: String,
    /// Where the resource that has them is read.
    pub read: String,
    /// The claims.
    pub claims: Vec<CustomClaim>,
    /// Keys in use anywhere.
    pub suggestions: Vec<String>,
    /// Whether they can only be read, though other things on the page can be changed.
    pub fixed: bool,
}
