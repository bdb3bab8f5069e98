//! Why sign-ins fail, for administrators: what failed is looked at a second time, apart from the answer.
//!
//! An endpoint that refuses hands over what was sent, as a [`Failure`]. It stays in memory for a moment: [`examine`]
//! holds it against the store and gives a [`Finding`], in which nothing is secret, and [`keep`] writes that down: a few
//! faults for each client, each with how often it was seen. Nothing of this can make an answer slower or fail.

mod authorization;
mod client;
mod observations;
mod redemption;

use pid_core::audit::Event;
use pid_core::diagnosis::{self, Code, Finding, Remedy, clients, tokens};
use pid_core::secret::Secret;
use pid_core::{ClientId, Ctx, InteractionId, Timestamp, UserId};
use pid_jose::Received;
use pid_oidc::logout::EndSessionRequest;
use pid_oidc::{ErrorCode, OAuthError, Params};
use pid_store::diagnoses::{self, Entry};
use pid_store::{ReadTx, WriteTx, users};
use serde::{Deserialize, Serialize};

use crate::access::Admin;
use crate::audit::Note;
use crate::authorize::Asked;
use crate::env::{Env, Snapshot};
use crate::outbox::Answer;
use crate::presented::validated;
use crate::protocol::{client, hint_claims};
use crate::roles::ReadsAll;
use crate::{Error, end_session, userinfo};

/// Faults that are kept of each client.
pub const KEPT: i64 = 50;
/// Faults that are kept of no client that is known.
pub const KEPT_OF_NOBODY: i64 = 100;
/// Clients among which one is looked for that a name was meant for.
const NEIGHBOURS: i64 = 500;
/// Faults that are listed of all clients.
const LISTED: i64 = 200;

/// An exchange that failed, with what was sent. It holds secrets: it is never written, and has no `Debug`.
pub struct Failure {
    /// When.
    pub at: Timestamp,
    /// What failed.
    pub exchange: Exchange,
    /// The id that the person was shown, if they were.
    pub shown: Option<String>,
}

/// What failed.
pub enum Exchange {
    /// A request at `/authorize` was refused.
    Authorization {
        /// The request.
        asked: Box<Asked>,
        /// Who is signed in.
        person: Option<UserId>,
        /// The answer.
        error: OAuthError,
    },
    /// An interaction was not found for the browser that came back.
    Interaction {
        /// Which.
        id: InteractionId,
        /// Where the browser says that it is: `Host`.
        host: String,
    },
    /// A request of a client, at the token endpoint or one of its neighbours, was refused.
    Client {
        /// Where.
        endpoint: Endpoint,
        /// The form.
        form: Params,
        /// The `Authorization` header.
        authorization: Option<Secret>,
        /// The answer.
        error: OAuthError,
    },
    /// An access token was refused.
    UserInfo {
        /// The token, if there was one.
        token: Option<Secret>,
        /// The answer, if it is not just that a token is missing.
        error: Option<OAuthError>,
    },
    /// A client's wish for a sign-out was not, or not wholly, granted.
    Logout(EndSessionRequest),
    /// What was found where it failed.
    Found(Whose, Finding),
}

/// Whose fault it is.
pub enum Whose {
    /// Of no client that is known.
    Nobodys,
    /// Of the client of this interaction.
    Of(InteractionId),
    /// Of this client.
    Client(ClientId),
}

/// Where clients prove who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `/api/oidc/token`.
    Token,
    /// `/api/oidc/par`: the request is one of an authorization.
    Par,
    /// Introspection, revocation, device authorization.
    Other,
}

impl Endpoint {
    /// That of a path.
    #[must_use]
    pub fn of(path: &str) -> Self {
        match path {
            "/api/oidc/token" => Self::Token,
            "/api/oidc/par" => Self::Par,
            _ => Self::Other,
        }
    }
}

/// The id of a refusal that a person is shown: known before the fault is.
#[must_use]
pub fn shown_id(client_id: &str, person: Option<&UserId>, error: &OAuthError) -> String {
    let person = person.map_or("", UserId::as_str);
    diagnosis::id(&["page", client_id, person, error.code().as_str(), error.page_text()])
}

/// What was found, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// Of the fault.
    pub id: String,
    /// `None`: of no client that is known.
    pub client: Option<ClientId>,
    /// What it is.
    pub finding: Finding,
    /// When it was seen.
    pub at: Timestamp,
}

