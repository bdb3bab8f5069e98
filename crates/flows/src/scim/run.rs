//! A run: a provider is taken by one replica, what it should have is read as of one moment, what is done there is written
//! down as it is done, and at the end how it went. The requests are the edge's.

use std::collections::HashMap;

use pid_core::audit::Event;
use pid_core::scim::plan::{Known, MOST_REMOVED_PERCENT};
use pid_core::scim::{Kind, Person, Team, Wanted, display_names};
use pid_core::secret::Secret;
use pid_core::{ClientId, Ctx, Timestamp, UserId};
use pid_integrations::scim::{Failure, again_at};
use pid_store::scim::{self, Ending, GroupRow, Provider};
use pid_store::{ReadTx, WriteTx, clients};
use serde::{Deserialize, Serialize};

use super::{FULL_SECS, MOST_SECS, QUIET_SECS, note, open};
use crate::access::Admin;
use crate::env::Env;
use crate::{Code, Error};

/// A run that has not been heard of for so long is lost, seconds.
const LOST_SECS: i64 = 90;
/// The pauses after runs that failed, seconds; the last is kept.
const PAUSES: [i64; 4] = [60, 300, 900, 3600];
/// Problems that are named in a report.
const NAMED: usize = 20;

/// How a run went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// Everything is as it should be.
    #[default]
    Ok,
    /// Some resources could not be written.
    Partial,
    /// The run ended before it was through.
    Failed,
    /// More would leave, or has vanished there, than may without being asked: nothing of that was done.
    Held,
}

/// What was done with the resources of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(rename = "ScimCounts")]
pub struct Counts {
    /// Created there.
    pub created: u64,
    /// Replaced there.
    pub updated: u64,
    /// Deactivated (people) or emptied (groups) there, since they left.
    pub deactivated: u64,
    /// Deleted there, since they left.
    pub deleted: u64,
    /// As they should be.
    pub unchanged: u64,
}

/// A resource that could not be written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(rename = "ScimProblem")]
pub struct Problem {
    /// `user` or `group`.
    #[schemars(extend("enum" = ["user", "group"]))]
    pub kind: String,
    /// Our id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The kind of failure; never what the other side said.
    pub failure: String,
    /// The HTTP status, if there was an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

/// What is told of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(rename = "ScimReport")]
pub struct Report {
    /// How it went.
    pub outcome: Outcome,
    /// Whether everything was compared, or only what had changed here.
    pub full: bool,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// The kind of failure that ended it, or for which groups could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// The HTTP status of that failure, if there was an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What was done with people.
    pub users: Counts,
    /// What was done with groups.
    pub groups: Counts,
    /// How many people and groups could not be written.
    pub failed: u64,
    /// The first of them.
    pub problems: Vec<Problem>,
    /// If it was held: how many people or groups would leave.
    pub leaving: u64,
    /// If it was held: how many that should be there are gone there, and were not created anew.
    pub missing: u64,
    /// If it was held: of how many.
    pub present: u64,
    /// Whether the list of groups could not be read: people were written, groups were left alone.
    pub groups_unread: bool,
}

impl Report {
    /// The last run of a provider.
    pub fn of(provider: &Provider) -> Option<Self> {
        serde_json::from_str(&provider.report).ok()
    }

    /// A run that is ended by a failure.
    #[must_use]
    pub fn failed(mut self, failure: &Failure) -> Self {
        self.outcome = Outcome::Failed;
        self.failure = Some(failure.kind().to_owned());
        self.status = failure.status();
        self
    }

    /// So many would leave: none of them does.
    pub fn hold(&mut self, leaving: usize, present: usize) {
        self.outcome = Outcome::Held;
        if self.leaving == 0 {
            (self.leaving, self.present) = (number(leaving), number(present));
        }
    }

    /// So many have vanished there: none of them is created anew.
    pub fn hold_missing(&mut self, missing: usize, present: usize) {
        self.outcome = Outcome::Held;
        if self.missing == 0 {
            self.missing = number(missing);
        }
        if self.leaving == 0 {
            self.present = number(present);
        }
    }

