//! Carrying a declaration out, in one transaction: each thing that is not as declared is made so by the rule that the API uses,
//! and what is so already is left alone.

use std::collections::BTreeMap;

use pid_core::claims::CustomClaim;
use pid_core::progress::{Progress, Unit};
use pid_core::settings::setting;
use pid_core::users::User;
use pid_core::validate::nfc;
use pid_core::{Ctx, GroupId, Seed, UserId};
use pid_store::declared::{self as store, Declared};
use pid_store::{WriteTx, claims, groups as store_groups, leases, settings as store_settings};
use serde_json::{Map, Value};

use super::file::{Declaration, GroupDeclared};
use super::{Kind, Part, Parts, is_same};
use crate::access::Admin;
use crate::change::Change;
use crate::groups::{self, GroupInput};
use crate::keys::KeySealer;
use crate::roles::ManagesPeople;
use crate::settings::{Scope, update as update_settings};
use crate::{Code, Error};

/// A declaration whose secrets were read.
pub struct Plan {
    /// What the file says.
    pub declaration: Declaration,
    /// Settings that are in files of their own, by key.
    pub settings: BTreeMap<String, String>,
    /// Secrets of clients, by id. One that is declared but not here has no file.
    pub secrets: BTreeMap<String, Secret>,
    /// Whether clients whose secret has no file get another.
    pub new_secrets: bool,
    /// Whether what was declared once and is no more is removed.
    pub prune: bool,
    /// Who wants to know how far it is.
    pub progress: Progress,
}

/// A declared secret of a client.
#[derive(Clone)]
pub enum Secret {
    /// What its file says.
    Given(String),
    /// One that was just made. It is of use only if the client has none yet, or is to get another: of replicas that start
    /// together each may have made one.
    Made(String),
}

/// What a declaration led to.
#[derive(Debug, Default)]
pub struct Applied {
    /// What was changed, in order; nothing if all was so already.
    pub done: Vec<Done>,
    /// Clients with a secret that is in no file here, by id. It was left alone.
    pub elsewhere: Vec<String>,
}

/// What became of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Did {
    /// It was made.
    Made,
    /// It was changed.
    Changed,
    /// It was removed.
    Removed,
}

/// A difference between the file and what was there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// What became of it.
    pub did: Did,
    /// Which members, from what, to what; texts may be empty.
    pub members: Vec<(String, String, String)>,
}

pub(super) struct Run<'a> {
    pub(super) tx: &'a WriteTx<'a>,
    pub(super) ctx: &'a Ctx,
    pub(super) sealer: &'a KeySealer,
    pub(super) who: ManagesPeople,
    pub(super) admin: Admin,
    pub(super) plan: &'a Plan,
    done: Vec<Done>,
    pub(super) elsewhere: Vec<String>,
    errors: Vec<String>,
    /// Kind and id of what the file has.
    pub(super) seen: Vec<(Kind, String)>,
}

/// Carries a declaration out. Processes that do so at the same time do it one after the other: the second sees what the first did.
///
/// # Errors
/// Everything that a rule refuses, a line each; then nothing is done. Faults of the store.
pub fn apply(tx: &WriteTx<'_>, ctx: &Ctx, sealer: &KeySealer, plan: &Plan) -> Result<Applied, Error> {
    leases::queue(tx, "declared")?;
    tx.declare();
    let mut run = Run {
        tx,
        ctx,
        sealer,
        who: ManagesPeople::operator(operator(ctx)),
        admin: Admin::operator(operator(ctx)),
        plan,
        done: Vec::new(),
        elsewhere: Vec::new(),
        errors: Vec::new(),
        seen: Vec::new(),
    };
    let (declaration, progress) = (&plan.declaration, &plan.progress);
    let all = declaration.groups.len() + declaration.users.len() + declaration.clients.len();
    progress.count("Comparing and changing", Unit::Steps, all as u64);
    for group in progress.each(&declaration.groups) {
        run.judged("groups", &group.name, |run| run.group(group))?;
    }
    if !declaration.settings.is_empty() {
        run.judged("settings", "", Run::settings)?;
    }
    for user in progress.each(&declaration.users) {
        run.judged("users", &user.username, |run| run.user(user))?;
    }
    for client in progress.each(&declaration.clients) {
        run.judged("clients", &client.client.id, |run| run.client(client))?;
    }
    run.rest()?;
    if !run.errors.is_empty() {
        return Err(Error::with(Code::ValidationFailed, run.errors.join("\n")));
    }
    Ok(Applied { done: run.done, elsewhere: run.elsewhere })
}

