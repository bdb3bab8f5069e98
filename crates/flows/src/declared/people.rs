//! A declared person.

use pid_core::UserId;
use pid_core::validate::nfc;
use pid_store::{claims, groups as store_groups, settings as store_settings, users as store_users};

use super::apply::{Did, Run, claim_list, differences, in_words, list, object};
use super::file::UserDeclared;
use super::{Kind, Part};
use crate::change::Change;
use crate::users::{self, UserInput};
use crate::{Code, Error};

impl Run<'_> {
    pub(super) fn user(&mut self, wanted: &UserDeclared) -> Result<(), Error> {
        let known = match wanted.id.as_str() {
            "" => store_users::by_username(self.tx, &wanted.username)?,
            id => store_users::by_id(self.tx, &UserId::new(id))?,
        };
        let name = wanted.username.as_str();
        let (ctx, settings) = (self.ctx(&format!("user {name}")), store_settings::load(self.tx)?);
        let display = format!("{} {}", wanted.first_name, wanted.last_name);
        let display = if wanted.display_name.is_empty() { display.trim() } else { &wanted.display_name };
        let mut input = UserInput {
            id: wanted.id.clone(),
            username: nfc(&wanted.username),
            email: wanted.email.as_deref().map(nfc),
            email_verified: wanted.email_verified.unwrap_or_else(|| settings.emails_verified()),
            first_name: nfc(&wanted.first_name),
            last_name: nfc(&wanted.last_name),
            display_name: nfc(display),
            is_admin: wanted.is_admin,
            roles: Some(wanted.roles),
            disabled: wanted.disabled,
            locale: wanted.locale.clone(),
            user_group_ids: Vec::new(),
        };
        let id = match known {
            None => {
                let made = users::create(self.tx, &ctx, &settings, &self.who, &input)?;
                let nothing = object(serde_json::to_value(UserInput::default()))?;
                let after = object(serde_json::to_value(&input))?;
                self.note(Kind::User, name, Did::Made, differences(&nothing, &after));
                made.user.id
            }
            Some(current) => {
                if settings.ldap_enabled() && current.ldap_id.is_some() {
                    return Err(Error::new(Code::LdapUserUpdate));
                }
                let before = UserInput::from(&current);
                let proven = wanted.email_verified.unwrap_or(before.email_verified && before.email == input.email);
                input.email_verified = proven;
                input.locale = input.locale.or_else(|| before.locale.clone());
                let members =
                    differences(&object(serde_json::to_value(&before))?, &object(serde_json::to_value(&input))?);
                if !members.is_empty() {
                    let target = self.who.person(self.tx, &current.id)?;
                    users::update(self.tx, &ctx, &settings, &target, &Change::Replace(input), None)?;
                    self.note(Kind::User, name, Did::Changed, members);
                }
                current.id
            }
        };
        if let Some(names) = &wanted.groups {
            let ids = self.group_ids(names)?;
            let before: Vec<String> =
                store_groups::of_user(self.tx, &id)?.into_iter().map(|group| group.name).collect();
            let (before, after) = (list(&before), list(&names.iter().map(|name| nfc(name)).collect::<Vec<_>>()));
            if before != after {
                let target = self.who.person(self.tx, &id)?;
                users::set_groups(self.tx, &self.ctx(&format!("groups of user {name}")), &target, &ids, None)?;
                self.note(
                    Kind::User,
                    name,
                    Did::Changed,
                    vec![("groups".to_owned(), before.join(", "), after.join(", "))],
                );
            }
        }
        if let Some(wanted) = &wanted.custom_claims {
            let (before, after) = (claims::of_user(self.tx, &id)?, claim_list(wanted));
            if in_words(&before) != in_words(&after) {
                let target = self.who.person(self.tx, &id)?;
                crate::claims::set_of_user(
                    self.tx,
                    &self.ctx(&format!("claims of user {name}")),
                    &target,
                    &after,
                    None,
                )?;
                self.note(
                    Kind::User,
                    name,
                    Did::Changed,
                    vec![("customClaims".to_owned(), in_words(&before), in_words(&after))],
                );
            }
        }
        let parts = [
            (Part::Fields, true),
            (Part::Groups, wanted.groups.is_some()),
            (Part::Claims, wanted.custom_claims.is_some()),
        ];
        self.keep(Kind::User, id.as_str(), name, &parts)
    }
}
