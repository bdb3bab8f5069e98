//! Provisioning by SCIM: where clients' people are written to.

use pid_store::{ReadTx, scim as store};
use pid_upstream::Data;
use pid_upstream::keys::seal_string;

use super::{Keys, add, some_time, text, time};
use crate::import::Report;
use crate::{Error, scim};

pub(super) fn read(tx: &ReadTx<'_>, keys: &Keys, data: &mut Data, report: &mut Report) -> Result<(), Error> {
    let providers = store::all(tx)?;
    report.comes("SCIM providers", providers.len());
    for provider in providers {
        let token = match scim::open(&keys.scim_token_key, &provider)? {
            Some(token) => seal_string(&keys.encryption_key, token.expose()).map_err(Error::internal)?,
            None => String::new(),
        };
        if provider.deactivates {
            let why = "These SCIM providers deactivate who leaves; there they are deleted, whoever created them.";
            report.left(why, &*provider.endpoint);
        }
        let cells = vec![
            ("id", text(provider.id)),
            ("created_at", time(provider.created_at)),
            ("endpoint", text(provider.endpoint)),
            ("token", text(token)),
            ("last_synced_at", some_time(provider.last_synced_at)),
            ("oidc_client_id", text(provider.client_id.as_str())),
        ];
        add(data, "scim_service_providers", cells)?;
    }
    Ok(())
}
