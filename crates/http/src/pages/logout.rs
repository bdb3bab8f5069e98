//! Signing out, on one's own or because a client asks (OpenID Connect RP-Initiated Logout 1.0).
//!
//! `/api/oidc/end-session` leads here with the client's wish in the query. The page asks whoever is signed in, and shows
//! the way back to the client afterwards; somebody who is not signed in is told so and need not sign in to hear it. The
//! wish is judged anew at each step, so an address that is not the client's is never offered.

use super::{Layout, PageError, PageRequest, page, redirect};
use crate::cookies;
use crate::state::App;
use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum_extra::extract::CookieJar;
use http::StatusCode;
use pid_flows::{end_session, sign_out};
use pid_oidc::logout::Wish;

/// Where a client wants people to go afterwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WayBack {
    /// The client's name.
    pub client: String,
    /// One of its registered addresses.
    pub address: String,
}

/// `/logout`: asks before signing out, or says that nobody is signed in.
#[derive(Debug, Template)]
#[template(path = "logout.html")]
pub struct LogoutPage {
    /// What every page needs; `user` is whom it asks.
    pub layout: Layout,
    /// Where the client wants to go, if it may.
    pub back: Option<WayBack>,
    /// The wish as a query with its `?`, or nothing.
    pub query: String,
}

impl LogoutPage {
    fn username(&self) -> &str {
        self.layout.user.as_ref().map_or("", |user| user.username.as_str())
    }
}

fn wish(request: &PageRequest) -> Wish {
    Wish {
        client_id: request.param("client_id"),
        post_logout_redirect_uri: request.param("post_logout_redirect_uri"),
        state: request.param("state"),
    }
}

/// The wish as a query with its `?`, or nothing: how it travels from page to page.
#[must_use]
pub fn wish_query(wish: &Wish) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in [
        ("client_id", &wish.client_id),
        ("post_logout_redirect_uri", &wish.post_logout_redirect_uri),
        ("state", &wish.state),
    ] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    let query = query.finish();
    if query.is_empty() { query } else { format!("?{query}") }
}

/// `GET /logout`.
pub async fn logout(State(app): State<App>, request: PageRequest) -> Result<Response, PageError> {
    let wish = wish(&request);
    let wanted = wish_query(&wish);
    let found = request.read(&app, move |tx, _, _| end_session::wish_target(tx, &wish)).await?;
    let back = found.and_then(|(client, address)| Some(WayBack { client, address: address? }));
    // What the client may not have is forgotten here.
    let query = back.as_ref().map(|_| wanted).unwrap_or_default();
    Ok(page(StatusCode::OK, &LogoutPage { layout: request.layout, back, query }))
}

/// `POST /logout`: the form of a browser without scripts. Ends the session and shows the page of who is not signed in; a
/// redirect to the client would be stopped by `form-action`.
pub async fn end(State(app): State<App>, jar: CookieJar, request: PageRequest) -> Result<Response, PageError> {
    let wish = wish(&request);
    let (credentials, ctx) = (request.credentials.clone(), request.ctx.clone());
    app.db()
        .write(move |tx| match credentials.optional_session(tx, ctx.now)? {
            Some(who) => sign_out::session(tx, &ctx, &who.session().id, &who.user().id, None, None).map(|_| ()),
            None => Ok(()),
        })
        .await
        .map_err(|e| request.refuse(&e))?;
    let mut response = redirect(&format!("/logout{}", wish_query(&wish)));
    *response.status_mut() = StatusCode::SEE_OTHER;
    Ok((jar.add(cookies::no_session(app.env())), response).into_response())
}
