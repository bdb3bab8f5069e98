//! Provisioning by SCIM: where clients' people are written to. What was written there is found again by our ids, which
//! come along, but not who created it: nothing of that is ever deleted there.

use std::collections::BTreeSet;

use pid_core::{ClientId, Ctx};
use pid_integrations::scim::check_endpoint;
use pid_store::WriteTx;
use pid_store::scim::{self as store, Provider};
use pid_upstream::Data;
use pid_upstream::keys::open_string;

use super::report::Report;
use super::{Keys, Known, NOWHERE, fresh, made, pointer};
use crate::Error;
use crate::scim;

pub(super) fn read(data: &Data, keys: &Keys, ctx: &Ctx, known: &Known, report: &mut Report) -> Vec<Provider> {
    let (mut out, mut ids, mut clients) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
    let entropy = ctx.stream("SCIM providers");
    let mut rows: Vec<_> = data.rows("scim_service_providers").collect();
    rows.sort_by_key(|row| row.text("id"));
    for row in rows {
        let endpoint = row.text("endpoint").unwrap_or_default();
        let Some(client) = pointer(&row, "oidc_client_id", &known.clients) else {
            report.left(NOWHERE, "a SCIM provider");
            continue;
        };
        if check_endpoint(&endpoint).is_err() {
            report.left("These addresses of SCIM providers can't be used.", endpoint);
            continue;
        }
        if !clients.insert(client.clone()) {
            report.left("A client is provisioned to one place; the first one came.", endpoint);
            continue;
        }
        let id = fresh(&mut ids, row.text("id"), &entropy);
        let token = row.some_text("token").map(|sealed| {
            let opened = keys.source.as_ref().and_then(|key| open_string(key, &sealed).ok());
            let text = opened.and_then(|token| String::from_utf8(token.to_vec()).ok());
            text.and_then(|text| scim::seal(&keys.scim_token_key, &id, &text).ok())
        });
        let sealed_token = match token {
            Some(None) => {
                report.look("The tokens of these SCIM providers don't open. Enter them again.", &*endpoint);
                None
            }
            token => token.flatten().flatten(),
        };
        report.look(
            "Provisioning by SCIM goes on from here when the server starts. The other installation must not do it as well.",
            &*endpoint,
        );
        let provider = scim::fresh(id, ClientId::new(client), endpoint, ctx.now);
        out.push(Provider {
            sealed_token,
            created_at: made(&row, ctx),
            last_synced_at: row.time("last_synced_at"),
            ..provider
        });
    }
    report.comes("SCIM providers", out.len());
    out
}

pub(super) fn write(tx: &WriteTx<'_>, providers: &[Provider]) -> Result<(), Error> {
    Ok(providers.iter().try_for_each(|provider| store::insert(tx, provider))?)
}
