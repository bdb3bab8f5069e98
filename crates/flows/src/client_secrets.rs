//! Secrets of OAuth clients (api.md §16.4).

use pid_core::audit::Event;
use pid_core::clients::{ClientSecret, ClientType, MAX_SECRETS};
use pid_core::secret::{Secret, sha256};
use pid_core::{ClientId, Ctx, FieldCode, Fields, Timestamp};
use pid_store::{ReadTx, WriteTx, clients};

use crate::access::Admin;
use crate::change::check_version;
use crate::clients::{find, record};
use crate::declared::{self, Kind, Part};
use crate::roles::ReadsAll;
use crate::{Error, Saying};

/// A new secret: the only time that its value is known.
#[derive(Clone, Debug)]
pub struct NewSecret {
    /// As it is stored.
    pub stored: ClientSecret,
    /// The value.
    pub value: Secret,
}

/// A client's secrets.
pub fn list(tx: &ReadTx<'_>, _: &ReadsAll, id: &ClientId) -> Result<Vec<ClientSecret>, Error> {
    find(tx, id)?;
    Ok(clients::secrets(tx, id)?)
}

/// Adds a secret: a given value of at least 16 printable ASCII characters, or 32 random letters and digits. With
/// `replace` the others go (the route of releases before 2.14).
pub fn add(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    admin: &Admin,
    id: &ClientId,
    own: Option<&str>,
    expires_at: Option<Timestamp>,
    replace: bool,
) -> Result<NewSecret, Error> {
    if expires_at.is_some_and(|t| t <= ctx.now) {
        return Err(Error::say(Saying::SecretExpired, &[]));
    }
    let own = own.filter(|s| !s.is_empty());
    if let Some(own) = own {
        let mut fields = Fields::new();
        if own.len() < 16 {
            fields.refuse("secret", FieldCode::TooShort, "must have at least 16 characters");
        } else if own.len() > 512 {
            fields.refuse("secret", FieldCode::TooLong, "must have at most 512 characters");
        } else if !own.bytes().all(|b| (0x20..=0x7e).contains(&b)) {
            fields.refuse("secret", FieldCode::Printascii, "must be printable ASCII");
        }
        fields.finish()?;
    }
    let client = find(tx, id)?;
    declared::check(tx, Kind::Client, id.as_str(), Part::Secret)?;
    if client.is_public || client.client_type == ClientType::Cimd {
        return Err(Error::say(Saying::NoSecret, &[]));
    }
    if client.client_type == ClientType::Proxy {
        return Err(Error::say(Saying::ProxyNoSecret, &[]));
    }
    let ids = |secrets: Vec<ClientSecret>| secrets.into_iter().map(|s| s.id).collect::<Vec<_>>();
    let before = ids(clients::secrets(tx, id)?);
    if replace {
        clients::delete_secrets(tx, id)?;
    }
    if clients::secrets(tx, id)?.len() >= MAX_SECRETS {
        return Err(Error::say(Saying::TooManySecrets, &[]));
    }
    let entropy = ctx.entropy();
    let value = own.map_or_else(|| entropy.text(pid_core::entropy::ALPHANUMERIC, 32), str::to_owned);
    let stored = ClientSecret {
        id: entropy.uuid(),
        algorithm: "sha256".to_owned(),
        hash: sha256(value.as_bytes()).to_vec(),
        prefix: value.chars().take(4).collect(),
        created_at: ctx.now,
        expires_at,
    };
    clients::insert_secret(tx, id, &stored)?;
    clients::touch(tx, id, ctx.now)?;
    let after = ids(clients::secrets(tx, id)?);
    record(tx, ctx, admin, Event::ClientSecretCreated, &client, |note| {
        let expiry = expires_at.map(|at| at.to_string()).unwrap_or_default();
        note.set("secretIDs", &before, &after).change("expiresAt", "", &expiry)
    })?;
    Ok(NewSecret { stored, value: Secret::new(value) })
}

/// Deletes a secret: it stops authenticating at once.
pub fn delete(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    admin: &Admin,
    id: &ClientId,
    secret: &str,
    if_match: Option<i64>,
) -> Result<(), Error> {
    let client = find(tx, id)?;
    check_version(if_match, client.version)?;
    declared::check(tx, Kind::Client, id.as_str(), Part::Secret)?;
    if !clients::delete_secret(tx, id, secret)? {
        return Err(Error::not_found("Client secret"));
    }
    clients::touch(tx, id, ctx.now)?;
    let none: [&str; 0] = [];
    record(tx, ctx, admin, Event::ClientSecretDeleted, &client, |note| note.set("secretIDs", &[secret], &none))
}
