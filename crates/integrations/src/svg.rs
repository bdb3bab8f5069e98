//! SVG reduced to what draws: an allow-list of elements and attributes, written anew (security case 84).

use roxmltree::{Document, Node, ParsingOptions};

const ELEMENTS: [&str; 23] = [
    "svg",
    "g",
    "path",
    "rect",
    "circle",
    "ellipse",
    "line",
    "polyline",
    "polygon",
    "text",
    "tspan",
    "title",
    "desc",
    "defs",
    "linearGradient",
    "radialGradient",
    "stop",
    "clipPath",
    "mask",
    "symbol",
    "use",
    "pattern",
    "marker",
];

/// Attributes that draw. `style` is left out: it could fetch.
const ATTRIBUTES: [&str; 66] = [
    "id",
    "class",
    "d",
    "x",
    "y",
    "x1",
    "y1",
    "x2",
    "y2",
    "cx",
    "cy",
    "r",
    "rx",
    "ry",
    "fx",
    "fy",
    "dx",
    "dy",
    "width",
    "height",
    "viewBox",
    "preserveAspectRatio",
    "points",
    "transform",
    "fill",
    "fill-rule",
    "fill-opacity",
    "stroke",
    "stroke-width",
    "stroke-linecap",
    "stroke-linejoin",
    "stroke-miterlimit",
    "stroke-dasharray",
    "stroke-dashoffset",
    "stroke-opacity",
    "opacity",
    "color",
    "clip-path",
    "clip-rule",
    "mask",
    "offset",
    "stop-color",
    "stop-opacity",
    "gradientUnits",
    "gradientTransform",
    "spreadMethod",
    "patternUnits",
    "patternTransform",
    "patternContentUnits",
    "clipPathUnits",
    "maskUnits",
    "maskContentUnits",
    "font-family",
    "font-size",
    "font-weight",
    "font-style",
    "text-anchor",
    "letter-spacing",
    "markerWidth",
    "markerHeight",
    "refX",
    "refY",
    "orient",
    "version",
    "display",
    "visibility",
];

const MAX_NODES: u32 = 20_000;
const MAX_DEPTH: usize = 64;

/// Rewrites an SVG. `None` if it is not one; document types (and so entities) are refused.
pub fn sanitize(text: &str) -> Option<String> {
    let options = ParsingOptions { allow_dtd: false, nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).ok()?;
    let root = document.root_element();
    if root.tag_name().name() != "svg" {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    write(root, &mut out, 0)?;
    Some(out)
}

fn write(node: Node<'_, '_>, out: &mut String, depth: usize) -> Option<()> {
    if depth > MAX_DEPTH {
        return None;
    }
    let name = node.tag_name().name();
    let namespace = node.tag_name().namespace();
    if !ELEMENTS.contains(&name) || namespace.is_some_and(|ns| ns != "http://www.w3.org/2000/svg") {
        return Some(());
    }
    out.push('<');
    out.push_str(name);
    if depth == 0 {
        out.push_str(" xmlns=\"http://www.w3.org/2000/svg\"");
    }
    for attribute in node.attributes() {
        let value = attribute.value();
        // A reference may only point into the same document.
        let is_local_reference = attribute.name() == "href" && value.starts_with('#');
        let draws = attribute.namespace().is_none() && ATTRIBUTES.contains(&attribute.name()) && is_inert(value);
        if draws || is_local_reference {
            out.push(' ');
            out.push_str(attribute.name());
            out.push_str("=\"");
            escape(value, out);
            out.push('"');
        }
    }
    out.push('>');
    for child in node.children() {
        if child.is_element() {
            write(child, out, depth + 1)?;
        } else if child.is_text() && matches!(name, "text" | "tspan" | "title" | "desc") {
            escape(child.text().unwrap_or_default(), out);
        }
    }
    out.push_str("</");
    out.push_str(name);
    out.push('>');
    Some(())
}

/// `url(#id)` is a reference within the document; any other `url(` or script scheme is not for us.
fn is_inert(value: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    let mut rest = lower.as_str();
    while let Some(at) = rest.find("url(") {
        rest = &rest[at + 4..];
        if !rest.trim_start_matches([' ', '"', '\'']).starts_with('#') {
            return false;
        }
    }
    !lower.contains("javascript:") && !lower.contains("data:") && !lower.contains("expression(")
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            c => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::sanitize;

    #[test]
    fn case_084_what_could_act_is_left_out() {
        let hostile = r##"<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" onload="alert(1)" viewBox="0 0 1 1">
            <script>alert(1)</script><foreignObject><body xmlns="http://www.w3.org/1999/xhtml">x</body></foreignObject>
            <use xlink:href="https://evil.example/x.svg#y"/><use xlink:href="#ok"/><image href="https://evil.example/p.png"/>
            <a href="javascript:alert(1)"><path d="M0 0"/></a><style>@import url(https://evil.example)</style>
            <path id="ok" d="M0 0h1" fill="url(https://evil.example)" stroke="url(#g)" style="fill:url(https://evil.example)" onclick="x()"/>
            <animate attributeName="href" to="javascript:alert(1)"/></svg>"##;
        let clean = sanitize(hostile).unwrap();
        for bad in
            ["script", "foreignObject", "evil", "onload", "onclick", "javascript", "style", "image", "animate", "<a"]
        {
            assert!(!clean.contains(bad), "{bad} survived in {clean}");
        }
        assert!(clean.contains("M0 0h1") && clean.contains("url(#g)") && clean.contains("href=\"#ok\""), "{clean}");
    }

    #[test]
    fn case_084_entities_and_other_documents_are_refused() {
        assert_eq!(sanitize("<!DOCTYPE svg [<!ENTITY a \"b\">]><svg>&a;</svg>"), None);
        assert_eq!(sanitize("<html><svg/></html>"), None);
        assert_eq!(sanitize("nonsense"), None);
        assert_eq!(sanitize(&format!("<svg>{}{}</svg>", "<g>".repeat(1000), "</g>".repeat(1000))), None);
    }
}
