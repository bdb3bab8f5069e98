//! Clients' logos, for light and for dark pages (api.md §16.8).

use pid_core::audit::Event;
use pid_core::clients::Client;
use pid_core::files::Content;
use pid_core::{ClientId, Ctx};
use pid_store::files::{self, File};
use pid_store::{ReadTx, WriteTx, clients as store};

use crate::access::Admin;
use crate::audit::{REPLACED, SET, TAKEN_AWAY};
use crate::change::check_file;
use crate::{Code, Error, audit, clients};

/// Where a logo's file is.
pub(crate) fn path(id: &ClientId, dark: bool) -> String {
    format!("oidc-client-images/{id}{}", if dark { "-dark" } else { "" })
}

/// A client's logo; the light one where a dark one is missing.
pub fn get(tx: &ReadTx<'_>, id: &ClientId, dark: bool) -> Result<File, Error> {
    clients::find(tx, id)?;
    let found = match files::get(tx, &path(id, dark))? {
        None if dark => files::get(tx, &path(id, false))?,
        found => found,
    };
    found.ok_or_else(|| Error::new(Code::ImageNotFound))
}

/// Stores a logo that was checked already.
pub fn set(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    admin: &Admin,
    id: &ClientId,
    dark: bool,
    content_type: &str,
    content: &Content,
) -> Result<(), Error> {
    let mut client = clients::find(tx, id)?;
    let file = File { content_type: content_type.to_owned(), content: content.clone(), updated_at: ctx.now };
    files::put(tx, &path(id, dark), &file)?;
    let had = std::mem::replace(if dark { &mut client.has_dark_logo } else { &mut client.has_logo }, true);
    store::update(tx, &client, ctx.now)?;
    record(tx, ctx, admin, &client, dark, if had { REPLACED } else { SET })
}

/// A stream of its own: logos come with other changes of a client.
fn record(tx: &WriteTx<'_>, ctx: &Ctx, admin: &Admin, client: &Client, dark: bool, change: &str) -> Result<(), Error> {
    let name = if dark { "darkLogo" } else { "logo" };
    let names = [("clientName", client.name.as_str()), ("clientID", client.id.as_str()), (name, change)];
    audit::record(tx, ctx, &ctx.stream(name), Event::ClientUpdated, None, Some(&admin.user().id), &names)
}

/// Deletes a logo.
pub fn delete(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    admin: &Admin,
    id: &ClientId,
    dark: bool,
    if_match: Option<i64>,
) -> Result<(), Error> {
    let mut client = clients::find(tx, id)?;
    check_file(tx, if_match, &path(id, dark))?;
    if !files::delete(tx, &path(id, dark), ctx.now)? {
        return Err(Error::new(Code::ImageNotFound));
    }
    *(if dark { &mut client.has_dark_logo } else { &mut client.has_logo }) = false;
    store::update(tx, &client, ctx.now)?;
    record(tx, ctx, admin, &client, dark, TAKEN_AWAY)
}
