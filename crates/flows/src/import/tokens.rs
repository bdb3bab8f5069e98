//! Live refresh tokens, so that apps stay signed in. The value of such a token is not stored there, only the part behind its
//! dot, which proves the part before it under a secret from the encryption key (oidc.md §13.8). That secret comes along,
//! sealed; once a token is rotated, its family goes on with tokens of ours.

use std::collections::{BTreeMap, BTreeSet};

use pid_core::progress::Progress;
use pid_core::secret::sha256;
use pid_core::{ClientId, Ctx, GrantId, SessionId, Timestamp};
use pid_oidc::ScopeSet;
use pid_oidc::consent::needs_of;
use pid_oidc::resource::{Target, UserScopes};
use pid_store::grants::{self, Grant, RefreshToken};
use pid_store::{ReadTx, WriteTx, import as store, instance};
use pid_upstream::keys::TokenSecret;
use pid_upstream::{Data, parse_time};
use serde_json::Value;

use super::apis::Apis;
use super::report::Report;
use super::{Keys, Known, made, user};
use crate::Error;
use crate::env::Env;

/// The fact that keeps the secret, sealed.
pub(crate) const SECRET_FACT: &str = "imported_token_secret";

/// What the sealed secret is bound to.
pub(crate) fn seal_context() -> &'static [u8] {
    SECRET_FACT.as_bytes()
}

/// A refresh token by what it is found by, and when it was made and rotated.
struct Old {
    signature: String,
    token: RefreshToken,
}

#[derive(Default)]
pub(super) struct Tokens {
    sealed_secret: Option<String>,
    families: Vec<(Grant, Vec<Old>)>,
}

/// A row of a token that may still be presented.
struct Row {
    signature: String,
    active: bool,
    created_at: Timestamp,
    expires_at: Timestamp,
    request: Value,
}

pub(super) fn read(data: &Data, keys: &Keys, ctx: &Ctx, known: &Known, apis: &Apis, report: &mut Report) -> Tokens {
    let (mut families, mut signatures) = (BTreeMap::<String, Vec<Row>>::new(), BTreeSet::new());
    for row in data.rows("oauth2_sessions").filter(|row| row.text("kind").as_deref() == Some("refresh_token")) {
        let request = row.json("request_data").ok().flatten().unwrap_or_default();
        let in_session = request["session"]["expires_at"]["refresh_token"].as_str().and_then(parse_time);
        let expires_at = row.time("expires_at").or(in_session).unwrap_or(Timestamp::from_millis(0));
        let (Some(signature), Some(family)) = (row.some_text("key"), row.some_text("request_id")) else { continue };
        if expires_at > ctx.now && signatures.insert(signature.clone()) {
            let active = row.flag("active");
            families.entry(family).or_default().push(Row {
                signature,
                active,
                created_at: made(&row, ctx),
                expires_at,
                request,
            });
        }
    }
    families.retain(|_, rows| rows.iter().any(|row| row.active));
    let mut out = Tokens::default();
    let Some(source) = keys.source.as_ref().filter(|_| !families.is_empty()) else {
        if !families.is_empty() {
            report.left(
                "Apps can't use their refresh tokens without the encryption key of there.",
                families.len().to_string(),
            );
        }
        return out;
    };
    let secret =
        TokenSecret::new(source).and_then(|s| pid_jose::seal(&keys.imported_tokens_key, seal_context(), s.bytes()));
    out.sealed_secret = secret.ok().map(|sealed| sealed.iter().map(|b| format!("{b:02x}")).collect());
    for (family, mut rows) in families {
        rows.sort_by_key(|row| (row.active, row.created_at));
        match grant(&rows, ctx, known, apis, &family) {
            Ok(grant) => {
                let olds = refresh_tokens(&grant, &rows, ctx, &family);
                out.families.push((grant, olds));
            }
            Err(why) => report.left("These sign-ins of apps end; the app asks anew.", why),
        }
    }
    report.comes("live sign-ins of apps (refresh tokens)", out.families.len());
    out
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn grant(rows: &[Row], ctx: &Ctx, known: &Known, apis: &Apis, family: &str) -> Result<Grant, String> {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Err(family.to_owned()) };
    let request = &last.request;
    let (client, subject) = (request["client_id"].as_str(), request["session"]["subject"].as_str());
    let client = client.filter(|id| known.clients.contains(*id)).ok_or("its client is not in the data")?;
    let subject = subject.filter(|id| known.users.contains(*id)).ok_or("its person is not in the data")?;
    let scopes = strings(&request["granted_scope"]);
    let scopes = ScopeSet::parse(&scopes.join(" ")).map_err(|_| "its scopes can't be read")?;
    let audiences: Vec<String> = strings(&request["granted_audience"])
        .iter()
        .map(|name| name.trim_end_matches('/').to_owned())
        .filter(|name| apis.has(name))
        .collect();
    if audiences.len() > 1 {
        return Err("it is for several APIs at once".to_owned());
    }
    let claims = &request["session"]["id_token_claims"];
    let moment = |value: &Value| value.as_str().and_then(parse_time);
    let requested_at = moment(&claims["rat"]).or_else(|| moment(&request["requested_at"])).unwrap_or(first.created_at);
    let entropy = ctx.stream(&format!("family {family}"));
    let amr = match strings(&claims["amr"]) {
        list if !list.is_empty() => list,
        _ => request["session"]["authentication_method"]
            .as_str()
            .filter(|m| !m.is_empty())
            .map(str::to_owned)
            .into_iter()
            .collect(),
    };
    Ok(Grant {
        id: GrantId::generate_at(&entropy, first.created_at),
        client_id: ClientId::new(client),
        user_id: user(subject),
        session_id: SessionId::generate_at(&entropy, first.created_at),
        scopes: scopes.to_string(),
        nonce: None,
        acr: claims["acr"].as_str().filter(|acr| !acr.is_empty()).map(str::to_owned),
        amr,
        auth_time: moment(&claims["auth_time"]).unwrap_or(requested_at),
        requested_at,
        created_at: first.created_at,
        expires_at: rows.iter().map(|row| row.expires_at).max().unwrap_or(last.expires_at),
        revoked_at: None,
        claims: None,
        resource: audiences.into_iter().next(),
        dpop_jkt: None,
    })
}

