//! Taking what a directory has, entry by entry.

use std::collections::{HashMap, HashSet};

use pid_core::ldap::{self, Directory, Entry, GroupAttributes, Member, Reason, dn_key, member};
use pid_core::validate::key;

use super::{
    Known, KnownPerson, MOST_GROUPS, MOST_LOOKUPS, MOST_MEMBERS, MOST_NAMES, MOST_PEOPLE, Mark, Names, OnceCell,
    PersonChange, ReadGroup, Reading, Seat, TooMuch, Whereabouts, mark,
};
use crate::ldap::Line;

impl<'a> Reading<'a> {
    /// Nothing read yet.
    pub fn new(directory: &'a Directory, known: Known) -> Self {
        Self {
            directory,
            known,
            here: OnceCell::new(),
            seats: Vec::new(),
            by_id: HashMap::new(),
            by_dn: HashMap::new(),
            by_name: HashMap::new(),
            refused_here: HashMap::new(),
            refused_there: HashMap::new(),
            changes: Vec::new(),
            groups: Vec::new(),
            group_by_dn: HashMap::new(),
            group_ids: HashSet::new(),
            twice: HashSet::new(),
            nameless: [0; 2],
            others: Vec::new(),
            remembered: HashSet::new(),
            resolved: HashMap::new(),
            nobody: HashSet::new(),
            memberships: 0,
            skipped: Vec::new(),
            names: Vec::new(),
            found: (0, 0),
        }
    }

    /// Entries of people and of groups that were read so far.
    pub fn found(&self) -> (u64, u64) {
        self.found
    }

    /// Notes that a part of the directory is on another server.
    pub fn referral(&mut self, is_group: bool, address: &str) {
        self.skipped.push(Line::skipped(is_group, address, Reason::Referral));
    }

    /// Takes an entry of a person.
    ///
    /// # Errors
    /// [`TooMuch`].
    pub fn person(&mut self, entry: &Entry) -> Result<(), TooMuch> {
        self.found.0 += 1;
        if self.seats.len() >= MOST_PEOPLE || self.skipped.len() >= MOST_PEOPLE {
            return Err(TooMuch("people"));
        }
        let person = match ldap::person(entry, self.directory) {
            Ok(person) => person,
            Err((ldap_id, reason)) => {
                self.skipped.push(Line::skipped(false, &entry.dn, reason));
                let there = self.text(entry, &self.directory.person.username);
                let id = ldap_id.or_else(|| self.whose(false, entry, there.as_ref()));
                // Whoever is refused is not gone, and stays in their groups.
                return match id.filter(|id| self.known.people.contains_key(id)) {
                    Some(id) => self.stays(&id, &entry.dn, there),
                    None => {
                        self.nameless[0] += usize::from(reason != Reason::SameId && there.is_none());
                        Ok(())
                    }
                };
            }
        };
        let Some(seat) = self.seat(&person.ldap_id, &entry.dn, false)? else {
            // Which of them it is can't be told: it is neither.
            if let Some(seat) = self.by_id.get(&mark(&person.ldap_id)) {
                self.seats[*seat as usize].is_refused = true;
            }
            self.twice.insert(person.ldap_id);
            self.skipped.push(Line::skipped(false, &entry.dn, Reason::SameId));
            return Ok(());
        };
        let known = self.known.people.get(&person.ldap_id);
        let name = mark(&key(&person.username));
        let is_here = known.is_some_and(|known| known.username == name);
        // Whoever takes another's name in the directory takes nobody out of a group that names them by it.
        let one = self.by_name.entry(name).or_insert(Some((seat, is_here)));
        *one = match *one {
            Some((first, _)) if first == seat => Some((seat, is_here)),
            Some((first, true)) => Some((first, true)),
            _ if is_here => Some((seat, true)),
            _ => None,
        };
        let same = known.is_some_and(|known| known.print == person.print());
        let returns = known.is_some_and(|known| known.disabled);
        if let Some(stored) = known.map(|known| known.dn) {
            self.name(false, &person.ldap_id, &entry.dn, stored);
        }
        if !same || returns {
            let (ldap_id, dn) = (person.ldap_id.clone(), entry.dn.clone());
            self.changes.push(PersonChange { seat, ldap_id, dn, found: (!same).then_some(person), is_admin: None });
        }
        Ok(())
    }

    /// Notes the name of an entry, if it is another than was stored.
    fn name(&mut self, is_group: bool, ldap_id: &str, dn: &str, stored: Option<Mark>) {
        let is_new = dn_key(dn).is_some_and(|key| stored != Some(mark(&key)));
        if is_new {
            self.names.push((is_group, ldap_id.to_owned(), dn.to_owned()));
        }
    }

