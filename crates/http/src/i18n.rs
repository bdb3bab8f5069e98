//! The words of the pages: Mozilla Fluent catalogues, one file per language in `messages/`, those of refusals in
//! `messages/refusals/`, by code; refusals in English are what `pid_flows::Code` says. Why sign-ins fail is told in
//! `messages/diagnoses/`, by the codes of `pid_core::diagnosis`.
//!
//! Keys that begin with `js-` are for scripts (the build puts them into the bundles); all others are for templates.
//! Messages without arguments are resolved once, so that a page costs a look-up per word. Messages whose key ends
//! in `-html` hold markup of ours; their arguments are escaped. A catalogue is read when it is first asked for.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use pid_core::FieldError;
use pid_core::diagnosis::{self, Finding};
use pid_flows::{Code, Error};

pub use asked::Asked;

mod asked;
#[cfg(debug_assertions)]
mod pseudo;

/// A language that there are words for.
pub struct Language {
    /// Its tag (BCP 47).
    pub tag: &'static str,
    /// What those who speak it call it.
    pub name: &'static str,
    words: LazyLock<Words>,
}

impl fmt::Debug for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Language").field("tag", &self.tag).finish_non_exhaustive()
    }
}

macro_rules! languages {
    ($($tag:literal, $name:literal, $refusals:expr;)*) => {
        /// The tags of all languages, in the order of their names.
        pub const TAGS: [&str; [$($tag),*].len()] = [$($tag),*];

        static LANGUAGES: [Language; TAGS.len()] = [$(Language {
            tag: $tag,
            name: $name,
            words: LazyLock::new(|| {
                let catalogue = concat!(
                    include_str!(concat!("../messages/", $tag, ".ftl")),
                    include_str!(concat!("../messages/diagnoses/", $tag, ".ftl")),
                );
                Words::load($tag, catalogue, $refusals).0
            }),
        }),*];
    };
}

languages! {
    "de", "Deutsch", include_str!("../messages/refusals/de.ftl");
    "en", "English", "";
    "es", "Español", include_str!("../messages/refusals/es.ftl");
    "fr", "Français", include_str!("../messages/refusals/fr.ftl");
    "ja", "日本語", include_str!("../messages/refusals/ja.ftl");
}

/// All languages, in the order of their names.
#[must_use]
pub fn languages() -> &'static [Language] {
    &LANGUAGES
}

/// The words of a language by its tag: its own, or those of the language that it is a kind of.
fn find(tag: &str) -> Option<&'static Words> {
    #[cfg(debug_assertions)]
    if tag == pseudo::TAG {
        return Some(&pseudo::WORDS);
    }
    let base = tag.split(['-', '_']).next().unwrap_or_default();
    let named = |wanted: &str| LANGUAGES.iter().find(|language| language.tag.eq_ignore_ascii_case(wanted));
    named(tag).or_else(|| named(base)).map(|language| &*language.words)
}

/// The catalogue of a language, English when there is none for it.
#[must_use]
pub fn words(tag: &str) -> &'static Words {
    find(tag).or_else(|| find("en")).unwrap_or_else(|| unreachable!("English is in the table"))
}

/// One language's messages.
pub struct Words {
    language: &'static str,
    plain: HashMap<Box<str>, Box<str>>,
    bundle: FluentBundle<FluentResource>,
    /// What refusals say, by code.
    refusals: HashMap<Box<str>, Box<str>>,
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Words").field("language", &self.language).finish_non_exhaustive()
    }
}

impl Words {
    /// Reads a catalogue; what is wrong with it comes back as sentences (a test demands that there are none).
    fn load(language: &'static str, source: &str, refusals: &str) -> (Self, Vec<String>) {
        let mut complaints = Vec::new();
        let resource = match FluentResource::try_new(source.to_owned()) {
            Ok(resource) => resource,
            Err((resource, errors)) => {
                complaints.extend(errors.iter().map(ToString::to_string));
                resource
            }
        };
        let locale = language.parse().unwrap_or_default();
        let mut bundle = FluentBundle::new_concurrent(vec![locale]);
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
        let refusals = refusals.lines().filter(|line| !line.starts_with('#'));
        let refusals =
            refusals.filter_map(|line| line.split_once(" = ")).map(|(code, text)| (code.into(), text.trim().into()));
        (Self { language, plain, bundle, refusals: refusals.collect() }, complaints)
    }

