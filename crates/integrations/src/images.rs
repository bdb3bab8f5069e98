//! Pictures that people upload: decoded within limits and written anew, so that nothing of the original file but its
//! picture survives (security cases 84, 85).

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Limits};

/// The largest upload of a client's logo, bytes.
pub const MAX_UPLOAD: usize = 2 * 1024 * 1024;
/// The largest upload of any other picture, bytes: a photograph as telephones take them.
pub const MAX_PHOTO_UPLOAD: usize = 12 * 1024 * 1024;
/// The sides of a person's stored picture, pixels.
pub const PORTRAIT_SIDE: u32 = 300;
/// The largest side, pixels. Larger pictures are scaled down to it.
const MAX_SIDE: u32 = 1024;
/// The same for a picture that fills the window.
const MAX_BACKGROUND_SIDE: u32 = 2560;
/// Of a photograph, in percent: more is not seen, but fetched before signing in.
const JPEG_QUALITY: u8 = 82;
/// The largest side that is decoded at all, pixels.
const MAX_DECODED_SIDE: u32 = 10_000;
/// Memory that decoding may take, bytes.
const MAX_DECODED_BYTES: u64 = 128 * 1024 * 1024;

/// A picture ready to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// `image/png`, `image/jpeg` or `image/svg+xml`.
    pub content_type: &'static str,
    /// The bytes.
    pub content: Vec<u8>,
}

/// Why an upload is no picture for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// The file name's extension is not accepted.
    #[error("use a {0} file")]
    Extension(&'static str),
    /// A person's picture of no format that can be read.
    #[error("use a PNG, JPEG, WebP, GIF, BMP or TIFF picture")]
    Format,
    /// Not a picture of that type, damaged, or beyond the limits.
    #[error("the file is damaged, too large to decode, or not of the type that its name says")]
    Undecodable,
}

/// What an upload is for: that decides which types are taken and how the picture is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A logo.
    Logo,
    /// A logo in e-mails, whose readers show no drawings.
    EmailLogo,
    /// The sign of a browser's tab.
    Favicon,
    /// A picture that fills the window.
    Background,
    /// The picture of people who have none.
    Portrait,
}

impl Purpose {
    /// Whether files with this extension, in any case, are taken.
    #[must_use]
    pub fn takes(self, extension: &str) -> bool {
        self.extensions().contains(&extension.to_ascii_lowercase().as_str())
    }

    fn extensions(self) -> &'static [&'static str] {
        match self {
            Self::EmailLogo => &["png", "jpg", "jpeg"],
            Self::Favicon => &["svg", "png", "ico"],
            Self::Logo | Self::Background | Self::Portrait => {
                &["png", "jpg", "jpeg", "webp", "gif", "bmp", "ico", "svg"]
            }
        }
    }

    /// The types that are taken, in words.
    fn types(self) -> &'static str {
        match self {
            Self::EmailLogo => "PNG or JPEG",
            Self::Favicon => "SVG, PNG or ICO",
            Self::Logo | Self::Background | Self::Portrait => "PNG, JPEG, WebP, GIF, BMP, ICO or SVG",
        }
    }
}

/// Turns an upload into a stored picture: a PNG, a JPEG if it fills the window and hides what is behind it, or an SVG
/// reduced to harmless elements. The file's name says its type.
///
/// # Errors
/// [`PictureError`].
pub fn named(purpose: Purpose, file_name: &str, content: &[u8]) -> Result<Picture, PictureError> {
    let extension = file_name.rsplit_once('.').map(|(_, e)| e.to_ascii_lowercase()).unwrap_or_default();
    if !purpose.extensions().contains(&extension.as_str()) {
        return Err(PictureError::Extension(purpose.types()));
    }
    if extension == "svg" {
        let text = std::str::from_utf8(content).map_err(|_| PictureError::Undecodable)?;
        let content = crate::svg::sanitize(text).ok_or(PictureError::Undecodable)?.into_bytes();
        return Ok(Picture { content_type: "image/svg+xml", content });
    }
    let format = ImageFormat::from_extension(&extension).ok_or(PictureError::Extension(purpose.types()))?;
    // The content must be what the name says: a file of two faces is refused.
    if image::guess_format(content).ok() != Some(format) {
        return Err(PictureError::Undecodable);
    }
    let picture = decode(content, format)?;
    match purpose {
        Purpose::Portrait => png(&square(&picture)),
        Purpose::Background => {
            let picture = within(picture, MAX_BACKGROUND_SIDE).to_rgba8();
            if picture.pixels().all(|pixel| pixel.0[3] == u8::MAX) {
                jpeg(&picture.into())
            } else {
                png(&picture.into())
            }
        }
        Purpose::Logo | Purpose::EmailLogo | Purpose::Favicon => png(&within(picture, MAX_SIDE)),
    }
}

