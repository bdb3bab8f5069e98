//! What is to be done at a target: decided from what it should have, what was done there before, and, in a full run, what
//! it says that it has.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::{Digest, Remote, Wanted};

/// So many percent of the people or groups of a target may leave in one run. What goes beyond has to be confirmed.
pub const MOST_REMOVED_PERCENT: usize = 20;

/// Where a resource is in its life at a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is about to be created, and whether it was is not known.
    Pending,
    /// It is there.
    There,
    /// It is there, but deactivated or emptied: it left.
    Off,
    /// The target refused to create it.
    Refused,
}

impl State {
    const ALL: [(Self, &str); 4] =
        [(Self::Pending, "pending"), (Self::There, "there"), (Self::Off, "off"), (Self::Refused, "refused")];

    /// The name in the store.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(state, _)| *state == self).map_or("pending", |(_, name)| name)
    }

    /// From its name; what is not known counts as pending, which is looked for by our id.
    pub fn parse(text: &str) -> Self {
        Self::ALL.iter().find(|(_, name)| *name == text).map_or(Self::Pending, |(state, _)| *state)
    }
}

/// What is known of a resource at a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Our id.
    pub id: String,
    /// The target's id, if it is known.
    pub remote_id: Option<String>,
    /// Where it is.
    pub state: State,
    /// Whether we created it; what was there before is never deleted.
    pub created: bool,
    /// The name that was sent last; as the target has it, where it keeps no ids of ours.
    pub name: String,
    /// What was sent last.
    pub digest: Option<Digest>,
    /// The version that it became there.
    pub stamp: Option<String>,
    /// The kind of failure of the last attempt.
    pub failure: Option<String>,
    /// Its HTTP status.
    pub status: Option<u16>,
}

impl Known {
    /// A resource of which nothing is known yet.
    pub fn new(wanted: &Wanted) -> Self {
        Self {
            id: wanted.id().to_owned(),
            remote_id: None,
            state: State::Pending,
            created: true,
            name: wanted.name().to_owned(),
            digest: None,
            stamp: None,
            failure: None,
            status: None,
        }
    }

    /// Whether the last failure stays the same as long as the resource does: then only a full run tries again.
    pub fn is_lasting(&self) -> bool {
        let lasts = |status: u16| (400..500).contains(&status) && !matches!(status, 408 | 425 | 429);
        let failure = self.failure.as_deref();
        failure.is_some() && self.status.is_some_and(lasts) || failure == Some(NOT_RECOGNISED)
    }

    /// Whether the last attempt failed in a way that may soon be over.
    pub fn is_passing(&self) -> bool {
        self.failure.is_some() && !self.is_lasting()
    }

    /// Whether only a list tells what became of it: perhaps it was created.
    pub fn is_uncertain(&self) -> bool {
        self.state == State::Pending && !self.is_lasting()
    }

    fn is_present(&self) -> bool {
        self.state == State::There && self.remote_id.is_some()
    }

    /// What stands there under the remembered id: ids may be given out anew.
    pub fn meant(&self, remote: &Remote) -> Meant {
        match &remote.external_id {
            Some(external) if *external == self.id => Meant::It,
            Some(_) => Meant::Another,
            None if remote.name.to_lowercase() == self.name.to_lowercase() => Meant::It,
            None => Meant::Unclear,
        }
    }
}

/// The kind of failure of what is [`Meant::Unclear`].
pub const NOT_RECOGNISED: &str = "not_recognised";

/// Whether something is what we wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meant {
    /// It is.
    It,
    /// It says that it is something else.
    Another,
    /// It has no id of ours, and another name: the target doesn't keep such ids, and somebody renamed it, or the id was
    /// given out anew. It is neither written nor made a second time.
    Unclear,
}

/// What something that was written is called there, by which it is recognised if the target keeps no ids of ours.
pub fn name_there(wanted: &Wanted, answer: Option<&Remote>) -> String {
    let kept = answer.filter(|remote| remote.external_id.is_none() && !remote.name.is_empty());
    kept.map_or(wanted.name(), |remote| &remote.name).to_owned()
}

