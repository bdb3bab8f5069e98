//! The instance's id and its signing key, opened with the key of there and sealed with that of here.

use pid_core::{Ctx, KeyState};
use pid_store::keys::{self as store, StoredKey};
use pid_store::{WriteTx, instance};
use pid_upstream::{Data, keys as theirs};

use super::Keys;
use super::report::Report;
use crate::Error;

/// Why an import is refused that could be read: it would be worthless.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The wrong `ENCRYPTION_KEY`.
    #[error(
        "The signing key does not open with this encryption key. Name the ENCRYPTION_KEY of the other installation: in \
         ENCRYPTION_KEY, or in a file with --source-key-file. Without it, --without-keys goes on: apps get another \
         signing key, and everybody signs in anew"
    )]
    WrongKey,
    /// A key of another kind.
    #[error("The signing key can't be used here ({0}). --without-keys goes on with another one")]
    UnusableKey(String),
    /// Inserting would fail.
    #[error("{0}")]
    Other(String),
}

#[derive(Default)]
pub(super) struct Own {
    instance_id: Option<String>,
    signing_key: Option<StoredKey>,
}

pub(super) fn read(data: &Data, keys: &Keys, ctx: &Ctx, report: &mut Report) -> Result<Own, Refusal> {
    // Until 2.11 the id was a setting.
    let in_settings = data.rows("app_config_variables").find(|row| row.text("key").as_deref() == Some("instanceId"));
    let instance_id = data.fact("instance_id").or_else(|| in_settings.and_then(|row| row.text("value")));
    let instance_id = instance_id.filter(|id| !id.is_empty());
    let mut own = Own { instance_id, signing_key: None };
    let Some(sealed) = data.fact("jwt_private_key.json") else {
        report.left("The data has no signing key, so apps see another one.", "");
        return Ok(own);
    };
    let Some(source) = &keys.source else {
        report.left("The signing key stays there, as was asked for: apps see another one.", "");
        return Ok(own);
    };
    let opened = theirs::open_signing_key(source, own.instance_id.as_deref().unwrap_or_default(), &sealed)
        .map_err(|_| Refusal::WrongKey)?;
    let (key, pkcs8) = pid_jose::from_private_jwk(&opened).map_err(|e| Refusal::UnusableKey(e.to_string()))?;
    let stored = crate::keys::stored(&keys.sealer, &key, &pkcs8, KeyState::Active, ctx.now);
    own.signing_key = Some(stored.map_err(|e| Refusal::UnusableKey(e.message))?);
    report.comes("signing key", 1);
    Ok(own)
}

pub(super) fn write(tx: &WriteTx<'_>, own: &Own) -> Result<(), Error> {
    if let Some(id) = &own.instance_id {
        instance::put(tx, "instance_id", id)?;
    }
    if let Some(key) = &own.signing_key {
        store::insert(tx, key)?;
    }
    Ok(())
}
