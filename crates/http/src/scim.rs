//! Provisioning by SCIM: the edge of `pid_flows::scim`. A run reads what a target has, if everything is to be compared,
//! and then writes people before groups, a few requests at a time; what is done is remembered as it is done.

mod worker;

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use pid_core::scim::plan::{Interest, Known, Listing, Step, departures, is_too_many, plan};
use pid_core::scim::{Kind, Wanted};
use pid_flows::Error;
use pid_flows::scim::Report;
use pid_flows::scim::run::{self, Cause, Claim, Memory, Next, Outcome, Run, State};
use pid_integrations::fetch::FetchError;
use pid_integrations::scim::{Failure, Target};
use tokio::task::JoinSet;
use tokio::time::Instant;

use self::worker::{Done, What, Worker};
use crate::state::App;

/// Requests to a target at the same time; of groups, which can be large, fewer.
const AT_ONCE: usize = 4;
const GROUPS_AT_ONCE: usize = 2;
/// Steps between two writings of what was done. Of removals fewer: they can't be taken back.
const CHUNK: usize = 64;
const REMOVALS: usize = 8;
/// Failures in a row after which the target is asked whether it is well.
const MOST_FAILURES: usize = 8;
/// What a run may take: others wait. What it did is remembered, and it goes on later.
const RUN_TIME: Duration = Duration::from_secs(1800);
/// Between two looks whether the provider is still the run's.
const LOOK: Duration = Duration::from_secs(1);
/// Looks between two signs of life of a run.
const HEARTBEAT: u32 = 20;

/// Runs a provider's provisioning, unless another run is under way: then there is no report. A server that stops gives it
/// back, and it begins anew at another one, or after the next start.
///
/// # Errors
/// The store's, or there is no such provider.
pub async fn provision(app: &App, id: &str, cause: Cause) -> Result<Option<Report>, Error> {
    if app.waits().has_ended() {
        return Ok(None);
    }
    let (ctx, env, id) = (app.ctx("provisioning"), Arc::clone(app.env()), id.to_owned());
    let run = match app.db().write(move |tx| run::claim(tx, &ctx, &env, &id, &cause)).await? {
        Claim::Taken(run) => Arc::new(*run),
        Claim::Busy => return Ok(None),
    };
    let stopped = || async {
        let run = Arc::clone(&run);
        app.db().write(move |tx| run::let_go(tx, &run)).await
    };
    // Whatever breaks here ends the run as a failure, which is tried again later and later, and told.
    let ended = tokio::select! {
        ended = AssertUnwindSafe(Session::run(app, &run)).catch_unwind() => match ended {
            Ok(Ok(ended)) => ended,
            Ok(Err(error)) => Some(broken(&run, &error.to_string())),
            Err(_) => Some(broken(&run, "a panic")),
        },
        () = lost(app, &run) => None,
        () = app.waits().ended() => {
            stopped().await?;
            None
        }
    };
    let Some((report, next)) = ended else { return Ok(None) };
    let (ctx, told) = (app.ctx("provisioning"), report.clone());
    app.db().write(move |tx| run::finish(tx, &ctx, &run, &told, next)).await?;
    Ok(Some(report))
}

fn broken(run: &Run, why: &str) -> Ended {
    tracing::error!(provider = run.provider.id, why, "provisioning broke off");
    (run.report().failed(&Failure::Ours), Next::default())
}

/// Holds on to the provider; returns when it is this run's no more, which ends all its requests.
async fn lost(app: &App, run: &Arc<Run>) {
    for looks in 1_u32.. {
        tokio::time::sleep(LOOK).await;
        let (now, run) = (app.clock().now(), Arc::clone(run));
        let held = if looks.is_multiple_of(HEARTBEAT) {
            app.db().write(move |tx| run::remember(tx, now, &run, Kind::User, &[])).await
        } else {
            app.db().read(move |tx| run::is_held(tx, &run)).await
        };
        if let Ok(false) = held {
            return;
        }
    }
}

/// How a run ended, and what follows.
type Ended = (Report, Next);

