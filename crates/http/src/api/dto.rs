//! Shared objects of the API (api.md §11).

use pid_core::Timestamp;
use pid_core::claims::CustomClaim;
use pid_core::clients::Client;
use pid_core::groups::Group;
use pid_core::list::Page;
use pid_core::roles::Roles;
use pid_core::users::User;
use pid_flows::groups::GroupDetails;
use pid_store::authorized_clients::PersonalClient;
use pid_store::protocol::ProtocolClient;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// A user (api.md §11.1).
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "User")]
pub struct UserDto {
    id: String,
    username: String,
    email: Option<String>,
    email_verified: bool,
    first_name: String,
    last_name: String,
    display_name: String,
    is_admin: bool,
    /// Ours: what they may do besides, by their own roles; of one's own account (`/api/users/me`) by those of one's groups as
    /// well. Left out if nothing.
    #[serde(skip_serializing_if = "Roles::is_none")]
    roles: Roles,
    locale: Option<String>,
    custom_claims: Vec<CustomClaim>,
    user_groups: Vec<GroupMinimalDto>,
    ldap_id: Option<String>,
    disabled: bool,
    /// Ours: they signed up and wait, disabled, for an administrator's approval. Left out if not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    awaiting_approval: bool,
}

impl UserDto {
    /// A user with their claims and groups.
    pub fn new(user: &User, custom_claims: Vec<CustomClaim>, user_groups: Vec<GroupMinimalDto>) -> Self {
        Self {
            id: user.id.to_string(),
            username: user.username.clone(),
            email: user.email.clone(),
            email_verified: user.email_verified,
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
            display_name: user.display_name.clone(),
            is_admin: user.is_admin,
            roles: user.roles,
            locale: user.locale.clone(),
            custom_claims,
            user_groups,
            ldap_id: user.ldap_id.clone(),
            disabled: user.disabled,
            awaiting_approval: false,
        }
    }

    /// Says whether they wait for an administrator's approval.
    #[must_use]
    pub fn awaiting_approval(self, awaiting_approval: bool) -> Self {
        Self { awaiting_approval, ..self }
    }

    /// A user as sign-in answers it: with empty lists, as the contract has it.
    pub fn plain(user: &User) -> Self {
        Self::new(user, Vec::new(), Vec::new())
    }
}

/// A group as it is nested in other objects (api.md §11.3).
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "GroupMinimal")]
pub struct GroupMinimalDto {
    id: String,
    friendly_name: String,
    name: String,
    custom_claims: Vec<CustomClaim>,
    user_count: i64,
    /// Ours: what its members may do. Left out if nothing.
    #[serde(skip_serializing_if = "Roles::is_none")]
    roles: Roles,
    ldap_id: Option<String>,
    created_at: Timestamp,
}

impl GroupMinimalDto {
    /// A group with its claims and number of members.
    pub fn new(group: &Group, custom_claims: Vec<CustomClaim>, user_count: i64) -> Self {
        Self {
            id: group.id.to_string(),
            friendly_name: group.friendly_name.clone(),
            name: group.name.clone(),
            custom_claims,
            user_count,
            roles: group.roles,
            ldap_id: group.ldap_id.clone(),
            created_at: group.created_at,
        }
    }
}

/// A group (api.md §11.4).
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Group")]
pub struct GroupDto {
    id: String,
    friendly_name: String,
    name: String,
    custom_claims: Vec<CustomClaim>,
    /// Ours: what its members may do. Left out if nothing.
    #[serde(skip_serializing_if = "Roles::is_none")]
    roles: Roles,
    ldap_id: Option<String>,
    created_at: Timestamp,
    users: Vec<UserDto>,
    allowed_oidc_clients: Vec<ClientMetaDto>,
}

impl GroupDto {
    /// A group with everything around it.
    pub fn new(details: GroupDetails) -> Self {
        Self {
            custom_claims: details.claims,
            users: details.members.iter().map(UserDto::plain).collect(),
            allowed_oidc_clients: details.clients.iter().map(ClientMetaDto::new).collect(),
            ..Self::bare(&details.group)
        }
    }

    /// A group with empty lists, as a person's groups are listed.
    pub fn bare(group: &Group) -> Self {
        Self {
            id: group.id.to_string(),
            friendly_name: group.friendly_name.clone(),
            name: group.name.clone(),
            custom_claims: Vec::new(),
            roles: group.roles,
            ldap_id: group.ldap_id.clone(),
            created_at: group.created_at,
            users: Vec::new(),
            allowed_oidc_clients: Vec::new(),
        }
    }
}

/// A client as everybody may see it (api.md §11.5).
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "ClientMeta")]
pub struct ClientMetaDto {
    id: String,
    name: String,
    description: String,
    has_logo: bool,
    has_dark_logo: bool,
    #[serde(rename = "launchURL")]
    launch_url: Option<String>,
    requires_reauthentication: bool,
    #[schemars(extend("enum" = ["standard", "cimd", "proxy"]))]
    client_type: String,
}

