//! The audit log.

use pid_core::audit::Event;
use pid_core::{Ctx, Timestamp, UserId};

use crate::{StoreError, WriteTx, params, statements};

statements! {
    INSERT = "INSERT INTO audit_logs (id, created_at, event, user_id, actor_id, ip_address, user_agent, country, city, data) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    PURGE = "DELETE FROM audit_logs WHERE created_at < $1";
}

/// Where a request came from, in words. Empty when unknown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Country, or `Internal Network`.
    pub country: String,
    /// City, or `LAN`, `Tailscale`.
    pub city: String,
}

/// Writes an entry under a fresh id. `data` must not hold secrets.
pub fn insert(
    tx: &WriteTx<'_>,
    id: &str,
    ctx: &Ctx,
    place: &Place,
    event: Event,
    user: Option<&UserId>,
    actor: Option<&UserId>,
    data: &str,
) -> Result<(), StoreError> {
    tx.execute(
        &INSERT,
        params![
            id,
            ctx.now.millis(),
            event.as_str(),
            user.map(UserId::as_str),
            actor.map(UserId::as_str),
            ctx.ip_address.as_str(),
            ctx.user_agent.as_str(),
            place.country.as_str(),
            place.city.as_str(),
            data
        ],
    )?;
    Ok(())
}

/// Removes entries older than a moment.
pub fn purge(tx: &WriteTx<'_>, before: Timestamp) -> Result<u64, StoreError> {
    tx.execute(&PURGE, params![before.millis()])
}
