//! The ways in: a socket of the file system, one of systemd's, TLS of our own, the PROXY protocol; and how a start is told.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

use pid_testkit::process::free_port;
use serde_json::json;

use crate::program::{Program, mode};

const LIMIT: Duration = Duration::from_secs(60);

fn answer(mut stream: impl std::io::Read + std::io::Write, head: &str) -> String {
    let _ = write!(stream, "{head}GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn tcp(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

#[test]
fn a_unix_socket_has_its_mode_and_goes_with_the_server() {
    let mut program = Program::configured().with("UNIX_SOCKET", "id.sock").with("UNIX_SOCKET_MODE", "0660");
    let socket = program.dir().join("id.sock");
    // Left over by one that was killed.
    drop(UnixListener::bind(&socket).unwrap());
    program.spawn().wait_for_line("is ready", LIMIT).unwrap();
    assert_eq!(mode(&socket), 0o660);
    assert!(answer(UnixStream::connect(&socket).unwrap(), "").starts_with("HTTP/1.1 204"));
    for arguments in [&["healthcheck"][..], &["healthcheck", "--unix-socket", "id.sock"]] {
        assert_eq!(program.run(arguments).status.code(), Some(0));
    }
    // Somebody answers there: it is not taken away.
    let output = program.run(&[]);
    let said = [output.stdout, output.stderr].concat();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&said).contains("id.sock"), "{}", String::from_utf8_lossy(&said));
    program.stop();
    assert!(!socket.exists());
    std::fs::write(&socket, "a file").unwrap();
    assert!(program.refuses().contains("id.sock"));
    assert_eq!(std::fs::read(&socket).unwrap(), b"a file");
    for (name, value) in [("UNIX_SOCKET_MODE", "rw"), ("SYSTEMD_SOCKET", "true"), ("PROXY_PROTOCOL", "true")] {
        program.set(name, value);
        assert!(program.refuses().contains(name), "{name}");
        program.unset(name);
    }
}

/// As systemd does: the socket is made by somebody else, who also wants to hear when it is ready.
#[test]
fn systemd_hands_over_a_socket_and_is_told() {
    let mut program = Program::configured().with("SYSTEMD_SOCKET", "true");
    assert!(program.refuses().contains("0 sockets were handed over"));
    let notify = program.dir().join("notify.sock");
    let told = UnixDatagram::bind(&notify).unwrap();
    told.set_read_timeout(Some(LIMIT)).unwrap();
    program.set("NOTIFY_SOCKET", notify.display().to_string());
    let port = free_port().unwrap();
    // A socket as number 3, our own process id, then the program in its place.
    let activate = format!(
        "import os, socket, sys\ns = socket.socket()\ns.bind(('127.0.0.1', {port}))\ns.listen()\nos.dup2(s.fileno(), 3)\nos.set_inheritable(3, True)\n\
         os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()))\nos.execv(sys.argv[1], sys.argv[1:])"
    );
    program.spawn_by(&["/usr/bin/python3", "-c", &activate]).wait_for_line("is ready", LIMIT).unwrap();
    let mut buffer = [0; 64];
    let n = told.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..n], b"READY=1");
    assert!(answer(tcp(port), "").starts_with("HTTP/1.1 204"));
    program.stop();
    let n = told.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..n], b"STOPPING=1");
}

fn pair(dir: &Path) -> rcgen::CertifiedKey<rcgen::KeyPair> {
    let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(dir.join("tls.key"), pair.signing_key.serialize_pem()).unwrap();
    std::fs::write(dir.join("tls.crt"), pair.cert.pem()).unwrap();
    pair
}

