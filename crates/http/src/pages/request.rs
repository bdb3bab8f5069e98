//! What a page handler begins with: who is signed in, what every page shows, and how a refusal looks.

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use axum_extra::extract::CookieJar;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use pid_core::Ctx;
use pid_core::roles::Powers;
use pid_flows::access::{Credentials, SessionUser};
use pid_flows::env::AppUrl;
use pid_flows::{Code, Error, roles};
use pid_store::ReadTx;

use super::error::{ErrorPage, Problem};
use super::{Accent, Layout, PasskeyProblem, ShellUser, Theme};
use crate::extract::{Creds, RequestCtx};
use crate::i18n::Asked;
use crate::middleware::headers::RequestId;
use crate::state::App;

/// A request for a page.
pub struct PageRequest {
    /// The request's context.
    pub ctx: Ctx,
    /// What the request brought, for rules that check it in their own transaction.
    pub credentials: Credentials,
    /// Who is signed in.
    pub session: Option<SessionUser>,
    /// What every page shows.
    pub layout: Layout,
    /// The query without its `?`, as it came.
    pub query: String,
    /// Where the browser says that it is (`Host`); may be empty.
    pub host: String,
    request_id: String,
    cookies: CookieJar,
}

impl FromRequestParts<App> for PageRequest {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let Ok(RequestCtx(ctx)) = RequestCtx::from_request_parts(parts, app).await;
        let Ok(Creds(credentials)) = Creds::from_request_parts(parts, app).await;
        let settings = app.settings();
        let mut layout = Layout::new(settings.app_name(), parts.uri.path());
        let jar = CookieJar::from_headers(&parts.headers);
        layout.theme = jar.get("theme").map_or(Theme::System, |c| Theme::from_cookie(c.value()));
        layout.accent = Accent::parse(settings.accent_color());
        layout.images = app.images();
        layout.still = settings.disable_animations();
        let app_url = &app.env().app_url;
        if app_url.passkeys_work() {
            layout.passkeys_at.clone_from(&app_url.origin);
        }
        let host =
            parts.headers.get(header::HOST).and_then(|v| v.to_str().ok()).or(parts.uri.authority().map(|a| a.as_str()));
        let related = settings.related_origins();
        layout.passkey_problem = passkey_problem(app_url, &related, host.unwrap_or_default());
        layout.passkeys_related = related.join(" ");
        let asked = Asked::of(&parts.headers);
        layout.words = asked.words(None);
        let mut request = Self {
            ctx,
            credentials,
            session: None,
            layout,
            query: parts.uri.query().unwrap_or_default().to_owned(),
            host: host.unwrap_or_default().to_owned(),
            request_id: parts.extensions.get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default(),
            cookies: jar,
        };
        // Without a cookie nobody is asked: the sign-in page costs no read.
        if request.credentials.session.is_some() {
            let (credentials, now) = (request.credentials.clone(), request.ctx.now);
            let who = app.db().read(move |tx| {
                let session = credentials.optional_session(tx, now)?;
                let powers = session.as_ref().map(|who| roles::powers(tx, who.user())).transpose()?;
                Ok::<_, Error>((session, powers.unwrap_or_default()))
            });
            match who.await {
                Ok((session, powers)) => {
                    request.layout.words = asked.words(session.as_ref().and_then(|who| who.user().locale.as_deref()));
                    request.sign_in(session, powers);
                }
                Err(error) => return Err(request.refuse(&error).into_response()),
            }
        }
        Ok(request)
    }
}

/// A refusal as a page or a redirect.
#[derive(Debug)]
pub struct PageError(Box<Response>);

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        *self.0
    }
}

impl PageRequest {
    fn sign_in(&mut self, session: Option<SessionUser>, powers: Powers) {
        self.layout.user = session.as_ref().map(|who| {
            let user = who.user();
            ShellUser {
                id: user.id.to_string(),
                username: user.username.clone(),
                display_name: user.display_name.clone(),
                email: user.email.clone().unwrap_or_default(),
                powers,
            }
        });
        self.session = session;
    }

    /// Reads what a page shows in one transaction; a refusal becomes its page.
    pub async fn read<T, F>(&self, app: &App, rule: F) -> Result<T, PageError>
    where
        F: Fn(&ReadTx<'_>, &Credentials, &Ctx) -> Result<T, Error> + Send + Sync + 'static,
        T: Send + 'static,
    {
        let (credentials, ctx) = (self.credentials.clone(), self.ctx.clone());
        app.db().read(move |tx| rule(tx, &credentials, &ctx)).await.map_err(|e| self.refuse(&e))
    }

    /// Who is signed in, or the way to the sign-in page. A session that only signs in to apps is refused as such.
    pub fn signed_in(&self) -> Result<&SessionUser, PageError> {
        match &self.session {
            None => Err(self.refuse(&Error::new(Code::NotSignedIn))),
            Some(who) if who.session().is_limited() => Err(self.refuse(&Error::new(Code::LimitedSession))),
            Some(who) => Ok(who),
        }
    }

    /// This page's path and query.
    pub fn here(&self) -> String {
        match self.query.as_str() {
            "" => self.layout.path.clone(),
            query => format!("{}?{query}", self.layout.path),
        }
    }

    /// The query with its `?`, or nothing: what links between the sign-in pages carry on.
    pub fn query_suffix(&self) -> String {
        if self.query.is_empty() { String::new() } else { format!("?{}", self.query) }
    }

    /// The query with its `?` and without a parameter, or nothing.
    pub fn query_without(&self, name: &str) -> String {
        let named = |pair: &&str| url::form_urlencoded::parse(pair.as_bytes()).any(|(k, _)| k == name);
        let kept: Vec<&str> = self.query.split('&').filter(|pair| !pair.is_empty() && !named(pair)).collect();
        if kept.is_empty() { String::new() } else { format!("?{}", kept.join("&")) }
    }

    /// The value of a cookie that pages set for themselves.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.get(name).map(|cookie| cookie.value().to_owned())
    }

