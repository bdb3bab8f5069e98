//! People, groups, their claims, their passkeys and their API keys.

use std::collections::{BTreeMap, BTreeSet};

use pid_core::api_keys::ApiKey;
use pid_core::claims::{CustomClaim, is_reserved};
use pid_core::groups::Group;
use pid_core::progress::Progress;
use pid_core::users::User;
use pid_core::validate::key;
use pid_core::{ApiKeyId, Ctx, GroupId, PasskeyId, UserId};
use pid_store::passkeys::{self, Passkey};
use pid_store::{WriteTx, api_keys, claims, groups, import as store, users};
use pid_upstream::Data;

use super::report::Report;
use super::{Known, NOWHERE, fresh, made, pointer, user};
use crate::Error;

/// The all-zero AAGUID: nobody said which model it is.
const NO_MODEL: &str = "00000000-0000-0000-0000-000000000000";

#[derive(Default)]
pub(super) struct People {
    pub users: Vec<User>,
    /// Those whose address is another's.
    namesakes: BTreeSet<UserId>,
    groups: Vec<Group>,
    members: Vec<(UserId, GroupId)>,
    user_claims: BTreeMap<UserId, Vec<CustomClaim>>,
    group_claims: BTreeMap<GroupId, Vec<CustomClaim>>,
    passkeys: Vec<Passkey>,
    api_keys: Vec<(ApiKey, [u8; 32])>,
}

