//! Test sign-in on a client's page: each step that an app would live through, what it would learn, and which of its settings
//! reads what. The dialog is read from the page's own address with `?test=` and a person's id.

use pid_core::clients::Client;
use pid_core::{ClientId, UserId};
use pid_flows::sign_in_test::{SignInTest, StepName, Wish};
use pid_oidc::redirect_uri::Pattern;
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::client_preview::{all_scopes, everybody, in_words, usual};
use super::client_templates::ClientTemplate;
use crate::api::sign_in_test::{AddressDto, ask_addresses, make};
use crate::pages::{Layout, PageError, PageRequest, key};
use crate::state::App;

/// What the dialog is asked for.
#[derive(Clone, Debug)]
pub struct TestAsked {
    user: Option<String>,
    redirect_uri: Option<String>,
    scopes: Vec<String>,
    addresses: bool,
}

/// A step, in words.
#[derive(Clone, Debug)]
pub struct StepView {
    /// The word for it.
    pub word: &'static str,
    /// What the protocol calls it, and its value.
    pub facts: Vec<(&'static str, String)>,
    /// What else there is to say.
    pub notes: Vec<String>,
    /// Why it goes no further.
    pub problem: Option<String>,
}

/// A claim, in words.
#[derive(Clone, Debug)]
pub struct ClaimView {
    /// Its name.
    pub claim: String,
    /// What it is.
    pub word: &'static str,
    /// Its value.
    pub value: String,
}

/// A setting of the app.
#[derive(Clone, Debug)]
pub struct SettingView {
    /// What the app calls it.
    pub setting: String,
    /// The claim that it reads.
    pub claim: String,
    /// What it would read; `None`: the app is not told.
    pub value: Option<String>,
}

/// The dialog.
#[derive(Clone, Debug)]
pub struct TestView {
    /// Everybody: id, name, and who is chosen.
    pub people: Vec<(String, String, bool)>,
    /// Where the app may return to, and which is chosen.
    pub callbacks: Vec<(String, bool)>,
    /// Scopes, and which are chosen.
    pub scopes: Vec<(String, bool)>,
    /// Whether the app's addresses were asked.
    pub asks_addresses: bool,
    /// The steps, up to the one that failed.
    pub steps: Vec<StepView>,
    /// What the app learns.
    pub claims: Vec<ClaimView>,
    /// The application that it looks like, and its settings.
    pub app: Option<(&'static str, Vec<SettingView>)>,
    /// What its addresses answer.
    pub addresses: Vec<AddressDto>,
    /// Why nothing could be tested.
    pub problem: Option<String>,
}

impl TestView {
    /// Whether every step went well.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.problem.is_none() && !self.steps.is_empty() && self.steps.iter().all(|step| step.problem.is_none())
    }
}

impl TestAsked {
    /// From the page's address.
    pub fn new(request: &PageRequest) -> Self {
        let pairs = || form_urlencoded::parse(request.query.as_bytes());
        let values =
            |name: &'static str| pairs().filter(move |(key, _)| key == name).map(|(_, value)| value.replace('\0', ""));
        Self {
            user: values("test").next(),
            redirect_uri: values("redirectUri").next().filter(|uri| !uri.is_empty()),
            scopes: values("scopes").collect(),
            addresses: values("addresses").next().is_some(),
        }
    }

    /// Where the dialog is read when it is opened: somebody, and the usual scopes.
    #[must_use]
    pub fn first(user: &str) -> String {
        usual("test", user)
    }

