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
    &["pid-store", "pid-integrations"],
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
