//! Prepares the static files: bundles the scripts, compresses everything once, names each file by its content.
//!
//! Scripts in `assets/` are small ES modules. An entry (`ENTRIES`) becomes one file per language: the words that
//! scripts need (`js-…` messages of the catalogue), then its modules in the order of their imports. The modules
//! share one scope there, so a name at top level may exist once; a clash ends the build.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The scripts that pages load.
const ENTRIES: &[&str] = &["auth", "settings"];

fn main() -> Result<()> {
    println!("cargo::rerun-if-changed=assets");
    println!("cargo::rerun-if-changed=messages");
    println!("cargo::rerun-if-changed=templates");
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    let fast = std::env::var("PROFILE").is_ok_and(|profile| profile == "debug");

    let mut scripts = BTreeMap::new();
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for entry in fs::read_dir("assets")? {
        let path = entry?.path();
        let name = file_name(&path)?;
        match extension(&name) {
            "js" => {
                scripts.insert(name, fs::read_to_string(&path)?);
            }
            "css" => files.push((name, shrink_css(&fs::read_to_string(&path)?).into_bytes())),
            _ => files.push((name, fs::read(&path)?)),
        }
    }
    for entry in fs::read_dir("messages")? {
        let path = entry?.path();
        let Some(language) = file_name(&path)?.strip_suffix(".ftl").map(str::to_owned) else { continue };
        let words = script_words(&fs::read_to_string(&path)?)?;
        for entry in ENTRIES {
            let bundle = bundle(entry, &words, &scripts)?;
            files.push((format!("{entry}-{language}.js"), bundle.into_bytes()));
        }
    }
    files.sort();

    let mut table = String::from("pub(crate) static FILES: &[File] = &[\n");
    let mut urls = String::from("pub(crate) fn url_of(name: &str) -> Option<&'static str> {\n    Some(match name {\n");
    for (name, raw) in &files {
        let hash = fnv1a(raw);
        let (stem, ext) = name.rsplit_once('.').ok_or("an asset without extension")?;
        let served = format!("{stem}.{hash:016x}.{ext}");
        let text = matches!(ext, "js" | "css" | "svg" | "json" | "txt");
        let raw_path = write(&out, &served, raw)?;
        let (br, gz) = if text {
            let br = write(&out, &format!("{served}.br"), &brotli(raw, if fast { 6 } else { 11 })?)?;
            let gz = write(&out, &format!("{served}.gz"), &gzip(raw)?)?;
            (format!("Some(include_bytes!({br:?}))"), format!("Some(include_bytes!({gz:?}))"))
        } else {
            ("None".to_owned(), "None".to_owned())
        };
        writeln!(
            table,
            "    File {{ name: {served:?}, etag: \"\\\"{hash:016x}\\\"\", content_type: {:?}, raw: include_bytes!({raw_path:?}), br: {br}, gzip: {gz} }},",
            content_type(ext)
        )?;
        writeln!(urls, "        {name:?} => \"/assets/{served}\",")?;
    }
    table.push_str("];\n");
    urls.push_str("        _ => return None,\n    })\n}\n");
    fs::write(out.join("assets.rs"), table + &urls)?;
    Ok(())
}

fn file_name(path: &Path) -> Result<String> {
    Ok(path.file_name().and_then(|name| name.to_str()).ok_or("an asset's name is not UTF-8")?.to_owned())
}

fn extension(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(_, ext)| ext)
}

