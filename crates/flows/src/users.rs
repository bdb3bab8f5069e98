//! Accounts (api.md §13).

use pid_core::audit::Event;
use pid_core::claims::CustomClaim;
use pid_core::entropy::ALPHANUMERIC;
use pid_core::groups::Group;
use pid_core::ids::STATIC_API_USER;
use pid_core::list::{ListRequest, Page};
use pid_core::roles::{Powers, Roles};
use pid_core::settings::Settings;
use pid_core::users::User;
use pid_core::validate::nfc;
use pid_core::{Ctx, Entropy, FieldCode, Fields, UserId};
use pid_store::signup_approvals::{self, Waits};
use pid_store::{ReadTx, WriteTx, claims, groups, settings, users};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::access::SignedIn;
use crate::audit::Note;
use crate::change::{Change, check_version};
use crate::declared::{self, Kind, Part};
use crate::error::unique_user;
use crate::mail::{self, Mail, Message};
use crate::roles::{Granted, Joinable, ManagedUser, ManagesPeople, ReadsPeople};
use crate::{Code, Error, sign_out};

/// The fields of an account that an administrator sets (api.md §13.3).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["username"]))]
pub struct UserInput {
    /// On creation only, and only by an administrator; empty: generated.
    #[serde(skip_serializing)]
    pub id: String,
    /// Unique without regard to case.
    pub username: String,
    /// Unique, if present.
    pub email: Option<String>,
    /// Whether the address is proven.
    pub email_verified: bool,
    /// At most 50 characters.
    pub first_name: String,
    /// At most 50 characters.
    pub last_name: String,
    /// At most 100 characters.
    pub display_name: String,
    /// Administers this instance; only an administrator says so.
    pub is_admin: bool,
    /// What they may do besides; only an administrator says so. Absent: as it is. Ours.
    pub roles: Option<Roles>,
    /// May not sign in.
    pub disabled: bool,
    /// Interface language.
    pub locale: Option<String>,
    /// On creation only.
    #[serde(skip_serializing)]
    pub user_group_ids: Vec<String>,
}

/// A person with their claims and groups.
#[derive(Clone, Debug)]
pub struct UserDetails {
    /// The account.
    pub user: User,
    /// Their own claims.
    pub claims: Vec<CustomClaim>,
    /// Their groups.
    pub groups: Vec<Group>,
    /// Whether they signed up and wait, disabled, for an administrator's approval.
    pub awaits_approval: bool,
    /// Whether they signed up and wait, disabled, until they have proven their address.
    pub awaits_proof: bool,
}

impl UserDetails {
    /// All that they may do, by their groups as well.
    pub fn powers(&self) -> Powers {
        let roles = self.groups.iter().fold(self.user.roles, |all, group| all.and(group.roles));
        Powers { is_admin: self.user.is_admin, roles }
    }
}

impl From<&User> for UserInput {
    fn from(u: &User) -> Self {
        Self {
            id: String::new(),
            username: u.username.clone(),
            email: u.email.clone(),
            email_verified: u.email_verified,
            first_name: u.first_name.clone(),
            last_name: u.last_name.clone(),
            display_name: u.display_name.clone(),
            is_admin: u.is_admin,
            roles: Some(u.roles),
            disabled: u.disabled,
            locale: u.locale.clone(),
            user_group_ids: Vec::new(),
        }
    }
}

fn check(input: &UserInput, settings: &Settings) -> Result<(), Error> {
    let mut fields = Fields::new();
    if !input.id.is_empty() && !pid_core::ids::is_uuid(&input.id) {
        fields.refuse("id", FieldCode::Uuid, "must be a UUID");
    }
    if input.id == STATIC_API_USER {
        fields.refuse("id", FieldCode::Reserved, "belongs to the static API key");
    }
    fields.username("username", &input.username);
    match &input.email {
        Some(email) => fields.email("email", email),
        None if settings.require_user_email() => fields.refuse("email", FieldCode::Required, "must not be empty"),
        None => {}
    }
    fields.length("firstName", &input.first_name, 0, 50);
    fields.length("lastName", &input.last_name, 0, 50);
    fields.length("displayName", &input.display_name, 0, 100);
    fields.length("locale", input.locale.as_deref().unwrap_or_default(), 0, 35);
    Ok(fields.finish()?)
}

