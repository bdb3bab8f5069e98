//! Where uploaded pictures are kept: in the database, on disk, in a bucket; and how they get from one to another.

use pid_testkit::s3::{S3, SECRET, objects};
use pid_tests::{PNG, on_postgres};
use serde_json::{Value, json};

use crate::program::Program;

fn run(program: &Program, arguments: &[&str]) -> (Option<i32>, String) {
    let output = program.run(arguments);
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(!text.contains("panicked") && !text.contains(SECRET), "{text}");
    (output.status.code(), text)
}

fn done(program: &Program, arguments: &[&str]) -> String {
    let (code, text) = run(program, arguments);
    assert_eq!(code, Some(0), "{arguments:?}: {text}");
    text
}

fn findings(program: &Program) -> Vec<(String, String)> {
    let output = program.run(&["doctor", "--json"]);
    let all: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
    all.as_array().unwrap().iter().map(|finding| (text(finding, "code"), text(finding, "says"))).collect()
}

const LOGO: &str = "/api/application-images/logo";
const EMAIL: &str = "/api/application-images/email";

/// Uploads a picture of each kind and gives their addresses.
async fn upload(program: &Program) -> Vec<String> {
    let script = program.script();
    script.put_file(LOGO, "logo.png", PNG).await.expect(204);
    let body = json!({ "name": "App", "callbackURLs": ["https://app.example/cb"] });
    let client = script.post("/api/oidc/clients", &body).await.expect(201).id();
    script
        .upload(&format!("/api/oidc/clients/{client}/logo"), "logo.svg", b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>")
        .await
        .expect(204);
    let body = json!({ "username": "ada", "firstName": "Ada", "email": "ada@example.com" });
    let user = script.post("/api/users", &body).await.expect(201).id();
    script.put_file(&format!("/api/users/{user}/profile-picture"), "ada.png", PNG).await.expect(204);
    vec![LOGO.to_owned(), format!("/api/oidc/clients/{client}/logo"), format!("/api/users/{user}/profile-picture.png")]
}

/// What is shown at addresses: type, version and bytes.
async fn shown(program: &Program, addresses: &[String]) -> Vec<(String, String, Vec<u8>)> {
    let mut all = Vec::new();
    for address in addresses {
        let reply = program.agent().get(address).await.expect(200);
        let header = |name: &str| reply.header(name).unwrap_or_default().to_owned();
        all.push((header("content-type"), header("etag"), reply.body.to_vec()));
    }
    all
}

/// From the database into a bucket, on disk and back, while the server serves: nobody sees a difference.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pictures_move_while_they_are_shown() {
    let server = S3::start().unwrap();
    let mut program = Program::configured();
    for (name, value) in server.variables("id/prod") {
        program.set(name, value);
    }
    program.start().await;
    let addresses = upload(&program).await;
    let before = shown(&program, &addresses).await;
    assert!(objects(&server.folder()).is_empty() && !program.data().join("uploads").exists());
    program.stop();

    program.set("FILE_BACKEND", "s3");
    program.start().await;
    assert!(shown(&program, &addresses).await == before, "what is in the database is shown from there");
    program.script().put_file(EMAIL, "mail.png", PNG).await.expect(204);
    assert_eq!(program.agent().get(EMAIL).await.expect(200).header("content-type"), Some("image/png"));
    let first = objects(&server.folder());
    assert!(first.len() == 1 && first[0].starts_with("id/prod/application-images/"), "{first:?}");
    assert!(findings(&program).iter().any(|(code, says)| code == "uploads-elsewhere" && says.starts_with("3 ")));
    let said = done(&program, &["files", "copy"]);
    assert!(said.contains("Copied 3 files to s3; 1 were there already."), "{said}");
    let said = done(&program, &["files", "copy", "--to", "s3"]);
    assert!(said.contains("Copied 0 files to s3; 4 were there already."), "{said}");
    let kept = objects(&server.folder());
    for folder in ["application-images", "oidc-client-images", "profile-pictures"] {
        assert!(kept.iter().any(|path| path.starts_with(&format!("id/prod/{folder}/"))), "{kept:?}");
    }
    assert_eq!(kept.len(), 4, "{kept:?}");
    assert!(shown(&program, &addresses).await == before);
    assert!(findings(&program).iter().any(|(code, _)| code == "uploads-good"), "{:?}", findings(&program));
    assert_eq!(objects(&server.folder()), kept, "the doctor leaves nothing behind");

    let said = done(&program, &["files", "copy", "--to", "filesystem"]);
    assert!(said.contains("Copied 4 files to filesystem") && said.contains("FILE_BACKEND"), "{said}");
    let folder = program.data().join("uploads");
    let on_disk = objects(&folder);
    assert_eq!(on_disk.len(), 4, "{on_disk:?}");
    #[cfg(unix)]
    assert_eq!((crate::program::mode(&folder), crate::program::mode(&folder.join(&on_disk[0]))), (0o700, 0o600));
    // The server that is running has them from there, and a new one as well.
    assert!(shown(&program, &addresses).await == before);
    program.stop();
    program.set("FILE_BACKEND", "filesystem");
    program.start().await;
    assert!(shown(&program, &addresses).await == before);
    done(&program, &["files", "copy", "--to", "database"]);
    std::fs::remove_dir_all(&folder).unwrap();
    program.stop();
    program.set("FILE_BACKEND", "database");
    program.start().await;
    assert!(shown(&program, &addresses).await == before);
    program.stop();
}

