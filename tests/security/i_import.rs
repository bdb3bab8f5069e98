//! Archives by strangers: whatever is in them, they are read or refused (security case 86).

use std::io::Cursor;
use std::sync::Arc;

use pid_core::progress::Progress;
use pid_core::{Ctx, Seed, Timestamp};
use pid_flows::import::{self, Keys, Report};
use pid_flows::keys::KeySealer;
use pid_jose::Zeroizing;
use pid_store::{Db, Options, Target, WriteTx};
use pid_tests::on_postgres;
use pid_tests::upstream::{KEY, Upstream, installation};
use pid_upstream::{Limits, read_archive};
use serde_json::{Value, json};

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from((self.0 >> 33) % sides as u64).unwrap()
    }

    fn odd_value(&mut self) -> Value {
        let values = [
            Value::Null,
            json!(true),
            json!(0),
            json!(-1),
            json!(i64::MAX),
            json!(1e300),
            json!(""),
            json!("null"),
            json!("\u{0}x\u{0}"),
            json!("x".repeat(70_000)),
            json!("bnVsbA=="),
            json!("W3siYSI6MX1d"),
            json!("e30="),
            json!("9999-12-31T23:59:59Z"),
            json!("0001-01-01T00:00:00Z"),
            json!("\u{202e}\u{1f600}é"),
            json!(["a", null, 1]),
            json!({ "secrets": [{ "alg": "bcrypt", "hash": "$2b$31$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234" }] }),
            json!([[[[[[]]]]]]),
        ];
        values[self.roll(values.len())].clone()
    }

    /// Changes one thing of an installation.
    fn spoil(&mut self, upstream: &mut Upstream) {
        let names: Vec<String> = upstream.tables.keys().cloned().collect();
        let table = &names[self.roll(names.len())];
        let other = upstream.tables[&names[self.roll(names.len())]][0].clone();
        let odd = self.odd_value();
        let rows = upstream.tables[table].as_array_mut().unwrap();
        let at = self.roll(rows.len().max(1));
        match self.roll(9) {
            0 if !rows.is_empty() => rows.push(rows[at].clone()),
            1 if !rows.is_empty() => drop(rows.remove(at)),
            2 if other.is_object() => rows.push(other),
            3 => {
                let named = self.roll(actors_of(upstream).len().max(1));
                if let Some((_, id, fields)) = actors_of(upstream).get_mut(named) {
                    *id = format!("{id}\u{0}");
                    *fields = json!({ "AppName": "x".repeat(5000), "ExpiresAt": "2099-01-01T00:00:00Z", "UsageLimit": -5, "ID": null });
                }
            }
            4 => {
                let path = [
                    "profile-pictures/x.png",
                    "oidc-client-images/app.svg",
                    "application-images/favicon.ico",
                    "oidc-client-images/app-dark-dark.png",
                ];
                let path = path[self.roll(4)];
                if upstream.uploads.iter().all(|(known, _)| known != path) {
                    upstream.uploads.push((path.to_owned(), odd.to_string().into_bytes()));
                }
            }
            _ => {
                if let Some(row) = rows.get_mut(at).and_then(Value::as_object_mut) {
                    let columns: Vec<String> = row.keys().cloned().collect();
                    if let Some(column) = columns.get(self.roll(columns.len().max(1))) {
                        row[column] = odd;
                    }
                }
            }
        }
    }
}

fn actors_of(upstream: &mut Upstream) -> &mut Vec<(String, String, Value)> {
    upstream.actors.get_or_insert_default()
}

/// Rows that mean nothing are left and named; the rest comes. Nothing of it is a fault.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_086_spoiled_archives_come_as_far_as_they_make_sense() {
    let dir = tempfile::tempdir().unwrap();
    let database = on_postgres().then(pid_testkit::postgres::fresh_database);
    let target = database.as_ref().map_or_else(
        || Target::Sqlite(dir.path().join("target.db")),
        |database| Target::Postgres(database.url().to_owned()),
    );
    let now_millis = || 1_790_000_000_000;
    let db = Db::open(&target, Options { connections: 1, now_millis, settings: None }).await.unwrap();
    let (whole, _) = installation("http://localhost:1411");
    let mut dice = Dice(86);
    for round in 0..120_u8 {
        let mut upstream = whole.clone();
        for _ in 0..=dice.roll(8) {
            dice.spoil(&mut upstream);
        }
        let read = read_archive(Cursor::new(upstream.archive()), &Limits::default());
        let data = read.unwrap_or_else(|error| panic!("{round}: {error}"));
        let keys = Keys {
            source: Some(Zeroizing::new(KEY.as_bytes().to_vec())),
            sealer: KeySealer::new(b"0123456789abcdef").unwrap(),
            signup_token_key: [1; 32],
            imported_tokens_key: [2; 32],
            scim_token_key: [3; 32],
        };
        let ctx = Ctx {
            now: Timestamp::from_millis(now_millis()),
            seed: Seed([round; 32]),
            ip_address: String::new(),
            user_agent: String::new(),
            places: Default::default(),
        };
        let mut report = Report::default();
        let Ok(plan) = import::plan(&data, &keys, &ctx, "localhost", &mut report) else { continue };
        let plan = Arc::new(plan);
        let done = db.write(move |tx: &WriteTx<'_>| import::apply(tx, &ctx, &plan, &Progress::default())).await;
        done.unwrap_or_else(|error| panic!("{round}: {error}\n{report}"));
    }
    db.close().await;
}
