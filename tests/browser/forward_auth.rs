//! Apps behind real proxies, each set up as its page and `docs/guides/reverse-proxies.md` say.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use pid_http::pages::admin::proxy_clients::SAMPLES;
use pid_testkit::chromium::role;
use pid_testkit::process::free_port;
use pid_testkit::proxy::{Kind, Proxy};
use pid_tests::{Backend, Person, TestApp};
use serde_json::{Value, json};

use crate::looks::Gallery;
use crate::stage::{Stage, until};

/// An app behind a proxy, and a browser.
struct Scene {
    stage: Stage,
    backend: Backend,
    port: u16,
    client: Value,
    proxy: Proxy,
}

/// What a page or the guide says, at this machine's ports.
fn sample(id: &str, port: u16, server: &str, backend: &str) -> String {
    let text = SAMPLES.iter().find(|sample| sample.id == id).expect("a sample").text;
    text.replace("Host(`app.example.com`)", "Host(`127.0.0.1`)")
        .replace("      tls: {}\n", "")
        .replace("listen 443 ssl;", &format!("listen 127.0.0.1:{port};"))
        .replace("server_name app.example.com;", "server_name 127.0.0.1;")
        .replace("bind :443 ssl crt /etc/haproxy/certs/", &format!("bind 127.0.0.1:{port}"))
        .replace("/etc/haproxy/pocket-id.lua", "FOLDER/pocket-id.lua")
        .replace("app.example.com {", &format!("http://127.0.0.1:{port} {{"))
        .replace("app.example.com", &format!("127.0.0.1:{port}"))
        .replace("pocket-id:1411", server)
        .replace("app:8080", backend)
}

/// What stands around the filters in Envoy's configuration.
fn around(filters: &str, port: u16, server: &str, backend: &str) -> String {
    let cluster = |name: &str, at: &str| {
        let (host, port) = at.rsplit_once(':').expect("a port");
        format!(
            "  - name: {name}\n    type: STRICT_DNS\n    load_assignment:\n      cluster_name: {name}\n      endpoints:\n      - lb_endpoints:\n        \
             - endpoint: {{ address: {{ socket_address: {{ address: {host}, port_value: {port} }} }} }}\n"
        )
    };
    let filters: String = filters.lines().map(|line| format!("          {line}\n")).collect();
    format!(
        "static_resources:\n  listeners:\n  - address: {{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}\n    filter_chains:\n    - filters:\n      \
         - name: envoy.filters.network.http_connection_manager\n        typed_config:\n          \
         \"@type\": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager\n          \
         stat_prefix: app\n          upgrade_configs: [{{ upgrade_type: websocket }}]\n          \
         route_config: {{ virtual_hosts: [{{ name: app, domains: [\"*\"], routes: [{{ match: {{ prefix: / }}, route: {{ cluster: app }} }}] }}] }}\n\
         {filters}  clusters:\n{}{}",
        cluster("pocket-id", server),
        cluster("app", backend)
    )
}

