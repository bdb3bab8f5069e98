//! What happens without a request: removing what has expired. A job runs once among all replicas, by lease, and an
//! instance at rest writes nothing: the lease is taken only when something is due.

use std::time::Duration;

use pid_core::notices::Notice;
use pid_core::{Ctx, Timestamp};
use pid_flows::{Error, api_keys, signup};
use pid_http::state::{App, seed};
use pid_integrations::geo::Source;
use pid_store::{
    WriteTx, audit, audit_counts, budgets, device_authorizations, device_logins, diagnoses, email_verifications,
    expiry, grants, interactions, leases, login_codes, passkeys, pushed_requests, sessions, signup_tokens, used_tokens,
};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub mod backup;
pub mod keys;
pub mod ldap;
mod outbox;
mod places;
mod scim;

/// Between two clean-ups, seconds.
const PERIOD_SECS: u64 = 3600;
/// Between the start and the first clean-up, seconds.
const FIRST_SECS: u64 = 60;
/// Rows stay this long after they expired, so that a late reuse is still recognised, seconds.
const KEEP_SECS: i64 = 3600;

/// Deliveries that are over are shown for this long, seconds.
const KEEP_DELIVERIES_SECS: i64 = 14 * 24 * 3600;

/// Faults of sign-ins are shown for this long after they were last seen, seconds.
const KEEP_DIAGNOSES_SECS: i64 = 30 * 24 * 3600;

/// Between two writings of what was used, seconds.
const SEEN_SECS: u64 = 60;

/// The jobs at work.
pub struct Jobs {
    tasks: Vec<JoinHandle<()>>,
    /// Those that end by themselves when the server stops.
    ending: Vec<JoinHandle<()>>,
    stop: watch::Sender<bool>,
}

/// Starts the jobs.
pub fn spawn(app: App, audit_days: i64, places: Source, backups: Option<backup::schedule::Plan>) -> Jobs {
    let (stop, stopped) = watch::channel(false);
    let ending = vec![
        tokio::spawn(outbox::run(app.clone(), stopped)),
        tokio::spawn(scim::run(app.clone())),
        tokio::spawn(ldap::run(app.clone())),
    ];
    let mut tasks = vec![
        tokio::spawn(write_seen(app.clone())),
        tokio::spawn(count_entries(app.clone())),
        tokio::spawn(keys::run(app.clone())),
        tokio::spawn(places::run(app.clone(), places)),
    ];
    tasks.extend(backups.map(|plan| tokio::spawn(backup::schedule::run(app.clone(), plan))));
    tasks.push(spawn_clean_up(app, audit_days));
    Jobs { tasks, ending, stop }
}

impl Jobs {
    /// Ends the jobs. Deliveries under way may finish and be written down, and what is synchronised or provisioned may be
    /// given back, for at most five seconds.
    pub async fn stop(mut self) {
        let _ = self.stop.send(true);
        let until = tokio::time::Instant::now() + Duration::from_secs(5);
        for task in &mut self.ending {
            if tokio::time::timeout_at(until, &mut *task).await.is_err() {
                task.abort();
            }
        }
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Every replica writes what it saw itself, so this needs no lease.
async fn write_seen(app: App) {
    loop {
        tokio::time::sleep(Duration::from_secs(SEEN_SECS)).await;
        if let Err(error) = app.seen().write(&app).await {
            tracing::warn!(%error, "what was used could not be written");
        }
    }
}

/// An entry of the audit log is counted when it is this old: nobody is still writing an earlier one.
const COUNT_AFTER_SECS: i64 = 600;

/// Keeps the part of the audit log that is not counted yet short, so that the length of its list is known at once.
async fn count_entries(app: App) {
    loop {
        tokio::time::sleep(Duration::from_secs(SEEN_SECS)).await;
        if let Err(error) = count_audit(&app).await {
            tracing::warn!(%error, "the audit log could not be counted");
        }
    }
}

/// Counts the entries of the audit log that are old enough, if they are many. Of several replicas the first one does it.
pub async fn count_audit(app: &App) -> Result<(), Error> {
    let before = app.clock().now().plus_secs(-COUNT_AFTER_SECS);
    while let Some(until) = app.db().read(move |tx| audit_counts::countable(tx, before).map_err(Error::from)).await? {
        app.db().write(move |tx| audit_counts::count_until(tx, until).map_err(Error::from)).await?;
    }
    Ok(())
}

fn spawn_clean_up(app: App, audit_days: i64) -> JoinHandle<()> {
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(FIRST_SECS)).await;
        loop {
            app.limiter().forget_quiet();
            match clean_up(&app, audit_days).await {
                Ok(0) => {}
                Ok(rows) => tracing::info!(rows, "removed expired rows"),
                Err(error) => tracing::warn!(%error, "the clean-up failed; it runs again in an hour"),
            }
            match pid_http::files::remove_due(&app).await {
                Ok(0) => {}
                Ok(files) => tracing::info!(files, "removed files that are nobody's any more"),
                Err(error) => tracing::warn!(%error, "files that are nobody's were not removed; they are in an hour"),
            }
            if let Err(error) = forget_unproven(&app).await {
                tracing::warn!(%error, "accounts whose address was never proven were not deleted; they are in an hour");
            }
            if let Err(error) = tell_of_expiring_keys(&app).await {
                tracing::warn!(%error, "owners of expiring keys were not told; they are in an hour");
            }
            // Replicas that started together drift apart.
            let jitter = pid_core::Entropy::new(seed()).bytes::<1>()[0];
            tokio::time::sleep(Duration::from_secs(PERIOD_SECS + u64::from(jitter))).await;
        }
    })
}

