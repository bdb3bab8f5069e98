//! The two schemas as the engines themselves describe them.

use std::collections::{BTreeMap, BTreeSet};

use pid_store::{Db, Value};

use crate::Fixture;

/// What a schema says, in words that both engines share.
#[derive(Debug, Default, PartialEq, Eq)]
struct Schema {
    /// `table.column` → type, nullability, default.
    columns: BTreeMap<String, String>,
    /// `table (columns)` of primary keys, unique indexes and others, the last two by name as well.
    indexes: BTreeSet<String>,
    /// `table (columns) → table (columns) on delete`.
    foreign_keys: BTreeSet<String>,
}

async fn rows(db: &Db, sql: &'static str, parameters: Vec<Value>) -> Vec<Vec<String>> {
    let rows = db.read(move |tx| tx.query_dynamic(sql, &parameters)).await.unwrap_or_else(|e| panic!("{e}: {sql}"));
    rows.iter()
        .map(|row| {
            (0..)
                .map_while(|i| match row.get::<Option<String>>(i) {
                    Ok(text) => Some(text.unwrap_or_default()),
                    Err(_) => row.get::<i64>(i).ok().map(|n| n.to_string()),
                })
                .collect()
        })
        .collect()
}

async fn sqlite(db: &Db) -> Schema {
    let mut out = Schema::default();
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'refinery_schema_history'";
    for table in rows(db, tables, vec![]).await {
        let table = &table[0];
        let of = || vec![Value::from(table.as_str())];
        let columns = "SELECT name, type, \"notnull\", dflt_value FROM pragma_table_info($1)";
        for c in rows(db, columns, of()).await {
            let ty = if c[1] == "BLOB" { "BYTEA" } else { &c[1] };
            let null = if c[2] == "1" { "NOT NULL" } else { "NULL" };
            out.columns.insert(format!("{table}.{}", c[0]), format!("{ty} {null} {}", c[3]));
        }
        for index in rows(db, "SELECT name, \"unique\", origin, partial FROM pragma_index_list($1)", of()).await {
            let columns = "SELECT coalesce(name, '') || CASE WHEN \"desc\" = 1 THEN ' DESC' ELSE '' END FROM pragma_index_xinfo($1) WHERE key = 1 ORDER BY seqno";
            let columns = rows(db, columns, vec![Value::from(index[0].as_str())]).await.concat().join(", ");
            assert_eq!(index[3], "0", "{}: partial indexes are not compared", index[0]);
            out.indexes.insert(match (index[2].as_str(), index[1].as_str()) {
                ("pk", _) => format!("{table} ({columns}) primary key"),
                (_, "1") => format!("{table} ({columns}) unique {}", index[0]),
                _ => format!("{table} ({columns}) {}", index[0]),
            });
        }
        let keys = "SELECT \"table\", group_concat(\"from\", ', '), group_concat(\"to\", ', '), on_delete FROM pragma_foreign_key_list($1) GROUP BY id";
        for k in rows(db, keys, of()).await {
            out.foreign_keys.insert(format!("{table} ({}) → {} ({}) {}", k[1], k[0], k[2], k[3]));
        }
    }
    out
}

