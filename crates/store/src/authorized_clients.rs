//! Clients from a person's side: those they may use, those they have authorized.

use pid_core::list::{ListRequest, Page};
use pid_core::{ClientId, Timestamp, UserId};

use crate::clients::FILTERS;
use crate::lists::{Filter, ListSpec};
use crate::{ReadTx, Row, StoreError, WriteTx, params, statements};

macro_rules! columns {
    () => {
        "clients.id, clients.name, clients.description, clients.has_logo, clients.has_dark_logo, clients.launch_url, \
         clients.requires_reauthentication, clients.client_type, consents.last_used_at, consents.keys"
    };
}

statements! {
    WITHDRAW = "DELETE FROM consents WHERE user_id = $1 AND client_id = $2";
}

const HAS_LAUNCH_URL: (&str, Filter) = (
    "hasLaunchURL",
    Filter::Words(&[("true", "clients.launch_url IS NOT NULL"), ("false", "clients.launch_url IS NULL")]),
);

/// The list of clients that a person may use, with when they last did. Never used ones come last in both directions.
pub static USABLE: ListSpec = ListSpec {
    columns: columns!(),
    from: "clients LEFT JOIN consents ON consents.client_id = clients.id AND consents.user_id = $1",
    base: Some(
        "(NOT clients.is_group_restricted OR EXISTS (SELECT 1 FROM client_groups JOIN user_group_members \
         ON user_group_members.group_id = client_groups.group_id \
         WHERE client_groups.client_id = clients.id AND user_group_members.user_id = $1))",
    ),
    search: &["clients.name"],
    sort: &[
        ("createdAt", "clients.created_at"),
        ("name", "clients.name"),
        ("pkceEnabled", "clients.pkce_enabled"),
        ("requiresReauthentication", "clients.requires_reauthentication"),
        ("requiresPushedAuthorizationRequests", "clients.requires_pushed_authorization_requests"),
        ("skipConsent", "clients.skip_consent"),
        ("isGroupRestricted", "clients.is_group_restricted"),
        ("pkceSupported", "clients.pkce_supported"),
        ("clientType", "clients.client_type"),
        ("lastUsedAt", "consents.last_used_at IS NULL, consents.last_used_at"),
    ],
    filters: &[
        HAS_LAUNCH_URL, FILTERS[0], FILTERS[1], FILTERS[2], FILTERS[3], FILTERS[4], FILTERS[5], FILTERS[6],
    ],
    order: "clients.name, clients.id",
};

/// The list of clients that a person has authorized.
pub static AUTHORIZED: ListSpec = ListSpec {
    columns: columns!(),
    from: "consents JOIN clients ON clients.id = consents.client_id",
    base: Some("consents.user_id = $1"),
    search: &[],
    sort: &[("lastUsedAt", "consents.last_used_at")],
    filters: &[HAS_LAUNCH_URL],
    order: "consents.last_used_at DESC, clients.id",
};

/// A client as a person sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonalClient {
    /// `client_id`.
    pub id: ClientId,
    /// The name for people.
    pub name: String,
    /// What it is.
    pub description: String,
    /// Whether a logo is stored.
    pub has_logo: bool,
    /// Whether a logo for dark backgrounds is stored.
    pub has_dark_logo: bool,
    /// Where the launcher leads.
    pub launch_url: Option<String>,
    /// Whether each authorization needs a fresh passkey ceremony.
    pub requires_reauthentication: bool,
    /// `standard` or `cimd`.
    pub client_type: String,
    /// When it was last authorized.
    pub last_used_at: Option<Timestamp>,
    /// What was consented to.
    pub consent: Vec<String>,
}

fn from_row(row: &Row) -> Result<PersonalClient, StoreError> {
    let keys: Option<String> = row.get(9)?;
    Ok(PersonalClient {
        id: ClientId::new(row.get::<String>(0)?),
        name: row.get(1)?,
        description: row.get(2)?,
        has_logo: row.get(3)?,
        has_dark_logo: row.get(4)?,
        launch_url: row.get(5)?,
        requires_reauthentication: row.get(6)?,
        client_type: row.get(7)?,
        last_used_at: row.get::<Option<i64>>(8)?.map(Timestamp::from_millis),
        consent: keys.map(|keys| serde_json::from_str(&keys).unwrap_or_default()).unwrap_or_default(),
    })
}

/// A page of the clients that a person may use.
pub fn usable(tx: &ReadTx<'_>, user: &UserId, request: &ListRequest) -> Result<Page<PersonalClient>, StoreError> {
    USABLE.page(tx, request, Some(user.as_str()), from_row)
}

/// A page of the clients that a person has authorized.
pub fn authorized(tx: &ReadTx<'_>, user: &UserId, request: &ListRequest) -> Result<Page<PersonalClient>, StoreError> {
    AUTHORIZED.page(tx, request, Some(user.as_str()), from_row)
}

/// Forgets a person's consent. Tells whether there was one.
pub fn withdraw(tx: &WriteTx<'_>, user: &UserId, client: &ClientId) -> Result<bool, StoreError> {
    Ok(tx.execute(&WITHDRAW, params![user.as_str(), client.as_str()])? == 1)
}
