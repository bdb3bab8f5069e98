//! Doing what is planned, in small transactions; or imagining it, by the same rules in the same order.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use pid_core::groups::Group;
use pid_core::ldap::{Directory, Reason};
use pid_core::{Ctx, UserId};
use pid_flows::ldap::groups::{self, Difference};
use pid_flows::ldap::people::{self, Decision};
use pid_flows::ldap::plan::PersonChange;
use pid_flows::ldap::{Act, Imagined, Line, Plan, runs};
use pid_flows::{Code, Error};

use super::report::Reporter;
use super::{BATCH, Stop};
use crate::state::App;

/// The most people who exchange their names among each other.
const KNOT: usize = 200;
/// So many people leave a group in one transaction.
const LEAVING: usize = BATCH / 4;

/// A group by its place in the plan, and who comes and goes.
pub(super) type Differences = Vec<(usize, Difference)>;

/// Whether what is decided is done.
#[derive(Clone)]
pub(super) enum Hand {
    /// It is.
    Doing,
    /// It is only noted for what is decided later.
    Imagining(Arc<Mutex<Imagined>>),
}

impl Hand {
    /// One that has imagined nothing yet.
    pub(super) async fn imagining(app: &App) -> Result<Self, Error> {
        let imagined = app.db().read(Imagined::new).await?;
        Ok(Self::Imagining(Arc::new(Mutex::new(imagined))))
    }

    /// Runs a rule in a transaction of its own.
    pub(super) async fn act<T: Send + 'static>(
        &self,
        app: &App,
        rule: impl Fn(&mut Act<'_, '_>, &Ctx) -> Result<T, Error> + Send + Sync + 'static,
    ) -> Result<T, Error> {
        let ctx = app.ctx("LDAP");
        match self.clone() {
            Self::Doing => app.db().write(move |tx| rule(&mut Act::Do(tx), &ctx)).await,
            Self::Imagining(imagined) => {
                let act = move |tx: &pid_store::ReadTx<'_>| {
                    let mut imagined = imagined.lock().unwrap_or_else(PoisonError::into_inner);
                    rule(&mut Act::Imagine(tx, &mut imagined), &ctx)
                };
                app.db().read(act).await
            }
        }
    }
}

/// Compares the members of all groups with those that are here.
pub(super) async fn compare(app: &App, plan: &Arc<Plan>) -> Result<Differences, Error> {
    let mut all = Vec::with_capacity(plan.groups.len());
    let accounts = plan.accounts.iter().enumerate();
    let seats: HashMap<String, u32> =
        accounts.filter_map(|(seat, id)| Some((id.as_ref()?.as_str().to_owned(), u32::try_from(seat).ok()?))).collect();
    let seats = Arc::new(seats);
    for from in (0..plan.groups.len()).step_by(BATCH) {
        let (plan, seats) = (Arc::clone(plan), Arc::clone(&seats));
        let part = app.db().read(move |tx| {
            let to = (from + BATCH).min(plan.groups.len());
            (from..to)
                .map(|at| Ok((at, groups::compare(tx, &plan.groups[at], &seats)?)))
                .collect::<Result<Differences, Error>>()
        });
        all.extend(part.await?);
        tokio::task::yield_now().await;
    }
    Ok(all)
}

/// Counts the memberships that end with groups that are gone.
pub(super) async fn members_of_gone(app: &App, plan: &Plan) -> Result<usize, Error> {
    let mut count = 0;
    for part in plan.gone_groups.chunks(BATCH) {
        let part = part.to_vec();
        count += app.db().read(move |tx| groups::members_of_gone(tx, &part)).await?;
    }
    Ok(count)
}

fn count_members(reporter: &mut Reporter<'_>, difference: &Difference) {
    let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    reporter.count(|counts| {
        counts.groups.members_added += count(difference.come.len());
        counts.groups.members_removed += count(difference.go.len());
    });
}

/// Runs a rule over some in one transaction; if that fails, over each by itself, so that one holds up none of the others.
/// Whoever can't be stored by itself has no answer.
async fn each<I, T>(
    app: &App,
    hand: &Hand,
    items: Vec<I>,
    rule: impl Fn(&mut Act<'_, '_>, &Ctx, &I) -> Result<T, Error> + Clone + Send + Sync + 'static,
) -> Result<Vec<(I, Option<T>)>, Error>
where
    I: Clone + Send + Sync + 'static,
    T: Send + 'static,
{
    let (together, apply) = (items.clone(), rule.clone());
    let all = hand
        .act(app, move |act, ctx| together.iter().map(|item| apply(act, ctx, item)).collect::<Result<Vec<T>, Error>>());
    match all.await {
        Ok(done) => return Ok(items.into_iter().zip(done.into_iter().map(Some)).collect()),
        Err(error) if error.code == Code::Unavailable => return Err(error),
        Err(_) => {}
    }
    let mut out = Vec::with_capacity(items.len());
    for item in items {
        let (alone, apply) = (item.clone(), rule.clone());
        match hand.act(app, move |act, ctx| apply(act, ctx, &alone)).await {
            Ok(done) => out.push((item, Some(done))),
            Err(error) if error.code == Code::Unavailable => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "LDAP: an entry could not be stored");
                out.push((item, None));
            }
        }
    }
    Ok(out)
}

