//! Mail by the real binary, which trusts what its system trusts.

use pid_tests::Mailbox;
use serde_json::json;

use crate::program::Program;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_of_a_known_authority_is_trusted_for_its_name_alone() {
    for mode in ["starttls", "tls"] {
        let mut mailbox = Mailbox::start(mode, true);
        let mut program = Program::configured().with("SSL_CERT_FILE", mailbox.authority().to_str().unwrap());
        program.start().await;
        let admin = program.set_up().await;
        let settings = async |host: &str| {
            let mut settings = mailbox.settings();
            (settings["smtpHost"], settings["smtpSkipCertVerify"]) = (json!(host), json!("false"));
            program.script().patch("/api/application-configuration", &settings, None).await.expect(200);
        };
        let path = "/api/application-configuration/test-email";
        settings("localhost").await;
        admin.post(path, &json!({})).await.expect(204);
        // The same server under another name.
        settings("127.0.0.1").await;
        let refused = admin.post(path, &json!({})).await.refused(502, "mail_not_sent").json();
        assert!(refused["error"].as_str().unwrap().to_lowercase().contains("certificate"), "{refused}");
        assert_eq!(mailbox.letter().await["tls"], true, "{mode}");
        program.stop();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_gets_a_code_by_the_command_line_is_told() {
    let mut mailbox = Mailbox::start("none", false);
    let mut program = Program::configured();
    program.start().await;
    program.ready().await;
    program.set_up().await;
    let mut settings = mailbox.settings();
    settings["emailLoginCodeNoticeEnabled"] = json!("true");
    program.script().patch("/api/application-configuration", &settings, None).await.expect(200);
    let output = program.run(&["one-time-access-token", "admin"]);
    assert!(output.status.success());
    let letter = mailbox.letter().await;
    assert_eq!(letter["subject"], "A login code was made for your Pocket ID account");
    let code = String::from_utf8_lossy(&output.stdout).rsplit('/').next().unwrap().trim().to_owned();
    assert!(!letter["text"].as_str().unwrap().contains(&code), "the code itself is not told");
    program.stop();
}
