//! People's pictures (api.md §13.9): what they or an administrator uploaded, else the picture for all who have none,
//! else their initials. The address of the picture is the claim `picture`, which applications fetch without cookies, so
//! it is public.

use pid_core::application_images::Image;
use pid_core::audit::Event;
use pid_core::files::Content;
use pid_core::ids::is_uuid;
use pid_core::settings::Settings;
use pid_core::users::User;
use pid_core::{Ctx, FieldCode, UserId};
use pid_store::files::{self, File};
use pid_store::{ReadTx, WriteTx, users};

use crate::access::SignedIn;
use crate::audit::{REPLACED, SET, TAKEN_AWAY};
use crate::change::check_file;
use crate::roles::ManagesPeople;
use crate::{Code, Error, application_images, audit};

/// What there is to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Portrait {
    /// An uploaded picture.
    File(File),
    /// Nothing: draw these letters, at most two.
    Initials(String),
}

/// Where a person's picture is.
pub(crate) fn path(id: &UserId) -> String {
    format!("profile-pictures/{id}.png")
}

fn checked(id: &UserId) -> Result<&UserId, Error> {
    if is_uuid(id.as_str()) { Ok(id) } else { Err(Error::field("userId", FieldCode::InvalidFormat, "must be a UUID")) }
}

fn find(tx: &ReadTx<'_>, id: &UserId) -> Result<User, Error> {
    let id = checked(id)?;
    users::by_id(tx, id)?.ok_or_else(|| Error::new(Code::UserNotFound))
}

/// The first letters of first and last name, or of the username where there is neither.
fn initials(user: &User) -> String {
    let first = |name: &str| name.trim().chars().next();
    let names: Vec<char> = [first(&user.first_name), first(&user.last_name)].into_iter().flatten().collect();
    let letters = if names.is_empty() { user.username.chars().take(2).collect() } else { names };
    letters.into_iter().flat_map(char::to_uppercase).collect()
}

/// A person's picture.
///
/// # Errors
/// `validation_failed` if the id is no UUID, `user_not_found`.
pub fn get(tx: &ReadTx<'_>, id: &UserId) -> Result<Portrait, Error> {
    let user = find(tx, id)?;
    let picture = match files::get(tx, &path(id))? {
        None => application_images::get(tx, Image::DefaultPicture)?,
        own => own,
    };
    Ok(picture.map_or_else(|| Portrait::Initials(initials(&user)), Portrait::File))
}

fn put(tx: &WriteTx<'_>, ctx: &Ctx, user: &User, by: &UserId, picture: &Content) -> Result<(), Error> {
    let file = File { content_type: "image/png".to_owned(), content: picture.clone(), updated_at: ctx.now };
    let had = files::stored_at(tx, &path(&user.id))?.is_some();
    files::put(tx, &path(&user.id), &file)?;
    changed(tx, ctx, user, by, if had { REPLACED } else { SET })
}

fn changed(tx: &WriteTx<'_>, ctx: &Ctx, user: &User, by: &UserId, change: &str) -> Result<(), Error> {
    let data = [("profilePicture", change)];
    audit::record(tx, ctx, &ctx.entropy(), Event::UserUpdated, Some(&user.id), Some(by), &data)
}

/// Stores a picture, checked and written anew already, for any person.
pub fn set(tx: &WriteTx<'_>, ctx: &Ctx, who: &ManagesPeople, id: &UserId, picture: &Content) -> Result<(), Error> {
    let target = who.person(tx, checked(id)?)?;
    put(tx, ctx, target.user(), &target.by().id, picture)
}

/// Takes a person's picture away; none to take away is fine.
pub fn delete(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    who: &ManagesPeople,
    id: &UserId,
    if_match: Option<i64>,
) -> Result<(), Error> {
    let target = who.person(tx, checked(id)?)?;
    let path = path(&target.user().id);
    check_file(tx, if_match, &path)?;
    if files::delete(tx, &path, ctx.now)? {
        changed(tx, ctx, target.user(), &target.by().id, TAKEN_AWAY)
    } else {
        Ok(())
    }
}

/// A picture from the directory is the directory's.
fn check_own(settings: &Settings, user: &User) -> Result<(), Error> {
    if settings.ldap_enabled() && user.ldap_id.is_some() { Err(Error::new(Code::LdapUserUpdate)) } else { Ok(()) }
}

/// Stores one's own picture. That needs no self-account editing: a picture is nobody's identity.
pub fn set_own(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    settings: &Settings,
    who: &SignedIn,
    picture: &Content,
) -> Result<(), Error> {
    check_own(settings, who.user())?;
    put(tx, ctx, who.user(), &who.user().id, picture)
}

/// Takes one's own picture away; none to take away is fine.
pub fn delete_own(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    settings: &Settings,
    who: &SignedIn,
    if_match: Option<i64>,
) -> Result<(), Error> {
    check_own(settings, who.user())?;
    let user = who.user();
    check_file(tx, if_match, &path(&user.id))?;
    if files::delete(tx, &path(&user.id), ctx.now)? { changed(tx, ctx, user, &user.id, TAKEN_AWAY) } else { Ok(()) }
}

/// An account is being deleted: its picture goes with it.
pub(crate) fn forget(tx: &WriteTx<'_>, ctx: &Ctx, id: &UserId) -> Result<(), Error> {
    files::delete(tx, &path(id), ctx.now)?;
    Ok(())
}

/// Stores a directory's picture, or takes away the one there is. Tells whether there was one.
pub(crate) fn put_from_directory(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    id: &UserId,
    picture: Option<&Content>,
) -> Result<bool, Error> {
    let Some(picture) = picture else { return Ok(files::delete(tx, &path(id), ctx.now)?) };
    let had = files::stored_at(tx, &path(id))?.is_some();
    let file = File { content_type: "image/png".to_owned(), content: picture.clone(), updated_at: ctx.now };
    files::put(tx, &path(id), &file)?;
    Ok(had)
}

/// Whether somebody has a picture.
pub(crate) fn has_one(tx: &ReadTx<'_>, id: &UserId) -> Result<bool, Error> {
    Ok(files::stored_at(tx, &path(id))?.is_some())
}

/// What became of a picture, if anything.
pub(crate) fn change_in_words(had: bool, has: bool) -> Option<&'static str> {
    match (had, has) {
        (false, true) => Some(SET),
        (true, true) => Some(REPLACED),
        (true, false) => Some(TAKEN_AWAY),
        (false, false) => None,
    }
}
