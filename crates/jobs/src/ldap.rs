//! The hourly synchronisation with the directory. Of several replicas one does it, by lease and by when it was done last.

use std::time::Duration;

use pid_core::Entropy;
use pid_flows::ldap::runs::{self, Cause};
use pid_flows::{Code, Error};
use pid_http::state::{App, seed};

/// After the start.
const FIRST: Duration = Duration::from_secs(5);
/// Between two looks.
const LOOK: Duration = Duration::from_secs(60);
/// Between two synchronisations, seconds.
const PERIOD_SECS: i64 = 3600;

/// Runs until the server stops. What is under way then is ended first.
pub async fn run(app: App) {
    // Who switches the directory on by hand looks first what will come: only a start synchronises at once.
    let mut on_since = app.settings().ldap_enabled().then(|| app.clock().now().plus_secs(-2 * PERIOD_SECS));
    tokio::select! {
        () = tokio::time::sleep(FIRST) => {}
        () = app.waits().ended() => {}
    }
    // Servers that started together don't ask the directory together.
    let jitter = i64::from(Entropy::new(seed()).bytes::<1>()[0]);
    while !app.waits().has_ended() {
        let now = app.clock().now();
        on_since = app.settings().ldap_enabled().then(|| on_since.unwrap_or(now));
        let may_be_first = on_since.is_some_and(|at| now.secs_since(at) >= PERIOD_SECS);
        if let Err(error) = turn(&app, PERIOD_SECS + jitter, may_be_first).await {
            tracing::warn!(%error, "LDAP: the synchronisation could not begin; trying again in a minute");
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = app.waits().ended() => {}
        }
    }
}

/// Synchronises if the last time was so many seconds ago; or never, if this may be the first time.
///
/// # Errors
/// The store's, and those of the settings.
pub async fn turn(app: &App, period_secs: i64, may_be_first: bool) -> Result<(), Error> {
    if !app.settings().ldap_enabled() {
        return Ok(());
    }
    let now = app.clock().now();
    let is_due = app.db().read(move |tx| runs::is_due(tx, now, period_secs, may_be_first)).await?;
    if !is_due {
        return Ok(());
    }
    let directory = pid_http::ldap::directory(app)?;
    match pid_http::ldap::run(app, directory, Cause::Schedule, None).await {
        Err(error) if error.code == Code::LdapSyncRunning => Ok(()),
        other => other.map(drop),
    }
}