async fn postgres(db: &Db) -> Schema {
    let mut out = Schema::default();
    let columns = "SELECT table_name::TEXT, column_name::TEXT, data_type::TEXT, is_nullable::TEXT, coalesce(column_default, '')::TEXT \
        FROM information_schema.columns WHERE table_schema = 'public' AND table_name NOT IN ('refinery_schema_history', 'migration_lease')";
    for c in rows(db, columns, vec![]).await {
        let null = if c[3] == "YES" { "NULL" } else { "NOT NULL" };
        // PostgreSQL writes a default as an expression: `'none'::text`, `false`.
        let default = c[4].split("::").next().unwrap_or_default();
        let default = match default {
            "false" => "FALSE",
            "true" => "TRUE",
            other => other,
        };
        out.columns.insert(format!("{}.{}", c[0], c[1]), format!("{} {null} {default}", c[2].to_uppercase()));
    }
    let indexes = "SELECT t.relname::TEXT, i.relname::TEXT, CASE WHEN x.indisprimary THEN 'pk' WHEN x.indisunique THEN '1' ELSE '0' END, \
          (SELECT string_agg(pg_get_indexdef(x.indexrelid, n, true) || CASE WHEN x.indoption[n - 1] & 1 = 1 THEN ' DESC' ELSE '' END, ', ' ORDER BY n) \
           FROM generate_series(1, x.indnkeyatts) AS n), (x.indpred IS NOT NULL)::TEXT \
        FROM pg_index x JOIN pg_class t ON t.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid \
        JOIN pg_namespace s ON s.oid = t.relnamespace \
        WHERE s.nspname = 'public' AND t.relname NOT IN ('refinery_schema_history', 'migration_lease')";
    for i in rows(db, indexes, vec![]).await {
        assert_eq!(i[4], "false", "{}: partial indexes are not compared", i[1]);
        out.indexes.insert(match i[2].as_str() {
            "pk" => format!("{} ({}) primary key", i[0], i[3]),
            "1" => format!("{} ({}) unique {}", i[0], i[3], i[1]),
            _ => format!("{} ({}) {}", i[0], i[3], i[1]),
        });
    }
    let names = "(SELECT string_agg(attname::TEXT, ', ' ORDER BY p.n) FROM unnest(%) WITH ORDINALITY AS p (num, n) JOIN pg_attribute a ON a.attrelid = @ AND a.attnum = p.num)";
    let from = names.replace('%', "c.conkey").replace('@', "c.conrelid");
    let to = names.replace('%', "c.confkey").replace('@', "c.confrelid");
    let keys = format!(
        "SELECT c.conrelid::regclass::TEXT, {from}, c.confrelid::regclass::TEXT, {to}, \
           CASE c.confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL' WHEN 'r' THEN 'RESTRICT' ELSE 'NO ACTION' END \
         FROM pg_constraint c WHERE c.contype = 'f'"
    );
    for k in rows(db, Box::leak(keys.into_boxed_str()), vec![]).await {
        out.foreign_keys.insert(format!("{} ({}) → {} ({}) {}", k[0], k[1], k[2], k[3], k[4]));
    }
    out
}

#[tokio::test(flavor = "multi_thread")]
async fn the_two_schemas_are_one() {
    let ours = sqlite(&Fixture::sqlite().await.db).await;
    assert!(ours.columns.len() > 150 && ours.indexes.len() > 50 && ours.foreign_keys.len() > 20, "{ours:#?}");
    assert_eq!(ours.columns["users.email"], "TEXT NULL ");
    assert_eq!(ours.columns["passkeys.credential_id"], "BYTEA NOT NULL ");
    assert!(ours.indexes.contains("user_group_members (user_id, group_id) primary key"), "{:#?}", ours.indexes);
    assert!(ours.foreign_keys.contains("passkeys (user_id) → users (id) CASCADE"), "{:#?}", ours.foreign_keys);
    let Some(fixture) = Fixture::postgres().await else { return };
    let theirs = postgres(&fixture.db).await;
    assert_eq!(ours.columns, theirs.columns);
    assert_eq!(ours.indexes, theirs.indexes);
    assert_eq!(ours.foreign_keys, theirs.foreign_keys);
}

/// Deleting a row asks every table that refers to it: without an index each deletion would read whole tables.
#[tokio::test]
async fn every_foreign_key_has_an_index() {
    let schema = sqlite(&Fixture::sqlite().await.db).await;
    for key in &schema.foreign_keys {
        let columns = key.split(')').next().unwrap();
        let found = schema
            .indexes
            .iter()
            .any(|i| i.strip_prefix(columns).is_some_and(|rest| rest.starts_with(')') || rest.starts_with(',')));
        assert!(found, "no index for {key}");
    }
}

