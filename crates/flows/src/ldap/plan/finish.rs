//! What follows from everything that was read.

use std::collections::HashSet;

use pid_core::ldap::Reason;

use super::{
    Admins, GroupChange, KnownGroup, KnownPerson, MOST_MEMBERS, Mark, Members, PersonChange, Plan, ReadGroup, Reading,
    Seat, TooMuch,
};
use crate::ldap::Line;

impl Reading<'_> {
    /// What is to be done.
    ///
    /// # Errors
    /// [`TooMuch`].
    pub fn finish(mut self) -> Result<Plan, TooMuch> {
        // Whose identifier several entries have is changed by none of them.
        let twice = std::mem::take(&mut self.twice);
        self.changes.retain(|change| !twice.contains(&change.ldap_id));
        self.names.retain(|(_, id, _)| !twice.contains(id));
        for group in &mut self.groups {
            group.found = group.found.take().filter(|found| !twice.contains(&found.ldap_id));
        }
        let (members, unknown_members) = self.members()?;
        let reads_groups = self.directory.group.is_some();
        if reads_groups && let Some((admins, is_partial)) = self.admins(&members) {
            self.appoint(&admins, is_partial);
        }
        let (gone, gone_groups) = (self.absent(false), self.absent(true));
        let admins = self.administration(&gone);
        let (known, directory) = (self.known, self.directory);
        let counts = |person: &KnownPerson| !directory.soft_delete || !person.disabled;
        let mut groups = Vec::with_capacity(self.groups.len());
        for (group, (members, is_partial)) in self.groups.into_iter().zip(members) {
            let Some(found) = group.found else { continue };
            let here = known.groups.get(&found.ldap_id);
            let same = |here: &KnownGroup| here.name == found.name && here.friendly_name == found.friendly_name();
            if is_partial {
                self.skipped.push(Line::skipped(true, &found.name, Reason::MembersUnknown));
            }
            groups.push(GroupChange {
                ldap_id: found.ldap_id.clone(),
                known: here.map(|here| here.id.clone()),
                dn: group.dn,
                differs: !here.is_some_and(same),
                found,
                members,
                is_partial,
            });
        }
        let account = |seat: &Seat| known.people.get(&*seat.ldap_id).map(|person| person.id.clone());
        Ok(Plan {
            admins,
            names: self.names,
            people: self.changes,
            gone,
            groups,
            gone_groups,
            skipped: self.skipped,
            accounts: self.seats.iter().map(account).collect(),
            of: (known.people.values().filter(|person| counts(person)).count(), known.groups.len()),
            found: self.found,
            unknown_members,
        })
    }

    /// Who administers: the members of the group that the settings name, and whether there may be more of them. `None`:
    /// there is no such group, or there are several and none of them is the one that is here under that name. Then
    /// everybody stays what they are, since a filter that is wrong, or a second group somewhere in the tree, would take or
    /// give the rights of all.
    fn admins(&mut self, members: &[Members]) -> Option<(HashSet<u32>, bool)> {
        let directory = self.directory;
        let name = &directory.admin_group;
        if name.is_empty() {
            return Some((HashSet::new(), false));
        }
        let named = |group: &ReadGroup| group.found.as_ref().is_some_and(|found| found.name == *name);
        let all = self.groups.iter().enumerate().filter(|(_, group)| named(group));
        let all: Vec<usize> = all.map(|(at, _)| at).collect();
        let is_known = |at: &usize| {
            let found = self.groups[*at].found.as_ref();
            let here = found.and_then(|found| self.known.groups.get(&found.ldap_id));
            here.is_some_and(|here| here.name == *name)
        };
        // The one that is here may be refused today: another of its name is not the same.
        let here = self.known.groups.iter().find(|(_, here)| here.name == *name).map(|(id, _)| id);
        let is_refused = here.is_some_and(|id| self.group_ids.contains(id)) && !all.iter().any(is_known);
        let one = if is_refused {
            None
        } else if let [one] = all[..] {
            Some(one)
        } else {
            all.iter().copied().find(is_known)
        };
        if one.is_none() && self.known.people.values().any(|person| person.is_admin) {
            self.skipped.push(Line::skipped(true, name, Reason::NoAdminGroup));
        }
        one.map(|at| (members[at].0.iter().copied().collect(), members[at].1))
    }

    /// Notes who begins or ceases to administer. If the group may have more members, nobody ceases.
    fn appoint(&mut self, admins: &HashSet<u32>, is_partial: bool) {
        let mut changing: HashSet<u32> = HashSet::with_capacity(self.changes.len());
        for change in &mut self.changes {
            let is_admin = admins.contains(&change.seat);
            change.is_admin = (is_admin || !is_partial).then_some(is_admin);
            changing.insert(change.seat);
        }
        for (at, seat) in self.seats.iter().enumerate() {
            let at = u32::try_from(at).unwrap_or(u32::MAX);
            let Some(known) = self.known.people.get(&*seat.ldap_id) else { continue };
            let is_admin = admins.contains(&at);
            let stays = seat.is_refused && known.disabled || is_partial && !is_admin;
            if known.is_admin != is_admin && !stays && !changing.contains(&at) {
                let (ldap_id, dn) = (seat.ldap_id.to_string(), String::new());
                self.changes.push(PersonChange { seat: at, ldap_id, dn, found: None, is_admin: Some(is_admin) });
            }
        }
    }

    /// How many administer before and after all that, and who ceases to.
    fn administration(&self, gone: &[String]) -> Admins {
        let administers =
            |id: &String| self.known.people.get(id).is_some_and(|known| known.is_admin && !known.disabled);
        let before = self.known.people.keys().filter(|id| administers(id)).count();
        let demoted = self.changes.iter().filter(|change| change.is_admin == Some(false)).map(|change| &change.ldap_id);
        let mut lost: Vec<String> = demoted.chain(gone).filter(|id| administers(id)).cloned().collect();
        lost.sort();
        let begins = |change: &&PersonChange| change.is_admin == Some(true) && !administers(&change.ldap_id);
        let after = before - lost.len() + self.changes.iter().filter(begins).count();
        Admins { before, after, lost }
    }

    /// The members of each group, and whether there may be more; of its groups as well, if that is wanted. Groups may be
    /// in circles.
    fn members(&self) -> Result<(Vec<Members>, u64), TooMuch> {
        let (mut all, mut unknown, mut work) = (Vec::with_capacity(self.groups.len()), 0, 0_usize);
        for (at, group) in self.groups.iter().enumerate() {
            let (mut members, mut is_partial): (Vec<u32>, bool) = (Vec::new(), false);
            let (mut open, mut seen) = (vec![at], HashSet::from([at]));
            while let Some(next) = open.pop() {
                let next = &self.groups[next];
                is_partial |= next.is_partial;
                work += 1 + next.members.len() + next.others.len();
                if work > 4 * MOST_MEMBERS {
                    return Err(TooMuch("nested memberships"));
                }
                members.extend(&next.members);
                for (other, is_dn) in &next.others {
                    if let Some(seat) = self.resolved.get(other) {
                        members.push(*seat);
                    } else if let Some(inner) = self.group_by_dn.get(other) {
                        if self.directory.nested && seen.insert(*inner) {
                            open.push(*inner);
                        }
                    } else {
                        is_partial |= *is_dn && !self.nobody.contains(other);
                    }
                }
            }
            let is_known =
                |(other, _): &&(Mark, bool)| self.resolved.contains_key(other) || self.group_by_dn.contains_key(other);
            unknown += group.others.iter().filter(|other| !is_known(other)).count() as u64;
            members.sort_unstable();
            members.dedup();
            all.push((members, is_partial));
        }
        Ok((all, unknown))
    }
}