/// Whether the server shows this certificate.
fn shows(program: &Program, pair: &rcgen::CertifiedKey<rcgen::KeyPair>) -> bool {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(pair.cert.der().clone()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let connection = rustls::ClientConnection::new(std::sync::Arc::new(config), name).unwrap();
    answer(rustls::StreamOwned::new(connection, tcp(program.port())), "").starts_with("HTTP/1.1 204")
}

#[test]
fn tls_of_our_own_follows_its_files() {
    let mut program = Program::configured().with("TLS_CERT_FILE", "tls.crt").with("TLS_KEY_FILE", "tls.key");
    let url = program.url().replace("http://", "https://");
    program.set("APP_URL", url);
    assert!(program.refuses().contains("tls.crt"));
    let first = pair(program.dir());
    program.spawn().wait_for_line("is ready", LIMIT).unwrap();
    assert!(shows(&program, &first));
    assert!(!answer(tcp(program.port()), "").starts_with("HTTP/1.1 2"), "nothing in the clear");
    assert_eq!(program.run(&["healthcheck"]).status.code(), Some(0));
    let second = pair(program.dir());
    let until = Instant::now() + LIMIT;
    while !shows(&program, &second) {
        assert!(Instant::now() < until, "{}", program.log());
    }
    std::fs::write(program.dir().join("tls.crt"), "nonsense").unwrap();
    program.process().wait_for_line("the old one stays", LIMIT).unwrap();
    assert!(shows(&program, &second));
    program.stop();
    program.unset("TLS_KEY_FILE");
    assert!(program.refuses().contains("both of it"));
}

/// Who is listed has to say who connects, and is believed; nobody else is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_proxy_protocol_is_for_those_who_are_listed() {
    let mut program = Program::configured().with("PROXY_PROTOCOL", "10.0.0.0/8");
    program.start().await;
    // This machine's own health checks need no header, and may not send one.
    assert_eq!(program.run(&["healthcheck"]).status.code(), Some(0));
    let header = "PROXY TCP4 203.0.113.9 127.0.0.1 56324 1411\r\n";
    assert!(!answer(tcp(program.port()), header).starts_with("HTTP/1.1 2"));
    program.stop();

    program.set("PROXY_PROTOCOL", "127.0.0.1");
    program.spawn().wait_for_line("is ready", LIMIT).unwrap();
    assert_eq!(answer(tcp(program.port()), ""), "", "no header, no answer");
    assert!(answer(tcp(program.port()), header).starts_with("HTTP/1.1 204"));
    let body = json!({ "username": "admin", "email": "admin@example.com", "firstName": "Ada", "lastName": "Admin" })
        .to_string();
    let origin = program.url();
    let mut stream = tcp(program.port());
    write!(
        stream,
        "{header}POST /api/signup/setup HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    // From a public address set-up asks for the code that the start printed: so the address was believed.
    assert!(said.contains("setup_code"), "{said}");
    program.stop();
}

/// Numbers for Prometheus are on a listener of their own; on the public one there are none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prometheus_reads_what_was_counted() {
    let port = free_port().unwrap();
    let mut program = Program::configured()
        .with("OTEL_METRICS_EXPORTER", "prometheus")
        .with("OTEL_EXPORTER_PROMETHEUS_PORT", port.to_string());
    program.start().await;
    program.ready().await;
    let script = program.script();
    let body = json!({ "name": "App", "callbackURLs": ["https://app.example/cb"] });
    let id = script.post("/api/oidc/clients", &body).await.expect(201).id();
    let secret = script.post(&format!("/api/oidc/clients/{id}/secrets"), &json!({})).await.expect(201).json();
    let secret = secret["secret"].as_str().unwrap();
    let form = [("grant_type", "refresh_token"), ("refresh_token", "x"), ("client_id", &id), ("client_secret", secret)];
    program.agent().post_form("/api/oidc/token", &form).await.oauth_error(400, "invalid_grant");
    program.agent().get("/no-such-page").await;
    program.agent().get("/metrics").await.expect(404);
    let numbers = pid_tests::Agent::new(&format!("http://localhost:{port}"));
    let text = numbers.get("/metrics").await.expect(200).text();
    for start in [
        "pocket_id_build_info{version=",
        "pocket_id_http_request_duration_seconds_count{method=\"POST\",route=\"/api/oidc/token\",status=\"400\"} 1",
        "pocket_id_token_requests_total{grant_type=\"refresh_token\",outcome=\"invalid_grant\"} 1",
        "pocket_id_database_up 1",
        "pocket_id_database_transactions_repeated_total 0",
        "pocket_id_database_wait_seconds_bucket{operation=\"write\",le=\"10\"} ",
        "pocket_id_database_wait_seconds_count{operation=\"read\"} ",
        "pocket_id_outbox_depth 0",
        "pocket_id_signing_key_age_seconds{alg=\"RS256\",kid=\"",
    ] {
        assert!(text.lines().any(|line| line.starts_with(start)), "{start}\n{text}");
    }
    assert!(!text.contains("no-such-page"), "strangers' paths are no labels: {text}");
    // What the dashboard asks for is there, with the labels that it sorts by.
    let dashboard = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/grafana.json");
    let dashboard: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(dashboard).unwrap()).unwrap();
    let panels = dashboard["panels"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let asked: Vec<&str> = panels.map(|target| target["expr"].as_str().unwrap()).collect();
    assert!(asked.len() > 10, "{asked:?}");
    for expression in asked {
        let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let mut names = words.filter(|word| word.starts_with("pocket_id_")).peekable();
        assert!(names.peek().is_some(), "{expression}");
        for name in names {
            assert!(
                text.lines()
                    .any(|line| line.starts_with(&format!("{name}{{")) || line.starts_with(&format!("{name} "))),
                "{name}"
            );
        }
        let labels =
            expression.split("by (").skip(1).filter_map(|rest| rest.split(')').next()).flat_map(|all| all.split(", "));
        for label in labels {
            assert!(text.contains(&format!("{label}=\"")), "{label}: {expression}");
        }
    }
    program.stop();
}
