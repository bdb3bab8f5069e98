//! What is said of a client when it is made or changed: whether it can be, and what comes of it (api.md §16.2).

use pid_core::clients::{
    ACCESS_TOKEN_MINUTES, AuthMethod, BackchannelSource, Client, ClientType, FederatedIdentity, REFRESH_TOKEN_MINUTES,
    TOKEN_MINUTES, is_client_id,
};
use pid_core::forward_auth::ForwardAuth;
use pid_core::validate::nfc;
use pid_core::{ClientId, FieldCode, Fields, Timestamp};
use pid_jose::Alg;
use pid_oidc::backchannel_logout;
use pid_oidc::claim_mapping::ClaimMapping;
use pid_oidc::redirect_uri::{Pattern, Purpose};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clients::ClientDetails;
use crate::{Error, client_keys};

/// The fields of a client (api.md §16.2).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(extend("required" = ["name"]))]
pub struct ClientInput {
    /// On creation only; empty: generated.
    #[serde(skip_serializing)]
    pub id: String,
    /// 1–50 characters.
    pub name: String,
    /// At most 150 characters.
    pub description: String,
    /// Patterns of redirect URIs.
    #[serde(rename = "callbackURLs")]
    pub callback_urls: Vec<String>,
    /// Patterns of post-logout redirect URIs.
    #[serde(rename = "logoutCallbackURLs")]
    pub logout_callback_urls: Vec<String>,
    /// Has no secret; always with PKCE.
    pub is_public: bool,
    /// PKCE is required.
    pub pkce_enabled: bool,
    /// Each authorization needs a fresh passkey ceremony.
    pub requires_reauthentication: bool,
    /// Requests must be pushed.
    pub requires_pushed_authorization_requests: bool,
    /// No consent page.
    pub skip_consent: bool,
    /// Only members of allowed groups may enter.
    pub is_group_restricted: bool,
    /// Federated identities.
    pub credentials: Credentials,
    /// Where the launcher leads.
    #[serde(rename = "launchURL")]
    pub launch_url: Option<String>,
    /// Minutes; absent or 0: 60.
    pub access_token_duration_minutes: i64,
    /// Minutes; absent or 0: 43,200.
    pub refresh_token_duration_minutes: i64,
    /// Signs its ID and access tokens: `RS256`, `ES256` or `EdDSA`; absent or empty: as the instance does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id_token_signed_response_alg: Option<String>,
    /// Where the client is told that a session has ended. Absent: as before; empty: nowhere, for good.
    #[serde(rename = "backchannelLogoutURL", skip_serializing)]
    pub backchannel_logout_url: Option<String>,
    /// Lifetime of its ID tokens, minutes. Absent: as before; 0: an hour.
    #[serde(skip_serializing)]
    pub id_token_duration_minutes: Option<i64>,
    /// How it is told the claims of people: renamed, left out, constants, the form of groups. Absent: as before; an
    /// empty object: as they are.
    #[serde(skip_serializing)]
    pub claim_mapping: Option<serde_json::Value>,
    /// `client_secret_basic`, `client_secret_post`, `private_key_jwt` or `none`: the only way in which it may
    /// authenticate. Absent: as before; empty: any that it has credentials for.
    #[serde(skip_serializing)]
    pub token_endpoint_auth_method: Option<String>,
    /// Its public keys: a JWK set, as JSON or as text. Absent: as before; empty text: none.
    #[serde(skip_serializing)]
    pub jwks: Option<serde_json::Value>,
    /// Where its public keys are, instead. Absent: as before; empty: nowhere.
    #[serde(skip_serializing)]
    pub jwks_uri: Option<String>,
    /// The registered way to say `pkceEnabled`; if both are given, this counts.
    #[serde(skip_serializing)]
    pub require_pkce: Option<bool>,
    /// Its access tokens are always bound to a key (RFC 9449 §5.2). Absent: as before.
    #[serde(skip_serializing)]
    pub dpop_bound_access_tokens: Option<bool>,
    /// Whether it needs the session's id to be told. Absent: as before.
    #[serde(skip_serializing)]
    pub backchannel_logout_session_required: Option<bool>,
    /// `proxy` for an app without OpenID behind a reverse proxy; on creation only. Absent: `standard`.
    #[serde(skip_serializing)]
    #[schemars(extend("enum" = ["standard", "proxy"]))]
    pub client_type: Option<String>,
    /// The hosts and rules of a client of the type `proxy`. Absent: as before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forward_auth: Option<ForwardAuth>,
    /// Where a logo is fetched, once.
    #[serde(skip_serializing)]
    pub logo_url: Option<String>,
    /// Where a logo for dark backgrounds is fetched, once.
    #[serde(skip_serializing)]
    pub dark_logo_url: Option<String>,
}

