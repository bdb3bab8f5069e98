//! The instance itself: its signing key, its configuration, invitations, its log and its pictures.

use std::collections::{BTreeMap, BTreeSet};

use pid_core::files::{Content, Placed};
use pid_core::progress::{Progress, Unit};
use pid_core::settings::SETTINGS;
use pid_core::{Ctx, KeyState, Timestamp};
use pid_jose::{Alg, to_private_jwk};
use pid_store::{ReadTx, audit, export as store, files, instance, keys as store_keys, settings};
use pid_upstream::{Actor, Data, Field, keys as theirs};

use super::{Keys, add, json, some, text, time};
use crate::Error;
use crate::import::{Report, field_name, metadata_name};

/// What the log of the original program knows.
const EVENTS: &[&str] = &[
    "SIGN_IN",
    "TOKEN_SIGN_IN",
    "REMOTE_SIGN_IN",
    "ACCOUNT_CREATED",
    "CLIENT_AUTHORIZATION",
    "NEW_CLIENT_AUTHORIZATION",
    "DEVICE_CODE_AUTHORIZATION",
    "NEW_DEVICE_CODE_AUTHORIZATION",
    "PASSKEY_ADDED",
    "PASSKEY_REMOVED",
];

pub(super) fn read(
    tx: &ReadTx<'_>,
    ctx: &Ctx,
    keys: &Keys,
    data: &mut Data,
    report: &mut Report,
    progress: &Progress,
) -> Result<Vec<(String, Placed)>, Error> {
    signing_key(tx, keys, data, report)?;
    let mut actors = vec![configuration(tx, report)?];
    actors.extend(invitations(tx, ctx, keys, report)?);
    data.actors = Some(actors);
    log(tx, data, report, progress)?;
    let elsewhere = pictures(tx, data, report, progress)?;
    let living = store::living_grants(tx, ctx.now)?;
    if living > 0 {
        report.left(
            "Apps that are signed in sign in anew: refresh tokens of ours are none of theirs.",
            living.to_string(),
        );
    }
    report.left("Browsers are signed out, and login codes and what is under way don't go.", "");
    Ok(elsewhere)
}

fn signing_key(tx: &ReadTx<'_>, keys: &Keys, data: &mut Data, report: &mut Report) -> Result<(), Error> {
    let instance_id = instance::get(tx, "instance_id")?.unwrap_or_default();
    add(data, "kv", vec![("key", text("instance_id")), ("value", text(&*instance_id))])?;
    let mut active: Vec<_> = store_keys::all(tx)?.into_iter().filter(|key| key.state == KeyState::Active).collect();
    // There is one key only: the one that signs by default here.
    active.sort_by_key(|key| key.alg != Alg::RS256.as_str());
    for key in active.iter().skip(1) {
        report.left(
            "There is one signing key there. These stay here, and tokens that they signed are none there.",
            format!("{} ({})", key.kid, key.alg),
        );
    }
    let Some(key) = active.first() else { return Ok(()) };
    let alg = Alg::parse(&key.alg).ok_or_else(|| Error::internal(format!("the algorithm {}", key.alg)))?;
    let pkcs8 = crate::keys::opened(&keys.sealer, key)?;
    let jwk = to_private_jwk(alg, &key.kid, &pkcs8).map_err(Error::internal)?;
    let sealed = theirs::seal_signing_key(&keys.encryption_key, &instance_id, &jwk).map_err(Error::internal)?;
    add(data, "kv", vec![("key", text("jwt_private_key.json")), ("value", text(sealed))])?;
    report.comes("signing key", 1);
    Ok(())
}

/// The configuration: all of its keys, also where they are as by default.
fn configuration(tx: &ReadTx<'_>, report: &mut Report) -> Result<Actor, Error> {
    let settings = settings::load(tx)?;
    let mut fields = BTreeMap::new();
    for setting in SETTINGS {
        let value = settings.get(setting.key);
        if !setting.ours {
            fields.insert(field_name(setting.key), Field::Text(value.to_owned()));
        } else if value != setting.default {
            report.left("These settings are not known there.", setting.key);
        }
    }
    report.comes("settings", fields.len());
    Ok(Actor { kind: "AppConfig".to_owned(), id: "singleton".to_owned(), fields, expires_at: None })
}

