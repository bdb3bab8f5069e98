//! Rotation and revocation of signing keys, for the API, the calendar and the command line: plan, make keys off any
//! transaction, do it in one.

use pid_core::{Ctx, Entropy};
use pid_flows::access::Credentials;
use pid_flows::keys::{self, KeySealer, Wish};
use pid_flows::{Error, Saying};
use pid_jose::rotation::Action;
use pid_store::Db;

/// How often a plan is made anew because others changed the keys in between.
const ATTEMPTS: usize = 3;

/// Does what is wished, and gives what was done. With `creds` only for an administrator. Whoever caches keys must load
/// them anew afterwards; other replicas see the raised version within a second.
///
/// # Errors
/// As [`keys::plan`], and those of the check.
pub async fn carry_out(
    db: &Db,
    sealer: &KeySealer,
    ctx: Ctx,
    creds: Option<Credentials>,
    wish: Wish,
) -> Result<Vec<Action>, Error> {
    for _ in 0..ATTEMPTS {
        let (asked, who, meant) = (ctx.clone(), creds.clone(), wish.clone());
        let plan = db
            .read(move |tx| {
                who.as_ref().map(|creds| creds.admin(tx, asked.now)).transpose()?;
                keys::plan(tx, &meant, asked.now)
            })
            .await?;
        if plan.is_empty() {
            return Ok(plan);
        }
        let (sealer, now) = (sealer.clone(), ctx.now);
        let made = tokio::task::spawn_blocking(move || {
            keys::prepare(&sealer, &plan, &Entropy::new(crate::state::seed()), now)
        });
        let prepared = made.await.map_err(Error::internal)??;
        let (ctx, creds, wish) = (ctx.clone(), creds.clone(), wish.clone());
        let done = db
            .write(move |tx| {
                let admin = creds.as_ref().map(|creds| creds.admin(tx, ctx.now)).transpose()?;
                keys::carry_out(tx, &ctx, admin.as_ref(), &wish, &prepared)
            })
            .await?;
        if let Some(done) = done {
            return Ok(done);
        }
    }
    Err(Error::say(Saying::KeysBusy, &[]))
}
