//! Sign-up tokens: an administrator's invitation (api.md §23.5). A token is found by its hash and kept sealed, since lists
//! show it again.

use pid_core::audit::Event;
use pid_core::entropy::ALPHANUMERIC;
use pid_core::groups::Group;
use pid_core::list::{ListRequest, Page};
use pid_core::secret::{Secret, sha256};
use pid_core::settings::Settings;
use pid_core::users::User;
use pid_core::{Ctx, FieldCode, Fields, SignupTokenId, Timestamp};
use pid_store::signup_tokens::SignupToken;
use pid_store::{ReadTx, WriteTx, groups, settings, signup_tokens};

use crate::Error;
use crate::audit::Note;
use crate::env::Env;
use crate::login_codes::MAX_TTL_SECS;
use crate::roles::{ManagesPeople, ReadsPeople};

/// Lifetime when none is asked for, seconds.
pub const DEFAULT_TTL_SECS: i64 = 3600;
/// How many may sign up by one token, at most.
pub const MAX_USES: i64 = 100;
/// Characters of a token.
const LENGTH: usize = 16;
/// More than this is no token and is not looked up.
const MAX_LENGTH: usize = 64;

/// A token as administrators see it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// What is stored.
    pub stored: SignupToken,
    /// The value, for who may invite into all of its groups.
    pub token: Option<Secret>,
    /// Enough of the value to tell it from others.
    pub short: String,
    /// The groups that it leads to.
    pub groups: Vec<Group>,
}

/// Makes a token. Unknown groups are passed over; the others must be within reach. Without any it leads to the default
/// ones, which give nobody rights.
pub fn create(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    env: &Env,
    who: &ManagesPeople,
    ttl_secs: i64,
    usage_limit: i64,
    group_ids: &[String],
) -> Result<Shown, Error> {
    let mut fields = Fields::new();
    if ttl_secs <= 1 || ttl_secs > MAX_TTL_SECS {
        fields.refuse("ttl", FieldCode::Ttl, "must be more than one second and at most 31 days");
    }
    match usage_limit {
        0 => fields.refuse("usageLimit", FieldCode::Required, "must not be empty"),
        ..0 => fields.refuse("usageLimit", FieldCode::TooShort, "must be at least 1"),
        1..=MAX_USES => {}
        _ => fields.refuse("usageLimit", FieldCode::TooLong, format!("must be at most {MAX_USES}")),
    }
    fields.finish()?;
    who.groups(tx, group_ids)?;
    let entropy = ctx.entropy();
    let id = SignupTokenId::generate(&entropy);
    let token = entropy.text(ALPHANUMERIC, LENGTH);
    let sealed = pid_jose::seal(&env.signup_token_key, id.as_str().as_bytes(), token.as_bytes());
    let stored = SignupToken {
        id,
        sealed: sealed.map_err(Error::internal)?,
        usage_limit,
        usage_count: 0,
        created_at: ctx.now,
        expires_at: ctx.now.plus_secs(ttl_secs),
    };
    signup_tokens::insert(tx, &stored, &sha256(token.as_bytes()), group_ids)?;
    signup_tokens::made_by(tx, &stored.id, &who.user().id)?;
    let groups = groups::of_signup_token(tx, &stored.id)?;
    let names: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
    let note = note(&stored.id)
        .with("signupToken", &short(&token))
        .change("usageLimit", "", &usage_limit.to_string())
        .change("expiresAt", "", &stored.expires_at.to_string())
        .set("groups", &[], &names);
    note.record(tx, ctx, &ctx.stream("audit"), Event::SignupTokenCreated, None, Some(&who.user().id))?;
    Ok(Shown { stored, short: short(&token), token: Some(Secret::new(token)), groups })
}

/// A page of the tokens that have not expired, used-up ones included. Values are shown to who may invite by them.
pub fn list(
    tx: &ReadTx<'_>,
    now: Timestamp,
    env: &Env,
    who: &ReadsPeople,
    request: &ListRequest,
) -> Result<Page<Shown>, Error> {
    let (page, site) = (signup_tokens::list(tx, now, request)?, settings::load(tx)?);
    let (total, number, limit) = (page.total, page.page, page.limit);
    let items = page.items.into_iter().map(|stored| shown(tx, env, who, &site, stored)).collect::<Result<_, _>>()?;
    Ok(Page { items, total, page: number, limit })
}

fn shown(tx: &ReadTx<'_>, env: &Env, who: &ReadsPeople, site: &Settings, stored: SignupToken) -> Result<Shown, Error> {
    let opened = pid_jose::open(&env.signup_token_key, stored.id.as_str().as_bytes(), &stored.sealed);
    let opened = opened.map_err(Error::internal)?;
    let token = std::str::from_utf8(&opened).map_err(Error::internal)?;
    let groups = groups::of_signup_token(tx, &stored.id)?;
    let known = who.may_know_token(&groups, site).then(|| Secret::new(token));
    Ok(Shown { token: known, short: short(token), groups, stored })
}

/// Deletes a token; one that isn't there is gone already.
pub fn delete(tx: &WriteTx<'_>, ctx: &Ctx, who: &ManagesPeople, id: &SignupTokenId) -> Result<(), Error> {
    for group in groups::of_signup_token(tx, id)? {
        who.group(tx, &group.id)?;
    }
    withdraw(tx, ctx, who.user(), std::slice::from_ref(id))
}

/// Deletes those of these tokens that there are.
pub(crate) fn withdraw(tx: &WriteTx<'_>, ctx: &Ctx, by: &User, ids: &[SignupTokenId]) -> Result<(), Error> {
    for id in ids {
        if signup_tokens::delete(tx, id)? {
            let entropy = ctx.stream(id.as_str());
            note(id).record(tx, ctx, &entropy, Event::SignupTokenDeleted, None, Some(&by.id))?;
        }
    }
    Ok(())
}

/// A token that somebody may sign up by.
pub fn usable(tx: &ReadTx<'_>, token: &str, now: Timestamp) -> Result<Option<SignupToken>, Error> {
    if token.len() > MAX_LENGTH {
        return Ok(None);
    }
    Ok(signup_tokens::usable(tx, &sha256(token.as_bytes()), now)?)
}

/// Enough of a token to tell it from others, and too little to sign up by.
pub fn short(token: &str) -> String {
    match (token.get(..3), token.len().checked_sub(4).and_then(|at| token.get(at..))) {
        (Some(first), Some(last)) if token.len() >= LENGTH => format!("{first}…{last}"),
        _ => "…".to_owned(),
    }
}

fn note(id: &SignupTokenId) -> Note {
    Note::about(&[("signupTokenID", id.as_str())])
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn the_log_names_a_token_without_telling_it() {
        assert_eq!(short("AbCdEfGhIjKlMnOp"), "AbC…MnOp");
        assert_eq!(short("short"), "…");
        assert_eq!(short("ééééééééé"), "…");
    }
}
