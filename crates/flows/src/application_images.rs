//! The images that make an installation one's own (api.md §21).

use pid_core::Ctx;
use pid_core::application_images::{ApplicationImages, Image};
use pid_core::audit::Event;
use pid_core::files::Content;
use pid_store::files::{self, File};
use pid_store::instance::{self, Cached};
use pid_store::{ReadTx, WriteTx};

use crate::access::Admin;
use crate::audit::{REPLACED, SET, TAKEN_AWAY};
use crate::change::check_file;
use crate::{Code, Error, audit};

/// Which images are set.
pub fn load(tx: &ReadTx<'_>) -> Result<ApplicationImages, Error> {
    let mut found = ApplicationImages::default();
    for image in Image::ALL {
        found.note(image, files::stored_at(tx, image.path())?);
    }
    Ok(found)
}

/// An image, if it is set.
pub fn get(tx: &ReadTx<'_>, image: Image) -> Result<Option<File>, Error> {
    Ok(files::get(tx, image.path())?)
}

/// Stores an image that was checked already.
pub fn set(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    admin: &Admin,
    image: Image,
    content_type: &str,
    content: &Content,
) -> Result<(), Error> {
    let file = File { content_type: content_type.to_owned(), content: content.clone(), updated_at: ctx.now };
    let had = files::stored_at(tx, image.path())?.is_some();
    files::put(tx, image.path(), &file)?;
    changed(tx, ctx, admin, image, if had { REPLACED } else { SET })
}

/// Takes an image away.
///
/// # Errors
/// `image_not_found` if it isn't set.
pub fn delete(tx: &WriteTx<'_>, ctx: &Ctx, admin: &Admin, image: Image, if_match: Option<i64>) -> Result<(), Error> {
    check_file(tx, if_match, image.path())?;
    if !files::delete(tx, image.path(), ctx.now)? {
        return Err(Error::new(Code::ImageNotFound));
    }
    changed(tx, ctx, admin, image, TAKEN_AWAY)
}

fn changed(tx: &WriteTx<'_>, ctx: &Ctx, admin: &Admin, image: Image, change: &str) -> Result<(), Error> {
    instance::raise(tx, Cached::Images)?;
    let name = image.path().rsplit('/').next().unwrap_or_default();
    let by = Some(&admin.user().id);
    audit::record(tx, ctx, &ctx.entropy(), Event::ConfigurationUpdated, None, by, &[("image", name), (name, change)])
}
