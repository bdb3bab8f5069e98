//! Provisioning by SCIM: what changed goes out after a short pause, and everything is compared every hour. A provider is
//! at work on one replica at a time. Nothing due is nothing written.

use std::time::Duration;

use pid_flows::Error;
use pid_flows::scim::run::{self, Cause};
use pid_http::scim::provision;
use pid_http::state::App;
use tokio::task::JoinSet;

/// Providers at work at the same time.
const AT_ONCE: usize = 4;
/// Between two looks.
const LOOK: Duration = Duration::from_secs(1);

/// Runs until the server stops. Runs that are under way then are given back: they begin anew elsewhere, or after the next
/// start.
pub async fn run(app: App) {
    let mut under_way = JoinSet::new();
    while !app.waits().has_ended() {
        while under_way.try_join_next().is_some() {}
        match due(&app, AT_ONCE - under_way.len()).await {
            Ok(ids) => ids.into_iter().for_each(|id| _ = under_way.spawn(one(app.clone(), id))),
            Err(error) => tracing::warn!(%error, "provisioning could not look for work; trying again"),
        }
        let full = under_way.len() >= AT_ONCE;
        tokio::select! {
            _ = under_way.join_next(), if full => {}
            () = tokio::time::sleep(LOOK), if !full => {}
            () = app.waits().ended() => {}
        }
    }
    while under_way.join_next().await.is_some() {}
}

async fn due(app: &App, limit: usize) -> Result<Vec<String>, Error> {
    if app.db().read(run::any_change).await? {
        app.db().write(run::tell_of_changes).await?;
    }
    let (now, limit) = (app.clock().now(), i64::try_from(limit).unwrap_or(1));
    app.db().read(move |tx| run::due(tx, now, limit)).await
}

async fn one(app: App, id: String) {
    match provision(&app, &id, Cause::Due).await {
        Ok(Some(report)) if report.did_something() => {
            tracing::info!(provider = id, users = ?report.users, groups = ?report.groups, failed = report.failed, "provisioned");
        }
        Ok(_) => {}
        // The lease runs out, and it begins anew.
        Err(error) => tracing::warn!(%error, provider = id, "provisioning was interrupted"),
    }
}
