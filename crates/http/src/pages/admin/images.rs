//! The card of the application images.

use pid_core::application_images::{ApplicationImages, Image};

use crate::pages::key;

const PICTURES: &str = "image/png,image/jpeg,image/webp,image/svg+xml,image/gif,image/bmp,.ico";

/// An image in the list.
#[derive(Clone, Debug)]
pub struct ImageView {
    /// The id of its input.
    pub id: &'static str,
    /// Its name in words.
    pub label: &'static str,
    /// What it is for, in words.
    pub hint: &'static str,
    /// Which files are offered.
    pub accept: &'static str,
    /// Where it is sent to.
    pub api: &'static str,
    /// Where it is, if it is set.
    pub url: Option<String>,
    /// What is shown otherwise: an icon, or our mark if that is empty.
    pub icon: &'static str,
    /// How its tile looks.
    pub class: &'static str,
}

impl ImageView {
    fn new(image: Image, url: Option<String>) -> Self {
        let (id, label, hint, icon, class) = match image {
            Image::Favicon => ("favicon", key("favicon"), key("favicon-hint"), "", ""),
            Image::LightLogo => ("logo-light", key("light-logo"), key("light-logo-hint"), "", "logo-light"),
            Image::DarkLogo => ("logo-dark", key("dark-logo"), key("dark-logo-hint"), "", "logo-dark"),
            Image::EmailLogo => ("logo-email", key("email-logo"), key("email-logo-hint"), "", "logo-light"),
            Image::DefaultPicture => {
                ("default-picture", key("default-picture"), key("default-picture-hint"), "user", "tile-round")
            }
            Image::Background => ("background", key("background"), key("background-hint"), "image", "tile-cover"),
        };
        let accept = match image {
            Image::Favicon => "image/svg+xml,image/png,.ico",
            Image::EmailLogo => "image/png,image/jpeg",
            Image::LightLogo | Image::DarkLogo | Image::DefaultPicture | Image::Background => PICTURES,
        };
        Self { id, label, hint, accept, api: image.url(), url, icon, class }
    }

    /// All of them.
    pub fn all(images: &ApplicationImages) -> Vec<Self> {
        Image::ALL.map(|image| Self::new(image, images.url(image))).into()
    }
}
