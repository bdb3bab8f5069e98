//! What is told to others: written with its cause, delivered by a job, tried again for a day.

use pid_core::audit::Event;
use pid_core::settings::Settings;
use pid_core::{ClientId, Ctx, Timestamp};
use pid_jose::{Alg, KeySet, Typ, sign};
use pid_oidc::backchannel_logout::LogoutToken;
use pid_store::outbox::{self, Entry, State};
use pid_store::sign_out::ToTell;
use pid_store::{ReadTx, WriteTx, clients};
use serde::{Deserialize, Serialize};

use crate::env::Env;
use crate::mail::{MAIL, Mail};
use crate::{Error, audit, diagnosis, login_codes};

/// The entry of a session's end.
pub const LOGOUT: &str = "backchannel_logout";
/// The entry of a test that an administrator sent.
pub const LOGOUT_TEST: &str = "backchannel_logout_test";

/// The pauses between attempts, seconds: a receiver that restarts hears of it soon, one that is down within a day.
const PAUSES: [i64; 11] = [1, 5, 20, 60, 300, 900, 3600, 7200, 14_400, 28_800, 28_800];
/// An attempt that has said nothing after this long is lost, seconds. Longer than any attempt takes.
const LOST_SECS: i64 = 60;

/// What a client is told: that a session has ended (OpenID Connect Back-Channel Logout §2.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notice {
    /// Where.
    pub url: String,
    /// The algorithm of the client's tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing_alg: Option<String>,
    /// `sub`.
    pub user_id: String,
    /// `sid`.
    pub session_id: String,
}

/// Queues a notice, unless one about the same client and session waits already.
pub(crate) fn tell(tx: &WriteTx<'_>, ctx: &Ctx, whom: &ToTell) -> Result<(), Error> {
    let subject = format!("{} {}", whom.client_id, whom.session_id);
    if outbox::is_waiting(tx, LOGOUT, &subject)? {
        return Ok(());
    }
    let notice = Notice {
        url: whom.url.clone(),
        signing_alg: whom.signing_alg.clone(),
        user_id: whom.user_id.to_string(),
        session_id: whom.session_id.to_string(),
    };
    let id = ctx.stream(&format!("notice {subject}")).uuid();
    let entry = Entry { client_id: whom.client_id.clone(), ..entry(id, LOGOUT, subject, &notice, ctx.now)? };
    Ok(outbox::insert(tx, &entry)?)
}

/// An entry that is due at once and goes to no client.
pub(crate) fn entry(
    id: String,
    kind: &str,
    subject: String,
    payload: &impl Serialize,
    now: Timestamp,
) -> Result<Entry, Error> {
    Ok(Entry {
        id,
        kind: kind.to_owned(),
        subject,
        client_id: ClientId::new(String::new()),
        payload: serde_json::to_string(payload).map_err(Error::internal)?,
        state: State::Waiting,
        attempts: 0,
        created_at: now,
        attempted_at: None,
        due_at: Some(now),
        status: None,
        failure: None,
    })
}

/// An attempt to deliver something.
#[derive(Clone, Debug)]
pub struct Attempt {
    entry: Entry,
    what: What,
}

/// What is delivered.
#[derive(Clone, Debug)]
pub enum What {
    /// To a client: that a session has ended.
    Notice(Notice),
    /// To a person's mailbox.
    Mail(Mail),
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// With a status of HTTP; any 2xx means that it was taken.
    Status(u16),
    /// Without an answer, for this kind of reason.
    Nothing(String),
    /// Taken, by a protocol without statuses.
    Taken,
    /// Refused for good, for this kind of reason.
    Never(String),
}

/// When the next attempt is due, if any.
pub fn next_due(tx: &ReadTx<'_>) -> Result<Option<Timestamp>, Error> {
    Ok(outbox::next_due(tx)?)
}

/// Begins attempts that are due. No other replica gets them meanwhile. The address is the client's of now: an
/// administrator may have mended it; that of the entry counts once the client is gone. What only this instance has to do
/// is done here.
pub fn begin(tx: &WriteTx<'_>, ctx: &Ctx, env: &Env, settings: &Settings, limit: i64) -> Result<Vec<Attempt>, Error> {
    let (mut attempts, now) = (Vec::new(), ctx.now);
    for entry in outbox::claim(tx, now, now.plus_secs(LOST_SECS), limit)? {
        if entry.kind == login_codes::REQUEST {
            login_codes::answer(tx, ctx, env, settings, &entry)?;
            // An address that a stranger typed is kept no longer than it takes.
            outbox::forget(tx, &entry.id)?;
            continue;
        }
        if entry.kind == MAIL {
            // A newer version may have written it: it is held for a while, for a replica that can read it.
            let Ok(mail) = serde_json::from_str::<Mail>(&entry.payload) else {
                if usize::try_from(entry.attempts).is_ok_and(|n| n > PAUSES.len()) {
                    outbox::end(tx, &entry.id, State::Failed, None, Some("unreadable"))?;
                }
                continue;
            };
            let is_late = mail.not_after.is_some_and(|end| end <= now);
            let attempt = Attempt { entry, what: What::Mail(mail) };
            if is_late {
                record(tx, ctx, &attempt, &Answer::Never("too_late".to_owned()))?;
            } else {
                attempts.push(attempt);
            }
            continue;
        }
        let mut notice: Notice = serde_json::from_str(&entry.payload).map_err(Error::internal)?;
        if let Some(client) = clients::by_id(tx, &entry.client_id)? {
            let Some(url) = client.backchannel_logout_url else {
                outbox::end(tx, &entry.id, State::Dropped, None, None)?;
                continue;
            };
            notice.url = url;
            notice.signing_alg = client.signing_alg;
        }
        attempts.push(Attempt { entry, what: What::Notice(notice) });
    }
    Ok(attempts)
}

