//! The page that the link "This wasn't me" in a letter leads to. A click acts, since programs open links in mails too.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use pid_core::Ctx;
use pid_flows::disown;
use pid_integrations::device::in_words;
use pid_store::sessions::OpenSession;

use super::{Layout, PageError, PageRequest, When, page};
use crate::state::App;

/// A sign-in in words.
#[derive(Clone, Debug)]
pub struct SignInView {
    /// The browser.
    pub device: String,
    /// Its address.
    pub ip_address: String,
    /// Where that is; may be empty.
    pub place: String,
    /// When.
    pub when: When,
}

/// `/not-me`.
#[derive(Debug, Template)]
#[template(path = "disown.html")]
pub struct DisownPage {
    /// What every page needs.
    pub layout: Layout,
    /// What the link carries.
    pub token: String,
    /// The sign-in, unless it is over.
    pub sign_in: Option<SignInView>,
    /// Names and moments of the passkeys that were added since.
    pub passkeys: Vec<(String, When)>,
    /// Why there is nothing to see, in words; may be empty.
    pub problem: String,
}

impl SignInView {
    pub(super) fn new(layout: &Layout, ctx: &Ctx, open: OpenSession) -> Self {
        let device = Some(in_words(&open.user_agent)).filter(|words| !words.is_empty());
        let place = ctx.places.of(&open.ip_address);
        Self {
            device: device.unwrap_or_else(|| layout.t("unknown-device").to_owned()),
            place: [place.city, place.country]
                .into_iter()
                .filter(|part| !part.is_empty())
                .collect::<Vec<_>>()
                .join(", "),
            ip_address: open.ip_address,
            when: open.session.created_at.into(),
        }
    }
}

/// `GET /not-me?token=…`.
pub async fn disown(State(app): State<App>, request: PageRequest) -> Result<Response, PageError> {
    let token: String = request.param("token").unwrap_or_default().chars().take(200).collect();
    let (env, asked, ctx) = (app.env().clone(), token.clone(), request.ctx.clone());
    let found = app.db().read(move |tx| disown::look(tx, &ctx, &env, &asked)).await;
    let (sign_in, passkeys, problem) = match found {
        Ok(found) => {
            let sign_in = found.open.map(|open| SignInView::new(&request.layout, &request.ctx, open));
            let added = found.passkeys.into_iter().map(|passkey| (passkey.name, passkey.created_at.into()));
            (sign_in, added.collect(), String::new())
        }
        Err(error) if error.code == pid_flows::Code::TokenInvalidOrExpired => {
            (None, Vec::new(), request.layout.words.refusal(&pid_flows::Error::new(error.code)).into_owned())
        }
        Err(error) => return Err(request.refuse(&error)),
    };
    let status = if problem.is_empty() { StatusCode::OK } else { StatusCode::NOT_FOUND };
    Ok(page(status, &DisownPage { token, sign_in, passkeys, problem, layout: request.layout }))
}
