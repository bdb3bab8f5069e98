//! The outbound client against real servers on this machine (security cases 79–81).
#![allow(clippy::unwrap_used, reason = "a test may stop with a panic")]

use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use pid_integrations::fetch::{FetchError, Fetcher, Guard, Limits, NamedBy, Request, Resolve, Resolving};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const LIMITS: Limits = Limits { time: Duration::from_secs(30), body: Some(64 * 1024), redirects: 3 };
/// A name that only [`Names`] knows.
const NAME: &str = "app.test";

/// A server that answers every connection with bytes made from the request; it keeps the requests.
struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    async fn at(ip: [u8; 4], answer: impl Fn(&str) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::writing(ip, move |head, mut stream| {
            let bytes = answer(head);
            async move {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.shutdown().await;
            }
        })
        .await
    }

    async fn writing<F, W>(ip: [u8; 4], write: F) -> Self
    where
        F: Fn(&str, TcpStream) -> W + Send + Sync + 'static,
        W: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::from(ip), 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let write = Arc::new(write);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (log, write) = (Arc::clone(&log), Arc::clone(&write));
                tokio::spawn(async move {
                    let head = read_head(&mut stream).await;
                    log.lock().unwrap().push(head.clone());
                    write(&head, stream).await;
                });
            }
        });
        Self { address, seen }
    }

    fn url(&self, host: &str) -> String {
        format!("http://{host}:{}/path?q=1", self.address.port())
    }

    fn requests(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

async fn read_head(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let n = stream.read(&mut chunk).await.unwrap_or(0);
        bytes.extend_from_slice(&chunk[..n]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|l| l.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        if n == 0 {
            return text;
        }
    }
}

fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn to(location: &str) -> Vec<u8> {
    format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

/// A name server that answers each question with the next of its lists, the last one for ever.
#[derive(Clone)]
struct Names {
    answers: Arc<Vec<Vec<IpAddr>>>,
    asked: Arc<AtomicUsize>,
}

impl Names {
    fn answering(answers: &[&[[u8; 4]]]) -> Self {
        let answers = answers.iter().map(|list| list.iter().map(|ip| IpAddr::from(*ip)).collect()).collect();
        Self { answers: Arc::new(answers), asked: Arc::default() }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Resolve for Names {
    fn resolve<'a>(&'a self, _: &'a str, port: u16) -> Resolving<'a> {
        let n = self.asked.fetch_add(1, Ordering::SeqCst);
        let answer = &self.answers[n.min(self.answers.len() - 1)];
        let answer: Vec<SocketAddr> = answer.iter().map(|ip| SocketAddr::new(*ip, port)).collect();
        Box::pin(async move { if answer.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(answer) } })
    }
}

fn allowing(nets: &[&str]) -> Guard {
    Guard { allowed: nets.iter().map(|n| n.parse().unwrap()).collect(), ..Guard::default() }
}

async fn get(fetcher: &Fetcher, url: &str, named_by: NamedBy) -> Result<(StatusCode, String), FetchError> {
    let response = fetcher.send(Request::get(url, named_by, LIMITS)).await?;
    Ok((response.status, String::from_utf8_lossy(&response.body).into_owned()))
}

#[tokio::test]
async fn an_admin_may_name_a_server_of_their_own() {
    let server = Server::at([127, 0, 0, 1], |_| ok("hello")).await;
    let fetcher = Fetcher::new(Guard::default());
    let form =
        Request::form(server.url("127.0.0.1"), &[("logout_token", "a.b-c_d"), ("x", "1 &=")], NamedBy::Admin, LIMITS);
    let response = fetcher.send(form).await.unwrap();
    assert_eq!((response.status, &response.body[..]), (StatusCode::OK, &b"hello"[..]));
    let request = server.requests().remove(0);
    assert!(request.starts_with("POST /path?q=1 HTTP/1.1\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\nlogout_token=a.b-c_d&x=1+%26%3D"), "{request}");
    let lower = request.to_lowercase();
    for header in [
        format!("host: 127.0.0.1:{}", server.address.port()),
        "content-type: application/x-www-form-urlencoded".to_owned(),
        "accept-encoding: identity".to_owned(),
        format!("user-agent: pocket-id/{}", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(lower.contains(&header), "{header}: {request}");
    }
}

#[tokio::test]
async fn case_079_no_spelling_of_this_machine_passes() {
    let server = Server::at([127, 0, 0, 1], |_| ok("inside")).await;
    let fetcher = Fetcher::new(Guard::default());
    let port = server.address.port();
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0177.0.0.1",
        "0x7f000001",
        "0x7f.0.0.1",
        "0",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "localhost",
        "LOCALHOST",
        "localhost.",
        "127.0.0.1.",
        "%31%32%37.0.0.1",
        "１２７.0.0.1",
    ] {
        let answer = get(&fetcher, &format!("http://{host}:{port}/"), NamedBy::Outsider).await;
        // Some systems don't know a name with a dot at its end.
        assert!(matches!(answer, Err(FetchError::Refused | FetchError::Name)), "{host}: {answer:?}");
    }
    for host in ["169.254.169.254", "[fe80::1]", "[fd00:ec2::254]", "0.0.0.0", "[::]", "224.0.0.1"] {
        let answer = get(&fetcher, &format!("http://{host}:{port}/"), NamedBy::Admin).await;
        assert_eq!(answer, Err(FetchError::Refused), "{host}");
    }
    for url in [
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "http://",
        "//host/",
        "gopher://x",
        "http://u:p@127.0.0.1/",
        "http://u@h/",
    ] {
        assert_eq!(get(&fetcher, url, NamedBy::Admin).await, Err(FetchError::Url), "{url}");
    }
    assert_eq!(server.requests().len(), 0, "nothing was called");
    // What the lists name may be called, by anybody.
    let fetcher = Fetcher::new(allowing(&["127.0.0.0/8"]));
    assert_eq!(get(&fetcher, &server.url("2130706433"), NamedBy::Outsider).await.unwrap().1, "inside");
    let denied = Guard { denied: vec!["127.0.0.1/32".parse().unwrap()], ..Guard::default() };
    let fetcher = Fetcher::new(denied);
    assert_eq!(get(&fetcher, &server.url("localhost"), NamedBy::Admin).await, Err(FetchError::Refused));
}

#[tokio::test]
async fn case_080_a_name_that_changes_its_address_gains_nothing() {
    // The same port at two addresses: one that may be called, one that may not.
    let good = Server::at([127, 0, 0, 2], |_| ok("good")).await;
    let bad = TcpListener::bind(SocketAddr::from(([127, 0, 0, 3], good.address.port()))).await.unwrap();
    let names = Names::answering(&[&[[127, 0, 0, 2]], &[[127, 0, 0, 3]]]);
    let fetcher = Fetcher::new(allowing(&["127.0.0.2/32"])).with_resolver(names.clone());
    assert_eq!(get(&fetcher, &good.url(NAME), NamedBy::Outsider).await.unwrap().1, "good");
    assert_eq!(names.asked(), 1, "resolved once, connected to what was judged");
    assert_eq!(get(&fetcher, &good.url(NAME), NamedBy::Outsider).await, Err(FetchError::Refused));
    assert_eq!(names.asked(), 2, "and judged anew for the next request");
    // Of several addresses only those that may be called are tried.
    let names = Names::answering(&[&[[127, 0, 0, 3], [127, 0, 0, 2]]]);
    let fetcher = Fetcher::new(allowing(&["127.0.0.2/32"])).with_resolver(names);
    assert_eq!(get(&fetcher, &good.url(NAME), NamedBy::Outsider).await.unwrap().1, "good");
    assert!(tokio::time::timeout(Duration::from_millis(50), bad.accept()).await.is_err(), "nobody called");
    let nowhere = Fetcher::new(Guard::default()).with_resolver(Names::answering(&[&[]]));
    assert_eq!(get(&nowhere, "http://nowhere.test/", NamedBy::Admin).await, Err(FetchError::Name));
}

#[tokio::test]
async fn case_080_redirects_are_judged_anew() {
    let inside = Server::at([127, 0, 0, 1], |_| ok("inside")).await;
    let inside_url = inside.url("127.0.0.1");
    let relay = Server::at([127, 0, 0, 2], move |head| {
        let path = head.split(' ').nth(1).unwrap();
        match path.split_once('/').unwrap().1 {
            "inside" => to(&inside_url),
            "once" => to("/here"),
            "for-ever" => to("/for-ever"),
            "file" => to("file:///etc/passwd"),
            "user" => to("http://u:p@127.0.0.2/"),
            "nowhere" => b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n".to_vec(),
            _ => ok("here"),
        }
    })
    .await;
    let base = format!("http://127.0.0.2:{}", relay.address.port());
    let fetcher = Fetcher::new(allowing(&["127.0.0.2/32"]));
    assert_eq!(get(&fetcher, &format!("{base}/once"), NamedBy::Outsider).await.unwrap().1, "here");
    for named_by in [NamedBy::Outsider, NamedBy::Admin] {
        // Also what an admin named can't lead to another host inside: that one the answer named.
        assert_eq!(get(&fetcher, &format!("{base}/inside"), named_by).await, Err(FetchError::Refused));
        assert_eq!(get(&fetcher, &format!("{base}/file"), named_by).await, Err(FetchError::Url));
        assert_eq!(get(&fetcher, &format!("{base}/user"), named_by).await, Err(FetchError::Url));
        assert_eq!(get(&fetcher, &format!("{base}/nowhere"), named_by).await, Err(FetchError::Redirects));
    }
    let before = relay.requests().len();
    assert_eq!(get(&fetcher, &format!("{base}/for-ever"), NamedBy::Outsider).await, Err(FetchError::Redirects));
    assert_eq!(relay.requests().len() - before, 4, "the first and three redirects");
    assert_eq!(inside.requests().len(), 0);
    // A form is never sent on.
    let form = Request::form(format!("{base}/once"), &[("a", "b")], NamedBy::Admin, LIMITS);
    assert_eq!(fetcher.send(form).await.unwrap().status, StatusCode::FOUND);
}

#[tokio::test]
async fn case_080_credentials_do_not_follow_to_another_origin() {
    let second = Server::at([127, 0, 0, 1], |_| ok("second")).await;
    let target = second.url("127.0.0.1");
    let first = Server::at([127, 0, 0, 1], move |_| to(&target)).await;
    let mut request = Request::get(first.url("127.0.0.1"), NamedBy::Admin, LIMITS);
    request.headers = HeaderMap::from_iter([(http::header::AUTHORIZATION, "Bearer secret".parse().unwrap())]);
    Fetcher::new(Guard::default()).send(request).await.unwrap();
    assert!(first.requests()[0].contains("Bearer secret"));
    assert!(!second.requests()[0].contains("secret"));
}

#[tokio::test]
async fn case_080_tls_is_verified_and_never_left() {
    let pair = rcgen::generate_simple_self_signed(vec![NAME.to_owned()]).unwrap();
    let plain = Server::at([127, 0, 0, 1], |_| ok("plain")).await;
    let plain_url = plain.url(NAME);
    let provider = || Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(pair.signing_key.serialize_der());
    let config = rustls::ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![pair.cert.der().clone()], key.into())
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut head = [0; 4096];
            let n = stream.read(&mut head).await.unwrap_or(0);
            let down = head[..n].starts_with(b"GET /down");
            let _ = stream.write_all(&if down { to(&plain_url) } else { ok("secure") }).await;
            let _ = stream.shutdown().await;
        }
    });
    let names = Names::answering(&[&[[127, 0, 0, 1]]]);
    let stranger = Fetcher::new(Guard::default()).with_resolver(names.clone());
    let answer = get(&stranger, &format!("https://{NAME}:{port}/"), NamedBy::Admin).await;
    assert!(matches!(&answer, Err(FetchError::Tls(why)) if why.contains("UnknownIssuer")), "{answer:?}");

    let mut roots = rustls::RootCertStore::empty();
    roots.add(pair.cert.der().clone()).unwrap();
    let trusting = rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let fetcher = Fetcher::new(Guard::default()).with_resolver(names).with_tls(Arc::new(trusting));
    assert_eq!(get(&fetcher, &format!("https://{NAME}:{port}/"), NamedBy::Admin).await.unwrap().1, "secure");
    let other_name = get(&fetcher, &format!("https://other.test:{port}/"), NamedBy::Admin).await;
    assert!(matches!(&other_name, Err(FetchError::Tls(why)) if why.contains("not valid for name")), "{other_name:?}");
    let downgrade = get(&fetcher, &format!("https://{NAME}:{port}/down"), NamedBy::Admin).await;
    assert_eq!(downgrade, Err(FetchError::Downgrade));
    let no_tls = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let no_tls_port = no_tls.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = no_tls.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let no_tls = get(&fetcher, &format!("https://{NAME}:{no_tls_port}/"), NamedBy::Admin).await;
    assert!(matches!(no_tls, Err(FetchError::Tls(_))), "{no_tls:?}");
    assert!(plain.requests().iter().all(|r| !r.starts_with("GET /path")), "nothing was sent in clear");
}

