//! Test sign-in: what an app would live through with a client, and whether its own addresses answer.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use pid_core::UserId;
use pid_core::clients::Client;
use pid_core::ids::client_id_from_path;
use pid_core::{ClientId, Ctx, FieldCode};
use pid_flows::access::Credentials;
use pid_flows::sign_in_test::{SignInTest, Undone, Wish, run};
use pid_flows::{Error, clients};
use pid_integrations::fetch::{FetchError, Limits, NamedBy, Request};
use pid_oidc::redirect_uri::Pattern;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::ApiError;
use crate::extract::{Creds, Path, Query, RequestCtx};
use crate::state::App;

/// An address of the app that is asked for an answer, at most.
const LIMITS: Limits = Limits { time: Duration::from_secs(5), body: Some(64 * 1024), redirects: 0 };
/// So many addresses of one client are asked.
const MOST: usize = 12;

/// The test, with the addresses if they were asked for.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignInTestDto {
    /// What the app would live through.
    #[serde(flatten)]
    pub test: SignInTest,
    /// What the app's own addresses answer.
    pub addresses: Vec<AddressDto>,
}

/// An address of the app, and what it answers to a GET without anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AddressDto {
    /// What it is to the client: `callback`, `launch`, `logout` or `backchannelLogout`.
    pub kind: &'static str,
    /// The address.
    pub url: String,
    /// The HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// What is wrong with it.
    pub problem: Option<String>,
}

/// As the app would ask.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct TestQuery {
    scopes: Option<String>,
    redirect_uri: Option<String>,
    addresses: Option<String>,
}

/// The scopes that are asked for if nobody names others.
pub const USUAL_SCOPES: &str = "openid profile email groups";

/// `GET /api/oidc/clients/{id}/test-sign-in/{userId}`. It changes nothing, so it is safe (RFC 9110 §9.2.1).
pub async fn test(
    State(app): State<App>,
    RequestCtx(ctx): RequestCtx,
    Creds(creds): Creds,
    Path((client, user)): Path<(String, String)>,
    Query(query): Query<TestQuery>,
) -> Result<Response, ApiError> {
    let addresses = match query.addresses.as_deref() {
        Some("true") => true,
        None | Some("false" | "") => false,
        Some(_) => return Err(Error::field("addresses", FieldCode::Oneof, "must be true or false").into()),
    };
    let wish = Wish {
        client: client_id_from_path(&client),
        user: UserId::new(user),
        scopes: query.scopes.unwrap_or_else(|| USUAL_SCOPES.to_owned()),
        redirect_uri: query.redirect_uri,
    };
    let client = wish.client.clone();
    let test = make(&app, &ctx, &creds, wish).await?;
    let addresses = if addresses { ask_addresses(&app, &ctx, &creds, &client).await? } else { Vec::new() };
    Ok(axum::Json(SignInTestDto { test, addresses }).into_response())
}

/// Makes the test.
///
/// # Errors
/// When the caller may not see everything, when there is no such client or person, or no address to return to.
pub async fn make(app: &App, ctx: &Ctx, creds: &Credentials, wish: Wish) -> Result<SignInTest, Error> {
    let (env, site, keys) = (app.env().clone(), app.snapshot(), app.keys());
    let (ctx, creds) = (ctx.clone(), creds.clone());
    let undone = app
        .db()
        .write(move |tx| -> Result<std::convert::Infallible, Undone> {
            let who = creds.reads_all(tx, ctx.now)?;
            Err(run(tx, &ctx, &env, &site, &keys, &who, &wish))
        })
        .await;
    match undone {
        Err(Undone::Done(test)) => Ok(*test),
        Err(Undone::Refused(error)) => Err(error),
        Ok(never) => match never {},
    }
}

/// Asks each address of a client that has no star.
///
/// # Errors
/// When the caller may not see everything, or there is no such client.
pub async fn ask_addresses(app: &App, ctx: &Ctx, creds: &Credentials, id: &ClientId) -> Result<Vec<AddressDto>, Error> {
    let (now, creds, id) = (ctx.now, creds.clone(), id.clone());
    let details = app.db().read(move |tx| clients::get(tx, &creds.reads_all(tx, now)?, &id)).await?;
    let asked = addresses(&details.client).into_iter().map(|(kind, url)| async move {
        let request = Request::get(url.clone(), NamedBy::Admin, LIMITS);
        let answer = app.fetcher().send(request).await.map(|answer| answer.status.as_u16());
        told(kind, url, answer)
    });
    Ok(futures_util::future::join_all(asked).await)
}

/// What an answer says about an address. Any that is no failure of the server will do: nothing was sent along.
fn told(kind: &'static str, url: String, answer: Result<u16, FetchError>) -> AddressDto {
    let (status, problem) = match answer {
        Ok(status) if status >= 500 => (Some(status), Some(format!("the app answers with an error, {status}"))),
        Ok(404) if kind != "launch" => (Some(404), Some("there is nothing at this address (404)".to_owned())),
        Ok(status) => (Some(status), None),
        // It is there, and leads on, or tells more than is read here.
        Err(FetchError::Redirects | FetchError::Downgrade | FetchError::TooLarge | FetchError::Encoded) => (None, None),
        Err(error) => (None, Some(error.to_string())),
    };
    AddressDto { kind, url, status, problem }
}

fn addresses(client: &Client) -> Vec<(&'static str, String)> {
    let is_web =
        |url: &&String| Pattern::parse(url).is_ok_and(|pattern| pattern.is_literal()) && url.starts_with("http");
    let of = |kind, urls: &[String]| urls.iter().filter(is_web).map(|url| (kind, url.clone())).collect::<Vec<_>>();
    let mut all = of("callback", &client.callback_urls);
    all.extend(client.launch_url.clone().map(|url| ("launch", url)));
    all.extend(of("logout", &client.logout_callback_urls));
    all.extend(client.backchannel_logout_url.clone().map(|url| ("backchannelLogout", url)));
    let mut seen = Vec::new();
    all.retain(|(_, url)| {
        !seen.contains(url) && {
            seen.push(url.clone());
            true
        }
    });
    all.truncate(MOST);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_answer_that_is_no_failure_will_do() {
        let said = |kind, answer| told(kind, "https://app.example/cb".to_owned(), answer).problem;
        for fine in [Ok(200), Ok(302), Ok(400), Ok(401), Ok(405), Err(FetchError::Redirects)] {
            assert_eq!(said("callback", fine), None);
        }
        assert!(said("callback", Ok(404)).unwrap().contains("404"));
        assert_eq!(said("launch", Ok(404)), None);
        assert!(said("callback", Ok(502)).unwrap().contains("502"));
        assert_eq!(said("callback", Err(FetchError::Name)).unwrap(), "the host name was not found");
    }
}
