//! The audit log: one's own entries, and everybody's for administrators.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use pid_core::audit::{Entry, Event};
use pid_core::list::{ListRequest, Page};
use pid_flows::audit;
use pid_integrations::device;

use super::admin::ListView;
use super::admin::list::{Column, Table};
use super::{Layout, PageError, PageRequest, When, key, page};
use crate::state::App;

const WHAT: Column = Column::new("event", key("event")).sorted();
const WHERE: Column = Column::new("place", key("approximate-location"));
const ADDRESS: Column = Column::new("ipAddress", key("ip-address")).sorted();
const DEVICE: Column = Column::new("userAgent", key("device")).sorted();
const AT: Column = Column::new("client", key("client"));

static OWN: Table = Table {
    id: "audit-log-list-user",
    path: "/settings/audit-log",
    columns: &[WHAT, WHERE, ADDRESS, DEVICE, AT],
    facets: &[],
};

static ALL: Table = Table {
    id: "audit-log-list-admin",
    path: "/settings/audit-log/global",
    columns: &[
        Column::new("username", key("username")),
        Column::new("actor", key("actor")),
        WHAT,
        WHERE,
        ADDRESS,
        DEVICE,
        AT,
    ],
    facets: &[],
};

/// The words of events, those of the contract first, in the order of the filter.
const EVENTS: &[(Event, &str)] = &[
    (Event::SignIn, key("event-sign-in")),
    (Event::TokenSignIn, key("event-token-sign-in")),
    (Event::ClientAuthorization, key("event-client-authorization")),
    (Event::NewClientAuthorization, key("event-new-client-authorization")),
    (Event::DeviceCodeAuthorization, key("event-device-code-authorization")),
    (Event::NewDeviceCodeAuthorization, key("event-new-device-code-authorization")),
    (Event::PasskeyAdded, key("event-passkey-added")),
    (Event::PasskeyRemoved, key("event-passkey-removed")),
    (Event::AccountCreated, key("event-account-created")),
    (Event::RemoteSignIn, key("event-remote-sign-in")),
    (Event::PasskeyRenamed, key("event-passkey-renamed")),
    (Event::SetupCompleted, key("event-setup-completed")),
    (Event::SignOut, key("event-sign-out")),
    (Event::SignOutEverywhere, key("event-sign-out-everywhere")),
    (Event::LogoutNoticeFailed, key("event-logout-notice-failed")),
    (Event::MailFailed, key("event-mail-failed")),
    (Event::LogoutNoticeTested, key("event-logout-notice-tested")),
    (Event::SignInFailed, key("event-sign-in-failed")),
    (Event::ClientAuthenticationFailed, key("event-client-authentication-failed")),
    (Event::TokenRevoked, key("event-token-revoked")),
    (Event::DeviceCodeDenied, key("event-device-code-denied")),
    (Event::CodeReuse, key("event-code-reuse")),
    (Event::RefreshReuse, key("event-refresh-reuse")),
    (Event::ForeignGrant, key("event-foreign-grant")),
    (Event::LoginCodeCreated, key("event-login-code-created")),
    (Event::SignupTokenCreated, key("event-signup-token-created")),
    (Event::SignupTokenDeleted, key("event-signup-token-deleted")),
    (Event::RemoteSignInDenied, key("event-remote-sign-in-denied")),
    (Event::SignInDisowned, key("event-sign-in-disowned")),
    (Event::ConsentWithdrawn, key("event-consent-withdrawn")),
    (Event::UserCreated, key("event-user-created")),
    (Event::UserUpdated, key("event-user-updated")),
    (Event::UserDeleted, key("event-user-deleted")),
    (Event::GroupCreated, key("event-group-created")),
    (Event::GroupUpdated, key("event-group-updated")),
    (Event::GroupDeleted, key("event-group-deleted")),
    (Event::ClientCreated, key("event-client-created")),
    (Event::ClientUpdated, key("event-client-updated")),
    (Event::ClientDeleted, key("event-client-deleted")),
    (Event::ClientSecretCreated, key("event-client-secret-created")),
    (Event::ClientSecretDeleted, key("event-client-secret-deleted")),
    (Event::ApiCreated, key("event-api-created")),
    (Event::ApiUpdated, key("event-api-updated")),
    (Event::ApiDeleted, key("event-api-deleted")),
    (Event::ApiAccessChanged, key("event-api-access-changed")),
    (Event::ApiKeyCreated, key("event-api-key-created")),
    (Event::ApiKeyRenewed, key("event-api-key-renewed")),
    (Event::ApiKeyUpdated, key("event-api-key-updated")),
    (Event::ApiKeyDeleted, key("event-api-key-deleted")),
    (Event::ScimProviderCreated, key("event-scim-provider-created")),
    (Event::ScimProviderUpdated, key("event-scim-provider-updated")),
    (Event::ScimProviderDeleted, key("event-scim-provider-deleted")),
    (Event::ScimSynced, key("event-scim-synced")),
    (Event::ScimSyncFailed, key("event-scim-sync-failed")),
    (Event::AppPasswordCreated, key("event-app-password-created")),
    (Event::AppPasswordDeleted, key("event-app-password-deleted")),
    (Event::SigningKeyCreated, key("event-signing-key-created")),
    (Event::SigningKeyActivated, key("event-signing-key-activated")),
    (Event::SigningKeyRevoked, key("event-signing-key-revoked")),
    (Event::LdapSync, key("event-ldap-sync")),
    (Event::BackupRestored, key("event-backup-restored")),
    (Event::ConfigurationUpdated, key("event-configuration-updated")),
];