fn invitations(tx: &ReadTx<'_>, ctx: &Ctx, keys: &Keys, report: &mut Report) -> Result<Vec<Actor>, Error> {
    let mut out = Vec::new();
    for token in store::signup_tokens(tx)?.into_iter().filter(|token| token.expires_at > ctx.now) {
        let opened = pid_jose::open(&keys.signup_token_key, token.id.as_str().as_bytes(), &token.sealed);
        let value = String::from_utf8(opened.map_err(Error::internal)?.to_vec()).map_err(Error::internal)?;
        let groups = pid_store::groups::of_signup_token(tx, &token.id)?;
        let fields = [
            ("ID", Field::Text(token.id.to_string())),
            ("UsageLimit", Field::Int(token.usage_limit)),
            ("UsageCount", Field::Int(token.usage_count)),
            ("UserGroupIDs", Field::List(groups.into_iter().map(|group| group.id.into_string()).collect())),
            ("CreatedAt", Field::Time(token.created_at)),
            ("ExpiresAt", Field::Time(token.expires_at)),
        ];
        out.push(Actor {
            kind: "SignupToken".to_owned(),
            id: value,
            fields: fields.into_iter().map(|(name, field)| (name.to_owned(), field)).collect(),
            expires_at: Some(token.expires_at),
        });
    }
    report.comes("sign-up tokens", out.len());
    Ok(out)
}

fn log(tx: &ReadTx<'_>, data: &mut Data, report: &mut Report, progress: &Progress) -> Result<(), Error> {
    let known: BTreeSet<String> = data.rows("users").filter_map(|row| row.text("id")).collect();
    let (mut at, mut id) = (Timestamp::from_millis(i64::MIN), String::new());
    let (mut ours, mut theirs, mut orphans) = (0_usize, 0, 0_usize);
    progress.count("Reading the audit log", Unit::Rows, store::audit_entries(tx)?);
    loop {
        let page = audit::after(tx, at, &id, 5000)?;
        let Some(last) = page.last() else { break };
        (at, id) = (last.created_at, last.id.clone());
        for entry in progress.each(page) {
            if !EVENTS.contains(&entry.event.as_str()) {
                ours += 1;
                continue;
            }
            let person = entry.user_id.as_ref().map(|id| id.as_str()).filter(|id| known.contains(*id));
            orphans += usize::from(entry.user_id.is_some() && person.is_none());
            let address = Some(entry.ip_address.as_str()).filter(|address| !address.is_empty());
            let cells = vec![
                ("id", text(entry.id)),
                ("created_at", time(entry.created_at)),
                ("event", text(entry.event)),
                ("ip_address", some(address)),
                ("user_agent", text(entry.user_agent)),
                ("data", json(serde_json::json!(entry.data))),
                ("user_id", some(person)),
                ("country", text(entry.country)),
                ("city", text(entry.city)),
            ];
            add(data, "audit_logs", cells)?;
            theirs += 1;
        }
    }
    report.comes("entries of the audit log", theirs);
    if ours > 0 {
        report.left("Entries of the audit log about events that are not known there.", ours.to_string());
    }
    if orphans > 0 {
        report.left("Entries of the audit log about people who are gone go without their names.", orphans.to_string());
    }
    Ok(())
}

/// The extension of a picture's file.
pub(super) fn extension(content_type: &str) -> Option<&'static str> {
    match content_type {
        "image/png" => Some("png"),
        "image/jpeg" => Some("jpg"),
        "image/svg+xml" => Some("svg"),
        _ => None,
    }
}

/// The pictures; of those that are kept elsewhere their names and places.
fn pictures(
    tx: &ReadTx<'_>,
    data: &mut Data,
    report: &mut Report,
    progress: &Progress,
) -> Result<Vec<(String, Placed)>, Error> {
    let (mut elsewhere, all) = (Vec::new(), store::files(tx)?);
    progress.count("Reading pictures", Unit::Files, all.len() as u64);
    let ids: BTreeMap<String, String> = data
        .rows("oidc_clients")
        .filter_map(|row| row.text("id"))
        .filter(|id| id.contains("://"))
        .map(|id| (id.clone(), metadata_name(&id)))
        .collect();
    for (path, content_type) in progress.each(all) {
        let Some(extension) = extension(&content_type) else {
            report.left("These pictures are of a kind that has no place there.", path);
            continue;
        };
        let Some(file) = files::get(tx, &path)? else { continue };
        let mut name = path.strip_suffix(".png").unwrap_or(&path).to_owned();
        if let Some(own) = name.strip_prefix("oidc-client-images/") {
            let (id, dark) = own.strip_suffix("-dark").map_or((own, ""), |id| (id, "-dark"));
            let id = ids.get(id).map_or(id, String::as_str);
            name = format!("oidc-client-images/{id}{dark}");
        }
        let name = format!("{name}.{extension}");
        match file.content {
            Content::Here(bytes) => drop(data.files.insert(name, bytes)),
            Content::There(placed) => elsewhere.push((name, placed)),
        }
    }
    report.comes("pictures", data.files.len() + elsewhere.len());
    Ok(elsewhere)
}
