//! Writing the audit log.

use pid_core::audit::Event;
use pid_core::{Ctx, Entropy, UserId};
use pid_store::WriteTx;
use pid_store::audit::{Place, insert};

use crate::Error;

/// Writes an entry about a person, in the transaction of its cause. `actor` is named when somebody else
/// did it. `data` must not hold secrets.
pub fn record(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    entropy: &Entropy,
    event: Event,
    user: Option<&UserId>,
    actor: Option<&UserId>,
    data: &[(&str, &str)],
) -> Result<(), Error> {
    let data: serde_json::Map<String, serde_json::Value> =
        data.iter().map(|(k, v)| ((*k).to_owned(), (*v).into())).collect();
    let data = serde_json::Value::Object(data).to_string();
    Ok(insert(tx, &entropy.uuid(), ctx, &place(&ctx.ip_address), event, user, actor, &data)?)
}

/// Names private, loopback and Tailscale addresses (api.md §10.1); others stay unknown.
pub fn place(ip_address: &str) -> Place {
    let lan = |city: &str| Place { country: "Internal Network".to_owned(), city: city.to_owned() };
    match ip_address.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(v4)) if v4.octets()[0] == 100 && (64..128).contains(&v4.octets()[1]) => {
            lan("Tailscale")
        }
        Ok(std::net::IpAddr::V4(v4)) if v4.is_private() || v4.is_loopback() || v4.is_link_local() => lan("LAN"),
        Ok(std::net::IpAddr::V6(v6)) if v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local() => {
            lan("LAN")
        }
        _ => Place::default(),
    }
}