    /// The value of a query parameter.
    pub fn param(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.query.as_bytes()).find(|(k, _)| k == name).map(|(_, v)| v.into_owned())
    }

    /// A refusal as people see it: to the sign-in page and back, to the settings, or an error page.
    pub fn refuse(&self, error: &Error) -> PageError {
        match error.code {
            Code::NotSignedIn => {
                let back = utf8_percent_encode(&self.here(), NON_ALPHANUMERIC).to_string();
                PageError(Box::new(redirect(&format!("/login?redirect={back}"))))
            }
            Code::Forbidden => PageError(Box::new(redirect("/settings"))),
            _ => self.problem(Problem::of(error, self.layout.words)),
        }
    }

    /// The answer to a path that no page has. In the settings nobody is told so before they have signed in (ui.md §1.1).
    pub fn unknown(&self) -> PageError {
        match self.signed_in() {
            Err(sign_in) if self.layout.at("/settings") => sign_in,
            _ => self.problem(Problem::NotFound),
        }
    }

    /// An error page.
    pub fn problem(&self, problem: Problem) -> PageError {
        let view = ErrorPage { layout: self.layout.clone(), problem, request_id: self.request_id.clone() };
        PageError(Box::new(view.answer()))
    }
}

/// To another page of ours.
pub fn redirect(location: &str) -> Response {
    match HeaderValue::from_str(location) {
        Ok(location) => (StatusCode::FOUND, [(header::LOCATION, location)]).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Whether passkeys can't work at the address in the browser, as far as the server sees it by `Host`.
fn passkey_problem(app_url: &AppUrl, related: &[String], host: &str) -> Option<PasskeyProblem> {
    let named_by = |origin: &str| origin.split_once("://").is_some_and(|(_, own)| host.eq_ignore_ascii_case(own));
    if related.iter().any(|origin| named_by(origin)) {
        return None;
    }
    if host.is_empty() || named_by(&app_url.origin) {
        let address = app_url.origin.clone();
        return (!app_url.passkeys_work()).then_some(PasskeyProblem::InsecureAddress { address });
    }
    let scheme = if app_url.https { "https" } else { "http" };
    let address = format!("{scheme}://{}", host.to_ascii_lowercase());
    // Nobody on another machine can go on to this one's localhost: there the advice is to serve it over https.
    let reachable = app_url.https || AppUrl::parse(&address).is_some_and(|here| is_loopback(&here.host));
    if app_url.passkeys_work() && reachable {
        Some(PasskeyProblem::OtherAddress { address })
    } else {
        Some(PasskeyProblem::InsecureAddress { address })
    }
}

fn is_loopback(host: &str) -> bool {
    let bare = host.trim_matches(['[', ']']);
    let ip = bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    ip || bare == "localhost" || bare.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passkeys_work_at_app_url_and_what_is_related() {
        let related = ["https://id.lan:8443".to_owned()];
        let problem = |app_url: &str, host: &str| passkey_problem(&AppUrl::parse(app_url).unwrap(), &related, host);
        let insecure = |address: &str| Some(PasskeyProblem::InsecureAddress { address: address.to_owned() });
        let other = |address: &str| Some(PasskeyProblem::OtherAddress { address: address.to_owned() });
        assert_eq!(problem("https://id.example", "ID.example"), None);
        assert_eq!(problem("http://localhost:1411", "localhost:1411"), None);
        assert_eq!(problem("https://id.example", "id.LAN:8443"), None);
        assert_eq!(problem("https://id.example", "id.lan"), other("https://id.lan"));
        assert_eq!(problem("https://id.example", "nas:1411"), other("https://nas:1411"));
        assert_eq!(problem("http://localhost:1411", "localhost:8080"), other("http://localhost:8080"));
        assert_eq!(problem("http://localhost:1411", "127.0.0.1:1411"), other("http://127.0.0.1:1411"));
        assert_eq!(problem("http://localhost:1411", "[::1]:1411"), other("http://[::1]:1411"));
        assert_eq!(problem("http://localhost:1411", "192.168.1.5:1411"), insecure("http://192.168.1.5:1411"));
        assert_eq!(problem("http://nas:1411", "nas:1411"), insecure("http://nas:1411"));
        assert_eq!(problem("http://nas:1411", "localhost:1411"), insecure("http://localhost:1411"));
    }
}
