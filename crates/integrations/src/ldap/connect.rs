//! A connection to a directory, with TLS as it is wanted. Addresses are judged and certificates checked as those of every
//! outbound request.

use std::sync::Arc;
use std::time::Duration;

use pid_core::ldap::{Security, Server};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::net::TcpStream;

use super::{LdapError, wire};
use crate::fetch::{Fetcher, NamedBy, connect};

/// How long connecting may take, StartTLS and handshake included.
const TIME: Duration = Duration::from_secs(15);

/// Opens the connection.
pub(super) async fn open(fetcher: &Fetcher, server: &Server) -> Result<Box<dyn wire::Stream>, LdapError> {
    tokio::time::timeout(TIME, secured(fetcher, server)).await.unwrap_or(Err(LdapError::Timeout))
}

async fn secured(fetcher: &Fetcher, server: &Server) -> Result<Box<dyn wire::Stream>, LdapError> {
    let at = |error: crate::fetch::FetchError| LdapError::Target(format!("{}: {error}", server.host));
    let addresses = fetcher.reachable(&server.host, server.port, NamedBy::Admin).await.map_err(at)?;
    let mut stream = connect::connect(&addresses).await.map_err(at)?;
    match server.security {
        Security::None => return Ok(Box::new(stream)),
        Security::StartTls => wire::start_tls(&mut stream).await.map_err(LdapError::Tls)?,
        Security::Tls => {}
    }
    Ok(Box::new(handshake(fetcher, server, stream).await?))
}

async fn handshake(
    fetcher: &Fetcher,
    server: &Server,
    stream: TcpStream,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, LdapError> {
    let name = ServerName::try_from(server.host.clone());
    let name = name.map_err(|_| LdapError::Tls(format!("{} is no name of a server", server.host)))?;
    let config = if server.any_certificate { anybody()? } else { fetcher.tls()() };
    let connector = tokio_rustls::TlsConnector::from(config);
    let secured = connector.connect(name, stream).await;
    secured
        .map_err(|error| LdapError::Tls(format!("no trusted TLS connection could be made: {}", connect::why(&error))))
}

/// TLS with whoever answers.
fn anybody() -> Result<Arc<ClientConfig>, LdapError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(rustls::DEFAULT_VERSIONS)
        .map_err(|error| LdapError::Tls(error.to_string()))?;
    let verifier = Arc::new(AnyCertificate(provider));
    Ok(Arc::new(builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth()))
}

/// Takes any certificate. That the server has its key is checked all the same.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
