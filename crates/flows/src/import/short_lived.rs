//! What lives for days at most: sign-up tokens, login codes, proofs of addresses. What lives for minutes stays behind and is
//! named.

use std::collections::BTreeSet;

use pid_core::codes::folded;
use pid_core::secret::sha256;
use pid_core::{Ctx, SignupTokenId, Timestamp, UserId};
use pid_store::signup_tokens::{self, SignupToken};
use pid_store::{WriteTx, email_verifications, login_codes};
use pid_upstream::Data;
use serde_json::Value;

use super::people::hash_of_hex;
use super::report::Report;
use super::{Keys, Known, fresh, made, moment, user};
use crate::Error;

struct LoginCode {
    id: String,
    hash: [u8; 32],
    user: UserId,
    created_at: Timestamp,
    expires_at: Timestamp,
    device: Option<[u8; 32]>,
}

#[derive(Default)]
pub(super) struct ShortLived {
    signup_tokens: Vec<(SignupToken, [u8; 32], Vec<String>)>,
    login_codes: Vec<LoginCode>,
    proofs: Vec<(UserId, [u8; 32], String, Timestamp)>,
}

/// A sign-up token wherever it was found.
struct Found {
    id: Option<String>,
    token: String,
    usage_limit: i64,
    usage_count: i64,
    created_at: Timestamp,
    expires_at: Timestamp,
    groups: Vec<String>,
}