pub(super) fn read(
    data: &Data,
    settings: &[(&'static str, String)],
    ctx: &Ctx,
    known: &mut Known,
    report: &mut Report,
) -> People {
    let mut out = People::default();
    // Before 2.2 nobody's address had a state of its own.
    let verified = settings.iter().any(|(key, value)| *key == "emailsVerified" && value == "true");
    let has_state = data.tables.get("users").is_some_and(|t| t.columns.iter().any(|c| c == "email_verified"));
    let (mut names, mut addresses, mut ldap_ids) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for row in data.rows("users") {
        let (Some(id), Some(mut username)) = (row.some_text("id"), row.some_text("username")) else {
            report.left("These people have no id or no name.", row.text("id").unwrap_or_default());
            continue;
        };
        if !known.users.insert(id.clone()) {
            report.left("These ids are there twice; the first row came.", id);
            continue;
        }
        let mut number = 1;
        while !names.insert(key(&username)) {
            number += 1;
            username = format!("{}-{number}", row.text("username").unwrap_or_default());
        }
        if number > 1 {
            report.look("Two people had the same username but for its case, so one got a number.", username.clone());
        }
        let email = row.some_text("email");
        if let Some(email) = &email
            && !addresses.insert(key(email))
        {
            let why =
                "Several people have the same e-mail address. All come; signing in by mail finds the first of them.";
            report.look(why, format!("{username}: {email}"));
            out.namesakes.insert(user(&*id));
        }
        let ldap_id = row.some_text("ldap_id").filter(|id| ldap_ids.insert(id.clone()));
        let created_at = made(&row, ctx);
        let text = |name: &str| row.text(name).unwrap_or_default();
        let person = User {
            id: user(id),
            username,
            email,
            email_verified: if has_state { row.flag("email_verified") } else { verified },
            first_name: text("first_name"),
            last_name: text("last_name"),
            display_name: text("display_name"),
            is_admin: row.flag("is_admin"),
            roles: pid_core::roles::Roles::NONE,
            disabled: row.flag("disabled"),
            locale: row.some_text("locale"),
            ldap_id,
            created_at,
            updated_at: row.time("updated_at").unwrap_or(created_at),
            version: 1,
        };
        out.users.push(person);
    }
    read_groups(data, ctx, known, &mut out, report);
    read_claims(data, known, &mut out, report);
    read_passkeys(data, ctx, known, &mut out, report);
    read_api_keys(data, ctx, known, &mut out, report);
    report.comes("people", out.users.len());
    report.comes("groups", out.groups.len());
    report.comes("memberships", out.members.len());
    let claims = out.user_claims.values().chain(out.group_claims.values()).map(Vec::len).sum();
    report.comes("custom claims", claims);
    report.comes("passkeys", out.passkeys.len());
    report.comes("API keys", out.api_keys.len());
    out
}

fn read_groups(data: &Data, ctx: &Ctx, known: &mut Known, out: &mut People, report: &mut Report) {
    let (mut names, mut ldap_ids) = (BTreeSet::new(), BTreeSet::new());
    for row in data.rows("user_groups") {
        let (Some(id), Some(name)) = (row.some_text("id"), row.some_text("name")) else {
            report.left("These groups have no id or no name.", row.text("id").unwrap_or_default());
            continue;
        };
        if known.groups.contains(&id) || !names.insert(name.clone()) {
            report.left("These groups are there twice; the first of them came.", name);
            continue;
        }
        known.groups.insert(id.clone());
        let created_at = made(&row, ctx);
        out.groups.push(Group {
            id: GroupId::new(id),
            friendly_name: row.some_text("friendly_name").unwrap_or_else(|| name.clone()),
            name,
            ldap_id: row.some_text("ldap_id").filter(|id| ldap_ids.insert(id.clone())),
            roles: pid_core::roles::Roles::NONE,
            created_at,
            updated_at: row.time("updated_at").unwrap_or(created_at),
            version: 1,
        });
    }
    for row in data.rows("user_groups_users") {
        match (pointer(&row, "user_id", &known.users), pointer(&row, "user_group_id", &known.groups)) {
            (Some(person), Some(group)) => out.members.push((user(person), GroupId::new(group))),
            _ => report.left(NOWHERE, "a membership"),
        }
    }
}

fn read_claims(data: &Data, known: &Known, out: &mut People, report: &mut Report) {
    for row in data.rows("custom_claims") {
        let Some(name) = row.some_text("key") else { continue };
        let person = pointer(&row, "user_id", &known.users).map(user);
        let group = pointer(&row, "user_group_id", &known.groups).map(GroupId::new);
        let claims = match (person, group) {
            (Some(person), _) => out.user_claims.entry(person).or_default(),
            (None, Some(group)) => out.group_claims.entry(group).or_default(),
            (None, None) => {
                report.left(NOWHERE, format!("the claim {name}"));
                continue;
            }
        };
        if is_reserved(&name) {
            report.look("These claims have a name of the protocol: they are kept but never released.", name.clone());
        }
        let claim = CustomClaim { key: name, value: row.text("value").unwrap_or_default() };
        match claims.iter_mut().find(|other| other.key == claim.key) {
            Some(other) => {
                report.left(
                    "These claims were there twice for the same person or group; the later one came.",
                    &*claim.key,
                );
                *other = claim;
            }
            None => claims.push(claim),
        }
    }
}

fn read_passkeys(data: &Data, ctx: &Ctx, known: &Known, out: &mut People, report: &mut Report) {
    let (mut ids, mut credential_ids) = (BTreeSet::new(), BTreeSet::new());
    let entropy = ctx.stream("passkeys");
    for row in data.rows("webauthn_credentials") {
        let name = row.some_text("name").unwrap_or_else(|| "Passkey".to_owned());
        let Some(owner) = pointer(&row, "user_id", &known.users) else {
            report.left(NOWHERE, format!("the passkey {name}"));
            continue;
        };
        let (Some(credential_id), Some(public_key)) = (row.bytes("credential_id"), row.bytes("public_key")) else {
            report.left("The keys of these passkeys can't be read.", name);
            continue;
        };
        let alg = match pid_webauthn::algorithm_of(&public_key) {
            Ok(alg) => alg,
            Err(why) => {
                report.left("The keys of these passkeys can't be used.", format!("{name}: {why}"));
                continue;
            }
        };
        if !credential_ids.insert(credential_id.clone()) {
            report.left("These passkeys are there twice; the first of them came.", name);
            continue;
        }
        let transports = row.strings("transport").unwrap_or_else(|_| {
            report.look("How these passkeys are reached can't be read; browsers find them all the same.", &*name);
            Vec::new()
        });
        // As `V20__passkey_policy.sql` guesses it.
        let attachment = match transports.iter().any(|transport| transport == "internal") {
            _ if transports.is_empty() => None,
            true => Some("platform".to_owned()),
            false => Some("cross-platform".to_owned()),
        };
        out.passkeys.push(Passkey {
            id: PasskeyId::new(fresh(&mut ids, row.some_text("id"), &entropy)),
            user_id: user(owner),
            name,
            credential_id,
            public_key,
            alg,
            aaguid: row
                .some_text("aaguid")
                .filter(|id| pid_core::ids::is_uuid(id))
                .map(|id| id.to_ascii_lowercase())
                .unwrap_or_else(|| NO_MODEL.to_owned()),
            sign_count: 0,
            transports,
            attestation_type: row.some_text("attestation_type").unwrap_or_else(|| "none".to_owned()),
            user_verified: true,
            backup_eligible: row.flag("backup_eligible"),
            backup_state: row.flag("backup_state"),
            created_at: made(&row, ctx),
            last_used_at: row.time("last_used_at"),
            version: 1,
            attachment,
        });
    }
}

fn read_api_keys(data: &Data, ctx: &Ctx, known: &Known, out: &mut People, report: &mut Report) {
    let (mut ids, mut hashes) = (BTreeSet::new(), BTreeSet::new());
    let entropy = ctx.stream("api keys");
    for row in data.rows("api_keys") {
        let name = row.text("name").unwrap_or_default();
        let Some(owner) = pointer(&row, "user_id", &known.users) else {
            report.left(NOWHERE, format!("the API key {name}"));
            continue;
        };
        let hash = row.text("key").as_deref().and_then(hash_of_hex).filter(|hash| hashes.insert(*hash));
        let (Some(hash), Some(expires_at)) = (hash, row.time("expires_at")) else {
            report.left("The hashes or ends of these API keys can't be read.", name);
            continue;
        };
        let api_key = ApiKey {
            id: ApiKeyId::new(fresh(&mut ids, row.some_text("id"), &entropy)),
            user_id: user(owner),
            name,
            description: row.some_text("description"),
            scopes: Vec::new(),
            expires_at,
            last_used_at: row.time("last_used_at"),
            created_at: made(&row, ctx),
            expiration_email_sent: row.flag("expiration_email_sent"),
            version: 1,
        };
        out.api_keys.push((api_key, hash));
    }
}

/// SHA-256 in hexadecimal digits.
pub(super) fn hash_of_hex(text: &str) -> Option<[u8; 32]> {
    let digits = text.trim().as_bytes();
    let pairs = digits.chunks(2).map(|pair| {
        let text = std::str::from_utf8(pair).ok().filter(|text| text.len() == 2 && !text.starts_with('+'))?;
        u8::from_str_radix(text, 16).ok()
    });
    pairs.collect::<Option<Vec<u8>>>()?.try_into().ok()
}

impl People {
    /// How many rows count.
    pub(super) fn rows(&self) -> usize {
        self.users.len() + self.groups.len() + self.members.len() + self.passkeys.len()
    }
}

pub(super) fn write(tx: &WriteTx<'_>, people: &People, progress: &Progress) -> Result<(), Error> {
    for person in progress.each(&people.users) {
        if people.namesakes.contains(&person.id) {
            users::insert_namesake(tx, person)?;
        } else {
            users::insert(tx, person)?;
        }
    }
    for group in progress.each(&people.groups) {
        groups::insert(tx, group)?;
    }
    for (person, group) in progress.each(&people.members) {
        store::add_member(tx, person, group)?;
    }
    store::count_members(tx)?;
    for (person, list) in &people.user_claims {
        claims::set_of_user(tx, person, list)?;
    }
    for (group, list) in &people.group_claims {
        claims::set_of_group(tx, group, list)?;
    }
    for passkey in progress.each(&people.passkeys) {
        passkeys::insert(tx, passkey)?;
        if let Some(at) = passkey.last_used_at {
            store::passkey_used(tx, &passkey.id, at)?;
        }
    }
    for (api_key, hash) in &people.api_keys {
        api_keys::insert(tx, api_key, hash)?;
        if let Some(at) = api_key.last_used_at {
            api_keys::used(tx, hash, at)?;
        }
    }
    Ok(())
}
