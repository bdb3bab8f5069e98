//! Delivering the audit log's stream: the edge of `pid_flows::audit_stream`. Webhooks are signed as
//! <https://www.standardwebhooks.com> says.

use std::time::Duration;

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use pid_core::audit::Event;
use pid_core::secret::sha256;
use pid_flows::Error;
use pid_flows::audit_stream::{Delivery, Target};
use pid_flows::outbox::Answer;
use pid_integrations::fetch::{Limits, NamedBy, Request};
use pid_integrations::syslog::{self, Message, Severity};
use serde_json::json;

use crate::api::audit_logs::AuditLogDto;
use crate::state::App;

/// A delivery to a webhook may cost this much.
const LIMITS: Limits = Limits { time: Duration::from_secs(10), body: None, redirects: 0 };
/// What somebody should look at.
const WARNINGS: [Event; 9] = [
    Event::SignInFailed,
    Event::ClientAuthenticationFailed,
    Event::CodeReuse,
    Event::RefreshReuse,
    Event::ForeignGrant,
    Event::SignInDisowned,
    Event::LogoutNoticeFailed,
    Event::MailFailed,
    Event::ScimSyncFailed,
];

/// Sends a delivery.
///
/// # Errors
/// Only what must not happen: what is sent can't be written.
pub async fn send(app: &App, delivery: &Delivery) -> Result<Answer, Error> {
    let entries: Vec<AuditLogDto> = delivery.entries.iter().cloned().map(AuditLogDto::from).collect();
    match &delivery.target {
        Target::Webhook(url) => {
            let request = webhook(url, &delivery.secret, app.clock().now().secs(), delivery, &entries)?;
            Ok(match app.fetcher().send(request).await {
                Ok(response) => Answer::Status(response.status.as_u16()),
                Err(error) => Answer::Nothing(error.kind().to_owned()),
            })
        }
        Target::Syslog { tcp, host, port } => {
            let lines: Result<Vec<String>, Error> =
                delivery.entries.iter().zip(&entries).map(|(entry, dto)| line(app, entry, dto)).collect();
            let sent = syslog::send(app.fetcher(), *tcp, host, *port, NamedBy::Admin, &lines?).await;
            Ok(sent.map_or_else(|error| Answer::Nothing(error.kind().to_owned()), |()| Answer::Taken))
        }
    }
}

fn line(app: &App, entry: &pid_core::audit::Entry, dto: &AuditLogDto) -> Result<String, Error> {
    let is_warning = WARNINGS.iter().any(|event| event.as_str() == entry.event);
    let message = Message {
        severity: if is_warning { Severity::Warning } else { Severity::Informational },
        at: &entry.created_at.to_string(),
        host: &app.env().app_url.host,
        kind: &entry.event,
        json: &serde_json::to_string(dto).map_err(Error::internal)?,
    };
    Ok(message.to_line())
}

/// The same entries have the same `webhook-id`, however often they are sent; other entries have another, so that a
/// receiver which knows an id already has all that came under it.
fn webhook(url: &str, secret: &str, now: i64, delivery: &Delivery, entries: &[AuditLogDto]) -> Result<Request, Error> {
    let ids: Vec<&str> = delivery.entries.iter().map(|entry| entry.id.as_str()).collect();
    let digest = sha256(ids.join(" ").as_bytes());
    let id = format!("msg_{}", digest[..16].iter().map(|b| format!("{b:02x}")).collect::<String>());
    let at = delivery.entries.last().map(|entry| entry.created_at);
    let body = json!({ "type": "audit.entries", "timestamp": at, "data": entries }).to_string();
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (HeaderName::from_static("webhook-id"), id.clone()),
        (HeaderName::from_static("webhook-timestamp"), now.to_string()),
        (HeaderName::from_static("webhook-signature"), signature(secret, &format!("{id}.{now}.{body}"))),
    ];
    let headers: Result<HeaderMap, Error> = headers
        .into_iter()
        .map(|(name, text)| Ok((name, HeaderValue::try_from(text).map_err(Error::internal)?)))
        .collect();
    Ok(Request {
        method: Method::POST,
        url: url.to_owned(),
        headers: headers?,
        body: Bytes::from(body),
        named_by: NamedBy::Admin,
        limits: LIMITS,
    })
}

/// HMAC-SHA-256. A secret that begins with `whsec_` is base64, any other is taken as it is.
fn signature(secret: &str, content: &str) -> String {
    let decoded = secret.strip_prefix("whsec_").and_then(|text| STANDARD.decode(text).ok());
    let key = hmac::Key::new(hmac::HMAC_SHA256, decoded.as_deref().unwrap_or(secret.as_bytes()));
    format!("v1,{}", STANDARD.encode(hmac::sign(&key, content.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference libraries.
    #[test]
    fn the_signature_is_that_of_standard_webhooks() {
        let content = "msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{\"test\": 2432232314}";
        let signed = signature("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", content);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
