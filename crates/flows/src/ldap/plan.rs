//! The difference between a directory and what is here, made while the directory is read. No store, no network: entries
//! go in, a plan comes out.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};

use pid_core::ldap::{Directory, Entry, FoundGroup, FoundPerson, dn_key, print};
use pid_core::secret::sha256;
use pid_core::users::User;
use pid_core::validate::key;
use pid_core::{GroupId, UserId};

use super::Line;

mod finish;
mod reading;

/// Entries of people, at most.
const MOST_PEOPLE: usize = 500_000;
/// Entries of groups, at most.
const MOST_GROUPS: usize = 100_000;
/// Memberships, at most, nested ones included.
const MOST_MEMBERS: usize = 5_000_000;
/// Names of members that are looked up one by one.
const MOST_LOOKUPS: usize = 5000;
/// Names of members that are remembered until it is known which of them are groups.
const MOST_NAMES: usize = 2 * MOST_GROUPS;

/// A text by a part of its hash, which is shorter.
type Mark = [u8; 16];

fn mark(text: &str) -> Mark {
    let mut out = [0; 16];
    out.copy_from_slice(&sha256(text.as_bytes())[..16]);
    out
}

/// The directory has more than is taken over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the directory has too many {0}")]
pub struct TooMuch(pub &'static str);

/// A person of the directory as they are here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownPerson {
    /// The account.
    pub id: UserId,
    /// What they are called, as a mark.
    pub username: Mark,
    /// The print of its fields.
    pub print: Mark,
    /// Whether they administer.
    pub is_admin: bool,
    /// Whether they are disabled.
    pub disabled: bool,
    /// The name of their entry when it was read last.
    pub dn: Option<Mark>,
}

impl KnownPerson {
    /// A person with the name of their entry.
    pub fn new(u: &User, dn: Option<&str>) -> Self {
        Self {
            id: u.id.clone(),
            dn: dn.and_then(dn_key).map(|dn| mark(&dn)),
            username: mark(&key(&u.username)),
            print: print(
                &u.username,
                u.email.as_deref(),
                u.email_verified,
                &u.first_name,
                &u.last_name,
                &u.display_name,
            ),
            is_admin: u.is_admin,
            disabled: u.disabled,
        }
    }
}

/// A group of the directory as it is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownGroup {
    /// The group.
    pub id: GroupId,
    /// Its name.
    pub name: String,
    /// Its name for people.
    pub friendly_name: String,
    /// The name of its entry when it was read last.
    pub dn: Option<Mark>,
}

impl KnownGroup {
    /// A group with the name of its entry.
    pub fn new(id: GroupId, name: String, friendly_name: String, dn: Option<&str>) -> Self {
        Self { id, name, friendly_name, dn: dn.and_then(dn_key).map(|dn| mark(&dn)) }
    }
}

/// What is here, by the identifiers in the directory.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// People.
    pub people: HashMap<String, KnownPerson>,
    /// Groups.
    pub groups: HashMap<String, KnownGroup>,
}

/// Somebody who was found. Memberships name them by their place in the list of seats.
#[derive(Clone, Debug)]
struct Seat {
    ldap_id: Box<str>,
    /// The entry was refused, or can't be read: the account stays as it is.
    is_refused: bool,
}

/// Where an entry of a person or group is that the search did not find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whereabouts {
    /// There, though not among what is searched for.
    There(Entry),
    /// There, but nothing of it may be read.
    Hidden,
    /// Nowhere.
    Gone,
    /// Nobody can say.
    Untold,
}

/// Who administers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admins {
    /// How many of the directory's people do, and are not disabled.
    pub before: usize,
    /// How many would.
    pub after: usize,
    /// Who would cease to, by their identifiers, in their order.
    pub lost: Vec<String>,
}

/// A person who is to be created, changed or enabled.
#[derive(Clone, Debug)]
pub struct PersonChange {
    /// Their place.
    pub seat: u32,
    /// Their identifier in the directory.
    pub ldap_id: String,
    /// Their name there, for reports about who has none here.
    pub dn: String,
    /// Their details, if they differ.
    pub found: Option<FoundPerson>,
    /// Whether they administer; `None`: as before.
    pub is_admin: Option<bool>,
}

