//! People, groups, their claims, passkeys and API keys.

use pid_core::ids::STATIC_API_USER;
use pid_core::secret::sha256;
use pid_core::{Entropy, Timestamp};
use pid_store::{ReadTx, export as store};
use pid_upstream::{Cell, Data};

use super::{add, hex, json, some, some_time, text, time};
use crate::Error;
use crate::import::Report;

const ROLES: &str = "There are administrators only: these people go without their role.";
const ROLES_OF_GROUPS: &str = "Groups give no role there: the members of these go without.";

pub(super) fn read(tx: &ReadTx<'_>, data: &mut Data, report: &mut Report) -> Result<(), Error> {
    let mut users = store::users(tx)?;
    // Made anew wherever a static key is configured.
    users.retain(|(user, _)| user.id.as_str() != STATIC_API_USER);
    report.comes("people", users.len());
    for (user, shares_address) in users {
        if shares_address {
            let why =
                "These people share their e-mail address with somebody, which can't be there: they go without one.";
            report.left(why, format!("{}: {}", user.username, user.email.as_deref().unwrap_or_default()));
        }
        for role in user.roles.iter() {
            report.left(ROLES, format!("{}: {}", user.username, role.as_str()));
        }
        let email = user.email.as_deref().filter(|_| !shares_address);
        let cells = vec![
            ("id", text(user.id.as_str())),
            ("created_at", time(user.created_at)),
            ("updated_at", changed(user.created_at, user.updated_at)),
            ("username", text(&*user.username)),
            ("email", some(email)),
            ("first_name", text(&*user.first_name)),
            ("last_name", text(&*user.last_name)),
            ("display_name", text(&*user.display_name)),
            ("is_admin", Cell::Bool(user.is_admin)),
            ("ldap_id", some(user.ldap_id.as_deref())),
            ("locale", some(user.locale.as_deref())),
            ("disabled", Cell::Bool(user.disabled)),
            ("email_verified", Cell::Bool(user.email_verified)),
        ];
        add(data, "users", cells)?;
    }
    let groups = store::groups(tx)?;
    report.comes("groups", groups.len());
    for group in groups {
        for role in group.roles.iter() {
            report.left(ROLES_OF_GROUPS, format!("{}: {}", group.name, role.as_str()));
        }
        let cells = vec![
            ("id", text(group.id.as_str())),
            ("created_at", time(group.created_at)),
            ("updated_at", changed(group.created_at, group.updated_at)),
            ("name", text(&*group.name)),
            ("friendly_name", text(&*group.friendly_name)),
            ("ldap_id", some(group.ldap_id.as_deref())),
        ];
        add(data, "user_groups", cells)?;
    }
    for (user, group) in store::members(tx)? {
        add(data, "user_groups_users", vec![("user_id", text(user)), ("user_group_id", text(group))])?;
    }
    claims(tx, data, report)?;
    passkeys(tx, data, report)?;
    api_keys(tx, data, report)
}

/// When something was changed; what never was has no such moment there.
fn changed(created_at: Timestamp, updated_at: Timestamp) -> Cell {
    some_time(Some(updated_at).filter(|at| *at != created_at))
}

fn claims(tx: &ReadTx<'_>, data: &mut Data, report: &mut Report) -> Result<(), Error> {
    let of_users = store::user_claims(tx)?.into_iter().map(|claim| ("user_id", claim));
    let of_groups = store::group_claims(tx)?.into_iter().map(|claim| ("user_group_id", claim));
    let all: Vec<_> = of_users.chain(of_groups).collect();
    report.comes("custom claims", all.len());
    for (column, (owner, key, value)) in all {
        // Claims have no id here; the same claim gets the same one each time.
        let id = Entropy::new(pid_core::Seed(sha256(format!("{column} {owner} {key}").as_bytes()))).uuid();
        add(
            data,
            "custom_claims",
            vec![("id", text(id)), (column, text(owner)), ("key", text(key)), ("value", text(value))],
        )?;
    }
    Ok(())
}

fn passkeys(tx: &ReadTx<'_>, data: &mut Data, report: &mut Report) -> Result<(), Error> {
    let passkeys = store::passkeys(tx)?;
    report.comes("passkeys", passkeys.len());
    for passkey in passkeys {
        let cells = vec![
            ("id", text(passkey.id.as_str())),
            ("created_at", time(passkey.created_at)),
            ("name", text(passkey.name)),
            ("credential_id", Cell::Bytes(passkey.credential_id)),
            ("public_key", Cell::Bytes(passkey.public_key)),
            ("attestation_type", text(passkey.attestation_type.chars().take(20).collect::<String>())),
            ("transport", json(passkey.transports)),
            ("user_id", text(passkey.user_id.as_str())),
            ("backup_eligible", Cell::Bool(passkey.backup_eligible)),
            ("backup_state", Cell::Bool(passkey.backup_state)),
        ];
        add(data, "webauthn_credentials", cells)?;
    }
    Ok(())
}

fn api_keys(tx: &ReadTx<'_>, data: &mut Data, report: &mut Report) -> Result<(), Error> {
    let (limited, whole): (Vec<_>, Vec<_>) =
        store::api_keys(tx)?.into_iter().partition(|(key, _)| !key.scopes.is_empty());
    for (key, _) in limited {
        report.left("API keys with limits stay here: there they would have none.", key.name);
    }
    report.comes("API keys", whole.len());
    for (key, hash) in whole {
        let cells = vec![
            ("id", text(key.id.as_str())),
            ("name", text(key.name)),
            ("key", text(hex(&hash))),
            ("description", some(key.description.as_deref())),
            ("expires_at", time(key.expires_at)),
            ("last_used_at", some_time(key.last_used_at)),
            ("created_at", time(key.created_at)),
            ("user_id", text(key.user_id.as_str())),
            ("expiration_email_sent", Cell::Bool(key.expiration_email_sent)),
        ];
        add(data, "api_keys", cells)?;
    }
    Ok(())
}
