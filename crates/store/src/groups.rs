//! User groups and their members.

use pid_core::groups::Group;
use pid_core::list::{ListRequest, Page};
use pid_core::roles::Roles;
use pid_core::users::User;
use pid_core::{ClientId, GroupId, SignupTokenId, Timestamp, UserId};

use crate::lists::ListSpec;
use crate::users::{self, user_columns};
use crate::{ReadTx, Row, StoreError, WriteTx, login_codes, params, scim, signup_tokens, statements};

/// The columns of a group in the order of [`from_row`].
macro_rules! group_columns {
    () => {
        "user_groups.id, user_groups.name, user_groups.friendly_name, user_groups.ldap_id, user_groups.created_at, user_groups.updated_at, user_groups.version, user_groups.roles"
    };
}
pub(crate) use group_columns;

statements! {
    BY_ID = concat!("SELECT ", group_columns!(), " FROM user_groups WHERE user_groups.id = $1");
    INSERT = "INSERT INTO user_groups (id, name, friendly_name, ldap_id, created_at, updated_at, version, roles) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    UPDATE = "UPDATE user_groups SET name = $2, friendly_name = $3, updated_at = $4, version = version + 1 WHERE id = $1";
    // Apart from the others, as a person's.
    SET_ROLES = "UPDATE user_groups SET roles = $2 WHERE id = $1";
    MEMBERS_CHANGED = "UPDATE user_groups SET updated_at = $2, version = version + 1, member_count = member_count + $3 WHERE id = $1";
    TOUCH = "UPDATE user_groups SET updated_at = $2, version = version + 1 WHERE id = $1";
    DELETE = "DELETE FROM user_groups WHERE id = $1";
    OF_USER = concat!("SELECT ", group_columns!(), " FROM user_group_members JOIN user_groups ON user_groups.id = user_group_members.group_id \
        WHERE user_group_members.user_id = $1 ORDER BY user_groups.friendly_name, user_groups.id");
    MEMBERS = concat!("SELECT ", user_columns!(), " FROM user_group_members JOIN users ON users.id = user_group_members.user_id \
        WHERE user_group_members.group_id = $1 ORDER BY users.username_key");
    ADD_MEMBER = "INSERT INTO user_group_members (user_id, group_id) SELECT users.id, user_groups.id FROM users, user_groups \
        WHERE users.id = $1 AND user_groups.id = $2 ON CONFLICT (user_id, group_id) DO NOTHING";
    REMOVE_MEMBER = "DELETE FROM user_group_members WHERE user_id = $1 AND group_id = $2";
    CLIENTS = "SELECT client_id FROM client_groups WHERE group_id = $1 ORDER BY client_id";
    ALLOW = "INSERT INTO client_groups (client_id, group_id) SELECT clients.id, user_groups.id FROM clients, user_groups \
        WHERE clients.id = $1 AND user_groups.id = $2 ON CONFLICT (client_id, group_id) DO NOTHING";
    DISALLOW = "DELETE FROM client_groups WHERE client_id = $1 AND group_id = $2";
    OF_CLIENT = concat!("SELECT ", group_columns!(), " FROM client_groups JOIN user_groups ON user_groups.id = client_groups.group_id \
        WHERE client_groups.client_id = $1 ORDER BY user_groups.friendly_name, user_groups.id");
    OF_SIGNUP_TOKEN = concat!("SELECT ", group_columns!(), " FROM signup_token_groups JOIN user_groups ON user_groups.id = signup_token_groups.group_id \
        WHERE signup_token_groups.token_id = $1 ORDER BY user_groups.friendly_name, user_groups.id");
    DISALLOW_ALL = "DELETE FROM client_groups WHERE client_id = $1";
}

/// The list of groups; a row ends with the number of members.
pub static LIST: ListSpec = ListSpec {
    columns: concat!(group_columns!(), ", user_groups.member_count"),
    from: "user_groups",
    base: None,
    search: &["user_groups.name", "user_groups.friendly_name"],
    sort: &[
        ("createdAt", "user_groups.created_at"),
        ("friendlyName", "user_groups.friendly_name"),
        ("name", "user_groups.name"),
        ("userCount", "user_groups.member_count"),
    ],
    filters: &[],
    order: "user_groups.created_at, user_groups.id",
};

pub(crate) fn from_row(row: &Row) -> Result<Group, StoreError> {
    Ok(Group {
        id: GroupId::new(row.get::<String>(0)?),
        name: row.get(1)?,
        friendly_name: row.get(2)?,
        ldap_id: row.get(3)?,
        created_at: Timestamp::from_millis(row.get(4)?),
        updated_at: Timestamp::from_millis(row.get(5)?),
        version: row.get(6)?,
        roles: Roles::from_words(&row.get::<String>(7)?),
    })
}

/// A page of groups with their numbers of members.
pub fn list(tx: &ReadTx<'_>, request: &ListRequest) -> Result<Page<(Group, i64)>, StoreError> {
    LIST.page(tx, request, None, |row| Ok((from_row(row)?, row.get(8)?)))
}