impl Scene {
    async fn behind(kind: Kind) -> Self {
        let app = TestApp::start_with(&[("TRUST_PROXY", "127.0.0.1")]).await;
        let backend = Backend::start().await;
        let port = free_port().unwrap();
        let server = app.listens_at().replace("http://", "");
        let text = |id: &str| sample(id, port, &server, &backend.address());
        let proxy = match kind {
            Kind::Caddy => Proxy::start(kind, port, &text("caddy"), &[]),
            Kind::Nginx => Proxy::start(kind, port, &text("nginx"), &[]),
            Kind::Haproxy => Proxy::start(kind, port, &text("haproxy"), &[("pocket-id.lua", &text("haproxy-lua"))]),
            Kind::Traefik => Proxy::start(kind, port, &text("traefik"), &[]),
            Kind::Envoy => Proxy::start(kind, port, &around(&text("envoy"), port, &server, &backend.address()), &[]),
        };
        let script = app.script();
        script.post("/api/user-groups", &json!({ "name": "admins", "friendlyName": "Admins" })).await.expect(201);
        let body = json!({
            "name": "Paperless",
            "clientType": "proxy",
            "forwardAuth": {
                "hosts": [format!("http://127.0.0.1:{port}")],
                "rules": [{ "path": "/share", "public": true }, { "path": "/admin", "groups": ["admins"] }],
            },
        });
        let client = script.post("/api/oidc/clients", &body).await.expect(201).json();
        let scene = Self { stage: Stage::with(app).await, backend, port, client, proxy: proxy.unwrap() };
        // Traefik listens before it has read where what goes.
        until(async || match scene.ask("HEAD", "/", &[]) {
            (404, answer) => Err(answer),
            _ => Ok(()),
        })
        .await;
        scene
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Sends bytes to the proxy and gives what comes back until nothing more does.
    fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let (mut answer, mut chunk) = (Vec::new(), [0; 4096]);
        while let Ok(n @ 1..) = stream.read(&mut chunk) {
            answer.extend_from_slice(&chunk[..n]);
        }
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.starts_with("HTTP/1.1 "), "{request}: {answer}\n{}", self.proxy.log());
        answer
    }

    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
        let more: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let host = self.port;
        let answer =
            self.raw(&format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{host}\r\n{more}Connection: close\r\n\r\n"));
        (answer[9..12].parse().unwrap(), answer)
    }

    /// The cookie of the window's session at the app.
    async fn cookie(&self) -> String {
        let name = format!("pocket-id-app-{}", self.port);
        format!("{name}={}", self.stage.window.cookie(&name).await.unwrap().expect("a session there"))
    }

    async fn signs_in_and_out(&self) -> Person {
        let tim = self.stage.app.person("tim").await;
        let tab = self.stage.tab().await;
        // Nobody: to sign in, with the way back.
        tab.goto(&self.url("/documents?page=2")).await.unwrap();
        let at = tab.url().await.unwrap();
        assert!(at.starts_with(&self.stage.url("/interaction?")), "{at}\n{}", self.proxy.log());
        assert!(tab.visible_text().await.unwrap().contains("Paperless"));
        assert!(self.backend.seen().is_empty(), "{:?}", self.backend.seen());
        // Once signed in, in and where one wanted to go.
        self.stage.sign_in_as(&tim.agent).await;
        tab.goto(&self.url("/documents?page=2")).await.unwrap();
        assert_eq!(tab.url().await.unwrap(), self.url("/documents?page=2"), "{}", self.proxy.log());
        let text = tab.visible_text().await.unwrap();
        assert!(text.contains("GET /documents?page=2") && text.contains("tim@example.com"), "{text}");
        let head = self.backend.seen_at("/documents?page=2").pop().unwrap().to_lowercase();
        assert!(head.contains("remote-user: tim") && head.contains("remote-name: tim test"), "{head}");
        // A form is not lost, nor its body; scripts of the page pass as well.
        let status: u16 =
            tab.eval("fetch('/save', { method: 'POST', body: 'x=y' }).then(r => r.status)").await.unwrap();
        assert_eq!(status, 200);
        assert_eq!(self.backend.seen_at("/save").len(), 1);
        // Denied by a group, in words.
        tab.goto(&self.url("/admin")).await.unwrap();
        tab.wait_for(role("heading", "No access to Paperless")).await.unwrap();
        assert!(self.backend.seen_at("/admin").is_empty());
        tim
    }

    async fn keeps_the_door(&self) {
        let cookie = self.cookie().await;
        let tim: &[(&str, &str)] = &[("Cookie", &cookie)];
        // Public, whoever asks; what a client says of itself is nothing.
        let lies = [
            ("Remote-User", "admin"),
            ("Remote-Groups", "admins"),
            ("Remote_User", "admin"),
            ("REMOTE-EMAIL", "a@b.c"),
        ];
        for (headers, wanted) in [(lies.to_vec(), "remote-user: "), ([&lies, tim].concat(), "remote-user: tim")] {
            assert_eq!(self.ask("GET", "/share", &headers).0, 200);
            let head = self.backend.seen_at("/share").pop().unwrap().to_lowercase();
            for line in head.lines().filter(|line| line.starts_with("remote")) {
                assert!(!line.contains("admin") && !line.contains("a@b.c"), "{head}");
                assert!(!line.starts_with("remote-user") || line.trim() == wanted.trim(), "{head}");
            }
        }
        // Nor what it says of the address.
        for (name, value) in [
            ("X-Forwarded-Uri", "/share"),
            ("X-Original-URL", &*self.url("/share")),
            ("X-Original-URI", "/share"),
            ("X-Forwarded-Method", "OPTIONS"),
            ("X-Forwarded-Host", "other.example.com"),
            ("X-HTTP-Method-Override", "OPTIONS"),
            ("X-Forward-Auth-Secret", "guess"),
        ] {
            let (status, answer) = self.ask("GET", "/secret", &[(name, value)]);
            assert!(matches!(status, 401 | 403), "{name}: {answer}");
        }
        for path in [
            "/share/../admin",
            "/share/%2e%2e/admin",
            "/share/..%2fadmin",
            "/share/..;/admin",
            "//admin",
            "/ADMIN",
            "/%61dmin",
            "/share%2f..%2fadmin",
            "/share/%252e%252e/admin",
            "/admin;x",
        ] {
            for headers in [&[][..], tim] {
                let before = self.backend.seen().len();
                let (status, answer) = self.ask("GET", path, headers);
                assert!((300..500).contains(&status), "{path}: {answer}");
                assert_eq!(self.backend.seen().len(), before, "{path}: {:?}", self.backend.seen());
            }
        }
        for (method, headers) in [
            ("HEAD", &[][..]),
            ("OPTIONS", &[("Origin", "https://evil.example"), ("Access-Control-Request-Method", "PUT")]),
            ("DELETE", &[]),
            ("GET", &[("Range", "bytes=0-1")]),
            ("GET", &[("X-Requested-With", "XMLHttpRequest"), ("Accept", "text/html")]),
        ] {
            let (status, answer) = self.ask(method, "/secret", headers);
            assert_eq!(status, 401, "{method}: {answer}");
        }
        let upgrade = |more: &str| {
            format!(
                "GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{more}\r\n",
                self.port
            )
        };
        let mut refused = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        assert!(first_line(&mut refused, &upgrade("")).starts_with("HTTP/1.1 401"), "{}", self.proxy.log());
        assert!(self.backend.seen_at("/secret").is_empty() && self.backend.seen_at("/ws").is_empty());
        let mut passed = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let answer = first_line(&mut passed, &upgrade(&format!("Cookie: {cookie}\r\n")));
        assert!(answer.starts_with("HTTP/1.1 101"), "{answer}\n{}", self.proxy.log());
        passed.write_all(b"hello").unwrap();
        let mut echo = [0; 5];
        passed.read_exact(&mut echo).unwrap();
        assert_eq!(&echo, b"hello");
    }

    async fn signs_out(&self) {
        let tab = self.stage.tab().await;
        tab.goto(&self.url("/")).await.unwrap();
        tab.click(role("link", "Leave")).await.unwrap();
        tab.wait_for_url(|url| url.starts_with(&self.stage.url("/logout"))).await.unwrap();
        tab.click(role("button", "Sign out")).await.unwrap();
        tab.wait_for_url(|url| !url.contains("/logout?")).await.unwrap();
        let before = self.backend.seen().len();
        tab.goto(&self.url("/")).await.unwrap();
        let at = tab.url().await.unwrap();
        assert!(at.starts_with(&self.stage.url("/interaction?")), "{at}");
        assert_eq!(self.backend.seen().len(), before);
    }
}

