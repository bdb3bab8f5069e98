//! The images that make an installation one's own (api.md §21).

use crate::Timestamp;

/// An image that an administrator may replace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Image {
    /// The logo.
    LightLogo,
    /// The logo for dark backgrounds.
    DarkLogo,
    /// The logo in e-mails.
    EmailLogo,
    /// The sign of the browser's tab.
    Favicon,
    /// The picture beside the sign-in pages.
    Background,
    /// The picture of who has none.
    DefaultPicture,
}

impl Image {
    /// All of them, in the order in which people see them.
    pub const ALL: [Self; 6] =
        [Self::Favicon, Self::LightLogo, Self::DarkLogo, Self::EmailLogo, Self::DefaultPicture, Self::Background];

    /// Its path in the store; after the slash the name that the audit log knows.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::LightLogo => "application-images/logoLight",
            Self::DarkLogo => "application-images/logoDark",
            Self::EmailLogo => "application-images/logoEmail",
            Self::Favicon => "application-images/favicon",
            Self::Background => "application-images/background",
            Self::DefaultPicture => "application-images/default-profile-picture",
        }
    }

    /// Where the API has it.
    #[must_use]
    pub fn url(self) -> &'static str {
        match self {
            Self::LightLogo => "/api/application-images/logo?light=true",
            Self::DarkLogo => "/api/application-images/logo?light=false",
            Self::EmailLogo => "/api/application-images/email",
            Self::Favicon => "/api/application-images/favicon",
            Self::Background => "/api/application-images/background",
            Self::DefaultPicture => "/api/application-images/default-profile-picture",
        }
    }
}

/// Which images are set, and since when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ApplicationImages([Option<Timestamp>; Image::ALL.len()]);

impl ApplicationImages {
    /// Notes when an image was stored.
    pub fn note(&mut self, image: Image, since: Option<Timestamp>) {
        self.0[image as usize] = since;
    }

    /// Whether an image is set.
    #[must_use]
    pub fn has(&self, image: Image) -> bool {
        self.0[image as usize].is_some()
    }

    /// Where an image that is set is found: another address for every change, so that it is seen at once.
    #[must_use]
    pub fn url(&self, image: Image) -> Option<String> {
        let url = image.url();
        let join = if url.contains('?') { '&' } else { '?' };
        self.0[image as usize].map(|since| format!("{url}{join}v={}", since.millis()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_new_with_every_change() {
        let mut images = ApplicationImages::default();
        assert_eq!(images.url(Image::LightLogo), None);
        images.note(Image::LightLogo, Some(Timestamp::from_millis(7)));
        images.note(Image::Favicon, Some(Timestamp::from_millis(8)));
        assert_eq!(images.url(Image::LightLogo).unwrap(), "/api/application-images/logo?light=true&v=7");
        assert_eq!(images.url(Image::Favicon).unwrap(), "/api/application-images/favicon?v=8");
        assert_eq!(Image::ALL.map(|image| images.has(image)), [true, true, false, false, false, false]);
        images.note(Image::Favicon, None);
        assert!(!images.has(Image::Favicon));
    }
}
