//! The administration: lists, and pages of one user, group, client, API, and the configuration.
//!
//! A page reads under the administrator's permission in one transaction; every change goes through the API.

mod access;
pub mod api_keys;
pub mod apis;
pub mod application_configuration;
mod client_claims;
mod client_preview;
mod client_templates;
mod images;
mod list;
pub mod oidc_clients;
pub mod signup_tokens;
pub mod user_groups;
pub mod users;

pub use list::ListView;

use pid_core::claims::CustomClaim;
use pid_core::groups::Group;
use pid_core::list::{ListRequest, Page};

/// The most groups or clients that a page offers as check boxes.
const ALL: i64 = 1000;

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

/// All groups by name.
fn every_group() -> ListRequest {
    ListRequest { limit: ALL, sort: Some(("friendlyName".to_owned(), false)), ..ListRequest::default() }
}

/// Groups that may be chosen, and those that are.
fn group_choices(all: Page<(Group, Vec<CustomClaim>, i64)>, chosen: &[String]) -> Vec<Choice> {
    let choice = |group: Group| Choice {
        on: chosen.iter().any(|id| id == group.id.as_str()),
        id: group.id.into_string(),
        name: group.friendly_name,
        hint: group.name,
        fixed: false,
        listed: false,
    };
    all.items.into_iter().map(|(group, _, _)| choice(group)).collect()
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
}