/// What a step creates, if it does.
fn created<'a>(wanted: &'a [Wanted], step: &Step) -> Option<&'a Wanted> {
    match step {
        Step::Create { at, .. } => wanted.get(*at),
        _ => None,
    }
}

struct Session<'a> {
    app: &'a App,
    run: &'a Arc<Run>,
    target: Target,
    report: Report,
    /// The failure that ended it.
    failure: Option<Failure>,
    again: bool,
    /// Whether groups should be tried again soon.
    retry: bool,
    /// Whether so much leaves that nothing is removed.
    keeps_all: bool,
    in_a_row: usize,
    until: Instant,
}

impl<'a> Session<'a> {
    /// Runs to the end; `None` if the provider was taken away meanwhile.
    async fn run(app: &'a App, run: &'a Arc<Run>) -> Result<Option<Ended>, Error> {
        let read = Arc::clone(run);
        let mut state = app.db().read(move |tx| run::state(tx, &read)).await?;
        let report = run.report();
        let target = match Target::new(app.fetcher().clone(), &run.provider.endpoint, run.token.as_ref()) {
            Ok(target) => target,
            Err(failure) => return Ok(Some((report.failed(&failure), Next::default()))),
        };
        let mut session = Self {
            app,
            run,
            target,
            report,
            failure: None,
            again: false,
            retry: false,
            keeps_all: false,
            in_a_row: 0,
            until: Instant::now() + RUN_TIME,
        };
        let is_ours = session.all(&mut state).await?;
        Ok(is_ours.then(|| session.end(&state)))
    }

    fn end(self, state: &State) -> Ended {
        let Self { mut report, failure, again, retry, .. } = self;
        report.tell(Kind::User, &state.known_people);
        if !report.groups_unread {
            report.tell(Kind::Group, &state.known_groups);
        }
        if report.outcome != Outcome::Held {
            report.outcome = if report.failed > 0 || report.groups_unread { Outcome::Partial } else { Outcome::Ok };
        }
        let passes = |known: &HashMap<String, Known>| known.values().any(Known::is_passing);
        let wait = match &failure {
            Some(Failure::Throttled { wait, .. }) => Some(*wait),
            _ => None,
        };
        let retry = retry || passes(&state.known_people) || passes(&state.known_groups);
        if let Some(failure) = failure {
            tracing::debug!(%failure, provider = self.run.provider.id, "provisioning ended early");
            report = report.failed(&failure);
        }
        (report, Next { wait, again, retry })
    }

    /// Does everything: people, so that it is known under which ids they are there, then groups. Tells whether the provider
    /// is still this run's.
    async fn all(&mut self, state: &mut State) -> Result<bool, Error> {
        let uncertain = |known: &HashMap<String, Known>| known.values().any(Known::is_uncertain);
        let people_in_full = self.run.full || uncertain(&state.known_people);
        let groups_in_full = self.run.full || self.run.groups_unread || uncertain(&state.known_groups);
        self.report.full = people_in_full || groups_in_full;
        self.weigh(state);
        let people = std::mem::take(&mut state.people);
        let listing = match self.look(people_in_full, Kind::User, &people, &state.known_people).await {
            Ok(listing) => listing,
            Err(failure) => {
                self.failure = Some(failure);
                return Ok(true);
            }
        };
        if !self.carry_out(Kind::User, &people, listing.as_ref(), state).await? {
            return Ok(false);
        }
        let teams = state.teams();
        if self.failure.is_some() || teams.is_empty() && state.known_groups.is_empty() {
            return Ok(true);
        }
        match self.look(groups_in_full, Kind::Group, &teams, &state.known_groups).await {
            Ok(listing) => self.carry_out(Kind::Group, &teams, listing.as_ref(), state).await,
            Err(failure) if failure.ends_run() => {
                self.failure = Some(failure);
                Ok(true)
            }
            // An application with people alone, for example.
            Err(failure) => {
                self.retry = failure.is_of_target();
                self.report.groups_unread(&failure, teams.len());
                Ok(true)
            }
        }
    }

