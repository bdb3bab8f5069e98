//! Writing and reading the audit log.

use std::collections::{BTreeMap, BTreeSet};

use pid_core::audit::{Entry, Event};
use pid_core::list::{ListRequest, Page};
use pid_core::{Ctx, Entropy, Timestamp, UserId};
use pid_store::audit::{self, NewEntry, Quota};
use pid_store::{ReadTx, WriteTx};
use serde::Serialize;
use serde_json::Value;

use crate::Error;
use crate::access::SignedIn;
use crate::budget::address_subject;
use crate::roles::ReadsAll;

/// The longest value of an entry, characters, on each side of an arrow.
const VALUE: usize = 160;
/// The longest member of a set that is named, characters.
const MEMBER: usize = 80;
/// So many members of a set are named, the others are counted.
const MEMBERS: usize = 20;
/// Failures that are written down of one address within an hour, and of all addresses; the others are counted.
const FAILURES: [i64; 2] = [20, 1000];
/// Seconds.
const HOUR: i64 = 3600;

/// What became of a picture.
pub(crate) const SET: &str = "none → set";
/// What became of a picture.
pub(crate) const REPLACED: &str = "set → replaced";
/// What became of a picture.
pub(crate) const TAKEN_AWAY: &str = "set → none";

/// What an entry says besides who and when: what it is about, by names and ids, and what changed, as "before → after".
/// Whatever the change, its length is bounded. It must not hold secrets.
#[derive(Clone, Debug, Default)]
pub struct Note(BTreeMap<String, String>);

impl Note {
    /// Names and ids of what the entry is about.
    pub fn about(names: &[(&str, &str)]) -> Self {
        names.iter().fold(Self::default(), |note, (name, text)| note.with(name, text))
    }

    /// One more word.
    #[must_use]
    pub fn with(mut self, name: &str, text: &str) -> Self {
        self.0.insert(name.to_owned(), cut(text, 2 * VALUE));
        self
    }

    /// A member that changed, if it did; an empty text is one that is not there.
    #[must_use]
    pub fn change(self, name: &str, before: &str, after: &str) -> Self {
        if before == after {
            return self;
        }
        let text = format!("{} → {}", cut(before, VALUE), cut(after, VALUE));
        self.with(name, text.trim())
    }

    /// How many there were of something, if any.
    #[must_use]
    pub fn count(self, name: &str, number: u64) -> Self {
        if number == 0 { self } else { self.with(name, &number.to_string()) }
    }

    /// A list that changed, if it did: what came and what went.
    #[must_use]
    pub fn set<T: AsRef<str>>(mut self, name: &str, before: &[T], after: &[T]) -> Self {
        let of = |list: &[T]| list.iter().map(|item| item.as_ref().to_owned()).collect::<BTreeSet<String>>();
        let (old, new) = (of(before), of(after));
        let came = new.difference(&old).map(|item| ('+', item));
        let gone = old.difference(&new).map(|item| ('−', item));
        let all: Vec<(char, &String)> = came.chain(gone).collect();
        let mut words: Vec<String> =
            all.iter().take(MEMBERS).map(|(sign, item)| format!("{sign}{}", cut(item, MEMBER))).collect();
        if all.len() > MEMBERS {
            words.push(format!("… {} more", all.len() - MEMBERS));
        }
        let same = before.iter().map(AsRef::as_ref).eq(after.iter().map(AsRef::as_ref));
        if !words.is_empty() {
            self.0.insert(name.to_owned(), words.join(", "));
        } else if !same {
            self.0.insert(name.to_owned(), "order".to_owned());
        }
        self
    }

    /// Each member of an object that changed; lists as sets.
    #[must_use]
    pub fn changes(self, before: &impl Serialize, after: &impl Serialize) -> Self {
        let object = |value: serde_json::Result<Value>| match value {
            Ok(Value::Object(map)) => map,
            _ => serde_json::Map::new(),
        };
        let (before, after) = (object(serde_json::to_value(before)), object(serde_json::to_value(after)));
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        names.into_iter().fold(self, |note, name| match (before.get(name), after.get(name)) {
            (Some(Value::Array(old)), Some(Value::Array(new))) => {
                let texts = |list: &[Value]| list.iter().map(|item| text(Some(item))).collect::<Vec<String>>();
                note.set(name, &texts(old), &texts(new))
            }
            (old, new) => note.change(name, &text(old), &text(new)),
        })
    }

