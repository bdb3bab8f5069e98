//! TLS to PostgreSQL: what each `sslmode` demands, against a real server that takes nothing else.

use pid_store::{Db, OpenError, Target};
use pid_testkit::postgres_tls::TlsPostgres;

use crate::options;

async fn open(url: String) -> Result<(), OpenError> {
    let db = Db::open(&Target::Postgres(url), options()).await?;
    db.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_mode_checks_what_it_says() {
    let server = TlsPostgres::start().unwrap();
    let with = |file: std::path::PathBuf, mode: &str| format!("sslmode={mode}&sslrootcert={}", file.display());
    let ours = |mode| with(server.authority(), mode);
    let theirs = |mode| with(server.another_authority(), mode);
    for (host, parameters) in [
        ("127.0.0.1", String::new()),
        ("127.0.0.1", "sslmode=prefer".to_owned()),
        ("127.0.0.1", "sslmode=require".to_owned()),
        ("127.0.0.1", ours("require")),
        ("127.0.0.1", ours("verify-ca")),
        ("localhost", ours("verify-full")),
        ("localhost", format!("{}&prepare=false&connect_timeout=20", ours("verify-full"))),
    ] {
        open(server.url(host, &parameters)).await.unwrap_or_else(|e| panic!("{host} {parameters}: {e}"));
    }
    for (host, parameters, why) in [
        // The certificate is for localhost.
        ("127.0.0.1", ours("verify-full"), "certificate"),
        ("localhost", theirs("verify-full"), "certificate"),
        ("127.0.0.1", theirs("verify-ca"), "certificate"),
        ("127.0.0.1", theirs("require"), "certificate"),
        ("localhost", "sslmode=verify-full&sslrootcert=system".to_owned(), "certificate"),
        ("127.0.0.1", "sslmode=disable".to_owned(), "pg_hba.conf"),
    ] {
        let error = open(server.url(host, &parameters)).await.unwrap_err().to_string();
        assert!(error.contains(why), "{host} {parameters}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
