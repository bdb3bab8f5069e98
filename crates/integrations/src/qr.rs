//! QR codes (ISO/IEC 18004) as drawings.

use fast_qr::convert::Builder as _;
use fast_qr::convert::svg::SvgBuilder;
use fast_qr::{ECL, QRBuilder};

/// An SVG of a text, dark on white with the quiet zone that readers want; `None` if it is too long.
#[must_use]
pub fn svg(text: &str) -> Option<String> {
    let code = QRBuilder::new(text).ecl(ECL::M).build().ok()?;
    Some(SvgBuilder::default().margin(4).to_str(&code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_becomes_a_drawing() {
        let drawn = svg("https://id.example.com/lc/ABC234").unwrap();
        assert!(drawn.starts_with("<svg ") && drawn.ends_with("</svg>"), "{drawn}");
        assert_ne!(drawn, svg("https://id.example.com/lc/ABC235").unwrap());
        assert_eq!(svg(&"x".repeat(10_000)), None);
    }
}