/// The part of `credentials` that is set with the client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
#[schemars(rename = "ClientCredentials")]
pub struct Credentials {
    /// Issuers whose assertions authenticate the client.
    pub federated_identities: Vec<FederatedIdentity>,
}

/// What a client or an API may choose; the larger siblings are for instances that were imported with them.
pub(crate) const SIGNING_ALGS: [Alg; 3] = [Alg::RS256, Alg::ES256, Alg::EdDSA];

/// What kind of client is to be made.
pub(crate) fn created_as(input: &ClientInput) -> Result<ClientType, Error> {
    match input.client_type.as_deref() {
        None | Some("" | "standard") => Ok(ClientType::Standard),
        Some("proxy") => Ok(ClientType::Proxy),
        Some(_) => Err(Error::field("clientType", FieldCode::Oneof, "must be 'standard' or 'proxy'")),
    }
}

/// A client that says nothing yet.
pub(crate) fn blank(id: ClientId, client_type: ClientType, now: Timestamp) -> Client {
    Client {
        id,
        name: String::new(),
        description: String::new(),
        callback_urls: Vec::new(),
        logout_callback_urls: Vec::new(),
        launch_url: None,
        is_public: false,
        pkce_enabled: false,
        pkce_supported: false,
        requires_reauthentication: false,
        requires_pushed_authorization_requests: false,
        skip_consent: false,
        is_group_restricted: false,
        client_type,
        signing_alg: None,
        access_token_minutes: ACCESS_TOKEN_MINUTES,
        refresh_token_minutes: REFRESH_TOKEN_MINUTES,
        id_token_minutes: None,
        claim_mapping: None,
        federated_identities: Vec::new(),
        auth_method: None,
        jwks: None,
        jwks_uri: None,
        dpop_bound_access_tokens: false,
        has_logo: false,
        has_dark_logo: false,
        created_at: now,
        updated_at: now,
        version: 1,
        backchannel_logout_url: None,
        backchannel_logout_session_required: false,
        backchannel_logout_source: BackchannelSource::None,
        legacy_wildcards: Vec::new(),
    }
}

fn check_patterns(fields: &mut Fields, name: &str, purpose: Purpose, entries: &[String]) {
    if entries.len() > 200 {
        fields.refuse(name, FieldCode::TooLong, "must have at most 200 entries");
    }
    for (i, error) in Pattern::parse_list(purpose, entries).1 {
        fields.refuse(format!("{name}[{i}]"), FieldCode::CallbackUrlPattern, error.to_string());
    }
}