/// Says which of address and name is taken, the address first (api.md §13.3).
fn check_unique(tx: &ReadTx<'_>, id: &UserId, input: &UserInput) -> Result<(), Error> {
    if let Some(email) = &input.email
        && users::by_email(tx, email)?.is_some_and(|u| u.id != *id)
    {
        return Err(Error::already_in_use("email"));
    }
    if users::by_username(tx, &input.username)?.is_some_and(|u| u.id != *id) {
        return Err(Error::already_in_use("username"));
    }
    Ok(())
}

pub(crate) fn details(tx: &ReadTx<'_>, user: User) -> Result<UserDetails, Error> {
    let waits = if user.disabled { signup_approvals::of(tx, &user.id)? } else { Waits::default() };
    let (claims, groups) = (claims::of_user(tx, &user.id)?, groups::of_user(tx, &user.id)?);
    Ok(UserDetails { user, claims, groups, awaits_approval: waits.for_approval, awaits_proof: waits.for_address })
}

fn names(groups: &[Group]) -> Vec<&str> {
    groups.iter().map(|group| group.name.as_str()).collect()
}

fn find(tx: &ReadTx<'_>, id: &UserId) -> Result<User, Error> {
    users::by_id(tx, id)?.ok_or_else(|| Error::new(Code::UserNotFound))
}

/// A page of accounts with claims and groups.
pub fn list(tx: &ReadTx<'_>, _: &ReadsPeople, request: &ListRequest) -> Result<Page<UserDetails>, Error> {
    let page = users::list(tx, request)?;
    let (total, number, limit) = (page.total, page.page, page.limit);
    let items = page.items.into_iter().map(|u| details(tx, u)).collect::<Result<_, _>>()?;
    Ok(Page { items, total, page: number, limit })
}

/// An account by id.
pub fn get(tx: &ReadTx<'_>, _: &ReadsPeople, id: &UserId) -> Result<UserDetails, Error> {
    details(tx, find(tx, id)?)
}

/// One's own account.
pub fn me(tx: &ReadTx<'_>, who: &SignedIn) -> Result<UserDetails, Error> {
    own(tx, who.user().clone())
}

/// An account as its owner sees it: with all roles that count, those that their groups give too.
fn own(tx: &ReadTx<'_>, user: User) -> Result<UserDetails, Error> {
    let roles = crate::roles::powers(tx, &user)?.roles;
    details(tx, User { roles, ..user })
}

/// Creates an account.
pub fn create(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    settings: &Settings,
    who: &ManagesPeople,
    input: &UserInput,
) -> Result<UserDetails, Error> {
    check(input, settings)?;
    let wanted = Powers { is_admin: input.is_admin, roles: input.roles.unwrap_or_default() };
    let granted = who.grant(Powers::default(), wanted)?;
    if !input.id.is_empty() {
        who.may_choose_ids()?;
    }
    let entropy = ctx.entropy();
    let id = if input.id.is_empty() { UserId::generate(&entropy) } else { UserId::new(input.id.as_str()) };
    if users::by_id(tx, &id)?.is_some() {
        return Err(Error::already_in_use("id"));
    }
    check_unique(tx, &id, input)?;
    let user = merged(
        User {
            id,
            username: String::new(),
            email: None,
            email_verified: false,
            first_name: String::new(),
            last_name: String::new(),
            display_name: String::new(),
            is_admin: false,
            roles: Roles::NONE,
            disabled: false,
            locale: None,
            ldap_id: None,
            created_at: ctx.now,
            updated_at: ctx.now,
            version: 1,
        },
        input,
        granted,
    );
    users::insert(tx, &user).map_err(unique_user)?;
    give_defaults(tx, ctx, settings, &user.id, &who.joinable(tx, settings, &input.user_group_ids)?)?;
    let details = details(tx, user)?;
    Note::default()
        .changes(&UserInput { roles: Some(Roles::NONE), ..UserInput::default() }, &UserInput::from(&details.user))
        .set("groups", &[], &names(&details.groups))
        .set("customClaims", &[], &crate::claims::in_words(&details.claims))
        .record(tx, ctx, &entropy, Event::UserCreated, Some(&details.user.id), Some(&who.user().id))?;
    Ok(details)
}