pub(super) fn read(data: &Data, keys: &Keys, ctx: &Ctx, known: &Known, report: &mut Report) -> ShortLived {
    let mut out = ShortLived::default();
    let entropy = ctx.stream("sign-up tokens");
    let (mut values, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for found in signups(data, ctx) {
        if found.expires_at <= ctx.now || !values.insert(found.token.clone()) {
            continue;
        }
        let id = fresh(&mut ids, found.id, &entropy);
        let Ok(sealed) = pid_jose::seal(&keys.signup_token_key, id.as_bytes(), found.token.as_bytes()) else {
            continue;
        };
        let stored = SignupToken {
            id: SignupTokenId::new(id),
            sealed,
            usage_limit: found.usage_limit.max(1),
            usage_count: found.usage_count.max(0),
            created_at: found.created_at,
            expires_at: found.expires_at,
        };
        let groups = found.groups.into_iter().filter(|id| known.groups.contains(id)).collect();
        out.signup_tokens.push((stored, sha256(found.token.as_bytes()), groups));
    }
    read_codes(data, ctx, known, &mut out);
    read_proofs(data, ctx, known, &mut out);
    report.comes("sign-up tokens", out.signup_tokens.len());
    report.comes("login codes", out.login_codes.len());
    name_the_rest(data, ctx, report);
    out
}

/// Sign-up tokens: states of actors since 2.12, before that rows, in between a frozen list. That list stays for ever, so it
/// counts only where no server has run since: actors would not bring back what was revoked or used up.
fn signups(data: &Data, ctx: &Ctx) -> Vec<Found> {
    let mut out: Vec<Found> = data
        .actors("SignupToken")
        .filter_map(|actor| {
            Some(Found {
                id: actor.text("ID").map(str::to_owned),
                token: actor.id.clone(),
                usage_limit: actor.int("UsageLimit").unwrap_or(1),
                usage_count: actor.int("UsageCount").unwrap_or(0),
                created_at: actor.time("CreatedAt").unwrap_or(ctx.now),
                expires_at: actor.time("ExpiresAt").or(actor.expires_at)?,
                groups: actor.list("UserGroupIDs").to_vec(),
            })
        })
        .collect();
    let frozen = data.fact("signup_tokens_migrated").filter(|_| data.actors("AppConfig").next().is_none());
    let frozen = frozen.and_then(|json| serde_json::from_str::<Vec<Value>>(&json).ok());
    out.extend(frozen.unwrap_or_default().iter().filter_map(|token| {
        Some(Found {
            id: token["id"].as_str().map(str::to_owned),
            token: token["token"].as_str()?.to_owned(),
            usage_limit: token["usageLimit"].as_i64().unwrap_or(1),
            usage_count: token["usageCount"].as_i64().unwrap_or(0),
            created_at: moment(&token["createdAt"]).unwrap_or(ctx.now),
            expires_at: moment(&token["expiresAt"])?,
            groups: token["userGroupIds"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
        })
    }));
    out.extend(data.rows("signup_tokens").filter_map(|row| {
        let id = row.some_text("id")?;
        let groups =
            data.rows("signup_tokens_user_groups").filter(|group| group.text("signup_token_id").as_ref() == Some(&id));
        Some(Found {
            token: row.some_text("token")?,
            usage_limit: row.int("usage_limit").unwrap_or(1),
            usage_count: row.int("usage_count").unwrap_or(0),
            created_at: made(&row, ctx),
            expires_at: row.time("expires_at")?,
            groups: groups.filter_map(|group| group.text("user_group_id")).collect(),
            id: Some(id),
        })
    }));
    out
}

fn read_codes(data: &Data, ctx: &Ctx, known: &Known, out: &mut ShortLived) {
    let entropy = ctx.stream("login codes");
    let actors = data.actors("OneTimeAccessToken").map(|actor| {
        let expires_at = actor.time("ExpiresAt").or(actor.expires_at);
        let text = |name: &str| actor.text(name).map(str::to_owned);
        (Some(actor.id.clone()), text("UserID"), text("DeviceToken"), expires_at)
    });
    let rows = data.rows("one_time_access_tokens").map(|row| {
        (row.some_text("token"), row.some_text("user_id"), row.some_text("device_token"), row.time("expires_at"))
    });
    let mut hashes = BTreeSet::new();
    for (code, person, device, expires_at) in actors.chain(rows).collect::<Vec<_>>() {
        let (Some(code), Some(person), Some(expires_at)) = (code, person, expires_at) else { continue };
        let hash = sha256(folded(&code).as_bytes());
        if expires_at > ctx.now && known.users.contains(&person) && hashes.insert(hash) {
            let device = device.filter(|device| !device.is_empty()).map(|device| sha256(device.as_bytes()));
            let id = entropy.uuid();
            out.login_codes.push(LoginCode { id, hash, user: user(person), created_at: ctx.now, expires_at, device });
        }
    }
}

fn read_proofs(data: &Data, ctx: &Ctx, known: &Known, out: &mut ShortLived) {
    let mut hashes = BTreeSet::new();
    for actor in data.actors("EmailVerification").filter(|actor| known.users.contains(&actor.id)) {
        let expires_at = actor.time("ExpiresAt").or(actor.expires_at).filter(|at| *at > ctx.now);
        let hash = actor.text("TokenHash").and_then(hash_of_hex).filter(|hash| hashes.insert(*hash));
        if let (Some(hash), Some(email), Some(expires_at)) = (hash, actor.text("Email"), expires_at) {
            out.proofs.push((user(actor.id.as_str()), hash, email.to_owned(), expires_at));
        }
    }
}

/// What stays behind.
fn name_the_rest(data: &Data, ctx: &Ctx, report: &mut Report) {
    let why = "These are over within minutes or hours, so they stay there: whoever is in the middle of it begins anew.";
    let mut left = |what: &str, n: usize| {
        if n > 0 {
            report.left(why, format!("{n} {what}"));
        }
    };
    for (table, what) in [
        ("interaction_sessions", "sign-ins under way"),
        ("webauthn_sessions", "passkey ceremonies"),
        ("reauthentication_tokens", "proofs of a fresh sign-in"),
        ("oidc_authorization_codes", "authorization codes"),
        ("oidc_device_codes", "device codes"),
        ("email_verification_tokens", "proofs of addresses"),
    ] {
        left(what, data.rows(table).filter(|row| row.time("expires_at").is_none_or(|at| at > ctx.now)).count());
    }
    left(
        "used client assertions",
        data.rows("oauth2_jtis").filter(|row| row.time("expires_at").is_none_or(|at| at > ctx.now)).count(),
    );
    for kind in ["authorize_code", "access_token", "device_code", "par"] {
        let rows = data.rows("oauth2_sessions").filter(|row| row.text("kind").as_deref() == Some(kind));
        left(
            &format!("protocol records ({kind})"),
            rows.filter(|row| row.time("expires_at").is_none_or(|at| at > ctx.now)).count(),
        );
    }
    let old = data.rows("oidc_refresh_tokens").count();
    if old > 0 {
        report.left(
            "Refresh tokens from before 2.10 end; that upgrade ends them as well. Apps ask anew.",
            old.to_string(),
        );
    }
    report.left("Browsers are signed out: everybody signs in to this program once.", "");
}

pub(super) fn write(tx: &WriteTx<'_>, all: &ShortLived) -> Result<(), Error> {
    for (token, hash, groups) in &all.signup_tokens {
        signup_tokens::insert(tx, token, hash, groups)?;
    }
    for code in &all.login_codes {
        // Who made it is not known: as from an administrator, or by mail if one browser alone may use it.
        let made_by = if code.device.is_some() { "mail" } else { "admin" };
        login_codes::insert(
            tx,
            &code.id,
            &code.hash,
            &code.user,
            made_by,
            code.created_at,
            code.expires_at,
            None,
            code.device,
        )?;
    }
    for (person, hash, email, expires_at) in &all.proofs {
        email_verifications::put(tx, person, hash, email, *expires_at)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use pid_core::Seed;
    use pid_core::places::Places;
    use pid_upstream::{Actor, Cell, Table};

    use super::*;

    #[test]
    fn the_frozen_invitations_count_until_a_server_took_them_over() {
        let frozen = r#"[{"token":"AbCdEfGhIjKlMnOp","expiresAt":4070908800}]"#;
        let row = ["signup_tokens_migrated", frozen].map(|text| Cell::Text(text.to_owned()));
        let table = Table { rows: vec![row.to_vec()], ..Table::with(&["key", "value"]) };
        let mut data = Data { tables: BTreeMap::from([("kv".to_owned(), table)]), ..Data::default() };
        let ctx = Ctx {
            now: Timestamp::from_secs(1_800_000_000),
            seed: Seed([0; 32]),
            ip_address: String::new(),
            user_agent: String::new(),
            places: Places::default(),
        };
        assert_eq!(signups(&data, &ctx).len(), 1);
        data.actors = Some(Vec::new());
        assert_eq!(signups(&data, &ctx).len(), 1);
        let actor = |kind: &str| Actor {
            kind: kind.to_owned(),
            id: "singleton".to_owned(),
            fields: BTreeMap::new(),
            expires_at: None,
        };
        data.actors = Some(vec![actor("AppConfig")]);
        assert_eq!(signups(&data, &ctx).len(), 0, "it was revoked since");
    }
}
