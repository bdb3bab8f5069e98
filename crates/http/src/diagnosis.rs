//! Hands over what failed to whoever looks for the cause, apart from the answer (`pid_flows::diagnosis`).
//!
//! What failed waits in memory and is written at most once a second, some of it: who makes failures makes few writes.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use pid_core::diagnosis::{Code, Finding};
use pid_core::secret::Secret;
use pid_core::{Ctx, InteractionId, Timestamp};
use pid_flows::budget::address_subject;
use pid_flows::diagnosis::{self, Diagnosis, Endpoint, Exchange, Failure, Whose};
use pid_flows::{Error, authorize};
use pid_oidc::{OAuthError, Params};
use pid_store::{ReadTx, WriteTx};
use pid_webauthn::AssertionResponse;

use crate::middleware::client_ip::ClientIp;
use crate::state::App;

/// Failures that wait, at most; what comes then is not looked at.
const MOST: usize = 64;
/// Of one address.
const OF_ONE: usize = 8;
/// Between two writes.
const PAUSE: Duration = Duration::from_secs(1);
/// A longer address to go back to does not fit in the header of many proxies, bytes.
const LARGE: usize = 4000;

/// What waits to be looked at.
#[derive(Default)]
pub struct Recorder(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    waiting: Vec<(String, Failure)>,
    awake: bool,
}

impl Recorder {
    /// Takes a failure, if there is room. Tells whether somebody has to be woken.
    fn push(&self, address: String, failure: Failure) -> bool {
        let mut queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_one = queue.waiting.iter().filter(|(of, _)| *of == address).count();
        if queue.waiting.len() >= MOST || of_one >= OF_ONE {
            return false;
        }
        queue.waiting.push((address, failure));
        !std::mem::replace(&mut queue.awake, true)
    }

    /// All that waits; if nothing does, whoever asks may go to sleep.
    fn take(&self) -> Vec<Failure> {
        let mut queue = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = std::mem::take(&mut queue.waiting);
        queue.awake = !waiting.is_empty();
        waiting.into_iter().map(|(_, failure)| failure).collect()
    }
}

/// Notes that something failed. The answer does not wait for what follows.
pub(crate) fn note(app: &App, ip_address: &str, at: Timestamp, exchange: Exchange, shown: Option<String>) {
    if app.recorder().push(address_subject(ip_address), Failure { at, exchange, shown }) {
        let sleeper = app.sleeper();
        tokio::spawn(async move {
            while let Some(app) = sleeper.wake() {
                let waiting = app.recorder().take();
                if waiting.is_empty() {
                    return;
                }
                if let Err(error) = write(&app, waiting).await {
                    tracing::debug!(%error, "why sign-ins failed could not be written down");
                }
                drop(app);
                tokio::time::sleep(PAUSE).await;
            }
        });
    }
}

async fn write(app: &App, waiting: Vec<Failure>) -> Result<(), Error> {
    let (env, site) = (app.env().clone(), app.snapshot());
    let waiting = std::sync::Arc::new(waiting);
    let examine = move |tx: &ReadTx<'_>| -> Result<Vec<Diagnosis>, Error> {
        let mut found = Vec::new();
        for failure in waiting.iter() {
            found.extend(diagnosis::examine(tx, &env, &site, failure)?);
        }
        Ok(found)
    };
    let found = app.db().read(examine).await?;
    if found.is_empty() {
        return Ok(());
    }
    app.db().write(move |tx: &WriteTx<'_>| diagnosis::keep(tx, &found)).await
}

/// Where a request of a client came from, for when it fails.
pub struct Sent {
    endpoint: Endpoint,
    authorization: Option<HeaderValue>,
    ip_address: String,
    at: Timestamp,
}

impl Sent {
    /// A request to this path, with this `Authorization` header.
    pub(crate) fn new(ctx: &Ctx, path: &str, authorization: Option<&HeaderValue>) -> Self {
        let (ip_address, at) = (ctx.ip_address.clone(), ctx.now);
        Self { endpoint: Endpoint::of(path), authorization: authorization.cloned(), ip_address, at }
    }

