//! What a client would be told of somebody, as its page shows it: the dialog of the tab `OIDC Data Preview`.
//!
//! The dialog is read from the page's own address with `?preview=` and a person's id, and a `scopes=` for each scope.

use std::sync::Arc;

use pid_core::list::ListRequest;
use pid_core::{ClientId, Ctx, UserId};
use pid_flows::access::Credentials;
use pid_flows::env::{Env, Snapshot};
use pid_flows::preview::preview;
use pid_flows::roles::ReadsAll;
use pid_flows::{Code, Error, users};
use pid_oidc::scope::{EMAIL, GROUPS, OPENID, PROFILE};
use pid_store::ReadTx;
use serde_json::Value;
use url::form_urlencoded;

use super::ALL;
use crate::pages::{PageRequest, key};
use crate::state::App;

/// What the dialog is asked for, and what the answer depends on.
#[derive(Clone, Debug)]
pub struct PreviewAsked {
    user: Option<String>,
    scopes: Vec<String>,
    env: Arc<Env>,
    site: Arc<Snapshot>,
}

/// A token or an answer in the dialog.
#[derive(Clone, Debug)]
pub struct PartView {
    /// Names its elements.
    pub id: &'static str,
    /// The word for it.
    pub word: &'static str,
    /// Claims and values.
    pub claims: Vec<(String, String)>,
    /// All of it, to be copied.
    pub json: String,
}

/// The dialog.
#[derive(Clone, Debug)]
pub struct PreviewView {
    /// Everybody: id, name, and who is chosen.
    pub people: Vec<(String, String, bool)>,
    /// Scopes, and which are chosen.
    pub scopes: Vec<(String, bool)>,
    /// The tokens and the answer of the userinfo endpoint; without claims if there is a problem.
    pub parts: [PartView; 3],
    /// Why nothing can be shown.
    pub problem: Option<PreviewProblem>,
}

/// Why nothing can be shown.
#[derive(Clone, Debug)]
pub enum PreviewProblem {
    /// In words of the page.
    Word(&'static str),
    /// As the rule said it.
    Said(String),
}

impl PreviewAsked {
    /// From the page's address.
    pub fn new(app: &App, request: &PageRequest) -> Self {
        let pairs = || form_urlencoded::parse(request.query.as_bytes());
        let values =
            |name: &'static str| pairs().filter(move |(key, _)| key == name).map(|(_, value)| value.replace('\0', ""));
        Self {
            user: values("preview").next(),
            scopes: values("scopes").collect(),
            env: app.env().clone(),
            site: app.snapshot(),
        }
    }

    /// Where the dialog is read when it is opened: somebody, and the usual scopes.
    #[must_use]
    pub fn first(user: &str) -> String {
        usual("preview", user)
    }

    /// Reads the dialog, if it is asked for. What can't be shown is said in it.
    pub fn read(
        &self,
        tx: &ReadTx<'_>,
        ctx: &Ctx,
        creds: &Credentials,
        who: &ReadsAll,
        client: &ClientId,
    ) -> Result<Option<PreviewView>, Error> {
        let Some(user) = &self.user else { return Ok(None) };
        let amr = creds.optional_session(tx, ctx.now)?.map(|who| who.session().amr()).unwrap_or_default();
        let (id, scopes) = (UserId::new(user.as_str()), self.scopes.join(" "));
        let shown = preview(tx, ctx, &self.env, &self.site, who, amr, client, &id, &scopes);
        let (parts, problem) = match shown {
            Ok(shown) => (parts(&serde_json::to_value(shown).map_err(Error::internal)?), None),
            Err(error) if error.code.status() < 500 => (parts(&Value::Null), Some(error.into())),
            Err(error) => return Err(error),
        };
        Ok(Some(PreviewView {
            people: everybody(tx, who, user)?,
            scopes: all_scopes(&self.site, &self.scopes),
            parts,
            problem,
        }))
    }
}

/// A dialog about somebody, with the usual scopes: the query by which its page is read.
pub(super) fn usual(dialog: &str, user: &str) -> String {
    let usual = [OPENID, PROFILE, EMAIL, GROUPS].map(|scope| ("scopes", scope));
    let query = form_urlencoded::Serializer::new(String::new()).append_pair(dialog, user).extend_pairs(usual).finish();
    format!("?{query}")
}

/// Everybody: id, name, and whether they are chosen.
pub(super) fn everybody(tx: &ReadTx<'_>, who: &ReadsAll, chosen: &str) -> Result<Vec<(String, String, bool)>, Error> {
    let every = ListRequest { limit: ALL, sort: Some(("displayName".to_owned(), false)), ..ListRequest::default() };
    let people = users::list(tx, who.people(), &every)?.items.into_iter().map(|found| {
        let person = found.user;
        let on = person.id.as_str() == chosen;
        (person.id.into_string(), format!("{} ({})", person.display_name, person.username), on)
    });
    Ok(people.collect())
}

/// The scopes of people, and which are chosen.
pub(super) fn all_scopes(site: &Snapshot, chosen: &[String]) -> Vec<(String, bool)> {
    let named = site.scopes.names().iter().map(String::as_str);
    let all = [OPENID, PROFILE, EMAIL, GROUPS].into_iter().chain(named);
    all.map(|scope| (scope.to_owned(), chosen.iter().any(|asked| asked == scope))).collect()
}

/// The parts of the API's answer.
fn parts(answer: &Value) -> [PartView; 3] {
    let part = |name: &str, id, word| {
        let claims = answer.get(name).and_then(Value::as_object);
        PartView {
            id,
            word,
            claims: claims.into_iter().flatten().map(|(claim, value)| (claim.clone(), in_words(value))).collect(),
            json: claims.map(|claims| format!("{:#}", Value::Object(claims.clone()))).unwrap_or_default(),
        }
    };
    [
        part("idToken", "id-token", key("id-token")),
        part("accessToken", "access-token", key("access-token")),
        part("userInfo", "userinfo", key("userinfo")),
    ]
}

/// A text as it is, anything else as JSON.
pub(super) fn in_words(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl From<Error> for PreviewProblem {
    fn from(error: Error) -> Self {
        match error.code {
            // The rule speaks to the person who signs in.
            Code::OidcAccessDenied => Self::Word(key("preview-denied")),
            Code::ValidationFailed => Self::Word(key("preview-scopes")),
            _ => Self::Said(error.message),
        }
    }
}
