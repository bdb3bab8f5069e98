//! A web server with TLS that has every host name, as far as a test's provider knows: it publishes documents, such as the
//! metadata of clients.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use pid_integrations::fetch::{Fetcher, Guard, Resolve, Resolving};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What is published at an address.
#[derive(Clone, Debug)]
struct Published {
    status: u16,
    headers: String,
    body: Vec<u8>,
}

#[derive(Default)]
struct Shelf {
    published: Mutex<HashMap<String, Published>>,
    asked: Mutex<Vec<String>>,
}

/// The server.
pub struct Documents {
    shelf: Arc<Shelf>,
    address: SocketAddr,
    trusting: Arc<rustls::ClientConfig>,
    task: JoinHandle<()>,
}

struct Everywhere(SocketAddr);

impl Resolve for Everywhere {
    fn resolve<'a>(&'a self, host: &'a str, _: u16) -> Resolving<'a> {
        let found = if host.ends_with(".test") { Ok(vec![self.0]) } else { Err(io::ErrorKind::NotFound.into()) };
        Box::pin(async move { found })
    }
}

impl Documents {
    /// Starts one for these host names, which end in `.test`.
    ///
    /// # Panics
    /// Without a free port.
    pub async fn start(hosts: &[&str]) -> Self {
        let names: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let pair = rcgen::generate_simple_self_signed(names).expect("a certificate");
        let provider = || Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from(pair.signing_key.serialize_der());
        let server = rustls::ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("TLS")
            .with_no_client_auth()
            .with_single_cert(vec![pair.cert.der().clone()], key.into())
            .expect("a key for the certificate");
        let mut roots = rustls::RootCertStore::empty();
        roots.add(pair.cert.der().clone()).expect("a root");
        let trusting = rustls::ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("TLS")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let shelf = Arc::new(Shelf::default());
        let task = tokio::spawn(serve(listener, tokio_rustls::TlsAcceptor::from(Arc::new(server)), shelf.clone()));
        Self { shelf, address, trusting: Arc::new(trusting), task }
    }

    /// Publishes a document with headers, each line with its end.
    ///
    /// # Panics
    /// After a panic elsewhere.
    pub fn publish(&self, url: &str, status: u16, headers: &str, body: &(impl AsRef<[u8]> + ?Sized)) {
        let published = Published { status, headers: headers.to_owned(), body: body.as_ref().to_vec() };
        self.shelf.published.lock().unwrap().insert(url.to_owned(), published);
    }

    /// The addresses that were asked for, in order.
    ///
    /// # Panics
    /// After a panic elsewhere.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.shelf.asked.lock().unwrap().clone()
    }

    /// What makes a provider's outbound client know this server by all its names.
    #[must_use]
    pub fn reach(&self) -> Arc<dyn Fn(Guard) -> Fetcher + Send + Sync> {
        let (address, trusting) = (self.address, self.trusting.clone());
        Arc::new(move |guard| Fetcher::new(guard).with_resolver(Everywhere(address)).with_tls(trusting.clone()))
    }
}

impl Drop for Documents {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, acceptor: tokio_rustls::TlsAcceptor, shelf: Arc<Shelf>) {
    while let Ok((stream, _)) = listener.accept().await {
        let Ok(mut stream) = acceptor.accept(stream).await else { continue };
        let mut head = vec![0; 8192];
        let n = stream.read(&mut head).await.unwrap_or(0);
        let head = String::from_utf8_lossy(&head[..n]).into_owned();
        let path = head.split(' ').nth(1).unwrap_or_default();
        let host = head.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
        let url = format!("https://{host}{path}");
        shelf.asked.lock().unwrap().push(url.clone());
        let found = shelf.published.lock().unwrap().get(&url).cloned();
        let Published { status, headers, body } =
            found.unwrap_or(Published { status: 404, headers: String::new(), body: Vec::new() });
        let length = body.len();
        let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n");
        let _ = stream.write_all(&[answer.as_bytes(), &body].concat()).await;
        let _ = stream.shutdown().await;
    }
}
