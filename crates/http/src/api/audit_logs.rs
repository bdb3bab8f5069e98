//! The audit log (api.md §19), and its export.

use std::collections::BTreeMap;
use std::convert::Infallible;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, header};
use pid_core::Timestamp;
use pid_core::audit::Entry;
use pid_core::list::Page;
use pid_flows::access::Credentials;
use pid_flows::{Error, audit, audit_stream};
use pid_integrations::device;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::api::dto::PageDto;
use crate::error::ApiError;
use crate::extract::{Creds, ListQuery, Query, RequestCtx};
use crate::state::App;

/// An entry (api.md §11.10).
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "AuditLog")]
pub struct AuditLogDto {
    id: String,
    created_at: Timestamp,
    event: String,
    ip_address: String,
    country: String,
    city: String,
    device: String,
    #[serde(rename = "userID")]
    user_id: String,
    username: String,
    actor_username: String,
    data: BTreeMap<String, String>,
}

impl From<Entry> for AuditLogDto {
    fn from(e: Entry) -> Self {
        Self {
            id: e.id,
            created_at: e.created_at,
            event: e.event,
            ip_address: e.ip_address,
            country: e.country,
            city: e.city,
            device: device::in_words(&e.user_agent),
            user_id: e.user_id.map(String::from).unwrap_or_default(),
            username: e.username,
            actor_username: e.actor_username,
            data: e.data,
        }
    }
}

fn answer(page: Page<Entry>) -> Response {
    axum::Json(PageDto::from(page.map(AuditLogDto::from))).into_response()
}

/// `GET /api/audit-logs`: the caller's own.
pub async fn list_own(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    ListQuery(request): ListQuery,
) -> Result<Response, ApiError> {
    let page = app.db().read(move |tx| audit::list_own(tx, &creds.signed_in(tx, ctx.now)?, &request)).await?;
    // The contract leaves the name empty in one's own list.
    Ok(answer(page.map(|entry| Entry { username: String::new(), ..entry })))
}

/// `GET /api/audit-logs/all`: everybody's.
pub async fn list_all(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    ListQuery(request): ListQuery,
) -> Result<Response, ApiError> {
    let page = app.db().read(move |tx| audit::list_all(tx, &creds.reads_all(tx, ctx.now)?, &request)).await?;
    Ok(answer(page))
}

/// `GET /api/audit-logs/filters/client-names`.
pub async fn client_names(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
) -> Result<Response, ApiError> {
    let names = app.db().read(move |tx| audit::client_names(tx, &creds.reads_all(tx, ctx.now)?)).await?;
    Ok(axum::Json(names).into_response())
}

/// `GET /api/audit-logs/filters/users`.
pub async fn users(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
) -> Result<Response, ApiError> {
    let people = app.db().read(move |tx| audit::users(tx, &creds.reads_all(tx, ctx.now)?)).await?;
    Ok(axum::Json(people).into_response())
}

/// How the stream goes.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "AuditStream")]
pub struct StreamDto {
    /// Entries that were not taken yet.
    waiting: i64,
    delivered_at: Option<Timestamp>,
    failed_at: Option<Timestamp>,
    /// The kind of the last failure; never what the other side said.
    failure: Option<String>,
    next_attempt_at: Option<Timestamp>,
}

/// `GET /api/audit-logs/stream`: how the stream to a webhook or a syslog server goes. Ours.
pub async fn stream_status(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
) -> Result<Response, ApiError> {
    let look = app.db().read(move |tx| audit_stream::look(tx, &creds.reads_all(tx, ctx.now)?));
    let (status, waiting) = look.await?;
    let audit_stream::Status { due_at: next_attempt_at, delivered_at, failed_at, failure, .. } = status;
    Ok(axum::Json(StreamDto { waiting, delivered_at, failed_at, failure, next_attempt_at }).into_response())
}

/// The form of an export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Comma-separated values (RFC 4180), with a header row.
    #[default]
    Csv,
    /// A JSON object a line.
    Ndjson,
}

