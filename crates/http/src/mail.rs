//! Letters: what waits in the outbox (`pid_flows::mail`), written in the reader's language with this installation's logo
//! and colour, and handed to the mail server of now.

use std::time::Duration;

use askama::Template;
use pid_core::settings::Settings;
use pid_core::{SessionId, Timestamp};
use pid_flows::disown;
use pid_flows::mail::{By, Mail, Message};
use pid_integrations::device::in_words;
use pid_integrations::mail::{self, Letter, MailError, Security, Server};
use url::form_urlencoded::byte_serialize;

use crate::i18n::{Words, key, words};
use crate::state::App;

/// How long all of a delivery may take: less than the outbox waits for it.
const TIME: Duration = Duration::from_secs(50);
/// Our own colour, where none is configured that mail programs understand.
const ACCENT: &str = "#0b6b57";

/// A letter as a page.
#[derive(Debug, Template)]
#[template(path = "mail.html")]
struct Html<'a> {
    content: &'a Content,
    language: &'a str,
    app: &'a str,
    origin: &'a str,
    accent: &'a str,
}

/// A letter as text.
#[derive(Debug, Template)]
#[template(path = "mail.txt", escape = "none")]
struct Text<'a> {
    content: &'a Content,
}

/// What a letter says, whatever it is about.
#[derive(Debug, Default)]
struct Content {
    subject: String,
    hello: String,
    lines: Vec<String>,
    code: String,
    /// Words and address of a link.
    link: Option<(String, String)>,
    after: Vec<String>,
    foot: String,
}

/// Writes a letter and hands it to the server. `id` is the same for each attempt.
///
/// # Errors
/// [`MailError`]; its text is for administrators.
pub async fn send(app: &App, id: &str, mail: &Mail) -> Result<(), MailError> {
    let settings = app.settings();
    let letter = write(app, &settings, id, mail)?;
    let server = server(&app.env().app_url.host, &settings)?;
    let sent = tokio::time::timeout(TIME, mail::send(app.fetcher(), &server, letter)).await;
    sent.unwrap_or_else(|_| Err(MailError::Later("there was no complete answer in time".to_owned())))
}

/// The mail server that is configured.
pub(crate) fn server(our_name: &str, settings: &Settings) -> Result<Server, MailError> {
    let security = match settings.get("smtpTls") {
        "starttls" => Security::StartTls,
        "tls" => Security::Tls,
        _ => Security::None,
    };
    let port = match settings.get("smtpPort") {
        "" => security.port(),
        text => text.parse().map_err(|_| MailError::Target(format!("{text:?} is no port")))?,
    };
    let user = settings.get("smtpUser");
    Ok(Server {
        host: settings.get("smtpHost").trim().to_owned(),
        port,
        security,
        any_certificate: settings.get("smtpSkipCertVerify") == "true",
        credentials: (!user.is_empty()).then(|| (user.to_owned(), settings.get("smtpPassword").to_owned())),
        our_name: our_name.to_owned(),
    })
}

fn write(app: &App, settings: &Settings, id: &str, mail: &Mail) -> Result<Letter, MailError> {
    let words = words(mail.language.as_deref().unwrap_or("en"));
    let (name, origin) = (settings.app_name(), app.env().app_url.origin.as_str());
    let content = content(app, words, name, mail);
    let accent = settings.accent_color();
    let is_hex =
        accent.len() == 7 && accent.strip_prefix('#').is_some_and(|hex| hex.chars().all(|c| c.is_ascii_hexdigit()));
    let accent = if is_hex { accent } else { ACCENT };
    let unwritten = |error: askama::Error| MailError::Letter(error.to_string());
    let html = Html { content: &content, language: words.language(), app: name, origin, accent };
    Ok(Letter {
        from: (name.to_owned(), settings.get("smtpFrom").to_owned()),
        to: (mail.name.clone(), mail.to.clone()),
        id: format!("<{id}@{}>", app.env().app_url.host),
        html: html.render().map_err(unwritten)?,
        text: Text { content: &content }.render().map_err(unwritten)?,
        subject: content.subject,
    })
}

