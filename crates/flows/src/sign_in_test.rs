//! A sign-in to a client as the app would do it: the requests of an app, answered by the rules that answer every app, step by
//! step, in a transaction that is never committed. Nobody is signed in, nothing is agreed to, no token is any good.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use pid_core::clients::ClientSecret;
use pid_core::entropy::Seed;
use pid_core::secret::{Secret, sha256};
use pid_core::sessions::BeganBy;
use pid_core::{ClientId, Ctx, FieldCode, UserId};
use pid_jose::{Expected, KeySet, Signed, Typ, check_signature};
use pid_oidc::authorize::Step as Owed;
use pid_oidc::bearer::BearerError;
use pid_oidc::client_auth::Credentials as ClientCredentials;
use pid_oidc::redirect_uri::Pattern;
use pid_oidc::response::Delivery;
use pid_oidc::token::{CodeRequest, TokenRequest};
use pid_oidc::{OAuthError, Params};
use pid_store::protocol::{self, ProtocolClient};
use pid_store::{StoreError, WriteTx, clients, users};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::access::Credentials;
use crate::authorize::{Answer, Arrival, Asked, act};
use crate::client_auth::Presented;
use crate::env::{Env, Snapshot};
use crate::protocol::client;
use crate::roles::ReadsAll;
use crate::{Code, Error, interaction, sessions, token, userinfo};

/// Who signs in to what, and as the app would ask.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The client.
    pub client: ClientId,
    /// The person.
    pub user: UserId,
    /// Scopes, separated by spaces.
    pub scopes: String,
    /// Where the app returns to; `None`: the first callback URL of the client.
    pub redirect_uri: Option<String>,
}

/// What happened, in order. If a step fails there is none after it.
#[derive(Clone, Debug, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SignInTest {
    /// The steps.
    pub steps: Vec<Step>,
    /// The claims of the ID token.
    pub id_token: Option<Map<String, Value>>,
    /// The claims of the access token.
    pub access_token: Option<Map<String, Value>>,
    /// The answer of the userinfo endpoint.
    pub user_info: Option<Map<String, Value>>,
}

/// One of the steps of a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum StepName {
    /// The app sends the browser to the authorization endpoint.
    Request,
    /// The person signs in and is asked what is to be asked.
    Person,
    /// The browser returns to the app with a code.
    Code,
    /// The app redeems the code.
    Token,
    /// The app checks the ID token.
    IdToken,
    /// The app reads the userinfo endpoint.
    UserInfo,
}

/// A step.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Which one.
    pub name: StepName,
    /// What was sent, answered or asked, by name.
    pub facts: Vec<Fact>,
    /// Why it goes no further.
    pub problem: Option<String>,
}

/// Something worth knowing about a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Fact {
    /// A parameter or claim of the protocol, or `asks`, `leavesOut`.
    pub name: &'static str,
    /// Its value.
    pub value: String,
}

/// How a test ends: always as an error, so that the transaction is undone.
#[derive(Debug)]
pub enum Undone {
    /// The test was made.
    Done(Box<SignInTest>),
    /// It could not be.
    Refused(Error),
}

impl From<StoreError> for Undone {
    fn from(error: StoreError) -> Self {
        Self::Refused(error.into())
    }
}

impl From<Error> for Undone {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

/// Makes the test. The caller's transaction must not commit; as this has no `Ok`, it can't.
pub fn run(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    env: &Env,
    site: &Snapshot,
    keys: &KeySet,
    _: &ReadsAll,
    wish: &Wish,
) -> Undone {
    let mut test = SignInTest::default();
    match walk(tx, ctx, env, site, keys, wish, &mut test) {
        Ok(()) => Undone::Done(Box::new(test)),
        Err(Stop::Told(step)) => {
            test.steps.push(step);
            Undone::Done(Box::new(test))
        }
        Err(Stop::Error(error)) => Undone::Refused(error),
    }
}

/// Why the walk ends early.
enum Stop {
    /// The app or the person is told so.
    Told(Step),
    /// There is nothing to test.
    Error(Error),
}

impl<E: Into<Error>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

impl Step {
    fn new(name: StepName) -> Self {
        Self { name, facts: Vec::new(), problem: None }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.facts.push(Fact { name, value: value.into() });
        self
    }

