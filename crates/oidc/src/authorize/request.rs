//! Reading and validating an authorization request.

use super::ClientView;
use crate::claims_request::ClaimsRequest;
use crate::dpop::code_binding;
use crate::error::{ErrorCode, OAuthError};
use crate::params::Params;
use crate::pkce::Challenge;
use crate::redirect_uri::{self, RedirectUri};
use crate::resource::{self, Resource, Target, UserScopes};
use crate::scope::{self, ScopeSet};

/// Parameters that must not be repeated.
const SINGLE: [&str; 17] = [
    "claims",
    "dpop_jkt",
    "response_type",
    "scope",
    "state",
    "nonce",
    "response_mode",
    "code_challenge",
    "code_challenge_method",
    "prompt",
    "max_age",
    "id_token_hint",
    "acr_values",
    "request",
    "request_uri",
    "registration",
    "interaction",
];

/// A request as it was sent. Only the parameters on which the error page depends are read yet.
#[derive(Debug, Clone)]
pub struct AuthorizationRequest {
    client_id: String,
    params: Params,
    fault: Option<OAuthError>,
}

/// How the answer travels (OAuth 2.0 Multiple Response Types §2.1, Form Post Response Mode).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ResponseMode {
    /// In the query of a redirect.
    #[default]
    Query,
    /// In the fragment of a redirect.
    Fragment,
    /// In a form that posts itself.
    FormPost,
}

impl ResponseMode {
    /// Reads `response_mode`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "query" => Some(Self::Query),
            "fragment" => Some(Self::Fragment),
            "form_post" => Some(Self::FormPost),
            _ => None,
        }
    }
}

/// `prompt` (OpenID Connect Core §3.1.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Prompt {
    /// No page may be shown.
    pub none: bool,
    /// A fresh sign-in.
    pub login: bool,
    /// The consent page, even if consent was given.
    pub consent: bool,
    /// The account page.
    pub select_account: bool,
}

/// Reads `prompt`.
///
/// # Errors
/// `invalid_request`: an unknown value, `none` beside another.
pub fn parse_prompt(text: &str) -> Result<Prompt, OAuthError> {
    let mut prompt = Prompt::default();
    for value in text.split(' ').filter(|value| !value.is_empty()) {
        match value {
            "none" => prompt.none = true,
            "login" => prompt.login = true,
            "consent" => prompt.consent = true,
            "select_account" => prompt.select_account = true,
            _ => {
                return Err(OAuthError::invalid_request(
                    "The 'prompt' has an unknown value: use none, login, consent or select_account.",
                ));
            }
        }
    }
    if prompt.none && (prompt.login || prompt.consent || prompt.select_account) {
        return Err(OAuthError::invalid_request("The 'prompt' value 'none' must stand alone."));
    }
    Ok(prompt)
}

/// What the deployment allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy<'a> {
    /// `http` callbacks to other machines.
    pub allow_insecure_callbacks: bool,
    /// PKCE method `plain`.
    pub allow_plain_pkce: bool,
    /// The scopes that are about people.
    pub user_scopes: UserScopes<'a>,
}

/// A request that a known client may make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValidRequest {
    /// The client.
    pub client_id: String,
    /// Where the answer goes.
    pub redirect_uri: RedirectUri,
    /// Whether the request named it; then the token request must too (RFC 6749 §4.1.3).
    pub redirect_uri_sent: bool,
    /// How the answer goes there.
    pub response_mode: ResponseMode,
    /// Known scopes in the order of the request.
    pub scopes: ScopeSet,
    /// The API that its tokens are for (RFC 8707).
    pub resource: Option<String>,
    /// Comes back unchanged.
    pub state: Option<String>,
    /// Goes into the ID token unchanged.
    pub nonce: Option<String>,
    /// The code will be bound to it.
    pub challenge: Option<Challenge>,
    /// Which pages are wanted or forbidden.
    pub prompt: Prompt,
    /// Seconds since the last sign-in that are acceptable.
    pub max_age: Option<u64>,
    /// To be verified by the caller; its subject goes into [`super::Facts::hint_subject`]. Only with `openid`.
    pub id_token_hint: Option<String>,
    /// `acr_values` was sent, or `acr` asked for as a claim: the ID token says the class of the sign-in.
    pub wants_acr: bool,
    /// Single claims that are asked for (OpenID Connect Core §5.5). Only with `openid`.
    pub claims: Option<ClaimsRequest>,
    /// The key that the code will be bound to (RFC 9449 §10).
    pub dpop_jkt: Option<String>,
}