/// A group by id.
pub fn by_id(tx: &ReadTx<'_>, id: &GroupId) -> Result<Option<Group>, StoreError> {
    tx.query_opt(&BY_ID, params![id.as_str()])?.as_ref().map(from_row).transpose()
}

/// Stores a new group. A taken name is [`StoreError::UniqueViolation`].
pub fn insert(tx: &WriteTx<'_>, g: &Group) -> Result<(), StoreError> {
    tx.execute(
        &INSERT,
        params![
            g.id.as_str(),
            g.name.as_str(),
            g.friendly_name.as_str(),
            g.ldap_id.clone(),
            g.created_at.millis(),
            g.updated_at.millis(),
            g.version,
            g.roles.to_words()
        ],
    )?;
    scim::changed(tx, g.updated_at)
}

/// Stores a changed group, but for its roles, and raises its version.
pub fn update(tx: &WriteTx<'_>, g: &Group, now: Timestamp) -> Result<(), StoreError> {
    tx.execute(&UPDATE, params![g.id.as_str(), g.name.as_str(), g.friendly_name.as_str(), now.millis()])?;
    scim::changed(tx, now)
}

/// Changes a group's roles, if they change. When it gives more, its members lose the login codes that others may know.
pub fn set_roles(tx: &WriteTx<'_>, id: &GroupId, before: Roles, after: Roles) -> Result<(), StoreError> {
    if before == after {
        return Ok(());
    }
    tx.execute(&SET_ROLES, params![id.as_str(), after.to_words()])?;
    if before.cover(after) { Ok(()) } else { login_codes::drop_of_members(tx, id) }
}

/// Deletes a group, and the sign-up tokens that lead to it alone: they would lead to the default groups from then on. Tells
/// whether it existed.
pub fn delete(tx: &WriteTx<'_>, id: &GroupId) -> Result<bool, StoreError> {
    for token in signup_tokens::leading_only_to(tx, id)? {
        signup_tokens::delete(tx, &token)?;
    }
    scim::gone(tx)?;
    Ok(tx.execute(&DELETE, params![id.as_str()])? == 1)
}

/// A person's groups by friendly name.
pub fn of_user(tx: &ReadTx<'_>, user: &UserId) -> Result<Vec<Group>, StoreError> {
    tx.query(&OF_USER, params![user.as_str()])?.iter().map(from_row).collect()
}

/// A group's members by username.
pub fn members(tx: &ReadTx<'_>, id: &GroupId) -> Result<Vec<User>, StoreError> {
    tx.query(&MEMBERS, params![id.as_str()])?.iter().map(users::from_row).collect()
}

/// Adds and removes members; unknown ids are passed over. The group counts as changed if anybody came or went. Who comes into
/// a group with roles loses the login codes that others may know.
pub fn set_member(tx: &WriteTx<'_>, user: &UserId, group: &GroupId, member: bool, now: Timestamp) -> Result<(), StoreError> {
    let statement = if member { &ADD_MEMBER } else { &REMOVE_MEMBER };
    if tx.execute(statement, params![user.as_str(), group.as_str()])? > 0 {
        // Both sides show it, so both have changed.
        tx.execute(&MEMBERS_CHANGED, params![group.as_str(), now.millis(), if member { 1_i64 } else { -1 }])?;
        crate::users::touch(tx, user, now)?;
        if member {
            login_codes::drop_if_given(tx, user, group)?;
        }
    }
    Ok(())
}

/// The ids of the clients that list a group.
pub fn client_ids(tx: &ReadTx<'_>, id: &GroupId) -> Result<Vec<ClientId>, StoreError> {
    let rows = tx.query(&CLIENTS, params![id.as_str()])?;
    rows.iter().map(|r| Ok(ClientId::new(r.get::<String>(0)?))).collect()
}

/// Puts a group on a client's list or takes it off; unknown ids are passed over.
pub fn set_allowed(
    tx: &WriteTx<'_>,
    client: &ClientId,
    group: &GroupId,
    allowed: bool,
    now: Timestamp,
) -> Result<(), StoreError> {
    let statement = if allowed { &ALLOW } else { &DISALLOW };
    if tx.execute(statement, params![client.as_str(), group.as_str()])? > 0 {
        tx.execute(&TOUCH, params![group.as_str(), now.millis()])?;
        crate::clients::touch(tx, client, now)?;
        scim::client_changed(tx, client, now)?;
    }
    Ok(())
}

/// The groups that a client lists.
pub fn of_client(tx: &ReadTx<'_>, client: &ClientId) -> Result<Vec<Group>, StoreError> {
    tx.query(&OF_CLIENT, params![client.as_str()])?.iter().map(from_row).collect()
}

/// The groups that a sign-up token leads to.
pub fn of_signup_token(tx: &ReadTx<'_>, id: &SignupTokenId) -> Result<Vec<Group>, StoreError> {
    tx.query(&OF_SIGNUP_TOKEN, params![id.as_str()])?.iter().map(from_row).collect()
}

/// Takes all groups off a client's list.
pub fn disallow_all(tx: &WriteTx<'_>, client: &ClientId) -> Result<(), StoreError> {
    tx.execute(&DISALLOW_ALL, params![client.as_str()])?;
    Ok(())
}