/// Whoever runs this instance. Audit entries name nobody; the context's user agent says what it was.
fn operator(ctx: &Ctx) -> User {
    User {
        id: UserId::new("operator"),
        username: String::new(),
        email: None,
        email_verified: false,
        first_name: String::new(),
        last_name: String::new(),
        display_name: String::new(),
        is_admin: true,
        roles: pid_core::roles::Roles::NONE,
        disabled: false,
        locale: None,
        ldap_id: None,
        created_at: ctx.now,
        updated_at: ctx.now,
        version: 1,
    }
}

pub(super) fn object(value: Result<Value, serde_json::Error>) -> Result<Map<String, Value>, Error> {
    match value.map_err(Error::internal)? {
        Value::Object(map) => Ok(map),
        _ => Ok(Map::new()),
    }
}

fn text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// The members in which two objects differ.
pub(super) fn differences(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<(String, String, String)> {
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let of = |name: &String| (name.clone(), text(before.get(name)), text(after.get(name)));
    names.into_iter().map(of).filter(|(_, before, after)| before != after).collect()
}

pub(super) fn list(names: &[String]) -> Vec<String> {
    let mut names = names.to_vec();
    names.sort();
    names.dedup();
    names
}

pub(super) fn claim_list(claims: &BTreeMap<String, String>) -> Vec<CustomClaim> {
    claims.iter().map(|(key, value)| CustomClaim { key: nfc(key), value: nfc(value) }).collect()
}

pub(super) fn in_words(claims: &[CustomClaim]) -> String {
    let mut words: Vec<String> = claims.iter().map(|claim| format!("{}={}", claim.key, claim.value)).collect();
    words.sort();
    words.join(", ")
}

impl<'a> Run<'a> {
    /// A refusal is kept with its place, so that all are told at once; a fault ends everything.
    pub(super) fn judged(
        &mut self,
        list: &str,
        name: &str,
        work: impl FnOnce(&mut Self) -> Result<(), Error>,
    ) -> Result<(), Error> {
        match work(self) {
            Err(error) if matches!(error.code, Code::Internal | Code::Unavailable) => Err(error),
            Err(error) => {
                let place = if name.is_empty() { list.to_owned() } else { format!("{list} \"{name}\"") };
                self.errors.push(format!("{place}: {}.", error.message));
                // The database itself may have refused it, and then it takes nothing more of this transaction.
                if matches!(error.code, Code::AlreadyInUse | Code::ClientIdAlreadyExists) {
                    return Err(Error::with(Code::ValidationFailed, self.errors.join("\n")));
                }
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// A stream of randomness for each thing: a rule begins its own anew.
    pub(super) fn ctx(&self, label: &str) -> Ctx {
        Ctx { seed: Seed(self.ctx.stream(&format!("declared {label}")).bytes::<32>()), ..self.ctx.clone() }
    }

    pub(super) fn note(&mut self, kind: Kind, name: &str, did: Did, members: Vec<(String, String, String)>) {
        match self.done.iter_mut().find(|done| done.kind == kind && done.name == name) {
            Some(done) => done.members.extend(members),
            None => self.done.push(Done { kind, name: name.to_owned(), did, members }),
        }
    }

    pub(super) fn keep(&mut self, kind: Kind, id: &str, name: &str, parts: &[(Part, bool)]) -> Result<(), Error> {
        let parts = Parts(parts.iter().filter(|(_, is_there)| *is_there).map(|(part, _)| *part).collect());
        let wanted = Declared {
            kind: kind.as_str().to_owned(),
            id: id.to_owned(),
            name: name.to_owned(),
            parts: parts.to_words(),
        };
        if store::get(self.tx, kind.as_str(), id)?.as_ref() != Some(&wanted) {
            store::put(self.tx, &wanted)?;
        }
        self.seen.push((kind, id.to_owned()));
        Ok(())
    }

    fn group(&mut self, wanted: &GroupDeclared) -> Result<(), Error> {
        let name = nfc(&wanted.name);
        let friendly = if wanted.friendly_name.is_empty() { &wanted.name } else { &wanted.friendly_name };
        let input = GroupInput { friendly_name: nfc(friendly), name: name.clone(), roles: Some(wanted.roles) };
        let (ctx, settings) = (self.ctx(&format!("group {name}")), store_settings::load(self.tx)?);
        let after = object(serde_json::to_value(&input))?;
        let id = match pid_store::forward_auth::group_by_name(self.tx, &name)? {
            None => {
                let made = groups::create(self.tx, &ctx, &self.who, &input)?;
                self.note(Kind::Group, &name, Did::Made, differences(&Map::new(), &after));
                made.group.id
            }
            Some(id) => {
                let target = self.who.group(self.tx, &id)?;
                let before = object(serde_json::to_value(groups::input(target.group())))?;
                let members = differences(&before, &after);
                if !members.is_empty() {
                    groups::update(self.tx, &ctx, &settings, &target, &Change::Replace(input), None)?;
                    self.note(Kind::Group, &name, Did::Changed, members);
                }
                id
            }
        };
        if let Some(wanted) = &wanted.custom_claims {
            let (before, after) = (claims::of_group(self.tx, &id)?, claim_list(wanted));
            if in_words(&before) != in_words(&after) {
                let target = self.who.group(self.tx, &id)?;
                crate::claims::set_of_group(
                    self.tx,
                    &self.ctx(&format!("claims of group {name}")),
                    &target,
                    &after,
                    None,
                )?;
                self.note(
                    Kind::Group,
                    &name,
                    Did::Changed,
                    vec![("customClaims".to_owned(), in_words(&before), in_words(&after))],
                );
            }
        }
        self.keep(
            Kind::Group,
            id.as_str(),
            &name,
            &[(Part::Fields, true), (Part::Claims, wanted.custom_claims.is_some())],
        )
    }

    /// The ids of groups by their names.
    pub(super) fn group_ids(&self, names: &[String]) -> Result<Vec<String>, Error> {
        let found = |name: &String| match pid_store::forward_auth::group_by_name(self.tx, &nfc(name))? {
            Some(id) => Ok(id.into_string()),
            None => Err(Error::with(Code::ValidationFailed, format!("There is no group \"{name}\""))),
        };
        names.iter().map(found).collect()
    }

    fn settings(&mut self) -> Result<(), Error> {
        let current = store_settings::load(self.tx)?;
        if current.are_fixed() {
            let message = "UI_CONFIG_DISABLED is true, so settings come from variables and can't be declared";
            return Err(Error::with(Code::UiConfigDisabled, message));
        }
        let mut values = BTreeMap::new();
        for (key, value) in &self.plan.declaration.settings {
            let value = match self.plan.settings.get(key) {
                Some(read) => read.clone(),
                None => self.setting(key, value)?,
            };
            if !is_same(&current, key, &value) {
                let (before, after) = if setting(key).is_some_and(|setting| setting.secret) {
                    let told = |text: &str| if text.is_empty() { String::new() } else { "(secret)".to_owned() };
                    (told(current.get(key)), "(another secret)".to_owned())
                } else {
                    (current.get(key).to_owned(), value.clone())
                };
                self.note(Kind::Setting, key, Did::Changed, vec![(key.clone(), before, after)]);
            }
            values.insert(key.clone(), Some(value));
        }
        let changed = values.iter().any(|(key, value)| !is_same(&current, key, value.as_deref().unwrap_or_default()));
        if changed {
            // A secret that is declared is there each time, so an address that it goes to may change.
            update_settings(self.tx, &self.ctx("settings"), &self.admin, &values, Scope::Named, None)?;
        }
        for key in values.keys() {
            self.keep(Kind::Setting, key, key, &[(Part::Fields, true)])?;
        }
        Ok(())
    }

    /// A setting's value as text. Groups of new people may be given by their names.
    fn setting(&self, key: &str, value: &Value) -> Result<String, Error> {
        Ok(match value {
            Value::String(text) => text.clone(),
            Value::Array(items) if key == "signupDefaultUserGroupIDs" => {
                let mut ids = Vec::new();
                for item in items.iter().map(|item| text(Some(item))) {
                    let id = GroupId::new(item.as_str());
                    match store_groups::by_id(self.tx, &id)? {
                        Some(_) => ids.push(item),
                        None => ids.extend(self.group_ids(&[item])?),
                    }
                }
                serde_json::to_string(&ids).map_err(Error::internal)?
            }
            Value::Null => String::new(),
            other => other.to_string(),
        })
    }
}
