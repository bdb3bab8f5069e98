//! Why sign-ins to a client failed: the tab of its page, and the list of the page of the system.

use pid_core::clients::Client;
use pid_core::diagnosis::Remedy;
use pid_core::ids::client_id_to_path;
use pid_flows::diagnosis::Seen;
use serde_json::json;

use crate::i18n::Words;
use crate::pages::When;

/// What a button does about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemedyView {
    /// Registers an address: it, and the body of the request that does it.
    Add {
        /// The address.
        address: String,
        /// The client with it.
        body: String,
    },
    /// Leads to another tab of the client's page.
    Tab(&'static str),
}

/// A fault as a page shows it.
#[derive(Clone, Debug)]
pub struct DiagnosisView {
    /// Of the fault.
    pub id: String,
    /// Where it shows.
    pub place: String,
    /// What happened.
    pub says: String,
    /// How to mend it.
    pub mend: String,
    /// How often it was seen; 0: it is observed now.
    pub times: usize,
    /// When it was seen last.
    pub last: When,
    /// When it was seen first.
    pub first: When,
    /// What can be done about it at once.
    pub remedy: Option<RemedyView>,
    /// Its client's page; empty if it has none.
    pub path: String,
}

impl DiagnosisView {
    /// Its sign.
    #[must_use]
    pub fn icon(&self) -> &'static str {
        if self.times == 0 { "info" } else { "alert" }
    }

    /// A fault in these words; with its client what can be done about it.
    #[must_use]
    pub fn new(seen: Seen, words: &Words, client: Option<&Client>) -> Self {
        let finding = &seen.finding;
        let remedy = client.and_then(|client| remedy(client, finding.remedy.as_ref()?));
        Self {
            place: words.place(finding.code.place()),
            says: words.diagnosis(finding),
            mend: words.mend(finding.code),
            times: usize::try_from(seen.times).unwrap_or_default(),
            last: seen.last_at.into(),
            first: seen.first_at.into(),
            remedy,
            path: seen.client_id.as_ref().map(client_id_to_path).unwrap_or_default(),
            id: seen.id,
        }
    }
}

fn remedy(client: &Client, remedy: &Remedy) -> Option<RemedyView> {
    let with = |member: &str, known: &[String], address: &String| {
        let all: Vec<&String> = known.iter().chain([address]).collect();
        let mut body = json!({});
        body[member] = json!(all);
        RemedyView::Add { address: address.clone(), body: body.to_string() }
    };
    // What a client says of itself in its metadata document is not for administrators to change.
    let may_add = client.client_type == pid_core::clients::ClientType::Standard;
    match remedy {
        Remedy::AddCallback(address) if may_add => Some(with("callbackURLs", &client.callback_urls, address)),
        Remedy::AddLogoutCallback(address) if may_add => {
            Some(with("logoutCallbackURLs", &client.logout_callback_urls, address))
        }
        Remedy::AddCallback(_) | Remedy::AddLogoutCallback(_) => None,
        Remedy::Groups => Some(RemedyView::Tab("user-groups")),
        Remedy::Credentials => Some(RemedyView::Tab("credentials")),
    }
}