/// The options of an export.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct Export {
    #[serde(default)]
    format: Format,
}

/// Entries read at once.
const EXPORT_PAGE: i64 = 500;

/// `GET /api/audit-logs/export?format=csv|ndjson`: every entry, oldest first. Pages are read by key while the answer is
/// on its way, each in a transaction of its own.
pub async fn export(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Query(options): Query<Export>,
) -> Result<Response, ApiError> {
    let first = read_page(&app, &creds, ctx.now, (Timestamp::from_millis(0), String::new())).await?;
    let head = match options.format {
        Format::Csv => format!("{}\r\n", COLUMNS.join(",")),
        Format::Ndjson => String::new(),
    };
    let start = (app, creds, ctx.now, Some(first), Some(head));
    let body = stream::unfold(start, move |(app, creds, now, page, head)| async move {
        let page = page?;
        let mut text = head.unwrap_or_default();
        let last = page.last().map(|e| (e.created_at, e.id.clone()));
        for entry in page {
            text.push_str(&line(options.format, AuditLogDto::from(entry)));
        }
        let next = match last {
            Some(last) => match read_page(&app, &creds, now, last).await {
                Ok(next) if !next.is_empty() => Some(next),
                Ok(_) => None,
                Err(error) => {
                    tracing::warn!(%error, "an export of the audit log ended early");
                    None
                }
            },
            None => None,
        };
        Some((Ok::<_, Infallible>(Bytes::from(text)), (app, creds, now, next, None)))
    });
    let (content_type, name) = match options.format {
        Format::Csv => ("text/csv; charset=utf-8", "attachment; filename=\"audit-log.csv\""),
        Format::Ndjson => ("application/x-ndjson", "attachment; filename=\"audit-log.ndjson\""),
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static(name)),
    ];
    Ok((headers, Body::from_stream(body)).into_response())
}

async fn read_page(
    app: &App,
    creds: &Credentials,
    now: Timestamp,
    (at, id): (Timestamp, String),
) -> Result<Vec<Entry>, Error> {
    let creds = creds.clone();
    app.db().read(move |tx| audit::after(tx, &creds.reads_all(tx, now)?, at, &id, EXPORT_PAGE)).await
}

const COLUMNS: [&str; 11] = [
    "id",
    "createdAt",
    "event",
    "userID",
    "username",
    "actorUsername",
    "ipAddress",
    "country",
    "city",
    "device",
    "data",
];

fn line(format: Format, entry: AuditLogDto) -> String {
    match format {
        Format::Ndjson => serde_json::to_string(&entry).unwrap_or_default() + "\n",
        Format::Csv => {
            let data = serde_json::to_string(&entry.data).unwrap_or_default();
            let cells = [
                entry.id,
                entry.created_at.to_string(),
                entry.event,
                entry.user_id,
                entry.username,
                entry.actor_username,
                entry.ip_address,
                entry.country,
                entry.city,
                entry.device,
                data,
            ];
            let cells: Vec<String> = cells.iter().map(|text| cell(text)).collect();
            cells.join(",") + "\r\n"
        }
    }
}

/// A cell of RFC 4180. What a spreadsheet would run as a formula gets an apostrophe in front (security case 98).
fn cell(text: &str) -> String {
    let formula = text.trim_start().starts_with(['=', '+', '-', '@']) || text.starts_with(['\t', '\r']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains(['"', ',', '\r', '\n', '\'']) || text != text.trim() {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_098_cells_are_never_formulas() {
        for (text, want) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("=1+1", "\"'=1+1\""),
            ("+cmd|' /C calc'!A0", "\"'+cmd|' /C calc'!A0\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("-2", "\"'-2\""),
            ("  =x", "\"'  =x\""),
            ("\t=x", "\"'\t=x\""),
            ("two\nlines", "\"two\nlines\""),
        ] {
            assert_eq!(cell(text), want, "{text:?}");
        }
    }
}
