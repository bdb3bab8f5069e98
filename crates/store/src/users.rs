//! People.

use pid_core::list::{ListRequest, Page};
use pid_core::passkeys::Policy;
use pid_core::roles::Roles;
use pid_core::users::User;
use pid_core::{ClientId, Timestamp, UserId};

use crate::lists::{Filter, ListSpec};
use crate::passkeys::{fits, of_policy};
use crate::{ReadTx, Row, StoreError, Value, WriteTx, grants, login_codes, params, scim, statements};

/// The columns of a user in the order of [`from_row`]; every query of users begins with them.
macro_rules! user_columns {
    () => {
        "users.id, users.username, users.email, users.email_verified, users.first_name, users.last_name, users.display_name, \
         users.is_admin, users.disabled, users.locale, users.ldap_id, users.created_at, users.updated_at, users.version, users.roles"
    };
}
pub(crate) use user_columns;
/// How many they are.
pub(crate) const COLUMNS: usize = 15;

statements! {
    BY_ID = concat!("SELECT ", user_columns!(), " FROM users WHERE users.id = $1");
    WITH_CONSENT = concat!("SELECT ", user_columns!(), ", consents.keys FROM users \
        LEFT JOIN consents ON consents.user_id = users.id AND consents.client_id = $2 WHERE users.id = $1");
    BY_USERNAME = concat!("SELECT ", user_columns!(), " FROM users WHERE users.username_key = $1");
    BY_EMAIL = concat!("SELECT ", user_columns!(), " FROM users WHERE users.email_key = $1");
    ANY_PERSON = "SELECT 1 FROM users WHERE id <> $1 LIMIT 1";
    INSERT = "INSERT INTO users (id, username, username_key, email, email_key, email_verified, first_name, last_name, display_name, \
        is_admin, disabled, locale, ldap_id, created_at, updated_at, version, search_key, roles) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)";
    UPDATE = "UPDATE users SET username = $2, username_key = $3, email = $4, email_key = $5, email_verified = $6, first_name = $7, \
        last_name = $8, display_name = $9, is_admin = $10, disabled = $11, locale = $12, updated_at = $13, search_key = $14, version = version + 1 WHERE id = $1";
    // Apart from the others: a name that this version doesn't know stays until somebody changes the roles.
    SET_ROLES = "UPDATE users SET roles = $2 WHERE id = $1";
    LEAVE_GROUPS = "UPDATE user_groups SET member_count = member_count - 1 \
        WHERE id IN (SELECT group_id FROM user_group_members WHERE user_id = $1)";
    DELETE = "DELETE FROM users WHERE id = $1";
    OTHER_ADMIN_WHO_CAN_SIGN_IN = concat!(
        "SELECT 1 FROM users WHERE id <> $1 AND id <> $2 AND is_admin AND NOT disabled \
         AND EXISTS (SELECT 1 FROM passkeys WHERE passkeys.user_id = users.id AND ",
        fits!("$3", "$4", "$5", "$6", "$7"), ") LIMIT 1"
    );
    ADMINS_WHO_CAN_SIGN_IN = concat!(
        "SELECT id FROM users WHERE id <> $1 AND is_admin AND NOT disabled \
         AND EXISTS (SELECT 1 FROM passkeys WHERE passkeys.user_id = users.id AND ",
        fits!("$2", "$3", "$4", "$5", "$6"), ")"
    );
    CAN_SIGN_IN = concat!("SELECT 1 FROM passkeys WHERE passkeys.user_id = $1 AND ", fits!("$2", "$3", "$4", "$5", "$6"), " LIMIT 1");
    ADMINS = concat!("SELECT ", user_columns!(), " FROM users WHERE users.is_admin = TRUE AND NOT users.disabled AND users.email IS NOT NULL \
        ORDER BY users.created_at LIMIT $1");
    TOUCH = "UPDATE users SET updated_at = $2, version = version + 1 WHERE id = $1";
}

/// The list of people.
pub static LIST: ListSpec = ListSpec {
    columns: user_columns!(),
    from: "users",
    base: None,
    search: &["users.search_key"],
    sort: &[
        ("createdAt", "users.created_at"),
        ("username", "users.username_key"),
        ("email", "users.email_key"),
        ("emailVerified", "users.email_verified"),
        ("firstName", "users.first_name"),
        ("lastName", "users.last_name"),
        ("displayName", "users.display_name"),
        ("isAdmin", "users.is_admin"),
        ("disabled", "users.disabled"),
    ],
    filters: &[
        // The rarest first.
        ("isAdmin", Filter::Bool("users.is_admin")),
        ("disabled", Filter::Bool("users.disabled")),
        ("emailVerified", Filter::Bool("users.email_verified")),
    ],
    order: "users.created_at, users.id",
};

