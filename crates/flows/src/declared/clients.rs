//! A declared client.

use pid_core::ClientId;
use pid_core::clients::ClientType;
use pid_core::secret::sha256;
use pid_core::validate::nfc;
use pid_store::{clients as store_clients, groups as store_groups};

use super::apply::{Did, Run, Secret, differences, list, object};
use super::file::ClientDeclared;
use super::{Kind, Part};
use crate::change::Change;
use crate::{Code, Error, client_secrets, clients};

impl Run<'_> {
    pub(super) fn client(&mut self, wanted: &ClientDeclared) -> Result<(), Error> {
        let id = ClientId::new(wanted.client.id.as_str());
        let (name, ctx) = (id.as_str().to_owned(), self.ctx(&format!("client {id}")));
        let known = store_clients::by_id(self.tx, &id)?;
        let mut input = wanted.client.clone();
        // What an absent member means is what it is by default, not what it was before.
        input.is_group_restricted |= wanted.groups.is_some();
        input.id_token_duration_minutes.get_or_insert(0);
        input.claim_mapping.get_or_insert_with(|| serde_json::json!({}));
        input.token_endpoint_auth_method.get_or_insert_default();
        input.jwks.get_or_insert_with(|| serde_json::json!(""));
        input.jwks_uri.get_or_insert_default();
        input.dpop_bound_access_tokens.get_or_insert(false);
        input.backchannel_logout_session_required.get_or_insert(false);
        if known.as_ref().is_some_and(|client| client.backchannel_logout_url.is_some()) {
            input.backchannel_logout_url.get_or_insert_default();
        }
        match known {
            None => {
                clients::create(self.tx, &ctx, self.sealer, &self.admin, &input)?;
                let members = vec![("name".to_owned(), String::new(), input.name.clone())];
                self.note(Kind::Client, &name, Did::Made, members);
            }
            Some(current) => {
                let wanted = input.client_type.as_deref().unwrap_or(ClientType::Standard.as_str());
                if current.client_type.as_str() != wanted {
                    let message = "The type of a client can't be changed: remove it first";
                    return Err(Error::with(Code::ValidationFailed, message));
                }
                let (before, after) = clients::outcome(self.tx, &id, &input)?;
                let members = differences(&object(Ok(before))?, &object(Ok(after))?);
                if !members.is_empty() {
                    clients::update(self.tx, &ctx, self.sealer, &self.admin, &id, &Change::Replace(input), None)?;
                    self.note(Kind::Client, &name, Did::Changed, members);
                }
            }
        }
        if let Some(names) = &wanted.groups {
            let ids = self.group_ids(names)?;
            let before: Vec<String> =
                store_groups::of_client(self.tx, &id)?.into_iter().map(|group| group.name).collect();
            let (before, after) = (list(&before), list(&names.iter().map(|name| nfc(name)).collect::<Vec<_>>()));
            if before != after {
                clients::set_groups(
                    self.tx,
                    &self.ctx(&format!("groups of client {id}")),
                    &self.admin,
                    &id,
                    &ids,
                    None,
                )?;
                self.note(
                    Kind::Client,
                    &name,
                    Did::Changed,
                    vec![("groups".to_owned(), before.join(", "), after.join(", "))],
                );
            }
        }
        if wanted.secret.is_some() {
            self.secret(&id)?;
        }
        let parts =
            [(Part::Fields, true), (Part::Groups, wanted.groups.is_some()), (Part::Secret, wanted.secret.is_some())];
        self.keep(Kind::Client, &name, &name, &parts)
    }

    /// Makes the declared secret a client's only one. One that others have made meanwhile stays.
    fn secret(&mut self, id: &ClientId) -> Result<(), Error> {
        let stored = store_clients::secrets(self.tx, id)?;
        let name = id.as_str().to_owned();
        let (secret, is_made) = match self.plan.secrets.get(id.as_str()) {
            Some(Secret::Given(secret)) => (Some(secret), false),
            Some(Secret::Made(secret)) => (Some(secret), true),
            // A dry run makes none.
            None => (None, true),
        };
        let is_it = |secret: &String| {
            stored.len() == 1
                && stored[0].algorithm == "sha256"
                && stored[0].hash == sha256(secret.as_bytes())
                && stored[0].expires_at.is_none()
        };
        if secret.is_some_and(is_it) {
            return Ok(());
        }
        if is_made && !stored.is_empty() && !self.plan.new_secrets {
            self.elsewhere.push(name);
            return Ok(());
        }
        let after = if is_made { "(a new secret)" } else { "(the file's secret)" };
        if let Some(secret) = secret {
            let ctx = self.ctx(&format!("secret of client {id}"));
            client_secrets::add(self.tx, &ctx, &self.admin, id, Some(secret), None, true)?;
        }
        let before = if stored.is_empty() { String::new() } else { "(other secrets)".to_owned() };
        self.note(Kind::Client, &name, Did::Changed, vec![("secret".to_owned(), before, after.to_owned())]);
        Ok(())
    }
}
