//! The original program's schema at the version that is written, and what older ones had beside it (ops.md §4.3, §5.6).

use crate::data::Data;
use Kind::{Bytes, Flag, Int, Json, Text, Time};

/// The schema's version that archives are written in: that of release 2.14.
pub const VERSION: u64 = 20_260_814_120_000;

/// The order in which rows must be inserted where they depend on each other.
pub(crate) const ORDER: &[&str] = &[
    "users",
    "user_groups",
    "oidc_clients",
    "oauth2_sessions",
    "signup_tokens",
    "apis",
    "api_permissions",
    "oidc_clients_allowed_apis",
    "oidc_clients_allowed_api_permissions",
];

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// A flag.
    Flag,
    /// A whole number.
    Int,
    /// A moment.
    Time,
    /// Bytes.
    Bytes,
    /// JSON, kept as bytes.
    Json,
}

/// The tables of [`VERSION`] with their columns.
#[rustfmt::skip]
pub const TABLES: &[(&str, &[(&str, Kind)])] = &[
    ("api_keys", &[
        ("id", Text), ("name", Text), ("key", Text), ("description", Text), ("expires_at", Time),
        ("last_used_at", Time), ("created_at", Time), ("user_id", Text), ("expiration_email_sent", Flag),
    ]),
    ("api_permissions", &[
        ("id", Text), ("created_at", Time), ("api_id", Text), ("key", Text), ("name", Text),
        ("description", Text), ("allowed_for_cimd_clients", Flag),
    ]),
    ("apis", &[
        ("id", Text), ("created_at", Time), ("updated_at", Time), ("name", Text), ("audience", Text),
        ("allow_cimd_clients", Flag),
    ]),
    ("audit_logs", &[
        ("id", Text), ("created_at", Time), ("event", Text), ("ip_address", Text), ("user_agent", Text),
        ("data", Json), ("user_id", Text), ("country", Text), ("city", Text),
    ]),
    ("custom_claims", &[
        ("id", Text), ("created_at", Time), ("key", Text), ("value", Text), ("user_id", Text),
        ("user_group_id", Text),
    ]),
    ("interaction_sessions", &[
        ("id", Text), ("created_at", Time), ("consent_required", Flag), ("reauthentication_required", Flag),
        ("authentication_required", Flag), ("account_selection_required", Flag), ("scopes", Json),
        ("client_id", Text), ("user_id", Text), ("requested_at", Time), ("reauthenticated_at", Time),
        ("parameters", Json),
    ]),
    ("kv", &[
        ("key", Text), ("value", Text),
    ]),
    ("oauth2_jtis", &[
        ("id", Text), ("created_at", Time), ("jti", Text), ("expires_at", Time),
    ]),
    ("oauth2_sessions", &[
        ("id", Text), ("created_at", Time), ("kind", Text), ("key", Text), ("request_id", Text),
        ("client_id", Text), ("access_token_signature", Text), ("active", Flag), ("request_data", Json),
        ("expires_at", Time),
    ]),
    ("oidc_clients", &[
        ("id", Text), ("created_at", Time), ("name", Text), ("callback_urls", Json), ("image_type", Text),
        ("created_by_id", Text), ("is_public", Flag), ("pkce_enabled", Flag), ("logout_callback_urls", Json),
        ("credentials", Json), ("launch_url", Text), ("requires_reauthentication", Flag),
        ("dark_image_type", Text), ("is_group_restricted", Flag),
        ("requires_pushed_authorization_requests", Flag), ("skip_consent", Flag), ("pkce_supported", Flag),
        ("description", Text), ("client_type", Text), ("metadata_expires_at", Time),
        ("metadata_grant_types", Json), ("access_token_duration_minutes", Int),
        ("refresh_token_duration_minutes", Int),
    ]),
    ("oidc_clients_allowed_api_permissions", &[
        ("oidc_client_id", Text), ("api_permission_id", Text), ("subject_type", Text),
    ]),
    ("oidc_clients_allowed_apis", &[
        ("oidc_client_id", Text), ("api_id", Text), ("subject_type", Text),
    ]),
    ("oidc_clients_allowed_user_groups", &[
        ("user_group_id", Text), ("oidc_client_id", Text),
    ]),
    ("reauthentication_tokens", &[
        ("id", Text), ("created_at", Time), ("token", Text), ("expires_at", Time), ("user_id", Text),
    ]),
    ("scim_service_providers", &[
        ("id", Text), ("created_at", Time), ("endpoint", Text), ("token", Text), ("last_synced_at", Time),
        ("oidc_client_id", Text),
    ]),
    ("storage", &[
        ("path", Text), ("data", Bytes), ("size", Int), ("mod_time", Time), ("created_at", Time),
    ]),
    ("user_authorized_oidc_clients", &[
        ("scope", Json), ("user_id", Text), ("client_id", Text), ("last_used_at", Time),
    ]),
    ("user_groups", &[
        ("id", Text), ("created_at", Time), ("friendly_name", Text), ("name", Text), ("ldap_id", Text),
        ("updated_at", Time),
    ]),
    ("user_groups_users", &[
        ("user_id", Text), ("user_group_id", Text),
    ]),
    ("users", &[
        ("id", Text), ("created_at", Time), ("updated_at", Time), ("username", Text), ("email", Text),
        ("first_name", Text), ("last_name", Text), ("display_name", Text), ("is_admin", Flag),
        ("ldap_id", Text), ("locale", Text), ("disabled", Flag), ("email_verified", Flag),
    ]),
    ("webauthn_credentials", &[
        ("id", Text), ("created_at", Time), ("name", Text), ("credential_id", Bytes), ("public_key", Bytes),
        ("attestation_type", Text), ("transport", Json), ("user_id", Text), ("backup_eligible", Flag),
        ("backup_state", Flag),
    ]),
    ("webauthn_sessions", &[
        ("id", Text), ("created_at", Time), ("challenge", Text), ("expires_at", Time),
        ("user_verification", Text), ("credential_params", Json),
    ]),
];

