//! Who may do what besides administrators: user managers and auditors.
//!
//! As in [`access`](crate::access), permission is a value that only the check in the same transaction hands out:
//! [`ReadsAll`] and [`ReadsPeople`] to look, [`ManagesPeople`] to change. Changing somebody, or a group, needs more: a
//! [`ManagedUser`] or [`ManagedGroup`], which a [`ManagesPeople`] gives for what is within its reach. User managers reach
//! nobody who has any rights (not even themselves) and no group that gives some; only administrators
//! [`grant`](ManagesPeople::grant).
//!
//! Nobody else can make one of them, so what asks for one can't be called without the check:
//!
//! ```compile_fail,E0451
//! fn forged(user: pid_core::users::User) -> pid_flows::roles::ManagesPeople {
//!     pid_flows::roles::ManagesPeople { user, powers: pid_core::roles::Powers::default() }
//! }
//! ```
//!
//! Nor does who may only look get to change anything:
//!
//! ```compile_fail,E0308
//! fn confused(
//!     tx: &pid_store::WriteTx<'_>,
//!     ctx: &pid_core::Ctx,
//!     who: &pid_flows::roles::ReadsAll,
//!     id: &pid_core::SignupTokenId,
//! ) {
//!     let _ = pid_flows::signup_tokens::delete(tx, ctx, who, id);
//! }
//! ```

use std::collections::BTreeSet;

use pid_core::groups::Group;
use pid_core::roles::{Powers, Roles};
use pid_core::settings::Settings;
use pid_core::users::User;
use pid_core::validate::key;
use pid_core::{GroupId, Timestamp, UserId};
use pid_store::signup_tokens::SignupToken;
use pid_store::{ReadTx, WriteTx, groups, roles, settings, users};

use crate::access::Credentials;
use crate::declared::{self, Kind, Part};
use crate::{Code, Error};

/// Somebody who sees people and groups: administrators, user managers, auditors.
#[derive(Clone, Debug)]
pub struct ReadsPeople {
    powers: Powers,
}

/// Somebody who sees all that administrators see, but for secrets: administrators and auditors.
#[derive(Clone, Debug)]
pub struct ReadsAll(ReadsPeople);

/// Somebody who changes people and groups: administrators and user managers.
#[derive(Clone, Debug)]
pub struct ManagesPeople {
    user: User,
    powers: Powers,
}

/// Somebody whom a manager may change, as they are in this transaction.
#[derive(Clone, Debug)]
pub struct ManagedUser<'a> {
    by: &'a ManagesPeople,
    user: User,
}

/// A group that a manager may change, as it is in this transaction.
#[derive(Clone, Debug)]
pub struct ManagedGroup<'a> {
    by: &'a ManagesPeople,
    group: Group,
}

/// What somebody, or a group, shall be able to do, by leave of who grants it.
#[derive(Clone, Copy, Debug)]
pub struct Granted(Powers);

/// The groups that a new person gets.
#[derive(Clone, Debug)]
pub struct Joinable(Vec<GroupId>);

/// All that somebody may do.
pub fn powers(tx: &ReadTx<'_>, user: &User) -> Result<Powers, Error> {
    Ok(roles::powers(tx, user)?)
}

impl Credentials {
    fn with_powers(
        &self,
        tx: &ReadTx<'_>,
        now: Timestamp,
        enough: fn(Powers) -> bool,
    ) -> Result<(User, Powers), Error> {
        let who = self.signed_in(tx, now)?;
        let powers = powers(tx, who.user())?;
        if enough(powers) { Ok((who.user().clone(), powers)) } else { Err(Error::new(Code::Forbidden)) }
    }

    /// Checks for an administrator, a user manager or an auditor.
    pub fn reads_people(&self, tx: &ReadTx<'_>, now: Timestamp) -> Result<ReadsPeople, Error> {
        let (_, powers) = self.with_powers(tx, now, Powers::read_people)?;
        Ok(ReadsPeople { powers })
    }

