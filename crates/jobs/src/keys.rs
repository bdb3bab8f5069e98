//! The calendar of the signing keys: a key that has waited its day signs, one that is too old gets a successor, one whose
//! last token has expired leaves the JWKS. Every replica looks; nothing due is nothing written.

use std::time::Duration;

use pid_core::Ctx;
use pid_flows::Error;
use pid_flows::keys::{self, Wish};
use pid_http::state::App;

/// Between two looks.
const LOOK: Duration = Duration::from_secs(60);

/// Runs until it is aborted.
pub async fn run(app: App) {
    loop {
        tokio::time::sleep(LOOK).await;
        if let Err(error) = turn(&app).await {
            tracing::warn!(%error, "the signing keys could not be looked after; trying again in a minute");
        }
    }
}

/// Does what is due now.
///
/// # Errors
/// The store's.
pub async fn turn(app: &App) -> Result<(), Error> {
    let now = app.clock().now();
    let ctx = Ctx { now, ..app.ctx("calendar") };
    let done = pid_http::keys::carry_out(app.db(), app.sealer(), ctx, None, Wish::Due).await?;
    for action in &done {
        tracing::info!(?action, "signing keys");
    }
    let published = app.db().read(move |tx| keys::published(tx, now)).await?;
    if !done.is_empty() || published != *app.keys().published() {
        app.reload_snapshot().await?;
    }
    Ok(())
}
