//! Runs: one at a time among all replicas, each with a report.

use pid_core::audit::Event;
use pid_core::list::{ListRequest, Page};
use pid_core::{Ctx, Timestamp};
use pid_store::ldap::{self, Entry, Run};
use pid_store::{ReadTx, WriteTx, leases};
use serde::{Deserialize, Serialize};

use super::{Counts, Known, KnownGroup, KnownPerson, Line};
use crate::access::Admin;
use crate::audit::Note;
use crate::roles::ReadsAll;
use crate::{Code, Error};

/// Who synchronises now.
const LEASE: &str = "ldap-sync";
/// A run that has not been heard of for so long is not under way, seconds.
const HELD_SECS: i64 = 600;
/// Rows that are read at once.
const ROWS: i64 = 1000;

/// Why a run is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Its hour has come.
    Schedule,
    /// An administrator asked for it.
    ByHand,
    /// An administrator asks to see what it would do.
    DryRun,
    /// An administrator says that a run that stopped may go on.
    Confirmed(String),
}

/// What would go: what a run stops at, and what an administrator may allow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Removal {
    /// People who would be disabled or deleted.
    pub users: usize,
    /// Groups that would be deleted.
    pub groups: usize,
    /// Memberships that would go.
    pub members: usize,
    /// People who would cease to administer.
    pub admins: usize,
    /// Who and what exactly, and by which settings: a confirmation is one of this alone.
    pub digest: String,
}

/// A run under way.
#[derive(Clone, Debug)]
pub struct Begun {
    /// Its id.
    pub id: String,
    /// Who holds the lease.
    pub holder: String,
    /// What may go, whatever its share.
    pub allowed: Option<Removal>,
}

/// Begins a run, if none is under way.
///
/// # Errors
/// `ldap_sync_running`; `not_found` for a stopped run that is not the latest.
pub fn begin(tx: &WriteTx<'_>, ctx: &Ctx, cause: &Cause, admin: Option<&Admin>) -> Result<Begun, Error> {
    let entropy = ctx.stream("ldap run");
    let (id, holder) = (entropy.uuid(), entropy.uuid());
    let allowed = match cause {
        Cause::Confirmed(stopped) => {
            let latest = ldap::latest_sync(tx)?.filter(|run| run.state == "stopped").map(|run| stopped_at(&run));
            // The next hour's may have stopped at the same meanwhile.
            let meant = ldap::run(tx, stopped)?.filter(|run| run.state == "stopped" && !run.dry);
            let meant = meant.map(|run| stopped_at(&run)).filter(|meant| latest.as_ref() == Some(meant));
            Some(meant.ok_or_else(|| Error::not_found("Stopped synchronisation"))?)
        }
        _ => None,
    };
    if !leases::take(tx, LEASE, &holder, ctx.now, ctx.now.plus_secs(HELD_SECS))? {
        return Err(Error::new(Code::LdapSyncRunning));
    }
    let counts = serde_json::to_string(&Counts::default()).map_err(Error::internal)?;
    ldap::begin(tx, &id, ctx.now, *cause == Cause::DryRun, *cause != Cause::Schedule, &counts)?;
    if *cause != Cause::DryRun && *cause != Cause::Schedule {
        let note = Note::about(&[("run", &id), ("confirmed", if allowed.is_some() { "true" } else { "false" })]);
        note.record(tx, ctx, &ctx.stream("ldap asked"), Event::LdapSync, None, admin.map(|admin| &admin.user().id))?;
    }
    Ok(Begun { id, holder, allowed })
}