/// The most names that a filter offers; the search finds the others.
const OFFERED: usize = 1000;

/// An event in words: ours, or its name as a title.
fn event_in_words(layout: &Layout, name: &str) -> String {
    match EVENTS.iter().find(|(event, _)| event.as_str() == name) {
        Some((_, word)) => layout.t(word).to_owned(),
        None => title_case(name),
    }
}

fn title_case(name: &str) -> String {
    let word = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().into_iter().flat_map(char::to_uppercase);
        first.chain(letters.flat_map(char::to_lowercase)).collect::<String>()
    };
    name.split('_').map(word).collect::<Vec<_>>().join(" ")
}

/// An entry in the words of a page.
#[derive(Clone, Debug)]
pub struct EntryView {
    /// When it happened.
    pub when: When,
    /// What happened.
    pub event: String,
    /// To whom, may be empty.
    pub username: String,
    /// By whom, empty if by themselves.
    pub actor: String,
    /// City and country.
    pub place: String,
    /// From where.
    pub ip_address: String,
    /// With what.
    pub device: String,
    /// At which client, may be empty.
    pub client: String,
    /// What else is known, by the names of the API.
    pub details: BTreeMap<String, String>,
}

impl EntryView {
    pub(super) fn new(layout: &Layout, entry: Entry) -> Self {
        let known = |text: String| if text.is_empty() { layout.t("unknown").to_owned() } else { text };
        let place = [entry.city, entry.country];
        let mut details = entry.data;
        Self {
            when: entry.created_at.into(),
            event: event_in_words(layout, &entry.event),
            username: entry.username,
            actor: entry.actor_username,
            place: known(place.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")),
            ip_address: known(entry.ip_address),
            device: known(device::in_words(&entry.user_agent)),
            client: details.remove("clientName").unwrap_or_default(),
            details,
        }
    }
}

impl EntryView {
    /// What a column of plain text holds.
    fn text(&self, column: &str) -> &str {
        match column {
            "username" => &self.username,
            "actor" => &self.actor,
            "place" => &self.place,
            "userAgent" => &self.device,
            _ => &self.client,
        }
    }
}

/// Something that the list can be narrowed to.
#[derive(Clone, Debug)]
pub struct FilterView {
    /// Its field in the API.
    pub field: &'static str,
    /// The word for its name.
    pub label: &'static str,
    /// The word for not narrowing.
    pub all: &'static str,
    /// What is chosen, or nothing.
    pub chosen: String,
    /// Values and their words.
    pub options: Vec<(String, String)>,
}

impl FilterView {
    fn new(list: &ListView, words: [&'static str; 3], mut options: Vec<(String, String)>) -> Self {
        let [field, label, all] = words;
        let chosen = list.filter(field).to_owned();
        // What the address asks for is shown, though it is not offered.
        if !chosen.is_empty() && options.iter().all(|(value, _)| *value != chosen) {
            options.push((chosen.clone(), chosen.clone()));
        }
        Self { field, label, all, chosen, options }
    }
}

/// `/settings/audit-log` and `/settings/audit-log/global`.
#[derive(Debug, Template)]
#[template(path = "audit_logs.html")]
pub struct AuditLogPage {
    /// What every page needs.
    pub layout: Layout,
    /// Search, filters, order and pages.
    pub list: ListView,
    /// Whether these are everybody's entries.
    pub global: bool,
    /// The filters; one's own entries have none.
    pub filters: Vec<FilterView>,
    /// The rows.
    pub entries: Vec<EntryView>,
}

impl AuditLogPage {
    fn new(request: PageRequest, table: &'static Table, wanted: &ListRequest, found: Page<Entry>) -> Self {
        Self {
            list: ListView::of(table, &request, wanted, &found),
            global: false,
            filters: Vec::new(),
            entries: found.items.into_iter().map(|entry| EntryView::new(&request.layout, entry)).collect(),
            layout: request.layout,
        }
    }