    /// Notes that it was refused.
    pub(crate) fn refused(self, app: &App, form: Params, error: &OAuthError) {
        let authorization = self.authorization.and_then(|value| value.to_str().ok().map(Secret::new));
        let exchange = Exchange::Client { endpoint: self.endpoint, form, authorization, error: error.clone() };
        note(app, &self.ip_address, self.at, exchange, None);
    }
}

/// Notes something that was found where it failed.
pub(crate) fn found(app: &App, ctx: &Ctx, whose: Whose, finding: Finding) {
    note(app, &ctx.ip_address, ctx.now, Exchange::Found(whose, finding), None);
}

/// Notes something that was found where nobody needs a context.
pub(crate) fn found_by(app: &App, ip: Option<ClientIp>, finding: Finding) {
    let address = ip.map(|ip| ip.0.to_string()).unwrap_or_default();
    note(app, &address, app.clock().now(), Exchange::Found(Whose::Nobodys, finding), None);
}

/// Notes that an interaction is not there for the browser that came back to it.
pub(crate) fn lost(app: &App, ctx: &Ctx, id: InteractionId, host: &str) {
    note(app, &ctx.ip_address, ctx.now, Exchange::Interaction { id, host: host.to_owned() }, None);
}

/// Notes a refusal of a request for an authorization. Gives the id that the person is shown.
pub(crate) fn refused(app: &App, ctx: &Ctx, refused: authorize::Refused) -> Option<String> {
    let authorize::Refused { error, params, person, shown } = refused;
    let asked = Box::new(authorize::Asked::Parameters(params));
    note(app, &ctx.ip_address, ctx.now, Exchange::Authorization { asked, person, error }, shown.clone());
    shown
}

/// Looks whether an answer is too large for the proxies on its way.
pub(crate) fn weigh(app: &App, ctx: &Ctx, client_id: Option<&str>, location: &str) {
    if location.len() > LARGE {
        let whose = client_id.map_or(Whose::Nobodys, |id| Whose::Client(pid_core::ClientId::new(id)));
        found(app, ctx, whose, Finding::new(Code::AnswerLarge).quote("bytes", location.len().to_string()));
    }
}

/// Notes that a passkey was refused on the way to an app, or without one: was it shown at another origin?
pub(crate) fn passkey_refused(app: &App, ctx: &Ctx, interaction: Option<String>, body: &[u8]) {
    let origins = app.env().origins(&app.settings());
    let finding = match AssertionResponse::parse(body).ok().and_then(|response| response.origin()) {
        Some(sent) if !origins.contains(&sent) => {
            let expected = app.env().app_url.origin.as_str();
            Finding::new(Code::PasskeyHost).quote("sent", sent).quote("expected", expected)
        }
        _ => Finding::new(Code::PasskeyUnknown),
    };
    let whose = interaction.map_or(Whose::Nobodys, |id| Whose::Of(InteractionId::new(id)));
    found(app, ctx, whose, finding);
}