/// A page of people.
pub fn list(tx: &ReadTx<'_>, request: &ListRequest) -> Result<Page<User>, StoreError> {
    LIST.page(tx, request, None, from_row)
}

/// Marks a person as changed: their groups or claims did.
pub fn touch(tx: &WriteTx<'_>, id: &UserId, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(&TOUCH, params![id.as_str(), now.millis()])?;
    scim::changed(tx, now)
}

/// Reads a user from the columns of [`user_columns!`].
pub(crate) fn from_row(row: &Row) -> Result<User, StoreError> {
    Ok(User {
        id: UserId::new(row.get::<String>(0)?),
        username: row.get(1)?,
        email: row.get(2)?,
        email_verified: row.get(3)?,
        first_name: row.get(4)?,
        last_name: row.get(5)?,
        display_name: row.get(6)?,
        is_admin: row.get(7)?,
        disabled: row.get(8)?,
        locale: row.get(9)?,
        ldap_id: row.get(10)?,
        created_at: Timestamp::from_millis(row.get(11)?),
        updated_at: Timestamp::from_millis(row.get(12)?),
        version: row.get(13)?,
        roles: Roles::from_words(&row.get::<String>(14)?),
    })
}

/// A user by id.
pub fn by_id(tx: &ReadTx<'_>, id: &UserId) -> Result<Option<User>, StoreError> {
    tx.query_opt(&BY_ID, params![id.as_str()])?.as_ref().map(from_row).transpose()
}

/// The keys of what somebody agreed to.
pub type ConsentKeys = Vec<String>;

/// A user by id, with what they agreed to at a client, if they were ever asked.
pub fn with_consent(
    tx: &ReadTx<'_>,
    id: &UserId,
    client: &ClientId,
) -> Result<Option<(User, Option<ConsentKeys>)>, StoreError> {
    let Some(row) = tx.query_opt(&WITH_CONSENT, params![id.as_str(), client.as_str()])? else { return Ok(None) };
    let keys = row.get::<Option<String>>(COLUMNS)?;
    Ok(Some((from_row(&row)?, keys.map(|keys| serde_json::from_str(&keys).unwrap_or_default()))))
}

/// A user by username, without regard to case.
pub fn by_username(tx: &ReadTx<'_>, username: &str) -> Result<Option<User>, StoreError> {
    tx.query_opt(&BY_USERNAME, params![pid_core::validate::key(username)])?.as_ref().map(from_row).transpose()
}

/// A user by e-mail address, without regard to case.
pub fn by_email(tx: &ReadTx<'_>, email: &str) -> Result<Option<User>, StoreError> {
    tx.query_opt(&BY_EMAIL, params![pid_core::validate::key(email)])?.as_ref().map(from_row).transpose()
}

/// Whether anybody but the static API user exists: if not, the instance waits for its first run.
pub fn any_person(tx: &ReadTx<'_>) -> Result<bool, StoreError> {
    Ok(tx.query_opt(&ANY_PERSON, params![pid_core::ids::STATIC_API_USER])?.is_some())
}

/// Whether an enabled admin exists other than this one (and the static API user), with a passkey that the policy lets be
/// used.
pub fn other_admin(tx: &ReadTx<'_>, id: &UserId, policy: &Policy) -> Result<bool, StoreError> {
    let mut params = vec![Value::from(id.as_str()), pid_core::ids::STATIC_API_USER.into()];
    params.extend(of_policy(policy));
    Ok(tx.query_opt(&OTHER_ADMIN_WHO_CAN_SIGN_IN, &params)?.is_some())
}

/// All enabled admins (but the static API user) with a passkey that the policy lets be used.
pub fn admins_who_can_sign_in(tx: &ReadTx<'_>, policy: &Policy) -> Result<Vec<UserId>, StoreError> {
    let mut params = vec![pid_core::ids::STATIC_API_USER.into()];
    params.extend(of_policy(policy));
    let rows = tx.query(&ADMINS_WHO_CAN_SIGN_IN, &params)?;
    rows.iter().map(|row| Ok(UserId::new(row.get::<String>(0)?))).collect()
}

