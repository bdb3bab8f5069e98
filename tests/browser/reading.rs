//! What a screen reader meets, in its order: on each page one main heading and none that skips a level, and the focus goes the
//! way that the eye does (WCAG 2.2, 1.3.1, 1.3.2 and 2.4.3); and word by word what stands on the pages that most people see.

use pid_testkit::chromium::Page;

use crate::weight::{every_page, fresh_tab};

/// Headings that don't fit: their levels, as they are read.
async fn headings(tab: &Page) -> Option<String> {
    let levels = "[...document.querySelectorAll('h1, h2, h3, h4, h5, h6')].filter((h) => h.checkVisibility()).map((h) => +h.localName[1])";
    let levels: Vec<u8> = tab.eval(levels).await.unwrap();
    let skips = levels.windows(2).any(|pair| pair[1] > pair[0] + 1);
    let fit = levels.first() == Some(&1) && levels.iter().filter(|level| **level == 1).count() == 1 && !skips;
    (!fit).then(|| format!("headings {levels:?}"))
}

/// Steps of the focus that lead up the page and not into a column beside it.
async fn steps_back(tab: &Page) -> Vec<String> {
    let steps = "(() => { \
        const all = [...document.querySelectorAll('main :is(a[href], button, input, select, textarea, summary, [tabindex=\"0\"])')] \
            .filter((e) => !e.disabled && e.tabIndex >= 0 && e.type !== 'hidden' && e.checkVisibility({ opacityProperty: true, visibilityProperty: true })); \
        const name = (e) => (e.ariaLabel || e.innerText || e.id || e.outerHTML).trim().slice(0, 60); \
        return all.slice(1).flatMap((next, n) => { \
            const [a, b] = [all[n], next].map((e) => e.getBoundingClientRect()); \
            return b.bottom <= a.top && b.left < a.right ? [`${name(all[n])} → ${name(next)}`] : []; }); })()";
    tab.eval(steps).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headings_fit_and_the_focus_goes_on_as_the_eye_does() {
    let (stage, cookie, rows, _mailbox) = every_page().await;
    let mut wrong = Vec::new();
    for row in &rows {
        let tab = fresh_tab(&stage, row.signed_in.then_some(&cookie)).await;
        for width in [1440, 390] {
            tab.set_viewport(width, 900, width < 600).await.unwrap();
            tab.goto(&stage.url(&row.path)).await.unwrap();
            tab.wait_idle().await.unwrap();
            wrong.extend(headings(&tab).await.map(|what| format!("{}: {what}", row.path)));
            wrong.extend(steps_back(&tab).await.into_iter().map(|what| format!("{} at {width}: {what}", row.path)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a page says, a line each: the role, and the name where there is one. A text that only repeats the name of what it is in,
/// and what only groups others, is left out.
async fn read(tab: &Page) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut last = String::new();
    for (role, name) in tab.accessibility().await.unwrap() {
        let groups =
            ["generic", "paragraph", "form", "LabelText", "group", "RootWebArea", "rowgroup", "list", "MenuListPopup"];
        if groups.contains(&role.as_str()) || (role == "StaticText" && last == name) {
            continue;
        }
        let role = if role == "StaticText" { "text" } else { &role };
        lines.push(format!("{role} {name}").trim_end().to_owned());
        last = name;
    }
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pages_of_everybody_are_read_in_this_order() {
    let (stage, cookie, rows, _mailbox) = every_page().await;
    let page = async |route: &str, signed_in: bool| {
        let row = rows.iter().find(|row| row.route == route && row.signed_in == signed_in).unwrap();
        let tab = fresh_tab(&stage, row.signed_in.then_some(&cookie)).await;
        tab.goto(&stage.url(&row.path)).await.unwrap();
        tab.wait_idle().await.unwrap();
        read(&tab).await
    };
    let bar = ["banner", "button Select locale", "button Toggle theme", "main"];
    let own_bar = ["banner", "button Toggle theme", "button My Account", "main"];
    let login = [
        "heading Sign in to Pocket ID",
        "text Use your passkey to continue.",
        "alert",
        "status",
        "link Sign Up",
        "button Authenticate",
        "text or",
        "text Username",
        "textbox Username",
        "text Select this field to pick a passkey that your browser suggests.",
        "text Don't have access to your passkey?",
        "link Alternative Sign In Methods",
    ];
    assert_eq!(page("/login", false).await, [&bar[..], &login].concat());
    let consent = [
        "heading Sign in to Nextcloud",
        "text Do you want to sign in to",
        "strong",
        "text Nextcloud",
        "text with your Pocket ID account?",
        "alert",
        "region Nextcloud wants to access the following information:",
        "strong",
        "text Nextcloud",
        "text wants to access the following information:",
        "listitem",
        "strong",
        "text Profile",
        "text Your name, username and picture",
        "listitem",
        "strong",
        "text Email",
        "text Your e-mail address",
        "listitem",
        "strong",
        "text Groups",
        "text The groups you belong to",
        "link Cancel",
        "button Sign in",
    ];
    assert_eq!(page("/interaction", true).await, [&own_bar[..], &consent].concat());
    let device = [
        "heading Authorize Device",
        "text Enter the code that was displayed in the previous step.",
        "alert",
        "status",
        "textbox Code",
        "link Cancel",
        "button Authorize",
        "text Don't have access to your passkey?",
        "link Alternative Sign In Methods",
    ];
    assert_eq!(page("/device", false).await, [&bar[..], &device].concat());
    // Behind the bar and the navigation, which one may skip.
    let apps = page("/settings/apps", true).await;
    assert_eq!(apps[..2], ["link Skip to content", "banner"]);
    assert!(apps.contains(&"navigation Settings".to_owned()), "{apps:?}");
    let (at, _) = apps.iter().enumerate().find(|(_, line)| *line == "main").unwrap();
    let launcher = [
        "main",
        "heading My Apps",
        "text What you may open with your account, the latest used first.",
        "article Nextcloud",
        "heading Nextcloud",
        "text cloud.example.com",
        "button Toggle menu",
        "link Launch",
        "contentinfo",
    ];
    assert_eq!(apps[at..apps.len() - 1], launcher);
}