    /// Makes the test and tells it, if it is asked for.
    pub async fn view(self, app: &App, request: &PageRequest, client: &Client) -> Result<Option<TestView>, PageError> {
        let Some(user) = self.user else { return Ok(None) };
        let chosen = user.clone();
        let people =
            request.read(app, move |tx, creds, ctx| everybody(tx, &creds.reads_all(tx, ctx.now)?, &chosen)).await?;
        let wish = Wish {
            client: client.id.clone(),
            user: UserId::new(user.as_str()),
            scopes: self.scopes.join(" "),
            redirect_uri: self.redirect_uri.clone(),
        };
        let layout = &request.layout;
        let (test, problem) = match make(app, &request.ctx, &request.credentials, wish).await {
            Ok(test) => (test, None),
            Err(error) if error.code.status() < 500 => {
                let fields = layout.words.fields(&error);
                let text =
                    fields.first().map_or_else(|| layout.words.refusal(&error).into_owned(), |f| f.message.clone());
                (SignInTest::default(), Some(layout.words.sentence(&text)))
            }
            Err(error) => return Err(request.refuse(&error)),
        };
        let addresses = match self.addresses {
            true => addresses(app, request, &client.id).await?,
            false => Vec::new(),
        };
        let learned = learned(&test);
        let returns_to = test.steps.first().and_then(|step| step.facts.iter().find(|fact| fact.name == "redirect_uri"));
        Ok(Some(TestView {
            people,
            callbacks: client
                .callback_urls
                .iter()
                .filter(|url| Pattern::parse(url).is_ok_and(|pattern| pattern.is_literal()))
                .map(|url| (url.clone(), returns_to.is_some_and(|fact| fact.value == *url)))
                .collect(),
            scopes: all_scopes(&app.snapshot(), &self.scopes),
            asks_addresses: self.addresses,
            steps: test.steps.iter().map(|step| told(layout, step)).collect(),
            app: ClientTemplate::of(&client.callback_urls).filter(|_| !learned.is_empty()).map(|app| {
                let settings = app.settings.iter().map(|(setting, claim)| SettingView {
                    setting: setting.clone(),
                    claim: claim.clone(),
                    value: learned.get(claim).map(in_words),
                });
                (app.name.as_str(), settings.collect())
            }),
            claims: learned
                .iter()
                .map(|(claim, value)| ClaimView { claim: claim.clone(), word: word(claim), value: in_words(value) })
                .collect(),
            addresses,
            problem,
        }))
    }
}

async fn addresses(app: &App, request: &PageRequest, client: &ClientId) -> Result<Vec<AddressDto>, PageError> {
    ask_addresses(app, &request.ctx, &request.credentials, client).await.map_err(|error| request.refuse(&error))
}

/// What the app learns of the person, from the ID token and the userinfo endpoint; what only belongs to the tokens is left out.
fn learned(test: &SignInTest) -> Map<String, Value> {
    const OF_TOKENS: [&str; 15] = [
        "iss",
        "aud",
        "exp",
        "iat",
        "auth_time",
        "nonce",
        "at_hash",
        "acr",
        "amr",
        "azp",
        "sid",
        "jti",
        "nbf",
        "type",
        "typ",
    ];
    let all = test.id_token.iter().chain(&test.user_info).flatten();
    all.filter(|(claim, _)| !OF_TOKENS.contains(&claim.as_str())).map(|(c, v)| (c.clone(), v.clone())).collect()
}

fn told(layout: &Layout, step: &pid_flows::sign_in_test::Step) -> StepView {
    let of =
        |name: &'static str| step.facts.iter().filter(move |fact| fact.name == name).map(|fact| fact.value.as_str());
    let mut notes: Vec<String> = of("asks")
        .map(|asked| match asked {
            "consent" => layout.t(key("test-asks-consent")),
            "reauthenticate" => layout.t(key("test-asks-passkey")),
            _ => layout.t(key("test-asks-account")),
        })
        .map(str::to_owned)
        .collect();
    notes.extend(of("leavesOut").map(|what| layout.tf("test-leaves-out", &[("what", what)])));
    StepView {
        word: match step.name {
            StepName::Request => key("test-step-request"),
            StepName::Person => key("test-step-person"),
            StepName::Code => key("test-step-code"),
            StepName::Token => key("test-step-token"),
            StepName::IdToken => key("test-step-id-token"),
            StepName::UserInfo => key("test-step-userinfo"),
        },
        facts: step
            .facts
            .iter()
            .filter(|fact| !["asks", "leavesOut"].contains(&fact.name))
            .map(|fact| (fact.name, fact.value.clone()))
            .collect(),
        notes,
        problem: step.problem.clone(),
    }
}

/// What a claim is (OpenID Connect Core §5.1).
fn word(claim: &str) -> &'static str {
    match claim {
        "sub" => key("claim-is-sub"),
        "name" | "display_name" => key("claim-is-name"),
        "given_name" => key("claim-is-given-name"),
        "family_name" => key("claim-is-family-name"),
        "preferred_username" => key("claim-is-username"),
        "email" => key("claim-is-email"),
        "email_verified" => key("claim-is-email-verified"),
        "picture" => key("claim-is-picture"),
        "groups" => key("claim-is-groups"),
        "locale" => key("claim-is-locale"),
        "updated_at" => key("claim-is-updated"),
        _ => key("claim-is-own"),
    }
}
