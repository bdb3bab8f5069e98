//! The icons: our own line drawings on a grid of 24, and the mark of the house.

use pid_core::application_images::{ApplicationImages, Image};

use crate::i18n::Html;

/// An icon as inline SVG, hidden from assistive technology: a control's name is its text or its label.
#[must_use]
pub fn icon(name: &str) -> Html {
    let shape = match name {
        "key" => "<circle cx='8' cy='8' r='4.5'/><path d='m11.3 11.3 8.7 8.7M16 16l2.5-2.5'/>",
        "user" => "<circle cx='12' cy='8' r='4'/><path d='M4.5 20.5c.8-4 3.8-6 7.5-6s6.7 2 7.5 6'/>",
        "users" => {
            "<circle cx='9' cy='8.5' r='3.5'/><path d='M2.5 19.5c.6-3.5 3.2-5 6.5-5s5.9 1.5 6.5 5M15.5 5.3a3.5 3.5 0 0 1 0 6.4M18 15c2 .6 3.2 2.2 3.5 4.5'/>"
        }
        "apps" => {
            "<rect x='3.5' y='3.5' width='7' height='7' rx='2'/><rect x='13.5' y='3.5' width='7' height='7' rx='2'/><rect x='3.5' y='13.5' width='7' height='7' rx='2'/><circle cx='17' cy='17' r='3.5'/>"
        }
        "log" => "<path d='M6 3.5h8l4.5 4.5v12.5H6z'/><path d='M14 3.5V8h4.5M9 12.5h6M9 16h4'/>",
        "clients" => "<rect x='3' y='4' width='18' height='16' rx='3'/><path d='M3 9h18M6.5 6.5h.01M9.5 6.5h.01'/>",
        "api" => "<path d='m8 8-4.5 4L8 16M16 8l4.5 4-4.5 4M13.5 5l-3 14'/>",
        "settings" => {
            "<path d='M4 7h9M17 7h3M4 17h3M11 17h9'/><circle cx='15' cy='7' r='2.2'/><circle cx='9' cy='17' r='2.2'/>"
        }
        "shield" => {
            "<path d='M12 3.5c2.5 1.8 5 2.5 7.5 2.7.3 6.8-2.3 11.8-7.5 14.3-5.2-2.5-7.8-7.5-7.5-14.3 2.5-.2 5-.9 7.5-2.7z'/><path d='m9 12 2.2 2.2L15.2 10'/>"
        }
        "logout" => "<path d='M10 4H6a2 2 0 0 0-2 2v12a2 2 0 0 0 2 2h4M15 8l4.5 4-4.5 4M9.5 12h10'/>",
        "sun" => {
            "<circle cx='12' cy='12' r='4'/><path d='M12 2.5v2M12 19.5v2M2.5 12h2M19.5 12h2M5.3 5.3l1.4 1.4M17.3 17.3l1.4 1.4M18.7 5.3l-1.4 1.4M6.7 17.3l-1.4 1.4'/>"
        }
        "moon" => "<path d='M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z'/>",
        "safe" => {
            "<rect x='3.5' y='4' width='17' height='15' rx='2.5'/><circle cx='12' cy='11.5' r='3.2'/><path d='M12 8.3V7M12 16v-1.3M7 19v1.5M17 19v1.5'/>"
        }
        "usb" => "<rect x='7.5' y='8' width='9' height='13' rx='2.5'/><path d='M9.5 8V3.5h5V8M12 12.5v3'/>",
        "phone" => "<rect x='7' y='3' width='10' height='18' rx='2.5'/><path d='M11 18h2'/>",
        "screen" => "<rect x='3' y='4.5' width='18' height='12' rx='2'/><path d='M9 20h6M12 16.5V20'/>",
        "menu" => "<path d='M4 7h16M4 12h16M4 17h16'/>",
        "plus" => "<path d='M12 5v14M5 12h14'/>",
        "pencil" => "<path d='M4 20l1-4.5L16.5 4l3.5 3.5L8.5 19zM14 6.5 17.5 10'/>",
        "trash" => "<path d='M4 7h16M9 7V4.5h6V7M6 7l1 13.5h10L18 7M10 11v5.5M14 11v5.5'/>",
        "copy" => {
            "<rect x='9' y='9' width='11' height='11' rx='2.5'/><path d='M15 5.5A1.5 1.5 0 0 0 13.5 4h-8A1.5 1.5 0 0 0 4 5.5v8A1.5 1.5 0 0 0 5.5 15'/>"
        }
        "check" => "<path d='m5 12.5 4.5 4.5L19 7.5'/>",
        "download" => "<path d='M12 4v11M7.5 10.5 12 15l4.5-4.5M5 19.5h14'/>",
        "x" => "<path d='M6 6l12 12M18 6 6 18'/>",
        "alert" => "<path d='M12 4 2.5 20h19z'/><path d='M12 10v4.5M12 17.2v.1'/>",
        "info" => "<circle cx='12' cy='12' r='9'/><path d='M12 11v5M12 7.8v.1'/>",
        "search" => "<circle cx='10.5' cy='10.5' r='6'/><path d='m15 15 5 5'/>",
        "globe" => {
            "<circle cx='12' cy='12' r='8.5'/><path d='M3.5 12h17M12 3.5c2.8 2.6 4 5.4 4 8.5s-1.2 5.9-4 8.5c-2.8-2.6-4-5.4-4-8.5s1.2-5.9 4-8.5z'/>"
        }
        "down" => "<path d='m6 9.5 6 6 6-6'/>",
        "left" => "<path d='m14.5 6-6 6 6 6'/>",
        "right" => "<path d='m9.5 6 6 6-6 6'/>",
        "dots" => "<path d='M5.5 12h.01M12 12h.01M18.5 12h.01' stroke-width='2.6'/>",
        "external" => "<path d='M14 4h6v6M20 4l-9 9M18 14v4a2 2 0 0 1-2 2H6a2 2 0 0 1-2-2V8a2 2 0 0 1 2-2h4'/>",
        "mail" => "<rect x='3' y='5' width='18' height='14' rx='3'/><path d='m4 7.5 8 6 8-6'/>",
        "code" => "<rect x='3' y='6' width='18' height='12' rx='3'/><path d='M7.5 10.5v3M12 10.5v3M16.5 10.5v3'/>",
        "filter" => "<path d='M4 6h16M7 12h10M10 18h4'/>",
        "columns" => "<rect x='3.5' y='5' width='17' height='14' rx='2.5'/><path d='M9.2 5v14M14.8 5v14'/>",
        "lock" => {
            "<rect x='5' y='10.5' width='14' height='10' rx='2.5'/><path d='M8 10.5V8a4 4 0 0 1 8 0v2.5M12 14.5v2'/>"
        }
        "clock" => "<circle cx='12' cy='12' r='8.5'/><path d='M12 7v5l3.5 2'/>",
        "tag" => "<path d='M4 4h8l8 8-8 8-8-8z'/><path d='M8.3 8.3h.01'/>",
        "link" => {
            "<path d='M10 14a4 4 0 0 0 5.7 0l3-3A4 4 0 0 0 13 5.3l-1 1M14 10a4 4 0 0 0-5.7 0l-3 3a4 4 0 0 0 5.7 5.7l1-1'/>"
        }
        "image" => {
            "<rect x='3.5' y='4.5' width='17' height='15' rx='3'/><circle cx='9' cy='10' r='1.7'/><path d='m5 18 5-4.5 3 2.5 3-3 4 4'/>"
        }
        "eye" => {
            "<path d='M2.5 12c2.2-4 5.4-6 9.5-6s7.3 2 9.5 6c-2.2 4-5.4 6-9.5 6s-7.3-2-9.5-6z'/><circle cx='12' cy='12' r='3'/>"
        }
        "compass" => "<circle cx='12' cy='12' r='9'/><path d='m15.5 8.5-2 5-5 2 2-5z'/>",
        _ => "",
    };
    Html::trusted(format!(
        "<svg class='icon' viewBox='0 0 24 24' width='20' height='20' fill='none' stroke='currentColor' stroke-width='1.7' stroke-linecap='round' stroke-linejoin='round' aria-hidden='true'>{shape}</svg>"
    ))
}