/// The family's tokens in their order. Rotated ones come too: one that is used again gives a theft away.
fn refresh_tokens(grant: &Grant, rows: &[Row], ctx: &Ctx, family: &str) -> Vec<Old> {
    let entropy = ctx.stream(&format!("tokens {family}"));
    let mut out: Vec<Old> = Vec::new();
    for (sequence, row) in (0..).zip(rows) {
        if let Some(before) = out.last_mut() {
            // Well before now, so that nobody takes the repetition for a lost answer.
            before.token.used_at = Some(row.created_at.min(ctx.now).plus_secs(-600));
        }
        out.push(Old {
            signature: row.signature.clone(),
            token: RefreshToken {
                grant_id: grant.id.clone(),
                sequence,
                jti: entropy.uuid_at(row.created_at),
                expires_at: row.expires_at,
                used_at: None,
                used_with: None,
            },
        });
    }
    out
}

impl Tokens {
    /// How many rows count.
    pub(super) fn rows(&self) -> usize {
        self.families.len()
    }

    /// What the living tokens are for: client, person and the keys of consent that it takes.
    pub(super) fn consents(&self) -> Vec<(String, String, Vec<String>, Timestamp)> {
        self.families
            .iter()
            .filter_map(|(grant, _)| {
                let scopes = ScopeSet::parse(&grant.scopes).ok()?;
                let target = Target { resource: grant.resource.clone(), scopes };
                let keys = needs_of(&target, UserScopes::default()).into_iter().map(|need| need.key).collect();
                Some((grant.user_id.to_string(), grant.client_id.to_string(), keys, grant.created_at))
            })
            .collect()
    }
}

pub(super) fn write(tx: &WriteTx<'_>, tokens: &Tokens, progress: &Progress) -> Result<(), Error> {
    if let Some(sealed) = &tokens.sealed_secret {
        instance::put(tx, SECRET_FACT, sealed)?;
    }
    for (grant, olds) in progress.each(&tokens.families) {
        grants::insert(tx, grant)?;
        for old in olds {
            grants::insert_refresh(tx, &sha256(old.signature.as_bytes()), &old.token)?;
            store::add_refresh_signature(tx, &old.signature, &grant.id, old.token.sequence, old.token.used_at)?;
        }
    }
    Ok(())
}

/// A refresh token as it was sent, rotated ones included: one of ours, or one that came with an import.
pub(crate) fn refresh_token(tx: &ReadTx<'_>, env: &Env, text: &str) -> Result<Option<RefreshToken>, Error> {
    if let Some(ours) = grants::refresh(tx, text)? {
        return Ok(Some(ours));
    }
    // None of ours has a dot.
    if !text.contains('.') || text.len() > 256 {
        return Ok(None);
    }
    let Some(sealed) = instance::get(tx, SECRET_FACT)? else { return Ok(None) };
    let sealed: Option<Vec<u8>> =
        (0..sealed.len() / 2).map(|i| u8::from_str_radix(sealed.get(2 * i..2 * i + 2)?, 16).ok()).collect();
    let opened = pid_jose::open(&env.imported_tokens_key, seal_context(), &sealed.unwrap_or_default());
    let Some(secret) = opened.ok().and_then(|bytes| TokenSecret::from_bytes(&bytes)) else { return Ok(None) };
    let Some(signature) = secret.signature(text) else { return Ok(None) };
    match store::refresh_by_signature(tx, signature)? {
        Some((grant, sequence)) => Ok(grants::refresh_at(tx, &grant, sequence)?),
        None => Ok(None),
    }
}
