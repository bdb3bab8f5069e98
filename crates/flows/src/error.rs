//! Why a rule refused.
//!
//! One type for every rule, because callers treat refusals alike: the management API writes them
//! as its envelope (api.md §5), pages show the sentence. The *code* is the contract, the message is
//! for people, and neither ever carries a cause from below: what the store or a library said goes to
//! the log, under the request's id. OAuth endpoints have their own error type (`pid_oidc::error`),
//! since their codes are those of the RFCs.

use pid_core::FieldError;
use pid_store::StoreError;

use crate::saying::{Said, Saying};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $status:literal, $message:literal;)*) => {
        /// A stable code of the API with its HTTP status and its usual sentence (api.md §5.3).
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The code on the wire.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The HTTP status.
            pub fn status(self) -> u16 {
                match self { $(Self::$name => $status,)* }
            }

            /// The sentence for people.
            pub fn message(self) -> &'static str {
                match self { $(Self::$name => $message,)* }
            }
        }
    };
}

codes! {
    /// Anything unclassified.
    Internal = "internal_error", 500, "Something went wrong. Please try again later";
    /// The store cannot be reached or written; nothing was done.
    Unavailable = "service_unavailable", 503, "The database is not available right now. Nothing was changed; please try again";
    /// A deadline passed.
    RequestTimeout = "request_timeout", 504, "The request took too long";
    /// A field or business rule is broken.
    ValidationFailed = "validation_failed", 400, "Some values are not acceptable";
    /// Not JSON, wrong types, wrong content type, not multipart.
    InvalidRequestBody = "invalid_request_body", 400, "The request body is not valid JSON of the expected form";
    /// A body beyond the limit.
    PayloadTooLarge = "payload_too_large", 413, "The request body is too large";
    /// The resource does not exist.
    NotFound = "not_found", 404, "Not found";
    /// The person does not exist.
    UserNotFound = "user_not_found", 404, "User not found";
    /// No such picture.
    ImageNotFound = "image_not_found", 404, "Image not found";
    /// Set-up is over (asked).
    SetupNotAvailable = "setup_not_available", 404, "Set-up is not available: an account exists already";
    /// Set-up is over (tried).
    SetupAlreadyCompleted = "setup_already_completed", 409, "Set-up has already been completed";
    /// The set-up code is missing or wrong.
    SetupCodeRequired = "setup_code_required", 403, "Enter the set-up code that the server printed at its start";
    /// A unique property is taken; detail `property`.
    AlreadyInUse = "already_in_use", 409, "This value is already in use";
    /// The client id is taken.
    ClientIdAlreadyExists = "client_id_already_exists", 409, "A client with this ID already exists";
    /// The change would leave no enabled admin.
    LastAdmin = "last_admin", 409, "This is the last administrator who can sign in. Make somebody else an administrator first";
    /// The resource changed since it was read; detail `version`.
    VersionMismatch = "version_mismatch", 412, "Somebody else changed this in the meantime. Read it again, then repeat your change";
    /// No session and no valid API key.
    NotSignedIn = "not_signed_in", 401, "You are not signed in. Sign in, or send a valid API key";
    /// A login code or sign-up token is unusable.
    TokenInvalidOrExpired = "token_invalid_or_expired", 401, "This code is invalid or has expired";
    /// A fresh passkey proof is missing.
    ReauthenticationRequired = "reauthentication_required", 401, "Please confirm with your passkey first";
    /// What happened is dismissed by who could sign in before it.
    OlderPasskeyRequired = "older_passkey_required", 403, "Sign in with a passkey that you had before this happened. If you don't know why it happened, delete the passkeys that are not yours";
    /// The assertion was not accepted.
    WebauthnAuthenticationFailed = "webauthn_authentication_failed", 401, "This passkey could not be verified";
    /// Not an admin.
    Forbidden = "forbidden", 403, "You don't have permission to do this. Ask an administrator";
    /// A user manager at an administrator, or at somebody with a role that they don't have.
    PersonOutOfReach = "person_out_of_reach", 403, "Only an administrator can change administrators and people with a role. For your own account there are your settings";
    /// A user manager at a group that gives a role that they don't have.
    GroupOutOfReach = "group_out_of_reach", 403, "This group gives rights. Only an administrator can change it, or who is in it";
    /// Somebody else than an administrator gives rights.
    GrantsReserved = "grants_reserved", 403, "Only an administrator can make administrators or give roles";
    /// A device's user code is unknown, or somebody decided already.
    OidcInvalidDeviceCode = "oidc_invalid_device_code", 400, "Device code is invalid";
    /// A device's user code is too old.
    OidcDeviceCodeExpired = "oidc_device_code_expired", 400, "Device code has expired. Start again on the device";
    /// The account is disabled.
    UserDisabled = "user_disabled", 403, "This account is disabled. Ask an administrator to enable it";
    /// Signing up needs a token.
    OpenSignupDisabled = "open_signup_disabled", 403, "Signing up needs an invitation. Ask an administrator";
    /// A request to be let in from another device is unknown, over, or another browser's.
    DeviceLoginExpired = "device_login_expired", 401, "This sign-in request is invalid or has expired. Start again on the other device";
    /// A request to be let in was refused on the other device.
    DeviceLoginDenied = "device_login_denied", 403, "Device login request was denied";
    /// The number is not the one that the waiting device shows.
    DeviceLoginNumberMismatch = "device_login_number_mismatch", 400, "This is not the number that the other device shows";
    /// The session began by a self-made login code.
    LimitedSession = "limited_session", 403, "You signed in with a login code of your own, which only signs in to apps. Sign in with your passkey for this";
    /// API keys may not do this.
    ApiKeyAuthNotAllowed = "api_key_auth_not_allowed", 403, "API keys can't be used for this";
    /// The API key's scopes don't reach here.
    ApiKeyScopeInsufficient = "api_key_scope_insufficient", 403, "This API key is limited to other things";
    /// No such API key of the caller.
    ApiKeyNotFound = "api_key_not_found", 404, "API key not found";
    /// Only expired keys are renewed.
    ApiKeyNotExpired = "api_key_not_expired", 409, "This API key has not expired yet. Only expired keys can be renewed";
    /// A key's end must be in the future.
    InvalidApiKeyExpiration = "invalid_api_key_expiration", 400, "The expiration must be in the future";
    /// Cross-site request.
    CrossSiteRequest = "cross_site_request", 403, "This request came from another site and was refused";
    /// Managed by the directory.
    LdapUserUpdate = "ldap_user_update", 403, "This account is managed by the directory (LDAP)";
    /// Managed by the directory.
    LdapUserGroupUpdate = "ldap_user_group_update", 403, "This group is managed by the directory (LDAP)";
    /// The account has no address.
    UserEmailNotSet = "user_email_not_set", 409, "This account has no email address";
    /// No mail server is set.
    MailNotConfigured = "mail_not_configured", 409, "Mail is not set up. Enter a mail server under Application Configuration";
    /// The mail server did not take the letter.
    MailNotSent = "mail_not_sent", 502, "The mail server did not take the letter";
    /// The proof of an address is wrong, too old or about another address.
    InvalidEmailVerificationToken = "invalid_email_verification_token", 400, "This link is invalid or has expired. Ask for a new one";
    /// A mailed code in another browser than the one that asked for it.
    DeviceCodeInvalid = "device_code_invalid", 401, "This code only works in the browser in which it was asked for";
    /// Who asks for verdicts is no proxy of the operator's.
    ProxyNotTrusted = "proxy_not_trusted", 403, "This proxy is not trusted here. Add its address to TRUST_PROXY, or let it send FORWARD_AUTH_SECRET";
    /// What a proxy asks about could be read in two ways.
    ProxyRequestUnclear = "proxy_request_unclear", 403, "The address of this request can be read in more than one way, so it was refused";
    /// No client has the host that a proxy asks about.
    ProxyHostUnknown = "proxy_host_unknown", 403, "No app is registered for this address. Ask an administrator";
    /// The person may not go there.
    ProxyAccessDenied = "proxy_access_denied", 403, "You may not open this. Ask an administrator for access";
    /// The directory is switched off.
    LdapDisabled = "ldap_disabled", 409, "The directory (LDAP) is switched off";
    /// A SCIM target failed before everything was written.
    ScimSyncFailed = "scim_sync_failed", 502, "The SCIM server could not be brought up to date. The client's page says why";
    /// Some resources were not written to a SCIM target; detail `failed`.
    ScimSyncIncomplete = "scim_sync_incomplete", 502, "Some people or groups could not be written to the SCIM server. The client's page names them";
    /// So many would leave a SCIM target, or have vanished there, that somebody has to confirm it; details `leaving`,
    /// `present`, perhaps `missing`.
    ScimSyncHeld = "scim_sync_held", 409, "More than 20 % of the people or groups would be removed from the SCIM server, or are missing there, so that part was not done. If it is meant, confirm it on the client's page";
    /// Another run is under way.
    ScimSyncRunning = "scim_sync_running", 409, "A SCIM sync is under way already. The client's page shows how it ends";
    /// The directory can't be reached or read; the message has its words.
    LdapFailed = "ldap_failed", 502, "The directory could not be read";
    /// Another synchronisation is under way.
    LdapSyncRunning = "ldap_sync_running", 409, "A synchronisation is under way already. Wait until it is over";
    /// More would go than the settings let go; details `run`, `users`, `groups`, `members`, `admins`.
    LdapSyncStopped = "ldap_sync_stopped", 409, "Nothing was changed: more people, groups or memberships are gone from the directory than may go without being asked. Look at the report and confirm it, or mend the search filters";
    /// A file declares it; detail `declared`.
    Declared = "declared", 409, "This is declared in the configuration file and can't be changed here. Change it in the file, then apply the file";
    /// Not in this release.
    NotAvailable = "not_available", 409, "This release can't do that yet";
    /// The configuration comes from the environment.
    UiConfigDisabled = "ui_config_disabled", 403, "The configuration is set by the environment and can't be changed here";
    /// Feature configured off.
    OneTimeAccessDisabled = "one_time_access_disabled", 403, "Login codes by email are switched off";
    /// The ceremony cookie is missing.
    MissingSessionId = "missing_session_id", 400, "The passkey ceremony was not started in this browser, or its cookie is missing";
    /// The ceremony is unknown, used or expired.
    InvalidWebauthnSession = "invalid_webauthn_session", 400, "This passkey request has expired or was used already. Please try again";
    /// The authenticator's answer is unusable.
    InvalidWebauthnResponse = "invalid_webauthn_response", 400, "The passkey's answer could not be used";
    /// The authenticator did not verify the person.
    PasskeyUserVerificationRequired = "passkey_user_verification_required", 400, "The passkey did not verify you. Use one with PIN, fingerprint or face";
    /// Backup-eligible passkeys are refused by policy.
    SyncedPasskeyNotAllowed = "synced_passkey_not_allowed", 400, "Synced passkeys are not allowed here";
    /// The policy refuses the authenticator's model, or how it is attached.
    PasskeyNotAllowed = "passkey_not_allowed", 400, "Passkeys of this kind are not allowed by your administrator";
    /// The credential is registered already.
    PasskeyAlreadyRegistered = "passkey_already_registered", 400, "This passkey is registered already";
    /// A claim's name belongs to the protocol; detail `key`.
    ReservedClaim = "reserved_claim", 400, "This claim name is reserved";
    /// A claim is given twice; detail `key`.
    DuplicateClaim = "duplicate_claim", 400, "This claim is given twice";
    /// The picture can't be decoded.
    InvalidImage = "invalid_image", 400, "This file is not a picture that can be used";
    /// The file name's extension is not accepted.
    FileTypeNotSupported = "file_type_not_supported", 415, "This type of file is not supported";
    /// The upload is too large; detail `max_size`.
    FileTooLarge = "file_too_large", 413, "This file is too large";
    /// A remote logo is of a type that isn't accepted, or damaged.
    LogoTypeNotSupported = "logo_type_not_supported", 422, "This type of logo is not supported";
    /// A remote logo is too large; detail `max_size`.
    LogoTooLarge = "logo_too_large", 422, "The logo is too large: at most 2 MiB";
    /// A remote logo can't be had.
    LogoDownloadFailed = "logo_download_failed", 422, "The logo could not be fetched";
    /// Too many requests; header `Retry-After`.
    RateLimited = "rate_limited", 429, "Too many attempts. Please wait a moment and try again";
    /// The person is in no allowed group.
    OidcAccessDenied = "oidc_access_denied", 403, "You are not allowed to access this service";
}