#[tokio::test]
async fn case_081_time_is_bounded_wherever_it_is_spent() {
    let limits = Limits { time: Duration::from_millis(300), ..LIMITS };
    let fetcher = Fetcher::new(Guard::default());
    let silent = Server::writing([127, 0, 0, 1], |_, stream| async move {
        let _open = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let slow_head = Server::writing([127, 0, 0, 1], |_, mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while stream.write_all(b"X-Filler: 1\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let slow_body = Server::writing([127, 0, 0, 1], |_, mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n").await;
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    for server in [&silent, &slow_head, &slow_body] {
        let request = Request::get(server.url("127.0.0.1"), NamedBy::Admin, limits);
        assert_eq!(fetcher.send(request).await.err(), Some(FetchError::Timeout));
    }
    // Where only the status matters, nobody waits for the body.
    let request = Request::get(slow_body.url("127.0.0.1"), NamedBy::Admin, Limits { body: None, ..LIMITS });
    assert_eq!(fetcher.send(request).await.unwrap().status, StatusCode::OK);
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap().local_addr().unwrap();
    assert_eq!(get(&fetcher, &format!("http://{free}/"), NamedBy::Admin).await, Err(FetchError::Connect));
}

#[tokio::test]
async fn case_081_size_is_bounded_however_it_is_told() {
    let fetcher = Fetcher::new(Guard::default());
    let announced =
        Server::at([127, 0, 0, 1], |_| b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\nx".to_vec()).await;
    let endless = Server::writing([127, 0, 0, 1], |_, mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
    })
    .await;
    let chunks = Server::writing([127, 0, 0, 1], |_, mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        while stream.write_all(b"5\r\nxxxxx\r\n").await.is_ok() {}
    })
    .await;
    for server in [&announced, &endless, &chunks] {
        assert_eq!(get(&fetcher, &server.url("127.0.0.1"), NamedBy::Admin).await, Err(FetchError::TooLarge));
    }
    let headers = Server::writing([127, 0, 0, 1], |_, mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while stream.write_all(b"X-Filler: 0123456789\r\n").await.is_ok() {}
    })
    .await;
    assert_eq!(get(&fetcher, &headers.url("127.0.0.1"), NamedBy::Admin).await, Err(FetchError::Protocol));
    let junk = Server::at([127, 0, 0, 1], |_| b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()).await;
    assert_eq!(get(&fetcher, &junk.url("127.0.0.1"), NamedBy::Admin).await, Err(FetchError::Protocol));
    let cut = Server::at([127, 0, 0, 1], |_| b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".to_vec()).await;
    assert_eq!(get(&fetcher, &cut.url("127.0.0.1"), NamedBy::Admin).await, Err(FetchError::Protocol));
}

#[tokio::test]
async fn case_081_a_compressed_bomb_is_not_opened() {
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..256 {
        bomb.write_all(&[0; 65_536]).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() < LIMITS.body.unwrap(), "small on the wire, 16 MiB inside");
    let server = Server::at([127, 0, 0, 1], move |_| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", bomb.len());
        [head.as_bytes(), &bomb].concat()
    })
    .await;
    let fetcher = Fetcher::new(Guard::default());
    assert_eq!(get(&fetcher, &server.url("127.0.0.1"), NamedBy::Admin).await, Err(FetchError::Encoded));
}
