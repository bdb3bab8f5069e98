//! Data of Pocket ID, made as that program makes it: export archives, SQLite files, passkeys, keys and tokens. Written apart
//! from what reads them, so that a misreading shows.

mod installation;

use std::io::{Cursor, Write as _};

use aws_lc_rs::digest::{Context, SHA512_256};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use base64::{Engine as _, engine::general_purpose::STANDARD, engine::general_purpose::URL_SAFE_NO_PAD};
use pid_jose::{Alg, SigningKey, to_private_jwk};
use pid_testkit::authenticator::SoftAuthenticator;
use serde_json::{Map, Value, json};
use zip::write::SimpleFileOptions;

pub use installation::{ANN, BOB, FAR_AWAY, KEY, LONG_AGO, TEAM, client, installation, sha256_hex, user};

/// All of it, to be written as an archive or a database.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// The schema's version.
    pub version: u64,
    /// Rows by table. Values are those of the archive: moments as RFC 3339, bytes and JSON as base64.
    pub tables: Map<String, Value>,
    /// States of actors: kind, id, fields. Fields whose names end in `At` are moments. `None`: no `francis.bin`.
    pub actors: Option<Vec<(String, String, Value)>>,
    /// Files by path below `uploads/`.
    pub uploads: Vec<(String, Vec<u8>)>,
}

impl Default for Upstream {
    fn default() -> Self {
        Self { version: 20_260_814_120_000, tables: Map::new(), actors: Some(Vec::new()), uploads: Vec::new() }
    }
}

/// A JSON column.
#[must_use]
pub fn column(value: &Value) -> Value {
    json!(STANDARD.encode(value.to_string()))
}

impl Upstream {
    /// Adds a row.
    #[must_use]
    pub fn row(mut self, table: &str, row: Value) -> Self {
        self.tables.entry(table).or_insert_with(|| json!([])).as_array_mut().expect("rows").push(row);
        self
    }

    /// Adds the state of an actor.
    #[must_use]
    pub fn actor(mut self, kind: &str, id: &str, fields: Value) -> Self {
        self.actors.get_or_insert_default().push((kind.to_owned(), id.to_owned(), fields));
        self
    }

    /// Adds a file.
    #[must_use]
    pub fn upload(mut self, path: &str, content: &[u8]) -> Self {
        self.uploads.push((path.to_owned(), content.to_vec()));
        self
    }

    /// `database.json`.
    #[must_use]
    pub fn database(&self) -> String {
        let order = ["users", "user_groups", "oidc_clients", "oauth2_sessions", "signup_tokens", "apis"];
        json!({ "provider": "sqlite", "version": self.version, "tables": self.tables, "tableOrder": order }).to_string()
    }