    /// Whether so many people or groups would leave that nothing is removed, neither of the one nor of the other.
    fn weigh(&mut self, state: &State) {
        if self.run.may_remove_many() {
            return;
        }
        let kinds = [departures(&state.people, &state.known_people), departures(&state.teams(), &state.known_groups)];
        for (leaving, present) in kinds {
            if is_too_many(leaving, present) {
                self.keeps_all = true;
                self.report.hold(leaving, present);
            }
        }
    }

    /// Asks the target what it has of a kind, if everything is compared. What its list lacks is asked for one by one: only
    /// what is not found then counts as gone.
    async fn look(
        &self,
        full: bool,
        kind: Kind,
        wanted: &[Wanted],
        known: &HashMap<String, Known>,
    ) -> Result<Option<Listing>, Failure> {
        if !full {
            return Ok(None);
        }
        let interest = Interest::new(wanted.iter().map(Wanted::id), known.values());
        let mut listing = self.target.list(kind, &interest).await?;
        let (mut missing, mut under_way) = (listing.missing(wanted, known).into_iter(), JoinSet::new());
        let mut in_a_row = 0;
        loop {
            // Those that nobody answers for are looked at again when they are written.
            while under_way.len() < GROUPS_AT_ONCE && in_a_row < MOST_FAILURES && Instant::now() < self.until {
                let Some(id) = missing.next() else { break };
                let target = self.target.clone();
                under_way.spawn(async move { (target.get(kind, &id).await, id) });
            }
            match under_way.join_next().await {
                None => return Ok(Some(listing)),
                Some(Ok((Err(failure), _))) if failure.ends_run() => return Err(failure),
                Some(Ok((Err(_), _)) | Err(_)) => in_a_row += 1,
                Some(Ok((Ok(found), id))) => {
                    in_a_row = 0;
                    match found {
                        Some(remote) => listing.found(remote),
                        None => listing.gone(id),
                    }
                }
            }
        }
    }

    /// Plans and does what is to be done with a kind. Tells whether the provider is still this run's.
    async fn carry_out(
        &mut self,
        kind: Kind,
        wanted: &[Wanted],
        listing: Option<&Listing>,
        state: &mut State,
    ) -> Result<bool, Error> {
        let mut plan = plan(wanted, state.known(kind), listing);
        if !self.run.may_remove_many() {
            if plan.removes_too_many() {
                self.keeps_all = true;
                self.report.hold(plan.removals, plan.present);
            }
            if self.keeps_all {
                plan.keep_all();
            }
            if plan.misses_too_many() {
                self.report.hold_missing(plan.missing, plan.present);
                plan.keep_links(wanted, state.known(kind));
            }
        }
        self.report.counts(kind).unchanged += u64::try_from(plan.unchanged).unwrap_or_default();
        // A name that somebody had who has left or changed it by now, and what turned out to be gone.
        let mut second = Vec::new();
        let is_ours = self.steps(kind, wanted, &plan.steps, state, &mut Some(&mut second)).await?;
        Ok(is_ours && self.steps(kind, wanted, &second, state, &mut None).await?)
    }

    /// Takes steps, as long as the target is well. Without a place for a second attempt this is the last one.
    async fn steps(
        &mut self,
        kind: Kind,
        wanted: &[Wanted],
        mut steps: &[Step],
        state: &mut State,
        second: &mut Option<&mut Vec<Step>>,
    ) -> Result<bool, Error> {
        let is_removal = |step: &Step| matches!(step, Step::Remove(_));
        while let (Some(first), None) = (steps.first(), &self.failure) {
            let most = if is_removal(first) { REMOVALS } else { CHUNK };
            let alike = steps.iter().take(most).take_while(|step| is_removal(step) == is_removal(first)).count();
            let (chunk, rest) = steps.split_at(alike);
            if !self.chunk(kind, wanted, chunk, state, second).await? {
                return Ok(false);
            }
            steps = rest;
        }
        Ok(true)
    }