    fn title(&self) -> &'static str {
        if self.global { key("global-audit-log") } else { key("audit-log") }
    }

    fn lead(&self) -> &'static str {
        if self.global { key("global-audit-log-lead") } else { key("audit-log-lead") }
    }
}

/// What the address asks for, the newest first unless it says otherwise.
fn wanted(request: &PageRequest) -> ListRequest {
    let mut wanted = ListView::request(request);
    wanted.sort.get_or_insert_with(|| ("createdAt".to_owned(), true));
    wanted
}

/// `GET /settings/audit-log`.
pub async fn own(State(app): State<App>, request: PageRequest) -> Result<Response, PageError> {
    request.signed_in()?;
    let wanted = wanted(&request);
    let asked = wanted.clone();
    let read = request.read(&app, move |tx, creds, ctx| audit::list_own(tx, &creds.signed_in(tx, ctx.now)?, &asked));
    let found = read.await?;
    Ok(page(StatusCode::OK, &AuditLogPage::new(request, &OWN, &wanted, found)))
}

/// `GET /settings/audit-log/global`.
pub async fn global(State(app): State<App>, request: PageRequest) -> Result<Response, PageError> {
    let wanted = wanted(&request);
    let asked = wanted.clone();
    let read = request.read(&app, move |tx, creds, ctx| {
        let who = creds.reads_all(tx, ctx.now)?;
        Ok((audit::list_all(tx, &who, &asked)?, audit::users(tx, &who)?, audit::client_names(tx, &who)?))
    });
    let (found, people, clients) = read.await?;
    let mut view = AuditLogPage::new(request, &ALL, &wanted, found);
    let word = |word: &str| view.layout.t(word).to_owned();
    let mut people: Vec<(String, String)> = people.into_iter().collect();
    people.sort_by(|(_, a), (_, b)| a.cmp(b));
    people.truncate(OFFERED);
    let events = EVENTS.iter().map(|(event, text)| (event.as_str().to_owned(), word(text)));
    let locations = [("external", key("external-networks")), ("internal", key("internal-networks"))];
    let locations = locations.map(|(value, text)| (value.to_owned(), word(text)));
    let clients = clients.into_iter().take(OFFERED).map(|name| (name.clone(), name));
    let filters = vec![
        FilterView::new(&view.list, ["userID", key("user"), key("all-users")], people),
        FilterView::new(&view.list, ["event", key("event"), key("all-events")], events.collect()),
        FilterView::new(&view.list, ["location", key("location"), key("all-locations")], locations.into()),
        FilterView::new(&view.list, ["clientName", key("client"), key("all-clients")], clients.collect()),
    ];
    view = AuditLogPage { global: true, filters, ..view };
    Ok(page(StatusCode::OK, &view))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The names that `Event::as_str` knows, read from its source: a new event must get its words here.
    #[test]
    fn every_event_has_words() {
        let source = include_str!("../../../core/src/audit.rs");
        let known: BTreeSet<&str> = source.split("=> \"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        let worded: BTreeSet<&str> = EVENTS.iter().map(|(event, _)| event.as_str()).collect();
        assert!(known.contains("SIGN_IN"), "audit.rs is read wrongly");
        assert_eq!(known, worded);
    }

    #[test]
    fn events_of_others_become_titles() {
        let layout = Layout::new("App", "/");
        assert_eq!(event_in_words(&layout, "TOKEN_SIGN_IN"), "Token Sign In");
        assert_eq!(event_in_words(&layout, "ACCOUNT_CREATED"), "Account Created");
        assert_eq!(event_in_words(&layout, ""), "");
    }
}