    /// The account of somebody whose entry was refused, or can't be read, stays as it is, memberships too.
    fn stays(&mut self, id: &str, dn: &str, there: Option<Mark>) -> Result<(), TooMuch> {
        let Some(here) = self.known.people.get(id).map(|known| known.username) else { return Ok(()) };
        if let Some(seat) = self.seat(id, dn, true)? {
            self.refused_here.insert(here, seat);
            if let Some(there) = there {
                self.refused_there.entry(there).and_modify(|one| *one = None).or_insert(Some(seat));
            }
        }
        Ok(())
    }

    /// Of an entry without an identifier: who is here by the name of the entry, or by what it is called.
    fn whose(&self, is_group: bool, entry: &Entry, name: Option<&Mark>) -> Option<String> {
        let here = self.here.get_or_init(|| {
            let (mut people, mut groups) = (Names::default(), Names::default());
            for (id, person) in &self.known.people {
                people.by_name.insert(person.username, id.clone());
                people.by_dn.extend(person.dn.map(|dn| (dn, id.clone())));
            }
            for (id, group) in &self.known.groups {
                groups.by_name.insert(mark(&key(&group.name)), id.clone());
                groups.by_dn.extend(group.dn.map(|dn| (dn, id.clone())));
            }
            [people, groups]
        });
        let names = &here[usize::from(is_group)];
        let by_dn = dn_key(&entry.dn).and_then(|dn| names.by_dn.get(&mark(&dn)));
        by_dn.or_else(|| names.by_name.get(name?)).cloned()
    }

    /// What an entry says that it is called, by an attribute.
    fn text(&self, entry: &Entry, attribute: &str) -> Option<Mark> {
        let name = entry.values(attribute).next()?;
        std::str::from_utf8(name).ok().map(|name| mark(&key(name.trim())))
    }

    /// Who has a username. Whose entry was refused is called as before, unless another is called so now.
    fn named(&self, name: &Mark) -> Option<u32> {
        let refused = || self.refused_here.get(name).copied().or_else(|| *self.refused_there.get(name)?);
        self.by_name.get(name).map_or_else(refused, |one| one.map(|(seat, _)| seat))
    }

    /// Gives somebody a seat; `None`: they have one.
    fn seat(&mut self, ldap_id: &str, dn: &str, is_refused: bool) -> Result<Option<u32>, TooMuch> {
        let seat = u32::try_from(self.seats.len()).map_err(|_| TooMuch("people"))?;
        if self.by_id.contains_key(&mark(ldap_id)) {
            return Ok(None);
        }
        self.by_id.insert(mark(ldap_id), seat);
        if let Some(dn) = dn_key(dn) {
            self.by_dn.insert(mark(&dn), seat);
        }
        self.seats.push(Seat { ldap_id: ldap_id.into(), is_refused });
        Ok(Some(seat))
    }

    /// Identifiers of people, or of groups, who are here and whom the search did not find. All of them must have been read.
    pub fn absent(&self, is_group: bool) -> Vec<String> {
        let mut absent: Vec<String> = if is_group {
            if self.directory.group.is_none() {
                return Vec::new();
            }
            self.known.groups.keys().filter(|id| !self.group_ids.contains(*id)).cloned().collect()
        } else {
            let counts = |person: &KnownPerson| !self.directory.soft_delete || !person.disabled;
            let people = self.known.people.iter().filter(|(_, person)| counts(person));
            people.map(|(id, _)| id).filter(|id| !self.by_id.contains_key(&mark(id))).cloned().collect()
        };
        absent.sort();
        absent
    }

    /// Takes what became of the entry of somebody, or of a group, whom the search did not find. `dn` is the name of the
    /// entry when it was read last; whoever has none is gone, unless there are entries that may be theirs. Who is not
    /// surely gone stays.
    ///
    /// # Errors
    /// [`TooMuch`].
    pub fn looked_after(
        &mut self,
        is_group: bool,
        ldap_id: &str,
        dn: Option<&str>,
        place: &Whereabouts,
    ) -> Result<(), TooMuch> {
        let attribute = match &self.directory.group {
            Some(names) if is_group => &names.id,
            _ => &self.directory.person.id,
        };
        let reason = match place {
            _ if dn.is_none() => (self.nameless[usize::from(is_group)] > 0).then_some(Reason::NotChecked),
            // It is there, and is not searched for any more; or another has that name now.
            Whereabouts::There(entry) if entry.values(attribute).next().is_some() => None,
            Whereabouts::There(_) | Whereabouts::Hidden => Some(Reason::Hidden),
            Whereabouts::Gone => None,
            Whereabouts::Untold => Some(Reason::NotChecked),
        };
        let Some(reason) = reason else { return Ok(()) };
        self.skipped.push(Line::skipped(is_group, dn.unwrap_or(ldap_id), reason));
        if !is_group {
            return self.stays(ldap_id, dn.unwrap_or_default(), None);
        }
        self.group_ids.insert(ldap_id.to_owned());
        self.node(dn.unwrap_or_default(), ReadGroup { is_partial: true, ..ReadGroup::default() });
        Ok(())
    }

