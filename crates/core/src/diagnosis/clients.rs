//! Client ids that nobody has, and people who may not enter.

use super::address::distance;
use super::{Code, Finding, Remedy};

/// Explains a `client_id` that no client has. `known` are ids and names.
#[must_use]
pub fn unknown(sent: &str, known: &[(String, String)]) -> Finding {
    let plain = |text: &str| text.trim().trim_matches(['"', '\'']).to_lowercase();
    let meant = plain(sent);
    if let Some((id, _)) = known.iter().find(|(_, name)| plain(name) == meant) {
        return Finding::new(Code::ClientName).quote("sent", sent).quote("expected", id);
    }
    let near = known.iter().map(|(id, name)| (distance(&meant, &plain(id)), id, name)).min();
    match near {
        // A third of it may differ, as long as it is a slip: not of two short words.
        Some((changes, id, name)) if changes <= 4 && changes * 3 <= meant.chars().count() => {
            Finding::new(Code::ClientNear).quote("sent", sent).quote("expected", id).quote("name", name)
        }
        _ => Finding::new(Code::ClientUnknown).quote("sent", sent),
    }
}

/// Who may enter a client, and who wanted to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entrance<'a> {
    /// The person's user name; empty if nobody knows.
    pub person: &'a str,
    /// The account is disabled.
    pub disabled: bool,
    /// The names of the groups that may enter; `None`: everybody may.
    pub allowed: Option<&'a [String]>,
    /// The person is in one of them.
    pub is_member: bool,
}

/// Explains why somebody may not enter; `None` if they may.
#[must_use]
pub fn entrance(facts: &Entrance<'_>) -> Option<Finding> {
    if facts.disabled {
        return Some(Finding::new(Code::PersonDisabled).quote("person", facts.person));
    }
    match facts.allowed {
        Some([]) => Some(Finding::new(Code::AllowedNobody).remedy(Remedy::Groups)),
        Some(groups) if !facts.is_member => Some(
            Finding::new(Code::NotAllowed)
                .quote("person", facts.person)
                .quote("groups", groups.join(", "))
                .remedy(Remedy::Groups),
        ),
        _ => None,
    }
}
