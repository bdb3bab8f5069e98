//! What a file declares: settings, groups, people, clients. Carrying it out ([`apply`]) goes through the same rules as the API;
//! what is declared is then left alone by everybody else ([`check`]), and is still known when a later file lacks it.

mod apply;
mod clients;
mod file;
mod people;
mod prune;
mod written;

use pid_core::settings::{Rule, Settings, setting};
use pid_core::validate::nfc;
use pid_store::declared as store;
use pid_store::{ReadTx, WriteTx};
use serde_json::Value;

use crate::{Code, Error};

pub use apply::{Applied, Did, Done, Plan, Secret, apply};
pub use file::{ClientDeclared, Declaration, GroupDeclared, SecretFile, UserDeclared, read, schema};
pub use written::{content, written};

/// What can be declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A key of the configuration.
    Setting,
    /// A group.
    Group,
    /// A person.
    User,
    /// A client.
    Client,
}

impl Kind {
    /// Every kind, in the order in which things are made: groups before what names them.
    pub const ALL: [Self; 4] = [Self::Group, Self::Setting, Self::User, Self::Client];

    /// Its word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Setting => "setting",
            Self::Group => "group",
            Self::User => "user",
            Self::Client => "client",
        }
    }
}

/// A part of something that is declared, and can be without the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// What it is. Whatever is declared has it.
    Fields,
    /// A person's groups, or a client's allowed ones.
    Groups,
    /// Custom claims.
    Claims,
    /// A client's secret.
    Secret,
}

impl Part {
    const ALL: [Self; 4] = [Self::Fields, Self::Groups, Self::Claims, Self::Secret];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Fields => "fields",
            Self::Groups => "groups",
            Self::Claims => "claims",
            Self::Secret => "secret",
        }
    }
}

/// Which parts of something are declared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts(Vec<Part>);

impl Parts {
    /// Whether a part is among them.
    #[must_use]
    pub fn has(&self, part: Part) -> bool {
        self.0.contains(&part)
    }

    /// Whether anything is.
    #[must_use]
    pub fn any(&self) -> bool {
        !self.0.is_empty()
    }

    fn from_words(words: &str) -> Self {
        Self(Part::ALL.into_iter().filter(|part| words.split(' ').any(|word| word == part.as_str())).collect())
    }

    fn to_words(&self) -> String {
        self.0.iter().map(|part| part.as_str()).collect::<Vec<_>>().join(" ")
    }
}

/// Which parts of something are declared.
pub fn parts(tx: &ReadTx<'_>, kind: Kind, id: &str) -> Result<Parts, Error> {
    Ok(store::get(tx, kind.as_str(), id)?.map(|one| Parts::from_words(&one.parts)).unwrap_or_default())
}

/// The keys of the configuration that are declared.
pub fn settings(tx: &ReadTx<'_>) -> Result<Vec<String>, Error> {
    let all = store::of_kind(tx, Kind::Setting.as_str())?;
    Ok(all.into_iter().filter(|one| !one.parts.is_empty()).map(|one| one.id).collect())
}

fn refusal(what: &str) -> Error {
    Error::new(Code::Declared).detail("declared", what)
}

/// Refuses to change what is declared, but by the declaration itself.
pub(crate) fn check(tx: &WriteTx<'_>, kind: Kind, id: &str, part: Part) -> Result<(), Error> {
    if tx.declares() || !parts(tx, kind, id)?.has(part) { Ok(()) } else { Err(refusal(part.as_str())) }
}

/// The same for settings: those that would be other ones.
pub(crate) fn check_settings(
    tx: &WriteTx<'_>,
    current: &Settings,
    changes: &[(&'static str, Option<String>)],
) -> Result<(), Error> {
    if tx.declares() {
        return Ok(());
    }
    let declared = settings(tx)?;
    let other = |(key, value): &&(&'static str, Option<String>)| {
        let default = setting(key).map_or("", |setting| setting.default);
        declared.iter().any(|known| known == key) && !is_same(current, key, value.as_deref().unwrap_or(default))
    };
    let refused: Vec<&str> = changes.iter().filter(other).map(|(key, _)| *key).collect();
    if refused.is_empty() { Ok(()) } else { Err(refusal(&refused.join(" "))) }
}

/// Whether a setting has a value; lists are compared as lists, however they are written.
fn is_same(current: &Settings, key: &str, value: &str) -> bool {
    let Some(known) = setting(key) else { return false };
    let value = match known.rule {
        _ if value.is_empty() => known.default.to_owned(),
        Rule::Name => nfc(value),
        _ => value.to_owned(),
    };
    let stored = current.get(key);
    let parsed = |text: &str| serde_json::from_str::<Value>(text).ok().filter(|value| value.is_array());
    stored == value || parsed(stored).is_some_and(|stored| parsed(&value) == Some(stored))
}