/// Deletes accounts that signed up and never proved their address. Which are left is in the store, so replicas need no
/// lease.
///
/// # Errors
/// When the store can't be read or written.
pub async fn forget_unproven(app: &App) -> Result<(), Error> {
    let now = app.clock().now();
    if !app.db().read(move |tx| signup::any_unproven(tx, now)).await? {
        return Ok(());
    }
    let ctx = app.ctx("clean-up");
    app.db().write(move |tx| signup::forget_unproven(tx, &ctx)).await
}

/// Tells people whose API keys will expire. Which were told is written with the letters, so replicas need no lease.
///
/// # Errors
/// When the store can't be read or written.
pub async fn tell_of_expiring_keys(app: &App) -> Result<(), Error> {
    let (now, settings) = (app.clock().now(), app.settings());
    if !settings.tells(Notice::ApiKeyExpiry) || !app.db().read(move |tx| api_keys::any_expiring(tx, now)).await? {
        return Ok(());
    }
    let ctx = Ctx { now, ..app.ctx("clean-up") };
    app.db().write(move |tx| api_keys::tell_of_expiry(tx, &ctx, &settings)).await
}

/// Removes what has expired, if this replica gets the lease. Gives the number of rows.
pub async fn clean_up(app: &App, audit_days: i64) -> Result<u64, Error> {
    let now = app.clock().now();
    let (before, audit_before) = (now.plus_secs(-KEEP_SECS), now.plus_secs(-audit_days * 24 * 3600));
    let faults = now.plus_secs(-KEEP_DIAGNOSES_SECS);
    if !app.db().read(move |tx| expiry::is_due(tx, before, now, audit_before, faults).map_err(Error::from)).await? {
        return Ok(0);
    }
    let ctx = Ctx { now, ..app.ctx("clean-up") };
    let holder = ctx.entropy().uuid();
    app.db()
        .write(move |tx| {
            if !leases::take(tx, "clean-up", &holder, now, now.plus_secs(1800))? {
                return Ok(0);
            }
            purge(tx, &ctx, before, audit_before)
        })
        .await
}

fn purge(tx: &WriteTx<'_>, ctx: &Ctx, before: Timestamp, audit_before: Timestamp) -> Result<u64, Error> {
    let (mut rows, now) = (0, ctx.now);
    rows += passkeys::purge_challenges(tx, before)?;
    rows += interactions::purge(tx, before)?;
    rows += login_codes::purge(tx, before)?;
    rows += grants::purge(tx, before)?;
    rows += sessions::purge(tx, before)?;
    // A name that has expired is like one that never was, and strangers may push.
    rows += pushed_requests::purge(tx, now)?;
    rows += device_authorizations::purge(tx, before)?;
    rows += email_verifications::purge(tx, before)?;
    rows += device_logins::purge(tx, before)?;
    rows += signup_tokens::purge(tx, before)?;
    rows += used_tokens::purge(tx, before)?;
    rows += budgets::purge(tx, now)?;
    rows += pid_store::outbox::purge(tx, now.plus_secs(-KEEP_DELIVERIES_SECS))?;
    rows += diagnoses::purge(tx, now.plus_secs(-KEEP_DIAGNOSES_SECS))?;
    rows += pid_flows::audit::end_quotas(tx, ctx)?;
    rows += audit::purge(tx, audit_before)?;
    Ok(rows)
}