pub(crate) fn check(input: &ClientInput) -> Result<(), Error> {
    let mut fields = Fields::new();
    if !input.id.is_empty() && !is_client_id(&input.id) {
        fields.refuse("id", FieldCode::ClientId, "must be 2–128 letters, digits, dots, underscores or hyphens");
    }
    fields.length("name", &input.name, 1, 50);
    fields.length("description", &input.description, 0, 150);
    check_patterns(&mut fields, "callbackURLs", Purpose::Redirect, &input.callback_urls);
    check_patterns(&mut fields, "logoutCallbackURLs", Purpose::PostLogout, &input.logout_callback_urls);
    if let Some(url) = &input.launch_url {
        let good = url::Url::parse(url).is_ok_and(|u| {
            !["javascript", "data", "vbscript", "file", "blob"].contains(&u.scheme())
                && (u.has_host() || u.cannot_be_a_base())
        });
        let plain = !url.chars().any(|c| c.is_whitespace() || c.is_control());
        if !good || !plain || url.len() > 2048 {
            fields.refuse("launchURL", FieldCode::InvalidFormat, "must be a URL like https://app.example.com");
        }
    }
    if let Some(url) = input.backchannel_logout_url.as_deref().filter(|url| !url.is_empty())
        && let Err(error) = backchannel_logout::check_address(url)
    {
        fields.refuse("backchannelLogoutURL", FieldCode::InvalidFormat, error.to_string());
    }
    for (name, minutes) in [
        ("accessTokenDurationMinutes", input.access_token_duration_minutes),
        ("refreshTokenDurationMinutes", input.refresh_token_duration_minutes),
        ("idTokenDurationMinutes", input.id_token_duration_minutes.unwrap_or(0)),
    ] {
        if minutes != 0 && !TOKEN_MINUTES.contains(&minutes) {
            fields.refuse(name, FieldCode::TokenDuration, "must be between 1 and 525600 minutes");
        }
    }
    if let Some(alg) = signing_alg(input)
        && !SIGNING_ALGS.iter().any(|known| known.as_str() == alg)
    {
        fields.refuse("idTokenSignedResponseAlg", FieldCode::Oneof, "must be RS256, ES256 or EdDSA");
    }
    if input.credentials.federated_identities.len() > 50 {
        fields.refuse("credentials", FieldCode::TooLong, "must have at most 50 federated identities");
    }
    client_keys::check(input, &mut fields);
    if let Some(Err(error)) = input.claim_mapping.as_ref().map(claim_mapping) {
        fields.refuse("claimMapping", FieldCode::InvalidFormat, format!("can't be used: {error}"));
    }
    for (name, url) in [("logoUrl", &input.logo_url), ("darkLogoUrl", &input.dark_logo_url)] {
        if url.as_deref().is_some_and(|url| !is_logo_url(url)) {
            fields.refuse(name, FieldCode::InvalidValue, "must be an address like https://app.example.com/logo.png");
        }
    }
    Ok(fields.finish()?)
}

/// Whether a logo could be fetched there.
pub fn is_logo_url(url: &str) -> bool {
    url::Url::parse(url).is_ok_and(|u| matches!(u.scheme(), "http" | "https") && u.has_host())
}

/// Reads a mapping of claims; an empty one is none.
fn claim_mapping(value: &serde_json::Value) -> Result<Option<String>, String> {
    if !value.is_object() {
        return Err("it must be an object".to_owned());
    }
    let mapping: ClaimMapping = serde_json::from_value(value.clone()).map_err(|error| error.to_string())?;
    mapping.validate().map_err(|error| error.to_string())?;
    Ok((mapping != ClaimMapping::default()).then(|| value.to_string()))
}

fn signing_alg(input: &ClientInput) -> Option<&str> {
    input.id_token_signed_response_alg.as_deref().filter(|alg| !alg.is_empty())
}