    /// Checks for an administrator or an auditor.
    pub fn reads_all(&self, tx: &ReadTx<'_>, now: Timestamp) -> Result<ReadsAll, Error> {
        let (_, powers) = self.with_powers(tx, now, Powers::read_all)?;
        Ok(ReadsAll(ReadsPeople { powers }))
    }

    /// Checks for an administrator or a user manager.
    pub fn manages_people(&self, tx: &ReadTx<'_>, now: Timestamp) -> Result<ManagesPeople, Error> {
        let (user, powers) = self.with_powers(tx, now, Powers::manage_people)?;
        Ok(ManagesPeople { user, powers })
    }
}

impl ReadsAll {
    /// Who sees everything sees people.
    pub fn people(&self) -> &ReadsPeople {
        &self.0
    }
}

impl ReadsPeople {
    /// All that who looks may do.
    pub fn powers(&self) -> Powers {
        self.powers
    }

    /// Whether who looks may change somebody who may do `powers`.
    pub fn may_change(&self, powers: Powers) -> bool {
        self.powers.reach(powers)
    }

    /// Whether who looks may change a group, and who is in it.
    pub fn may_change_group(&self, group: &Group, settings: &Settings) -> bool {
        self.powers.reach(given(group, settings))
    }

    /// Whether who looks may know a sign-up token that leads to these groups: who knows it can sign up by it. One without
    /// groups leads to default ones, and these give nobody rights.
    pub(crate) fn may_know_token(&self, groups: &[Group], settings: &Settings) -> bool {
        groups.iter().all(|group| self.may_change_group(group, settings)) && self.powers.manage_people()
    }

    /// The groups that a new person gets if nobody names others.
    pub fn default_groups(&self, tx: &ReadTx<'_>, site: &Settings) -> Result<Vec<String>, Error> {
        Ok(ordinary_defaults(tx, site)?.into_iter().map(GroupId::into_string).collect())
    }

    /// The members of a group whom who looks may not change.
    pub fn out_of_reach(&self, tx: &ReadTx<'_>, group: &GroupId) -> Result<Vec<UserId>, Error> {
        if self.powers.is_admin {
            return Ok(Vec::new());
        }
        let members = roles::members_with_powers(tx, group)?;
        Ok(members.into_iter().filter(|(_, powers)| !self.may_change(*powers)).map(|(id, _)| id).collect())
    }
}

/// What a group gives to who is in it.
fn given(group: &Group, settings: &Settings) -> Powers {
    Powers { is_admin: is_of_admins(&group.name, settings), roles: group.roles }
}

/// Whether a name is that of the directory's administrators: also while the directory is off, since it may come back.
fn is_of_admins(name: &str, settings: &Settings) -> bool {
    let of_admins = settings.get("ldapAdminGroupName");
    !of_admins.is_empty() && key(name) == key(of_admins)
}

/// The default groups that give nobody rights. Others are passed over: whoever signs up, or is made or invited without
/// groups, would have those rights without anybody's having thought of it.
fn ordinary_defaults(tx: &ReadTx<'_>, site: &Settings) -> Result<Vec<GroupId>, Error> {
    let mut found = Vec::new();
    for id in site.default_group_ids() {
        found.extend(groups::by_id(tx, &GroupId::new(id))?.filter(|group| given(group, site) == Powers::default()));
    }
    Ok(found.into_iter().map(|group| group.id).collect())
}

impl ManagesPeople {
    /// Who manages.
    pub fn user(&self) -> &User {
        &self.user
    }

    /// Whoever runs this instance, by a file. Nobody else gets it: a declaration is carried out on the server's own machine.
    pub(crate) fn operator(user: User) -> Self {
        Self { user, powers: Powers { is_admin: true, roles: Roles::NONE } }
    }