impl ClientMetaDto {
    /// From the admin's view.
    pub fn new(c: &Client) -> Self {
        Self {
            id: c.id.to_string(),
            name: c.name.clone(),
            description: c.description.clone(),
            has_logo: c.has_logo,
            has_dark_logo: c.has_dark_logo,
            launch_url: c.launch_url.clone(),
            requires_reauthentication: c.requires_reauthentication,
            client_type: c.client_type.as_str().to_owned(),
        }
    }
}

impl From<ProtocolClient> for ClientMetaDto {
    fn from(c: ProtocolClient) -> Self {
        Self {
            id: c.id.into_string(),
            name: c.name,
            description: c.description,
            has_logo: c.has_logo,
            has_dark_logo: c.has_dark_logo,
            launch_url: c.launch_url,
            requires_reauthentication: c.requires_reauthentication,
            client_type: c.client_type,
        }
    }
}

impl From<PersonalClient> for ClientMetaDto {
    fn from(c: PersonalClient) -> Self {
        Self {
            id: c.id.into_string(),
            name: c.name,
            description: c.description,
            has_logo: c.has_logo,
            has_dark_logo: c.has_dark_logo,
            launch_url: c.launch_url,
            requires_reauthentication: c.requires_reauthentication,
            client_type: c.client_type,
        }
    }
}

/// A page of a list (api.md §9.2).
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "PageOf{T}")]
pub struct PageDto<T> {
    data: Vec<T>,
    pagination: PaginationDto,
}

#[derive(Clone, Copy, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Pagination")]
struct PaginationDto {
    total_pages: i64,
    total_items: i64,
    current_page: i64,
    items_per_page: i64,
}

impl<T> From<Page<T>> for PageDto<T> {
    fn from(page: Page<T>) -> Self {
        Self {
            pagination: PaginationDto {
                total_pages: Page::<T>::pages(page.total, page.limit),
                total_items: page.total,
                current_page: page.page,
                items_per_page: page.limit,
            },
            data: page.items,
        }
    }
}

/// Where the browser goes next.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Redirect")]
pub struct RedirectDto {
    /// The address.
    pub redirect_url: String,
}

/// A lifetime: a number of seconds, or text like `1h30m` with units ns, us, ms, s, m, h (api.md §4.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ttl(i64);

impl Ttl {
    /// Whole seconds; zero and absent mean the default.
    pub fn secs_or(self, default: i64) -> i64 {
        if self.0 == 0 { default } else { self.0 }
    }

    fn parse(text: &str) -> Option<i64> {
        if text.is_empty() {
            return Some(0);
        }
        let (negative, mut rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if rest == "0" {
            return Some(0);
        }
        let mut nanos: f64 = 0.0;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
            let number: f64 = rest[..digits].parse().ok()?;
            rest = &rest[digits..];
            let unit_len = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
            let scale = match &rest[..unit_len] {
                "ns" => 1.0,
                "us" | "µs" | "μs" => 1e3,
                "ms" => 1e6,
                "s" => 1e9,
                "m" => 60e9,
                "h" => 3600e9,
                _ => return None,
            };
            nanos += number * scale;
            rest = &rest[unit_len..];
        }
        let secs = (nanos / 1e9).trunc();
        if !secs.is_finite() || secs > 1e15 {
            return None;
        }
        // A lifetime below a second is no default: it must be refused as too short.
        #[allow(clippy::cast_possible_truncation, reason = "bounded just above")]
        let whole = if nanos > 0.0 && secs < 1.0 { 1 } else { secs as i64 };
        Some(if negative { -whole } else { whole })
    }
}

impl JsonSchema for Ttl {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Ttl".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": ["string", "integer"],
            "description": "Seconds, or text like `1h30m` (units `s`, `m`, `h`); more than a second, at most 31 days.",
            "examples": ["15m"],
        })
    }
}

impl<'de> Deserialize<'de> for Ttl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Wire {
            Number(f64),
            Text(String),
        }
        let secs = match Wire::deserialize(deserializer)? {
            #[allow(clippy::cast_possible_truncation, reason = "saturates, then fails the range check")]
            Wire::Number(n) => Some(n as i64),
            Wire::Text(text) => Self::parse(&text),
        };
        secs.map(Self)
            .ok_or_else(|| serde::de::Error::custom("a duration like \"15m\" or a number of seconds is expected"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes() {
        for (text, want) in [
            ("15m", Some(900)),
            ("1h30m", Some(5400)),
            ("90s", Some(90)),
            ("1500ms", Some(1)),
            ("", Some(0)),
            ("-1m", Some(-60)),
            ("1d", None),
            ("x", None),
            ("5", None),
        ] {
            assert_eq!(Ttl::parse(text), want, "{text}");
        }
        assert_eq!(serde_json::from_str::<Ttl>("90").unwrap().secs_or(1), 90);
        assert!(serde_json::from_str::<Ttl>("true").is_err());
    }
}