    /// The language as a BCP 47 tag, for `<html lang>`.
    #[must_use]
    pub fn language(&self) -> &'static str {
        self.language
    }

    /// What those who speak the language call it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        LANGUAGES.iter().find(|language| language.tag == self.language).map_or(self.language, |language| language.name)
    }

    /// A sentence, with a full stop unless it ends as one does.
    #[must_use]
    pub fn sentence(&self, text: &str) -> String {
        let stop = if self.language == "ja" { "。" } else { "." };
        if text.ends_with(['.', '!', '?', '。', '！', '？']) { text.to_owned() } else { format!("{text}{stop}") }
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

    /// What a refusal says: what the rule that refused had to say, or else the usual sentence of the code.
    #[must_use]
    pub fn refusal<'a>(&'a self, error: &'a Error) -> Cow<'a, str> {
        if let Some(said) = &error.said
            && let Some(text) = self.refusals.get(said.saying.key())
        {
            return said.fill(text).into();
        }
        let says_which = matches!(error.code, Code::NotFound | Code::AlreadyInUse) || !error.fields.is_empty();
        let is_usual = says_which || error.message == error.code.message();
        let own = self.refusals.get(error.code.as_str()).filter(|_| is_usual);
        own.map_or(error.message.as_str(), AsRef::as_ref).into()
    }

    /// A diagnosis in a sentence.
    #[must_use]
    pub fn diagnosis(&self, finding: &Finding) -> String {
        let values: Vec<(&str, &str)> = finding.values.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.with(&format!("diagnosis-{}", finding.code.as_str()), &values)
    }

    /// How what a diagnosis says is mended.
    #[must_use]
    pub fn mend(&self, code: diagnosis::Code) -> String {
        self.get(&format!("diagnosis-mend-{}", code.mend())).to_owned()
    }

    /// The word for where a diagnosis shows.
    #[must_use]
    pub fn place(&self, place: diagnosis::Place) -> String {
        self.get(&format!("diagnosis-place-{}", place.as_str())).to_owned()
    }

    /// Refused fields, each with what to do about it.
    #[must_use]
    pub fn fields(&self, error: &Error) -> Vec<FieldError> {
        let told = |field: &FieldError| {
            let Some(own) = self.refusals.get(format!("field_{}", field.code.as_str()).as_str()) else {
                return field.clone();
            };
            // A value that is named, one of several perhaps, is named in every language.
            let value = field.message.split_once('\'').and_then(|(_, rest)| rest.split_once('\''));
            let message = value.map_or_else(|| own.to_string(), |(value, _)| format!("{own}: {value}"));
            FieldError { message, ..field.clone() }
        };
        error.fields.iter().map(told).collect()
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
    use pid_core::FieldCode;
    use pid_flows::Saying;
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

    const ENGLISH: &str = concat!(include_str!("../messages/en.ftl"), include_str!("../messages/diagnoses/en.ftl"));

    fn source(tag: &str) -> String {
        let read = |file: String| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        read(format!("messages/{tag}.ftl")) + &read(format!("messages/diagnoses/{tag}.ftl"))
    }

    /// Each message with its text, all lines of it.
    fn messages(source: &str) -> Vec<(String, String)> {
        let mut out: Vec<(String, String)> = Vec::new();
        for line in source.lines() {
            if line.starts_with(|c: char| c.is_ascii_alphabetic()) {
                let (key, text) = line.split_once('=').unwrap();
                out.push((key.trim().to_owned(), text.trim().to_owned()));
            } else if line.starts_with([' ', '}']) {
                out.last_mut().unwrap().1.push_str(line);
            }
        }
        out
    }

    /// What a text names: arguments (`$app`) and elements (`<strong>`), each as often as it does unless it has variants.
    fn named(text: &str, begin: char, end: impl Fn(char) -> bool + Copy) -> Vec<&str> {
        let found = text.match_indices(begin).map(|(at, _)| {
            let rest = &text[at..];
            &rest[..rest[1..].find(end).map_or(rest.len(), |n| n + 1)]
        });
        let mut found: Vec<&str> = found.collect();
        found.sort_unstable();
        if text.contains("->") || begin == '$' {
            found.dedup();
        }
        found
    }

    #[test]
    fn every_catalogue_reads_without_complaint_and_has_the_same_messages() {
        let english = messages(ENGLISH);
        for tag in TAGS {
            let source = source(tag);
            let (_, complaints) = Words::load(tag, &source, "");
            assert!(complaints.is_empty(), "{tag}: {complaints:?}");
            let theirs = messages(&source);
            let keys = |of: &[(String, String)]| of.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>();
            let unique: BTreeSet<_> = keys(&theirs).into_iter().collect();
            assert_eq!(theirs.len(), unique.len(), "{tag}: a key is defined twice");
            let known: BTreeSet<_> = keys(&english).into_iter().collect();
            let (missing, unknown): (Vec<_>, Vec<_>) =
                (known.difference(&unique).collect(), unique.difference(&known).collect());
            assert!(missing.is_empty() && unknown.is_empty(), "{tag}: missing {missing:?}, unknown {unknown:?}");
            for (key, text) in &theirs {
                let (_, ours) = english.iter().find(|(known, _)| known == key).unwrap();
                assert!(!text.is_empty(), "{tag}: {key} says nothing");
                let arguments = |text| named(text, '$', |c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_');
                assert_eq!(arguments(text), arguments(ours), "{tag}: arguments of {key}");
                if key.ends_with("-html") {
                    assert_eq!(
                        named(text, '<', |c| c == '>'),
                        named(ours, '<', |c| c == '>'),
                        "{tag}: markup of {key}"
                    );
                } else {
                    assert!(!text.contains('"') || ours.contains('"'), "{tag}: {key} would end an attribute");
                    assert!(!text.contains('<') || ours.contains('<'), "{tag}: {key} has markup");
                }
            }
        }
    }

    #[test]
    fn every_refusal_is_told_in_every_language() {
        for tag in TAGS.iter().filter(|tag| **tag != "en") {
            let words = words(tag);
            let fields = FieldCode::ALL.iter().map(|code| format!("field_{}", code.as_str()));
            let sayings = Saying::ALL.iter().map(|saying| saying.key().to_owned());
            let codes = Code::ALL.iter().map(|code| code.as_str().to_owned());
            let wanted: BTreeSet<String> = codes.chain(sayings).chain(fields).collect();
            let told: BTreeSet<String> = words.refusals.keys().map(ToString::to_string).collect();
            assert_eq!(told, wanted, "{tag}");
            let usual = Error::new(Code::LastAdmin);
            assert_ne!(words.refusal(&usual), usual.message);
            let special = Error::with(Code::LastAdmin, "This one is special");
            assert_eq!(words.refusal(&special), "This one is special");
            for saying in Saying::ALL {
                let own = &words.refusals[saying.key()];
                let places = |text| named(text, '$', |c: char| !c.is_ascii_alphanumeric());
                assert_eq!(places(own), places(saying.text()), "{tag}: {}", saying.key());
                assert_ne!(&**own, saying.text(), "{tag}: {}", saying.key());
            }
            let reason = Error::say(Saying::BadPicture, &[("reason", "<why>")]);
            assert!(words.refusal(&reason).contains("<why>") && words.refusal(&reason) != reason.message);
            let field = Error::field("name", FieldCode::Required, "must not be empty");
            assert_ne!(words.refusal(&field), field.message);
            assert_ne!(words.fields(&field)[0].message, "must not be empty");
            let value = Error::field("aaguids", FieldCode::InvalidValue, "has 'x-1', which is no AAGUID");
            let told = words.fields(&value)[0].message.clone();
            assert!(told.ends_with(": x-1") && !told.contains("AAGUID"), "{told}");
        }
        assert_eq!(super::words("en").refusal(&Error::new(Code::LastAdmin)), Code::LastAdmin.message());
    }

    #[test]
    fn every_key_exists_and_every_key_is_used() {
        let (mut pages, mut scripts) = (String::new(), String::new());
        read_all("templates", "html", &mut pages);
        read_all("src/pages", "rs", &mut pages);
        pages.push_str(include_str!("mail.rs"));
        pages.push_str(include_str!("doctor.rs"));
        read_all("src/doctor", "rs", &mut pages);
        read_all("assets", "js", &mut scripts);
        // Pages name a message only as the first argument of a layout's methods or of `key`, scripts only as that of
        // `word`; so a table of words holds calls, not names.
        let mut wanted = used(&pages, &[".t(", ".tf(", ".th(", ".tn(", "key("]);
        wanted.extend(used(&scripts, &["word("]).into_iter().map(|key| format!("js-{key}")));
        for code in diagnosis::Code::ALL {
            wanted.insert(format!("diagnosis-{}", code.as_str()));
            wanted.insert(format!("diagnosis-mend-{}", code.mend()));
            wanted.insert(format!("diagnosis-place-{}", code.place().as_str()));
        }
        let defined: BTreeSet<String> = keys(ENGLISH).map(str::to_owned).collect();
        let missing: Vec<_> = wanted.difference(&defined).collect();
        let unused: Vec<_> = defined.difference(&wanted).collect();
        assert!(missing.is_empty(), "used but not in messages/en.ftl: {missing:?}");
        assert!(unused.is_empty(), "in messages/en.ftl but never used: {unused:?}");
    }

    #[test]
    fn every_diagnosis_quotes_what_its_table_says() {
        for (key, text) in messages(include_str!("../messages/diagnoses/en.ftl")) {
            let quoted = named(&text, '$', |c: char| !c.is_ascii_alphanumeric());
            let code = key.strip_prefix("diagnosis-").and_then(diagnosis::Code::parse);
            let mut wanted: Vec<String> =
                code.map(|code| code.values().iter().map(|name| format!("${name}")).collect()).unwrap_or_default();
            wanted.sort_unstable();
            assert_eq!(quoted, wanted, "{key}");
        }
        let finding = Finding::new(diagnosis::Code::CallbackIndexPhp).quote("sent", "<a>").quote("expected", "b");
        for tag in TAGS {
            let words = words(tag);
            assert!(words.diagnosis(&finding).contains("<a>"), "{tag}");
            assert!(!words.mend(finding.code).starts_with("diagnosis-"), "{tag}");
        }
    }

    #[test]
    fn markup_in_arguments_stays_text() {
        let html = words("en").html("interaction-ask-html", &[("client", "<b>x</b>"), ("app", "A & B")]).to_string();
        assert!(html.contains("&lt;b&gt;x"), "{html}");
        assert!(html.contains("A &amp; B"), "{html}");
    }
}
