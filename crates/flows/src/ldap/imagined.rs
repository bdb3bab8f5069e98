//! A dry run: what would have been done so far. Rules decide by this before they look into the store, and note there what they
//! would have written, so that each decision is that of a real run at the same place.

use std::collections::{HashMap, HashSet};

use pid_core::UserId;
use pid_core::groups::Group;
use pid_core::users::User;
use pid_core::validate::key;
use pid_store::{ReadTx, WriteTx, settings, users};

use crate::Error;

/// What is different from what is stored.
#[derive(Debug, Default)]
pub struct Imagined {
    /// Who has a name or address, by their identifiers in the directory; `None`: nobody any more. See [`Name`].
    held: HashMap<String, Option<String>>,
    /// What was there before, while a trial is under way.
    undo: Option<Vec<(String, Option<Option<String>>)>>,
    /// Who administers and can sign in; `None`: as it is stored.
    admins: Option<HashSet<UserId>>,
    /// People who would be new, by their identifiers.
    people: HashMap<String, User>,
}

/// Something that only one can be called.
#[derive(Clone, Copy, Debug)]
pub enum Name<'a> {
    /// A username.
    User(&'a str),
    /// An address.
    Email(&'a str),
    /// A group's name.
    Group(&'a str),
}

impl Name<'_> {
    fn key(self) -> String {
        match self {
            Self::User(name) => key(name),
            Self::Email(address) => format!("@{}", key(address)),
            Self::Group(name) => format!("#{name}"),
        }
    }
}

impl Imagined {
    /// Nothing done yet.
    pub fn new(tx: &ReadTx<'_>) -> Result<Self, Error> {
        let admins = users::admins_who_can_sign_in(tx, &settings::load(tx)?.passkey_policy().at_use())?;
        Ok(Self { admins: Some(admins.into_iter().collect()), ..Self::default() })
    }

    /// Who has a name: `Some(None)` nobody any more, `None` whoever the store says.
    pub(super) fn holder(&self, name: Name<'_>) -> Option<Option<&str>> {
        self.held.get(&name.key()).map(Option::as_deref)
    }

    /// Somebody who would be new.
    pub(super) fn person(&self, ldap_id: &str) -> Option<&User> {
        self.people.get(ldap_id)
    }

    /// Whether nobody else who administers could sign in; `None`: as the store says.
    pub(super) fn is_last_admin(&self, user: &UserId) -> Option<bool> {
        self.admins.as_ref().map(|admins| !admins.iter().any(|admin| admin != user))
    }

    fn set(&mut self, name: Name<'_>, holder: Option<&str>) {
        let key = name.key();
        let before = self.held.insert(key.clone(), holder.map(str::to_owned));
        if let Some(undo) = &mut self.undo {
            undo.push((key, before));
        }
    }

    /// What is noted from now on is a trial.
    pub(super) fn begin_trial(&mut self) {
        self.undo = Some(Vec::new());
    }

    /// Takes a trial back.
    pub(super) fn end_trial(&mut self) {
        for (key, before) in self.undo.take().unwrap_or_default().into_iter().rev() {
            match before {
                Some(before) => _ = self.held.insert(key, before),
                None => _ = self.held.remove(&key),
            }
        }
    }

    /// Somebody gives their names up.
    pub(super) fn free(&mut self, user: &User) {
        self.set(Name::User(&user.username), None);
        if let Some(email) = &user.email {
            self.set(Name::Email(email), None);
        }
    }

    /// Somebody is called so from now on.
    pub(super) fn give(&mut self, ldap_id: &str, user: &User) {
        self.set(Name::User(&user.username), Some(ldap_id));
        if let Some(email) = &user.email {
            self.set(Name::Email(email), Some(ldap_id));
        }
    }

    /// Somebody is this from now on; `after`: `None` if they are gone.
    pub(super) fn note(
        &mut self,
        tx: &ReadTx<'_>,
        ldap_id: &str,
        before: Option<&User>,
        after: Option<&User>,
    ) -> Result<(), Error> {
        if let Some(before) = before {
            self.free(before);
        }
        if let Some(after) = after {
            self.give(ldap_id, after);
            if before.is_none() {
                self.people.insert(ldap_id.to_owned(), after.clone());
            }
        }
        let administers = |user: Option<&User>| user.is_some_and(|user| user.is_admin && !user.disabled);
        let Some(user) = before else { return Ok(()) };
        match (administers(before), administers(after)) {
            (true, false) => {
                if let Some(admins) = &mut self.admins {
                    admins.remove(&user.id);
                }
            }
            (false, true) => {
                let policy = settings::load(tx)?.passkey_policy().at_use();
                if users::can_sign_in(tx, &user.id, &policy)?
                    && let Some(admins) = &mut self.admins
                {
                    admins.insert(user.id.clone());
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// A group is called so from now on.
    pub(super) fn note_group(&mut self, ldap_id: &str, before: Option<&Group>, after: Option<&Group>) {
        if let Some(before) = before {
            self.set(Name::Group(&before.name), None);
        }
        if let Some(after) = after {
            self.set(Name::Group(&after.name), Some(ldap_id));
        }
    }
}

/// What a rule acts on: the store, or what a dry run imagines.
#[allow(missing_debug_implementations, reason = "a transaction has nothing to show")]
pub enum Act<'a, 'b> {
    /// The store.
    Do(&'a WriteTx<'b>),
    /// Only this.
    Imagine(&'a ReadTx<'b>, &'a mut Imagined),
}

impl<'b> Act<'_, 'b> {
    /// What is read.
    pub(super) fn read(&self) -> &ReadTx<'b> {
        match self {
            Self::Do(tx) => tx,
            Self::Imagine(tx, _) => tx,
        }
    }

    /// Runs what decides, with what is imagined; with nothing, where the store says all.
    pub(super) fn decide<T>(&self, rule: impl FnOnce(&ReadTx<'b>, &Imagined) -> Result<T, Error>) -> Result<T, Error> {
        match self {
            Self::Do(tx) => rule(tx, &Imagined::default()),
            Self::Imagine(tx, imagined) => rule(tx, imagined),
        }
    }
}
