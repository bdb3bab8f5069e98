//! The words of the pages: Mozilla Fluent catalogues, one file per language in `messages/`.
//!
//! Keys that begin with `js-` are for scripts (the build puts them into the bundles); all others are for templates.
//! Messages without arguments are resolved once, so that a page costs a look-up per word. Messages whose key ends
//! in `-html` hold markup of ours; their arguments are escaped.

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use unic_langid::langid;

const ENGLISH: &str = include_str!("../messages/en.ftl");

/// The languages that there are catalogues for (BCP 47).
pub const LANGUAGES: [&str; 1] = ["en"];

static EN: LazyLock<Words> = LazyLock::new(|| Words::load("en", ENGLISH).0);

/// The catalogue of a language, English when there is none for it.
#[must_use]
pub fn words(_language: &str) -> &'static Words {
    &EN
}

/// One language's messages.
pub struct Words {
    language: &'static str,
    plain: HashMap<Box<str>, Box<str>>,
    bundle: FluentBundle<FluentResource>,
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Words").field("language", &self.language).finish_non_exhaustive()
    }
}

impl Words {
    /// Reads a catalogue; what is wrong with it comes back as sentences (a test demands that there are none).
    fn load(language: &'static str, source: &str) -> (Self, Vec<String>) {
        let mut complaints = Vec::new();
        let resource = match FluentResource::try_new(source.to_owned()) {
            Ok(resource) => resource,
            Err((resource, errors)) => {
                complaints.extend(errors.iter().map(ToString::to_string));
                resource
            }
        };
        let mut bundle = FluentBundle::new_concurrent(vec![langid!("en")]);
        // Marks around arguments would end up in attributes and copied text.
        bundle.set_use_isolating(false);
        let keys: Vec<String> = keys(source).map(str::to_owned).collect();
        if let Err(errors) = bundle.add_resource(resource) {
            complaints.extend(errors.iter().map(ToString::to_string));
        }
        let mut plain = HashMap::new();
        for key in keys {
            let Some(pattern) = bundle.get_message(&key).and_then(|message| message.value()) else { continue };
            let mut errors = Vec::new();
            let text = bundle.format_pattern(pattern, None, &mut errors);
            if errors.is_empty() {
                plain.insert(key.into_boxed_str(), text.into_owned().into_boxed_str());
            }
        }
        (Self { language, plain, bundle }, complaints)
    }

    /// The language as a BCP 47 tag, for `<html lang>`.
    #[must_use]
    pub fn language(&self) -> &'static str {
        self.language
    }

    /// A message without arguments. An unknown key is shown as itself.
    #[must_use]
    pub fn get<'a>(&'a self, key: &'a str) -> &'a str {
        self.plain.get(key).map_or(key, AsRef::as_ref)
    }

    /// A message with arguments by name.
    #[must_use]
    pub fn with(&self, key: &str, arguments: &[(&str, &str)]) -> String {
        let mut args = FluentArgs::with_capacity(arguments.len());
        for (name, value) in arguments {
            args.set(*name, *value);
        }
        self.format(key, &args)
    }

    /// A message with a number named `n`, for plural forms.
    #[must_use]
    pub fn count(&self, key: &str, n: usize) -> String {
        let mut args = FluentArgs::with_capacity(1);
        args.set("n", n);
        self.format(key, &args)
    }

    /// A message that holds markup; the arguments are escaped.
    #[must_use]
    pub fn html(&self, key: &str, arguments: &[(&str, &str)]) -> Html {
        let escaped: Vec<(&str, String)> = arguments.iter().map(|(name, value)| (*name, escape(value))).collect();
        let borrowed: Vec<(&str, &str)> = escaped.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Html(self.with(key, &borrowed))
    }

    fn format(&self, key: &str, args: &FluentArgs<'_>) -> String {
        let Some(pattern) = self.bundle.get_message(key).and_then(|message| message.value()) else {
            return key.to_owned();
        };
        self.bundle.format_pattern(pattern, Some(args), &mut Vec::new()).into_owned()
    }
}

/// Marks the key of a message that a table names, so that the test of the catalogue sees it.
#[must_use]
pub const fn key(name: &'static str) -> &'static str {
    name
}

/// The keys of a catalogue, in its order.
fn keys(source: &str) -> impl Iterator<Item = &str> {
    source.lines().filter_map(|line| {
        let first = line.chars().next()?;
        if !first.is_ascii_alphabetic() {
            return None;
        }
        line.split_once('=').map(|(key, _)| key.trim())
    })
}

/// Markup that is ours: templates put it out as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Html(String);

impl Html {
    /// Takes markup written in this crate.
    pub(crate) fn trusted(markup: String) -> Self {
        Self(markup)
    }
}

impl fmt::Display for Html {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl askama::FastWritable for Html {
    fn write_into(&self, dest: &mut dyn fmt::Write, _: &dyn askama::Values) -> askama::Result<()> {
        Ok(dest.write_str(&self.0)?)
    }
}

impl askama::filters::HtmlSafe for Html {}

pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    fn read_all(folder: &str, extension: &str, out: &mut String) {
        for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                let below = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap();
                read_all(below.to_str().unwrap(), extension, out);
            } else if path.extension().is_some_and(|e| e == extension) {
                out.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }

    /// The first string argument of each call of one of `functions`.
    fn used(source: &str, functions: &[&str]) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        for function in functions {
            for (at, _) in source.match_indices(function) {
                let rest = source[at + function.len()..].trim_start();
                if let Some((key, _)) = rest.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
                    found.insert(key.to_owned());
                }
            }
        }
        found
    }

    #[test]
    fn the_catalogue_reads_without_complaint() {
        let (_, complaints) = Words::load("en", ENGLISH);
        assert!(complaints.is_empty(), "{complaints:?}");
        let all: Vec<_> = keys(ENGLISH).collect();
        let unique: BTreeSet<_> = all.iter().collect();
        assert_eq!(all.len(), unique.len(), "a key is defined twice");
    }

    #[test]
    fn every_key_exists_and_every_key_is_used() {
        let (mut pages, mut scripts) = (String::new(), String::new());
        read_all("templates", "html", &mut pages);
        read_all("src/pages", "rs", &mut pages);
        pages.push_str(include_str!("mail.rs"));
        read_all("assets", "js", &mut scripts);
        // Pages name a message only as the first argument of a layout's methods or of `key`, scripts only as that of
        // `word`; so a table of words holds calls, not names.
        let mut wanted = used(&pages, &[".t(", ".tf(", ".th(", ".tn(", "key("]);
        wanted.extend(used(&scripts, &["word("]).into_iter().map(|key| format!("js-{key}")));
        let defined: BTreeSet<String> = keys(ENGLISH).map(str::to_owned).collect();
        let missing: Vec<_> = wanted.difference(&defined).collect();
        let unused: Vec<_> = defined.difference(&wanted).collect();
        assert!(missing.is_empty(), "used but not in messages/en.ftl: {missing:?}");
        assert!(unused.is_empty(), "in messages/en.ftl but never used: {unused:?}");
    }

    #[test]
    fn markup_in_arguments_stays_text() {
        let html = words("en").html("interaction-ask-html", &[("client", "<b>x</b>"), ("app", "A & B")]).to_string();
        assert!(html.contains("&lt;b&gt;x"), "{html}");
        assert!(html.contains("A &amp; B"), "{html}");
    }
}
