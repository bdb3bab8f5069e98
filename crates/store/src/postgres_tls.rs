//! TLS to PostgreSQL by rustls: what `sslmode` and `sslrootcert` of a connection string mean (libpq §34.19).
//!
//! The driver knows three modes and no certificates, so ours are taken out of the string before it reads it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect};
use tokio_postgres::{Config, Socket};
use tokio_rustls::TlsConnector;

use crate::OpenError;

/// What of a server's certificate is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    /// Nothing: against listeners only.
    Nothing,
    /// Who signed it.
    Authority,
    /// Also that it is of the host that was asked for.
    Name,
}

/// Our parameters of a connection string.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Asked {
    /// The string for the driver.
    url: String,
    mode: SslMode,
    check: Check,
    /// A file of certificates; `None`: the system's.
    roots: Option<String>,
    /// Whether statements are prepared under names: poolers in transaction mode can't keep them.
    prepare: bool,
}

fn asked(url: &str) -> Result<Asked, OpenError> {
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let mut out =
        Asked { url: String::new(), mode: SslMode::Prefer, check: Check::Nothing, roots: None, prepare: true };
    let mut kept = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match name {
            "prepare" => out.prepare = value != "false",
            "sslmode" => {
                (out.mode, out.check) = match value {
                    "disable" => (SslMode::Disable, Check::Nothing),
                    "allow" | "prefer" => (SslMode::Prefer, Check::Nothing),
                    "require" => (SslMode::Require, Check::Nothing),
                    "verify-ca" => (SslMode::Require, Check::Authority),
                    "verify-full" => (SslMode::Require, Check::Name),
                    _ => {
                        return Err(OpenError::Unsupported(
                            "sslmode must be disable, prefer, require, verify-ca or verify-full".to_owned(),
                        ));
                    }
                }
            }
            "sslrootcert" => {
                let decoded = decoded(value);
                out.roots = (decoded != "system").then_some(decoded);
            }
            "sslcert" | "sslkey" => {
                return Err(OpenError::Unsupported(format!(
                    "{name} is not supported: the server gets a password from us"
                )));
            }
            _ => kept.push(pair),
        }
    }
    // As libpq has it: whoever names an authority wants it looked at.
    if out.check == Check::Nothing && out.mode == SslMode::Require && out.roots.is_some() {
        out.check = Check::Authority;
    }
    out.url = if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) };
    Ok(out)
}

/// Percent-decoding; what is not UTF-8 or no escape stays as it is.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escape = (*first == b'%').then(|| after.get(..2)).flatten();
        let escape = escape.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(escape.unwrap_or(*first));
        rest = if escape.is_some() { &after[2..] } else { after };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

/// How a server is reached.
#[derive(Clone)]
pub struct Reach {
    /// For the driver.
    pub config: Config,
    /// For the driver as well.
    pub tls: Tls,
    /// Whether statements may be prepared under names.
    pub prepare: bool,
}

/// Reads a connection string `postgres://…`.
///
/// # Errors
/// A sentence; the string is not repeated, since a password is in it.
pub fn reach(url: &str) -> Result<Reach, OpenError> {
    let asked = asked(url)?;
    let mut config: Config = asked.url.parse().map_err(|e| OpenError::Failed(format!("the connection string: {e}")))?;
    config.ssl_mode(asked.mode);
    let tls = if asked.mode == SslMode::Disable {
        None
    } else {
        Some(Arc::new(client(asked.check, asked.roots.as_deref())?))
    };
    Ok(Reach { config, tls: Tls(tls), prepare: asked.prepare })
}

fn roots(file: Option<&str>) -> Result<RootCertStore, OpenError> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = file {
        let failed = |e: &dyn std::fmt::Display| {
            OpenError::Failed(format!("sslrootcert names {path}, which can't be used: {e}"))
        };
        for certificate in CertificateDer::pem_file_iter(path).map_err(|e| failed(&e))? {
            roots.add(certificate.map_err(|e| failed(&e))?).map_err(|e| failed(&e))?;
        }
        if roots.is_empty() {
            return Err(failed(&"no certificate is in it"));
        }
        return Ok(roots);
    }
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    Ok(roots)
}

