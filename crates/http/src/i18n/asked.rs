//! Which language a request asks for.

use cookie::Cookie;
use fluent_langneg::{NegotiationStrategy, negotiate_languages};
use http::{HeaderMap, HeaderValue, header};
use unic_langid::LanguageIdentifier;

use super::{TAGS, Words, find, words};

/// What a request says about the language of its answer. Read when words are needed: most answers need none.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    accept: Option<HeaderValue>,
    cookies: Vec<HeaderValue>,
}

impl Asked {
    /// As the headers have it.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        Self {
            accept: headers.get(header::ACCEPT_LANGUAGE).cloned(),
            cookies: headers.get_all(header::COOKIE).iter().cloned().collect(),
        }
    }

    /// The words for a person: in the language of their account, else that of this browser's cookie `locale`, else what the
    /// browser asks for, else English.
    #[must_use]
    pub fn words(&self, account: Option<&str>) -> &'static Words {
        let cookies = self.cookies.iter().filter_map(|value| value.to_str().ok());
        let chosen = cookies.flat_map(Cookie::split_parse).flatten().find(|cookie| cookie.name() == "locale");
        let chosen = [account, chosen.as_ref().map(Cookie::value)].into_iter().flatten().find_map(find);
        chosen.unwrap_or_else(|| self.accepted())
    }

    /// The language that a new account gets: none for English, which is everybody's without one.
    #[must_use]
    pub fn of_newcomer(&self) -> Option<String> {
        Some(self.accepted().language()).filter(|tag| *tag != "en").map(str::to_owned)
    }

    /// The words in the language that the request accepts (RFC 9110 §12.5.4), else in English.
    #[must_use]
    pub fn accepted(&self) -> &'static Words {
        let asked = self.accept.as_ref().and_then(|value| value.to_str().ok()).unwrap_or_default();
        // Nobody reads more languages than fit here; what is longer is no list of languages.
        let asked = wanted(asked.get(..200).unwrap_or(asked));
        let ours: Vec<LanguageIdentifier> = TAGS.iter().filter_map(|tag| tag.parse().ok()).collect();
        let found = negotiate_languages(&asked, &ours, None, NegotiationStrategy::Filtering);
        found.first().and_then(|language| find(language.language.as_str())).unwrap_or_else(|| words("en"))
    }
}

/// The languages that are asked for, the dearest first.
fn wanted(header: &str) -> Vec<LanguageIdentifier> {
    let mut asked: Vec<(f32, LanguageIdentifier)> = header
        .split(',')
        .filter_map(|item| {
            let mut parts = item.split(';').map(str::trim);
            let language = parts.next()?.parse().ok()?;
            let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(Some(1.0), |q| q.parse().ok())?;
            (weight > 0.0).then_some((weight, language))
        })
        .collect();
    asked.sort_by(|a, b| b.0.total_cmp(&a.0));
    asked.into_iter().map(|(_, language)| language).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_comes_before_the_cookie_and_that_before_the_browser() {
        let asks = |text: &'static str| HeaderMap::from_iter([(header::ACCEPT_LANGUAGE, text.parse().unwrap())]);
        let tag = |account, cookie: Option<&str>, text| {
            let mut headers = asks(text);
            if let Some(cookie) = cookie {
                headers.insert(header::COOKIE, format!("theme=dark; locale={cookie}").parse().unwrap());
            }
            Asked::of(&headers).words(account).language()
        };
        assert_eq!(tag(Some("ja"), Some("fr"), "de"), "ja");
        assert_eq!(tag(Some("xx"), Some("fr"), "de"), "fr");
        assert_eq!(tag(None, Some("pt-BR"), "de-AT, de;q=0.8, en;q=0.5"), "de");
        assert_eq!(tag(None, None, "pt, es-MX;q=0.7, en;q=0.9"), "en");
        assert_eq!(tag(None, None, "pt, *"), "en");
        assert_eq!(tag(Some("de-CH"), None, "fr"), "de");
        for nothing in ["", "*", "xx-YY", ";;q=,,", "en;q=0, xx"] {
            assert_eq!(tag(None, None, nothing), "en", "{nothing}");
        }
        assert_eq!(Asked::default().words(None).language(), "en");
    }
}