/// What a target has, as far as it is of interest to us: by its ids and by ours.
#[derive(Debug, Default)]
pub struct Listing {
    by_id: HashMap<String, Remote>,
    by_external_id: BTreeMap<String, String>,
    /// Of those without an id of ours who may be what we were about to create, by name; `None`: there are several.
    unnamed: HashMap<String, Option<Remote>>,
    /// Ids that the list did not have and that nothing was found under either.
    gone: HashSet<String>,
}

impl Listing {
    /// Adds one, unless nobody asks for it.
    pub fn add(&mut self, remote: Remote, of_interest: &Interest<'_>) {
        let external = remote.external_id.as_deref().filter(|id| of_interest.ours.contains(id));
        if external.is_none() && !of_interest.theirs.contains(remote.id.as_str()) {
            let name = remote.name.to_lowercase();
            if remote.external_id.is_none() && of_interest.pending.contains(&name) {
                self.unnamed.entry(name).and_modify(|one| *one = None).or_insert(Some(remote));
            }
            return;
        }
        if let Some(external) = external {
            // Of several the one with the lowest id, so that it is always the same.
            let first = self.by_external_id.entry(external.to_owned()).or_insert_with(|| remote.id.clone());
            if remote.id < *first {
                first.clone_from(&remote.id);
            }
        }
        self.by_id.insert(remote.id.clone(), remote);
    }

    /// Of what should be there, the target's ids that the list does not have although they were written before. That is no
    /// proof: lists lag behind, shift while they are read, or leave out who is inactive.
    pub fn missing(&self, wanted: &[Wanted], known: &HashMap<String, Known>) -> Vec<String> {
        let rows = wanted.iter().filter_map(|one| known.get(one.id()));
        let missing =
            rows.filter(|row| self.with_external_id(&row.id).is_none()).filter_map(|row| row.remote_id.clone());
        missing.filter(|id| !self.by_id.contains_key(id)).collect()
    }

    /// Adds what was found under an id that the list did not have.
    pub fn found(&mut self, remote: Remote) {
        self.by_id.insert(remote.id.clone(), remote);
    }

    /// Nothing was found under an id that the list did not have.
    pub fn gone(&mut self, id: String) {
        self.gone.insert(id);
    }

    /// What stands under a remembered id, if the target has said.
    fn under(&self, row: &Known) -> Seen<'_> {
        let Some(id) = &row.remote_id else { return Seen::Nothing };
        match self.by_id.get(id) {
            Some(there) => match row.meant(there) {
                Meant::It => Seen::It(there),
                Meant::Another => Seen::Nothing,
                // Whoever writes it asks again, and says so.
                Meant::Unclear => Seen::Untold,
            },
            None if self.gone.contains(id) => Seen::Nothing,
            None => Seen::Untold,
        }
    }

    fn with_external_id(&self, id: &str) -> Option<&Remote> {
        self.by_id.get(self.by_external_id.get(id)?)
    }

    /// What was perhaps created although the answer was lost, at a target that keeps no ids of ours: it says exactly what
    /// was sent.
    fn made_unseen(&self, wanted: &Wanted, digest: Digest) -> Option<&Remote> {
        self.unnamed.get(&wanted.name().to_lowercase())?.as_ref().filter(|remote| remote.digest == digest)
    }
}

/// What a target has said of a remembered id.
enum Seen<'a> {
    It(&'a Remote),
    /// It is gone, or its id was given out anew.
    Nothing,
    /// The list doesn't have it: that alone says nothing.
    Untold,
}

/// Which of a target's resources are of interest.
#[derive(Debug, Default)]
pub struct Interest<'a> {
    ours: HashSet<&'a str>,
    theirs: HashSet<&'a str>,
    /// Names of what we were about to create.
    pending: HashSet<String>,
}

impl<'a> Interest<'a> {
    /// Those with the ids of what should be there, and those that were written before.
    pub fn new(wanted: impl Iterator<Item = &'a str>, known: impl Iterator<Item = &'a Known>) -> Self {
        let (mut ours, mut theirs): (HashSet<&str>, HashSet<&str>) = (wanted.collect(), HashSet::new());
        let mut pending = HashSet::new();
        for row in known {
            ours.insert(&row.id);
            theirs.extend(row.remote_id.as_deref());
            if row.is_uncertain() && row.remote_id.is_none() {
                pending.insert(row.name.to_lowercase());
            }
        }
        Self { ours, theirs, pending }
    }
}

