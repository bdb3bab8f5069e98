//! What somebody may do besides what everybody may: administrators everything, others what their roles say.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A part of the administration that is given to people and groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Manages users, groups, login codes and sign-up tokens, but nobody who has any rights, and no group that gives some.
    UserManager,
    /// Reads everything but secrets, and changes nothing.
    Auditor,
}

impl Role {
    /// Every role, in the order in which they are listed.
    pub const ALL: [Self; 2] = [Self::UserManager, Self::Auditor];

    /// The name on the wire and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UserManager => "user-manager",
            Self::Auditor => "auditor",
        }
    }

    fn bit(self) -> u8 {
        match self {
            Self::UserManager => 1,
            Self::Auditor => 2,
        }
    }
}

/// A set of roles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Vec<Role>", into = "Vec<Role>")]
#[schemars(with = "Vec<Role>")]
pub struct Roles(u8);

/// Stands for names in the store that this version doesn't know. They give nothing, but who has them has something.
const UNKNOWN: u8 = 0x80;

impl Roles {
    /// No role.
    pub const NONE: Self = Self(0);

    /// Whether a role is among them.
    pub fn has(self, role: Role) -> bool {
        self.0 & role.bit() != 0
    }

    /// These and those.
    #[must_use]
    pub fn and(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }

    /// Whether all of those are among these.
    pub fn cover(self, others: Self) -> bool {
        self.and(others) == self
    }

    /// These as somebody asked for them who was told those: asked for nothing else, those stay, with what this version
    /// doesn't know.
    #[must_use]
    pub fn asked_of(self, before: Self) -> Self {
        if self.0 == before.0 & !UNKNOWN { before } else { self }
    }

    /// Whether there is none, known or not.
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if hands a reference")]
    pub fn is_none(&self) -> bool {
        *self == Self::NONE
    }

    /// The roles, in the order of [`Role::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Role> {
        Role::ALL.into_iter().filter(move |role| self.has(*role))
    }

    /// As the store keeps them: names parted by blanks. What this version doesn't know is not named.
    pub fn to_words(self) -> String {
        self.iter().map(Role::as_str).collect::<Vec<_>>().join(" ")
    }

    /// From what the store keeps. A name that this version doesn't know gives nothing.
    pub fn from_words(words: &str) -> Self {
        let bit = |word| Role::ALL.into_iter().find(|role| role.as_str() == word).map_or(UNKNOWN, Role::bit);
        Self(words.split_whitespace().fold(0, |bits, word| bits | bit(word)))
    }
}

impl FromIterator<Role> for Roles {
    fn from_iter<T: IntoIterator<Item = Role>>(roles: T) -> Self {
        Self(roles.into_iter().fold(0, |bits, role| bits | role.bit()))
    }
}

impl From<Vec<Role>> for Roles {
    fn from(roles: Vec<Role>) -> Self {
        roles.into_iter().collect()
    }
}

impl From<Roles> for Vec<Role> {
    fn from(roles: Roles) -> Self {
        roles.iter().collect()
    }
}

/// All that somebody may do: as an administrator, or by their own roles and those of their groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Powers {
    /// Everything.
    pub is_admin: bool,
    /// What is given by person and by group.
    pub roles: Roles,
}

impl Powers {
    /// Whether they change people and groups, as far as these are within their reach.
    pub fn manage_people(self) -> bool {
        self.is_admin || self.roles.has(Role::UserManager)
    }

    /// Whether they see everything that administrators see.
    pub fn read_all(self) -> bool {
        self.is_admin || self.roles.has(Role::Auditor)
    }

    /// Whether they see people and groups.
    pub fn read_people(self) -> bool {
        self.manage_people() || self.read_all()
    }

    /// Whether who has these may change somebody, or a group, with those: user managers change nobody who has any, not even
    /// their own, or one of them could act as another, and keep what they were given when it is taken from them.
    pub fn reach(self, others: Self) -> bool {
        self.is_admin || self.manage_people() && !others.is_admin && others.roles.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANAGER: Powers = Powers { is_admin: false, roles: Roles(1) };
    const AUDITOR: Powers = Powers { is_admin: false, roles: Roles(2) };
    const BOTH: Powers = Powers { is_admin: false, roles: Roles(3) };
    const ADMIN: Powers = Powers { is_admin: true, roles: Roles::NONE };
    const NOBODY: Powers = Powers { is_admin: false, roles: Roles::NONE };

    #[test]
    fn names_survive_the_store_and_the_wire() {
        for roles in [NOBODY.roles, MANAGER.roles, AUDITOR.roles, BOTH.roles] {
            assert_eq!(Roles::from_words(&roles.to_words()), roles);
            let wire = serde_json::to_string(&roles).unwrap();
            assert_eq!(serde_json::from_str::<Roles>(&wire).unwrap(), roles, "{wire}");
        }
        assert_eq!(BOTH.roles.to_words(), "user-manager auditor");
        let newer = Roles::from_words("emperor auditor");
        assert_eq!(newer.iter().collect::<Vec<_>>(), [Role::Auditor], "what is not known gives nothing");
        assert!(!Roles::from_words("emperor").is_none(), "but it is something");
        assert_eq!(AUDITOR.roles.asked_of(newer), newer, "nothing else is asked for");
        assert_eq!(BOTH.roles.asked_of(newer), BOTH.roles);
        assert_eq!(Roles::NONE.asked_of(AUDITOR.roles), Roles::NONE);
        assert!(serde_json::from_str::<Roles>(r#"["emperor"]"#).is_err());
        for role in Role::ALL {
            assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
        }
    }

    #[test]
    fn who_reaches_whom() {
        let all = [NOBODY, MANAGER, AUDITOR, BOTH, ADMIN];
        let reach = |who: Powers| all.map(|other| who.reach(other));
        assert_eq!(reach(NOBODY), [false; 5]);
        assert_eq!(reach(MANAGER), [true, false, false, false, false]);
        assert_eq!(reach(AUDITOR), [false; 5]);
        assert_eq!(reach(BOTH), [true, false, false, false, false]);
        assert_eq!(reach(ADMIN), [true; 5]);
        assert!(
            !MANAGER.reach(Powers { is_admin: false, roles: Roles::from_words("emperor") }),
            "a newer version's role"
        );
        assert_eq!(all.map(Powers::manage_people), [false, true, false, true, true]);
        assert_eq!(all.map(Powers::read_all), [false, false, true, true, true]);
        assert_eq!(all.map(Powers::read_people), [false, true, true, true, true]);
    }
}