/// Looks for the cause of a failure. `None`: there is nothing to tell, for instance because it is a usual answer.
pub fn examine(tx: &ReadTx<'_>, env: &Env, site: &Snapshot, failure: &Failure) -> Result<Option<Diagnosis>, Error> {
    let look = Look { tx, env, site, at: failure.at };
    let found = match &failure.exchange {
        Exchange::Authorization { asked, person, error } => look.arrival(asked, person.as_ref(), error)?,
        Exchange::Interaction { id, host } => look.interaction(id, host)?,
        Exchange::Client { endpoint, form, authorization, error } => {
            look.client_request(*endpoint, form, authorization.as_ref(), error)?
        }
        Exchange::UserInfo { token, error } => look.access_token(token.as_ref(), error.as_ref()),
        Exchange::Logout(request) => look.logout(request)?,
        Exchange::Found(whose, finding) => Some((look.whose(whose)?, finding.clone())),
    };
    let Some((owner, finding)) = found else { return Ok(None) };
    // A client may be named by anybody; only one that exists has faults of its own.
    let owner = match owner {
        Some(id) => client(tx, id.as_str())?.map(|(client, _)| client.id),
        None => None,
    };
    let id = failure.shown.clone().unwrap_or_else(|| fault_id(owner.as_ref(), &finding));
    Ok(Some(Diagnosis { id, client: owner, finding, at: failure.at }))
}

fn fault_id(client: Option<&ClientId>, finding: &Finding) -> String {
    diagnosis::id(&["fault", client.map_or("", ClientId::as_str), &finding.identity()])
}

/// Whose a fault is, and what it is.
type Found = (Option<ClientId>, Finding);

/// A second look at something that failed.
struct Look<'a> {
    tx: &'a ReadTx<'a>,
    env: &'a Env,
    site: &'a Snapshot,
    at: Timestamp,
}

impl Look<'_> {
    fn issuer(&self) -> &str {
        &self.env.app_url.origin
    }

    /// A client that doesn't exist.
    fn unknown_client(&self, sent: &str) -> Result<Found, Error> {
        Ok((None, clients::unknown(sent, &diagnoses::known_clients(self.tx, NEIGHBOURS)?)))
    }

    fn username(&self, id: &UserId) -> Result<String, Error> {
        Ok(users::by_id(self.tx, id)?.map(|user| user.username).unwrap_or_default())
    }

    fn client_name(&self, id: &ClientId) -> Result<String, Error> {
        Ok(client(self.tx, id.as_str())?.map(|(client, _)| client.name).unwrap_or_default())
    }

    fn whose(&self, whose: &Whose) -> Result<Option<ClientId>, Error> {
        Ok(match whose {
            Whose::Nobodys => None,
            Whose::Client(id) => Some(id.clone()),
            Whose::Of(id) => diagnoses::of_interaction(self.tx, id.as_str())?.map(|(client, _)| client),
        })
    }

    fn interaction(&self, id: &InteractionId, host: &str) -> Result<Option<Found>, Error> {
        let Some((owner, ends)) = diagnoses::of_interaction(self.tx, id.as_str())? else {
            return Ok(Some((None, Finding::new(Code::RequestExpired))));
        };
        let finding = if ends > self.at {
            Finding::new(Code::CookieLost).quote("sent", host).quote("expected", self.issuer())
        } else {
            Finding::new(Code::RequestExpired)
        };
        Ok(Some((Some(owner), finding)))
    }

    fn access_token(&self, token: Option<&Secret>, error: Option<&OAuthError>) -> Option<Found> {
        if let Some(error) = error
            && matches!(error.code(), ErrorCode::InvalidDpopProof)
        {
            return Some((None, Finding::new(Code::ProofRefused).quote("reason", error.page_text())));
        }
        if error.is_some_and(|error| error.code() == ErrorCode::UseDpopNonce) {
            return None;
        }
        let text = token.map(Secret::expose);
        let received = text.and_then(|text| Received::parse(text).ok());
        let claims = received.as_ref().map(Received::unverified_claims);
        let of = |name: &str| claims.and_then(|claims| claims.text(name).ok().flatten()).unwrap_or_default();
        let signed = text.and_then(|text| userinfo::check_token(&self.site.keys, text).ok());
        // Only what we signed ourselves says whose it is. It may have expired.
        let ours = signed.as_ref().and_then(|signed| {
            let expiry = claims?.date("exp").ok().flatten()?;
            validated(signed, self.env, self.at.min(Timestamp::from_secs(expiry - 1)))
        });
        let is_identity = of("type") == pid_oidc::claims::ID_TOKEN_TYPE;
        let facts = tokens::AccessToken {
            sent: text.is_some_and(|text| !text.is_empty()),
            is_signed: received.is_some(),
            issuer: of("iss"),
            is_identity,
            expired_for: ours.as_ref().map(|token| self.at.secs() - token.exp).filter(|ago| *ago >= 0),
            is_ours: ours.is_some(),
            has_openid: ours.as_ref().is_some_and(|token| token.scope.contains(pid_oidc::scope::OPENID)),
        };
        let owner = ours.map(|token| ClientId::new(token.client_id.into_owned()));
        Some((owner, tokens::access(&facts, self.issuer())))
    }

    fn logout(&self, request: &EndSessionRequest) -> Result<Option<Found>, Error> {
        let hint = request.id_token_hint.as_deref();
        let claims = hint.and_then(|hint| hint_claims(&self.site.keys, self.issuer(), hint, self.at.secs()));
        let of_hint = claims.as_ref().and_then(|claims| match claims.get("aud")? {
            serde_json::Value::Array(many) => many.first()?.as_str(),
            one => one.as_str(),
        });
        let Some(named) = request.client_id.as_deref().or(of_hint) else {
            let finding = Finding::new(Code::LogoutHint);
            return Ok(hint.is_some().then_some((None, finding)));
        };
        let Some((found, _)) = client(self.tx, named)? else { return self.unknown_client(named).map(Some) };
        let is_known = |sent: &String| end_session::is_address_of(&found, sent);
        let finding = match &request.post_logout_redirect_uri {
            Some(sent) if !is_known(sent) => {
                diagnosis::address::logout(sent, &found.logout_callback_urls, &found.callback_urls)
            }
            _ if hint.is_some() && claims.is_none() => Finding::new(Code::LogoutHint),
            // Somebody else is signed in: they are asked.
            _ => return Ok(None),
        };
        Ok(Some((Some(found.id), finding)))
    }
}

