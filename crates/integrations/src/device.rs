//! A `User-Agent` in words (api.md §11.10).

use woothee::parser::Parser;

/// "Firefox on Linux", "Safari on iOS 17.4", "curl": the browser and the system, as far as they are said. Empty for an
/// empty text.
#[must_use]
pub fn in_words(user_agent: &str) -> String {
    // "HTTP Library" says less than the name of its product.
    let known = |text: &str| !["", "UNKNOWN", "HTTP Library"].contains(&text);
    let Some(found) = Parser::new().parse(user_agent).filter(|found| known(found.name)) else {
        return product(user_agent);
    };
    let name = if found.name == "Internet Explorer" && user_agent.contains("Edg/") { "Edge" } else { found.name };
    let system = match found.os {
        "iPhone" | "iPad" | "iPod" => "iOS",
        "Mac OSX" => "macOS",
        other => other,
    };
    // Windows' name holds its version; browsers on macOS have told a fixed one for years.
    let version = if matches!(system, "iOS" | "Android") && known(&found.os_version) {
        format!(" {}", found.os_version)
    } else {
        String::new()
    };
    if known(system) { format!("{name} on {system}{version}") } else { name.to_owned() }
}

/// Whether a browser says of itself that it is a view inside an app, which offers passkeys of its own site at best.
#[must_use]
pub fn is_web_view(user_agent: &str) -> bool {
    let says = |text: &str| user_agent.contains(text);
    let android = says("; wv)");
    // Browsers on iOS name themselves and Safari; a view inside an app leaves Safari out.
    let ios = (says("iPhone") || says("iPad")) && says("AppleWebKit/") && !says("Safari/");
    android || ios || ["FBAN/", "FBAV/", "Instagram ", " Line/", "MicroMessenger/"].into_iter().any(says)
}

/// The name of the first product: `curl/8.5.0` is "curl".
fn product(user_agent: &str) -> String {
    let first = user_agent.split([' ', '/', '(']).next().unwrap_or_default();
    first.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_inside_apps_say_so() {
        let ios = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)";
        for (text, inside) in [
            (format!("{ios} Mobile/15E148"), true),
            (format!("{ios} Version/17.4 Mobile/15E148 Safari/604.1"), false),
            (format!("{ios} CriOS/140.0 Mobile/15E148 Safari/604.1"), false),
            (format!("{ios} Mobile/15E148 [FBAN/FBIOS;FBAV/440.0]"), true),
            ("Mozilla/5.0 (Linux; Android 14; Pixel 8; wv) AppleWebKit/537.36 Version/4.0 Chrome/140.0 Mobile Safari/537.36".to_owned(), true),
            ("Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36".to_owned(), false),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0".to_owned(), false),
            (String::new(), false),
        ] {
            assert_eq!(is_web_view(&text), inside, "{text}");
        }
    }

    #[test]
    fn well_known_browsers() {
        for (text, words) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Mobile/15E148 Safari/604.1",
                "Safari on iOS 17.4",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
                "Chrome on Windows 10",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Safari/605.1.15",
                "Safari on macOS",
            ),
            ("curl/8.5.0", "curl"),
            ("", ""),
            ("☃\u{0}/", "☃\u{0}"),
        ] {
            assert_eq!(in_words(text), words, "{text}");
        }
    }
}