    /// Groups could not be read, so that none of so many was written.
    pub fn groups_unread(&mut self, failure: &Failure, groups: usize) {
        self.groups_unread = true;
        self.failure = Some(failure.kind().to_owned());
        self.status = failure.status();
        self.failed += number(groups);
    }

    /// What was done with the resources of a kind.
    pub fn counts(&mut self, kind: Kind) -> &mut Counts {
        match kind {
            Kind::User => &mut self.users,
            Kind::Group => &mut self.groups,
        }
    }

    /// Adds what could not be written of a kind.
    pub fn tell(&mut self, kind: Kind, known: &HashMap<String, Known>) {
        let mut failing: Vec<&Known> = known.values().filter(|row| row.failure.is_some()).collect();
        failing.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        self.failed += number(failing.len());
        let room = NAMED.saturating_sub(self.problems.len());
        self.problems.extend(failing.into_iter().take(room).map(|row| Problem {
            kind: kind.as_str().to_owned(),
            id: row.id.clone(),
            name: row.name.clone(),
            failure: row.failure.clone().unwrap_or_default(),
            status: row.status,
        }));
    }

    /// Whether anything was written there.
    pub fn did_something(&self) -> bool {
        [self.users, self.groups].iter().any(|c| c.created + c.updated + c.deactivated + c.deleted > 0)
    }
}

fn number(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

/// Why a run begins.
#[derive(Clone, Debug)]
pub enum Cause {
    /// It is due.
    Due,
    /// An administrator asks for it. `anyway`: even if many would leave.
    Asked {
        /// Who.
        by: UserId,
        /// Whether many may leave.
        anyway: bool,
    },
}

/// A run.
#[derive(Clone, Debug)]
pub struct Run {
    /// The provider as it was when the run began.
    pub provider: Provider,
    /// Its bearer token.
    pub token: Option<Secret>,
    /// Whether everything is compared.
    pub full: bool,
    /// Whether groups have to be compared, since they could not be last time.
    pub groups_unread: bool,
    cause: Cause,
    holder: String,
    started_at: Timestamp,
}

/// What came of trying to begin a run.
#[derive(Debug)]
pub enum Claim {
    /// It begins.
    Taken(Box<Run>),
    /// Another one is under way, or nothing is to be done.
    Busy,
}

/// Whether people or groups have changed and providers were not told yet.
pub fn any_change(tx: &ReadTx<'_>) -> Result<bool, Error> {
    Ok(scim::any_change(tx)?)
}

/// Tells providers what has changed.
pub fn tell_of_changes(tx: &WriteTx<'_>) -> Result<(), Error> {
    Ok(scim::take_changes(tx)?)
}

/// Gives a provider back in the middle of a run: the server stops.
pub fn let_go(tx: &WriteTx<'_>, run: &Run) -> Result<(), Error> {
    Ok(scim::let_go(tx, &run.provider.id, &run.holder)?)
}

/// Providers that have something to do, at most `limit`.
pub fn due(tx: &ReadTx<'_>, now: Timestamp, limit: i64) -> Result<Vec<String>, Error> {
    Ok(scim::due(tx, now, now.plus_secs(-QUIET_SECS), now.plus_secs(-MOST_SECS), limit)?)
}

/// Who asks for a run, if they may.
pub fn asked(tx: &ReadTx<'_>, admin: &Admin, id: &str, anyway: bool) -> Result<Cause, Error> {
    super::find(tx, id)?;
    Ok(Cause::Asked { by: admin.user().id.clone(), anyway })
}

/// Begins a run, unless another one is under way.
pub fn claim(tx: &WriteTx<'_>, ctx: &Ctx, env: &Env, id: &str, cause: &Cause) -> Result<Claim, Error> {
    let provider = super::find(tx, id)?;
    let holder = ctx.stream(&format!("run {id}")).uuid();
    if !scim::claim(tx, id, &holder, ctx.now, ctx.now.plus_secs(LOST_SECS))? {
        return Ok(Claim::Busy);
    }
    let token = open(&env.scim_token_key, &provider)?;
    let lost = !provider.holder.is_empty();
    let is_due = provider.full_at <= ctx.now || provider.report.is_empty();
    let full = lost || is_due || matches!(cause, Cause::Asked { .. });
    let groups_unread = Report::of(&provider).is_some_and(|report| report.groups_unread);
    let (cause, started_at) = (cause.clone(), ctx.now);
    Ok(Claim::Taken(Box::new(Run { provider, token, full, groups_unread, cause, holder, started_at })))
}

/// What a provider's target should have, and what was done there before.
#[derive(Debug)]
pub struct State {
    /// The people who may enter.
    pub people: Vec<Wanted>,
    groups: Vec<GroupRow>,
    /// What is known of people there.
    pub known_people: HashMap<String, Known>,
    /// What is known of groups there.
    pub known_groups: HashMap<String, Known>,
}

/// Reads it, as of one moment.
pub fn state(tx: &ReadTx<'_>, run: &Run) -> Result<State, Error> {
    let client: &ClientId = &run.provider.client_id;
    let restricted = clients::by_id(tx, client)?.ok_or_else(super::not_found)?.is_group_restricted;
    let people = scim::audience(tx, client, restricted)?.into_iter().map(|row| {
        Wanted::Person(Person {
            id: row.id,
            user_name: row.username,
            given_name: row.first_name,
            family_name: row.last_name,
            display_name: row.display_name,
            email: row.email,
            active: !row.disabled,
        })
    });
    Ok(State {
        people: people.collect(),
        groups: scim::audience_groups(tx, client, restricted)?,
        known_people: scim::resources(tx, &run.provider.id, Kind::User)?,
        known_groups: scim::resources(tx, &run.provider.id, Kind::Group)?,
    })
}

impl State {
    /// The groups that the target should have, with those of their members who are there.
    pub fn teams(&self) -> Vec<Wanted> {
        let names: Vec<(&str, &str)> =
            self.groups.iter().map(|group| (group.friendly_name.as_str(), group.name.as_str())).collect();
        let teams = self.groups.iter().zip(display_names(&names)).map(|(group, display_name)| {
            let remote = |member: &String| self.known_people.get(member).and_then(|known| known.remote_id.clone());
            let mut members: Vec<String> = group.members.iter().filter_map(remote).collect();
            members.sort_unstable();
            members.dedup();
            Wanted::Team(Team { id: group.id.clone(), display_name, members })
        });
        teams.collect()
    }

    /// What is known of the resources of a kind.
    pub fn known(&mut self, kind: Kind) -> &mut HashMap<String, Known> {
        match kind {
            Kind::User => &mut self.known_people,
            Kind::Group => &mut self.known_groups,
        }
    }
}

impl Run {
    /// Whether it may remove as many as it likes.
    pub fn may_remove_many(&self) -> bool {
        matches!(self.cause, Cause::Asked { anyway: true, .. })
    }

    /// A report that says nothing yet.
    pub fn report(&self) -> Report {
        Report { full: self.full, started_at: self.started_at, ..Report::default() }
    }
}

/// What is to be remembered of a resource, or that it is to be forgotten.
#[derive(Clone, Debug)]
pub enum Memory {
    /// This.
    Put(Known),
    /// Nothing any more.
    Forget(String),
}

/// Remembers what was done, and holds on to the provider. Tells whether it is still this run's: if not, an administrator
/// changed it meanwhile, or the run was lost, and nothing more may be done.
pub fn remember(tx: &WriteTx<'_>, now: Timestamp, run: &Run, kind: Kind, memories: &[Memory]) -> Result<bool, Error> {
    let id = &run.provider.id;
    if !scim::hold(tx, id, &run.holder, now.plus_secs(LOST_SECS))? {
        return Ok(false);
    }
    for memory in memories {
        match memory {
            Memory::Put(known) => scim::put_resource(tx, id, kind, known)?,
            Memory::Forget(local_id) => scim::forget_resource(tx, id, kind, local_id)?,
        }
    }
    Ok(true)
}

/// Whether the provider is still a run's: see [`remember`].
pub fn is_held(tx: &ReadTx<'_>, run: &Run) -> Result<bool, Error> {
    Ok(scim::by_id(tx, &run.provider.id)?.is_some_and(|provider| provider.holder == run.holder))
}

/// When to try again after failures: later and later, unless the target says when.
fn pause(failures: i64) -> i64 {
    usize::try_from(failures).ok().and_then(|n| PAUSES.get(n)).copied().unwrap_or(FULL_SECS)
}

/// What follows from how a run ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct Next {
    /// What the target asked to be left alone.
    pub wait: Option<std::time::Duration>,
    /// Whether everything should be compared soon.
    pub again: bool,
    /// Whether something failed that may soon succeed.
    pub retry: bool,
}

/// Writes down how a run ended.
pub fn finish(tx: &WriteTx<'_>, ctx: &Ctx, run: &Run, report: &Report, next: Next) -> Result<(), Error> {
    let (provider, now) = (&run.provider, ctx.now);
    let is_ok = report.outcome == Outcome::Ok;
    let has_failed = report.outcome == Outcome::Failed;
    let before = Report::of(provider).map_or(Outcome::Ok, |report| report.outcome);
    // A run that ran out of time goes on where it was.
    let gets_on = has_failed && report.failure.as_deref() == Some("timeout") && report.did_something();
    let counts = (has_failed || next.retry) && !gets_on;
    let goes_on = has_failed == (before == Outcome::Failed);
    let failures = i64::from(counts) + if counts && goes_on { provider.failures } else { 0 };
    let later = now.plus_secs(pause((failures - 1).max(0)));
    let not_before = match next.wait {
        _ if !has_failed => Timestamp::default(),
        Some(wait) => again_at(now, wait),
        None => later,
    };
    let full_at = match report.outcome {
        Outcome::Failed => not_before,
        _ if next.again => now,
        _ => {
            // What was not compared is when it would have been.
            let planned = if run.full { now.plus_secs(FULL_SECS) } else { provider.full_at };
            if next.retry { planned.min(later) } else { planned }
        }
    };
    let report = Report { finished_at: now, ..report.clone() };
    let ending = Ending {
        ended_at: now,
        full_at,
        not_before,
        failures,
        synced_at: is_ok.then_some(now),
        report: serde_json::to_string(&report).map_err(Error::internal)?,
    };
    if !scim::finish(tx, &provider.id, &run.holder, &ending)? {
        return Ok(());
    }
    let actor = match &run.cause {
        Cause::Asked { by, .. } => Some(by),
        Cause::Due => None,
    };
    // What fails again and again is told once.
    let tells = actor.is_some() || report.did_something() || report.outcome != before;
    if !tells {
        return Ok(());
    }
    let event = if is_ok { Event::ScimSynced } else { Event::ScimSyncFailed };
    let shown = super::Shown::read(tx, super::find(tx, &provider.id)?)?;
    let sum = |count: fn(&Counts) -> u64| count(&report.users) + count(&report.groups);
    let mut note = note(&shown)
        .count("created", sum(|c| c.created))
        .count("updated", sum(|c| c.updated))
        .count("deactivated", sum(|c| c.deactivated))
        .count("deleted", sum(|c| c.deleted))
        .count("failed", report.failed)
        .count("leaving", report.leaving)
        .count("missing", report.missing);
    if let Some(failure) = &report.failure {
        note = note.with("failure", failure);
    }
    if let Some(status) = report.status {
        note = note.with("status", &status.to_string());
    }
    note.record(tx, ctx, &ctx.stream("audit"), event, None, actor)
}

/// What a run that was asked for answers, if not everything is well.
pub fn refusal(report: &Report) -> Option<Error> {
    let (status, failed) = (report.status.map(|s| s.to_string()), report.failed);
    let status = status.unwrap_or_default();
    match report.outcome {
        Outcome::Ok => None,
        Outcome::Held => {
            let held = Error::new(Code::ScimSyncHeld)
                .detail("leaving", report.leaving.to_string())
                .detail("present", report.present.to_string())
                .detail("percent", MOST_REMOVED_PERCENT.to_string());
            Some(if report.missing > 0 { held.detail("missing", report.missing.to_string()) } else { held })
        }
        Outcome::Failed => {
            let kind = report.failure.clone().unwrap_or_default();
            Some(Error::new(Code::ScimSyncFailed).detail("failure", kind).detail("status", status))
        }
        Outcome::Partial => Some(Error::new(Code::ScimSyncIncomplete).detail("failed", failed.to_string())),
    }
}
