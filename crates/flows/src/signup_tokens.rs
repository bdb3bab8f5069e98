//! Sign-up tokens: an administrator's invitation (api.md §23.5). A token is found by its hash and kept sealed, since lists
//! show it again.

use pid_core::audit::Event;
use pid_core::entropy::ALPHANUMERIC;
use pid_core::groups::Group;
use pid_core::list::{ListRequest, Page};
use pid_core::secret::{Secret, sha256};
use pid_core::{Ctx, FieldCode, Fields, SignupTokenId, Timestamp};
use pid_store::signup_tokens::SignupToken;
use pid_store::{ReadTx, WriteTx, groups, signup_tokens};

use crate::Error;
use crate::access::Admin;
use crate::audit::Note;
use crate::env::Env;
use crate::login_codes::MAX_TTL_SECS;

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
    /// The value.
    pub token: Secret,
    /// The groups that it leads to.
    pub groups: Vec<Group>,
}

/// Makes a token. Unknown groups are passed over.
pub fn create(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    env: &Env,
    admin: &Admin,
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
    let groups = groups::of_signup_token(tx, &stored.id)?;
    let names: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
    let note = note(&stored.id)
        .with("signupToken", &short(&token))
        .change("usageLimit", "", &usage_limit.to_string())
        .change("expiresAt", "", &stored.expires_at.to_string())
        .set("groups", &[], &names);
    note.record(tx, ctx, &ctx.stream("audit"), Event::SignupTokenCreated, None, Some(&admin.user().id))?;
    Ok(Shown { stored, token: Secret::new(token), groups })
}

/// A page of the tokens that have not expired, used-up ones included.
pub fn list(
    tx: &ReadTx<'_>,
    now: Timestamp,
    env: &Env,
    _: &Admin,
    request: &ListRequest,
) -> Result<Page<Shown>, Error> {
    let page = signup_tokens::list(tx, now, request)?;
    let (total, number, limit) = (page.total, page.page, page.limit);
    let items = page.items.into_iter().map(|stored| shown(tx, env, stored)).collect::<Result<_, _>>()?;
    Ok(Page { items, total, page: number, limit })
}

fn shown(tx: &ReadTx<'_>, env: &Env, stored: SignupToken) -> Result<Shown, Error> {
    let opened = pid_jose::open(&env.signup_token_key, stored.id.as_str().as_bytes(), &stored.sealed);
    let opened = opened.map_err(Error::internal)?;
    let token = Secret::new(std::str::from_utf8(&opened).map_err(Error::internal)?);
    Ok(Shown { token, groups: groups::of_signup_token(tx, &stored.id)?, stored })
}

/// Deletes a token; one that isn't there is gone already.
pub fn delete(tx: &WriteTx<'_>, ctx: &Ctx, admin: &Admin, id: &SignupTokenId) -> Result<(), Error> {
    if signup_tokens::delete(tx, id)? {
        let actor = Some(&admin.user().id);
        note(id).record(tx, ctx, &ctx.stream("audit"), Event::SignupTokenDeleted, None, actor)?;
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