fn client(check: Check, file: Option<&str>) -> Result<ClientConfig, OpenError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let failed = |e: &dyn std::fmt::Display| OpenError::Failed(format!("TLS can't be set up: {e}"));
    let inner = match check {
        Check::Nothing => None,
        _ => {
            let roots = Arc::new(roots(file)?);
            Some(
                WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
                    .build()
                    .map_err(|e| failed(&e))?,
            )
        }
    };
    let verifier = Arc::new(Verifier { inner, check, provider: Arc::clone(&provider) });
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| failed(&e))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(config)
}

/// TLS to a peer that is known by other means, or to whom nothing is told.
///
/// # Errors
/// TLS can't be set up.
pub fn tls_without_checks() -> Result<ClientConfig, OpenError> {
    client(Check::Nothing, None)
}

#[derive(Debug)]
struct Verifier {
    inner: Option<Arc<WebPkiServerVerifier>>,
    check: Check,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(inner) = &self.inner else { return Ok(ServerCertVerified::assertion()) };
        match inner.verify_server_cert(end_entity, intermediates, server_name, ocsp, now) {
            // The name is looked at last, when the chain is known to be good.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.check == Check::Authority => Ok(ServerCertVerified::assertion()),
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Makes TLS connections for the driver; without a configuration none are asked for.
#[derive(Clone)]
pub struct Tls(Option<Arc<ClientConfig>>);

impl MakeTlsConnect<Socket> for Tls {
    type Stream = TlsStream;
    type TlsConnect = Connect;
    type Error = io::Error;

    fn make_tls_connect(&mut self, host: &str) -> io::Result<Connect> {
        Ok(Connect { config: self.0.clone(), host: host.to_owned() })
    }
}

/// One connection in the making.
pub struct Connect {
    config: Option<Arc<ClientConfig>>,
    host: String,
}

impl TlsConnect<Socket> for Connect {
    type Stream = TlsStream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TlsStream>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move {
            let config = self.config.ok_or(io::ErrorKind::Unsupported)?;
            let name = ServerName::try_from(self.host).map_err(io::Error::other)?;
            Ok(TlsStream(Box::new(TlsConnector::from(config).connect(name, socket).await?)))
        })
    }
}

/// A connection over TLS.
pub struct TlsStream(Box<tokio_rustls::client::TlsStream<Socket>>);

impl AsyncRead for TlsStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, out: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, out)
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl tokio_postgres::tls::TlsStream for TlsStream {
    /// None: a server that insists on it (`channel_binding=require`) refuses us.
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ours_is_taken_out() {
        let plain = asked("postgres://h/d").unwrap();
        assert_eq!(
            (plain.url.as_str(), plain.mode, plain.check, plain.prepare),
            ("postgres://h/d", SslMode::Prefer, Check::Nothing, true)
        );
        let all =
            asked("postgres://h/d?sslmode=verify-full&connect_timeout=3&sslrootcert=/etc/my%20ca.pem&prepare=false")
                .unwrap();
        assert_eq!(all.url, "postgres://h/d?connect_timeout=3");
        assert_eq!((all.mode, all.check, all.prepare), (SslMode::Require, Check::Name, false));
        assert_eq!(all.roots.as_deref(), Some("/etc/my ca.pem"));
        assert_eq!(asked("postgres://h/d?sslmode=require").unwrap().check, Check::Nothing);
        assert_eq!(asked("postgres://h/d?sslmode=require&sslrootcert=/ca").unwrap().check, Check::Authority);
        assert_eq!(asked("postgres://h/d?sslmode=verify-ca&sslrootcert=system").unwrap().roots, None);
        for bad in ["postgres://h/d?sslmode=maybe", "postgres://h/d?sslcert=/x"] {
            assert!(asked(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_file_without_certificates_is_told() {
        let error =
            reach("postgres://ann:hunter2@h/d?sslmode=verify-ca&sslrootcert=/nowhere.pem").err().unwrap().to_string();
        assert!(error.contains("/nowhere.pem") && !error.contains("hunter2"), "{error}");
    }
}