    /// Takes an entry of a group. All people must have been read.
    ///
    /// # Errors
    /// [`TooMuch`].
    pub fn group(&mut self, entry: &Entry, names: &GroupAttributes) -> Result<(), TooMuch> {
        self.found.1 += 1;
        if self.groups.len() >= MOST_GROUPS || self.found.1 > 10 * MOST_GROUPS as u64 {
            return Err(TooMuch("groups"));
        }
        // What may not be read of an entry without an identifier may be its members, too.
        let mut is_partial = entry.is_cut;
        let found = match ldap::group(entry, names) {
            Ok(found) => {
                if let Some(stored) = self.known.groups.get(&found.ldap_id).map(|known| known.dn) {
                    self.name(true, &found.ldap_id, &entry.dn, stored);
                }
                if self.group_ids.insert(found.ldap_id.clone()) {
                    Some(found)
                } else {
                    self.skipped.push(Line::skipped(true, &entry.dn, Reason::SameId));
                    self.twice.insert(found.ldap_id);
                    None
                }
            }
            Err((ldap_id, reason)) => {
                self.skipped.push(Line::skipped(true, &entry.dn, reason));
                let there = self.text(entry, &names.name);
                is_partial |= ldap_id.is_none() && entry.values(&names.member).next().is_none();
                match ldap_id.or_else(|| self.whose(true, entry, there.as_ref())) {
                    Some(id) => _ = self.group_ids.insert(id),
                    None => self.nameless[1] += usize::from(there.is_none()),
                }
                None
            }
        };
        // Of a group that is not taken over the members count all the same, where it is a member itself.
        let (mut members, mut others) = (Vec::new(), Vec::new());
        for value in entry.values(&names.member) {
            self.memberships += 1;
            if self.memberships > MOST_MEMBERS {
                return Err(TooMuch("memberships"));
            }
            match member(value) {
                Some(Member::Dn(dn)) => {
                    let dn = mark(&dn);
                    match self.by_dn.get(&dn) {
                        Some(seat) => members.push(*seat),
                        None => {
                            others.push((dn, true));
                            if self.others.len() < MOST_NAMES && self.remembered.insert(dn) {
                                self.others.push((dn, String::from_utf8_lossy(value).trim().to_owned()));
                            }
                        }
                    }
                }
                Some(Member::Name(name)) => match self.named(&mark(&name)) {
                    Some(seat) => members.push(seat),
                    None => {
                        is_partial |= self.by_name.contains_key(&mark(&name));
                        others.push((mark(&name), false));
                    }
                },
                None => is_partial |= !value.is_empty(),
            }
        }
        let dn = if found.is_some() { entry.dn.clone() } else { String::new() };
        self.node(&entry.dn, ReadGroup { found, members, others, dn, is_partial });
        Ok(())
    }

    fn node(&mut self, dn: &str, group: ReadGroup) {
        if let Some(dn) = dn_key(dn) {
            self.group_by_dn.insert(mark(&dn), self.groups.len());
        }
        self.groups.push(group);
    }

    /// Names of members that are neither people nor groups as they are spelled: the entries may say who they are. All
    /// groups must have been read.
    pub fn lookups(&mut self) -> Vec<String> {
        let groups = &self.group_by_dn;
        let wanted = std::mem::take(&mut self.others).into_iter().filter(|(dn, _)| !groups.contains_key(dn));
        wanted.take(MOST_LOOKUPS).map(|(_, text)| text).collect()
    }

    /// Takes what a member's name led to. It is somebody if its entry has their identifier; or their username, if it has no
    /// identifier at all, as copies of accounts in a second tree don't. A name alone is nobody: whoever it meant may be
    /// gone, and another may have the username.
    pub fn looked_up(&mut self, dn: &str, place: &Whereabouts) {
        let Some(dn) = dn_key(dn).map(|dn| mark(&dn)) else { return };
        let names = &self.directory.person;
        let seat = match place {
            Whereabouts::There(entry) => match entry.values(&names.id).next() {
                Some(id) => ldap::unique_id(id).and_then(|id| self.by_id.get(&mark(&id)).copied()),
                None => self.text(entry, &names.username).and_then(|name| self.named(&name)),
            },
            Whereabouts::Gone => None,
            Whereabouts::Hidden | Whereabouts::Untold => return,
        };
        match seat {
            Some(seat) => _ = self.resolved.insert(dn, seat),
            None => _ = self.nobody.insert(dn),
        }
    }
}
