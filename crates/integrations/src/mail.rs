//! Mail over SMTP (RFC 5321). The server's address is judged as every outbound target is, and the connection goes to the
//! address that was judged; its certificate is checked against the name.

use std::error::Error as _;
use std::time::Duration;

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};

use crate::fetch::{Fetcher, NamedBy};

/// How long a connection or an answer may take.
const TIME: Duration = Duration::from_secs(15);

/// How the connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// Not at all.
    None,
    /// TLS after `STARTTLS` (RFC 3207), without which nothing is sent.
    StartTls,
    /// TLS from the beginning (RFC 8314).
    Tls,
}

impl Security {
    /// The port when none is set.
    pub fn port(self) -> u16 {
        match self {
            Self::None => 25,
            Self::StartTls => 587,
            Self::Tls => 465,
        }
    }
}

/// The server that takes our mail.
#[derive(Clone)]
pub struct Server {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub security: Security,
    /// Whether any certificate will do.
    pub any_certificate: bool,
    /// Name and password, if it wants to know who we are (RFC 4954).
    pub credentials: Option<(String, String)>,
    /// What we call ourselves.
    pub our_name: String,
}

/// A letter.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Name and address of the sender.
    pub from: (String, String),
    /// Name and address of the receiver.
    pub to: (String, String),
    /// The same for each attempt.
    pub id: String,
    /// The subject.
    pub subject: String,
    /// For readers of plain text.
    pub text: String,
    /// For everybody else.
    pub html: String,
}

/// Why a letter was not taken. The texts are for administrators; the server's own words are in them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// The letter can't be written: an address is none.
    #[error("the letter can't be written: {0}")]
    Letter(String),
    /// The server must not be called, or has no address.
    #[error("{0}")]
    Target(String),
    /// It may be taken later.
    #[error("{0}")]
    Later(String),
    /// It will never be taken like this.
    #[error("{0}")]
    Never(String),
}

impl MailError {
    /// A stable word for the kind of failure.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Letter(_) => "bad_address",
            Self::Target(_) => "target_refused",
            Self::Later(_) => "not_taken",
            Self::Never(_) => "rejected",
        }
    }

    /// Whether another attempt can't help.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Letter(_) | Self::Never(_))
    }
}

fn mailbox((name, address): &(String, String)) -> Result<Mailbox, MailError> {
    let parsed: Address = address.parse().map_err(|_| MailError::Letter(format!("{address:?} is no address")))?;
    Ok(Mailbox::new(Some(name.clone()).filter(|name| !name.is_empty()), parsed))
}

fn written(letter: Letter) -> Result<Message, MailError> {
    let mut message = Message::builder()
        .from(mailbox(&letter.from)?)
        .to(mailbox(&letter.to)?)
        .message_id(Some(letter.id))
        .subject(letter.subject)
        .multipart(MultiPart::alternative_plain_html(letter.text, letter.html))
        .map_err(|error| MailError::Letter(error.to_string()))?;
    // Nobody's absence is answered (RFC 3834 §5).
    let name = HeaderName::new_from_ascii_str("Auto-Submitted");
    message.headers_mut().insert_raw(HeaderValue::new(name, "auto-generated".to_owned()));
    Ok(message)
}

/// Hands a letter to the server.
///
/// # Errors
/// [`MailError`].
pub async fn send(fetcher: &Fetcher, server: &Server, letter: Letter) -> Result<(), MailError> {
    let message = written(letter)?;
    talk(fetcher, server, Some(message)).await
}

/// Connects and says who we are, as for a letter, and sends none.
///
/// # Errors
/// [`MailError`].
pub async fn try_server(fetcher: &Fetcher, server: &Server) -> Result<(), MailError> {
    talk(fetcher, server, None).await
}

async fn talk(fetcher: &Fetcher, server: &Server, message: Option<Message>) -> Result<(), MailError> {
    let reachable = fetcher.reachable(&server.host, server.port, NamedBy::Admin).await;
    let addresses = reachable.map_err(|error| MailError::Target(format!("{}: {error}", server.host)))?;
    let tls = |host: &str| {
        let parameters = TlsParameters::builder(host.to_owned())
            .dangerous_accept_invalid_certs(server.any_certificate)
            .dangerous_accept_invalid_hostnames(server.any_certificate)
            .build_rustls();
        parameters.map_err(|error| MailError::Target(format!("{host}: {error}")))
    };
    let tls = match server.security {
        Security::None => Tls::None,
        Security::StartTls => Tls::Required(tls(&server.host)?),
        Security::Tls => Tls::Wrapper(tls(&server.host)?),
    };
    let mut outcome = Err(MailError::Target(format!("{} has no address", server.host)));
    for address in addresses {
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(address.ip().to_string())
            .port(server.port)
            .tls(tls.clone())
            .timeout(Some(TIME))
            .hello_name(ClientId::Domain(server.our_name.clone()));
        if let Some((user, password)) = &server.credentials {
            transport = transport.credentials(Credentials::new(user.clone(), password.clone()));
        }
        let transport = transport.build();
        let said = async {
            match &message {
                Some(message) => transport.send(message.clone()).await.map(drop),
                None => transport.test_connection().await.map(drop),
            }
        };
        let sent = tokio::time::timeout(3 * TIME, said).await;
        outcome = match sent {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) if is_about_the_letter(&error) => return Err(MailError::Never(in_words(&error))),
            Ok(Err(error)) => Err(MailError::Later(in_words(&error))),
            Err(_) => Err(MailError::Later("there was no complete answer in time".to_owned())),
        };
    }
    outcome
}

/// Whether the receiver or the letter itself was refused for good (RFC 5321 §4.2.3). Other refusals are about us, a wrong
/// password for example, and an administrator may mend them.
fn is_about_the_letter(error: &lettre::transport::smtp::Error) -> bool {
    error.status().is_some_and(|code| matches!(code.to_string().as_str(), "550" | "551" | "552" | "553"))
}

/// An error with its causes.
fn in_words(error: &lettre::transport::smtp::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let more = next.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = next.source();
    }
    text
}