    /// The archive.
    #[must_use]
    pub fn archive(&self) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        let mut add = |name: &str, content: &[u8]| {
            zip.start_file(name, SimpleFileOptions::default()).expect("an entry");
            zip.write_all(content).expect("its content");
        };
        add("database.json", self.database().as_bytes());
        if let Some(actors) = &self.actors {
            add("francis.bin", &francis(actors));
        }
        for (path, content) in &self.uploads {
            add(&format!("uploads/{path}"), content);
        }
        zip.finish().expect("an archive").into_inner()
    }

    /// Makes the tables and rows in an SQLite file: moments as Unix seconds, flags as numbers, bytes and JSON as bytes.
    ///
    /// # Panics
    /// If a statement fails.
    pub fn fill_sqlite(&self, conn: &rusqlite::Connection) {
        use rusqlite::types::Value as Sql;
        let is_bytes = |table: &str, name: &str| {
            matches!(pid_upstream::kind(table, name), Some(pid_upstream::Kind::Bytes | pid_upstream::Kind::Json))
        };
        for (table, rows) in &self.tables {
            let rows = rows.as_array().expect("rows");
            let mut columns: Vec<&String> =
                rows.iter().flat_map(|row| row.as_object().expect("a row").keys()).collect();
            columns.sort();
            columns.dedup();
            let quoted: Vec<String> = columns.iter().map(|name| format!("\"{name}\"")).collect();
            conn.execute_batch(&format!("CREATE TABLE {table} ({})", quoted.join(", "))).expect("a table");
            let places = vec!["?"; columns.len()].join(", ");
            for row in rows {
                let values = columns.iter().map(|name| match &row[name.as_str()] {
                    Value::Null => Sql::Null,
                    Value::Bool(flag) => Sql::Integer(i64::from(*flag)),
                    Value::Number(n) => Sql::Integer(n.as_i64().expect("a whole number")),
                    Value::String(text) if is_bytes(table, name) => Sql::Blob(STANDARD.decode(text).expect("base64")),
                    Value::String(text) => match pid_core::Timestamp::parse_rfc3339(text) {
                        Some(at) => Sql::Integer(at.secs()),
                        None => Sql::Text(text.clone()),
                    },
                    other => panic!("{other}"),
                });
                conn.execute(&format!("INSERT INTO {table} VALUES ({places})"), rusqlite::params_from_iter(values))
                    .expect("a row");
            }
        }
        if let Some(actors) = &self.actors {
            conn.execute_batch("CREATE TABLE francis_actor_state (actor_type, actor_id, actor_state_data, actor_state_expiration_time)")
                .expect("a table");
            for (kind, id, fields) in actors {
                conn.execute("INSERT INTO francis_actor_state VALUES (?1, ?2, ?3, NULL)", (kind, id, state(fields)))
                    .expect("a row");
            }
        }
    }

    /// A script that makes the tables and rows in PostgreSQL, with the types of columns that they have there.
    ///
    /// # Panics
    /// If a value has not the form of the archive.
    #[must_use]
    pub fn postgres_script(&self) -> String {
        use pid_upstream::Kind;
        let hex = |bytes: &[u8]| format!("\\x{}", bytes.iter().map(|b| format!("{b:02x}")).collect::<String>());
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
        let mut out = format!(
            "CREATE TABLE schema_migrations (version BIGINT, dirty BOOLEAN); INSERT INTO schema_migrations VALUES ({}, false);",
            self.version
        );
        for (table, columns) in pid_upstream::TABLES {
            let columns = columns.iter().map(|(name, kind)| {
                let of = match kind {
                    Kind::Text => "TEXT",
                    Kind::Flag => "BOOLEAN",
                    Kind::Int => "BIGINT",
                    Kind::Time => "TIMESTAMPTZ",
                    Kind::Bytes => "BYTEA",
                    Kind::Json => "JSONB",
                };
                format!("\"{name}\" {of}")
            });
            out.push_str(&format!("CREATE TABLE {table} ({});", columns.collect::<Vec<_>>().join(", ")));
        }
        for (table, rows) in &self.tables {
            for row in rows.as_array().expect("rows") {
                let mut row = row.as_object().expect("a row").clone();
                for (name, value) in &mut row {
                    let decoded = value.as_str().and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
                    match pid_upstream::kind(table, name) {
                        Some(Kind::Bytes) => *value = json!(hex(&decoded)),
                        Some(Kind::Json) => *value = serde_json::from_slice(&decoded).expect("JSON"),
                        _ => {}
                    }
                }
                let row = quoted(&Value::Object(row).to_string());
                out.push_str(&format!("INSERT INTO {table} SELECT * FROM json_populate_record(NULL::{table}, {row});"));
            }
        }
        out.push_str("CREATE TABLE francis_actor_state (actor_type TEXT, actor_id TEXT, actor_state_data BYTEA, actor_state_expiration_time TIMESTAMP);");
        for (kind, id, fields) in self.actors.iter().flatten() {
            let state = quoted(&hex(&state(fields)));
            out.push_str(&format!("INSERT INTO francis_actor_state VALUES ('{kind}', '{id}', {state}, NULL);"));
        }
        out
    }
}

/// Moments are extensions of type −1, here in their form of 12 bytes.
fn moment(text: &str) -> rmpv::Value {
    let secs = pid_core::Timestamp::parse_rfc3339(text).expect("a moment").secs();
    rmpv::Value::Ext(-1, [&[0; 4][..], &secs.to_be_bytes()].concat())
}

fn packed(name: &str, value: &Value) -> rmpv::Value {
    match value {
        Value::String(text) if name.ends_with("At") => moment(text),
        Value::String(text) => text.as_str().into(),
        Value::Number(n) => n.as_i64().expect("a whole number").into(),
        Value::Array(list) => rmpv::Value::Array(list.iter().map(|item| packed("", item)).collect()),
        Value::Bool(flag) => (*flag).into(),
        _ => rmpv::Value::Nil,
    }
}

/// The state of an actor.
fn state(fields: &Value) -> Vec<u8> {
    let fields = fields.as_object().expect("fields");
    let fields = rmpv::Value::Map(fields.iter().map(|(k, v)| (k.as_str().into(), packed(k, v))).collect());
    let mut data = Vec::new();
    rmpv::encode::write_value(&mut data, &fields).expect("written");
    data
}