/// Why a request goes no further, and who may know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejection {
    /// There is no address that may be told: our own error page (RFC 6749 §4.1.2.1).
    Page(OAuthError),
    /// The error goes back to the client.
    Client(Box<ClientError>),
}

/// An error on its way back to the client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientError {
    /// What is wrong.
    pub error: OAuthError,
    /// Where to say it.
    pub redirect_uri: RedirectUri,
    /// How to say it.
    pub response_mode: ResponseMode,
    /// `state` of the request.
    pub state: Option<String>,
}

impl Rejection {
    /// The error itself.
    #[must_use]
    pub const fn error(&self) -> &OAuthError {
        match self {
            Self::Page(error) => error,
            Self::Client(error) => &error.error,
        }
    }
}

impl ValidRequest {
    /// What its tokens are for.
    #[must_use]
    pub fn target(&self) -> Target {
        Target { resource: self.resource.clone(), scopes: self.scopes.clone() }
    }
}

impl AuthorizationRequest {
    /// Reads the parameters of query and body together.
    ///
    /// # Errors
    /// For the error page: `client_id` is missing, or `client_id` or `redirect_uri` is repeated.
    pub fn new(params: Params) -> Result<Self, OAuthError> {
        params.refuse_repeated(&["client_id", "redirect_uri"])?;
        let client_id = params.require("client_id")?.to_owned();
        Ok(Self { client_id, params, fault: None })
    }

    /// The same with what is known to be wrong with it: the client is told once it is certain where it may be.
    #[must_use]
    pub fn with_fault(mut self, fault: Option<OAuthError>) -> Self {
        self.fault = fault;
        self
    }

    /// The client that the request names.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The parameters, to be kept with an interaction.
    #[must_use]
    pub const fn params(&self) -> &Params {
        &self.params
    }

    /// Validates the request for its client (`None` if it doesn't exist). Client and redirect address come first;
    /// as long as they aren't certain, the client learns nothing.
    ///
    /// # Errors
    /// [`Rejection`].
    pub fn validate(&self, client: Option<&ClientView>, policy: Policy<'_>) -> Result<ValidRequest, Rejection> {
        let client = client.filter(|client| client.id == self.client_id).ok_or_else(|| {
            Rejection::Page(
                OAuthError::new(ErrorCode::InvalidClient, "The client is unknown.")
                    .with_hint("The application that sent you here is not registered. Its administrator can help."),
            )
        })?;
        let params = &self.params;
        let (redirect_uri, redirect_uri_sent) = self.redirect_uri(client, policy).map_err(Rejection::Page)?;

        // From here on the client may know, in the way it asked for if that can be told.
        let mode = params.get("response_mode").ok().flatten();
        let response_mode = mode.and_then(ResponseMode::parse).unwrap_or_default();
        let content = self.content(client, policy).map_err(|error| {
            Rejection::Client(Box::new(ClientError {
                error,
                redirect_uri: redirect_uri.clone(),
                response_mode,
                state: params.get("state").ok().flatten().map(str::to_owned),
            }))
        })?;
        let text = |name: &str| params.first(name).map(str::to_owned);
        Ok(ValidRequest {
            client_id: self.client_id.clone(),
            id_token_hint: text("id_token_hint").filter(|_| content.target.scopes.contains(scope::OPENID)),
            redirect_uri,
            redirect_uri_sent,
            response_mode,
            state: text("state"),
            nonce: text("nonce"),
            wants_acr: params.first("acr_values").is_some()
                || content.claims.as_ref().is_some_and(|c| c.acr().is_some()),
            claims: content.claims,
            scopes: content.target.scopes,
            resource: content.target.resource,
            challenge: content.challenge,
            prompt: content.prompt,
            max_age: content.max_age,
            dpop_jkt: content.dpop_jkt,
        })
    }

    fn content(&self, client: &ClientView, policy: Policy<'_>) -> Result<Content, OAuthError> {
        match &self.fault {
            Some(fault) => Err(fault.clone()),
            None => Content::read(&self.params, client, policy),
        }
    }