fn content(app: &App, words: &'static Words, name: &str, mail: &Mail) -> Content {
    let env = app.env();
    let origin = env.app_url.origin.as_str();
    let say = |key: &str| words.with(key, &[("app", name)]);
    let link = |key: &str, path: &str| Some((words.get(key).to_owned(), format!("{origin}{path}")));
    let not_me = |session: &str, by: &By| {
        if session.is_empty() {
            return None;
        }
        let token = disown::token(env, &SessionId::new(session), by.at);
        link(key("mail-not-me"), &format!("/not-me?token={}", token.expose()))
    };
    let frame = Content {
        hello: match mail.name.as_str() {
            "" => words.get(key("mail-hello-anybody")).to_owned(),
            name => words.with(key("mail-hello"), &[("name", name)]),
        },
        foot: words.with(key("mail-foot"), &[("app", name), ("address", &mail.to)]),
        ..Content::default()
    };
    match &mail.message {
        Message::Test => {
            Content { subject: say(key("mail-test-subject")), lines: vec![say(key("mail-test-text"))], ..frame }
        }
        Message::LoginCode { code, minutes, redirect } => {
            let (code, lifetime) = (code.open(env), lifetime(words, *minutes));
            let query = redirect
                .as_ref()
                .map(|path| format!("?redirect={}", byte_serialize(path.as_bytes()).collect::<String>()));
            let path = format!("/lc/{code}{}", query.unwrap_or_default());
            Content {
                subject: say(key("mail-code-subject")),
                lines: vec![words.with(key("mail-code-text"), &[("lifetime", &lifetime)])],
                link: link(key("mail-code-open"), &path),
                after: vec![
                    words.with(key("mail-code-type"), &[("url", &format!("{origin}/lc"))]),
                    words.get(key("mail-code-not-you")).to_owned(),
                ],
                code,
                ..frame
            }
        }
        Message::Verify { token, by } => {
            let mut lines = vec![say(key("mail-verify-text"))];
            lines.extend(by.iter().flat_map(|by| facts(words, by)));
            let link = link(key("mail-verify-open"), &format!("/verify-email?token={}", token.open(env)));
            let after = vec![words.get(key("mail-verify-not-you")).to_owned()];
            Content { subject: say(key("mail-verify-subject")), lines, link, after, ..frame }
        }
        Message::NewDevice { by, session, app } => Content {
            subject: say(key("mail-device-subject")),
            lines: about(words, key("mail-device-text"), by, app),
            // A letter that an older version wrote has no session.
            link: not_me(session, by).or_else(|| link(key("mail-device-open"), "/settings/account")),
            after: vec![words.get(key("mail-device-not-you")).to_owned()],
            ..frame
        },
        Message::CodeUsed { by, session, app } => Content {
            subject: say(key("mail-used-subject")),
            lines: about(words, key("mail-used-text"), by, app),
            link: not_me(session, by),
            after: vec![words.get(key("mail-used-not-you")).to_owned()],
            ..frame
        },
        Message::CodeMade { at } => Content {
            subject: say(key("mail-made-subject")),
            lines: vec![words.with(key("mail-made-text"), &[("time", &moment(*at))])],
            after: vec![words.get(key("mail-made-not-you")).to_owned()],
            ..frame
        },
        Message::PasskeyAdded { by, passkey } => {
            let mut lines = vec![words.with(key("mail-added-text"), &[("passkey", passkey)])];
            lines.extend(facts(words, by));
            let after = vec![words.get(key("mail-added-not-you")).to_owned()];
            let link = link(key("mail-added-open"), "/settings/account");
            Content { subject: say(key("mail-added-subject")), lines, link, after, ..frame }
        }
        Message::PasskeyRemoved { by, passkey } => {
            let text = if by.is_some() { key("mail-removed-text") } else { key("mail-removed-by-admin") };
            let mut lines = vec![words.with(text, &[("passkey", passkey)])];
            lines.extend(by.iter().flat_map(|by| facts(words, by)));
            let after = vec![words.get(key("mail-removed-not-you")).to_owned()];
            let link = link(key("mail-removed-open"), "/settings/account");
            Content { subject: say(key("mail-removed-subject")), lines, link, after, ..frame }
        }
        Message::AwaitsApproval { username, user } => Content {
            subject: words.with(key("mail-approval-subject"), &[("username", username)]),
            lines: vec![words.with(key("mail-approval-text"), &[("username", username), ("app", name)])],
            link: link(key("mail-approval-open"), &format!("/settings/admin/users/{user}")),
            ..frame
        },
        Message::ApiKeyExpiring { key: named, at } => Content {
            subject: words.with(key("mail-key-subject"), &[("key", named)]),
            lines: vec![words.with(key("mail-key-text"), &[("key", named), ("time", &moment(*at))])],
            link: link(key("mail-key-open"), "/settings/admin/api-keys"),
            ..frame
        },
        Message::NoticesOff { by } => Content {
            subject: say(key("mail-off-subject")),
            lines: about(words, key("mail-off-text"), by, ""),
            link: link(key("mail-off-open"), "/settings/account"),
            after: vec![words.get(key("mail-off-not-you")).to_owned()],
            ..frame
        },
        Message::AddressChanged => Content {
            subject: say(key("mail-address-subject")),
            lines: vec![words.get(key("mail-address-text")).to_owned()],
            after: vec![words.get(key("mail-address-not-you")).to_owned()],
            ..frame
        },
    }
}

/// What happened, from where, with what and for which app.
fn about(words: &Words, text: &str, by: &By, app: &str) -> Vec<String> {
    let mut lines = vec![words.get(text).to_owned()];
    if !app.is_empty() {
        lines.push(words.with(key("mail-device-app"), &[("client", app)]));
    }
    lines.extend(facts(words, by));
    lines
}

/// From where and with what something was done.
fn facts(words: &Words, by: &By) -> Vec<String> {
    let place: Vec<&str> =
        [by.city.as_str(), by.country.as_str()].into_iter().filter(|text| !text.is_empty()).collect();
    let mut lines = vec![words.with(key("mail-device-ip"), &[("ip", &by.ip_address)])];
    if !place.is_empty() {
        lines.push(words.with(key("mail-device-place"), &[("place", &place.join(", "))]));
    }
    lines.push(words.with(key("mail-device-device"), &[("device", &in_words(&by.user_agent))]));
    lines.push(words.with(key("mail-device-time"), &[("time", &moment(by.at))]));
    lines
}

fn lifetime(words: &Words, minutes: i64) -> String {
    let (key, n) = match minutes {
        m if m >= 2 * 1440 && m % 1440 == 0 => (key("mail-days"), m / 1440),
        m if m >= 60 && m % 60 == 0 => (key("mail-hours"), m / 60),
        m => (key("mail-minutes"), m.max(1)),
    };
    words.count(key, usize::try_from(n).unwrap_or(1))
}

fn moment(at: Timestamp) -> String {
    let text = at.to_string();
    format!("{} UTC", text.trim_end_matches('Z').replacen('T', " ", 1))
}
