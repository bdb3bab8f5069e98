//! The directory: the card of the configuration, and the report of a synchronisation.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use pid_core::settings::{Settings, setting};
use pid_flows::ldap::runs::{self, Report};
use pid_flows::ldap::{Action, Counts};

use super::ListView;
use crate::pages::{Layout, PageError, PageRequest, When, key, page};
use crate::state::App;

/// The card of the configuration.
#[derive(Clone, Debug)]
pub struct LdapView {
    /// The settings.
    pub settings: Arc<Settings>,
    /// The mask of the password, or nothing.
    pub password: String,
    /// The latest runs, the newest first.
    pub runs: Vec<RunView>,
}

/// A run in the list, and at the head of its report.
#[derive(Clone, Debug)]
pub struct RunView {
    pub(super) id: String,
    dry: bool,
    by_hand: bool,
    state: String,
    phase: String,
    pub(super) started: When,
    pub(super) failure: String,
    pub(super) counts: Counts,
    removal: Option<[usize; 4]>,
    may_be_confirmed: bool,
}

impl From<Report> for RunView {
    fn from(report: Report) -> Self {
        let run = report.run;
        Self {
            id: run.id,
            dry: run.dry,
            by_hand: run.by_hand,
            failure: run.failure.filter(|_| run.state == "failed").unwrap_or_default(),
            state: run.state,
            phase: run.phase,
            started: run.started_at.into(),
            counts: report.counts,
            removal: report.stopped_at.map(|r| [r.users, r.groups, r.members, r.admins]),
            may_be_confirmed: report.may_be_confirmed,
        }
    }
}

/// A number with the word for it.
type Count = (&'static str, u64);

impl RunView {
    pub(super) fn is_running(&self) -> bool {
        self.state == "running"
    }

    pub(super) fn badge(&self) -> (&'static str, &'static str) {
        match self.state.as_str() {
            "running" => ("badge badge-accent", key("ldap-running")),
            "done" if self.dry => ("badge", key("ldap-looked")),
            "done" => ("badge badge-ok", key("ldap-done")),
            "stopped" if self.dry => ("badge badge-warn", key("ldap-would-stop")),
            "stopped" => ("badge badge-warn", key("ldap-stopped")),
            _ => ("badge badge-danger", key("ldap-failed")),
        }
    }

    pub(super) fn kind(&self) -> &'static str {
        match (self.dry, self.by_hand) {
            (true, _) => key("ldap-dry-run"),
            (false, true) => key("ldap-by-hand"),
            (false, false) => key("ldap-by-schedule"),
        }
    }

    pub(super) fn phase(&self) -> &'static str {
        match self.phase.as_str() {
            "people" => key("ldap-phase-people"),
            "groups" => key("ldap-phase-groups"),
            "pictures" => key("ldap-phase-pictures"),
            _ => key("ldap-phase-reading"),
        }
    }

    /// What was done about people, but not what was not.
    pub(super) fn people(&self) -> Vec<Count> {
        let c = &self.counts.users;
        some([
            (key("ldap-found"), c.found),
            (key("ldap-created"), c.created),
            (key("ldap-changed"), c.changed),
            (key("ldap-enabled-again"), c.enabled),
            (key("ldap-disabled"), c.disabled),
            (key("ldap-deleted"), c.deleted),
            (key("ldap-skipped"), c.skipped),
            (key("ldap-pictures"), c.pictures),
        ])
    }

    /// What was done about groups.
    pub(super) fn groups(&self) -> Vec<Count> {
        let c = &self.counts.groups;
        some([
            (key("ldap-found"), c.found),
            (key("ldap-created"), c.created),
            (key("ldap-changed"), c.changed),
            (key("ldap-deleted"), c.deleted),
            (key("ldap-skipped"), c.skipped),
            (key("ldap-members-added"), c.members_added),
            (key("ldap-members-removed"), c.members_removed),
            (key("ldap-members-unknown"), c.members_unknown),
        ])
    }

    /// What would go, in words.
    pub(super) fn would_go(&self, layout: &Layout) -> String {
        let [users, groups, members, admins] = self.removal.unwrap_or_default().map(|n| n.to_string());
        let all = [("users", users.as_str()), ("groups", &groups), ("members", &members), ("admins", &admins)];
        layout.tf("ldap-would-go", &all)
    }
}

fn some<const N: usize>(all: [Count; N]) -> Vec<Count> {
    all.into_iter().enumerate().filter(|(at, (_, n))| *at == 0 || *n > 0).map(|(_, count)| count).collect()
}

impl LdapView {
    /// What the card shows.
    #[must_use]
    pub fn new(settings: &Arc<Settings>, reports: Vec<Report>) -> Self {
        let password = setting("ldapBindPassword").map(|s| pid_flows::settings::shown(s, settings));
        Self {
            settings: Arc::clone(settings),
            password: password.unwrap_or_default(),
            runs: reports.into_iter().map(RunView::from).collect(),
        }
    }

    pub(super) fn get(&self, name: &str) -> &str {
        self.settings.get(name)
    }

    pub(super) fn is_on(&self, name: &str) -> bool {
        self.get(name) == "true"
    }

    pub(super) fn enabled(&self) -> bool {
        self.settings.ldap_enabled()
    }

    /// The run under way.
    pub(super) fn running(&self) -> Option<&RunView> {
        self.runs.iter().find(|run| run.is_running())
    }

    /// The latest run, if it waits to be confirmed.
    pub(super) fn waiting(&self) -> Option<&RunView> {
        self.runs.iter().find(|run| run.may_be_confirmed)
    }
}