    async fn chunk(
        &mut self,
        kind: Kind,
        wanted: &[Wanted],
        steps: &[Step],
        state: &mut State,
        second: &mut Option<&mut Vec<Step>>,
    ) -> Result<bool, Error> {
        // Before anything is created: should the answer be lost, it is known whose it is.
        let before: HashMap<String, Memory> = steps
            .iter()
            .filter_map(|step| created(wanted, step))
            .map(|one| {
                let known = state.known(kind).get(one.id()).cloned();
                (one.id().to_owned(), known.map_or_else(|| Memory::Forget(one.id().to_owned()), Memory::Put))
            })
            .collect();
        let begun = steps.iter().filter_map(|step| created(wanted, step)).map(|one| Memory::Put(Known::new(one)));
        let begun: Vec<Memory> = begun.collect();
        if !begun.is_empty() && !self.remember(kind, begun, state).await? {
            return Ok(false);
        }
        let at_once = if kind == Kind::Group { GROUPS_AT_ONCE } else { AT_ONCE };
        let (mut under_way, mut memories) = (JoinSet::new(), Vec::new());
        let mut waiting = steps.iter();
        loop {
            while under_way.len() < at_once && self.failure.is_none() && self.in_a_row < MOST_FAILURES {
                let Some(step) = waiting.as_slice().first() else { break };
                if Instant::now() >= self.until {
                    self.failure = Some(Failure::Fetch(FetchError::Timeout));
                    break;
                }
                _ = waiting.next();
                let one = match step {
                    Step::Create { at, .. } | Step::Replace { at, .. } => wanted.get(*at).cloned(),
                    _ => None,
                };
                let worker = Worker { target: self.target.clone(), kind, deactivates: self.run.provider.deactivates };
                let step = step.clone();
                under_way.spawn(async move {
                    let done = worker.take(&step, one.as_ref()).await;
                    (step, done)
                });
            }
            let Some(joined) = under_way.join_next().await else { break };
            let (step, done) = joined.map_err(Error::internal)?;
            let later = self.count(kind, step, &done, second.is_none());
            if let (Some(step), Some(second)) = (later, second.as_mut()) {
                second.push(step);
            }
            if let What::Failed(failure) = &done.what
                && self.in_a_row >= MOST_FAILURES
                && self.failure.is_none()
            {
                // Perhaps they are that many, and it is well otherwise.
                if self.target.is_well().await {
                    self.in_a_row = 0;
                } else {
                    self.failure = Some(failure.clone());
                }
            }
            memories.push(done.memory);
        }
        // What was not even begun is as it was before.
        let unbegun = waiting.filter_map(|step| before.get(created(wanted, step)?.id()).cloned());
        memories.extend(unbegun);
        self.remember(kind, memories, state).await
    }

    /// Counts what was done. Gives the step that may succeed once all others are done.
    fn count(&mut self, kind: Kind, step: Step, done: &Done, is_last: bool) -> Option<Step> {
        let counts = self.report.counts(kind);
        match &done.what {
            What::Created => counts.created += 1,
            What::Updated => counts.updated += 1,
            What::Deactivated => counts.deactivated += 1,
            What::Deleted => counts.deleted += 1,
            What::Unchanged => counts.unchanged += 1,
            What::Nothing | What::Gone => {}
            What::Failed(failure) => {
                self.in_a_row = if failure.is_of_target() { self.in_a_row + 1 } else { 0 };
                if failure.ends_run() {
                    self.failure.get_or_insert_with(|| failure.clone());
                }
                let name_taken = failure.kind() == "name_taken";
                // What we believed to be new is there: everything has to be compared.
                self.again |= name_taken && is_last && !self.report.full;
                return name_taken.then_some(step);
            }
        }
        self.in_a_row = 0;
        match (&done.what, step) {
            (What::Gone, Step::Replace { at, .. }) => Some(Step::Create { at, doubtful: false }),
            _ => None,
        }
    }

    async fn remember(&self, kind: Kind, memories: Vec<Memory>, state: &mut State) -> Result<bool, Error> {
        for memory in &memories {
            match memory {
                Memory::Put(known) => _ = state.known(kind).insert(known.id.clone(), known.clone()),
                Memory::Forget(id) => _ = state.known(kind).remove(id),
            }
        }
        let (now, run) = (self.app.clock().now(), Arc::clone(self.run));
        self.app.db().write(move |tx| run::remember(tx, now, &run, kind, &memories)).await
    }
}