pub(crate) fn merged(mut client: Client, input: &ClientInput) -> Client {
    let or = |minutes: i64, default: i64| if minutes == 0 { default } else { minutes };
    // What a metadata document says is not for administrators to change (api.md §16.2).
    if client.client_type == ClientType::Proxy {
        client.name = nfc(&input.name);
    }
    if client.client_type == ClientType::Standard {
        client.name = nfc(&input.name);
        client.callback_urls.clone_from(&input.callback_urls);
        client.logout_callback_urls.clone_from(&input.logout_callback_urls);
        client.is_public = input.is_public;
        client.pkce_enabled = input.require_pkce.unwrap_or(input.pkce_enabled) || input.is_public;
        client.federated_identities.clone_from(&input.credentials.federated_identities);
        client_keys::decide(&mut client, input);
    }
    client.description = nfc(&input.description);
    client.launch_url.clone_from(&input.launch_url);
    client.pkce_supported = client.pkce_supported && client.pkce_enabled;
    client.requires_reauthentication = input.requires_reauthentication;
    client.requires_pushed_authorization_requests = input.requires_pushed_authorization_requests;
    client.skip_consent = input.skip_consent;
    client.is_group_restricted = input.is_group_restricted;
    client.signing_alg = signing_alg(input).map(str::to_owned);
    client.access_token_minutes = or(input.access_token_duration_minutes, ACCESS_TOKEN_MINUTES);
    client.refresh_token_minutes = or(input.refresh_token_duration_minutes, REFRESH_TOKEN_MINUTES);
    if let Some(minutes) = input.id_token_duration_minutes {
        client.id_token_minutes = Some(minutes).filter(|minutes| *minutes != 0);
    }
    if let Some(Ok(mapping)) = input.claim_mapping.as_ref().map(claim_mapping) {
        client.claim_mapping = mapping;
    }
    decide_backchannel_logout(&mut client, input);
    client
}

/// What an administrator says counts for good. Until they say something, an address that they typed among the logout
/// callbacks, as guides tell them to, is taken over; it stays where it was typed.
fn decide_backchannel_logout(client: &mut Client, input: &ClientInput) {
    if let Some(required) = input.backchannel_logout_session_required {
        client.backchannel_logout_session_required = required;
    }
    if let Some(url) = &input.backchannel_logout_url {
        client.backchannel_logout_url = Some(url.clone()).filter(|url| !url.is_empty());
        client.backchannel_logout_source = BackchannelSource::Set;
    } else if client.backchannel_logout_source != BackchannelSource::Set && client.client_type == ClientType::Standard {
        let found = backchannel_logout::taken_over(&client.logout_callback_urls, &client.callback_urls);
        client.backchannel_logout_source =
            if found.is_some() { BackchannelSource::TakenOver } else { BackchannelSource::None };
        client.backchannel_logout_url = found;
    }
}

pub(crate) fn input_of(c: &Client) -> ClientInput {
    ClientInput {
        id: String::new(),
        name: c.name.clone(),
        description: c.description.clone(),
        callback_urls: c.callback_urls.clone(),
        logout_callback_urls: c.logout_callback_urls.clone(),
        is_public: c.is_public,
        pkce_enabled: c.pkce_enabled,
        requires_reauthentication: c.requires_reauthentication,
        requires_pushed_authorization_requests: c.requires_pushed_authorization_requests,
        skip_consent: c.skip_consent,
        is_group_restricted: c.is_group_restricted,
        credentials: Credentials { federated_identities: c.federated_identities.clone() },
        launch_url: c.launch_url.clone(),
        access_token_duration_minutes: c.access_token_minutes,
        refresh_token_duration_minutes: c.refresh_token_minutes,
        id_token_signed_response_alg: c.signing_alg.clone(),
        ..ClientInput::default()
    }
}

/// Everything of a client that a change can say, by the names of the API.
pub(crate) fn written_out(details: &ClientDetails) -> Result<Value, Error> {
    let c = &details.client;
    let mut all = serde_json::to_value(ClientInput { forward_auth: details.forward_auth.clone(), ..input_of(c) })
        .map_err(Error::internal)?;
    let more = serde_json::json!({
        "id": c.id.as_str(),
        "clientType": c.client_type.as_str(),
        "idTokenDurationMinutes": c.id_token_minutes,
        "claimMapping": c.claim_mapping.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok()),
        "tokenEndpointAuthMethod": c.auth_method.map(AuthMethod::as_str),
        "jwks": c.jwks.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok()),
        "jwksUri": c.jwks_uri,
        "dpopBoundAccessTokens": c.dpop_bound_access_tokens,
        "backchannelLogoutURL": c.backchannel_logout_url,
        "backchannelLogoutSessionRequired": c.backchannel_logout_session_required,
    });
    if let (Some(all), Value::Object(more)) = (all.as_object_mut(), more) {
        all.extend(more);
    }
    Ok(all)
}