/// What must stay flat to 100,000 people and a million audit entries reads by index. Whole tables are read where they are
/// small by their nature, and by what runs rarely: each such statement is named here with its reason.
#[tokio::test]
async fn no_statement_reads_a_large_table_whole() {
    const SMALL: [&str; 11] = [
        "instance",
        "settings",
        "versions",
        "leases",
        "signing_keys",
        "apis",
        "audit_ranges",
        "scim_providers",
        "scim_changes",
        "ldap_runs",
        "declared",
    ];
    // What recursive queries have made themselves.
    const MADE: [&str; 2] = ["names", "people"];
    const RARE: [(&str, &str); 18] = [
        ("SELECT place, count(*) FROM files GROUP BY place", "somebody looks for what is wrong"),
        ("SELECT id, name FROM clients ORDER BY id LIMIT", "a client id is unknown; at most once a second"),
        ("SELECT clients.name FROM client_secrets JOIN clients", "a secret is wrong; at most a few times a second"),
        ("SELECT id, username, first_name, last_name", "a client that everybody may enter is provisioned"),
        ("SELECT id, name, friendly_name FROM user_groups", "the same of groups"),
        ("SELECT 1 FROM users WHERE id <> $1 LIMIT 1", "the first row answers"),
        ("SELECT 1 FROM users WHERE id <> $1 AND id <> $2 AND is_admin", "an administrator is demoted or removed"),
        ("SELECT id FROM users WHERE id <> $1 AND is_admin", "a dry run of a synchronisation with a directory begins"),
        ("SELECT DISTINCT users.username FROM passkeys", "a start, once"),
        ("SELECT id, username, display_name, is_admin, count(*) OVER ()", "an administrator tries a policy"),
        ("SELECT 1 FROM client_secrets WHERE algorithm", "settings or keys have changed; clients are few"),
        ("SELECT key, count(*) AS uses", "an administrator types a claim's name"),
        (
            "SELECT created_at FROM audit_logs ORDER BY created_at DESC, id DESC LIMIT 1",
            "the first line of an index answers",
        ),
        ("SELECT created_at FROM audit_logs ORDER BY created_at DESC LIMIT 1 OFFSET", "a search ends where it says"),
        ("DELETE FROM audit_counts WHERE n IS NOT NULL", "an import"),
        ("SELECT count(*), min(created_at) FROM outbox", "Prometheus asks"),
        ("SELECT users.ldap_id, ldap_pictures.source", "pictures are taken over from the directory"),
        (
            "SELECT clients.id, clients.name, clients.is_group_restricted, proxied_clients",
            "somebody makes an app password",
        ),
    ];
    let fixture = Fixture::sqlite().await;
    let (mut rare, mut unnamed) = (BTreeSet::new(), Vec::new());
    let moving: BTreeSet<&str> = pid_store::moving_statements().iter().map(|statement| statement.sql()).collect();
    for statement in pid_store::all_statements().into_iter().filter(|statement| !moving.contains(statement.sql())) {
        let sql = format!("EXPLAIN QUERY PLAN {}", statement.sql());
        let number = |after: &str| after.chars().map_while(|c| c.to_digit(10)).fold(0, |n, d| n * 10 + d as usize);
        let nulls = vec![Value::Null; statement.sql().split('$').skip(1).map(number).max().unwrap_or(0)];
        let plan = fixture.db.read(move |tx| tx.query_dynamic(&sql, &nulls)).await;
        for row in plan.unwrap_or_else(|e| panic!("{e}: {}", statement.sql())) {
            let step: String = row.get(3).unwrap();
            let Some(table) = step.strip_prefix("SCAN ").and_then(|s| s.split(' ').next()) else { continue };
            // `SELECT 1 WHERE …` scans the one row that it makes itself.
            if SMALL.contains(&table) || MADE.contains(&table) || step == "SCAN CONSTANT ROW" {
                continue;
            }
            let reason = RARE.iter().find(|(begins, _)| statement.sql().starts_with(begins));
            match reason {
                Some((begins, _)) => _ = rare.insert(*begins),
                None => unnamed.push(format!("{step}: {}", statement.sql())),
            }
        }
    }
    assert!(unnamed.is_empty(), "{}", unnamed.join("\n"));
    assert_eq!(rare.len(), RARE.len(), "some are not read whole any more: {rare:?}");
}

/// An import begins by removing everything: each table is emptied, hangs on one that is, or is kept for a reason.
#[tokio::test]
async fn an_import_leaves_no_table_full() {
    use pid_store::import::{CLEARED, KEPT};
    let schema = sqlite(&Fixture::sqlite().await.db).await;
    let tables: BTreeSet<&str> = schema.columns.keys().filter_map(|column| column.split('.').next()).collect();
    let (columns, keys) = (&schema.columns, &schema.foreign_keys);
    let hangs_on = |table: &str, emptied: &BTreeSet<String>| {
        keys.iter().any(|key| {
            let Some((from, to)) = key.split_once(" → ") else { return false };
            let column = from.strip_prefix(table).and_then(|rest| rest.strip_prefix(" (")?.strip_suffix(')'));
            let always = column.is_some_and(|column| columns[&format!("{table}.{column}")].contains("NOT NULL"));
            always && to.ends_with("CASCADE") && to.split(' ').next().is_some_and(|on| emptied.contains(on))
        })
    };
    let mut emptied: BTreeSet<String> = CLEARED.iter().map(|table| (*table).to_owned()).collect();
    loop {
        let more: Vec<&str> =
            tables.iter().copied().filter(|table| !emptied.contains(*table) && hangs_on(table, &emptied)).collect();
        if more.is_empty() {
            break;
        }
        emptied.extend(more.into_iter().map(str::to_owned));
    }
    let full: Vec<&&str> = tables.iter().filter(|table| !emptied.contains(**table) && !KEPT.contains(table)).collect();
    assert!(full.is_empty(), "name them in CLEARED or KEPT of store/src/import.rs: {full:?}");
    assert!(CLEARED.iter().all(|table| tables.contains(table)));
}
