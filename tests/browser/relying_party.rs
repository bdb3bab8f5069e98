//! A small application with one visitor, signed in by the `openidconnect` crate: discovery, PKCE (S256), nonce, code exchange,
//! verified ID token, userinfo, refresh, RP-initiated logout.
//!
//! | path | what it does |
//! |---|---|
//! | `/start` | sends the browser to the provider |
//! | `/cb` | the callback |
//! | `/me` | what is known of the visitor, as JSON in `<pre>`; or `Nobody` |
//! | `/refresh` | refreshes, then `/me` |
//! | `/logout`, `/logout?hint` | ends its own session and sends the browser to the provider's, without or with a hint |
//! | `/bye` | where that ends; shows the `state` that came back |

use std::sync::{Arc, Mutex};

use axum::extract::{Query, State};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::{Router, routing::get};
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreErrorResponseType, CoreGenderClaim, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreRevocableToken, CoreRevocationErrorResponse,
    CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AdditionalClaims, AuthorizationCode, Client, ClientId, ClientSecret, CsrfToken, EmptyExtraTokenFields,
    EndSessionUrl, EndpointMaybeSet, EndpointNotSet, EndpointSet, IdToken, IdTokenFields, IssuerUrl, LogoutRequest,
    Nonce, OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, PostLogoutRedirectUrl, ProviderMetadataWithLogout,
    RedirectUrl, RefreshToken, Scope, StandardErrorResponse, StandardTokenResponse, TokenResponse, UserInfoClaims,
};
use pid_testkit::process::free_port;
use pid_tests::Sender;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Claims that the crate has no field for.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Extra(Map<String, Value>);
impl AdditionalClaims for Extra {}

type Tokens = StandardTokenResponse<
    IdTokenFields<
        Extra,
        EmptyExtraTokenFields,
        CoreGenderClaim,
        CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm,
    >,
    CoreTokenType,
>;
type RawIdToken = IdToken<Extra, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>;
type Provider = Client<
    Extra,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Tokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// Where an application will run, known before its client is registered.
pub struct Address(u16);

impl Address {
    /// A free port of 127.0.0.1: another site than `localhost`.
    pub fn reserve() -> Self {
        Self(free_port().unwrap())
    }

    /// The address of a page of the application.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.0)
    }

    /// Discovers the provider and serves until the value is dropped.
    pub async fn serve(self, issuer: &str, client_id: &str, secret: &str) -> RelyingParty {
        let http = Sender::new();
        let metadata = ProviderMetadataWithLogout::discover_async(IssuerUrl::new(issuer.to_owned()).unwrap(), &http)
            .await
            .unwrap();
        let end_session = metadata.additional_metadata().end_session_endpoint.clone().unwrap();
        let provider: Provider = Client::from_provider_metadata(
            metadata,
            ClientId::new(client_id.to_owned()),
            Some(ClientSecret::new(secret.to_owned())),
        );
        let inner = Inner {
            provider: provider.set_redirect_uri(RedirectUrl::new(self.url("/cb")).unwrap()),
            end_session,
            bye: PostLogoutRedirectUrl::new(self.url("/bye")).unwrap(),
            http,
            pending: Mutex::default(),
            visitor: Mutex::default(),
        };
        let routes = Router::new()
            .route("/start", get(start))
            .route("/cb", get(callback))
            .route("/me", get(me))
            .route("/refresh", get(refresh))
            .route("/logout", get(logout))
            .route("/bye", get(bye))
            .with_state(Arc::new(inner));
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", self.0)).await.unwrap();
        let task = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        RelyingParty { address: self, task }
    }
}

