//! A file that declares settings, groups, people and clients: read from TOML, YAML or JSON, with the secrets that lie in files of
//! their own, and carried out.

mod secrets;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use pid_core::Ctx;
use pid_core::progress::Progress;
use pid_flows::Error;
use pid_flows::declared::{self, Applied, Declaration, Did, Done, Secret};
use pid_flows::keys::KeySealer;
use pid_store::{Db, StoreError, WriteTx};
use serde_json::Value;

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
    /// Goes on where a client has a secret and the file of it is not here: a server needs none of them.
    pub leave_secrets: bool,
    /// Who wants to know how far it is.
    pub progress: Progress,
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

/// How a transaction ends that shall do nothing.
enum Ended {
    Undone(Applied),
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

/// Carries a file out, or only says what that would do: the same in a transaction that is taken back. Gives the differences, and
/// a sentence for each secret that is not here and was left, if that may be.
///
/// # Errors
/// A sentence for each thing that is wrong; then nothing was changed.
pub async fn apply(
    db: &Db,
    sealer: &KeySealer,
    ctx: Ctx,
    wanted: &Wanted,
) -> Result<(Vec<Done>, Vec<String>), Vec<String>> {
    let mut all = Vec::new();
    loop {
        let declaration = read(&wanted.file)?;
        let files = secrets::files(wanted, &declaration);
        let (done, elsewhere) = once(db, sealer, &ctx, wanted, declaration, &files).await?;
        all.extend(done);
        let lost: Vec<(&String, &PathBuf)> = files.iter().filter(|(id, _)| elsewhere.contains(id)).collect();
        // A replica that shares the folder has put one there meanwhile.
        if lost.iter().any(|(_, path)| path.exists()) {
            continue;
        }
        let sentences: Vec<String> = lost.into_iter().map(|(id, path)| lost_secret(id, path)).collect();
        return if sentences.is_empty() || wanted.leave_secrets { Ok((all, sentences)) } else { Err(sentences) };
    }
}

async fn once(
    db: &Db,
    sealer: &KeySealer,
    ctx: &Ctx,
    wanted: &Wanted,
    declaration: Declaration,
    files: &BTreeMap<String, PathBuf>,
) -> Result<(Vec<Done>, Vec<String>), Vec<String>> {
    let plan = Arc::new(secrets::plan(db, wanted, declaration).await?);
    let carried = Arc::clone(&plan);
    let (sealer, ctx, dry_run, may_leave) = (sealer.clone(), ctx.clone(), wanted.dry_run, wanted.leave_secrets);
    let done = db.write(move |tx: &WriteTx<'_>| -> Result<Applied, Ended> {
        let applied = declared::apply(tx, &ctx, &sealer, &carried)?;
        let stays = !dry_run && (may_leave || applied.elsewhere.is_empty());
        if stays { Ok(applied) } else { Err(Ended::Undone(applied)) }
    });
    let (applied, stays) = match done.await {
        Ok(applied) => (applied, true),
        Err(Ended::Undone(applied)) => (applied, false),
        // What was made waits for the next try.
        Err(Ended::Refused(error)) => return Err(error.message.lines().map(str::to_owned).collect()),
    };
    let mut errors = Vec::new();
    for (id, path) in files.iter().filter(|(id, _)| matches!(plan.secrets.get(*id), Some(Secret::Made(_)))) {
        if applied.elsewhere.contains(id) {
            secrets::discard(path);
        } else if stays {
            errors.extend(secrets::keep(path).err().map(|error| format!("clients \"{id}\": {error}")));
        }
    }
    if errors.is_empty() { Ok((applied.done, applied.elsewhere)) } else { Err(errors) }
}

fn lost_secret(id: &str, path: &Path) -> String {
    format!(
        "clients \"{id}\": the client has a secret, but there is no file {} here: another replica made it, or the file is lost. It \
         stays as it is. Bring the file here, or let the replicas share its folder; or let a new one be made by pocket-id apply \
         --new-secrets, which ends the old one.",
        path.display()
    )
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