/// Puts a new person into their groups, and gives them the default claims (api.md §13.3).
pub(crate) fn give_defaults(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    settings: &Settings,
    id: &UserId,
    groups: &Joinable,
) -> Result<(), Error> {
    groups.join(tx, id, ctx.now)?;
    let default_claims = settings.default_claims();
    crate::claims::check(&default_claims)?;
    Ok(claims::set_of_user(tx, id, &default_claims)?)
}

fn merged(mut user: User, input: &UserInput, granted: Granted) -> User {
    user.username = nfc(&input.username);
    user.email = input.email.as_deref().map(nfc);
    user.email_verified = input.email_verified;
    user.first_name = nfc(&input.first_name);
    user.last_name = nfc(&input.last_name);
    user.display_name = nfc(&input.display_name);
    user.is_admin = granted.is_admin();
    user.roles = granted.roles();
    user.disabled = input.disabled;
    user.locale.clone_from(&input.locale);
    user
}

/// Changes an account. Of a directory's account only locale and roles change while LDAP is on. A change that would leave no
/// administrator who can sign in is refused; disabling ends all sessions and grants, and who gets more rights loses the
/// login codes that others may know.
pub fn update(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    settings: &Settings,
    target: &ManagedUser<'_>,
    change: &Change<UserInput>,
    if_match: Option<i64>,
) -> Result<UserDetails, Error> {
    let (current, id) = (target.user(), &target.user().id);
    check_version(if_match, current.version)?;
    declared::check(tx, Kind::User, id.as_str(), Part::Fields)?;
    let input = change.apply(&UserInput::from(current))?;
    check(&input, settings)?;
    check_unique(tx, id, &input)?;
    let from_directory = settings.ldap_enabled() && current.ldap_id.is_some();
    let is_admin = if from_directory { current.is_admin } else { input.is_admin };
    let roles = input.roles.map_or(current.roles, |asked| asked.asked_of(current.roles));
    let granted = target.grant(is_admin, roles)?;
    let next = if from_directory {
        User { locale: input.locale, roles: granted.roles(), ..current.clone() }
    } else {
        merged(current.clone(), &input, granted)
    };
    keep_an_admin(tx, current, next.is_admin && !next.disabled)?;
    users::update(tx, &next, ctx.now).map_err(unique_user)?;
    users::set_roles(tx, id, current.roles, next.roles)?;
    let ended = if next.disabled && !current.disabled { sign_out::user(tx, ctx, id)? } else { 0 };
    if !next.disabled {
        signup_approvals::end(tx, id)?;
    }
    Note::default().changes(&UserInput::from(current), &UserInput::from(&next)).count("endedSessions", ended).record(
        tx,
        ctx,
        &ctx.entropy(),
        Event::UserUpdated,
        Some(id),
        Some(&target.by().id),
    )?;
    tell_old_address(tx, ctx, settings, current, &next)?;
    details(tx, find(tx, id)?)
}

/// Refuses what would leave no enabled administrator who can sign in (security case 74).
pub(crate) fn keep_an_admin(tx: &ReadTx<'_>, current: &User, stays: bool) -> Result<(), Error> {
    let counts = current.is_admin && !current.disabled && current.id.as_str() != STATIC_API_USER;
    if counts && !stays && !users::other_admin(tx, &current.id, &settings::load(tx)?.passkey_policy().at_use())? {
        return Err(Error::new(Code::LastAdmin));
    }
    Ok(())
}

/// Changes one's own account: names, address and locale, as far as that is allowed. What else a request says is passed
/// over (security case 71).
pub fn update_me(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    settings: &Settings,
    who: &SignedIn,
    change: &Change<UserInput>,
    if_match: Option<i64>,
) -> Result<UserDetails, Error> {
    let current = find(tx, &who.user().id)?;
    check_version(if_match, current.version)?;
    let mut input = change.apply(&UserInput::from(&current))?;
    input.id = String::new();
    input.disabled = current.disabled;
    check(&input, settings)?;
    let from_directory = settings.ldap_enabled() && current.ldap_id.is_some();
    let is_declared = declared::parts(tx, Kind::User, current.id.as_str())?.has(Part::Fields);
    let next = if settings.allow_own_account_edit() && !from_directory && !is_declared {
        check_unique(tx, &current.id, &input)?;
        let same_address = current.email.as_deref().map(pid_core::validate::key)
            == input.email.as_deref().map(pid_core::validate::key);
        // A new address is not proven yet.
        input.email_verified = if same_address { current.email_verified } else { settings.emails_verified() };
        merged(current.clone(), &input, Granted::own(&current))
    } else {
        User { locale: input.locale, ..current.clone() }
    };
    users::update(tx, &next, ctx.now).map_err(unique_user)?;
    Note::default().changes(&UserInput::from(&current), &UserInput::from(&next)).record(
        tx,
        ctx,
        &ctx.entropy(),
        Event::UserUpdated,
        Some(&current.id),
        None,
    )?;
    tell_old_address(tx, ctx, settings, &current, &next)?;
    own(tx, find(tx, &current.id)?)
}