/// A running application.
pub struct RelyingParty {
    address: Address,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for RelyingParty {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl RelyingParty {
    /// The address of one of its pages.
    pub fn url(&self, path: &str) -> String {
        self.address.url(path)
    }
}

struct Inner {
    provider: Provider,
    end_session: EndSessionUrl,
    bye: PostLogoutRedirectUrl,
    http: Sender,
    pending: Mutex<Option<(CsrfToken, Nonce, PkceCodeVerifier)>>,
    visitor: Mutex<Option<Visitor>>,
}

struct Visitor {
    id_token: RawIdToken,
    refresh_token: RefreshToken,
    known: Value,
}

type Shared = State<Arc<Inner>>;

/// What went wrong, in sight of the test.
struct Failed(String);

impl<E: std::error::Error> From<E> for Failed {
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(why) = cause {
            text.push_str(&format!(": {why}"));
            cause = why.source();
        }
        Self(text)
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        text("Failed", &self.0).into_response()
    }
}

fn text(title: &str, body: &str) -> Html<String> {
    let body = body.replace('&', "&amp;").replace('<', "&lt;");
    Html(format!(
        "<!doctype html><html lang=en><title>{title}</title><link rel=icon href=data:,><h1>{title}</h1><pre>{body}</pre>"
    ))
}

async fn start(State(rp): Shared) -> Redirect {
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (url, state, nonce) = rp
        .provider
        .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
        .add_scopes(["profile", "email", "groups"].map(|s| Scope::new(s.to_owned())))
        .set_pkce_challenge(challenge)
        .url();
    *rp.pending.lock().unwrap() = Some((state, nonce, verifier));
    Redirect::to(url.as_str())
}

#[derive(Deserialize)]
struct Answer {
    code: Option<String>,
    state: String,
    iss: String,
    error: Option<String>,
}

async fn callback(State(rp): Shared, Query(answer): Query<Answer>) -> Result<Response, Failed> {
    let (state, nonce, verifier) =
        rp.pending.lock().unwrap().take().ok_or_else(|| Failed("nothing was asked".to_owned()))?;
    if *state.secret() != answer.state {
        return Err(Failed("another state".to_owned()));
    }
    let Some(code) = answer.code else {
        return Err(Failed(format!("{} from {}", answer.error.unwrap_or_default(), answer.iss)));
    };
    let tokens = rp
        .provider
        .exchange_code(AuthorizationCode::new(code))?
        .set_pkce_verifier(verifier)
        .request_async(&rp.http)
        .await?;
    welcome(&rp, &tokens, |asked: Option<&Nonce>| match asked {
        Some(asked) if asked.secret() == nonce.secret() => Ok(()),
        _ => Err("another nonce".to_owned()),
    })
    .await?;
    Ok(Redirect::to("/me").into_response())
}

async fn refresh(State(rp): Shared) -> Result<Redirect, Failed> {
    let token = rp.visitor.lock().unwrap().as_ref().map(|v| v.refresh_token.clone());
    let token = token.ok_or_else(|| Failed("nobody is signed in".to_owned()))?;
    let tokens = rp.provider.exchange_refresh_token(&token)?.request_async(&rp.http).await?;
    welcome(&rp, &tokens, |_: Option<&Nonce>| Ok(())).await?;
    Ok(Redirect::to("/me"))
}

/// Verifies the ID token, asks userinfo (whose `sub` must be the same), and remembers the visitor.
async fn welcome(rp: &Inner, tokens: &Tokens, nonce: impl openidconnect::NonceVerifier + Send) -> Result<(), Failed> {
    let id_token = tokens.id_token().ok_or_else(|| Failed("no ID token".to_owned()))?;
    let claims = id_token.claims(&rp.provider.id_token_verifier(), nonce)?;
    let userinfo: UserInfoClaims<Extra, CoreGenderClaim> = rp
        .provider
        .user_info(tokens.access_token().clone(), Some(claims.subject().clone()))?
        .request_async(&rp.http)
        .await?;
    let known = json!({ "id_token": claims, "userinfo": userinfo });
    let refresh_token = tokens.refresh_token().ok_or_else(|| Failed("no refresh token".to_owned()))?.clone();
    *rp.visitor.lock().unwrap() = Some(Visitor { id_token: id_token.clone(), refresh_token, known });
    Ok(())
}

async fn me(State(rp): Shared) -> Html<String> {
    match &*rp.visitor.lock().unwrap() {
        Some(visitor) => text("Signed in", &visitor.known.to_string()),
        None => text("Nobody", ""),
    }
}

async fn logout(State(rp): Shared, Query(wish): Query<Map<String, Value>>) -> Result<Redirect, Failed> {
    let visitor = rp.visitor.lock().unwrap().take().ok_or_else(|| Failed("nobody is signed in".to_owned()))?;
    let mut request = LogoutRequest::from(rp.end_session.clone())
        .set_client_id(rp.provider.client_id().clone())
        .set_post_logout_redirect_uri(rp.bye.clone())
        .set_state(CsrfToken::new("good bye & more".to_owned()));
    if wish.contains_key("hint") {
        request = request.set_id_token_hint(&visitor.id_token);
    }
    Ok(Redirect::to(request.http_get_url().as_str()))
}

async fn bye(Query(answer): Query<Map<String, Value>>) -> Html<String> {
    text("Bye", answer.get("state").and_then(Value::as_str).unwrap_or_default())
}
