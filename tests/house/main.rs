//! The shape of the workspace itself, read from its manifests: which crate may know which, and what may not be in the tree.
#![allow(clippy::expect_used, reason = "a test may stop with a panic")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use toml::{Table, Value};

/// The layers of `ARCHITECTURE.md`, top to bottom. Crates of one layer do not know each other.
const LAYERS: &[&[&str]] = &[
    &["pocket-id"],
    &["pid-jobs"],
    &["pid-http"],
    &["pid-flows"],
    &["pid-store", "pid-integrations", "pid-upstream"],
    &["pid-oidc", "pid-webauthn"],
    &["pid-jose"],
    &["pid-core"],
];

/// Crates for tests: a product crate may name them under `[dev-dependencies]` alone.
const FOR_TESTS: &[&str] = &["pid-testkit", "pid-tests"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> Table {
    let text = std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
    text.parse().unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// The manifests of the product's crates by package name.
fn manifests() -> BTreeMap<String, Table> {
    let folders = std::fs::read_dir(root().join("crates")).expect("crates/");
    folders
        .map(|folder| {
            let folder = folder.expect("an entry of crates/").file_name().into_string().expect("a name in UTF-8");
            let manifest = read(&format!("crates/{folder}/Cargo.toml"));
            (manifest["package"]["name"].as_str().expect("a name").to_owned(), manifest)
        })
        .collect()
}

/// The project's own crates under one table of a manifest.
fn own<'a>(manifest: &'a Table, table: &str, crates: &BTreeMap<String, Table>) -> Vec<&'a str> {
    let names = manifest.get(table).and_then(Value::as_table).into_iter().flat_map(Table::keys);
    names.map(String::as_str).filter(|n| crates.contains_key(*n) || FOR_TESTS.contains(n)).collect()
}

fn layer(name: &str) -> usize {
    LAYERS.iter().position(|l| l.contains(&name)).unwrap_or_else(|| panic!("{name} stands in no layer: name it here"))
}

#[test]
fn arrows_point_downwards() {
    let crates = manifests();
    for (name, manifest) in crates.iter().filter(|(name, _)| !FOR_TESTS.contains(&name.as_str())) {
        for table in ["dependencies", "build-dependencies"] {
            for below in own(manifest, table, &crates) {
                assert!(
                    !FOR_TESTS.contains(&below),
                    "{name}: {below} is for tests, so it belongs to [dev-dependencies]"
                );
                assert!(
                    layer(below) > layer(name),
                    "{name} may not know {below}: it stands no lower (ARCHITECTURE.md)"
                );
            }
        }
    }
    let testkit = &crates["pid-testkit"];
    assert_eq!(
        own(testkit, "dependencies", &crates),
        ["pid-core"],
        "testkit knows the server by its wire, not by its parts"
    );
    for name in LAYERS.iter().flat_map(|l| l.iter()) {
        assert!(crates.contains_key(*name), "{name} is gone: take it from the layers");
    }
}

#[test]
fn nothing_that_is_banned_is_in_the_product() {
    let bans = read("deny.toml");
    let bans = bans["bans"]["deny"].as_array().expect("a list").iter();
    let banned: Vec<&str> = bans.map(|ban| ban["crate"].as_str().expect("a crate's name")).collect();
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--package", "pocket-id", "--edges", "normal,build", "--prefix", "none"])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).expect("text");
    let names: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.contains(&"aws-lc-rs") && !banned.is_empty());
    for name in names {
        assert!(
            !banned.contains(&name),
            "{name} is banned in deny.toml, but something brought it: cargo tree -i {name}"
        );
    }
}

/// What is stored under a key that is derived from the encryption key has to be sealed anew when that changes.
#[test]
fn every_purpose_of_the_encryption_key_is_known_to_its_rotation() {
    // Of these nothing is stored that would have to be opened again.
    const NOT_STORED: [&str; 5] = ["key-check", "refresh-tokens", "disown-links", "dpop-nonces", "test"];
    let rotation = std::fs::read_to_string(root().join("crates/flows/src/encryption_key.rs")).expect("the rotation");
    let mut folders = vec![root().join("crates")];
    let mut purposes = std::collections::BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).expect("source");
                for (at, call) in text.match_indices("derive(") {
                    let arguments = text[at + call.len()..].split(')').next().unwrap_or_default();
                    let purpose =
                        arguments.split_once("encryption_key, \"").and_then(|(_, rest)| rest.split('"').next());
                    purposes.extend(purpose.map(str::to_owned));
                }
            }
        }
    }
    assert!(purposes.len() >= 8, "{purposes:?}");
    // Those of Pocket ID are of its own data.
    let is_ours = |purpose: &&String| !purpose.starts_with("pocketid/") && !NOT_STORED.contains(&purpose.as_str());
    for purpose in purposes.iter().filter(is_ours) {
        assert!(
            rotation.contains(&format!("of(\"{purpose}\")")),
            "{purpose}: seal it anew in crates/flows/src/encryption_key.rs"
        );
    }
}

/// Files of a folder below `crates/` with their text, by their paths there; what tests they have is left out.
fn sources(folder: &str) -> BTreeMap<String, String> {
    let base = root().join("crates").join(folder);
    let (mut folders, mut found) = (vec![base.clone()], BTreeMap::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = std::fs::read_to_string(&path).expect("source");
                let text = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
                let name = path.strip_prefix(&base).expect("below it").to_string_lossy().into_owned();
                found.insert(name, text);
            }
        }
    }
    found
}