fn francis(actors: &[(String, String, Value)]) -> Vec<u8> {
    let map = |entries: Vec<(&str, rmpv::Value)>| {
        rmpv::Value::Map(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())
    };
    let mut out = Vec::new();
    let mut put = |value: rmpv::Value| rmpv::encode::write_value(&mut out, &value).expect("written");
    let created = moment("2026-08-20T00:00:00Z");
    put(map(vec![("format", "francis-backup".into()), ("version", 1.into()), ("createdAt", created)]));
    for (kind, id, fields) in actors {
        let state_ = map(vec![
            ("actorType", kind.as_str().into()),
            ("actorId", id.as_str().into()),
            ("data", rmpv::Value::Binary(state(fields))),
        ]);
        put(map(vec![("type", "state".into()), ("state", state_)]));
    }
    put(map(vec![("type", "alarm".into()), ("alarm", map(vec![("id", "a".into()), ("name", "run".into())]))]));
    out
}

/// A signing key sealed as in `kv.jwt_private_key.json`.
#[must_use]
pub fn sealed_key(encryption_key: &str, instance_id: &str, alg: Alg, kid: &str) -> String {
    let (_, pkcs8) = SigningKey::generate(alg, kid).expect("a key");
    let jwk = to_private_jwk(alg, kid, &pkcs8).expect("a JWK");
    pid_upstream::keys::seal_signing_key(encryption_key.as_bytes(), instance_id, &jwk).expect("sealed")
}

/// A software authenticator with a passkey of a person, and the person's row in `webauthn_credentials`.
#[must_use]
pub fn soft_passkey(user_id: &str, row_id: &str, app_url: &str) -> (SoftAuthenticator, Value) {
    let mut passkey = SoftAuthenticator::new(-7);
    passkey.backup_eligible(true).backup_state(true);
    let host = url::Url::parse(app_url).expect("a URL").host_str().expect("a host").to_owned();
    let options = json!({
        "challenge": URL_SAFE_NO_PAD.encode([7; 32]),
        "rp": { "id": host, "name": "there" },
        "user": { "id": URL_SAFE_NO_PAD.encode(user_id), "name": "x", "displayName": "x" },
        "pubKeyCredParams": [{ "type": "public-key", "alg": -7 }],
    });
    let made = passkey.register(&options, app_url);
    let data = URL_SAFE_NO_PAD.decode(made["response"]["authenticatorData"].as_str().expect("data")).expect("base64");
    // After hash, flags, counter and AAGUID: the length of the id, the id, the key.
    let length = usize::from(data[53]) << 8 | usize::from(data[54]);
    let row = json!({
        "id": row_id,
        "created_at": "2026-01-02T03:04:05Z",
        "name": "Laptop",
        "credential_id": STANDARD.encode(&data[55..55 + length]),
        "public_key": STANDARD.encode(&data[55 + length..]),
        "attestation_type": "none",
        "transport": column(&json!(["internal", "hybrid"])),
        "user_id": user_id,
        "backup_eligible": true,
        "backup_state": true,
    });
    (passkey, row)
}

struct Len32;

impl KeyType for Len32 {
    fn len(&self) -> usize {
        32
    }
}

/// A refresh token as that program makes it: the token, and the part of it that is stored.
#[must_use]
pub fn refresh_token(encryption_key: &str, random: [u8; 32]) -> (String, String) {
    let mut secret = [0; 32];
    let prk = Salt::new(HKDF_SHA256, &[]).extract(encryption_key.as_bytes());
    prk.expand(&[b"pocketid/fosite_global_secret"], Len32).and_then(|okm| okm.fill(&mut secret)).expect("derived");
    // HMAC (RFC 2104) by SHA-512/256, whose block has 128 bytes.
    let mut key = [0; 128];
    key[..32].copy_from_slice(&secret);
    let hash = |pad: u8, message: &[u8]| {
        let mut context = Context::new(&SHA512_256);
        context.update(&key.map(|byte| byte ^ pad));
        context.update(message);
        context.finish()
    };
    let tag = hash(0x5c, hash(0x36, &random).as_ref());
    let signature = URL_SAFE_NO_PAD.encode(tag.as_ref());
    (format!("pocket_id_rt_{}.{signature}", URL_SAFE_NO_PAD.encode(random)), signature)
}
