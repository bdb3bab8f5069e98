//! What the audit log knows.

use std::collections::BTreeMap;

use crate::{Timestamp, UserId};

/// An event of the audit log (api.md §10.1). Names on the wire are those of the contract; those
/// below the blank line are ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A passkey sign-in.
    SignIn,
    /// A login code was exchanged.
    TokenSignIn,
    /// A passkey was added.
    PasskeyAdded,
    /// A passkey was removed.
    PasskeyRemoved,
    /// A client was authorized with consent already given.
    ClientAuthorization,
    /// A client was authorized for the first time or for more.
    NewClientAuthorization,
    /// A device was authorized with consent already given.
    DeviceCodeAuthorization,
    /// A device was authorized for the first time or for more.
    NewDeviceCodeAuthorization,
    /// Somebody signed up.
    AccountCreated,
    /// A sign-in was approved on another device.
    RemoteSignIn,

    /// A passkey was renamed.
    PasskeyRenamed,
    /// The first admin was created.
    SetupCompleted,
    /// A session was ended by its owner or by a client's logout.
    SignOut,
    /// Sessions of a person were ended, all or all but one.
    SignOutEverywhere,
    /// A client could not be told that a session has ended.
    LogoutNoticeFailed,
    /// A letter was given up.
    MailFailed,
    /// An administrator tried out whether a client can be told.
    LogoutNoticeTested,
    /// A sign-in was refused.
    SignInFailed,
    /// A client could not prove who it is.
    ClientAuthenticationFailed,
    /// A client gave up a token.
    TokenRevoked,
    /// A person refused what a device asked for.
    DeviceCodeDenied,
    /// An authorization code was used twice; its grant was revoked.
    CodeReuse,
    /// A rotated refresh token was used again; its grant was revoked.
    RefreshReuse,
    /// A client presented the code or refresh token of another client.
    ForeignGrant,
    /// A login code was made.
    LoginCodeCreated,
    /// A sign-up token was made.
    SignupTokenCreated,
    /// A sign-up token was deleted.
    SignupTokenDeleted,
    /// Somebody said, by the link in a letter, that a sign-in was not theirs; it was ended.
    SignInDisowned,
    /// A person refused to let a browser in from another device.
    RemoteSignInDenied,
    /// A user was created by an admin.
    UserCreated,
    /// A user was changed by an admin or by themselves.
    UserUpdated,
    /// A user was deleted.
    UserDeleted,
    /// A group was created.
    GroupCreated,
    /// A group was changed.
    GroupUpdated,
    /// A group was deleted.
    GroupDeleted,
    /// A client was created.
    ClientCreated,
    /// A client was changed.
    ClientUpdated,
    /// A client was deleted.
    ClientDeleted,
    /// A client secret was created.
    ClientSecretCreated,
    /// A client secret was deleted.
    ClientSecretDeleted,
    /// The application configuration was changed.
    ConfigurationUpdated,
    /// A person withdrew their consent from a client.
    ConsentWithdrawn,
    /// An API was made.
    ApiCreated,
    /// An API or its permissions were changed.
    ApiUpdated,
    /// An API was deleted.
    ApiDeleted,
    /// What a client may ask of an API was changed.
    ApiAccessChanged,
    /// An API key was made.
    ApiKeyCreated,
    /// An expired API key got a new value.
    ApiKeyRenewed,
    /// An API key was named or described anew.
    ApiKeyUpdated,
    /// An API key was deleted.
    ApiKeyDeleted,
    /// Provisioning by SCIM was switched on for a client.
    ScimProviderCreated,
    /// Where and how a client is provisioned was changed.
    ScimProviderUpdated,
    /// Provisioning by SCIM was switched off for a client.
    ScimProviderDeleted,
    /// People or groups were written to a client's SCIM server.
    ScimSynced,
    /// A client's SCIM server could not be brought up to date.
    ScimSyncFailed,
    /// Somebody made an app password.
    AppPasswordCreated,
    /// Somebody deleted an app password.
    AppPasswordDeleted,
    /// A signing key was made, to sign now or after its day.
    SigningKeyCreated,
    /// A signing key began to sign; the one before it stopped.
    SigningKeyActivated,
    /// A signing key was revoked, with the tokens that it signed.
    SigningKeyRevoked,
    /// People and groups were taken over from the directory.
    LdapSync,
    /// Everything was replaced by a backup.
    BackupRestored,
}

/// An entry as it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// UUID.
    pub id: String,
    /// When it happened.
    pub created_at: Timestamp,
    /// The event's name; older versions may have written others.
    pub event: String,
    /// To whom; they may be gone.
    pub user_id: Option<UserId>,
    /// Their username then, empty if nobody is meant.
    pub username: String,
    /// By whom, empty if by themselves.
    pub actor_username: String,
    /// From where.
    pub ip_address: String,
    /// With what.
    pub user_agent: String,
    /// See the place of an address.
    pub country: String,
    /// See the place of an address.
    pub city: String,
    /// More.
    pub data: BTreeMap<String, String>,
}