/// What is kept of a finding beside its code.
#[derive(Debug, Serialize, Deserialize)]
struct Facts {
    values: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    address: Option<String>,
}

/// Writes down what was found, and drops what is too much.
pub fn keep(tx: &WriteTx<'_>, found: &[Diagnosis]) -> Result<(), Error> {
    for diagnosis in found {
        let finding = &diagnosis.finding;
        let facts = Facts {
            values: finding.values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect(),
            remedy: finding.remedy.as_ref().map(|remedy| remedy.name().to_owned()),
            address: finding.remedy.as_ref().and_then(Remedy::address).map(str::to_owned),
        };
        // An address that is too long to quote is too long to add by a click.
        let is_short = facts.address.as_ref().is_none_or(|address| address.len() <= 2048);
        let facts = if is_short { facts } else { Facts { remedy: None, address: None, ..facts } };
        let entry = Entry {
            id: diagnosis.id.clone(),
            client_id: diagnosis.client.clone(),
            code: finding.code.as_str().to_owned(),
            facts: serde_json::to_string(&facts).map_err(Error::internal)?,
            times: 1,
            first_at: diagnosis.at,
            last_at: diagnosis.at,
        };
        diagnoses::put(tx, &entry)?;
    }
    let mut owners: Vec<Option<&ClientId>> = found.iter().map(|diagnosis| diagnosis.client.as_ref()).collect();
    owners.sort_unstable_by_key(|owner| owner.map(ClientId::as_str));
    owners.dedup();
    for owner in owners {
        diagnoses::trim(tx, owner, if owner.is_some() { KEPT } else { KEPT_OF_NOBODY })?;
    }
    Ok(())
}

/// Writes down that a client did not take a notice of a sign-out, if it did not.
pub(crate) fn keep_notice(
    tx: &WriteTx<'_>,
    now: Timestamp,
    id: &ClientId,
    url: &str,
    answer: &Answer,
) -> Result<(), Error> {
    let how = match answer {
        Answer::Status(status) => tokens::Notice::Status(*status),
        Answer::Nothing(kind) | Answer::Never(kind) => tokens::Notice::Failure(kind),
        Answer::Taken => return Ok(()),
    };
    let host = url::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    let Some(finding) = tokens::notice(&host, how) else { return Ok(()) };
    let Some((found, _)) = client(tx, id.as_str())? else { return Ok(()) };
    let id = fault_id(Some(&found.id), &finding);
    keep(tx, &[Diagnosis { id, client: Some(found.id), finding, at: now }])
}

