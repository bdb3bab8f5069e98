//! Numbers for Prometheus, in its text format (version 0.0.4). Requests are counted by route, so sign-ins by their way and
//! outcome are among them; token requests by grant type and error; what lies in the store is read when somebody asks.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram};
use pid_core::KeyState;
use pid_flows::Error;
use pid_store::{doctor, keys, outbox};

use crate::state::App;

/// The upper ends of the classes of durations, seconds.
const BUCKETS: [f64; 9] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
/// What is known of grant types; others are one, since strangers may send any.
const GRANTS: [&str; 4] =
    ["authorization_code", "refresh_token", "client_credentials", "urn:ietf:params:oauth:grant-type:device_code"];

#[derive(Clone, Debug, Default)]
struct Series {
    buckets: [u64; BUCKETS.len()],
    count: u64,
    seconds: f64,
}

/// What is counted in this process.
#[derive(Debug, Default)]
pub struct Metrics {
    requests: Mutex<BTreeMap<(String, String, u16), Series>>,
    tokens: Mutex<BTreeMap<(&'static str, String), u64>>,
    recorded: Option<Instruments>,
}

/// The same for a collector.
#[derive(Debug)]
struct Instruments {
    durations: Histogram<f64>,
    tokens: Counter<u64>,
}

impl Metrics {
    /// Nothing is counted yet. `records`: what is goes to the global meter as well.
    pub(crate) fn new(records: bool) -> Self {
        let instruments = || {
            let meter = opentelemetry::global::meter("pocket-id");
            let durations = meter.f64_histogram("http.server.request.duration").with_unit("s");
            let tokens = meter.u64_counter("pocket_id.token_requests");
            Instruments {
                durations: durations
                    .with_boundaries(BUCKETS.to_vec())
                    .with_description("Requests by route and status.")
                    .build(),
                tokens: tokens
                    .with_description("Token requests by grant type: issued, or the code of the error.")
                    .build(),
            }
        };
        Self { recorded: records.then(instruments), ..Self::default() }
    }

    fn request(&self, method: &str, route: &str, status: u16, seconds: f64) {
        if let Some(instruments) = &self.recorded {
            let attributes = [
                KeyValue::new("http.request.method", method.to_owned()),
                KeyValue::new("http.route", route.to_owned()),
                KeyValue::new("http.response.status_code", i64::from(status)),
            ];
            instruments.durations.record(seconds, &attributes);
        }
        let mut all = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        let series = all.entry((method.to_owned(), route.to_owned(), status)).or_default();
        series.count += 1;
        series.seconds += seconds;
        for (bucket, end) in series.buckets.iter_mut().zip(BUCKETS) {
            *bucket += u64::from(seconds <= end);
        }
    }

    /// Counts a token request: `issued`, or the code of its error.
    pub(crate) fn token(&self, grant_type: Option<&str>, outcome: &str) {
        let known = GRANTS.into_iter().find(|known| Some(*known) == grant_type).unwrap_or("other");
        if let Some(instruments) = &self.recorded {
            let attributes = [KeyValue::new("grant_type", known), KeyValue::new("outcome", outcome.to_owned())];
            instruments.tokens.add(1, &attributes);
        }
        let mut all = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        *all.entry((known, outcome.to_owned())).or_default() += 1;
    }

    fn render(&self, out: &mut String) {
        let name = "pocket_id_http_request_duration_seconds";
        head(out, name, "histogram", "Requests by route and status: sign-ins are those of their routes.");
        for ((method, route, status), series) in self.requests.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let labels = format!("method=\"{method}\",route=\"{}\",status=\"{status}\"", escaped(route));
            let classes = BUCKETS.into_iter().zip(series.buckets.iter().copied());
            histogram(out, name, &labels, classes, series.count, series.seconds);
        }
        let name = "pocket_id_token_requests_total";
        head(out, name, "counter", "Token requests by grant type: issued, or the code of the error.");
        for ((grant, outcome), count) in self.tokens.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let outcome = escaped(outcome);
            let _ = writeln!(out, "{name}{{grant_type=\"{grant}\",outcome=\"{outcome}\"}} {count}");
        }
    }
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn gauge(out: &mut String, name: &str, help: &str, value: i64) {
    head(out, name, "gauge", help);
    let _ = writeln!(out, "{name} {value}");
}

