//! OIDC clients.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use pid_core::clients::{AuthMethod, BackchannelSource, Client, ClientType, FederatedIdentity};
use pid_core::ids::{client_id_from_path, client_id_to_path};
use pid_flows::backchannel_logout::{self, Delivery};
use pid_flows::declared::{self, Kind, Part};
use pid_flows::env::Env;
use pid_flows::outbox::LOGOUT_TEST;
use pid_flows::{claims, clients, diagnosis, groups, scim};
use pid_store::outbox::State as Progress;

use super::access::{APIS, AccessView, AccessWords, Asked, Candidates, ClientApis, GrantView};
use super::client_claims::MappingView;
use super::client_diagnoses::{DiagnosisView, RemedyView};
use super::client_preview::{PreviewAsked, PreviewProblem, PreviewView};
use super::client_scim::{ScimState, ScimView};
use super::client_templates::{ClientTemplate, TEMPLATES};
use super::client_test::{TestAsked, TestView};
use super::list::{Column, Facet, Table};
use super::proxy_clients::ProxyClientPage;
use super::{Choice, Choices, ListView, group_choice, some_groups};
use crate::pages::DeclaredHere;
use crate::pages::interaction::ClientView;
use crate::pages::{Layout, PageError, PageRequest, When, key, page};
use crate::state::App;

/// Who may sign in to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Everybody with an account.
    Everybody,
    /// It is restricted and lists no group.
    Nobody,
    /// The members of these groups.
    Groups(String),
}

static TABLE: Table = Table {
    id: "oidc-client-list",
    path: "/settings/admin/oidc-clients",
    columns: &[
        Column::new("audience", key("who-may-enter")),
        Column::new("allowedUserGroupsCount", key("allowed-group-count")).sorted().hidden(),
        Column::new("clientType", key("client-type")).sorted().hidden(),
        Column::new("requiresReauthentication", key("reauthentication")).sorted(),
        Column::new("id", key("column-id")).hidden(),
        Column::new("isGroupRestricted", key("restricted")).sorted().hidden(),
        Column::new("pkceEnabled", key("pkce")).sorted().hidden(),
        Column::new("requiresPushedAuthorizationRequests", key("column-par")).sorted().hidden(),
        Column::new("launchURL", key("launch-url")).hidden(),
        Column::new("isPublic", key("public-client")).hidden(),
    ],
    facets: &[
        Facet { field: "isGroupRestricted", slug: "restricted", label: key("restricted"), options: YES_OR_NO },
        Facet {
            field: "clientType",
            slug: "type",
            label: key("client-type"),
            options: &[
                ("standard", key("type-standard")),
                ("cimd", key("type-document")),
                ("proxy", key("behind-proxy")),
            ],
        },
        Facet { field: "pkceEnabled", slug: "pkce", label: key("pkce"), options: YES_OR_NO },
        Facet {
            field: "requiresReauthentication",
            slug: "re-authentication",
            label: key("reauthentication"),
            options: YES_OR_NO,
        },
        Facet {
            field: "requiresPushedAuthorizationRequests",
            slug: "par",
            label: key("column-par"),
            options: YES_OR_NO,
        },
    ],
};

const YES_OR_NO: &[(&str, &str)] = &[("true", key("yes")), ("false", key("no"))];

/// A client in the list.
#[derive(Clone, Debug)]
pub struct ClientRow {
    /// Its id as a part of a path.
    pub path: String,
    /// How people see it.
    pub client: ClientView,
    /// May be empty.
    pub description: String,
    /// Number of allowed groups, `None` if everybody may enter.
    pub allowed_groups: Option<i64>,
    /// Whether it keeps no secret.
    pub is_public: bool,
    /// Whether it names itself by a metadata document.
    pub is_document: bool,
    /// Whether it is an app behind a proxy.
    pub is_proxied: bool,
    /// Where the launcher leads, may be empty.
    pub launch_url: String,
    /// The fields of the API that are true.
    flags: Vec<&'static str>,
}

impl ClientRow {
    fn new(client: Client, groups: i64) -> Self {
        let flags = [
            ("requiresReauthentication", client.requires_reauthentication),
            ("isGroupRestricted", client.is_group_restricted),
            ("pkceEnabled", client.pkce_enabled),
            ("requiresPushedAuthorizationRequests", client.requires_pushed_authorization_requests),
            ("isPublic", client.is_public),
        ];
        Self {
            path: client_id_to_path(&client.id),
            client: shown(&client),
            description: client.description,
            allowed_groups: client.is_group_restricted.then_some(groups),
            is_public: client.is_public,
            is_document: client.client_type == ClientType::Cimd,
            is_proxied: client.client_type == ClientType::Proxy,
            launch_url: client.launch_url.unwrap_or_default(),
            flags: flags.into_iter().filter(|(_, on)| *on).map(|(name, _)| name).collect(),
        }
    }