/// Without the bucket all else works; what is in it is refused for now, and nothing is half stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_is_away_stops_nothing_else() {
    let mut server = S3::start().unwrap();
    let mut program = Program::configured().with("FILE_BACKEND", "s3");
    for (name, value) in server.variables("") {
        program.set(name, value);
    }
    program.start().await;
    program.ready().await;
    let addresses = upload(&program).await;
    let before = shown(&program, &addresses).await;
    server.pause();
    assert!(shown(&program, &addresses).await == before, "what was shown lately is in memory");
    program.stop();
    program.start().await;
    program.ready().await;
    for address in &addresses {
        program.agent().get(address).await.refused(503, "service_unavailable");
    }
    program.script().put_file(EMAIL, "mail.png", PNG).await.refused(503, "service_unavailable");
    program.agent().get("/").await;
    let found = findings(&program);
    assert!(found.iter().any(|(code, says)| code == "uploads-failed" && says.contains("no connection")), "{found:?}");
    let (code, said) = run(&program, &["backup", "-p", "none.zip"]);
    assert!(code == Some(1) && said.contains("uploaded files can't be read"), "{said}");
    server.resume().unwrap();
    assert!(shown(&program, &addresses).await == before);
    assert_eq!(program.agent().get(EMAIL).await.expect(200).header("content-type"), Some("image/png"), "our own");

    // What was changed in the bucket is not shown, and named.
    let victim = server.folder().join(&objects(&server.folder())[0]);
    std::fs::write(&victim, b"something else").unwrap();
    program.stop();
    program.set("S3_SECRET_ACCESS_KEY", "another-secret-key");
    let found = findings(&program);
    assert!(
        found.iter().any(|(code, says)| code == "uploads-failed" && says.contains("403 SignatureDoesNotMatch")),
        "{found:?}"
    );
    program.set("S3_SECRET_ACCESS_KEY", SECRET);
    let found = findings(&program);
    assert!(found.iter().any(|(code, says)| code == "uploads-lost" && says.starts_with("1 of the 3")), "{found:?}");
    let (code, said) = run(&program, &["files", "copy", "--to", "database"]);
    assert!(code == Some(1) && said.contains("Copied 2 files") && said.contains("not what was stored"), "{said}");
}