/// The app in which a page is shown that was not opened in a browser of its own, by its user agent; `None` for browsers.
#[must_use]
pub(crate) fn web_view(user_agent: &str) -> Option<&'static str> {
    const APPS: [(&str, &str); 10] = [
        ("FBAN/", "Facebook"),
        ("FBAV/", "Facebook"),
        ("Instagram", "Instagram"),
        ("Line/", "LINE"),
        ("MicroMessenger", "WeChat"),
        ("Snapchat", "Snapchat"),
        ("LinkedInApp", "LinkedIn"),
        ("Slack_SSB", "Slack"),
        ("GSA/", "Google"),
        ("; wv)", "Android"),
    ];
    let named = APPS.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name);
    // Safari and those that are built like it name a version; a view inside an app does not.
    let is_of_ios = (user_agent.contains("iPhone;") || user_agent.contains("iPad;"))
        && user_agent.contains("AppleWebKit/")
        && !user_agent.contains("Safari/");
    named.or(is_of_ios.then_some("iOS"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pid_core::diagnosis::Place;

    fn failure() -> Failure {
        let exchange = Exchange::Found(Whose::Nobodys, Finding::new(Code::ClientMissing));
        Failure { at: Timestamp::from_secs(0), exchange, shown: None }
    }

    /// The guide, made of the table and the English catalogue.
    fn guide() -> String {
        let words = crate::i18n::words("en");
        let mut out = String::from(GUIDE);
        for place in Place::ALL {
            out.push_str(&format!("\n## {}\n", words.place(place)));
            for code in Code::ALL.iter().filter(|code| code.place() == place) {
                let quoted =
                    code.values().iter().fold(Finding::new(*code), |f, name| f.quote(name, format!("*{name}*")));
                out.push_str(&format!("\n### `{}`\n\n{}\n\n", code.as_str(), words.diagnosis(&quoted)));
                out.push_str(&format!("- **Told by:** {}\n- **Mend:** {}\n", code.told(), words.mend(*code)));
            }
        }
        out
    }

    const GUIDE: &str = "# When a sign-in fails\n\nThis page is made of the table of diagnoses; a test renews it with `UPDATE_DOCS=1`.\n\n\
Every exchange with an app that fails is looked at a second time, and what is found stands in one sentence\n\
on the client's page, in the tab **Diagnosis**: what the app sent, what was expected, and how to mend it. Where one click can mend it,\n\
there is a button. What belongs to no client that is known, such as a client ID with a slip in it, is on the page **System**\n\
and in `pocket-id doctor`.\n\n\
Whoever could not sign in is shown an ID such as `7K3M-Q2PX`; apps are told it in `error_description`. Type it on the page **System**.\n\n\
For scripts there are `GET /api/oidc/clients/{id}/diagnoses`, `GET /api/oidc/diagnoses?id=…` and\n\
`DELETE /api/oidc/clients/{id}/diagnoses`; the codes below never change.\n\n\
Secrets, tokens, codes and `state` are never kept. Of each client the 50 faults are kept that were seen last, each once with how often it\n\
was seen, until a month has gone by; what one address makes within a second is looked at in part.\n";

    #[test]
    fn the_documents_are_those_of_the_table() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guides/troubleshooting.md");
        let text = guide();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), text, "run with UPDATE_DOCS=1");
    }

    #[test]
    fn few_wait_and_fewer_of_one_address() {
        let recorder = Recorder::default();
        assert!(recorder.push("a".to_owned(), failure()), "somebody is woken");
        (0..20).for_each(|_| assert!(!recorder.push("a".to_owned(), failure())));
        (0..200).for_each(|n| assert!(!recorder.push(format!("{n}"), failure())));
        assert_eq!(recorder.take().len(), MOST);
        assert!(!recorder.push("a".to_owned(), failure()), "who was woken is still awake");
        assert_eq!(recorder.take().len(), 1);
        assert!(recorder.take().is_empty());
        assert!(recorder.push("a".to_owned(), failure()));
    }

    #[test]
    fn web_views_are_told_from_browsers() {
        let of = |rest: &str| web_view(&format!("Mozilla/5.0 {rest}"));
        assert_eq!(
            of("(Linux; Android 14; Pixel 8; wv) AppleWebKit/537.36 Version/4.0 Chrome/120 Mobile Safari/537.36"),
            Some("Android")
        );
        assert_eq!(of("(iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148"), Some("iOS"));
        assert_eq!(
            of("(iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148 Instagram 300"),
            Some("Instagram")
        );
        for browser in [
            "(iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 Version/17.1 Mobile/15E148 Safari/604.1",
            "(X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36",
            "(Linux; Android 14) AppleWebKit/537.36 Chrome/120 Mobile Safari/537.36",
            "(X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0",
        ] {
            assert_eq!(of(browser), None, "{browser}");
        }
    }
}