/// Something to do. Places are those in the list of what is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is not there.
    Create {
        /// Which.
        at: usize,
        /// Perhaps it was created before, unseen: then a refusal says nothing.
        doubtful: bool,
    },
    /// It is there, and says something else. `seen`: whether its version was just read.
    Replace {
        /// Which.
        at: usize,
        /// What is known of it.
        known: Known,
        /// As the target has it now, if it was asked.
        seen: Option<Remote>,
    },
    /// It should not be there any more.
    Remove(Known),
    /// Nothing to do there, but something to remember.
    Remember(Known),
    /// It is not there any more, or not ours.
    Forget(String),
}

/// What is to be done with the resources of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The steps: first what is created or replaced, then what is removed, at last what failed before.
    pub steps: Vec<Step>,
    /// How many are as they should be.
    pub unchanged: usize,
    /// How many leave.
    pub removals: usize,
    /// How many that should be there are gone there.
    pub missing: usize,
    /// How many of those that we know are there now.
    pub present: usize,
}

/// Whether more are concerned than may be without being asked. A single one always may.
pub fn is_too_many(concerned: usize, present: usize) -> bool {
    concerned > 1 && concerned * 100 > present * MOST_REMOVED_PERCENT
}

/// How many of those that are there leave, and how many there are: from what was done before alone.
pub fn departures(wanted: &[Wanted], known: &HashMap<String, Known>) -> (usize, usize) {
    let ids: HashSet<&str> = wanted.iter().map(Wanted::id).collect();
    let present = || known.values().filter(|row| row.is_present());
    (present().filter(|row| !ids.contains(row.id.as_str())).count(), present().count())
}

impl Plan {
    /// Whether more leave than may without being asked.
    pub fn removes_too_many(&self) -> bool {
        is_too_many(self.removals, self.present)
    }

    /// Whether so many are gone there that it is rather another target, or one that was set back.
    pub fn misses_too_many(&self) -> bool {
        is_too_many(self.missing, self.present)
    }

    /// Takes out what removes.
    pub fn keep_all(&mut self) {
        self.steps.retain(|step| !matches!(step, Step::Remove(_)));
    }

    /// Takes out what would create anew, or forget, what was there before.
    pub fn keep_links(&mut self, wanted: &[Wanted], known: &HashMap<String, Known>) {
        let is_linked = |id: &str| known.get(id).is_some_and(|row| row.remote_id.is_some());
        self.steps.retain(|step| match step {
            Step::Create { at, .. } => !wanted.get(*at).is_some_and(|one| is_linked(one.id())),
            Step::Forget(id) => !is_linked(id),
            _ => true,
        });
    }
}

/// Decides. Without a listing only what changed here is looked at; nothing may be uncertain then.
pub fn plan(wanted: &[Wanted], known: &HashMap<String, Known>, listing: Option<&Listing>) -> Plan {
    let mut plan = Plan { present: known.values().filter(|row| row.is_present()).count(), ..Plan::default() };
    let mut ids = BTreeSet::new();
    for (at, one) in wanted.iter().enumerate() {
        ids.insert(one.id());
        let (digest, known) = (one.digest(), known.get(one.id()));
        let step = match listing {
            Some(listing) => compared(at, one, digest, known, listing),
            None => remembered(at, digest, known),
        };
        let anew = matches!(step, Some(Step::Create { .. })) && known.is_some_and(Known::is_present);
        plan.missing += usize::from(anew);
        match step {
            Some(Step::Remember(row)) => {
                plan.unchanged += 1;
                plan.steps.push(Step::Remember(row));
            }
            Some(step) => plan.steps.push(step),
            None => plan.unchanged += 1,
        }
    }
    let mut gone: Vec<&Known> = known.values().filter(|row| !ids.contains(row.id.as_str())).collect();
    gone.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    for row in gone {
        let Some(step) = leaving(row, listing) else { continue };
        plan.removals += usize::from(matches!(step, Step::Remove(_)));
        plan.steps.push(step);
    }
    // What failed before may fail again, and does not stand in the way of the rest.
    let failed = |id: &str| known.get(id).is_some_and(|row| row.failure.is_some());
    plan.steps.sort_by_key(|step| match step {
        Step::Remember(_) | Step::Forget(_) => 0,
        Step::Create { at, .. } | Step::Replace { at, .. } => {
            if wanted.get(*at).is_some_and(|one| failed(one.id())) {
                4
            } else {
                1
            }
        }
        Step::Remove(row) => {
            if row.failure.is_some() {
                3
            } else {
                2
            }
        }
    });
    plan
}