/// The mark: a card in a pocket, and the pocket has a keyhole. Decorative unless it gets a name.
#[must_use]
pub fn mark(name: &str) -> Html {
    Html::trusted(drawn("mark", name))
}

/// The logo that an administrator uploaded, for light and dark pages; our mark where there is none. A light one serves
/// dark pages too, as logos of clients do, but a dark one was made for dark pages only.
#[must_use]
pub fn logo(images: &ApplicationImages, name: &str) -> Html {
    let shown = |class: &str, url: &str| {
        let url = url.replace('&', "&amp;");
        format!("<img class='{class}' src='{url}' alt='{name}' width='40' height='40'>")
    };
    Html::trusted(match (images.url(Image::LightLogo), images.url(Image::DarkLogo)) {
        (None, None) => drawn("mark", name),
        (Some(light), None) => shown("mark", &light),
        (Some(light), Some(dark)) => shown("mark when-light", &light) + &shown("mark when-dark", &dark),
        (None, Some(dark)) => drawn("mark when-light", name) + &shown("mark when-dark", &dark),
    })
}

fn drawn(class: &str, name: &str) -> String {
    let role =
        if name.is_empty() { "aria-hidden='true'".to_owned() } else { format!("role='img' aria-label='{name}'") };
    format!("<svg class='{class}' viewBox='0 0 48 48' width='40' height='40' {role}>{MARK}</svg>")
}

const MARK: &str = "<path class='mark-card' d='M15.2 5.6 31 4.2a4 4 0 0 1 4.350 3.630L36.8 24 12.9 26.1 11.570 9.950A4 4 0 0 1 15.2 5.6z'/>\
<path class='mark-line' d='m17.2 10.9 8.5-.75'/>\
<path class='mark-pocket' fill-rule='evenodd' d='M10 17h7.8c1.3 0 2.3.7 2.9 1.7a3.8 3.8 0 0 0 6.6 0c.6-1 1.6-1.7 2.9-1.7H38a4 4 0 0 1 4 4v11.5c0 3-1.5 5.8-4 7.5l-10.6 7a6 6 0 0 1-6.8 0l-10.6-7A9 9 0 0 1 6 32.5V21a4 4 0 0 1 4-4zm14 9a4 4 0 0 0-1.9 7.520l-.9 4.030a1.2 1.2 0 0 0 1.170 1.450h3.260a1.2 1.2 0 0 0 1.170-1.450l-.9-4.030A4 4 0 0 0 24 26z'/>";