/// A group that was found, with its members.
#[derive(Clone, Debug)]
pub struct GroupChange {
    /// Its identifier in the directory.
    pub ldap_id: String,
    /// What it is called.
    pub found: FoundGroup,
    /// The name of its entry.
    pub dn: String,
    /// The group here, if there is one.
    pub known: Option<GroupId>,
    /// Whether names differ, or it is new.
    pub differs: bool,
    /// The seats of its members, ascending.
    pub members: Vec<u32>,
    /// Not all members are known: nobody is taken out of it.
    pub is_partial: bool,
}

/// What is to be done.
#[derive(Debug, Default)]
pub struct Plan {
    /// People to be created, changed or enabled.
    pub people: Vec<PersonChange>,
    /// People who are gone, by their identifiers.
    pub gone: Vec<String>,
    /// Groups, all that were found.
    pub groups: Vec<GroupChange>,
    /// Groups that are gone, by their identifiers.
    pub gone_groups: Vec<String>,
    /// What was passed over already.
    pub skipped: Vec<Line>,
    /// The accounts of the seats, as far as there are.
    pub accounts: Vec<Option<UserId>>,
    /// People that are here and count, and groups: what the shares that go are of.
    pub of: (usize, usize),
    /// How many people, and how many entries of groups, were read.
    pub found: (u64, u64),
    /// Members that are nobody we know.
    pub unknown_members: u64,
    /// Who administers.
    pub admins: Admins,
    /// Names of entries that are not those that are stored here: whether it is a group, its identifier, the name.
    pub names: Vec<(bool, String, String)>,
}

/// A group that was read.
#[derive(Debug, Default)]
struct ReadGroup {
    /// `None`: it is not taken over, but groups may have it as a member.
    found: Option<FoundGroup>,
    members: Vec<u32>,
    /// Members that are no person's name: whether it is that of an entry, or a username.
    others: Vec<(Mark, bool)>,
    /// The name of its entry.
    dn: String,
    /// Its members can't be read.
    is_partial: bool,
}

/// A directory as far as it was read.
pub struct Reading<'a> {
    directory: &'a Directory,
    known: Known,
    /// Who and what is here by the names of their entries and by what they are called, as soon as anybody asks.
    here: OnceCell<[Names; 2]>,
    seats: Vec<Seat>,
    by_id: HashMap<Mark, u32>,
    by_dn: HashMap<Mark, u32>,
    /// Whether it is who has the name here; `None`: several have it, and none of them has it here.
    by_name: HashMap<Mark, Option<(u32, bool)>>,
    /// People whose entries were refused, by what they are called here.
    refused_here: HashMap<Mark, u32>,
    /// The same by what their entries call them.
    refused_there: HashMap<Mark, Option<u32>>,
    changes: Vec<PersonChange>,
    groups: Vec<ReadGroup>,
    group_by_dn: HashMap<Mark, usize>,
    group_ids: HashSet<String>,
    /// Identifiers that several entries have.
    twice: HashSet<String>,
    /// Entries of people, and of groups, of which nothing says whose they are.
    nameless: [usize; 2],
    /// Names of members that are no people, in the order in which they came.
    others: Vec<(Mark, String)>,
    remembered: HashSet<Mark>,
    resolved: HashMap<Mark, u32>,
    /// Names that are nobody's, as is known for sure.
    nobody: HashSet<Mark>,
    memberships: usize,
    skipped: Vec<Line>,
    names: Vec<(bool, String, String)>,
    found: (u64, u64),
}

/// Identifiers by the marks of names.
#[derive(Debug, Default)]
struct Names {
    by_dn: HashMap<Mark, String>,
    by_name: HashMap<Mark, String>,
}

/// Seats of a group's members, and whether there may be more.
type Members = (Vec<u32>, bool);

#[cfg(test)]
mod tests;