fn content_type(ext: &str) -> &'static str {
    match ext {
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "json" => "application/json",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

/// Joins the modules that an entry reaches, dependencies first.
fn bundle(entry: &str, words: &str, scripts: &BTreeMap<String, String>) -> Result<String> {
    let mut order = Vec::new();
    visit(&format!("{entry}.js"), scripts, &mut Vec::new(), &mut order)?;
    let mut out = String::from(words);
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for module in order {
        let mut in_import = false;
        for line in scripts[&module].lines() {
            let code = line.trim();
            if code.is_empty() || code.starts_with("//") {
                continue;
            }
            if in_import || (code.starts_with("import ") && !code.starts_with("import(")) {
                in_import = !code.ends_with(';');
                continue;
            }
            if let Some(name) = declared(line)
                && let Some(other) = names.insert(name.to_owned(), module.clone())
            {
                return Err(format!("`{name}` is declared at the top of both {other} and {module}").into());
            }
            out.push_str(code.strip_prefix("export ").unwrap_or(code));
            out.push('\n');
        }
    }
    Ok(out)
}

/// The name that a line at top level declares.
fn declared(line: &str) -> Option<&str> {
    let line = line.strip_prefix("export ").unwrap_or(line);
    let line = line.strip_prefix("async ").unwrap_or(line);
    let rest = ["function ", "const ", "let ", "class "].iter().find_map(|word| line.strip_prefix(word))?;
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(rest.len());
    (end > 0).then(|| &rest[..end])
}

fn visit(
    name: &str,
    scripts: &BTreeMap<String, String>,
    path: &mut Vec<String>,
    order: &mut Vec<String>,
) -> Result<()> {
    if order.iter().any(|done| done == name) {
        return Ok(());
    }
    if path.iter().any(|above| above == name) {
        return Err(format!("scripts import each other in a circle: {path:?} and {name}").into());
    }
    path.push(name.to_owned());
    let source = scripts.get(name).ok_or_else(|| format!("no script {name}"))?;
    let mut wanted = BTreeSet::new();
    for line in source.lines() {
        if let Some((_, rest)) = line.split_once("from \"./")
            && let Some((dependency, _)) = rest.split_once('"')
        {
            wanted.insert(dependency.to_owned());
        } else if let Some(rest) = line.trim().strip_prefix("import \"./")
            && let Some((dependency, _)) = rest.split_once('"')
        {
            wanted.insert(dependency.to_owned());
        }
    }
    for dependency in wanted {
        visit(&dependency, scripts, path, order)?;
    }
    path.pop();
    order.push(name.to_owned());
    Ok(())
}

/// The `js-…` messages as a JavaScript object. They are single lines whose only syntax is `{ $name }`.
fn script_words(catalogue: &str) -> Result<String> {
    let mut out = String::from("const WORDS = {\n");
    for line in catalogue.lines() {
        let Some(rest) = line.strip_prefix("js-") else { continue };
        let (key, text) = rest.split_once('=').ok_or_else(|| format!("not a message: {line}"))?;
        let text = text.trim();
        if text.is_empty() {
            return Err(format!("js-{key} must stand on one line").into());
        }
        writeln!(out, "{:?}: {text:?},", key.trim())?;
    }
    out.push_str("};\n");
    Ok(out)
}

/// Takes comments and indentation out of a style sheet.
fn shrink_css(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(start) = rest.find("/*") {
        out.push_str(&rest[..start]);
        rest = rest[start..].find("*/").map_or("", |end| &rest[start + end + 2..]);
    }
    out.push_str(rest);
    let lines: Vec<&str> = out.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines.join("\n")
}

fn write(out: &Path, name: &str, bytes: &[u8]) -> Result<String> {
    let path = out.join(name);
    fs::write(&path, bytes)?;
    Ok(path.to_str().ok_or("the build directory's name is not UTF-8")?.to_owned())
}

fn brotli(raw: &[u8], quality: u32) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    {
        let mut writer = brotli::CompressorWriter::new(&mut out, 4096, quality, 22);
        writer.write_all(raw)?;
        writer.flush()?;
    }
    Ok(out)
}

fn gzip(raw: &[u8]) -> Result<Vec<u8>> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    writer.write_all(raw)?;
    Ok(writer.finish()?)
}

/// FNV-1a, 64 bits: names need to differ when the content does, nobody attacks them.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
