//! What the parts cost on this machine, one core, without anything of ours around them. CPU milliseconds each.

use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair,
};
use pid_testkit::process::{Process, free_port};
use rusqlite::Connection;
use serde::Serialize;

use crate::Result;
use crate::load::CONNECTIONS;
use crate::server::Home;
use crate::usage::{cpu_ms, thread_cpu_ms};
use crate::wire::Wire;

/// Each is measured this long.
const TIME: Duration = Duration::from_millis(400);
/// About the size of what a token's signature covers.
const MESSAGE: [u8; 700] = [b'x'; 700];

/// The limits.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Limits {
    /// An RS256 signature, 2048 bits.
    pub sign_rs256: f64,
    /// An ES256 signature.
    pub sign_es256: f64,
    /// An Ed25519 signature.
    pub sign_eddsa: f64,
    /// Verifying RS256.
    pub verify_rs256: f64,
    /// Verifying ES256.
    pub verify_es256: f64,
    /// A point select, statement prepared.
    pub select: f64,
    /// A transaction of one select and two inserts, a savepoint each, grouped by the number of connections into one
    /// commit with `synchronous=FULL`.
    pub write: f64,
    /// A request that hyper answers with "hello".
    pub hello: f64,
}

/// Measures all of them.
pub async fn measure(home: &Home) -> Result<Limits> {
    let random = SystemRandom::new();
    let mut limits = Limits::default();

    let rsa = RsaKeyPair::generate(KeySize::Rsa2048)?;
    let mut signature = vec![0; rsa.public_modulus_len()];
    limits.sign_rs256 = cost(|| Ok(rsa.sign(&RSA_PKCS1_SHA256, &random, &MESSAGE, &mut signature)?))?;
    let public = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, rsa.public_key().as_ref())?;
    limits.verify_rs256 = cost(|| Ok(public.verify_sig(&MESSAGE, &signature)?))?;

    let ec = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)?;
    let signature = ec.sign(&random, &MESSAGE)?;
    limits.sign_es256 = cost(|| Ok(ec.sign(&random, &MESSAGE)?))?;
    let public = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, ec.public_key().as_ref())?;
    limits.verify_es256 = cost(|| Ok(public.verify_sig(&MESSAGE, signature.as_ref())?))?;

    let ed = Ed25519KeyPair::generate()?;
    limits.sign_eddsa = cost(|| Ok(ed.sign(&MESSAGE)))?;

    (limits.select, limits.write) = database(&home.dir().join("limits.db"))?;
    limits.hello = hello(home).await?;
    Ok(limits)
}

/// CPU milliseconds of one call.
fn cost<T>(mut work: impl FnMut() -> Result<T>) -> Result<f64> {
    work()?;
    let (began, cpu, mut calls) = (Instant::now(), thread_cpu_ms()?, 0);
    while began.elapsed() < TIME {
        black_box(work()?);
        calls += 1;
    }
    Ok((thread_cpu_ms()? - cpu) / f64::from(calls))
}

/// A point select and a grouped write.
fn database(path: &Path) -> Result<(f64, f64)> {
    let conn = Connection::open(path)?;
    conn.pragma_update(None, "journal_mode", "WAL")?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.execute_batch(
        "CREATE TABLE a (id INTEGER PRIMARY KEY, b TEXT); CREATE TABLE c (id TEXT PRIMARY KEY, d TEXT)",
    )?;
    conn.execute_batch(
        "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 1000) \
         INSERT INTO a SELECT i, hex(randomblob(50)) FROM n",
    )?;
    let mut id = 0;
    let mut select = || -> Result<()> {
        id = id % 1000 + 1;
        let _: String = conn.prepare_cached("SELECT b FROM a WHERE id = ?1")?.query_row([id], |row| row.get(0))?;
        Ok(())
    };
    let select_cost = cost(|| (0..100).try_for_each(|_| select()))? / 100.0;
    let run = |sql: &str| -> Result<()> {
        conn.prepare_cached(sql)?.execute([])?;
        Ok(())
    };
    let write_cost = cost(|| {
        run("BEGIN IMMEDIATE")?;
        for _ in 0..CONNECTIONS {
            run("SAVEPOINT job")?;
            select()?;
            for _ in 0..2 {
                run("INSERT INTO c VALUES (hex(randomblob(16)), hex(randomblob(50)))")?;
            }
            run("RELEASE job")?;
        }
        run("COMMIT")
    })?;
    Ok((select_cost, write_cost / CONNECTIONS as f64))
}

/// A request to the smallest server there is.
async fn hello(home: &Home) -> Result<f64> {
    let port = free_port()?;
    let mut command = Command::new(std::env::current_exe()?);
    let mut process = Process::spawn(command.args(["hello", &port.to_string()]), home.dir().join("hello.log"))?;
    let address = (std::net::Ipv4Addr::LOCALHOST, port).into();
    process.wait_for_port(address, Duration::from_secs(10))?;
    let mut wires = Vec::new();
    for _ in 0..CONNECTIONS {
        wires.push(Wire::open(address).await?);
    }
    let cpu = cpu_ms(process.id())?;
    let end = Instant::now() + TIME * 4;
    let mut tasks = tokio::task::JoinSet::new();
    for mut wire in wires {
        tasks.spawn(async move {
            let mut requests = 0_u32;
            while Instant::now() < end {
                let request = http::Request::get("/").header("host", "localhost").body(Default::default())?;
                wire.send(request).await?.expect(200)?;
                requests += 1;
            }
            Result::Ok(requests)
        });
    }
    let mut requests = 0;
    while let Some(done) = tasks.join_next().await {
        requests += done??;
    }
    Ok((cpu_ms(process.id())? - cpu) / f64::from(requests))
}