impl Event {
    /// Those that strangers can cause, so that they are bounded in number.
    pub const FAILURES: [Self; 2] = [Self::SignInFailed, Self::ClientAuthenticationFailed];

    /// The name on the wire and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SignIn => "SIGN_IN",
            Self::TokenSignIn => "TOKEN_SIGN_IN",
            Self::PasskeyAdded => "PASSKEY_ADDED",
            Self::PasskeyRemoved => "PASSKEY_REMOVED",
            Self::ClientAuthorization => "CLIENT_AUTHORIZATION",
            Self::NewClientAuthorization => "NEW_CLIENT_AUTHORIZATION",
            Self::DeviceCodeAuthorization => "DEVICE_CODE_AUTHORIZATION",
            Self::NewDeviceCodeAuthorization => "NEW_DEVICE_CODE_AUTHORIZATION",
            Self::AccountCreated => "ACCOUNT_CREATED",
            Self::RemoteSignIn => "REMOTE_SIGN_IN",
            Self::PasskeyRenamed => "PASSKEY_RENAMED",
            Self::SetupCompleted => "SETUP_COMPLETED",
            Self::SignOut => "SIGN_OUT",
            Self::SignOutEverywhere => "SIGN_OUT_EVERYWHERE",
            Self::LogoutNoticeFailed => "LOGOUT_NOTICE_FAILED",
            Self::MailFailed => "MAIL_FAILED",
            Self::LogoutNoticeTested => "LOGOUT_NOTICE_TESTED",
            Self::SignInFailed => "SIGN_IN_FAILED",
            Self::ClientAuthenticationFailed => "CLIENT_AUTHENTICATION_FAILED",
            Self::TokenRevoked => "TOKEN_REVOKED",
            Self::DeviceCodeDenied => "DEVICE_CODE_DENIED",
            Self::CodeReuse => "CODE_REUSE",
            Self::RefreshReuse => "REFRESH_REUSE",
            Self::ForeignGrant => "FOREIGN_GRANT",
            Self::LoginCodeCreated => "LOGIN_CODE_CREATED",
            Self::SignupTokenCreated => "SIGNUP_TOKEN_CREATED",
            Self::SignupTokenDeleted => "SIGNUP_TOKEN_DELETED",
            Self::SignInDisowned => "SIGN_IN_DISOWNED",
            Self::RemoteSignInDenied => "REMOTE_SIGN_IN_DENIED",
            Self::UserCreated => "USER_CREATED",
            Self::UserUpdated => "USER_UPDATED",
            Self::UserDeleted => "USER_DELETED",
            Self::GroupCreated => "GROUP_CREATED",
            Self::GroupUpdated => "GROUP_UPDATED",
            Self::GroupDeleted => "GROUP_DELETED",
            Self::ClientCreated => "CLIENT_CREATED",
            Self::ClientUpdated => "CLIENT_UPDATED",
            Self::ClientDeleted => "CLIENT_DELETED",
            Self::ClientSecretCreated => "CLIENT_SECRET_CREATED",
            Self::ClientSecretDeleted => "CLIENT_SECRET_DELETED",
            Self::ConfigurationUpdated => "CONFIGURATION_UPDATED",
            Self::ConsentWithdrawn => "CONSENT_WITHDRAWN",
            Self::ApiCreated => "API_CREATED",
            Self::ApiUpdated => "API_UPDATED",
            Self::ApiDeleted => "API_DELETED",
            Self::ApiAccessChanged => "API_ACCESS_CHANGED",
            Self::ApiKeyCreated => "API_KEY_CREATED",
            Self::ApiKeyRenewed => "API_KEY_RENEWED",
            Self::ApiKeyUpdated => "API_KEY_UPDATED",
            Self::ApiKeyDeleted => "API_KEY_DELETED",
            Self::ScimProviderCreated => "SCIM_PROVIDER_CREATED",
            Self::ScimProviderUpdated => "SCIM_PROVIDER_UPDATED",
            Self::ScimProviderDeleted => "SCIM_PROVIDER_DELETED",
            Self::ScimSynced => "SCIM_SYNCED",
            Self::ScimSyncFailed => "SCIM_SYNC_FAILED",
            Self::AppPasswordCreated => "APP_PASSWORD_CREATED",
            Self::AppPasswordDeleted => "APP_PASSWORD_DELETED",
            Self::SigningKeyCreated => "SIGNING_KEY_CREATED",
            Self::SigningKeyActivated => "SIGNING_KEY_ACTIVATED",
            Self::SigningKeyRevoked => "SIGNING_KEY_REVOKED",
            Self::LdapSync => "LDAP_SYNC",
            Self::BackupRestored => "BACKUP_RESTORED",
        }
    }
}
