//! Variables as text, and as flags and numbers.

use std::collections::BTreeMap;
use std::path::Path;

use super::VARIABLES;

/// The environment as text, a `.env` file below it.
pub fn environment(dir: &Path) -> Result<BTreeMap<String, String>, Vec<String>> {
    let mut out = match std::fs::read_to_string(dir.join(".env")) {
        Ok(text) => dot_env(&text),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
        Err(e) => return Err(vec![format!("The file .env can't be read: {e}.")]),
    };
    out.extend(std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))));
    Ok(out)
}

pub(super) fn dot_env(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| {
            let line = line.trim();
            let line = line.strip_prefix("export ").unwrap_or(line);
            let (name, value) = line.split_once('=').filter(|_| !line.starts_with('#'))?;
            let value = value.trim();
            let quoted = |q: char| value.strip_prefix(q).and_then(|v| v.strip_suffix(q));
            let bare = || value.split(" #").next().unwrap_or(value).trim_end();
            let value = quoted('"').or_else(|| quoted('\'')).unwrap_or_else(bare);
            Some((name.trim().to_owned(), value.to_owned()))
        })
        .collect()
}

pub(super) struct Reader<'a> {
    pub env: &'a BTreeMap<String, String>,
    pub errors: Vec<String>,
}

impl Reader<'_> {
    /// The value of a variable: set and not empty, else its file's content, else its default.
    pub fn text(&mut self, name: &str) -> Option<String> {
        let variable = VARIABLES.iter().find(|v| v.name == name);
        let set = self.set(name, variable.is_some_and(|v| v.file));
        set.or_else(|| variable.map(|v| v.default.to_owned()).filter(|d| !d.is_empty()))
    }

    /// The value of a variable that is set, by itself or, if that can be, by a file.
    pub fn set(&mut self, name: &str, by_file: bool) -> Option<String> {
        if by_file && let Some(bytes) = self.file(name) {
            return match String::from_utf8(bytes) {
                Ok(text) => Some(text.trim().to_owned()).filter(|t| !t.is_empty()),
                Err(_) => {
                    self.errors.push(format!("The file that {name}_FILE names is not UTF-8 text."));
                    None
                }
            };
        }
        self.env.get(name).filter(|v| !v.is_empty()).cloned()
    }

    /// The content of the file that `NAME_FILE` names.
    pub fn file(&mut self, name: &str) -> Option<Vec<u8>> {
        let path = self.env.get(&format!("{name}_FILE")).filter(|v| !v.is_empty())?;
        match std::fs::read(path) {
            Ok(bytes) => Some(bytes),
            Err(e) => {
                self.errors.push(format!("{name}_FILE names {path}, which can't be read: {e}."));
                None
            }
        }
    }

    pub fn flag(&mut self, name: &str) -> bool {
        let text = self.text(name).unwrap_or_default();
        match boolean(&text) {
            Some(flag) => flag,
            None => {
                self.errors.push(format!("{name} must be true or false, not \"{text}\"."));
                false
            }
        }
    }

    pub fn number<T: std::str::FromStr + Default>(&mut self, name: &str, range: &str, good: impl Fn(&T) -> bool) -> T {
        let text = self.text(name).unwrap_or_default();
        match text.parse::<T>() {
            Ok(n) if good(&n) => n,
            _ => {
                self.errors.push(format!("{name} must be a number {range}, not \"{text}\"."));
                T::default()
            }
        }
    }
}

/// Booleans as the original program reads them.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}
