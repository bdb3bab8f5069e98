//! Delivering what waits in the outbox: the edge of `pid_flows::outbox`.

use std::time::Duration;

use pid_flows::outbox::Answer;
use pid_integrations::fetch::{Limits, NamedBy, Request};

use crate::state::App;

/// A logout token may cost this much. Its receiver may have to fetch our keys first.
const LIMITS: Limits = Limits { time: Duration::from_secs(10), body: None, redirects: 0 };

/// Posts a logout token (OpenID Connect Back-Channel Logout §2.5).
pub async fn post_logout_token(app: &App, url: &str, token: &str) -> Answer {
    let request = Request::form(url, &[("logout_token", token)], NamedBy::Admin, LIMITS);
    match app.fetcher().send(request).await {
        Ok(response) => Answer::Status(response.status.as_u16()),
        Err(error) => {
            tracing::debug!(%error, "a logout token was not delivered");
            Answer::Nothing(error.kind().to_owned())
        }
    }
}