/// A series of a histogram: classes with their upper ends, each with what lies below it.
fn histogram(
    out: &mut String,
    name: &str,
    labels: &str,
    classes: impl IntoIterator<Item = (f64, u64)>,
    count: u64,
    seconds: f64,
) {
    for (end, below) in classes {
        let _ = writeln!(out, "{name}_bucket{{{labels},le=\"{end}\"}} {below}");
    }
    let _ = writeln!(out, "{name}_bucket{{{labels},le=\"+Inf\"}} {count}");
    let _ = writeln!(out, "{name}_sum{{{labels}}} {seconds}");
    let _ = writeln!(out, "{name}_count{{{labels}}} {count}");
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Counts a request, if anybody wants to know.
pub async fn layer(State(app): State<App>, request: Request, next: Next) -> Response {
    let Some(metrics) = app.metrics() else { return next.run(request).await };
    let route = request.extensions().get::<MatchedPath>().map_or_else(String::new, |path| path.as_str().to_owned());
    // A method is a stranger's word, too.
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    let method = known.into_iter().find(|known| *known == request.method().as_str()).unwrap_or("other");
    let began = Instant::now();
    let response = next.run(request).await;
    metrics.request(method, &route, response.status().as_u16(), began.elapsed().as_secs_f64());
    response
}

/// Between two looks at what lies in the store, for a collector.
const LOOK: Duration = Duration::from_secs(30);

/// The transactions that [`pid_store::Db::waited`] tells of.
const OPERATIONS: [&str; 2] = ["read", "write"];
const WAITS: &str = "How long transactions waited for their turn or a connection.";

/// Records for a collector what lies in the store. Runs for ever.
pub async fn observe(app: App) {
    let meter = opentelemetry::global::meter("pocket-id");
    let gauge = |name: &'static str, unit: &'static str, help: &'static str| {
        meter.i64_gauge(name).with_unit(unit).with_description(help).build()
    };
    let up = gauge("pocket_id.database.up", "1", "Whether the database can be read.");
    let bytes = gauge("pocket_id.database.size", "By", "Size of the database.");
    let repeated = meter.u64_counter("pocket_id.database.transactions_repeated").with_unit("{transaction}");
    let repeated = repeated.with_description("Transactions that lost against others and were run again.").build();
    let mut told = 0;
    let transactions = meter.u64_counter("pocket_id.database.transactions").with_unit("{transaction}");
    let transactions = transactions.with_description("Transactions whose turn has come.").build();
    let waits = meter.f64_counter("pocket_id.database.wait").with_unit("s").with_description(WAITS).build();
    let mut before = [(0, 0.0); OPERATIONS.len()];
    let depth = gauge("pocket_id.outbox.depth", "{message}", "Mails and notices that wait to be sent.");
    let oldest = gauge("pocket_id.outbox.oldest", "s", "How long the oldest of them has waited.");
    let age = gauge("pocket_id.signing_key.age", "s", "Since when each active signing key signs.");
    loop {
        let is_ready = app.keys().is_ready();
        let stored = stored(&app).await;
        up.record(i64::from(stored.is_some()), &[]);
        let repeats = app.db().repeats();
        repeated.add(repeats - told, &[]);
        told = repeats;
        for ((operation, waited), before) in OPERATIONS.into_iter().zip(app.db().waited()).zip(&mut before) {
            let attributes = [KeyValue::new("operation", operation)];
            transactions.add(waited.count - before.0, &attributes);
            waits.add(waited.seconds - before.1, &attributes);
            *before = (waited.count, waited.seconds);
        }
        if let Some(stored) = stored {
            bytes.record(stored.bytes, &[]);
            depth.record(stored.depth, &[]);
            oldest.record(stored.oldest_secs, &[]);
            for (alg, kid, secs) in stored.key_ages {
                age.record(secs, &[KeyValue::new("alg", alg), KeyValue::new("kid", kid)]);
            }
        }
        // The first key is made after the start.
        tokio::time::sleep(if is_ready { LOOK } else { Duration::from_secs(1) }).await;
    }
}

/// What is read when somebody asks.
struct Stored {
    bytes: i64,
    depth: i64,
    oldest_secs: i64,
    /// Algorithm, id, seconds.
    key_ages: Vec<(String, String, i64)>,
}

