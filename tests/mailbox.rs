//! A real mail server with one mailbox for everybody.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pid_testkit::process::free_port;
use pid_testkit::program::Program;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};

use crate::TestApp;

const AUTHORITY: &str = "authority.pem";

/// Makes an authority of its own, and a certificate of it for `localhost`.
fn certify(dir: &Path, certificate: &Path, key: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate()?;
    std::fs::write(dir.join(AUTHORITY), params.self_signed(&authority_key)?.pem())?;
    let server_key = KeyPair::generate()?;
    let server = CertificateParams::new(vec!["localhost".to_owned()])?;
    let server = server.signed_by(&server_key, &Issuer::new(params, authority_key))?;
    std::fs::write(certificate, server.pem())?;
    Ok(std::fs::write(key, server_key.serialize_pem())?)
}

/// The server.
pub struct Mailbox {
    program: Program,
    port: u16,
    mode: &'static str,
    login: bool,
    certificates: tempfile::TempDir,
}

impl Mailbox {
    /// Starts one; `mode` is a value of `smtpTls`.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(mode: &'static str, login: bool) -> Self {
        let program = Program::python("mailbox.py").expect("the mail server's program");
        let dir = tempfile::tempdir().expect("a folder");
        let (certificate, key) = (dir.path().join("certificate.pem"), dir.path().join("key.pem"));
        certify(dir.path(), &certificate, &key).expect("a certificate");
        let port = free_port().expect("a free port");
        let mut mailbox = Self { program, port, mode, login, certificates: dir };
        let tls = mode != "none";
        mailbox.call(&json!({ "do": "start", "mode": mode, "port": port, "login": login,
            "certificate": tls.then_some(certificate), "key": tls.then_some(key) }));
        mailbox
    }

    /// The certificate of the authority that vouches for this server as `localhost`.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.certificates.path().join(AUTHORITY)
    }

    fn call(&mut self, request: &Value) -> Value {
        let answer = tokio::task::block_in_place(|| self.program.call(request)).expect("an answer");
        assert!(answer.get("ok").is_some(), "{request}: {answer}");
        answer["ok"].clone()
    }

    /// The settings that make a server use this one.
    #[must_use]
    pub fn settings(&self) -> Value {
        let mut settings = json!({ "smtpHost": "127.0.0.1", "smtpPort": self.port.to_string(), "smtpTls": self.mode,
            "smtpFrom": "id@example.com", "smtpSkipCertVerify": (self.mode != "none").to_string(),
            "emailLoginCodeNoticeEnabled": "false", "emailPasskeyNoticeEnabled": "false" });
        if self.login {
            settings["smtpUser"] = json!("postman");
            settings["smtpPassword"] = json!("knock twice");
        }
        settings
    }

    /// Makes a server use this one, with more settings.
    ///
    /// # Panics
    /// When it refuses.
    pub async fn connect(&self, app: &TestApp, more: Value) {
        let mut settings = self.settings();
        for (name, value) in more.as_object().into_iter().flatten() {
            settings[name] = value.clone();
        }
        app.script().patch("/api/application-configuration", &settings, None).await.expect(200);
    }

    /// From now on refuses receivers with this answer; `null`: none.
    pub fn refuse(&mut self, with: &Value) {
        self.call(&json!({ "do": "refuse", "with": with }));
    }

    /// What has arrived since it was asked last, without waiting.
    pub fn letters(&mut self) -> Vec<Value> {
        self.call(&json!({ "do": "letters" })).as_array().cloned().unwrap_or_default()
    }

    /// The next letter.
    ///
    /// # Panics
    /// When none comes, or several.
    pub async fn letter(&mut self) -> Value {
        for _ in 0..200 {
            let mut letters = self.letters();
            if !letters.is_empty() {
                assert_eq!(letters.len(), 1, "{letters:#?}");
                return letters.remove(0);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("no letter came");
    }
}