    fn fails(mut self, problem: impl Into<String>) -> Stop {
        self.problem = Some(problem.into());
        Stop::Told(self)
    }
}

/// The same request some time later, with randomness of its own.
fn later(ctx: &Ctx, secs: i64) -> Ctx {
    let mut seed = ctx.seed.0.to_vec();
    seed.extend_from_slice(&secs.to_be_bytes());
    Ctx { now: ctx.now.plus_secs(secs), seed: Seed(sha256(&seed)), ..ctx.clone() }
}

fn walk(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    env: &Env,
    site: &Snapshot,
    keys: &KeySet,
    wish: &Wish,
    test: &mut SignInTest,
) -> Result<(), Stop> {
    let (found, _) = client(tx, wish.client.as_str())?.ok_or_else(|| Error::not_found("OIDC client"))?;
    let user = users::by_id(tx, &wish.user)?.ok_or_else(|| Error::new(Code::UserNotFound))?;
    let redirect_uri = redirect_uri(&found, wish)?;
    let entropy = ctx.stream("sign-in test");
    let verifier = Secret::new(format!("{}{}", entropy.uuid(), entropy.uuid()));
    let (params, request) = request(&found, wish, &redirect_uri, &verifier, &entropy.uuid())?;
    // What the app alone can prove is not asked for here; the step of the token says what that is.
    protocol::relax(tx, &found.id)?;

    // Nobody is signed in yet, as on a device that is new.
    let mut arrival = Arrival {
        asked: Asked::Parameters(params),
        browser: Secret::new(entropy.uuid()),
        credentials: Credentials { idle_minutes: 0, ..Credentials::default() },
    };
    let id = match act(tx, ctx, env, site, &arrival)? {
        Answer::Interact(id) => id,
        answer => return Err(request.fails(refusal(&answer))),
    };
    test.steps.push(request);

    let mut person = Step::new(StepName::Person).with("username", user.username.clone());
    if user.disabled {
        return Err(person.fails(Code::UserDisabled.message()));
    }
    let signed_in = later(ctx, 1);
    let session = sessions::begin(
        tx,
        &signed_in,
        &signed_in.entropy(),
        &user,
        BeganBy::Passkey,
        Some(id.to_string()),
        None,
        site.settings.session_minutes(),
    )?;
    arrival.credentials.session = Some(session.cookie);
    arrival.asked = Asked::Resumed(id);
    let after = later(ctx, 2);
    let mut steps = interaction::get(tx, after.now, env, site, &arrival)?.steps;
    for _ in 0..8 {
        let Some(step) = steps.first().copied() else { break };
        // Whoever is signed in has signed in; the rest is something that the person sees.
        if step != Owed::Authenticate {
            person = person.with("asks", step.as_str());
        }
        steps = match interaction::complete(tx, &after, env, site, &arrival, step, None) {
            Ok(status) => status.steps,
            Err(error) => return Err(person.fails(error.message)),
        };
    }
    test.steps.push(person);

    let code_step = Step::new(StepName::Code).with("redirect_uri", redirect_uri.clone());
    let code = match act(tx, &later(ctx, 3), env, site, &arrival)? {
        Answer::Deliver(delivery) => match parameter(&delivery, "code") {
            Some(code) => code,
            None => return Err(code_step.fails(parameter(&delivery, "error_description").unwrap_or_default())),
        },
        answer => return Err(code_step.fails(refusal(&answer))),
    };
    test.steps.push(code_step.with("iss", env.app_url.origin.clone()));

    let token_step = token_step(tx, ctx, &found)?;
    let redeemed = TokenRequest::AuthorizationCode(CodeRequest {
        code,
        redirect_uri: Some(redirect_uri),
        code_verifier: needs_pkce(&found).then(|| verifier.expose().to_owned()),
        resource: None,
    });
    let at_last = later(ctx, 4);
    let presented = Presented::new(prove(tx, ctx, &found)?, None, None);
    let unsigned = match token::exchange(tx, &at_last, env, site, &presented, &redeemed, false)? {
        token::Outcome::Issued(unsigned) => unsigned,
        token::Outcome::Refused(error) => return Err(token_step.fails(error.page_text())),
    };
    let tokens = unsigned.sign(env, keys)?;
    test.steps.push(
        token_step
            .with("expires_in", tokens.expires_in.to_string())
            .with("refresh_token", if tokens.refresh_token.is_some() { "yes" } else { "no" })
            .with("scope", tokens.scope.to_string()),
    );

    // As the app checks it: signature, issuer, audience, times.
    let (issuer, client_id) = (env.app_url.origin.as_str(), found.id.as_str());
    let verify = |token: &str, typ| check_signature(token, typ, |kid| keys.verifying(kid)).map_err(Error::internal);
    let check = |signed: &Signed, audience| {
        let now = at_last.now.secs();
        let expected = Expected { issuer, audience, now, leeway: 0, ignore_expiry: false };
        signed.validate(&expected).cloned().map_err(Error::internal)
    };
    let id_step = Step::new(StepName::IdToken);
    let Some(id_token) = &tokens.id_token else {
        return Err(id_step.fails("There is no ID token: the app must ask for the scope 'openid'."));
    };
    let signed = verify(id_token, Typ::Jwt)?;
    test.id_token = Some(check(&signed, Some(client_id))?);
    test.steps.push(id_step.with("alg", signed.alg().as_str()).with("iss", issuer).with("aud", client_id));

    let access = verify(&tokens.access_token, Typ::AccessToken)?;
    test.access_token = Some(check(&access, None)?);
    let info_step = Step::new(StepName::UserInfo);
    match userinfo::claims(tx, at_last.now, env, site, &access, None)? {
        Ok(claims) => {
            test.steps.push(info_step.with("claims", claims.keys().map(String::as_str).collect::<Vec<_>>().join(" ")));
            test.user_info = Some(claims);
            Ok(())
        }
        Err(BearerError::Error(error)) => Err(info_step.fails(error.page_text())),
        Err(BearerError::Missing) => Err(info_step.fails("There is no access token.")),
    }
}

fn needs_pkce(client: &ProtocolClient) -> bool {
    client.pkce_enabled || client.is_public
}

/// Where the browser returns to.
fn redirect_uri(client: &ProtocolClient, wish: &Wish) -> Result<String, Error> {
    if let Some(uri) = &wish.redirect_uri {
        return Ok(uri.clone());
    }
    let literal = |entry: &&String| Pattern::parse(entry).is_ok_and(|pattern| pattern.is_literal());
    client.callback_urls.iter().find(literal).cloned().ok_or_else(|| {
        let text = "must say where the app returns to: the client has no callback URL without a star";
        Error::field("redirectUri", FieldCode::Required, text)
    })
}

/// The request that the app sends, and what there is to say about it.
fn request(
    client: &ProtocolClient,
    wish: &Wish,
    redirect_uri: &str,
    verifier: &Secret,
    state: &str,
) -> Result<(Params, Step), Error> {
    let mut pairs = vec![
        ("response_type", "code".to_owned()),
        ("client_id", client.id.to_string()),
        ("redirect_uri", redirect_uri.to_owned()),
        ("scope", wish.scopes.clone()),
        ("state", state.to_owned()),
        ("nonce", state.to_owned()),
    ];
    let mut step = Step::new(StepName::Request).with("redirect_uri", redirect_uri).with("scope", wish.scopes.as_str());
    if needs_pkce(client) {
        pairs.push(("code_challenge", URL_SAFE_NO_PAD.encode(sha256(verifier.expose().as_bytes()))));
        pairs.push(("code_challenge_method", "S256".to_owned()));
        step = step.with("code_challenge_method", "S256");
    }
    if client.requires_pushed {
        step = step.with("leavesOut", "pushed_authorization_request");
    }
    let params = Params::from_pairs(pairs)
        .map_err(|_| Error::field("scopes", FieldCode::InvalidFormat, "must be scopes separated by spaces"))?;
    Ok((params, step))
}

/// What there is to say of how the app proves itself; without anything to do so it goes no further.
fn token_step(tx: &WriteTx<'_>, ctx: &Ctx, client: &ProtocolClient) -> Result<Step, Stop> {
    let step = Step::new(StepName::Token);
    let keys = protocol::client_keys(tx, &client.id)?;
    let has_keys = keys.jwks.is_some() || keys.jwks_uri.is_some() || !keys.federated_identities.is_empty();
    let is_good = |secret: &protocol::StoredSecret| secret.expires_at.is_none_or(|at| at > ctx.now);
    let has_secret = protocol::client_secrets(tx, &client.id)?.iter().any(is_good);
    let method = match client.auth_method {
        _ if client.is_public => "none",
        Some(method) => method.as_str(),
        None if has_secret => "client_secret_basic, client_secret_post",
        None => "private_key_jwt",
    };
    let mut step = step.with("token_endpoint_auth_method", method);
    if !client.is_public {
        step = step.with("leavesOut", if has_secret { "client_secret" } else { "client_assertion" });
    }
    if client.dpop_bound {
        step = step.with("leavesOut", "DPoP");
    }
    if !client.is_public && !has_secret && !has_keys {
        return Err(
            step.fails("The client has no secret that is still good. Add a client secret and give it to the app.")
        );
    }
    Ok(step)
}

/// Proves the client by a secret that lasts as long as the transaction.
fn prove(tx: &WriteTx<'_>, ctx: &Ctx, client: &ProtocolClient) -> Result<ClientCredentials, Error> {
    let entropy = ctx.stream("sign-in test: secret");
    let (id, secret) = (entropy.uuid(), entropy.uuid());
    let mut form = vec![("client_id", client.id.to_string())];
    if !client.is_public {
        let stored = ClientSecret {
            id,
            algorithm: "sha256".to_owned(),
            hash: sha256(secret.as_bytes()).to_vec(),
            prefix: String::new(),
            created_at: ctx.now,
            expires_at: None,
        };
        clients::insert_secret(tx, &client.id, &stored)?;
        form.push(("client_secret", secret));
    }
    let form = Params::from_pairs(form).map_err(Error::internal)?;
    ClientCredentials::read(None, &form).map_err(|error: OAuthError| Error::internal(error.page_text().to_owned()))
}

/// What the person or the app is told.
fn refusal(answer: &Answer) -> String {
    match answer {
        Answer::Page(error) => error.page_text().to_owned(),
        Answer::Refuse(_, refused) | Answer::Denied(refused, _) => refused.error.page_text().to_owned(),
        Answer::Deliver(delivery) => parameter(delivery, "error_description").unwrap_or_default(),
        Answer::Interact(_) => "The person is asked for more than can be answered here.".to_owned(),
    }
}

/// What came back to the app by a name.
fn parameter(delivery: &Delivery, name: &str) -> Option<String> {
    match delivery {
        Delivery::Redirect { location } => {
            let url = url::Url::parse(location).ok()?;
            url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
        }
        Delivery::FormPost { fields, .. } => {
            fields.iter().find(|(key, _)| *key == name).map(|(_, value)| value.clone())
        }
    }
}