/// Whether somebody has a passkey that the policy lets be used.
pub fn can_sign_in(tx: &ReadTx<'_>, id: &UserId, policy: &Policy) -> Result<bool, StoreError> {
    let mut params = vec![Value::from(id.as_str())];
    params.extend(of_policy(policy));
    Ok(tx.query_opt(&CAN_SIGN_IN, &params)?.is_some())
}

/// Administrators who can be written to, the first `limit` of them.
pub fn admins(tx: &ReadTx<'_>, limit: i64) -> Result<Vec<User>, StoreError> {
    tx.query(&ADMINS, params![limit])?.iter().map(from_row).collect()
}

/// What a search looks into, in lower case, a line each, without those that are part of another: a search reads it of
/// everybody. As much of it as an entry of an index may hold on PostgreSQL.
fn search_key(u: &User) -> String {
    let email = u.email.as_deref().unwrap_or_default();
    let mut lines: Vec<String> = Vec::new();
    for line in [&u.display_name, email, &u.username, &u.first_name, &u.last_name] {
        let line = line.to_lowercase();
        if !lines.iter().any(|known| known.contains(&line)) {
            lines.push(line);
        }
    }
    lines.join("\n").chars().take(600).collect()
}

/// Stores a new user. A taken name or address is [`StoreError::UniqueViolation`].
pub fn insert(tx: &WriteTx<'_>, u: &User) -> Result<(), StoreError> {
    put(tx, u, u.email.as_deref().map(pid_core::validate::key))
}

/// Stores a new user who has the address of another: nobody is found by it, and whoever saves them must change it. Such
/// people come with an import.
pub fn insert_namesake(tx: &WriteTx<'_>, u: &User) -> Result<(), StoreError> {
    put(tx, u, None)
}

fn put(tx: &WriteTx<'_>, u: &User, email_key: Option<String>) -> Result<(), StoreError> {
    tx.execute(
        &INSERT,
        params![
            u.id.as_str(),
            u.username.as_str(),
            pid_core::validate::key(&u.username),
            u.email.clone(),
            email_key,
            u.email_verified,
            u.first_name.as_str(),
            u.last_name.as_str(),
            u.display_name.as_str(),
            u.is_admin,
            u.disabled,
            u.locale.clone(),
            u.ldap_id.clone(),
            u.created_at.millis(),
            u.updated_at.millis(),
            u.version,
            search_key(u),
            u.roles.to_words()
        ],
    )?;
    scim::changed(tx, u.updated_at)
}

/// Stores a changed user, but for the roles, and raises its version. Tells whether it existed. Who becomes an administrator
/// loses the login codes that others may know.
pub fn update(tx: &WriteTx<'_>, u: &User, now: Timestamp) -> Result<bool, StoreError> {
    if u.is_admin {
        login_codes::drop_unless_admin(tx, &u.id)?;
    }
    let n = tx.execute(
        &UPDATE,
        params![
            u.id.as_str(),
            u.username.as_str(),
            pid_core::validate::key(&u.username),
            u.email.clone(),
            u.email.as_deref().map(pid_core::validate::key),
            u.email_verified,
            u.first_name.as_str(),
            u.last_name.as_str(),
            u.display_name.as_str(),
            u.is_admin,
            u.disabled,
            u.locale.clone(),
            now.millis(),
            search_key(u)
        ],
    )?;
    scim::changed(tx, now)?;
    Ok(n == 1)
}

/// Changes a person's roles, if they change. Who gets one loses the login codes that others may know.
pub fn set_roles(tx: &WriteTx<'_>, id: &UserId, before: Roles, after: Roles) -> Result<(), StoreError> {
    if before == after {
        return Ok(());
    }
    tx.execute(&SET_ROLES, params![id.as_str(), after.to_words()])?;
    if before.cover(after) { Ok(()) } else { login_codes::drop_of_user(tx, id) }
}

/// Deletes a user and all that hangs on them. Tells whether they existed.
pub fn delete(tx: &WriteTx<'_>, id: &UserId) -> Result<bool, StoreError> {
    tx.execute(&LEAVE_GROUPS, params![id.as_str()])?;
    scim::gone(tx)?;
    grants::drop_codes_of_user(tx, id)?;
    Ok(tx.execute(&DELETE, params![id.as_str()])? == 1)
}