/// A backup has every picture in it, wherever it was, and needs none of those places when it comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_and_an_export_have_what_is_in_the_bucket() {
    let mut server = S3::start().unwrap();
    let mut program = Program::configured().with("FILE_BACKEND", "s3");
    for (name, value) in server.variables("x") {
        program.set(name, value);
    }
    program.start().await;
    program.ready().await;
    program.set_up().await;
    let addresses = upload(&program).await;
    let before = shown(&program, &addresses).await;
    done(&program, &["backup", "-p", "all.zip"]);
    done(&program, &["export", "-p", "out.zip"]);
    let exported = pid_upstream::read_archive(
        std::io::Cursor::new(std::fs::read(program.dir().join("out.zip")).unwrap()),
        &pid_upstream::Limits::default(),
    )
    .unwrap();
    assert!(exported.files["application-images/logoLight.png"] == before[0].2, "{:?}", exported.files.keys());
    assert_eq!(exported.files.len(), 3);
    program.script().delete(LOGO).await.expect(204);
    program.stop();
    server.pause();
    done(&program, &["restore", "--verify", "-p", "all.zip"]);
    let said = done(&program, &["restore", "-y", "-p", "all.zip"]);
    assert!(said.contains("Pictures are in the database now"), "{said}");
    program.set("FILE_BACKEND", "database");
    program.start().await;
    assert!(shown(&program, &addresses).await == before);
    program.stop();
    // And the export, into the bucket again.
    server.resume().unwrap();
    let had = objects(&server.folder()).len();
    program.set("FILE_BACKEND", "s3");
    let said = done(&program, &["import", "-p", "out.zip", "-y"]);
    assert!(said.contains("3 pictures are in s3"), "{said}");
    assert_eq!(objects(&server.folder()).len(), had + 3);
    program.start().await;
    let again = shown(&program, &addresses).await;
    assert!(again.iter().zip(&before).all(|(now, then)| now.0 == then.0 && now.2 == then.2));
    program.stop();
}

/// What waits to be removed elsewhere, in order.
async fn waiting(program: &Program) -> Vec<String> {
    const KEYS: &str = "SELECT place_key FROM file_removals WHERE place = 'filesystem' ORDER BY place_key";
    if on_postgres() {
        let (client, connection) = tokio_postgres::connect(&program.connection(), tokio_postgres::NoTls).await.unwrap();
        let driver = tokio::spawn(connection);
        let found = client.query(KEYS, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
        drop(client);
        driver.await.unwrap().unwrap();
        found
    } else {
        let conn = rusqlite::Connection::open(program.connection()).unwrap();
        let mut keys = conn.prepare(KEYS).unwrap();
        keys.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }
}

/// A restore leaves no pictures outside that nobody needs, and what it keeps can come back without them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_restore_replaces_goes_outside_too() {
    let mut program = Program::configured().with("FILE_BACKEND", "filesystem");
    program.start().await;
    program.ready().await;
    done(&program, &["backup", "-p", "empty.zip"]);
    let addresses = upload(&program).await;
    let before = shown(&program, &addresses).await;
    // One that waits to be removed already.
    program.script().put_file(LOGO, "logo.png", PNG).await.expect(204);
    program.stop();
    let folder = program.data().join("uploads");
    let mut ours = objects(&folder);
    ours.sort();
    assert_eq!((ours.len(), waiting(&program).await.len()), (4, 1));
    let said = done(&program, &["restore", "-y", "-p", "empty.zip"]);
    assert!(!said.contains("stay where they are"), "{said}");
    assert_eq!(waiting(&program).await, ours, "as with whatever is replaced");
    if on_postgres() {
        return;
    }
    let mut kept = std::fs::read_dir(program.data()).unwrap().map(|entry| entry.unwrap().path());
    let kept = kept.find(|path| path.to_string_lossy().contains("before-restore")).unwrap();
    std::fs::rename(kept, program.connection()).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    program.start().await;
    let again = shown(&program, &addresses).await;
    assert!(again.iter().zip(&before).all(|(now, then)| now.0 == then.0 && now.2 == then.2));
    program.stop();
    // What can't be had stays, and the restore is done all the same.
    done(&program, &["files", "copy"]);
    std::fs::rename(&folder, program.data().join("away")).unwrap();
    let said = done(&program, &["restore", "-y", "-p", "empty.zip"]);
    assert!(said.contains("stay where they are, since what is kept of it needs them: application-images/"), "{said}");
    assert_eq!(waiting(&program).await.len(), 1, "that which waited before");
}
