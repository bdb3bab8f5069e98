//! Forward authentication: may this request pass to an app that speaks no OpenID?
//!
//! A protected host is a relying party of ours that we run ourselves: who has no session there is sent to `/authorize` like
//! anywhere else, with all its rules, and comes back with a code that is redeemed for a session on that host
//! ([`hand_over`]). The session is a row that hangs on the grant, so whatever ends grants ends it.

pub mod app_passwords;
pub mod assertion;
pub mod hand_over;
mod settings;

use pid_core::forward_auth::target::Ambiguity;
use pid_core::forward_auth::{Access, Origin, Rules, Target};
use pid_core::secret::Secret;
use pid_core::users::User;
use pid_core::{SessionId, Timestamp, handle};
use pid_store::forward_auth::{self, ProxiedApp};
use pid_store::{ReadTx, groups};

use crate::Error;

pub(crate) use settings::{apply, audited, of, store, with_names};

/// What a proxy asks about.
#[derive(Clone, Debug)]
pub struct Question {
    /// What was asked for.
    pub target: Target,
    /// Cookies of ours by their names.
    pub cookies: Cookies,
    /// Username and password of `Authorization: Basic`.
    pub basic: Option<(String, Secret)>,
}

/// The cookies of a request that are ours on the hosts of apps.
#[derive(Clone, Debug, Default)]
pub struct Cookies(pub Vec<(String, String)>);

impl Cookies {
    /// The value of a cookie. One that came twice was put there by somebody else, and is none.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut found = self.0.iter().filter(|(known, _)| known == name);
        let (_, value) = found.next()?;
        found.next().is_none().then_some(value.as_str())
    }
}

/// The name of the cookie of a session on a host.
pub fn session_cookie(origin: &Origin) -> String {
    cookie_name(origin, "pocket-id-app")
}

/// The name of the cookie that binds a sign-in to the browser which began it.
pub fn browser_cookie(origin: &Origin) -> String {
    cookie_name(origin, "pocket-id-sign-in")
}

/// All names of our cookies there begin so, perhaps behind `__Host-`.
pub const COOKIES: &str = "pocket-id-";

fn cookie_name(origin: &Origin, name: &str) -> String {
    let prefix = if origin.https() { "__Host-" } else { "" };
    format!("{prefix}{name}{}", origin.cookie_suffix())
}

/// Who is at the door.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// The person as they are now.
    pub user: User,
    /// Ids and names of their groups.
    pub groups: Vec<(String, String)>,
    /// The session that theirs on the host hangs on; none with an app password.
    pub session: Option<SessionId>,
    /// The app password that they came with.
    pub password: Option<handle::Handle>,
}

impl Visitor {
    /// The names of their groups.
    pub fn group_names(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().map(|(_, name)| name.as_str())
    }
}

/// The answer.
#[derive(Debug)]
pub enum Verdict {
    /// No client has this host.
    UnknownHost,
    /// The path could be read in two ways, and rules depend on it.
    Ambiguous(Box<ProxiedApp>, Ambiguity),
    /// An address that we answer ourselves.
    Own(Box<ProxiedApp>),
    /// It may pass, in the name of this person if there is one.
    Pass(Box<ProxiedApp>, Option<Box<Visitor>>),
    /// Nobody is signed in here.
    SignIn(Box<ProxiedApp>),
    /// This person may not go there.
    Denied(Box<ProxiedApp>, Box<Visitor>),
}

/// Decides about a request: host, session, person and groups as they are now.
pub fn decide(tx: &ReadTx<'_>, now: Timestamp, question: &Question) -> Result<Verdict, Error> {
    let Some(app) = forward_auth::app(tx, &question.target.host)? else { return Ok(Verdict::UnknownHost) };
    let app = Box::new(app);
    if question.target.path.is_own() {
        return Ok(Verdict::Own(app));
    }
    let access = match Rules(&app.settings.rules).access(&question.target.path) {
        Ok(access) => access,
        Err(ambiguity) => return Ok(Verdict::Ambiguous(app, ambiguity)),
    };
    let visitor = visitor(tx, now, &app, question)?.map(Box::new);
    let may_enter = match &visitor {
        Some(visitor) => may_enter(tx, &app, visitor)?,
        None => false,
    };
    let in_one_of = |ids: &[String], visitor: &Visitor| visitor.groups.iter().any(|(id, _)| ids.contains(id));
    Ok(match (access, visitor) {
        // Whoever may not enter is nobody on public pages.
        (Access::Public, visitor) => Verdict::Pass(app, visitor.filter(|_| may_enter)),
        (_, None) => Verdict::SignIn(app),
        (_, Some(visitor)) if !may_enter => Verdict::Denied(app, visitor),
        (Access::Groups(ids), Some(visitor)) if !in_one_of(ids, &visitor) => Verdict::Denied(app, visitor),
        (_, visitor) => Verdict::Pass(app, visitor),
    })
}

fn visitor(tx: &ReadTx<'_>, now: Timestamp, app: &ProxiedApp, question: &Question) -> Result<Option<Visitor>, Error> {
    let (user, session, password) = match question.cookies.get(&session_cookie(&app.origin)) {
        Some(cookie) => match forward_auth::visitor(tx, app, cookie, now)? {
            Some((user, session)) => (user, Some(session), None),
            None => return Ok(None),
        },
        None => match &question.basic {
            Some((username, password)) if app.settings.app_passwords => {
                match app_passwords::owner(tx, app, username, password)? {
                    Some((user, password)) => (user, None, Some(password)),
                    None => return Ok(None),
                }
            }
            _ => return Ok(None),
        },
    };
    Ok(Some(Visitor { groups: forward_auth::groups(tx, &user.id)?, user, session, password }))
}

fn may_enter(tx: &ReadTx<'_>, app: &ProxiedApp, visitor: &Visitor) -> Result<bool, Error> {
    if !app.is_group_restricted {
        return Ok(true);
    }
    let allowed = forward_auth::allowed(tx, &app.client_id)?;
    Ok(visitor.groups.iter().any(|(id, _)| allowed.contains(id)))
}

/// The name of a group for people who set rules; one that is gone is named by its id, so that a rule about it stays shut.
fn group_name(tx: &ReadTx<'_>, id: &str) -> Result<String, Error> {
    let found = groups::by_id(tx, &pid_core::GroupId::new(id))?;
    Ok(found.map_or_else(|| id.to_owned(), |group| group.name))
}
