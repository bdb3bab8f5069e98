//! Delivers what waits in the outbox: at once after the transaction that wrote it, a few at a time, again after failures.
//! Every replica delivers; an entry is held by one of them at a time. Nothing due is nothing written.

use std::time::Duration;

use pid_flows::outbox::{self, Answer, Attempt, What};
use pid_flows::{Error, audit_stream};
use pid_http::outbox::post_logout_token;
use pid_http::state::App;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Deliveries under way at the same time.
const AT_ONCE: usize = 16;
/// Between two looks for what other processes wrote, or whose replica was lost.
const LOOK: Duration = Duration::from_secs(1);
/// Between two attempts to write down an outcome.
const WRITE_AGAIN: Duration = Duration::from_millis(200);

/// Runs until told to stop; then lets what is under way finish.
pub async fn run(app: App, mut stop: watch::Receiver<bool>) {
    let mut under_way = JoinSet::new();
    let mut stream = JoinSet::new();
    while !*stop.borrow() {
        while stream.try_join_next().is_some() {}
        if stream.is_empty() {
            match begin_stream(&app).await {
                Ok(true) => _ = stream.spawn(deliver_stream(app.clone())),
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "the stream of the audit log could not begin; trying again"),
            }
        }
        while under_way.try_join_next().is_some() {}
        match take_due(&app, AT_ONCE - under_way.len()).await {
            Ok(attempts) => {
                for attempt in attempts {
                    under_way.spawn(deliver(app.clone(), attempt));
                }
            }
            Err(error) => tracing::warn!(%error, "the outbox could not be read; trying again"),
        }
        let full = under_way.len() >= AT_ONCE;
        tokio::select! {
            _ = stop.changed() => break,
            _ = under_way.join_next(), if full => {}
            _ = stream.join_next(), if !stream.is_empty() => {}
            () = app.db().outbox_filled(), if !full => {}
            () = tokio::time::sleep(LOOK), if !full => {}
        }
    }
    while under_way.join_next().await.is_some() {}
    while stream.join_next().await.is_some() {}
}

/// Begins a delivery of the audit log's stream, if one is due.
async fn begin_stream(app: &App) -> Result<bool, Error> {
    let now = app.clock().now();
    if app.settings().get(audit_stream::URL).is_empty()
        || !app.db().read(move |tx| audit_stream::is_due(tx, now)).await?
    {
        return Ok(false);
    }
    app.db().write(move |tx| audit_stream::begin(tx, now)).await
}

/// Sends what waits, and writes down what came of it. Where that fails the delivery is lost, and repeated: receivers know
/// entries by their id.
async fn deliver_stream(app: App) {
    let outcome = async {
        let Some(delivery) = app.db().read(audit_stream::next).await? else { return Ok(()) };
        let answer = pid_http::audit_stream::send(&app, &delivery).await?;
        let now = app.clock().now();
        app.db().write(move |tx| audit_stream::record(tx, now, &delivery, &answer)).await
    };
    if let Err(error) = outcome.await {
        tracing::warn!(%error, "a delivery of the audit log's stream was lost");
    }
}

/// Begins attempts that are due, at most `limit`.
async fn take_due(app: &App, limit: usize) -> Result<Vec<Attempt>, Error> {
    let now = app.clock().now();
    let due = app.db().read(outbox::next_due).await?;
    // Without a key nothing can be signed: it waits for the key that is being made.
    if due.is_none_or(|due| due > now) || !app.keys().is_ready() {
        return Ok(Vec::new());
    }
    let limit = i64::try_from(limit).unwrap_or(1);
    let (ctx, env, settings) = (app.ctx(""), app.env().clone(), app.settings());
    app.db().write(move |tx| outbox::begin(tx, &ctx, &env, &settings, limit)).await
}

async fn deliver(app: App, attempt: Attempt) {
    let answer = match attempt.what() {
        What::Notice(notice) => match attempt.token(notice, app.env(), &app.keys(), app.clock().now()) {
            Ok(token) => post_logout_token(&app, &notice.url, &token).await,
            Err(error) => Answer::Nothing(error.code.as_str().to_owned()),
        },
        What::Mail(mail) => match pid_http::mail::send(&app, attempt.id(), mail).await {
            Ok(()) => Answer::Taken,
            Err(error) => {
                tracing::warn!(%error, "a letter was not taken");
                let kind = error.kind().to_owned();
                if error.is_final() { Answer::Never(kind) } else { Answer::Nothing(kind) }
            }
        },
    };
    let ctx = app.ctx("");
    // What was taken must not be sent again, so the outcome is written however long the store is away. The entry is held
    // for a minute; after that somebody else may repeat it, under the same `jti`.
    for _ in 0..250 {
        let (ctx, attempt, answer) = (ctx.clone(), attempt.clone(), answer.clone());
        match app.db().write(move |tx| outbox::record(tx, &ctx, &attempt, &answer)).await {
            Ok(()) => return,
            Err(error) => tracing::warn!(%error, "a delivery could not be written down; trying again"),
        }
        tokio::time::sleep(WRITE_AGAIN).await;
    }
}