    fn has(&self, flag: &str) -> bool {
        self.flags.contains(&flag)
    }
}

fn shown(client: &Client) -> ClientView {
    ClientView {
        id: client.id.to_string(),
        name: client.name.clone(),
        has_logo: client.has_logo,
        has_dark_logo: client.has_dark_logo,
    }
}

/// `/settings/admin/oidc-clients`.
#[derive(Debug, Template)]
#[template(path = "admin/oidc_clients.html")]
pub struct ClientsPage {
    /// What every page needs.
    pub layout: Layout,
    /// Search, order and pages.
    pub list: ListView,
    /// The rows.
    pub clients: Vec<ClientRow>,
    /// Applications that we know.
    pub templates: &'static [ClientTemplate],
}

/// A secret as it may be seen.
#[derive(Clone, Debug)]
pub struct SecretView {
    /// Its id.
    pub id: String,
    /// Its first characters.
    pub prefix: String,
    /// When it was made.
    pub created: When,
    /// When it ends, if ever.
    pub expires: Option<When>,
    /// Whether it still counts.
    pub is_active: bool,
}

/// `/settings/admin/oidc-clients/{id}`.
#[derive(Debug, Template)]
#[template(path = "admin/oidc_client.html")]
pub struct ClientPage {
    /// What every page needs.
    pub layout: Layout,
    /// The version of the record, sent as `If-Match`.
    pub version: i64,
    /// Its id as a part of a path.
    pub path: String,
    /// How people see it.
    pub client: ClientView,
    /// The client as it is stored.
    pub stored: Client,
    /// The address of this instance.
    pub issuer: String,
    /// Labels and addresses that the application asks for.
    pub endpoints: Vec<(&'static str, String)>,
    /// Those asked for less often.
    pub more_endpoints: Vec<(&'static str, String)>,
    /// Who may sign in.
    pub audience: Audience,
    /// The groups, those that may enter ticked.
    pub groups: Choices,
    /// Oldest first.
    pub secrets: Vec<SecretView>,
    /// Notices of sign-outs, newest first.
    pub deliveries: Vec<DeliveryView>,
    /// The APIs that it reaches.
    pub grants: Vec<GrantView>,
    /// The APIs that it could be given access to.
    pub candidates: Candidates,
    /// The dialog of its access to one API.
    pub access: Option<AccessView>,
    /// How it speaks of them.
    pub access_words: AccessWords,
    /// How it is told the claims of people.
    pub mapping: MappingView,
    /// Why sign-ins failed, the latest first.
    pub faults: Vec<DiagnosisView>,
    /// What it may miss although sign-ins go well.
    pub observations: Vec<DiagnosisView>,
    /// Where its people and groups are written to.
    pub scim: Option<ScimView>,
    /// Where the dialog of what it would be told begins.
    pub preview_at: String,
    /// That dialog, if somebody is asked for.
    pub preview: Option<PreviewView>,
    /// Where the dialog of a test sign-in begins.
    pub test_at: String,
    /// That dialog, if one is asked for.
    pub test: Option<TestView>,
}

/// What became of a notice that a session has ended.
#[derive(Clone, Debug)]
pub struct DeliveryView {
    /// The word for what it was.
    pub kind: &'static str,
    /// The word for what became of it.
    pub state: &'static str,
    /// The class of its badge.
    pub badge: &'static str,
    /// Its sign.
    pub icon: &'static str,
    /// When it was written.
    pub created: When,
    /// Attempts so far.
    pub attempts: usize,
    /// The last answer or failure in words, or nothing.
    pub answer: String,
    /// When the next attempt is due.
    pub next: Option<When>,
}

impl DeliveryView {
    fn new(layout: &Layout, delivery: Delivery) -> Self {
        let entry = delivery.entry;
        let (state, badge, icon) = match entry.state {
            Progress::Waiting => (key("delivery-waiting"), "badge-warn", "clock"),
            Progress::Delivered => (key("delivery-delivered"), "badge-ok", "check"),
            Progress::Failed => (key("delivery-failed"), "badge-danger", "alert"),
            Progress::Dropped => (key("delivery-dropped"), "", "x"),
        };
        let answer = match (entry.status, entry.failure.as_deref()) {
            (Some(status), _) => layout.tf("answered-status", &[("status", status.to_string().as_str())]),
            (None, Some("timeout")) => layout.t("failure-timeout").to_owned(),
            (None, Some("target_refused")) => layout.t("failure-target").to_owned(),
            (None, Some("name_not_found")) => layout.t("failure-name").to_owned(),
            (None, Some("tls_failed")) => layout.t("failure-tls").to_owned(),
            (None, Some(_)) => layout.t("failure-connection").to_owned(),
            (None, None) => String::new(),
        };
        Self {
            kind: if entry.kind == LOGOUT_TEST { key("delivery-test") } else { key("delivery-logout") },
            state,
            badge,
            icon,
            created: entry.created_at.into(),
            attempts: usize::try_from(entry.attempts).unwrap_or_default(),
            answer,
            next: (entry.state == Progress::Waiting).then_some(entry.due_at).flatten().map(When::from),
        }
    }
}

/// Addresses by their words.
type Addresses = Vec<(&'static str, String)>;

/// The addresses by their words, as discovery has them.
fn endpoints(env: &Env) -> (Addresses, Addresses) {
    let (app, internal) = (&env.app_url.origin, &env.internal_url);
    let first = vec![
        (key("discovery-url"), format!("{app}/.well-known/openid-configuration")),
        (key("logout-url"), format!("{app}/api/oidc/end-session")),
    ];
    let more = vec![
        (key("issuer-url"), app.clone()),
        (key("authorization-url"), format!("{app}/authorize")),
        (key("token-url"), format!("{internal}/api/oidc/token")),
        (key("userinfo-url"), format!("{internal}/api/oidc/userinfo")),
        (key("certificate-url"), format!("{internal}/.well-known/jwks.json")),
    ];
    (first, more)
}

/// `GET /settings/admin/oidc-clients`.
pub async fn list(State(app): State<App>, mut request: PageRequest) -> Result<Response, PageError> {
    request.layout.only_admins_change();
    let wanted = ListView::request(&request);
    let asked = wanted.clone();
    let found =
        request.read(&app, move |tx, creds, ctx| clients::list(tx, &creds.reads_all(tx, ctx.now)?, &asked)).await?;
    let list = ListView::of(&TABLE, &request, &wanted, &found);
    let rows = found.items.into_iter().map(|(client, _, groups)| ClientRow::new(client, groups));
    Ok(page(
        StatusCode::OK,
        &ClientsPage { list, clients: rows.collect(), templates: &TEMPLATES, layout: request.layout },
    ))
}

/// `GET /settings/admin/oidc-clients/{id}`.
pub async fn details(
    State(app): State<App>,
    Path(id): Path<String>,
    mut request: PageRequest,
) -> Result<Response, PageError> {
    request.layout.only_admins_change();
    let id = client_id_from_path(&id);
    let (asked, previewed, tested) =
        (Asked::new(&request), PreviewAsked::new(&app, &request), TestAsked::new(&request));
    let (env, site) = (app.env().clone(), app.snapshot());
    let read = request.read(&app, move |tx, creds, ctx| {
        let who = creds.reads_all(tx, ctx.now)?;
        let deliveries = backchannel_logout::deliveries(tx, &who, &id)?;
        let details = clients::get(tx, &who, &id)?;
        let apis = ClientApis::read(tx, &who, &details.client, &asked)?;
        let scim = scim::on_page(tx, &who, &id)?;
        let (faults, observed) = diagnosis::of_client(tx, &env, &site, &who, &id, ctx.now)?;
        let preview = previewed.read(tx, ctx, creds, &who, &id)?;
        Ok((
            details,
            groups::list(tx, who.people(), &some_groups())?,
            deliveries,
            apis,
            claims::suggestions(tx, who.people())?,
            preview,
            scim,
            (faults, observed),
            declared::parts(tx, Kind::Client, id.as_str())?,
        ))
    });
    let (details, all, deliveries, apis, custom, preview, scim, (faults, observed), declared) = read.await?;
    let at = format!("/api/oidc/clients/{}", client_id_to_path(&details.client.id));
    let addresses = [
        (Part::Groups, format!("{at}/allowed-user-groups")),
        (Part::Secret, format!("{at}/secrets")),
        (Part::Secret, format!("{at}/secrets/")),
        (Part::Fields, at),
    ];
    request.layout.declared = DeclaredHere::of(&declared, &addresses);
    let names: Vec<&str> = details.groups.iter().map(|g| g.friendly_name.as_str()).collect();
    let audience = match (details.client.is_group_restricted, names.is_empty()) {
        (false, _) => Audience::Everybody,
        (true, true) => Audience::Nobody,
        (true, false) => Audience::Groups(names.join(", ")),
    };
    let allowed: Vec<_> = details.groups.into_iter().map(|group| group_choice(group, true)).collect();
    let may = |id: &str| allowed.iter().any(|choice| choice.id == id);
    let groups = Choices::new(all, allowed.clone(), |(group, _, members)| {
        let on = may(group.id.as_str());
        let hint = request.layout.tn("members", &usize::try_from(members).unwrap_or_default());
        Choice { hint, ..group_choice(group, on) }
    });
    let words = request.layout.words;
    let diagnosed = |found: Vec<diagnosis::Seen>| -> Vec<DiagnosisView> {
        found.into_iter().map(|seen| DiagnosisView::new(seen, words, Some(&details.client))).collect()
    };
    let (faults, observations) = (diagnosed(faults), diagnosed(observed));
    if details.client.client_type == ClientType::Proxy {
        let (shown, protection) = (shown(&details.client), details.forward_auth.unwrap_or_default());
        let client = details.client;
        return Ok(ProxyClientPage::answer(
            &app,
            request.layout,
            client,
            protection,
            audience,
            groups,
            shown,
            (faults, observations),
        ));
    }
    let client = details.client;
    let test = tested.view(&app, &request, &client).await?;
    let now = request.ctx.now;
    let secrets = details.secrets.into_iter().map(|secret| SecretView {
        is_active: secret.is_active(now),
        id: secret.id,
        prefix: secret.prefix,
        created: secret.created_at.into(),
        expires: secret.expires_at.map(When::from),
    });
    let (first, more_endpoints) = endpoints(app.env());
    let view = ClientPage {
        version: client.version,
        path: client_id_to_path(&client.id),
        client: shown(&client),
        issuer: app.env().app_url.origin.clone(),
        endpoints: first,
        more_endpoints,
        audience,
        groups,
        secrets: secrets.collect(),
        deliveries: deliveries.into_iter().map(|d| DeliveryView::new(&request.layout, d)).collect(),
        grants: apis.grants,
        candidates: apis.candidates,
        access: apis.access,
        access_words: APIS,
        mapping: MappingView::new(&client, custom),
        faults,
        observations,
        scim: scim.map(|shown| ScimView::new(&request.layout, shown, now)),
        preview_at: PreviewAsked::first(own_id(&request.layout)),
        preview,
        test_at: TestAsked::first(own_id(&request.layout)),
        test,
        stored: client,
        layout: request.layout,
    };
    Ok(page(StatusCode::OK, &view))
}

/// Whose dialogs are shown first: one's own.
fn own_id(layout: &Layout) -> &str {
    layout.user.as_ref().map_or("", |user| user.id.as_str())
}

impl ClientPage {
    /// Whether it says itself what it is, in a metadata document: that is not for administrators to change.
    fn is_document(&self) -> bool {
        self.stored.client_type == ClientType::Cimd
    }

    fn is_taken_over(&self) -> bool {
        self.stored.backchannel_logout_source == BackchannelSource::TakenOver
    }

    /// Minutes; nothing stands for the usual ones.
    fn id_token_minutes(&self) -> String {
        self.stored.id_token_minutes.map(|minutes| minutes.to_string()).unwrap_or_default()
    }

    /// What a new row begins with.
    fn blank_identity(&self) -> FederatedIdentity {
        FederatedIdentity { replay_protection: true, ..FederatedIdentity::default() }
    }

    /// What may sign its tokens: a name, and a word where there is none.
    fn signing_algs(&self) -> [(&'static str, &'static str); 4] {
        [("", key("signing-alg-default")), ("RS256", ""), ("ES256", ""), ("EdDSA", "")]
    }

    fn signs_with(&self, alg: &str) -> bool {
        self.stored.signing_alg.as_deref().unwrap_or_default() == alg
    }

    /// How it may be made to authenticate.
    fn auth_methods(&self) -> Vec<(&'static str, &'static str)> {
        let own = |method: AuthMethod| (method == AuthMethod::None) == self.stored.is_public;
        let methods = AuthMethod::ALL.into_iter().filter(|method| own(*method)).map(|method| {
            let word = match method {
                AuthMethod::ClientSecretBasic => key("auth-method-basic"),
                AuthMethod::ClientSecretPost => key("auth-method-post"),
                AuthMethod::PrivateKeyJwt => key("auth-method-key"),
                AuthMethod::None => key("auth-method-none"),
            };
            (method.as_str(), word)
        });
        std::iter::once(("", key("auth-method-any"))).chain(methods).collect()
    }

    fn authenticates_by(&self, method: &str) -> bool {
        self.stored.auth_method.map_or("", AuthMethod::as_str) == method
    }

    /// How long a new secret may live: days and a word.
    fn lifetimes(&self) -> [(i64, &'static str); 5] {
        [
            (30, key("days-30")),
            (90, key("days-90")),
            (180, key("days-180")),
            (360, key("days-360")),
            (720, key("days-720")),
        ]
    }
}
