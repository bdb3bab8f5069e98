//! `pocket-id encryption-key-rotate` (ops.md §2).

use std::path::PathBuf;

use clap::Args;
use pid_core::Entropy;
use pid_flows::Error;
use pid_flows::encryption_key::{Resealed, Ring, reseal};
use pid_http::state::seed;
use pid_store::{Target, WriteTx};

use super::progress::Shown;
use super::{confirmed, open};
use crate::config::Config;
use crate::encryption_key;

/// The new key.
#[derive(Debug, Args)]
pub struct EncryptionKeyRotate {
    /// The new key, at least 16 bytes. Other users of this machine may see it among the processes: better a file.
    #[arg(long, value_name = "KEY", conflicts_with = "new_key_file")]
    new_key: Option<String>,
    /// A file with the new key, read as raw bytes.
    #[arg(long, value_name = "FILE")]
    new_key_file: Option<PathBuf>,
    /// Doesn't ask.
    #[arg(long, short)]
    yes: bool,
}

/// Rotates, and gives what to print.
///
/// # Errors
/// A sentence that says what went wrong; `Aborted` if the answer was no. Nothing was changed then.
pub async fn run(config: &Config, command: &EncryptionKeyRotate) -> Result<String, String> {
    // Where the key lies beside the database it is ours to replace.
    let own_file = match &config.database {
        Target::Sqlite(path) if config.encryption_key.is_none() => Some(encryption_key::key_file(path)),
        _ => None,
    };
    let new = match (&command.new_key, &command.new_key_file) {
        (Some(key), _) => key.clone().into_bytes(),
        (None, Some(path)) => {
            std::fs::read(path).map_err(|e| format!("The key file {} can't be read: {e}.", path.display()))?
        }
        (None, None) if own_file.is_some() => Entropy::new(seed()).token().into_bytes(),
        (None, None) => return Err("Name the new key by --new-key-file or --new-key.".to_owned()),
    };
    if new.len() < 16 {
        return Err("The new key must have at least 16 bytes.".to_owned());
    }
    let sentence = |e: pid_store::OpenError| format!("{e}.");
    if config.database.is_in_use().await.map_err(sentence)? {
        return Err(
            "A server is connected to the database. Stop it first: what it seals with the old key would be lost. \
                    Nothing was changed."
                .to_owned(),
        );
    }
    let db = open(config).await?;
    let done = rotate(config, command, &db, &new, own_file.as_deref()).await;
    db.close().await;
    let done = done?;
    let then = match own_file {
        Some(file) => format!("The new key is in {}: keep a copy of it.", file.display()),
        None => "Start the server with the new ENCRYPTION_KEY.".to_owned(),
    };
    let lost = match done.lost {
        0 => String::new(),
        n => format!("\n{n} sealed values could not be opened before either and are of no use."),
    };
    Ok(format!(
        "Encryption key rotated successfully: {} signing keys, {} sign-up tokens, {} SCIM tokens, {} secrets in waiting mails.{lost}\n\
         {then} Backups from before need the old key.",
        done.signing_keys, done.signup_tokens, done.scim_tokens, done.letters
    ))
}

async fn rotate(
    config: &Config,
    command: &EncryptionKeyRotate,
    db: &pid_store::Db,
    new: &[u8],
    own_file: Option<&std::path::Path>,
) -> Result<Resealed, String> {
    let old = encryption_key::existing_key(config, db).await.map_err(|e| e.to_string())?;
    if old == new {
        return Err("The new key is the old one. Nothing was changed.".to_owned());
    }
    let question = "WARNING: everything that is encrypted will be encrypted with the new key. Links in mails that are under \
                    way end. Continue";
    if !command.yes && !confirmed(question)? {
        return Err("Aborted".to_owned());
    }
    let fault = |e: Error| format!("{}. Nothing was changed.", e.message);
    let rings = (Ring::new(&old).map_err(fault)?, Ring::new(new).map_err(fault)?);
    let tag = encryption_key::key_tag(new).map_err(fault)?;
    // First beside the old one: whichever the transaction's end leaves, its key is there, and a start finds it.
    if let Some(file) = own_file {
        encryption_key::write_private(&encryption_key::next_key_file(file), new)
            .map_err(|e| format!("The new key can't be written beside the database: {e}. Nothing was changed."))?;
    }
    let shown = Shown::of("Sealing everything anew");
    let progress = shown.progress().clone();
    let resealed = db.write(move |tx: &WriteTx<'_>| -> Result<Resealed, Error> {
        let done = reseal(tx, &rings.0, &rings.1, &progress)?;
        encryption_key::put_key_tag(tx, &tag)?;
        Ok(done)
    });
    let resealed = resealed.await;
    drop(shown);
    let done = resealed.map_err(fault)?;
    if let Some(file) = own_file {
        encryption_key::adopt_next_key(file)
            .map_err(|e| format!("The new key file can't take its place: {e}. The next start does it."))?;
    }
    Ok(done)
}
