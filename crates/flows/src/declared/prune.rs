//! What was declared once and is no more.

use std::collections::BTreeMap;

use pid_core::settings::setting;
use pid_core::{ClientId, GroupId, UserId};
use pid_store::declared::{self as store, Declared};
use pid_store::{clients as store_clients, groups as store_groups, settings as store_settings, users as store_users};

use super::Kind;
use super::apply::{Did, Run};
use crate::settings::{Scope, update as update_settings};
use crate::{Error, clients, groups, users};

impl Run<'_> {
    /// What was declared once and is no more: removed if that is wanted, else left to pages, and still known.
    pub(super) fn rest(&mut self) -> Result<(), Error> {
        let gone: Vec<Declared> = store::all(self.tx)?;
        let is_seen = |one: &Declared, seen: &[(Kind, String)]| {
            seen.iter().any(|(kind, id)| kind.as_str() == one.kind && *id == one.id)
        };
        let gone: Vec<Declared> = gone.into_iter().filter(|one| !is_seen(one, &self.seen)).collect();
        // Clients before groups, which they name; people before groups, too.
        for kind in [Kind::Client, Kind::User, Kind::Setting, Kind::Group] {
            for one in gone.iter().filter(|one| one.kind == kind.as_str()) {
                if self.plan.prune {
                    self.judged(kind.as_str(), &one.name, |run| run.remove(kind, one))?;
                } else if !one.parts.is_empty() {
                    store::put(self.tx, &Declared { parts: String::new(), ..one.clone() })?;
                }
            }
        }
        Ok(())
    }

    fn remove(&mut self, kind: Kind, one: &Declared) -> Result<(), Error> {
        let (ctx, settings) = (self.ctx(&format!("remove {} {}", one.kind, one.id)), store_settings::load(self.tx)?);
        let was_there = match kind {
            Kind::Client => {
                let id = ClientId::new(one.id.as_str());
                let there = store_clients::by_id(self.tx, &id)?.is_some();
                if there {
                    clients::delete(self.tx, &ctx, &self.admin, &id, None)?;
                }
                there
            }
            Kind::User => match store_users::by_id(self.tx, &UserId::new(one.id.as_str()))? {
                Some(user) => {
                    users::delete(self.tx, &ctx, &settings, &self.who.person(self.tx, &user.id)?, None)?;
                    true
                }
                None => false,
            },
            Kind::Group => match store_groups::by_id(self.tx, &GroupId::new(one.id.as_str()))? {
                Some(group) => {
                    groups::delete(self.tx, &ctx, &settings, &self.who.group(self.tx, &group.id)?, None)?;
                    true
                }
                None => false,
            },
            Kind::Setting => {
                let default = setting(&one.id).map_or("", |setting| setting.default);
                let differs = setting(&one.id).is_some() && settings.get(&one.id) != default;
                if differs && !settings.are_fixed() {
                    let values = BTreeMap::from([(one.id.clone(), None)]);
                    update_settings(self.tx, &ctx, &self.admin, &values, Scope::Named, None)?;
                }
                differs
            }
        };
        store::forget(self.tx, &one.kind, &one.id)?;
        if was_there {
            self.note(kind, &one.name, Did::Removed, Vec::new());
        }
        Ok(())
    }
}