/// What older versions had in other places, or did not have to keep.
const OLDER: &[(&str, &[&str])] = &[
    ("app_config_variables", &["key", "value", "type", "is_public", "is_internal", "default_value"]),
    ("email_verification_tokens", &["id", "created_at", "token", "expires_at", "user_id"]),
    ("oidc_clients", &["secret", "allowed_user_groups"]),
    ("one_time_access_tokens", &["id", "created_at", "token", "device_token", "expires_at", "user_id"]),
    ("oidc_authorization_codes", &[]),
    ("oidc_device_codes", &[]),
    ("oidc_pushed_authorization_requests", &[]),
    ("oidc_refresh_tokens", &[]),
    ("signup_tokens", &["id", "created_at", "token", "expires_at", "usage_limit", "usage_count"]),
    ("signup_tokens_user_groups", &["signup_token_id", "user_group_id"]),
    ("webauthn_credentials", &["sign_count", "aaguid"]),
];

/// Tables of others in the same database, which say nothing of people or clients.
const NOT_DATA: &[&str] = &["schema_migrations", "sqlite_sequence"];

/// Releases by the first schema version of each.
const RELEASES: &[(u64, &str)] = &[
    (20_251_229_173_100, "2.0.0"),
    (20_260_102_231_700, "2.0.1"),
    (20_260_103_142_200, "2.0.2"),
    (20_260_104_190_900, "2.1"),
    (20_260_109_090_200, "2.2"),
    (20_260_304_090_200, "2.4"),
    (20_260_418_120_000, "2.6"),
    (20_260_518_222_000, "2.8"),
    (20_260_601_154_900, "2.9"),
    (20_260_708_120_000, "2.10"),
    (20_260_708_130_000, "2.11"),
    (20_260_727_120_000, "2.12"),
    (20_260_802_120_000, "2.13"),
    (VERSION, "2.14"),
];

/// The oldest schema whose export there is.
pub(crate) const OLDEST: u64 = 20_251_001_000_000;

/// The release that made a schema, in words.
#[must_use]
pub fn release(version: u64) -> String {
    match RELEASES.iter().rev().find(|(first, _)| *first <= version) {
        Some((first, _)) if *first == VERSION && version > VERSION => format!("newer than 2.14 (schema {version})"),
        Some((_, name)) => format!("{name} (schema {version})"),
        None => format!("before 2.0 (schema {version})"),
    }
}

/// What a column of [`TABLES`] holds.
#[must_use]
pub fn kind(table: &str, column: &str) -> Option<Kind> {
    let (_, columns) = TABLES.iter().find(|(name, _)| *name == table)?;
    columns.iter().find(|(name, _)| *name == column).map(|(_, kind)| *kind)
}

/// Tables and columns with something in them that no known version has, by name.
#[must_use]
pub fn unknown(data: &Data) -> Vec<String> {
    let mut out = Vec::new();
    for (name, table) in &data.tables {
        if table.rows.is_empty() || NOT_DATA.contains(&name.as_str()) || name.starts_with("francis_") {
            continue;
        }
        let now = TABLES.iter().find(|(known, _)| known == name).map(|(_, columns)| *columns);
        let before = OLDER.iter().find(|(known, _)| known == name).map(|(_, columns)| *columns);
        if now.is_none() && before.is_none() {
            out.push(format!("the table {name} with {} rows", table.rows.len()));
            continue;
        }
        // Of tables that only older versions had, every column is one of theirs.
        let Some(now) = now else { continue };
        let known = |column: &str| {
            now.iter().any(|(known, _)| *known == column) || before.is_some_and(|names| names.contains(&column))
        };
        for (at, column) in table.columns.iter().enumerate().filter(|(_, column)| !known(column)) {
            let says = |row: &Vec<crate::Cell>| row.get(at).is_some_and(|cell| *cell != crate::Cell::Null);
            if table.rows.iter().any(says) {
                out.push(format!("the column {name}.{column}"));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cell, Table};

    #[test]
    fn versions_have_names() {
        assert_eq!(release(VERSION), "2.14 (schema 20260814120000)");
        assert_eq!(release(20_260_110_000_000), "2.2 (schema 20260110000000)");
        assert!(release(VERSION + 1).starts_with("newer than 2.14"));
        assert!(release(20_240_101_000_000).starts_with("before 2.0"));
    }

    #[test]
    fn what_is_not_known_is_named_if_it_says_something() {
        let mut data = Data::default();
        let row = |cells: &[Cell]| vec![cells.to_vec()];
        let table = |columns: &[&str], cells: &[Cell]| Table { rows: row(cells), ..Table::with(columns) };
        data.tables.insert(
            "users".to_owned(),
            table(&["id", "star_sign", "shoe_size"], &[Cell::Null, Cell::Int(1), Cell::Null]),
        );
        data.tables.insert("robots".to_owned(), table(&["id"], &[Cell::Int(1)]));
        data.tables.insert("signup_tokens".to_owned(), table(&["anything"], &[Cell::Int(1)]));
        data.tables.insert("francis_hosts".to_owned(), table(&["id"], &[Cell::Int(1)]));
        data.tables.insert("empty".to_owned(), Table::with(&["id"]));
        assert_eq!(unknown(&data), ["the table robots with 1 rows", "the column users.star_sign"]);
        assert_eq!(kind("users", "is_admin"), Some(Flag));
    }
}
