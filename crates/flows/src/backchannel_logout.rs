//! What an administrator sees of a client's back-channel logout: the latest deliveries, and a test.

use pid_core::audit::Event;
use pid_core::{ClientId, Ctx};
use pid_jose::KeySet;
use pid_store::outbox::{self, Entry, State};
use pid_store::{ReadTx, WriteTx, clients};

use crate::access::Admin;
use crate::audit::Note;
use crate::env::Env;
use crate::outbox::{Answer, LOGOUT_TEST, Notice, entry, failure, logout_token};
use crate::roles::ReadsAll;
use crate::{Error, Saying, diagnosis};

/// Deliveries that are shown, at most.
const SHOWN: i64 = 50;

/// A delivery as an administrator sees it.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// What became of it.
    pub entry: Entry,
    /// What it says.
    pub notice: Notice,
}

impl Delivery {
    fn new(entry: Entry) -> Result<Self, Error> {
        Ok(Self { notice: serde_json::from_str(&entry.payload).map_err(Error::internal)?, entry })
    }
}

/// A client's latest deliveries, the newest first.
pub fn deliveries(tx: &ReadTx<'_>, _: &ReadsAll, id: &ClientId) -> Result<Vec<Delivery>, Error> {
    clients::by_id(tx, id)?.ok_or_else(|| Error::not_found("OIDC client"))?;
    outbox::of_client(tx, id, SHOWN)?.into_iter().map(Delivery::new).collect()
}

/// A test: a logout token about a session that nobody has. A receiver that does its checks and finds no such session
/// has signed out whoever there was, and says so with 200.
#[derive(Clone, Debug)]
pub struct Test {
    id: String,
    client: ClientId,
    notice: Notice,
}

/// Prepares a test.
pub fn test(tx: &ReadTx<'_>, ctx: &Ctx, _: &Admin, id: &ClientId) -> Result<Test, Error> {
    let client = clients::by_id(tx, id)?.ok_or_else(|| Error::not_found("OIDC client"))?;
    let Some(url) = client.backchannel_logout_url else {
        return Err(Error::say(Saying::NoLogoutUrl, &[]));
    };
    let entropy = ctx.entropy();
    let (user_id, session_id) = (entropy.uuid(), entropy.uuid());
    let notice = Notice { url, signing_alg: client.signing_alg, user_id, session_id };
    Ok(Test { id: entropy.uuid(), client: client.id, notice })
}

impl Test {
    /// Where it goes.
    pub fn url(&self) -> &str {
        &self.notice.url
    }

    /// The logout token.
    pub fn token(&self, ctx: &Ctx, env: &Env, keys: &KeySet) -> Result<String, Error> {
        logout_token(env, keys, &self.id, &self.client, &self.notice, ctx.now)
    }
}

/// Keeps a test's outcome among the deliveries. A test is never repeated.
pub fn keep_test(tx: &WriteTx<'_>, ctx: &Ctx, admin: &Admin, test: &Test, answer: &Answer) -> Result<Delivery, Error> {
    let subject = format!("test {}", test.id);
    let mut done = entry(test.id.clone(), LOGOUT_TEST, subject, &test.notice, ctx.now)?;
    done.client_id = test.client.clone();
    (done.attempts, done.attempted_at, done.due_at) = (1, Some(ctx.now), None);
    if let Answer::Status(status) = answer {
        done.status = Some(i64::from(*status));
    }
    done.failure = failure(answer).map(str::to_owned);
    done.state = if done.failure.is_none() { State::Delivered } else { State::Failed };
    outbox::insert(tx, &done)?;
    diagnosis::keep_notice(tx, ctx.now, &test.client, test.url(), answer)?;
    let name = clients::by_id(tx, &test.client)?.map(|client| client.name).unwrap_or_default();
    let status = done.status.map(|status| status.to_string()).unwrap_or_default();
    Note::about(&[("clientName", &name), ("clientID", test.client.as_str()), ("url", test.url())])
        .with("state", done.state.as_str())
        .change("status", "", &status)
        .change("failure", "", done.failure.as_deref().unwrap_or_default())
        .record(tx, ctx, &ctx.stream("audit"), Event::LogoutNoticeTested, None, Some(&admin.user().id))?;
    Delivery::new(done)
}