    fn reach(&self, tx: &ReadTx<'_>, user: User) -> Result<ManagedUser<'_>, Error> {
        if self.powers.reach(powers(tx, &user)?) {
            Ok(ManagedUser { by: self, user })
        } else {
            Err(Error::new(Code::PersonOutOfReach))
        }
    }

    /// Somebody, if they exist and are within reach.
    pub fn person(&self, tx: &ReadTx<'_>, id: &UserId) -> Result<ManagedUser<'_>, Error> {
        self.reach(tx, users::by_id(tx, id)?.ok_or_else(|| Error::new(Code::UserNotFound))?)
    }

    /// A group, if it exists and is within reach.
    pub fn group(&self, tx: &ReadTx<'_>, id: &GroupId) -> Result<ManagedGroup<'_>, Error> {
        let group = groups::by_id(tx, id)?.ok_or_else(|| Error::not_found("User group"))?;
        if self.powers.reach(given(&group, &settings::load(tx)?)) {
            Ok(ManagedGroup { by: self, group })
        } else {
            Err(Error::new(Code::GroupOutOfReach))
        }
    }

    /// Those of these groups that exist, all of which must be within reach.
    pub(crate) fn groups(&self, tx: &ReadTx<'_>, ids: &[String]) -> Result<Vec<ManagedGroup<'_>>, Error> {
        let mut found = Vec::new();
        for id in ids {
            match self.group(tx, &GroupId::new(id.as_str())) {
                Ok(group) => found.push(group),
                Err(error) if error.code == Code::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(found)
    }

    /// The groups for a new person: the wanted ones, or else the default ones.
    pub(crate) fn joinable(&self, tx: &ReadTx<'_>, site: &Settings, wanted: &[String]) -> Result<Joinable, Error> {
        if wanted.is_empty() {
            return Ok(Joinable(ordinary_defaults(tx, site)?));
        }
        Ok(Joinable(self.groups(tx, wanted)?.into_iter().map(|group| group.group.id).collect()))
    }

    /// Checks that a group may get a name: that of the directory's administrators is for administrators to give.
    pub(crate) fn may_name(&self, tx: &ReadTx<'_>, name: &str) -> Result<(), Error> {
        if self.powers.is_admin || !is_of_admins(name, &settings::load(tx)?) {
            Ok(())
        } else {
            Err(Error::new(Code::GroupOutOfReach))
        }
    }

    /// Checks for leave to choose a new person's id: by that of somebody who is gone, apps would take them for that person.
    pub(crate) fn may_choose_ids(&self) -> Result<(), Error> {
        if self.powers.is_admin {
            Ok(())
        } else {
            let message = "Only an administrator chooses a person's id. Leave it out, and one is made";
            Err(Error::with(Code::GrantsReserved, message))
        }
    }

    /// Leave to change what somebody, or a group, may do; what stays as it is needs none.
    pub(crate) fn grant(&self, before: Powers, wanted: Powers) -> Result<Granted, Error> {
        if before == wanted || self.powers.is_admin {
            Ok(Granted(wanted))
        } else {
            Err(Error::new(Code::GrantsReserved))
        }
    }
}

impl Granted {
    /// What somebody has already.
    pub(crate) fn own(user: &User) -> Self {
        Self(Powers { is_admin: user.is_admin, roles: user.roles })
    }

    /// Whether they administer.
    pub fn is_admin(self) -> bool {
        self.0.is_admin
    }

    /// Their own roles.
    pub fn roles(self) -> Roles {
        self.0.roles
    }
}

impl Joinable {
    /// Of somebody who signs up: the groups that their invitation leads to, or else the default ones.
    pub(crate) fn of_signup(tx: &ReadTx<'_>, site: &Settings, invitation: Option<&SignupToken>) -> Result<Self, Error> {
        let invited = invitation.map_or_else(|| Ok(Vec::new()), |token| groups::of_signup_token(tx, &token.id))?;
        if invited.is_empty() {
            return Ok(Self(ordinary_defaults(tx, site)?));
        }
        Ok(Self(invited.into_iter().map(|group| group.id).collect()))
    }

    /// Puts the new person into them.
    pub(crate) fn join(&self, tx: &WriteTx<'_>, id: &UserId, now: Timestamp) -> Result<(), Error> {
        Ok(self.0.iter().try_for_each(|group| groups::set_member(tx, id, group, true, now))?)
    }
}

impl ManagedUser<'_> {
    /// Who changes them.
    pub fn by(&self) -> &User {
        &self.by.user
    }

    /// Who is changed, as they were found.
    pub fn user(&self) -> &User {
        &self.user
    }

    /// Leave to change what they may do.
    pub(crate) fn grant(&self, is_admin: bool, roles: Roles) -> Result<Granted, Error> {
        self.by.grant(Granted::own(&self.user).0, Powers { is_admin, roles })
    }

    /// Makes their groups these. All that change must be within reach; unknown ones are passed over.
    pub(crate) fn set_groups(&self, tx: &WriteTx<'_>, wanted: &[String], now: Timestamp) -> Result<Vec<Group>, Error> {
        let before = groups::of_user(tx, &self.user.id)?;
        for group in before.iter().filter(|group| !wanted.iter().any(|id| id == group.id.as_str())) {
            self.by.group(tx, &group.id)?.set_member(tx, self, false, now)?;
        }
        let is_new = |id: &&String| !before.iter().any(|group| group.id.as_str() == **id);
        let new: Vec<String> = wanted.iter().filter(is_new).cloned().collect();
        for group in self.by.groups(tx, &new)? {
            group.set_member(tx, self, true, now)?;
        }
        Ok(before)
    }
}

impl ManagedGroup<'_> {
    /// Who changes it.
    pub fn by(&self) -> &User {
        &self.by.user
    }

    /// What is changed, as it was found.
    pub fn group(&self) -> &Group {
        &self.group
    }

    /// Leave to give it a name. Apps know it by that, so its members' access goes with it.
    pub(crate) fn rename(&self, tx: &ReadTx<'_>, name: &str) -> Result<(), Error> {
        self.by.may_name(tx, name)?;
        self.check_members(tx)
    }

    /// Leave to change what its members may do.
    pub(crate) fn grant(&self, roles: Roles) -> Result<Roles, Error> {
        let powers = |roles| Powers { is_admin: false, roles };
        self.by.grant(powers(self.group.roles), powers(roles)).map(Granted::roles)
    }

    fn set_member(
        &self,
        tx: &WriteTx<'_>,
        person: &ManagedUser<'_>,
        member: bool,
        now: Timestamp,
    ) -> Result<(), Error> {
        declared::check(tx, Kind::User, person.user.id.as_str(), Part::Groups)?;
        Ok(groups::set_member(tx, &person.user.id, &self.group.id, member, now)?)
    }

    /// Makes its members these. All who come or go must be within reach; unknown ids are passed over. Gives the members
    /// before.
    pub(crate) fn set_members(&self, tx: &WriteTx<'_>, wanted: &[String], now: Timestamp) -> Result<Vec<User>, Error> {
        let before = groups::members(tx, &self.group.id)?;
        for user in before.iter().filter(|user| !wanted.iter().any(|id| id == user.id.as_str())) {
            self.set_member(tx, &self.by.reach(tx, user.clone())?, false, now)?;
        }
        let known: BTreeSet<&str> = before.iter().map(|user| user.id.as_str()).collect();
        for id in wanted.iter().filter(|id| !known.contains(id.as_str())) {
            if let Some(user) = users::by_id(tx, &UserId::new(id.as_str()))? {
                self.set_member(tx, &self.by.reach(tx, user)?, true, now)?;
            }
        }
        Ok(before)
    }

    /// Checks that all who are in it are within reach: they lose what is deleted, and apps are told the group's name and
    /// claims of them.
    pub(crate) fn check_members(&self, tx: &ReadTx<'_>) -> Result<(), Error> {
        let members = roles::members_with_powers(tx, &self.group.id)?;
        if members.iter().all(|(_, powers)| self.by.powers.reach(*powers)) {
            Ok(())
        } else {
            Err(Error::new(Code::PersonOutOfReach))
        }
    }
}