/// Sends a request and reads the head of the answer.
fn first_line(stream: &mut TcpStream, request: &str) -> String {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let (mut head, mut byte) = (Vec::new(), [0; 1]);
    while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
        head.push(byte[0]);
    }
    String::from_utf8_lossy(&head).into_owned()
}

async fn holds(kind: Kind) {
    let mut scene = Scene::behind(kind).await;
    let tim = scene.signs_in_and_out().await;
    scene.keeps_the_door().await;
    // In the group, at once.
    let script = scene.stage.app.script();
    let groups = script.get("/api/user-groups?search=admins").await.json();
    let path = format!("/api/user-groups/{}/users", groups["data"][0]["id"].as_str().unwrap());
    script.put(&path, &json!({ "userIds": [tim.id()] })).await.expect(200);
    let cookie = scene.cookie().await;
    assert_eq!(scene.ask("GET", "/admin/x", &[("Cookie", &cookie)]).0, 200);
    scene.signs_out().await;
    // Without an answer of ours nobody passes.
    assert_eq!(scene.client["clientType"], "proxy");
    let before = scene.backend.seen().len();
    scene.stage.app.stop().await;
    let (status, answer) = scene.ask("GET", "/share", &[]);
    assert!(status >= 500, "{answer}");
    assert_eq!(scene.backend.seen().len(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn caddy_keeps_the_door() {
    holds(Kind::Caddy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nginx_keeps_the_door() {
    holds(Kind::Nginx).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn haproxy_keeps_the_door() {
    holds(Kind::Haproxy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traefik_keeps_the_door() {
    holds(Kind::Traefik).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn envoy_keeps_the_door() {
    holds(Kind::Envoy).await;
}

/// A block of the guide by its info string, at this machine's ports.
fn of_guide(info: &str, port: u16, server: &str) -> String {
    let fence = format!("```{info}\n");
    let text = GUIDE.split_once(&fence).unwrap_or_else(|| panic!("no {info} in the guide")).1;
    let text = text.split("```").next().expect("an end");
    text.replace("Host(`app.example.com`)", "Host(`127.0.0.1`)")
        .replace("      tls: {}\n", "")
        .replace("listen 443 ssl;", &format!("listen 127.0.0.1:{port};"))
        .replace("server_name id.example.com;", "server_name localhost;")
        .replace("bind :443 ssl crt /etc/haproxy/certs/", &format!("bind 127.0.0.1:{port}"))
        .replace("id.example.com {", &format!("http://localhost:{port} {{"))
        .replace("pocket-id:1411", server)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_in_front_of_us_hides_nobody_and_invents_nobody() {
    for (kind, info) in [(Kind::Caddy, "caddy front"), (Kind::Nginx, "nginx front"), (Kind::Haproxy, "haproxy front")] {
        let port = free_port().unwrap();
        let url = format!("http://localhost:{port}");
        let app = TestApp::start_with(&[("TRUST_PROXY", "127.0.0.1"), ("APP_URL", &url)]).await;
        let text = of_guide(info, port, &app.listens_at().replace("http://", ""));
        let proxy = Proxy::start(kind, port, &text, &[]).unwrap();
        let agent = app.agent();
        let discovery = agent.get("/.well-known/openid-configuration").await.expect(200).json();
        assert_eq!(discovery["issuer"], url, "{}", proxy.log());
        // Who says to be somebody else is believed no more than without a proxy.
        let liar = app.agent().with_header("x-forwarded-for", "203.0.113.9").with_header("x-real-ip", "203.0.113.9");
        liar.post("/api/one-time-access-token/WRONG1", &json!({})).await.expect(401);
        assert_eq!(app.events("SIGN_IN_FAILED").await[0]["ipAddress"], "127.0.0.1", "{kind:?}");
        let page = agent.get("/passkey-check").await.expect(200);
        assert!(page.header("content-security-policy").is_some(), "{kind:?}");
    }
}

const GUIDE: &str = include_str!("../../docs/guides/reverse-proxies.md");

/// What the guide shows is what the page offers, and what these tests run.
#[test]
fn the_guide_has_the_samples() {
    for sample in SAMPLES {
        assert!(GUIDE.contains(sample.text.trim_end()), "{} is not in the guide as it is", sample.id);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apps_behind_a_proxy_look_right() {
    let mut gallery = Gallery::default();
    let scene = Scene::behind(Kind::Caddy).await;
    let (stage, script) = (&scene.stage, scene.stage.app.script());
    let admin = stage.app.admin().await;
    let tab = stage.tab().await;
    stage.sign_in_as(&admin.agent).await;
    stage.open(&tab, "/settings/admin/oidc-clients").await;
    gallery.look(&tab, "clients-proxied").await;
    tab.click(role("button", "Add OIDC Client")).await.unwrap();
    let choose = "(() => { const s = document.getElementById('new-type'); s.value = 'proxy'; \
        s.dispatchEvent(new Event('change', { bubbles: true })); })()";
    tab.eval::<Value>(choose).await.unwrap();
    gallery.look(&tab, "clients-add-proxied").await;
    let path = format!("/settings/admin/oidc-clients/{}", scene.client["id"].as_str().unwrap());
    for hash in ["general", "paths", "headers", "user-groups"] {
        stage.open(&tab, "/settings/admin/users").await;
        stage.open(&tab, &format!("{path}#{hash}")).await;
        if hash == "headers" {
            tab.click("#samples details:nth-of-type(1) > summary").await.unwrap();
        }
        gallery.look(&tab, &format!("proxied-{hash}")).await;
    }
    let patch = json!({ "forwardAuth": { "appPasswords": true } });
    let api = format!("/api/oidc/clients/{}", scene.client["id"].as_str().unwrap());
    script.patch(&api, &patch, None).await.expect(200);
    stage.open(&tab, "/settings/account").await;
    tab.fill("#app-password-name", "Scanner in the hall").await.unwrap();
    tab.click(role("button", "Create app password")).await.unwrap();
    tab.wait_for("#new-app-password:not([hidden])").await.unwrap();
    gallery.look(&tab, "account-app-password").await;
    tab.goto(&scene.url("/admin")).await.unwrap();
    tab.wait_for(role("heading", "No access to Paperless")).await.unwrap();
    gallery.look(&tab, "door-denied").await;
    tab.goto(&scene.url("/.pocket-id/callback?code=x&state=y")).await.unwrap();
    gallery.look(&tab, "door-lost").await;
    tab.goto(&scene.url("/share/..;/admin")).await.unwrap();
    gallery.look(&tab, "door-shut").await;
    gallery.finish();
}
