//! SCIM 2.0 as this server speaks it, which is as a client: what a target is told of people and groups (RFC 7643 §4),
//! what it answers (RFC 7644 §3), and when the two say the same. [`plan`] decides what is to be done.

mod lenient;
pub mod plan;
mod remote;

use serde::Serialize;

use crate::secret::sha256;

pub use remote::{ListResponse, MAX_REMOTE_ID, Remote, Shape, scim_type};

/// The schema of a person (RFC 7643 §4.1).
const USER_SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// The schema of a group (RFC 7643 §4.2).
const GROUP_SCHEMA: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

/// What kind of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A person.
    User,
    /// A group.
    Group,
}

impl Kind {
    /// The name in the store and on our wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Group => "group",
        }
    }

    /// The endpoint below a target's address (RFC 7644 §3.2).
    pub fn path(self) -> &'static str {
        match self {
            Self::User => "Users",
            Self::Group => "Groups",
        }
    }
}

/// A person as a target is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// Our id: `externalId`.
    pub id: String,
    /// `userName`.
    pub user_name: String,
    /// `name.givenName`.
    pub given_name: String,
    /// `name.familyName`.
    pub family_name: String,
    /// `displayName`.
    pub display_name: String,
    /// The one address of `emails`.
    pub email: Option<String>,
    /// Whether they may sign in.
    pub active: bool,
}

/// A group as a target is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Team {
    /// Our id: `externalId`.
    pub id: String,
    /// `displayName`.
    pub display_name: String,
    /// The members by the target's own ids, sorted, each once.
    pub members: Vec<String>,
}

/// A resource as a target should have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A person.
    Person(Person),
    /// A group.
    Team(Team),
}

/// What two states are compared by.
pub type Digest = [u8; 32];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UserBody<'a> {
    schemas: [&'static str; 1],
    external_id: &'a str,
    user_name: &'a str,
    #[serde(skip_serializing_if = "NameBody::is_empty")]
    name: NameBody<'a>,
    #[serde(skip_serializing_if = "str::is_empty")]
    display_name: &'a str,
    active: bool,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    emails: &'a [EmailBody<'a>],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NameBody<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    given_name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    family_name: &'a str,
}

impl NameBody<'_> {
    fn is_empty(&self) -> bool {
        self.given_name.is_empty() && self.family_name.is_empty()
    }
}

#[derive(Serialize)]
struct EmailBody<'a> {
    value: &'a str,
    primary: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupBody<'a> {
    schemas: [&'static str; 1],
    external_id: &'a str,
    display_name: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    members: Vec<MemberBody<'a>>,
}

#[derive(Serialize)]
struct MemberBody<'a> {
    value: &'a str,
}

/// JSON of texts and flags, which can't fail.
fn bytes(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

impl Person {
    /// What it says, but for the ids.
    fn digest(&self) -> Digest {
        let names = [&self.user_name, &self.given_name, &self.family_name, &self.display_name];
        sha256(&bytes(&(names, &self.email, self.active)))
    }
}

impl Team {
    fn digest(&self) -> Digest {
        sha256(&bytes(&(&self.display_name, &self.members)))
    }
}

impl Wanted {
    /// What kind it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Person(_) => Kind::User,
            Self::Team(_) => Kind::Group,
        }
    }

    /// Our id.
    pub fn id(&self) -> &str {
        match self {
            Self::Person(person) => &person.id,
            Self::Team(team) => &team.id,
        }
    }

    /// The name that it has at the target.
    pub fn name(&self) -> &str {
        match self {
            Self::Person(person) => &person.user_name,
            Self::Team(team) => &team.display_name,
        }
    }

    /// What it says, but for the ids.
    pub fn digest(&self) -> Digest {
        match self {
            Self::Person(person) => person.digest(),
            Self::Team(team) => team.digest(),
        }
    }

    /// The body of a request that creates or replaces it.
    pub fn body(&self) -> Vec<u8> {
        match self {
            Self::Person(p) => {
                let email = p.email.as_deref().map(|value| EmailBody { value, primary: true });
                bytes(&UserBody {
                    schemas: [USER_SCHEMA],
                    external_id: &p.id,
                    user_name: &p.user_name,
                    name: NameBody { given_name: &p.given_name, family_name: &p.family_name },
                    display_name: &p.display_name,
                    active: p.active,
                    emails: email.as_slice(),
                })
            }
            Self::Team(t) => bytes(&GroupBody {
                schemas: [GROUP_SCHEMA],
                external_id: &t.id,
                display_name: &t.display_name,
                members: t.members.iter().map(|value| MemberBody { value }).collect(),
            }),
        }
    }
}

/// Names of groups for a target, where they may have to be unique without regard to case: a name that an earlier group
/// has already is told apart by the group's own, unique name. Pairs of friendly and unique name, the oldest group first.
pub fn display_names(groups: &[(&str, &str)]) -> Vec<String> {
    let mut taken = std::collections::BTreeSet::new();
    let mut named = Vec::with_capacity(groups.len());
    for (friendly, unique) in groups {
        let mut name = (*friendly).to_owned();
        while !taken.insert(crate::validate::key(&name)) {
            name = format!("{name} ({unique})");
        }
        named.push(name);
    }
    named
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn body(wanted: &Wanted) -> Value {
        serde_json::from_slice(&wanted.body()).unwrap()
    }

    #[test]
    fn bodies_say_what_there_is() {
        let ann = Person {
            id: "u1".into(),
            user_name: "ann".into(),
            given_name: "Ann".into(),
            family_name: "Lee".into(),
            display_name: "Ann Lee".into(),
            email: Some("ann@example.com".into()),
            active: true,
        };
        let whole = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "externalId": "u1", "userName": "ann",
            "name": { "givenName": "Ann", "familyName": "Lee" }, "displayName": "Ann Lee", "active": true,
            "emails": [{ "value": "ann@example.com", "primary": true }]
        });
        assert_eq!(body(&Wanted::Person(ann)), whole);
        let bare = Person { id: "u2".into(), user_name: "bob".into(), ..Person::default() };
        let schemas = json!(["urn:ietf:params:scim:schemas:core:2.0:User"]);
        let expected = json!({ "schemas": schemas, "externalId": "u2", "userName": "bob", "active": false });
        assert_eq!(body(&Wanted::Person(bare)), expected);
        let team = Team { id: "g1".into(), display_name: "Staff".into(), members: vec!["7".into()] };
        let schemas = json!(["urn:ietf:params:scim:schemas:core:2.0:Group"]);
        let expected =
            json!({ "schemas": schemas, "externalId": "g1", "displayName": "Staff", "members": [{ "value": "7" }] });
        assert_eq!(body(&Wanted::Team(team.clone())), expected);
        let empty = Team { members: vec![], ..team };
        assert_eq!(body(&Wanted::Team(empty)).get("members"), None);
    }

    #[test]
    fn names_of_groups_do_not_collide() {
        let groups = [("Staff", "staff"), ("staff", "staff-2"), ("Ops", "ops"), ("Staff", "s3")];
        assert_eq!(display_names(&groups), ["Staff", "staff (staff-2)", "Ops", "Staff (s3)"]);
        let sly = [("Staff (s3)", "a"), ("Staff", "b"), ("Staff", "s3")];
        assert_eq!(display_names(&sly), ["Staff (s3)", "Staff", "Staff (s3) (s3)"]);
    }
}
