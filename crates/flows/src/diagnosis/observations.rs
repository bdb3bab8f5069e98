//! What an app may miss although everybody gets in: told from its latest sign-ins, when somebody looks.

use std::collections::BTreeSet;

use pid_core::diagnosis::{Code, Finding, Remedy};
use pid_core::{ClientId, Timestamp, UserId};
use pid_oidc::ScopeSet;
use pid_store::diagnoses::SignIn;
use pid_store::{ReadTx, diagnoses, protocol, users};
use serde_json::Value;

use super::{Seen, fault_id};
use crate::Error;
use crate::env::{Env, Snapshot};
use crate::protocol::{claims_view, client, mapped, scope_claims};
use crate::roles::ReadsAll;

/// Sign-ins that are looked at.
const LATEST: i64 = 50;
/// People who are looked at.
const PEOPLE: usize = 10;
/// So many sign-ins of one person within [`LOOP_SECS`] are a loop.
const LOOP: usize = 4;
const LOOP_SECS: i64 = 120;
/// Of the latest sign-ins, so many without an answer from the app are no accident.
const UNUSED: usize = 2;

/// Looks at a client's latest sign-ins.
pub(super) fn observe(
    tx: &ReadTx<'_>,
    env: &Env,
    site: &Snapshot,
    _: &ReadsAll,
    id: &ClientId,
    now: Timestamp,
) -> Result<Vec<Seen>, Error> {
    let Some((found, _)) = client(tx, id.as_str())? else { return Ok(Vec::new()) };
    let sign_ins = diagnoses::sign_ins(tx, id, LATEST)?;
    let mut findings: Vec<(Finding, Timestamp)> = Vec::new();
    if found.allowed_groups.as_ref().is_some_and(Vec::is_empty) {
        findings.push((Finding::new(Code::AllowedNobody).remedy(Remedy::Groups), now));
    }
    if let Some(latest) = sign_ins.first() {
        findings.extend(unredeemed(&sign_ins, now).map(|finding| (finding, latest.at)));
        let algorithm = found.signing_alg.as_deref().unwrap_or("RS256");
        findings.extend(looping(&sign_ins, algorithm));
        let asked = |scope: &str| sign_ins.iter().any(|s| s.scopes.split(' ').any(|name| name == scope));
        if !asked("groups") {
            findings.push((Finding::new(Code::GroupsUnasked), latest.at));
        }
        if !asked("email") {
            findings.push((Finding::new(Code::EmailUnasked), latest.at));
        }
    }
    let mut looked_at = BTreeSet::new();
    for sign_in in &sign_ins {
        if looked_at.len() < PEOPLE && looked_at.insert(sign_in.user_id.as_str()) {
            let of_person = of_person(tx, env, site, id, sign_in)?;
            findings.extend(of_person.into_iter().map(|finding| (finding, sign_in.at)));
        }
    }
    let seen = |(finding, at): (Finding, Timestamp)| Seen {
        id: fault_id(Some(id), &finding),
        client_id: Some(id.clone()),
        finding,
        times: 0,
        first_at: at,
        last_at: at,
    };
    Ok(findings.into_iter().map(seen).collect())
}

/// Codes that nobody redeemed, if the latest are.
fn unredeemed(sign_ins: &[SignIn], now: Timestamp) -> Option<Finding> {
    let over = sign_ins.iter().filter(|s| s.redeemed_at.is_some() || s.code_expires_at <= now);
    let count = over.take_while(|s| s.redeemed_at.is_none()).count();
    (count >= UNUSED).then(|| Finding::new(Code::CodeUnused).quote("count", count.to_string()))
}

/// Somebody who got tokens again and again within a short time.
fn looping(sign_ins: &[SignIn], algorithm: &str) -> Option<(Finding, Timestamp)> {
    let begins = |first: &&SignIn| {
        let same = sign_ins.iter().filter(|s| {
            let earlier = first.at.secs() - s.at.secs();
            s.user_id == first.user_id && s.redeemed_at.is_some() && (0..=LOOP_SECS).contains(&earlier)
        });
        same.count()
    };
    let first = sign_ins.iter().find(|first| begins(first) >= LOOP)?;
    let finding = Finding::new(Code::SignInLoop)
        .quote("person", &first.username)
        .quote("count", begins(&first).to_string())
        .quote("algorithm", algorithm);
    Some((finding, first.at))
}

/// What is told of somebody, as this client is told it.
fn of_person(
    tx: &ReadTx<'_>,
    env: &Env,
    site: &Snapshot,
    id: &ClientId,
    sign_in: &SignIn,
) -> Result<Vec<Finding>, Error> {
    let Some(user) = users::by_id(tx, &UserId::new(sign_in.user_id.as_str()))? else { return Ok(Vec::new()) };
    let scopes = ScopeSet::parse(&sign_in.scopes).map_err(Error::internal)?;
    let (view, mapping) = (claims_view(tx, &user)?, protocol::claim_mapping(tx, id)?);
    let claims = mapped(mapping.as_deref(), &view, scope_claims(&view, site, &scopes, &env.app_url.origin));
    let person = user.username.as_str();
    let mut findings = Vec::new();
    if scopes.contains("groups") && view.groups.is_empty() {
        findings.push(Finding::new(Code::GroupsEmpty).quote("person", person));
    }
    if scopes.contains("email") {
        match &view.email {
            None => findings.push(Finding::new(Code::EmailMissing).quote("person", person)),
            Some(_) if claims.get("email_verified") == Some(&Value::Bool(false)) => {
                findings.push(Finding::new(Code::EmailUnverified).quote("person", person));
            }
            Some(_) => {}
        }
    }
    let own = view.custom_claim_names();
    let odd = own.iter().find(|name| claims.get(*name).is_some_and(|value| !value.is_string()));
    if let Some(claim) = odd {
        findings.push(Finding::new(Code::ClaimNumber).quote("claim", claim).quote("person", person));
    }
    Ok(findings)
}