/// A fault as an administrator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Of the fault.
    pub id: String,
    /// `None`: of no client that is known.
    pub client_id: Option<ClientId>,
    /// What it is.
    pub finding: Finding,
    /// How often it was seen; 0: it is observed now.
    pub times: i64,
    /// When it was seen first.
    pub first_at: Timestamp,
    /// When it was seen last.
    pub last_at: Timestamp,
}

/// An entry as it is read; `None` for one of a newer version.
fn seen(entry: Entry) -> Option<Seen> {
    let code = Code::parse(&entry.code)?;
    let facts: Facts = serde_json::from_str(&entry.facts).ok()?;
    let value = |name: &&'static str| {
        let value = facts.values.iter().find(|(known, _)| known == name);
        (*name, value.map(|(_, value)| value.clone()).unwrap_or_default())
    };
    let values = code.values().iter().map(value).collect();
    let remedy = facts.remedy.and_then(|name| Remedy::parse(&name, facts.address));
    Some(Seen {
        id: entry.id,
        client_id: entry.client_id,
        finding: Finding { code, values, remedy },
        times: entry.times,
        first_at: entry.first_at,
        last_at: entry.last_at,
    })
}

/// A client's faults, the latest first, and what is observed of its latest sign-ins.
pub fn of_client(
    tx: &ReadTx<'_>,
    env: &Env,
    site: &Snapshot,
    who: &ReadsAll,
    id: &ClientId,
    now: Timestamp,
) -> Result<(Vec<Seen>, Vec<Seen>), Error> {
    let faults = faults(tx, id)?;
    let mut observed = observations::observe(tx, env, site, who, id, now)?;
    observed.retain(|seen| faults.iter().all(|fault| fault.finding.code != seen.finding.code));
    Ok((faults, observed))
}

fn faults(tx: &ReadTx<'_>, id: &ClientId) -> Result<Vec<Seen>, Error> {
    let (found, _) = client(tx, id.as_str())?.ok_or_else(|| Error::not_found("OIDC client"))?;
    let mut entries: Vec<Seen> = diagnoses::of_client(tx, id, KEPT)?.into_iter().filter_map(seen).collect();
    for entry in &mut entries {
        entry.finding.remedy = entry.finding.remedy.take().filter(|remedy| match remedy {
            // It was done meanwhile.
            Remedy::AddCallback(address) => !found.callback_urls.contains(address),
            Remedy::AddLogoutCallback(address) => !found.logout_callback_urls.contains(address),
            Remedy::Groups | Remedy::Credentials => true,
        });
    }
    Ok(entries)
}

/// The latest faults of all, or the one with an id.
pub fn all(tx: &ReadTx<'_>, _: &ReadsAll, now: Timestamp, id: Option<&str>) -> Result<Vec<Seen>, Error> {
    let found = match id {
        Some(id) => match diagnosis::parse_id(id) {
            Some(id) => diagnoses::by_id(tx, &id)?.into_iter().collect(),
            None => Vec::new(),
        },
        None => diagnoses::latest(tx, now.plus_secs(-30 * 24 * 3600), LISTED)?,
    };
    Ok(found.into_iter().filter_map(seen).collect())
}

/// The latest faults since a moment with the names of their apps, without those that belong to the usual course.
pub fn lately(tx: &ReadTx<'_>, since: Timestamp, most: usize) -> Result<Vec<(Option<String>, Finding)>, Error> {
    const USUAL: [Code; 4] = [Code::NoSession, Code::ConsentMissing, Code::ConsentRefused, Code::RequestExpired];
    let entries = diagnoses::latest(tx, since, LISTED)?.into_iter().filter_map(seen);
    let mut found = Vec::new();
    for entry in entries.filter(|entry| !USUAL.contains(&entry.finding.code)).take(most) {
        let app = entry.client_id.as_ref().map(|id| client(tx, id.as_str())).transpose()?.flatten();
        found.push((app.map(|(client, _)| client.name), entry.finding));
    }
    Ok(found)
}

/// Forgets a client's faults.
pub fn clear(tx: &WriteTx<'_>, ctx: &Ctx, admin: &Admin, id: &ClientId) -> Result<(), Error> {
    let (found, _) = client(tx, id.as_str())?.ok_or_else(|| Error::not_found("OIDC client"))?;
    let gone = diagnoses::clear(tx, id)?;
    if gone > 0 {
        Note::about(&[("clientName", &found.name), ("clientID", id.as_str())])
            .change("diagnoses", &gone.to_string(), "0")
            .record(tx, ctx, &ctx.entropy(), Event::ClientUpdated, None, Some(&admin.user().id))?;
    }
    Ok(())
}
