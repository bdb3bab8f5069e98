//! Custom claims (api.md §15).

use pid_core::audit::Event;
use pid_core::claims::{CustomClaim, is_reserved};
use pid_core::validate::nfc;
use pid_core::{Ctx, FieldCode, FieldError, Fields};
use pid_store::{ReadTx, WriteTx, claims, groups, users};

use crate::audit::Note;
use crate::change::check_version;
use crate::declared::{self, Kind, Part};
use crate::roles::{ManagedGroup, ManagedUser, ReadsPeople};
use crate::{Error, Saying};

/// Checks a list: the shape of each claim, then repeated keys, then reserved ones (api.md §15.2).
pub fn check(list: &[CustomClaim]) -> Result<(), Error> {
    let refuse = |saying: Saying, field: FieldCode, key: &str| {
        let message = if saying == Saying::ClaimReserved {
            "is reserved. Choose another name"
        } else {
            "is given twice. Keep one of them"
        };
        Error {
            fields: vec![FieldError { field: "key".to_owned(), code: field, message: message.to_owned() }],
            ..Error::say(saying, &[("claim", key)]).detail("key", key)
        }
    };
    if list.len() > 200 {
        return Err(Error::field("key", FieldCode::TooLong, "may be given at most 200 times"));
    }
    for claim in list {
        let mut fields = Fields::new();
        fields.length("key", &claim.key, 1, 255);
        if claim.value.is_empty() {
            fields.refuse("value", FieldCode::Required, "must not be empty");
        } else if claim.value.len() > 8192 {
            fields.refuse("value", FieldCode::TooLong, "must have at most 8192 bytes");
        }
        fields.finish()?;
    }
    for (i, claim) in list.iter().enumerate() {
        if list[..i].iter().any(|c| c.key == claim.key) {
            return Err(refuse(Saying::ClaimTwice, FieldCode::Duplicate, &claim.key));
        }
    }
    if let Some(claim) = list.iter().find(|claim| is_reserved(&claim.key)) {
        return Err(refuse(Saying::ClaimReserved, FieldCode::Reserved, &claim.key));
    }
    Ok(())
}

fn normal(list: &[CustomClaim]) -> Result<Vec<CustomClaim>, Error> {
    let list: Vec<CustomClaim> = list.iter().map(|c| CustomClaim { key: nfc(&c.key), value: nfc(&c.value) }).collect();
    check(&list)?;
    Ok(list)
}

/// Claims as the audit log names them.
pub(crate) fn in_words(list: &[CustomClaim]) -> Vec<String> {
    list.iter().map(|claim| format!("{}={}", claim.key, claim.value)).collect()
}

/// Keys in use anywhere.
pub fn suggestions(tx: &ReadTx<'_>, _: &ReadsPeople) -> Result<Vec<String>, Error> {
    Ok(claims::suggestions(tx)?)
}

/// Replaces a person's claims. Gives them with the person's new version.
pub fn set_of_user(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    target: &ManagedUser<'_>,
    list: &[CustomClaim],
    if_match: Option<i64>,
) -> Result<(Vec<CustomClaim>, i64), Error> {
    let list = normal(list)?;
    let (user, id) = (target.user(), &target.user().id);
    check_version(if_match, user.version)?;
    declared::check(tx, Kind::User, id.as_str(), Part::Claims)?;
    // First, so that of two at once the second waits here and then sees the first.
    users::touch(tx, id, ctx.now)?;
    let before = claims::of_user(tx, id)?;
    claims::set_of_user(tx, id, &list)?;
    let after = claims::of_user(tx, id)?;
    Note::default().set("customClaims", &in_words(&before), &in_words(&after)).record(
        tx,
        ctx,
        &ctx.entropy(),
        Event::UserUpdated,
        Some(id),
        Some(&target.by().id),
    )?;
    Ok((after, user.version + 1))
}

/// Replaces a group's claims, which apps are told of all its members. Gives them with the group's new version.
pub fn set_of_group(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    target: &ManagedGroup<'_>,
    list: &[CustomClaim],
    if_match: Option<i64>,
) -> Result<(Vec<CustomClaim>, i64), Error> {
    let list = normal(list)?;
    target.check_members(tx)?;
    let (group, id) = (target.group(), &target.group().id);
    check_version(if_match, group.version)?;
    declared::check(tx, Kind::Group, id.as_str(), Part::Claims)?;
    groups::update(tx, group, ctx.now)?;
    let before = claims::of_group(tx, id)?;
    claims::set_of_group(tx, id, &list)?;
    let after = claims::of_group(tx, id)?;
    Note::about(&[("group", &group.name), ("groupID", group.id.as_str())])
        .set("customClaims", &in_words(&before), &in_words(&after))
        .record(tx, ctx, &ctx.entropy(), Event::GroupUpdated, None, Some(&target.by().id))?;
    Ok((after, group.version + 1))
}
