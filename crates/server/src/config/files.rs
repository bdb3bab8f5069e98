//! Where uploads are kept: `FILE_BACKEND` and what goes with it.

use std::path::PathBuf;

use pid_core::files::{Backend, Place};
use pid_integrations::files::{Places, S3, Wanted};

use super::Reader;

/// Where files on disk are if nothing is said.
const FOLDER: &str = "data/uploads";

/// Reads the variables. A bucket that is named is known also when new files go elsewhere, so that files which are there can be
/// read and copied.
pub(super) fn files(r: &mut Reader<'_>) -> Places {
    let backend = backend(r);
    let (path, prefix) = (r.text("UPLOAD_PATH"), r.text("S3_PREFIX"));
    // As with Pocket ID, whose variable is both; with a prefix of its own it is the folder alone.
    let is_prefix = backend == Some(Place::S3) && prefix.is_none();
    let (folder, prefix) = if is_prefix { (None, path) } else { (path, prefix) };
    let s3 = bucket(r, prefix.as_deref().unwrap_or_default());
    if backend == Some(Place::S3) && s3.is_none() && r.text("S3_BUCKET").is_none() {
        r.errors.push("FILE_BACKEND is s3, so S3_BUCKET has to be set.".to_owned());
    }
    Places { backend, folder: PathBuf::from(folder.unwrap_or_else(|| FOLDER.to_owned())), s3 }
}

fn backend(r: &mut Reader<'_>) -> Backend {
    let text = r.text("FILE_BACKEND").unwrap_or_default().to_lowercase();
    if text != "database" && Place::parse(&text).is_none() {
        r.errors.push(format!("FILE_BACKEND must be database, filesystem or s3, not \"{text}\"."));
    }
    Place::parse(&text)
}

fn bucket(r: &mut Reader<'_>, prefix: &str) -> Option<S3> {
    let bucket = r.text("S3_BUCKET")?;
    let (endpoint, region) = (r.text("S3_ENDPOINT"), r.text("S3_REGION"));
    let (path_style, plain) = (r.flag("S3_FORCE_PATH_STYLE"), r.flag("S3_DISABLE_DEFAULT_INTEGRITY_CHECKS"));
    let credentials = (r.text("S3_ACCESS_KEY_ID"), r.text("S3_SECRET_ACCESS_KEY"));
    let (Some(key_id), Some(secret)) = credentials else {
        r.errors.push("With S3_BUCKET, S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY have to be set.".to_owned());
        return None;
    };
    let Some(region) = region.or_else(|| endpoint.is_some().then(|| "us-east-1".to_owned())) else {
        r.errors.push(
            "With S3_BUCKET, S3_REGION has to be set, or S3_ENDPOINT of a server that knows no regions.".to_owned(),
        );
        return None;
    };
    let wanted = Wanted {
        endpoint: endpoint.as_deref(),
        region: &region,
        bucket: &bucket,
        key_id: &key_id,
        secret: &secret,
        path_style,
        checksums: !plain,
        prefix,
    };
    S3::new(&wanted).map_err(|why| r.errors.push(format!("The bucket can't be used: {why}."))).ok()
}
