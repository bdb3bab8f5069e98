//! Pictures that people upload: decoded within limits and written anew, so that nothing of the original file but its
//! picture survives (security cases 84, 85).

use std::io::Cursor;

use image::{ImageFormat, ImageReader, Limits};

/// The largest upload, bytes.
pub const MAX_UPLOAD: usize = 2 * 1024 * 1024;
/// The largest side, pixels. Larger pictures are scaled down to it.
const MAX_SIDE: u32 = 1024;
/// The largest side that is decoded at all, pixels.
const MAX_DECODED_SIDE: u32 = 10_000;
/// Memory that decoding may take, bytes.
const MAX_DECODED_BYTES: u64 = 128 * 1024 * 1024;

/// A picture ready to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// `image/png` or `image/svg+xml`.
    pub content_type: &'static str,
    /// The bytes.
    pub content: Vec<u8>,
}

/// Why an upload is no picture for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// The file name's extension is not accepted.
    #[error("use a PNG, JPEG, WebP, GIF, BMP, ICO or SVG file")]
    Extension,
    /// Not a picture of that type, damaged, or beyond the limits.
    #[error("the file is damaged, too large to decode, or not of the type that its name says")]
    Undecodable,
}

/// Turns an upload into a stored picture: a PNG, or an SVG reduced to harmless elements.
///
/// # Errors
/// [`PictureError`].
pub fn logo(file_name: &str, content: &[u8]) -> Result<Picture, PictureError> {
    let extension = file_name.rsplit_once('.').map(|(_, e)| e.to_ascii_lowercase()).unwrap_or_default();
    let format = match extension.as_str() {
        "svg" => {
            let text = std::str::from_utf8(content).map_err(|_| PictureError::Undecodable)?;
            let content = crate::svg::sanitize(text).ok_or(PictureError::Undecodable)?.into_bytes();
            return Ok(Picture { content_type: "image/svg+xml", content });
        }
        "png" => ImageFormat::Png,
        "jpg" | "jpeg" => ImageFormat::Jpeg,
        "webp" => ImageFormat::WebP,
        "gif" => ImageFormat::Gif,
        "bmp" => ImageFormat::Bmp,
        "ico" => ImageFormat::Ico,
        _ => return Err(PictureError::Extension),
    };
    // The content must be what the name says: a file of two faces is refused.
    if image::guess_format(content).ok() != Some(format) {
        return Err(PictureError::Undecodable);
    }
    let mut reader = ImageReader::with_format(Cursor::new(content), format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_DECODED_SIDE);
    limits.max_image_height = Some(MAX_DECODED_SIDE);
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    reader.limits(limits);
    // Of an animation the first frame is taken.
    let picture = reader.decode().map_err(|_| PictureError::Undecodable)?;
    let picture = if picture.width() > MAX_SIDE || picture.height() > MAX_SIDE {
        picture.resize(MAX_SIDE, MAX_SIDE, image::imageops::FilterType::Triangle)
    } else {
        picture
    };
    let mut out = Cursor::new(Vec::new());
    picture.to_rgba8().write_to(&mut out, ImageFormat::Png).map_err(|_| PictureError::Undecodable)?;
    Ok(Picture { content_type: "image/png", content: out.into_inner() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut out = Cursor::new(Vec::new());
        image::RgbaImage::new(width, height).write_to(&mut out, ImageFormat::Png).unwrap();
        out.into_inner()
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
    fn case_085_hostile_pictures_are_refused() {
        let good = png(20, 10);
        assert_eq!(logo("a.png", &good[..good.len() / 2]), Err(PictureError::Undecodable));
        assert_eq!(logo("a.jpg", &good), Err(PictureError::Undecodable));
        assert_eq!(logo("a.html", &good), Err(PictureError::Extension));
        assert_eq!(logo("a.avif", &good), Err(PictureError::Extension));
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
