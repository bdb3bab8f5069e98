//! `pocket-id key-rotate`: another signing key, or the end of one that leaked. A running server notices within a second.

use std::io::{BufRead as _, Write as _};

use clap::Args;
use pid_flows::keys::{self, KeySealer, Wish};
use pid_flows::{Code, Error};
use pid_jose::rotation::Action;
use pid_store::Db;

use super::{ctx, open};
use crate::config::Config;
use crate::{app, encryption_key};

/// What to do (ops.md §2).
#[derive(Debug, Args)]
pub struct KeyRotate {
    /// The algorithm whose key is replaced: RS256, ES256 or EdDSA.
    #[arg(long, short, default_value = "RS256")]
    alg: String,
    /// The curve; only Ed25519, with EdDSA.
    #[arg(long, short)]
    crv: Option<String>,
    /// The new key signs at once instead of after 24 hours. Apps that keep our keys for a while refuse sign-ins until
    /// they ask for them again.
    #[arg(long)]
    now: bool,
    /// Ends this key, which leaked, with all tokens that it signed.
    #[arg(long, value_name = "KID", conflicts_with_all = ["now", "alg", "crv"])]
    revoke: Option<String>,
    /// Doesn't ask.
    #[arg(long, short)]
    yes: bool,
}

/// Rotates, and gives what to print.
///
/// # Errors
/// A sentence that says what went wrong; `Aborted` if the answer was no.
pub async fn run(config: &Config, command: &KeyRotate) -> Result<String, String> {
    let eddsa = command.alg.eq_ignore_ascii_case("EdDSA");
    match &command.crv {
        Some(crv) if !eddsa => return Err(format!("--crv {crv} goes with --alg EdDSA only.")),
        Some(crv) if !crv.eq_ignore_ascii_case("Ed25519") => {
            return Err(format!("The curve {crv} is not supported: use Ed25519."));
        }
        _ => {}
    }
    let db = open(config).await?;
    let done = rotate(&db, config, command).await;
    db.close().await;
    done.map_err(|error| match error {
        Stop::Aborted => "Aborted".to_owned(),
        Stop::Rule(e) if e.code == Code::NotFound => "There is no such key, or it is revoked already.".to_owned(),
        Stop::Rule(e) => format!("{}.", e.message),
        Stop::Start(e) => e.to_string(),
    })
}

enum Stop {
    Aborted,
    Rule(Error),
    Start(app::StartError),
}

async fn rotate(db: &Db, config: &Config, command: &KeyRotate) -> Result<String, Stop> {
    let encryption_key = encryption_key::existing_key(config, db).await.map_err(Stop::Start)?;
    let sealer = KeySealer::new(&encryption_key).map_err(Stop::Rule)?;
    let name = command.alg.clone();
    let wish = match &command.revoke {
        Some(kid) => Wish::Revoke { kid: kid.clone() },
        None => {
            let alg = db.read(move |tx| keys::rotatable(tx, &name)).await.map_err(Stop::Rule)?;
            Wish::Rotate { alg, at_once: command.now }
        }
    };
    if !command.yes && !confirmed(&wish) {
        return Err(Stop::Aborted);
    }
    let done = pid_http::keys::carry_out(db, &sealer, ctx(), None, wish.clone()).await.map_err(Stop::Rule)?;
    Ok(told(&wish, &done))
}

fn told(wish: &Wish, done: &[Action]) -> String {
    match wish {
        _ if done.is_empty() => "Nothing to do: the next key is published already and signs after its 24 hours. \
                                 Use --now to switch at once."
            .to_owned(),
        Wish::Rotate { at_once: false, .. } => "Key rotated successfully\n\
            The next key is published from now on and signs after 24 hours. A running server needs no restart."
            .to_owned(),
        Wish::Revoke { .. } => "Key revoked. Its tokens are worth nothing any more.\n\
            A running server needs no restart. Apps that keep our keys may trust it until they ask again."
            .to_owned(),
        _ => "Key rotated successfully\nThe new key signs from now on. A running server needs no restart.".to_owned(),
    }
}

/// Says what will happen and asks.
fn confirmed(wish: &Wish) -> bool {
    let warning = match wish {
        Wish::Rotate { at_once: false, .. } | Wish::Due => {
            "The next signing key will be published now and will sign after 24 hours. Tokens stay valid."
        }
        Wish::Rotate { .. } => {
            "WARNING: the new key will sign at once. Apps that keep our keys for a while (Nextcloud: an hour) refuse \
             sign-ins until they ask for them again. Tokens stay valid."
        }
        Wish::Revoke { .. } => {
            "WARNING: every token that this key signed becomes invalid at once, and apps that keep our keys for a while \
             refuse sign-ins until they ask for them again."
        }
    };
    let mut out = std::io::stdout();
    let _ = write!(out, "{warning}\nConfirm [y/N]: ");
    let _ = out.flush();
    let mut answer = String::new();
    let _ = std::io::stdin().lock().read_line(&mut answer);
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}