/// Does what is planned, or imagines it.
pub(super) async fn apply(
    app: &App,
    hand: &Hand,
    directory: &Directory,
    plan: &Arc<Plan>,
    differences: Differences,
    reporter: &mut Reporter<'_>,
) -> Result<(), Stop> {
    let mut accounts = plan.accounts.clone();
    reporter.phase("people");
    if matches!(hand, Hand::Doing) {
        put_names(app, plan, reporter).await?;
    }
    let waiting = change_people(app, hand, plan.people.iter().cloned(), &mut accounts, reporter, false).await?;
    remove_people(app, hand, directory, plan, reporter).await?;
    // Names may be free now. Who is left waits for others who are left, or for nobody.
    let waiting = change_people(app, hand, waiting.into_iter(), &mut accounts, reporter, false).await?;
    untie(app, hand, waiting, &mut accounts, reporter).await?;
    reporter.phase("groups");
    for id in &plan.gone_groups {
        if matches!(hand, Hand::Doing) {
            empty(app, id, reporter).await?;
        }
        let removed = each(app, hand, vec![id.clone()], |act, ctx, id| groups::remove(act, ctx, id)).await?;
        for (id, line) in removed {
            match line {
                Some(line) => line.into_iter().for_each(|line| reporter.add(line)),
                None => reporter.add(Line::skipped(true, &id, Reason::NotStored)),
            }
        }
        reporter.tell().await?;
    }
    change_groups(app, hand, plan, differences, &accounts, reporter).await
}

/// Notes where entries are now that were elsewhere, or nowhere that we know of.
async fn put_names(app: &App, plan: &Plan, reporter: &mut Reporter<'_>) -> Result<(), Error> {
    for part in plan.names.chunks(BATCH) {
        let part = part.to_vec();
        app.db().write(move |tx| runs::put_names(tx, &part)).await?;
        reporter.tell().await?;
    }
    Ok(())
}

/// Lets most members of a group that is gone leave it first: to delete a large one at once would hold up everybody.
async fn empty(app: &App, id: &str, reporter: &mut Reporter<'_>) -> Result<(), Error> {
    loop {
        let (of, ctx) = (id.to_owned(), app.ctx("LDAP"));
        let is_small = app.db().write(move |tx| {
            let limit = i64::try_from(LEAVING).unwrap_or(i64::MAX);
            let Some((group, some)) = groups::leaving(tx, &of, limit)? else { return Ok(true) };
            let is_small = some.len() < LEAVING;
            if !is_small {
                groups::set_members(tx, &ctx, &group, &[], &some)?;
            }
            Ok::<_, Error>(is_small)
        });
        if is_small.await? {
            return Ok(());
        }
        reporter.tell().await?;
    }
}

/// Changes people. Gives those whose names others have.
async fn change_people(
    app: &App,
    hand: &Hand,
    changes: impl Iterator<Item = PersonChange>,
    accounts: &mut [Option<UserId>],
    reporter: &mut Reporter<'_>,
    is_last: bool,
) -> Result<Vec<PersonChange>, Error> {
    let (mut waiting, mut changes) = (Vec::new(), changes.peekable());
    while changes.peek().is_some() {
        let batch: Vec<PersonChange> = changes.by_ref().take(BATCH).collect();
        let tried = each(app, hand, batch, move |act, ctx, change| people::apply(act, ctx, change, is_last));
        for (change, decision) in tried.await? {
            match decision {
                Some(Decision::Taken(_)) if !is_last => waiting.push(change),
                decision => done(&change, decision.as_ref(), accounts, reporter),
            }
        }
        reporter.tell().await?;
    }
    Ok(waiting)
}

/// Notes what was done about a person.
fn done(
    change: &PersonChange,
    decision: Option<&Decision>,
    accounts: &mut [Option<UserId>],
    reporter: &mut Reporter<'_>,
) {
    let Some(decision) = decision else {
        let name = if change.dn.is_empty() { &change.ldap_id } else { &change.dn };
        return reporter.add(Line::skipped(false, name, Reason::NotStored));
    };
    if let Decision::Create(user) = decision
        && let Some(account) = accounts.get_mut(change.seat as usize)
    {
        *account = Some(user.id.clone());
    }
    people::lines(change, decision).into_iter().for_each(|line| reporter.add(line));
}