/// Turns an upload into a person's picture: upright as the camera's note says, cut square around the middle,
/// [`PORTRAIT_SIDE`] wide, a PNG. The name of the file doesn't matter.
///
/// # Errors
/// [`PictureError`].
pub fn portrait(content: &[u8]) -> Result<Picture, PictureError> {
    let format = image::guess_format(content).map_err(|_| PictureError::Format)?;
    let picture = decode(content, format)?;
    png(&square(&picture))
}

/// Cut square around the middle.
fn square(picture: &DynamicImage) -> DynamicImage {
    picture.resize_to_fill(PORTRAIT_SIDE, PORTRAIT_SIDE, FilterType::Triangle)
}

/// Scaled down to a largest side.
fn within(picture: DynamicImage, side: u32) -> DynamicImage {
    if picture.width() > side || picture.height() > side {
        picture.resize(side, side, FilterType::Triangle)
    } else {
        picture
    }
}

/// Decodes within the limits and turns the picture upright. Of an animation the first frame is taken.
fn decode(content: &[u8], format: ImageFormat) -> Result<DynamicImage, PictureError> {
    let mut reader = ImageReader::with_format(Cursor::new(content), format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_DECODED_SIDE);
    limits.max_image_height = Some(MAX_DECODED_SIDE);
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder().map_err(|_| PictureError::Undecodable)?;
    decoder.set_limits(limits).map_err(|_| PictureError::Undecodable)?;
    // A note that can't be read is no reason to refuse the picture.
    let orientation = decoder.orientation().ok();
    let mut picture = DynamicImage::from_decoder(decoder).map_err(|_| PictureError::Undecodable)?;
    if let Some(orientation) = orientation {
        picture.apply_orientation(orientation);
    }
    Ok(picture)
}

fn png(picture: &DynamicImage) -> Result<Picture, PictureError> {
    let mut out = Cursor::new(Vec::new());
    let plain = DynamicImage::from(picture.to_rgba8());
    plain.write_to(&mut out, ImageFormat::Png).map_err(|_| PictureError::Undecodable)?;
    Ok(Picture { content_type: "image/png", content: out.into_inner() })
}

