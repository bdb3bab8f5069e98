//! The commands beside the server (ops.md §2).

use std::process::Output;

use pid_testkit::process::free_port;
use serde_json::json;

use crate::program::Program;

fn text(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn version_and_help_need_no_configuration() {
    let program = Program::bare().with("PORT", "nonsense");
    let version = format!("pocket-id {}\n", env!("CARGO_PKG_VERSION"));
    for argument in ["version", "--version", "-V"] {
        assert_eq!(text(&program.run(&[argument])), (Some(0), version.clone(), String::new()), "{argument}");
    }
    for argument in ["help", "--help", "-h"] {
        let (code, out, err) = text(&program.run(&[argument]));
        assert_eq!((code, err.as_str()), (Some(0), ""), "{argument}");
        for part in ["healthcheck", "one-time-access-token", "ENCRYPTION_KEY", "[default: 1411]"] {
            assert!(out.contains(part), "{argument} lacks {part}: {out}");
        }
    }
}

#[test]
fn what_is_not_understood_fails_with_code_1() {
    let program = Program::bare();
    for arguments in
        [&["nonsense"][..], &["--nonsense"], &["one-time-access-token"], &["one-time-access-token", "a", "b"]]
    {
        let (code, out, err) = text(&program.run(arguments));
        assert_eq!((code, out.as_str()), (Some(1), ""), "{arguments:?}");
        assert!(err.starts_with("error: "), "{err}");
    }
    let bad = Program::bare().with("PORT", "nonsense");
    for command in ["server", "healthcheck"] {
        let (code, out, err) = text(&bad.run(&[command]));
        assert_eq!((code, out.as_str()), (Some(1), ""));
        assert!(err.starts_with("config error: PORT"), "{err}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn healthcheck_tells_by_its_code() {
    let mut program = Program::configured();
    let (code, out, err) = text(&program.run(&["healthcheck"]));
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.contains("Healthcheck failed") && err.contains("refused"), "{err}");

    program.start().await;
    assert_eq!(text(&program.run(&["healthcheck"])), (Some(0), String::new(), String::new()));
    let url = program.url();
    for arguments in [&["healthcheck", "--endpoint", &url][..], &["healthcheck", "-e", &format!("{url}/"), "--verbose"]]
    {
        let (code, out, err) = text(&program.run(arguments));
        assert_eq!((code, out.as_str()), (Some(0), ""), "{err}");
        assert_eq!(err.contains("/healthz"), arguments.contains(&"--verbose"), "{err}");
    }
    let closed = format!("http://localhost:{}", free_port().unwrap());
    assert_eq!(text(&program.run(&["healthcheck", "-e", &closed])).0, Some(1));
    for bad in ["localhost:1411", "ftp://localhost", "http://", "http://localhost/path", "nonsense"] {
        let (code, _, err) = text(&program.run(&["healthcheck", "-e", bad]));
        assert_eq!(code, Some(1), "{bad}");
        assert!(err.contains("http://localhost:1411"), "{bad}: {err}");
    }
    program.stop();
}

/// Recovery while the server runs, and while it doesn't.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_time_access_token_lets_somebody_in_once() {
    let mut program = Program::configured();
    let (code, out, err) = text(&program.run(&["one-time-access-token", "admin"]));
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.starts_with("Error: "), "{err}");

    program.start().await;
    program.set_up().await;
    for (whom, running) in [("admin", true), ("ADMIN@example.com", true), ("admin", false)] {
        if !running {
            program.stop();
        }
        let (code, out, err) = text(&program.run(&["one-time-access-token", whom]));
        assert_eq!(code, Some(0), "{err}");
        let lines: Vec<&str> = out.lines().collect();
        let [first, second] = lines[..] else { panic!("{out}") };
        assert_eq!(first, format!("A one-time access token valid for 1 hour has been created for \"{whom}\"."));
        let link = second.strip_prefix("Use the following URL to sign in once: ").unwrap();
        let token = link.strip_prefix(&format!("{}/lc/", program.url())).unwrap();
        assert_eq!(token.len(), 12);
        if !running {
            program.start().await;
        }
        let exchange = format!("/api/one-time-access-token/{token}");
        let agent = program.agent();
        let user = agent.post(&exchange, &json!({})).await.expect(200).json();
        assert_eq!(user["username"], "admin");
        agent.get("/api/users/me").await.expect(200);
        program.agent().post(&exchange, &json!({})).await.refused(401, "token_invalid_or_expired");
    }
    let (code, out, err) = text(&program.run(&["one-time-access-token", "ghost"]));
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.contains("user not found") && err.contains("ghost"), "{err}");
    program.stop();
}

/// A running server takes over within a second what the command line changes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_rotate_needs_no_restart() {
    let mut program = Program::configured();
    let (code, out, err) = text(&program.run(&["key-rotate", "-y"]));
    assert_eq!((code, out.as_str()), (Some(1), ""), "{err}");
    // An empty PostgreSQL database is there, but nobody has decided on its key.
    assert!(err.contains("There is no database") || err.contains("has not been started"), "{err}");
    program.start().await;
    program.set_up().await;
    let agent = program.agent();
    let kids = || async {
        // The first key may still be in the making.
        let jwks = agent.get("/.well-known/jwks.json").await.json();
        jwks["keys"].as_array().into_iter().flatten().map(|k| k["kid"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let seen = |count: usize| {
        let kids = &kids;
        async move {
            for _ in 0..150 {
                let found = kids().await;
                if found.len() == count {
                    return found;
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            panic!("not {count} keys after a second and a half: {:?}", kids().await);
        }
    };
    let first = seen(1).await.remove(0);
    // Without a yes nothing happens.
    let (code, out, err) = text(&program.run(&["key-rotate"]));
    assert_eq!(code, Some(1));
    assert!(out.contains("Confirm [y/N]:") && err.contains("Aborted"), "{out}{err}");
    let (code, out, err) = text(&program.run(&["key-rotate", "--alg", "rs256", "--yes"]));
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert!(out.starts_with("Key rotated successfully") && out.contains("24 hours"), "{out}");
    let both = seen(2).await;
    assert!(text(&program.run(&["key-rotate", "-y"])).1.starts_with("Nothing to do"));
    let (code, out, _) = text(&program.run(&["key-rotate", "--now", "-y"]));
    assert_eq!((code, out.contains("signs from now on")), (Some(0), true));
    let (code, _, _) = text(&program.run(&["key-rotate", "-a", "EdDSA", "-c", "Ed25519", "--now", "-y"]));
    assert_eq!(code, Some(0));
    seen(3).await;
    let (code, out, _) = text(&program.run(&["key-rotate", "--revoke", &first, "-y"]));
    assert_eq!((code, out.contains("revoked")), (Some(0), true));
    assert!(!seen(2).await.contains(&first) && both.contains(&first));
    for bad in [
        &["key-rotate", "-y", "--revoke", "nobody"][..],
        &["key-rotate", "-y", "-a", "HS256"],
        &["key-rotate", "-y", "-a", "EdDSA", "-c", "P-256"],
        &["key-rotate", "-y", "-c", "Ed25519"],
        &["key-rotate", "-y", "--now", "--revoke", &first],
    ] {
        let (code, _, err) = text(&program.run(bad));
        assert_eq!(code, Some(1), "{bad:?}");
        assert!(err.to_lowercase().starts_with("error: "), "{bad:?}: {err}");
    }
    program.stop();
}