/// Public functions of a text with their parameters.
fn functions(text: &str) -> Vec<(&str, &str)> {
    let mut all = Vec::new();
    for (at, _) in text.match_indices("pub fn ") {
        let rest = &text[at + "pub fn ".len()..];
        let (Some(open), name) = (rest.find('('), rest.split(['(', '<']).next().unwrap_or_default()) else { continue };
        let mut depth = 0_usize;
        let end = rest[open..].char_indices().find(|(_, c)| {
            depth = match c {
                '(' => depth + 1,
                ')' => depth - 1,
                _ => depth,
            };
            depth == 0
        });
        all.push((name, &rest[open..open + end.map_or(0, |(end, _)| end)]));
    }
    all
}

/// Nobody changes anything without having been checked: every use case that writes asks for a value that only a check in the
/// same transaction gives (`flows/access.rs`, `flows/roles.rs`), or is named here with what stands in its place. So a handler
/// that lacks a check does not compile, and neither the API nor pages reach the store by themselves.
#[test]
fn whoever_changes_something_was_checked() {
    const PERMISSIONS: [&str; 10] = [
        "Admin",
        "SignedIn",
        "SessionUser",
        "MayEnrol",
        "ReadsAll",
        "ReadsPeople",
        "ManagesPeople",
        "ManagedUser",
        "ManagedGroup",
        "Credentials",
    ];
    const OTHERS: [(&str, &[&str]); 4] = [
        (
            "a step of a protocol or of signing in, which checks what it is given itself",
            &[
                "authorize.rs act",
                "authorize.rs deny",
                "client_auth.rs use_up",
                "client_auth.rs use_up_proof",
                "client_auth.rs count_failure",
                "device.rs begin",
                "device_login.rs create",
                "device_login.rs exchange",
                "disown.rs act",
                "email_verification.rs disown",
                "end_session.rs sign_out",
                "forward_auth/hand_over.rs redeem",
                "interaction.rs complete",
                "login_codes.rs mail_on_request",
                "login_codes.rs exchange",
                "par.rs push",
                "passkeys.rs login_start",
                "passkeys.rs login_finish",
                "revoke.rs revoke",
                "setup.rs complete",
                "signup.rs sign_up",
                "token/mod.rs exchange",
            ],
        ),
        (
            "a job, or the start of the server",
            &[
                "api_keys.rs tell_of_expiry",
                "audit.rs end_quotas",
                "audit_stream.rs begin",
                "audit_stream.rs record",
                "encryption_key.rs reseal",
                "keys.rs store_first",
                "ldap/groups.rs set_members",
                "ldap/runs.rs beat",
                "ldap/runs.rs progress",
                "ldap/runs.rs end",
                "ldap/runs.rs put_names",
                "outbox.rs begin",
                "outbox.rs record",
                "scim/run.rs tell_of_changes",
                "scim/run.rs let_go",
                "scim/run.rs claim",
                "scim/run.rs remember",
                "scim/run.rs finish",
                "signup.rs forget_unproven",
                "users.rs create_static_api_user",
            ],
        ),
        (
            "the command line, or a file of the server's own machine",
            &[
                "declared/apply.rs apply",
                "import/mod.rs apply",
                "login_codes.rs create_by_cli",
                "restore.rs end_what_was_live",
            ],
        ),
        (
            "a part of use cases, which were checked",
            &[
                "diagnosis/mod.rs keep",
                "audit.rs record",
                "audit.rs failed",
                "budget.rs fail",
                "email_verification.rs request",
                "sessions.rs begin",
                "sessions.rs renew",
                "sign_out.rs session",
                "sign_out.rs disowned",
                "sign_out.rs everywhere",
                "sign_out.rs user",
                "sign_out.rs client",
                "sign_out.rs app",
                "sign_out.rs lost_by_user",
                "sign_out.rs lost_at_client",
            ],
        ),
    ];
    let words = |text: &str| -> Vec<String> {
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').map(str::to_owned).collect()
    };
    let (mut seen, mut unchecked) = (Vec::new(), Vec::new());
    for (file, text) in sources("flows/src") {
        for (name, parameters) in functions(&text) {
            let words = words(parameters);
            let has = |word: &str| words.iter().any(|w| w == word);
            if !has("WriteTx") || PERMISSIONS.iter().any(|permission| has(permission)) {
                continue;
            }
            let id = format!("{file} {name}");
            let is_named = OTHERS.iter().any(|(_, names)| names.contains(&id.as_str()));
            if is_named { seen.push(id) } else { unchecked.push(id) }
        }
    }
    assert!(unchecked.is_empty(), "who may do this? {unchecked:#?}");
    let gone = OTHERS.iter().flat_map(|(_, names)| *names).filter(|name| !seen.iter().any(|seen| seen == *name));
    assert_eq!(gone.collect::<Vec<_>>(), [&""; 0], "they are gone, or ask for permission by now");

    // What handlers take from the store are types.
    for folder in ["http/src/api", "http/src/pages"] {
        for (file, text) in sources(folder) {
            for (at, _) in text.match_indices("pid_store::") {
                let path = &text[at + "pid_store::".len()..];
                let last =
                    path.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').next().unwrap_or_default();
                let last = last.rsplit("::").next().unwrap_or_default();
                assert!(last.starts_with(char::is_uppercase), "{folder}/{file} goes past the rules: pid_store::{last}");
            }
        }
    }
}
