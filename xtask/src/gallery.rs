//! The gallery: the browser tests that look at every page fill a server and take the pictures; this makes a page of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// What each state is photographed as.
const KINDS: [&str; 4] = ["1440-light", "1440-dark", "390-light", "390-dark"];

/// Takes the pictures and writes `index.html` beside them.
pub fn make(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let folder = folder.canonicalize()?;
    // As `./test` builds them, so that nothing is built twice.
    let status = Command::new(env!("CARGO"))
        .args(["test", "--locked", "--workspace", "--test", "browser", "--", "looks::", "showcase::"])
        .env("SCREENSHOTS", &folder)
        .status()?;
    if !status.success() {
        return Err("not every page looks right: see above. ./test installs what the tests need".into());
    }
    let mut states: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for entry in std::fs::read_dir(&folder)? {
        let name = entry?.file_name().into_string().unwrap_or_default();
        for kind in KINDS {
            if let Some(state) = name.strip_suffix(&format!("-{kind}.png")) {
                states.entry(state.to_owned()).or_default().push(kind);
            }
        }
    }
    if states.is_empty() {
        return Err("the tests left no pictures".into());
    }
    let index = folder.join("index.html");
    std::fs::write(&index, page(&states))?;
    println!("{} states: {}", states.len(), index.display());
    Ok(())
}

fn page(states: &BTreeMap<String, Vec<&str>>) -> String {
    let mut out = String::from(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Gallery</title><style>\
         body{font:15px system-ui;margin:24px;background:#888;color:#fff}h2{margin:32px 0 8px;font-size:18px}\
         div{display:flex;gap:12px;align-items:flex-start}img{width:34vw;border-radius:6px}img.narrow{width:11vw}\
         </style><h1>Gallery</h1>\n",
    );
    for (state, kinds) in states {
        _ = writeln!(out, "<h2 id=\"{state}\">{state}</h2><div>");
        for kind in KINDS.iter().filter(|kind| kinds.contains(kind)) {
            let class = if kind.starts_with("390") { " class=\"narrow\"" } else { "" };
            let file = format!("{state}-{kind}.png");
            _ = writeln!(
                out,
                "<a href=\"{file}\"><img loading=\"lazy\"{class} src=\"{file}\" alt=\"{state}, {kind}\"></a>"
            );
        }
        out.push_str("</div>\n");
    }
    out
}