/// Tells the address before that it is not the account's any more (security case 73).
fn tell_old_address(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    settings: &Settings,
    before: &User,
    after: &User,
) -> Result<(), Error> {
    let key = |user: &User| user.email.as_deref().map(pid_core::validate::key);
    if key(before) != key(after) {
        mail::send(tx, ctx, settings, Mail::to(before, Message::AddressChanged))?;
    }
    Ok(())
}

/// Deletes an account with everything of it.
pub fn delete(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    settings: &Settings,
    target: &ManagedUser<'_>,
    if_match: Option<i64>,
) -> Result<(), Error> {
    let (current, id) = (target.user(), &target.user().id);
    check_version(if_match, current.version)?;
    declared::check(tx, Kind::User, id.as_str(), Part::Fields)?;
    if settings.ldap_enabled() && current.ldap_id.is_some() && !current.disabled {
        return Err(Error::new(Code::LdapUserUpdate));
    }
    keep_an_admin(tx, current, false)?;
    let ended = sign_out::user(tx, ctx, id)?;
    // Before it: an entry keeps the names of those who are there.
    Note::about(&[("username", current.username.as_str()), ("userID", current.id.as_str())])
        .count("endedSessions", ended)
        .record(tx, ctx, &ctx.entropy(), Event::UserDeleted, Some(id), Some(&target.by().id))?;
    users::delete(tx, id)?;
    crate::profile_pictures::forget(tx, ctx, id)?;
    // It exists as long as its key is configured, so a new one takes its place.
    if id.as_str() == STATIC_API_USER { create_static_api_user(tx, ctx, &ctx.stream("static")) } else { Ok(()) }
}

/// Creates the account that the static API key acts as (api.md §6.5).
pub fn create_static_api_user(tx: &WriteTx<'_>, ctx: &Ctx, entropy: &Entropy) -> Result<(), Error> {
    let name = "Static API User".to_owned();
    let user = User {
        id: UserId::new(STATIC_API_USER),
        username: format!("static-api-user-{}", entropy.text(ALPHANUMERIC, 6)),
        email: None,
        email_verified: false,
        first_name: name.clone(),
        last_name: String::new(),
        display_name: name,
        is_admin: true,
        roles: Roles::NONE,
        disabled: false,
        locale: None,
        ldap_id: None,
        created_at: ctx.now,
        updated_at: ctx.now,
        version: 1,
    };
    users::insert(tx, &user)?;
    Note::default().record(tx, ctx, entropy, Event::UserCreated, Some(&user.id), None)
}

/// A person's groups.
pub fn groups_of(tx: &ReadTx<'_>, _: &ReadsPeople, id: &UserId) -> Result<Vec<Group>, Error> {
    find(tx, id)?;
    Ok(groups::of_user(tx, id)?)
}

/// Replaces a person's groups; unknown ids are passed over.
pub fn set_groups(
    tx: &WriteTx<'_>,
    ctx: &Ctx,
    target: &ManagedUser<'_>,
    group_ids: &[String],
    if_match: Option<i64>,
) -> Result<UserDetails, Error> {
    let id = &target.user().id;
    check_version(if_match, target.user().version)?;
    let before = target.set_groups(tx, group_ids, ctx.now)?;
    let ended = sign_out::lost_by_user(tx, ctx, id)?;
    let details = details(tx, find(tx, id)?)?;
    Note::default().set("groups", &names(&before), &names(&details.groups)).count("endedAccess", ended).record(
        tx,
        ctx,
        &ctx.entropy(),
        Event::UserUpdated,
        Some(id),
        Some(&target.by().id),
    )?;
    Ok(details)
}