/// A refusal or fault. Rolls the transaction back.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", code.as_str())]
pub struct Error {
    /// The stable code.
    pub code: Code,
    /// The sentence for people.
    pub message: String,
    /// The same for people who read another language, if it is more than the usual sentence of the code.
    pub said: Option<Box<Said>>,
    /// String-valued details of the envelope.
    pub details: Vec<(&'static str, String)>,
    /// Refused fields.
    pub fields: Vec<FieldError>,
    /// Seconds to wait, for `Retry-After`.
    pub retry_after: Option<u64>,
}

impl Error {
    /// A refusal with its usual sentence.
    pub fn new(code: Code) -> Self {
        let message = code.message().to_owned();
        Self { code, message, said: None, details: Vec::new(), fields: Vec::new(), retry_after: None }
    }

    /// A refusal with a sentence that every language has.
    pub fn say(saying: Saying, arguments: &[(&'static str, &str)]) -> Self {
        let said = Said::new(saying, arguments);
        let message = said.fill(saying.text());
        Self { said: Some(Box::new(said)), ..Self::with(saying.code(), message) }
    }

    /// A refusal with a sentence of its own, for programs: it is told in English.
    pub fn with(code: Code, message: impl Into<String>) -> Self {
        Self { message: message.into(), ..Self::new(code) }
    }

    /// Adds a detail.
    #[must_use]
    pub fn detail(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.details.push((name, value.into()));
        self
    }

    /// A resource that does not exist, by the contract's name ("OIDC client", "User group", "Passkey").
    pub fn not_found(resource: &'static str) -> Self {
        Self::with(Code::NotFound, format!("{resource} not found")).detail("resource", resource)
    }

    /// A unique property that is taken.
    pub fn already_in_use(property: &'static str) -> Self {
        let name = match property {
            "email" => "Email",
            "username" => "Username",
            "name" => "Name",
            "id" => "ID",
            other => other,
        };
        Self::with(Code::AlreadyInUse, format!("{name} is already in use")).detail("property", property)
    }

    /// Refused fields as one `validation_failed`.
    pub fn fields(fields: Vec<FieldError>) -> Self {
        let text: Vec<String> = fields.iter().map(|f| format!("{} {}", f.field, f.message)).collect();
        let text = text.join(", ");
        // The envelope's text begins with a capital (api.md §5.1).
        let mut letters = text.chars();
        let text = letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or(text);
        Self { fields, ..Self::with(Code::ValidationFailed, text) }
    }

    /// One refused field.
    pub fn field(field: &str, code: pid_core::FieldCode, message: &str) -> Self {
        Self::fields(vec![FieldError { field: field.to_owned(), code, message: message.to_owned() }])
    }

    /// A fault whose cause goes to the log only.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "internal error");
        Self::new(Code::Internal)
    }
}

impl From<Vec<FieldError>> for Error {
    fn from(fields: Vec<FieldError>) -> Self {
        Self::fields(fields)
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable { .. } => {
                tracing::warn!(%error, "the store is not available");
                Self::new(Code::Unavailable)
            }
            // Usually nobody sees it, as the engine runs the rule again. Who does can only try again: nothing was done.
            StoreError::Conflict => Self::new(Code::Unavailable),
            StoreError::NulCharacter => Self::say(Saying::NulCharacter, &[]),
            other => Self::internal(other),
        }
    }
}

/// Maps a broken uniqueness of accounts to `already_in_use`.
pub fn unique_user(error: StoreError) -> Error {
    match &error {
        StoreError::UniqueViolation { constraint } if constraint.contains("email") => Error::already_in_use("email"),
        StoreError::UniqueViolation { constraint } if constraint.contains("username") => {
            Error::already_in_use("username")
        }
        StoreError::UniqueViolation { constraint } if constraint.contains("users") => Error::already_in_use("id"),
        _ => error.into(),
    }
}
