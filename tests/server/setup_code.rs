//! Set-up from a public address asks for the code that the start printed.

use serde_json::json;

use crate::program::{Program, admin};

const PUBLIC: &str = "203.0.113.9";

/// The code in the start's output.
fn printed(program: &Program) -> String {
    let log = program.log();
    let line =
        log.lines().find(|l| l.contains("set-up asks for this code")).unwrap_or_else(|| panic!("no code:\n{log}"));
    line.rsplit(' ').next().unwrap().to_owned()
}

fn with_code(code: &str) -> serde_json::Value {
    let mut body = admin();
    body["setupCode"] = json!(code);
    body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_public_address_needs_the_code_and_guesses_are_counted_in_rows() {
    let mut program = Program::configured().with("TRUST_PROXY", "127.0.0.1,::1");
    program.unset("DISABLE_RATE_LIMITING");
    program.start().await;
    let code = printed(&program);
    assert_eq!(code.len(), 14, "{code}");
    let outside = program.agent().with_header("x-forwarded-for", PUBLIC);
    assert!(outside.get("/signup/setup").await.expect(200).text().contains("setupCode"));
    outside.post("/api/signup/setup", &admin()).await.refused(403, "setup_code_required");
    for _ in 0..10 {
        outside.post("/api/signup/setup", &with_code("AAAA-BBBB-CCCC")).await.refused(403, "setup_code_required");
    }
    let refused = outside.post("/api/signup/setup", &with_code(&code)).await.refused(429, "rate_limited");
    assert!(refused.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);

    // The count is a row: a new process, which prints a new code, goes on with it.
    program.stop();
    program.start().await;
    let new = printed(&program);
    assert_ne!(new, code);
    let outside = program.agent().with_header("x-forwarded-for", PUBLIC);
    outside.post("/api/signup/setup", &with_code(&new)).await.refused(429, "rate_limited");

    // A stranger's guesses keep nobody else out (security case 102); the old code is worth nothing.
    let elsewhere = program.agent().with_header("x-forwarded-for", "198.51.100.7");
    elsewhere.post("/api/signup/setup", &with_code(&code)).await.refused(403, "setup_code_required");
    // Typed as people type.
    let typed = format!(" {} ", new.to_lowercase().replace('-', " "));
    elsewhere.post("/api/signup/setup", &with_code(&typed)).await.expect(200);
    outside.post("/api/signup/setup", &with_code(&new)).await.refused(409, "setup_already_completed");
    program.stop();

    // Nobody is asked again.
    program.start().await;
    assert!(!program.log().contains("Nobody is set up yet"));
    program.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn private_and_loopback_addresses_need_none() {
    for address in ["127.0.0.1", "192.168.1.7", "10.0.0.3", "fd00::7", "100.64.0.9", "::1"] {
        let mut program = Program::configured().with("TRUST_PROXY", "127.0.0.1,::1");
        program.start().await;
        let inside = program.agent().with_header("x-forwarded-for", address);
        assert!(!inside.get("/signup/setup").await.expect(200).text().contains("setupCode"), "{address}");
        inside.post("/api/signup/setup", &admin()).await.expect(200);
        program.stop();
    }
}

/// Behind a proxy that is not trusted everybody seems to be next door; then the code is asked as well.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_088_a_proxy_that_is_not_trusted_does_not_open_set_up() {
    let mut program = Program::configured();
    program.start().await;
    for header in ["x-forwarded-for", "x-real-ip", "forwarded"] {
        // What it says does not matter: it could be the outsider's own words.
        for value in [PUBLIC, "127.0.0.1", "for=192.168.0.1"] {
            let outside = program.agent().with_header(header, value);
            assert!(outside.get("/signup/setup").await.expect(200).text().contains("setupCode"), "{header}: {value}");
            outside.post("/api/signup/setup", &admin()).await.refused(403, "setup_code_required");
        }
    }
    let log = program.log();
    assert_eq!(log.lines().filter(|l| l.contains("TRUST_PROXY")).count(), 1, "said once:\n{log}");
    let code = printed(&program);
    let outside = program.agent().with_header("x-forwarded-for", PUBLIC);
    outside.post("/api/signup/setup", &with_code(&code)).await.expect(200);
    program.stop();
}