    /// Whether it says nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes the entry, in the transaction of its cause. `actor` is named when somebody else than `user` did it.
    pub fn record(
        &self,
        tx: &WriteTx<'_>,
        ctx: &Ctx,
        entropy: &Entropy,
        event: Event,
        user: Option<&UserId>,
        actor: Option<&UserId>,
    ) -> Result<(), Error> {
        // What a file declares nobody does who could be named.
        let actor = actor.filter(|actor| Some(*actor) != user && !tx.declares());
        let client_name = self.0.get("clientName").map(String::as_str);
        let data = serde_json::to_string(&self.0).map_err(Error::internal)?;
        let (id, place) = (entropy.uuid_at(ctx.now), ctx.places.of(&ctx.ip_address));
        Ok(audit::insert(tx, ctx, NewEntry { id: &id, place: &place, event, user, actor, client_name, data: &data })?)
    }
}

fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// Writes an entry that says no more than names, as [`Note::record`].
pub fn record(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    entropy: &Entropy,
    event: Event,
    user: Option<&UserId>,
    actor: Option<&UserId>,
    data: &[(&str, &str)],
) -> Result<(), Error> {
    Note::about(data).record(tx, ctx, entropy, event, user, actor)
}

/// Writes down that somebody or some client did not get in. Strangers can make these as often as they like, so only so
/// many of one address are written within an hour, and of all; the rest is counted and told by one entry afterwards.
pub fn failed(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    event: Event,
    user: Option<&UserId>,
    data: &[(&str, &str)],
) -> Result<(), Error> {
    let mut note = Note::about(data);
    for (address, most) in [address_subject(&ctx.ip_address), EVERYWHERE.to_owned()].into_iter().zip(FAILURES) {
        let mut quota = match audit::quota(tx, event.as_str(), &address)? {
            Some(over) if over.ends_at <= ctx.now => {
                tell_uncounted(tx, ctx, &over)?;
                Quota::new(event, address, ctx.now.plus_secs(HOUR))
            }
            Some(running) => running,
            None => Quota::new(event, address, ctx.now.plus_secs(HOUR)),
        };
        let is_full = quota.written >= most;
        *(if is_full { &mut quota.skipped } else { &mut quota.written }) += 1;
        audit::set_quota(tx, &quota)?;
        if is_full {
            return Ok(());
        }
        if quota.written == most {
            note = note.with("further", "counted until the hour is over");
        }
    }
    note.record(tx, ctx, &ctx.stream("failed"), event, user, None)
}

/// The address of the quota of all addresses.
const EVERYWHERE: &str = "";

/// Tells of the failures of an hour that is over which were only counted.
fn tell_uncounted(tx: &WriteTx<'_>, ctx: &Ctx, quota: &Quota) -> Result<(), Error> {
    if quota.skipped == 0 {
        return Ok(());
    }
    let of_hour = Ctx { ip_address: quota.address.clone(), user_agent: String::new(), ..ctx.clone() };
    let note = Note::about(&[("failures", &quota.skipped.to_string()), ("until", &quota.ends_at.to_string())]);
    let entropy = ctx.stream(&format!("uncounted {} {}", quota.event, quota.address));
    let event = Event::FAILURES.into_iter().find(|event| event.as_str() == quota.event);
    note.record(tx, &of_hour, &entropy, event.unwrap_or(Event::SignInFailed), None, None)
}

/// Ends the hours that are over: tells of what was only counted, of a thousand addresses at most. Gives the number of
/// rows.
pub fn end_quotas(tx: &WriteTx<'_>, ctx: &Ctx) -> Result<u64, Error> {
    let kept = audit::delete_kept_quotas(tx, ctx.now)?;
    let over = audit::quotas_over(tx, ctx.now)?;
    for quota in &over {
        tell_uncounted(tx, ctx, quota)?;
        audit::delete_quota(tx, quota)?;
    }
    Ok(kept + u64::try_from(over.len()).unwrap_or(0))
}

/// A page of the caller's entries (api.md §19.1).
pub fn list_own(tx: &ReadTx<'_>, who: &SignedIn, request: &ListRequest) -> Result<Page<Entry>, Error> {
    Ok(audit::list_of_user(tx, &who.user().id, request)?)
}

/// A page of everybody's entries (api.md §19.2).
pub fn list_all(tx: &ReadTx<'_>, _: &ReadsAll, request: &ListRequest) -> Result<Page<Entry>, Error> {
    Ok(audit::list(tx, request)?)
}

/// The next entries of an export.
pub fn after(tx: &ReadTx<'_>, _: &ReadsAll, at: Timestamp, id: &str, limit: i64) -> Result<Vec<Entry>, Error> {
    Ok(audit::after(tx, at, id, limit)?)
}

/// Names of clients that entries speak of (api.md §19.3).
pub fn client_names(tx: &ReadTx<'_>, _: &ReadsAll) -> Result<Vec<String>, Error> {
    Ok(audit::client_names(tx)?)
}

/// People that entries speak of (api.md §19.4).
pub fn users(tx: &ReadTx<'_>, _: &ReadsAll) -> Result<BTreeMap<String, String>, Error> {
    Ok(audit::users(tx)?)
}