/// What a stopped run says would go, written into its failure.
fn stopped_at(run: &Run) -> Removal {
    run.failure.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// Says that a run is still under way. Tells whether it is still ours.
pub fn beat(tx: &WriteTx<'_>, now: Timestamp, run: &Begun) -> Result<bool, Error> {
    Ok(leases::keep(tx, LEASE, &run.holder, now.plus_secs(HELD_SECS))?)
}

/// Writes down how far a run has come, with lines of its report from `first` on. Tells whether it is still ours.
pub fn progress(
    tx: &WriteTx<'_>,
    now: Timestamp,
    run: &Begun,
    phase: &str,
    counts: &Counts,
    first: usize,
    lines: &[Line],
) -> Result<bool, Error> {
    let counts = serde_json::to_string(counts).map_err(Error::internal)?;
    let held = leases::keep(tx, LEASE, &run.holder, now.plus_secs(HELD_SECS))?;
    if !held || !ldap::progress(tx, &run.id, phase, &counts)? {
        return Ok(false);
    }
    for (at, line) in lines.iter().enumerate() {
        let entry = Entry {
            number: i64::try_from(first + at).unwrap_or(i64::MAX),
            kind: if line.is_group { "group" } else { "user" }.to_owned(),
            action: line.action.as_str().to_owned(),
            name: line.name.clone(),
            subject_id: line.subject_id.clone(),
            detail: line.detail.clone(),
        };
        ldap::add_entry(tx, &run.id, &entry)?;
    }
    Ok(true)
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It is done.
    Done,
    /// More would go than may without being asked.
    Stopped(Removal),
    /// It failed, with a sentence for administrators.
    Failed(String),
}

/// Ends a run and gives its lease back.
pub fn end(tx: &WriteTx<'_>, now: Timestamp, run: &Begun, counts: &Counts, end: &End) -> Result<(), Error> {
    let counts = serde_json::to_string(counts).map_err(Error::internal)?;
    let (state, failure) = match end {
        End::Done => ("done", None),
        End::Stopped(removal) => ("stopped", Some(serde_json::to_string(removal).map_err(Error::internal)?)),
        End::Failed(why) => ("failed", Some(why.clone())),
    };
    ldap::end(tx, &run.id, now, state, failure.as_deref(), &counts)?;
    leases::keep(tx, LEASE, &run.holder, now.plus_secs(-1))?;
    Ok(())
}

/// A run as administrators see it.
#[derive(Clone, Debug)]
pub struct Report {
    /// The run.
    pub run: Run,
    /// What it did.
    pub counts: Counts,
    /// What it stopped at.
    pub stopped_at: Option<Removal>,
    /// Whether it may be confirmed: it stopped, and none came after it.
    pub may_be_confirmed: bool,
}

fn report(tx: &ReadTx<'_>, now: Timestamp, mut run: Run) -> Result<Report, Error> {
    if run.state == "running" && !leases::is_held(tx, LEASE, now)? {
        "failed".clone_into(&mut run.state);
    }
    let stopped = run.state == "stopped";
    Ok(Report {
        counts: serde_json::from_str(&run.counts).unwrap_or_default(),
        stopped_at: stopped.then(|| stopped_at(&run)),
        may_be_confirmed: stopped && ldap::latest_sync(tx)?.is_some_and(|latest| latest.id == run.id),
        run,
    })
}

/// The latest runs, the newest first.
pub fn list(tx: &ReadTx<'_>, now: Timestamp, _: &ReadsAll) -> Result<Vec<Report>, Error> {
    ldap::runs(tx, 20)?.into_iter().map(|run| report(tx, now, run)).collect()
}

/// A run by id.
pub fn get(tx: &ReadTx<'_>, now: Timestamp, _: &ReadsAll, id: &str) -> Result<Report, Error> {
    report(tx, now, ldap::run(tx, id)?.ok_or_else(|| Error::not_found("Synchronisation"))?)
}

/// What a run did, entry by entry.
pub fn entries(tx: &ReadTx<'_>, who: &ReadsAll, id: &str, request: &ListRequest) -> Result<Page<Entry>, Error> {
    get(tx, Timestamp::from_millis(0), who, id)?;
    Ok(ldap::entries(tx, id, request)?)
}

/// Whether it is time for the next run by itself, so many seconds after the latest; the first one, if it may be.
pub fn is_due(tx: &ReadTx<'_>, now: Timestamp, period_secs: i64, may_be_first: bool) -> Result<bool, Error> {
    let latest = ldap::latest_sync(tx)?;
    Ok(latest.map_or(may_be_first, |run| now.secs_since(run.started_at) >= period_secs))
}

/// The next people and groups that are here, after these identifiers. `false`: there are no more.
pub fn load(tx: &ReadTx<'_>, known: &mut Known, after: &mut (String, String)) -> Result<bool, Error> {
    let people = ldap::people_after(tx, &after.0, ROWS)?;
    for (user, dn) in &people {
        let Some(id) = &user.ldap_id else { continue };
        after.0.clone_from(id);
        known.people.insert(id.clone(), KnownPerson::new(user, dn.as_deref()));
    }
    let groups = ldap::groups_after(tx, &after.1, ROWS)?;
    let more = !people.is_empty() || !groups.is_empty();
    for (group, dn) in groups {
        let Some(id) = group.ldap_id else { continue };
        after.1.clone_from(&id);
        known.groups.insert(id, KnownGroup::new(group.id, group.name, group.friendly_name, dn.as_deref()));
    }
    Ok(more)
}

/// The names of entries of people, or of groups, with their identifiers.
pub fn names(tx: &ReadTx<'_>, is_group: bool, ids: &[String]) -> Result<Vec<(String, Option<String>)>, Error> {
    ids.iter().map(|id| Ok((id.clone(), ldap::dn(tx, is_group, id)?))).collect()
}

/// Notes names of entries.
pub fn put_names(tx: &WriteTx<'_>, names: &[(bool, String, String)]) -> Result<(), Error> {
    Ok(names.iter().try_for_each(|(is_group, id, dn)| ldap::put_dn(tx, *is_group, id, dn))?)
}
