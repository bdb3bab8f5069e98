//! What the machine may do to it (security case 106): each ends in a sentence or a 503, never in a panic.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use pid_tests::on_postgres;
use serde_json::json;

use crate::program::{BINARY, Program};

#[test]
fn a_port_that_is_taken_is_said() {
    let mut program = Program::configured();
    let _taken = TcpListener::bind(("127.0.0.1", program.port())).unwrap();
    let said = program.refuses();
    assert!(said.contains(&format!("can't listen on 127.0.0.1:{}", program.port())), "{said}");
    assert!(said.contains("in use"), "{said}");
}

#[test]
fn a_data_folder_that_is_none_is_said() {
    if on_postgres() {
        return;
    }
    let mut program = Program::bare();
    std::fs::write(program.data(), "a file").unwrap();
    let said = program.refuses();
    assert!(said.contains("data"), "{said}");
    assert_eq!(std::fs::read(program.data()).unwrap(), b"a file");

    let mut program = Program::bare();
    std::fs::create_dir_all(program.data().join("pocket-id.db")).unwrap();
    let said = program.refuses();
    assert!(said.contains("pocket-id.db") && said.contains("directory"), "{said}");
}

/// As somebody without rights: root may write everywhere.
#[test]
fn a_folder_that_may_not_be_written_is_said() {
    use std::os::unix::fs::PermissionsExt as _;
    if on_postgres() {
        return;
    }
    let set = |path: &Path, mode: u32| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    for made in [false, true] {
        let mut program = Program::bare();
        let mut wrapper = Vec::new();
        let copy = program.dir().join("pocket-id").display().to_string();
        if is_root() {
            // The built program may lie where others can't look.
            std::fs::copy(BINARY, &copy).unwrap();
            wrapper =
                vec!["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c", "exec \"$0\"", &copy];
        }
        if made {
            std::fs::create_dir(program.data()).unwrap();
            set(&program.data(), 0o555);
        }
        set(program.dir(), 0o555);
        let said = program.refuses_by(&wrapper);
        set(program.dir(), 0o755);
        assert!(said.contains("data") && said.contains("Permission denied"), "{said}");
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.trim_ascii() == b"0"
}

/// A file system of a few megabytes at a path; unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where mounting is not allowed.
    fn mount(path: &Path) -> Option<Self> {
        std::fs::create_dir_all(path).unwrap();
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs"]).arg(path).output();
        mount.is_ok_and(|o| o.status.success()).then(|| Self(path.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The process that was just stopped may still let go of its files.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_106_a_full_disk_is_503_and_nothing_acknowledged_is_lost() {
    if on_postgres() {
        return;
    }
    let mut program = Program::configured();
    let disk = SmallDisk::mount(&program.data());
    if disk.is_some() {
        program.start().await;
    } else {
        // Not root: a limit on the size of each file does the same to SQLite. The signal is ignored, so that writing fails.
        let limited = ["sh", "-c", "trap '' XFSZ; ulimit -f 6000; exec \"$0\""];
        program.start_by(&limited).await;
    }
    program.ready().await;
    let agent = program.set_up().await;
    let ballast = program.data().join("ballast");
    if disk.is_some() {
        // All but a little is somebody else's.
        let mut size = 4 << 20;
        while size > 0 && std::fs::write(&ballast, vec![1; size]).is_err() {
            size -= 16 << 10;
        }
        std::fs::write(&ballast, vec![1; size.saturating_sub(200 << 10)]).unwrap();
    }
    let script = program.script();
    let new = |i: usize| {
        let long = "x".repeat(50);
        json!({ "username": format!("user{i}"), "email": format!("user{i}@example.com"), "firstName": long, "lastName": long,
                "displayName": long })
    };
    let mut made = 0;
    let refused = loop {
        assert!(made < 20_000, "the disk does not get full");
        let answer = script.post("/api/users", &new(made)).await;
        if answer.status != 201 {
            break answer;
        }
        made += 1;
    };
    let refused = refused.refused(503, "service_unavailable");
    assert!(refused.text().contains("Nothing was changed"), "{}", refused.text());
    assert!(made > 0);
    // Reading goes on, and so does being healthy.
    program.agent().get("/healthz").await.expect(204);
    agent.get("/api/users/me").await.expect(200);
    let total = |list: &serde_json::Value| list["pagination"]["totalItems"].as_u64().unwrap();
    let before = total(&script.get("/api/users").await.expect(200).json());
    script.post("/api/users", &new(made)).await.refused(503, "service_unavailable");

    if disk.is_some() {
        // Room again: the same process goes on.
        std::fs::remove_file(&ballast).unwrap();
        script.post("/api/users", &new(made)).await.expect(201);
    }
    program.process().signal("TERM");
    program.process().wait_for_exit(std::time::Duration::from_secs(60)).unwrap();
    assert!(!program.log().contains("panicked"), "{}", program.log());
    program.start().await;
    let after = total(&program.script().get("/api/users").await.expect(200).json());
    assert_eq!(after, before + u64::from(disk.is_some()));
    agent.get("/api/users/me").await.expect(200);
    program.stop();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_106_a_lost_database_is_503_and_comes_back() {
    let mut program = Program::configured();
    if program.database().is_none() {
        return;
    }
    program.start().await;
    program.ready().await;
    let agent = program.set_up().await;
    let name = program.database().unwrap().name().to_owned();
    let server = std::env::var(pid_testkit::postgres::SERVER_VARIABLE).unwrap();
    let (client, connection) = tokio_postgres::connect(&server, tokio_postgres::NoTls).await.unwrap();
    let driver = tokio::spawn(connection);
    let statements = [
        format!("ALTER DATABASE \"{name}\" ALLOW_CONNECTIONS false"),
        format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"),
    ];
    client.batch_execute(&statements.join("; ")).await.unwrap();
    agent.get("/healthz").await.expect(204);
    let waiting = agent.get("/readyz").await.expect(503);
    assert!(waiting.text().contains("database"), "{}", waiting.text());
    agent.get("/api/users/me").await.refused(503, "service_unavailable");
    let script = program.script();
    script
        .post("/api/user-groups", &json!({ "name": "a", "friendlyName": "A" }))
        .await
        .refused(503, "service_unavailable");
    let form = [("grant_type", "refresh_token"), ("refresh_token", "x"), ("client_id", "y")];
    agent.post_form("/api/oidc/token", &form).await.oauth_error(503, "temporarily_unavailable");
    // A person gets a page.
    let page = agent.get("/settings/account").await.expect(503);
    assert!(page.header("content-type").unwrap().starts_with("text/html"));

    client.batch_execute(&format!("ALTER DATABASE \"{name}\" ALLOW_CONNECTIONS true")).await.unwrap();
    agent.get("/readyz").await.expect(204);
    agent.get("/api/users/me").await.expect(200);
    drop(client);
    let _ = driver.await;
    program.stop();

    // And a start without it ends with a sentence.
    let port = pid_testkit::process::free_port().unwrap();
    program.set("DB_CONNECTION_STRING", format!("postgres://pocket:hunter2@127.0.0.1:{port}/db"));
    let said = program.refuses();
    assert!(said.contains("refused") && !said.contains("hunter2"), "{said}");
}