/// Nothing if the store is gone: that is a number, too, and what is counted here is still told.
async fn stored(app: &App) -> Option<Stored> {
    let now = app.clock().now();
    let read = app
        .db()
        .read(move |tx| Ok::<_, Error>((doctor::facts(tx, now.plus_secs(-900))?, outbox::depth(tx)?, keys::all(tx)?)));
    let (facts, (depth, oldest), keys) = read.await.ok()?;
    let active = keys.into_iter().filter(|key| key.state == KeyState::Active);
    Some(Stored {
        bytes: facts.bytes,
        depth,
        oldest_secs: oldest.map_or(0, |oldest| (now.secs() - oldest.secs()).max(0)),
        key_ages: active
            .map(|key| {
                let since = key.activated_at.unwrap_or(key.created_at);
                (key.alg, key.kid, now.secs() - since.secs())
            })
            .collect(),
    })
}

/// `/metrics`, for a listener of its own.
pub fn router(app: App) -> Router {
    Router::new().route("/metrics", get(metrics)).with_state(app)
}

async fn metrics(State(app): State<App>) -> Response {
    let mut out = String::new();
    head(&mut out, "pocket_id_build_info", "gauge", "The version of the program.");
    let _ = writeln!(out, "pocket_id_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
    if let Some(metrics) = app.metrics() {
        metrics.render(&mut out);
    }
    let name = "pocket_id_database_transactions_repeated_total";
    head(&mut out, name, "counter", "Transactions that lost against others and were run again.");
    let _ = writeln!(out, "{name} {}", app.db().repeats());
    let name = "pocket_id_database_wait_seconds";
    head(&mut out, name, "histogram", WAITS);
    for (operation, waited) in OPERATIONS.into_iter().zip(app.db().waited()) {
        let labels = format!("operation=\"{operation}\"");
        histogram(&mut out, name, &labels, waited.classes, waited.count, waited.seconds);
    }
    let stored = stored(&app).await;
    gauge(&mut out, "pocket_id_database_up", "Whether the database can be read.", i64::from(stored.is_some()));
    if let Some(stored) = stored {
        gauge(&mut out, "pocket_id_database_bytes", "Size of the database.", stored.bytes);
        gauge(&mut out, "pocket_id_outbox_depth", "Mails and notices that wait to be sent.", stored.depth);
        let help = "How long the oldest of them has waited.";
        gauge(&mut out, "pocket_id_outbox_oldest_seconds", help, stored.oldest_secs);
        let name = "pocket_id_signing_key_age_seconds";
        head(&mut out, name, "gauge", "Since when each active signing key signs.");
        for (alg, kid, age) in &stored.key_ages {
            let _ = writeln!(out, "{name}{{alg=\"{alg}\",kid=\"{}\"}} {age}", escaped(kid));
        }
    }
    (StatusCode::OK, [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], out).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_add_up_and_strangers_words_are_kept_out() {
        let metrics = Metrics::default();
        for seconds in [0.001, 0.03, 9.0] {
            metrics.request("GET", "/login", 200, seconds);
        }
        metrics.token(Some("refresh_token"), "issued");
        metrics.token(Some("x\"} 1\nevil"), "unsupported_grant_type");
        let mut out = String::new();
        metrics.render(&mut out);
        let labels = "method=\"GET\",route=\"/login\",status=\"200\"";
        for line in [
            format!("pocket_id_http_request_duration_seconds_bucket{{{labels},le=\"0.005\"}} 1"),
            format!("pocket_id_http_request_duration_seconds_bucket{{{labels},le=\"0.05\"}} 2"),
            format!("pocket_id_http_request_duration_seconds_bucket{{{labels},le=\"+Inf\"}} 3"),
            format!("pocket_id_http_request_duration_seconds_count{{{labels}}} 3"),
            "pocket_id_token_requests_total{grant_type=\"refresh_token\",outcome=\"issued\"} 1".to_owned(),
            "pocket_id_token_requests_total{grant_type=\"other\",outcome=\"unsupported_grant_type\"} 1".to_owned(),
        ] {
            assert!(out.lines().any(|l| l == line), "{line}\n{out}");
        }
        assert!(!out.contains("evil"));
    }
}