/// Lets people exchange names who wait for each other's.
async fn untie(
    app: &App,
    hand: &Hand,
    waiting: Vec<PersonChange>,
    accounts: &mut [Option<UserId>],
    reporter: &mut Reporter<'_>,
) -> Result<(), Error> {
    let is_here = |change: &&PersonChange| accounts.get(change.seat as usize).is_some_and(Option::is_some);
    let mut knot: Vec<PersonChange> = waiting.iter().filter(is_here).cloned().collect();
    let mut untied = HashSet::new();
    if (2..=KNOT).contains(&knot.len()) {
        knot = loose(app, hand, knot).await?;
    }
    if (2..=KNOT).contains(&knot.len()) {
        let together = knot.clone();
        match hand.act(app, move |act, ctx| people::apply_knot(act, ctx, &together)).await {
            Ok(decisions) => {
                for (change, decision) in knot.iter().zip(&decisions) {
                    if !matches!(decision, Decision::Taken(_)) {
                        done(change, Some(decision), accounts, reporter);
                        untied.insert(change.seat);
                    }
                }
            }
            Err(error) if error.code == Code::Unavailable => return Err(error),
            Err(error) => tracing::warn!(%error, "LDAP: names could not be exchanged"),
        }
    }
    let rest = waiting.into_iter().filter(|change| !untied.contains(&change.seat)).collect::<Vec<_>>();
    change_people(app, hand, rest.into_iter(), accounts, reporter, true).await?;
    Ok(())
}

/// Those who can really exchange names, found out by reading: nothing is written each hour about whoever can't.
async fn loose(app: &App, hand: &Hand, knot: Vec<PersonChange>) -> Result<Vec<PersonChange>, Error> {
    let (ctx, hand) = (app.ctx("LDAP"), hand.clone());
    let found = app.db().read(move |tx| {
        let places = match &hand {
            Hand::Doing => people::knot(tx, &ctx, &knot, &mut Imagined::default())?,
            Hand::Imagining(imagined) => {
                people::knot(tx, &ctx, &knot, &mut imagined.lock().unwrap_or_else(PoisonError::into_inner))?
            }
        };
        Ok::<_, Error>(places.into_iter().filter_map(|at| knot.get(at).cloned()).collect())
    });
    found.await
}

async fn remove_people(
    app: &App,
    hand: &Hand,
    directory: &Directory,
    plan: &Plan,
    reporter: &mut Reporter<'_>,
) -> Result<(), Error> {
    let soft_delete = directory.soft_delete;
    for batch in plan.gone.chunks(LEAVING) {
        let rule = move |act: &mut Act<'_, '_>, ctx: &Ctx, id: &String| people::remove(act, ctx, id, soft_delete);
        let removed = each(app, hand, batch.to_vec(), rule);
        for (id, line) in removed.await? {
            match line {
                Some(line) => line.into_iter().for_each(|line| reporter.add(line)),
                None => reporter.add(Line::skipped(false, &id, Reason::NotStored)),
            }
        }
        reporter.tell().await?;
    }
    Ok(())
}

async fn change_groups(
    app: &App,
    hand: &Hand,
    plan: &Arc<Plan>,
    differences: Differences,
    accounts: &[Option<UserId>],
    reporter: &mut Reporter<'_>,
) -> Result<(), Stop> {
    let (mut waiting, mut again) = (differences, true);
    loop {
        let mut taken = Vec::new();
        for (at, difference) in std::mem::take(&mut waiting) {
            let change = &plan.groups[at];
            if !change.differs && difference.come.is_empty() && difference.go.is_empty() {
                continue;
            }
            let named = each(app, hand, vec![change.clone()], groups::apply).await?.pop().and_then(|(_, named)| named);
            let (before, group) = match named {
                Some(Ok(named)) => named,
                // Another group has the name, which may be given up later in this run.
                Some(Err(_)) if again => {
                    taken.push((at, difference));
                    continue;
                }
                Some(Err(reason)) => {
                    reporter.add(Line::skipped(true, &change.found.name, reason));
                    continue;
                }
                None => {
                    reporter.add(Line::skipped(true, &change.found.name, Reason::NotStored));
                    continue;
                }
            };
            if matches!(hand, Hand::Doing) {
                set_members(app, &group, &difference, accounts, reporter).await?;
            }
            let seats =
                difference.come.iter().filter(|seat| accounts.get(**seat as usize).is_some_and(Option::is_some));
            let real = Difference { come: seats.copied().collect(), ..difference };
            count_members(reporter, &real);
            groups::line(change, before.as_ref(), &group, &real).into_iter().for_each(|line| reporter.add(line));
            reporter.tell().await?;
        }
        if taken.is_empty() {
            return Ok(());
        }
        (waiting, again) = (taken, false);
    }
}

async fn set_members(
    app: &App,
    group: &Group,
    difference: &Difference,
    accounts: &[Option<UserId>],
    reporter: &mut Reporter<'_>,
) -> Result<(), Error> {
    // Whoever was passed over has no account, and is in no group.
    let come: Vec<UserId> = difference.come.iter().filter_map(|seat| accounts.get(*seat as usize)?.clone()).collect();
    let comes = come.chunks(BATCH).map(|part| (part.to_vec(), Vec::new()));
    let goes = difference.go.chunks(LEAVING).map(|part| (Vec::new(), part.to_vec()));
    for (come, go) in goes.chain(comes) {
        let (ctx, group) = (app.ctx("LDAP"), group.clone());
        app.db().write(move |tx| groups::set_members(tx, &ctx, &group, &come, &go)).await?;
        reporter.tell().await?;
    }
    Ok(())
}
