//! Uploaded pictures. Each is decoded and written anew, as an upload is (security cases 84, 85).

use std::collections::BTreeMap;

use pid_core::application_images::Image;
use pid_core::files::Content;
use pid_core::progress::Progress;
use pid_core::secret::sha256;
use pid_core::{ClientId, Ctx};
use pid_integrations::images::{self, Picture, Purpose};
use pid_store::files::{self, File};
use pid_store::{WriteTx, instance};
use pid_upstream::Data;

use super::Known;
use super::report::Report;
use crate::{Error, client_logos, profile_pictures};

/// Pictures by their path in the store.
#[derive(Default)]
pub(super) struct Files(BTreeMap<String, Picture>);

pub(super) fn read(data: &Data, known: &Known, report: &mut Report) -> Files {
    let mut out = Files::default();
    let clients: BTreeMap<String, String> = data
        .rows("oidc_clients")
        .filter_map(|row| row.some_text("id"))
        .flat_map(|id| [(id.clone(), id.clone()), (metadata_name(&id), id)])
        .collect();
    for (path, content) in &data.files {
        let (folder, name) = path.split_once('/').unwrap_or(("", path));
        let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
        let target = match folder {
            // Markers, drawn initials and unfinished files are not anybody's pictures.
            _ if path.contains("/.") || path.starts_with('.') || path.ends_with("-tmp") => continue,
            "profile-pictures" if name.starts_with("defaults/") => continue,
            "profile-pictures" if known.users.contains(stem) => {
                Some((profile_pictures::path(&super::user(stem)), images::portrait(content)))
            }
            "oidc-client-images" => {
                let (stem, dark) = stem.strip_suffix("-dark").map_or((stem, false), |stem| (stem, true));
                let whole = if dark { clients.get(&format!("{stem}-dark")) } else { None };
                let (id, dark) = whole.map_or((clients.get(stem), dark), |id| (Some(id), false));
                id.map(|id| {
                    (client_logos::path(&ClientId::new(id.as_str()), dark), images::named(Purpose::Logo, name, content))
                })
            }
            "application-images" => {
                image(stem).map(|(image, purpose)| (image.path().to_owned(), images::named(purpose, name, content)))
            }
            _ => None,
        };
        match target {
            Some((path, Ok(picture))) => drop(out.0.insert(path, picture)),
            Some((_, Err(why))) => {
                report.left("These pictures can't be taken over. Upload them anew.", format!("{path}: {why}"));
            }
            None => {
                report.left("These files belong to nobody who comes, or to nothing that is known here.", path.as_str());
            }
        }
    }
    report.comes("pictures", out.0.len());
    out
}

/// What the logo of a client is called whose id is an address.
pub(crate) fn metadata_name(id: &str) -> String {
    let digest: String = sha256(id.as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
    format!("cimd-{digest}")
}

fn image(stem: &str) -> Option<(Image, Purpose)> {
    let image = Image::ALL.into_iter().find(|image| image.path().strip_prefix("application-images/") == Some(stem))?;
    let purpose = match image {
        Image::LightLogo | Image::DarkLogo => Purpose::Logo,
        Image::EmailLogo => Purpose::EmailLogo,
        Image::Favicon => Purpose::Favicon,
        Image::Background => Purpose::Background,
        Image::DefaultPicture => Purpose::Portrait,
    };
    Some((image, purpose))
}

impl Files {
    /// How many there are.
    pub(super) fn rows(&self) -> usize {
        self.0.len()
    }

    /// Whether a client has a logo, and one for dark pages.
    pub(super) fn logos(&self, client: &str) -> (bool, bool) {
        let id = ClientId::new(client);
        (self.0.contains_key(&client_logos::path(&id, false)), self.0.contains_key(&client_logos::path(&id, true)))
    }
}

pub(super) fn write(tx: &WriteTx<'_>, ctx: &Ctx, pictures: &Files, progress: &Progress) -> Result<(), Error> {
    for (path, picture) in progress.each(&pictures.0) {
        let content_type = picture.content_type.to_owned();
        files::put(
            tx,
            path,
            &File { content_type, content: Content::Here(picture.content.clone()), updated_at: ctx.now },
        )?;
    }
    Ok(instance::raise(tx, instance::Cached::Images)?)
}
