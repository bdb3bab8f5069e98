//! Clients from a person's side: the launcher, and what they have authorized (api.md §16.12, §16.13).

use pid_core::audit::Event;
use pid_core::list::{ListRequest, Page};
use pid_core::{ClientId, Ctx, UserId};
use pid_store::authorized_clients::{self, PersonalClient};
use pid_store::grants::RevokedBy;
use pid_store::{ReadTx, WriteTx, clients, users};

use crate::access::SignedIn;
use crate::roles::ReadsPeople;
use crate::{Code, Error, audit, sign_out};

/// A page of the clients that the caller may use.
pub fn usable(tx: &ReadTx<'_>, who: &SignedIn, request: &ListRequest) -> Result<Page<PersonalClient>, Error> {
    Ok(authorized_clients::usable(tx, &who.user().id, request)?)
}

/// A page of the clients that the caller has authorized.
pub fn own(tx: &ReadTx<'_>, who: &SignedIn, request: &ListRequest) -> Result<Page<PersonalClient>, Error> {
    Ok(authorized_clients::authorized(tx, &who.user().id, request)?)
}

/// A page of the clients that another person has authorized.
pub fn of(
    tx: &ReadTx<'_>,
    _: &ReadsPeople,
    user: &UserId,
    request: &ListRequest,
) -> Result<Page<PersonalClient>, Error> {
    users::by_id(tx, user)?.ok_or_else(|| Error::new(Code::UserNotFound))?;
    Ok(authorized_clients::authorized(tx, user, request)?)
}

/// Withdraws the caller's consent: the client's tokens for them are worth nothing from now on.
pub fn withdraw(tx: &WriteTx<'_>, ctx: &Ctx, who: &SignedIn, client: &ClientId) -> Result<(), Error> {
    let user = &who.user().id;
    if !authorized_clients::withdraw(tx, user, client)? {
        return Err(Error::not_found("Client authorization"));
    }
    sign_out::app(tx, ctx, user, client, RevokedBy::Consent)?;
    let name = clients::by_id(tx, client)?.map(|c| c.name).unwrap_or_default();
    let data = [("clientName", name.as_str()), ("clientID", client.as_str())];
    audit::record(tx, ctx, &ctx.entropy(), Event::ConsentWithdrawn, Some(user), None, &data)
}
