//! TLS of our own, for those who have no proxy in front: 1.3 only, with HTTP/2 and HTTP/1.1. Certificate and key are read
//! again when their files change; a pair that can't be used leaves the old one at work.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// Between two looks at the files.
const LOOK: Duration = Duration::from_secs(1);

/// Where the pair comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum Source {
    /// As text, in PEM.
    Inline {
        /// The certificate, with those that lead to its root.
        certificate: String,
        /// Its key.
        key: String,
    },
    /// From files in PEM.
    Files {
        /// The certificate.
        certificate: PathBuf,
        /// Its key.
        key: PathBuf,
    },
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Inline { .. } => f.write_str("Inline(..)"),
            Self::Files { certificate, .. } => write!(f, "Files({})", certificate.display()),
        }
    }
}

/// What tells one state of the files from another.
type Stamp = [Option<(SystemTime, u64)>; 2];

impl Source {
    fn read(&self) -> Result<(String, String), String> {
        let file = |path: &PathBuf| std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()));
        match self {
            Self::Inline { certificate, key } => Ok((certificate.clone(), key.clone())),
            Self::Files { certificate, key } => Ok((file(certificate)?, file(key)?)),
        }
    }

    fn stamp(&self) -> Stamp {
        let stamp = |path: &PathBuf| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len()))
        };
        match self {
            Self::Inline { .. } => [None, None],
            Self::Files { certificate, key } => [stamp(certificate), stamp(key)],
        }
    }

    /// What connections are accepted with.
    ///
    /// # Errors
    /// A sentence without its full stop.
    pub fn config(&self) -> Result<ServerConfig, String> {
        let (certificate, key) = self.read()?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificate.as_bytes()).collect();
        let chain = chain.map_err(|e| format!("the certificate can't be read: {e}"))?;
        if chain.is_empty() {
            return Err("there is no certificate in PEM".to_owned());
        }
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|e| format!("the key can't be read: {e}"))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
            .map_err(|e| format!("certificate and key can't be used: {e}"))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

/// The pair in use.
#[derive(Clone)]
pub struct Tls {
    source: Source,
    config: Arc<ArcSwap<ServerConfig>>,
}

impl Tls {
    /// Reads the pair.
    ///
    /// # Errors
    /// A sentence without its full stop.
    pub fn new(source: Source) -> Result<Self, String> {
        let config = source.config()?;
        Ok(Self { source, config: Arc::new(ArcSwap::from_pointee(config)) })
    }

    /// The configuration in force.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        self.config.load_full()
    }

    /// Reads the files again whenever they have changed and stand still, for ever.
    pub async fn watch(self) {
        let mut in_use = self.source.stamp();
        let mut seen = in_use;
        loop {
            tokio::time::sleep(LOOK).await;
            let found = self.source.stamp();
            // Two files are not replaced at once: a pair is read when both have stood still for a look.
            if found != in_use && found == seen {
                in_use = found;
                match self.source.config() {
                    Ok(config) => {
                        self.config.store(Arc::new(config));
                        tracing::info!("the certificate was read again");
                    }
                    Err(error) => tracing::warn!(%error, "the new certificate can't be used; the old one stays"),
                }
            }
            seen = found;
        }
    }
}