/// An entry of a report.
#[derive(Clone, Debug)]
pub struct EntryView {
    is_group: bool,
    action: String,
    name: String,
    href: String,
    detail: String,
}

impl EntryView {
    fn badge(&self) -> (&'static str, &'static str) {
        match self.action.as_str() {
            "created" => ("badge badge-ok", key("ldap-created")),
            "changed" => ("badge", key("ldap-changed")),
            "enabled" => ("badge badge-ok", key("ldap-enabled-again")),
            "disabled" => ("badge badge-danger", key("ldap-disabled")),
            "deleted" => ("badge badge-danger", key("ldap-deleted")),
            _ => ("badge badge-warn", key("ldap-skipped")),
        }
    }

    /// Why, or what changed, in words.
    fn detail(&self, layout: &Layout) -> String {
        if self.action == "skipped" {
            return layout.t(reason(&self.detail)).to_owned();
        }
        let words = self.detail.split(' ').filter(|word| !word.is_empty()).map(|word| match changed(word) {
            Some(key) => layout.t(key).to_owned(),
            None => word.to_owned(),
        });
        words.collect::<Vec<_>>().join(", ")
    }
}

/// Why an entry was passed over.
fn reason(word: &str) -> &'static str {
    match word {
        "no_id" => key("ldap-reason-no-id"),
        "same_id" => key("ldap-reason-same-id"),
        "no_username" => key("ldap-reason-no-username"),
        "bad_username" => key("ldap-reason-bad-username"),
        "no_email" => key("ldap-reason-no-email"),
        "bad_email" => key("ldap-reason-bad-email"),
        "bad_name" => key("ldap-reason-bad-name"),
        "username_taken" => key("ldap-reason-username-taken"),
        "email_taken" => key("ldap-reason-email-taken"),
        "bad_group_name" => key("ldap-reason-bad-group-name"),
        "group_name_taken" => key("ldap-reason-group-name-taken"),
        "no_admin_group" => key("ldap-reason-no-admin-group"),
        "last_admin" => key("ldap-reason-last-admin"),
        "bad_picture" => key("ldap-reason-bad-picture"),
        "picture_not_fetched" => key("ldap-reason-picture-not-fetched"),
        "hidden" => key("ldap-reason-hidden"),
        "not_read" => key("ldap-reason-not-read"),
        "not_checked" => key("ldap-reason-not-checked"),
        "members_unknown" => key("ldap-reason-members-unknown"),
        "referral" => key("ldap-reason-referral"),
        "picture_too_large" => key("ldap-reason-picture-too-large"),
        "pictures_not_read" => key("ldap-reason-pictures-not-read"),
        _ => key("ldap-reason-not-stored"),
    }
}

/// What changed.
fn changed(word: &str) -> Option<&'static str> {
    Some(match word {
        "username" => key("username"),
        "email" => key("email"),
        "emailVerified" => key("email-verified"),
        "firstName" => key("first-name"),
        "lastName" => key("last-name"),
        "displayName" => key("display-name"),
        "isAdmin" => key("admin-privileges"),
        "picture" => key("profile-picture"),
        "name" => key("name"),
        _ => return None,
    })
}

/// `/settings/admin/ldap-runs/{id}`.
#[derive(Debug, Template)]
#[template(path = "admin/ldap_run.html")]
pub struct RunPage {
    /// What every page needs.
    pub layout: Layout,
    /// The run.
    pub run: RunView,
    /// Filters and pages.
    pub list: ListView,
    /// What was done.
    pub entries: Vec<EntryView>,
}

impl RunPage {
    fn actions(&self) -> [(&'static str, &'static str); 6] {
        Action::ALL.map(|action| {
            let word = match action {
                Action::Created => key("ldap-created"),
                Action::Changed => key("ldap-changed"),
                Action::Enabled => key("ldap-enabled-again"),
                Action::Disabled => key("ldap-disabled"),
                Action::Deleted => key("ldap-deleted"),
                Action::Skipped => key("ldap-skipped"),
            };
            (action.as_str(), word)
        })
    }
}

/// `GET /settings/admin/ldap-runs/{id}`.
pub async fn details(
    State(app): State<App>,
    Path(id): Path<String>,
    mut request: PageRequest,
) -> Result<Response, PageError> {
    let wanted = ListView::request(&request);
    let (asked, of) = (wanted.clone(), id.clone());
    let read = request.read(&app, move |tx, creds, ctx| {
        let who = creds.reads_all(tx, ctx.now)?;
        Ok((runs::get(tx, ctx.now, &who, &of)?, runs::entries(tx, &who, &of, &asked)?))
    });
    let (report, found) = read.await?;
    request.layout.only_admins_change();
    let list = ListView::new(&format!("/settings/admin/ldap-runs/{id}"), &wanted, &found);
    let entries = found.items.into_iter().map(|entry| {
        let is_group = entry.kind == "group";
        let place = if is_group { "user-groups" } else { "users" };
        // What would be made is not there yet.
        let is_there = entry.action != "deleted" && !(report.run.dry && entry.action == "created");
        let href = entry.subject_id.filter(|_| is_there).map(|id| format!("/settings/admin/{place}/{id}"));
        EntryView {
            is_group,
            action: entry.action,
            name: entry.name,
            href: href.unwrap_or_default(),
            detail: entry.detail,
        }
    });
    let view = RunPage { entries: entries.collect(), list, run: report.into(), layout: request.layout };
    Ok(page(StatusCode::OK, &view))
}
