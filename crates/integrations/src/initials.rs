//! The picture of a person who has none: their initials on a colour of their own.

use std::io::Cursor;

use ab_glyph::{Font as _, FontRef, GlyphId, PxScale, ScaleFont as _, point};
use epaint_default_fonts::UBUNTU_LIGHT;
use image::{ImageFormat, Rgb, RgbImage};

use crate::images::PORTRAIT_SIDE;

/// Backgrounds on which white text is easy to read (WCAG 2.2 §1.4.3: at least 4.5 : 1; a test computes it).
const COLOURS: [[u8; 3]; 10] = [
    [0x3b, 0x5b, 0xdb],
    [0x5f, 0x3d, 0xc4],
    [0x86, 0x2e, 0x9c],
    [0xa6, 0x1e, 0x4d],
    [0xc9, 0x2a, 0x2a],
    [0xa0, 0x48, 0x0b],
    [0x6b, 0x60, 0x0a],
    [0x2b, 0x72, 0x3a],
    [0x08, 0x6f, 0x6a],
    [0x1b, 0x61, 0x8f],
];
const TEXT: Rgb<u8> = Rgb([255; 3]);
const SIDE: f32 = PORTRAIT_SIDE as f32;
/// The height of the letters, pixels per em.
const SIZE: f32 = 0.48 * SIDE;

/// A PNG of the letters, [`PORTRAIT_SIDE`] pixels square. `seed`, a person's id, chooses the colour. Letters that the font
/// doesn't have, as those of many scripts, become the outline of a head.
pub fn picture(letters: &str, seed: &str) -> Vec<u8> {
    // Only the spread matters: FNV-1a.
    let hash = seed.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    let background = COLOURS[(hash % COLOURS.len() as u64) as usize];
    let mut picture = RgbImage::from_pixel(PORTRAIT_SIDE, PORTRAIT_SIDE, Rgb(background));
    if !write(&mut picture, letters) {
        draw_head(&mut picture);
    }
    let mut out = Cursor::new(Vec::new());
    // Writing to memory doesn't fail; a picture of no bytes would be seen by the tests.
    let _ = picture.write_to(&mut out, ImageFormat::Png);
    out.into_inner()
}

/// Writes the letters in the middle. Tells whether the font has them all.
fn write(picture: &mut RgbImage, letters: &str) -> bool {
    let Ok(font) = FontRef::try_from_slice(UBUNTU_LIGHT) else { return false };
    let glyphs: Vec<GlyphId> = letters.chars().map(|c| font.glyph_id(c)).collect();
    if glyphs.is_empty() || glyphs.contains(&GlyphId(0)) {
        return false;
    }
    let scaled = font.as_scaled(PxScale::from(SIZE));
    let width: f32 = glyphs.iter().map(|&g| scaled.h_advance(g)).sum();
    // Capitals stand on the baseline and have no descent: their own height is centred.
    let capital = font.outline_glyph(font.glyph_id('H').with_scale(SIZE)).map_or(SIZE, |g| g.px_bounds().height());
    let (mut x, baseline) = ((SIDE - width) / 2.0, (SIDE + capital) / 2.0);
    for glyph in glyphs {
        if let Some(outline) = font.outline_glyph(glyph.with_scale_and_position(SIZE, point(x, baseline))) {
            let bounds = outline.px_bounds();
            outline.draw(|dx, dy, coverage| {
                blend(picture, bounds.min.x + dx as f32, bounds.min.y + dy as f32, coverage);
            });
        }
        x += scaled.h_advance(glyph);
    }
    true
}

/// A head and shoulders, four samples to a pixel in each direction.
fn draw_head(picture: &mut RgbImage) {
    let inside = |x: f32, y: f32| {
        let circle = |cx: f32, cy: f32, rx: f32, ry: f32| ((x - cx) / rx).powi(2) + ((y - cy) / ry).powi(2) <= 1.0;
        circle(150.0, 118.0, 52.0, 56.0) || circle(150.0, 300.0, 104.0, 104.0)
    };
    for (x, y) in (0..PORTRAIT_SIDE).flat_map(|y| (0..PORTRAIT_SIDE).map(move |x| (x, y))) {
        let samples = (0..16).filter(|i| inside(x as f32 + (i % 4) as f32 / 4.0, y as f32 + (i / 4) as f32 / 4.0));
        blend(picture, x as f32, y as f32, samples.count() as f32 / 16.0);
    }
}

/// Mixes the colour of the text in. What lies outside of the picture is cut.
fn blend(picture: &mut RgbImage, x: f32, y: f32, coverage: f32) {
    if x < 0.0 || y < 0.0 || x >= SIDE || y >= SIDE {
        return;
    }
    let pixel = picture.get_pixel_mut(x as u32, y as u32);
    for (under, over) in pixel.0.iter_mut().zip(TEXT.0) {
        *under = (f32::from(*under) + (f32::from(over) - f32::from(*under)) * coverage.clamp(0.0, 1.0)).round() as u8;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_and_seeds_make_different_pictures() {
        let decoded = |letters, seed| image::load_from_memory(&picture(letters, seed)).unwrap().to_rgb8();
        let ada = decoded("AL", "u1");
        assert_eq!((ada.width(), ada.height()), (PORTRAIT_SIDE, PORTRAIT_SIDE));
        let white = |p: &RgbImage| p.pixels().filter(|p| **p == TEXT).count();
        assert!(white(&ada) > 1000);
        // What is written is in the middle and leaves the border alone.
        assert!(
            ada.enumerate_pixels()
                .filter(|(_, _, p)| **p == TEXT)
                .all(|(x, y, _)| (30..270).contains(&x) && (90..210).contains(&y))
        );
        assert_ne!(ada, decoded("AK", "u1"));
        assert_ne!(ada, decoded("AL", "u2"));
        assert_eq!(ada, decoded("AL", "u1"));
        for wide in ["WW", "ÄÖ", "ŽЖ", "ΩΣ"] {
            assert!(white(&decoded(wide, "u1")) > 1000, "{wide}");
        }
        // No glyph: one and the same head.
        assert_eq!(decoded("愛", "u1"), decoded("", "u1"));
        assert!(white(&decoded("愛", "u1")) > 10_000);
    }

    #[test]
    fn every_colour_lets_white_text_be_read() {
        let linear = |c: u8| {
            let c = f64::from(c) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        for [r, g, b] in COLOURS {
            let luminance = 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
            let contrast = 1.05 / (luminance + 0.05);
            assert!(contrast >= 4.5, "{r:02x}{g:02x}{b:02x}: {contrast:.2}");
        }
    }
}
