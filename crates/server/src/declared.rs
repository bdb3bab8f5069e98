//! A file that declares settings, groups, people and clients: read from TOML, YAML or JSON, with the secrets that lie in files of
//! their own, and carried out.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pid_core::entropy::ALPHANUMERIC;
use pid_core::settings::setting;
use pid_core::{ClientId, Ctx, Entropy};
use pid_flows::Error;
use pid_flows::declared::{self, Declaration, Did, Done, Plan};
use pid_flows::keys::KeySealer;
use pid_http::state::seed;
use pid_store::{Db, ReadTx, StoreError, WriteTx, clients};
use serde_json::Value;

/// Characters of a secret that is made.
const SECRET: usize = 40;

/// What to carry out, and how.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The file.
    pub file: PathBuf,
    /// Removes what was declared once and is no more.
    pub prune: bool,
    /// Makes secrets anew whose files are gone.
    pub new_secrets: bool,
    /// Only says what would be done.
    pub dry_run: bool,
}

/// A form of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// TOML.
    Toml,
    /// YAML.
    Yaml,
    /// JSON.
    Json,
}

impl Format {
    /// The form of a file, by its name.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "toml" => Some(Self::Toml),
            "yaml" | "yml" => Some(Self::Yaml),
            "json" => Some(Self::Json),
            _ => None,
        }
    }

    fn read(self, text: &str) -> Result<Value, String> {
        match self {
            Self::Toml => toml::from_str(text).map_err(|e| e.to_string().trim().to_owned()),
            Self::Yaml => yaml_serde::from_str(text).map_err(|e| e.to_string()),
            Self::Json => serde_json::from_str(text).map_err(|e| e.to_string()),
        }
    }

    /// Writes a file's content.
    ///
    /// # Errors
    /// What has no place in this form.
    pub fn write(self, value: &Value) -> Result<String, String> {
        match self {
            Self::Toml => toml::to_string_pretty(value).map_err(|e| e.to_string()),
            Self::Yaml => yaml_serde::to_string(value).map_err(|e| e.to_string()),
            Self::Json => serde_json::to_string_pretty(value).map_err(|e| e.to_string()),
        }
    }
}

/// Reads and checks a file.
///
/// # Errors
/// A sentence for each thing that is wrong.
pub fn read(path: &Path) -> Result<Declaration, Vec<String>> {
    let shown = path.display();
    let format = Format::of(path).ok_or_else(|| vec![format!("{shown} must be called .toml, .yaml or .json.")])?;
    let text = std::fs::read_to_string(path).map_err(|e| vec![format!("{shown} can't be read: {e}.")])?;
    let value = format.read(&text).map_err(|e| vec![format!("{shown} can't be read: {e}")])?;
    declared::read(value)
}

/// A secret's file, from where the declaration is.
fn beside(file: &Path, name: &str) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).join(name)
}

fn secret(path: &Path) -> Result<Option<String>, String> {
    match std::fs::read_to_string(path) {
        Ok(text) if text.trim().is_empty() => Err(format!("{} is empty.", path.display())),
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(format!("{} can't be read: {e}.", path.display())),
    }
}

/// Writes a new secret, which nobody else can read, and never over one that is there.
fn make_secret(path: &Path) -> std::io::Result<String> {
    use std::io::Write as _;
    let value = Entropy::new(seed()).text(ALPHANUMERIC, SECRET);
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(value.as_bytes())?;
    file.sync_all()?;
    Ok(value)
}

/// Reads the secrets, and makes those of clients that are missing.
async fn plan(db: &Db, wanted: &Wanted, declaration: Declaration) -> Result<Plan, Vec<String>> {
    let (mut settings, mut secrets, mut errors) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    for (key, value) in &declaration.settings {
        let Some(name) = value.get("file").and_then(Value::as_str).filter(|_| setting(key).is_some()) else { continue };
        let path = beside(&wanted.file, name);
        match secret(&path) {
            Ok(Some(value)) => _ = settings.insert(key.clone(), value),
            Ok(None) => errors.push(format!("settings.{key}: there is no file {}.", path.display())),
            Err(error) => errors.push(format!("settings.{key}: {error}")),
        }
    }
    for client in &declaration.clients {
        let Some(name) = client.secret.as_ref().map(|secret| secret.file.as_str()) else { continue };
        let (id, path) = (client.client.id.clone(), beside(&wanted.file, name));
        match secret(&path) {
            Ok(Some(value)) => _ = secrets.insert(id, value),
            Ok(None) => {
                let asked = ClientId::new(id.as_str());
                let has = db.read(move |tx: &ReadTx<'_>| clients::secrets(tx, &asked).map_err(Error::from)).await;
                let has = has.map_err(|error| vec![format!("{}.", error.message)])?;
                if !has.is_empty() && !wanted.new_secrets {
                    errors.push(format!(
                        "clients \"{id}\": the client has a secret, but there is no file {}. Bring it back; or let a new one be \
                         made by pocket-id apply --new-secrets, which ends the old one.",
                        path.display()
                    ));
                } else if !wanted.dry_run {
                    match make_secret(&path) {
                        Ok(value) => _ = secrets.insert(id, value),
                        Err(e) => errors.push(format!("clients \"{id}\": {} can't be written: {e}.", path.display())),
                    }
                }
            }
            Err(error) => errors.push(format!("clients \"{id}\": {error}")),
        }
    }
    if errors.is_empty() { Ok(Plan { declaration, settings, secrets, prune: wanted.prune }) } else { Err(errors) }
}

/// How a transaction ends that shall do nothing.
enum Ended {
    Undone(Vec<Done>),
    Refused(Error),
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self::Refused(error.into())
    }
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

/// Carries a file out, or only says what that would do: the same in a transaction that is taken back. Gives the differences.
///
/// # Errors
/// A sentence for each thing that is wrong; then nothing was changed.
pub async fn apply(db: &Db, sealer: &KeySealer, ctx: Ctx, wanted: &Wanted) -> Result<Vec<Done>, Vec<String>> {
    let plan = Arc::new(plan(db, wanted, read(&wanted.file)?).await?);
    let (sealer, dry_run) = (sealer.clone(), wanted.dry_run);
    let done = db.write(move |tx: &WriteTx<'_>| -> Result<Vec<Done>, Ended> {
        let done = declared::apply(tx, &ctx, &sealer, &plan)?;
        if dry_run { Err(Ended::Undone(done)) } else { Ok(done) }
    });
    match done.await {
        Ok(done) | Err(Ended::Undone(done)) => Ok(done),
        Err(Ended::Refused(error)) => Err(error.message.lines().map(str::to_owned).collect()),
    }
}

/// A difference in a line.
#[must_use]
pub fn line(done: &Done) -> String {
    let sign = match done.did {
        Did::Made => '+',
        Did::Changed => '~',
        Did::Removed => '-',
    };
    let quoted = |text: &str| if text.is_empty() { "nothing".to_owned() } else { format!("\"{text}\"") };
    let members: Vec<String> = done
        .members
        .iter()
        .map(|(name, before, after)| match done.did {
            Did::Made => format!("{name} {}", quoted(after)),
            _ => format!("{name} {} → {}", quoted(before), quoted(after)),
        })
        .collect();
    let about = if members.is_empty() { String::new() } else { format!(": {}", members.join(", ")) };
    format!("{sign} {} {}{about}", done.kind.as_str(), done.name)
}
