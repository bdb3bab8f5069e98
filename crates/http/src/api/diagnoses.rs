//! Why sign-ins failed. Not in the contract.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use pid_core::Timestamp;
use pid_core::diagnosis::Remedy;
use pid_core::ids::client_id_from_path;
use pid_flows::diagnosis::{self, Seen};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::ApiError;
use crate::extract::{AdminCreds, Creds, Path, Query, RequestCtx};
use crate::i18n::{Asked, Words};
use crate::state::App;

/// A fault as programs read it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Diagnosis")]
pub struct DiagnosisDto {
    /// Of the fault, as the person was shown it: the same whenever it happens again.
    id: String,
    /// A stable word for the fault; `docs/guides/troubleshooting.md` lists all.
    code: &'static str,
    /// Where it shows.
    place: &'static str,
    /// The client; null: none that is known.
    #[serde(rename = "clientID")]
    client_id: Option<String>,
    /// What happened, in a sentence.
    says: String,
    /// How to mend it.
    mend: String,
    /// What can be done about it at once: `add-callback`, `add-logout-callback`, `groups` or `credentials`.
    remedy: Option<&'static str>,
    /// The address that the remedy would register.
    address: Option<String>,
    /// How often it was seen; 0 for what is observed now.
    times: i64,
    first_at: Timestamp,
    last_at: Timestamp,
}

impl DiagnosisDto {
    fn new(seen: Seen, words: &Words) -> Self {
        let finding = seen.finding;
        Self {
            id: seen.id,
            code: finding.code.as_str(),
            place: finding.code.place().as_str(),
            client_id: seen.client_id.map(pid_core::ClientId::into_string),
            says: words.diagnosis(&finding),
            mend: words.mend(finding.code),
            remedy: finding.remedy.as_ref().map(Remedy::name),
            address: finding.remedy.as_ref().and_then(Remedy::address).map(str::to_owned),
            times: seen.times,
            first_at: seen.first_at,
            last_at: seen.last_at,
        }
    }
}

fn told(found: Vec<Seen>, headers: &HeaderMap) -> Response {
    let words = Asked::of(headers).accepted();
    axum::Json(found.into_iter().map(|seen| DiagnosisDto::new(seen, words)).collect::<Vec<_>>()).into_response()
}

/// `GET /api/oidc/clients/{id}/diagnoses`: the latest faults, then what is observed of its latest sign-ins.
pub async fn of_client(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let (id, env, site) = (client_id_from_path(&id), app.env().clone(), app.snapshot());
    let found = app
        .db()
        .read(move |tx| -> Result<Vec<Seen>, pid_flows::Error> {
            let who = creds.reads_all(tx, ctx.now)?;
            let (mut found, observed) = diagnosis::of_client(tx, &env, &site, &who, &id, ctx.now)?;
            found.extend(observed);
            Ok(found)
        })
        .await?;
    Ok(told(found, &headers))
}

/// `DELETE /api/oidc/clients/{id}/diagnoses`: forgets the faults.
pub async fn clear(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    AdminCreds(creds): AdminCreds,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let id = client_id_from_path(&id);
    app.db().write(move |tx| diagnosis::clear(tx, &ctx, &creds.admin(tx, ctx.now)?, &id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Which faults.
#[derive(Debug, Default, Deserialize)]
pub struct Wanted {
    #[serde(default)]
    id: Option<String>,
}

/// `GET /api/oidc/diagnoses`: the latest of all clients and of none that is known, or the one with an id.
pub async fn all(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    headers: HeaderMap,
    Query(wanted): Query<Wanted>,
) -> Result<Response, ApiError> {
    let read = move |tx: &pid_store::ReadTx<'_>| {
        diagnosis::all(tx, &creds.reads_all(tx, ctx.now)?, ctx.now, wanted.id.as_deref())
    };
    Ok(told(app.db().read(read).await?, &headers))
}