impl Attempt {
    /// What is delivered.
    pub fn what(&self) -> &What {
        &self.what
    }

    /// The same for each attempt.
    pub fn id(&self) -> &str {
        &self.entry.id
    }

    /// The logout token of a notice, signed now.
    pub fn token(&self, notice: &Notice, env: &Env, keys: &KeySet, now: Timestamp) -> Result<String, Error> {
        logout_token(env, keys, &self.entry.id, &self.entry.client_id, notice, now)
    }
}

/// Signs a logout token with the client's algorithm. Its `jti` is the entry's id, the same for each attempt.
pub(crate) fn logout_token(
    env: &Env,
    keys: &KeySet,
    id: &str,
    client: &ClientId,
    notice: &Notice,
    now: Timestamp,
) -> Result<String, Error> {
    let key = keys.signing(notice.signing_alg.as_deref().and_then(Alg::parse));
    let key = key.ok_or_else(|| Error::with(crate::Code::Unavailable, "There is no signing key yet"))?;
    let issuer = env.app_url.origin.as_str();
    let claims = LogoutToken::new(issuer, client.as_str(), id, &notice.user_id, &notice.session_id, now.secs());
    sign(key, Typ::Logout, &claims).map_err(Error::internal)
}

/// The kind of failure, if it is one.
pub(crate) fn failure(answer: &Answer) -> Option<&str> {
    match answer {
        Answer::Status(200..=299) | Answer::Taken => None,
        Answer::Status(_) => Some("http_status"),
        Answer::Nothing(kind) | Answer::Never(kind) => Some(kind),
    }
}

/// Notes how an attempt ended: done, to be tried again, or given up, which is audited.
pub fn record(tx: &WriteTx<'_>, ctx: &Ctx, attempt: &Attempt, answer: &Answer) -> Result<(), Error> {
    let entry = &attempt.entry;
    let status = match answer {
        Answer::Status(status) => Some(i64::from(*status)),
        _ => None,
    };
    let Some(failure) = failure(answer) else {
        outbox::end(tx, &entry.id, State::Delivered, status, None)?;
        return Ok(());
    };
    if let What::Notice(notice) = &attempt.what {
        diagnosis::keep_notice(tx, ctx.now, &entry.client_id, &notice.url, answer)?;
    }
    let pause = usize::try_from(entry.attempts - 1).ok().and_then(|n| PAUSES.get(n));
    let pause = pause.filter(|_| !matches!(answer, Answer::Never(_)));
    let is_in_time = |pause: &&i64| match &attempt.what {
        What::Mail(Mail { not_after: Some(end), .. }) => ctx.now.plus_secs(**pause) < *end,
        _ => true,
    };
    let pause = pause.filter(is_in_time);
    if let Some(pause) = pause {
        return Ok(outbox::again(tx, entry, ctx.now.plus_secs(*pause), status, failure)?);
    }
    if outbox::end(tx, &entry.id, State::Failed, status, Some(failure))? {
        let entropy = ctx.stream(&format!("failed {}", entry.id));
        match &attempt.what {
            What::Notice(notice) => {
                let status = status.map(|s| s.to_string()).unwrap_or_default();
                let name = clients::by_id(tx, &entry.client_id)?.map(|c| c.name).unwrap_or_default();
                let data = [
                    ("clientName", name.as_str()),
                    ("clientID", entry.client_id.as_str()),
                    ("sessionID", notice.session_id.as_str()),
                    ("failure", failure),
                    ("status", status.as_str()),
                ];
                audit::record(tx, ctx, &entropy, Event::LogoutNoticeFailed, None, None, &data)?;
            }
            What::Mail(mail) => {
                let data = [("to", mail.to.as_str()), ("failure", failure)];
                audit::record(tx, ctx, &entropy, Event::MailFailed, None, None, &data)?;
            }
        }
    }
    Ok(())
}