/// What is to be done with something that should be there, from what the target says.
fn compared(at: usize, wanted: &Wanted, digest: Digest, known: Option<&Known>, listing: &Listing) -> Option<Step> {
    let seen = known.map_or(Seen::Nothing, |row| listing.under(row));
    let remembered = if let Seen::It(there) = seen { Some(there) } else { None };
    let is_unseen = known.is_some_and(|row| row.is_uncertain() && row.remote_id.is_none());
    let unseen = || listing.made_unseen(wanted, digest).filter(|_| is_unseen);
    let Some(there) = remembered.or_else(|| listing.with_external_id(wanted.id())).or_else(unseen) else {
        return Some(match (seen, known) {
            (Seen::Untold, Some(row)) => Step::Replace { at, known: row.clone(), seen: None },
            _ => Step::Create { at, doubtful: known.is_some_and(|row| row.state == State::Pending) },
        });
    };
    // Found by our id alone, it is ours only if we were about to create it.
    let created = match known {
        Some(row) if row.remote_id.as_deref() == Some(&there.id) => row.created,
        Some(row) => row.created && row.state == State::Pending && there.external_id.is_some(),
        None => false,
    };
    let row = Known {
        remote_id: Some(there.id.clone()),
        state: State::There,
        created,
        ..known.cloned().unwrap_or_else(|| Known::new(wanted))
    };
    // A target may keep something else than what it was sent, such as a name in lower case: then it is as we left it.
    let as_we_left_it = known.is_some_and(|row| {
        row.state == State::There
            && row.failure.is_none()
            && row.digest == Some(digest)
            && row.stamp.is_some()
            && row.stamp == there.stamp
    });
    if there.digest != digest && !as_we_left_it {
        return Some(Step::Replace { at, known: row, seen: Some(there.clone()) });
    }
    let row = Known {
        name: name_there(wanted, Some(there)),
        digest: Some(digest),
        stamp: there.stamp.clone(),
        failure: None,
        status: None,
        ..row
    };
    (known != Some(&row)).then_some(Step::Remember(row))
}

/// The same from what was done before alone.
fn remembered(at: usize, digest: Digest, known: Option<&Known>) -> Option<Step> {
    let Some(row) = known else { return Some(Step::Create { at, doubtful: false }) };
    let same = row.digest == Some(digest);
    match row.state {
        State::Pending | State::Refused if row.remote_id.is_none() => {
            let doubtful = row.state == State::Pending;
            (!(same && row.is_lasting())).then_some(Step::Create { at, doubtful })
        }
        _ if same && row.state == State::There && (row.failure.is_none() || row.is_lasting()) => None,
        _ => Some(Step::Replace { at, known: row.clone(), seen: None }),
    }
}

/// What is to be done with something that should not be there.
fn leaving(row: &Known, listing: Option<&Listing>) -> Option<Step> {
    let Some(remote_id) = &row.remote_id else {
        // Perhaps it was created after all. Is it there though its creation was refused, somebody else made it.
        let there = listing.and_then(|listing| listing.with_external_id(&row.id));
        return match (there, row.state) {
            (Some(there), state) => Some(Step::Remove(Known {
                remote_id: Some(there.id.clone()),
                created: row.created && state == State::Pending,
                state: State::There,
                ..row.clone()
            })),
            (None, State::Pending) if listing.is_none() => None,
            _ => Some(Step::Forget(row.id.clone())),
        };
    };
    // Whoever is not in the list may be there nevertheless: they are asked for before they are removed.
    let is_nobody = listing.is_some_and(|listing| {
        listing.gone.contains(remote_id)
            || listing.by_id.get(remote_id).is_some_and(|there| row.meant(there) == Meant::Another)
    });
    match row.state {
        _ if is_nobody => Some(Step::Forget(row.id.clone())),
        // It was switched on again, by whomever: that is theirs to decide.
        State::Off => None,
        _ if listing.is_none() && row.is_lasting() => None,
        _ => Some(Step::Remove(row.clone())),
    }
}

#[cfg(test)]
mod tests;