    /// oidc.md §7.1.
    fn redirect_uri(&self, client: &ClientView, policy: Policy<'_>) -> Result<(RedirectUri, bool), OAuthError> {
        let insecure = policy.allow_insecure_callbacks;
        if let Some(requested) = self.params.get("redirect_uri")? {
            return redirect_uri::matches(&client.redirect_uris, requested, insecure)
                .map(|found| (found.uri, true))
                .map_err(|why| {
                    let shown: String = requested.chars().take(200).collect();
                    OAuthError::invalid_request("The 'redirect_uri' is not registered for this client.")
                        .with_hint(format!("The callback URL '{shown}' is not registered for this client: {why}."))
                });
        }
        // The address may be in what could not be read: say what is really wrong.
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        let wants_openid = self.params.all("scope").any(|text| text.split(' ').any(|scope| scope == scope::OPENID));
        redirect_uri::sole(&client.redirect_uris, insecure)
            .filter(|_| !wants_openid)
            .map(|uri| (uri, false))
            .ok_or_else(|| OAuthError::invalid_request("The parameter 'redirect_uri' is missing."))
    }
}

/// The parameters whose errors go to the client, in the order that decides which error is told (oidc.md §8).
struct Content {
    target: Target,
    challenge: Option<Challenge>,
    prompt: Prompt,
    max_age: Option<u64>,
    claims: Option<ClaimsRequest>,
    dpop_jkt: Option<String>,
}

impl Content {
    fn read(params: &Params, client: &ClientView, policy: Policy<'_>) -> Result<Self, OAuthError> {
        params.refuse_repeated(&SINGLE)?;
        if params.first("response_mode").is_some_and(|mode| ResponseMode::parse(mode).is_none()) {
            return Err(OAuthError::new(
                ErrorCode::UnsupportedResponseMode,
                "The 'response_mode' is unknown: use query, fragment or form_post.",
            ));
        }
        let target = target(params, client, policy.user_scopes)?;
        if params.first("registration").is_some() {
            return Err(OAuthError::new(
                ErrorCode::RegistrationNotSupported,
                "The parameter 'registration' is not supported.",
            ));
        }
        if params.first("response_type") != Some("code") {
            return Err(OAuthError::new(ErrorCode::UnsupportedResponseType, "The 'response_type' must be 'code'."));
        }
        let openid = target.scopes.contains(scope::OPENID);
        let prompt = match parse_prompt(params.first("prompt").unwrap_or_default()) {
            // Without `openid` the parameter isn't defined; what can be understood is honoured.
            Err(_) if !openid => Prompt::default(),
            prompt => prompt?,
        };
        let max_age = params.first("max_age").map(max_age).transpose()?;
        let challenge = Challenge::parse(
            params.first("code_challenge"),
            params.first("code_challenge_method"),
            policy.allow_plain_pkce,
        )?;
        if challenge.is_none() && (client.is_public || client.pkce_required) {
            return Err(OAuthError::invalid_request(
                "This client must use PKCE: send 'code_challenge' and 'code_challenge_method=S256'.",
            ));
        }
        let claims = params.first("claims").filter(|_| openid).map(ClaimsRequest::parse).transpose()?;
        let claims = claims.filter(|claims| !claims.is_empty());
        let dpop_jkt = code_binding(params.first("dpop_jkt"), None)?;
        Ok(Self { target, challenge, prompt, max_age, claims, dpop_jkt })
    }
}

/// What is asked for, as far as this client may have it (RFC 8707 §2.1, oidc.md §23.3).
fn target(params: &Params, client: &ClientView, user_scopes: UserScopes<'_>) -> Result<Target, OAuthError> {
    let requested = ScopeSet::parse(params.first("scope").unwrap_or_default())?;
    let resource = Resource::of(params)?;
    resource::requested(requested, resource.as_ref(), &client.apis, user_scopes)
        .map_err(|error| resource::hide_apis(error, resource.as_ref()))
}

fn max_age(text: &str) -> Result<u64, OAuthError> {
    if text.bytes().all(|b| b.is_ascii_digit()) {
        // Longer than any age: the same as no limit.
        Ok(text.parse().unwrap_or(u64::MAX))
    } else {
        Err(OAuthError::invalid_request("The 'max_age' must be a number of seconds, 0 or more."))
    }
}
