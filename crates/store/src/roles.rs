//! What people may do besides what everybody may: their own roles, which come with them, and those of their groups.

use pid_core::roles::{Powers, Roles};
use pid_core::users::User;
use pid_core::{GroupId, UserId};

use crate::{ReadTx, StoreError, params, statements};

/// Of a row with a `maker_id`: whether who made it may still do so, now. Nobody in particular always may.
macro_rules! maker_may {
    () => {
        "(maker_id IS NULL OR EXISTS (SELECT 1 FROM users AS makers WHERE makers.id = maker_id AND NOT makers.disabled \
          AND (makers.is_admin OR ' ' || makers.roles || ' ' LIKE '% user-manager %' OR EXISTS (SELECT 1 FROM user_group_members AS theirs \
          JOIN user_groups AS given ON given.id = theirs.group_id WHERE theirs.user_id = makers.id \
          AND ' ' || given.roles || ' ' LIKE '% user-manager %'))))"
    };
}
pub(crate) use maker_may;

statements! {
    OF_GROUPS = "SELECT user_groups.roles FROM user_group_members JOIN user_groups ON user_groups.id = user_group_members.group_id \
        WHERE user_group_members.user_id = $1 AND user_groups.roles <> ''";
    // Few have any, so this is a short list of even a large group.
    MEMBERS_WITH_POWERS = "SELECT users.id, users.is_admin, users.roles FROM user_group_members JOIN users ON users.id = user_group_members.user_id \
        WHERE user_group_members.group_id = $1 AND (users.is_admin OR users.roles <> '' OR EXISTS (SELECT 1 FROM user_group_members AS others \
        JOIN user_groups ON user_groups.id = others.group_id WHERE others.user_id = users.id AND user_groups.roles <> ''))";
}

fn of_groups(tx: &ReadTx<'_>, id: &UserId) -> Result<Roles, StoreError> {
    let rows = tx.query(&OF_GROUPS, params![id.as_str()])?;
    rows.iter().try_fold(Roles::NONE, |all, row| Ok(all.and(Roles::from_words(&row.get::<String>(0)?))))
}

/// All that somebody may do.
pub fn powers(tx: &ReadTx<'_>, user: &User) -> Result<Powers, StoreError> {
    let roles = if user.is_admin { user.roles } else { user.roles.and(of_groups(tx, &user.id)?) };
    Ok(Powers { is_admin: user.is_admin, roles })
}

/// The members of a group who may do something, and what.
pub fn members_with_powers(tx: &ReadTx<'_>, group: &GroupId) -> Result<Vec<(UserId, Powers)>, StoreError> {
    let rows = tx.query(&MEMBERS_WITH_POWERS, params![group.as_str()])?;
    let member = |row: &crate::Row| {
        let (id, is_admin) = (UserId::new(row.get::<String>(0)?), row.get(1)?);
        let own = Roles::from_words(&row.get::<String>(2)?);
        let roles = own.and(of_groups(tx, &id)?);
        Ok((id, Powers { is_admin, roles }))
    };
    rows.iter().map(member).collect()
}