fn jpeg(picture: &DynamicImage) -> Result<Picture, PictureError> {
    let mut content = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut content, JPEG_QUALITY);
    picture.to_rgb8().write_with_encoder(encoder).map_err(|_| PictureError::Undecodable)?;
    Ok(Picture { content_type: "image/jpeg", content })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPES: &str = "PNG, JPEG, WebP, GIF, BMP, ICO or SVG";

    fn logo(file_name: &str, content: &[u8]) -> Result<Picture, PictureError> {
        named(Purpose::Logo, file_name, content)
    }

    fn drawn(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
        let mut out = Cursor::new(Vec::new());
        picture.write_to(&mut out, format).unwrap();
        out.into_inner()
    }

    fn png(width: u32, height: u32) -> Vec<u8> {
        drawn(&image::RgbaImage::new(width, height).into(), ImageFormat::Png)
    }

    #[test]
    fn a_portrait_is_square_upright_and_nothing_but_a_picture() {
        // 400 by 200: red, green, green, blue from left to right; the square middle is green.
        let colours = [[255, 0, 0], [0, 255, 0], [0, 255, 0], [0, 0, 255]];
        let wide = image::RgbImage::from_fn(400, 200, |x, _| image::Rgb(colours[x as usize / 100]));
        for format in [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::WebP, ImageFormat::Gif, ImageFormat::Tiff] {
            let made = portrait(&drawn(&wide.clone().into(), format)).unwrap();
            let made = image::load_from_memory_with_format(&made.content, ImageFormat::Png).unwrap().to_rgb8();
            assert_eq!((made.width(), made.height()), (300, 300));
            assert_eq!([made.get_pixel(20, 150).0, made.get_pixel(280, 150).0], [[0, 255, 0]; 2], "{format:?}");
        }
        // A JPEG whose Exif note says "turned by 90 degrees" (orientation 6): its left side is up.
        let halves = image::RgbImage::from_fn(64, 64, |x, _| image::Rgb(if x < 32 { [255; 3] } else { [0; 3] }));
        let mut jpeg = drawn(&halves.into(), ImageFormat::Jpeg);
        let mut exif =
            b"\xff\xe1\x00\x22Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0".to_vec();
        exif.append(&mut jpeg.split_off(2));
        jpeg.extend_from_slice(&exif);
        let made = portrait(&jpeg).unwrap();
        assert!(!made.content.windows(4).any(|w| w == b"Exif"));
        let made = image::load_from_memory(&made.content).unwrap().to_luma8();
        assert!(made.get_pixel(150, 20).0[0] > 200 && made.get_pixel(150, 280).0[0] < 50);
    }

    #[test]
    fn case_085_hostile_portraits_are_refused() {
        let good = png(20, 10);
        assert_eq!(portrait(&good[..good.len() / 2]), Err(PictureError::Undecodable));
        assert_eq!(portrait(b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>"), Err(PictureError::Format));
        assert_eq!(portrait(b""), Err(PictureError::Format));
        let mut huge = good;
        huge[16..20].copy_from_slice(&65_535_u32.to_be_bytes());
        huge[20..24].copy_from_slice(&65_535_u32.to_be_bytes());
        assert_eq!(portrait(&huge), Err(PictureError::Undecodable));
    }

    #[test]
    fn pictures_are_written_anew() {
        let mut with_tail = png(20, 10);
        with_tail.extend_from_slice(b"<script>alert(1)</script>");
        let p = logo("Logo.PNG", &with_tail).unwrap();
        assert_eq!(p.content_type, "image/png");
        assert!(!p.content.windows(8).any(|w| w == b"<script>"));
        let big = logo("a.png", &png(3000, 30)).unwrap();
        assert_eq!(image::load_from_memory(&big.content).unwrap().width(), 1024);
    }

    #[test]
    fn a_purpose_says_which_types_are_taken_and_what_is_written() {
        let svg = b"<svg xmlns=\"http://www.w3.org/2000/svg\"><path d=\"M0 0\"/></svg>";
        let photo = drawn(&image::RgbImage::new(3000, 1500).into(), ImageFormat::Jpeg);
        let ico = drawn(&image::RgbaImage::new(16, 16).into(), ImageFormat::Ico);
        let made = |purpose, name: &str, content: &[u8]| named(purpose, name, content).unwrap();
        assert_eq!(named(Purpose::EmailLogo, "a.svg", svg), Err(PictureError::Extension("PNG or JPEG")));
        assert_eq!(named(Purpose::Favicon, "a.jpg", &photo), Err(PictureError::Extension("SVG, PNG or ICO")));
        assert_eq!(made(Purpose::EmailLogo, "A.JPG", &photo).content_type, "image/png");
        assert_eq!(made(Purpose::Favicon, "a.ico", &ico).content_type, "image/png");
        assert_eq!(made(Purpose::Favicon, "a.svg", svg).content_type, "image/svg+xml");
        let side = |picture: &Picture| image::load_from_memory(&picture.content).unwrap().width();
        let background = made(Purpose::Background, "a.jpg", &photo);
        assert_eq!((background.content_type, side(&background)), ("image/jpeg", 2560));
        // What shines through can't be a JPEG.
        assert_eq!(made(Purpose::Background, "a.png", &png(9, 9)).content_type, "image/png");
        assert_eq!(side(&made(Purpose::Portrait, "a.png", &png(9, 20))), PORTRAIT_SIDE);
    }

    #[test]
    fn case_085_hostile_pictures_are_refused() {
        let good = png(20, 10);
        assert_eq!(logo("a.png", &good[..good.len() / 2]), Err(PictureError::Undecodable));
        assert_eq!(logo("a.jpg", &good), Err(PictureError::Undecodable));
        assert_eq!(logo("a.html", &good), Err(PictureError::Extension(TYPES)));
        assert_eq!(logo("a.avif", &good), Err(PictureError::Extension(TYPES)));
        assert_eq!(logo("a.png", b"<html>"), Err(PictureError::Undecodable));
        assert_eq!(logo("a.png", b""), Err(PictureError::Undecodable));
        // A header that claims 65,535 by 65,535 pixels.
        let mut huge = good;
        huge[16..20].copy_from_slice(&65_535_u32.to_be_bytes());
        huge[20..24].copy_from_slice(&65_535_u32.to_be_bytes());
        assert_eq!(logo("a.png", &huge), Err(PictureError::Undecodable));
        // A GIF that ends inside its first frame.
        assert_eq!(logo("a.gif", b"GIF89a\xff\xff\xff\xff\0\0\0,"), Err(PictureError::Undecodable));
    }
}
