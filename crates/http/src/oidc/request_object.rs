//! Request objects (RFC 9101): verified with the client's keys, and made one with the parameters beside them.

use pid_core::Timestamp;
use pid_flows::client_auth::{KeyPlace, registered_keys};
use pid_jose::PeerKeys;
use pid_oidc::request_object::{ObjectParams, ObjectPolicy, RequestObject, must_stand_alone};
use pid_oidc::{ErrorCode, OAuthError, Params};

use crate::peer_keys::with_keys;
use crate::state::App;

/// The request that object and parameters make together, `pushed` or brought by a browser; `None` if there is no object.
/// The inner error is for the client.
pub(crate) async fn resolve(
    app: &App,
    now: Timestamp,
    params: &Params,
    pushed: bool,
) -> Result<Result<Option<Params>, OAuthError>, pid_flows::Error> {
    let needs_keys = match RequestObject::find(params) {
        Ok(Some(object)) if pushed && object.refers_elsewhere() => return Ok(Err(must_stand_alone())),
        Ok(Some(object)) => object.needs_keys(),
        Ok(None) => return Ok(Ok(None)),
        Err(error) => return Ok(Err(error)),
    };
    let client_id = params.first("client_id").unwrap_or_default().to_owned();
    let named = client_id.clone();
    let place = app.db().read(move |tx| registered_keys(tx, &named)).await?;
    let issuer = app.env().app_url.origin.as_str();
    let verify = |keys: Option<&PeerKeys>| -> Result<ObjectParams, OAuthError> {
        // A client that has keys signs: from it, an object that isn't signed is somebody else's.
        let allow_unsigned = place.is_none();
        let policy = ObjectPolicy { client_id: &client_id, issuer, keys, allow_unsigned, now: now.secs() };
        match RequestObject::find(params)? {
            Some(object) => object.verify(&policy),
            None => Err(OAuthError::new(ErrorCode::InvalidRequestObject, "The request object is missing.")),
        }
    };
    let verified = match &place {
        Some(place) if needs_keys => signed(app, place, verify).await,
        _ => verify(None),
    };
    Ok(verified.and_then(|object| object.merge(params).map(Some)))
}

async fn signed(
    app: &App,
    place: &KeyPlace,
    verify: impl Fn(Option<&PeerKeys>) -> Result<ObjectParams, OAuthError>,
) -> Result<ObjectParams, OAuthError> {
    let unavailable =
        |why: &str| OAuthError::new(ErrorCode::InvalidRequestObject, format!("The client's keys can't be had: {why}."));
    with_keys(app, place, unavailable, |keys| verify(Some(keys))).await
}
