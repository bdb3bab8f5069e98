//! The tab `SCIM Provisioning` of a client's page.

use pid_core::Timestamp;
use pid_flows::scim::Shown;
use pid_flows::scim::run::{Counts, Outcome, Problem};

use crate::pages::{Layout, When, key};

/// Where a client's people and groups are written to, and how that goes.
#[derive(Clone, Debug)]
pub struct ScimView {
    /// The provider's id.
    pub id: String,
    /// The version of the record, sent as `If-Match`.
    pub version: i64,
    /// The target's address.
    pub endpoint: String,
    /// What stands for the token.
    pub token: &'static str,
    /// Whether who leaves is deactivated there.
    pub deactivates: bool,
    /// When the last run ended in which everything succeeded.
    pub synced: Option<When>,
    /// When the next one begins.
    pub next: When,
    /// Whether something has changed here that was not sent yet.
    pub changes_wait: bool,
    /// How it goes.
    pub state: ScimState,
    /// What the last run did: the word for a kind, and words with numbers.
    pub did: Vec<(&'static str, Vec<(&'static str, u64)>)>,
    /// What could not be written.
    pub problems: Vec<ProblemView>,
    /// How many more there are than are named.
    pub more: usize,
}

/// How provisioning goes, in the order of what matters most.
#[derive(Clone, Debug)]
pub enum ScimState {
    /// A run is under way since then.
    Running(When),
    /// No run has ended yet.
    First,
    /// Everything is up to date.
    Ok,
    /// So many could not be written; why groups could not be read, in words, if that is it.
    Partial(usize, Option<String>),
    /// The last run ended early; why, in words.
    Failed(String),
    /// So many of so many would leave, or are gone there.
    Held(Vec<String>),
}

/// Something that could not be written.
#[derive(Clone, Debug)]
pub struct ProblemView {
    /// Its page.
    pub href: String,
    /// Its sign.
    pub icon: &'static str,
    /// Its name.
    pub name: String,
    /// Why, in words.
    pub why: String,
}

/// A failure in words.
fn in_words(layout: &Layout, failure: &str, status: Option<u16>) -> String {
    let word = match failure {
        "unauthorized" => key("scim-failure-unauthorized"),
        "name_taken" => key("scim-failure-name-taken"),
        "changed_meanwhile" => key("scim-failure-changed"),
        "not_recognised" => key("scim-failure-not-recognised"),
        "throttled" => key("scim-failure-throttled"),
        "not_scim" => key("scim-failure-not-scim"),
        "incomplete_list" => key("scim-failure-incomplete"),
        "internal" => key("scim-failure-internal"),
        "endless_list" | "too_large" => key("scim-failure-endless"),
        "timeout" => key("failure-timeout"),
        "target_refused" => key("failure-target"),
        "name_not_found" => key("failure-name"),
        "tls_failed" => key("failure-tls"),
        _ => match status {
            Some(status) => return layout.tf("answered-status", &[("status", &status.to_string())]),
            None => key("failure-connection"),
        },
    };
    layout.t(word).to_owned()
}

fn numbers(counts: &Counts) -> Vec<(&'static str, u64)> {
    vec![
        (key("scim-created"), counts.created),
        (key("scim-changed"), counts.updated),
        (key("scim-deactivated"), counts.deactivated),
        (key("scim-deleted"), counts.deleted),
        (key("scim-unchanged"), counts.unchanged),
    ]
}

fn small(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

impl ScimView {
    /// What is shown of a provider.
    pub fn new(layout: &Layout, shown: Shown, now: Timestamp) -> Self {
        let running = shown.is_running(now).then_some(shown.provider.started_at).flatten();
        let report = shown.report.clone().unwrap_or_default();
        let state = match (running, &shown.report) {
            (Some(since), _) => ScimState::Running(since.into()),
            (None, None) => ScimState::First,
            (None, Some(report)) => match report.outcome {
                Outcome::Ok => ScimState::Ok,
                Outcome::Partial => {
                    let unread = report.failure.as_ref().filter(|_| report.groups_unread);
                    let why = unread.map(|failure| in_words(layout, failure, report.status));
                    ScimState::Partial(small(report.failed), why)
                }
                Outcome::Failed => {
                    ScimState::Failed(in_words(layout, report.failure.as_deref().unwrap_or_default(), report.status))
                }
                Outcome::Held => {
                    let present = report.present.to_string();
                    let say = |word, name, n: u64| layout.tf(word, &[(name, &n.to_string()), ("present", &present)]);
                    let leaving =
                        (report.leaving > 0).then(|| say(key("scim-held-leaving"), "leaving", report.leaving));
                    let missing =
                        (report.missing > 0).then(|| say(key("scim-held-missing"), "missing", report.missing));
                    ScimState::Held(leaving.into_iter().chain(missing).collect())
                }
            },
        };
        let wrote = shown.report.is_some();
        let did = [(key("scim-people"), &report.users), (key("user-groups"), &report.groups)];
        let more = small(report.failed).saturating_sub(report.problems.len());
        Self {
            version: shown.provider.version,
            token: shown.token(),
            deactivates: shown.provider.deactivates,
            synced: shown.provider.last_synced_at.map(When::from),
            next: shown.next_at().max(now).into(),
            changes_wait: shown.provider.first_change_at.is_some(),
            state,
            did: if wrote {
                did.into_iter().map(|(word, counts)| (word, numbers(counts))).collect()
            } else {
                Vec::new()
            },
            problems: report.problems.into_iter().map(|problem| ProblemView::new(layout, problem)).collect(),
            more,
            endpoint: shown.provider.endpoint,
            id: shown.provider.id,
        }
    }
}

impl ProblemView {
    fn new(layout: &Layout, problem: Problem) -> Self {
        let (part, icon) = if problem.kind == "group" { ("user-groups", "users") } else { ("users", "user") };
        Self {
            href: format!("/settings/admin/{part}/{}", problem.id),
            icon,
            why: in_words(layout, &problem.failure, problem.status),
            name: problem.name,
        }
    }
}
