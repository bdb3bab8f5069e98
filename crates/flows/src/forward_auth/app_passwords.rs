//! App passwords: with them programs get into an app behind a proxy, where nobody can use a passkey (RFC 7617).

use pid_core::audit::Event;
use pid_core::handle::{self, Handle};
use pid_core::secret::{Secret, sha256};
use pid_core::users::User;
use pid_core::validate::{key, nfc};
use pid_core::{ClientId, Ctx, FieldCode, Fields};
use pid_store::forward_auth::{self, AppPassword, ProxiedApp};
use pid_store::{ReadTx, WriteTx};

use crate::access::{SessionUser, SignedIn};
use crate::{Error, Saying, audit};

/// The most app passwords of a person.
const MOST: usize = 100;
/// All of them begin so: whoever finds one knows what it is.
const PREFIX: &str = "pocket_id_app_";

/// Whose password it is that lets into this app, if the name goes with it.
pub(super) fn owner(
    tx: &ReadTx<'_>,
    app: &ProxiedApp,
    username: &str,
    password: &Secret,
) -> Result<Option<(User, Handle)>, Error> {
    let Some(handle) = password.expose().strip_prefix(PREFIX).and_then(|_| handle::read(password.expose())) else {
        return Ok(None);
    };
    // Found by its id and compared by hash: how long that takes says nothing (security case 104).
    let found = forward_auth::password_owner(tx, &handle, &app.client_id)?;
    let named = |user: &User| {
        key(&user.username) == key(username) || user.email.as_deref().is_some_and(|email| key(email) == key(username))
    };
    Ok(found.filter(named).map(|user| (user, handle)))
}

/// One's own app passwords, the oldest first.
pub fn list(tx: &ReadTx<'_>, who: &SignedIn) -> Result<Vec<AppPassword>, Error> {
    Ok(forward_auth::passwords(tx, &who.user().id)?)
}

/// The apps for which somebody may make one: those that take them and that they may enter.
pub fn apps(tx: &ReadTx<'_>, user: &User) -> Result<Vec<(ClientId, String)>, Error> {
    let groups = forward_auth::groups(tx, &user.id)?;
    let mut found = Vec::new();
    for (id, name, restricted) in forward_auth::taking_passwords(tx)? {
        let allowed = if restricted { forward_auth::allowed(tx, &id)? } else { Vec::new() };
        if !restricted || groups.iter().any(|(group, _)| allowed.contains(group)) {
            found.push((id, name));
        }
    }
    Ok(found)
}

/// Makes one. Its value is known now and never again.
pub fn create(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    who: &SessionUser,
    client: &str,
    name: &str,
) -> Result<(AppPassword, Secret), Error> {
    let mut fields = Fields::new();
    let name = nfc(name.trim());
    fields.length("name", &name, 1, 50);
    let app = apps(tx, who.user())?.into_iter().find(|(id, _)| id.as_str() == client);
    if app.is_none() {
        fields.refuse(
            "clientId",
            FieldCode::InvalidValue,
            "must be an app that takes app passwords and that you may enter",
        );
    }
    fields.finish()?;
    let Some((client_id, client_name)) = app else { return Err(Error::not_found("OIDC client")) };
    if forward_auth::passwords(tx, &who.user().id)?.len() >= MOST {
        return Err(Error::say(Saying::TooManyAppPasswords, &[]));
    }
    let entropy = ctx.entropy();
    let id = entropy.uuid_at(ctx.now);
    let value = format!("{PREFIX}{}", handle::make(&id, 0, &entropy.bytes()));
    forward_auth::insert_password(tx, &id, &who.user().id, &client_id, &name, &sha256(value.as_bytes()), ctx.now)?;
    let data = [("clientName", client_name.as_str()), ("name", name.as_str())];
    audit::record(tx, ctx, &ctx.stream("audit"), Event::AppPasswordCreated, Some(&who.user().id), None, &data)?;
    Ok((AppPassword { id, client_id, client_name, name, created_at: ctx.now, last_used_at: None }, Secret::new(value)))
}

/// Deletes one of one's own: it lets nobody in any more.
pub fn delete(tx: &WriteTx<'_>, ctx: &Ctx, who: &SignedIn, id: &str) -> Result<(), Error> {
    let known = forward_auth::passwords(tx, &who.user().id)?.into_iter().find(|known| known.id == id);
    let Some(known) = known else { return Err(Error::not_found("App password")) };
    forward_auth::delete_password(tx, id, &who.user().id)?;
    let data = [("clientName", known.client_name.as_str()), ("name", known.name.as_str())];
    audit::record(tx, ctx, &ctx.stream("audit"), Event::AppPasswordDeleted, Some(&who.user().id), None, &data)
}
